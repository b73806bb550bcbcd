/* The Di4C losses against arrays of B x N x D x S in double: p_i^d(a) written out, the formulas of
 * the paper as they stand, gradients by differences. */
#include "diffusion/head/batch.h"
#include "distill/losses.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

/* Everything in one struct, so that a difference quotient can change one number. */
typedef struct Case {
    Head head;
    Di4cOptions options;
    size_t B, N, M, D, S, outputs; /* M rows of a picture at tm */
    double *t;
    float *out[5]; /* student_t, student_tm, student_u, teacher_t, teacher_tm */
    States x0, xt, xu, x0u, xtm;
} Case;

enum { ST, STM, SU, TT, TTM };

static size_t rows_of(const Case *c, int which)
{
    return c->B * (which == TT ? 1 : which == ST || which == SU ? c->N : c->M);
}

static uint16_t other_than_mask(Rng *rng, const Case *c)
{
    return (uint16_t)rng_below(rng, c->S);
}

/* Random states.  Absorbing: x_t copies x_0 or is the mask; x_u uncovers some of x_t. */
static void fill_states(Case *c, Rng *rng)
{
    bool absorbing = c->head.mask >= 0;

    for (size_t i = 0; i < c->B * c->D; i++) {
        c->x0.x[i] = other_than_mask(rng, c);
        c->xt.x[i] = other_than_mask(rng, c);
        if (absorbing)
            c->xt.x[i] = rng_uniform(rng) < 0.3 ? c->x0.x[i] : (uint16_t)c->head.mask;
    }
    for (size_t i = 0; i < c->B * c->N * c->D; i++) {
        size_t parent = i / (c->N * c->D) * c->D + i % c->D;
        c->xu.x[i] = other_than_mask(rng, c);
        c->x0u.x[i] = other_than_mask(rng, c);
        if (!absorbing)
            continue;
        bool uncovered = c->xt.x[parent] != c->head.mask;
        if (uncovered)
            c->xu.x[i] = c->xt.x[parent];
        else if (rng_uniform(rng) < 0.6)
            c->xu.x[i] = (uint16_t)c->head.mask;
        if (c->xu.x[i] != c->head.mask)
            c->x0u.x[i] = c->xu.x[i];
    }
    for (size_t i = 0; i < c->B * c->M * c->D; i++) {
        bool masked = absorbing && rng_uniform(rng) < 0.6;
        c->xtm.x[i] = masked ? (uint16_t)c->head.mask : other_than_mask(rng, c);
    }
}

static void case_with(Case *c, const HeadClass *kind, int mask, size_t B, size_t N, size_t M,
                      size_t D, size_t S)
{
    Head head = {kind, D, S, 1, false, mask};
    Rng rng = rng_root(B + 10 * N + 100 * D + 1000 * S + (mask >= 0 ? 7 : 0));

    memset(c, 0, sizeof *c);
    c->head = head;
    c->options.control_variates = true;
    c->options.data_weight = DATA_WEIGHT_SIGMOID;
    c->B = B;
    c->N = N;
    c->M = M;
    c->D = D;
    c->S = S;
    c->outputs = diffusion_head_outputs(&head);
    c->t = mem_alloc(B, sizeof *c->t);
    for (size_t b = 0; b < B; b++)
        c->t[b] = 0.3 + 0.5 * rng_uniform(&rng);
    for (int w = 0; w < 5; w++) {
        size_t n = rows_of(c, w) * c->outputs;
        c->out[w] = mem_alloc(n, sizeof(float));
        for (size_t i = 0; i < n; i++)
            c->out[w][i] = (float)(rng_normal(&rng) * (kind == &diffusion_logistic ? 0.5 : 1.5));
    }
    c->x0 = states_alloc(B, D);
    c->xt = states_alloc(B, D);
    c->xu = states_alloc(B * N, D);
    c->x0u = states_alloc(B * N, D);
    c->xtm = states_alloc(B * M, D);
    fill_states(c, &rng);
}

