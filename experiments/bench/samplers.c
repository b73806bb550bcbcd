/* bench samplers: what the samplers themselves cost, with a network that costs nothing.
 *
 * The denoiser returns numbers that were drawn once.  The time of a run is split into the setting
 * up of each step's matrices, which all samples share, and the rest, which is per dimension. */
#include "diffusion/sampler/sampler.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"

typedef struct Run {
    SampleRequest request;
    States out;
    size_t calls;
    Error err;
    bool failed;
} Run;

static Var *given_numbers(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    size_t shape[2] = {in->x->batch, diffusion_head_outputs(&d->head)};
    Tensor view = {.data = d->self, .rank = 2, .shape = {shape[0], shape[1], 1, 1}};
    return ag_constant(g, view);
}

static void draw_samples(void *context)
{
    Run *r = context;
    r->request.calls = &r->calls;
    r->failed = r->failed || !diffusion_sample(&r->request, &r->out, &r->err);
}

static void set_up(void *context)
{
    Run *r = context;
    SamplerPlan *plan = diffusion_sampler_plan(&r->request, &r->err);
    for (size_t n = 0; plan && n < plan->steps; n++)
        diffusion_sampler_close(diffusion_sampler_open(plan, n));
    r->failed = r->failed || !plan;
    diffusion_sampler_plan_destroy(plan);
}

static void print_row(const Command *self, const Run *r, BenchTimes whole, BenchTimes setting_up)
{
    const Denoiser *d = r->request.model;
    const size_t shape[] = {r->out.batch, d->head.dims, r->request.process->states};
    const double rest = whole.minimum - setting_up.minimum;
    const double drawn = r->request.sampler->run ? 1.0 : (double)d->head.dims; /* in a call */
    JsonOut row = bench_row(self->name, shape, 3);
    jsonout_string(&row, "sampler", r->request.sampler->name);
    jsonout_string(&row, "process", r->request.process->class->name);
    jsonout_number(&row, "calls", (double)r->calls / (double)r->out.batch);
    jsonout_number(&row, "seconds_matrices", setting_up.minimum);
    jsonout_number(&row, "draws_per_second",
                   (double)r->calls * drawn / (rest > 1e-9 ? rest : 1e-9));
    bench_row_end(&row, whole, 0.0);
}

/* Samplers that know the process; not `exact`, whose number of calls depends on the numbers. */
static bool measure_samplers(const Command *self, Run *r, const SamplerClass *only, int64_t reps,
                             Error *err)
{
    for (size_t i = 0; i < diffusion_sampler_count(); i++) {
        const SamplerClass *c = r->request.sampler = diffusion_sampler_at(i);
        const BenchTimes none = {0.0, 0.0};
        if ((only && c != only) || (c->run != NULL && !c->masks_only) ||
            (c->masks_only && r->request.process->mask < 0))
            continue;
        const BenchTimes whole = bench_time(reps, draw_samples, r);
        const BenchTimes setting_up = c->run ? none : bench_time(reps, set_up, r);
        if (r->failed)
            return error_set(err, "%s: %.300s", c->name, r->err.text);
        print_row(self, r, whole, setting_up);
    }
    return true;
}

static int run_samplers(const Command *self, int argc, char **argv)
{
    const char *name = "gaussian", *sampler = NULL;
    int64_t states = 256, dims = 3072, steps = 10, count = 8;
    BenchOptions bench = {.reps = 3};
    const Option options[] = {
        {"--process", OPTION_TEXT, &name, "NAME", 0, 0, false,
         "gaussian, birthdeath, uniform or absorbing (gaussian)"},
        {"--sampler", OPTION_TEXT, &sampler, "NAME", 0, 0, false, "only this one"},
        {"--states", OPTION_COUNT, &states, "S", 2, 4096, false, "states (256)"},
        {"--dims", OPTION_COUNT, &dims, "D", 1, 1e6, false, "dimensions (3072)"},
        {"--steps", OPTION_COUNT, &steps, "N", 1, 1e6, false, "steps (10)"},
        {"--count", OPTION_COUNT, &count, "M", 1, 1e6, false, "samples (8)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Error err;
    const ProcessClass *noise = diffusion_process_find(name);
    if (noise == NULL || noise->wants_rates) {
        error_set(&err, "--process %.40s: expected gaussian, birthdeath, uniform or absorbing",
                  name);
        return command_fail(self, &err, 2);
    }
    const SamplerClass *only = sampler ? diffusion_sampler_find(sampler, &err) : NULL;
    if (sampler && !only)
        return command_fail(self, &err, 2);
    ProcessConfig config = diffusion_process_defaults(name, (size_t)states);
    Process *p = diffusion_process_create(&config, &err);
    if (!p)
        return command_fail(self, &err, 1);
    Denoiser d = {.head = {.class = &diffusion_logistic,
                           .dims = (size_t)dims,
                           .states = (size_t)states - (p->mask >= 0),
                           .channels = 1,
                           .mask = p->mask},
                  .forward = given_numbers};
    float *numbers = bench_floats(1, (size_t)count * diffusion_head_outputs(&d.head));
    d.self = numbers;
    Run r = {.out = states_alloc((size_t)count, (size_t)dims)};
    r.request.model = &d;
    r.request.process = p;
    r.request.steps = (size_t)steps;
    r.request.batch = (size_t)count;
    status = measure_samplers(self, &r, only, bench.reps, &err) ? 0 : command_fail(self, &err, 1);
    states_free(&r.out);
    mem_free(numbers);
    diffusion_process_destroy(p);
    return status;
}

const Command bench_samplers = {
    .name = "samplers",
    .summary =
        "Times every sampler with a network that costs nothing (truncated logistic head): a row "
        "for\n"
        "each, with the seconds that its matrices take and the dimensions it draws in a second.",
    .example = "bench samplers --process gaussian --states 256 --dims 3072 --steps 10 --count 8",
    .run = run_samplers};
