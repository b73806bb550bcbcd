/* Heads: rows against the published formula in double, gradients by differences of it, draws. */
#include "diffusion/head/batch.h"
#include "diffusion/head/head.h"
#include "diffusion/head/law.h"
#include "tensor/base/larger.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/threads.h"
#include "tests/tools/statistics.h"

enum { MOST = 300 }; /* largest S tried */

static Head logistic(size_t dims, size_t S, size_t channels, bool fix)
{
    Head head = {&diffusion_logistic, dims, S, channels, fix, -1};

    return head;
}

static Head softmax(size_t dims, size_t S, int mask)
{
    Head head = {&diffusion_softmax, dims, S, 1, false, mask};

    return head;
}

/* ---- the formulas as they are printed ---- */

static double log_sigmoid(double z)
{
    return z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z));
}

static void naive_normalise(double *x, size_t n)
{
    double top = -HUGE_VAL, sum = 0;

    for (size_t j = 0; j < n; j++)
        top = larger_of(top, x[j]);
    for (size_t j = 0; j < n; j++)
        sum += exp(x[j] - top);
    for (size_t j = 0; j < n; j++)
        x[j] -= top + log(sum);
}

static void naive_logistic(double mu, double log_scale, size_t S, bool fix, double *logp)
{
    double k = exp(-(log_scale - 2)), w = 2.0 / (double)S;

    for (size_t j = 0; j < S; j++) {
        double m = -1 + w / 2 + (double)j * w;
        double l = (m - w / 2 - mu) * k, r = (m + w / 2 - mu) * k;
        double a = log_sigmoid(l), b = log_sigmoid(r);
        logp[j] = b + log(1e-6 - expm1(a - b));
        if (fix) {
            double c = log_sigmoid(l) - l, d = log_sigmoid(r) - r;
            logp[j] = fmin(logp[j], c + log(1e-6 - expm1(d - c)));
        }
    }
    naive_normalise(logp, S);
}

static const double locations[] = {0, 0.3, -0.97, 0.999, 1, -1, 0.0078125};
static const double scales[] = {0, 2, -3, 5, 9, -5, 20};

/* ---- the picture of diffusion/README.md ---- */

enum { PICTURE_STATES = 48, PICTURE_LINE = 100 };

/* "    MU  LOG_SCALE  |bars|": a sign for each state, by its probability's share of the largest. */
static void draw_law(float mu, float log_scale, char *line)
{
    static const char signs[] = " .:-=+*#%@";
    const float out[] = {mu, log_scale};
    Head head = logistic(1, PICTURE_STATES, 1, false);
    float p[PICTURE_STATES], top = 0.0f;
    char bars[PICTURE_STATES + 1] = "";

    diffusion_head_law(&head, out, 0, p);
    for (size_t a = 0; a < PICTURE_STATES; a++)
        top = p[a] > top ? p[a] : top;
    for (size_t a = 0; a < PICTURE_STATES; a++)
        bars[a] = signs[(int)(9.0f * p[a] / top + 0.5f)];
    text_format(line, PICTURE_LINE, "    %5.2f  %5.1f     |%s|", (double)mu, (double)log_scale,
                bars);
}

START_TEST(the_page_shows_what_the_logistic_can_say)
{
    static const float laws[][2] = {{0.0f, -2.0f}, {0.0f, 0.0f}, {0.0f, 1.0f},  {0.0f, 2.5f},
                                    {0.5f, 0.0f},  {1.0f, 0.0f}, {-0.9f, 1.0f}, {0.3f, -6.0f}};
    enum { LAWS = sizeof laws / sizeof laws[0] };
    char wanted[PICTURE_LINE], line[4 * PICTURE_LINE];
    FILE *page = fopen("diffusion/README.md", "r");
    size_t shown = 0;

    ck_assert_ptr_nonnull(page);
    while (shown < LAWS && fgets(line, sizeof line, page) != NULL) {
        draw_law(laws[shown][0], laws[shown][1], wanted);
        line[strcspn(line, "\n")] = '\0';
        shown += strcmp(line, wanted) == 0;
    }
    fclose(page);
    ck_assert_msg(shown == LAWS, "diffusion/README.md does not show, as line %zu:\n%s", shown + 1,
                  wanted);
}
END_TEST

