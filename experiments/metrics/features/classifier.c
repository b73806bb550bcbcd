/* The classifier: forward pass, training recipe, file, features. */
#include "experiments/metrics/features/classifier.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "autograd/operations.h"
#include "experiments/cli/progress.h"
#include "experiments/data/batches.h"
#include "nn/formats/safetensors.h"
#include "nn/formats/sha256.h"
#include "nn/optimizer.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { WIDTH_1 = 32, WIDTH_2 = 64, BATCH = 128, STEPS = 2500, EVAL_BATCH = 256, PARAMS = 8 };
static const double learning_rate = 2e-3, dropout_rate = 0.3;

enum { CONV1_W, CONV1_B, CONV2_W, CONV2_B, DENSE1_W, DENSE1_B, DENSE2_W, DENSE2_B };

static Classifier *create(size_t h, size_t w, size_t c, size_t states, size_t classes)
{
    Classifier *net = mem_zeroed(1, sizeof *net);
    const size_t flat = (h / 4) * (w / 4) * WIDTH_2;
    net->height = h;
    net->width = w;
    net->channels = c;
    net->states = states;
    net->classes = classes;
    ParamSet *p = &net->params;
    nn_param_add(p, "conv1.weight", PARAM_CONV, 4, (size_t[]){3, 3, c, WIDTH_1});
    nn_param_add(p, "conv1.bias", PARAM_PLAIN, 1, (size_t[]){WIDTH_1});
    nn_param_add(p, "conv2.weight", PARAM_CONV, 4, (size_t[]){3, 3, WIDTH_1, WIDTH_2});
    nn_param_add(p, "conv2.bias", PARAM_PLAIN, 1, (size_t[]){WIDTH_2});
    nn_param_add(p, "dense1.weight", PARAM_LINEAR, 2, (size_t[]){flat, CLASSIFIER_FEATURES});
    nn_param_add(p, "dense1.bias", PARAM_PLAIN, 1, (size_t[]){CLASSIFIER_FEATURES});
    nn_param_add(p, "dense2.weight", PARAM_LINEAR, 2, (size_t[]){CLASSIFIER_FEATURES, classes});
    nn_param_add(p, "dense2.bias", PARAM_PLAIN, 1, (size_t[]){classes});
    nn_params_allocate(p, true);
    net->graph = ag_graph_create();
    return net;
}

void classifier_destroy(Classifier *c)
{
    if (!c)
        return;
    ag_graph_destroy(c->graph);
    nn_params_free(&c->params);
    mem_free(c);
}

/* x (B, D) -> features (B, 64). */
static Var *features_of(const Classifier *c, const States *x)
{
    Graph *g = c->graph;
    Param **p = c->params.items;
    TENSOR_CHECK(x->dims == c->height * c->width * c->channels,
                 "pictures (%zu, %zu), a classifier of %zux%zux%zu", x->batch, x->dims, c->height,
                 c->width, c->channels);
    Tensor picture = tensor_make4(g->arena, x->batch, c->height, c->width, c->channels);
    states_centre(picture.data, x, (double)(c->states - 1));
    Var *h = ag_constant(g, picture);
    h = ag_conv3x3(h, nn_param_var(g, p[CONV1_W]), nn_param_var(g, p[CONV1_B]), 1);
    h = ag_max_pool2(ag_relu(h));
    h = ag_conv3x3(h, nn_param_var(g, p[CONV2_W]), nn_param_var(g, p[CONV2_B]), 1);
    h = ag_max_pool2(ag_relu(h));
    h = ag_reshape(h, 2, (size_t[]){x->batch, p[DENSE1_W]->value.shape[0]});
    return ag_relu(ag_linear(h, nn_param_var(g, p[DENSE1_W]), nn_param_var(g, p[DENSE1_B])));
}

static Var *scores_of(const Classifier *c, Var *features)
{
    Param **p = c->params.items;
    Graph *g = c->graph;
    return ag_linear(features, nn_param_var(g, p[DENSE2_W]), nn_param_var(g, p[DENSE2_B]));
}

