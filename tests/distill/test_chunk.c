/* How many samples go through a network at once is a matter of memory: with any `chunk` training
 * makes the same numbers, bit for bit, also where it goes on with another one. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "diffusion/elbo.h"
#include "diffusion/sampler/sampler.h"
#include "experiments/data/batches.h"
#include "experiments/training/training.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/sanitized.h"
#include "tests/tools/toys.h"

enum { BATCH = 6, STEPS = 3, CHUNKS = 7, KINDS = 5, BLOCKS = 3 };
static const int64_t chunks[CHUNKS] = {10 * BATCH, 1, 3, 7, 16, BATCH - 1, BATCH};
/* Samples of a recorded call: the network's own number, which holds the whole batch; part of a
 * picture's 5 rows of distillation; two pictures with rows to spare. */
static const size_t blocks[BLOCKS] = {0, 4, 12};

#define UNET "net=unet ch=8 ch_mult=1,2 res_blocks=1 attn_scale=1 "
static const char *const kinds[KINDS] = {
    "",
    "control_variates=off data_weight=sigmoid stratified_lambda=off lambda_dims=2 "
    "distill_lambdas=5",
    UNET,
    UNET "process=gaussian head=logistic loss=ct_elbo time_weight=one distill_lambdas=0 "
         "data_weight=sigmoid stratified_lambda=off share_at_one=0",
    UNET "process=gaussian head=logistic loss=ct_elbo time_weight=one two_passes=on "
         "control_variates=off",
};

typedef struct Case {
    Dataset *data;
    Config config[2]; /* of the teacher, of the student */
    Model *teacher;   /* with random weights */
    size_t block;
} Case;
static Case c;

static Config config_of(ConfigRole role, const char *settings)
{
    Config config = toy_config(role, STEPS);
    Error err = {""};
    char key[32], value[32];
    int used;
    config.batch = BATCH;
    config.dropout = 0.2;
    while (sscanf(settings, " %31[^=]=%31s%n", key, value, &used) == 2) {
        ck_assert_msg(config_set(&config, key, value, "test", &err), "%s", err.text);
        settings += used;
    }
    return config;
}

static void set_up(void)
{
    toys_set_up("test-chunk.tmp.d");
}

static void tear_down(void)
{
    model_destroy(c.teacher);
    dataset_close(c.data);
    toys_tear_down();
}

static void case_make(int kind)
{
    Error err = {""};
    c.data = toy_open("glyphs", false);
    for (int role = 0; role < 2; role++)
        c.config[role] = config_of((ConfigRole)role, kinds[kind]);
    c.teacher = model_create(&c.config[ROLE_TEACHER], ROLE_TEACHER, false, &err);
    ck_assert_msg(c.teacher != NULL, "%s", err.text);
}

static Model *fresh(ConfigRole role, int64_t chunk)
{
    Error err = {""};
    Config config = c.config[role];
    config.chunk = chunk;
    Model *m = model_create(&config, role, true, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    model_set_data(m, c.data);
    if (role == ROLE_STUDENT)
        nn_copy_common(m->net, c.teacher->net);
    if (c.block > 0)
        m->net->gradient_block = c.block;
    return m;
}

/* Trains into NAME.safetensors and NAME.csv, or goes on with what is there. */
static Model *train(ConfigRole role, int64_t chunk, const char *name, bool resume, TrainingEnd want)
{
    Error err = {""};
    char model[40], log[40];
    snprintf(model, sizeof model, "%s.safetensors", name);
    snprintf(log, sizeof log, "%s.csv", name);
    Model *m = fresh(role, chunk);
    TrainingJob job = {.model = m,
                       .teacher = role == ROLE_STUDENT ? &c.teacher->denoiser : NULL,
                       .data = c.data,
                       .out = toy(model),
                       .log = toy(log),
                       .keep_log = resume,
                       .quiet = true,
                       .save_seconds = 1e9};
    SafetensorsFile *f = resume ? safetensors_read(job.out, &err) : NULL;
    ck_assert_msg(!resume || f != NULL, "%s", err.text);
    job.resume_from = f;
    ck_assert_msg(training_run(&job, &err) == want, "%s", err.text);
    safetensors_free(f);
    return m;
}

static void expect_same(const char *a, const char *b, size_t block, int64_t chunk)
{
    ck_assert_msg(toy_same(toy(a), toy(b)), "%s and %s differ, blocks of %zu, chunk %d", a, b,
                  block, (int)chunk);
}

/* Losses and gradient norms of all steps, and the weights at the end. */
START_TEST(training_does_not_depend_on_chunk)
{
    const ConfigRole role = (ConfigRole)(_i % 2);
    case_make(_i / 2);
    for (size_t b = SANITIZED ? BLOCKS - 1 : 0; b < BLOCKS; b++) {
        c.block = blocks[b];
        Model *want = train(role, chunks[0], "want", false, TRAINING_DONE);
        const size_t n = want->net->params.total;
        for (size_t k = 1; k < (SANITIZED ? 4 : CHUNKS); k++) {
            Model *got = train(role, chunks[k], "got", false, TRAINING_DONE);
            ck_assert_mem_eq(want->net->params.values, got->net->params.values, n * sizeof(float));
            expect_same("want.csv", "got.csv", c.block, chunks[k]);
            model_destroy(got);
        }
        model_destroy(want);
    }
}
END_TEST

/* The signal's flag stays up, so each run makes one step, saves and stops.  The last one names the
 * first's chunk again, as the file says which it was. */
START_TEST(a_run_goes_on_with_another_chunk)
{
    const ConfigRole role = (ConfigRole)(_i % 2);
    case_make(_i / 2);
    c.block = blocks[1];
    model_destroy(train(role, 7, "whole", false, TRAINING_DONE));
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGTERM), 0);
    for (int step = 0; step < STEPS; step++)
        model_destroy(train(role, chunks[step], "parts", step > 0, TRAINING_INTERRUPTED));
    model_destroy(train(role, 7, "parts", true, TRAINING_DONE));
    expect_same("whole.safetensors", "parts.safetensors", c.block, 7);
    expect_same("whole.csv", "parts.csv", c.block, 7);
}
END_TEST

