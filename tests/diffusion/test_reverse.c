/* Reverse rates against their definition, summed naively in double. */
#include <check.h>
#include <math.h>

#include "diffusion/process/transition.h"
#include "diffusion/reverse.h"
#include "tests/tools/sampler_worlds.h"
#include "tests/tools/statistics.h"

enum { S = 4, PROCESSES = 5 };

static const double times[] = {1.0, 0.6, 0.1, 1e-3};

static size_t known_of(const Process *p)
{
    return p->mask >= 0 ? S - 1 : S;
}

START_TEST(rates_follow_their_definition)
{
    Process *p = world_process((size_t)_i, S);

    for (size_t k = 0; k < 4; k++) {
        double t = p->mask >= 0 && k == 0 ? 0.99 : times[k]; /* alpha(1) = 0 has its own test */
        ReverseRates *r = diffusion_reverse_create(p, t);
        for (size_t x = 0; x < S; x++) {
            double p0[S], rates[S], forward[S], total = 0.0, out = 0.0;
            world_law_of_x0(p0, known_of(p), (double)x + t);
            diffusion_reverse_rates(r, x, p0, rates);
            diffusion_forward_rates(r, x, forward);
            for (size_t v = 0; v < S; v++) {
                double expected = world_reverse_rate(p, t, x, p0, v);
                ck_assert_double_le(fabs(rates[v] - expected), 1e-12 * expected);
                ck_assert_double_le(fabs(diffusion_reverse_rate(r, x, p0, v) - expected),
                                    1e-12 * expected);
                expected =
                    v == x ? 0.0 : diffusion_process_rate(p, t) * diffusion_process_jump(p, x, v);
                ck_assert_double_le(fabs(forward[v] - expected), 1e-14 * expected);
                total += rates[v];
                out += forward[v];
            }
            ck_assert_double_le(fabs(diffusion_reverse_total(r, x, p0) - total), 1e-12 * total);
            ck_assert_double_le(fabs(diffusion_forward_total(r, x) - out), 1e-12 * out);
        }
        diffusion_reverse_destroy(r);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* False alarm 1e-6 for each x. */
START_TEST(jumps_follow_the_rates)
{
    Process *p = world_process((size_t)_i, S);
    ReverseRates *r = diffusion_reverse_create(p, 0.4);
    Rng rng = rng_child(rng_root(3), (uint64_t)_i);

    for (size_t x = 0; x < S; x++) {
        double p0[S], rates[S];
        size_t count[S] = {0}, out[S] = {0};
        world_law_of_x0(p0, known_of(p), (double)x);
        double total = diffusion_reverse_total(r, x, p0), leave = diffusion_forward_total(r, x);
        for (size_t i = 0; i < 20000 && total > 0.0; i++)
            count[diffusion_reverse_draw(r, x, p0, &rng)]++;
        for (size_t i = 0; i < 20000 && leave > 0.0; i++)
            out[diffusion_forward_draw(r, x, &rng)]++;
        diffusion_reverse_rates(r, x, p0, rates);
        for (size_t v = 0; v < S; v++)
            rates[v] /= total > 0.0 ? total : 1.0;
        ck_assert(statistics_fit(count, rates, S));
        diffusion_forward_rates(r, x, rates);
        for (size_t v = 0; v < S; v++)
            rates[v] /= leave > 0.0 ? leave : 1.0;
        ck_assert(statistics_fit(out, rates, S));
        ck_assert((total > 0.0) == (p->mask < 0 || x == S - 1));
    }
    diffusion_reverse_destroy(r);
    diffusion_process_destroy(p);
}
END_TEST

/* With alpha = 1 - t a mask is left at rate 1/t, also at t = 1 where beta is infinite; and the
 * network only says where to. */
START_TEST(masks_are_left_at_a_known_rate)
{
    Process *p = world_process(0, S);
    double p0[S - 1], rates[S];

    world_law_of_x0(p0, S - 1, 0.3);
    for (size_t k = 0; k < 4; k++) {
        ReverseRates *r = diffusion_reverse_create(p, times[k]);
        ck_assert_double_le(fabs(times[k] * diffusion_reverse_total(r, S - 1, p0) - 1.0), 1e-8);
        diffusion_reverse_rates(r, S - 1, p0, rates);
        for (size_t a = 0; a + 1 < S; a++)
            ck_assert_double_le(fabs(times[k] * rates[a] - p0[a]), 1e-8);
        ck_assert_double_eq(diffusion_reverse_total(r, 1, p0), 0.0);
        diffusion_reverse_destroy(r);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* Were p the point mass at the true x_0, the chain would be the noise run backwards: the flow
 * from x to v at t equals that of the noise from v to x. */
START_TEST(known_data_turn_the_noise_round)
{
    Process *p = world_process((size_t)_i, S);
    double t = 0.3, p0[S] = {0.0, 1.0};
    ReverseRates *r = diffusion_reverse_create(p, t);
    Transition *tr = diffusion_transition_create(p, 0.0, t, TRANSITION_ACCURATE);

    for (size_t x = 0; x < S; x++)
        for (size_t v = 0; v < S; v++) {
            double back = diffusion_transition_at(tr, 1, x) * diffusion_reverse_rate(r, x, p0, v);
            double forth = v == x
                               ? 0.0
                               : diffusion_transition_at(tr, 1, v) * diffusion_process_rate(p, t) *
                                     diffusion_process_jump(p, v, x);
            ck_assert_double_le(fabs(back - forth), 1e-12 * forth);
        }
    diffusion_transition_destroy(tr);
    diffusion_reverse_destroy(r);
    diffusion_process_destroy(p);
}
END_TEST

Suite *reverse_suite(void)
{
    Suite *suite = suite_create("reverse");
    TCase *tc = tcase_create("reverse");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, rates_follow_their_definition, 0, PROCESSES);
    tcase_add_loop_test(tc, jumps_follow_the_rates, 0, PROCESSES);
    tcase_add_test(tc, masks_are_left_at_a_known_rate);
    tcase_add_loop_test(tc, known_data_turn_the_noise_round, 0, PROCESSES);
    suite_add_tcase(suite, tc);
    return suite;
}
