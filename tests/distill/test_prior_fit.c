/* distill/prior_fit.c: known mixtures are found again, the bound it raises, its bits. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "distill/prior_fit.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/tools/toy_prior.h"

enum { N = 20000 };

/* Three clusters in the plane: shares 1/2, 3/10, 1/5 at (-2, 0), (2, 1), (0, -3), deviations 0.2
 * and 0.5. */
static const double centres[3][2] = {{-2, 0}, {2, 1}, {0, -3}}, shares[3] = {0.5, 0.3, 0.2};

static double *clusters(void)
{
    double *z = mem_alloc((size_t)2 * N, sizeof *z);
    Rng rng = rng_root(5);
    for (size_t n = 0; n < N; n++) {
        const double u = rng_uniform(&rng);
        const size_t k = u < 0.5 ? 0 : u < 0.8 ? 1 : 2;
        z[2 * n] = centres[k][0] + 0.2 * rng_normal(&rng);
        z[2 * n + 1] = centres[k][1] + 0.5 * rng_normal(&rng);
    }
    return z;
}

static double mean_log_density(const LambdaPrior *p, const double *z)
{
    double sum = 0;
    for (size_t n = 0; n < N; n++)
        sum += nn_lambda_prior_log_density(p, z + n * p->lambda_dims);
    return sum / N;
}

/* With more components than clusters, those near a cluster together have its share, mean and
 * spread. */
START_TEST(clusters_are_found)
{
    double *z = clusters();
    for (size_t K = 12; K <= 48; K *= 2) {
        ToyPrior law = toy_prior(K, 2, PRIOR_DIAGONAL);
        const LambdaPrior *p = law.prior;
        prior_fit(p, z, N, rng_root(7));
        double total = 0, share[3] = {0}, mean[3][2] = {{0}};
        for (size_t k = 0; k < K; k++)
            total += exp((double)p->log_weight->value.data[k]);
        ck_assert_double_eq_tol(total, 1.0, 1e-5);
        for (size_t k = 0; k < K; k++) {
            const double w = exp((double)p->log_weight->value.data[k]);
            const float *m = p->mean->value.data + 2 * k;
            size_t best = 0;
            for (size_t c = 1; c < 3; c++)
                if (hypot(m[0] - centres[c][0], m[1] - centres[c][1]) <
                    hypot(m[0] - centres[best][0], m[1] - centres[best][1]))
                    best = c;
            share[best] += w;
            mean[best][0] += w * m[0];
            mean[best][1] += w * m[1];
        }
        for (size_t c = 0; c < 3; c++) {
            ck_assert_double_eq_tol(share[c], shares[c], 0.02);
            ck_assert_double_eq_tol(mean[c][0] / share[c], centres[c][0], 0.03);
            ck_assert_double_eq_tol(mean[c][1] / share[c], centres[c][1], 0.05);
        }
        toy_prior_free(&law);
    }
    mem_free(z);
}
END_TEST

/* What is returned is the mean of log p under what is written; one component is the normal law with
 * the draws' moments; more are better, and close to the true law's entropy. */
START_TEST(more_components_fit_better)
{
    double *z = clusters(), before = -HUGE_VAL;
    for (size_t K = 1; K <= 16; K *= 4) {
        ToyPrior law = toy_prior(K, 2, PRIOR_DIAGONAL);
        const double found = prior_fit(law.prior, z, N, rng_root(1));
        ck_assert_double_eq_tol(found, mean_log_density(law.prior, z), 1e-3);
        ck_assert_double_gt(found, before + 0.1 * (K == 4));
        ck_assert_double_gt(found, before - 0.01);
        if (K == 1) {
            double m[2] = {0};
            for (size_t n = 0; n < (size_t)2 * N; n++)
                m[n % 2] += z[n] / N;
            ck_assert_double_eq_tol((double)law.prior->mean->value.data[0], m[0], 1e-5);
            ck_assert_double_eq_tol((double)law.prior->mean->value.data[1], m[1], 1e-5);
        }
        before = found;
        toy_prior_free(&law);
    }
    double entropy = 0;
    for (size_t c = 0; c < 3; c++)
        entropy -= shares[c] * (log(shares[c]) - 1.0 - log(2 * acos(-1.0)) - log(0.2 * 0.5));
    ck_assert_double_gt(before, -entropy - 0.05);
    mem_free(z);
}
END_TEST

/* ---- the same rounds written out: few draws, so that where they begin is seen at the end ---- */

enum { DRAWS = 40, WIDTH = 2, PARTS = 3, COUNT = PARTS * WIDTH };

typedef struct Mixture {
    double log_weight[PARTS], mean[COUNT], deviation[COUNT];
} Mixture;

