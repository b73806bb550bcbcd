/* Transition matrices of every process with every schedule, at S = 2, 16, 256 and 1024: rows sum
 * to 1, P[s->u] P[u->t] = P[s->t], detailed balance where there is one, pi P = pi, and equality
 * with an exponential by Taylor's series and squaring written here, each within 1e-12.  (That
 * exponential multiplies with tensor_dgemm, which test_gemm compares with loops.)  A schedule
 * enters only through B(s,t), so at S = 1024, where matrices take seconds, each process has its
 * published one; sanitized builds leave S = 1024 out. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diffusion/process/process.h"
#include "diffusion/process/transition.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/product/gemm.h"
#include "tests/tools/mild_process.h"
#include "tests/tools/slow.h"

enum { KINDS = 6, SCHEDULES = 6 };
static const double BOUND = 1e-12;

/* A cycle with different speeds, jumps across it and a jump home: no detailed balance. */
static void one_way(double *R, size_t S)
{
    for (size_t i = 0; i < S; i++) {
        R[i * S + (i + 1) % S] += 1.0 + (double)(i % 3);
        R[i * S + (7 * i + 3) % S] += 0.5;
        R[i * S] += 0.5;
    }
}

/* R[i][j] = c_ij/pi_i with c_ij = c_ji, pi uneven. */
static void both_ways(double *R, size_t S)
{
    Rng rng = rng_root(5);

    for (size_t i = 0; i < S; i++)
        for (size_t j = 0; j < i; j++) {
            double c = (0.2 + rng_uniform(&rng)) / (double)S;
            R[i * S + j] = c / (1.0 + (double)(i % 4));
            R[j * S + i] = c / (1.0 + (double)(j % 4));
        }
}

static void set_diagonal(double *R, size_t S)
{
    for (size_t i = 0; i < S; i++) {
        double sum = 0.0;
        R[i * S + i] = 0.0;
        for (size_t j = 0; j < S; j++)
            sum += R[i * S + j];
        R[i * S + i] = -sum;
    }
}

/* Kinds 0..3 as the library numbers them, 4 a reversible matrix, 5 a one-way one.  beta_scale such
 * that x_1 has forgotten x_0. */
static Process *process_of(size_t kind, ScheduleKind beta, size_t S)
{
    static const char *const names[KINDS] = {"uniform",  "absorbing", "birthdeath",
                                             "gaussian", "matrix",    "matrix"};
    const double square = (double)(S * S), scale[KINDS] = {4.0, 4.0, 0.7 * square, square, 20, 20};
    double *R = mem_zeroed(S * S, sizeof *R);
    Error err = {""};

    ProcessConfig c = diffusion_process_defaults(names[kind], S);
    c.beta = beta;
    c.beta_scale = scale[kind];
    diffusion_process_set(&c, "Q_sigma", 2.0 * (double)S);
    diffusion_process_set(&c, "rate_const", 1.0 / (double)S);
    if (kind == 4)
        both_ways(R, S);
    if (kind == 5)
        one_way(R, S);
    set_diagonal(R, S);
    c.rates = kind >= 4 ? R : NULL;
    c.any_start = true;
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s, schedule %d, S = %zu: %s", names[kind], (int)beta, S, err.text);
    ck_assert_int_eq(p->reversible, kind != 1 && (kind != 5 || S == 2));
    mem_free(R);
    return p;
}

/* out = exp(tau R): squarings of a Taylor sum at a norm below 2^-4; ten terms leave 1e-17. */
static void taylor_exponential(double *out, const double *R, double tau, double exit, size_t S)
{
    size_t n = S * S;
    double *a = mem_alloc(2 * n, sizeof *a), *other = a + n;
    int halvings = 0;

    while (ldexp(2.0 * exit * tau, -halvings) > 1.0 / 16.0)
        halvings++;
    for (size_t i = 0; i < n; i++) {
        a[i] = ldexp(R[i] * tau, -halvings);
        out[i] = i % (S + 1) == 0 ? 1.0 : 0.0;
    }
    for (int k = 10; k > 0; k--) { /* out = I + a/k out */
        tensor_dgemm(GEMM_NN, S, S, S, a, out, other);
        for (size_t i = 0; i < n; i++)
            out[i] = other[i] / k + (i % (S + 1) == 0 ? 1.0 : 0.0);
    }
    for (; halvings > 0; halvings--) {
        tensor_dgemm(GEMM_NN, S, S, S, out, out, other);
        memcpy(out, other, n * sizeof *out);
    }
    mem_free(a);
}

