/* Samplers: total variation distance to the data against network calls, with a perfect denoiser, so
 * that what is lost is the sampler's fault and not the network's (cf. arXiv 2602.19619). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/data/law/exact_denoiser.h"
#include "experiments/theory/exact/joint.h"
#include "experiments/theory/exact/noise.h"
#include "experiments/theory/exact/push.h"
#include "experiments/theory/exact/world.h"
#include "experiments/theory/theory.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { POINTS = 7, DRAWN_POINTS = 5 }; /* N = 1, 2, 4 .. 64; by draws to 16 */
enum { MAX_SERIES = 12, DRAWS = 20000, FLOOR_SETS = 10 };
static const double TERMS_MAX = 2e9;    /* of all steps of one N */
static const double DRAWN_MAX = 6000;   /* states of the world times D, for samplers that draw */
static const double EXACT_UNTIL = 1e-3; /* t_min of `exact`: what its last draw loses is small */

/* One world under one noise. */
typedef struct Scene {
    const World *world;
    FiniteLaw *law;
    Process *process;
    uint64_t seed;
    double floor; /* TV of DRAWS exact samples */
} Scene;

typedef struct Curve {
    const char *name;
    double calls[POINTS], tv[POINTS];
    size_t count;
} Curve;

/* ---- laws by enumeration ---- */

static bool tv_by_enumeration(const Scene *s, const SampleRequest *request, double *calls,
                              double *tv, Error *err)
{
    SamplerPlan *plan = diffusion_sampler_plan(request, err);
    ExactTableData data = {s->world->p, s->process, s->world->states, s->world->dims};
    const TableModel model = push_exact_model(&data);

    if (plan == NULL)
        return false;
    double *law = mem_alloc(s->world->size, sizeof *law), masked = 1.0;
    push_sampler(law, plan, &model);
    for (size_t i = 0; i < s->world->size; i++)
        masked -= law[i];
    *calls = (double)plan->count;
    *tv = joint_tv(law, s->world->p, s->world->size) + fmax(masked, 0.0) / 2.0;
    mem_free(law);
    diffusion_sampler_plan_destroy(plan);
    return true;
}

/* First-hitting: each masked dimension is the next with equal probability, whatever the time; the
 * exact denoiser under masks says the same at all times, so times need not be integrated over. */
static double first_hitting_tv(const Scene *s)
{
    const World *w = s->world;
    const size_t T = s->process->states, D = w->dims, S = w->states, size = joint_size(T, D);
    double *p0 = mem_alloc(size * D * S, sizeof *p0), *r = mem_zeroed(size, sizeof *r), tv = 0.0;
    uint16_t x[JOINT_MAX_DIMS];

    joint_denoise(p0, w->p, S, D, s->process, 0.5);
    r[size - 1] = 1.0; /* all masks: the last place, from which every move leads down */
    for (size_t i = size; i-- > 0;) {
        size_t masks = 0;
        joint_state(i, T, D, x);
        for (size_t d = 0; d < D; d++)
            masks += x[d] == S;
        for (size_t d = 0; d < D && r[i] > 0.0; d++)
            for (size_t a = 0; a < S && x[d] == S; a++) {
                x[d] = (uint16_t)a;
                r[joint_place(x, T, D)] += r[i] / (double)masks * p0[(i * D + d) * S + a];
                x[d] = (uint16_t)S;
            }
        if (masks == 0)
            tv += fabs(r[i] - w->p[joint_place(x, S, D)]) / 2.0;
    }
    mem_free(p0);
    mem_free(r);
    return tv;
}

/* ---- laws by draws ---- */

