/* Forward processes against their definitions, transition matrices against a naive exponential,
 * draws against the matrices. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "diffusion/process/process.h"
#include "diffusion/process/transition.h"
#include "tensor/base/memory.h"
#include "tests/tools/mild_process.h"
#include "tests/tools/process_cases.h"
#include "tests/tools/slow.h"
#include "tests/tools/statistics.h"

static void assert_near(double got, double expected, double relative)
{
    ck_assert_msg(fabs(got - expected) <= relative * fabs(expected), "%.17g, expected %.17g", got,
                  expected);
}

/* ---- rates and generators ---- */

START_TEST(names_go_both_ways)
{
    for (size_t i = 0; i < diffusion_process_count(); i++) {
        const ProcessClass *class = diffusion_process_class(i);
        ck_assert_ptr_eq(diffusion_process_find(class->name), class);
        ck_assert_ptr_eq(diffusion_process_defaults(class->name, 4).class, class);
    }
    ck_assert_ptr_null(diffusion_process_find("Gaussian"));
    ck_assert_ptr_null(diffusion_process_find(""));
}
END_TEST

START_TEST(settings_are_the_classes_own)
{
    ProcessConfig c = diffusion_process_defaults("gaussian", 8);
    ck_assert(diffusion_process_set(&c, "Q_sigma", 3.0) && c.own[1] == 3.0);
    ck_assert(diffusion_process_choose(&c, "rate_sigma", "2.5") && c.own[0] == 2.5);
    ck_assert(!diffusion_process_set(&c, "sigma_max", 3.0));
    ck_assert(!diffusion_process_choose(&c, "schedule", "linear"));
    c = diffusion_process_defaults("absorbing", 8);
    ck_assert(diffusion_process_choose(&c, "schedule", "cosine") && c.own[0] == 2.0);
}
END_TEST

START_TEST(rate_is_the_derivative_of_the_integral)
{
    for (size_t k = 0; k < PROCESS_CASES; k++) {
        Process *p = process_case(k, 5);
        for (int i = 1; i < 10; i++) {
            double t = 0.1 * i, h = 1e-5;
            double slope = diffusion_process_integral(p, t - h, t + h) / (2.0 * h);
            assert_near(diffusion_process_rate(p, t), slope, 1e-7);
            assert_near(diffusion_process_integral(p, 0.0, t) +
                            diffusion_process_integral(p, t, 0.95),
                        diffusion_process_integral(p, 0.0, 0.95), 1e-13);
            ck_assert_double_eq(diffusion_process_integral(p, t, t), 0.0);
        }
        diffusion_process_destroy(p);
    }
}
END_TEST

START_TEST(integrals_have_their_published_values)
{
    ProcessConfig c = diffusion_process_defaults("gaussian", 16);
    Process *p = diffusion_process_create(&c, NULL);
    assert_near(diffusion_process_integral(p, 0.0, 1.0), 297.0, 1e-14);
    assert_near(diffusion_process_integral(p, 0.5, 1.0), 270.0, 1e-14);
    diffusion_process_destroy(p);
    c = diffusion_process_defaults("birthdeath", 16);
    p = diffusion_process_create(&c, NULL);
    assert_near(diffusion_process_integral(p, 0.0, 1.0), 4999.5, 1e-14);
    diffusion_process_destroy(p);
    c = diffusion_process_defaults("absorbing", 16);
    p = diffusion_process_create(&c, NULL);
    assert_near(diffusion_process_integral(p, 0.0, 1.0), -log(1e-3), 1e-14);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(generators_are_generators)
{
    static const size_t sizes[] = {2, 3, 7, 16, 33};

    for (size_t k = 0; k < PROCESS_CASES; k++)
        for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
            size_t S = sizes[n];
            Process *p = process_case(k, S);
            double end = 0.0, prior = 0.0;
            for (size_t i = 0; i < S; i++) {
                double row = 0.0, into = 0.0;
                end += p->end[i];
                prior += p->prior[i];
                for (size_t j = 0; j < S; j++) {
                    double forth = diffusion_process_jump(p, i, j);
                    ck_assert(i == j ? forth <= 0.0 : forth >= 0.0);
                    row += forth;
                    into += p->end[j] * diffusion_process_jump(p, j, i);
                    if (p->reversible && i != j)
                        assert_near(p->end[i] * forth, p->end[j] * diffusion_process_jump(p, j, i),
                                    1e-12);
                }
                ck_assert_double_le(fabs(row), 1e-13 * (double)S);
                ck_assert_double_le(fabs(into), 1e-14 * (double)S);
            }
            assert_near(end, 1.0, 1e-14);
            assert_near(prior, 1.0, 1e-14);
            ck_assert_int_eq(p->mask, p->class->has_mask ? (int)S - 1 : -1);
            diffusion_process_destroy(p);
        }
}
END_TEST

