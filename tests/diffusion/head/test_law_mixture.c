/* Mixtures of laws against the published formula in double, also where float32 underflows; and the
 * bound on the memory of the losses, which are built on them. */
#include "diffusion/head/law_mixture.h"
#include "tensor/base/rng.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "distill/losses.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

enum { MOST_LAWS = 5, MOST_STATES = 300 };

static double log_sigmoid(double z)
{
    return z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z));
}

/* log p of one dimension in double, as it is printed: mu, log_scale, or logits. */
static void naive_row(const Head *head, const double *numbers, double *logp)
{
    size_t S = head->states;
    double top = -HUGE_VAL, total = 0, w = 2.0 / (double)S;

    for (size_t j = 0; j < S; j++) {
        if (head->class == &diffusion_softmax) {
            logp[j] = numbers[j];
        } else {
            double k = exp(2 - numbers[1]), l = (-1 + (double)j * w - numbers[0]) * k,
                   r = l + w * k;
            logp[j] = log_sigmoid(r) + log(1e-6 - expm1(log_sigmoid(l) - log_sigmoid(r)));
            double mirror = log_sigmoid(-l) + log(1e-6 - expm1(log_sigmoid(-r) - log_sigmoid(-l)));
            if (head->fix && mirror < logp[j])
                logp[j] = mirror;
        }
        top = logp[j] > top ? logp[j] : top;
    }
    for (size_t j = 0; j < S; j++)
        total += exp(logp[j] - top);
    for (size_t j = 0; j < S; j++)
        logp[j] -= top + log(total);
}

/* log mbar in double of N rows of numbers. */
static void naive_mixture(const Head *head, const double *numbers, size_t N, double *logm)
{
    size_t S = head->states, each = diffusion_law_numbers(head);
    static double rows[MOST_LAWS][MOST_STATES];

    for (size_t i = 0; i < N; i++)
        naive_row(head, numbers + i * each, rows[i]);
    for (size_t j = 0; j < S; j++) {
        double top = rows[0][j], sum = 0;
        for (size_t i = 1; i < N; i++)
            top = rows[i][j] > top ? rows[i][j] : top;
        for (size_t i = 0; i < N; i++)
            sum += exp(rows[i][j] - top);
        logm[j] = top + log(sum / (double)N);
    }
}

static double naive_loss(const Head *head, const double *numbers, size_t N, const double *pull)
{
    static double logm[MOST_STATES];
    double total = 0;

    naive_mixture(head, numbers, N, logm);
    for (size_t j = 0; j < head->states; j++)
        total -= pull[j] != 0 ? pull[j] * logm[j] : 0;
    return total;
}

/* A mixture of N laws and another law that is compared with it. */
typedef struct Case {
    Head head;
    size_t N, each;
    float out[MOST_LAWS * MOST_STATES], other[MOST_STATES];
    double numbers[MOST_LAWS * MOST_STATES], numbers_other[MOST_STATES];
    HeadLaw laws[MOST_LAWS];
    float mean[MOST_STATES], p[MOST_STATES];
    LawMixture m;
} Case;

static void open_case(Case *c)
{
    float row[MOST_STATES];

    memset(c->mean, 0, sizeof c->mean);
    for (size_t i = 0; i < c->N; i++) {
        c->laws[i] = diffusion_head_law(&c->head, c->out + i * c->each, 0, row);
        for (size_t a = 0; a < c->head.states; a++)
            c->mean[a] += row[a] / (float)c->N;
    }
    diffusion_head_law(&c->head, c->other, 0, c->p);
    for (size_t i = 0; i < c->N * c->each; i++)
        c->numbers[i] = c->out[i];
    for (size_t i = 0; i < c->each; i++)
        c->numbers_other[i] = c->other[i];
    c->m = (LawMixture){c->laws, c->N, c->mean};
}

/* Scales of the logistic laws run over 2 - log_scale from 0 to `steep`; mu from -1.2 to 1.2, or to
 * `reach` outside of the bins. */
static void case_make(Case *c, const HeadClass *kind, bool fix, size_t N, size_t S, double steep,
                      double reach)
{
    Head head = {kind, 1, S, 1, fix, -1};
    Rng rng = rng_root(N + 10 * S + (uint64_t)(1000 * steep));

    memset(c, 0, sizeof *c);
    c->head = head;
    c->N = N;
    c->each = diffusion_law_numbers(&head);
    for (size_t i = 0; i < (N + 1) * c->each; i++) {
        double x = 2 * rng_uniform(&rng) - 1;
        if (kind == &diffusion_softmax)
            x *= steep;
        else
            x = i % 2 == 0 ? x * reach : 2 - steep * (0.5 + 0.5 * x);
        if (i < N * c->each)
            c->out[i] = (float)x;
        else
            c->other[i - N * c->each] = (float)x;
    }
    open_case(c);
}

