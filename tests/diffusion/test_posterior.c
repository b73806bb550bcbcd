/* The posterior against Bayes' rule by enumeration, its average, the published code's eps form, and
 * the edges: absorbing noise, s = 0, pairs that cannot occur. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "diffusion/posterior.h"
#include "diffusion/process/transition.h"
#include "tensor/base/memory.h"
#include "tests/tools/statistics.h"

enum { CASES = 6, S_MAX = 16 };

static Process *process_of(size_t kase, size_t S)
{
    static const char *const kinds[CASES] = {"uniform",   "birthdeath", "gaussian",
                                             "absorbing", "absorbing",  "absorbing"};
    ProcessConfig c = diffusion_process_defaults(kinds[kase], S);
    Error err = {""};

    diffusion_process_choose(&c, "schedule", kase == 5 ? "cosine" : "loglinear");
    c.eps = kase == 4 ? 0.0 : 1e-3;
    if (kase == 1)
        diffusion_process_set(&c, "sigma_max", 4.0);
    if (kase == 2)
        diffusion_process_set(&c, "time_base", 0.05);
    c.any_start = true;
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

static void assert_near(double got, double expected, double relative)
{
    ck_assert_msg(fabs(got - expected) <= relative * fabs(expected), "%.17g, expected %.17g", got,
                  expected);
}

/* P[0->s], P[s->t], P[0->t] made one by one. */
typedef struct Matrices {
    double to_s[S_MAX][S_MAX], step[S_MAX][S_MAX], to_t[S_MAX][S_MAX];
} Matrices;

static void fill(double out[S_MAX][S_MAX], const Process *p, double s, double t)
{
    Transition *tr = diffusion_transition_create(p, s, t, TRANSITION_ACCURATE);
    for (size_t i = 0; i < p->states; i++)
        diffusion_transition_row(tr, i, out[i]);
    diffusion_transition_destroy(tr);
}

static Matrices matrices_of(const Process *p, double s, double t)
{
    Matrices m;
    fill(m.to_s, p, 0.0, s);
    fill(m.step, p, s, t);
    fill(m.to_t, p, 0.0, t);
    return m;
}

/* Probabilities with some zeros; none for the mask. */
static void random_law(double *p0, const Process *p, uint64_t seed)
{
    Rng rng = rng_root(seed);
    double sum = 0.0;

    for (size_t a = 0; a < p->states; a++) {
        p0[a] = a % 4 == 3 || (int)a == p->mask ? 0.0 : rng_uniform(&rng) + 0.01;
        sum += p0[a];
    }
    for (size_t a = 0; a < p->states; a++)
        p0[a] /= sum;
}

static const double TIMES[][2] = {{0.01, 0.02}, {0.2, 0.7}, {0.5, 0.501}, {0.9, 1.0}, {0.0, 0.3}};
enum { PAIRS = sizeof TIMES / sizeof *TIMES };

/* q(x_s|x_t,x_0) P[0->t][x_0][x_t] = P[0->s][x_0][x_s] P[s->t][x_s][x_t], entry by entry. */
static void check_bayes(const Process *p, double s, double t)
{
    size_t S = p->states;
    PosteriorStep *step = diffusion_posterior_create(p, s, t, 0.0);
    Matrices m = matrices_of(p, s, t);
    double q[S_MAX];

    for (size_t x0 = 0; x0 < S; x0++)
        for (size_t xt = 0; xt < S; xt++) {
            double sum = 0.0;
            diffusion_posterior(step, xt, x0, q);
            for (size_t xs = 0; xs < S; xs++) {
                sum += q[xs];
                if (m.to_t[x0][xt] > 0.0)
                    assert_near(q[xs] * m.to_t[x0][xt], m.to_s[x0][xs] * m.step[xs][xt], 1e-12);
            }
            assert_near(sum, 1.0, 1e-14);
        }
    diffusion_posterior_destroy(step);
}

