/* bench transformer-ops: the operations of a transformer, each by itself: a row for its forward
 * pass in inference mode, and one for its backward pass, from a gradient of the result to gradients
 * of all inputs. */
#include "autograd/operations.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"

typedef struct Sizes {
    size_t batch, length, channels, heads, states;
} Sizes;

/* What an input is: nothing, or numbers (C), (C, C), (B, C), (B, L, C), (S, C). */
typedef enum Part { NONE, CHANNELS, MATRIX, SAMPLES, WHOLE, TABLE } Part;

enum { INPUTS = 3 };

typedef struct Subject {
    const char *name;
    Var *(*run)(Var *const *in, const Sizes *s, const States *x);
    Part part[INPUTS];
    /* Multiplications and additions of the passes: so many times B L C, times C or L; or 0. */
    double forward, backward;
    bool by_length;
} Subject;

/* clang-format off */
static Var *embedding(Var *const *in, const Sizes *s, const States *x)
{
    (void)s;
    return ag_embedding(in[0], x);
}
static Var *linear(Var *const *in, const Sizes *s, const States *x)
{
    (void)s, (void)x;
    return ag_linear(in[0], in[1], in[2]);
}
static Var *layer_norm(Var *const *in, const Sizes *s, const States *x)
{
    (void)s, (void)x;
    return ag_layer_norm(in[0], in[1], in[2], 1e-5);
}
static Var *adaptive(Var *const *in, const Sizes *s, const States *x)
{
    (void)s, (void)x;
    return ag_layer_norm_adaptive(in[0], in[1], in[2], 1e-5);
}
static Var *add_gated(Var *const *in, const Sizes *s, const States *x)
{
    (void)s, (void)x;
    return ag_add_gated(in[0], in[1], in[2]);
}
static Var *gelu(Var *const *in, const Sizes *s, const States *x)
{
    (void)s, (void)x;
    return ag_gelu(in[0]);
}
static Var *rotary(Var *const *in, const Sizes *s, const States *x)
{
    (void)x;
    return ag_rotary(in[0], s->heads, 1);
}
static Var *attention(Var *const *in, const Sizes *s, const States *x)
{
    (void)x;
    return ag_multihead_attention(in[0], in[1], in[2], s->heads, NULL);
}

static const Subject subjects[] = {
    {"embedding", embedding, {TABLE}, 0, 0, false},
    {"linear", linear, {WHOLE, MATRIX, CHANNELS}, 2, 4, false},
    {"layer_norm", layer_norm, {WHOLE, CHANNELS, CHANNELS}, 0, 0, false},
    {"layer_norm_adaptive", adaptive, {WHOLE, SAMPLES, SAMPLES}, 0, 0, false},
    {"add_gated", add_gated, {WHOLE, SAMPLES, WHOLE}, 0, 0, false},
    {"gelu", gelu, {WHOLE}, 0, 0, false},
    {"rotary", rotary, {WHOLE}, 0, 0, false},
    {"multihead_attention", attention, {WHOLE, WHOLE, WHOLE}, 4, 10, true},
};
/* clang-format on */

typedef struct Measured {
    const Subject *subject;
    const Sizes *sizes;
    Graph *graph;
    Tensor in[INPUTS];
    float *grad[INPUTS];
    States x;
    Var *result; /* of the recording that goes back */
    float *slope;
} Measured;

static Tensor part(Part p, const Sizes *s, uint64_t seed)
{
    const size_t shapes[][3] = {{0},
                                {s->channels},
                                {s->channels, s->channels},
                                {s->batch, s->channels},
                                {s->batch, s->length, s->channels},
                                {s->states, s->channels}};
    const int ranks[] = {1, 1, 2, 2, 3, 2};
    Tensor t = tensor_view(NULL, ranks[p], shapes[p]);
    t.data = bench_floats(seed, tensor_size(&t));
    return t;
}

