/* States that are given from the start, and sharper laws, in the samplers. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/digits.h"
#include "tests/tools/sampler_worlds.h"

enum { S = 3, MASK = 3, GIVEN = 2 };

static Process *p;
static Formula f = {0.4, 0, NULL};
static Denoiser d;
static const uint16_t given[WORLD_D] = {GIVEN, MASK};

static void set_up(void)
{
    p = world_process(0, 4); /* masks, three states of data */
    d = formula_denoiser(&f, p, WORLD_D, 0);
}

static void tear_down(void)
{
    diffusion_process_destroy(p);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

static size_t number(size_t first, size_t second)
{
    const uint16_t x[WORLD_D] = {(uint16_t)first, (uint16_t)second};
    return digits_number(x, WORLD_D, S + 1);
}

/* law += weight times that of the second dimension at time t, the first one being given. */
static void add_row(double *law, double t, double weight)
{
    double row[WORLD_D][WORLD_S];
    world_rows(&d, number(GIVEN, MASK), 4, t, 0.0, row);
    for (size_t a = 0; a < S; a++)
        law[number(GIVEN, a)] += weight * row[1][a];
}

static SampleRequest request(const char *sampler, size_t steps)
{
    Error err;
    return (SampleRequest){.sampler = diffusion_sampler_find(sampler, &err),
                           .model = &d,
                           .process = p,
                           .steps = steps,
                           .given = given,
                           .batch = 3000,
                           .seed = 5};
}

/* alpha = 1 - t: the free dimension is unmasked in each of N equal steps alike. */
START_TEST(posterior_fills_what_is_free)
{
    double law[WORLD_ALL] = {0};
    SampleRequest r = request("posterior", 3);
    for (size_t n = 1; n <= 3; n++)
        add_row(law, (double)n / 3.0, 1.0 / 3.0);
    world_compare(&r, law, 20000);
}
END_TEST

START_TEST(first_hitting_makes_a_call_for_each_free_dimension)
{
    double law[WORLD_ALL] = {0};
    SampleRequest r = request("first-hitting", 0);
    for (size_t k = 0; k < 200; k++)
        add_row(law, ((double)k + 0.5) / 200.0, 1.0 / 200.0);
    ck_assert(world_compare(&r, law, 20000) == 1.0);
}
END_TEST

/* One free dimension stays masked until the last call. */
START_TEST(confidence_counts_free_dimensions)
{
    double law[WORLD_ALL] = {0};
    SampleRequest r = request("confidence", 4);
    add_row(law, 0.25, 1.0);
    world_compare(&r, law, 20000);
}
END_TEST

static size_t masks_seen[8], calls_seen;

/* Sure of nothing, and notes how many masks the first sample has. */
static Var *counting_forward(const Denoiser *self, Graph *g, const NetworkInput *in)
{
    Tensor out = tensor_make1(g->arena, in->x->batch * self->head.dims * S);
    masks_seen[calls_seen] = 0;
    for (size_t k = 0; k < in->x->dims; k++)
        masks_seen[calls_seen] += in->x->x[k] == MASK;
    calls_seen++;
    memset(out.data, 0, in->x->batch * self->head.dims * S * sizeof *out.data);
    return ag_constant(g, out);
}

/* Of 12 dimensions 6 are free: shares of 1, 2/3 and 1/3 are 6, 4 and 2. */
START_TEST(confidence_shares_out_what_is_free)
{
    static const uint16_t half[12] = {0, MASK, 1, MASK, 2, MASK, 0, MASK, 1, MASK, 2, MASK};
    SampleRequest r = request("confidence", 3);
    Error err = {""};
    States x = states_alloc(2, 12);
    d.head.dims = 12;
    d.forward = counting_forward;
    r.given = half;
    calls_seen = 0;
    ck_assert_msg(diffusion_sample(&r, &x, &err), "%s", err.text);
    ck_assert_uint_eq(calls_seen, 3);
    for (size_t n = 0; n < 3; n++)
        ck_assert_uint_eq(masks_seen[n], 6 - 2 * n);
    states_free(&x);
}
END_TEST

START_TEST(every_sampler_leaves_what_is_given)
{
    SampleRequest r = request(diffusion_sampler_at((size_t)_i)->name, 4);
    SamplerSettings settings = diffusion_sampler_defaults();
    settings.corrector_size = 20.0; /* masks most of what is there */
    settings.corrector_steps = 3;
    r.settings = &settings;
    Error err = {""};
    States x = states_alloc(2000, WORLD_D);
    size_t seen[4] = {0};
    ck_assert_msg(diffusion_sample(&r, &x, &err), "%s", err.text);
    for (size_t i = 0; i < x.batch; i++) {
        ck_assert_uint_eq(states_row(&x, i)[0], GIVEN);
        seen[states_row(&x, i)[1]]++;
    }
    ck_assert(seen[0] > 0 && seen[1] > 0 && seen[2] > 0 && seen[MASK] == 0);
    states_free(&x);
}
END_TEST

START_TEST(all_given_is_nothing_to_draw)
{
    static const uint16_t all[WORLD_D] = {1, 0};
    SampleRequest r = request(diffusion_sampler_at((size_t)_i)->name, 2);
    Error err = {""};
    States x = states_alloc(5, WORLD_D);
    r.given = all;
    ck_assert_msg(diffusion_sample(&r, &x, &err), "%s", err.text);
    for (size_t i = 0; i < x.batch; i++)
        ck_assert(states_row(&x, i)[0] == 1 && states_row(&x, i)[1] == 0);
    states_free(&x);
}
END_TEST

START_TEST(given_states_need_masks)
{
    Process *uniform = world_process(1, 3);
    Denoiser other = formula_denoiser(&f, uniform, WORLD_D, 0);
    SampleRequest r = request("posterior", 2);
    Error err = {""};
    States x = states_alloc(1, WORLD_D);
    r.model = &other;
    r.process = uniform;
    ck_assert(!diffusion_sample(&r, &x, &err));
    ck_assert_str_eq(err.text, "given states: absorbing noise alone leaves them as they are, the "
                               "process is uniform");
    states_free(&x);
    diffusion_process_destroy(uniform);
}
END_TEST

/* ---- what is observed ---- */

typedef struct Seen {
    size_t count;
    double t[4];
    uint16_t x[4][5 * WORLD_D];
} Seen;

static void see(const States *x, double t, void *context)
{
    Seen *seen = context;
    seen->t[seen->count] = t;
    memcpy(seen->x[seen->count++], x->x, x->batch * x->dims * sizeof *x->x);
}

/* The prior, every step, and what comes out; in batches, too. */
START_TEST(every_step_can_be_seen)
{
    Seen seen = {0};
    SampleRequest r = request("posterior", 3);
    Error err = {""};
    States x = states_alloc(5, WORLD_D);
    r.given = NULL;
    r.batch = 2;
    r.observe = see;
    r.observe_context = &seen;
    ck_assert_msg(diffusion_sample(&r, &x, &err), "%s", err.text);
    ck_assert_uint_eq(seen.count, 4);
    for (size_t n = 0; n < 4; n++)
        ck_assert(seen.t[n] == (double)(3 - n) / 3.0);
    for (size_t i = 0; i < 5 * WORLD_D; i++) {
        ck_assert_uint_eq(seen.x[0][i], MASK);
        for (size_t n = 1; n < 4; n++) /* a state that is no mask stays */
            ck_assert(seen.x[n - 1][i] == MASK || seen.x[n][i] == seen.x[n - 1][i]);
    }
    ck_assert_mem_eq(seen.x[3], x.x, 5 * WORLD_D * sizeof *x.x);
    states_free(&x);
}
END_TEST

/* ---- sharper ---- */

/* One call at t = 1: each dimension from p^(1/T), normalised, or from its nucleus. */
START_TEST(a_call_draws_from_the_sharper_law)
{
    static const Sharpening sharpenings[] = {{.temperature = 0.4}, {.top_p = 0.01}};
    double law[WORLD_ALL] = {0}, total[WORLD_D] = {0};
    double row[WORLD_D][WORLD_S], sharp[WORLD_D][S];
    SampleRequest r = request("posterior", 1);
    r.given = NULL;
    r.sharpening = sharpenings[_i];
    world_rows(&d, number(MASK, MASK), 4, 1.0, 0.0, row);
    for (size_t k = 0; k < WORLD_D; k++)
        for (size_t a = 0; a < S; a++) {
            size_t larger = 0;
            for (size_t b = 0; b < S; b++)
                larger += row[k][b] > row[k][a];
            /* a nucleus of 0.01 is the most probable state */
            sharp[k][a] = _i == 0 ? pow(row[k][a], 1.0 / 0.4) : (double)(larger == 0);
            total[k] += sharp[k][a];
        }
    for (size_t a = 0; a < S; a++)
        for (size_t b = 0; b < S; b++)
            law[number(a, b)] = sharp[0][a] * sharp[1][b] / (total[0] * total[1]);
    world_compare(&r, law, 20000);
}
END_TEST

START_TEST(sharpness_is_checked_before_the_first_call)
{
    SampleRequest r = request("posterior", 1);
    Error err = {""};
    States x = states_alloc(1, WORLD_D);
    r.sharpening.temperature = -2.0;
    ck_assert(!diffusion_sample(&r, &x, &err));
    ck_assert_str_eq(err.text, "temperature -2: expected more than 0 and at most 100");
    states_free(&x);
}
END_TEST

/* The teacher of the last steps is sharpened too. */
START_TEST(sharpness_must_fit_both_heads)
{
    Process *uniform = world_process(1, S);
    Denoiser model = formula_denoiser(&f, uniform, WORLD_D, 0), teacher = model;
    SampleRequest r = {.model = &model,
                       .process = uniform,
                       .teacher = &teacher,
                       .teacher_steps = 1,
                       .steps = 2,
                       .sharpening = {.top_p = 0.9}};
    Error err = {""};
    States x = states_alloc(1, WORLD_D);
    ck_assert_msg(diffusion_sample(&r, &x, &err), "%s", err.text);
    teacher.head.class = &diffusion_logistic;
    ck_assert(!diffusion_sample(&r, &x, &err));
    ck_assert_str_eq(err.text,
                     "temperature and top-p: not for the head logistic, expected a softmax");
    states_free(&x);
    diffusion_process_destroy(uniform);
}
END_TEST

Suite *sampler_given_suite(void)
{
    Suite *suite = suite_create("sampler_given");
    TCase *t = tcase_create("given");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, posterior_fills_what_is_free);
    tcase_add_test(t, first_hitting_makes_a_call_for_each_free_dimension);
    tcase_add_test(t, confidence_counts_free_dimensions);
    tcase_add_test(t, confidence_shares_out_what_is_free);
    tcase_add_loop_test(t, every_sampler_leaves_what_is_given, 0, (int)diffusion_sampler_count());
    tcase_add_loop_test(t, all_given_is_nothing_to_draw, 0, (int)diffusion_sampler_count());
    tcase_add_test(t, given_states_need_masks);
    tcase_add_test(t, every_step_can_be_seen);
    tcase_add_loop_test(t, a_call_draws_from_the_sharper_law, 0, 2);
    tcase_add_test(t, sharpness_is_checked_before_the_first_call);
    tcase_add_test(t, sharpness_must_fit_both_heads);
    suite_add_tcase(suite, t);
    return suite;
}
