/* Schedules against their definitions, by differences and in long double. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "diffusion/process/schedule.h"

enum { CASES = 8 };

/* Every kind, and alpha with eps = 0 and a power of it. */
static Schedule schedule_of(int kase)
{
    static const ScheduleKind kinds[CASES] = {
        SCHEDULE_CONSTANT,  SCHEDULE_EXPONENTIAL, SCHEDULE_LINEAR, SCHEDULE_COSINE,
        SCHEDULE_LOGLINEAR, SCHEDULE_COSINE,      SCHEDULE_COSINE, SCHEDULE_LOGLINEAR};
    static const double scale[CASES] = {2.5, 3.0, 0.7, 1.0, 1.0, 1.0, 2.5, 0.4};
    static const double eps[CASES] = {0.0, 0.0, 0.0, 1e-3, 0.0, 0.0, 0.02, 1e-3};
    Schedule s;
    Error err = {""};

    ck_assert_msg(
        diffusion_schedule_make(&s, kinds[kase], scale[kase], 50.0, eps[kase], "test", &err), "%s",
        err.text);
    return s;
}

static void assert_near(double got, double expected, double relative)
{
    ck_assert_msg(fabs(got - expected) <= relative * fabs(expected), "%.17g, expected %.17g", got,
                  expected);
}

/* B(0,t) by its definition. */
static long double naive_integral(const Schedule *c, long double t)
{
    const long double pi = acosl(-1.0L), a = 50.0L;
    long double b = c->scale, eps = c->eps;

    switch (c->kind) {
    case SCHEDULE_CONSTANT: return b * t;
    case SCHEDULE_EXPONENTIAL: return b * (powl(a, t) - 1.0L);
    case SCHEDULE_LINEAR: return b * (t + (a - 1.0L) * t * t / 2.0L);
    case SCHEDULE_COSINE: return -b * logl(1.0L - (1.0L - eps) * sinl(pi * t / 2.0L));
    default: return -b * logl(1.0L - (1.0L - eps) * t);
    }
}

/* B(s,t).  Two calls in one expression come out as NaN from tcc, which loses the first result. */
static long double naive_between(const Schedule *c, long double s, long double t)
{
    const long double early = naive_integral(c, s), late = naive_integral(c, t);

    return late - early;
}

START_TEST(integrals_follow_their_definition)
{
    Schedule c = schedule_of(_i);

    for (int i = 0; i < 10; i++) {
        double t = 0.1 * i;
        assert_near(diffusion_schedule_integral(&c, 0.0, t), (double)naive_integral(&c, t), 1e-14);
        assert_near(diffusion_schedule_integral(&c, t, 0.97), (double)naive_between(&c, t, 0.97L),
                    1e-13);
        ck_assert_double_eq(diffusion_schedule_integral(&c, t, t), 0.0);
    }
    ck_assert_double_eq(diffusion_schedule_integral(&c, 1.0, 1.0), 0.0);
}
END_TEST

START_TEST(rates_are_derivatives)
{
    Schedule c = schedule_of(_i);

    for (int i = 1; i < 10; i++) {
        double t = 0.1 * i, h = 1e-5;
        assert_near(diffusion_schedule_rate(&c, t),
                    diffusion_schedule_integral(&c, t - h, t + h) / (2 * h), 1e-7);
    }
}
END_TEST

