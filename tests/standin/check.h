/* What the tests use of the library Check (libcheck.github.io), for compilers and machines that it
 * is not built for: make CHECK=standin.  The names are Check's.  Tests run in child processes where
 * there are any; elsewhere in this one, without those that end by a signal or an exit. */
#ifndef DI4C_TESTS_STANDIN_CHECK_H
#define DI4C_TESTS_STANDIN_CHECK_H

#include <stdint.h>
#include <string.h>

#include "tensor/base/printf_like.h"

typedef struct Suite Suite;
typedef struct TCase TCase;
typedef struct SRunner SRunner;
typedef void (*TFun)(int);
typedef void (*SFun)(void);
enum print_output { CK_NORMAL };

Suite *suite_create(const char *name);
void suite_add_tcase(Suite *suite, TCase *tcase);
TCase *tcase_create(const char *name);
void tcase_set_timeout(TCase *tcase, double seconds);
/* One word; a case with the word of the variable CK_EXCLUDE_TAGS is not run. */
void tcase_set_tags(TCase *tcase, const char *tag);
void tcase_add_checked_fixture(TCase *tcase, SFun set_up, SFun tear_down);
/* The test runs for i from start to end - 1; it must end by this signal (0: none), with this
 * status. */
void standin_add(TCase *tcase, TFun test, const char *name, int signal, int status, int start,
                 int end);
SRunner *srunner_create(Suite *suite); /* of no suite: NULL */
void srunner_add_suite(SRunner *runner, Suite *suite);
void srunner_run_all(SRunner *runner, enum print_output mode);
int srunner_ntests_failed(const SRunner *runner);
void srunner_free(SRunner *runner);

#define tcase_add_test(tc, test)                            standin_add(tc, test, #test, 0, 0, 0, 1)
#define tcase_add_loop_test(tc, test, a, b)                 standin_add(tc, test, #test, 0, 0, a, b)
#define tcase_add_test_raise_signal(tc, test, s)            standin_add(tc, test, #test, s, 0, 0, 1)
#define tcase_add_loop_test_raise_signal(tc, test, s, a, b) standin_add(tc, test, #test, s, 0, a, b)
#define tcase_add_exit_test(tc, test, status)               standin_add(tc, test, #test, 0, status, 0, 1)
#define tcase_add_loop_exit_test(tc, test, status, a, b)                                           \
    standin_add(tc, test, #test, 0, status, a, b)

#define START_TEST(name)                                                                           \
    static void name(int _i)                                                                       \
    {                                                                                              \
        (void)_i;
#define END_TEST }

#if defined(__GNUC__)
#define STANDIN_ENDS __attribute__((noreturn))
#else
#define STANDIN_ENDS
#endif

/* Ends the test with this sentence. */
STANDIN_ENDS void standin_fail(const char *file, int line, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Each ends the test unless the comparison holds, where `holds` says so. */
void standin_int(const char *file, int line, const char *what, int holds, intmax_t a, intmax_t b);
void standin_uint(const char *file, int line, const char *what, int holds, uintmax_t a,
                  uintmax_t b);
void standin_real(const char *file, int line, const char *what, int holds, double a, double b);
void standin_text(const char *file, int line, const char *what, int equal, const char *a,
                  const char *b);

#define ck_assert_msg(e, ...) ((e) ? (void)0 : standin_fail(__FILE__, __LINE__, __VA_ARGS__))
#define ck_assert(e)          ck_assert_msg(e, "%s", #e)
#define ck_abort_msg(...)     standin_fail(__FILE__, __LINE__, __VA_ARGS__)

#define STANDIN_COMPARE(type, see, a, op, b)                                                       \
    do {                                                                                           \
        const type standin_a = (a), standin_b = (b);                                               \
        see(__FILE__, __LINE__, #a " " #op " " #b, standin_a op standin_b, standin_a, standin_b);  \
    } while (0)
#define STANDIN_INT(a, op, b)  STANDIN_COMPARE(intmax_t, standin_int, a, op, b)
#define STANDIN_UINT(a, op, b) STANDIN_COMPARE(uintmax_t, standin_uint, a, op, b)
#define STANDIN_REAL(a, op, b) STANDIN_COMPARE(double, standin_real, a, op, b)

#define ck_assert_int_eq(a, b)  STANDIN_INT(a, ==, b)
#define ck_assert_int_ne(a, b)  STANDIN_INT(a, !=, b)
#define ck_assert_int_lt(a, b)  STANDIN_INT(a, <, b)
#define ck_assert_int_le(a, b)  STANDIN_INT(a, <=, b)
#define ck_assert_int_gt(a, b)  STANDIN_INT(a, >, b)
#define ck_assert_int_ge(a, b)  STANDIN_INT(a, >=, b)
#define ck_assert_uint_eq(a, b) STANDIN_UINT(a, ==, b)
#define ck_assert_uint_ne(a, b) STANDIN_UINT(a, !=, b)
#define ck_assert_uint_lt(a, b) STANDIN_UINT(a, <, b)
#define ck_assert_uint_le(a, b) STANDIN_UINT(a, <=, b)
#define ck_assert_uint_gt(a, b) STANDIN_UINT(a, >, b)
#define ck_assert_uint_ge(a, b) STANDIN_UINT(a, >=, b)

#define ck_assert_double_eq(a, b)  STANDIN_REAL(a, ==, b)
#define ck_assert_double_ne(a, b)  STANDIN_REAL(a, !=, b)
#define ck_assert_double_lt(a, b)  STANDIN_REAL(a, <, b)
#define ck_assert_double_le(a, b)  STANDIN_REAL(a, <=, b)
#define ck_assert_double_gt(a, b)  STANDIN_REAL(a, >, b)
#define ck_assert_double_ge(a, b)  STANDIN_REAL(a, >=, b)
#define ck_assert_float_eq(a, b)   STANDIN_REAL(a, ==, b)
#define ck_assert_ldouble_le(a, b) STANDIN_COMPARE(long double, standin_real, a, <=, b)
#define ck_assert_double_eq_tol(a, b, tolerance)                                                   \
    do {                                                                                           \
        const double standin_a = (a), standin_b = (b), standin_far = standin_a - standin_b;        \
        standin_real(__FILE__, __LINE__, #a " == " #b " within " #tolerance,                       \
                     standin_far < (tolerance) && -standin_far < (tolerance), standin_a,           \
                     standin_b);                                                                   \
    } while (0)
#define ck_assert_float_eq_tol(a, b, tolerance) ck_assert_double_eq_tol(a, b, tolerance)

#define ck_assert_ptr_null(p)     ck_assert_msg((p) == NULL, "%s is not NULL", #p)
#define ck_assert_ptr_nonnull(p)  ck_assert_msg((p) != NULL, "%s is NULL", #p)
#define ck_assert_ptr_eq(a, b)    ck_assert((const void *)(a) == (const void *)(b))
#define ck_assert_ptr_ne(a, b)    ck_assert((const void *)(a) != (const void *)(b))
#define ck_assert_mem_eq(a, b, n) ck_assert(memcmp(a, b, n) == 0)
#define ck_assert_mem_ne(a, b, n) ck_assert(memcmp(a, b, n) != 0)
#define ck_assert_str_eq(a, b)    standin_text(__FILE__, __LINE__, #a " == " #b, 1, a, b)
#define ck_assert_str_ne(a, b)    standin_text(__FILE__, __LINE__, #a " != " #b, 0, a, b)

#endif