/* Components at draws of a random order, as wide as all draws divided by the number along an axis.
 */
static Mixture begin(const double *z, Rng rng)
{
    Mixture m;
    uint32_t order[DRAWS];
    rng_permutation(&rng, order, DRAWS);
    for (size_t at = 0; at < COUNT; at++) {
        const size_t k = at / WIDTH, i = at % WIDTH;
        double mean = 0, square = 0;
        for (size_t n = 0; n < DRAWS; n++)
            mean += z[n * WIDTH + i] / DRAWS;
        for (size_t n = 0; n < DRAWS; n++)
            square += pow(z[n * WIDTH + i] - mean, 2) / DRAWS;
        m.log_weight[k] = -log(PARTS);
        m.mean[at] = z[(size_t)order[k] * WIDTH + i];
        m.deviation[at] = sqrt(square) * pow(PARTS, -1.0 / WIDTH);
    }
    return m;
}

/* The mean log density under m, which becomes the next mixture. */
static double advance(Mixture *m, const double *z)
{
    double share[PARTS], mean[COUNT] = {0}, square[COUNT] = {0}, sum = 0;
    for (size_t k = 0; k < PARTS; k++)
        share[k] = 0;
    for (size_t n = 0; n < DRAWS; n++) {
        double p[PARTS], total = 0;
        for (size_t k = 0; k < PARTS; k++) {
            p[k] = exp(m->log_weight[k]);
            for (size_t i = 0; i < WIDTH; i++) {
                const double s = m->deviation[k * WIDTH + i];
                const double off = (z[n * WIDTH + i] - m->mean[k * WIDTH + i]) / s;
                p[k] *= exp(-0.5 * off * off) / (s * sqrt(2 * acos(-1.0)));
            }
            total += p[k];
        }
        sum += log(total) / DRAWS;
        for (size_t at = 0; at < COUNT; at++) {
            const double x = z[n * WIDTH + at % WIDTH], part = p[at / WIDTH] / total;
            share[at / WIDTH] += part / WIDTH;
            mean[at] += part * x;
            square[at] += part * x * x;
        }
    }
    for (size_t at = 0; at < COUNT; at++) {
        const double n = share[at / WIDTH];
        m->log_weight[at / WIDTH] = log((n + 1e-3) / (DRAWS + PARTS * 1e-3));
        m->mean[at] = mean[at] / n;
        m->deviation[at] = fmax(sqrt(square[at] / n - pow(mean[at] / n, 2)), 0.03);
    }
    return sum;
}

/* Rounds from where the fit begins until they bring nothing; returns the mean log density under *m.
 */
static double settle(Mixture *m, const double *z)
{
    Mixture next = *m;
    double before = -HUGE_VAL, now = advance(&next, z);
    for (int round = 1; round < 100 && now - before >= 1e-4; round++) {
        *m = next;
        before = now;
        now = advance(&next, z);
    }
    return now;
}

/* ---- and of full covariances in the plane ---- */

typedef struct Leaning {
    double log_weight[PARTS], mean[COUNT], a[PARTS], b[PARTS], c[PARTS]; /* ((a, b), (b, c)) */
} Leaning;

static Leaning upright(const Mixture *m)
{
    Leaning l;
    for (size_t k = 0; k < PARTS; k++) {
        l.log_weight[k] = m->log_weight[k];
        l.a[k] = pow(m->deviation[k * WIDTH], 2);
        l.b[k] = 0;
        l.c[k] = pow(m->deviation[k * WIDTH + 1], 2);
    }
    memcpy(l.mean, m->mean, sizeof l.mean);
    return l;
}

/* The mean log density under l, which becomes the next mixture. */
static double lean(Leaning *l, const double *z)
{
    double part[DRAWS][PARTS], sum = 0;
    for (size_t n = 0; n < DRAWS; n++) {
        double total = 0;
        for (size_t k = 0; k < PARTS; k++) {
            const double x = z[2 * n] - l->mean[2 * k], y = z[2 * n + 1] - l->mean[2 * k + 1];
            const double det = l->a[k] * l->c[k] - l->b[k] * l->b[k];
            const double squares = (l->c[k] * x * x - 2 * l->b[k] * x * y + l->a[k] * y * y) / det;
            part[n][k] = exp(l->log_weight[k] - 0.5 * squares) / (2 * acos(-1.0) * sqrt(det));
            total += part[n][k];
        }
        for (size_t k = 0; k < PARTS; k++)
            part[n][k] /= total;
        sum += log(total) / DRAWS;
    }
    for (size_t k = 0; k < PARTS; k++) {
        double n_k = 0, x = 0, y = 0, a = 0, b = 0, c = 0;
        for (size_t n = 0; n < DRAWS; n++) {
            n_k += part[n][k];
            x += part[n][k] * z[2 * n];
            y += part[n][k] * z[2 * n + 1];
        }
        x /= n_k;
        y /= n_k;
        for (size_t n = 0; n < DRAWS; n++) {
            a += part[n][k] * pow(z[2 * n] - x, 2) / n_k;
            b += part[n][k] * (z[2 * n] - x) * (z[2 * n + 1] - y) / n_k;
            c += part[n][k] * pow(z[2 * n + 1] - y, 2) / n_k;
        }
        l->log_weight[k] = log((n_k + 1e-3) / (DRAWS + PARTS * 1e-3));
        l->mean[2 * k] = x;
        l->mean[2 * k + 1] = y;
        l->a[k] = a;
        l->b[k] = b * n_k / (n_k + WIDTH);
        l->c[k] = c;
    }
    return sum;
}

