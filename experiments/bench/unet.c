/* bench unet: a network's forward pass, or a training step without a loss: forward, backward from
 * the sum of the output, clipping, Adam, averages. */
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "experiments/bench/model.h"
#include "experiments/bench/profile.h"
#include "nn/optimizer.h"
#include "tensor/base/memory.h"
#include "tensor/pointwise.h"
#include "tensor/system/threads.h"

typedef struct Work {
    Model *model;
    Optimizer *optimizer; /* NULL: forward only */
    bool no_update;
    Graph *graph;
    States x;
    double *t, *lambda;
    float *ones;
    Profile *profile; /* or NULL */
} Work;

static void note(const Work *w, const char *what, double *since)
{
    const double now = threads_seconds();
    if (w->profile)
        profile_add(w->profile, what, now - *since);
    *since = now;
}

static void run_pass(void *context)
{
    const Work *w = context;
    Network *net = w->model->net;
    const NetworkInput in = {&w->x, w->t, w->lambda, NULL, NULL, NULL};
    double since = threads_seconds();
    if (w->optimizer) {
        nn_params_zero_grads(&net->params);
        note(w, "zero gradients", &since);
    }
    Var *v = nn_forward(net, w->graph, &in);
    if (w->optimizer)
        ag_backward_from(v, w->ones);
    ag_graph_reset(w->graph);
    since = threads_seconds();
    if (w->optimizer && !w->no_update) {
        nn_optimizer_step(w->optimizer);
        note(w, "optimizer", &since);
    }
}

static Work prepare_unet(Model *m, size_t batch, bool train)
{
    Work w = {.model = m, .graph = ag_graph_create(), .x = bench_states(m, batch)};
    const size_t lambdas = batch * m->net->lambda_dims, outputs = batch * m->net->outputs;
    Rng rng = rng_root(2);
    w.t = mem_alloc(batch, sizeof *w.t);
    for (size_t b = 0; b < batch; b++)
        w.t[b] = rng_uniform(&rng);
    if (lambdas > 0)
        w.lambda = mem_alloc(lambdas, sizeof *w.lambda);
    for (size_t i = 0; i < lambdas; i++)
        w.lambda[i] = rng_uniform(&rng);
    if (train) {
        const OptimizerConfig config = nn_optimizer_defaults();
        w.optimizer = nn_optimizer_create(&config, &m->net->params);
        w.ones = mem_alloc(outputs, sizeof *w.ones);
        tensor_fill(w.ones, 1.0f, outputs);
    } else {
        ag_set_recording(w.graph, false);
    }
    return w;
}

static void release_unet(Work *w)
{
    nn_optimizer_destroy(w->optimizer);
    ag_graph_destroy(w->graph);
    states_free(&w->x);
    mem_free(w->t);
    mem_free(w->lambda);
    mem_free(w->ones);
    model_destroy(w->model);
}

static void print_profile(Work *w, int64_t reps, size_t batch)
{
    Profile profile;
    profile_start(&profile);
    w->profile = &profile;
    w->graph->observer = &profile.observer;
    for (int64_t i = 0; i < reps; i++)
        run_pass(w);
    profile_print(&profile, "unet-profile", (double)reps * (double)batch);
    w->graph->observer = NULL;
    w->profile = NULL;
}

static int run_unet(const Command *self, int argc, char **argv)
{
    const char *preset = "cifar10", *role_name = "teacher";
    int64_t batch = 8;
    bool train = false, no_update = false, profile = false;
    BenchOptions bench = {.reps = 5};
    const Option options[] = {
        {"--preset", OPTION_TEXT, &preset, "NAME", 0, 0, false,
         "cifar10, small, or another of di4c train (cifar10)"},
        {"--role", OPTION_TEXT, &role_name, "ROLE", 0, 0, false, "teacher, student (teacher)"},
        {"--batch", OPTION_COUNT, &batch, "B", 1, 1e6, false, "pictures (8)"},
        {"--train", OPTION_FLAG, &train, NULL, 0, 0, false,
         "a training step; else the forward pass in inference mode"},
        {"--no-update", OPTION_FLAG, &no_update, NULL, 0, 0, false,
         "with --train: without clipping, Adam and averages"},
        {"--profile", OPTION_FLAG, &profile, NULL, 0, 0, false,
         "then the time by operation, in milliseconds a picture"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Error err;
    ConfigRole role;
    if (!bench_role(role_name, &role, &err))
        return command_fail(self, &err, 2);
    Model *m = bench_model(preset, role, train, false, &err);
    if (!m)
        return command_fail(self, &err, 2);
    Work w = prepare_unet(m, (size_t)batch, train);
    w.no_update = no_update;
    const BenchTimes times = bench_time(bench.reps, run_pass, &w);
    const Config *c = &m->config;
    const size_t shape[] = {(size_t)batch, (size_t)c->height, (size_t)c->width,
                            (size_t)c->channels};
    JsonOut row = bench_row(self->name, shape, 4);
    jsonout_string(&row, "preset", preset);
    jsonout_string(&row, "role", role_name);
    jsonout_string(&row, "work", !train ? "forward" : no_update ? "forward+backward" : "step");
    jsonout_count(&row, "parameters", m->net->params.total);
    bench_row_end(&row, times, 0.0);
    if (profile)
        print_profile(&w, bench.reps, (size_t)batch);
    release_unet(&w);
    return 0;
}

const Command bench_unet = {.name = "unet",
                            .summary = "Times a U-Net (or a preset's other network) with random "
                                       "weights: the forward pass, or with\n"
                                       "--train a step of forward, backward from the sum of the "
                                       "output, clipping, Adam and averages.",
                            .example = "bench unet --preset cifar10 --batch 8 --train --threads 2",
                            .run = run_unet};
