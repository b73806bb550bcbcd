/* bench groupnorm-silu: group normalisation and SiLU in one pass. */
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"
#include "tensor/norm.h"

typedef struct Normalisation {
    NormShape shape;
    size_t pass; /* 0 forward, 1 backward */
    float *x, *y, *dx, *gamma, *beta, *dgamma, *dbeta, *mean, *rstd;
} Normalisation;

static void normalise(void *context)
{
    const Normalisation *n = context;
    if (n->pass == 0)
        tensor_group_norm(n->y, n->mean, n->rstd, n->x, NULL, n->gamma, n->beta, false, &n->shape);
    else
        tensor_group_norm_backward(n->dx, NULL, n->dgamma, n->dbeta, n->y, n->x, NULL, n->gamma,
                                   n->beta, n->mean, n->rstd, true, &n->shape);
}

static BenchTimes measure_group_norm(const NormShape *s, size_t pass, int64_t reps)
{
    const size_t entries = s->batch * s->positions * s->channels;
    Normalisation n = {.shape = *s};
    n.x = bench_floats(1, entries);
    n.y = bench_floats(2, entries);
    n.dx = bench_floats(3, entries);
    n.gamma = bench_floats(4, 4 * s->channels);
    n.beta = n.gamma + s->channels;
    n.dgamma = n.beta + s->channels;
    n.dbeta = n.dgamma + s->channels;
    n.mean = bench_floats(5, 2 * s->batch * s->groups);
    n.rstd = n.mean + s->batch * s->groups;
    normalise(&n); /* mean and rstd for the backward pass */
    n.pass = pass;
    const BenchTimes times = bench_time(reps, normalise, &n);
    mem_free(n.x);
    mem_free(n.y);
    mem_free(n.dx);
    mem_free(n.gamma);
    mem_free(n.mean);
    return times;
}

static int run_group_norm(const Command *self, int argc, char **argv)
{
    static const char *const passes[] = {"forward", "backward"};
    const char *pass_name = passes[0];
    int64_t b = 0, h = 0, w = 0, c = 0;
    BenchOptions bench = {.reps = 20};
    const Option options[] = {
        {"B", OPTION_COUNT, &b, NULL, 1, 1e5, true, "pictures"},
        {"H", OPTION_COUNT, &h, NULL, 1, 1e4, true, "rows"},
        {"W", OPTION_COUNT, &w, NULL, 1, 1e4, true, "columns"},
        {"C", OPTION_COUNT, &c, NULL, 1, 1e4, true, "channels"},
        {"--pass", OPTION_TEXT, &pass_name, "PASS", 0, 0, false, "forward or backward (forward)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    size_t pass;
    Error err;
    if (!bench_choice("--pass", pass_name, passes, 2, &pass, &err))
        return command_fail(self, &err, 2);
    NormShape s = {.batch = (size_t)b, .positions = (size_t)(h * w), .channels = (size_t)c};
    s.groups = c % 32 == 0 ? 32 : (size_t)c;
    s.eps = 1e-6;
    s.silu = true;
    const BenchTimes times = measure_group_norm(&s, pass, bench.reps);
    const size_t shape[] = {(size_t)b, (size_t)h, (size_t)w, (size_t)c};
    JsonOut row = bench_row(self->name, shape, 4);
    jsonout_string(&row, "pass", passes[pass]);
    bench_row_end(&row, times, 0.0);
    return 0;
}

const Command bench_group_norm = {
    .name = "groupnorm-silu",
    .summary = "Times group normalisation (32 groups, or one a channel) with SiLU.",
    .example = "bench groupnorm-silu 8 32 32 128 --pass backward --threads 1",
    .run = run_group_norm};
