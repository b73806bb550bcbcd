/* The loop over steps and batches.  `out` holds the states of all samples and is moved from t_N to
 * 0 step by step, or, by a sampler with times of its own, batch by batch. */
#include "diffusion/sampler/sampler.h"

#include <string.h>

#include "diffusion/sampler/batch.h"
#include "tensor/system/cut.h"

/* ---- the request ---- */

static bool check_model(const SampleRequest *r, const Denoiser *d, const char *name,
                        const States *out, Error *err)
{
    const Process *p = r->process;
    size_t states = p->states - (p->mask >= 0 ? 1 : 0);

    if (d->head.states != states || d->head.mask != p->mask)
        return error_set(err,
                         "the %s gives probabilities to %zu states (mask %d), the process %s "
                         "has %zu (mask %d)",
                         name, d->head.states, d->head.mask, p->class->name, states, p->mask);
    if (d->head.dims != out->dims)
        return error_set(err, "the %s has %zu dimensions, expected %zu", name, d->head.dims,
                         out->dims);
    return true;
}

static bool check_models(const SampleRequest *r, const States *out, Error *err)
{
    return check_model(r, r->model, "model", out, err) &&
           (r->teacher_steps == 0 || check_model(r, r->teacher, "teacher", out, err));
}

/* ---- batches ---- */

typedef struct Start {
    SamplerBatch *b;
    const States *out;
} Start;

static void draw_prior(size_t i, void *context)
{
    Start *start = context;
    Rng rng = sampler_stream(start->b, DRAW_PRIOR, i);

    diffusion_process_draw_prior(start->b->request->process, &rng, states_row(start->out, i),
                                 start->out->dims);
}

static void draw_priors(SamplerBatch *b, const States *out)
{
    Start start = {b, out};

    b->call = b->first = 0;
    threads_for(out->batch, draw_prior, &start);
    sampler_give(b, out);
}

static void set_samples(SamplerBatch *b, const States *out, size_t first, size_t batch)
{
    b->first = first;
    b->all = out->batch;
    b->count = out->batch - first < batch ? out->batch - first : batch;
    b->x = states_rows(out, first, b->count);
}

/* ---- grid times ---- */

static bool run_call(SamplerBatch *b, const SamplerCall *now, Error *err)
{
    const SampleRequest *r = b->request;

    b->now = now;
    b->model = now->teacher ? r->teacher : r->model;
    for (size_t i = 0; i < b->count; i++)
        b->t[i] = now->t;
    if (!sampler_network(b, err))
        return false;
    if (now->part == PART_DRAW || now->part == PART_ARGMAX) {
        sampler_clean(b, now->part == PART_ARGMAX);
        memcpy(b->x.x, b->x0.x, b->count * b->x.dims * sizeof *b->x.x);
    } else {
        b->step->plan->sampler->move(b);
        sampler_give(b, &b->x); /* a corrector's noise may have masked them */
    }
    return true;
}

static bool run_step(SamplerBatch *b, const SamplerPlan *plan, const States *out, size_t batch,
                     size_t *done, Error *err)
{
    const SampleRequest *r = b->request;
    size_t batches = cut_blocks(out->batch, batch);

    for (size_t i = 0; i < batches; i++) {
        set_samples(b, out, i * batch, batch);
        for (size_t k = plan->first[b->step->number]; k < plan->first[b->step->number + 1]; k++) {
            b->call = k;
            if (!run_call(b, &plan->calls[k], err))
                return false;
            if (r->progress != NULL)
                r->progress(++*done, plan->count * batches, r->progress_context);
        }
    }
    return true;
}

static void show(const SampleRequest *r, const States *out, double t)
{
    if (r->observe != NULL)
        r->observe(out, t, r->observe_context);
}

static bool run_grid(const SampleRequest *r, const States *out, size_t batch, Error *err)
{
    SamplerPlan *plan = diffusion_sampler_plan(r, err);
    SamplerBatch b;
    size_t done = 0;
    bool ok = plan != NULL && check_models(r, out, err);

    if (!ok || out->batch == 0) {
        diffusion_sampler_plan_destroy(plan);
        return ok;
    }
    sampler_batch_init(&b, r, &plan->settings, batch);
    draw_priors(&b, out);
    show(r, out, plan->times[0]);
    for (size_t n = 0; n < plan->steps && ok; n++) {
        SamplerStep *step = diffusion_sampler_open(plan, n);
        b.step = step;
        ok = run_step(&b, plan, out, batch, &done, err);
        diffusion_sampler_close(step);
        if (ok)
            show(r, out, n + 1 < plan->steps ? plan->times[n + 1] : 0.0);
    }
    if (r->calls != NULL)
        *r->calls = b.made;
    sampler_batch_free(&b);
    diffusion_sampler_plan_destroy(plan);
    return ok;
}

/* ---- own times ---- */

static bool run_own(const SampleRequest *r, const SamplerSettings *settings, const States *out,
                    size_t batch, Error *err)
{
    SamplerBatch b;
    bool ok = true;

    sampler_batch_init(&b, r, settings, batch);
    draw_priors(&b, out);
    for (size_t first = 0; first < out->batch && ok; first += batch) {
        set_samples(&b, out, first, batch);
        ok = diffusion_sampler_of(r)->run(&b, err);
    }
    if (r->calls != NULL)
        *r->calls = b.made;
    sampler_batch_free(&b);
    return ok;
}

bool diffusion_sample(const SampleRequest *r, States *out, Error *err)
{
    size_t batch = r->batch > 0 && r->batch < out->batch ? r->batch : out->batch;
    SamplerSettings settings = r->settings != NULL ? *r->settings : diffusion_sampler_defaults();

    if (r->calls != NULL)
        *r->calls = 0;
    if (diffusion_sampler_of(r)->run == NULL)
        return run_grid(r, out, batch, err);
    return sampler_check_request(r, err) && check_models(r, out, err) &&
           (out->batch == 0 || run_own(r, &settings, out, batch, err));
}
