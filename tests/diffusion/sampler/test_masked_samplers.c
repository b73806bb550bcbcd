/* Every sampler that knows absorbing noise, with transformers as denoisers: the law of its samples
 * on the 81 texts of tools/masked_world.h, enumerated from the formulas of diffusion/README.md and
 * the plain transformer.  A right sampler fails with probability 1e-6 for each comparison. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "diffusion/sampler/samplers.h"
#include "tensor/base/memory.h"
#include "tests/tools/masked_world.h"
#include "tests/tools/one_thread.h"
#include "tests/tools/sanitized.h"
#include "tests/tools/statistics.h"
#include "tests/tools/surest.h"

enum { SAMPLES = SANITIZED ? 2000 : 8000 };
enum { CELLS = 32, LETTERS = MASKED_LETTERS };
static const double THETA = 0.4, LONGER = 0.7, TEMPERATURE = 3.0;

typedef enum Kind {
    POSTERIOR,
    EULER,
    LEAPING,
    LEAPING_FIRST,
    CORRECTED,
    TRAPEZOIDAL,
    CONFIDENT,
    SUREST,
    HITTING,
    CHAIN,
    KINDS
} Kind;
static const char *const names[KINDS] = {
    "posterior",         "euler",      "tau-leaping", "tau-leaping",   "predictor-corrector",
    "theta-trapezoidal", "confidence", "confidence",  "first-hitting", "exact"};

/* What a chain does: of a mixture the node `only` in every call, or, MASKED_NODES, all of them. */
typedef struct Way {
    const MaskedWorld *w;
    Kind kind;
    size_t steps, only;
} Way;

static double weight_of(const Way *way, size_t node)
{
    return way->only == MASKED_NODES ? way->w->weight[node] : (double)(node == way->only);
}

/* The tables of all nodes at one time. */
typedef struct Tables {
    MaskedTable of[MASKED_NODES];
} Tables;

static void tables_at(const Way *way, double t, Tables *tables)
{
    for (size_t k = 0; k < way->w->nodes; k++) {
        if (weight_of(way, k) > 0.0) {
            masked_table(way->w, t, way->w->node[k], &tables->of[k]);
        }
    }
}

/* ---- one masked dimension ---- */

/* Poisson numbers of jumps with these means: one that is alone, or the first of several. */
static void leap(const double mean[LETTERS], bool first, double row[MASKED_S])
{
    const double total = mean[0] + mean[1] + mean[2];
    row[MASKED_MASK] = 1.0;
    for (size_t a = 0; a < LETTERS; a++) {
        row[a] = !first        ? mean[a] * exp(-total)
                 : total > 0.0 ? mean[a] / total * (1.0 - exp(-total))
                               : 0.0;
        row[MASKED_MASK] -= row[a];
    }
}

/* Unmasked with this probability. */
static void reveal(const double p[LETTERS], double chance, double row[MASKED_S])
{
    for (size_t a = 0; a < LETTERS; a++) {
        row[a] = chance * p[a];
    }
    row[MASKED_MASK] = 1.0 - chance;
}

/* A move from t to s. */
static void move_row(const Way *way, double t, double s, const double p[LETTERS],
                     double row[MASKED_S])
{
    const double rate = masked_rate(way->w, t), length = (way->kind == TRAPEZOIDAL ? THETA : 1.0);
    const double expected = rate * length * (t - s);
    const double mean[LETTERS] = {expected * p[0], expected * p[1], expected * p[2]};
    if (way->kind == POSTERIOR) {
        reveal(p, 1.0 - masked_lost(way->w, s) / masked_lost(way->w, t), row);
    } else if (way->kind == EULER) {
        reveal(p, fmin(expected, 1.0), row);
    } else {
        leap(mean, way->kind == LEAPING_FIRST || way->kind == TRAPEZOIDAL, row);
    }
}

/* A corrector's leap at s, of this length: also from letters to the mask. */
static void correct_row(const Way *way, double s, double length, uint16_t x,
                        const double p[LETTERS], double row[MASKED_S])
{
    const double back = masked_rate(way->w, s) * length, on = masked_forward(way->w, s) * length;
    const double mean[LETTERS] = {back * p[0], back * p[1], back * p[2]};
    if (x == MASKED_MASK) {
        leap(mean, false, row);
        return;
    }
    memset(row, 0, MASKED_S * sizeof *row);
    row[MASKED_MASK] = on * exp(-on);
    row[x] = 1.0 - row[MASKED_MASK];
}

