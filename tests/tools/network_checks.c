#include "tests/tools/network_checks.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/pointwise.h"
#include "tensor/system/threads.h"

Network *made(Network *net, const Error *err)
{
    ck_assert_msg(net != NULL, "%s", err->text);
    return net;
}

MlpConfig small_mlp(size_t dims, size_t states, size_t out_states, size_t lambda_dims)
{
    MlpConfig c = nn_mlp_defaults();
    c.dims = dims;
    c.states = states;
    c.out_states = out_states;
    c.width = 8;
    c.blocks = 1;
    c.embed = 8;
    c.lambda_dims = lambda_dims;
    c.lambda_is_number = lambda_dims > 0;
    c.lambda_mean = 0.25;
    c.lambda_deviation = 0.5;
    return c;
}

void randomise(Network *net, uint64_t seed)
{
    for (size_t i = 0; i < net->params.count; i++) {
        Param *p = net->params.items[i];
        size_t n = tensor_size(&p->value);
        size_t out = p->value.shape[p->value.rank - 1];
        nn_init_default(p, p->value.rank == 1 ? 25 : n / out, rng_root(seed));
        if (strstr(p->name, "norm") != NULL && strstr(p->name, "weight") != NULL) {
            for (size_t k = 0; k < n; k++) {
                p->value.data[k] += 1.0f;
            }
        }
    }
}

/* A seeded batch.  Sample b is the same in every batch that holds it. */
typedef struct Batch {
    States x;
    double *t, *lambda;
    Rng *dropout;
    size_t lambda_dims;
} Batch;

static Batch batch_make(const Network *net, size_t batch)
{
    Batch b = {states_alloc(batch, net->dims), NULL, NULL, NULL, net->lambda_dims};
    b.t = mem_alloc(batch, sizeof *b.t);
    b.lambda = mem_alloc(batch * net->lambda_dims, sizeof *b.lambda);
    b.dropout = mem_alloc(batch, sizeof *b.dropout);
    for (size_t i = 0; i < batch; i++) {
        Rng rng = rng_child(rng_root(3), i);
        for (size_t d = 0; d < net->dims; d++) {
            b.x.x[i * net->dims + d] = (uint16_t)rng_below(&rng, net->states);
        }
        b.t[i] = rng_uniform(&rng);
        for (size_t l = 0; l < net->lambda_dims; l++) {
            b.lambda[i * net->lambda_dims + l] = rng_uniform(&rng);
        }
        b.dropout[i] = rng_child(rng_root(4), i);
    }
    return b;
}

static void batch_free(Batch *b)
{
    states_free(&b->x);
    mem_free(b->t);
    mem_free(b->lambda);
    mem_free(b->dropout);
}

static Var *forward(const Network *net, Graph *g, const Batch *b, size_t first, size_t count,
                    bool dropout)
{
    States x = states_rows(&b->x, first, count);
    const double *lambda = b->lambda_dims > 0 ? b->lambda + first * b->lambda_dims : NULL;
    NetworkInput in = {&x, b->t + first, lambda, dropout ? b->dropout + first : NULL, NULL, NULL};
    return nn_forward(net, g, &in);
}

float *outputs_of(const Network *net, size_t batch, bool recording, bool dropout,
                  const double *lambda)
{
    Batch b = batch_make(net, batch);
    if (lambda != NULL) {
        memcpy(b.lambda, lambda, batch * net->lambda_dims * sizeof *lambda);
    }
    Graph *g = ag_graph_create();
    ag_set_recording(g, recording);
    Var *v = forward(net, g, &b, 0, batch, dropout);
    float *out = mem_alloc(batch * net->outputs, sizeof *out);
    memcpy(out, v->value.data, batch * net->outputs * sizeof *out);
    ag_graph_destroy(g);
    batch_free(&b);
    return out;
}

static void compare(float *a, float *b, size_t n)
{
    ck_assert_int_eq(memcmp(a, b, n * sizeof *a), 0);
    mem_free(a);
}

void check_same_bits(const Network *net)
{
    enum { BATCH = 5 };
    const size_t n = BATCH * net->outputs;
    threads_set(1);
    float *expected = outputs_of(net, BATCH, true, true, NULL);
    for (size_t i = 0; i < n; i++) {
        ck_assert(isfinite(expected[i]));
    }
    compare(outputs_of(net, BATCH, false, true, NULL), expected, n);
    threads_set(3);
    compare(outputs_of(net, BATCH, true, true, NULL), expected, n);

    const size_t pieces[] = {1, 2, 2};
    Batch b = batch_make(net, BATCH);
    Graph *g = ag_graph_create();
    for (size_t i = 0, first = 0; i < 3; first += pieces[i++]) {
        Var *v = forward(net, g, &b, first, pieces[i], true);
        ck_assert_int_eq(memcmp(v->value.data, expected + first * net->outputs,
                                pieces[i] * net->outputs * sizeof(float)),
                         0);
        ag_graph_reset(g);
    }
    ag_graph_destroy(g);
    batch_free(&b);
    mem_free(expected);
    threads_set(1);
}

