/* experiments/training/targets.h: the teacher's own pictures, alone or before as many of the data;
 * the same at every call, and other ones than `sample` draws with that seed. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/data/batches.h"
#include "experiments/model/model.h"
#include "experiments/training/targets.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/toys.h"

enum { COUNT = 40, STEPS = 3 };

static Dataset *data;
static Model *teacher;
static Config c;

static void set_up(void)
{
    Error err = {""};
    toys_set_up("test-targets.tmp.d");
    data = toy_open("glyphs", false);
    c = toy_config(ROLE_TEACHER, 1);
    c.targets = CONFIG_TARGETS_TEACHER;
    c.target_count = COUNT;
    c.target_steps = STEPS;
    teacher = model_create(&c, ROLE_TEACHER, false, &err);
    ck_assert_msg(teacher != NULL, "%s", err.text);
}

static void tear_down(void)
{
    model_destroy(teacher);
    dataset_close(data);
    toys_tear_down();
}

static Dataset *draw(void)
{
    Error err = {""};
    Dataset *d = targets_draw(&c, &teacher->denoiser, teacher->process, data, true, &err);
    ck_assert_msg(d != NULL, "%s", err.text);
    ck_assert(d->dims == data->dims && d->states == data->states);
    return d;
}

START_TEST(pictures_follow_seed_and_steps)
{
    Dataset *d = draw(), *same = draw();
    const size_t bytes = COUNT * d->dims;
    ck_assert_uint_eq(d->count, COUNT);
    ck_assert_mem_eq(d->data, same->data, bytes);
    c.seed++;
    Dataset *other = draw();
    ck_assert(memcmp(d->data, other->data, bytes) != 0);
    c.seed--;
    c.target_steps++;
    Dataset *longer = draw();
    ck_assert(memcmp(d->data, longer->data, bytes) != 0);
    dataset_close(d);
    dataset_close(same);
    dataset_close(other);
    dataset_close(longer);
}
END_TEST

START_TEST(samples_of_the_seed_are_others)
{
    Error err = {""};
    Dataset *d = draw();
    States x = states_alloc(COUNT, d->dims);
    const SampleRequest request = {.model = &teacher->denoiser,
                                   .process = teacher->process,
                                   .steps = STEPS,
                                   .batch = COUNT,
                                   .seed = (uint64_t)c.seed};
    size_t differ = 0;
    ck_assert_msg(diffusion_sample(&request, &x, &err), "%s", err.text);
    for (size_t i = 0; i < COUNT * d->dims; i++)
        differ += x.x[i] != d->data[i];
    ck_assert_uint_gt(differ, 0);
    states_free(&x);
    dataset_close(d);
}
END_TEST

/* Those of the data are pictures that the data have. */
START_TEST(mixed_targets_end_with_data)
{
    Dataset *alone = draw();
    c.targets = CONFIG_TARGETS_MIXED;
    Dataset *d = draw();
    const size_t dims = d->dims;
    ck_assert_uint_eq(d->count, 2 * COUNT);
    ck_assert_mem_eq(d->data, alone->data, COUNT * dims);
    for (size_t i = COUNT; i < 2 * COUNT; i++) {
        bool found = false;
        for (size_t k = 0; k < data->count && !found; k++)
            found = memcmp(d->data + i * dims, data->data + k * dims, dims) == 0;
        ck_assert_msg(found, "picture %zu", i);
    }
    dataset_close(alone);
    dataset_close(d);
}
END_TEST

START_TEST(a_signal_leaves_nothing)
{
    Error err = {""};
    const size_t before = mem_in_use();
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGTERM), 0);
    ck_assert_ptr_null(targets_draw(&c, &teacher->denoiser, teacher->process, data, true, &err));
    ck_assert_msg(strstr(err.text, "signal") != NULL, "%s", err.text);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

Suite *targets_suite(void)
{
    Suite *s = suite_create("targets");
    TCase *tc = tcase_create("targets");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, pictures_follow_seed_and_steps);
    tcase_add_test(tc, samples_of_the_seed_are_others);
    tcase_add_test(tc, mixed_targets_end_with_data);
    tcase_add_test(tc, a_signal_leaves_nothing);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
