/* The ELBO of a transformer under absorbing noise against sums over all texts and all masks of
 * tools/masked_world.h, in double: as it is measured (diffusion/elbo.c) and as it is trained on
 * (diffusion/teacher.c).  Means are compared within six standard errors: a right program fails with
 * probability 2e-9 for each. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/elbo.h"
#include "diffusion/teacher.h"
#include "tensor/base/memory.h"
#include "tests/tools/masked_texts.h"
#include "tests/tools/one_thread.h"

enum { SUBSETS = MASKED_SUBSETS, INTERVALS = 64 };
static const double LN2 = 0.69314718055994530942, T_MIN = 0.05;

/* What is measured, nats a text: means and mean squares. */
typedef struct Exact {
    double integral, end, integral_square, end_square;
} Exact;

/* The integral over alpha from 0 to alpha(T_MIN) by Simpson's rule. */
static Exact exact_elbo(const MaskedWorld *w)
{
    const double top = 1.0 - masked_lost(w, T_MIN);
    static MaskedTable table;
    double square;
    Exact e = {0.0, 0.0, 0.0, 0.0};
    for (size_t i = 0; i <= INTERVALS; i++) {
        const double alpha = top * (double)i / INTERVALS, lost = 1.0 - alpha;
        const double rule = (i == 0 || i == INTERVALS ? 1.0 : i % 2 == 1 ? 4.0 : 2.0) / 3.0;
        masked_table(w, masked_time(w, lost), NULL, &table);
        const double mean = masked_mean_entropy(&table, lost, &square);
        e.integral += rule / INTERVALS * top * mean / lost;
        e.integral_square += rule / INTERVALS * top * top * square / (lost * lost);
    }
    masked_table(w, T_MIN, NULL, &table);
    e.end = masked_mean_entropy(&table, masked_lost(w, T_MIN), &e.end_square);
    return e;
}

static TransformerConfig config_of(int way)
{
    TransformerConfig c = masked_config();
    c.time_conditioning = way < 2;
    c.learned_positions = way % 2 == 0;
    return c;
}

static void within(const char *part, double measured, double exact, double square, size_t count)
{
    const double error = sqrt((square - exact * exact) / (double)count);
    ck_assert_msg(fabs(measured - exact) < 6.0 * error, "%s: %g, enumerated %g +- %g", part,
                  measured, exact, error);
}

/* Log-linear and, the last, cosine.  Drawn times and masks are within six standard errors. */
START_TEST(what_is_measured)
{
    const TransformerConfig c = config_of(_i % 4);
    const double unit = MASKED_D * LN2;
    MaskedWorld w;
    Elbo e;
    Error err = {""};
    States x = masked_data(40, 2);
    masked_world_make(&w, &c, _i == 4, 7);
    const ElboRequest r = {.model = &w.model,
                           .process = w.process,
                           .t_min = T_MIN,
                           .times = 512,
                           .batch = 1000,
                           .seed = 3};
    const Exact exact = exact_elbo(&w);
    ck_assert_msg(diffusion_elbo(&r, &x, &e, &err), "%s", err.text);
    const double total = exact.integral + exact.end;
    ck_assert_double_eq(e.prior, 0.0);
    ck_assert_msg(fabs(e.total - total / unit) < 6.0 * e.error, "%g +- %g, enumerated %g", e.total,
                  e.error, total / unit);
    ck_assert_double_lt(e.error, 0.02 * e.total);
    within("integral", e.diffusion * unit, exact.integral, exact.integral_square, x.batch);
    within("end", e.reconstruction * unit, exact.end, exact.end_square, x.batch);
    states_free(&x);
    masked_world_free(&w);
}
END_TEST

/* ---- one order after another ---- */

/* Mean over all orders of writing the masked places one by one, nats. */
static double order_mean(const MaskedTable *table, size_t i, size_t subset)
{
    uint16_t x0[MASKED_D], x[MASKED_D];
    masked_noised(i, subset, x0, x);
    const size_t masks = masked_count(x);
    double sum = 0.0;
    for (size_t d = 0; d < MASKED_D; d++) {
        if (x[d] == MASKED_MASK) {
            const size_t one = (size_t)1 << d;
            sum += order_mean(table, i, subset - one) + masked_entropy(table, i, subset, one);
        }
    }
    return masks > 0 ? sum / (double)masks : 0.0;
}

