/* Samples written block by block: the bytes of all at once, a header that is right at every moment,
 * and runs that are killed and go on. */
#ifndef DI4C_PLAIN_C
#define _POSIX_C_SOURCE 200809L /* fork, kill, nanosleep */
#endif
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DI4C_PLAIN_C
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif

#include "experiments/sampling/sample_stream.h"
#include "nn/formats/npy.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/tools/exact_glyphs.h"
#include "tests/tools/toys.h"

#define DIR "test-sample-stream.tmp.d"

enum { FIRST = 5, COUNT = 60, BLOCK = 8 };

typedef struct World {
    ExactGlyphs glyphs;
    ShardNote run;
    size_t calls, news; /* of progress */
} World;
static World w;

static void set_up(void)
{
    toys_set_up(DIR);
    toy("x.npy"), toy("x.npy.part"), toy("x.npy.part.json"), toy("all.npy");
    w = (World){.glyphs = exact_glyphs_open(), .run = {.total = 70, .shard = {FIRST, COUNT}}};
    run_facts_add(&w.run.facts, "model", "m1");
}

static void tear_down(void)
{
    shard_note_free(&w.run);
    exact_glyphs_close(&w.glyphs);
    toys_tear_down();
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), 0);
}

static SampleRequest request(void)
{
    return (SampleRequest){.model = w.glyphs.exact,
                           .process = w.glyphs.process,
                           .steps = 4,
                           .first = FIRST,
                           .batch = 4,
                           .seed = 1,
                           .calls = &w.calls};
}

/* All samples at once. */
static States draw_whole(void)
{
    Error err = {""};
    SampleRequest r = request();
    size_t calls;
    r.calls = &calls;
    States x = states_alloc(COUNT, w.glyphs.data->dims);
    ck_assert_msg(diffusion_sample(&r, &x, &err), "%s", err.text);
    return x;
}

static void write_whole(void)
{
    Error err = {""};
    States x = draw_whole();
    ck_assert(npy_write(toy("all.npy"), NPY_U2, 4, (size_t[]){COUNT, 6, 6, 1}, x.x, &err));
    states_free(&x);
}

/* What the header of the part counts, if so many samples are there and are those of the run; else
 * the test ends. */
static size_t counted(const States *all)
{
    size_t n, count;
    char *bytes = toy_read(toy("x.npy.part"), &n);
    ck_assert(bytes && n >= 128 && strncmp(bytes + 1, "NUMPY", 5) == 0);
    const char *shape = strstr(bytes + 10, "'shape': (");
    ck_assert_ptr_nonnull(shape);
    count = strtoul(shape + 10, NULL, 10);
    ck_assert(count <= COUNT && n >= 128 + count * all->dims * 2);
    for (size_t i = 0; i < count * all->dims; i++)
        if ((unsigned char)bytes[128 + 2 * i] != (all->x[i] & 255))
            ck_abort_msg("entry %zu of %zu samples", i, count);
    mem_free(bytes);
    return count;
}

static void look(size_t done, size_t all, void *context)
{
    ck_assert(done <= all && all == COUNT);
    const size_t count = counted(context);
    ck_assert(count <= done && count % BLOCK == 0);
    w.news++;
}

static bool stream(size_t *found, void (*progress)(size_t, size_t, void *), void *context,
                   Error *err)
{
    SampleRequest r = request();
    SampleStream s = {.path = toy("x.npy"), .shape = {6, 6, 1}, .run = &w.run, .block = BLOCK};
    r.progress = progress;
    r.progress_context = context;
    w.calls = 0;
    const bool ok = sample_stream(&s, &r, err);
    *found = s.found;
    return ok;
}

static void finished(size_t expected)
{
    Error err = {""};
    size_t found;
    ck_assert_msg(stream(&found, NULL, NULL, &err), "%s", err.text);
    ck_assert_uint_eq(found, expected);
    ck_assert_uint_eq(w.calls, 4 * (COUNT - expected));
    ck_assert(toy_same(toy("x.npy"), toy("all.npy")));
    ck_assert(!platform_exists(toy("x.npy.part")) && !platform_exists(toy("x.npy.part.json")));
    remove(toy("x.npy"));
}

START_TEST(blocks_have_the_bytes_of_all_at_once)
{
    Error err = {""};
    size_t found;
    States all = draw_whole();
    write_whole();
    ck_assert_msg(stream(&found, look, &all, &err), "%s", err.text);
    ck_assert_uint_gt(w.news, COUNT / BLOCK);
    ck_assert(toy_same(toy("x.npy"), toy("all.npy")));
    finished(0); /* over the one that is there */
    states_free(&all);
}
END_TEST

#ifndef DI4C_PLAIN_C
static size_t left; /* news until the signal */

