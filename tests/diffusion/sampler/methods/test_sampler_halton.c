/* Unmasking in Halton's order: the order, and the law of samples where all orders can be
 * enumerated. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/sampler/batch.h"
#include "diffusion/sampler/methods/halton.h"
#include "diffusion/sampler/sampler.h"
#include "diffusion/sampler/samplers.h"
#include "tensor/base/memory.h"
#include "tests/tools/digits.h"
#include "tests/tools/sampler_worlds.h"
#include "tests/tools/statistics.h"

enum { MOST = 3072 };
static const size_t shapes[][3] = {{1, 1, 1}, {1, 7, 1},   {5, 1, 1},   {1, 1, 4},  {6, 6, 1},
                                   {4, 3, 2}, {28, 28, 1}, {32, 32, 3}, {1, 128, 1}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* ---- the order ---- */

/* The digits of k in this base behind the point, the last one first. */
static double mirrored(size_t k, size_t base)
{
    double value = 0.0;
    size_t digits[64], n = 0;

    for (; k > 0; k /= base)
        digits[n++] = k % base;
    for (size_t j = 0; j < n; j++)
        value += (double)digits[j] * pow((double)base, -(double)(j + 1));
    return value;
}

static size_t place(size_t k, size_t base, double shift, size_t length)
{
    return (size_t)(fmod(mirrored(k, base) + shift, 1.0) * (double)length) % length;
}

START_TEST(the_order_is_that_of_first_hits)
{
    const size_t *n = shapes[_i], D = n[0] * n[1] * n[2];
    static uint32_t order[MOST];
    static bool seen[MOST];
    Rng rng = rng_root(5 + (uint64_t)_i), same = rng;
    double shift[3];
    size_t found = 0;

    sampler_halton_order(n[0], n[1], n[2], &rng, order);
    for (size_t axis = 0; axis < 3; axis++)
        shift[axis] = rng_uniform(&same);
    memset(seen, 0, sizeof seen);
    for (size_t k = 1; found < D; k++) {
        const size_t after_y = n[0] > 1 ? 3 : 2, after_x = n[1] <= 1      ? after_y
                                                           : after_y == 2 ? 3
                                                                          : 5;
        const size_t y = n[0] > 1 ? place(k, 2, shift[0], n[0]) : 0;
        const size_t x = n[1] > 1 ? place(k, after_y, shift[1], n[1]) : 0;
        const size_t c = n[2] > 1 ? place(k, after_x, shift[2], n[2]) : 0;
        const size_t d = (y * n[1] + x) * n[2] + c;
        ck_assert_uint_lt(k, 64 * D + 1);
        if (!seen[d])
            ck_assert_uint_eq(order[found++], d);
        seen[d] = true;
    }
}
END_TEST

/* False alarm 1e-6. */
START_TEST(any_dimension_may_have_any_turn)
{
    enum { DRAWS = 24000, D = 24 };
    static const size_t turns[] = {0, 1, 11, D - 1};
    size_t count[D] = {0};
    double law[D];

    for (size_t i = 0; i < DRAWS; i++) {
        uint32_t order[D];
        Rng rng = rng_child(rng_root(8), i);
        sampler_halton_order(4, 3, 2, &rng, order);
        count[order[turns[_i]]]++;
    }
    for (size_t d = 0; d < D; d++)
        law[d] = 1.0 / D;
    ck_assert(statistics_fit(count, law, D));
}
END_TEST

/* Distance on the torus of 28x28 to the nearest of the first n places, averaged. */
static double nearest(const uint32_t *order, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        double least = 100.0;
        for (size_t j = 0; j < n; j++) {
            const uint32_t row[2] = {order[i] / 28, order[j] / 28};
            double dy = fabs((double)row[0] - (double)row[1]);
            double dx = fabs((double)(order[i] % 28) - (double)(order[j] % 28));
            if (i != j)
                least = fmin(least, hypot(fmin(dy, 28.0 - dy), fmin(dx, 28.0 - dx)));
        }
        sum += least;
    }
    return sum / (double)n;
}

/* At random 32 places have 0.5 sqrt(784/32) = 2.5 pixels to the nearest, in a square lattice 5. */
START_TEST(the_first_lie_far_apart)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        uint32_t order[784];
        Rng rng = rng_root(seed);
        sampler_halton_order(28, 28, 1, &rng, order);
        ck_assert_double_gt(nearest(order, 32), 3.0);
        ck_assert_double_gt(nearest(order + 32, 32), 3.0);
    }
}
END_TEST

/* ---- samples ---- */

enum { D = 3, S = 3, ALL = 27, MASK = 2 };