/* As t_min falls to 0, a network that does not read the time has the ELBO of writing in a random
 * order. */
START_TEST(without_time_it_is_the_mean_over_orders)
{
    const TransformerConfig c = config_of(2);
    MaskedWorld w;
    Elbo e;
    Error err = {""};
    States x = masked_data(40, 2);
    static MaskedTable table;
    double sum = 0.0, count = 0.0;
    masked_world_make(&w, &c, false, 8);
    const ElboRequest r = {.model = &w.model,
                           .process = w.process,
                           .t_min = 1e-6,
                           .times = 512,
                           .batch = 1000,
                           .seed = 4};
    masked_table(&w, 0.5, NULL, &table);
    for (size_t i = 0; i < MASKED_TEXTS; i++) {
        sum += (double)masked_copies(i) * order_mean(&table, i, SUBSETS - 1);
        count += (double)masked_copies(i);
    }
    ck_assert_msg(diffusion_elbo(&r, &x, &e, &err), "%s", err.text);
    const double exact = sum / count / (MASKED_D * LN2);
    ck_assert_msg(fabs(e.total - exact) < 6.0 * e.error, "%g +- %g, over orders %g", e.total,
                  e.error, exact);
    states_free(&x);
    masked_world_free(&w);
}
END_TEST

/* ---- training ---- */

/* Every text under every mask: nothing is drawn, so digits are compared. */
START_TEST(the_loss_of_every_mask)
{
    enum { COUNT = MASKED_TEXTS * SUBSETS };
    const TransformerConfig c = config_of(_i);
    MaskedWorld w;
    masked_world_make(&w, &c, false, 7);
    States x0 = states_alloc(COUNT, MASKED_D), xt = states_alloc(COUNT, MASKED_D);
    double *t = mem_alloc(COUNT, sizeof *t);
    float *out = mem_alloc(COUNT * w.net->outputs, sizeof *out);
    for (size_t k = 0; k < COUNT; k++) {
        masked_noised(k / SUBSETS, k % SUBSETS, states_row(&x0, k), states_row(&xt, k));
        t[k] = 0.3;
    }
    Graph *g = ag_graph_create();
    const NetworkInput in = {.x = &xt, .t = t};
    static MaskedTable table;
    masked_table(&w, 0.3, NULL, &table);
    diffusion_denoise(&w.model, g, &in, 100, out);
    for (size_t k = 0; k < COUNT; k++) {
        const States one = states_rows(&x0, k, 1), seen = states_rows(&xt, k, 1);
        const double weight = 3.0,
                     loss = diffusion_cross_entropy(&w.model.head, &one, &seen, &weight,
                                                    out + k * w.net->outputs, NULL);
        const double exact = masked_entropy(&table, k / SUBSETS, k % SUBSETS, k % SUBSETS);
        if (!(fabs(loss - weight * exact / MASKED_D) < 1e-5 * (1.0 + exact))) {
            ck_abort_msg("text %zu, mask %zu: %g, enumerated %g", k / SUBSETS, k % SUBSETS, loss,
                         weight * exact / MASKED_D);
        }
    }
    ag_graph_destroy(g);
    mem_free(t);
    mem_free(out);
    states_free(&x0);
    states_free(&xt);
    masked_world_free(&w);
}
END_TEST

/* What a training step's loss is the mean of: 1/(1 - T_MIN) times the integral over t from T_MIN to
 * 1 of -alpha'/(1 - alpha) times the entropy a dimension. */
