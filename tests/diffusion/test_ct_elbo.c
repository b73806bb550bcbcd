/* The continuous-time ELBO against its sums written out in double, and its gradient. */
#include "diffusion/head/batch.h"
#include "diffusion/process/transition.h"
#include "diffusion/teacher.h"
#include "tensor/base/larger.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/mild_process.h"

typedef struct Case {
    TeacherConfig config;
    Head head;
    Process *p;
    size_t B, D, S, outputs;
    double t[4];
    States x0, xt, xtilde;
    float *out, *out_t;
} Case;

static void case_make(Case *c, const char *kind, const HeadClass *head, size_t B, size_t D,
                      size_t S)
{
    Rng rng = rng_root(100 * B + 10 * D + S);

    c->config = diffusion_teacher_defaults();
    c->config.nll_weight = 0.5; /* large enough to be seen */
    c->head = (Head){&diffusion_softmax, D, S, 1, false, -1};
    c->head.class = head;
    c->p = mild_process(kind, S);
    c->B = B;
    c->D = D;
    c->S = S;
    c->outputs = diffusion_head_outputs(&c->head);
    c->x0 = states_alloc(B, D);
    c->xt = states_alloc(B, D);
    c->xtilde = states_alloc(B, D);
    c->out = mem_alloc(B * c->outputs, sizeof(float));
    c->out_t = mem_alloc(B * c->outputs, sizeof(float));
    for (size_t b = 0; b < B; b++)
        c->t[b] = 0.05 + 0.9 * rng_uniform(&rng);
    for (size_t i = 0; i < B * D; i++) {
        c->x0.x[i] = (uint16_t)rng_below(&rng, S);
        c->xt.x[i] = (uint16_t)rng_below(&rng, S);
        c->xtilde.x[i] = (uint16_t)rng_below(&rng, S);
    }
    for (size_t i = 0; i < B * c->outputs; i++) {
        c->out[i] = (float)rng_normal(&rng);
        c->out_t[i] = (float)rng_normal(&rng);
    }
}

static void case_free(Case *c)
{
    diffusion_process_destroy(c->p);
    states_free(&c->x0);
    states_free(&c->xt);
    states_free(&c->xtilde);
    mem_free(c->out);
    mem_free(c->out_t);
}

/* p (D, S) of one sample. */
static double *naive_probs(const Case *c, const float *out)
{
    double *p = mem_alloc(c->D * c->S, sizeof *p);
    float *row = mem_alloc(c->S, sizeof *row);

    for (size_t d = 0; d < c->D; d++) {
        diffusion_head_row(&c->head, out, NULL, d, row);
        for (size_t a = 0; a < c->S; a++)
            p[d * c->S + a] = exp((double)row[a]);
    }
    mem_free(row);
    return p;
}

typedef struct Naive {
    const Case *c;
    Transition *tr;
    double beta;
    const uint16_t *x0, *x; /* x: where the part is taken */
    const double *p;
} Naive;

static double naive_q(const Naive *n, size_t a, size_t v)
{
    return diffusion_transition_at(n->tr, a, v);
}

static double naive_rate(const Naive *n, size_t v, size_t x)
{
    return n->beta * diffusion_process_jump(n->c->p, v, x);
}

static double naive_reg(const Naive *n)
{
    const Case *c = n->c;
    double total = 0;

    for (size_t d = 0; d < c->D; d++)
        for (size_t v = 0; v < c->S; v++)
            for (size_t a = 0; v != n->x[d] && a < c->S; a++)
                total += naive_rate(n, v, n->x[d]) * n->p[d * c->S + a] * naive_q(n, a, v) /
                         (naive_q(n, a, n->x[d]) + c->config.eps);
    return total;
}

/* -sig/norm */
static double naive_sig(const Naive *n)
{
    const Case *c = n->c;
    double sig = 0, norm = 0, eps = c->config.eps;

    for (size_t d = 0; d < c->D; d++)
        for (size_t v = 0; v < c->S; v++) {
            size_t x = n->x[d];
            double inner = 0, z = 0;
            if (v == x)
                continue;
            for (size_t a = 0; a < c->S; a++)
                inner += n->p[d * c->S + a] * naive_q(n, a, v) / (naive_q(n, a, x) + eps);
            for (size_t e = 0; e < c->D; e++) {
                size_t y = e == d ? v : n->x[e];
                z -= naive_rate(n, y, y);
            }
            double weight =
                naive_rate(n, v, x) * naive_q(n, n->x0[d], v) / (naive_q(n, n->x0[d], x) + eps);
            sig += weight * log(inner + eps);
            norm += weight / z;
        }
    return -sig / norm;
}

