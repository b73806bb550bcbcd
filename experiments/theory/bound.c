/* The experiment `bound`: Theorem 2 for students in training. */
#include "experiments/theory/bound.h"

#include <stdio.h>
#include <string.h>

#include "experiments/theory/exact/world.h"
#include "experiments/theory/theory.h"
#include "experiments/theory/trained/bound_run.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

static const struct {
    const char *world;
    size_t steps; /* of training */
} worlds[] = {{"coupled-bits", 1050}, {"xor", 1500}};
enum { WORLDS = sizeof worlds / sizeof worlds[0], OTHER_STEPS = 1500, TEXT = 40 };

static const char *term_name(size_t n)
{
    static const char *const names[BOUND_CALLS] = {"distill",  "consis_1", "consis_2", "consis_3",
                                                   "consis_4", "consis_5", "consis_6", "consis_7"};
    return names[n];
}

static void add_rows(const BoundRun *run, const char *world, Findings *f)
{
    for (size_t i = 0; i < run->count; i++) {
        const BoundRow *r = &run->rows[i];
        findings_row(f, "bound");
        findings_text(f, "world", world);
        findings_count(f, "step", r->step);
        findings_number(f, "lhs", r->lhs);
        findings_number(f, "rhs", r->rhs);
        findings_number(f, "ratio", r->lhs / r->rhs);
        for (size_t n = 0; n < BOUND_CALLS; n++)
            findings_number(f, term_name(n), r->terms[n]);
        findings_number(f, "student_tv", r->student_tv);
        findings_number(f, "teacher_tv", r->teacher_tv);
        findings_count(f, "lambdas", r->lambdas);
    }
}

/* values (columns, rows): a curve over the training steps for each column. */
static bool add_chart(const BoundRun *run, const char *file, const char *title, const char *y_label,
                      const char *const *names, const double *values, size_t columns, Findings *f,
                      Error *err)
{
    Series series[BOUND_CALLS] = {{0}};
    double *steps = mem_alloc(run->count, sizeof *steps);

    for (size_t i = 0; i < run->count; i++)
        steps[i] = (double)run->rows[i].step;
    for (size_t k = 0; k < columns; k++) {
        series[k].name = names[k];
        series[k].x = steps;
        series[k].y = values + k * run->count;
        series[k].count = run->count;
    }
    const Chart chart = {title, "training step", y_label, false, true, true, series, columns};
    bool ok = findings_chart(f, file, &chart, err);
    mem_free(steps);
    return ok;
}

static bool add_charts(const BoundRun *run, const char *world, Findings *f, Error *err)
{
    static const char *const sides[] = {"left: the distance", "right: the losses",
                                        "student to data"};
    const char *terms[BOUND_CALLS];
    double *values = mem_alloc(BOUND_CALLS * run->count, sizeof *values);
    char file[2 * TEXT], title[2 * TEXT];

    for (size_t i = 0; i < run->count; i++) {
        values[i] = run->rows[i].lhs;
        values[run->count + i] = run->rows[i].rhs;
        values[2 * run->count + i] = run->rows[i].student_tv;
    }
    snprintf(file, sizeof file, "bound-%s", world);
    snprintf(title, sizeof title, "Both sides of the bound: %s", world);
    bool ok = add_chart(run, file, title, "total variation", sides, values, 3, f, err);
    for (size_t n = 0; n < BOUND_CALLS; n++) {
        terms[n] = term_name(n);
        for (size_t i = 0; i < run->count; i++)
            values[n * run->count + i] = run->rows[i].terms[n];
    }
    snprintf(file, sizeof file, "bound-terms-%s", world);
    snprintf(title, sizeof title, "Terms of the right side: %s", world);
    ok = ok && add_chart(run, file, title, "sqrt(L/2)", terms, values, BOUND_CALLS, f, err);
    mem_free(values);
    return ok;
}

