/* The evidence bound of the sampler of N steps (diffusion/step_bound.c) of transformers under
 * absorbing noise against sums over all texts, masks and lambdas of tools/masked_world.h, in
 * double; students with both ways of lambda, a lambda a step and a lambda a sample, with a
 * recognition network and without.  Within six standard errors: a right program fails with
 * probability 2e-9 for each. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/step_bound.h"
#include "nn/encoder.h"
#include "tests/tools/masked_texts.h"
#include "tests/tools/one_thread.h"

enum { SUBSETS = MASKED_SUBSETS, MOST = 3, SEED = 9 };
static const double UNIT = MASKED_D * 0.69314718055994530942; /* nats to bits a dimension */

static void check_bound(const MaskedWorld *w, const StepBoundRequest *r, const States *x,
                        double exact, double lambda)
{
    StepBound b;
    Error err = {""};
    ck_assert_msg(diffusion_step_bound(r, x, &b, &err), "%s", err.text);
    ck_assert_msg(fabs(b.total - exact / UNIT) < 6.0 * b.error,
                  "%zu steps, %zu lambdas: %g +- %g, enumerated %g", r->steps, r->lambdas, b.total,
                  b.error, exact / UNIT);
    ck_assert_double_lt(b.error, 0.02 * b.total);
    ck_assert_double_eq_tol(b.prior, 0.0, 1e-12);
    ck_assert_double_eq_tol(b.total, b.steps + b.lambda, 1e-12);
    if (w->net->encoder == NULL) {
        ck_assert_double_eq(b.lambda, 0.0);
    } else if (w->model.lambda_scope == LAMBDA_SAMPLE) { /* no draw is in it */
        ck_assert_double_eq_tol(b.lambda, lambda / UNIT, 1e-5);
    }
}

static StepBoundRequest request(const MaskedWorld *w, size_t steps, size_t lambdas)
{
    return (StepBoundRequest){.model = &w->model,
                              .process = w->process,
                              .steps = steps,
                              .lambdas = lambdas,
                              .batch = 2000,
                              .seed = 9 + steps};
}

/* Chance that a step from n/N reveals a masked dimension. */
static double revealed(const MaskedWorld *w, size_t n, size_t steps)
{
    const double t = (double)n / (double)steps, s = (double)(n - 1) / (double)steps;
    return n == 1 ? 1.0 : 1.0 - masked_lost(w, s) / masked_lost(w, t);
}

START_TEST(teachers)
{
    const TransformerConfig c = masked_config();
    MaskedWorld w;
    States x = masked_data(20, 3);
    static MaskedTable table;
    masked_world_make(&w, &c, _i == 1, SEED);
    for (size_t steps = 1; steps <= 3; steps++) {
        const StepBoundRequest r = request(&w, steps, 1);
        double exact = 0.0, square;
        for (size_t n = 1; n <= steps; n++) {
            const double t = (double)n / (double)steps;
            masked_table(&w, t, NULL, &table);
            exact +=
                revealed(&w, n, steps) * masked_mean_entropy(&table, masked_lost(&w, t), &square);
        }
        check_bound(&w, &r, &x, exact, 0.0);
    }
    states_free(&x);
    masked_world_free(&w);
}
END_TEST

static TransformerConfig student(int entry, EncoderInput encoder)
{
    TransformerConfig c = masked_config();
    c.lambda_dims = entry == TRANSFORMER_LAMBDA_TOKEN || encoder != ENCODER_NONE ? 1 : 2;
    c.lambda_entry = (TransformerLambda)entry;
    c.lambda_is_number = entry == TRANSFORMER_LAMBDA_CONDITIONING || encoder != ENCODER_NONE;
    c.encoder = encoder;
    return c;
}

/* ---- a lambda a step, drawn K times ---- */

/* E -log (1/K) sum_k e^-term[node k], the nodes drawn one by one. */
static double mean_of_draws(const MaskedWorld *w, const double *term, size_t left, double sum,
                            size_t K)
{
    double mean = 0.0;
    if (left == 0) {
        return -log(sum / (double)K);
    }
    for (size_t k = 0; k < w->nodes; k++) {
        mean += w->weight[k] * mean_of_draws(w, term, left - 1, sum + exp(-term[k]), K);
    }
    return mean;
}

/* The n-th step's part: what of the masks is revealed is drawn too. */
static double drawn_step(const MaskedWorld *w, size_t n, size_t steps, size_t K)
{
    static MaskedTable tables[MASKED_NODES];
    const double t = (double)n / (double)steps, reveal = revealed(w, n, steps);
    double sum = 0.0, count = 0.0;
    for (size_t k = 0; k < w->nodes; k++) {
        masked_table(w, t, w->node[k], &tables[k]);
    }
    for (size_t at = 0; at < (size_t)MASKED_TEXTS * SUBSETS * SUBSETS; at++) {
        const size_t i = at / (SUBSETS * SUBSETS), subset = at / SUBSETS % SUBSETS;
        const size_t shown = at % SUBSETS;
        double term[MASKED_NODES], weight = (double)masked_copies(i);
        count += shown == 0 && subset == 0 ? weight : 0.0;
        if ((shown & ~subset) != 0) {
            continue;
        }
        weight *= masked_chance(subset, masked_lost(w, t));
        for (size_t d = 0; d < MASKED_D; d++) {
            weight *= !(subset >> d & 1) ? 1.0 : shown >> d & 1 ? reveal : 1.0 - reveal;
        }
        for (size_t k = 0; k < w->nodes; k++) {
            term[k] = masked_entropy(&tables[k], i, subset, shown);
        }
        sum += weight > 0.0 ? weight * mean_of_draws(w, term, K, 0.0, K) : 0.0;
    }
    return sum / count;
}

