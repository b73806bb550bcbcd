/* Test cases whose work is too small for several threads: the others would only spin. */
#ifndef DI4C_TESTS_TOOLS_ONE_THREAD_H
#define DI4C_TESTS_TOOLS_ONE_THREAD_H

#include <check.h>

/* A case of that name whose tests have so many seconds each and begin with one thread. */
TCase *one_thread_case(const char *name, double seconds);

#endif
