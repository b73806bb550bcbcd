/* bench losses: what a distillation step does beside its network, at CIFAR-10 size (D = 3072,
 * S = 256, truncated logistic head): the losses with their gradient, and the draws of x_u and of
 * the x_0 drawn from there.  One row for each. */
#include <math.h>

#include "diffusion/head/batch.h"
#include "distill/draws.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"

enum { DIMS = 3072, CHANNELS = 3, STATES = 256 };

typedef struct Pass {
    DistillConfig config;
    Di4cInput in;
    Di4cDraws draws;
    Denoiser model; /* its head alone is looked at */
    Process *process;
    Arena *arena;
    Rng step;
    float *dt, *dtm; /* (B N, outputs) */
} Pass;

/* (rows, outputs): mu of every pixel near the noised grey it has, as in the U-Net; log_scale from
 * -3 to 0, one to twenty greys wide, nearly the same in all networks and for all lambdas. */
static float *head_numbers(Arena *arena, const States *x, size_t rows, uint64_t seed)
{
    const size_t each = rows / x->batch;
    float *out = arena_alloc(arena, rows * 2 * DIMS, sizeof *out);
    Rng rng = rng_child(rng_root(0), seed);
    for (size_t i = 0; i < rows * DIMS; i++) {
        const uint16_t state = states_row(x, i / DIMS / each)[i % DIMS];
        const size_t at = i / CHANNELS * 2 * CHANNELS + i % CHANNELS;
        const double centre = 2.0 * state / (STATES - 1) - 1.0;
        out[at] = (float)tanh(centre + 0.02 * rng_normal(&rng));
        out[at + CHANNELS] =
            (float)(-3.0 * (double)(i % DIMS * 7 % 100) / 100.0 + 0.1 * rng_normal(&rng));
    }
    return out;
}

static void fill_pass(Pass *p, size_t images, size_t lambdas)
{
    const size_t rows = images * lambdas;
    States x0 = states_make(p->arena, images, DIMS);
    Rng rng = rng_root(1);
    for (size_t i = 0; i < images * DIMS; i++)
        x0.x[i] = (uint16_t)rng_below(&rng, STATES);
    p->config = distill_defaults();
    p->config.lambdas = lambdas;
    p->model.head = (Head){.class = &diffusion_logistic,
                           .dims = DIMS,
                           .states = STATES,
                           .channels = CHANNELS,
                           .mask = -1};
    p->step = distill_stream(1, 1);
    p->draws =
        distill_first_draws(&p->config, &p->model, &p->model, p->process, &x0, p->step, p->arena);
    for (size_t i = 0; i < rows * DIMS; i++)
        p->draws.xu.x[i] = p->draws.xt.x[i / DIMS / lambdas * DIMS + i % DIMS];
    const Di4cDraws *d = &p->draws;
    p->in = (Di4cInput){images,
                        lambdas,
                        d->t,
                        x0,
                        d->xt,
                        d->xu,
                        d->x0u,
                        d->xtm,
                        head_numbers(p->arena, &d->xt, rows, 1),
                        head_numbers(p->arena, &d->xtm, rows, 2),
                        head_numbers(p->arena, &d->xu, rows, 3),
                        head_numbers(p->arena, &d->xt, images, 4),
                        head_numbers(p->arena, &d->xtm, rows, 5)};
    p->dt = arena_zeroed(p->arena, rows * 2 * DIMS, sizeof(float));
    p->dtm = arena_zeroed(p->arena, rows * 2 * DIMS, sizeof(float));
}

static void losses(void *context)
{
    const Pass *p = context;
    distill_losses(&p->config.loss, &p->model.head, &p->in, NULL, p->dt, p->dtm);
}

static void draws(void *context)
{
    Pass *p = context;
    const ArenaMark mark = arena_mark(p->arena);
    const size_t images = p->in.images, lambdas = p->in.lambdas;
    distill_draw_xu(&p->config, &p->model, p->process, p->in.teacher_t, p->step, p->arena,
                    &p->draws);
    diffusion_head_draw(&p->model.head, p->in.student_u, &p->draws.xu,
                        distill_row_streams(p->arena, p->step, PASS_X0U, images, lambdas),
                        &p->draws.x0u);
    arena_release(p->arena, mark);
}

static void print_row(const char *name, const Pass *p, BenchTimes times)
{
    const size_t shape[] = {p->in.images, p->in.lambdas, DIMS, STATES};
    JsonOut row = bench_row(name, shape, 4);
    bench_row_end(&row, times, 0.0);
}

static int run_losses(const Command *self, int argc, char **argv)
{
    int64_t images = 2, lambdas = 8;
    BenchOptions bench = {.reps = 5};
    const Option options[] = {
        {"--images", OPTION_COUNT, &images, "N", 1, 1e4, false, "pictures (2)"},
        {"--lambdas", OPTION_COUNT, &lambdas, "N", 1, 1e4, false, "lambdas a picture (8)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Error err;
    const ProcessConfig config = diffusion_process_defaults("gaussian", STATES);
    Pass p = {.process = diffusion_process_create(&config, &err)};
    if (p.process == NULL)
        return command_fail(self, &err, 1);
    p.arena = arena_create(1 << 20);
    fill_pass(&p, (size_t)images, (size_t)lambdas);
    draws(&p); /* the losses need its x_0 */
    print_row("losses", &p, bench_time(bench.reps, losses, &p));
    print_row("draws", &p, bench_time(bench.reps, draws, &p));
    arena_destroy(p.arena);
    diffusion_process_destroy(p.process);
    return 0;
}

const Command bench_losses = {
    .name = "losses",
    .summary = "Times the Di4C losses and their gradient for pictures of CIFAR-10 size (3072 "
               "dimensions of "
               "256\n"
               "states, truncated logistic), and the draws of a distillation step: a row for each.",
    .example = "bench losses --images 2 --lambdas 8 --threads 2",
    .run = run_losses};
