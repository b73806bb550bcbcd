/* The best mixtures found, where the best is known or can be searched for. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/theory/exact/joint.h"
#include "experiments/theory/exact/mixture.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

static World *world_of(const char *name)
{
    Error err = {""};
    World *w = world_open(name, &err);

    ck_assert_msg(w != NULL, "%s", err.text);
    return w;
}

static double best(const World *w, size_t lambdas)
{
    Mixture *m = mixture_fit(w, lambdas, NULL, 16, 1);
    const double tv = mixture_tv(m, w);

    mixture_free(m);
    return tv;
}

START_TEST(law_of_a_mixture)
{
    Mixture *m = mixture_create(2, 2, 2);
    static const double weight[2] = {0.25, 0.75};
    static const double rows[8] = {1.0, 0.0, 0.5, 0.5, 0.2, 0.8, 0.1, 0.9};
    double law[4];

    memcpy(m->weight, weight, sizeof weight);
    memcpy(m->rows, rows, sizeof rows);
    mixture_law(law, m);
    ck_assert_double_eq_tol(law[0], 0.25 * 0.5 + 0.75 * 0.02, 1e-15);
    ck_assert_double_eq_tol(law[1], 0.25 * 0.5 + 0.75 * 0.18, 1e-15);
    ck_assert_double_eq_tol(law[2], 0.75 * 0.08, 1e-15);
    ck_assert_double_eq_tol(law[3], 0.75 * 0.72, 1e-15);
    mixture_free(m);
}
END_TEST

START_TEST(coupled_bits_are_known)
{
    World *w = world_of("coupled-bits");
    const double one = best(w, 1), least = sqrt(2.0) - 1.0;

    ck_assert_double_ge(one, least - 1e-12);
    ck_assert_double_le(one, least + 1e-6);
    ck_assert_double_le(best(w, 2), 1e-12);
    world_free(w);
}
END_TEST

/* All products of three bits on a grid of 1/80: none is better, and the best is nearly as good. */
START_TEST(no_product_on_a_grid_is_nearer_to_xor)
{
    enum { GRID = 80 };
    World *w = world_of("xor");
    const double found = best(w, 1);
    double least = 1.0, law[8];

    for (size_t i = 0; i <= GRID; i++)
        for (size_t j = 0; j <= GRID; j++)
            for (size_t k = 0; k <= GRID; k++) {
                const double a = (double)i / GRID, b = (double)j / GRID, c = (double)k / GRID;
                const double rows[6] = {a, 1 - a, b, 1 - b, c, 1 - c};
                for (size_t x = 0; x < 8; x++)
                    law[x] = rows[x >> 2] * rows[2 + (x >> 1 & 1)] * rows[4 + (x & 1)];
                least = fmin(least, joint_tv(law, w->p, 8));
            }
    ck_assert_double_le(found, least + 1e-9);
    ck_assert_double_ge(found, least - 0.01);
    world_free(w);
}
END_TEST

/* As many lambdas as states hold any law; more lambdas are never worse. */
START_TEST(more_lambdas_come_nearer)
{
    World *w = world_of("glyphs");
    Mixture *small = NULL;
    double last = 1.0;

    for (size_t K = 1; K <= 8; K += K < 3 ? 1 : 5) { /* 1, 2, 3, 8 */
        Mixture *m = mixture_fit(w, K, small, 8, 3);
        const double tv = mixture_tv(m, w);
        double sum = 0.0;
        for (size_t k = 0; k < K; k++)
            sum += m->weight[k];
        ck_assert_double_eq_tol(sum, 1.0, 1e-12);
        ck_assert_double_le(tv, last + 1e-15);
        last = tv;
        mixture_free(small);
        small = m;
    }
    ck_assert_double_le(last, 1e-12);
    Mixture *kept = mixture_fit(w, 9, small, 1, 3); /* starts that do badly lose nothing */
    ck_assert_double_le(mixture_tv(kept, w), 1e-12);
    mixture_free(kept);
    mixture_free(small);
    world_free(w);
}
END_TEST

START_TEST(the_fit_depends_on_the_seed_alone)
{
    World *w = world_of("xor");
    Mixture *a, *b, *c;

    threads_set(1);
    a = mixture_fit(w, 2, NULL, 4, 11);
    threads_set(3);
    b = mixture_fit(w, 2, NULL, 4, 11);
    c = mixture_fit(w, 2, NULL, 4, 12);
    ck_assert_mem_eq(a->rows, b->rows, 12 * sizeof *a->rows);
    ck_assert_mem_eq(a->weight, b->weight, 2 * sizeof *a->weight);
    ck_assert_mem_ne(a->rows, c->rows, 12 * sizeof *a->rows);
    mixture_free(a);
    mixture_free(b);
    mixture_free(c);
    world_free(w);
}
END_TEST

Suite *mixture_suite(void);
Suite *mixture_suite(void)
{
    Suite *s = suite_create("mixture");
    TCase *tc = tcase_create("mixture");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, law_of_a_mixture);
    tcase_add_test(tc, coupled_bits_are_known);
    tcase_add_test(tc, no_product_on_a_grid_is_nearer_to_xor);
    tcase_add_test(tc, more_lambdas_come_nearer);
    tcase_add_test(tc, the_fit_depends_on_the_seed_alone);
    suite_add_tcase(s, tc);
    return s;
}