static double naive_elbo(const Case *c, double *reg, double *sig, double *ce)
{
    double loss = 0;

    *ce = 0;
    for (size_t b = 0; b < c->B; b++) {
        bool two = c->config.two_passes;
        double *p = naive_probs(c, c->out + b * c->outputs);
        double *p_t = naive_probs(c, (two ? c->out_t : c->out) + b * c->outputs);
        Naive n = {c,
                   diffusion_transition_create(c->p, 0, c->t[b], TRANSITION_ACCURATE),
                   diffusion_process_rate(c->p, c->t[b]),
                   c->x0.x + b * c->D,
                   c->xtilde.x + b * c->D,
                   p};
        sig[b] = naive_sig(&n);
        n.x = two ? c->xt.x + b * c->D : n.x;
        n.p = p_t;
        reg[b] = naive_reg(&n);
        for (size_t d = 0; d < c->D; d++)
            *ce -= log(p_t[d * c->S + n.x0[d]]) / (double)(c->B * c->D);
        loss += (reg[b] + sig[b]) / (double)c->B;
        diffusion_transition_destroy(n.tr);
        mem_free(p);
        mem_free(p_t);
    }
    return loss + c->config.nll_weight * *ce;
}

static double elbo(const Case *c, double *reg, double *sig, double *ce, float *dout, float *dout_t)
{
    bool two = c->config.two_passes;

    return diffusion_ct_elbo(&c->config, &c->head, c->p, c->t, &c->x0, &c->xtilde, c->out,
                             two ? &c->xt : NULL, two ? c->out_t : NULL, reg, sig, ce, dout,
                             dout_t);
}

static void check_differences(Case *c, float *out, const float *grad)
{
    double reg[4], sig[4], ce, h = 4e-3;
    size_t n = c->B * c->outputs, stride = n / 61 + 1;

    for (size_t i = 0; i < n; i += stride) {
        float keep = out[i];
        out[i] = (float)(keep + h);
        double above = naive_elbo(c, reg, sig, &ce), width = out[i];
        out[i] = (float)(keep - h);
        double below = naive_elbo(c, reg, sig, &ce);
        width -= out[i];
        out[i] = keep;
        double want = (above - below) / width, size = fabs(above) + 1;
        ck_assert_msg(fabs(grad[i] - want) <= 1e-4 * size + 6e-3 * fabs(want),
                      "number %d: %g, expected %g", (int)i, grad[i], want);
    }
}

typedef struct Shape {
    const char *process;
    const HeadClass *head;
    size_t B, D, S;
} Shape;

static const Shape shapes[] = {
    {"uniform", &diffusion_softmax, 1, 1, 2},   {"uniform", &diffusion_softmax, 3, 4, 5},
    {"gaussian", &diffusion_logistic, 2, 3, 8}, {"birthdeath", &diffusion_softmax, 2, 5, 6},
    {"gaussian", &diffusion_softmax, 1, 2, 24},
};
enum { SHAPES = 5 };

START_TEST(elbo_and_its_gradient)
{
    const Shape *s = &shapes[_i % SHAPES];
    double reg[2][4], sig[2][4], ce[2];
    Case c;

    case_make(&c, s->process, s->head, s->B, s->D, s->S);
    c.config.two_passes = _i / SHAPES % 2 == 1;
    if (_i >= 2 * SHAPES)
        c.config.eps = 0.05; /* not small beside entries of Q */
    float *dout = mem_zeroed(c.B * c.outputs, sizeof *dout);
    float *dout_t = mem_zeroed(c.B * c.outputs, sizeof *dout_t);
    double loss = elbo(&c, reg[0], sig[0], &ce[0], dout, c.config.two_passes ? dout_t : NULL);
    double want = naive_elbo(&c, reg[1], sig[1], &ce[1]);
    ck_assert_double_eq_tol(loss, want, 2e-6 * (1 + fabs(want)));
    ck_assert_double_eq_tol(ce[0], ce[1], 2e-6 * (1 + ce[1]));
    for (size_t b = 0; b < c.B; b++) {
        ck_assert_double_eq_tol(reg[0][b], reg[1][b], 2e-6 * (1 + reg[1][b]));
        ck_assert_double_eq_tol(sig[0][b], sig[1][b], 2e-6 * (1 + fabs(sig[1][b])));
    }
    check_differences(&c, c.out, dout);
    if (c.config.two_passes)
        check_differences(&c, c.out_t, dout_t);
    mem_free(dout);
    mem_free(dout_t);
    case_free(&c);
}
END_TEST

/* Gradient of one dimension's loss at its S logits (softmax head), in double:
 *   p_a (f_a - sum_b p_b f_b)/B + nll_weight/(B D) (p_a - [a = x0]),
 *   f_a = sum_v R[v][x] Q[a][v]/Q[a][x] - 1/norm sum_v c_v/inner_v Q[a][v]/Q[a][x]. */
