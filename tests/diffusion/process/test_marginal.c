/* Draws of x_t given x_0 follow the rows of the transition matrices, whatever else is drawn beside
 * them. Each comparison raises a false alarm with probability 1e-6. */
#include "diffusion/process/marginal.h"

#include <check.h>
#include <signal.h>

#include "diffusion/process/transition.h"
#include "tensor/system/threads.h"
#include "tests/tools/process_cases.h"
#include "tests/tools/statistics.h"

START_TEST(marginals_follow_the_rows)
{
    enum { S = 7, B = 5, D = 12000 };
    static const double t[B] = {0.3, 0.05, 0.3, 0.0, 1.0};
    Process *p = process_case((size_t)_i, S);
    States x0 = states_alloc(B, D), xt = states_alloc(B, D);
    Rng streams[B];

    for (size_t b = 0; b < B; b++)
        streams[b] = rng_child(rng_root(12), b);
    for (size_t i = 0; i < (size_t)B * D; i++) /* two states occur, the last one only in sample 2 */
        x0.x[i] = (uint16_t)(i % 3 == 0 ? 1 : i / D == 2 ? 5 : 2);
    diffusion_draw_marginal(p, &xt, &x0, t, streams);
    for (size_t b = 0; b < B; b++) {
        Transition *tr = diffusion_transition_create(p, 0.0, t[b], TRANSITION_ACCURATE);
        for (size_t from = 0; from < S; from++) {
            size_t count[S] = {0};
            double row[S];
            for (size_t d = 0; d < D; d++)
                if (states_row(&x0, b)[d] == from)
                    count[states_row(&xt, b)[d]]++;
            diffusion_transition_row(tr, from, row);
            ck_assert(statistics_fit(count, row, S));
        }
        diffusion_transition_destroy(tr);
    }
    states_free(&x0);
    states_free(&xt);
    diffusion_process_destroy(p);
}
END_TEST

/* A sample's draw depends on its own t, x_0 and stream alone: alone or in a batch, for any number
 * of threads. */
START_TEST(marginals_do_not_depend_on_company)
{
    enum { S = 16, B = 9, D = 101 };
    Process *p = process_case((size_t)_i, S);
    States x0 = states_alloc(B, D), one = states_alloc(B, D), many = states_alloc(B, D);
    double t[B];
    Rng streams[B], rng = rng_root(5);

    for (size_t b = 0; b < B; b++) {
        streams[b] = rng_child(rng_root(13), b);
        t[b] = b % 3 == 0 ? 0.2 : 0.1 * (double)b;
    }
    for (size_t i = 0; i < (size_t)B * D; i++)
        x0.x[i] = (uint16_t)rng_below(&rng, S - 1);
    threads_set(3);
    diffusion_draw_marginal(p, &many, &x0, t, streams);
    threads_set(1);
    for (size_t b = 0; b < B; b++) {
        States from = states_rows(&x0, b, 1), to = states_rows(&one, b, 1);
        diffusion_draw_marginal(p, &to, &from, t + b, streams + b);
    }
    ck_assert_mem_eq(one.x, many.x, (size_t)B * D * sizeof *one.x);
    States none = states_rows(&x0, 0, 0);
    diffusion_draw_marginal(p, &none, &none, t, streams);
    states_free(&x0);
    states_free(&one);
    states_free(&many);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(marginal_in_place_stops)
{
    Process *p = process_case(0, 4);
    States x = states_alloc(1, 2);
    Rng rng = rng_root(1);
    double t = 0.5;

    x.x[0] = x.x[1] = 0;
    diffusion_draw_marginal(p, &x, &x, &t, &rng);
}
END_TEST

Suite *marginal_suite(void)
{
    Suite *suite = suite_create("marginal");
    TCase *tc = tcase_create("marginal");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, marginals_follow_the_rows, 0, PROCESS_CASES);
    tcase_add_loop_test(tc, marginals_do_not_depend_on_company, 0, PROCESS_CASES);
    tcase_add_test_raise_signal(tc, marginal_in_place_stops, SIGABRT);
    suite_add_tcase(suite, tc);
    return suite;
}
