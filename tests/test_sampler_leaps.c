/* Samplers that leap: the laws of single steps against naive sums, and samples against those
 * laws. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "tests/sampler_worlds.h"
#include "tests/statistics.h"

enum { SAMPLES = 200000 }; /* of a sampler, over four processes */

static SampleRequest request_of(const char *sampler, const Denoiser *d, const Process *p)
{
    SampleRequest r = {.sampler = diff_sampler_find(sampler, NULL),
                       .model = d,
                       .process = p,
                       .steps = 3,
                       .batch = 50000,
                       .seed = 11};

    ck_assert(r.sampler != NULL);
    return r;
}

/* ---- samples against the pushed law: false alarm 1e-6 each ---- */

static const char *const leapers[] = {"posterior", "tau-leaping", "predictor-corrector",
                                      "theta-trapezoidal", "euler"};

START_TEST(samples_follow_the_pushed_law)
{
    Process *p = world_process((size_t)_i % 4, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1);
    SampleRequest r = request_of(leapers[_i / 4], &d, p);
    double law[WORLD_ALL];

    world_law(law, &r);
    world_compare(&r, law, SAMPLES / 4);
    diff_process_destroy(p);
}
END_TEST

Suite *sampler_leaps_suite(void)
{
    Suite *suite = suite_create("sampler_leaps");
    TCase *laws = tcase_create("laws");

    tcase_set_timeout(laws, 120);
    tcase_add_loop_test(laws, samples_follow_the_pushed_law, 0, 20);
    suite_add_tcase(suite, laws);
    return suite;
}