/* keep = exp(-r B), leave = 1 - keep with all its digits: 1 - keep over 2^-44 is r beta 2^-44. */
START_TEST(keep_and_leave_are_accurate)
{
    static const double rates[] = {1.0, 0.4, 2.5, 16.0};
    Schedule c = schedule_of(_i);
    double h = ldexp(1.0, -44), keep, leave;

    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        for (int i = 0; i < 9; i++) {
            double s = 0.1 * i;
            long double passed = rates[k] * naive_between(&c, s, 0.95L);
            diffusion_schedule_keep(&c, rates[k], s, 0.95, &keep, &leave);
            assert_near(keep, (double)expl(-passed), 1e-13 + 1e-14 * (double)passed);
            assert_near(leave, (double)-expm1l(-passed), 1e-13);
            diffusion_schedule_keep(&c, rates[k], s, s + h, &keep, &leave);
            assert_near(leave, rates[k] * diffusion_schedule_rate(&c, s) * ((s + h) - s), 1e-9);
            diffusion_schedule_keep(&c, rates[k], s, s, &keep, &leave);
            ck_assert_double_eq(keep, 1.0);
            ck_assert_double_eq(leave, 0.0);
        }
        diffusion_schedule_keep(&c, rates[k], 0.3, 1.0, &keep, &leave);
        bool ends = c.eps == 0.0 && c.kind >= SCHEDULE_COSINE;
        ck_assert((keep == 0.0) == ends || rates[k] == 16.0); /* e^-1000 is 0 in double */
        assert_near(keep + leave, 1.0, 1e-15);
        ck_assert((diffusion_schedule_integral(&c, 0.3, 1.0) > DBL_MAX) == ends);
    }
}
END_TEST

START_TEST(ratio_is_that_of_the_rates)
{
    for (int k = 1; k <= 2; k++) {
        Schedule c = schedule_of(k);
        assert_near(diffusion_schedule_rate(&c, 1.0), 50.0 * diffusion_schedule_rate(&c, 0.0),
                    1e-14);
    }
}
END_TEST

START_TEST(impossible_values_are_named)
{
    static const struct {
        ScheduleKind kind;
        double scale, ratio, eps;
        const char *word;
    } bad[] = {
        {SCHEDULE_PUBLISHED, 1.0, 2.0, 0.0, "loglinear"},
        {(ScheduleKind)9, 1.0, 2.0, 0.0, "loglinear"},
        {SCHEDULE_CONSTANT, 0.0, 2.0, 0.0, "beta_scale"},
        {SCHEDULE_CONSTANT, HUGE_VAL, 2.0, 0.0, "beta_scale"},
        {SCHEDULE_COSINE, -1.0, 2.0, 0.0, "beta_scale"},
        {SCHEDULE_LINEAR, 1.0, 1.0, 0.0, "beta_ratio"},
        {SCHEDULE_EXPONENTIAL, 1.0, HUGE_VAL, 0.0, "beta_ratio"},
        {SCHEDULE_COSINE, 1.0, 2.0, 1.0, "alpha_eps"},
        {SCHEDULE_LOGLINEAR, 1.0, 2.0, -1e-9, "alpha_eps"},
    };
    double nan = HUGE_VAL - HUGE_VAL;
    Schedule s;
    Error err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert(!diffusion_schedule_make(&s, bad[i].kind, bad[i].scale, bad[i].ratio, bad[i].eps,
                                           "here", &err));
        ck_assert_msg(strstr(err.text, bad[i].word) != NULL && strncmp(err.text, "here: ", 6) == 0,
                      "%s", err.text);
    }
    ck_assert(!diffusion_schedule_make(&s, SCHEDULE_LINEAR, nan, 2.0, 0.0, "here", &err));
    ck_assert(!diffusion_schedule_make(&s, SCHEDULE_LINEAR, 1.0, nan, 0.0, "here", &err));
    ck_assert(!diffusion_schedule_make(&s, SCHEDULE_COSINE, 1.0, 2.0, nan, "here", &err));
}
END_TEST

Suite *schedule_suite(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");

    tcase_add_loop_test(tc, integrals_follow_their_definition, 0, CASES);
    tcase_add_loop_test(tc, rates_are_derivatives, 0, CASES);
    tcase_add_loop_test(tc, keep_and_leave_are_accurate, 0, CASES);
    tcase_add_test(tc, ratio_is_that_of_the_rates);
    tcase_add_test(tc, impossible_values_are_named);
    suite_add_tcase(suite, tc);
    return suite;
}