static void expect_leaning(const LambdaPrior *p, const Leaning *l)
{
    for (size_t k = 0; k < PARTS; k++) {
        const double a = sqrt(l->a[k]), b = l->b[k] / a;
        const float *lower = p->lower->value.data + 4 * k;
        ck_assert_double_eq_tol((double)p->log_weight->value.data[k], l->log_weight[k], 1e-5);
        ck_assert_double_eq_tol(exp((double)p->log_deviation->value.data[2 * k]), a, 1e-5);
        ck_assert_double_eq_tol((double)lower[2], b, 1e-5);
        ck_assert_double_eq_tol(exp((double)p->log_deviation->value.data[2 * k + 1]),
                                sqrt(l->c[k] - b * b), 1e-5);
        ck_assert(lower[0] == 0.0f && lower[1] == 0.0f && lower[3] == 0.0f);
    }
    for (size_t at = 0; at < COUNT; at++)
        ck_assert_double_eq_tol((double)p->mean->value.data[at], l->mean[at], 1e-5);
}

/* From where independent coordinates ended; draws that lean. */
START_TEST(full_rounds_follow_their_formulas)
{
    double z[DRAWS * WIDTH];
    Rng rng = rng_root(12);
    for (size_t n = 0; n < DRAWS; n++) {
        z[2 * n] = (n < 25 ? 0.0 : 2.0) + rng_normal(&rng);
        z[2 * n + 1] = (n < 25 ? 1.2 : -0.9) * z[2 * n] + 0.5 * rng_normal(&rng);
    }
    for (uint64_t seed = 0; seed < 4; seed++) {
        ToyPrior law = toy_prior(PARTS, WIDTH, PRIOR_FULL);
        const double found = prior_fit(law.prior, z, DRAWS, rng_root(seed));
        Mixture m = begin(z, rng_root(seed));
        const double independent = settle(&m, z);
        Leaning l = upright(&m), last = l;
        double before = -HUGE_VAL, now = lean(&l, z);
        for (int round = 1; round < 40 && now - before >= 1e-4 * WIDTH; round++) {
            last = l;
            before = now;
            now = lean(&l, z);
        }
        ck_assert_double_eq_tol(found, now, 1e-6);
        ck_assert_double_gt(found, independent + 0.1);
        expect_leaning(law.prior, &last);
        toy_prior_free(&law);
    }
}
END_TEST

/* One component, more draws than a block holds, numbers that hang together as a chain: the law has
 * the draws' mean, and their covariance but for the belief in independence. */
START_TEST(one_leaning_component_has_the_moments)
{
    enum { WIDE = 70, MANY = 3000 };
    double *z = mem_zeroed((size_t)MANY * WIDE, sizeof *z), mean[WIDE] = {0};
    ToyPrior law = toy_prior(1, WIDE, PRIOR_FULL);
    const double belief = (double)MANY / (MANY + WIDE);
    Rng rng = rng_root(13);
    for (size_t n = 0; n < MANY; n++)
        for (size_t i = 0; i < WIDE; i++) {
            const double before = i > 0 ? z[n * WIDE + i - 1] : 0.0;
            z[n * WIDE + i] = 0.1 + 0.8 * before + 0.6 * rng_normal(&rng);
            mean[i] += z[n * WIDE + i] / MANY;
        }
    ck_assert(isfinite(prior_fit(law.prior, z, MANY, rng_root(1))));
    for (size_t i = 0; i < WIDE; i++) {
        ck_assert_double_eq_tol((double)law.prior->mean->value.data[i], mean[i], 1e-5);
        for (size_t j = 0; j <= i; j += 7) {
            double c = 0, expected = 0;
            for (size_t q = 0; q <= j; q++) {
                const double below = (double)law.prior->lower->value.data[i * WIDE + q];
                const double other = (double)law.prior->lower->value.data[j * WIDE + q];
                const double s = exp((double)law.prior->log_deviation->value.data[q]);
                c += (q == i ? s : below) * (q == j ? s : other);
            }
            for (size_t n = 0; n < MANY; n++)
                expected += (z[n * WIDE + i] - mean[i]) * (z[n * WIDE + j] - mean[j]) / MANY;
            ck_assert_double_eq_tol(c, expected * (i == j ? 1.0 : belief), 1e-5);
        }
    }
    toy_prior_free(&law);
    mem_free(z);
}
END_TEST