START_TEST(posterior_is_bayes_rule)
{
    static const size_t sizes[] = {2, 3, 16};

    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        Process *p = process_of((size_t)_i, sizes[n]);
        for (size_t i = 0; i < PAIRS; i++)
            check_bayes(p, TIMES[i][0], TIMES[i][1]);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* Averaging the posterior over x_t gives back q(x_s|x_0). */
START_TEST(posterior_averages_to_the_marginal)
{
    enum { S = 6 };
    Process *p = process_of((size_t)_i, S);
    PosteriorStep *step = diffusion_posterior_create(p, 0.3, 0.8, 0.0);
    Matrices m = matrices_of(p, 0.3, 0.8);

    for (size_t x0 = 0; x0 < S; x0++) {
        double sum[S] = {0.0}, q[S];
        for (size_t xt = 0; xt < S; xt++) {
            diffusion_posterior(step, xt, x0, q);
            for (size_t xs = 0; xs < S; xs++)
                sum[xs] += m.to_t[x0][xt] * q[xs];
        }
        for (size_t xs = 0; xs < S; xs++)
            ck_assert_double_le(fabs(sum[xs] - m.to_s[x0][xs]), 1e-14);
    }
    diffusion_posterior_destroy(step);
    diffusion_process_destroy(p);
}
END_TEST

/* The average over x_0 is sum_a p(a) q(.|x_t,a) over the a that can lead to x_t. */
START_TEST(mix_is_the_average_of_posteriors)
{
    enum { S = 11 };
    Process *p = process_of((size_t)_i, S);
    double p0[S], mix[S], short_mix[S], q[S];

    random_law(p0, p, 3);
    for (size_t i = 0; i < PAIRS; i++) {
        PosteriorStep *step = diffusion_posterior_create(p, TIMES[i][0], TIMES[i][1], 0.0);
        for (size_t xt = 0; xt < S; xt++) {
            double expected[S] = {0.0};
            for (size_t a = 0; a < S; a++) {
                diffusion_posterior(step, xt, a, q);
                for (size_t xs = 0; xs < S && p0[a] > 0.0; xs++)
                    expected[xs] += p0[a] * q[xs];
            }
            diffusion_posterior_mix(step, xt, p0, S, mix);
            for (size_t xs = 0; xs < S; xs++)
                assert_near(mix[xs], expected[xs], 1e-12);
            if (p->mask < 0)
                continue;
            diffusion_posterior_mix(step, xt, p0, S - 1, short_mix);
            ck_assert_mem_eq(mix, short_mix, sizeof mix);
        }
        diffusion_posterior_destroy(step);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* [Di4C] as published: eps in each factor, the average normalised at the end. */
START_TEST(eps_forms_follow_the_published_code)
{
    enum { S = 11 };
    static const double eps = 1e-3; /* large enough to matter */
    Process *p = process_of((size_t)_i, S);
    PosteriorStep *step = diffusion_posterior_create(p, 0.05, 0.1, eps);
    Matrices m = matrices_of(p, 0.05, 0.1);
    double p0[S], mix[S], q[S];

    random_law(p0, p, 4);
    for (size_t xt = 0; xt < S; xt++) {
        double expected[S] = {0.0}, sum = 0.0;
        for (size_t a = 0; a < S; a++) {
            double single[S], total = 0.0;
            diffusion_posterior(step, xt, a, q);
            for (size_t x = 0; x < S; x++) {
                single[x] = (m.step[x][xt] + eps) / (m.to_t[a][xt] + eps);
                single[x] *= m.to_s[a][x] + eps;
                expected[x] += p0[a] * single[x];
                sum += p0[a] * single[x];
                total += single[x] += eps;
            }
            for (size_t x = 0; x < S; x++)
                assert_near(q[x], single[x] / total, 1e-12);
        }
        diffusion_posterior_mix(step, xt, p0, S, mix);
        for (size_t x = 0; x < S && p->mask < 0; x++)
            assert_near(mix[x], expected[x] / sum, 1e-12);
    }
    diffusion_posterior_destroy(step);
    diffusion_process_destroy(p);
}
END_TEST

/* Masked at t: still masked at s with probability (1-alpha(s))/(1-alpha(t)), else x_0. */
START_TEST(absorbing_steps)
{
    enum { S = 4, MASK = 3 };
    double q[S], p0[S] = {0.2, 0.5, 0.3, 0.0};

    for (size_t kase = 3; kase < CASES; kase++) {
        Process *p = process_of(kase, S);
        for (size_t i = 0; i < PAIRS; i++) {
            double s = TIMES[i][0], t = TIMES[i][1];
            PosteriorStep *step = diffusion_posterior_create(p, s, t, 0.0);
            double stay = (1.0 - diffusion_process_survival(p, 0.0, s)) /
                          (1.0 - diffusion_process_survival(p, 0.0, t));
            diffusion_posterior(step, MASK, 1, q);
            ck_assert_double_le(fabs(q[MASK] - stay), 1e-14);
            ck_assert_double_le(fabs(q[1] - (1.0 - stay)), 1e-14);
            ck_assert_double_eq(q[0], 0.0);
            diffusion_posterior_mix(step, MASK, p0, S - 1, q);
            ck_assert_double_le(fabs(q[MASK] - stay), 1e-14);
            for (size_t x = 0; x < MASK; x++)
                ck_assert_double_le(fabs(q[x] - p0[x] * (1.0 - stay)), 1e-14);
            for (size_t x0 = 0; x0 < S; x0++) { /* impossible pairs too: copied */
                Rng rng = rng_root(1);
                diffusion_posterior(step, 2, x0, q);
                ck_assert_double_eq(q[2], 1.0);
                ck_assert_uint_eq(diffusion_posterior_draw(step, 2, x0, &rng), 2);
            }
            diffusion_posterior_mix(step, 2, p0, S - 1, q);
            assert_near(q[2], 1.0, 1e-15);
            diffusion_posterior_destroy(step);
        }
        diffusion_process_destroy(p);
    }
}
END_TEST

/* s = 0: x_s is x_0. */
START_TEST(steps_to_zero_give_x0)
{
    enum { S = 5 };
    Process *p = process_of((size_t)_i, S);
    PosteriorStep *step = diffusion_posterior_create(p, 0.0, 1.0, 0.0);
    size_t xt = p->mask >= 0 ? (size_t)p->mask : 0;
    double q[S];

    for (size_t x0 = 0; x0 + 1 < S; x0++) {
        Rng rng = rng_root(2);
        diffusion_posterior(step, xt, x0, q);
        ck_assert_double_eq(q[x0], 1.0);
        ck_assert_uint_eq(diffusion_posterior_draw(step, xt, x0, &rng), x0);
    }
    diffusion_posterior_destroy(step);
    diffusion_process_destroy(p);
}
END_TEST

/* A pair whose probability underflows gives q(x_s|x_0) alone, and no weight in an average. */
START_TEST(impossible_pairs_are_defined)
{
    enum { S = 200 };
    ProcessConfig c = diffusion_process_defaults("birthdeath", S);
    c.any_start = true;
    Process *p = diffusion_process_create(&c, NULL);
    PosteriorStep *step = diffusion_posterior_create(p, 0.005, 0.01, 0.0);
    double *q = mem_alloc((size_t)3 * S, sizeof *q), *row = q + S, *p0 = row + S;
    Rng rng = rng_root(3);

    ck_assert_double_lt(diffusion_transition_at(step->to_t, 0, S - 1), 1e-290);
    diffusion_posterior(step, S - 1, 0, q);
    diffusion_transition_row(step->to_s, 0, row);
    for (size_t x = 0; x < S; x++)
        ck_assert_double_le(fabs(q[x] - row[x]), 1e-15);
    ck_assert_uint_lt(diffusion_posterior_draw(step, S - 1, 0, &rng), 20);
    memset(p0, 0, S * sizeof *p0);
    p0[0] = 0.75;
    p0[S - 1] = 0.25;
    diffusion_posterior_mix(step, S - 1, p0, S, q);
    ck_assert_double_gt(q[S - 1], 0.9);
    ck_assert_double_eq(q[0], 0.0);
    p0[0] = 1.0;
    p0[S - 1] = 0.0;
    diffusion_posterior_mix(step, S - 1, p0, S, q);
    for (size_t x = 0; x < S; x++)
        ck_assert_double_le(fabs(q[x] - row[x]), 1e-15);
    mem_free(q);
    diffusion_posterior_destroy(step);
    diffusion_process_destroy(p);
}
END_TEST

/* False alarm: 1e-6 for each pair of states. */
START_TEST(draws_follow_the_posterior)
{
    enum { S = 6, N = 20000 };
    Process *p = process_of((size_t)_i, S);
    double last = p->mask >= 0 ? S - 1 : 3, q[S];

    for (int published = 0; published < 2; published++) {
        PosteriorStep *exact = diffusion_posterior_create(p, 0.4, 0.6, published ? 1e-2 : 0.0);
        PosteriorStep *law =
            diffusion_posterior_create(p, 0.4, 0.6, p->mask >= 0 ? 0.0 : exact->eps);
        for (size_t xt = 0; xt < S; xt += (size_t)last) {
            size_t count[S] = {0};
            Rng rng = rng_child(rng_root(21), xt);
            for (size_t n = 0; n < N; n++)
                count[diffusion_posterior_draw(exact, xt, 1, &rng)]++;
            diffusion_posterior(law, xt, 1, q);
            ck_assert(statistics_fit(count, q, S));
        }
        diffusion_posterior_destroy(exact);
        diffusion_posterior_destroy(law);
    }
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(unknown_states_stop)
{
    double q[4];
    diffusion_posterior(diffusion_posterior_create(process_of(0, 4), 0.1, 0.2, 0.0), 4, 0, q);
}
END_TEST

START_TEST(negative_eps_stops)
{
    diffusion_posterior_create(process_of(0, 4), 0.1, 0.2, -1e-9);
}
END_TEST

/* y times the average for these p0. */
static double weighed(const PosteriorStep *step, size_t xt, const double *p0, const double *y)
{
    double mix[S_MAX], sum = 0.0;
    diffusion_posterior_mix(step, xt, p0, step->process->states, mix);
    for (size_t v = 0; v < step->process->states; v++)
        sum += y[v] * mix[v];
    return sum;
}

/* Against differences; of the last process, states 0 and 2 are left for ever, so that not every x_0
 * goes with every x_t. */
START_TEST(pull_is_the_derivative_of_the_average)
{
    enum { S = 4 };
    static const double left[S * S] = {-2, 1, 1, 0, 0, -1, 0, 1, 0, 1, -1, 0, 0, 3, 0, -3};
    const double p0[S] = {0.1, 0.2, 0.3, 0.4}, y[S] = {1.0, -2.0, 0.5, 3.0}, h = 1e-6;
    ProcessConfig c = diffusion_process_defaults("matrix", S);
    Error err = {""};
    c.rates = left;
    c.any_start = true;
    Process *p = _i < 3 ? process_of((size_t)_i, S) : diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    PosteriorStep *step = diffusion_posterior_create(p, 0.3, 0.6, 0.0);

    for (size_t xt = 0; xt < S; xt++) {
        double mix[S], g[S];
        diffusion_posterior_mix(step, xt, p0, S, mix);
        diffusion_posterior_pull(step, xt, p0, mix, y, g);
        for (size_t a = 0; a < S; a++) {
            double more[S], less[S];
            memcpy(more, p0, sizeof more);
            memcpy(less, p0, sizeof less);
            more[a] += h;
            less[a] -= h;
            const double want = (weighed(step, xt, more, y) - weighed(step, xt, less, y)) / (2 * h);
            ck_assert_double_eq_tol(g[a], want, 1e-7 * (1.0 + fabs(want)));
        }
    }
    diffusion_posterior_destroy(step);
    diffusion_process_destroy(p);
}
END_TEST

Suite *posterior_suite(void)
{
    Suite *suite = suite_create("posterior");
    TCase *laws = tcase_create("laws"), *edges = tcase_create("edges");

    tcase_set_timeout(laws, 60);
    tcase_add_loop_test(laws, posterior_is_bayes_rule, 0, CASES);
    tcase_add_loop_test(laws, posterior_averages_to_the_marginal, 0, CASES);
    tcase_add_loop_test(laws, mix_is_the_average_of_posteriors, 0, CASES);
    tcase_add_loop_test(laws, eps_forms_follow_the_published_code, 0, CASES);
    tcase_add_loop_test(laws, draws_follow_the_posterior, 0, CASES);
    tcase_add_loop_test(laws, pull_is_the_derivative_of_the_average, 0, 4);
    tcase_set_timeout(edges, 60);
    tcase_add_test(edges, absorbing_steps);
    tcase_add_loop_test(edges, steps_to_zero_give_x0, 0, CASES);
    tcase_add_test(edges, impossible_pairs_are_defined);
    tcase_add_test_raise_signal(edges, unknown_states_stop, SIGABRT);
    tcase_add_test_raise_signal(edges, negative_eps_stops, SIGABRT);
    suite_add_tcase(suite, laws);
    suite_add_tcase(suite, edges);
    return suite;
}
