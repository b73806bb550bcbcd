/* Is this a build with sanitizers, or of VARIANT=debug, where everything takes several times as
 * long? What is left out there for its length is still run by `make check`. */
#ifndef DI4C_TESTS_TOOLS_SANITIZED_H
#define DI4C_TESTS_TOOLS_SANITIZED_H

#ifdef DI4C_POISON
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#endif
