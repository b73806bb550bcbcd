/* The chain of network calls that a request asks for, its check, and the laws of single calls. */
#include "diffusion/sampler/plan.h"

#include <string.h>

#include "diffusion/sampler/grid.h"
#include "diffusion/sampler/samplers.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

static bool check_settings(const SamplerClass *c, const SamplerSettings *s, const Process *p,
                           Error *err)
{
    if (!diffusion_sampler_check(s, err))
        return false;
    if (s->last == LAST_MOVE && p->mask >= 0)
        return error_set(err, "last = move: it would leave masks under absorbing noise, expected "
                              "draw or argmax");
    if (s->jumps == JUMPS_ORDINAL && p->mask >= 0)
        return error_set(err, "jumps = ordinal: a mask has no place in an order, expected "
                              "categorical");
    if (c->masks_only && p->mask < 0)
        return error_set(err, "sampler %s: needs absorbing noise, the process is %s", c->name,
                         p->class->name);
    return true;
}

static bool check_given(const SampleRequest *r, Error *err)
{
    const Process *p = r->process;

    if (r->given == NULL)
        return true;
    if (p->mask < 0)
        return error_set(err,
                         "given states: absorbing noise alone leaves them as they are, the "
                         "process is %s",
                         p->class->name);
    for (size_t d = 0; r->model != NULL && d < r->model->head.dims; d++)
        TENSOR_CHECK(r->given[d] < p->states, "given state %u of %zu", (unsigned)r->given[d],
                     p->states);
    return true;
}

/* A plan may be asked for without models. */
static bool check_sharpening(const SampleRequest *r, const Denoiser *d, Error *err)
{
    return d == NULL || diffusion_sharpening_check(&r->sharpening, &d->head, err);
}

bool sampler_check_request(const SampleRequest *r, Error *err)
{
    const SamplerClass *c = diffusion_sampler_of(r);
    SamplerSettings defaults = diffusion_sampler_defaults();

    if (!check_settings(c, r->settings != NULL ? r->settings : &defaults, r->process, err) ||
        !check_given(r, err) || !check_sharpening(r, r->model, err) ||
        !check_sharpening(r, r->teacher, err))
        return false;
    if (c->run != NULL && r->teacher_steps > 0)
        return error_set(err,
                         "sampler %s: has no grid steps of which the last %zu could be the "
                         "teacher's",
                         c->name, r->teacher_steps);
    if (c->run == NULL && r->teacher_steps > r->steps)
        return error_set(err, "the teacher makes the last %zu steps, expected at most steps = %zu",
                         r->teacher_steps, r->steps);
    if (r->teacher_steps > 0 && r->teacher == NULL)
        return error_set(err, "the last %zu steps use a teacher, but there is none",
                         r->teacher_steps);
    return true;
}

size_t sampler_plan_one_move(const SamplerSettings *settings, double t, double s,
                             SamplerCall *calls)
{
    (void)settings;
    if (calls != NULL)
        calls[0] = (SamplerCall){.part = PART_MOVE, .t = t, .s = s, .h = t - s};
    return 1;
}

static size_t step_calls(const SamplerPlan *p, size_t step, SamplerCall *calls)
{
    double t = p->times[step], s = step + 1 < p->steps ? p->times[step + 1] : 0.0;

    if (step + 1 < p->steps || p->settings.last == LAST_MOVE)
        return p->sampler->plan(&p->settings, t, s, calls);
    if (calls != NULL) {
        calls[0].part = p->settings.last == LAST_ARGMAX ? PART_ARGMAX : PART_DRAW;
        calls[0].t = t;
    }
    return 1;
}

static void fill(SamplerPlan *p, const SampleRequest *r)
{
    p->first = mem_zeroed(p->steps + 1, sizeof *p->first);
    for (size_t n = 0; n < p->steps; n++)
        p->first[n + 1] = p->first[n] + step_calls(p, n, NULL);
    p->count = p->first[p->steps];
    p->calls = mem_zeroed(p->count, sizeof *p->calls);
    for (size_t n = 0; n < p->steps; n++) {
        step_calls(p, n, p->calls + p->first[n]);
        for (size_t i = p->first[n]; i < p->first[n + 1]; i++) {
            p->calls[i].step = n;
            p->calls[i].teacher = n + r->teacher_steps >= p->steps;
        }
    }
}

