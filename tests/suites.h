/* The list of test suites; made by the Makefile from the names of the files test_NAME.c
 * under tests/. */
#ifndef DI4C_TESTS_SUITES_H
#define DI4C_TESTS_SUITES_H

#include <check.h>

typedef struct TestSuite {
    const char *name;
    Suite *(*create)(void);
} TestSuite;

extern const TestSuite test_suites[]; /* ends with name 0 */

#endif
