/* Entropies and divergences against tables in double, and what must hold of them. */
#include "diffusion/head/batch.h"
#include "diffusion/head/divergence.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

enum { B = 3, N = 5, D = 4 };

static Head head_of(int kase)
{
    const Head heads[] = {{&diffusion_softmax, D, 5, 1, false, -1},
                          {&diffusion_softmax, D, 5, 1, false, 5},
                          {&diffusion_logistic, D, 20, 2, false, -1},
                          {&diffusion_logistic, D, 256, 2, true, -1}};
    return heads[kase];
}

typedef struct Model {
    float *out;
    States x;
} Model;

static Model model_of(const Head *head, size_t rows, uint64_t seed)
{
    const size_t outputs = diffusion_head_outputs(head);
    Model m = {mem_alloc(rows * outputs, sizeof(float)), states_alloc(rows, D)};
    Rng rng = rng_root(seed);

    for (size_t i = 0; i < rows * outputs; i++)
        m.out[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < rows * D; i++) /* known dimensions are the same in all samples */
        m.x.x[i] = (uint16_t)(head->mask >= 0 && i % D == 1 ? 2
                              : head->mask >= 0             ? (size_t)head->mask
                                                            : i % head->states);
    return m;
}

static void model_free(Model *m)
{
    mem_free(m->out);
    states_free(&m->x);
}

static double probability(const Head *head, const Model *m, size_t row, size_t d, size_t a)
{
    float logp[256];

    diffusion_head_row(head, m->out + row * diffusion_head_outputs(head), states_row(&m->x, row), d,
                       logp);
    return exp((double)logp[a]);
}

START_TEST(entropy_and_kl_follow_their_formulas)
{
    const Head head = head_of(_i);
    Model p = model_of(&head, (size_t)B * N, 1), q = model_of(&head, B, 2);
    double entropy[B * N], kl[B];

    diffusion_head_entropy(&head, p.out, &p.x, (size_t)B * N, entropy);
    diffusion_head_kl(&head, p.out, &p.x, N, q.out, &q.x, B, kl);
    for (size_t row = 0; row < (size_t)B * N; row++) {
        double sum = 0.0;
        for (size_t d = 0; d < D; d++)
            for (size_t a = 0; a < head.states; a++) {
                const double v = probability(&head, &p, row, d, a);
                sum -= v > 1e-37 ? v * log(v) : 0.0;
            }
        ck_assert_double_eq_tol(entropy[row], sum, 1e-6 * (1.0 + fabs(sum)));
        ck_assert_double_gt(sum, 0.0);
    }
    for (size_t b = 0; b < B; b++) {
        double sum = 0.0;
        for (size_t d = 0; d < D; d++)
            for (size_t a = 0; a < head.states; a++) {
                double mean = 0.0;
                for (size_t i = 0; i < N; i++)
                    mean += probability(&head, &p, b * N + i, d, a) / N;
                if (mean > 1e-37)
                    sum += mean * log(mean / probability(&head, &q, b, d, a));
            }
        ck_assert_double_eq_tol(kl[b], sum, 1e-5 * (1.0 + fabs(sum)));
        ck_assert_double_gt(kl[b], 0.0);
    }
    model_free(&p);
    model_free(&q);
}
END_TEST

/* A model is at no distance from itself, nor a mixture of copies; a mixture is nearer than the mean
 * of its parts (convexity). */
START_TEST(divergences_obey_their_laws)
{
    const Head head = head_of(_i);
    const size_t outputs = diffusion_head_outputs(&head);
    Model p = model_of(&head, (size_t)B * N, 1), q = model_of(&head, B, 2),
          copies = model_of(&head, (size_t)B * N, 3);
    double zero[B], mixed[B], parts[B * N];

    diffusion_head_kl(&head, q.out, &q.x, 1, q.out, &q.x, B, zero);
    for (size_t b = 0; b < B; b++)
        ck_assert_double_eq(zero[b], 0.0);
    for (size_t row = 0; row < (size_t)B * N; row++)
        memcpy(copies.out + row * outputs, q.out + row / N * outputs, outputs * sizeof(float));
    diffusion_head_kl(&head, copies.out, &copies.x, N, q.out, &q.x, B, zero);
    for (size_t b = 0; b < B; b++)
        ck_assert_double_eq_tol(zero[b], 0.0, 1e-5);
    diffusion_head_kl(&head, p.out, &p.x, N, q.out, &q.x, B, mixed);
    diffusion_head_kl(&head, p.out, &p.x, 1, copies.out, &copies.x, (size_t)B * N, parts);
    for (size_t b = 0; b < B; b++) {
        double mean = 0.0;
        for (size_t i = 0; i < N; i++)
            mean += parts[b * N + i] / N;
        ck_assert_double_lt(mixed[b], mean);
    }
    model_free(&p);
    model_free(&q);
    model_free(&copies);
}
END_TEST

START_TEST(point_masses_and_numbers_that_are_none)
{
    const Head masked = head_of(1), plain = head_of(0);
    Model p = model_of(&masked, 1, 1), q = model_of(&masked, 1, 2);
    double value;

    q.x.x[1] = 3; /* known elsewhere */
    diffusion_head_kl(&masked, p.out, &p.x, 1, q.out, &q.x, 1, &value);
    ck_assert(value == INFINITY);
    for (size_t d = 0; d < D; d++)
        p.x.x[d] = 1;
    diffusion_head_entropy(&masked, p.out, &p.x, 1, &value);
    ck_assert_double_eq(value, 0.0);
    p.out[2] = NAN;
    diffusion_head_entropy(&plain, p.out, NULL, 1, &value);
    ck_assert(isnan(value));
    diffusion_head_kl(&plain, q.out, NULL, 1, p.out, NULL, 1, &value);
    ck_assert(isnan(value));
    model_free(&p);
    model_free(&q);
}
END_TEST

Suite *head_divergence_suite(void)
{
    Suite *s = suite_create("head_divergence");
    TCase *tc = tcase_create("head_divergence");
    tcase_add_loop_test(tc, entropy_and_kl_follow_their_formulas, 0, 4);
    tcase_add_loop_test(tc, divergences_obey_their_laws, 0, 4);
    tcase_add_test(tc, point_masses_and_numbers_that_are_none);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return s;
}
