/* The Monte-Carlo losses of a distillation step against exact expectations.  D = 2 bits; teacher
 * and student are formulas, and the student depends on lambda < 1/2 alone, so that lambda has a law
 * of two values.  All of x_0, x_t, x_tm, x_u^(j), x_0^(j) and the N lambdas are enumerated; draws
 * and losses are the library's.  Times are fixed: t = 1 (with noise that leaves some of the data
 * there), u = t - delta, tm = t_min.
 *
 * Means of 20000 pictures must lie within 4 standard errors: false alarms 6e-5 for each of the few
 * dozen comparisons, with fixed seeds. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/process/transition.h"
#include "distill/draws.h"
#include "tensor/base/memory.h"
#include "tests/tools/sampler_worlds.h"

enum { D = WORLD_D, C = 2, ANSWERS = 4, MAX_X = 9, PICTURES = 20000, NOISES = 2 };
enum { DISTILL, DATA_COR, DATA_INDEP, CONSIS_COR, CONSIS_INDEP, TERMS };
static const double LAW[ANSWERS] = {0.4, 0.1, 0.15, 0.35};
static const double T = 1.0, U = 0.7, TM = 0.2;

typedef struct Scene {
    Process *p;
    Formula of_teacher, of_student;
    Denoiser teacher, student;
    DistillConfig config;
    size_t S, X; /* noised states, S^D */
} Scene;

/* Masks that spare a share 1/e at t = 1, or uniform noise. */
static void setting_make(Scene *s, int noise, size_t lambdas, bool control_variates, bool strata)
{
    ProcessConfig c =
        diffusion_process_defaults(noise == 0 ? "absorbing" : "uniform", noise == 0 ? 3 : 2);

    c.any_start = true;
    diffusion_process_choose(&c, "schedule", "linear");
    diffusion_process_set(&c, "rate_const", noise == 0 ? 1.0 : 0.6);
    s->p = diffusion_process_create(&c, NULL);
    s->S = s->p->states;
    s->X = s->S * s->S;
    s->of_teacher = (Formula){0.4, 0, NULL};
    s->of_student = (Formula){1.9, 0, NULL};
    s->teacher = formula_denoiser(&s->of_teacher, s->p, D, 0);
    s->student = formula_denoiser(&s->of_student, s->p, D, 1);
    s->config = distill_defaults();
    s->config.loss.control_variates = control_variates;
    s->config.lambdas = lambdas;
    s->config.distill_lambdas = 1;
    s->config.t_min = TM;
    s->config.tm_width = 0.0;
    s->config.delta_min = s->config.delta_max = T - U;
    s->config.share_at_one = 1.0;
    s->config.eps = 0.0;
    s->config.stratified_lambda = strata;
}

/* ---- Monte Carlo ---- */

static float *outputs(const Scene *s, const Denoiser *d, const States *x, double t,
                      const double *lambda)
{
    double *times = mem_alloc(x->batch, sizeof *times);
    float *out = mem_alloc(x->batch * diffusion_head_outputs(&d->head), sizeof *out);
    NetworkInput in = {x, times, lambda, NULL, NULL, NULL};
    Graph *g = ag_graph_create();

    (void)s;
    for (size_t r = 0; r < x->batch; r++)
        times[r] = t;
    diffusion_denoise(d, g, &in, 0, out);
    ag_graph_destroy(g);
    mem_free(times);
    return out;
}

typedef struct Estimate {
    double mean[TERMS], error[TERMS]; /* of the mean */
} Estimate;

static void fill_estimate(Estimate *e, double *const *terms)
{
    for (int k = 0; k < TERMS; k++) {
        double sum = 0.0, squares = 0.0;
        for (size_t b = 0; b < PICTURES; b++)
            sum += terms[k][b];
        e->mean[k] = sum / PICTURES;
        for (size_t b = 0; b < PICTURES; b++)
            squares += pow(terms[k][b] - e->mean[k], 2.0);
        e->error[k] = sqrt(squares / (PICTURES - 1.0) / PICTURES);
    }
}

static States draw_data(Rng *rng)
{
    States x0 = states_alloc(PICTURES, D);

    for (size_t b = 0; b < PICTURES; b++) {
        size_t y = rng_categorical(rng, LAW, ANSWERS);
        x0.x[D * b] = (uint16_t)(y % C);
        x0.x[D * b + 1] = (uint16_t)(y / C);
    }
    return x0;
}