/* A U-Net's samples and its bound, in calls of all sizes. */
START_TEST(samples_and_bounds_do_not_depend_on_batch)
{
    enum { COUNT = 30 };
    case_make(_i == 0 ? 2 : 3);
    config_put(&c.config[ROLE_TEACHER], "ch", 32); /* wide enough for conv/few.c */
    Error err = {""};
    Model *m = fresh(ROLE_TEACHER, 1);
    States x0 = states_alloc(COUNT, m->denoiser.head.dims), want = states_alloc(COUNT, x0.dims);
    States got = states_alloc(COUNT, x0.dims);
    Elbo bound, other;
    dataset_batch(c.data, 1, 0, COUNT, false, &x0, NULL);
    SampleRequest sample = {
        .model = &m->denoiser, .process = m->process, .steps = 2, .batch = COUNT, .seed = 1};
    ElboRequest request = {&m->denoiser, m->process, 0.01, 1e-9, 4, COUNT, 1};
    ck_assert_msg(diffusion_sample(&sample, &want, &err), "%s", err.text);
    ck_assert_msg(diffusion_elbo(&request, &x0, &bound, &err), "%s", err.text);
    for (size_t batch = 1; batch < COUNT; batch += batch < 9 ? 3 : 19) {
        sample.batch = request.batch = batch;
        ck_assert_msg(diffusion_sample(&sample, &got, &err), "%s", err.text);
        ck_assert_mem_eq(want.x, got.x, COUNT * x0.dims * sizeof *want.x);
        ck_assert_msg(diffusion_elbo(&request, &x0, &other, &err), "%s", err.text);
        ck_assert_mem_eq(&bound, &other, sizeof bound);
    }
    memset(got.x, 0xFF, COUNT * x0.dims * sizeof *got.x);
    for (size_t first = 0; first < COUNT; first += 6) { /* shards */
        States part = states_rows(&got, first, 6);
        sample.first = first;
        ck_assert_msg(diffusion_sample(&sample, &part, &err), "%s", err.text);
    }
    ck_assert_mem_eq(want.x, got.x, COUNT * x0.dims * sizeof *want.x);
    states_free(&x0);
    states_free(&want);
    states_free(&got);
    model_destroy(m);
}
END_TEST

Suite *chunk_suite(void)
{
    Suite *s = suite_create("chunk");
    TCase *tc = tcase_create("chunk");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, training_does_not_depend_on_chunk, 0, 2 * KINDS);
    tcase_add_loop_test(tc, samples_and_bounds_do_not_depend_on_batch, 0, 2);
    tcase_add_loop_test(tc, a_run_goes_on_with_another_chunk, 0, 2 * KINDS); /* leaves a signal */
    tcase_set_timeout(tc, 240);
    suite_add_tcase(s, tc);
    return s;
}
