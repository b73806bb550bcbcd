/* Rows from the cache are those of fresh matrices, bit for bit, whatever was asked before; a pair
 * of times is set up once while it is kept, and the oldest one goes first. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "diffusion/process/transition.h"
#include "diffusion/process/transition_cache.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

enum { S = 6, KINDS = 5 };

static Process *process_of(size_t kind)
{
    static const double cycle[S * S] = {-5, 5, 0, 0,  0, 0, 0, -5, 5, 0, 0,  0, 0, 0, -5, 5, 0, 0,
                                        0,  0, 0, -5, 5, 0, 0, 0,  0, 0, -5, 5, 5, 0, 0,  0, 0, -5};
    ProcessConfig c = diffusion_process_defaults(diffusion_process_class(kind)->name, S);
    Error err = {""};

    c.rates = c.class->wants_rates ? cycle : NULL;
    diffusion_process_set(&c, "sigma_max", 4.0);
    c.beta_scale = 1.5;
    c.any_start = true;
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

START_TEST(rows_are_those_of_matrices)
{
    static const double times[][2] = {{0, 0.1}, {0.2, 0.3}, {0.4, 0.4}, {0, 1}, {0.1, 0.9}};
    Process *p = process_of((size_t)_i / 2);
    TransitionAccuracy a = _i % 2 == 0 ? TRANSITION_SPECTRAL : TRANSITION_ACCURATE;
    TransitionCache *cache = diffusion_transition_cache_create(p, a, 3);
    Rng rng = rng_root(3);

    for (int n = 0; n < 200; n++) {
        const double *time = times[rng_below(&rng, 5)];
        size_t i = rng_below(&rng, S);
        double row[S];
        Transition *tr = diffusion_transition_create(p, time[0], time[1], a);
        diffusion_transition_row(tr, i, row);
        ck_assert_mem_eq(diffusion_transition_cache_row(cache, time[0], time[1], i), row,
                         sizeof row);
        diffusion_transition_destroy(tr);
    }
    diffusion_transition_cache_destroy(cache);
    diffusion_transition_cache_destroy(NULL);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(the_oldest_pair_makes_room)
{
    Process *p = process_of(3);
    TransitionCache *cache = diffusion_transition_cache_create(p, TRANSITION_ACCURATE, 2);

    diffusion_transition_cache_row(cache, 0.0, 0.1, 0);
    const double *kept = diffusion_transition_cache_row(cache, 0.0, 0.2, 0);
    double before[S];
    memcpy(before, kept, sizeof before);
    for (size_t i = 0; i < S; i++) {
        diffusion_transition_cache_row(cache, 0.0, 0.1, i);
        diffusion_transition_cache_row(cache, 0.0, 0.2, i);
    }
    ck_assert_uint_eq(diffusion_transition_cache_misses(cache), 2);
    diffusion_transition_cache_row(cache, 0.0, 0.3, 0); /* 0.1 goes */
    ck_assert_ptr_eq(diffusion_transition_cache_row(cache, 0.0, 0.2, 0), kept);
    ck_assert_mem_eq(kept, before, sizeof before);
    ck_assert_uint_eq(diffusion_transition_cache_misses(cache), 3);
    diffusion_transition_cache_row(cache, 0.0, 0.1, 0); /* 0.3 goes */
    diffusion_transition_cache_row(cache, 0.0, 0.2, 0);
    ck_assert_uint_eq(diffusion_transition_cache_misses(cache), 4);
    diffusion_transition_cache_destroy(cache);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(a_row_too_far_stops)
{
    diffusion_transition_cache_row(
        diffusion_transition_cache_create(process_of(0), TRANSITION_SPECTRAL, 1), 0.0, 0.5, S);
}
END_TEST

START_TEST(no_pairs_stop)
{
    diffusion_transition_cache_create(process_of(0), TRANSITION_SPECTRAL, 0);
}
END_TEST

Suite *transition_cache_suite(void)
{
    Suite *suite = suite_create("transition_cache");
    TCase *tc = tcase_create("transition_cache");

    tcase_add_loop_test(tc, rows_are_those_of_matrices, 0, 2 * KINDS);
    tcase_add_test(tc, the_oldest_pair_makes_room);
    tcase_add_test_raise_signal(tc, a_row_too_far_stops, SIGABRT);
    tcase_add_test_raise_signal(tc, no_pairs_stop, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
