/* Confidence ordering: which dimensions stay masked, and the law of samples where all orders can be
 * enumerated. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tests/tools/digits.h"
#include "tests/tools/sampler_worlds.h"
#include "tests/tools/statistics.h"
#include "tests/tools/surest.h"

enum { D = 3, S = 3, ALL = 27, MASK = 2 };

static void step(double *law, const Denoiser *m, double t, size_t stay, double temperature)
{
    double next[ALL] = {0.0};

    for (size_t n = 0; n < ALL; n++)
        for (size_t k = 0; k < ALL && law[n] > 0.0; k++) {
            uint16_t x[D], y[D];
            double p[D][2], drawn[D], weight = law[n];
            size_t masked = 0;
            digits_of(n, x, D, S);
            digits_of(k, y, D, S);
            world_masked_rows(m, x, D, t, p);
            for (size_t d = 0; d < D; d++) {
                masked += x[d] == MASK;
                drawn[d] = y[d] == MASK ? 0.0 : p[d][y[d]];
                weight *= y[d] == MASK ? 0.0 : x[d] == MASK ? p[d][y[d]] : (double)(x[d] == y[d]);
            }
            if (weight > 0.0)
                surest_keep(next, weight, x, y, drawn, D, S, masked > stay ? masked - stay : 0,
                            temperature);
        }
    memcpy(law, next, sizeof next);
}

/* Times 1, 0.7, 0.4: D t = 2.1 and 1.2 dimensions stay, then none.  False alarm 1e-6. */
START_TEST(samples_follow_the_enumerated_law)
{
    enum { SAMPLES = 100000 };
    static const double times[3] = {1.0, 0.7, 0.4};
    Process *p = world_process(0, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, D, 0);
    SamplerSettings s = diffusion_sampler_defaults();
    SampleRequest r = {.sampler = diffusion_sampler_find("confidence", NULL),
                       .settings = &s,
                       .model = &d,
                       .process = p,
                       .steps = 3,
                       .grid = GRID_LIST,
                       .times = times,
                       .batch = 25000,
                       .seed = 3};
    double law[ALL] = {0.0};

    s.temperature = _i == 0 ? 0.0 : 2.0;
    law[ALL - 1] = 1.0;
    step(law, &d, 1.0, 2, s.temperature * 0.7);
    step(law, &d, 0.7, 1, s.temperature * 0.4);
    step(law, &d, 0.4, 0, 0.0);
    world_compare(&r, law, SAMPLES);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- schedules ---- */

enum { WIDE = 40, CALLS = 8 };
static size_t seen[CALLS], calls;

/* Counts the masks that the network is shown in the first sample. */
static Var *counting_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    size_t size = in->x->batch * diffusion_head_outputs(&d->head);
    Tensor out = tensor_make1(g->arena, size);
    const uint16_t *x = states_row(in->x, 0);

    memset(out.data, 0, size * sizeof *out.data);
    seen[calls] = 0;
    for (size_t i = 0; i < WIDE; i++)
        seen[calls] += x[i] == MASK;
    calls++;
    return ag_constant(g, out);
}

/* Of both samplers that have one. */
START_TEST(masks_follow_the_schedule)
{
    Process *p = world_process(0, S);
    Denoiser d = {.head = {&diffusion_softmax, WIDE, 2, 1, false, MASK},
                  .forward = counting_forward};
    SamplerSettings s = diffusion_sampler_defaults();
    SampleRequest r = {.sampler = diffusion_sampler_find(_i < 3 ? "confidence" : "halton", NULL),
                       .settings = &s,
                       .model = &d,
                       .process = p,
                       .steps = CALLS,
                       .batch = 4};
    States out = states_alloc(3, WIDE);

    s.schedule = _i % 3;
    ck_assert(diffusion_sample(&r, &out, NULL));
    ck_assert_uint_eq(calls, CALLS);
    for (size_t n = 0; n < CALLS; n++) {
        double t = 1.0 - (double)n / CALLS;
        double share = _i % 3 == MASKED_COSINE ? cos(1.5707963267948966 * (1.0 - t)) : t;
        ck_assert_uint_eq(seen[n], (size_t)(WIDE * share + 1e-9));
    }
    for (size_t i = 0; i < 3 * WIDE; i++)
        ck_assert_uint_lt(out.x[i], MASK);
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

/* More steps than dimensions: one a step, and the last is left to the last call. */
START_TEST(few_dimensions_are_spread_over_the_steps)
{
    Process *p = world_process(0, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, D, 0);
    size_t made = 0;
    SampleRequest r = {.sampler = diffusion_sampler_find("confidence", NULL),
                       .model = &d,
                       .process = p,
                       .steps = 50,
                       .batch = 100,
                       .calls = &made};
    States out = states_alloc(100, D);

    ck_assert(diffusion_sample(&r, &out, NULL));
    ck_assert_uint_eq(made, 5000);
    for (size_t i = 0; i < (size_t)100 * D; i++)
        ck_assert_uint_lt(out.x[i], MASK);
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

Suite *sampler_confidence_suite(void)
{
    Suite *suite = suite_create("sampler_confidence");
    TCase *tc = tcase_create("confidence");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, samples_follow_the_enumerated_law, 0, 2);
    tcase_add_loop_test(tc, masks_follow_the_schedule, 0, 6);
    tcase_add_test(tc, few_dimensions_are_spread_over_the_steps);
    suite_add_tcase(suite, tc);
    return suite;
}
