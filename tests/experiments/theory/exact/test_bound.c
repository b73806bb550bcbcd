/* The bound of Theorem 2: known values on two equal bits, a second enumeration written as plain
 * loops, and that no student, however wrong, breaks it. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "diffusion/posterior.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/theory/bound.h"
#include "experiments/theory/exact/bound.h"
#include "experiments/theory/trained/bound_run.h"
#include "experiments/theory/trained/tiny.h"
#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tests/tools/sampler_worlds.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

enum { D = WORLD_D };

static void set_up(void)
{
    toys_set_up("test-bound.tmp.d");
}

static Process *masks(size_t states)
{
    ProcessConfig c = diffusion_process_defaults("absorbing", states + 1);

    c.eps = 0.0;
    return diffusion_process_create(&c, NULL);
}

static FiniteLaw *equal_bits(void)
{
    FiniteLaw *law = law_create(2, 2, 2);

    law->patterns[2] = law->patterns[3] = 1;
    law->probability[0] = law->probability[1] = 1.0;
    law_normalise(law);
    return law;
}

/* Student = teacher = the exact product denoiser of x^1 = x^2 under alpha = 1 - t.  Left: its N
 * steps miss the data by 1/(2N), its one step by 1/2.  Only from two masks does the consistency
 * term not vanish: with a = 1/(n+1) the chance of one bit to be unmasked, the bits differ with
 * chance (a^2 + (1-a)^2)/2 on the left of the KL and 1/2 on its right; two masks are left at
 * t_{n+1} with chance ((n+1)/N)^2. */
START_TEST(equal_bits_have_known_terms)
{
    Process *p = masks(2);
    FiniteLaw *law = equal_bits();
    Denoiser *exact = exact_denoiser_create(law, p);

    for (size_t N = 1; N <= 6; N++) {
        BoundChain *c = bound_chain_create(p, exact, N);
        const double *r0 = bound_teacher_law(c), far = 0.25 / (double)N;
        double terms[6];
        ck_assert_uint_eq(bound_clean_points(c), 4);
        ck_assert_double_le(fabs(r0[0] - (0.5 - far)) + fabs(r0[1] - far), 1e-7);
        double left = bound_measure(c, exact, 1, terms);
        ck_assert_double_le(fabs(left - (0.5 - 0.5 / (double)N)), 1e-7);
        ck_assert_double_le(terms[0], 1e-7);
        for (size_t n = 1; n < N; n++) {
            double a = 1.0 / (double)(n + 1), differ = 0.5 * (a * a + (1.0 - a) * (1.0 - a));
            double kl = (1.0 - differ) * log(2.0 * (1.0 - differ)) + differ * log(2.0 * differ);
            double both = (double)((n + 1) * (n + 1)) / (double)(N * N);
            ck_assert_double_le(fabs(terms[n] - sqrt(both * kl / 2.0)), 1e-7);
        }
        bound_chain_destroy(c);
    }
    exact_denoiser_destroy(exact);
    law_destroy(law);
    diffusion_process_destroy(p);
}
END_TEST

/* A student that says 0, 0 for lambda < 1/2 and 1, 1 otherwise puts out the data in one step. */
static Var *coupled_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    size_t shape[3] = {in->x->batch, d->head.dims, 2};
    Tensor value = tensor_make(g->arena, 3, shape);

    for (size_t i = 0; i < in->x->batch * d->head.dims; i++) {
        bool one = in->lambda[i / d->head.dims] >= 0.5;
        value.data[2 * i] = one ? -40.0f : 0.0f;
        value.data[2 * i + 1] = one ? 0.0f : -40.0f;
    }
    return ag_constant(g, value);
}

