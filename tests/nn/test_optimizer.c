/* nn/optimizer.c against a plain Adam in double. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nn/optimizer.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

Suite *optimizer_suite(void);

static ParamSet set_of(size_t n, uint64_t seed)
{
    ParamSet set = {0};
    Param *p = nn_param_add(&set, "w", PARAM_PLAIN, 1, &n);
    nn_params_allocate(&set, true);
    if (n > 0) {
        nn_init_default(p, 1, rng_root(seed));
    }
    return set;
}

/* Gradients of very different sizes, some zero. */
static void draw_gradients(ParamSet *set, uint64_t step)
{
    Rng rng = rng_child(rng_root(99), step);
    for (size_t i = 0; i < set->total; i++) {
        double size = pow(10.0, (double)(i % 7) - 5.0);
        set->grads[i] = i % 11 == 0 ? 0.0f : (float)(size * rng_normal(&rng));
    }
}

typedef struct Naive {
    size_t n;
    double *w, *m, *v, *ema;
} Naive;

static Naive naive_of(const ParamSet *set)
{
    Naive a = {set->total, NULL, NULL, NULL, NULL};
    a.w = mem_alloc(a.n, sizeof *a.w);
    a.m = mem_zeroed(a.n, sizeof *a.m);
    a.v = mem_zeroed(a.n, sizeof *a.v);
    a.ema = mem_alloc(a.n, sizeof *a.ema);
    for (size_t i = 0; i < a.n; i++) {
        a.w[i] = a.ema[i] = set->values[i];
    }
    return a;
}

static void naive_free(Naive *a)
{
    mem_free(a->w);
    mem_free(a->m);
    mem_free(a->v);
    mem_free(a->ema);
}

/* step counts from 1; returns the norm. */
static double naive_step(Naive *a, const float *g, const OptimizerConfig *c, double rate, int step)
{
    double norm = 0.0, average = (1.0 + step) / (10.0 + step);
    for (size_t i = 0; i < a->n; i++) {
        norm += (double)g[i] * g[i];
    }
    norm = sqrt(norm);
    double scale = c->clip > 0.0 && norm > c->clip ? c->clip / norm : 1.0;
    if (average > c->ema_decay) {
        average = c->ema_decay;
    }
    for (size_t i = 0; i < a->n; i++) {
        double x = scale * g[i];
        a->m[i] = c->beta1 * a->m[i] + (1.0 - c->beta1) * x;
        a->v[i] = c->beta2 * a->v[i] + (1.0 - c->beta2) * x * x;
        double mean = a->m[i] / (1.0 - pow(c->beta1, step));
        double square = a->v[i] / (1.0 - pow(c->beta2, step));
        a->w[i] -= rate * mean / (sqrt(square) + c->eps);
        a->ema[i] = average * a->ema[i] + (1.0 - average) * a->w[i];
    }
    return norm;
}

static void compare_run(OptimizerConfig c, size_t n, int steps, const double *factors)
{
    ParamSet set = set_of(n, 5);
    Naive naive = naive_of(&set);
    Optimizer *o = nn_optimizer_create(&c, &set);
    for (int k = 0; k < steps; k++) {
        draw_gradients(&set, (uint64_t)k);
        ck_assert(fabs(nn_optimizer_rate(o) - c.lr * factors[k]) < 1e-12);
        double expected = naive_step(&naive, set.grads, &c, c.lr * factors[k], k + 1);
        double norm = nn_optimizer_step(o);
        ck_assert(fabs(norm - expected) <= 1e-12 * expected);
        ck_assert_uint_eq(o->steps, (uint64_t)k + 1);
    }
    for (size_t i = 0; i < n; i++) {
        ck_assert(fabs(set.values[i] - naive.w[i]) < 2e-6);
        ck_assert(fabs(o->ema[i] - naive.ema[i]) < 2e-6);
        double largest = sqrt(naive.v[i] / (1.0 - c.beta2)); /* of this entry's gradients */
        ck_assert(fabs(o->m[i] - naive.m[i]) <= 1e-6 * largest);
        ck_assert(fabs(o->v[i] - naive.v[i]) <= 2e-6 * naive.v[i]);
    }
    nn_optimizer_destroy(o);
    naive_free(&naive);
    nn_params_free(&set);
}

static const double ONES[] = {1, 1, 1, 1, 1, 1, 1, 1};

START_TEST(plain_adam)
{
    OptimizerConfig c = nn_optimizer_defaults();
    const size_t sizes[] = {0, 1, 17, 16384, 40003};
    c.lr = 0.01;
    c.clip = 0.0;
    for (size_t i = 0; i < 5; i++) {
        compare_run(c, sizes[i], 8, ONES);
    }
    c.beta1 = 0.0; /* no memory of gradients */
    compare_run(c, 100, 8, ONES);
    c.beta2 = 0.0; /* nor of their squares: steps of lr */
    compare_run(c, 100, 8, ONES);
}
END_TEST

