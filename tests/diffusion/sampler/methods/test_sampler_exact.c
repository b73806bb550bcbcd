/* Samplers that simulate the learnt chain exactly: `exact` and `first-hitting`, against the master
 * equation of that chain; and the bounds that thinning rests on. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/sampler/methods/rate_bound.h"
#include "tensor/base/larger.h"
#include "tests/tools/sampler_worlds.h"
#include "tests/tools/slow.h"
#include "tests/tools/statistics.h"

static SampleRequest request_of(const char *sampler, const SamplerSettings *settings,
                                const Denoiser *d, const Process *p)
{
    SampleRequest r = {.sampler = diffusion_sampler_find(sampler, NULL),
                       .settings = settings,
                       .model = d,
                       .process = p,
                       .batch = 10000,
                       .seed = 13};

    ck_assert(r.sampler != NULL);
    return r;
}

/* The formula is no reversal of any noise, so this tells the chain from the data.  With lambda the
 * rates are averaged. */
START_TEST(exact_follows_the_master_equation)
{
    Process *p = world_process((size_t)_i, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1);
    SamplerSettings settings = diffusion_sampler_defaults();
    double law[WORLD_ALL];

    settings.t_min = p->mask >= 0 ? 1e-5 : 0.05; /* with masks the chain goes to 0 */
    SampleRequest r = request_of("exact", &settings, &d, p);
    world_continuous_law(law, &r, settings.t_min, 400);
    double calls = world_compare(&r, law, p->decay > 0.0 ? 30000 : 8000);
    if (p->mask >= 0)
        ck_assert_double_eq(calls, WORLD_D);
    else
        ck_assert(calls > 1.0 && calls < 60.0);
    diffusion_process_destroy(p);
}
END_TEST

/* They make many calls, whatever the request's steps: a model that has lambdas for few steps gets
 * none, and its samples are those of the product at lambda 0. */
START_TEST(times_of_their_own_are_many_steps)
{
    enum { COUNT = 50 };
    Process *p = world_process((size_t)_i, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 2), product = formula_denoiser(&f, p, WORLD_D, 0);
    SamplerSettings settings = diffusion_sampler_defaults();
    States one = states_alloc(COUNT, WORLD_D), other = states_alloc(COUNT, WORLD_D);
    Error err;

    settings.t_min = 0.05;
    SampleRequest r = request_of("exact", &settings, &product, p);
    ck_assert(diffusion_sample(&r, &one, &err));
    r.model = &d;
    d.lambda_scope = LAMBDA_SAMPLE;
    for (d.lambda_steps = 0; d.lambda_steps <= 2; d.lambda_steps += 2) {
        ck_assert(diffusion_sample(&r, &other, &err));
        const bool same = memcmp(one.x, other.x, COUNT * WORLD_D * sizeof *one.x) == 0;
        ck_assert(same == (d.lambda_steps > 0));
    }
    states_free(&one);
    states_free(&other);
    diffusion_process_destroy(p);
}
END_TEST

enum { SURE_STATES = 3, SURE_RUNS = 20000 };
static const double sure_end = 0.3;
static size_t ends_seen[SURE_STATES];

/* Sure of x_0 = 0, whatever it sees; counts the states of the last calls. */
static Var *sure_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Tensor out = tensor_make1(g->arena, in->x->batch * SURE_STATES);

    (void)d;
    for (size_t b = 0; b < in->x->batch; b++) {
        for (size_t a = 0; a < SURE_STATES; a++)
            out.data[b * SURE_STATES + a] = a == 0 ? 80.0f : 0.0f;
        if (in->t[b] == sure_end)
            ends_seen[in->x->x[b]]++;
    }
    return ag_constant(g, out);
}

/* A chain that knows x_0 comes to the posterior of x_0 and x_1, if it jumps as often as it should.
 * What it draws at the end is x_0, so the end is looked at as the network sees it. */
START_TEST(a_chain_that_knows_the_data_ends_in_the_posterior)
{
    Process *p = world_process((size_t)_i, SURE_STATES);
    const Denoiser d = {.head = {&diffusion_softmax, 1, SURE_STATES, 1, false, -1},
                        .forward = sure_forward};
    SamplerSettings settings = diffusion_sampler_defaults();
    PosteriorStep *step = diffusion_posterior_create(p, sure_end, 1.0, 0.0);
    States out = states_alloc(SURE_RUNS, 1);
    double law[SURE_STATES] = {0.0}, row[SURE_STATES];

    settings.t_min = sure_end;
    SampleRequest r = request_of("exact", &settings, &d, p);
    memset(ends_seen, 0, sizeof ends_seen);
    ck_assert(diffusion_sample(&r, &out, NULL));
    for (size_t x1 = 0; x1 < SURE_STATES; x1++) {
        diffusion_posterior(step, x1, 0, row);
        for (size_t x = 0; x < SURE_STATES; x++)
            law[x] += p->prior[x1] * row[x];
    }
    ck_assert(statistics_fit(ends_seen, law, SURE_STATES)); /* false alarm: 1e-6 */
    diffusion_posterior_destroy(step);
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

/* first-hitting makes its calls at times of its own; the first one is (1 - alpha(1)) U^(1/D). */
START_TEST(first_hitting_follows_the_master_equation)
{
    Process *p = world_process(0, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 2);
    double law[WORLD_ALL];
    SampleRequest r = request_of("first-hitting", NULL, &d, p);

    r.stratified_lambda = true;
    world_continuous_law(law, &r, 1e-5, 400);
    ck_assert_double_eq(world_compare(&r, law, 100000), WORLD_D);
    diffusion_process_destroy(p);
}
END_TEST

enum { WIDE = 5, RUNS = 4000 };
static double first_times[RUNS];
static size_t first_count;

/* Keeps the times of the first calls, whose states are all masks. */
static Var *watching_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    size_t size = in->x->batch * diffusion_head_outputs(&d->head);
    Tensor out = tensor_make1(g->arena, size);

    memset(out.data, 0, size * sizeof *out.data);
    for (size_t b = 0; b < in->x->batch; b++) {
        size_t masked = 0;
        for (size_t i = 0; i < WIDE; i++)
            masked += states_row(in->x, b)[i] == d->head.mask;
        if (masked == WIDE)
            first_times[first_count++] = in->t[b];
    }
    return ag_constant(g, out);
}

