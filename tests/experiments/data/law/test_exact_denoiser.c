/* The exact denoiser against the enumeration of every x_0 for every x_t. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/process/transition.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/data/readers/glyphs.h"
#include "tensor/base/memory.h"
#include "tests/tools/digits.h"

enum { D = 3, S = 3, ALL = 27 };

static FiniteLaw *small_law(void)
{
    static const uint16_t patterns[5][D] = {{0, 0, 0}, {0, 1, 2}, {2, 2, 1}, {1, 0, 2}, {0, 1, 0}};
    static const double weights[5] = {5, 1, 2, 0.5, 3};
    FiniteLaw *law = law_create(5, D, S);

    memcpy(law->patterns, patterns, sizeof patterns);
    memcpy(law->probability, weights, sizeof weights);
    law_normalise(law);
    return law;
}

static Process *process_of(const char *kind, size_t states)
{
    ProcessConfig config = diffusion_process_defaults(kind, states);
    Error err = {""};
    config.any_start = true;
    Process *p = diffusion_process_create(&config, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

/* joint[d][a] = P(x_0^d = a, x_t) by the sum over all x_0; returns P(x_t). */
static double enumerate(const FiniteLaw *law, const Transition *tr, const uint16_t *xt,
                        double joint[D][S])
{
    double total = 0.0;

    memset(joint, 0, sizeof(double[D][S]));
    for (size_t n = 0; n < ALL; n++) {
        uint16_t x0[D];
        digits_of(n, x0, D, S);
        int k = law_lookup(law, x0);
        double p = k >= 0 ? law->probability[k] : 0.0;
        for (size_t d = 0; d < D; d++)
            p *= diffusion_transition_at(tr, x0[d], xt[d]);
        total += p;
        for (size_t d = 0; d < D; d++)
            joint[d][x0[d]] += p;
    }
    return total;
}

static void compare(const char *kind, size_t states, double t)
{
    FiniteLaw *law = small_law();
    Process *p = process_of(kind, states);
    Denoiser *exact = exact_denoiser_create(law, p);
    Transition *tr = diffusion_transition_create(p, 0.0, t, TRANSITION_ACCURATE);
    Graph *g = ag_graph_create();
    size_t count = states * states * states;
    States xt = states_alloc(count, D);
    double *times = mem_alloc(count, sizeof *times), joint[D][S];

    for (size_t b = 0; b < count; b++) {
        digits_of(b, states_row(&xt, b), D, states);
        times[b] = t;
    }
    NetworkInput in = {&xt, times, NULL, NULL, NULL, NULL};
    Var *out = exact->forward(exact, g, &in);
    ck_assert_uint_eq(tensor_size(&out->value), count * diffusion_head_outputs(&exact->head));
    ck_assert(!out->needs_grad);
    for (size_t b = 0; b < count; b++) {
        double total = enumerate(law, tr, states_row(&xt, b), joint);
        if (total == 0.0)
            continue;
        for (size_t d = 0; d < D; d++)
            for (size_t a = 0; a < S; a++) {
                float got = out->value.data[(b * D + d) * S + a];
                double want = joint[d][a] / total;
                ck_assert_msg(fabs(exp(got) - want) <= 1e-6 * want,
                              "x_t %zu, d %zu, a %zu: %g, expected %g", b, d, a, exp(got), want);
                ck_assert(want > 0.0 || got == -1e30f);
            }
    }
    ag_graph_destroy(g);
    diffusion_transition_destroy(tr);
    exact_denoiser_destroy(exact);
    diffusion_process_destroy(p);
    states_free(&xt);
    mem_free(times);
    law_destroy(law);
}

START_TEST(equals_enumeration)
{
    static const double times[4] = {0.001, 0.3, 0.77, 1.0};

    compare("absorbing", S + 1, times[_i]);
    compare("uniform", S, times[_i]);
    compare("birthdeath", S, times[_i]);
}
END_TEST

