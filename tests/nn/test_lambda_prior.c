/* nn/lambda_prior.c against sums in long double, integrals and the chi-square test. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "nn/lambda_prior.h"
#include "tensor/base/memory.h"
#include "tests/tools/statistics.h"
#include "tests/tools/toy_prior.h"

static void fill(const ToyPrior *law, uint64_t seed, double spread)
{
    Rng rng = rng_root(seed);
    const LambdaPrior *p = law->prior;
    for (size_t k = 0; k < p->components; k++)
        p->log_weight->value.data[k] = (float)(rng_normal(&rng) * spread);
    for (size_t i = 0; i < p->components * p->lambda_dims; i++) {
        p->mean->value.data[i] = (float)rng_normal(&rng);
        p->log_deviation->value.data[i] = (float)(-1.0 + 0.5 * rng_normal(&rng));
    }
    for (size_t row = 0; p->lower != NULL && row < p->components * p->lambda_dims; row++) {
        float *at = p->lower->value.data + row * p->lambda_dims;
        for (size_t j = 0; j < p->lambda_dims; j++)
            at[j] =
                j < row % p->lambda_dims ? (float)(rng_normal(&rng) / (double)p->lambda_dims) : 0;
    }
}

enum { MOST = 64 };

/* C = A A^T of component k, (L, L). */
static void covariance(const LambdaPrior *p, size_t k, long double *c)
{
    const size_t L = p->lambda_dims;
    static long double a[MOST * MOST];
    for (size_t i = 0; i < L; i++)
        for (size_t j = 0; j < L; j++)
            a[i * L + j] = i == j ? expl((long double)p->log_deviation->value.data[k * L + i])
                           : p->lower != NULL ? p->lower->value.data[(k * L + i) * L + j]
                                              : 0;
    for (size_t i = 0; i < L; i++)
        for (size_t j = 0; j < L; j++) {
            c[i * L + j] = 0;
            for (size_t q = 0; q < L; q++)
                c[i * L + j] += a[i * L + q] * a[j * L + q];
        }
}

/* x C^{-1} x by elimination; *det the determinant.  c and x are used up. */
static long double quadratic(long double *c, long double *x, size_t L, long double *det)
{
    long double sum = 0;
    *det = 1;
    for (size_t i = 0; i < L; i++) { /* C is positive: no pivoting */
        *det *= c[i * L + i];
        sum += x[i] * x[i] / c[i * L + i];
        for (size_t r = i + 1; r < L; r++) {
            const long double part = c[r * L + i] / c[i * L + i];
            for (size_t j = i; j < L; j++)
                c[r * L + j] -= part * c[i * L + j];
            x[r] -= part * x[i];
        }
    }
    return sum;
}

/* As the formula says. */
static long double naive(const LambdaPrior *p, const double *z)
{
    long double total = 0, weights = 0;
    const size_t L = p->lambda_dims;
    for (size_t k = 0; k < p->components; k++) {
        static long double c[MOST * MOST], off[MOST];
        const long double w = expl((long double)p->log_weight->value.data[k]);
        long double det;
        covariance(p, k, c);
        for (size_t i = 0; i < L; i++)
            off[i] = (long double)z[i] - p->mean->value.data[k * L + i];
        const long double squares = quadratic(c, off, L, &det);
        weights += w;
        total += w * expl(-0.5L * squares) / sqrtl(det * powl(2 * acosl(-1.0L), (long double)L));
    }
    return logl(total / weights);
}

START_TEST(zeros_are_standard_normal)
{
    ToyPrior law = toy_prior(7, 3, (PriorCovariance)_i);
    const double u[] = {0.93, 0.5, 0.1, 0.975}, log_2pi = log(2 * acos(-1.0));
    double z[3];
    nn_lambda_prior_of_uniforms(law.prior, u, z);
    for (size_t i = 0; i < 3; i++)
        ck_assert_double_eq(z[i], rng_normal_quantile(u[1 + i]));
    const double expected = -0.5 * (z[0] * z[0] + z[1] * z[1] + z[2] * z[2] + 3 * log_2pi);
    ck_assert_double_eq_tol(nn_lambda_prior_log_density(law.prior, z), expected, 1e-12);
    toy_prior_free(&law);
}
END_TEST

START_TEST(density_is_the_formula)
{
    static const struct {
        size_t K, L;
        double spread;
    } cases[] = {{1, 1, 0}, {5, 1, 1}, {40, 4, 2}, {200, 16, 1}, {3, MOST, 5}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        ToyPrior law = toy_prior(cases[c].K, cases[c].L, (PriorCovariance)_i);
        Rng rng = rng_root(c);
        fill(&law, 10 + c, cases[c].spread);
        for (size_t n = 0; n < 50; n++) {
            double z[MOST];
            for (size_t i = 0; i < cases[c].L; i++)
                z[i] = 1.5 * rng_normal(&rng);
            const double expected = (double)naive(law.prior, z);
            const double found = nn_lambda_prior_log_density(law.prior, z);
            ck_assert_msg(fabs(found - expected) < 1e-9 * (1 + fabs(expected)), "%g, expected %g",
                          found, expected);
        }
        toy_prior_free(&law);
    }
}
END_TEST

