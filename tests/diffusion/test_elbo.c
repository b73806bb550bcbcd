/* The bound on small spaces.  With the exact product denoiser the reverse chain in continuous time
 * is the true one, so the bound's mean over the data is the data's entropy, correlations included:
 * there is no other way to get that number. */
#include "diffusion/elbo.h"
#include "diffusion/process/transition.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/data/law/exact_denoiser.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/one_thread.h"

enum { D = 2, S = 4, PATTERNS = 5 };

static FiniteLaw *small_law(void)
{
    static const uint16_t patterns[PATTERNS][D] = {{0, 0}, {1, 2}, {2, 1}, {3, 3}, {0, 3}};
    static const double weights[PATTERNS] = {4, 1, 2, 0.5, 3};
    FiniteLaw *law = law_create(PATTERNS, D, S);

    memcpy(law->patterns, patterns, sizeof patterns);
    memcpy(law->probability, weights, sizeof weights);
    law_normalise(law);
    return law;
}

static double entropy_bits(const FiniteLaw *law)
{
    double sum = 0.0;

    for (size_t k = 0; k < law->count; k++)
        sum -= law->probability[k] * log2(law->probability[k]) / D;
    return sum;
}

/* Patterns as often as their probability says, so that the data's law adds no noise of its own. */
static States data_of(const FiniteLaw *law, size_t count)
{
    States x = states_alloc(count, D);
    Rng order = rng_root(5);
    double sum = 0.0;
    size_t next = 0;
    uint32_t *place = mem_alloc(count, sizeof *place);

    rng_permutation(&order, place, count);
    for (size_t k = 0; k < law->count; k++) {
        sum += law->probability[k];
        for (; next < count && (double)next + 0.5 < sum * (double)count; next++)
            memcpy(states_row(&x, place[next]), law->patterns + k * D, D * sizeof(uint16_t));
    }
    ck_assert_uint_eq(next, count);
    mem_free(place);
    return x;
}

