/* Rate: total variation distance between the data and what the posterior sampler puts out in N
 * equal steps, with the exact product denoiser ([Di4C] arXiv 2410.08709, Theorem 1).  The error is
 * O(1/N), and no better in general: for coupled bits under masks with alpha = 1 - t it is 1/(2N).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/theory/joint.h"
#include "experiments/theory/push.h"
#include "experiments/theory/theory.h"
#include "experiments/theory/world.h"
#include "tensor/memory.h"
#include "tensor/platform.h"

enum { POINTS = 8, MAX_SERIES = 8, FIT_FROM = 3 /* N = 8 */ };
static const double TOLERANCE = 1e-12;

typedef struct Rate {
    char name[64];
    double steps[POINTS], tv[POINTS], slope;
} Rate;

/* Noise under which a state is kept until t with probability 1 - t: masks, or uniform resampling.
 */
static Process *linear_process(ProcessKind kind, size_t states, Error *err)
{
    const bool mask = kind == PROCESS_ABSORBING;
    ProcessConfig config = diff_process_defaults(kind, states + mask);

    config.eps = 0.0;
    config.rate_const = mask ? 1.0 : 1.0 / (double)states;
    config.beta = SCHEDULE_LOGLINEAR;
    config.beta_scale = 1.0;
    return diff_process_create(&config, err);
}

static bool tv_of_sampler(const World *w, const Process *process, size_t steps, double *tv,
                          Error *err)
{
    const SampleRequest request = {.process = process, .steps = steps, .grid = GRID_UNIFORM};
    SamplerPlan *plan = diff_sampler_plan(&request, err);

    if (plan == NULL)
        return false;
    ExactTableData data = {w->p, process, w->states, w->dims};
    const TableModel model = push_exact_model(&data);
    double *law = mem_alloc(w->size, sizeof *law);
    push_sampler(law, plan, &model);
    *tv = joint_tv(law, w->p, w->size);
    mem_free(law);
    diff_sampler_plan_destroy(plan);
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

/* Coupled bits under masks are known in closed form; `exact` is not a number elsewhere. */
static bool measure(const World *w, ProcessKind kind, Rate *r, Findings *f, Error *err)
{
    Process *process = linear_process(kind, w->states, err);
    const bool known = kind == PROCESS_ABSORBING && strcmp(w->name, "coupled-bits") == 0;
    bool ok = process != NULL;

    if (ok)
        snprintf(r->name, sizeof r->name, "%.40s, %s", w->name,
                 kind == PROCESS_ABSORBING ? "masks" : "uniform");
    for (size_t i = 0; ok && i < POINTS; i++) {
        const size_t steps = (size_t)1 << i;
        const double exact = known ? 0.5 / (double)steps : (double)NAN;
        if (platform_signal() != 0) {
            ok = error_set(err, "theory rate: stopped by signal %d", platform_signal());
            break;
        }
        ok = tv_of_sampler(w, process, steps, &r->tv[i], err);
        r->steps[i] = (double)steps;
        findings_row(f, "rate");
        findings_text(f, "world", w->name);
        findings_text(f, "process", diff_process_name(kind));
        findings_count(f, "steps", steps);
        findings_number(f, "tv", r->tv[i]);
        findings_number(f, "exact", exact);
        if (ok && known && !(fabs(r->tv[i] - exact) <= TOLERANCE))
            ok = error_set(err,
                           "theory rate: coupled bits in %zu steps: distance %.17g, expected "
                           "1/(2N) = %.17g",
                           steps, r->tv[i], exact);
    }
    r->slope = ok ? slope_of(r) : (double)NAN;
    diff_process_destroy(process);
    return ok;
}

static bool report(const Rate *rates, size_t count, Findings *f, Error *err)
{
    static const char *const head[] = {"world, noise", "N = 1", "N = 8", "N = 64", "slope, N >= 8"};
    Series series[MAX_SERIES];
    char cells[MAX_SERIES][5][32];
    const char *pointers[MAX_SERIES * 5];

    for (size_t i = 0; i < count; i++) {
        const Series s = {rates[i].name, rates[i].steps, rates[i].tv, POINTS, false, false};
        series[i] = s;
        snprintf(cells[i][1], sizeof cells[i][1], "%.4f", rates[i].tv[0]);
        snprintf(cells[i][2], sizeof cells[i][2], "%.5f", rates[i].tv[3]);
        snprintf(cells[i][3], sizeof cells[i][3], "%.6f", rates[i].tv[6]);
        snprintf(cells[i][4], sizeof cells[i][4], "%.3f", rates[i].slope);
        for (size_t k = 0; k < 5; k++)
            pointers[5 * i + k] = k == 0 ? rates[i].name : cells[i][k];
    }
    const Chart chart = {"Error of N product steps",
                         "steps N",
                         "total variation distance",
                         true,
                         true,
                         true,
                         series,
                         count};
    findings_heading(f, "Rate: a product sampler's error falls like 1/N, and no faster");
    findings_paragraph(
        f,
        "The denoiser here is perfect: it knows every single dimension's exact law. Yet each step "
        "draws the dimensions independently of each other, and what they must agree on is lost "
        "when they move in the same step. With N steps fewer of them do. On both axes in "
        "logarithms the distances fall along straight lines of slope -1. For two coupled bits "
        "under masks the distance is 1/(2N) exactly: both are lifted in the same of N steps with "
        "probability 1/N, and then disagree half of the time.");
    if (!findings_chart(f, "rate", &chart, err))
        return false;
    findings_table(f, "Total variation distance, posterior sampler, times n/N", 5, head, count,
                   pointers);
    return true;
}

bool theory_rate(const TheoryOptions *options, Findings *f, Error *err)
{
    static const ProcessKind kinds[] = {PROCESS_ABSORBING, PROCESS_UNIFORM};
    const size_t worlds = options->world == NULL ? world_count() : 1;
    const SamplerClass *posterior = diff_sampler_find("posterior", err);
    Rate rates[MAX_SERIES];
    size_t count = 0;

    for (size_t i = 0; i < worlds; i++) {
        World *w = world_open(options->world == NULL ? world_name(i) : options->world, err);
        bool ok = w != NULL;
        for (size_t k = 0; ok && k < 2; k++)
            if (count < MAX_SERIES && push_possible(posterior, w->states + (k == 0), w->dims))
                ok = measure(w, kinds[k], &rates[count++], f, err);
        world_free(w);
        if (!ok)
            return false;
    }
    if (count == 0)
        return error_set(err, "--world %s: too many states for pairs of them", options->world);
    return report(rates, count, f, err);
}