/* Against differences; what is there is added to, times the weight. */
START_TEST(gradient_is_that_of_the_density)
{
    static const size_t sizes[][2] = {{1, 1}, {5, 3}, {40, 4}, {4, 20}};
    const double step = 1e-5, weight = -0.7;
    for (size_t c = 0; c < sizeof sizes / sizeof sizes[0]; c++) {
        const size_t L = sizes[c][1];
        ToyPrior law = toy_prior(sizes[c][0], L, (PriorCovariance)_i);
        Rng rng = rng_root(50 + c);
        fill(&law, 20 + c, 1);
        for (size_t n = 0; n < 20; n++) {
            double z[20];
            float found[20];
            for (size_t i = 0; i < L; i++) {
                z[i] = 1.5 * rng_normal(&rng);
                found[i] = (float)i;
            }
            const double log_p = nn_lambda_prior_gradient(law.prior, z, weight, found);
            ck_assert_double_eq(log_p, nn_lambda_prior_log_density(law.prior, z));
            for (size_t i = 0; i < L; i++) {
                const double kept = z[i];
                z[i] = kept + step;
                const double above = nn_lambda_prior_log_density(law.prior, z);
                z[i] = kept - step;
                const double below = nn_lambda_prior_log_density(law.prior, z);
                z[i] = kept;
                const double slope = (above - below) / (2 * step);
                ck_assert_double_eq_tol(((double)found[i] - (double)i) / weight, slope,
                                        1e-4 * (1 + fabs(slope)));
            }
        }
        toy_prior_free(&law);
    }
}
END_TEST

/* Far away nothing underflows, and weights may all be huge. */
START_TEST(density_holds_far_out)
{
    ToyPrior law = toy_prior(3, 2, (PriorCovariance)_i);
    fill(&law, 4, 1);
    const double near[] = {0.2, -0.1}, far[] = {1e4, -1e4};
    const double before = nn_lambda_prior_log_density(law.prior, near);
    for (size_t k = 0; k < 3; k++)
        law.prior->log_weight->value.data[k] += 1024.0f;
    ck_assert_double_eq_tol(nn_lambda_prior_log_density(law.prior, near), before, 1e-3);
    const double there = nn_lambda_prior_log_density(law.prior, far);
    ck_assert(isfinite(there) && there < -1e6);
    toy_prior_free(&law);
}
END_TEST

/* Cells between grid points, probabilities from integrals of the density; false alarm 1e-6 each. */
START_TEST(draws_follow_the_density)
{
    enum { CELLS = 60, STEPS = 200, DRAWS = 200000 };
    ToyPrior law = toy_prior(5, 2, PRIOR_DIAGONAL);
    fill(&law, 21, 1);
    for (size_t axis = 0; axis < 2; axis++) {
        size_t count[CELLS + 2] = {0};
        double p[CELLS + 2] = {0}, left = 1.0;
        const double low = -4, width = 8.0 / CELLS;
        Rng rng = rng_root(3 + axis);
        ToyPrior one = toy_prior(5, 1, PRIOR_DIAGONAL); /* the marginal law of the axis */
        memcpy(one.prior->log_weight->value.data, law.prior->log_weight->value.data,
               5 * sizeof(float));
        for (size_t k = 0; k < 5; k++) {
            one.prior->mean->value.data[k] = law.prior->mean->value.data[2 * k + axis];
            one.prior->log_deviation->value.data[k] =
                law.prior->log_deviation->value.data[2 * k + axis];
        }
        for (size_t c = 0; c < CELLS; c++)
            for (size_t s = 0; s < STEPS; s++) {
                const double z = low + width * ((double)c + ((double)s + 0.5) / STEPS);
                p[1 + c] += exp(nn_lambda_prior_log_density(one.prior, &z)) * width / STEPS;
            }
        for (size_t c = 0; c < CELLS; c++)
            left -= p[1 + c];
        ck_assert_double_ge(left, -1e-4); /* it is a density */
        ck_assert_double_le(left, 0.02);
        p[0] = p[CELLS + 1] = left > 0 ? left / 2 : 0;
        size_t outside = 0;
        for (size_t n = 0; n < DRAWS; n++) {
            double u[3], z[2];
            for (size_t i = 0; i < 3; i++)
                u[i] = rng_uniform(&rng);
            nn_lambda_prior_of_uniforms(law.prior, u, z);
            const double at = (z[axis] - low) / width;
            if (at >= 0 && at < CELLS)
                count[1 + (size_t)at]++;
            else
                outside++;
        }
        count[0] = outside;
        p[0] = left > 0 ? left : 0;
        ck_assert_msg(statistics_fit(count, p, CELLS + 1), "axis %zu", axis);
        toy_prior_free(&one);
    }
    toy_prior_free(&law);
}
END_TEST