static double train_step(Classifier *c, const Dataset *d, uint64_t seed, uint64_t step, States *x,
                         uint16_t *labels, Rng *streams)
{
    const Rng noise = rng_child(rng_child(rng_root(seed), 1), step);
    dataset_batch(d, seed, step, BATCH, false, x, labels);
    for (size_t b = 0; b < BATCH; b++)
        streams[b] = rng_child(noise, b);
    nn_params_zero_grads(&c->params);
    Var *h = ag_dropout(features_of(c, x), dropout_rate, streams, 0);
    Var *loss = ag_cross_entropy(scores_of(c, h), labels);
    const double value = loss->value.data[0];
    ag_backward(loss);
    ag_graph_reset(c->graph);
    return value;
}

static bool check_data(const Dataset *d, Error *err)
{
    if (!d->labels && d->no_labels)
        return error_set(err, "%.400s: the FCD's classifier needs labelled pictures", d->no_labels);
    if (!d->labels || d->classes < 2)
        return error_set(err, "%s: has no labels: the FCD's classifier needs labelled pictures",
                         d->name);
    if (d->height < 4 || d->width < 4)
        return error_set(err, "%s: pictures of %zux%zu: the FCD's classifier needs at least 4x4",
                         d->name, d->height, d->width);
    return true;
}

Classifier *classifier_create(const Dataset *d, uint64_t seed, Error *err)
{
    if (!check_data(d, err))
        return NULL;
    Classifier *c = create(d->height, d->width, d->channels, d->states, d->classes);
    Param **p = c->params.items;
    for (int i = 0; i < PARAMS; i++) { /* weight and bias share the weight's fan-in */
        const Tensor *w = &p[i - i % 2]->value;
        nn_init_default(p[i], tensor_size(w) / w->shape[w->rank - 1], rng_child(rng_root(seed), 0));
    }
    return c;
}

bool classifier_fit(Classifier *c, const Dataset *d, uint64_t seed, uint64_t steps, bool quiet,
                    Error *err)
{
    OptimizerConfig config = nn_optimizer_defaults();
    config.lr = learning_rate;
    config.warmup = steps / 25;
    config.decay = LR_COSINE;
    config.total = steps;
    config.ema_decay = 0.99;
    Optimizer *o = nn_optimizer_create(&config, &c->params);
    States x = states_alloc(BATCH, d->dims);
    uint16_t *labels = mem_alloc(BATCH, sizeof *labels);
    Rng *streams = mem_alloc(BATCH, sizeof *streams);
    Progress *progress = progress_create(stderr, "classifier", 0, steps, quiet);
    bool finite = true;
    while (finite && o->steps < steps && !platform_signal()) {
        const double loss = train_step(c, d, seed, o->steps, &x, labels, streams);
        finite = isfinite(nn_optimizer_step(o));
        progress_update(progress, o->steps, loss);
    }
    progress_destroy(progress);
    memcpy(c->params.values, o->ema, c->params.total * sizeof(float));
    const bool finished = o->steps == steps;
    mem_free(streams);
    mem_free(labels);
    states_free(&x);
    nn_optimizer_destroy(o);
    return finished || error_set(err, "the FCD's classifier: %s",
                                 finite ? "its training was stopped by a signal"
                                        : "a gradient in its training is not finite");
}

Classifier *classifier_train(const Dataset *d, uint64_t seed, bool quiet, Error *err)
{
    Classifier *c = classifier_create(d, seed, err);
    if (c && classifier_fit(c, d, seed, STEPS, quiet, err))
        return c;
    classifier_destroy(c);
    return NULL;
}

void classifier_features(Classifier *c, const States *x, float *out)
{
    ag_set_recording(c->graph, false);
    for (size_t first = 0; first < x->batch; first += EVAL_BATCH) {
        const size_t n = x->batch - first < EVAL_BATCH ? x->batch - first : EVAL_BATCH;
        const States rows = states_rows(x, first, n);
        const Var *f = features_of(c, &rows);
        memcpy(out + first * CLASSIFIER_FEATURES, f->value.data,
               n * CLASSIFIER_FEATURES * sizeof(float));
        ag_graph_reset(c->graph);
    }
    ag_set_recording(c->graph, true);
}