/* law of x when `left` dimensions stay masked, the first of the order being drawn. */
static void step(double *law, const Denoiser *m, double t, const uint32_t order[D], size_t left)
{
    double next[ALL] = {0.0};

    for (size_t n = 0; n < ALL; n++)
        for (size_t k = 0; k < ALL && law[n] > 0.0; k++) {
            uint16_t x[D], y[D];
            double p[D][2], weight = law[n];
            size_t masked = 0;
            digits_of(n, x, D, S);
            digits_of(k, y, D, S);
            world_masked_rows(m, x, D, t, p);
            for (size_t d = 0; d < D; d++)
                masked += x[d] == MASK;
            for (size_t j = 0; j < D; j++) {
                const size_t d = order[j];
                const bool drawn = x[d] == MASK && masked > left;
                masked -= drawn;
                weight *= !drawn ? (double)(x[d] == y[d]) : y[d] == MASK ? 0.0 : p[d][y[d]];
            }
            next[k] += weight;
        }
    memcpy(law, next, sizeof next);
}

/* In a row the order is that of the places of 1/2 + u, 1/4 + u, 3/4 + u, 1/8 + u, ... in thirds. */
static void add_law(double *law, const Denoiser *m, double u, double weight)
{
    static const double points[] = {0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875};
    double one[ALL] = {0.0};
    uint32_t order[D];
    bool seen[D] = {false};
    size_t found = 0;

    for (size_t k = 0; k < 7; k++) {
        const size_t d = (size_t)(fmod(points[k] + u, 1.0) * D);
        if (!seen[d])
            order[found++] = (uint32_t)d;
        seen[d] = true;
    }
    ck_assert_uint_eq(found, D);
    one[ALL - 1] = 1.0;
    step(one, m, 1.0, order, 2);
    step(one, m, 0.7, order, 1);
    step(one, m, 0.4, order, 0);
    for (size_t n = 0; n < ALL; n++)
        law[n] += weight * one[n];
}

/* Times 1, 0.7, 0.4: D t = 2.1 and 1.2 dimensions stay, then none.  Orders change at multiples of
 * 1/24.  False alarm 1e-6. */
START_TEST(samples_follow_the_law_of_their_order)
{
    enum { SAMPLES = 100000 };
    static const double times[3] = {1.0, 0.7, 0.4};
    Process *p = world_process(0, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, D, 0);
    SampleRequest r = {.sampler = diffusion_sampler_find("halton", NULL),
                       .model = &d,
                       .process = p,
                       .steps = 3,
                       .grid = GRID_LIST,
                       .times = times,
                       .batch = 25000,
                       .seed = 3};
    double law[ALL] = {0.0};

    for (size_t k = 0; k < 24; k++)
        add_law(law, &d, ((double)k + 0.5) / 24.0, 1.0 / 24.0);
    world_compare(&r, law, SAMPLES);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- where dimensions lie ---- */

enum { HEIGHT = 4, WIDTH = 3, CHANNELS = 2, CELLS = HEIGHT * WIDTH * CHANNELS, PICTURES = 5 };
static uint32_t unmasked[PICTURES][CELLS];
static size_t known[PICTURES];

static void note_unmasked(const States *x, double t, void *context)
{
    bool *was = context;
    (void)t;
    for (size_t i = 0; i < PICTURES * CELLS; i++)
        if (!was[i] && x->x[i] != MASK) {
            unmasked[i / CELLS][known[i / CELLS]++] = (uint32_t)(i % CELLS);
            was[i] = true;
        }
}

/* With as many steps as dimensions there is one at a time. */
START_TEST(pictures_are_unmasked_in_their_order)
{
    Process *p = world_process(0, S);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, CELLS, 0);
    bool was[PICTURES * CELLS] = {false};
    SampleRequest r = {.sampler = diffusion_sampler_find("halton", NULL),
                       .model = &d,
                       .process = p,
                       .steps = CELLS,
                       .batch = 3,
                       .seed = 17,
                       .first = 40,
                       .observe = note_unmasked,
                       .observe_context = was};
    States out = states_alloc(PICTURES, CELLS);

    d.head.channels = CHANNELS;
    d.width = _i == 0 ? WIDTH : 0;
    ck_assert(diffusion_sample(&r, &out, NULL));
    for (size_t i = 0; i < PICTURES; i++) {
        Rng rng = rng_child(rng_child(rng_child(rng_root(17), DRAW_ORDER), 40 + i), 0);
        uint32_t order[CELLS];
        if (_i == 0)
            sampler_halton_order(HEIGHT, WIDTH, CHANNELS, &rng, order);
        else
            sampler_halton_order(1, CELLS, 1, &rng, order);
        ck_assert_uint_eq(known[i], CELLS);
        ck_assert_mem_eq(order, unmasked[i], sizeof order);
    }
    states_free(&out);
    diffusion_process_destroy(p);
}
END_TEST

Suite *sampler_halton_suite(void);
Suite *sampler_halton_suite(void)
{
    Suite *suite = suite_create("sampler_halton");
    TCase *tc = tcase_create("halton");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, the_order_is_that_of_first_hits, 0, SHAPES);
    tcase_add_loop_test(tc, any_dimension_may_have_any_turn, 0, 4);
    tcase_add_test(tc, the_first_lie_far_apart);
    tcase_add_test(tc, samples_follow_the_law_of_their_order);
    tcase_add_loop_test(tc, pictures_are_unmasked_in_their_order, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