START_TEST(logistic_rows_follow_the_formula)
{
    static const size_t sizes[] = {2, 3, 16, 64, 65, 129, 256, 300};
    size_t S = sizes[_i % 8];
    bool fix = _i >= 8;
    double want[MOST];
    float got[MOST];

    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 7; j++) {
            const float out[] = {(float)locations[i], (float)scales[j]};
            Head head = logistic(1, S, 1, fix);
            naive_logistic(out[0], out[1], S, fix, want);
            diffusion_head_row(&head, out, NULL, 0, got);
            for (size_t a = 0; a < S; a++) {
                double allowed = 1e-6 * (1 + fabs(want[a])) + 2e-7 * exp(2 - scales[j]);
                ck_assert_msg(fabs(got[a] - want[a]) <= allowed,
                              "mu %g, log scale %g, state %d of %d: %.9g, expected %.9g", out[0],
                              out[1], (int)a, (int)S, got[a], want[a]);
            }
        }
}
END_TEST

START_TEST(logistic_stays_finite_at_the_ends)
{
    static const float ends[] = {-100, -60, 60, 100, 1e30f, -1e30f};
    float row[256], dlogp[256], dout[2] = {0, 0};
    Head head = logistic(1, 256, 1, (_i & 1) != 0);
    const float out[] = {0.25f, ends[_i / 2]};
    double sum = 0;

    diffusion_head_row(&head, out, NULL, 0, row);
    for (size_t a = 0; a < 256; a++) {
        ck_assert(isfinite(row[a]));
        sum += exp(row[a]);
        dlogp[a] = a % 2 ? 1.0f : -0.5f;
    }
    ck_assert_double_eq_tol(sum, 1, 1e-5);
    diffusion_head_row_gradient(&head, out, NULL, 0, dlogp, dout);
    ck_assert(isfinite(dout[0]) && isfinite(dout[1]));
}
END_TEST

START_TEST(numbers_that_are_none_are_passed_on)
{
    float row[5];
    const float out[] = {NAN, 0, 0.5f, NAN}, logits[] = {0, 1, NAN, 2, 3};
    Head head = logistic(1, 5, 1, false), flat = softmax(1, 5, -1);

    diffusion_head_row(&head, out, NULL, 0, row);
    ck_assert(row[0] != row[0]);
    diffusion_head_row(&head, out + 2, NULL, 0, row);
    ck_assert(row[0] != row[0]);
    diffusion_head_row(&flat, logits, NULL, 0, row);
    ck_assert(row[0] != row[0]);
}
END_TEST

/* Loss sum_a w_a log p(a) in double. */
static double naive_loss(const double *w, double mu, double log_scale, size_t S, bool fix)
{
    double logp[MOST], loss = 0;

    naive_logistic(mu, log_scale, S, fix, logp);
    for (size_t a = 0; a < S; a++)
        loss += w[a] * logp[a];
    return loss;
}

START_TEST(logistic_gradient_matches_differences)
{
    static const size_t sizes[] = {2, 16, 63, 64, 130, 256};
    size_t S = sizes[_i % 6];
    bool fix = _i >= 6;
    double w[MOST], h = 1e-6;
    float row[MOST], dlogp[MOST];
    Rng rng = rng_root((uint64_t)_i);

    for (size_t trial = 0; trial < 60; trial++) {
        const float out[] = {(float)(2.2 * rng_uniform(&rng) - 1.1),
                             (float)(8 * rng_uniform(&rng) - 2)};
        float dout[] = {3, 5}; /* accumulated into */
        Head head = logistic(1, S, 1, fix);
        for (size_t a = 0; a < S; a++)
            w[a] = dlogp[a] = (float)rng_normal(&rng);
        diffusion_head_row(&head, out, NULL, 0, row);
        diffusion_head_row_gradient(&head, out, NULL, 0, dlogp, dout);
        double mu = out[0], s = out[1];
        double by_mu = naive_loss(w, mu + h, s, S, fix) - naive_loss(w, mu - h, s, S, fix);
        double by_s = naive_loss(w, mu, s + h, S, fix) - naive_loss(w, mu, s - h, S, fix);
        double size = exp(2 - s) * (double)S;
        ck_assert_double_eq_tol(dout[0] - 3, by_mu / (2 * h), 2e-5 * (1 + size));
        ck_assert_double_eq_tol(dout[1] - 5, by_s / (2 * h), 2e-5 * (1 + size));
    }
}
END_TEST

/* Locations so far outside that a geometric law is left, from slowly to steeply falling; on the
 * left the mirror image makes it one. */
