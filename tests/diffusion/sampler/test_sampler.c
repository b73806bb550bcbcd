/* The sampler on spaces so small that the law of its output is a finite sum, and what its results
 * may not depend on. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/tools/sampler_worlds.h"

enum { D = WORLD_D };

/* The exact product denoiser of two bits that are equal, each value with 1/2, under masks. */
static Var *equal_bits_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Tensor out = tensor_make1(g->arena, in->x->batch * 4);

    (void)d;
    for (size_t i = 0; i < in->x->batch * 4; i++) {
        const uint16_t *x = states_row(in->x, i / 4);
        size_t other = x[1 - i / 2 % 2];
        out.data[i] = other == 2 || other == i % 2 ? 0.0f : -HUGE_VALF;
    }
    return ag_constant(g, out);
}

/* The exact law and 10000 samples. */
static void compare_with_law(const SampleRequest *r)
{
    double law[WORLD_ALL];

    world_law(law, r);
    world_compare(r, law, 10000);
}

START_TEST(samples_follow_the_enumerated_law)
{
    for (size_t lambda_dims = 0; lambda_dims < 3; lambda_dims += 2)
        for (size_t steps = 1; steps <= 3; steps++) {
            Process *p = world_process((size_t)_i, 3);
            Formula f = {0.4, 0, NULL};
            Denoiser d = formula_denoiser(&f, p, D, lambda_dims);
            SampleRequest r = {.model = &d,
                               .process = p,
                               .steps = steps,
                               .stratified_lambda = steps == 2,
                               .batch = 3000,
                               .seed = 7 + steps};
            compare_with_law(&r);
            diffusion_process_destroy(p);
        }
}
END_TEST

/* One lambda for each sample: the law is the mean over lambda of whole chains.  lambda >= 1/2 is
 * the formula shifted by 2, so each chain is that of a product model. */
