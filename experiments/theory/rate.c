/* Rate: total variation distance between the data and what the posterior sampler puts out in N
 * equal steps, with the exact product denoiser ([Di4C] arXiv 2410.08709, Theorem 1).  The error is
 * O(1/N), and no better in general: for coupled bits under masks with alpha = 1 - t it is 1/(2N),
 * for xor (3N - 1)/(4N^2). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/theory/exact/joint.h"
#include "experiments/theory/exact/noise.h"
#include "experiments/theory/exact/push.h"
#include "experiments/theory/exact/world.h"
#include "experiments/theory/theory.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { POINTS = 8, MAX_SERIES = 12, FIT_FROM = 3 /* N = 8 */ };
static const double TOLERANCE = 1e-12;

typedef struct Rate {
    char name[64];
    double steps[POINTS], tv[POINTS], slope;
    bool masks;
} Rate;

static bool tv_of_sampler(const World *w, const Process *process, size_t steps, double *tv,
                          Error *err)
{
    const SampleRequest request = {.process = process, .steps = steps, .grid = GRID_UNIFORM};
    SamplerPlan *plan = diffusion_sampler_plan(&request, err);

    if (plan == NULL)
        return false;
    ExactTableData data = {w->p, process, w->states, w->dims};
    const TableModel model = push_exact_model(&data);
    double *law = mem_alloc(w->size, sizeof *law);
    push_sampler(law, plan, &model);
    *tv = joint_tv(law, w->p, w->size);
    mem_free(law);
    diffusion_sampler_plan_destroy(plan);
    return true;
}