static Var *forward(Measured *m)
{
    Var *in[INPUTS] = {NULL};
    for (size_t i = 0; i < INPUTS && m->subject->part[i] != NONE; i++)
        in[i] = ag_leaf(m->graph, m->in[i], m->grad[i]);
    return m->subject->run(in, m->sizes, &m->x);
}

static void forward_pass(void *context)
{
    Measured *m = context;
    forward(m);
    ag_graph_reset(m->graph);
}

static void backward_pass(void *context)
{
    Measured *m = context;
    ag_backward_from(m->result, m->slope);
}

static void print_row(const Command *self, const Measured *m, const char *pass, double flop,
                      BenchTimes times)
{
    const Sizes *s = m->sizes;
    const size_t shape[] = {s->batch, s->length, s->channels};
    const size_t terms = m->subject->by_length ? s->length : s->channels;
    JsonOut row = bench_row(self->name, shape, 3);
    jsonout_string(&row, "operation", m->subject->name);
    jsonout_string(&row, "pass", pass);
    bench_row_end(&row, times,
                  flop * (double)(s->batch * s->length) * (double)(s->channels * terms));
}

static void measure(const Command *self, const Subject *subject, const Sizes *s, int64_t reps)
{
    Measured m = {.subject = subject, .sizes = s, .graph = ag_graph_create()};
    Rng rng = rng_root(1);
    m.x = states_alloc(s->batch, s->length);
    for (size_t i = 0; i < s->batch * s->length; i++)
        m.x.x[i] = (uint16_t)rng_below(&rng, (uint32_t)s->states);
    for (size_t i = 0; i < INPUTS && subject->part[i] != NONE; i++) {
        m.in[i] = part(subject->part[i], s, 2 + i);
        m.grad[i] = mem_zeroed(tensor_size(&m.in[i]), sizeof(float));
    }
    ag_set_recording(m.graph, false);
    print_row(self, &m, "forward", subject->forward, bench_time(reps, forward_pass, &m));
    ag_set_recording(m.graph, true);
    m.result = forward(&m);
    m.slope = bench_floats(9, tensor_size(&m.result->value));
    print_row(self, &m, "backward", subject->backward, bench_time(reps, backward_pass, &m));
    ag_graph_destroy(m.graph);
    for (size_t i = 0; i < INPUTS; i++) {
        mem_free(m.in[i].data);
        mem_free(m.grad[i]);
    }
    mem_free(m.slope);
    states_free(&m.x);
}

static int run_transformer_ops(const Command *self, int argc, char **argv)
{
    int64_t batch = 16, length = 256, channels = 256, heads = 4, states = 1000;
    BenchOptions bench = {.reps = 10};
    const Option options[] = {
        {"--batch", OPTION_COUNT, &batch, "B", 1, 1e5, false, "samples (16)"},
        {"--length", OPTION_COUNT, &length, "L", 1, 1e5, false, "positions (256)"},
        {"--channels", OPTION_COUNT, &channels, "C", 1, 1e5, false, "of a position (256)"},
        {"--heads", OPTION_COUNT, &heads, "H", 1, 1e5, false,
         "of attention, with an even number of channels each (4)"},
        {"--states", OPTION_COUNT, &states, "S", 1, 65535, false, "of a token (1000)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Error err;
    if (channels % (2 * heads) != 0) {
        error_set(&err, "--heads %d: expected a number that divides C/2, and C is %d", (int)heads,
                  (int)channels);
        return command_fail(self, &err, 2);
    }
    const Sizes s = {(size_t)batch, (size_t)length, (size_t)channels, (size_t)heads,
                     (size_t)states};
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        measure(self, &subjects[i], &s, bench.reps);
    return 0;
}

const Command bench_transformer_ops = {
    .name = "transformer-ops",
    .summary =
        "Times the operations of a transformer on (B, L, C): a row for the forward and one for "
        "the\nbackward pass of each.",
    .example = "bench transformer-ops --batch 16 --length 256 --channels 256 --heads 4",
    .run = run_transformer_ops};