START_TEST(remote_laws_follow_the_formula)
{
    static const double falls[] = {0.02, 0.3, 1, 4}; /* of log p from bin to bin */
    static const size_t sizes[] = {2, 16, 63, 256};
    const size_t S = sizes[_i % 4];
    const bool fix = _i >= 4;
    double want[MOST], w[MOST], h = 1e-6;
    float row[MOST], dlogp[MOST];
    Rng rng = rng_root((uint64_t)_i);

    for (size_t trial = 0; trial < (fix ? 8 : 4); trial++) {
        const double k = falls[trial % 4] * (double)S / 2, mu = 1 + 30 / k;
        const float out[] = {(float)(trial < 4 ? mu : -mu), (float)(2 - log(k))};
        float dout[] = {3, 5};
        Head head = logistic(1, S, 1, fix);
        for (size_t a = 0; a < S; a++)
            w[a] = dlogp[a] = (float)rng_normal(&rng);
        naive_logistic(out[0], out[1], S, fix, want);
        diffusion_head_row(&head, out, NULL, 0, row);
        for (size_t a = 0; a < S; a++)
            ck_assert_double_eq_tol(row[a], want[a], 2e-6 * (1 + fabs(want[a])));
        diffusion_head_row_gradient(&head, out, NULL, 0, dlogp, dout);
        const double s = out[1], by_s = naive_loss(w, out[0], s + h, S, fix) -
                                        naive_loss(w, out[0], s - h, S, fix);
        ck_assert(dout[0] == 3);
        ck_assert_double_eq_tol(dout[1] - 5, by_s / (2 * h), 1e-5 * (1 + 2 * k));
    }
}
END_TEST

START_TEST(softmax_rows_and_gradient)
{
    size_t S = (size_t)_i + 1, D = 3;
    float out[3 * 40], row[40], dlogp[40], dout[3 * 40] = {0};
    double want[40], total = 0;
    Head head = softmax(D, S, -1);
    Rng rng = rng_root(4);

    for (size_t i = 0; i < D * S; i++) /* the others' logits would be the largest by far */
        out[i] = i / S == 1 ? (float)(3 * rng_normal(&rng) - 100) : 1e6f;
    for (size_t a = 0; a < S; a++) {
        want[a] = out[S + a];
        dlogp[a] = (float)rng_normal(&rng);
        total += dlogp[a];
    }
    naive_normalise(want, S);
    diffusion_head_row(&head, out, NULL, 1, row);
    diffusion_head_row_gradient(&head, out, NULL, 1, dlogp, dout);
    for (size_t a = 0; a < S; a++) {
        ck_assert_double_eq_tol(row[a], want[a], 1e-6 * (1 + fabs(want[a])));
        ck_assert_double_eq_tol(dout[S + a], dlogp[a] - exp(want[a]) * total, 1e-5);
    }
    for (size_t i = 0; i < D * S; i++)
        ck_assert(i / S == 1 || dout[i] == 0.0f);
}
END_TEST

START_TEST(impossible_states_keep_probability_zero)
{
    const float out[] = {-HUGE_VALF, 0, -HUGE_VALF, 0};
    float row[4], dlogp[] = {0, 1, 0, 0}, dout[4] = {0};
    Head head = softmax(1, 4, -1);

    diffusion_head_row(&head, out, NULL, 0, row);
    ck_assert(row[0] == -HUGE_VALF && row[2] == -HUGE_VALF);
    ck_assert_double_eq_tol(row[1], -log(2), 1e-7);
    diffusion_head_row_gradient(&head, out, NULL, 0, dlogp, dout);
    ck_assert(dout[0] == 0 && dout[2] == 0);
    ck_assert_double_eq_tol(dout[1], 0.5, 1e-6);
}
END_TEST

START_TEST(unmasked_dimensions_are_point_masses)
{
    const float out[] = {1, 2, 3, 4, 5, 6};
    const uint16_t x[] = {1, 3};
    float row[3], dlogp[] = {1, 2, 3}, dout[6] = {0};
    Head head = softmax(2, 3, 3);

    ck_assert(diffusion_head_known(&head, x, 0) && !diffusion_head_known(&head, x, 1));
    diffusion_head_row(&head, out, x, 0, row);
    ck_assert(row[0] == -HUGE_VALF && row[1] == 0 && row[2] == -HUGE_VALF);
    diffusion_head_row_gradient(&head, out, x, 0, dlogp, dout);
    ck_assert(dout[0] == 0 && dout[1] == 0 && dout[2] == 0);
    diffusion_head_row(&head, out, x, 1, row);
    ck_assert(row[2] > row[1] && row[1] > row[0]);
}
END_TEST