static void case_make(Case *c, const HeadClass *kind, int mask, size_t B, size_t N, size_t D,
                      size_t S)
{
    case_with(c, kind, mask, B, N, N, D, S);
}

static void case_free(Case *c)
{
    mem_free(c->t);
    for (int w = 0; w < 5; w++)
        mem_free(c->out[w]);
    states_free(&c->x0);
    states_free(&c->xt);
    states_free(&c->xu);
    states_free(&c->x0u);
    states_free(&c->xtm);
}

static Di4cInput input_of(const Case *c)
{
    Di4cInput in = {c->B,   c->N,       c->t,        c->x0,      c->xt,      c->xu,      c->x0u,
                    c->xtm, c->out[ST], c->out[STM], c->out[SU], c->out[TT], c->out[TTM]};

    return in;
}

/* ---- naive: all arrays at once ---- */

/* p (rows, D, S) of one network, `x` its noised states (rows or B of them). */
static double *naive_probs(const Case *c, int which, const States *x)
{
    size_t rows = rows_of(c, which), each = rows / x->batch;
    double *p = mem_alloc(rows * c->D * c->S, sizeof *p);
    float *logp = mem_alloc(c->S, sizeof *logp);

    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < c->D; d++) {
            const float *out = c->out[which] + r * c->outputs;
            diffusion_head_row(&c->head, out, x->x + r / each * c->D, d, logp);
            for (size_t a = 0; a < c->S; a++)
                p[(r * c->D + d) * c->S + a] = exp((double)logp[a]);
        }
    mem_free(logp);
    return p;
}

static double naive_kl(const double *p, const double *q, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += p[i] > 0 ? p[i] * log(p[i] / q[i]) : 0;
    return sum;
}

/* (1/N) sum_i of p (N, D, S). */
static void naive_mean(const double *p, size_t N, size_t n, double *mean)
{
    for (size_t k = 0; k < n; k++) {
        mean[k] = 0;
        for (size_t i = 0; i < N; i++)
            mean[k] += p[i * n + k] / (double)N;
    }
}

/* log (1/N) sum_i prod_d p_i^d(x^d), and minus sum_d log mbar^d(x^d) with control variates. */
static double naive_log_likelihood(const Case *c, const double *p, const double *mean,
                                   const uint16_t *x)
{
    double total = 0, marginal = 0;

    for (size_t i = 0; i < c->N; i++) {
        double product = 1;
        for (size_t d = 0; d < c->D; d++)
            product *= p[(i * c->D + d) * c->S + x[d]];
        total += product / (double)c->N;
    }
    for (size_t d = 0; d < c->D; d++)
        marginal += log(mean[d * c->S + x[d]]);
    return log(total) - (c->options.control_variates ? marginal : 0);
}

static double naive_losses(const Case *c, double terms[][5])
{
    size_t n = c->D * c->S, N = c->N, M = c->M;
    double *st = naive_probs(c, ST, &c->xt), *stm = naive_probs(c, STM, &c->xtm);
    double *su = naive_probs(c, SU, &c->xu), *tt = naive_probs(c, TT, &c->xt);
    double *ttm = naive_probs(c, TTM, &c->xtm), *mean = mem_alloc(2 * n, sizeof *mean), loss = 0;

    for (size_t b = 0; b < c->B; b++) {
        double *term = terms[b], *p = st + b * N * n;
        naive_mean(p, N, n, mean);
        naive_mean(su + b * N * n, N, n, mean + n);
        term[0] = naive_kl(ttm + b * M * n, stm + b * M * n, M * n) / (double)M;
        term[1] = -naive_log_likelihood(c, p, mean, c->x0.x + b * c->D);
        term[2] = c->options.control_variates ? naive_kl(tt + b * n, mean, n) : 0;
        term[3] = 0;
        for (size_t j = 0; j < N; j++)
            term[3] -= naive_log_likelihood(c, p, mean, c->x0u.x + (b * N + j) * c->D) / (double)N;
        term[4] = c->options.control_variates ? naive_kl(mean + n, mean, n) : 0;
        loss += term[0] + distill_data_weight(c->options.data_weight, c->t[b]) * term[1] + term[2] +
                term[3] + term[4];
    }
    mem_free(st);
    mem_free(stm);
    mem_free(su);
    mem_free(tt);
    mem_free(ttm);
    mem_free(mean);
    return loss / (double)c->B;
}

