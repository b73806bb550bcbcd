/* How far a sampler says that it is: network calls, or per cent where its times are drawn. */
#include <check.h>

#include "tests/tools/sampler_worlds.h"

enum { D = WORLD_D };

static void count_progress(size_t done, size_t all, void *context)
{
    size_t *last = context;
    ck_assert_uint_eq(done, *last + 1);
    ck_assert_uint_eq(all, 9); /* 3 steps of 3 batches */
    *last = done;
}

START_TEST(progress_counts_network_calls)
{
    Process *p = world_process(1, 3);
    Formula f = {0.1, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, D, 0);
    size_t last = 0;
    SampleRequest r = {.model = &d,
                       .process = p,
                       .steps = 3,
                       .batch = 4,
                       .progress = count_progress,
                       .progress_context = &last};
    States out = states_alloc(10, D);

    ck_assert(diffusion_sample(&r, &out, NULL));
    ck_assert_uint_eq(last, 9);
    ck_assert_uint_eq(f.calls, 9);
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

typedef struct Shares {
    size_t calls, last, whole_batches; /* shares of 40, 80, 100 %: batches of 4, 4, 2 of 10 */
} Shares;

static void follow_shares(size_t done, size_t all, void *context)
{
    Shares *s = context;
    ck_assert_uint_eq(all, 100);
    ck_assert(done >= s->last && done <= 100);
    if (done != s->last && (done == 40 || done == 80 || done == 100))
        s->whole_batches++;
    s->last = done;
    s->calls++;
}

/* Those with times of their own tell per cent, after each network call. */
START_TEST(progress_is_a_share_where_times_are_drawn)
{
    static const char *const names[] = {"exact", "first-hitting"};
    Process *p = world_process(0, 3); /* masks */
    Formula f = {0.1, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, D, 0);
    Shares shares = {0, 0, 0};
    SampleRequest r = {.model = &d,
                       .process = p,
                       .sampler = diffusion_sampler_find(names[_i], NULL),
                       .batch = 4,
                       .progress = follow_shares,
                       .progress_context = &shares};
    States out = states_alloc(10, D);

    ck_assert(diffusion_sample(&r, &out, NULL));
    ck_assert_uint_eq(shares.last, 100);
    ck_assert_uint_eq(shares.whole_batches, 3);
    ck_assert_uint_eq(shares.calls, f.calls);
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

Suite *sampler_progress_suite(void);
Suite *sampler_progress_suite(void)
{
    Suite *s = suite_create("sampler_progress");
    TCase *tc = tcase_create("sampler_progress");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, progress_counts_network_calls);
    tcase_add_loop_test(tc, progress_is_a_share_where_times_are_drawn, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
