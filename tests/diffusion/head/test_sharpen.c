/* Temperature and nucleus against the same in double precision, by sorting everything. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/head/sharpen.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/threads.h"

static Head softmax(size_t dims, size_t S, int mask)
{
    Head head = {&diffusion_softmax, dims, S, 1, false, mask};
    return head;
}

/* p = the sharpened law of the logits; each state by itself is looked for among those before it. */
static void naive(const float *logit, size_t S, Sharpening s, double *p)
{
    double T = s.temperature > 0.0 ? s.temperature : 1.0, total = 0.0;
    double *q = mem_alloc(S, sizeof *q), top = -HUGE_VAL, kept = 0.0;
    for (size_t a = 0; a < S; a++)
        top = larger_of(top, (double)logit[a]);
    for (size_t a = 0; a < S; a++)
        total += q[a] = exp(((double)logit[a] - top) / T);
    for (size_t a = 0; a < S; a++) {
        double before = 0.0; /* of the states that come before a */
        for (size_t b = 0; b < S; b++)
            before += logit[b] > logit[a] || (b < a && logit[b] == logit[a]) ? q[b] : 0.0;
        p[a] = s.top_p > 0.0 && before >= s.top_p * total ? 0.0 : q[a];
        kept += p[a];
    }
    for (size_t a = 0; a < S; a++)
        p[a] /= kept;
    mem_free(q);
}

static const Sharpening kinds[] = {{0.5, 0.0},  {3.0, 0.0},  {0.0, 0.5}, {0.0, 0.999}, {0.7, 0.9},
                                   {0.0, 1e-6}, {0.01, 0.0}, {2.0, 0.3}, {0.0, 0.97},  {1.0, 1.0}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

START_TEST(laws_are_the_naive_ones)
{
    static const size_t sizes[] = {1, 2, 3, 17, 256, 1000};
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        const size_t S = sizes[k], D = 3, B = 2;
        Head head = softmax(D, S, -1);
        float *out = mem_alloc(B * D * S, sizeof *out), *now = mem_alloc(B * D * S, sizeof *now);
        float *logp = mem_alloc(S, sizeof *logp);
        double *p = mem_alloc(S, sizeof *p);
        Rng rng = rng_root(11 + S);
        States x = states_alloc(B, D);
        memset(x.x, 0, B * D * sizeof *x.x);
        for (size_t i = 0; i < B * D * S; i++)
            out[i] = (float)(4.0 * rng_uniform(&rng));
        memcpy(now, out, B * D * S * sizeof *out);
        diffusion_head_sharpen(&head, &kinds[_i], &x, now);
        for (size_t i = 0; i < B * D; i++) {
            naive(out + i * S, S, kinds[_i], p);
            diffusion_head_row(&head, now + i / D * D * S, NULL, i % D, logp);
            for (size_t a = 0; a < S; a++)
                ck_assert_msg(fabs(exp((double)logp[a]) - p[a]) < 2e-6 &&
                                  (p[a] > 0.0 || logp[a] == -HUGE_VALF),
                              "S %zu, state %zu: %g, expected %g", S, a, exp((double)logp[a]),
                              p[a]);
        }
        mem_free(out);
        mem_free(now);
        mem_free(logp);
        mem_free(p);
        states_free(&x);
    }
}
END_TEST

/* Of equals the lower state is kept, and a state without probability stays one. */
START_TEST(ties_and_zeros)
{
    Head head = softmax(1, 5, -1);
    float out[5] = {1.0f, 2.0f, -HUGE_VALF, 2.0f, 2.0f}, zero[5] = {0, 0, -HUGE_VALF, 0, 0};
    const Sharpening half = {0.0, 0.5}, cold = {0.1, 0.0};
    uint16_t state = 0;
    States x = {.batch = 1, .dims = 1, .x = &state};
    diffusion_head_sharpen(&head, &half, &x, out);
    ck_assert(out[0] == -HUGE_VALF && out[1] == 0.0f && out[2] == -HUGE_VALF);
    ck_assert(out[3] == 0.0f && out[4] == -HUGE_VALF);
    diffusion_head_sharpen(&head, &cold, &x, zero);
    ck_assert(zero[0] == 0.0f && zero[2] == -HUGE_VALF && zero[4] == 0.0f);
}
END_TEST