double classifier_accuracy(Classifier *c, const Dataset *d)
{
    States x = states_alloc(EVAL_BATCH, d->dims);
    uint16_t labels[EVAL_BATCH];
    size_t right = 0;
    ag_set_recording(c->graph, false);
    for (size_t first = 0; first < d->count; first += EVAL_BATCH) {
        States rows =
            states_rows(&x, 0, d->count - first < EVAL_BATCH ? d->count - first : EVAL_BATCH);
        dataset_rows(d, first, &rows, labels);
        const Var *scores = scores_of(c, features_of(c, &rows));
        for (size_t b = 0; b < rows.batch; b++) {
            const float *s = scores->value.data + b * c->classes;
            size_t best = 0;
            for (size_t k = 1; k < c->classes; k++)
                if (s[k] > s[best])
                    best = k;
            right += best == labels[b];
        }
        ag_graph_reset(c->graph);
    }
    ag_set_recording(c->graph, true);
    states_free(&x);
    return (double)right / (double)d->count;
}

static void size_text(const Classifier *c, char text[64])
{
    snprintf(text, 64, "%zux%zux%zu, %zu states, %zu classes", c->height, c->width, c->channels,
             c->states, c->classes);
}

bool classifier_save(const Classifier *c, const char *path, Error *err)
{
    SafetensorsWriter *w = safetensors_writer();
    float *block = mem_alloc(c->params.total, sizeof(float));
    char sizes[64];
    size_text(c, sizes);
    safetensors_add_meta(w, "format", "di4c-classifier-1");
    safetensors_add_meta(w, "sizes", sizes);
    for (size_t i = 0; i < c->params.count; i++) {
        const Param *p = c->params.items[i];
        size_t shape[TENSOR_MAX_RANK];
        const int rank = nn_param_file_shape(p, shape);
        nn_param_to_file(p, block + p->offset, p->value.data);
        safetensors_add(w, p->name, rank, shape, block + p->offset);
    }
    const bool ok = safetensors_write(w, path, err);
    mem_free(block);
    safetensors_writer_free(w);
    return ok;
}

static bool load_param(const SafetensorsFile *f, const Param *p, Error *err)
{
    const FileTensor *t = safetensors_find(f, p->name);
    size_t shape[TENSOR_MAX_RANK];
    const int rank = nn_param_file_shape(p, shape);
    if (!t)
        return error_set(err, "%s: %s is missing: expected a classifier", f->path, p->name);
    bool same = t->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = t->shape[i] == shape[i];
    if (!same)
        return error_set(err, "%s: %s has another shape than expected", f->path, p->name);
    float *values = mem_alloc(t->count, sizeof(float));
    bool ok = safetensors_floats(t, values, f->path, err);
    for (size_t i = 0; ok && i < t->count; i++)
        if (!isfinite(values[i]))
            ok = error_set(err, "%s: %s: expected finite numbers, entry %zu is not", f->path,
                           p->name, i);
    if (ok)
        nn_param_from_file(p, p->value.data, values);
    mem_free(values);
    return ok;
}

Classifier *classifier_load(const char *path, const Dataset *d, Error *err)
{
    SafetensorsFile *f = safetensors_read(path, err);
    if (!f)
        return NULL;
    if (!check_data(d, err)) {
        safetensors_free(f);
        return NULL;
    }
    Classifier *c = create(d->height, d->width, d->channels, d->states, d->classes);
    char sizes[64];
    size_text(c, sizes);
    const char *format = safetensors_meta(f, "format"), *found = safetensors_meta(f, "sizes");
    bool ok = true;
    if (!format || strcmp(format, "di4c-classifier-1") != 0)
        ok = error_set(err, "%s: expected a classifier written by di4c eval", path);
    else if (!found || strcmp(found, sizes) != 0)
        ok = error_set(err, "%s: classifier of %.80s: expected one of %s", path,
                       found ? found : "?", sizes);
    for (size_t i = 0; ok && i < c->params.count; i++)
        ok = load_param(f, c->params.items[i], err);
    safetensors_free(f);
    if (ok)
        return c;
    classifier_destroy(c);
    return NULL;
}

void classifier_hash(const Classifier *c, char out[65])
{
    Sha256 s;
    sha256_init(&s);
    sha256_add(&s, c->params.values, c->params.total * sizeof(float));
    sha256_hex(&s, out);
}