START_TEST(rounds_follow_their_formulas)
{
    double z[DRAWS * WIDTH];
    Rng rng = rng_root(11);
    for (size_t n = 0; n < DRAWS * WIDTH; n++) /* later draws lie apart */
        z[n] = (n / WIDTH < 25 ? 0.0 : 2.0) + (1.0 + (double)(n % WIDTH)) * rng_normal(&rng);
    for (uint64_t seed = 0; seed < 4; seed++) {
        ToyPrior law = toy_prior(PARTS, WIDTH, PRIOR_DIAGONAL);
        const LambdaPrior *p = law.prior;
        const double found = prior_fit(p, z, DRAWS, rng_root(seed));
        Mixture m = begin(z, rng_root(seed));
        const double now = settle(&m, z);
        ck_assert_double_eq_tol(found, now, 1e-6);
        for (size_t k = 0; k < PARTS; k++)
            ck_assert_double_eq_tol((double)p->log_weight->value.data[k], m.log_weight[k], 1e-5);
        for (size_t at = 0; at < COUNT; at++) {
            ck_assert_double_eq_tol((double)p->mean->value.data[at], m.mean[at], 1e-5);
            ck_assert_double_eq_tol(exp((double)p->log_deviation->value.data[at]), m.deviation[at],
                                    1e-5);
        }
        toy_prior_free(&law);
    }
}
END_TEST

START_TEST(threads_do_not_change_bits)
{
    double *z = clusters();
    ToyPrior one = toy_prior(9, 2, (PriorCovariance)_i);
    threads_set(1);
    prior_fit(one.prior, z, N, rng_root(2));
    for (int threads = 2; threads <= 5; threads++) {
        ToyPrior many = toy_prior(9, 2, (PriorCovariance)_i);
        threads_set(threads);
        prior_fit(many.prior, z, N, rng_root(2));
        ck_assert_mem_eq(one.set.values, many.set.values, one.set.total * sizeof(float));
        toy_prior_free(&many);
    }
    threads_set(0);
    toy_prior_free(&one);
    mem_free(z);
}
END_TEST

/* Fewer draws than components; all draws the same. */
START_TEST(few_draws)
{
    const double z[] = {1, 2, 3, 1, 2, 3, -1, 0, 1};
    for (size_t count = 1; count <= 3; count++) {
        ToyPrior law = toy_prior(10, 3, (PriorCovariance)_i);
        ck_assert(isfinite(prior_fit(law.prior, z, count, rng_root(3))));
        for (size_t i = 0; i < law.set.total; i++)
            ck_assert(isfinite(law.set.values[i]));
        ck_assert_double_gt(nn_lambda_prior_log_density(law.prior, z),
                            nn_lambda_prior_log_density(law.prior, (double[]){2, 2, 2}));
        toy_prior_free(&law);
    }
}
END_TEST

START_TEST(a_signal_writes_nothing)
{
    const double z[] = {1, 2, 3, -1, 0, 1};
    ToyPrior law = toy_prior(2, 3, (PriorCovariance)_i);
    for (size_t i = 0; i < law.set.total; i++)
        law.set.values[i] = 7;
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGTERM), 0);
    ck_assert(isnan(prior_fit(law.prior, z, 2, rng_root(3))));
    for (size_t i = 0; i < law.set.total; i++)
        ck_assert(law.set.values[i] == 7);
    toy_prior_free(&law);
}
END_TEST

Suite *prior_fit_suite(void)
{
    Suite *s = suite_create("prior_fit");
    TCase *tc = tcase_create("prior_fit");
    tcase_add_test(tc, clusters_are_found);
    tcase_add_test(tc, more_components_fit_better);
    tcase_add_test(tc, rounds_follow_their_formulas);
    tcase_add_test(tc, full_rounds_follow_their_formulas);
    tcase_add_test(tc, one_leaning_component_has_the_moments);
    tcase_add_loop_test(tc, threads_do_not_change_bits, 0, 2); /* PriorCovariance */
    tcase_add_loop_test(tc, few_draws, 0, 2);                  /* PriorCovariance */
    tcase_add_loop_test(tc, a_signal_writes_nothing, 0, 2);    /* PriorCovariance */
    suite_add_tcase(s, tc);
    return s;
}