/* The fewest: states that have top_p to the last bit are enough. */
START_TEST(a_nucleus_that_is_full_takes_no_more)
{
    Head head = softmax(1, 4, -1);
    float out[4] = {3, 3, 3, 3};
    const Sharpening half = {0.0, 0.5};
    uint16_t state = 0;
    States x = {.batch = 1, .dims = 1, .x = &state};
    diffusion_head_sharpen(&head, &half, &x, out);
    ck_assert(out[0] == 0.0f && out[1] == 0.0f && out[2] == -HUGE_VALF && out[3] == -HUGE_VALF);
}
END_TEST

START_TEST(known_dimensions_keep_their_numbers_and_threads_change_nothing)
{
    enum { B = 40, D = 9, S = 31 };
    Head head = softmax(D, S, S);
    const Sharpening s = {0.6, 0.8};
    static float out[B * D * S], one[B * D * S], two[B * D * S];
    States x = states_alloc(B, D);
    Rng rng = rng_root(5);
    const int threads = threads_get();
    for (size_t i = 0; i < (size_t)B * D; i++)
        x.x[i] = (uint16_t)(rng_below(&rng, 2) ? S : rng_below(&rng, S));
    for (size_t i = 0; i < (size_t)B * D * S; i++)
        out[i] = (float)rng_normal(&rng);
    memcpy(one, out, sizeof out);
    memcpy(two, out, sizeof out);
    threads_set(1);
    diffusion_head_sharpen(&head, &s, &x, one);
    threads_set(2);
    diffusion_head_sharpen(&head, &s, &x, two);
    threads_set(threads);
    ck_assert_mem_eq(one, two, sizeof one);
    for (size_t i = 0; i < (size_t)B * D; i++)
        ck_assert((memcmp(one + i * S, out + i * S, S * sizeof *out) == 0) == (x.x[i] != S));
    states_free(&x);
}
END_TEST

START_TEST(numbers_out_of_range_are_refused)
{
    static const Sharpening wrong[] = {{-1.0, 0.0}, {101.0, 0.0}, {0.0, -0.1}, {0.0, 1.1}};
    Head head = softmax(1, 2, -1), logistic = {&diffusion_logistic, 1, 4, 1, false, -1};
    const Sharpening none = {1.0, 1.0}, some = {1.0, 0.9}, nan = {(double)NAN, 0.0};
    Error err = {""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert(!diffusion_sharpening_check(&wrong[i], &head, &err));
    ck_assert(!diffusion_sharpening_check(&nan, &head, &err));
    for (size_t i = 0; i < KINDS; i++)
        ck_assert(diffusion_sharpening_check(&kinds[i], &head, &err));
    ck_assert(!diffusion_sharpening_wanted(&none) && diffusion_sharpening_wanted(&some));
    ck_assert(diffusion_sharpening_check(&none, &logistic, &err));
    ck_assert(!diffusion_sharpening_check(&some, &logistic, &err));
    ck_assert_str_eq(err.text,
                     "temperature and top-p: not for the head logistic, expected a softmax");
}
END_TEST

Suite *sharpen_suite(void)
{
    Suite *suite = suite_create("sharpen");
    TCase *t = tcase_create("sharpen");
    tcase_add_loop_test(t, laws_are_the_naive_ones, 0, KINDS);
    tcase_add_test(t, ties_and_zeros);
    tcase_add_test(t, a_nucleus_that_is_full_takes_no_more);
    tcase_add_test(t, known_dimensions_keep_their_numbers_and_threads_change_nothing);
    tcase_add_test(t, numbers_out_of_range_are_refused);
    suite_add_tcase(suite, t);
    return suite;
}