static bool tv_by_draws(const Scene *s, SampleRequest *request, double *calls, double *tv,
                        Error *err)
{
    Denoiser *exact = exact_denoiser_create(s->law, s->process);
    States out = states_alloc(DRAWS, s->world->dims);
    double *share = mem_zeroed(s->world->size, sizeof *share);
    size_t made = 0;

    request->model = exact;
    request->seed = s->seed;
    request->batch = DRAWS;
    request->calls = &made;
    const bool ok = diffusion_sample(request, &out, err);
    request->calls = NULL;
    for (size_t i = 0; ok && i < DRAWS; i++)
        share[joint_place(states_row(&out, i), s->world->states, s->world->dims)] += 1.0 / DRAWS;
    *calls = (double)made / DRAWS;
    *tv = joint_tv(share, s->world->p, s->world->size);
    mem_free(share);
    states_free(&out);
    exact_denoiser_destroy(exact);
    return ok;
}

/* ---- one world, one noise ---- */

static void add_row(const Scene *s, Findings *f, const char *sampler, size_t steps, double calls,
                    double tv, bool drawn)
{
    findings_row(f, "samplers");
    findings_text(f, "world", s->world->name);
    findings_text(f, "process", s->process->class->name);
    findings_text(f, "sampler", sampler);
    findings_count(f, "steps", steps); /* 0: times of its own */
    findings_number(f, "calls", calls);
    findings_number(f, "tv", tv);
    findings_text(f, "method", drawn ? "draws" : "enumeration");
    findings_count(f, "draws", drawn ? DRAWS : 0);
    findings_number(f, "floor", drawn ? s->floor : (double)NAN);
}

/* How many of N = 1, 2, 4 ... are computed. */
static size_t points_of(const Scene *s, const SamplerClass *sampler, bool exact)
{
    size_t points = 1;

    if (sampler->run != NULL)
        return 1;
    if (!exact)
        return DRAWN_POINTS;
    const double terms = push_terms(sampler, s->process, s->world->dims);
    while (points < POINTS && terms * (double)((size_t)1 << points) <= TERMS_MAX)
        points++;
    return points;
}

static bool measure_sampler(const Scene *s, const SamplerClass *sampler, Curve *c, Findings *f,
                            Error *err)
{
    const bool own_times = sampler->run != NULL;
    const bool exact = push_possible(sampler, s->process, s->world->dims);

    c->name = sampler->name;
    c->count = 0;
    SamplerSettings settings = diffusion_sampler_defaults();
    settings.t_min = EXACT_UNTIL;
    for (size_t i = 0; i < points_of(s, sampler, exact); i++) {
        SampleRequest request = {.sampler = sampler,
                                 .settings = &settings,
                                 .process = s->process,
                                 .steps = (size_t)1 << i,
                                 .grid = GRID_UNIFORM};
        double *calls = &c->calls[i], *tv = &c->tv[i];
        if (platform_signal() != 0)
            return error_set(err, "theory samplers: stopped by signal %d", platform_signal());
        if (!(exact ? tv_by_enumeration(s, &request, calls, tv, err)
                    : tv_by_draws(s, &request, calls, tv, err)))
            return false;
        c->count = i + 1;
        add_row(s, f, sampler->name, own_times ? 0 : request.steps, *calls, *tv, !exact);
    }
    if (strcmp(sampler->name, "first-hitting") == 0)
        add_row(s, f, sampler->name, 0, (double)s->world->dims, first_hitting_tv(s), false);
    return true;
}

static bool draw_chart(const Scene *s, const Curve *curves, size_t count, bool drawn, Findings *f,
                       Error *err)
{
    Series series[MAX_SERIES];
    char name[80], title[160];
    double floor_x[2] = {1.0, 1.0}, floor_y[2] = {s->floor, s->floor};

    for (size_t i = 0; i < count; i++) {
        const Curve *c = &curves[i];
        series[i] = (Series){.name = c->name, .x = c->calls, .y = c->tv, .count = c->count};
        floor_x[1] = larger_of(floor_x[1], c->calls[c->count - 1]);
    }
    if (drawn) {
        series[count] = (Series){
            .name = "floor of draws", .x = floor_x, .y = floor_y, .count = 2, .dashed = true};
        count++;
    }
    snprintf(name, sizeof name, "samplers-%.30s-%.20s", s->world->name, s->process->class->name);
    for (char *p = name; *p != '\0'; p++)
        if (*p == '/')
            *p = '-';
    snprintf(title, sizeof title, "%.60s, %.20s noise", s->world->name, s->process->class->name);
    const Chart chart = {.title = title,
                         .x_label = "network calls for a sample",
                         .y_label = "total variation distance",
                         .log_x = true,
                         .log_y = true,
                         .markers = true,
                         .series = series,
                         .series_count = count};
    return findings_chart(f, name, &chart, err);
}