void check_samples_stand_alone(const Network *net, size_t batch)
{
    const size_t pieces[] = {1, 7, batch};
    float *expected = outputs_of(net, batch, true, true, NULL);
    Batch b = batch_make(net, batch);
    Graph *g = ag_graph_create();
    for (size_t i = 0; i < 2 * sizeof pieces / sizeof *pieces; i++) {
        ag_set_recording(g, i % 2 == 1);
        for (size_t first = 0; first < batch; first += pieces[i / 2]) {
            const size_t left = batch - first, count = left < pieces[i / 2] ? left : pieces[i / 2];
            Var *v = forward(net, g, &b, first, count, true);
            ck_assert_msg(memcmp(v->value.data, expected + first * net->outputs,
                                 count * net->outputs * sizeof(float)) == 0,
                          "%s: samples %zu to %zu of %zu", net->kind, first, first + count - 1,
                          batch);
            ag_graph_reset(g);
        }
    }
    ag_graph_destroy(g);
    batch_free(&b);
    mem_free(expected);
}

void check_memory(const Network *net)
{
    size_t peak[2];
    Batch b = batch_make(net, 4);
    for (int recording = 0; recording < 2; recording++) {
        Graph *g = ag_graph_create();
        ag_set_recording(g, recording);
        size_t before = ag_memory_used(g);
        forward(net, g, &b, 0, 4, false);
        size_t left = ag_memory_used(g) - before;
        peak[recording] = ag_memory_peak(g);
        ck_assert(recording || left < 4 * net->outputs * sizeof(float) + 4096);
        ag_graph_destroy(g);
    }
    ck_assert(peak[0] < peak[1]);
    batch_free(&b);
}

/* sum w (f(p + h) - f(p - h)) / 2h for one entry of a parameter. */
static double difference(Network *net, const Batch *b, Graph *g, float *entry, const float *w,
                         size_t batch)
{
    const float saved = *entry, h = 1e-2f;
    const size_t n = batch * net->outputs;
    double sum = 0.0;
    *entry = saved + h;
    const double up = *entry;
    float *plus = mem_alloc(n, sizeof *plus);
    memcpy(plus, forward(net, g, b, 0, batch, false)->value.data, n * sizeof *plus);
    ag_graph_reset(g);
    *entry = saved - h;
    const double down = *entry;
    const float *minus = forward(net, g, b, 0, batch, false)->value.data;
    for (size_t i = 0; i < n; i++) {
        sum += w[i] * ((double)plus[i] - minus[i]);
    }
    ag_graph_reset(g);
    *entry = saved;
    mem_free(plus);
    return sum / (up - down);
}

void check_parameter_gradients(Network *net, double tolerance)
{
    enum { BATCH = 2, ENTRIES = 2 };
    const size_t n = BATCH * net->outputs;
    threads_set(1); /* many tiny forwards: threads would mostly wait */
    Batch b = batch_make(net, BATCH);
    Rng rng = rng_root(8);
    float *w = mem_alloc(n, sizeof *w);
    for (size_t i = 0; i < n; i++) {
        w[i] = 2.0f * rng_uniform24(&rng) - 1.0f;
    }
    Graph *g = ag_graph_create();
    nn_params_zero_grads(&net->params);
    ag_backward_from(forward(net, g, &b, 0, BATCH, false), w);
    ag_graph_reset(g);
    ag_set_recording(g, false);
    for (size_t i = 0; i < net->params.count; i++) {
        Param *p = net->params.items[i];
        size_t size = tensor_size(&p->value);
        double largest = 0.0;
        for (size_t k = 0; k < size; k++) {
            largest = larger_of(largest, fabs((double)p->grad[k]));
        }
        for (int e = 0; e < ENTRIES; e++) {
            size_t k = rng_below(&rng, size);
            double numeric = difference(net, &b, g, p->value.data + k, w, BATCH);
            ck_assert_msg(fabs(numeric - p->grad[k]) <= tolerance * (1.0 + largest),
                          "%s[%zu]: backward %g, differences %g", p->name, k, (double)p->grad[k],
                          numeric);
        }
    }
    ag_graph_destroy(g);
    batch_free(&b);
    mem_free(w);
}

void check_parameter_matters(Network *net, Param *p)
{
    float *before = outputs_of(net, 1, true, false, NULL);
    tensor_scale(p->value.data, 2.0f, p->value.data, tensor_size(&p->value));
    float *after = outputs_of(net, 1, true, false, NULL);
    double change = 0.0;
    for (size_t i = 0; i < net->outputs; i++) {
        change = larger_of(change, fabs((double)after[i] - before[i]));
    }
    ck_assert_msg(change > 1e-4, "%s: outputs move by %g", p->name, change);
    tensor_scale(p->value.data, 0.5f, p->value.data, tensor_size(&p->value));
    mem_free(before);
    mem_free(after);
}

