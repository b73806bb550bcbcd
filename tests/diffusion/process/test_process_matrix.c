/* Noise from a user's rate matrix: what is refused and in which words, the prior, and what the
 * library finds out about the chain. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/process/process.h"
#include "tensor/base/rng.h"

static Process *create(const double *R, size_t S, double scale, Error *err)
{
    ProcessConfig c = diffusion_process_defaults("matrix", S);

    c.rates = R;
    c.beta_scale = scale;
    return diffusion_process_create(&c, err);
}

static void assert_refused(const double *R, size_t S, const char *words)
{
    Error err = {""};

    ck_assert_msg(create(R, S, 50.0, &err) == NULL, "expected a refusal with '%s'", words);
    ck_assert_msg(strstr(err.text, words) != NULL, "'%s' lacks '%s'", err.text, words);
}

START_TEST(broken_matrices_are_named)
{
    double nan = HUGE_VAL - HUGE_VAL;
    double negative[9] = {-1, 2, -1, 1, -2, 1, 1, 1, -2};
    double sums[9] = {-1, 1, 0, 1, -1.5, 1, 1, 1, -2};
    double hole[9] = {-1, 1, 0, 1, -2, 1, 1, nan, -2};
    double endless[9] = {-1, 1, 0, HUGE_VAL, -2, 1, 1, 1, -2};
    double good[9] = {-1, 1, 0, 1, -2, 1, 1, 1, -2};
    double zero[9] = {0};
    Error err;

    assert_refused(negative, 3, "R[0][2] = -1, expected rates of at least 0");
    assert_refused(sums, 3, "row 1 sums to 0.5, expected 0");
    assert_refused(hole, 3, "R[2][1] = ");
    assert_refused(hole, 3, "expected a finite number");
    assert_refused(endless, 3, "R[1][0] = inf, expected a finite number");
    assert_refused(zero, 3, "no common state");
    assert_refused(NULL, 3, "no matrix");
    ck_assert(create(good, 3, 0.0, &err) == NULL);
    ck_assert_msg(strstr(err.text, "beta_scale") != NULL, "%s", err.text);
    ck_assert(create(good, 1, 1.0, &err) == NULL);
    ck_assert_msg(strstr(err.text, "states") != NULL, "%s", err.text);
}
END_TEST

/* Rounded numbers of a file are fine; R's diagonal is then recomputed. */
START_TEST(rows_may_be_rounded)
{
    double R[4] = {-0.3333333, 0.33333333, 0.66666667, -0.6666667};
    Error err = {""};
    Process *p = create(R, 2, 10.0, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    ck_assert_double_eq(p->base[0], -0.33333333);
    ck_assert_double_eq(p->base[0] + p->base[1], 0.0);
    diffusion_process_destroy(p);
    R[0] = -0.33333;
    assert_refused(R, 2, "row 0 sums to");
}
END_TEST

START_TEST(chains_without_a_prior_are_refused)
{
    /* two islands; two islands reached from a third state; all of it in another order */
    double islands[16] = {-1, 1, 0, 0, 1, -1, 0, 0, 0, 0, -2, 2, 0, 0, 2, -2};
    double forked[9] = {-2, 1, 1, 0, 0, 0, 0, 0, 0};
    double late[25] = {-1, 1, 0, 0, 0, 1,  -1, 0, 0, 0, 1, 0, -2,
                       1,  0, 0, 0, 0, -1, 1,  0, 0, 0, 1, -1};
    double sink[9] = {-1, 1, 0, 0, -1, 1, 0, 0, 0};
    double mask[9] = {-1, 0, 1, 0, -1, 1, 0, 0, 0};

    assert_refused(islands, 4, "no common state");
    assert_refused(forked, 3, "no common state");
    assert_refused(late, 5, "no common state");
    assert_refused(sink, 3, "all states end in state 2, which is never left");
    assert_refused(mask, 3, "process=absorbing");
}
END_TEST

START_TEST(slow_chains_are_refused)
{
    double R[4] = {-0.1, 0.1, 0.1, -0.1};
    Error err = {""};

    ck_assert(create(R, 2, 1.0, &err) == NULL);
    ck_assert_msg(strstr(err.text, "raise beta_scale") != NULL, "%s", err.text);
    Process *p = create(R, 2, 20.0, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(priors_are_known_laws)
{
    /* birth 1, death 2: pi halves from state to state */
    double R[16] = {-1, 1, 0, 0, 2, -3, 1, 0, 0, 2, -3, 1, 0, 0, 2, -2};
    Error err = {""};
    Process *p = create(R, 4, 50.0, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_le(fabs(p->prior[i] - ldexp(8.0 / 15.0, -(int)i)), 1e-16);
    ck_assert(p->reversible && p->spectral && p->mask == -1);
    diffusion_process_destroy(p);
    /* a cycle of equal speeds is uniform and has no detailed balance */
    double cycle[9] = {-1, 1, 0, 0, -1, 1, 1, 0, -1};
    p = create(cycle, 3, 50.0, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_le(fabs(p->prior[i] - 1.0 / 3.0), 1e-16);
    ck_assert(!p->reversible && !p->spectral);
    diffusion_process_destroy(p);
    /* states 0 and 2 are left for ever: the prior gives them exactly 0 */
    double transient[16] = {-2, 1, 1, 0, 0, -1, 0, 1, 0, 1, -1, 0, 0, 3, 0, -3};
    p = create(transient, 4, 50.0, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    ck_assert(p->prior[0] == 0.0 && p->prior[2] == 0.0);
    ck_assert_double_le(fabs(p->prior[1] - 0.75), 1e-16);
    ck_assert(!p->reversible);
    diffusion_process_destroy(p);
}
END_TEST

/* Stationary probabilities over 60 orders of magnitude keep their digits. */
START_TEST(tiny_probabilities_are_exact)
{
    enum { S = 21 };
    double R[S * S] = {0};
    Error err = {""};

    for (size_t i = 0; i + 1 < S; i++) {
        R[i * S + i + 1] = 1.0;
        R[(i + 1) * S + i] = 1000.0;
    }
    for (size_t i = 0; i < S; i++)
        R[i * S + i] = -(i + 1 < S ? 1.0 : 0.0) - (i > 0 ? 1000.0 : 0.0);
    Process *p = create(R, S, 50.0, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    for (size_t i = 1; i < S; i++)
        ck_assert_double_le(fabs(p->prior[i] * 1000.0 / p->prior[i - 1] - 1.0), 1e-14);
    ck_assert(p->reversible && !p->spectral);
    diffusion_process_destroy(p);
}
END_TEST

/* A known R given as a matrix is the known process: the Gaussian's. */
START_TEST(a_known_matrix_is_the_known_process)
{
    enum { S = 16 };
    ProcessConfig c = diffusion_process_defaults("gaussian", S);
    Error err = {""};
    Process *known = diffusion_process_create(&c, &err), *p = create(known->base, S, 30.0, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    ck_assert(p->reversible && p->spectral);
    ck_assert_mem_eq(p->base, known->base, (size_t)S * S * sizeof *p->base);
    for (size_t i = 0; i < S; i++)
        ck_assert_double_le(fabs(p->prior[i] / known->prior[i] - 1.0), 1e-13);
    diffusion_process_destroy(p);
    diffusion_process_destroy(known);
}
END_TEST

/* Every schedule, also those published with other processes; B(0,1) must be finite. */
START_TEST(schedules_fit_or_are_refused)
{
    static const char *const kinds[] = {"uniform", "absorbing", "birthdeath", "gaussian", "matrix"};
    double R[9] = {-1, 1, 0, 0, -1, 1, 1, 0, -1};
    Error err;

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (int beta = SCHEDULE_CONSTANT; beta <= SCHEDULE_LOGLINEAR; beta++) {
            ProcessConfig c = diffusion_process_defaults(kinds[k], 3);
            c.rates = strcmp(kinds[k], "matrix") == 0 ? R : NULL;
            diffusion_process_set(&c, "rate_const", 1.0);
            c.beta = (ScheduleKind)beta;
            c.beta_scale = 10.0;
            Process *p = diffusion_process_create(&c, &err);
            ck_assert_msg(p != NULL, "%s", err.text);
            ck_assert_int_eq(p->schedule.kind, c.beta);
            ck_assert_ptr_eq(p->config.rates, NULL);
            diffusion_process_destroy(p);
            c.eps = 0.0;
            p = diffusion_process_create(&c, &err);
            bool closed = c.class->closed;
            ck_assert_int_eq(p != NULL, beta < SCHEDULE_COSINE || closed);
            if (p == NULL)
                ck_assert_msg(strstr(err.text, "alpha_eps = 0") != NULL, "%s", err.text);
            diffusion_process_destroy(p);
            c.beta_scale = 1e-4;
            c.eps = 0.5;
            ck_assert(diffusion_process_create(&c, &err) == NULL);
            ck_assert_msg(strstr(err.text, "raise beta_scale") != NULL, "%s", err.text);
        }
}
END_TEST

Suite *process_matrix_suite(void)
{
    Suite *suite = suite_create("process_matrix");
    TCase *tc = tcase_create("process_matrix");

    tcase_add_test(tc, broken_matrices_are_named);
    tcase_add_test(tc, rows_may_be_rounded);
    tcase_add_test(tc, chains_without_a_prior_are_refused);
    tcase_add_test(tc, slow_chains_are_refused);
    tcase_add_test(tc, priors_are_known_laws);
    tcase_add_test(tc, tiny_probabilities_are_exact);
    tcase_add_test(tc, a_known_matrix_is_the_known_process);
    tcase_add_test(tc, schedules_fit_or_are_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