/* Numbers of one sample x under absorbing noise. */
static void run_one(const FiniteLaw *law, uint16_t *x, double t, float *out)
{
    Process *p = process_of("absorbing", law->states + 1);
    Denoiser *exact = exact_denoiser_create(law, p);
    Graph *g = ag_graph_create();
    States s = {x, 1, law->dims};
    NetworkInput in = {&s, &t, NULL, NULL, NULL, NULL};
    Var *v = exact->forward(exact, g, &in);

    memcpy(out, v->value.data, law->dims * law->states * sizeof *out);
    ag_graph_destroy(g);
    exact_denoiser_destroy(exact);
    diffusion_process_destroy(p);
}

START_TEST(unreachable_states_have_the_nearest_patterns)
{
    FiniteLaw *law = small_law();
    uint16_t x[D] = {2, 1, S}; /* no pattern begins with 2, 1; those with one miss: 1, 2 and 4 */
    float out[D * S];
    double sum = 1 + 2 + 3;

    run_one(law, x, 0.5, out);
    /* All three match one dimension and have one masked: their weights are those of the law. */
    ck_assert_double_eq_tol(exp(out[0]), 4 / sum, 1e-6);
    ck_assert_double_eq_tol(exp(out[2]), 2 / sum, 1e-6);
    ck_assert_double_eq_tol(exp(out[6]), 3 / sum, 1e-6);
    ck_assert_double_eq_tol(exp(out[7]), 2 / sum, 1e-6);
    ck_assert_double_eq_tol(exp(out[8]), 1 / sum, 1e-6);
    ck_assert(out[1] == -1e30f);
    law_destroy(law);
}
END_TEST

START_TEST(impossible_values_are_never_drawn)
{
    FiniteLaw *law = small_law();
    uint16_t x[D] = {0, S, S}, x0[D]; /* after 0 come (0,0), (1,2), (1,0): never 2 in the middle */
    float out[D * S];
    Head head = {&diffusion_softmax, D, S, 1, false, S};
    States xs = {x, 1, D}, drawn = {x0, 1, D};

    run_one(law, x, 0.5, out);
    for (uint64_t i = 0; i < 2000; i++) {
        Rng rng = rng_child(rng_root(7), i);
        diffusion_head_draw(&head, out, &xs, &rng, &drawn);
        ck_assert_uint_eq(x0[0], 0);
        ck_assert_uint_ne(x0[1], 2);
        ck_assert_uint_ne(x0[2], 1);
    }
    law_destroy(law);
}
END_TEST

START_TEST(fully_masked_glyphs_have_the_marginals)
{
    FiniteLaw *law = glyphs_create();
    uint16_t x[GLYPH_DIMS];
    float out[GLYPH_DIMS * 2];

    for (size_t d = 0; d < GLYPH_DIMS; d++)
        x[d] = 2;
    run_one(law, x, 1.0, out);
    for (size_t d = 0; d < GLYPH_DIMS; d++) {
        double light = 0.0;
        for (size_t k = 0; k < law->count; k++)
            light += law->probability[k] * law->patterns[k * law->dims + d];
        ck_assert_double_eq_tol(exp(out[2 * d + 1]), light, 1e-6);
    }
    law_destroy(law);
}
END_TEST

START_TEST(process_must_fit)
{
    FiniteLaw *law = small_law();
    exact_denoiser_create(law, process_of("uniform", S + 1));
}
END_TEST

Suite *exact_denoiser_suite(void);
Suite *exact_denoiser_suite(void)
{
    Suite *suite = suite_create("exact_denoiser");
    TCase *tc = tcase_create("exact");

    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, equals_enumeration, 0, 4);
    tcase_add_test(tc, unreachable_states_have_the_nearest_patterns);
    tcase_add_test(tc, impossible_values_are_never_drawn);
    tcase_add_test(tc, fully_masked_glyphs_have_the_marginals);
    tcase_add_test_raise_signal(tc, process_must_fit, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