static double exact_loss(const MaskedWorld *w)
{
    static MaskedTable table;
    double sum = 0.0, square;
    for (size_t i = 0; i <= INTERVALS; i++) {
        const double t = T_MIN + (1.0 - T_MIN) * (double)i / INTERVALS;
        const double rule = (i == 0 || i == INTERVALS ? 1.0 : i % 2 == 1 ? 4.0 : 2.0) / 3.0;
        masked_table(w, t, NULL, &table);
        sum += rule / INTERVALS * masked_rate(w, t) *
               masked_mean_entropy(&table, masked_lost(w, t), &square) / MASKED_D;
    }
    return sum;
}

/* Its derivative along v, by differences. */
static double exact_slope(const MaskedWorld *w, const double *v)
{
    const double h = 1e-4;
    const size_t n = w->net->params.total;
    double side[2];
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < n; i++) {
            w->plain.weights[i] = (double)w->net->params.values[i] + (k == 0 ? h : -h) * v[i];
        }
        side[k] = exact_loss(w);
    }
    return (side[0] - side[1]) / (2.0 * h);
}

static void check_mean(const char *what, const double *value, size_t n, double exact)
{
    double mean = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        mean += value[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        squares += (value[i] - mean) * (value[i] - mean);
    }
    const double error = sqrt(squares / (double)(n - 1) / (double)n);
    ck_assert_msg(fabs(mean - exact) < 6.0 * error, "%s: %g +- %g, enumerated %g", what, mean,
                  error, exact);
    ck_assert_msg(error < 0.03 * fabs(exact), "%s: %g +- %g tells little", what, mean, error);
}

/* Loss and gradient of training steps, over their random times and masks; so few pictures a step
 * that its slices of time are wide.  The gradient is looked at along the one of a large step, with
 * each parameter's share changed at random. */
START_TEST(what_is_trained_on)
{
    enum { STEPS = 1600, BATCH = 8, FIRST = 512 };
    const TransformerConfig c = config_of(0);
    MaskedWorld w;
    double *loss = mem_alloc(STEPS, sizeof *loss), *slope = mem_zeroed(STEPS, sizeof *slope);
    TeacherConfig config = diffusion_teacher_defaults();
    masked_world_make(&w, &c, _i == 1, 7);
    const size_t n = w.net->params.total;
    double *v = mem_alloc(n, sizeof *v);
    Rng rng = rng_root(6);
    Workspace work = diffusion_workspace_create(0);
    States x = masked_data(64, 5);
    ck_assert_uint_ge(x.batch, (size_t)STEPS * BATCH);
    config.loss = TEACHER_CROSS_ENTROPY;
    config.time_weight = TIME_WEIGHT_ELBO;
    config.t_min = T_MIN;
    config.stratified_times = true;
    for (uint64_t step = 0; step <= STEPS; step++) {
        const States some = step == 0 ? states_rows(&x, 0, FIRST)
                                      : states_rows(&x, (size_t)(step - 1) * BATCH, BATCH);
        nn_params_zero_grads(&w.net->params);
        const double now =
            diffusion_teacher_gradient(&config, &w.model, w.process, &some, 5, step, &work);
        for (size_t i = 0; i < n && step == 0; i++) {
            v[i] = (double)w.net->params.grads[i] * 2.0 * rng_uniform(&rng);
        }
        for (size_t i = 0; i < n && step > 0; i++) {
            slope[step - 1] += v[i] * (double)w.net->params.grads[i];
        }
        loss[step > 0 ? step - 1 : 0] = now;
    }
    check_mean("loss", loss, STEPS, exact_loss(&w));
    check_mean("slope", slope, STEPS, exact_slope(&w, v));
    mem_free(loss);
    mem_free(slope);
    mem_free(v);
    states_free(&x);
    diffusion_workspace_destroy(&work);
    masked_world_free(&w);
}
END_TEST

Suite *masked_elbo_suite(void);
Suite *masked_elbo_suite(void)
{
    Suite *s = suite_create("masked_elbo");
    TCase *tc = one_thread_case("masked_elbo", 120);
    tcase_add_loop_test(tc, what_is_measured, 0, 5);
    tcase_add_test(tc, without_time_it_is_the_mean_over_orders);
    tcase_add_loop_test(tc, the_loss_of_every_mask, 0, 4);
    tcase_add_loop_test(tc, what_is_trained_on, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