static const struct {
    const HeadClass *kind;
    bool fix;
    size_t N, S;
    double steep, reach;
} cases[] = {
    {&diffusion_softmax, false, 1, 2, 2, 0},      {&diffusion_softmax, false, 4, 37, 3, 0},
    {&diffusion_softmax, false, 3, 20, 150, 0},   {&diffusion_logistic, false, 1, 16, 3, 1},
    {&diffusion_logistic, false, 5, 256, 4, 1.2}, {&diffusion_logistic, true, 3, 256, 4, 1.2},
    {&diffusion_logistic, false, 2, 300, 7, 1},   {&diffusion_logistic, true, 2, 300, 7, 1},
    {&diffusion_logistic, false, 3, 130, 9, 1.5}, {&diffusion_logistic, true, 3, 130, 9, 1.5},
    {&diffusion_logistic, false, 1, 64, 6, 6},    {&diffusion_logistic, true, 1, 64, 6, 6},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static void case_number(Case *c, int i)
{
    case_make(c, cases[i].kind, cases[i].fix, cases[i].N, cases[i].S, cases[i].steep,
              cases[i].reach);
}

START_TEST(logarithms_and_divergences)
{
    Case c;
    double logm[MOST_STATES], logp[MOST_STATES], want = 0;
    uint16_t x[MOST_STATES];
    float got[MOST_STATES];

    case_number(&c, _i);
    naive_mixture(&c.head, c.numbers, c.N, logm);
    naive_row(&c.head, c.numbers_other, logp);
    for (size_t a = 0; a < c.head.states; a++)
        x[a] = (uint16_t)a;
    diffusion_mixture_log_at(&c.m, x, c.head.states, got);
    for (size_t a = 0; a < c.head.states; a++) {
        ck_assert_msg(fabs(got[a] - logm[a]) <= 3e-5 + 2e-6 * fabs(logm[a]), "state %d: %g, %g",
                      (int)a, got[a], logm[a]);
        ck_assert(fabs(c.mean[a] - exp(logm[a])) <= 1e-7 + 2e-5 * exp(logm[a]));
        want += exp(logp[a]) * (logp[a] - logm[a]);
    }
    double kl = diffusion_mixture_kl(&c.m, c.p);
    ck_assert_msg(fabs(kl - want) <= 2e-6 + 2e-5 * want, "KL %.9g, expected %.9g", kl, want);
}
END_TEST

/* The gradient of -sum_a pull(a) log mbar(a), added twice to 1/4, against differences in double. */
static void check_gradient(Case *c, const double *pull)
{
    double h = 1e-5;
    float given[MOST_STATES], dout[MOST_LAWS * MOST_STATES], dlevel[MOST_LAWS * MOST_STATES];
    size_t n = c->N * c->each;

    for (size_t a = 0; a < c->head.states; a++)
        given[a] = (float)pull[a];
    for (size_t i = 0; i < n; i++)
        dout[i] = 0.25f;
    diffusion_mixture_pull(&c->m, given, 2.0, dout, dlevel, c->each);
    for (size_t i = 0; i < n; i++) {
        double keep = c->numbers[i];
        c->numbers[i] = keep + h;
        double above = naive_loss(&c->head, c->numbers, c->N, pull);
        c->numbers[i] = keep - h;
        double below = naive_loss(&c->head, c->numbers, c->N, pull);
        c->numbers[i] = keep;
        double want = (above - below) / h, got = dout[i] - 0.25;
        double size = c->head.class == &diffusion_logistic ? exp(2 - c->numbers[i / 2 * 2 + 1]) : 1;
        ck_assert_msg(fabs(got - want) <= 2e-5 * (1 + size) + 1e-4 * fabs(want),
                      "number %d: %g, expected %g", (int)i, got, want);
    }
}

/* Laws that pull with both signs, as targets do. */
START_TEST(gradients_match_differences)
{
    Case c;
    double pull[MOST_STATES] = {0};

    case_number(&c, _i);
    for (size_t a = 0; a < c.head.states; a++)
        pull[a] = (double)c.p[a];
    pull[c.head.states / 3] -= 0.7;
    check_gradient(&c, pull);
}
END_TEST

/* No gradient wanted: only dlevel is written, with the same numbers. */
START_TEST(no_gradient_is_wanted)
{
    Case c;
    float pull[MOST_STATES], dout[MOST_LAWS * MOST_STATES] = {0};
    float want[MOST_LAWS * MOST_STATES], got[MOST_LAWS * MOST_STATES] = {0};

    case_number(&c, _i);
    memcpy(pull, c.p, sizeof pull);
    diffusion_mixture_pull(&c.m, pull, 2.0, dout, want, c.each);
    memcpy(pull, c.p, sizeof pull);
    diffusion_mixture_pull(&c.m, pull, 2.0, NULL, got, c.each);
    for (size_t i = 0; i < c.N * c.each; i++)
        ck_assert_float_eq(got[i], want[i]);
    diffusion_law_pull(&c.laws[0], c.p, NULL, NULL);
}
END_TEST

/* Of a dimension behind the first one, whose numbers do not begin where the sample's do. */
START_TEST(level_of_a_later_dimension)
{
    for (int kind = 0; kind < 2; kind++) {
        const Head head = {
            kind == 0 ? &diffusion_softmax : &diffusion_logistic, 3, 2, 1, false, -1};
        const float out[] = {0.5f, -0.2f, 0.3f, 0.1f, 0.7f, -0.4f};
        float p[2], dlevel[2];
        HeadLaw law = diffusion_head_law(&head, out, 2, p);
        diffusion_law_pull(&law, NULL, NULL, dlevel);
        for (int a = 0; kind == 0 && a < 2; a++)
            ck_assert_float_eq_tol(dlevel[a], p[a], 1e-6f);
        ck_assert(isfinite(dlevel[0]) && isfinite(dlevel[1]));
    }
}
END_TEST

/* Two laws so narrow and so far apart that each is 0 in float32 where the other is not. */
START_TEST(laws_without_common_ground)
{
    Case c;
    double logm[MOST_STATES], logp[MOST_STATES], pull[MOST_STATES], want = 0;

    case_make(&c, &diffusion_logistic, false, 2, 256, 1, 1);
    c.out[0] = 0.5f;
    c.out[2] = 0.6f;
    c.other[0] = -0.5f;
    c.out[1] = c.out[3] = c.other[1] = -3;
    open_case(&c);
    ck_assert(c.mean[64] == 0.0f);
    naive_mixture(&c.head, c.numbers, 2, logm);
    naive_row(&c.head, c.numbers_other, logp);
    for (size_t a = 0; a < 256; a++) {
        want += exp(logp[a]) * (logp[a] - logm[a]);
        pull[a] = (double)c.p[a];
    }
    check_gradient(&c, pull);
    for (size_t a = 0; a < 256; a++) /* targets pull the other way */
        pull[a] = -pull[a];
    check_gradient(&c, pull);
    ck_assert(want > 80);
    ck_assert_double_eq_tol(diffusion_mixture_kl(&c.m, c.p), want, 1e-5 * want);
}
END_TEST

START_TEST(states_that_the_mixture_lacks_are_infinitely_far)
{
    Case c;
    float dout[MOST_LAWS * 4] = {0}, dlevel[MOST_LAWS * 4];

    case_make(&c, &diffusion_softmax, false, 3, 4, 1, 0);
    c.out[1] = c.out[5] = c.out[9] = -HUGE_VALF;
    open_case(&c);
    ck_assert(diffusion_mixture_kl(&c.m, c.p) == HUGE_VAL);
    diffusion_mixture_pull(&c.m, c.p, 1.0, dout, dlevel, 4);
    for (size_t i = 0; i < 12; i++)
        ck_assert(isfinite(dout[i]));
    c.other[1] = -HUGE_VALF; /* 0 log 0 */
    open_case(&c);
    ck_assert(isfinite(diffusion_mixture_kl(&c.m, c.p)));
}
END_TEST

START_TEST(numbers_that_are_none_stay_so)
{
    Case c;

    case_make(&c, &diffusion_logistic, false, 3, 64, 3, 1);
    c.out[2] = NAN;
    open_case(&c);
    ck_assert(isnan(diffusion_mixture_kl(&c.m, c.p)));
    case_make(&c, &diffusion_logistic, true, 3, 64, 3, 1);
    c.other[1] = NAN;
    open_case(&c);
    ck_assert(isnan(diffusion_mixture_kl(&c.m, c.p)));
}
END_TEST

/* Finite numbers of any size give a law. */
START_TEST(extreme_numbers_give_laws)
{
    static const float size[] = {0, 1, -1, 3, -3, 1e5f, -1e5f, 1e30f, -1e30f, 3e38f, -3e38f};
    float p[64], dlevel[2], dout[2] = {0}, logp[2], g[64];
    const uint16_t ends[] = {0, 63};

    for (size_t a = 0; a < 64; a++)
        g[a] = (float)a;
    for (int i = 0; i < 11 * 11 * 2; i++) {
        const float out[] = {size[i % 11], size[i / 11 % 11]};
        Head head = {&diffusion_logistic, 1, 64, 1, i >= 121, -1};
        HeadLaw law = diffusion_head_law(&head, out, 0, p);
        double total = 0;
        for (size_t a = 0; a < 64; a++)
            total += (double)p[a];
        ck_assert_double_eq_tol(total, 1, 1e-5);
        diffusion_law_log_at(&law, ends, 2, logp);
        diffusion_law_pull(&law, g, dout, dlevel);
        ck_assert(logp[0] <= 1e-4 && logp[1] <= 1e-4 && isfinite(dlevel[0]) && isfinite(dlevel[1]));
        ck_assert(!isnan(dout[0]) && !isnan(dout[1]));
    }
}
END_TEST

/* A far mu: geometric, and the same on both sides of where that form begins. */
START_TEST(far_locations)
{
    for (int i = 0; i < 8; i++) {
        bool left = i % 2 == 1;
        Head head = {&diffusion_logistic, 1, 100, 1, left || i % 4 == 2, -1};
        double mu = 1 + (i < 4 ? 19.9 : 20.1) / exp(3), want[100];
        const double numbers[] = {left ? -mu : mu, -1};
        const float out[] = {(float)numbers[0], -1};
        float p[100], logp;
        HeadLaw law = diffusion_head_law(&head, out, 0, p);
        naive_row(&head, numbers, want);
        for (uint16_t a = 0; a < 100; a++) {
            diffusion_law_log_at(&law, &a, 1, &logp);
            ck_assert_double_eq_tol(logp, want[a], 2e-5);
            ck_assert_double_eq_tol(p[a], exp(want[a]), 1e-5);
        }
    }
}
END_TEST

/* ---- memory of the losses: no array grows with states times dimensions or times lambdas ---- */

typedef struct Size {
    size_t N, D, S;
    size_t scratch; /* most bytes of a thread */
} Size;

static const Size sizes[] = {{2, 33, 256, 1 << 20},
                             {40, 64, 4096, 1 << 20},
                             {2, 2, 65535, 1 << 20},
                             {600, 8, 1024, 1 << 20}};

START_TEST(scratch_is_bounded)
{
    const Size *s = &sizes[_i];
    Head head = {&diffusion_logistic, s->D, s->S, 1, false, -1};
    Di4cOptions options = {true, DATA_WEIGHT_ONE};
    size_t rows = s->N, outputs = 2 * s->D;
    double t = 0.5;
    float *out = mem_zeroed((3 * rows + 2) * outputs, sizeof *out);
    States x = states_alloc(rows, s->D), x1 = states_rows(&x, 0, 1);

    memset(x.x, 0, rows * s->D * sizeof *x.x);
    threads_set(1);
    size_t before = mem_in_use();
    Di4cInput in = {1, s->N, &t, x1, x1, x, x, x1, out, out, out, out, out};
    float *dt = out + rows * outputs, *dtm = out + 2 * rows * outputs;
    ck_assert(isfinite(distill_losses(&options, &head, &in, NULL, dt, dtm)));
    size_t pieces = (s->D + 31) / 32, sums = (s->N + 1) * (s->N + 1) + 2;
    size_t shared =
        (pieces * sums + pieces + sums) * sizeof(double) + rows * outputs * sizeof(float);
    ck_assert_msg(mem_peak() - before <= shared + s->scratch, "%d bytes, %d of them known",
                  (int)(mem_peak() - before), (int)shared);
    ck_assert(mem_in_use() - before <= s->scratch);
    states_free(&x);
    mem_free(out);
}
END_TEST

Suite *law_mixture_suite(void)
{
    Suite *s = suite_create("law_mixture");
    TCase *tc = tcase_create("law_mixture");

    tcase_add_loop_test(tc, logarithms_and_divergences, 0, CASES);
    tcase_add_loop_test(tc, gradients_match_differences, 0, CASES);
    tcase_add_loop_test(tc, no_gradient_is_wanted, 0, CASES);
    tcase_add_test(tc, level_of_a_later_dimension);
    tcase_add_test(tc, laws_without_common_ground);
    tcase_add_test(tc, states_that_the_mixture_lacks_are_infinitely_far);
    tcase_add_test(tc, numbers_that_are_none_stay_so);
    tcase_add_test(tc, extreme_numbers_give_laws);
    tcase_add_test(tc, far_locations);
    tcase_add_loop_test(tc, scratch_is_bounded, 0, 4);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
