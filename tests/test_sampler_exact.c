/* Samplers that simulate the learnt chain exactly: `exact` and `first-hitting`, against the master
 * equation of that chain; and the bounds that thinning rests on. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/sampler_bound.h"
#include "tests/sampler_worlds.h"

static SampleRequest request_of(const char *sampler, const SamplerSettings *settings,
                                const Denoiser *d, const Process *p)
{
    SampleRequest r = {.sampler = diff_sampler_find(sampler, NULL),
                       .settings = settings,
                       .model = d,
                       .process = p,
                       .batch = 10000,
                       .seed = 13};

    ck_assert(r.sampler != NULL);
    return r;
}

/* The formula is no reversal of any noise, so this tells the chain from the data.  With lambda the
 * rates are averaged. */
START_TEST(exact_follows_the_master_equation)
{
    Process *p = world_process((size_t)_i, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1);
    SamplerSettings settings = diff_sampler_defaults();
    double law[WORLD_ALL];

    settings.t_min = p->mask >= 0 ? 1e-5 : 0.05; /* with masks the chain goes to 0 */
    SampleRequest r = request_of("exact", &settings, &d, p);
    world_continuous_law(law, &r, settings.t_min, 400);
    double calls = world_compare(&r, law, p->decay > 0.0 ? 30000 : 8000);
    if (p->mask >= 0)
        ck_assert_double_eq(calls, WORLD_D);
    else
        ck_assert(calls > 1.0 && calls < 60.0);
    diff_process_destroy(p);
}
END_TEST

Suite *sampler_exact_suite(void)
{
    Suite *suite = suite_create("sampler_exact");
    TCase *laws = tcase_create("laws");

    tcase_set_timeout(laws, 120);
    tcase_add_loop_test(laws, exact_follows_the_master_equation, 0, 4);
    suite_add_tcase(suite, laws);
    return suite;
}