START_TEST(clipping)
{
    OptimizerConfig c = nn_optimizer_defaults();
    c.lr = 0.01;
    c.clip = 0.5;
    compare_run(c, 1000, 8, ONES);
    c.clip = 1e9;
    compare_run(c, 1000, 8, ONES);
}
END_TEST

START_TEST(warm_up_and_decay)
{
    const double warm[] = {0, 0.25, 0.5, 0.75, 1, 1, 1, 1};
    const double linear[] = {1, 0.8, 0.6, 0.4, 0.2, 0, 0, 0};
    const double both[] = {0, 0.4, 0.6, 0.4, 0.2, 0, 0, 0};
    double cosine[8];
    OptimizerConfig c = nn_optimizer_defaults();
    c.warmup = 4;
    compare_run(c, 100, 8, warm);
    c.decay = LR_LINEAR;
    c.total = 5;
    c.warmup = 2;
    compare_run(c, 100, 8, both);
    c.warmup = 0;
    compare_run(c, 100, 8, linear);
    for (int k = 0; k < 8; k++) {
        cosine[k] = k < 6 ? 0.5 * (1.0 + cos(3.141592653589793 * k / 6.0)) : 0.0;
    }
    c.decay = LR_COSINE;
    c.total = 6;
    compare_run(c, 100, 8, cosine);
}
END_TEST

START_TEST(averages_reach_their_decay)
{
    OptimizerConfig c = nn_optimizer_defaults();
    c.lr = 0.1;
    c.ema_decay = 0.3; /* below (1+n)/(10+n) from the third step on */
    compare_run(c, 50, 8, ONES);
}
END_TEST

/* A matrix and a vector of one gradient: Adam in double, and the matrix decays before each step. */
START_TEST(weights_decay_and_vectors_do_not)
{
    enum { ROWS = 30, COLUMNS = 7, N = ROWS * COLUMNS };
    const size_t shape[] = {ROWS, COLUMNS}, n = N;
    const double rates[] = {0, 0.5, 1, 1, 1, 1, 1, 1};
    OptimizerConfig c = nn_optimizer_defaults();
    ParamSet set = {0};
    Param *w = nn_param_add(&set, "w", PARAM_LINEAR, 2, shape);
    Param *b = nn_param_add(&set, "b", PARAM_PLAIN, 1, &n);
    c.lr = 0.01;
    c.warmup = 2;
    c.weight_decay = 3.0;
    nn_params_allocate(&set, true);
    nn_init_default(w, 1, rng_root(5));
    memcpy(b->value.data, w->value.data, n * sizeof(float));
    Naive naive = naive_of(&set);
    Optimizer *o = nn_optimizer_create(&c, &set);
    for (int k = 0; k < 8; k++) {
        draw_gradients(&set, (uint64_t)k);
        memcpy(b->grad, w->grad, n * sizeof(float));
        for (size_t i = 0; i < n; i++)
            naive.w[w->offset + i] *= 1.0 - c.lr * rates[k] * c.weight_decay;
        naive_step(&naive, set.grads, &c, c.lr * rates[k], k + 1);
        nn_optimizer_step(o);
    }
    for (size_t i = 0; i < n; i++) {
        ck_assert(fabs(w->value.data[i] - naive.w[w->offset + i]) < 2e-6);
        ck_assert(fabs(b->value.data[i] - naive.w[b->offset + i]) < 2e-6);
    }
    ck_assert(fabs(w->value.data[0]) < 0.9 * fabs(b->value.data[0]));
    nn_optimizer_destroy(o);
    naive_free(&naive);
    nn_params_free(&set);
}
END_TEST

/* A decay far below the spacing of numbers near 1 still has its size on average. */
START_TEST(a_small_decay_is_not_rounded_away)
{
    const size_t shape[] = {100, 100};
    OptimizerConfig c = nn_optimizer_defaults();
    ParamSet set = {0};
    Param *w = nn_param_add(&set, "w", PARAM_LINEAR, 2, shape);
    c.lr = 1e-5;
    c.weight_decay = 0.01;
    nn_params_allocate(&set, true);
    nn_init_default(w, 1, rng_root(5));
    double before = 0.0, after = 0.0;
    for (size_t i = 0; i < set.total; i++)
        before += fabs((double)set.values[i]);
    Optimizer *o = nn_optimizer_create(&c, &set);
    for (int k = 0; k < 50; k++)
        nn_optimizer_step(o); /* gradients of 0 */
    for (size_t i = 0; i < set.total; i++)
        after += fabs((double)set.values[i]);
    ck_assert(fabs((before - after) / before / (50 * 1e-7) - 1.0) < 0.2);
    nn_optimizer_destroy(o);
    nn_params_free(&set);
}
END_TEST