START_TEST(a_mixture_reaches_the_data_in_one_step)
{
    Process *p = masks(2);
    FiniteLaw *law = equal_bits();
    Denoiser *exact = exact_denoiser_create(law, p);
    Denoiser student = {.head = {&diffusion_softmax, 2, 2, 1, false, 2},
                        .lambda_dims = 1,
                        .forward = coupled_forward};
    BoundChain *c = bound_chain_create(p, exact, 4);
    double terms[4], out[4];

    bound_student_law(c, &student, 2, out);
    ck_assert_double_le(fabs(out[0] - 0.5) + fabs(out[3] - 0.5), 1e-12);
    ck_assert_double_le(fabs(bound_measure(c, &student, 2, terms) - 1.0 / 8.0), 1e-7);
    bound_student_law(c, &student, 3, out); /* lambda = 1/6, 1/2, 5/6 */
    ck_assert_double_le(fabs(out[0] - 1.0 / 3.0), 1e-12);
    bound_chain_destroy(c);
    exact_denoiser_destroy(exact);
    law_destroy(law);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- the same by plain loops, two dimensions ---- */

typedef struct Naive {
    const Process *p;
    const Denoiser *teacher, *student;
    size_t S, clean, points, answers; /* states; clean states; S^2; clean^2 */
} Naive;

typedef double Table[WORLD_ALL][WORLD_ALL];

/* table[x][y] = p_{0|t}(y|x), the mean over lambda = 1/4, 3/4. */
static void naive_clean(const Naive *w, const Denoiser *m, double t, Table table)
{
    double rows[D][WORLD_S];

    for (size_t x = 0; x < w->points; x++)
        for (size_t y = 0; y < w->answers; y++)
            table[x][y] = 0.0;
    for (size_t x = 0; x < w->points; x++)
        for (int k = 0; k < 2; k++) {
            world_rows(m, x, w->S, t, 0.25 + 0.5 * k, rows);
            for (size_t y = 0; y < w->answers; y++)
                table[x][y] += 0.5 * rows[0][y % w->clean] * rows[1][y / w->clean];
        }
}

/* table[x][z] = p^psi_{s|t}(z|x) by Bayes' rule state by state. */
static void naive_step(const Naive *w, double s, double t, Table table)
{
    PosteriorStep *step = diffusion_posterior_create(w->p, s, t, 0.0);

    for (size_t x = 0; x < w->points; x++) {
        double rows[D][WORLD_S], q[WORLD_S], one[D][WORLD_S] = {{0.0}};
        uint16_t from[D], to[D];
        world_digits(from, x, w->S);
        world_rows(w->teacher, x, w->S, t, 0.0, rows);
        for (size_t d = 0; d < D; d++)
            for (size_t a = 0; a < w->clean; a++) {
                diffusion_posterior(step, from[d], a, q);
                for (size_t v = 0; v < w->S; v++)
                    one[d][v] += rows[d][a] * q[v];
            }
        for (size_t z = 0; z < w->points; z++) {
            world_digits(to, z, w->S);
            table[x][z] = one[0][to[0]] * one[1][to[1]];
        }
    }
    diffusion_posterior_destroy(step);
}

static double naive_consis(const Naive *w, const double *law, double u, double t)
{
    Table move, at_u, at_t;
    double mean = 0.0;

    naive_step(w, u, t, move);
    naive_clean(w, w->student, u, at_u);
    naive_clean(w, w->student, t, at_t);
    for (size_t x = 0; x < w->points; x++)
        for (size_t y = 0; y < w->answers && law[x] > 0.0; y++) {
            double left = 0.0;
            for (size_t z = 0; z < w->points; z++)
                left += move[x][z] * at_u[z][y];
            if (left > 0.0)
                mean += law[x] * left * log(left / at_t[x][y]);
        }
    return mean;
}

static double naive_distill(const Naive *w, const double *law, double t)
{
    Table left, right;
    double mean = 0.0;

    naive_clean(w, w->teacher, t, left);
    naive_clean(w, w->student, t, right);
    for (size_t x = 0; x < w->points; x++)
        for (size_t y = 0; y < w->answers; y++)
            if (law[x] > 0.0 && left[x][y] > 0.0)
                mean += law[x] * left[x][y] * log(left[x][y] / right[x][y]);
    return mean;
}

/* law becomes that after one step of the teacher. */
static void naive_move(const Naive *w, double s, double t, double *law)
{
    Table move;
    double next[WORLD_ALL] = {0.0};

    naive_step(w, s, t, move);
    for (size_t x = 0; x < w->points; x++)
        for (size_t z = 0; z < w->points; z++)
            next[z] += law[x] * move[x][z];
    for (size_t x = 0; x < w->points; x++)
        law[x] = next[x];
}

static double naive_left(const Naive *w, const double *prior, const double *r1, double t1)
{
    Table teacher, student;
    double sum = 0.0;

    naive_clean(w, w->teacher, t1, teacher);
    naive_clean(w, w->student, 1.0, student);
    for (size_t y = 0; y < w->answers; y++) {
        double a = 0.0, b = 0.0;
        for (size_t x = 0; x < w->points; x++) {
            a += r1[x] * teacher[x][y];
            b += prior[x] * student[x][y];
        }
        sum += fabs(a - b);
    }
    return 0.5 * sum;
}

START_TEST(all_terms_equal_a_second_enumeration)
{
    enum { N = 3, S = 3 };
    Process *p = world_process((size_t)_i, S);
    Formula of_teacher = {0.9, 0, NULL}, of_student = {0.2, 0, NULL};
    Denoiser teacher = formula_denoiser(&of_teacher, p, D, 0);
    Denoiser student = formula_denoiser(&of_student, p, D, 1);
    Naive w = {p, &teacher, &student, S, teacher.head.states, (size_t)S * S, 0};
    double prior[WORLD_ALL], law[WORLD_ALL], terms[N];

    w.answers = w.clean * w.clean;
    for (size_t x = 0; x < w.points; x++)
        law[x] = prior[x] = p->prior[x % S] * p->prior[x / S];
    BoundChain *c = bound_chain_create(p, &teacher, N);
    double left = bound_measure(c, &student, 2, terms);
    for (size_t n = N - 1; n > 0; n--) {
        double u = (double)n / N, t = (double)(n + 1) / N;
        ck_assert_double_le(fabs(terms[n] - sqrt(naive_consis(&w, law, u, t) / 2.0)), 1e-6);
        naive_move(&w, u, t, law);
    }
    ck_assert_double_le(fabs(terms[0] - sqrt(naive_distill(&w, law, 1.0 / N) / 2.0)), 1e-6);
    ck_assert_double_le(fabs(left - naive_left(&w, prior, law, 1.0 / N)), 1e-6);
    bound_chain_destroy(c);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(no_student_breaks_the_bound)
{
    enum { S = 3 };
    Process *p = world_process((size_t)_i, S);
    Formula of_teacher = {0.9, 0, NULL};
    Denoiser teacher = formula_denoiser(&of_teacher, p, D, 0);

    for (size_t N = 1; N <= 4; N++) {
        BoundChain *c = bound_chain_create(p, &teacher, N);
        for (int k = 0; k < 12; k++) {
            Formula f = {0.9 + 0.3 * (k - 4), 0, NULL};
            Denoiser student = formula_denoiser(&f, p, D, k % 2 == 0 ? 1 : 0);
            double terms[4], right = 0.0;
            double left = bound_measure(c, &student, k % 2 == 0 ? 4 : 1, terms);
            for (size_t n = 0; n < N; n++)
                right += terms[n];
            ck_assert_msg(left <= right + 1e-12, "N = %zu, student %d: %g > %g", N, k, left, right);
        }
        bound_chain_destroy(c);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* A real training, short: rows where they should be, never broken, and the first term falls as the
 * student learns.  The same seed gives the same bits. */
START_TEST(trained_students_keep_the_bound)
{
    enum { STEPS = 14 };
    Error err = {""};
    FiniteLaw *law = _i == 0 ? equal_bits() : tiny_xor(3);
    BoundRun *run = bound_run(law, 1, STEPS, &err), *again = bound_run(law, 1, STEPS, &err);

    ck_assert_msg(run != NULL && again != NULL, "%s", err.text);
    ck_assert_uint_eq(run->violations, 0);
    ck_assert_uint_eq(run->count, again->count);
    for (size_t i = 0; i < run->count; i++) {
        const BoundRow *row = &run->rows[i], *same = &again->rows[i];
        double sum = 0.0;
        for (size_t n = 0; n < BOUND_CALLS; n++)
            sum += row->terms[n];
        ck_assert(row->lhs <= row->rhs && row->lhs >= 0.0 && row->rhs == sum);
        ck_assert(row->lhs == same->lhs && row->rhs == same->rhs && row->step == same->step);
        ck_assert(i == 0 || row->step > row[-1].step);
    }
    const BoundRow *first = run->rows, *last = run->rows + run->count - 1;
    ck_assert(first->step == 0 && last->step == STEPS);
    ck_assert_double_lt(last->terms[0], first->terms[0]);
    if (_i == 0)
        ck_assert_double_le(fabs(first->teacher_tv - 1.0 / (2.0 * BOUND_CALLS)), 1e-6);
    bound_run_free(run);
    bound_run_free(again);
    law_destroy(law);
}
END_TEST

/* The experiment on one world: flat rows that add up, and both sides in them. */
START_TEST(rows_carry_the_terms)
{
    static const char *const terms[] = {"distill",  "consis_1", "consis_2", "consis_3",
                                        "consis_4", "consis_5", "consis_6", "consis_7"};
    Findings *f = findings_create(NULL);
    const char *path = toy("bound.json");
    Error err = {""};
    size_t count;

    ck_assert_msg(theory_bound_world("coupled-bits", 30, 2, f, &err), "%s", err.text);
    ck_assert_msg(findings_write(f, path, 2, &err), "%s", err.text);
    char *text = toy_read(path, &count);
    Json *json = json_parse(text, count, path, &err);
    ck_assert_msg(json != NULL, "%s", err.text);
    const Json *rows = json_get(json, "rows");
    ck_assert(rows != NULL && rows->count == 17);
    for (size_t i = 0; i < rows->count; i++) {
        const Json *row = &rows->items[i];
        const double lhs = json_get(row, "lhs")->number, rhs = json_get(row, "rhs")->number;
        double sum = 0.0;
        for (size_t n = 0; n < BOUND_CALLS; n++)
            sum += json_get(row, terms[n])->number;
        ck_assert_double_le(fabs(sum - rhs), 1e-15 * BOUND_CALLS);
        ck_assert(lhs <= rhs && json_get(row, "step")->number >= (double)i);
    }
    json_free(json);
    mem_free(text);
    findings_destroy(f);
}
END_TEST

START_TEST(large_worlds_are_refused)
{
    FiniteLaw *law = tiny_xor(8);
    Error err = {""};

    ck_assert(bound_run(law, 1, 1, &err) == NULL);
    ck_assert_msg(strstr(err.text, "6561") != NULL, "%s", err.text);
    law_destroy(law);
}
END_TEST

START_TEST(too_large_a_space_stops)
{
    Process *p = world_process(1, 4);
    Formula f = {0.9, 0, NULL};
    Denoiser teacher = formula_denoiser(&f, p, 6, 0);

    bound_chain_create(p, &teacher, 2);
}
END_TEST

START_TEST(a_mixture_as_teacher_stops)
{
    Process *p = world_process(1, 3);
    Formula f = {0.9, 0, NULL};
    Denoiser teacher = formula_denoiser(&f, p, D, 1);

    bound_chain_create(p, &teacher, 2);
}
END_TEST

Suite *bound_suite(void)
{
    Suite *s = suite_create("bound");
    TCase *tc = tcase_create("bound");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, equal_bits_have_known_terms);
    tcase_add_test(tc, a_mixture_reaches_the_data_in_one_step);
    tcase_add_loop_test(tc, all_terms_equal_a_second_enumeration, 0, 4);
    tcase_add_loop_test(tc, no_student_breaks_the_bound, 0, 4);
    tcase_add_test(tc, rows_carry_the_terms);
    tcase_add_test(tc, large_worlds_are_refused);
    tcase_add_test_raise_signal(tc, too_large_a_space_stops, SIGABRT);
    tcase_add_test_raise_signal(tc, a_mixture_as_teacher_stops, SIGABRT);
    tcase_set_timeout(tc, 240);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 240);
    tcase_add_checked_fixture(slow, set_up, toys_tear_down);
    tcase_add_loop_test(slow, trained_students_keep_the_bound, 0, 2);
    return s;
}
