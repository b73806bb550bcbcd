/* Test cases that `make SHORT=yes check` leaves out, because others run the same code in less time:
 * those that train until something is learned, draw until a law is seen, take large matrices or
 * networks, or look at a script. */
#ifndef DI4C_TESTS_TOOLS_SLOW_H
#define DI4C_TESTS_TOOLS_SLOW_H

#include <check.h>

/* A case of the suite, tagged "slow" (Check's CK_EXCLUDE_TAGS), whose tests have so many seconds
 * each. */
TCase *slow_case(Suite *suite, double seconds);

#endif