START_TEST(non_finite_norm_changes_nothing)
{
    OptimizerConfig c = nn_optimizer_defaults();
    const float bad[] = {NAN, INFINITY, -INFINITY};
    ParamSet set = set_of(100, 5);
    Optimizer *o = nn_optimizer_create(&c, &set);
    draw_gradients(&set, 0);
    nn_optimizer_step(o);
    float before[4][100];
    memcpy(before[0], set.values, sizeof before[0]);
    memcpy(before[1], o->m, sizeof before[1]);
    memcpy(before[2], o->v, sizeof before[2]);
    memcpy(before[3], o->ema, sizeof before[3]);
    for (int k = 0; k < 3; k++) {
        draw_gradients(&set, 1);
        set.grads[57] = bad[k];
        ck_assert(!isfinite(nn_optimizer_step(o)));
        ck_assert_uint_eq(o->steps, 1);
        ck_assert_mem_eq(before[0], set.values, sizeof before[0]);
        ck_assert_mem_eq(before[1], o->m, sizeof before[1]);
        ck_assert_mem_eq(before[2], o->v, sizeof before[2]);
        ck_assert_mem_eq(before[3], o->ema, sizeof before[3]);
    }
    nn_optimizer_destroy(o);
    nn_params_free(&set);
}
END_TEST

START_TEST(same_bits_for_any_thread_count)
{
    OptimizerConfig c = nn_optimizer_defaults();
    float *first = NULL;
    const size_t n = 100003;
    for (int threads = 1; threads <= 5; threads += 2) {
        threads_set(threads);
        ParamSet set = set_of(n, 5);
        Optimizer *o = nn_optimizer_create(&c, &set);
        for (uint64_t k = 0; k < 3; k++) {
            draw_gradients(&set, k);
            nn_optimizer_step(o);
        }
        if (first == NULL) {
            first = mem_alloc(2 * n, sizeof *first);
            memcpy(first, set.values, n * sizeof *first);
            memcpy(first + n, o->ema, n * sizeof *first);
        }
        ck_assert_mem_eq(first, set.values, n * sizeof *first);
        ck_assert_mem_eq(first + n, o->ema, n * sizeof *first);
        nn_optimizer_destroy(o);
        nn_params_free(&set);
    }
    mem_free(first);
}
END_TEST

START_TEST(frozen_set_stops)
{
    OptimizerConfig c = nn_optimizer_defaults();
    const size_t n = 3;
    ParamSet set = {0};
    nn_param_add(&set, "w", PARAM_PLAIN, 1, &n);
    nn_params_allocate(&set, false);
    nn_optimizer_create(&c, &set);
}
END_TEST

/* Settings that no training could have: each stops where the optimiser is made. */
START_TEST(impossible_settings_stop)
{
    OptimizerConfig c = nn_optimizer_defaults();
    const size_t n = 3;
    ParamSet set = {0};
    nn_param_add(&set, "w", PARAM_PLAIN, 1, &n);
    nn_params_allocate(&set, true);
    switch (_i) {
    case 0: c.beta1 = -0.1; break;
    case 1: c.beta1 = 1.0; break;
    case 2: c.beta2 = -0.1; break;
    case 3: c.beta2 = 1.0; break;
    case 4: c.eps = 0.0; break;
    case 5: c.weight_decay = -1.0; break;
    case 6: c.decay = LR_COSINE; break;
    }
    nn_optimizer_create(&c, &set);
}
END_TEST

Suite *optimizer_suite(void)
{
    Suite *s = suite_create("optimizer");
    TCase *tc = tcase_create("optimizer");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, plain_adam);
    tcase_add_test(tc, clipping);
    tcase_add_test(tc, warm_up_and_decay);
    tcase_add_test(tc, averages_reach_their_decay);
    tcase_add_test(tc, weights_decay_and_vectors_do_not);
    tcase_add_test(tc, a_small_decay_is_not_rounded_away);
    tcase_add_test(tc, non_finite_norm_changes_nothing);
    tcase_add_test(tc, same_bits_for_any_thread_count);
    tcase_add_test_raise_signal(tc, frozen_set_stops, SIGABRT);
    tcase_add_loop_test_raise_signal(tc, impossible_settings_stop, SIGABRT, 0, 7);
    suite_add_tcase(s, tc);
    return s;
}