/* The second leap of theta-trapezoidal: p at the middle, before_p at t. */
static void second_row(const Way *way, double t, double s, const double p[LETTERS],
                       const double before_p[LETTERS], double row[MASKED_S])
{
    const double h = t - s, a1 = 0.5 / (THETA * (1.0 - THETA)), middle = t - THETA * h;
    double mean[LETTERS];
    for (size_t a = 0; a < LETTERS; a++) {
        mean[a] = a1 * masked_rate(way->w, middle) * p[a] -
                  (a1 - 1.0) * masked_rate(way->w, t) * before_p[a];
        mean[a] = fmax(mean[a], 0.0) * (1.0 - THETA) * h;
    }
    leap(mean, true, row);
}

/* ---- calls of the network, on the law of all states ---- */

typedef enum Part { MOVE, CORRECT, DRAW } Part;

static void push(const Way *way, Part part, double t, double s, double *law)
{
    double next[MASKED_ALL] = {0.0};
    static Tables tables;
    tables_at(way, part == CORRECT ? s : t, &tables);
    for (size_t i = 0; i < MASKED_ALL * way->w->nodes; i++) {
        const size_t n = i / way->w->nodes, k = i % way->w->nodes;
        const double weight = law[n] * weight_of(way, k);
        double rows[MASKED_D][MASKED_S] = {{0.0}};
        uint16_t x[MASKED_D];
        masked_digits(x, n);
        for (size_t d = 0; d < MASKED_D && weight > 0.0; d++) {
            const double *p = tables.of[k].p[n][d];
            if (part == CORRECT) {
                correct_row(way, s, LONGER * (t - s), x[d], p, rows[d]);
            } else if (x[d] != MASKED_MASK) {
                rows[d][x[d]] = 1.0;
            } else if (part == DRAW) {
                reveal(p, 1.0, rows[d]);
            } else {
                move_row(way, t, s, p, rows[d]);
            }
        }
        if (weight > 0.0) {
            masked_spread(next, weight, rows);
        }
    }
    memcpy(law, next, sizeof next);
}

/* From x at t, with before's table, to the middle and on to s: next += weight times the law. */
static void push_two_from(const Way *way, double t, double s, size_t n, double weight,
                          const MaskedTable *before, const Tables *middle, double *next)
{
    double law[MASKED_ALL] = {0.0}, rows[MASKED_D][MASKED_S];
    uint16_t x[MASKED_D];
    masked_digits(x, n);
    for (size_t d = 0; d < MASKED_D; d++) {
        memset(rows[d], 0, sizeof rows[d]);
        rows[d][x[d]] = 1.0;
        if (x[d] == MASKED_MASK) {
            move_row(way, t, s, before->p[n][d], rows[d]);
        }
    }
    masked_spread(law, weight, rows);
    for (size_t i = 0; i < MASKED_ALL * way->w->nodes; i++) {
        const size_t m = i / way->w->nodes, k = i % way->w->nodes;
        const double part = law[m] * weight_of(way, k);
        if (!(part > 0.0)) {
            continue;
        }
        masked_digits(x, m);
        for (size_t d = 0; d < MASKED_D; d++) {
            memset(rows[d], 0, sizeof rows[d]);
            rows[d][x[d]] = 1.0;
            if (x[d] == MASKED_MASK) {
                second_row(way, t, s, middle->of[k].p[m][d], before->p[n][d], rows[d]);
            }
        }
        masked_spread(next, part, rows);
    }
}

static void push_two(const Way *way, double t, double s, double *law)
{
    double next[MASKED_ALL] = {0.0};
    static Tables before, middle;
    tables_at(way, t, &before);
    tables_at(way, t - THETA * (t - s), &middle);
    for (size_t n = 0; n < MASKED_ALL; n++) {
        for (size_t k = 0; k < way->w->nodes; k++) {
            const double weight = law[n] * weight_of(way, k);
            if (weight > 0.0) {
                push_two_from(way, t, s, n, weight, &before.of[k], &middle, next);
            }
        }
    }
    memcpy(law, next, sizeof next);
}

/* The texts that may be drawn at x, each with its chance, and what is kept of them. */
static void keep_from(const Way *way, size_t n, double weight, const MaskedTable *table, double s,
                      double *next)
{
    uint16_t x[MASKED_D], y[MASKED_D];
    masked_digits(x, n);
    const size_t masked = masked_count(x);
    size_t stay = (size_t)(MASKED_D * masked_lost(way->w, s));
    stay = masked < 2 ? masked : stay > masked - 1 ? masked - 1 : stay < 1 ? 1 : stay;
    for (size_t i = 0; i < MASKED_TEXTS; i++) {
        double p[MASKED_D], chance = weight;
        masked_digits(y, masked_text(i));
        for (size_t d = 0; d < MASKED_D; d++) {
            p[d] = table->p[n][d][y[d]];
            chance *= p[d];
        }
        if (chance > 0.0) {
            surest_keep(next, chance, x, y, p, MASKED_D, MASKED_S, masked - stay,
                        way->kind == SUREST ? 0.0 : TEMPERATURE * s);
        }
    }
}

