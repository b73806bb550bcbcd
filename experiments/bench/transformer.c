/* bench transformer: a training step of a masked text model without conditioning, as di4c train
 * makes it, and where its time goes, operation by operation, for products with the share of what
 * the processors could do; or the forward pass alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "experiments/bench/model.h"
#include "experiments/bench/peak.h"
#include "experiments/training/training.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

enum { ROWS = 64, NAME = 40, AXES = 3 };
static const char WHERE[] = "bench transformer";

/* An operation of one pass and one size: sums over a step. */
typedef struct Row {
    char name[NAME];
    bool backward;
    /* Of a product: (rows, K, N); of attention: (B, L, C), both with 0 for rows or L where it is at
     * the masked places alone, whose number differs from step to step; else zeros. */
    size_t shape[AXES];
    size_t calls;
    double flop, seconds;   /* of the running step */
    double best, best_flop; /* of the fastest step so far */
} Row;

typedef struct Table {
    AgObserver observer;  /* first: an AgObserver * is a Table * */
    size_t batch, places; /* of a sample */
    Row rows[ROWS];
    size_t count;
} Table;

typedef struct Work {
    Model *model;
    Optimizer *optimizer; /* NULL: forward only */
    Workspace work;
    States x;
    double *t; /* (B): zeros, which nothing reads without conditioning */
    Table table;
} Work;

/* ---- where the time goes ---- */

static Row *row_of(Table *t, const char *name, bool backward, const size_t shape[AXES])
{
    for (size_t i = 0; i < t->count; i++) {
        Row *r = &t->rows[i];
        if (strcmp(r->name, name) == 0 && r->backward == backward &&
            memcmp(r->shape, shape, sizeof r->shape) == 0)
            return r;
    }
    TENSOR_CHECK(t->count < ROWS, "%s: the table has %d rows", name, (int)ROWS);
    Row *r = &t->rows[t->count++];
    snprintf(r->name, sizeof r->name, "%s", name);
    r->backward = backward;
    memcpy(r->shape, shape, sizeof r->shape);
    r->best = HUGE_VAL;
    return r;
}

static void note(Table *t, const char *name, double seconds)
{
    const size_t none[AXES] = {0};
    row_of(t, name, false, none)->seconds += seconds;
}

static void operation_ran(AgObserver *self, const Var *v, bool backward, double seconds)
{
    Table *t = (Table *)self;
    size_t shape[AXES] = {0};
    double flop = 0.0;
    if (strcmp(v->op, "linear") == 0) {
        const size_t *w = v->inputs[1]->value.shape;
        const size_t rows = tensor_size(&v->value) / w[1];
        shape[0] = rows == t->batch * t->places ? rows : 0;
        shape[1] = w[0];
        shape[2] = w[1];
        flop = (backward ? 4.0 : 2.0) * (double)rows * (double)w[0] * (double)w[1];
    } else if (strcmp(v->op, "multihead_attention") == 0) {
        const size_t *keys = v->inputs[1]->value.shape;
        shape[0] = keys[0];
        shape[1] = tensor_same_shape(&v->value, &v->inputs[1]->value) ? keys[1] : 0;
        shape[2] = keys[2];
        flop = (backward ? 10.0 : 4.0) * (double)tensor_size(&v->value) * (double)keys[1];
    }
    Row *r = row_of(t, v->op, backward, shape);
    r->calls++;
    r->flop += flop;
    r->seconds += seconds;
}

static void begin_step(Table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        t->rows[i].calls = 0;
        t->rows[i].flop = t->rows[i].seconds = 0.0;
    }
}

/* The step took `seconds`: what no row has is the rest. */
static void end_step(Table *t, double seconds)
{
    double sum = 0.0;
    for (size_t i = 0; i < t->count; i++)
        sum += t->rows[i].seconds;
    note(t, "draws, loss, the rest", seconds - sum);
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].seconds < t->rows[i].best) {
            t->rows[i].best = t->rows[i].seconds;
            t->rows[i].best_flop = t->rows[i].flop;
        }
}

static void print_rows(const Command *self, const Table *t, double peak)
{
    for (size_t i = 0; i < t->count; i++) {
        const Row *r = &t->rows[i];
        JsonOut out = bench_row(self->name, r->shape, r->flop > 0.0 ? AXES : 0);
        jsonout_string(&out, "operation", r->name);
        jsonout_string(&out, "pass", r->backward ? "backward" : "forward");
        jsonout_count(&out, "calls", r->calls);
        if (r->flop > 0.0) {
            jsonout_number(&out, "peak_gflops", peak);
            jsonout_number(&out, "share_of_peak", r->best_flop * 1e-9 / r->best / peak);
        }
        bench_row_end(&out, (BenchTimes){.minimum = r->best, .median = r->best}, r->best_flop);
    }
}

/* ---- the work ---- */

static void training_step(Work *w)
{
    double terms[OBJECTIVE_TERMS_MAX];
    const ObjectiveStep one = {.config = &w->model->config,
                               .model = &w->model->denoiser,
                               .process = w->model->process,
                               .x0 = &w->x,
                               .number = w->optimizer->steps,
                               .work = &w->work};
    nn_params_zero_grads(&w->model->net->params);
    objective_teacher.gradient(&one, terms);
    const double since = threads_seconds();
    nn_optimizer_step(w->optimizer);
    note(&w->table, "optimizer", threads_seconds() - since);
}

