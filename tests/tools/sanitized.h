/* Is this a build with sanitizers, of VARIANT=debug, or one that counts its lines, where everything
 * takes several times as long? What is left out there for its length is still run by `make check`.
 */
#ifndef DI4C_TESTS_TOOLS_SANITIZED_H
#define DI4C_TESTS_TOOLS_SANITIZED_H

#if defined(DI4C_POISON) || defined(DI4C_COVERAGE)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#endif