static void push_surest(const Way *way, double t, double s, double *law)
{
    double next[MASKED_ALL] = {0.0};
    static Tables tables;
    tables_at(way, t, &tables);
    for (size_t n = 0; n < MASKED_ALL; n++) {
        for (size_t k = 0; k < way->w->nodes; k++) {
            const double weight = law[n] * weight_of(way, k);
            if (weight > 0.0) {
                keep_from(way, n, weight, &tables.of[k], s, next);
            }
        }
    }
    memcpy(law, next, sizeof next);
}

static void grid_law(const Way *way, double *law)
{
    memset(law, 0, MASKED_ALL * sizeof *law);
    law[MASKED_ALL - 1] = 1.0; /* all masked */
    for (size_t n = way->steps; n > 1; n--) {
        const double t = (double)n / (double)way->steps, s = (double)(n - 1) / (double)way->steps;
        if (way->kind == TRAPEZOIDAL) {
            push_two(way, t, s, law);
        } else if (way->kind == CONFIDENT || way->kind == SUREST) {
            push_surest(way, t, s, law);
        } else {
            push(way, MOVE, t, s, law);
        }
        if (way->kind == CORRECTED) {
            push(way, CORRECT, t, s, law);
        }
    }
    push(way, DRAW, 1.0 / (double)way->steps, 0.0, law);
}

/* ---- continuous time ----
 * In units of lost = 1 - alpha, with n masks the next one goes with density n v^(n-1)/u^n at v < u,
 * where u is the time at which the state was come to.  enter[x][i]: probability that x is come to
 * in cell i of the unit of time. */

/* Probability that n masks stay until v, sum over what came to x before, and then one goes in cell
 * i; half of what comes in a cell comes before its middle. */
static double leaving(const double *enter, size_t n, size_t i, bool start)
{
    const double width = 1.0 / CELLS, v = ((double)i + 0.5) * width;
    double sum = start ? 1.0 : 0.0;
    for (size_t j = i; j < CELLS && !start; j++) {
        const double u = ((double)j + 0.5) * width;
        sum += (j == i ? 0.5 : 1.0) * enter[j] / pow(u, (double)n);
    }
    return sum * (double)n * pow(v, (double)n - 1.0) * width;
}

static void chain_law(const Way *way, double *law)
{
    static double enter[MASKED_ALL][CELLS];
    static Tables tables[CELLS];
    memset(enter, 0, sizeof enter);
    memset(law, 0, MASKED_ALL * sizeof *law);
    for (size_t i = 0; i < CELLS; i++) {
        tables_at(way, masked_time(way->w, ((double)i + 0.5) / CELLS), &tables[i]);
    }
    for (size_t masks = MASKED_D; masks > 0; masks--) {
        for (size_t at = 0; at < MASKED_ALL * CELLS * MASKED_D; at++) {
            const size_t n = at / (CELLS * MASKED_D), i = at / MASKED_D % CELLS, d = at % MASKED_D;
            uint16_t x[MASKED_D];
            masked_digits(x, n);
            if (masked_count(x) != masks || x[d] != MASKED_MASK) {
                continue;
            }
            const double go = leaving(enter[n], masks, i, masks == MASKED_D) / (double)masks;
            for (size_t k = 0; k < way->w->nodes * LETTERS; k++) {
                const double weight = weight_of(way, k / LETTERS);
                x[d] = (uint16_t)(k % LETTERS);
                if (weight > 0.0) {
                    enter[masked_number(x)][i] +=
                        go * weight * tables[i].of[k / LETTERS].p[n][d][x[d]];
                }
            }
        }
    }
    for (size_t k = 0; k < MASKED_TEXTS * CELLS; k++) {
        law[masked_text(k / CELLS)] += enter[masked_text(k / CELLS)][k % CELLS];
    }
}

/* ---- samples ---- */

static void law_of(const Way *way, double *law)
{
    double sum = 0.0;
    (way->kind == HITTING || way->kind == CHAIN ? chain_law : grid_law)(way, law);
    for (size_t n = 0; n < MASKED_ALL; n++) {
        sum += law[n];
    }
    ck_assert_msg(fabs(sum - 1.0) < 2e-3, "%s: a law of sum 1 + %g", names[way->kind], sum - 1.0);
    for (size_t n = 0; n < MASKED_ALL; n++) {
        law[n] /= sum;
    }
}