/* With alpha = 1 - t the first time has P(T <= t) = t^D: its D-th power is uniform.  Kolmogorov's
 * statistic; false alarm 1e-6 (sqrt(n) D_n > 2.69). */
START_TEST(first_times_have_their_law)
{
    Process *p = world_process(0, 3);
    Denoiser d = {.head = {&diffusion_softmax, WIDE, 2, 1, false, 2}, .forward = watching_forward};
    SampleRequest r = request_of("first-hitting", NULL, &d, p);
    States out = states_alloc(RUNS, WIDE);
    double worst = 0.0;

    ck_assert(diffusion_sample(&r, &out, NULL));
    ck_assert_uint_eq(first_count, RUNS);
    for (size_t i = 0; i < RUNS; i++) {
        size_t below = 0;
        for (size_t k = 0; k < RUNS; k++)
            below += first_times[k] <= first_times[i];
        worst = larger_of(worst, fabs((double)below / RUNS - pow(first_times[i], WIDE)));
    }
    ck_assert_double_lt(sqrt(RUNS) * worst, 2.69);
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- bounds ---- */

/* At random times of random windows, short and long, no table entry exceeds its bound. */
START_TEST(bounds_hold_within_their_windows)
{
    Process *p = world_process(1 + (size_t)_i, 4);
    Rng rng = rng_child(rng_root(8), (uint64_t)_i);
    double closest = 0.0;

    for (size_t k = 0; k < 60; k++) {
        double t = rng_uniform(&rng), s = t * pow(rng_uniform(&rng), k % 2 ? 0.1 : 1.0), bound[4];
        ck_assert(sampler_bound(p, s, t, bound));
        for (size_t i = 0; i < 10; i++) {
            double at = i == 0 ? s : i == 1 ? t : s + (t - s) * rng_uniform(&rng);
            ReverseRates *r = diffusion_reverse_create(p, at);
            for (size_t x = 0; x < 4; x++)
                for (size_t a = 0; a < 4; a++) {
                    double rate = diffusion_reverse_table(r, x, a) / diffusion_reverse_beta(r);
                    ck_assert_double_le(rate, bound[x] * (1.0 + 1e-12));
                    closest = larger_of(closest, rate / bound[x]);
                }
            diffusion_reverse_destroy(r);
        }
    }
    ck_assert_double_gt(closest, 0.5); /* and they are of some use */
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(windows_cover_the_time)
{
    Process *p = world_process(1 + (size_t)_i, 4);
    RateBounds *w = sampler_bounds_create(p, 0.02, NULL);

    ck_assert_ptr_nonnull(w);
    ck_assert_double_eq(w->clock[0], diffusion_process_integral(p, 0.0, 1.0));
    ck_assert_double_eq(w->clock[w->count], diffusion_process_integral(p, 0.0, 0.02));
    for (size_t i = 0; i < w->count; i++) {
        ck_assert_double_lt(w->clock[i + 1], w->clock[i]);
        for (size_t x = 0; x < 4; x++)
            ck_assert(w->bound[4 * i + x] > 0.0 && w->bound[4 * i + x] < HUGE_VAL);
    }
    sampler_bounds_destroy(w);
    diffusion_process_destroy(p);
}
END_TEST

/* A far entry of P[0->t_min] is (B/k)^k or so: too small to divide by. */
START_TEST(times_too_close_to_the_data_are_refused)
{
    Process *p = world_process(2, 64);
    Error err = {""};

    ck_assert(sampler_bounds_create(p, 1e-6, &err) == NULL);
    ck_assert_msg(strstr(err.text, "larger t_min") != NULL, "%s", err.text);
    diffusion_process_destroy(p);
}
END_TEST

Suite *sampler_exact_suite(void)
{
    Suite *suite = suite_create("sampler_exact");
    TCase *laws = tcase_create("laws"), *sure = tcase_create("sure");

    tcase_set_timeout(laws, 120);
    tcase_set_timeout(sure, 60);
    tcase_add_loop_test(laws, exact_follows_the_master_equation, 0, 2);
    tcase_add_loop_test(laws, times_of_their_own_are_many_steps, 0, 2);
    tcase_add_loop_test(sure, a_chain_that_knows_the_data_ends_in_the_posterior, 1, 2);
    tcase_add_test(laws, first_hitting_follows_the_master_equation);
    tcase_add_test(laws, first_times_have_their_law);
    tcase_add_loop_test(laws, bounds_hold_within_their_windows, 0, 4);
    tcase_add_loop_test(laws, windows_cover_the_time, 0, 4);
    tcase_add_test(laws, times_too_close_to_the_data_are_refused);
    suite_add_tcase(suite, laws);
    suite_add_tcase(suite, sure);
    TCase *slow = slow_case(suite, 120);
    tcase_add_loop_test(slow, exact_follows_the_master_equation, 2, 5);
    tcase_add_loop_test(slow, a_chain_that_knows_the_data_ends_in_the_posterior, 2, 5);
    return suite;
}