/* Least-squares slope of log tv over log N, from the point FIT_FROM on. */
static double slope_of(const Rate *r)
{
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;

    for (size_t i = FIT_FROM; i < POINTS; i++)
        if (r->tv[i] > 0.0) {
            const double x = log(r->steps[i]), y = log(r->tv[i]);
            n += 1;
            sx += x;
            sy += y;
            sxx += x * x;
            sxy += x * y;
        }
    return n < 2 ? (double)NAN : (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

/* The distance where it is known in closed form, else not a number.  xor goes wrong half of the
 * time if all three bits are unmasked in one step (probability 1/N^2), or one and later the other
 * two in one (3 (N - 1)/(2 N^2)): given the first, the other two are coupled. */
static double closed_form(const World *w, bool masks, double steps)
{
    if (masks && strcmp(w->name, "coupled-bits") == 0)
        return 0.5 / steps;
    if (masks && strcmp(w->name, "xor") == 0)
        return (3.0 * steps - 1.0) / (4.0 * steps * steps);
    return (double)NAN;
}

static bool measure_rate(const World *w, const char *kind, Rate *r, Findings *f, Error *err)
{
    Process *process = theory_noise(kind, w->states, err);
    bool ok = process != NULL;

    if (ok)
        snprintf(r->name, sizeof r->name, "%.40s, %s", w->name,
                 process->mask >= 0 ? "masks" : kind);
    r->masks = ok && process->mask >= 0;
    for (size_t i = 0; ok && i < POINTS; i++) {
        const size_t steps = (size_t)1 << i;
        const double exact = closed_form(w, r->masks, (double)steps);
        if (platform_signal() != 0) {
            ok = error_set(err, "theory rate: stopped by signal %d", platform_signal());
            break;
        }
        ok = tv_of_sampler(w, process, steps, &r->tv[i], err);
        r->steps[i] = (double)steps;
        findings_row(f, "rate");
        findings_text(f, "world", w->name);
        findings_text(f, "process", kind);
        findings_count(f, "steps", steps);
        findings_number(f, "tv", r->tv[i]);
        findings_number(f, "exact", exact);
        if (ok && isfinite(exact) && !(fabs(r->tv[i] - exact) <= TOLERANCE))
            ok = error_set(err, "theory rate: %s in %zu steps: distance %.17g, expected %.17g",
                           r->name, steps, r->tv[i], exact);
    }
    r->slope = ok ? slope_of(r) : (double)NAN;
    diffusion_process_destroy(process);
    return ok;
}

/* The rates under masks, or the others, with a line of slope -1. */
static bool draw_rate(const Rate *rates, size_t count, bool masks, Findings *f, Error *err)
{
    Series series[MAX_SERIES + 1];
    double guide[POINTS];
    size_t shown = 0;

    for (size_t i = 0; i < count; i++)
        if (rates[i].masks == masks)
            series[shown++] = (Series){
                .name = rates[i].name, .x = rates[i].steps, .y = rates[i].tv, .count = POINTS};
    if (shown == 0)
        return true;
    for (size_t i = 0; i < POINTS; i++)
        guide[i] = 0.5 / rates[0].steps[i];
    series[shown++] = (Series){
        .name = "1/(2N)", .x = rates[0].steps, .y = guide, .count = POINTS, .dashed = true};
    const Chart chart = {.title = masks ? "Error of N product steps under masks"
                                        : "Error of N product steps under other noise",
                         .x_label = "steps N",
                         .y_label = "total variation distance",
                         .log_x = true,
                         .log_y = true,
                         .markers = true,
                         .series = series,
                         .series_count = shown};
    return findings_chart(f, masks ? "rate" : "rate-other", &chart, err);
}

static void tell_rate(Findings *f)
{
    findings_heading(f, "Rate: a product sampler's error falls like 1/N, and no faster");
    findings_paragraph(
        f,
        "The denoiser here is perfect: it knows every single dimension's exact law. Yet each step "
        "draws the dimensions independently of each other, and what they must agree on is lost "
        "when they move in the same step. With N steps fewer of them do. On both axes in "
        "logarithms the distances fall along straight lines of slope -1 (Theorem 1). For two "
        "coupled bits under masks the distance is 1/(2N) exactly: both are lifted in the same of N "
        "steps with probability 1/N, and then disagree half of the time.");
    findings_paragraph(
        f,
        "In xor any two bits are independent, and still the line is no steeper: once one bit is "
        "known, the other two are coupled. All three move in one step with probability 1/N^2, one "
        "first and then two together with probability 3(N - 1)/(2N^2), and half of these end "
        "wrong: (3N - 1)/(4N^2). Both closed forms are checked to 1e-12 when this page is made.");
}

static bool report_rate(const Rate *rates, size_t count, Findings *f, Error *err)
{
    static const char *const head[] = {"world, noise", "N = 1", "N = 8", "N = 64", "slope, N >= 8"};
    char cells[MAX_SERIES][5][32];
    const char *pointers[MAX_SERIES * 5];

    for (size_t i = 0; i < count; i++) {
        text_format(cells[i][1], sizeof cells[i][1], "%.4f", rates[i].tv[0]);
        text_format(cells[i][2], sizeof cells[i][2], "%.5f", rates[i].tv[3]);
        text_format(cells[i][3], sizeof cells[i][3], "%.6f", rates[i].tv[6]);
        text_format(cells[i][4], sizeof cells[i][4], "%.3f", rates[i].slope);
        for (size_t k = 0; k < 5; k++)
            pointers[5 * i + k] = k == 0 ? rates[i].name : cells[i][k];
    }
    tell_rate(f);
    if (!draw_rate(rates, count, true, f, err) || !draw_rate(rates, count, false, f, err))
        return false;
    findings_table(f, "Total variation distance, posterior sampler, times n/N", 5, head, count,
                   pointers);
    return true;
}

/* All kinds of noise that suit the world; kinds whose laws are too large are left out. */
static bool measure_world(const World *w, Rate *rates, size_t *count, Findings *f, Error *err)
{
    static const char *const kinds[] = {"absorbing", "uniform", "birthdeath"};

    for (size_t k = 0; k < 3; k++) {
        if (w->states == 2 && strcmp(kinds[k], "birthdeath") == 0)
            continue; /* the same as uniform */
        Process *p = theory_noise(kinds[k], w->states, err);
        if (p == NULL)
            return false;
        const bool fits = push_possible(diffusion_sampler_find("posterior", NULL), p, w->dims);
        diffusion_process_destroy(p);
        if (fits && *count < MAX_SERIES && !measure_rate(w, kinds[k], &rates[(*count)++], f, err))
            return false;
    }
    return true;
}

static bool run_rate(const TheoryOptions *options, Findings *f, Error *err)
{
    const size_t worlds = options->world == NULL ? world_count() : 1;
    Rate rates[MAX_SERIES];
    size_t count = 0;

    for (size_t i = 0; i < worlds; i++) {
        World *w = world_open(options->world == NULL ? world_name(i) : options->world, err);
        const bool ok = w != NULL && measure_world(w, rates, &count, f, err);
        world_free(w);
        if (!ok)
            return false;
    }
    if (count == 0)
        return error_set(err, "--world %s: too many states for pairs of them", options->world);
    return report_rate(rates, count, f, err);
}

const Experiment theory_rate = {
    .name = "rate",
    .summary = "how fast a product sampler's error falls with the number of steps",
    .run = run_rate};