static void naive_softmax_gradient(const Case *c, const Naive *n, size_t d, double norm,
                                   double *grad)
{
    const double *p = n->p + d * c->S;
    size_t x = n->x[d], x0 = n->x0[d];
    double mean = 0, each = c->config.nll_weight / (double)(c->B * c->D), eps = c->config.eps;

    for (size_t a = 0; a < c->S; a++)
        grad[a] = 0;
    for (size_t v = 0; v < c->S; v++) {
        double inner = eps,
               weight = naive_rate(n, v, x) * naive_q(n, x0, v) / (naive_q(n, x0, x) + eps);
        for (size_t a = 0; a < c->S; a++)
            inner += p[a] * naive_q(n, a, v) / (naive_q(n, a, x) + eps);
        for (size_t a = 0; v != x && a < c->S; a++)
            grad[a] += (naive_rate(n, v, x) - weight / (norm * inner)) * naive_q(n, a, v) /
                       (naive_q(n, a, x) + eps);
    }
    for (size_t a = 0; a < c->S; a++)
        mean += p[a] * grad[a];
    for (size_t a = 0; a < c->S; a++)
        grad[a] = p[a] * (grad[a] - mean) / (double)c->B + each * (p[a] - (a == x0));
}

/* Towards t = 1 all x_0 look alike, and the gradient is a small difference of large rates. */
START_TEST(gradient_keeps_its_digits_where_noise_forgets)
{
    Case c;
    double grad[6], largest = 0, worst = 0;

    case_make(&c, "birthdeath", &diffusion_softmax, 2, 5, 6);
    c.config.nll_weight = 1e-3;
    float *dout = mem_zeroed(c.B * c.outputs, sizeof *dout);
    const ProcessConfig strong = diffusion_process_defaults("birthdeath", 6); /* sigma to 100 */
    diffusion_process_destroy(c.p);
    c.p = diffusion_process_create(&strong, NULL);
    c.t[0] = 0.4;
    c.t[1] = 0.9; /* rates of 2e4 */
    elbo(&c, NULL, NULL, NULL, dout, NULL);
    for (size_t b = 0; b < c.B; b++) {
        double *p = naive_probs(&c, c.out + b * c.outputs), norm = 0, leave = 0;
        const Naive n = {&c,
                         diffusion_transition_create(c.p, 0, c.t[b], TRANSITION_ACCURATE),
                         diffusion_process_rate(c.p, c.t[b]),
                         c.x0.x + b * c.D,
                         c.xtilde.x + b * c.D,
                         p};
        for (size_t d = 0; d < c.D; d++)
            leave -= naive_rate(&n, n.x[d], n.x[d]);
        for (size_t d = 0; d < c.D; d++)
            for (size_t v = 0; v < c.S; v++)
                if (v != n.x[d])
                    norm += naive_rate(&n, v, n.x[d]) * naive_q(&n, n.x0[d], v) /
                            (naive_q(&n, n.x0[d], n.x[d]) + c.config.eps) /
                            (leave + naive_rate(&n, n.x[d], n.x[d]) - naive_rate(&n, v, v));
        for (size_t d = 0; d < c.D; d++) {
            naive_softmax_gradient(&c, &n, d, norm, grad);
            for (size_t a = 0; a < c.S; a++) {
                worst = larger_of(worst, fabs(grad[a] - dout[b * c.outputs + d * c.S + a]));
                largest = larger_of(largest, fabs(grad[a]));
            }
        }
        diffusion_transition_destroy(n.tr);
        mem_free(p);
    }
    ck_assert_msg(worst <= 5e-5, "error %g, gradients up to %g", worst, largest);
    mem_free(dout);
    case_free(&c);
}
END_TEST

START_TEST(elbo_has_the_same_bits_on_every_thread_count)
{
    Case c;
    float one[3 * 20] = {0}, two[3 * 20] = {0};

    case_make(&c, "uniform", &diffusion_softmax, 3, 4, 5);
    threads_set(1);
    double first = elbo(&c, NULL, NULL, NULL, one, NULL);
    threads_set(3);
    ck_assert(first == elbo(&c, NULL, NULL, NULL, two, NULL));
    ck_assert_mem_eq(one, two, sizeof one);
    case_free(&c);
}
END_TEST

START_TEST(elbo_with_a_mask_stops)
{
    Case c;

    case_make(&c, "uniform", &diffusion_softmax, 1, 2, 3);
    c.p = mild_process("absorbing", 3);
    elbo(&c, NULL, NULL, NULL, NULL, NULL);
}
END_TEST

Suite *ct_elbo_suite(void)
{
    Suite *s = suite_create("ct_elbo");
    TCase *tc = tcase_create("ct_elbo");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, elbo_and_its_gradient, 0, 4 * SHAPES);
    tcase_add_test(tc, elbo_has_the_same_bits_on_every_thread_count);
    tcase_add_test(tc, gradient_keeps_its_digits_where_noise_forgets);
    tcase_add_test_raise_signal(tc, elbo_with_a_mask_stops, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
