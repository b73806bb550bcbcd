/* Network calls that need not be made: never another sample, and fewer calls. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/sampler_worlds.h"

enum { D = 7, S = 3, MASK = 3, COUNT = 20 };

static Process *p;
static Network net;

/* Some logits for each state and lambda, whatever the time; *self tells two models apart. */
static Var *timeless_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Tensor out = tensor_make1(g->arena, in->x->batch * D * S);
    for (size_t b = 0; b < in->x->batch; b++) {
        double sum = *(const double *)d->self + (d->lambda_dims > 0 ? 5.0 * in->lambda[b] : 0.0);
        for (size_t k = 0; k < D; k++)
            sum += (double)((k + 1) * states_row(in->x, b)[k]);
        for (size_t i = 0; i < (size_t)D * S; i++)
            out.data[b * D * S + i] = (float)(2.0 * sin(sum + (double)(i * i)));
    }
    return ag_constant(g, out);
}

static double one = 0.3, other = 1.9;

static Denoiser denoiser(double *self, size_t lambda_dims)
{
    return (Denoiser){.head = {&diffusion_softmax, D, S, 1, false, MASK},
                      .lambda_dims = lambda_dims,
                      .net = &net,
                      .forward = timeless_forward,
                      .self = self,
                      .lambda_law = LAMBDA_UNIFORM,
                      .lambda_scope = LAMBDA_SAMPLE};
}

static void set_up(void)
{
    p = world_process(0, S + 1);
}

static void tear_down(void)
{
    diffusion_process_destroy(p);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

/* Samples, by a network that says whether it is told the time; returns its calls. */
static size_t draw(SampleRequest r, bool timeless, uint16_t *x)
{
    size_t calls;
    Error err = {""};
    States out = states_alloc(COUNT, D);
    net.timeless = timeless;
    r.calls = &calls;
    ck_assert_msg(diffusion_sample(&r, &out, &err), "%s", err.text);
    memcpy(x, out.x, (size_t)COUNT * D * sizeof *x);
    states_free(&out);
    return calls;
}

/* Compares both ways; returns how many calls were spared. */
static size_t spared(const SampleRequest *r)
{
    uint16_t all[COUNT * D], few[COUNT * D];
    const size_t made = draw(*r, false, all), needed = draw(*r, true, few);
    ck_assert(memcmp(all, few, sizeof all) == 0);
    ck_assert_uint_ge(made, needed);
    return made - needed;
}

static SampleRequest request(const Denoiser *d, const char *sampler, size_t steps)
{
    Error err;
    const SamplerClass *found = diffusion_sampler_find(sampler, &err);
    ck_assert_msg(found != NULL, "%s", err.text);
    return (SampleRequest){.sampler = found, .model = d, .process = p, .steps = steps, .seed = 3};
}

START_TEST(unchanged_samples_are_not_asked_again)
{
    static const char *const samplers[] = {"posterior", "euler", "tau-leaping", "theta-trapezoidal",
                                           "predictor-corrector"};
    for (size_t lambda_dims = 0; lambda_dims < 2; lambda_dims++)
        for (size_t i = 0; i < sizeof samplers / sizeof samplers[0]; i++) {
            Denoiser d = denoiser(&one, lambda_dims);
            SampleRequest r = request(&d, samplers[i], 40);
            ck_assert_uint_gt(spared(&r), COUNT);
            r.sharpening = (Sharpening){0.5, 0.9};
            ck_assert_uint_gt(spared(&r), COUNT);
        }
}
END_TEST

/* At most a call for each dimension of a sample. */
START_TEST(masks_need_a_call_a_dimension)
{
    uint16_t x[COUNT * D];
    Denoiser d = denoiser(&one, 0);
    const SampleRequest r = request(&d, "posterior", 500);
    ck_assert_uint_le(draw(r, true, x), (size_t)COUNT * D);
}
END_TEST

START_TEST(fresh_lambdas_and_batches_need_all_calls)
{
    Denoiser d = denoiser(&one, 1), product = denoiser(&one, 0);
    SampleRequest r = request(&d, "posterior", 40);
    r.lambda_scope = LAMBDA_STEP;
    ck_assert_uint_eq(spared(&r), 0);
    r = request(&product, "posterior", 40);
    r.batch = COUNT - 1;
    ck_assert_uint_eq(spared(&r), 0);
    r.batch = COUNT;
    ck_assert_uint_gt(spared(&r), 0);
}
END_TEST

START_TEST(another_model_is_asked_again)
{
    Denoiser d = denoiser(&one, 1), teacher = denoiser(&other, 0);
    SampleRequest r = request(&d, "posterior", 40);
    r.teacher = &teacher;
    r.teacher_steps = 20;
    ck_assert_uint_gt(spared(&r), 0);
}
END_TEST

Suite *sampler_call_suite(void)
{
    Suite *suite = suite_create("sampler_call");
    TCase *t = tcase_create("call");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, unchanged_samples_are_not_asked_again);
    tcase_add_test(t, masks_need_a_call_a_dimension);
    tcase_add_test(t, fresh_lambdas_and_batches_need_all_calls);
    tcase_add_test(t, another_model_is_asked_again);
    suite_add_tcase(suite, t);
    return suite;
}
