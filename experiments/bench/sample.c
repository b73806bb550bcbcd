/* bench sample: sampling from a model with random weights. */
#include "diffusion/sampler/sampler.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "experiments/bench/model.h"

typedef struct Sampling {
    SampleRequest request;
    States out;
    Error err;
    bool failed;
} Sampling;

static void sample(void *context)
{
    Sampling *s = context;
    if (!diffusion_sample(&s->request, &s->out, &s->err))
        s->failed = true;
}

static int run_sample(const Command *self, int argc, char **argv)
{
    const char *preset = "cifar10", *role_name = "student";
    int64_t steps = 10, count = 8;
    BenchOptions bench = {.reps = 3};
    const Option options[] = {
        {"--preset", OPTION_TEXT, &preset, "NAME", 0, 0, false,
         "cifar10, small, or another of di4c train (cifar10)"},
        {"--role", OPTION_TEXT, &role_name, "ROLE", 0, 0, false, "teacher, student (student)"},
        {"--steps", OPTION_COUNT, &steps, "N", 1, 1e6, false, "steps (10)"},
        {"--count", OPTION_COUNT, &count, "M", 1, 1e6, false, "samples (8)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Error err;
    ConfigRole role;
    if (!bench_role(role_name, &role, &err))
        return command_fail(self, &err, 2);
    Model *m = bench_model(preset, role, false, false, &err);
    if (!m)
        return command_fail(self, &err, 2);
    Sampling s = {.out = states_alloc((size_t)count, m->denoiser.head.dims)};
    s.request.model = &m->denoiser;
    s.request.process = m->process;
    s.request.steps = (size_t)steps;
    s.request.grid = GRID_UNIFORM;
    s.request.batch = (size_t)count;
    const BenchTimes times = bench_time(bench.reps, sample, &s);
    status = s.failed ? command_fail(self, &s.err, 1) : 0;
    if (!s.failed) {
        const size_t shape[] = {(size_t)count, (size_t)steps};
        JsonOut row = bench_row(self->name, shape, 2);
        jsonout_string(&row, "preset", preset);
        jsonout_string(&row, "role", role_name);
        bench_row_end(&row, times, 0.0);
    }
    states_free(&s.out);
    model_destroy(m);
    return status;
}

const Command bench_sample = {
    .name = "sample",
    .summary = "Times sampling from a model with random weights (uniform times, one batch).",
    .example = "bench sample --preset cifar10 --role student --steps 10 --count 8",
    .run = run_sample};