START_TEST(channels_of_a_pixel_lie_beside_each_other)
{
    /* Two pixels of three channels: mu_0..2, scale_0..2 for each. */
    float out[12], row[8];
    double want[8];
    Head head = logistic(6, 8, 3, false);

    ck_assert_uint_eq(diffusion_head_outputs(&head), 12);
    for (int i = 0; i < 12; i++)
        out[i] = (float)(0.1 * i - 0.5);
    for (size_t d = 0; d < 6; d++) {
        size_t at = d / 3 * 6 + d % 3;
        float dlogp[8] = {1}, dout[12] = {0};
        naive_logistic(out[at], out[at + 3], 8, false, want);
        diffusion_head_row(&head, out, NULL, d, row);
        for (size_t a = 0; a < 8; a++)
            ck_assert_double_eq_tol(row[a], want[a], 1e-5);
        diffusion_head_row_gradient(&head, out, NULL, d, dlogp, dout);
        for (size_t i = 0; i < 12; i++)
            ck_assert((dout[i] != 0) == (i == at || i == at + 3));
    }
}
END_TEST

/* ---- batches ---- */

enum { DRAWS = 20000 };

START_TEST(draws_follow_the_row)
{
    size_t S = 11, B = DRAWS, count[11] = {0};
    double p[11];
    float row[11];
    Head head = _i == 0 ? softmax(1, S, -1) : logistic(1, S, 1, false);
    size_t n = diffusion_head_outputs(&head);
    float *out = mem_alloc(B * n, sizeof *out);
    Rng *streams = mem_alloc(B, sizeof *streams);
    States x0 = states_alloc(B, 1);

    for (size_t b = 0; b < B; b++) {
        streams[b] = rng_child(rng_root(12), b);
        for (size_t i = 0; i < n; i++)
            out[b * n + i] = i == 3 ? -HUGE_VALF : (float)(0.4 * (double)i - 0.2);
    }
    diffusion_head_draw(&head, out, NULL, streams, &x0);
    for (size_t b = 0; b < B; b++)
        count[x0.x[b]]++;
    diffusion_head_row(&head, out, NULL, 0, row);
    for (size_t a = 0; a < S; a++)
        p[a] = exp(row[a]);
    ck_assert(statistics_fit(count, p, S)); /* false alarm: 1e-6 */
    mem_free(out);
    mem_free(streams);
    states_free(&x0);
}
END_TEST

/* A batch with some dimensions known. */
typedef struct Case {
    Head head;
    float out[6 * 35];
    Rng streams[6];
    States x, x0;
} Case;

static void case_make(Case *c)
{
    Rng rng = rng_root(8);

    c->head = softmax(7, 5, 5);
    c->x = states_alloc(6, 7);
    c->x0 = states_alloc(6, 7);
    for (size_t i = 0; i < (size_t)6 * 35; i++)
        c->out[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < 42; i++)
        c->x.x[i] = (uint16_t)(i % 3 == 0 ? i % 5 : 5);
    for (size_t b = 0; b < 6; b++)
        c->streams[b] = rng_child(rng_root(3), b);
}

static void case_free(Case *c)
{
    states_free(&c->x);
    states_free(&c->x0);
}

START_TEST(a_sample_does_not_see_its_batch)
{
    Case c;
    uint16_t one[7];
    States alone = {one, 1, 7};

    case_make(&c);
    threads_set(2);
    diffusion_head_draw(&c.head, c.out, &c.x, c.streams, &c.x0);
    threads_set(1);
    for (size_t b = 0; b < 6; b++) {
        States x = states_rows(&c.x, b, 1);
        diffusion_head_draw(&c.head, c.out + b * 35, &x, c.streams + b, &alone);
        ck_assert(memcmp(one, states_row(&c.x0, b), sizeof one) == 0);
        for (size_t d = 0; d < 7; d++)
            ck_assert(x.x[d] == 5 || one[d] == x.x[d]);
    }
    case_free(&c);
}
END_TEST

START_TEST(argmax_and_log_prob_follow_the_rows)
{
    Case c;
    float row[5];
    double total[6];

    case_make(&c);
    c.out[5 + 2] = c.out[5 + 4] = 9.0f; /* of equals the first */
    diffusion_head_argmax(&c.head, c.out, &c.x, &c.x0);
    diffusion_head_log_prob(&c.head, c.out, &c.x, &c.x0, total);
    for (size_t b = 0; b < 6; b++) {
        double want = 0;
        for (size_t d = 0; d < 7; d++) {
            size_t at = c.x0.x[b * 7 + d];
            diffusion_head_row(&c.head, c.out + b * 35, c.x.x + b * 7, d, row);
            for (size_t a = 0; a < 5; a++)
                ck_assert(a < at ? row[a] < row[at] : row[a] <= row[at]);
            want += row[at];
        }
        ck_assert_double_eq_tol(total[b], want, 1e-12);
    }
    c.x0.x[0] = (uint16_t)((c.x.x[0] + 1) % 5); /* against a known dimension */
    diffusion_head_log_prob(&c.head, c.out, &c.x, &c.x0, total);
    ck_assert(total[0] == -HUGE_VAL && total[1] > -HUGE_VAL);
    case_free(&c);
}
END_TEST