static void estimate(const Scene *s, Estimate *e, uint64_t seed)
{
    Arena *arena = arena_create(1 << 20);
    Rng step = distill_stream(seed, 0);
    Rng of_data = rng_child(rng_root(seed), 99);
    States x0 = draw_data(&of_data);
    Di4cDraws d = distill_first_draws(&s->config, &s->teacher, &s->student, s->p, &x0, step, arena);
    size_t N = s->config.lambdas;
    double *parts = mem_alloc(TERMS * PICTURES, sizeof *parts);
    double *terms[TERMS] = {parts, parts + PICTURES, parts + 2 * PICTURES, parts + 3 * PICTURES,
                            parts + 4 * PICTURES};
    Di4cTerms to = {terms[0], terms[1], terms[2], terms[3], terms[4]};
    float *teacher_t = outputs(s, &s->teacher, &d.xt, T, NULL);
    float *teacher_tm = outputs(s, &s->teacher, &d.xtm, TM, NULL);
    distill_draw_xu(&s->config, &s->teacher, s->p, teacher_t, step, arena, &d);
    float *student_u = outputs(s, &s->student, &d.xu, U, d.lambda_u);
    diffusion_head_draw(&s->student.head, student_u, &d.xu,
                        distill_row_streams(arena, step, PASS_X0U, PICTURES, N), &d.x0u);
    States xt = states_repeat(arena, &d.xt, N);
    float *student_t = outputs(s, &s->student, &xt, T, d.lambda_t);
    float *student_tm = outputs(s, &s->student, &d.xtm, TM, d.lambda_tm);
    Di4cInput in = {PICTURES, N,         d.t,        x0,        d.xt,      d.xu,      d.x0u,
                    d.xtm,    student_t, student_tm, student_u, teacher_t, teacher_tm};
    distill_losses(&s->config.loss, &s->student.head, &in, &to, NULL, NULL);
    fill_estimate(e, terms);
    mem_free(teacher_t);
    mem_free(teacher_tm);
    mem_free(student_u);
    mem_free(student_t);
    mem_free(student_tm);
    mem_free(parts);
    states_free(&x0);
    arena_destroy(arena);
}

/* ---- the exact expectation ---- */

typedef double Rows[D][WORLD_S];

static double product(Rows p, size_t y)
{
    return p[0][y % C] * p[1][y / C];
}

/* P(x_0 = y, x_t = x). */
static double joint(const Scene *s, double t, size_t y, size_t x)
{
    Transition *tr = diffusion_transition_create(s->p, 0.0, t, TRANSITION_ACCURATE);
    double q =
        diffusion_transition_at(tr, y % C, x % s->S) * diffusion_transition_at(tr, y / C, x / s->S);

    diffusion_transition_destroy(tr);
    return LAW[y] * q;
}

static double kl(Rows p, Rows q)
{
    double sum = 0.0;

    for (size_t d = 0; d < D; d++)
        for (size_t a = 0; a < C; a++)
            if (p[d][a] > 0.0)
                sum += p[d][a] * log(p[d][a] / q[d][a]);
    return sum;
}

/* Student's rows at x for N lambdas, bit i of `high` saying which value lambda i has, and their
 * mean. */
static void student_rows(const Scene *s, size_t x, double t, size_t N, unsigned high, Rows *rows,
                         Rows mean)
{
    memset(mean, 0, sizeof(Rows));
    for (size_t i = 0; i < N; i++) {
        world_rows(&s->student, x, s->S, t, high >> i & 1 ? 0.75 : 0.25, rows[i]);
        for (size_t d = 0; d < D; d++)
            for (size_t a = 0; a < C; a++)
                mean[d][a] += rows[i][d][a] / (double)N;
    }
}

/* The correlation part's value at y: -C(y), or without control variates minus log likelihood. */
static double cor(const Scene *s, Rows *rows, Rows mean, size_t y)
{
    size_t N = s->config.lambdas;
    double sum = 0.0;

    for (size_t i = 0; i < N; i++)
        sum += product(rows[i], y) / (double)N;
    return -log(sum) + (s->config.loss.control_variates ? log(product(mean, y)) : 0.0);
}

/* Probability of a pattern of lambdas: independent halves, or one in each N-th of [0,1). */
static double pattern_chance(const Scene *s, unsigned high)
{
    size_t N = s->config.lambdas, ones = 0, patterns = 0;

    for (size_t i = 0; i < N; i++)
        ones += high >> i & 1;
    if (!s->config.stratified_lambda || N == 1)
        return ldexp(1.0, -(int)N);
    if (2 * ones != N)
        return 0.0;
    for (unsigned other = 0; other < 1u << N; other++) {
        size_t count = 0;
        for (size_t i = 0; i < N; i++)
            count += other >> i & 1;
        patterns += 2 * count == N;
    }
    return 1.0 / (double)patterns;
}

