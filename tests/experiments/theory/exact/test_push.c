/* Push-forward: against matrices written out by hand, against what samplers draw, and what it may
 * not depend on. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/theory/exact/joint.h"
#include "experiments/theory/exact/noise.h"
#include "experiments/theory/exact/push.h"
#include "experiments/theory/exact/world.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/statistics.h"

static World *world_of(const char *name)
{
    Error err = {""};
    World *w = world_open(name, &err);

    ck_assert_msg(w != NULL, "%s", err.text);
    return w;
}

static Process *process_of(const char *kind, size_t states)
{
    Error err = {""};
    Process *p = theory_noise(kind, states, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

static SamplerPlan *plan_of(const SamplerClass *sampler, const Process *p, size_t steps)
{
    Error err = {""};
    const SampleRequest r = {.sampler = sampler, .process = p, .steps = steps};
    SamplerPlan *plan = diffusion_sampler_plan(&r, &err);

    ck_assert_msg(plan != NULL, "%s", err.text);
    return plan;
}

static void push_exact(double *law, const World *w, const Process *p, const SamplerClass *sampler,
                       size_t steps)
{
    SamplerPlan *plan = plan_of(sampler, p, steps);
    ExactTableData data = {w->p, p, w->states, w->dims};
    const TableModel model = push_exact_model(&data);

    push_sampler(law, plan, &model);
    diffusion_sampler_plan_destroy(plan);
}

/* Coupled bits under masks, two steps: the 9 x 9 matrix of the first by hand.  From two masks each
 * bit is unmasked with 1/2, to 0 or 1 alike; then the last call fills in. */
START_TEST(two_steps_by_hand)
{
    World *w = world_of("coupled-bits");
    Process *p = process_of("absorbing", 2);
    double law[4], middle[9] = {0}, want[4] = {0};

    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++)
            middle[3 * a + b] = (a == 2 ? 0.5 : 0.25) * (b == 2 ? 0.5 : 0.25);
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++)
            for (size_t x = 0; x < 2; x++)
                for (size_t y = 0; y < 2; y++) {
                    double first = a < 2 ? a == x : b < 2 ? b == x : 0.5;
                    double second = b < 2 ? b == y : a < 2 ? a == y : 0.5;
                    want[2 * x + y] += middle[3 * a + b] * first * second;
                }
    push_exact(law, w, p, NULL, 2);
    for (size_t i = 0; i < 4; i++)
        ck_assert_double_eq_tol(law[i], want[i], 1e-15);
    ck_assert_double_eq_tol(joint_tv(law, w->p, 4), 0.25, 1e-15);
    diffusion_process_destroy(p);
    world_free(w);
}
END_TEST

START_TEST(closed_forms_of_many_steps)
{
    World *bits = world_of("coupled-bits"), *xor = world_of("xor");
    Process *p = process_of("absorbing", 2);
    double law[8];

    for (size_t N = 1; N <= 100; N += N < 8 ? 1 : 23) {
        const double n = (double)N;
        push_exact(law, bits, p, NULL, N);
        ck_assert_double_eq_tol(joint_tv(law, bits->p, 4), 0.5 / n, 1e-12);
        push_exact(law, xor, p, NULL, N);
        ck_assert_double_eq_tol(joint_tv(law, xor->p, 8), (3 * n - 1) / (4 * n * n), 1e-12);
    }
    diffusion_process_destroy(p);
    world_free(bits);
    world_free(xor);
}
END_TEST

/* Theta-trapezoidal in two steps on two bits, uniform noise, as sums over (x, y, z) written out:
 * the second leap depends on the state x before the first one and on what the network said there.
 */
