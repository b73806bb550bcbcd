/* The random numbers of a distillation step: by name and by law. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "tests/tools/distill_case.h"

enum { B = DISTILL_B, D = DISTILL_D, S = DISTILL_S, N = DISTILL_N };

static const DistillKind masked = {true, 0, 2, 0.2, 0};

/* Sums of numbers that should be uniform on [0,1). */
typedef struct Mean {
    double sum;
    size_t count;
} Mean;

static void check_uniform(Mean *m, double x)
{
    ck_assert(x > -1e-9 && x < 1 + 1e-9);
    m->sum += x;
    m->count++;
}

/* Six standard deviations: false alarm 2e-9. */
static void check_mean(const Mean *m)
{
    double n = (double)m->count;

    ck_assert_msg(fabs(m->sum / n - 0.5) < 6 / sqrt(12 * n), "mean %g of %g", m->sum / n, n);
}

/* t - u log-uniform, t uniform above t_min + (t - u), tm at its start half of the time. */
START_TEST(times_follow_their_laws)
{
    Mean delta = {0, 0}, t = {0, 0}, tm = {0, 0};
    DistillCase c;

    distill_case_make(&c, &distill_case_plain);
    for (uint64_t step = 0; step < 200; step++) {
        Di4cDraws draws = distill_case_draws(&c, step);
        for (size_t b = 0; b < B; b++) {
            double first = 0.01 + draws.t[b] - draws.u[b];
            check_uniform(&delta, log((draws.t[b] - draws.u[b]) / 0.001) / log(10));
            check_uniform(&t, (draws.t[b] - first) / (1 - first));
        }
        for (size_t r = 0; r < (size_t)B * N; r++)
            if (draws.tm[r] != 0.01)
                check_uniform(&tm, (draws.tm[r] - 0.01) / 0.01);
        arena_reset(c.work.arena);
    }
    check_mean(&delta);
    check_mean(&t);
    check_mean(&tm);
    /* 3000 fair coins, six standard deviations: false alarm 2e-9 */
    ck_assert(fabs((double)tm.count - 1500) < 6 * sqrt(750));
    distill_case_free(&c);
}
END_TEST

START_TEST(draws_belong_to_their_picture)
{
    DistillCase c;

    distill_case_make(&c, &masked);
    Di4cDraws all = distill_case_draws(&c, 2);
    c.x0.batch = 2; /* the same first pictures in a smaller batch */
    Di4cDraws few = distill_case_draws(&c, 2);
    c.x0.batch = B;
    ck_assert_mem_eq(all.t, few.t, 2 * sizeof *all.t);
    ck_assert_mem_eq(all.tm, few.tm, (size_t)2 * N * sizeof *all.tm);
    ck_assert_mem_eq(all.lambda_t, few.lambda_t, (size_t)2 * N * 2 * sizeof(double));
    ck_assert_mem_eq(all.xt.x, few.xt.x, (size_t)2 * D * sizeof *all.xt.x);
    ck_assert_mem_eq(all.xtm.x, few.xtm.x, (size_t)2 * N * D * sizeof *all.xt.x);
    ck_assert_ptr_null(all.teacher_lambda_t);
    for (size_t i = 0; i + 1 < (size_t)B * N * 2; i++) { /* no two passes or rows share a number */
        ck_assert(all.lambda_t[i] != all.lambda_tm[i] && all.lambda_t[i] != all.lambda_u[i]);
        ck_assert(all.lambda_t[i] != all.lambda_t[i + 1]);
    }
    distill_case_free(&c);
}
END_TEST

/* A teacher that has lambdas for few steps has none for the tiny ones that it is asked for here. */
START_TEST(a_teacher_of_few_steps_shows_none)
{
    const DistillKind mixtures = {true, 2, 2, 0, 0};
    DistillCase c;

    distill_case_make(&c, &mixtures);
    for (size_t few = 0; few <= 2; few += 2) {
        c.teacher.lambda_steps = few;
        const Di4cDraws draws = distill_case_draws(&c, 3);
        for (size_t i = 0; i < (size_t)B * N * 2; i++) {
            ck_assert((draws.teacher_lambda_tm[i] == 0.0) == (few > 0));
            ck_assert(draws.lambda_t[i] != 0.0 && draws.lambda_tm[i] != 0.0);
        }
        for (size_t i = 0; i < (size_t)B * 2; i++)
            ck_assert((draws.teacher_lambda_t[i] == 0.0) == (few > 0));
    }
    distill_case_free(&c);
}
END_TEST

/* Slice of probability, of N, that number k of row i of picture b lies in. */
static int slice_of(LambdaLaw law, const double *lambda, size_t b, size_t i, size_t k)
{
    const double x = lambda[(b * N + i) * 2 + k];
    return (int)((law == LAMBDA_NORMAL ? 0.5 * erfc(-x / sqrt(2.0)) : x) * N);
}

enum { STRATA = 4 }; /* passes whose lambdas are drawn from strata */

