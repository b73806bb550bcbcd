/* The number of the library's programming interface: what a program that includes these headers
 * may rely on.
 *
 * The minor number rises when something is added, the major number when something that a program
 * may use is taken away or means something else; while the major number is 0, a minor number may do
 * that too.  Structures are open, and an addition may make one larger, so a program is compiled
 * again for every new number: the shared library's name holds both, libdi4c.so.MAJOR.MINOR. */
#ifndef DI4C_TENSOR_BASE_VERSION_H
#define DI4C_TENSOR_BASE_VERSION_H

#define DI4C_API_MAJOR 0
#define DI4C_API_MINOR 1
/* One number, to be compared: #if DI4C_API >= 1002 */
#define DI4C_API (1000 * DI4C_API_MAJOR + DI4C_API_MINOR)

/* DI4C_API of the library that the program runs with. */
int version_api(void);
/* Of the program and the library as a release, "0.1.0". */
const char *version_release(void);

#endif