START_TEST(two_stages_by_hand)
{
    Error err = {""};
    World *w = world_of("coupled-bits");
    ProcessConfig noise = diffusion_process_defaults("uniform", 2);
    noise.any_start = true;
    diffusion_process_set(&noise, "rate_const",
                          1.0); /* finite at t = 1, so that the first leap does leap */
    Process *p = diffusion_process_create(&noise, &err);
    const SamplerClass *sampler = diffusion_sampler_find("theta-trapezoidal", &err);
    SamplerPlan *plan = plan_of(sampler, p, 2);
    double p0[3][4][2][2], law[4], middle[4] = {0}, want[4] = {0}, row[3][2][2];

    ck_assert_uint_eq(plan->count, 3);
    ck_assert(plan->calls[1].part == PART_SECOND && plan->calls[2].part == PART_DRAW);
    for (size_t c = 0; c < 3; c++)
        joint_denoise(&p0[c][0][0][0], w->p, 2, 2, p, plan->calls[c].t);
    SamplerStep *step = diffusion_sampler_open(plan, 0);
    for (size_t x = 0; x < 4; x++)
        for (size_t y = 0; y < 4; y++) {
            for (size_t d = 0; d < 2; d++) {
                const size_t xd = x >> (1 - d) & 1, yd = y >> (1 - d) & 1;
                diffusion_sampler_row(step, 0, xd, p0[0][x][d], 0, NULL, row[0][d]);
                diffusion_sampler_row(step, 1, yd, p0[1][y][d], xd, p0[0][x][d], row[1][d]);
            }
            const double first = 0.25 * row[0][0][y >> 1] * row[0][1][y & 1];
            for (size_t z = 0; z < 4; z++)
                middle[z] += first * row[1][0][z >> 1] * row[1][1][z & 1];
        }
    diffusion_sampler_close(step);
    for (size_t z = 0; z < 4; z++)
        for (size_t v = 0; v < 4; v++)
            want[v] += middle[z] * p0[2][z][0][v >> 1] * p0[2][z][1][v & 1];
    push_exact(law, w, p, sampler, 2);
    for (size_t v = 0; v < 4; v++)
        ck_assert_double_eq_tol(law[v], want[v], 1e-13);
    diffusion_sampler_plan_destroy(plan);
    diffusion_process_destroy(p);
    world_free(w);
}
END_TEST

/* Does every product sampler draw the law that is computed?  20,000 draws each; a right one fails
 * with probability 1e-6 (statistics_fit), all together 4e-5 at most. */
START_TEST(samplers_draw_the_pushed_law)
{
    enum { DRAWS = 20000 };
    static const char *const names[2] = {"xor", "coupled-bits"};
    static const char *const kinds[2] = {"absorbing", "uniform"};
    World *w = world_of(names[_i / 2]);
    Process *p = process_of(kinds[_i % 2], w->states);
    FiniteLaw *finite = world_finite_law(w);
    Denoiser *exact = exact_denoiser_create(finite, p);
    States out = states_alloc(DRAWS, w->dims);

    for (size_t i = 0; i < diffusion_sampler_count(); i++)
        for (size_t steps = 1; steps <= 4; steps += 3) {
            const SamplerClass *sampler = diffusion_sampler_at(i);
            double law[8];
            size_t count[8] = {0};
            Error err = {""};
            if (!push_possible(sampler, p, w->dims))
                continue;
            SampleRequest r = {.sampler = sampler,
                               .model = exact,
                               .process = p,
                               .steps = steps,
                               .batch = 1000,
                               .seed = 7};
            push_exact(law, w, p, sampler, steps);
            ck_assert_msg(diffusion_sample(&r, &out, &err), "%s: %s", sampler->name, err.text);
            for (size_t k = 0; k < DRAWS; k++)
                count[joint_place(states_row(&out, k), 2, w->dims)]++;
            ck_assert_msg(statistics_fit(count, law, w->size), "%s, %zu steps", sampler->name,
                          steps);
        }
    states_free(&out);
    exact_denoiser_destroy(exact);
    law_destroy(finite);
    diffusion_process_destroy(p);
    world_free(w);
}
END_TEST

/* ---- mixtures ---- */

/* Lambda says what both bits are, whatever x_t. */
static void certain(void *self, double t, size_t lambda, double *p0)
{
    const size_t *size = self;

    (void)t;
    for (size_t i = 0; i < *size * 2 * 2; i++)
        p0[i] = i % 2 == lambda ? 1.0 : 0.0;
}

START_TEST(a_mixture_of_two_holds_coupled_bits)
{
    World *w = world_of("coupled-bits");
    Process *p = process_of("absorbing", 2);
    size_t size = 9;
    TableModel model = {2, 2, 2, certain, &size, LAMBDA_STEP};
    SamplerPlan *one = plan_of(NULL, p, 1), *two = plan_of(NULL, p, 2);
    double law[4], r[9] = {0}, out[4];

    push_sampler(law, one, &model);
    ck_assert_double_eq_tol(joint_tv(law, w->p, 4), 0.0, 1e-15);
    r[8] = 1.0;
    push_to_data(out, r, p, &model, 1.0);
    ck_assert_double_eq_tol(joint_tv(out, w->p, 4), 0.0, 1e-15);
    /* In two steps the second lambda is drawn anew: one bit unmasked (1/2), the other wrong (1/2)
     */
    push_sampler(law, two, &model);
    ck_assert_double_eq_tol(joint_tv(law, w->p, 4), 0.25, 1e-15);
    model.lambda_scope = LAMBDA_SAMPLE; /* kept, it is right in any number of steps */
    push_sampler(law, two, &model);
    ck_assert_double_eq_tol(joint_tv(law, w->p, 4), 0.0, 1e-15);
    diffusion_sampler_plan_destroy(one);
    diffusion_sampler_plan_destroy(two);
    diffusion_process_destroy(p);
    world_free(w);
}
END_TEST

