/* Joint laws against sums over all pairs of states. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/process/transition.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/theory/exact/joint.h"
#include "experiments/theory/exact/noise.h"
#include "experiments/theory/exact/world.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

enum { D = 3, S = 3, ALL = 27, NOISED = 64 }; /* S^D, (S + 1)^D */

static void random_law(double *p, size_t n, uint64_t seed)
{
    Rng rng = rng_root(seed);
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += p[i] = i % 4 == 1 ? 0.0 : rng_uniform(&rng) + 0.01;
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

static Process *process_of(const char *kind)
{
    Error err = {""};
    Process *p = theory_noise(kind, S, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

static const char *const kinds[3] = {"absorbing", "uniform", "birthdeath"};

START_TEST(places_count_all_states)
{
    uint16_t x[D], first[D] = {0, 0, 2}, last[D] = {2, 1, 0};

    ck_assert_uint_eq(joint_size(S, D), ALL);
    ck_assert_uint_eq(joint_place(first, S, D), 2);
    ck_assert_uint_eq(joint_place(last, S, D), 2 * 9 + 3);
    for (size_t i = 0; i < ALL; i++) {
        joint_state(i, S, D, x);
        ck_assert_uint_eq(joint_place(x, S, D), i);
    }
}
END_TEST

/* joint_transform with a matrix (S, S + 1) that is no transition. */
START_TEST(transform_is_the_sum_over_pairs)
{
    double p[ALL], matrix[S * 4], out[NOISED];
    Rng rng = rng_root(5);

    random_law(p, ALL, 1);
    for (size_t i = 0; i < (size_t)S * 4; i++)
        matrix[i] = i % 5 == 2 ? 0.0 : rng_uniform(&rng);
    joint_transform(out, p, S, 4, D, matrix);
    for (size_t j = 0; j < NOISED; j++) {
        uint16_t x[D], y[D];
        double want = 0.0;
        joint_state(j, 4, D, y);
        for (size_t i = 0; i < ALL; i++) {
            double w = p[i];
            joint_state(i, S, D, x);
            for (size_t d = 0; d < D; d++)
                w *= matrix[x[d] * 4 + y[d]];
            want += w;
        }
        ck_assert_double_eq_tol(out[j], want, 1e-15);
    }
}
END_TEST

/* q_t, and q(x_0^d | x_t) wherever q_t > 0; every row sums to 1 where not. */
START_TEST(noise_and_denoiser_are_bayes)
{
    static const double times[4] = {0.001, 0.3, 0.8, 1.0};
    Process *process = process_of(kinds[_i]);
    const size_t T = process->states, size = joint_size(T, D);
    double p[ALL], *q = mem_alloc(size, sizeof *q), *p0 = mem_alloc(size * D * S, sizeof *p0);

    random_law(p, ALL, 2);
    for (size_t k = 0; k < 4; k++) {
        Transition *tr = diffusion_transition_create(process, 0.0, times[k], TRANSITION_ACCURATE);
        joint_noise(q, p, S, D, process, times[k]);
        joint_denoise(p0, p, S, D, process, times[k]);
        for (size_t j = 0; j < size; j++) {
            uint16_t x[D], y[D];
            double all = 0.0, by[D][S] = {{0.0}};
            joint_state(j, T, D, y);
            for (size_t i = 0; i < ALL; i++) {
                double w = p[i];
                joint_state(i, S, D, x);
                for (size_t d = 0; d < D; d++)
                    w *= diffusion_transition_at(tr, x[d], y[d]);
                all += w;
                for (size_t d = 0; d < D; d++)
                    by[d][x[d]] += w;
            }
            ck_assert_double_eq_tol(q[j], all, 1e-15);
            for (size_t d = 0; d < D; d++) {
                double sum = 0.0;
                for (size_t a = 0; a < S; a++) {
                    const double got = p0[(j * D + d) * S + a];
                    sum += got;
                    ck_assert(all == 0.0 || fabs(got - by[d][a] / all) <= 1e-13);
                }
                ck_assert_double_eq_tol(sum, 1.0, 1e-13);
            }
        }
        diffusion_transition_destroy(tr);
    }
    mem_free(q);
    mem_free(p0);
    diffusion_process_destroy(process);
}
END_TEST

/* The table and the Denoiser of exact_denoiser.h say the same, also of states that cannot occur. */
START_TEST(table_and_denoiser_agree)
{
    Error err = {""};
    World *w = world_open("glyphs", &err);
    Process *process = theory_noise("absorbing", 2, &err);
    FiniteLaw *law = world_finite_law(w);
    Denoiser *exact = exact_denoiser_create(law, process);
    const size_t size = joint_size(3, w->dims), row = w->dims * 2;
    double *p0 = mem_alloc(size * row, sizeof *p0), *times = mem_alloc(size, sizeof *times);
    float *logp = mem_alloc(size * row, sizeof *logp);
    States x = states_alloc(size, w->dims);
    Graph *g = ag_graph_create();
    NetworkInput in = {&x, times, NULL, NULL, NULL, NULL};

    for (size_t i = 0; i < size; i++) {
        joint_state(i, 3, w->dims, states_row(&x, i));
        times[i] = 0.4;
    }
    joint_denoise(p0, w->p, 2, w->dims, process, 0.4);
    diffusion_denoise(exact, g, &in, 0, logp);
    for (size_t i = 0; i < size * row; i++)
        ck_assert_double_eq_tol(exp((double)logp[i]), p0[i], 1e-6);
    ag_graph_destroy(g);
    states_free(&x);
    mem_free(p0);
    mem_free(times);
    mem_free(logp);
    exact_denoiser_destroy(exact);
    law_destroy(law);
    diffusion_process_destroy(process);
    world_free(w);
}
END_TEST

START_TEST(distances_and_total_correlation)
{
    const double p[4] = {0.5, 0.0, 0.25, 0.25}, q[4] = {0.25, 0.25, 0.25, 0.25};
    const double equal[4] = {0.5, 0.0, 0.0, 0.5}, product[4] = {0.06, 0.14, 0.24, 0.56};
    double marginal[4], out[4];

    ck_assert_double_eq(joint_tv(p, q, 4), 0.25);
    ck_assert_double_eq_tol(joint_kl(p, q, 4), 0.5 * log(2.0), 1e-15);
    ck_assert(joint_kl(q, p, 4) == INFINITY);
    joint_marginals(marginal, p, 2, 2);
    ck_assert_double_eq(marginal[0], 0.5); /* first dimension is the slower */
    ck_assert_double_eq(marginal[2], 0.75);
    ck_assert_double_eq_tol(joint_total_correlation(equal, 2, 2), log(2.0), 1e-15);
    ck_assert_double_eq_tol(joint_total_correlation(product, 2, 2), 0.0, 1e-15);
    joint_marginals(marginal, product, 2, 2);
    joint_product(out, marginal, 2, 2);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq_tol(out[i], product[i], 1e-15);
}
END_TEST

Suite *joint_suite(void);
Suite *joint_suite(void)
{
    Suite *s = suite_create("joint");
    TCase *tc = tcase_create("joint");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, places_count_all_states);
    tcase_add_test(tc, transform_is_the_sum_over_pairs);
    tcase_add_loop_test(tc, noise_and_denoiser_are_bayes, 0, 3);
    tcase_add_test(tc, table_and_denoiser_agree);
    tcase_add_test(tc, distances_and_total_correlation);
    suite_add_tcase(s, tc);
    return s;
}