/* The published code centres the prior at floor(S/2), the rates' end state at S/2. */
START_TEST(gaussian_prior_of_odd_sizes)
{
    ProcessConfig config = diffusion_process_defaults("gaussian", 5);
    Error err;
    diffusion_process_set(&config, "Q_sigma", 2.0);
    config.any_start = true; /* the two laws are apart, which is what is looked at */
    Process *p = diffusion_process_create(&config, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    assert_near(p->prior[0] / p->prior[1], exp(-1.0 / 8.0), 1e-14); /* centre at the second */
    assert_near(p->prior[2] / p->prior[1], exp(-1.0 / 8.0), 1e-14);
    assert_near(p->end[1] / p->end[2], 1.0, 1e-14); /* centre between second and third */
    diffusion_process_destroy(p);
}
END_TEST

/* The Gaussian's rates in the order of the published definition: first the jumps to the middle,
 * with halves of S rounded down, then every remaining pair by detailed balance. */
START_TEST(gaussian_rates_follow_their_definition)
{
    static const size_t sizes[] = {2, 5, 8, 16};

    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        size_t S = sizes[n];
        Process *p = process_case(6, S);
        double R[16][16], rs = p->config.own[0], qs = p->config.own[1];
        for (size_t i = 0; i < S; i++)
            for (size_t j = 0; j < S; j++)
                R[i][j] = -1.0;
        for (size_t i = 0; i < S; i++) {
            for (size_t j = i + 1; i < S / 2 && j < S - i; j++)
                R[i][j] = exp(-pow((double)(j - i - 1) / rs, 2.0));
            for (size_t j = S - i; i > S / 2 && j < i; j++)
                R[i][j] = exp(-pow((double)(i - j - 1) / rs, 2.0));
        }
        for (size_t i = 0; i < S; i++)
            for (size_t j = 0; j < S; j++) {
                if (i == j)
                    continue;
                double a = (double)(i + 1) - 0.5 * (double)S, b = (double)(j + 1) - 0.5 * (double)S;
                double ratio = exp((a * a - b * b) / (2.0 * qs * qs)); /* pi_j/pi_i */
                ck_assert(R[i][j] >= 0.0 || R[j][i] >= 0.0);
                double rate = R[i][j] >= 0.0 ? R[i][j] : R[j][i] * ratio;
                assert_near(diffusion_process_jump(p, i, j), rate, 1e-13);
            }
        diffusion_process_destroy(p);
    }
}
END_TEST

START_TEST(absorbing_survival)
{
    Process *p = process_case(2, 4); /* alpha = 1 - t */
    ck_assert_double_eq(diffusion_process_survival(p, 0.0, 1.0), 0.0);
    ck_assert_double_eq(diffusion_process_survival(p, 0.5, 1.0), 0.0);
    ck_assert_double_eq(diffusion_process_survival(p, 1.0, 1.0), 1.0);
    assert_near(diffusion_process_survival(p, 0.5, 0.75), 0.5, 1e-15);
    ck_assert_double_gt(diffusion_process_integral(p, 0.0, 1.0), DBL_MAX);
    assert_near(diffusion_process_integral(p, 0.5, 0.75), log(2.0), 1e-15);
    diffusion_process_destroy(p);
    p = process_case(4, 4); /* cosine */
    for (int i = 0; i < 10; i++) {
        double t = 0.1 * i;
        assert_near(diffusion_process_survival(p, 0.0, t), 1.0 - sin(0.5 * acos(-1.0) * t), 1e-14);
    }
    ck_assert_double_eq(diffusion_process_survival(p, 0.0, 1.0), 0.0);
    diffusion_process_destroy(p);
    p = process_case(3, 4); /* linear */
    assert_near(diffusion_process_survival(p, 0.2, 0.6), exp(-5.0 * 0.4), 1e-14);
    diffusion_process_destroy(p);
}
END_TEST