static bool measure_scene(const Scene *s, Findings *f, Error *err)
{
    Curve curves[MAX_SERIES];
    size_t count = 0;
    bool drawn = false;

    for (size_t i = 0; i < diffusion_sampler_count() && count + 1 < MAX_SERIES; i++) {
        const SamplerClass *sampler = diffusion_sampler_at(i);
        const bool exact = push_possible(sampler, s->process, s->world->dims);
        if ((sampler->masks_only && s->process->mask < 0) ||
            (!exact && (double)(s->law->count * s->law->dims) > DRAWN_MAX))
            continue;
        drawn = drawn || !exact;
        if (!measure_sampler(s, sampler, &curves[count++], f, err))
            return false;
    }
    return draw_chart(s, curves, count, drawn, f, err);
}

static bool measure_world(const World *w, const char *process, const TheoryOptions *options,
                          Findings *f, Error *err)
{
    Scene s = {.world = w, .seed = options->seed, .process = theory_noise(process, w->states, err)};

    if (s.process == NULL)
        return false;
    if (!push_possible(diffusion_sampler_find("posterior", NULL), s.process, w->dims)) {
        diffusion_process_destroy(s.process);
        return true; /* too many states: no charts */
    }
    s.law = world_finite_law(w);
    s.floor = law_tv_floor(s.law, DRAWS, FLOOR_SETS, options->seed);
    const bool ok = measure_scene(&s, f, err);
    law_destroy(s.law);
    diffusion_process_destroy(s.process);
    return ok;
}

static void tell_samplers(Findings *f)
{
    findings_heading(f, "Samplers: what is the sampler's fault");
    findings_paragraph(
        f,
        "The denoiser is perfect again, so a network could not do better: all distance from the "
        "data is the sampler's. Plotted is total variation against the number of times the network "
        "is called for a sample. Lines that run parallel differ by a constant factor; a steeper "
        "one, such as theta-trapezoidal where it is at its best, is of higher order.");
    findings_paragraph(
        f, "Samplers whose single call moves the dimensions independently are followed by "
           "enumeration: no draws, and up to 64 steps. The others (exact, first-hitting, "
           "confidence) are drawn 20,000 times; the dashed floor is what as many samples of the "
           "data itself would show, and a sampler on it makes no error that can be seen. "
           "First-hitting and exact are on it: they simulate the learnt chain as it is, at their "
           "own times, for as many calls as it takes. "
           "Confidence ordering is not: choosing what is sure first is no simulation of the chain, "
           "and on the glyphs more calls do not cure it.");
}

static bool run_samplers(const TheoryOptions *options, Findings *f, Error *err)
{
    static const char *const worlds[] = {"coupled-bits", "xor", "glyphs"};
    static const char *const kinds[] = {"absorbing", "uniform"};
    const size_t count = options->world == NULL ? sizeof worlds / sizeof worlds[0] : 1;

    tell_samplers(f);
    for (size_t i = 0; i < count; i++) {
        World *w = world_open(options->world == NULL ? worlds[i] : options->world, err);
        bool ok = w != NULL;
        for (size_t k = 0; ok && k < 2; k++)
            ok = measure_world(w, kinds[k], options, f, err);
        world_free(w);
        if (!ok)
            return false;
    }
    return true;
}

const Experiment theory_samplers = {
    .name = "samplers",
    .summary = "what samplers lose with a perfect denoiser, by network calls",
    .run = run_samplers};