/* One lambda a sample: the mean of the laws of one node each. */
static void law_in_scope(const Way *way, LambdaScope scope, double *law)
{
    if (scope == LAMBDA_STEP || way->w->nodes == 1) {
        law_of(way, law);
        return;
    }
    memset(law, 0, MASKED_ALL * sizeof *law);
    for (size_t k = 0; k < way->w->nodes; k++) {
        Way of_node = *way;
        double part[MASKED_ALL];
        of_node.only = k;
        law_of(&of_node, part);
        for (size_t n = 0; n < MASKED_ALL; n++) {
            law[n] += way->w->weight[k] * part[n];
        }
    }
}

static void check_samples(const Way *way, LambdaScope scope, const double *law, uint64_t seed)
{
    size_t count[MASKED_ALL] = {0};
    Error err = {""};
    SamplerSettings s = diffusion_sampler_defaults();
    const SampleRequest r = {.sampler = diffusion_sampler_find(names[way->kind], &err),
                             .settings = &s,
                             .model = &way->w->model,
                             .process = way->w->process,
                             .steps = way->steps,
                             .batch = 2000,
                             .lambda_scope = scope,
                             .seed = seed};
    States out = states_alloc(SAMPLES, MASKED_D);
    s.theta = THETA;
    s.corrector_size = LONGER;
    s.temperature = way->kind == SUREST ? 0.0 : TEMPERATURE;
    s.jumps = way->kind == LEAPING_FIRST ? JUMPS_FIRST : JUMPS_AUTO;
    ck_assert_msg(r.sampler != NULL && diffusion_sample(&r, &out, &err), "%s", err.text);
    for (size_t i = 0; i < SAMPLES; i++) {
        count[masked_number(states_row(&out, i))]++;
    }
    ck_assert_msg(statistics_fit(count, law, MASKED_ALL), "%s, %zu steps, lambda %s",
                  names[way->kind], way->steps, scope == LAMBDA_STEP ? "a step" : "a sample");
    states_free(&out);
}

/* Seeds of networks whose law in one step is far from that in four (total variation 0.4 to 0.5), so
 * that what is revealed when is seen in the texts. */
static uint64_t seed_of(const TransformerConfig *c)
{
    return c->lambda_dims == 0 ? 59 : c->lambda_entry == TRANSFORMER_LAMBDA_TOKEN ? 9 : 60;
}

static void check_world(const TransformerConfig *c, bool cosine, Kind kind, size_t steps,
                        LambdaScope scope)
{
    MaskedWorld w;
    double law[MASKED_ALL];
    masked_world_make(&w, c, cosine, seed_of(c));
    const Way way = {&w, kind, steps, w.nodes > 1 ? MASKED_NODES : 0};
    law_in_scope(&way, scope, law);
    check_samples(&way, scope, law, 100 + (uint64_t)kind);
    masked_world_free(&w);
}

START_TEST(teachers)
{
    const TransformerConfig c = masked_config();
    check_world(&c, false, (Kind)_i, 3, LAMBDA_STEP);
    check_world(&c, true, (Kind)_i, 2, LAMBDA_STEP);
}
END_TEST

START_TEST(teachers_in_one_step)
{
    const TransformerConfig c = masked_config();
    check_world(&c, false, POSTERIOR, 1, LAMBDA_STEP);
}
END_TEST

static TransformerConfig student(TransformerLambda entry)
{
    TransformerConfig c = masked_config();
    c.lambda_dims = entry == TRANSFORMER_LAMBDA_TOKEN ? 1 : 2;
    c.lambda_entry = entry;
    c.learned_positions = entry == TRANSFORMER_LAMBDA_CONDITIONING; /* a token tells places apart */
    c.lambda_is_number = entry == TRANSFORMER_LAMBDA_CONDITIONING;
    return c;
}

/* Posterior and first-hitting with both ways of lambda in both scopes, the others with one each. */
START_TEST(students)
{
    const TransformerConfig token = student(TRANSFORMER_LAMBDA_TOKEN);
    const TransformerConfig conditioning = student(TRANSFORMER_LAMBDA_CONDITIONING);
    const bool all = _i == POSTERIOR || _i == HITTING;
    check_world(&token, false, (Kind)_i, 2, LAMBDA_STEP);
    check_world(&conditioning, false, (Kind)_i, 2, LAMBDA_SAMPLE);
    if (all) {
        check_world(&token, false, (Kind)_i, 3, LAMBDA_SAMPLE);
        check_world(&conditioning, false, (Kind)_i, 3, LAMBDA_STEP);
    }
}
END_TEST

Suite *masked_samplers_suite(void);
Suite *masked_samplers_suite(void)
{
    Suite *s = suite_create("masked_samplers");
    TCase *tc = one_thread_case("masked_samplers", 120);
    tcase_add_loop_test(tc, teachers, 0, KINDS);
    tcase_add_test(tc, teachers_in_one_step);
    tcase_add_loop_test(tc, students, 0, CHAIN); /* which is first-hitting under masks */
    suite_add_tcase(s, tc);
    return s;
}
