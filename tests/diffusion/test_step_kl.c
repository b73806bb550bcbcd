/* diffusion/step_kl.c: values from posteriors written out, gradients against differences. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/process/transition.h"
#include "diffusion/step_kl.h"
#include "tensor/base/memory.h"
#include "tests/tools/sampler_worlds.h"

enum { B = 4, D = 3, S = 3 };

typedef struct Case {
    Process *p;
    Head head;
    PosteriorStep *steps[B];
    States x0, xt;
    double weight[B];
    float *out;
    size_t outputs;
} Case;

/* 0 leads to 1 and 2 and is never come back to: no other x_0 can have led to x_t = 0. */
static Process *one_way(void)
{
    const double rates[S * S] = {-2, 2, 0, 0, -1, 1, 0, 1, -1};
    Error err = {""};
    ProcessConfig c = diffusion_process_defaults("matrix", S);
    c.rates = rates;
    c.any_start = true;
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

/* Processes 1..4 have no mask, 5 goes one way; the last row is a last step. */
static void case_make(Case *c, size_t kind, const HeadClass *head)
{
    Rng rng = rng_root(3);
    memset(c, 0, sizeof *c);
    c->p = kind < 5 ? world_process(kind, S) : one_way();
    c->head = (Head){head, D, S, 1, false, -1};
    c->outputs = diffusion_head_outputs(&c->head);
    c->out = mem_alloc(B * c->outputs, sizeof *c->out);
    for (size_t i = 0; i < B * c->outputs; i++)
        c->out[i] = (float)rng_normal(&rng);
    c->x0 = states_alloc(B, D);
    c->xt = states_alloc(B, D);
    for (size_t i = 0; i < (size_t)B * D; i++) {
        c->x0.x[i] = (uint16_t)(i * i % S);
        c->xt.x[i] = (uint16_t)((i + i / 2) % S);
        if (kind == 5 && c->xt.x[i] == 0)
            c->xt.x[i] = c->x0.x[i];
    }
    for (size_t b = 0; b < B; b++)
        c->weight[b] = 1.0 + 0.5 * (double)b;
    for (size_t b = 0; b + 1 < B; b++)
        c->steps[b] = diffusion_posterior_create(c->p, 0.2 + 0.1 * (double)b, 0.7, 0.0);
}

static void case_free(Case *c)
{
    for (size_t b = 0; b < B; b++)
        diffusion_posterior_destroy(c->steps[b]);
    diffusion_process_destroy(c->p);
    states_free(&c->x0);
    states_free(&c->xt);
    mem_free(c->out);
}

static double value(const Case *c, float *dout)
{
    return diffusion_step_kl(&c->head, c->steps, &c->x0, &c->xt, c->weight, c->out, dout);
}

/* sum_a p(a) q(. | x_t, a), one posterior after the other. */
static double by_hand(const Case *c, size_t b, size_t d)
{
    float logp[S];
    double truth[S], part[S], model[S] = {0}, sum = 0.0;
    const uint16_t x0 = states_row(&c->x0, b)[d], xt = states_row(&c->xt, b)[d];
    diffusion_head_row(&c->head, c->out + b * c->outputs, NULL, d, logp);
    if (c->steps[b] == NULL)
        return -(double)logp[x0];
    double mass = 0.0;
    for (size_t a = 0; a < S; a++) {
        if (!(diffusion_transition_at(c->steps[b]->to_t, a, xt) > 0.0))
            continue; /* such an x_0 is left out, and the others make up for it */
        mass += exp((double)logp[a]);
        diffusion_posterior(c->steps[b], xt, a, part);
        for (size_t v = 0; v < S; v++)
            model[v] += exp((double)logp[a]) * part[v];
    }
    diffusion_posterior(c->steps[b], xt, x0, truth);
    for (size_t v = 0; v < S; v++)
        sum += truth[v] > 0.0 ? truth[v] * log(truth[v] * mass / model[v]) : 0.0;
    return sum;
}

START_TEST(values_and_gradients)
{
    for (int head = 0; head < 2; head++) {
        Case c;
        case_make(&c, (size_t)_i, head == 0 ? &diffusion_softmax : &diffusion_logistic);
        double expected = 0.0;
        for (size_t b = 0; b < B; b++)
            for (size_t d = 0; d < D; d++)
                expected += c.weight[b] * by_hand(&c, b, d) / (B * D);
        ck_assert_double_eq_tol(value(&c, NULL), expected, 1e-6 * (1.0 + expected));
        float *dout = mem_zeroed(B * c.outputs, sizeof *dout);
        ck_assert_double_eq(value(&c, dout), value(&c, NULL));
        for (size_t i = 0; i < B * c.outputs; i++) {
            const float kept = c.out[i], h = head == 0 ? 1e-2f : 1e-3f;
            c.out[i] = kept + h;
            const double above = value(&c, NULL);
            c.out[i] = kept - h;
            const double below = value(&c, NULL);
            c.out[i] = kept;
            const double slope = (above - below) / (2.0 * (double)h);
            ck_assert_msg(fabs(slope - (double)dout[i]) < 5e-4 * (1.0 + fabs(slope)),
                          "number %zu: %g, differences %g", i, (double)dout[i], slope);
        }
        mem_free(dout);
        case_free(&c);
    }
}
END_TEST

/* A model that knows x_0 loses nothing. */
START_TEST(the_truth_costs_nothing)
{
    Case c;
    case_make(&c, (size_t)_i, &diffusion_softmax);
    for (size_t b = 0; b < B; b++)
        for (size_t d = 0; d < D; d++)
            for (size_t a = 0; a < S; a++)
                c.out[(b * D + d) * S + a] = a == states_row(&c.x0, b)[d] ? 60.0f : 0.0f;
    ck_assert_double_eq_tol(value(&c, NULL), 0.0, 1e-9);
    case_free(&c);
}
END_TEST

START_TEST(noise_with_a_mask)
{
    Case c;
    case_make(&c, 1, &diffusion_softmax);
    c.head.mask = S;
    value(&c, NULL);
}
END_TEST

Suite *step_kl_suite(void)
{
    Suite *s = suite_create("step_kl");
    TCase *tc = tcase_create("step_kl");
    tcase_add_loop_test(tc, values_and_gradients, 1, 6);
    tcase_add_loop_test(tc, the_truth_costs_nothing, 1, 6);
    tcase_add_test_raise_signal(tc, noise_with_a_mask, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
