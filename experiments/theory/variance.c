/* The experiment `variance`: the noise of each loss's gradient. */
#include <stdio.h>

#include "experiments/theory/exact/world.h"
#include "experiments/theory/theory.h"
#include "experiments/theory/trained/variance.h"
#include "tensor/base/text.h"

enum { STEPS = 1600, DRAWS = 100, CURVES = 4, MOST_STAGES = 8, TEXT = 40 };

static void add_rows(const VarianceRun *run, const char *world, Findings *f)
{
    for (size_t i = 0; i < run->count; i++) {
        const VarianceRow *r = &run->rows[i];
        findings_row(f, "variance");
        findings_text(f, "world", world);
        findings_text(f, "loss", variance_part_name(r->loss));
        findings_count(f, "step", r->step);
        findings_number(f, "with", r->with);
        findings_number(f, "without", r->without);
        findings_number(f, "ratio", r->ratio);
        findings_count(f, "draws", DRAWS);
    }
}

static void add_table(const VarianceRun *run, Findings *f)
{
    static const char *const head[] = {"loss", "step", "with", "without", "without/with"};
    enum { COLUMNS = 5, MOST = MOST_STAGES * LOSS_PARTS };
    char cells[MOST][COLUMNS - 1][TEXT];
    const char *pointers[MOST * COLUMNS];

    for (size_t i = 0; i < run->count; i++) {
        const VarianceRow *r = &run->rows[i];
        snprintf(cells[i][0], TEXT, "%zu", r->step);
        text_format(cells[i][1], TEXT, "%.3g", r->with);
        text_format(cells[i][2], TEXT, "%.3g", r->without);
        text_format(cells[i][3], TEXT, "%.3g", r->ratio);
        for (size_t j = 0; j < COLUMNS; j++)
            pointers[COLUMNS * i + j] = j == 0 ? variance_part_name(r->loss) : cells[i][j - 1];
    }
    findings_table(f, "Variance of the gradient, summed over all weights", COLUMNS, head,
                   run->count, pointers);
}

/* The data and the consistency term, each with and without. */
static bool add_chart(const VarianceRun *run, Findings *f, Error *err)
{
    static const char *const names[CURVES] = {"data, with", "data, without", "consis, with",
                                              "consis, without"};
    double steps[MOST_STAGES], values[CURVES][MOST_STAGES];
    Series series[CURVES] = {{0}};
    size_t stages = run->count / LOSS_PARTS;

    for (size_t s = 0; s < stages; s++) {
        const VarianceRow *data = &run->rows[s * LOSS_PARTS + LOSS_DATA];
        const VarianceRow *consis = &run->rows[s * LOSS_PARTS + LOSS_CONSIS];
        steps[s] = (double)data->step;
        values[0][s] = data->with;
        values[1][s] = data->without;
        values[2][s] = consis->with;
        values[3][s] = consis->without;
    }
    for (size_t k = 0; k < CURVES; k++) {
        series[k].name = names[k];
        series[k].x = steps;
        series[k].y = values[k];
        series[k].count = stages;
        series[k].dashed = k % 2 == 1;
    }
    const Chart chart = {"Noise of the gradient with and without control variates",
                         "training step of the student",
                         "variance, summed over weights",
                         false,
                         true,
                         true,
                         series,
                         CURVES};
    return findings_chart(f, "variance", &chart, err);
}

static bool run_variance(const TheoryOptions *options, Findings *f, Error *err)
{
    World *w = world_open(options->world != NULL ? options->world : "xor", err);
    if (w == NULL)
        return false;
    FiniteLaw *law = world_finite_law(w);
    VarianceRun *run = variance_run(law, options->seed, STEPS, DRAWS, err);
    bool ok = run != NULL;

    findings_heading(f, "Variance: what control variates are worth");
    findings_paragraph(
        f,
        "The data and the consistency loss hold the logarithm of a mean over lambda of products "
        "over dimensions. Its dimension-by-dimension part has an expectation in closed form; the "
        "control variates put that in its place and leave to chance only what the dimensions have "
        "in common. While the student is nearly a product that is next to nothing; once it is a "
        "mixture, the gain is smaller, and next to none for the consistency loss. Measured: the "
        "gradient by all weights over 100 drawn training steps (8 pictures, 32 lambdas), MLPs, "
        "masks. The distillation loss is in closed form throughout and needs none.");
    if (ok) {
        add_rows(run, w->name, f);
        ok = add_chart(run, f, err);
        add_table(run, f);
    }
    variance_run_free(run);
    law_destroy(law);
    world_free(w);
    return ok;
}

const Experiment theory_variance = {
    .name = "variance",
    .summary = "the noise of each loss's gradient with and without control variates",
    .run = run_variance};
