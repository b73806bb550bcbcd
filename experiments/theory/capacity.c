/* Capacity: how near to the data a mixture of K products can come in one step from a state that
 * tells nothing, against a single product (METHOD: a mixture with enough lambdas holds any law). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/theory/exact/joint.h"
#include "experiments/theory/exact/mixture.h"
#include "experiments/theory/theory.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { POINTS = 6, MAX_SERIES = 8, STARTS = 16 }; /* K = 1, 2, 4 .. 32 */
static const double WORK = 3e9;                   /* terms of all starts together */
static const double REACHED = 1e-12;              /* what counts as the law itself */

typedef struct Capacity {
    char name[48];
    double lambdas[POINTS], tv[POINTS];
    double marginals;   /* TV of the product of the exact marginals */
    double correlation; /* total correlation, nats */
    size_t count;
} Capacity;

static double marginals_tv(const World *w)
{
    double *marginal = mem_alloc(w->dims * w->states, sizeof *marginal);
    double *product = mem_alloc(w->size, sizeof *product);

    joint_marginals(marginal, w->p, w->states, w->dims);
    joint_product(product, marginal, w->states, w->dims);
    double tv = joint_tv(product, w->p, w->size);
    mem_free(marginal);
    mem_free(product);
    return tv;
}

/* As many as the work allows. */
static size_t starts_for(const World *w, size_t lambdas)
{
    const double terms = (double)(w->size * w->dims * lambdas), runs = WORK / (1200.0 * terms);

    return runs < 2.0 ? 2 : runs > STARTS ? STARTS : (size_t)runs;
}

/* Two equal bits are known: sqrt(2) - 1 for one product, 0 for two. */
static bool check_known(const World *w, size_t lambdas, double tv, Error *err)
{
    const double least = lambdas == 1 ? sqrt(2.0) - 1.0 : 0.0, slack = lambdas == 1 ? 1e-6 : 1e-12;

    if (strcmp(w->name, "coupled-bits") != 0 || (tv >= least - 1e-12 && tv <= least + slack))
        return true;
    return error_set(err,
                     "theory capacity: coupled bits with %zu lambdas: distance %.12g, expected "
                     "%.12g",
                     lambdas, tv, least);
}

static bool measure_capacity(const World *w, const TheoryOptions *options, Capacity *c, Findings *f,
                             Error *err)
{
    Mixture *best = NULL;
    bool ok = true;

    snprintf(c->name, sizeof c->name, "%.40s", w->name);
    c->marginals = marginals_tv(w);
    c->correlation = joint_total_correlation(w->p, w->states, w->dims);
    c->count = 0;
    for (size_t i = 0; ok && i < POINTS; i++) {
        const size_t K = (size_t)1 << i;
        if (platform_signal() != 0) {
            ok = error_set(err, "theory capacity: stopped by signal %d", platform_signal());
            break;
        }
        Mixture *m = mixture_fit(w, K, best, starts_for(w, K), options->seed);
        mixture_free(best);
        best = m;
        c->lambdas[i] = (double)K;
        c->tv[i] = mixture_tv(m, w);
        c->count = i + 1;
        findings_row(f, "capacity");
        findings_text(f, "world", w->name);
        findings_count(f, "lambdas", K);
        findings_number(f, "tv", c->tv[i]);
        findings_number(f, "marginals_tv", c->marginals);
        findings_number(f, "total_correlation", c->correlation);
        ok = check_known(w, K, c->tv[i], err);
        if (c->tv[i] <= REACHED)
            break;
    }
    mixture_free(best);
    return ok;
}

static void tell_capacity(Findings *f)
{
    findings_heading(f, "Capacity: what K values of lambda can hold");
    findings_paragraph(
        f,
        "A student that must answer in one step, from a state that tells nothing, can say any "
        "mixture of products of single dimensions, one product for each value of lambda. Plotted "
        "is how near to the data such a mixture comes with K values. With one it is a product, and "
        "no product holds a correlation: for two equal bits the product with the right marginals "
        "is off by 1/2, and the best of all (each bit is 0 with probability 1/sqrt(2)) by "
        "sqrt(2) - 1 = 0.414. With as many values as there are states every law is reached; how "
        "many are needed before that depends on how the correlations share structure.");
    findings_paragraph(
        f,
        "The distances are found by search, so each is one that can be reached: an upper bound of "
        "the best. Sixteen seeded starts (fewer in large worlds) run EM, which lowers the "
        "Kullback-Leibler distance, and then gradient descent on the total variation itself; the "
        "smallest total variation counts. A line ends where the law is reached.");
}

static bool report_capacity(const Capacity *list, size_t count, Findings *f, Error *err)
{
    static const char *const head[] = {"world", "correlation", "marginals", "K = 1", "K = 2",
                                       "K = 4", "K = 8",       "K = 16",    "K = 32"};
    enum { COLUMNS = 3 + POINTS };
    Series series[MAX_SERIES];
    char text[MAX_SERIES][COLUMNS][24];
    const char *cells[MAX_SERIES * COLUMNS];

    memset(text, 0, sizeof text);
    for (size_t i = 0; i < count; i++) {
        const Capacity *c = &list[i];
        series[i] = (Series){.name = c->name, .x = c->lambdas, .y = c->tv, .count = c->count};
        text_format(text[i][1], sizeof text[i][1], "%.4f", c->correlation);
        text_format(text[i][2], sizeof text[i][2], "%.4f", c->marginals);
        for (size_t k = 0; k < c->count; k++)
            text_format(text[i][3 + k], sizeof text[i][3 + k], "%.4f", c->tv[k]);
        for (size_t k = 0; k < COLUMNS; k++)
            cells[COLUMNS * i + k] = k == 0 ? c->name : text[i][k];
    }
    const Chart chart = {.title = "Distance of the best mixture found",
                         .x_label = "values of lambda K",
                         .y_label = "total variation distance",
                         .log_x = true,
                         .markers = true,
                         .series = series,
                         .series_count = count};
    tell_capacity(f);
    if (!findings_chart(f, "capacity", &chart, err))
        return false;
    findings_table(f,
                   "Correlation: total correlation of the world, nats. Then total variation "
                   "distances to it: of the product of its exact marginals, and of K products",
                   COLUMNS, head, count, cells);
    return true;
}

static bool run_capacity(const TheoryOptions *options, Findings *f, Error *err)
{
    const size_t worlds = options->world == NULL ? world_count() : 1;
    Capacity list[MAX_SERIES];
    size_t count = 0;

    for (size_t i = 0; i < worlds && count < MAX_SERIES; i++) {
        World *w = world_open(options->world == NULL ? world_name(i) : options->world, err);
        const bool ok = w != NULL && measure_capacity(w, options, &list[count++], f, err);
        world_free(w);
        if (!ok)
            return false;
    }
    return report_capacity(list, count, f, err);
}

const Experiment theory_capacity = {
    .name = "capacity",
    .summary = "how near to the data a mixture of K products comes in one step",
    .run = run_capacity};