/* law (X) = p^psi_{u|t}(.|x). */
static void teacher_step(const Scene *s, size_t x, double *law)
{
    PosteriorStep *step = diffusion_posterior_create(s->p, U, T, 0.0);
    uint16_t from[D];
    double one[D][WORLD_S];
    Rows rows;

    world_digits(from, x, s->S);
    world_rows(&s->teacher, x, s->S, T, 0.0, rows);
    for (size_t d = 0; d < D; d++)
        diffusion_posterior_mix(step, from[d], rows[d], C, one[d]);
    for (size_t z = 0; z < s->X; z++)
        law[z] = one[0][z % s->S] * one[1][z / s->S];
    diffusion_posterior_destroy(step);
}

/* Both parts of the consistency term at one x_t and one pattern of lambdas.  N = 2: the pair of
 * (x_u, lambda') is enumerated for the second part. */
static void add_consis(const Scene *s, size_t x, double chance, Rows *rows, Rows mean,
                       double *cor_sum, double *indep_sum)
{
    double law[MAX_X], pair[2 * MAX_X];
    static Rows at_u[2 * MAX_X];

    teacher_step(s, x, law);
    for (size_t k = 0; k < 2 * s->X; k++) { /* (x_u, lambda') */
        pair[k] = 0.5 * law[k / 2];
        world_rows(&s->student, k / 2, s->S, U, k % 2 == 0 ? 0.25 : 0.75, at_u[k]);
        for (size_t y = 0; y < ANSWERS && pair[k] > 0.0; y++)
            if (product(at_u[k], y) > 0.0)
                *cor_sum += chance * pair[k] * product(at_u[k], y) * cor(s, rows, mean, y);
    }
    for (size_t k = 0; k < 2 * s->X && s->config.loss.control_variates; k++)
        for (size_t m = 0; m < 2 * s->X; m++) {
            bool apart = s->config.stratified_lambda; /* lambda' in different halves */
            double both = pair[k] * pair[m] * (!apart ? 1.0 : k % 2 != m % 2 ? 2.0 : 0.0);
            Rows half;
            for (size_t i = 0; i < D * WORLD_S; i++)
                half[i / WORLD_S][i % WORLD_S] =
                    0.5 * (at_u[k][i / WORLD_S][i % WORLD_S] + at_u[m][i / WORLD_S][i % WORLD_S]);
            if (both > 0.0)
                *indep_sum += chance * both * kl(half, mean);
        }
}

static double exact_distill(const Scene *s)
{
    double sum = 0.0;
    Rows teacher, student;

    for (size_t x = 0; x < s->X; x++)
        for (size_t y = 0; y < ANSWERS; y++)
            for (int k = 0; k < 2; k++) {
                world_rows(&s->teacher, x, s->S, TM, 0.0, teacher);
                world_rows(&s->student, x, s->S, TM, 0.25 + 0.5 * k, student);
                sum += joint(s, TM, y, x) > 0.0 ? 0.5 * joint(s, TM, y, x) * kl(teacher, student)
                                                : 0.0;
            }
    return sum;
}

static void exact(const Scene *s, double want[TERMS])
{
    size_t N = s->config.lambdas;
    Rows teacher, rows[2], mean;

    memset(want, 0, TERMS * sizeof *want);
    want[DISTILL] = exact_distill(s);
    for (size_t x = 0; x < s->X; x++)
        for (unsigned high = 0; high < 1u << N; high++) {
            double total = 0.0, chance = pattern_chance(s, high);
            world_rows(&s->teacher, x, s->S, T, 0.0, teacher);
            student_rows(s, x, T, N, high, rows, mean);
            for (size_t y = 0; y < ANSWERS; y++) {
                double both = joint(s, T, y, x) * chance;
                total += both;
                want[DATA_COR] += both > 0.0 ? both * cor(s, rows, mean, y) : 0.0;
            }
            if (total == 0.0)
                continue;
            if (s->config.loss.control_variates)
                want[DATA_INDEP] += total * kl(teacher, mean);
            add_consis(s, x, total, rows, mean, &want[CONSIS_COR], &want[CONSIS_INDEP]);
        }
}