/* First row, the tightest, the last. */
static void add_table(const BoundRun *run, const char *world, Findings *f)
{
    static const char *const head[] = {"",      "step",       "left",
                                       "right", "left/right", "student to data"};
    static const char *const names[] = {"first", "tightest", "last"};
    size_t rows[3] = {0, 0, run->count - 1};
    char cells[3][5][TEXT], caption[4 * TEXT];
    const char *pointers[18];

    for (size_t i = 0; i < run->count; i++)
        if (run->rows[i].lhs / run->rows[i].rhs > run->rows[rows[1]].lhs / run->rows[rows[1]].rhs)
            rows[1] = i;
    for (size_t k = 0; k < 3; k++) {
        const BoundRow *r = &run->rows[rows[k]];
        snprintf(cells[k][0], TEXT, "%zu", r->step);
        text_format(cells[k][1], TEXT, "%.4f", r->lhs);
        text_format(cells[k][2], TEXT, "%.4f", r->rhs);
        text_format(cells[k][3], TEXT, "%.3f", r->lhs / r->rhs);
        text_format(cells[k][4], TEXT, "%.4f", r->student_tv);
        for (size_t j = 0; j < 6; j++)
            pointers[6 * k + j] = j == 0 ? names[k] : cells[k][j - 1];
    }
    text_format(caption, sizeof caption, "%.40s; the teacher's %d steps miss the data by %.4g",
                world, (int)BOUND_CALLS, run->rows[0].teacher_tv);
    findings_table(f, caption, 6, head, 3, pointers);
}

bool theory_bound_world(const char *name, size_t steps, uint64_t seed, Findings *f, Error *err)
{
    World *w = world_open(name, err);
    if (w == NULL)
        return false;
    FiniteLaw *law = world_finite_law(w);
    BoundRun *run = bound_run(law, seed, steps, err);
    bool ok = run != NULL;

    if (ok) {
        char label[TEXT] = "table"; /* a file's name is no name for plots */
        for (size_t i = 0; i < world_count(); i++)
            if (strcmp(world_name(i), w->name) == 0)
                snprintf(label, sizeof label, "%s", w->name);
        add_rows(run, w->name, f);
        add_table(run, w->name, f);
        ok = add_charts(run, label, f, err);
    }
    if (ok && run->violations > 0)
        ok = error_set(err,
                       "theory bound: %s: the left side is above the right one in %zu of %zu "
                       "rows, expected none",
                       w->name, run->violations, run->count);
    bound_run_free(run);
    law_destroy(law);
    world_free(w);
    return ok;
}

static bool run_bound(const TheoryOptions *options, Findings *f, Error *err)
{
    findings_heading(f, "Bound: the losses hold the student's error down");
    findings_paragraph(
        f,
        "A student is trained to do in one step what its teacher does in eight. Theorem 2 says "
        "that the distance between the two, left, is at most the sum of sqrt(L/2) over the "
        "distillation loss at t = 1/8 and the consistency losses at (n/8, (n+1)/8), right. Every "
        "number here is a sum over all states: the losses are those of the mixture itself, with "
        "lambda on a grid of midpoints, not the bound by convexity that training uses. The "
        "teacher is the exact product denoiser, the noise masks with alpha = 1 - t. Where the "
        "student comes closer to the data than its teacher, the teacher's own error remains on "
        "the left.");
    bool found = false;
    for (size_t i = 0; i < WORLDS; i++) {
        if (options->world != NULL && strcmp(options->world, worlds[i].world) != 0)
            continue;
        found = true;
        if (!theory_bound_world(worlds[i].world, worlds[i].steps, options->seed, f, err))
            return false;
    }
    return found || theory_bound_world(options->world, OTHER_STEPS, options->seed, f, err);
}

const Experiment theory_bound = {.name = "bound",
                                 .summary =
                                     "both sides of the student's error bound while it is trained",
                                 .run = run_bound};