/* Each pass, each picture and each lambda dimension has an order of its own. */
START_TEST(strata_hold_one_lambda_each)
{
    const DistillKind mixtures = {true, 2, 2, 0, 0}; /* two lambda dimensions each */
    const LambdaLaw law = _i == 0 ? LAMBDA_UNIFORM : LAMBDA_NORMAL;
    DistillCase c;
    int orders = 0, dims_agree = 0, pictures_agree = 0, passes_agree[STRATA][STRATA] = {{0}};

    distill_case_make(&c, &mixtures);
    c.config.stratified_lambda = true;
    c.student.lambda_law = c.teacher.lambda_law = law;
    for (uint64_t step = 0; step < 50; step++) {
        Di4cDraws draws = distill_case_draws(&c, step);
        const double *all[STRATA] = {draws.lambda_t, draws.lambda_tm, draws.lambda_u,
                                     draws.teacher_lambda_tm};
        for (int w = 0; w < STRATA; w++)
            for (size_t b = 0; b < B; b++)
                for (size_t k = 0; k < 2; k++) {
                    int seen = 0;
                    for (size_t i = 0; i < N; i++)
                        seen |= 1 << slice_of(law, all[w], b, i, k);
                    ck_assert_int_eq(seen, (1 << N) - 1);
                    orders |= 1 << slice_of(law, all[w], b, 0, k);
                }
        dims_agree += slice_of(law, all[0], 0, 0, 0) == slice_of(law, all[0], 0, 0, 1);
        pictures_agree += slice_of(law, all[0], 0, 0, 0) == slice_of(law, all[0], 1, 0, 0);
        for (int w = 0; w < STRATA; w++)
            for (int v = 0; v < w; v++)
                passes_agree[w][v] +=
                    slice_of(law, all[w], 0, 0, 0) == slice_of(law, all[v], 0, 0, 0);
        arena_reset(c.work.arena);
    }
    ck_assert_int_eq(orders, (1 << N) - 1); /* the first lambda is not always in one slice */
    /* 50 coins of 1/3: 45 or more with probability 1e-16 */
    ck_assert(dims_agree < 45 && pictures_agree < 45);
    for (int w = 0; w < STRATA; w++)
        for (int v = 0; v < w; v++)
            ck_assert_msg(passes_agree[w][v] < 45, "passes %d and %d: one order in %d of 50 steps",
                          v, w, passes_agree[w][v]);
    distill_case_free(&c);
}
END_TEST

START_TEST(share_at_one)
{
    DistillCase c;

    distill_case_make(&c, &masked);
    c.config.share_at_one = 0.4;
    Di4cDraws draws = distill_case_draws(&c, 0);
    for (size_t b = 0; b < B; b++) {
        const double delta = draws.t[b] - draws.u[b];
        ck_assert((draws.t[b] == 1.0) == (b < 2));
        ck_assert(delta > c.config.delta_min - 1e-12 && delta < c.config.delta_max + 1e-12);
    }
    c.config.share_at_one = 0.3; /* of five: 1.5, which is rounded to 2 */
    draws = distill_case_draws(&c, 0);
    ck_assert(draws.t[1] == 1.0 && draws.t[2] < 1.0);
    c.config.share_at_one = 0.4;
    for (size_t i = 0; i < D; i++)
        ck_assert(draws.u[0] < 1.0 && draws.xt.x[i] <= S);
    ck_assert(isfinite(distill_case_run(&c, 0, 0).loss));
    distill_case_free(&c);
}
END_TEST

/* Each end of each range, wrong alone. */
START_TEST(settings_out_of_range_stop)
{
    DistillCase c;

    distill_case_make(&c, &distill_case_plain);
    switch (_i) {
    case 0: c.config.lambdas = 0; break;
    case 1: c.config.delta_min = 0.0; break;
    case 2: c.config.delta_max = 0.5 * c.config.delta_min; break;
    case 3: c.config.t_min = -0.01; break;
    case 4: c.config.delta_max = 1.0 - c.config.t_min; break;
    case 5: c.config.tm_width = -0.01; break;
    case 6: c.config.tm_width = 1.0; break;
    case 7: c.config.share_at_one = -0.01; break;
    case 8: c.config.share_at_one = 1.01; break;
    }
    distill_case_draws(&c, 0);
}
END_TEST

Suite *draws_suite(void);
Suite *draws_suite(void)
{
    Suite *s = suite_create("draws");
    TCase *tc = tcase_create("draws");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, times_follow_their_laws);
    tcase_add_test(tc, draws_belong_to_their_picture);
    tcase_add_test(tc, a_teacher_of_few_steps_shows_none);
    tcase_add_loop_test(tc, strata_hold_one_lambda_each, 0, 2);
    tcase_add_test(tc, share_at_one);
    tcase_add_loop_test_raise_signal(tc, settings_out_of_range_stop, SIGABRT, 0, 9);
    suite_add_tcase(s, tc);
    return s;
}