/* ---- the comparisons ---- */

static void check_terms(const Case *c)
{
    double got[5][8], want[8][5];
    Di4cTerms terms = {got[0], got[1], got[2], got[3], got[4]};
    Di4cInput in = input_of(c);
    double loss = distill_losses(&c->options, &c->head, &in, &terms, NULL, NULL);
    double expected = naive_losses(c, want);

    ck_assert_double_eq_tol(loss, expected, 1e-5 * (1 + fabs(expected)));
    for (size_t b = 0; b < c->B; b++)
        for (size_t k = 0; k < 5; k++)
            ck_assert_msg(fabs(got[k][b] - want[b][k]) <= 1e-5 * (1 + fabs(want[b][k])),
                          "picture %d, term %d: %g, expected %g", (int)b, (int)k, got[k][b],
                          want[b][k]);
}

/* Differences of the naive loss by some numbers of student_t and student_tm.  Rows are float32, so
 * the step is large and the tolerance wide; a wrong term is off by its own size. */
static void check_gradients(Case *c)
{
    size_t count[] = {c->B * c->N * c->outputs, c->B * c->M * c->outputs};
    float *grad = mem_zeroed(count[0] + count[1], sizeof *grad);
    double unused[8][5], h = 4e-3;
    Di4cInput in = input_of(c);

    distill_losses(&c->options, &c->head, &in, NULL, grad, grad + count[0]);
    for (int w = ST; w <= STM; w++)
        for (size_t i = 0; i < count[w]; i += count[w] / 97 + 1) {
            float keep = c->out[w][i];
            c->out[w][i] = (float)(keep + h);
            double above = naive_losses(c, unused), width = c->out[w][i];
            c->out[w][i] = (float)(keep - h);
            double below = naive_losses(c, unused);
            width -= c->out[w][i];
            c->out[w][i] = keep;
            double want = (above - below) / width, got = grad[(w == ST ? 0 : count[0]) + i];
            ck_assert_msg(fabs(got - want) <= 3e-4 + 6e-3 * fabs(want),
                          "array %d, number %d: %g, expected %g", w, (int)i, got, want);
        }
    mem_free(grad);
}

typedef struct Shape {
    const HeadClass *kind;
    int mask;
    size_t B, N, M, D, S;
} Shape;

static const Shape shapes[] = {
    {&diffusion_softmax, -1, 1, 1, 1, 1, 2},   {&diffusion_softmax, -1, 2, 3, 3, 5, 4},
    {&diffusion_softmax, 4, 2, 3, 1, 6, 4},    {&diffusion_softmax, 2, 3, 1, 2, 9, 2},
    {&diffusion_logistic, -1, 2, 4, 3, 4, 16}, {&diffusion_softmax, -1, 1, 5, 5, 37, 3},
    {&diffusion_softmax, 3, 1, 4, 4, 70, 3},   {&diffusion_logistic, -1, 1, 2, 5, 33, 70},
};
enum { SHAPES = 8 };

START_TEST(terms_and_gradients)
{
    const Shape *s = &shapes[_i % SHAPES];
    Case c;

    case_with(&c, s->kind, s->mask, s->B, s->N, s->M, s->D, s->S);
    c.options.control_variates = _i < SHAPES;
    check_terms(&c);
    check_gradients(&c);
    case_free(&c);
}
END_TEST