/* Short times: 1 - alpha(t)/alpha(s) = beta(s) h to first order, with all its digits. */
START_TEST(small_losses_keep_their_digits)
{
    for (size_t k = 1; k <= 4; k++) {
        Process *p = process_case(k, 3);
        double h = ldexp(1.0, -40);
        Transition *tr = diffusion_transition_create(p, 0.5, 0.5 + h, TRANSITION_SPECTRAL);
        assert_near(diffusion_transition_at(tr, 0, 2), diffusion_process_rate(p, 0.5) * h, 1e-10);
        diffusion_transition_destroy(tr);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* Closed forms hold no matrix: the vocabulary of a text fits. */
START_TEST(fifty_thousand_states_fit)
{
    static const char *const names[] = {"uniform", "absorbing"};
    enum { STATES = 50000 };
    for (int k = 0; k < 2; k++) {
        Error err = {""};
        ProcessConfig c = diffusion_process_defaults(names[k], STATES);
        diffusion_process_set(&c, "rate_const", 10.0 / STATES);
        const size_t before = mem_in_use();
        Process *p = diffusion_process_create(&c, &err);
        ck_assert_msg(p != NULL, "%s", err.text);
        Transition *tr = diffusion_transition_create(p, 0.0, 0.5, TRANSITION_ACCURATE);
        ck_assert_uint_lt(mem_in_use() - before, 4 << 20);
        double sum = 0.0;
        for (size_t j = 0; j < STATES; j++)
            sum += diffusion_transition_at(tr, 7, j);
        ck_assert_double_eq_tol(sum, 1.0, 1e-12);
        ck_assert_double_lt(diffusion_process_distance(p, 1.0), 0.05);
        diffusion_transition_destroy(tr);
        diffusion_process_destroy(p);
    }
}
END_TEST

static void create_or_not(const ProcessConfig *c, const char *part)
{
    Error err = {""};
    Process *p = diffusion_process_create(c, &err);
    ck_assert_msg((p != NULL) == (part == NULL), "%s", err.text);
    ck_assert_msg(part == NULL || strstr(err.text, part) != NULL, "%s", err.text);
    diffusion_process_destroy(p);
}

/* Up to the last value that is possible. */
START_TEST(limits_are_where_they_are_said)
{
    ProcessConfig c = diffusion_process_defaults("absorbing", 65535);
    create_or_not(&c, NULL);
    c.states = 65536;
    create_or_not(&c, "65536 states, expected 2 to 65535 (the mask counts)");
    c = diffusion_process_defaults("birthdeath", 2); /* one jump as long as B grows by 1 */
    c.beta = SCHEDULE_CONSTANT;
    c.beta_scale = 1e12;
    create_or_not(&c, NULL);
    c.beta_scale = 1.001e12;
    create_or_not(&c, "1.001e+12 jumps between t = 0 and 1, expected at most 1e12");
    c = diffusion_process_defaults("birthdeath", 16);
    diffusion_process_set(&c, "sigma_min", 100);
    create_or_not(&c, "sigma_max = 100, expected more than sigma_min = 100");
}
END_TEST

START_TEST(impossible_values_are_named)
{
    static const struct {
        const char *kind, *setting;
        double value;
        const char *part;
    } bad[] = {
        {"uniform", "rate_const", 0.0, "rate_const"},
        {"uniform", "rate_const", HUGE_VAL, "rate_const"},
        {"uniform", "rate_const", -1.0, "rate_const"},
        {"absorbing", "eps", 1.0, "eps"},
        {"absorbing", "eps", -1e-9, "eps"},
        {"birthdeath", "sigma_max", 1.0, "sigma_max"},
        {"birthdeath", "sigma_min", 0.0, "sigma_min"},
        {"birthdeath", "sigma_max", 1e9, "1e12"},
        {"gaussian", "rate_sigma", 0.0, "rate_sigma"},
        {"gaussian", "Q_sigma", -2.0, "Q_sigma"},
        {"gaussian", "Q_sigma", 0.1, "Q_sigma"},
        {"gaussian", "time_exponential", 1.0, "time_exponential"},
        {"gaussian", "time_base", 0.0, "time_base"},
    };
    Error err;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int nan = 0; nan < 2; nan++) {
            ProcessConfig c = diffusion_process_defaults(bad[i].kind, 16);
            double value = nan ? HUGE_VAL - HUGE_VAL : bad[i].value;
            if (!diffusion_process_set(&c, bad[i].setting, value))
                c.eps = value;
            ck_assert(diffusion_process_create(&c, &err) == NULL);
            ck_assert_msg(nan || strstr(err.text, bad[i].part) != NULL, "%s", err.text);
        }
    for (size_t S = 0; S < 2; S++)
        for (size_t k = 0; k < PROCESS_CASES; k++) {
            ProcessConfig c = process_case_config(k, S);
            ck_assert(diffusion_process_create(&c, &err) == NULL);
            ck_assert(strstr(err.text, "states") != NULL);
        }
    ProcessConfig c = diffusion_process_defaults("absorbing", 3);
    diffusion_process_set(&c, "schedule", 7.0);
    ck_assert(diffusion_process_create(&c, &err) == NULL);
    ck_assert(strstr(err.text, "schedule") != NULL);
}
END_TEST

/* ---- transition matrices ---- */

typedef long double Wide;

static void naive_product(Wide *c, const Wide *a, const Wide *b, size_t S)
{
    for (size_t i = 0; i < S; i++)
        for (size_t j = 0; j < S; j++) {
            c[i * S + j] = 0;
            for (size_t k = 0; k < S; k++)
                c[i * S + j] += a[i * S + k] * b[k * S + j];
        }
}

/* out = e^(-c) exp(A + c I), A = tau R, by a Taylor sum long enough for every path of S states and
 * squarings: no negative number occurs. */
static void naive_exponential(Wide *out, const double *base, double tau, size_t S)
{
    size_t n = S * S;
    Wide *a = mem_alloc(3 * n, sizeof *a), *term = a + n, *next = term + n, c = 0;
    int halvings = 0;

    for (size_t i = 0; i < S; i++)
        c = -base[i * S + i] * tau > c ? -base[i * S + i] * tau : c;
    while (ldexp(1.0, halvings) < c)
        halvings++;
    for (size_t i = 0; i < n; i++) {
        Wide diagonal = i % (S + 1) == 0 ? 1 : 0;
        a[i] = (base[i] * (Wide)tau + diagonal * c) / ldexp(1.0, halvings);
        term[i] = out[i] = diagonal;
    }
    for (size_t k = 1; k < S + 30; k++) {
        naive_product(next, term, a, S);
        for (size_t i = 0; i < n; i++)
            out[i] += term[i] = next[i] / k;
    }
    for (int h = 0; h <= halvings; h++) {
        if (h > 0) {
            naive_product(next, out, out, S);
            memcpy(out, next, n * sizeof *out);
        }
        for (size_t i = 0; i < S; i++) {
            Wide sum = 0;
            for (size_t j = 0; j < S; j++)
                sum += out[i * S + j];
            for (size_t j = 0; j < S; j++)
                out[i * S + j] /= sum;
        }
    }
    mem_free(a);
}

static void compare_with_naive(const Process *p, double s, double t)
{
    size_t S = p->states;
    Wide *naive = mem_alloc(S * S, sizeof *naive);
    Transition *fast = diffusion_transition_create(p, s, t, TRANSITION_SPECTRAL);
    Transition *accurate = diffusion_transition_create(p, s, t, TRANSITION_ACCURATE);

    double *R = generator_of(p);
    naive_exponential(naive, R, diffusion_process_integral(p, s, t), S);
    mem_free(R);
    for (size_t i = 0; i < S; i++) {
        double sums[2] = {0.0, 0.0};
        for (size_t j = 0; j < S; j++) {
            double exact = (double)naive[i * S + j],
                   found = diffusion_transition_at(accurate, i, j);
            sums[0] += diffusion_transition_at(fast, i, j);
            sums[1] += found;
            ck_assert_double_ge(diffusion_transition_at(fast, i, j), 0.0);
            ck_assert_double_le(fabs(diffusion_transition_at(fast, i, j) - exact), 3e-14);
            if (exact > 1e-280)
                assert_near(found, exact, 5e-13);
        }
        ck_assert_double_le(fabs(sums[0] - 1.0), 1e-12);
        ck_assert_double_le(fabs(sums[1] - 1.0), 1e-12);
    }
    diffusion_transition_destroy(fast);
    diffusion_transition_destroy(accurate);
    mem_free(naive);
}

START_TEST(transitions_equal_the_exponential)
{
    static const size_t sizes[] = {2, 3, 16, 33};
    static const double times[][2] = {{0, 0.001}, {0, 0.01}, {0, 0.3}, {0.3, 0.301}, {0.4, 0.99}};

    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
        for (size_t i = 0; i<sizeof times / sizeof *times; i += sizes[n]> 16 ? 2 : 1) {
            Process *p = process_case((size_t)_i, sizes[n]);
            compare_with_naive(p, times[i][0], times[i][1]);
            diffusion_process_destroy(p);
        }
}
END_TEST

/* P[s->u] P[u->t] = P[s->t], pi_i P[i][j] = pi_j P[j][i], pi P = pi, relative to each entry. */
static void check_laws(const Process *p, double s, double u, double t)
{
    size_t S = p->states;
    Transition *first = diffusion_transition_create(p, s, u, TRANSITION_ACCURATE);
    Transition *second = diffusion_transition_create(p, u, t, TRANSITION_ACCURATE);
    Transition *whole = diffusion_transition_create(p, s, t, TRANSITION_ACCURATE);
    Transition *product = diffusion_transition_create(p, 0.0, 0.0, TRANSITION_SPECTRAL);

    diffusion_transition_compose(product, first, second);
    for (size_t i = 0; i < S; i++) {
        double into = 0.0;
        for (size_t j = 0; j < S; j++) {
            double x = diffusion_transition_at(whole, i, j);
            into += p->end[j] * diffusion_transition_at(whole, j, i);
            if (x < 1e-280)
                continue;
            assert_near(diffusion_transition_at(product, i, j), x, 1e-12);
            if (p->reversible)
                assert_near(p->end[i] * x, p->end[j] * diffusion_transition_at(whole, j, i), 1e-12);
        }
        ck_assert_double_le(fabs(into - p->end[i]), 1e-13);
    }
    diffusion_transition_destroy(first);
    diffusion_transition_destroy(second);
    diffusion_transition_destroy(whole);
    diffusion_transition_destroy(product);
}

START_TEST(transitions_obey_their_laws)
{
    static const size_t sizes[] = {2, 3, 16, 64};

    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        Process *p = process_case((size_t)_i, sizes[n]);
        check_laws(p, 0.0, 0.02, 0.05);
        check_laws(p, 0.1, 0.5, 1.0);
        check_laws(p, 0.3, 0.3, 0.7);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* The paper's size and constants: both forms against each other. */
START_TEST(both_forms_agree_at_256_states)
{
    static const char *const kinds[2] = {"gaussian", "birthdeath"};

    for (size_t k = 0; k < 2; k++) {
        ProcessConfig c = diffusion_process_defaults(kinds[k], 256);
        Process *p = diffusion_process_create(&c, NULL);
        Transition *a = diffusion_transition_create(p, 0.0, 0.02, TRANSITION_ACCURATE);
        Transition *b = diffusion_transition_create(p, 0.0, 0.02, TRANSITION_SPECTRAL);
        for (int late = 0; late < 2; late++) {
            for (size_t i = 0; i < 256; i++) {
                double sum = 0.0;
                for (size_t j = 0; j < 256; j++) {
                    double x = diffusion_transition_at(a, i, j),
                           y = diffusion_transition_at(a, j, i);
                    ck_assert_double_le(fabs(x - diffusion_transition_at(b, i, j)), 3e-14);
                    if (x > 1e-280)
                        assert_near(p->end[i] * x, p->end[j] * y, 1e-12);
                    sum += diffusion_transition_at(b, i, j);
                }
                ck_assert_double_le(fabs(sum - 1.0), 1e-12);
            }
            diffusion_transition_set(a, 0.0, 1.0, TRANSITION_ACCURATE);
            diffusion_transition_set(b, 0.0, 1.0, TRANSITION_SPECTRAL);
        }
        diffusion_transition_destroy(a);
        diffusion_transition_destroy(b);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* Every way to read a matrix, the flow P R, setting in place, and the identity for s = t. */
START_TEST(readers_agree)
{
    enum { S = 9 };
    Process *p = process_case((size_t)_i, S);
    Transition *tr = diffusion_transition_create(p, 0.9, 0.95, TRANSITION_ACCURATE);
    Transition *other = diffusion_transition_create(p, 0.1, 0.4, TRANSITION_SPECTRAL);
    double flow[S * S], row[S], column[S], keep = -1.0, leave = -1.0;

    diffusion_transition_set(tr, 0.1, 0.4, TRANSITION_SPECTRAL);
    diffusion_transition_flow(tr, flow);
    ck_assert_uint_eq(diffusion_transition_states(tr), S);
    ck_assert((diffusion_transition_dense(tr) == NULL) ==
              diffusion_transition_closed(tr, &keep, &leave));
    for (size_t i = 0; i < S; i++) {
        diffusion_transition_row(tr, i, row);
        diffusion_transition_column(tr, i, column);
        for (size_t j = 0; j < S; j++) {
            double x = diffusion_transition_at(tr, i, j), sum = 0.0;
            ck_assert_double_eq(x, row[j]);
            ck_assert_double_eq(x, diffusion_transition_at(other, i, j));
            ck_assert_double_eq(diffusion_transition_at(tr, j, i), column[j]);
            if (diffusion_transition_dense(tr) != NULL)
                ck_assert_double_eq(x, diffusion_transition_dense(tr)[i * S + j]);
            else
                ck_assert_double_eq(x, (i == j ? keep : 0.0) + leave * p->end[j]);
            for (size_t k = 0; k < S; k++)
                sum += row[k] * diffusion_process_jump(p, k, j);
            ck_assert_double_le(fabs(flow[i * S + j] - sum), 1e-13);
        }
    }
    diffusion_transition_set(tr, 0.4, 0.4, TRANSITION_SPECTRAL);
    for (size_t i = 0; i < (size_t)S * S; i++)
        ck_assert_double_eq(diffusion_transition_at(tr, i / S, i % S), i / S == i % S ? 1.0 : 0.0);
    diffusion_transition_destroy(tr);
    diffusion_transition_destroy(other);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- draws: each comparison raises a false alarm with probability 1e-6 ---- */

START_TEST(draws_follow_the_rows)
{
    enum { S = 7, N = 20000 };
    Process *p = process_case((size_t)_i, S);
    Transition *tr = diffusion_transition_create(p, 0.05, 0.3, TRANSITION_ACCURATE);
    Rng rng = rng_root(11);
    double row[S];

    for (size_t i = 0; i < S; i += 3) {
        size_t count[S] = {0};
        for (size_t n = 0; n < N; n++)
            count[diffusion_transition_draw(tr, i, &rng)]++;
        diffusion_transition_row(tr, i, row);
        ck_assert(statistics_fit(count, row, S));
    }
    size_t count[S] = {0};
    uint16_t x[N];
    diffusion_process_draw_prior(p, &rng, x, N);
    for (size_t n = 0; n < N; n++)
        count[x[n]]++;
    ck_assert(statistics_fit(count, p->prior, S));
    diffusion_transition_destroy(tr);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- the caller's mistakes ---- */

START_TEST(survival_without_a_mask_stops)
{
    diffusion_process_survival(process_case(0, 4), 0.0, 0.5);
}
END_TEST

START_TEST(times_in_the_wrong_order_stop)
{
    diffusion_transition_create(process_case(5, 4), 0.5, 0.4, TRANSITION_SPECTRAL);
}
END_TEST

Suite *process_suite(void)
{
    Suite *suite = suite_create("process");
    TCase *rates = tcase_create("rates"), *matrices = tcase_create("matrices");
    TCase *draws = tcase_create("draws"), *mistakes = tcase_create("mistakes");

    tcase_add_test(rates, names_go_both_ways);
    tcase_add_test(rates, settings_are_the_classes_own);
    tcase_add_test(rates, rate_is_the_derivative_of_the_integral);
    tcase_add_test(rates, integrals_have_their_published_values);
    tcase_add_test(rates, generators_are_generators);
    tcase_add_test(rates, gaussian_prior_of_odd_sizes);
    tcase_add_test(rates, gaussian_rates_follow_their_definition);
    tcase_add_test(rates, absorbing_survival);
    tcase_add_test(rates, small_losses_keep_their_digits);
    tcase_add_test(rates, impossible_values_are_named);
    tcase_add_test(rates, limits_are_where_they_are_said);
    tcase_add_test(rates, fifty_thousand_states_fit);
    tcase_set_timeout(matrices, 120);
    tcase_add_loop_test(matrices, transitions_equal_the_exponential, 0, PROCESS_CASES);
    tcase_add_loop_test(matrices, transitions_obey_their_laws, 0, PROCESS_CASES);
    tcase_add_loop_test(matrices, readers_agree, 0, PROCESS_CASES);
    tcase_set_timeout(draws, 60);
    tcase_add_loop_test(draws, draws_follow_the_rows, 0, PROCESS_CASES);
    tcase_add_test_raise_signal(mistakes, survival_without_a_mask_stops, SIGABRT);
    tcase_add_test_raise_signal(mistakes, times_in_the_wrong_order_stop, SIGABRT);
    suite_add_tcase(suite, rates);
    suite_add_tcase(suite, matrices);
    suite_add_tcase(suite, draws);
    suite_add_tcase(suite, mistakes);
    TCase *slow = slow_case(suite, 120);
    tcase_add_test(slow, both_forms_agree_at_256_states);
    return suite;
}