/* The time t > s at which the fastest state has jumped `events` times on average. */
static double time_after(const Process *p, double s, double events)
{
    double low = s, high = 1.0 - 1e-9;

    for (int i = 0; i < 60; i++) {
        double middle = 0.5 * (low + high);
        if (p->exit * diffusion_process_integral(p, s, middle) < events)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static double *dense(const Process *p, double s, double t, TransitionAccuracy accuracy)
{
    size_t S = p->states;
    double *out = mem_alloc(S * S, sizeof *out);
    Transition *tr = diffusion_transition_create(p, s, t, accuracy);

    for (size_t i = 0; i < S; i++)
        diffusion_transition_row(tr, i, out + i * S);
    diffusion_transition_destroy(tr);
    return out;
}

typedef struct Worst {
    double row, semigroup, balance, stationary, exponential;
} Worst;

static void worse(double *worst, double error)
{
    *worst = error > *worst || error != error ? error : *worst;
}

static double largest_difference(const double *a, const double *b, size_t n)
{
    double worst = 0.0;

    for (size_t i = 0; i < n; i++)
        worse(&worst, fabs(a[i] - b[i]));
    return worst;
}

static void measure(Worst *w, const Process *p, double s, double u, double t,
                    TransitionAccuracy accuracy, const double *exact)
{
    size_t S = p->states;
    double *first = dense(p, s, u, accuracy), *second = dense(p, u, t, accuracy);
    double *whole = dense(p, s, t, accuracy), *product = mem_alloc(S * S, sizeof *product);
    double *into = mem_zeroed(S, sizeof *into);

    tensor_dgemm(GEMM_NN, S, S, S, first, second, product);
    worse(&w->semigroup, largest_difference(product, whole, S * S));
    worse(&w->exponential, largest_difference(exact, whole, S * S));
    for (size_t i = 0; i < S; i++) {
        double sum = 0.0;
        for (size_t j = 0; j < S; j++) {
            sum += whole[i * S + j];
            into[j] += p->end[i] * whole[i * S + j];
            if (p->reversible)
                worse(&w->balance,
                      fabs(p->end[i] * whole[i * S + j] - p->end[j] * whole[j * S + i]));
        }
        worse(&w->row, fabs(sum - 1.0));
    }
    worse(&w->stationary, largest_difference(into, p->end, S));
    mem_free(first);
    mem_free(second);
    mem_free(whole);
    mem_free(product);
    mem_free(into);
}

static void check_process(size_t kind, ScheduleKind beta, size_t S, double events)
{
    Process *p = process_of(kind, beta, S);
    double s = 0.1, u = time_after(p, s, 0.4 * events), t = time_after(p, s, events);
    double *exact = mem_alloc(S * S, sizeof *exact);
    Worst w = {0.0, 0.0, 0.0, 0.0, 0.0};

    double *R = generator_of(p);
    taylor_exponential(exact, R, diffusion_process_integral(p, s, t), p->exit, S);
    mem_free(R);
    if (p->decay == 0.0 && p->spectral)
        measure(&w, p, s, u, t, TRANSITION_SPECTRAL, exact);
    if (p->decay > 0.0 || S < 1024 || !p->spectral)
        measure(&w, p, s, u, t, TRANSITION_ACCURATE, exact);
    ck_assert_msg(w.row <= BOUND && w.semigroup <= BOUND && w.balance <= BOUND &&
                      w.stationary <= BOUND && w.exponential <= BOUND,
                  "process %zu, schedule %d, S = %zu: rows %g, semigroup %g, detailed balance %g, "
                  "pi P %g, exponential %g",
                  kind, (int)beta, S, w.row, w.semigroup, w.balance, w.stationary, w.exponential);
    mem_free(exact);
    diffusion_process_destroy(p);
}

/* One test for each process. */
START_TEST(laws_hold_at_2_and_16_states)
{
    for (int beta = 0; beta < SCHEDULES; beta++) {
        check_process((size_t)_i, (ScheduleKind)beta, 2, 0.01);
        check_process((size_t)_i, (ScheduleKind)beta, 2, 3.0);
        check_process((size_t)_i, (ScheduleKind)beta, 16, 0.2);
        check_process((size_t)_i, (ScheduleKind)beta, 16, 60.0);
    }
}
END_TEST

static void check_schedules(size_t kind, size_t states)
{
    for (int beta = 0; beta < SCHEDULES; beta++)
        check_process(kind, (ScheduleKind)beta, states, beta % 2 == 0 ? 100.0 : 5.0);
}

START_TEST(laws_hold_at_96_states)
{
    check_schedules((size_t)_i, 96);
}
END_TEST

START_TEST(laws_hold_at_256_states)
{
    check_schedules((size_t)_i, 256);
}
END_TEST

START_TEST(laws_hold_at_1024_states)
{
    check_process((size_t)_i, SCHEDULE_PUBLISHED, 1024, 20.0);
}
END_TEST

Suite *transition_suite(void)
{
    Suite *suite = suite_create("transition");
    TCase *tc = tcase_create("laws");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, laws_hold_at_2_and_16_states, 0, KINDS);
    tcase_add_loop_test(tc, laws_hold_at_96_states, 0, KINDS);
    suite_add_tcase(suite, tc);
    TCase *slow = slow_case(suite, 240);
    tcase_add_loop_test(slow, laws_hold_at_256_states, 0, KINDS);
    tcase_add_loop_test(slow, laws_hold_at_1024_states, 0, KINDS);
    return suite;
}