/* Processes 0..4: masks (log-linear, cosine), uniform, birth and death, Gaussian. */
static Process *process_of(int kase)
{
    static const char *const kinds[] = {"absorbing", "absorbing", "uniform", "birthdeath",
                                        "gaussian"};
    ProcessConfig config = diffusion_process_defaults(kinds[kase], S + (kase < 2));
    Error err = {""};

    diffusion_process_choose(&config, "schedule", kase == 1 ? "cosine" : "loglinear");
    if (kase == 2)
        diffusion_process_set(&config, "rate_const", 1.5);
    if (kase == 3)
        diffusion_process_set(&config, "sigma_min", 0.3),
            diffusion_process_set(&config, "sigma_max", 5.0);
    if (kase == 4)
        diffusion_process_set(&config, "rate_sigma", 1.5),
            diffusion_process_set(&config, "Q_sigma", 3.0),
            diffusion_process_set(&config, "time_base", 0.2);
    config.any_start = true;
    Process *p = diffusion_process_create(&config, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

static Elbo bound_of(const Denoiser *model, const Process *p, const States *x, size_t batch)
{
    const ElboRequest request = {model, p, 1e-3, 0.0, 1024, batch, 7};
    Elbo e;
    Error err = {""};

    ck_assert_msg(diffusion_elbo(&request, x, &e, &err), "%s", err.text);
    return e;
}

/* Within five standard errors (false alarm 6e-7 each) and the bias of 1e-3 that t_min leaves. */
START_TEST(perfect_model_needs_the_entropy)
{
    FiniteLaw *law = small_law();
    Process *p = process_of(_i);
    Denoiser *exact = exact_denoiser_create(law, p);
    States x = data_of(law, 100000);
    const Elbo e = bound_of(exact, p, &x, 4096);

    ck_assert_double_eq_tol(e.total, entropy_bits(law), 5.0 * e.error + 1e-3);
    ck_assert_double_lt(e.error, 0.06);
    ck_assert_double_ge(e.prior, -1e-9);
    ck_assert_double_eq_tol(e.total, e.prior + e.diffusion + e.reconstruction, 1e-12);
    exact_denoiser_destroy(exact);
    diffusion_process_destroy(p);
    states_free(&x);
    law_destroy(law);
}
END_TEST

/* A model of another law needs KL(data || its law) more. */
START_TEST(wrong_model_needs_more)
{
    FiniteLaw *law = small_law(), *other = small_law();
    Process *p = process_of(_i);

    for (size_t k = 0; k < PATTERNS; k++)
        other->probability[k] = k == 0 ? 1.0 : 2.0;
    law_normalise(other);
    Denoiser *model = exact_denoiser_create(other, p);
    States x = data_of(law, 100000);
    const Elbo e = bound_of(model, p, &x, 4096);
    double cross = 0.0;
    for (size_t k = 0; k < PATTERNS; k++)
        cross -= law->probability[k] * log2(other->probability[k]) / D;
    ck_assert_double_eq_tol(e.total, cross, 5.0 * e.error + 1e-3);
    ck_assert_double_gt(e.total, entropy_bits(law) + 0.03);
    exact_denoiser_destroy(model);
    diffusion_process_destroy(p);
    states_free(&x);
    law_destroy(law);
    law_destroy(other);
}
END_TEST

/* ---- the bound written out: sums over all x_t, the integral by the midpoint rule ---- */

enum { STEPS = 500 };

typedef struct Exact {
    const FiniteLaw *law;
    const Process *p;
    double eps, q[S + 1][S + 1]; /* q[a][v] = P[0->t] */
} Exact;

static void set_time(Exact *e, double t)
{
    Transition *tr = diffusion_transition_create(e->p, 0.0, t, TRANSITION_ACCURATE);
    for (size_t a = 0; a < S; a++)
        for (size_t v = 0; v < e->p->states; v++)
            e->q[a][v] = diffusion_transition_at(tr, a, v);
    diffusion_transition_destroy(tr);
}

static double reach(const Exact *e, const uint16_t *x0, const size_t *x)
{
    return e->q[x0[0]][x[0]] * e->q[x0[1]][x[1]];
}

/* q(x_0^d = a | x_t = x). */
static double marginal(const Exact *e, const size_t *x, size_t d, size_t a)
{
    double all = 0.0, mine = 0.0;
    for (size_t k = 0; k < e->law->count; k++) {
        const uint16_t *pattern = e->law->patterns + k * D;
        const double w = e->law->probability[k] * reach(e, pattern, x);
        all += w;
        mine += pattern[d] == a ? w : 0.0;
    }
    return mine / all;
}

/* sum over v != x of R^ - r + r log(r/R^), without the rate's beta. */
static double rates(const Exact *e, const uint16_t *x0, const size_t *x, size_t d)
{
    double sum = 0.0;
    for (size_t v = 0; v < S; v++) {
        const double base = diffusion_process_jump(e->p, v, x[d]);
        double model = 0.0, r = base * e->q[x0[d]][v] / (e->q[x0[d]][x[d]] + e->eps);
        for (size_t a = 0; a < S; a++)
            model += base * marginal(e, x, d, a) * e->q[a][v] / (e->q[a][x[d]] + e->eps);
        if (v != x[d] && base > 0.0)
            sum += model - r + r * log(r / model);
    }
    return sum;
}

/* Mean over data and x_t of the rates' terms, or of -log p(x_0) of the dimensions that are not
 * known (with masks: of the masked ones). */
static double mean_term(const Exact *e, bool rate)
{
    const size_t states = e->p->states;
    double mean = 0.0;
    for (size_t k = 0; k < e->law->count; k++)
        for (size_t i = 0; i < states * states; i++) {
            const size_t x[D] = {i / states, i % states};
            const uint16_t *x0 = e->law->patterns + k * D;
            const double weight = e->law->probability[k] * reach(e, x0, x);
            for (size_t d = 0; weight > 0.0 && d < D; d++)
                mean += weight * (rate ? rates(e, x0, x, d) : -log(marginal(e, x, d, x0[d])));
        }
    return mean;
}

static double mean_prior(Exact *e)
{
    double mean = 0.0;
    set_time(e, 1.0);
    for (size_t k = 0; k < e->law->count; k++)
        for (size_t d = 0; e->p->mask < 0 && d < D; d++)
            for (size_t v = 0; v < S; v++) {
                const double q = e->q[e->law->patterns[k * D + d]][v];
                mean += e->law->probability[k] * q * log(q / e->p->prior[v]);
            }
    return mean;
}

/* With masks the integral is over alpha: q is set without a time. */
static double mean_integral(Exact *e, double t_min)
{
    const double top = e->p->mask >= 0 ? diffusion_process_survival(e->p, 0.0, t_min) : 0.0;
    double sum = 0.0;
    for (int i = 0; i < STEPS; i++) {
        const double u = ((double)i + 0.5) / STEPS, t = t_min + u * (1.0 - t_min), alpha = u * top;
        if (e->p->mask < 0) {
            set_time(e, t);
            sum += (1.0 - t_min) / STEPS * diffusion_process_rate(e->p, t) * mean_term(e, true);
            continue;
        }
        for (size_t a = 0; a < S; a++) {
            e->q[a][a] = alpha;
            e->q[a][e->p->mask] = 1.0 - alpha;
        }
        sum += top / STEPS * mean_term(e, false) / (1.0 - alpha);
    }
    return sum;
}

/* Far from where the bound is tight: a late t_min, and an eps beside which q is not large.  The
 * parts' standard errors are 1.2 % at most; five of them, as for the total. */
START_TEST(late_times_and_large_eps)
{
    FiniteLaw *law = small_law();
    Process *p = process_of(_i % 5);
    Denoiser *model = exact_denoiser_create(law, p);
    States x = data_of(law, 40000);
    const double t_min = 0.2, unit = D * log(2.0);
    Exact exact = {.law = law, .p = p, .eps = _i < 5 ? 0.0 : 0.15};
    const ElboRequest request = {model, p, t_min, exact.eps, 1024, 4096, 7};
    Elbo e;
    Error err = {""};

    ck_assert_msg(diffusion_elbo(&request, &x, &e, &err), "%s", err.text);
    const double prior = mean_prior(&exact) / unit, integral = mean_integral(&exact, t_min) / unit;
    set_time(&exact, t_min);
    const double end = mean_term(&exact, false) / unit;
    ck_assert_double_eq_tol(e.prior, prior, 1e-6);
    ck_assert_double_eq_tol(e.total, prior + integral + end, 5.0 * e.error + 1e-4);
    ck_assert_double_eq_tol(e.reconstruction, end, 0.06 * end);
    ck_assert_double_eq_tol(e.diffusion, integral, 0.06 * integral);
    exact_denoiser_destroy(model);
    diffusion_process_destroy(p);
    states_free(&x);
    law_destroy(law);
}
END_TEST

START_TEST(batches_and_threads_do_not_matter)
{
    FiniteLaw *law = small_law();
    Process *p = process_of(_i == 0 ? 0 : 4);
    Denoiser *exact = exact_denoiser_create(law, p);
    States x = data_of(law, 1000);

    threads_set(2);
    const Elbo a = bound_of(exact, p, &x, 1000);
    threads_set(1);
    const Elbo b = bound_of(exact, p, &x, 7);
    ck_assert_mem_eq(&a, &b, sizeof a);
    exact_denoiser_destroy(exact);
    diffusion_process_destroy(p);
    states_free(&x);
    law_destroy(law);
}
END_TEST

START_TEST(what_has_no_bound_is_refused)
{
    FiniteLaw *law = small_law();
    Process *p = process_of(2);
    Denoiser *exact = exact_denoiser_create(law, p);
    States x = data_of(law, 10);
    ElboRequest r = {exact, p, 1e-3, 0.0, 8, 8, 7};
    Elbo e;
    Error err = {""};

    exact->lambda_dims = 1;
    ck_assert(!diffusion_elbo(&r, &x, &e, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "mixture"));
    exact->lambda_dims = 0;
    r.t_min = 0.0;
    ck_assert(!diffusion_elbo(&r, &x, &e, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "t_min"));
    r.t_min = 1e-3;
    r.times = 0;
    ck_assert(!diffusion_elbo(&r, &x, &e, &err));
    exact_denoiser_destroy(exact);
    diffusion_process_destroy(p);
    states_free(&x);
    law_destroy(law);
}
END_TEST

Suite *elbo_suite(void)
{
    Suite *s = suite_create("elbo");
    TCase *tc = one_thread_case("elbo", 120);
    tcase_add_loop_test(tc, perfect_model_needs_the_entropy, 0, 5);
    tcase_add_loop_test(tc, wrong_model_needs_more, 0, 5);
    tcase_add_loop_test(tc, late_times_and_large_eps, 0, 10);
    tcase_add_loop_test(tc, batches_and_threads_do_not_matter, 0, 2);
    tcase_add_test(tc, what_has_no_bound_is_refused);
    suite_add_tcase(s, tc);
    return s;
}