/* Samples of the prior stand for x_t at the first time t: has the process forgotten x_0 by then? */
static bool check_first(const SampleRequest *r, double t, Error *err)
{
    if (t == 1.0 || r->process->config.any_start) /* at 1: checked with the process */
        return true;
    double far = diffusion_process_distance(r->process, t);
    return far <= PRIOR_DISTANCE ||
           error_set(err,
                     "grid: time 1 is %g, where x_t is %.3g (total variation) from the law "
                     "that sampling starts from under process %s, expected at most %g: a "
                     "first time of 1",
                     t, far, r->process->class->name, PRIOR_DISTANCE);
}

SamplerPlan *diffusion_sampler_plan(const SampleRequest *r, Error *err)
{
    const SamplerClass *c = diffusion_sampler_of(r);

    if (c->run != NULL) {
        error_set(err, "sampler %s: chooses its own times, there is no plan of its calls", c->name);
        return NULL;
    }
    if (!sampler_check_request(r, err))
        return NULL;
    double *times = mem_alloc(r->steps, sizeof *times);
    if (!diffusion_sampler_times(r, times, err) || !check_first(r, times[0], err)) {
        mem_free(times);
        return NULL;
    }
    SamplerPlan *p = mem_zeroed(1, sizeof *p);
    p->sampler = c;
    p->process = r->process;
    p->settings = r->settings != NULL ? *r->settings : diffusion_sampler_defaults();
    if (p->settings.last == LAST_AUTO)
        p->settings.last = r->grid == GRID_AUTHORS ? LAST_ARGMAX : LAST_DRAW;
    p->steps = r->steps;
    p->times = times;
    fill(p, r);
    return p;
}

void diffusion_sampler_plan_destroy(SamplerPlan *p)
{
    if (p == NULL)
        return;
    mem_free(p->times);
    mem_free(p->calls);
    mem_free(p->first);
    mem_free(p);
}

bool diffusion_sampler_is_product(const SamplerClass *sampler)
{
    return sampler->row != NULL;
}

SamplerStep *diffusion_sampler_open(const SamplerPlan *plan, size_t step)
{
    SamplerStep *s = mem_zeroed(1, sizeof *s);

    TENSOR_CHECK(step < plan->steps, "step %zu of %zu", step, plan->steps);
    const SamplerCall *calls = plan->calls + plan->first[step];
    s->plan = plan;
    s->number = step;
    if (plan->sampler->open != NULL && calls[0].part != PART_DRAW && calls[0].part != PART_ARGMAX)
        plan->sampler->open(s, calls, plan->first[step + 1] - plan->first[step]);
    return s;
}

void diffusion_sampler_close(SamplerStep *s)
{
    if (s == NULL)
        return;
    diffusion_posterior_destroy(s->posterior);
    diffusion_reverse_destroy(s->rates);
    diffusion_reverse_destroy(s->second);
    mem_free(s);
}

static void last_row(const Process *p, bool argmax, size_t x, const double *p0, double *row)
{
    size_t S = p->states, known = S - (p->mask >= 0 ? 1 : 0), best = 0;

    memset(row, 0, S * sizeof *row);
    for (size_t a = 1; a < known; a++)
        best = p0[a] > p0[best] ? a : best;
    if (p->mask >= 0 && x != (size_t)p->mask)
        row[x] = 1.0;
    else if (argmax)
        row[best] = 1.0;
    else
        memcpy(row, p0, known * sizeof *row);
}

void diffusion_sampler_row(const SamplerStep *s, size_t call, size_t x, const double *p0,
                           size_t before, const double *before_p0, double *row)
{
    const SamplerPlan *plan = s->plan;
    size_t S = plan->process->states;

    TENSOR_CHECK(plan->first[s->number] <= call && call < plan->first[s->number + 1],
                 "call %zu of step %zu, whose calls are %zu to %zu", call, s->number,
                 plan->first[s->number], plan->first[s->number + 1] - 1);
    TENSOR_CHECK(plan->sampler->row != NULL, "the steps of sampler %s are no products",
                 plan->sampler->name);
    TENSOR_CHECK(x < S, "state %zu of %zu", x, S);
    const SamplerCall *now = &plan->calls[call];
    if (now->part == PART_DRAW || now->part == PART_ARGMAX)
        last_row(plan->process, now->part == PART_ARGMAX, x, p0, row);
    else
        plan->sampler->row(s, now, x, p0, before, before_p0, row);
}