/* More lambdas make the bound smaller. */
START_TEST(students_with_a_lambda_a_step)
{
    const TransformerConfig c = student(_i, ENCODER_NONE);
    MaskedWorld w;
    States x = masked_data(20, 3);
    masked_world_make(&w, &c, false, SEED);
    for (size_t steps = 1; steps <= 2; steps++) {
        double before = HUGE_VAL;
        for (size_t K = 1; K <= MOST; K++) {
            StepBoundRequest r = request(&w, steps, K);
            double exact = 0.0;
            r.lambda_scope = LAMBDA_STEP;
            for (size_t n = 1; n <= steps; n++) {
                exact += drawn_step(&w, n, steps, K);
            }
            check_bound(&w, &r, &x, exact, 0.0);
            ck_assert_msg(exact < 0.99 * before, "%g after %g: lambda does nothing", exact, before);
            before = exact;
        }
    }
    states_free(&x);
    masked_world_free(&w);
}
END_TEST

/* ---- with a recognition network ---- */

/* m and v of q for text i, as the network says; xt with the subset masked, at t. */
static void recognised(const MaskedWorld *w, size_t i, size_t subset, double t, double stats[2])
{
    uint16_t clean[MASKED_D], noised[MASKED_D];
    States x0 = {clean, 1, MASKED_D}, xt = {noised, 1, MASKED_D};
    Graph *g = ag_graph_create();
    masked_noised(i, subset, clean, noised);
    const Var *v = nn_encode(w->net->encoder, g, &x0, &xt, &t);
    stats[0] = (double)v->value.data[0];
    stats[1] = (double)v->value.data[1];
    ag_graph_destroy(g);
}

static double divergence(const double stats[2])
{
    return 0.5 * (stats[0] * stats[0] + exp(stats[1]) - stats[1] - 1.0);
}

/* E over lambda ~ N(m, e^v) of the entropy of what is masked in text i. */
static double entropy_under(const MaskedWorld *w, const double stats[2], size_t i, size_t subset,
                            double t)
{
    const double width = 0.25, scale = width / sqrt(4.0 * acos(0.0));
    uint16_t x0[MASKED_D], x[MASKED_D];
    double sum = 0.0;
    masked_noised(i, subset, x0, x);
    for (int k = 0; k <= 40 && subset > 0; k++) {
        const double z = -5.0 + k * width;
        const double lambda = stats[0] + exp(0.5 * stats[1]) * z;
        double p[MASKED_D][MASKED_LETTERS];
        masked_rows(w, x, t, &lambda, p);
        for (size_t d = 0; d < MASKED_D; d++) {
            sum -= scale * exp(-0.5 * z * z) * log(p[d][x0[d]]);
        }
    }
    return sum;
}

/* Text i's bound, nats, and what of it is divergence. */
static double encoded_bound(const MaskedWorld *w, size_t i, size_t steps, double *kl)
{
    const bool once = w->model.lambda_scope == LAMBDA_SAMPLE;
    double sum = 0.0, stats[2];
    recognised(w, i, 0, 1.0, stats);
    *kl = once ? divergence(stats) : 0.0;
    for (size_t n = 1; n <= steps; n++) {
        const double t = (double)n / (double)steps, lost = masked_lost(w, t);
        for (size_t subset = 0; subset < SUBSETS; subset++) {
            const double chance = masked_chance(subset, lost);
            if (!(chance > 0.0)) {
                continue;
            }
            if (!once) {
                recognised(w, i, subset, t, stats);
                *kl += chance * divergence(stats);
            }
            sum += chance * revealed(w, n, steps) * entropy_under(w, stats, i, subset, t);
        }
    }
    return sum + *kl;
}

/* lambda ~ N(0, 1); some of the texts, for their lambdas are all different. */
static void check_encoded(int entry, LambdaScope scope)
{
    enum { TEXTS = 9, COPIES = 700 };
    const TransformerConfig c =
        student(entry, scope == LAMBDA_SAMPLE ? ENCODER_CLEAN : ENCODER_PAIR);
    MaskedWorld w;
    States x = states_alloc((size_t)TEXTS * COPIES, MASKED_D);
    masked_world_make(&w, &c, false, SEED);
    w.model.lambda_law = LAMBDA_NORMAL;
    w.model.lambda_scope = scope;
    for (size_t b = 0; b < x.batch; b++) {
        masked_digits(states_row(&x, b), masked_text(b % TEXTS * 10));
    }
    for (size_t steps = 1; steps <= 2; steps++) {
        const StepBoundRequest r = request(&w, steps, 1);
        double exact = 0.0, lambda = 0.0, kl;
        for (size_t i = 0; i < TEXTS; i++) {
            exact += encoded_bound(&w, 10 * i, steps, &kl) / TEXTS;
            lambda += kl / TEXTS;
        }
        check_bound(&w, &r, &x, exact, lambda);
    }
    states_free(&x);
    masked_world_free(&w);
}

START_TEST(students_with_a_recognised_lambda_a_sample)
{
    check_encoded(_i, LAMBDA_SAMPLE);
}
END_TEST

START_TEST(students_with_a_recognised_lambda_a_step)
{
    check_encoded(_i, LAMBDA_STEP);
}
END_TEST

Suite *masked_bound_suite(void);
Suite *masked_bound_suite(void)
{
    Suite *s = suite_create("masked_bound");
    TCase *tc = one_thread_case("masked_bound", 120);
    tcase_add_loop_test(tc, teachers, 0, 2);
    tcase_add_loop_test(tc, students_with_a_lambda_a_step, 0, 2);
    tcase_add_loop_test(tc, students_with_a_recognised_lambda_a_sample, 0, 2);
    tcase_add_loop_test(tc, students_with_a_recognised_lambda_a_step, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