/* Both coordinates come from one component, and lean as it does: cells of the plane. */
START_TEST(coordinates_share_their_component)
{
    enum { SIDE = 12, FINE = 24, DRAWS = 200000, CELLS = SIDE * SIDE + 1 };
    ToyPrior law = toy_prior(3, 2, (PriorCovariance)_i);
    size_t count[CELLS] = {0};
    double p[CELLS] = {0}, left = 1.0;
    const double low = -3, width = 6.0 / SIDE;
    Rng rng = rng_root(8);
    fill(&law, 31, 1);
    for (size_t c = 0; c < SIDE * SIDE; c++) {
        for (size_t i = 0; i < FINE * FINE; i++) {
            const size_t row = c / SIDE, inner = i / FINE;
            const double z[] = {low + width * ((double)row + ((double)inner + 0.5) / FINE),
                                low + width *
                                          ((double)(c % SIDE) + ((double)(i % FINE) + 0.5) / FINE)};
            p[c] += exp(nn_lambda_prior_log_density(law.prior, z)) * width * width / (FINE * FINE);
        }
        left -= p[c];
    }
    p[CELLS - 1] = left > 0 ? left : 0;
    for (size_t n = 0; n < DRAWS; n++) {
        double u[3], z[2];
        for (size_t i = 0; i < 3; i++)
            u[i] = rng_uniform(&rng);
        nn_lambda_prior_of_uniforms(law.prior, u, z);
        const double a = (z[0] - low) / width, b = (z[1] - low) / width;
        const bool inside = a >= 0 && a < SIDE && b >= 0 && b < SIDE;
        count[inside ? (size_t)a * SIDE + (size_t)b : CELLS - 1]++;
    }
    ck_assert(statistics_fit(count, p, CELLS));
    toy_prior_free(&law);
}
END_TEST

/* The last entry of each parameter, at its limit and beyond; the sentence names it. */
START_TEST(check_names_what_is_beyond)
{
    ToyPrior law = toy_prior(2, 3, PRIOR_FULL);
    const struct {
        const Param *p;
        float most;
        size_t back; /* from the end */
    } rows[] = {{law.prior->log_weight, 1e6f, 1},
                {law.prior->mean, 1e6f, 1},
                {law.prior->log_deviation, 20.0f, 1},
                {law.prior->lower, 1e6f, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const float beyond[] = {nextafterf(rows[i].most, HUGE_VALF),
                                -nextafterf(rows[i].most, HUGE_VALF), NAN, -HUGE_VALF};
        float *last = rows[i].p->value.data + tensor_size(&rows[i].p->value) - rows[i].back;
        Error err = {""};
        *last = -rows[i].most;
        ck_assert_msg(nn_lambda_prior_check(law.prior, &err), "%s", err.text);
        for (size_t k = 0; k < sizeof beyond / sizeof *beyond; k++) {
            *last = beyond[k];
            ck_assert(!nn_lambda_prior_check(law.prior, &err));
            ck_assert_ptr_nonnull(strstr(err.text, rows[i].p->name));
        }
        *last = 0.0f;
    }
    toy_prior_free(&law);
}
END_TEST

START_TEST(check_names_what_is_not_below)
{
    static const size_t at[] = {0, 1, 2, 4, 5, 8, 17}; /* of 2 x 3 x 3 */
    ToyPrior law = toy_prior(2, 3, PRIOR_FULL);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        char expected[80];
        Error err = {""};
        law.prior->lower->value.data[at[i]] = 0.5f;
        ck_assert(!nn_lambda_prior_check(law.prior, &err));
        snprintf(expected, sizeof expected, "prior.lower: entry (%zu, %zu, %zu) is 0.5", at[i] / 9,
                 at[i] / 3 % 3, at[i] % 3);
        ck_assert_msg(strstr(err.text, expected) != NULL, "%s", err.text);
        law.prior->lower->value.data[at[i]] = 0.0f;
    }
    toy_prior_free(&law);
}
END_TEST

START_TEST(too_many_numbers)
{
    ParamSet set;
    memset(&set, 0, sizeof set);
    nn_lambda_prior_add(&set, 4096, 4096, PRIOR_FULL);
}
END_TEST

START_TEST(no_components)
{
    ParamSet set;
    memset(&set, 0, sizeof set);
    nn_lambda_prior_add(&set, 0, 2, PRIOR_DIAGONAL);
}
END_TEST

Suite *lambda_prior_suite(void)
{
    Suite *s = suite_create("lambda_prior");
    TCase *tc = tcase_create("lambda_prior");
    tcase_add_loop_test(tc, zeros_are_standard_normal, 0, 2); /* PriorCovariance */
    tcase_add_loop_test(tc, density_is_the_formula, 0, 2);
    tcase_add_loop_test(tc, gradient_is_that_of_the_density, 0, 2); /* PriorCovariance */
    tcase_add_loop_test(tc, density_holds_far_out, 0, 2);           /* PriorCovariance */
    tcase_add_test(tc, draws_follow_the_density);
    tcase_add_loop_test(tc, coordinates_share_their_component, 0, 2); /* PriorCovariance */
    tcase_add_test(tc, check_names_what_is_beyond);
    tcase_add_test(tc, check_names_what_is_not_below);
    tcase_add_test_raise_signal(tc, no_components, SIGABRT);
    tcase_add_test_raise_signal(tc, too_many_numbers, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