START_TEST(of_equals_the_first_is_the_most_probable)
{
    const float out[] = {1, 3, 3, 0, 2, 2, 2, 2};
    uint16_t found[2] = {9, 9};
    Head head = softmax(2, 4, -1);
    States x0 = {found, 1, 2};

    diffusion_head_argmax(&head, out, NULL, &x0);
    ck_assert(found[0] == 1 && found[1] == 0);
}
END_TEST

START_TEST(empty_batches)
{
    Head head = softmax(3, 4, -1);
    States none = states_alloc(0, 3);

    diffusion_head_draw(&head, NULL, NULL, NULL, &none);
    diffusion_head_argmax(&head, NULL, NULL, &none);
    diffusion_head_log_prob(&head, NULL, NULL, &none, NULL);
    states_free(&none);
}
END_TEST

START_TEST(dimension_out_of_range_stops)
{
    const float out[4] = {0};
    float row[2];
    Head head = softmax(2, 2, -1);

    diffusion_head_row(&head, out, NULL, 2, row);
}
END_TEST

START_TEST(mask_without_states_stops)
{
    const float out[4] = {0};
    float row[2];
    Head head = softmax(2, 2, 2);

    diffusion_head_row(&head, out, NULL, 0, row);
}
END_TEST

START_TEST(row_without_a_possible_state_stops)
{
    const float out[] = {-HUGE_VALF, -HUGE_VALF};
    float row[2];
    Head head = softmax(1, 2, -1);

    diffusion_head_row(&head, out, NULL, 0, row);
}
END_TEST

START_TEST(heads_are_found_by_name)
{
    for (size_t i = 0; i < diffusion_head_count(); i++)
        ck_assert_ptr_eq(diffusion_head_find(diffusion_head_class(i)->name),
                         diffusion_head_class(i));
    ck_assert_ptr_null(diffusion_head_find("soft"));
    ck_assert_ptr_null(diffusion_head_find(""));
}
END_TEST

Suite *head_suite(void)
{
    Suite *s = suite_create("head");
    TCase *rows = tcase_create("rows"), *batches = tcase_create("batches");
    TCase *stops = tcase_create("stops");

    tcase_add_loop_test(rows, logistic_rows_follow_the_formula, 0, 16);
    tcase_add_test(rows, the_page_shows_what_the_logistic_can_say);
    tcase_add_loop_test(rows, logistic_stays_finite_at_the_ends, 0, 12);
    tcase_add_test(rows, numbers_that_are_none_are_passed_on);
    tcase_add_loop_test(rows, logistic_gradient_matches_differences, 0, 12);
    tcase_add_loop_test(rows, remote_laws_follow_the_formula, 0, 8);
    tcase_add_loop_test(rows, softmax_rows_and_gradient, 0, 40);
    tcase_add_test(rows, impossible_states_keep_probability_zero);
    tcase_add_test(rows, unmasked_dimensions_are_point_masses);
    tcase_add_test(rows, channels_of_a_pixel_lie_beside_each_other);
    tcase_add_test(rows, heads_are_found_by_name);
    tcase_set_timeout(rows, 60);
    tcase_add_loop_test(batches, draws_follow_the_row, 0, 2);
    tcase_add_test(batches, a_sample_does_not_see_its_batch);
    tcase_add_test(batches, argmax_and_log_prob_follow_the_rows);
    tcase_add_test(batches, of_equals_the_first_is_the_most_probable);
    tcase_add_test(batches, empty_batches);
    tcase_set_timeout(batches, 60);
    tcase_add_test_raise_signal(stops, dimension_out_of_range_stops, SIGABRT);
    tcase_add_test_raise_signal(stops, mask_without_states_stops, SIGABRT);
    tcase_add_test_raise_signal(stops, row_without_a_possible_state_stops, SIGABRT);
    suite_add_tcase(s, rows);
    suite_add_tcase(s, batches);
    suite_add_tcase(s, stops);
    return s;
}