START_TEST(one_lambda_a_sample_follows_the_mean_of_chains)
{
    for (size_t steps = 1; steps <= 3; steps++) {
        Process *p = world_process((size_t)_i, 3);
        Formula low = {0.4, 0, NULL}, high = {2.4, 0, NULL};
        Denoiser d = formula_denoiser(&low, p, D, 2), a = formula_denoiser(&low, p, D, 0);
        Denoiser b = formula_denoiser(&high, p, D, 0);
        double law[WORLD_ALL], other[WORLD_ALL], fresh[WORLD_ALL], apart = 0.0;
        SampleRequest r = {.model = &a, .process = p, .steps = steps, .batch = 3000, .seed = steps};
        world_law(law, &r);
        r.model = &b;
        world_law(other, &r);
        r.model = &d;
        world_law(fresh, &r);
        for (size_t i = 0; i < 9; i++) {
            law[i] = 0.5 * (law[i] + other[i]);
            apart += fabs(law[i] - fresh[i]);
        }
        r.stratified_lambda = steps == 2;
        r.lambda_scope = LAMBDA_SAMPLE;
        world_compare(&r, law, 10000);
        d.lambda_scope = LAMBDA_SAMPLE; /* the model's own scope, too */
        r.lambda_scope = LAMBDA_SCOPE_DEFAULT;
        world_compare(&r, law, 10000);
        r.lambda_scope = LAMBDA_STEP;
        world_compare(&r, fresh, 10000);
        ck_assert(steps == 1 ? apart < 1e-12 : apart > 1e-3);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* Samplers of more steps than the model has lambdas for: the law of the product at lambda 0. */
START_TEST(no_lambda_for_many_steps)
{
    for (size_t steps = 1; steps <= 3; steps++) {
        Process *p = world_process((size_t)_i, 3);
        Formula low = {0.4, 0, NULL}, high = {2.4, 0, NULL};
        Denoiser d = formula_denoiser(&low, p, D, 2), a = formula_denoiser(&low, p, D, 0);
        Denoiser b = formula_denoiser(&high, p, D, 0);
        double law[WORLD_ALL], other[WORLD_ALL];
        SampleRequest r = {.model = &a, .process = p, .steps = steps, .batch = 3000, .seed = steps};
        world_law(law, &r);
        r.model = &b;
        world_law(other, &r);
        d.lambda_scope = LAMBDA_SAMPLE;
        d.lambda_steps = 2;
        for (size_t i = 0; i < 9 && steps <= d.lambda_steps; i++)
            law[i] = 0.5 * (law[i] + other[i]);
        r.model = &d;
        world_compare(&r, law, 10000);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* Where a request names no sampler it is the model's that draws, of a hybrid the student's. */
START_TEST(a_model_may_have_a_sampler_of_its_own)
{
    const char *const names[] = {"halton", "first-hitting"};
    const size_t bytes = (size_t)500 * D * sizeof(uint16_t);
    Process *p = world_process(0, 3);
    Formula f = {0.4, 0, NULL};
    for (size_t i = 0; i < 2; i++) {
        Denoiser plain = formula_denoiser(&f, p, D, 0), own = plain;
        own.sampler = diffusion_sampler_find(names[i], NULL);
        States a = states_alloc(500, D), b = states_alloc(500, D);
        SampleRequest r = {.sampler = own.sampler, .model = &plain, .process = p, .steps = 2};
        ck_assert(diffusion_sample(&r, &a, NULL));
        r.sampler = NULL;
        r.model = &own;
        ck_assert_ptr_eq(diffusion_sampler_of(&r), own.sampler);
        ck_assert(diffusion_sample(&r, &b, NULL));
        ck_assert_mem_eq(a.x, b.x, bytes);
        r.model = &plain;
        ck_assert(diffusion_sample(&r, &a, NULL));
        ck_assert(memcmp(a.x, b.x, bytes) != 0);
        r.model = &own;
        r.sampler = diffusion_sampler_at(0);
        ck_assert(diffusion_sample(&r, &b, NULL));
        ck_assert_mem_eq(a.x, b.x, bytes);
        states_free(&a);
        states_free(&b);
    }
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(hybrid_samples_follow_the_enumerated_law)
{
    for (size_t teacher_steps = 1; teacher_steps <= 3; teacher_steps++) {
        Process *p = world_process((size_t)_i, 3);
        Formula f = {0.4, 0, NULL}, of_teacher = {2.0, 0, NULL};
        Denoiser d = formula_denoiser(&f, p, D, 1);
        Denoiser teacher = formula_denoiser(&of_teacher, p, D, 0);
        SampleRequest r = {.model = &d,
                           .teacher = &teacher,
                           .teacher_steps = teacher_steps,
                           .process = p,
                           .steps = 3,
                           .batch = 20000,
                           .seed = 17};
        compare_with_law(&r);
        ck_assert_uint_gt(of_teacher.calls, 0);
        diffusion_process_destroy(p);
    }
}
END_TEST

START_TEST(authors_grid_ends_with_the_argmax)
{
    for (size_t steps = 2; steps <= 3; steps++) {
        Process *p = world_process((size_t)_i, 3);
        Formula f = {0.4, 0, NULL};
        Denoiser d = formula_denoiser(&f, p, D, 1);
        SamplerSettings settings = diffusion_sampler_defaults();
        settings.t_min = 0.2;
        SampleRequest r = {.model = &d,
                           .process = p,
                           .steps = steps,
                           .settings = &settings,
                           .grid = GRID_AUTHORS,
                           .batch = 20000,
                           .seed = 27};
        compare_with_law(&r);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* [Di4C], lower bound of the first theorem: two equal bits, masks with alpha = 1 - t, exact
 * marginals.  Both bits are unmasked in the same one of N steps with probability 1/N and then
 * differ with probability 1/2, so the total variation distance is 1/(2N). */
START_TEST(equal_bits_are_missed_by_one_over_2n)
{
    Process *p = world_process(0, 3);
    Head head = {&diffusion_softmax, D, 2, 1, false, 2};
    Denoiser d = {.head = head, .forward = equal_bits_forward};

    for (size_t steps = 1; steps <= 8; steps++) {
        SampleRequest r = {.model = &d, .process = p, .steps = steps, .batch = 20000, .seed = 37};
        double law[WORLD_ALL], distance = 0.0;
        world_law(law, &r);
        for (size_t n = 0; n < 9; n++)
            distance += 0.5 * fabs(law[n] - (n == 0 || n == 4 ? 0.5 : 0.0));
        ck_assert_double_le(fabs(distance - 0.5 / (double)steps), 1e-7); /* rows are float */
        if (steps % 3 == 1)
            compare_with_law(&r);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* ---- what a sample may not depend on ---- */

enum { COUNT = 70, WIDE = 13 };

static void draw(States *out, const SamplerClass *sampler, const Process *p, size_t first,
                 size_t batch, int threads)
{
    Formula f = {0.1, 0, NULL}, of_teacher = {0.7, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WIDE, 2);
    Denoiser teacher = formula_denoiser(&of_teacher, p, WIDE, 1);
    SamplerSettings settings = diffusion_sampler_defaults();
    Error err = {""};
    SampleRequest r = {.sampler = sampler,
                       .settings = &settings,
                       .model = &d,
                       .teacher = &teacher,
                       .teacher_steps = sampler->run != NULL ? 0 : 2,
                       .process = p,
                       .steps = 4,
                       .stratified_lambda = true,
                       .first = first,
                       .batch = batch,
                       .seed = 5};

    settings.t_min = 0.1;
    settings.eps = p->mask >= 0 ? 1e-9 : 0.0;
    threads_set(threads);
    ck_assert_msg(diffusion_sample(&r, out, &err), "%s", err.text);
}

/* Every sampler with every process that it knows. */
START_TEST(samples_do_not_depend_on_company)
{
    const SamplerClass *c = diffusion_sampler_at((size_t)_i / 5);
    Process *p = world_process((size_t)_i % 5, 4);
    if (c->masks_only && p->mask < 0) {
        diffusion_process_destroy(p);
        return;
    }
    States all = states_alloc(COUNT, WIDE), other = states_alloc(COUNT, WIDE);

    draw(&all, c, p, 0, 0, 1);
    draw(&other, c, p, 0, 1, 1);
    ck_assert_mem_eq(all.x, other.x, COUNT * WIDE * sizeof *all.x);
    draw(&other, c, p, 0, 16, 3);
    ck_assert_mem_eq(all.x, other.x, COUNT * WIDE * sizeof *all.x);
    States part = states_rows(&other, 40, 20); /* a shard */
    memset(part.x, 0xFF, 20 * WIDE * sizeof *part.x);
    draw(&part, c, p, 40, 7, 2);
    ck_assert_mem_eq(all.x, other.x, COUNT * WIDE * sizeof *all.x);
    ck_assert_mem_ne(states_row(&all, 0), states_row(&all, 1), WIDE * sizeof *all.x);
    States none = states_rows(&all, 0, 0);
    draw(&none, c, p, 0, 4, 1);
    states_free(&all);
    states_free(&other);
    diffusion_process_destroy(p);
}
END_TEST

/* In each call, every coordinate of 64 lambdas has one value in each 64th of [0,1); calls and
 * coordinates have different orders. */
START_TEST(stratified_lambdas_cut_the_interval_evenly)
{
    enum { N = 128, CALLS = 2, L = 2 };
    Process *p = world_process(1, 3);
    double lambda[CALLS][N][L];
    Formula f = {0.1, 0, &lambda[0][0][0]};
    Denoiser d = formula_denoiser(&f, p, D, L);
    SampleRequest r = {
        .model = &d, .process = p, .steps = CALLS, .stratified_lambda = true, .batch = 48};
    States out = states_alloc(N, D);
    size_t same[2] = {0, 0};

    ck_assert(diffusion_sample(&r, &out, NULL));
    for (size_t call = 0; call < CALLS; call++)
        for (size_t block = 0; block < N; block += 64)
            for (size_t k = 0; k < L; k++) {
                int seen[64] = {0};
                for (size_t i = block; i < block + 64; i++) {
                    ck_assert(lambda[call][i][k] >= 0.0 && lambda[call][i][k] < 1.0);
                    seen[(size_t)(64.0 * lambda[call][i][k])]++;
                }
                for (size_t i = 0; i < 64; i++)
                    ck_assert_int_eq(seen[i], 1);
            }
    for (size_t i = 0; i < N; i++) {
        same[0] += (int)(64.0 * lambda[0][i][0]) == (int)(64.0 * lambda[0][i][1]);
        same[1] += (int)(64.0 * lambda[0][i][0]) == (int)(64.0 * lambda[1][i][0]);
    }
    ck_assert_uint_lt(same[0], 20); /* 2 expected */
    ck_assert_uint_lt(same[1], 20);
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- grids, progress, refusals ---- */

START_TEST(time_grids)
{
    static const double uniform[4] = {1.0, 0.75, 0.5, 0.25}, authors[4] = {1.0, 0.67, 0.34, 0.01};
    double t[4];

    diffusion_time_grid(GRID_UNIFORM, 4, 0.01, t);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq(t[i], uniform[i]);
    diffusion_time_grid(GRID_AUTHORS, 4, 0.01, t);
    ck_assert_double_eq(t[0], 1.0);
    ck_assert_double_eq(t[3], 0.01);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_le(fabs(t[i] - authors[i]), 1e-15);
    diffusion_time_grid(GRID_UNIFORM, 1, 0.01, t);
    ck_assert_double_eq(t[0], 1.0);
}
END_TEST

START_TEST(grids_without_room_are_refused)
{
    SamplerSettings s = diffusion_sampler_defaults();
    Error err = {""};
    double t[2];
    SampleRequest r = {.settings = &s, .steps = 0, .grid = GRID_AUTHORS};

    ck_assert(!diffusion_sampler_times(&r, t, &err));
    ck_assert(strstr(err.text, "steps = 0") != NULL);
    r.steps = 1;
    ck_assert(!diffusion_sampler_times(&r, t, &err));
    ck_assert(strstr(err.text, "steps = 1, expected at least 2") != NULL);
    r.steps = 2;
    for (int end = 0; end <= 1; end++) {
        s.t_min = end;
        ck_assert(!diffusion_sampler_times(&r, t, &err));
        ck_assert(strstr(err.text, "expected 0 < t_min < 1") != NULL);
    }
    s.t_min = 0.5;
    ck_assert(diffusion_sampler_times(&r, t, &err) && t[0] == 1.0 && t[1] == 0.5);
}
END_TEST

START_TEST(the_process_has_a_clock)
{
    Process *p = world_process((size_t)_i, 3);
    double t[5], end = diffusion_process_clock(p, 1.0);
    SampleRequest r = {.process = p, .steps = 5, .grid = GRID_PROCESS};

    ck_assert(diffusion_sampler_times(&r, t, NULL));
    ck_assert_double_eq(t[0], 1.0);
    for (size_t i = 0; i < 5; i++)
        ck_assert_double_le(fabs(diffusion_process_clock(p, t[i]) - end * (double)(5 - i) / 5.0),
                            1e-14);
    if (p->mask >= 0) /* alpha = 1 - t: the clock is t */
        ck_assert_double_le(fabs(t[1] - 0.8), 1e-15);
    if (p->decay == 0.0) /* sqrt(B) */
        ck_assert_double_le(fabs(diffusion_process_integral(p, 0.0, t[2]) -
                                 0.36 * diffusion_process_integral(p, 0.0, 1.0)),
                            1e-13);
    double half = 0.5 * diffusion_process_integral(p, 0.0, 0.9);
    ck_assert_double_le(
        fabs(diffusion_process_integral(p, 0.0, diffusion_process_time_at(p, half)) - half), 1e-14);
    diffusion_process_destroy(p);
}
END_TEST

static bool takes(const double *times, size_t steps, const char *word)
{
    SampleRequest r = {.steps = steps, .grid = GRID_LIST, .times = times};
    double out[4];
    Error err = {""};
    bool ok = diffusion_sampler_times(&r, out, &err);

    ck_assert_msg(ok == (word == NULL), "%s", err.text);
    ck_assert_msg(ok || strstr(err.text, word) != NULL, "'%s' does not name '%s'", err.text, word);
    return ok && memcmp(out, times, steps * sizeof *out) == 0;
}

START_TEST(lists_of_times)
{
    double nan = HUGE_VAL - HUGE_VAL;

    ck_assert(takes((double[]){1.0, 0.5, 1e-9}, 3, NULL));
    ck_assert(takes((double[]){0.5}, 1, NULL));
    takes((double[]){1.0, 0.5, 0.5}, 3, "time 3 is 0.5 after 0.5");
    takes((double[]){0.5, 0.6}, 2, "times that fall");
    takes((double[]){1.0, 0.0}, 2, "time 2 is 0");
    takes((double[]){1.1}, 1, "0 < t <= 1");
    takes((double[]){1.0, -0.5}, 2, "0 < t <= 1");
    takes((double[]){1.0, nan}, 2, "0 < t <= 1");
    takes(NULL, 0, "steps = 0");
}
END_TEST

/* Calls of predictor-corrector and theta-trapezoidal on the times 1, 0.5, 0.25. */
START_TEST(plans_say_what_is_done)
{
    static const double times[3] = {1.0, 0.5, 0.25};
    Process *p = world_process(1, 3);
    SamplerSettings s = diffusion_sampler_defaults();
    SampleRequest r = {.settings = &s, .process = p, .steps = 3, .grid = GRID_LIST, .times = times};
    static const SamplerCall corrected[] = {{PART_MOVE, 1.0, 0.5, 0.5, false, 0},
                                            {PART_MOVE, 0.5, 0.25, 0.25, false, 1},
                                            {PART_CORRECT, 0.25, 0.25, 0.0625, false, 1},
                                            {PART_CORRECT, 0.25, 0.25, 0.0625, false, 1},
                                            {PART_DRAW, 0.25, 0.0, 0.0, true, 2}};
    static const SamplerCall two[] = {{PART_MOVE, 1.0, 0.875, 0.125, false, 0},
                                      {PART_SECOND, 0.875, 0.5, 0.375, false, 0},
                                      {PART_MOVE, 0.5, 0.4375, 0.0625, false, 1},
                                      {PART_SECOND, 0.4375, 0.25, 0.1875, false, 1},
                                      {PART_DRAW, 0.25, 0.0, 0.0, true, 2}};
    Denoiser teacher = {.lambda_dims = 0};

    s.corrector_steps = 2;
    s.corrector_size = 0.25;
    s.corrector_entry = 0.25;
    s.theta = 0.25;
    r.teacher = &teacher;
    r.teacher_steps = 1;
    for (size_t k = 0; k < 2; k++) {
        r.sampler = diffusion_sampler_find(k ? "theta-trapezoidal" : "predictor-corrector", NULL);
        SamplerPlan *plan = diffusion_sampler_plan(&r, NULL);
        ck_assert_uint_eq(plan->count, 5);
        ck_assert_uint_eq(plan->first[3], 5);
        for (size_t i = 0; i < 5; i++) {
            const SamplerCall *a = &plan->calls[i], *b = k ? &two[i] : &corrected[i];
            ck_assert(a->part == b->part && a->t == b->t && a->s == b->s && a->h == b->h &&
                      a->teacher == b->teacher && a->step == b->step);
        }
        diffusion_sampler_plan_destroy(plan);
    }
    diffusion_process_destroy(p);
}
END_TEST

#define EVERY_SETTING                                                                              \
    "eps t_min last jumps theta corrector_steps corrector_size corrector_entry temperature "       \
    "schedule"

/* Every key: the default is within its range and can be set; a wrong value is refused. */
START_TEST(settings_are_read_and_checked)
{
    SamplerSettings s = diffusion_sampler_defaults();
    const SamplerClass every = {.name = "every", .settings = EVERY_SETTING};
    static const char *const good[] = {"eps=1e-9",         "t_min=0.2",         "last=argmax",
                                       "jumps=first",      "theta=0.25",        "corrector_steps=3",
                                       "corrector_size=2", "corrector_entry=0", "temperature=0",
                                       "schedule=cosine"};
    static const char *const bad[] = {"eps=1",
                                      "t_min=0",
                                      "last=none",
                                      "jumps=",
                                      "theta=1",
                                      "corrector_steps=1.5",
                                      "corrector_size=0",
                                      "corrector_entry=-1",
                                      "temperature=nan",
                                      "schedule=cosin",
                                      "theta=0.5x",
                                      "theta",
                                      "=1",
                                      "colour=1",
                                      "corrector=1"};
    SamplerKey key;
    Error err;
    size_t keys = 0;

    for (; diffusion_sampler_key(keys, &key); keys++) {
        char text[80];
        snprintf(text, sizeof text, "%s=%s", key.key, key.standard);
        ck_assert_msg(diffusion_sampler_set(&s, text, &every, &err), "%s", err.text);
        ck_assert_msg(diffusion_sampler_set(&s, good[keys], &every, &err), "%s", err.text);
    }
    ck_assert_uint_eq(keys, sizeof good / sizeof good[0]);
    ck_assert(s.eps == 1e-9 && s.t_min == 0.2 && s.last == LAST_ARGMAX && s.jumps == JUMPS_FIRST);
    ck_assert(s.theta == 0.25 && s.corrector_steps == 3 && s.corrector_size == 2.0);
    ck_assert(s.corrector_entry == 0.0 && s.temperature == 0.0 && s.schedule == MASKED_COSINE);
    ck_assert(diffusion_sampler_check(&s, NULL));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!diffusion_sampler_set(&s, bad[i], &every, &err), "%s was taken", bad[i]);
    ck_assert(!diffusion_sampler_set(&s, "theta=0.5", diffusion_sampler_find("euler", NULL), &err));
    ck_assert(strstr(err.text, "sampler euler has no setting theta") != NULL);
    ck_assert(diffusion_sampler_find("best", &err) == NULL &&
              strstr(err.text, "confidence") != NULL);
}
END_TEST

/* What the sampler draws with one setting, on the authors' grid, where t_min and last matter. */
static void draw_with(const SamplerClass *sampler, const Denoiser *d, const Process *p,
                      const char *setting, States *out)
{
    const SamplerClass every = {.name = "every", .settings = EVERY_SETTING};
    SamplerSettings s = diffusion_sampler_defaults();
    SampleRequest r = {.sampler = sampler,
                       .settings = &s,
                       .model = d,
                       .process = p,
                       .steps = 3,
                       .grid = GRID_AUTHORS,
                       .seed = 3};
    Error err = {""};
    ck_assert_msg(diffusion_sampler_set(&s, setting, &every, &err), "%s", err.text);
    ck_assert_msg(diffusion_sample(&r, out, &err), "%s", err.text);
}

/* The settings that a sampler names change what it draws, and no others do. */
START_TEST(samplers_read_the_settings_that_they_name)
{
    static const char *const pairs[][2] = {{"eps=0", "eps=0.2"},
                                           {"t_min=0.01", "t_min=0.4"},
                                           {"last=argmax", "last=draw"},
                                           {"jumps=categorical", "jumps=first"},
                                           {"theta=0.5", "theta=0.2"},
                                           {"corrector_steps=1", "corrector_steps=2"},
                                           {"corrector_size=0.5", "corrector_size=3"},
                                           {"corrector_entry=1", "corrector_entry=0"},
                                           {"temperature=0", "temperature=9"},
                                           {"schedule=cosine", "schedule=linear"}};
    const SamplerClass *sampler = diffusion_sampler_at((size_t)_i);
    Process *p = world_process(sampler->masks_only ? 0 : 1, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, 9, 0);
    States a = states_alloc(300, 9), b = states_alloc(300, 9);

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        SamplerSettings s;
        const bool named = diffusion_sampler_set(&s, pairs[i][1], sampler, NULL);
        draw_with(sampler, &d, p, pairs[i][0], &a);
        draw_with(sampler, &d, p, pairs[i][1], &b);
        const bool same = memcmp(a.x, b.x, (size_t)300 * 9 * sizeof *a.x) == 0;
        ck_assert_msg(named == !same, "%s: %s", sampler->name, pairs[i][1]);
    }
    states_free(&a);
    states_free(&b);
    diffusion_process_destroy(p);
}
END_TEST

static void refused(SampleRequest r, size_t dims, const char *word)
{
    States out = states_alloc(2, dims);
    Error err = {""};

    ck_assert(!diffusion_sample(&r, &out, &err));
    ck_assert_msg(strstr(err.text, word) != NULL, "'%s' does not name '%s'", err.text, word);
    states_free(&out);
}

START_TEST(senseless_requests_are_refused)
{
    Process *p = world_process(1, 3), *masked = world_process(0, 3);
    Formula f = {0.1, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, D, 0), teacher = formula_denoiser(&f, masked, D, 0);
    SampleRequest good = {.model = &d, .process = p, .steps = 3, .batch = 4}, r;
    SamplerSettings settings = diffusion_sampler_defaults();

    r = good, r.steps = 0;
    refused(r, D, "steps");
    r = good, r.steps = 1, r.grid = GRID_AUTHORS;
    refused(r, D, "at least 2");
    r = good, r.grid = GRID_AUTHORS, r.settings = &settings, settings.t_min = 0.0;
    refused(r, D, "t_min");
    settings = diffusion_sampler_defaults();
    r = good, r.settings = &settings, settings.eps = -1.0;
    refused(r, D, "eps");
    r = good, r.teacher = &d, r.teacher_steps = 4;
    refused(r, D, "at most steps = 3");
    r = good, r.teacher_steps = 1;
    refused(r, D, "there is none");
    r = good, r.teacher = &teacher, r.teacher_steps = 1;
    refused(r, D, "teacher");
    r = good, r.process = masked;
    refused(r, D, "absorbing");
    refused(good, D + 1, "dimensions");
    settings = diffusion_sampler_defaults();
    r = good, r.sampler = diffusion_sampler_find("first-hitting", NULL);
    refused(r, D, "first-hitting: needs absorbing noise, the process is uniform");
    r.sampler = diffusion_sampler_find("confidence", NULL);
    refused(r, D, "needs absorbing noise");
    r = good, r.sampler = diffusion_sampler_find("exact", NULL), r.teacher = &d,
    r.teacher_steps = 1;
    refused(r, D, "no grid steps");
    r = good, r.model = &teacher, r.process = masked, r.settings = &settings;
    settings.last = LAST_MOVE;
    refused(r, D, "would leave masks");
    settings.last = LAST_DRAW, settings.jumps = JUMPS_ORDINAL;
    refused(r, D, "no place in an order");
    settings = diffusion_sampler_defaults(), settings.theta = 1.0;
    refused(r, D, "theta = 1, expected 0 < theta < 1");
    r = good, r.sampler = diffusion_sampler_find("exact", NULL);
    ck_assert(diffusion_sampler_plan(&r, NULL) == NULL);
    ck_assert_uint_eq(f.calls, 0);
    diffusion_process_destroy(p);
    diffusion_process_destroy(masked);
}
END_TEST

static Var *nan_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Tensor out = tensor_make1(g->arena, in->x->batch * diffusion_head_outputs(&d->head));

    for (size_t i = 0; i < tensor_size(&out); i++)
        out.data[i] = i == 5 ? HUGE_VALF - HUGE_VALF : 0.0f;
    return ag_constant(g, out);
}

START_TEST(networks_that_give_nan_are_refused)
{
    Process *p = world_process(1, 3);
    Network net = {.kind = "nan"};
    Denoiser d = formula_denoiser(NULL, p, D, 0);
    SampleRequest r = {.model = &d, .process = p, .steps = 2, .batch = 4};

    d.net = &net;
    d.forward = nan_forward;
    refused(r, D, "not finite");
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(a_signal_stops_sampling)
{
    Process *p = world_process(1, 3);
    Formula f = {0.1, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, D, 0);
    SampleRequest r = {.model = &d, .process = p, .steps = 2, .batch = 4};

    platform_catch_signals();
    ck_assert_int_eq(raise(SIGINT), 0);
    refused(r, D, "signal");
    diffusion_process_destroy(p);
}
END_TEST

Suite *sampler_suite(void)
{
    Suite *suite = suite_create("sampler");
    TCase *laws = tcase_create("laws"), *rest = tcase_create("rest");

    tcase_set_timeout(laws, 120);
    tcase_add_loop_test(laws, samples_follow_the_enumerated_law, 0, 4);
    tcase_add_loop_test(laws, one_lambda_a_sample_follows_the_mean_of_chains, 0, 4);
    tcase_add_loop_test(laws, no_lambda_for_many_steps, 0, 4);
    tcase_add_test(rest, a_model_may_have_a_sampler_of_its_own);
    tcase_add_loop_test(laws, hybrid_samples_follow_the_enumerated_law, 0, 4);
    tcase_add_loop_test(laws, authors_grid_ends_with_the_argmax, 0, 4);
    tcase_add_test(laws, equal_bits_are_missed_by_one_over_2n);
    tcase_set_timeout(rest, 60);
    tcase_add_loop_test(rest, samples_do_not_depend_on_company, 0,
                        5 * (int)diffusion_sampler_count());
    tcase_add_test(rest, stratified_lambdas_cut_the_interval_evenly);
    tcase_add_test(rest, time_grids);
    tcase_add_test(rest, grids_without_room_are_refused);
    tcase_add_loop_test(rest, the_process_has_a_clock, 0, 5);
    tcase_add_test(rest, lists_of_times);
    tcase_add_test(rest, plans_say_what_is_done);
    tcase_add_test(rest, settings_are_read_and_checked);
    tcase_add_loop_test(rest, samplers_read_the_settings_that_they_name, 0,
                        (int)diffusion_sampler_count());
    tcase_add_test(rest, senseless_requests_are_refused);
    tcase_add_test(rest, networks_that_give_nan_are_refused);
    tcase_add_test(rest, a_signal_stops_sampling);
    suite_add_tcase(suite, laws);
    suite_add_tcase(suite, rest);
    return suite;
}