START_TEST(losses_estimate_their_expectations)
{
    static const char *const names[TERMS] = {"distill", "data_cor", "data_indep", "consis_cor",
                                             "consis_indep"};
    Scene s;
    Estimate e;
    double want[TERMS];

    setting_make(&s, _i % 2, 2, _i / 2 % 2 == 0, _i / 4 == 1);
    estimate(&s, &e, 21);
    exact(&s, want);
    for (int k = 0; k < TERMS; k++)
        ck_assert_msg(fabs(e.mean[k] - want[k]) <= 4.0 * e.error[k] + 1e-7,
                      "%s: %.6f, exactly %.6f, standard error %.6f", names[k], e.mean[k], want[k],
                      e.error[k]);
    ck_assert(e.error[DISTILL] > 0.0 && e.error[CONSIS_COR] > 0.0);
    diffusion_process_destroy(s.p);
}
END_TEST

/* ---- the bias of the logarithm of a mean over N lambdas ---- */

/* E over N lambdas of -log (1/N) sum_i prod_d p_i^d(y), averaged over (x_0, x_t): the number of
 * high lambdas is binomial. */
static double negative_log_mean(const Scene *s, size_t N)
{
    double sum = 0.0;
    Rows low, high;

    for (size_t x = 0; x < s->X; x++) {
        world_rows(&s->student, x, s->S, T, 0.25, low);
        world_rows(&s->student, x, s->S, T, 0.75, high);
        for (size_t y = 0; y < ANSWERS; y++) {
            double both = joint(s, T, y, x), binomial = ldexp(1.0, -(int)N);
            for (size_t k = 0; k <= N && both > 0.0; k++) {
                double share = (double)k / (double)N;
                sum -= both * binomial *
                       log(share * product(high, y) + (1.0 - share) * product(low, y));
                binomial *= (double)(N - k) / (double)(k + 1);
            }
        }
    }
    return sum;
}

static double full_mixture(const Scene *s)
{
    double sum = 0.0;
    Rows low, high;

    for (size_t x = 0; x < s->X; x++) {
        world_rows(&s->student, x, s->S, T, 0.25, low);
        world_rows(&s->student, x, s->S, T, 0.75, high);
        for (size_t y = 0; y < ANSWERS; y++)
            if (joint(s, T, y, x) > 0.0)
                sum -= joint(s, T, y, x) * log(0.5 * (product(high, y) + product(low, y)));
    }
    return sum;
}

/* The N-lambda objective lies above that of the mixture (Jensen), by less and less: in the limit
 * the gap is Var(p)/(2 N p^2), so it halves from N to 2 N. */
START_TEST(the_bias_shrinks_with_n)
{
    Scene s;
    double before = 0.0;

    setting_make(&s, _i, 2, false, false);
    double full = full_mixture(&s);
    for (size_t N = 1; N <= 256; N *= 2) {
        double bias = negative_log_mean(&s, N) - full;
        ck_assert_double_gt(bias, 0.0);
        ck_assert_msg(N == 1 || bias < 0.75 * before, "N = %zu: %g after %g", N, bias, before);
        if (N == 256)
            ck_assert_double_le(fabs(bias / before - 0.5), 0.01);
        before = bias;
    }
    diffusion_process_destroy(s.p);
}
END_TEST

/* ... and what the library estimates with N lambdas is that objective, not the mixture's. */
START_TEST(the_estimate_has_that_bias)
{
    static const size_t lambdas[] = {1, 2, 4, 8};
    double before = HUGE_VAL;

    for (size_t k = 0; k < sizeof lambdas / sizeof *lambdas; k++) {
        Scene s;
        Estimate e;
        setting_make(&s, _i, lambdas[k], false, false);
        estimate(&s, &e, 31 + k);
        double want = negative_log_mean(&s, lambdas[k]);
        ck_assert_msg(fabs(e.mean[DATA_COR] - want) <= 4.0 * e.error[DATA_COR],
                      "N = %zu: %.6f, exactly %.6f +- %.6f", lambdas[k], e.mean[DATA_COR], want,
                      e.error[DATA_COR]);
        ck_assert_double_lt(want, before);
        before = want;
        diffusion_process_destroy(s.p);
    }
}
END_TEST

Suite *expectations_suite(void)
{
    Suite *s = suite_create("expectations");
    TCase *tc = tcase_create("expectations");

    tcase_add_loop_test(tc, losses_estimate_their_expectations, 0, 4 * NOISES);
    tcase_add_loop_test(tc, the_bias_shrinks_with_n, 0, NOISES);
    tcase_add_loop_test(tc, the_estimate_has_that_bias, 0, NOISES);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