/* Entries of one sample, at most `most`: 1 where dropout left something. */
static size_t mask_of(Var *v, unsigned char *kept, size_t most)
{
    const size_t entries = tensor_size(&v->value) / v->value.shape[0];
    const float *value = ag_value(v);
    for (size_t i = 0; i < entries && i < most; i++) {
        kept[i] = value[i] != 0.0f;
    }
    return entries < most ? entries : most;
}

/* Masks of one number are alike in their first entries whatever their sizes. */
void check_dropouts(const Network *net, size_t count)
{
    enum { MOST = 64, DROPOUTS = 32 };
    unsigned char kept[DROPOUTS][MOST];
    size_t n = 0, least = MOST;
    Batch b = batch_make(net, 1);
    Graph *g = ag_graph_create();
    forward(net, g, &b, 0, 1, true);
    for (Var *v = g->last; v != NULL; v = v->previous) {
        if (strcmp(v->op, "dropout") == 0) {
            ck_assert_uint_lt(n, DROPOUTS);
            const size_t entries = mask_of(v, kept[n++], MOST);
            least = entries < least ? entries : least;
        }
    }
    ck_assert_uint_eq(n, count);
    ck_assert_uint_ge(least, 20);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            ck_assert_msg(memcmp(kept[i], kept[k], least) != 0,
                          "dropouts %zu and %zu from the end have one mask", i, k);
        }
    }
    ag_graph_destroy(g);
    batch_free(&b);
}

void check_student_starts_as_teacher(Network *student, Network *teacher)
{
    enum { BATCH = 3 };
    const size_t n = BATCH * teacher->outputs;
    static const double some[] = {0.0, 0.37, 1.0, 0.1, 0.9, 0.5};
    double *other = mem_alloc(BATCH * student->lambda_dims, sizeof *other);
    for (size_t i = 0; i < BATCH * student->lambda_dims; i++) {
        other[i] = some[i % 6];
    }
    teacher->initialise(teacher, 1);
    student->initialise(student, 2);
    ck_assert_uint_eq(nn_copy_common(student, teacher), teacher->params.count);
    float *expected = outputs_of(teacher, BATCH, true, false, NULL);
    compare(outputs_of(student, BATCH, true, false, NULL), expected, n);
    compare(outputs_of(student, BATCH, false, false, other), expected, n);
    mem_free(expected);

    randomise(student, 5);
    expected = outputs_of(student, BATCH, true, false, NULL);
    float *moved = outputs_of(student, BATCH, true, false, other);
    double change = 0.0;
    for (size_t i = 0; i < n; i++) {
        change = larger_of(change, fabs((double)expected[i] - moved[i]));
    }
    ck_assert(change > 1e-3);
    mem_free(expected);
    mem_free(moved);
    mem_free(other);
}

void check_loss_gradient(const ParamSet *set, double (*loss)(void *context), void *context,
                         double scale)
{
    const float h = 1e-2f;
    float *grad = mem_alloc(set->total, sizeof *grad);
    loss(context);
    memcpy(grad, set->grads, set->total * sizeof *grad);
    for (size_t i = 0; i < set->count; i++) {
        Param *p = set->items[i];
        const size_t n = tensor_size(&p->value);
        double largest = 0.01;
        for (size_t k = 0; k < n; k++)
            largest = larger_of(largest, fabs((double)grad[p->offset + k]));
        for (size_t k = 0; k < n; k += 1 + n / 4) {
            const float kept = p->value.data[k];
            p->value.data[k] = kept + h;
            const double above = loss(context);
            p->value.data[k] = kept - h;
            const double below = loss(context);
            p->value.data[k] = kept;
            const double slope = scale * (above - below) / (2.0 * (double)h);
            ck_assert_msg(fabs(slope - (double)grad[p->offset + k]) < 2e-2 * largest,
                          "%s[%zu]: %g, differences give %g", p->name, k,
                          (double)grad[p->offset + k], slope);
        }
    }
    mem_free(grad);
}

void check_refused(const Network *net, const Error *err, const char *word)
{
    ck_assert_ptr_null(net);
    ck_assert_msg(strstr(err->text, word) != NULL, "%s does not name %s", err->text, word);
}

void forward_once(const Network *net, size_t dims, uint16_t last, double t)
{
    States x = states_alloc(1, dims);
    Graph *g = ag_graph_create();
    NetworkInput in = {.x = &x, .t = &t};
    memset(x.x, 0, dims * sizeof *x.x);
    x.x[dims - 1] = last;
    nn_forward(net, g, &in);
    ag_graph_destroy(g);
    states_free(&x);
}