/* Likelihoods of many dimensions are no doubles: here e^-4254 and e^-254. */
START_TEST(many_dimensions)
{
    enum { MANY = 2000 };
    const double bad = -log1p(exp(2.0)), good = -log1p(exp(-2.0));
    double got[5];
    Di4cTerms terms = {got, got + 1, got + 2, got + 3, got + 4};
    Case c;

    case_with(&c, &diffusion_softmax, -1, 1, 2, 2, MANY, 2);
    c.options.control_variates = false;
    for (size_t d = 0; d < MANY; d++)
        for (size_t s = 0; s < 2; s++) {
            const float up = s == c.x0.x[d] ? 1.0f : -1.0f;
            c.out[ST][2 * d + s] = -up; /* the first lambda says the other state */
            c.out[ST][2 * (MANY + d) + s] = up;
        }
    Di4cInput in = input_of(&c);
    distill_losses(&c.options, &c.head, &in, &terms, NULL, NULL);
    ck_assert_double_eq_tol(got[1], -MANY * good + log(2.0), 1e-2);
    ck_assert_double_lt(MANY * bad, -4000.0);
    case_free(&c);
}
END_TEST

START_TEST(data_weights)
{
    static const double want[][3] = {{0.5, 1, 0.5}, {1, 1, 1}, {0.5, 1, 0.25}, {0, 0, 0}};
    Case c;

    ck_assert_double_eq_tol(distill_data_weight(DATA_WEIGHT_SIGMOID, 0.5), want[0][0], 1e-15);
    ck_assert_double_eq_tol(distill_data_weight(DATA_WEIGHT_SIGMOID, 0.6), 1 / (1 + exp(-2)),
                            1e-15);
    ck_assert(distill_data_weight(DATA_WEIGHT_ONE, 0.25) == want[1][2]);
    ck_assert(distill_data_weight(DATA_WEIGHT_LINEAR, 0.25) == want[2][2]);
    ck_assert(distill_data_weight(DATA_WEIGHT_ZERO, 0.25) == want[3][2]);
    case_make(&c, &diffusion_softmax, -1, 2, 3, 5, 4);
    for (int w = DATA_WEIGHT_SIGMOID; w <= DATA_WEIGHT_ZERO; w++) {
        c.options.data_weight = (DataWeight)w;
        check_terms(&c);
        check_gradients(&c);
    }
    case_free(&c);
}
END_TEST

/* One lambda and a student that is the teacher at every time: nothing is left to learn, and the
 * correlation part of a product model is 0. */
START_TEST(a_product_student_equal_to_its_teacher_has_loss_zero)
{
    Case c;
    float grad[2 * 2 * 20] = {0};

    case_make(&c, &diffusion_softmax, -1, 2, 1, 5, 4);
    memcpy(c.out[ST], c.out[TT], 2 * c.outputs * sizeof(float));
    memcpy(c.out[SU], c.out[TT], 2 * c.outputs * sizeof(float));
    memcpy(c.out[STM], c.out[TTM], 2 * c.outputs * sizeof(float));
    Di4cInput in = input_of(&c);
    double loss = distill_losses(&c.options, &c.head, &in, NULL, grad, grad + 2 * c.outputs);
    ck_assert_double_eq_tol(loss, 0, 1e-5);
    for (size_t i = 0; i < 4 * c.outputs; i++)
        ck_assert_double_eq_tol(grad[i], 0, 1e-6);
    case_free(&c);
}
END_TEST

/* The mean of a picture's terms does not depend on the others, nor on the number of threads; and
 * gradients are added to what is there. */