static void run_work(void *context)
{
    Work *w = context;
    const double start = threads_seconds();
    begin_step(&w->table);
    if (w->optimizer != NULL) {
        training_step(w);
    } else {
        const NetworkInput in = {.x = &w->x, .t = w->t};
        nn_forward(w->model->net, w->work.graph, &in);
        ag_graph_reset(w->work.graph);
    }
    end_step(&w->table, threads_seconds() - start);
}

static void measure(const Command *self, Model *m, size_t batch, bool train, int64_t reps)
{
    const Config *c = &m->config;
    const OptimizerConfig optimizer = training_optimizer(c);
    Work w = {.model = m, .x = bench_states(m, batch)};
    w.t = mem_zeroed(batch, sizeof *w.t);
    w.table.observer.ran = operation_ran;
    w.table.batch = batch;
    w.table.places = w.x.dims;
    w.work = diffusion_workspace_create(0);
    if (train) /* without recording an operation does not know its inputs */
        w.work.graph->observer = &w.table.observer;
    ag_set_recording(w.work.graph, train);
    if (train)
        w.optimizer = nn_optimizer_create(&optimizer, &m->net->params);
    double peak = bench_peak(reps);
    const BenchTimes times = bench_time(reps, run_work, &w);
    const double again = bench_peak(reps); /* the machine may have been busy before */
    const size_t shape[] = {batch, w.x.dims};
    JsonOut row = bench_row(self->name, shape, 2);
    jsonout_string(&row, "work", train ? "step" : "forward");
    jsonout_count(&row, "parameters", m->net->params.total);
    bench_row_end(&row, times, 0.0);
    if (train)
        print_rows(self, &w.table, again > peak ? again : peak);
    nn_optimizer_destroy(w.optimizer);
    diffusion_workspace_destroy(&w.work);
    states_free(&w.x);
    mem_free(w.t);
}

/* ---- the model ---- */

typedef struct Size {
    const char *key;
    int64_t value;
} Size;

static Model *masked_text_model(const Size *sizes, size_t count, bool with_grads, Error *err)
{
    static const char *const settings[][2] = {
        {"process", "absorbing"},   {"alpha_eps", "0"},       {"head", "softmax"},
        {"net", "transformer"},     {"dropout", "0"},         {"height", "1"},
        {"channels", "1"},          {"warmup", "0"},          {"loss", "cross_entropy"},
        {"time_weight", "elbo"},    {"weight_decay", "0.01"}, {"stratified_times", "on"},
        {"tf_conditioning", "off"}, {"flip", "off"}};
    Config c;
    config_defaults(&c);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!config_set(&c, settings[i][0], settings[i][1], WHERE, err))
            return NULL;
    for (size_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)sizes[i].value);
        if (!config_set(&c, sizes[i].key, text, WHERE, err))
            return NULL;
    }
    return config_check(&c, ROLE_TEACHER, err) ? model_create(&c, ROLE_TEACHER, with_grads, err)
                                               : NULL;
}

static int run_transformer(const Command *self, int argc, char **argv)
{
    int64_t batch = 32, length = 128, width = 192, blocks = 4, heads = 4, states = 65;
    bool forward = false;
    BenchOptions bench = {.reps = 10};
    const Option options[] = {
        {"--batch", OPTION_COUNT, &batch, "B", 1, 1e5, false, "samples (32)"},
        {"--length", OPTION_COUNT, &length, "L", 1, 1e5, false, "positions (128)"},
        {"--width", OPTION_COUNT, &width, "C", 1, 1e5, false, "tf_width (192)"},
        {"--blocks", OPTION_COUNT, &blocks, "N", 1, 1e5, false, "tf_blocks (4)"},
        {"--heads", OPTION_COUNT, &heads, "H", 1, 1e5, false, "tf_heads (4)"},
        {"--states", OPTION_COUNT, &states, "S", 2, 65535, false, "of a token, without mask (65)"},
        {"--forward", OPTION_FLAG, &forward, NULL, 0, 0, false,
         "the forward pass in inference mode; else a training step"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    const Size sizes[] = {{"width", length},
                          {"states", states},
                          {"tf_width", width},
                          {"tf_blocks", blocks},
                          {"tf_heads", heads}};
    Error err;
    Model *m = masked_text_model(sizes, sizeof sizes / sizeof sizes[0], !forward, &err);
    if (m == NULL)
        return command_fail(self, &err, 2);
    measure(self, m, (size_t)batch, !forward, bench.reps);
    model_destroy(m);
    return 0;
}

const Command bench_transformer = {
    .name = "transformer",
    .summary = "Times a training step of a masked text model: draws, loss, gradient, clipping, "
               "Adam, averages.\nThen a row for each operation: the least time that all its calls "
               "of a step took, and for\nproducts the share of the multiply-add peak.",
    .example = "bench transformer --batch 32 --length 128 --width 192 --blocks 4 --threads 2",
    .run = run_transformer};