/* Twice the same model is no mixture, also where two calls make one step. */
static void doubled(void *self, double t, size_t lambda, double *p0)
{
    const TableModel *model = self;

    (void)lambda;
    model->fill(model->self, t, 0, p0);
}

START_TEST(a_mixture_of_equals_is_a_product)
{
    World *w = world_of("xor");
    Process *p = process_of("uniform", 2);
    ExactTableData data = {w->p, p, w->states, w->dims};
    TableModel model = push_exact_model(&data);
    const TableModel twice = {w->dims, w->states, 2, doubled, &model, LAMBDA_STEP};

    for (size_t i = 0; i < diffusion_sampler_count(); i++) {
        double a[8], b[8];
        if (!push_possible(diffusion_sampler_at(i), p, w->dims))
            continue;
        SamplerPlan *plan = plan_of(diffusion_sampler_at(i), p, 3);
        push_sampler(a, plan, &model);
        push_sampler(b, plan, &twice);
        for (size_t k = 0; k < 8; k++)
            ck_assert_double_eq_tol(a[k], b[k], 1e-14);
        diffusion_sampler_plan_destroy(plan);
    }
    diffusion_process_destroy(p);
    world_free(w);
}
END_TEST

START_TEST(threads_change_no_bit)
{
    World *w = world_of("chain");
    Process *p = process_of("absorbing", 3);
    double *a = mem_alloc(w->size, sizeof *a), *b = mem_alloc(w->size, sizeof *b), sum = 0.0;

    threads_set(1);
    push_exact(a, w, p, NULL, 3);
    threads_set(3);
    push_exact(b, w, p, NULL, 3);
    ck_assert_mem_eq(a, b, w->size * sizeof *a);
    for (size_t i = 0; i < w->size; i++)
        sum += a[i];
    ck_assert_double_eq_tol(sum, 1.0, 1e-12);
    mem_free(a);
    mem_free(b);
    diffusion_process_destroy(p);
    world_free(w);
}
END_TEST

START_TEST(what_can_be_pushed)
{
    Process *masks = process_of("absorbing", 2), *uniform = process_of("uniform", 2);
    const SamplerClass *posterior = diffusion_sampler_find("posterior", NULL),
                       *two = diffusion_sampler_find("theta-trapezoidal", NULL);

    ck_assert(push_possible(posterior, masks, 9));
    ck_assert(!push_possible(posterior, masks, 10)); /* 59049 states */
    ck_assert(push_possible(posterior, uniform, 14));
    ck_assert(!push_possible(posterior, uniform, 15));
    ck_assert(push_possible(two, uniform, 9));
    ck_assert(!push_possible(two, uniform, 10)); /* 2^30 triples */
    ck_assert(push_possible(two, masks, 9));
    ck_assert(!push_possible(diffusion_sampler_find("confidence", NULL), masks, 2));
    ck_assert(!push_possible(diffusion_sampler_find("exact", NULL), uniform, 2));
    diffusion_process_destroy(masks);
    diffusion_process_destroy(uniform);
}
END_TEST

Suite *push_suite(void);
Suite *push_suite(void)
{
    Suite *s = suite_create("push");
    TCase *tc = tcase_create("push");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, two_stages_by_hand);
    tcase_add_test(tc, two_steps_by_hand);
    tcase_add_test(tc, closed_forms_of_many_steps);
    tcase_add_loop_test(tc, samplers_draw_the_pushed_law, 0, 4);
    tcase_add_test(tc, a_mixture_of_two_holds_coupled_bits);
    tcase_add_test(tc, a_mixture_of_equals_is_a_product);
    tcase_add_test(tc, threads_change_no_bit);
    tcase_add_test(tc, what_can_be_pushed);
    suite_add_tcase(s, tc);
    return s;
}