static void stop(size_t done, size_t all, void *context)
{
    (void)done;
    (void)all;
    if (left-- == 0)
        (void)raise(*(const int *)context);
}

/* Runs in a child that gets the signal after so many news; its exit status, or 128 and the signal.
 */
static int stopped_after(size_t news, int number)
{
    const pid_t child = fork();
    int status;
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        Error err = {""};
        size_t found;
        left = news;
        if (number == SIGTERM)
            platform_catch_signals();
        const bool ok = stream(&found, stop, &number, &err);
        _exit(ok ? 0 : strstr(err.text, "x.npy.part has 16 of 60 samples, and the same") ? 3 : 4);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A block of 8 is 2 batches of 4 steps: 8 news. */
START_TEST(a_stopped_run_goes_on)
{
    States all = draw_whole();
    write_whole();
    ck_assert_int_eq(stopped_after(19, SIGTERM), 3); /* in the third block */
    ck_assert_uint_eq(counted(&all), 16);
    ck_assert_int_eq(stopped_after(8, SIGKILL), 128 + SIGKILL);
    ck_assert_uint_eq(counted(&all), 24);
    FILE *f = fopen(toy("x.npy.part"), "ab"); /* a block that nobody counted */
    ck_assert_ptr_nonnull(f);
    fputs("half a block", f);
    fclose(f);
    finished(24);
    states_free(&all);
}
END_TEST

/* Only a part that is of this run and whole as far as it counts is gone on with. */
START_TEST(other_parts_are_replaced)
{
    static const char *const damage[] = {
        "rm " DIR "/x.npy.part.json",
        "printf x >> " DIR "/x.npy.part.json",
        "sed -i s/m1/m2/ " DIR "/x.npy.part.json",
        "sed -i 's/\"first\": 5/\"first\": 4/' " DIR "/x.npy.part.json",
        "sed -i 's/\"samples\": 70/\"samples\": 71/' " DIR "/x.npy.part.json",
        "rm " DIR "/x.npy.part",
        "head -c 200 " DIR "/x.npy.part > " DIR "/y && mv " DIR "/y " DIR "/x.npy.part",
        "head -c 100 " DIR "/x.npy.part > " DIR "/y && mv " DIR "/y " DIR "/x.npy.part",
        "sed -i 's/<u2/<i4/' " DIR "/x.npy.part",
        "sed -i 's/(16, 6, 6/(16, 6, 7/' " DIR "/x.npy.part",
        "sed -i 's/(16, 6/(99, 6/' " DIR "/x.npy.part"};
    write_whole();
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        ck_assert_int_eq(stopped_after(19, SIGKILL), 128 + SIGKILL);
        ck_assert_int_eq(system(damage[i]), 0);
        finished(0);
    }
}
END_TEST

/* At any moment, not only between calls. */
START_TEST(kills_at_any_moment_lose_nothing)
{
    Rng rng = rng_root(4);
    States all = draw_whole();
    size_t whole = 0, killed = 0;
    write_whole();
    for (int i = 0; i < 200; i++) {
        const struct timespec wait = {0, (long)(rng_u32(&rng) % 3000000)};
        const pid_t child = fork();
        int status;
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            Error err = {""};
            size_t found;
            _exit(stream(&found, NULL, NULL, &err) ? 0 : 1);
        }
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        killed += WIFSIGNALED(status);
        if (platform_exists(toy("x.npy"))) {
            ck_assert(toy_same(toy("x.npy"), toy("all.npy")));
            remove(toy("x.npy"));
            whole++;
        } else if (platform_exists(toy("x.npy.part.json"))) {
            counted(&all);
        }
    }
    ck_assert_uint_gt(killed, 20);
    size_t found;
    Error err = {""};
    ck_assert_msg(stream(&found, NULL, NULL, &err), "%s", err.text);
    ck_assert(toy_same(toy("x.npy"), toy("all.npy")));
    states_free(&all);
}
END_TEST
#endif

START_TEST(a_file_that_cannot_be_written)
{
    Error err = {""};
    SampleRequest r = request();
    SampleStream s = {.path = DIR "/none/x.npy", .shape = {6, 6, 1}, .run = &w.run, .block = BLOCK};
    ck_assert(!sample_stream(&s, &r, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "none/x.npy.part: cannot be written"));
}
END_TEST

Suite *sample_stream_suite(void);
Suite *sample_stream_suite(void)
{
    Suite *s = suite_create("sample_stream");
    TCase *tc = tcase_create("sample_stream");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, blocks_have_the_bytes_of_all_at_once);
#ifndef DI4C_PLAIN_C
    tcase_add_test(tc, a_stopped_run_goes_on);
    tcase_add_test(tc, other_parts_are_replaced);
    tcase_add_test(tc, kills_at_any_moment_lose_nothing);
#endif
    tcase_add_test(tc, a_file_that_cannot_be_written);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