START_TEST(pictures_threads_and_accumulation)
{
    Case c;
    size_t n;

    case_make(&c, &diffusion_softmax, 3, 3, 4, 70, 3);
    n = c.B * c.N * c.outputs;
    float *one = mem_zeroed(2 * n, sizeof *one), *two = mem_zeroed(2 * n, sizeof *two);
    Di4cInput in = input_of(&c);
    threads_set(1);
    double first = distill_losses(&c.options, &c.head, &in, NULL, one, one + n);
    threads_set(3);
    double second = distill_losses(&c.options, &c.head, &in, NULL, two, two + n);
    ck_assert(first == second);
    ck_assert(memcmp(one, two, 2 * n * sizeof *one) == 0);
    distill_losses(&c.options, &c.head, &in, NULL, two, two + n);
    for (size_t i = 0; i < 2 * n; i++)
        ck_assert_double_eq_tol(two[i], 2 * one[i], 1e-6);
    mem_free(one);
    mem_free(two);
    case_free(&c);
}
END_TEST

/* A sample that no lambda can produce: the loss is infinite, gradients stay numbers. */
START_TEST(impossible_data)
{
    Case c;
    float grad[2 * 6 * 20] = {0};
    double cor[2];
    Di4cTerms terms = {NULL, cor, NULL, NULL, NULL};

    case_make(&c, &diffusion_softmax, -1, 2, 3, 5, 4);
    for (size_t i = 0; i < 3; i++)
        c.out[ST][i * c.outputs + 1] = -HUGE_VALF; /* state 1 of dimension 0, first picture */
    c.out[TT][1] = -HUGE_VALF;
    for (size_t r = 0; r < 3; r++) {
        c.out[SU][r * c.outputs + 1] = -HUGE_VALF;
        c.x0u.x[r * c.D] = 0;
    }
    c.x0.x[0] = 1;
    Di4cInput in = input_of(&c);
    double loss = distill_losses(&c.options, &c.head, &in, &terms, grad, grad + 6 * c.outputs);
    ck_assert(loss == HUGE_VAL && cor[0] == HUGE_VAL && isfinite(cor[1]));
    for (size_t i = 0; i < 12 * c.outputs; i++)
        ck_assert(isfinite(grad[i]));
    c.options.data_weight = DATA_WEIGHT_ZERO; /* of no weight: as if they were not asked for */
    loss = distill_losses(&c.options, &c.head, &in, &terms, grad, grad + 6 * c.outputs);
    ck_assert(cor[0] == HUGE_VAL && !isnan(loss));
    case_free(&c);
}
END_TEST

START_TEST(target_against_a_known_dimension_stops)
{
    Case c;

    case_make(&c, &diffusion_softmax, 4, 2, 3, 6, 4);
    c.xt.x[0] = 1;
    c.x0.x[0] = 2;
    Di4cInput in = input_of(&c);
    distill_losses(&c.options, &c.head, &in, NULL, NULL, NULL);
}
END_TEST

START_TEST(wrong_shape_stops)
{
    Case c;

    case_make(&c, &diffusion_softmax, -1, 2, 3, 6, 4);
    Di4cInput in = input_of(&c);
    if (_i == 0)
        in.xu.batch = 2;
    else
        in.xtm.batch = _i == 1 ? 5 : 1; /* no multiple of two pictures */
    distill_losses(&c.options, &c.head, &in, NULL, NULL, NULL);
}
END_TEST

Suite *losses_suite(void)
{
    Suite *s = suite_create("losses");
    TCase *tc = tcase_create("losses");

    tcase_add_loop_test(tc, terms_and_gradients, 0, 2 * SHAPES);
    tcase_add_test(tc, many_dimensions);
    tcase_add_test(tc, data_weights);
    tcase_add_test(tc, a_product_student_equal_to_its_teacher_has_loss_zero);
    tcase_add_test(tc, pictures_threads_and_accumulation);
    tcase_add_test(tc, impossible_data);
    tcase_add_test_raise_signal(tc, target_against_a_known_dimension_stops, SIGABRT);
    tcase_add_loop_test_raise_signal(tc, wrong_shape_stops, SIGABRT, 0, 3);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
