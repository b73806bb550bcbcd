/* The network: weights from the file, folded and packed; the forward pass over the table. */
#include "nn/inception/inception.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/sha256.h"
#include "nn/formats/torch/torch_file.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/product/gemm.h"

static const double BN_EPS = 1e-3;

typedef struct ConvWeights {
    float *packed, *bias;
} ConvWeights;

struct Inception {
    InceptionLayout layout;
    ConvWeights convs[INCEPTION_CONVS]; /* in the order of the layers */
    float *last;                        /* (1008, 2048), as in the file */
    float *buffer[INCEPTION_BUFFERS];   /* for INCEPTION_BATCH pictures; NULL until they are used */
    float *picture;                     /* three colours of one picture before it is resized */
    size_t picture_room;
    char hash[65];
};

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct Reading {
    const TorchFile *file;
    size_t used; /* tensors that were asked for */
    Sha256 sha;
} Reading;

static void shape_text(const size_t *shape, int rank, char text[96])
{
    size_t n = (size_t)snprintf(text, 96, "(");
    for (int i = 0; i < rank && n < 80; i++)
        n += (size_t)snprintf(text + n, 96 - n, i > 0 ? ", %zu" : "%zu", shape[i]);
    snprintf(text + n, 96 - n, ")");
}

/* The tensor's numbers, all finite; NULL and a sentence if it is not there or not of this shape. */
static float *read_tensor(Reading *r, const char *layer, const char *part, int rank,
                          const size_t *shape, Error *err)
{
    char name[2 * INCEPTION_NAME], found[96], wanted[96];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    const PickleValue *v = pickle_get(r->file->root, name);
    if (v == NULL || v->type != PICKLE_TENSOR) {
        error_set(err, "%.200s: tensor \"%s\" is missing: expected pytorch-fid's Inception network",
                  r->file->path, name);
        return NULL;
    }
    const PickleTensor *t = v->tensor;
    if (t->rank != rank || memcmp(t->shape, shape, (size_t)rank * sizeof *shape) != 0) {
        shape_text(t->shape, t->rank, found);
        shape_text(shape, rank, wanted);
        error_set(err, "%.200s: tensor \"%s\": expected shape %s, found %s", r->file->path, name,
                  wanted, found);
        return NULL;
    }
    float *values = mem_alloc(t->count, sizeof *values);
    bool ok = torch_floats(r->file, t, name, values, err);
    for (size_t i = 0; ok && i < t->count; i++)
        if (!isfinite(values[i]))
            ok = error_set(err, "%.200s: tensor \"%s\": expected finite numbers, entry %zu is not",
                           r->file->path, name, i);
    if (!ok) {
        mem_free(values);
        return NULL;
    }
    sha256_add(&r->sha, values, t->count * sizeof *values);
    r->used++;
    return values;
}

/* One of four vectors of the normalisation; NULL as above. */
static float *read_vector(Reading *r, const char *layer, const char *part, size_t n, Error *err)
{
    return read_tensor(r, layer, part, 1, &n, err);
}

/* scale and bias (cout) of a convolution's outputs. */
static bool read_normalisation(Reading *r, const InceptionLayer *l, double *scale, float *bias,
                               Error *err)
{
    const size_t n = l->kernel.cout;
    float *gamma = NULL, *beta = NULL, *mean = NULL, *variance = NULL;
    bool ok = (gamma = read_vector(r, l->name, "bn.weight", n, err)) != NULL &&
              (beta = read_vector(r, l->name, "bn.bias", n, err)) != NULL &&
              (mean = read_vector(r, l->name, "bn.running_mean", n, err)) != NULL &&
              (variance = read_vector(r, l->name, "bn.running_var", n, err)) != NULL;
    for (size_t o = 0; ok && o < n; o++) {
        if (variance[o] < 0.0f) {
            ok = error_set(err,
                           "%.200s: tensor \"%s.bn.running_var\": expected numbers from 0, entry "
                           "%zu is below",
                           r->file->path, l->name, o);
            break;
        }
        scale[o] = (double)gamma[o] / sqrt((double)variance[o] + BN_EPS);
        bias[o] = (float)((double)beta[o] - (double)mean[o] * scale[o]);
    }
    mem_free(gamma);
    mem_free(beta);
    mem_free(mean);
    mem_free(variance);
    return ok;
}

/* From the file's (out, in, rows, columns) to (rows, columns, in, out), scaled, and packed. */
static float *fold(const KernelShape *k, const float *file, const double *scale)
{
    const size_t taps = k->height * k->width;
    float *w = mem_alloc(taps * k->cin * k->cout, sizeof *w);
    for (size_t o = 0; o < k->cout; o++)
        for (size_t c = 0; c < k->cin; c++)
            for (size_t t = 0; t < taps; t++)
                w[(t * k->cin + c) * k->cout + o] =
                    (float)((double)file[(o * k->cin + c) * taps + t] * scale[o]);
    float *packed = kernel_pack(k, w);
    mem_free(w);
    return packed;
}

static bool read_conv(Reading *r, const InceptionLayer *l, ConvWeights *out, Error *err)
{
    const KernelShape *k = &l->kernel;
    const size_t shape[4] = {k->cout, k->cin, k->height, k->width};
    float *w = read_tensor(r, l->name, "conv.weight", 4, shape, err);
    double *scale = mem_alloc(k->cout, sizeof *scale);
    out->bias = mem_alloc(k->cout, sizeof *out->bias);
    const bool ok = w != NULL && read_normalisation(r, l, scale, out->bias, err);
    if (ok)
        out->packed = fold(k, w, scale);
    mem_free(scale);
    mem_free(w);
    return ok;
}

/* Whatever else is in the file was not asked for, and belongs to another network. */
static bool check_rest(const Reading *r, const InceptionLayout *layout, Error *err)
{
    static const char counter[] = ".bn.num_batches_tracked";
    const PickleValue *root = r->file->root;
    size_t others = 0;
    const char *odd = "";
    for (size_t i = 0; i < root->count; i++) {
        const PickleValue *key = root->items[2 * i];
        const char *name = key->type == PICKLE_TEXT ? key->text : "?", *dot = strchr(name, '.');
        const size_t n = strlen(name);
        bool known = strcmp(name, "fc.weight") == 0 || strcmp(name, "fc.bias") == 0;
        const bool counts =
            n >= sizeof counter && strcmp(name + n - sizeof counter + 1, counter) == 0;
        for (size_t k = 0; !known && dot != NULL && k < layout->count; k++) {
            const size_t length = strlen(layout->layers[k].name);
            known = length > 0 && strncmp(name, layout->layers[k].name, length) == 0 &&
                    name[length] == '.';
        }
        others += counts && known;
        odd = known ? odd : name;
    }
    return (*odd == '\0' && r->used + others == root->count) ||
           error_set(err,
                     "%.200s: expected the %zu tensors of pytorch-fid's Inception network, found "
                     "%zu%s%.100s",
                     r->file->path, r->used, root->count - others,
                     *odd == '\0' ? "" : ", one of them ", odd);
}

static bool read_network(Inception *net, Reading *r, Error *err)
{
    const size_t matrix[2] = {INCEPTION_CLASSES, INCEPTION_FEATURES};
    if (r->file->root->type != PICKLE_DICT)
        return error_set(err, "%.200s: expected a dict of tensors, found %s", r->file->path,
                         pickle_found(r->file->root));
    size_t conv = 0;
    for (size_t i = 0; i < net->layout.count; i++)
        if (net->layout.layers[i].kind == INCEPTION_CONV &&
            !read_conv(r, &net->layout.layers[i], &net->convs[conv++], err))
            return false;
    if ((net->last = read_tensor(r, "fc", "weight", 2, matrix, err)) == NULL)
        return false;
    float *bias = read_vector(r, "fc", "bias", INCEPTION_CLASSES, err);
    mem_free(bias); /* the score is taken without it */
    return bias != NULL && check_rest(r, &net->layout, err);
}

Inception *inception_read(const char *path, Error *err)
{
    TorchFile *file = torch_read_any(path, err);
    if (file == NULL)
        return NULL;
    Inception *net = mem_zeroed(1, sizeof *net);
    Reading r = {.file = file};
    sha256_init(&r.sha);
    inception_layout(&net->layout);
    const bool ok = read_network(net, &r, err);
    sha256_hex(&r.sha, net->hash);
    torch_free(file);
    if (ok)
        return net;
    inception_free(net);
    return NULL;
}

/* n numbers of mean 0 from -width to width. */
static float *draw(Rng *rng, size_t n, double width)
{
    float *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(width * (2.0 * rng_uniform(rng) - 1.0));
    return x;
}

/* Variances 2 / (terms of a sum) keep the size of what passes a layer. */
Inception *inception_random(uint64_t seed)
{
    Inception *net = mem_zeroed(1, sizeof *net);
    Rng rng = rng_root(seed);
    inception_layout(&net->layout);
    ConvWeights *next = net->convs;
    for (size_t i = 0; i < net->layout.count; i++) {
        if (net->layout.layers[i].kind != INCEPTION_CONV)
            continue;
        const KernelShape *k = &net->layout.layers[i].kernel;
        const size_t terms = k->height * k->width * k->cin;
        float *w = draw(&rng, terms * k->cout, sqrt(6.0 / (double)terms));
        next->packed = kernel_pack(k, w);
        mem_free(w);
        next++->bias = draw(&rng, k->cout, 0.1);
    }
    net->last = draw(&rng, (size_t)INCEPTION_CLASSES * INCEPTION_FEATURES, 0.1);
    return net;
}

void inception_free(Inception *net)
{
    if (net == NULL)
        return;
    for (size_t i = 0; i < INCEPTION_CONVS; i++) {
        mem_free(net->convs[i].packed);
        mem_free(net->convs[i].bias);
    }
    for (int i = 0; i < INCEPTION_BUFFERS; i++)
        mem_free(net->buffer[i]);
    mem_free(net->picture);
    mem_free(net->last);
    mem_free(net);
}

const char *inception_hash(const Inception *net)
{
    return net->hash;
}

/* ---- forward --------------------------------------------------------------------------------- */

/* Pictures in three colours, resized to 299x299 and from -1 to 1, into buffer 0. */
static void enter(Inception *net, const float *pictures, size_t count, size_t height, size_t width,
                  size_t channels)
{
    const size_t pixels = height * width, side = INCEPTION_SIDE;
    float *x = net->buffer[0];
    if (net->picture_room < pixels) {
        mem_free(net->picture);
        net->picture = mem_alloc(3 * pixels, sizeof *net->picture);
        net->picture_room = pixels;
    }
    for (size_t b = 0; b < count; b++) {
        const float *from = pictures + b * pixels * channels;
        for (size_t i = 0; i < 3 * pixels; i++)
            net->picture[i] = from[channels == 3 ? i : i / 3];
        tensor_resize_bilinear(x + b * 3 * side * side, side, side, net->picture, 1, height, width,
                               3);
    }
    for (size_t i = 0; i < count * 3 * side * side; i++)
        x[i] = 2.0f * x[i] - 1.0f;
}

static void run_layer(const Inception *net, const InceptionLayer *l, const ConvWeights *w,
                      size_t count)
{
    float *y = net->buffer[l->to] + l->first;
    const float *x = net->buffer[l->from];
    WindowShape window = l->window;
    window.batch = count;
    const KernelCall call = {.batch = count,
                             .height = l->height,
                             .width = l->width,
                             .x = x,
                             .packed = w->packed,
                             .bias = w->bias,
                             .relu = true,
                             .y = y,
                             .y_stride = l->stride};
    switch (l->kind) {
    case INCEPTION_CONV: tensor_conv_kernel(&l->kernel, &call); break;
    case INCEPTION_MAX: tensor_max_window(y, l->stride, x, &window); break;
    case INCEPTION_MEAN: tensor_mean_window(y, l->stride, x, &window); break;
    }
}

/* Means over the last block's positions, in double. */
static void mean_of_positions(const Inception *net, float *features, size_t count)
{
    const size_t n = net->layout.positions, c = INCEPTION_FEATURES;
    const float *x = net->buffer[net->layout.last];
    double sum[INCEPTION_FEATURES];
    for (size_t b = 0; b < count; b++) {
        memset(sum, 0, sizeof sum);
        for (size_t i = 0; i < n; i++, x += c)
            for (size_t k = 0; k < c; k++)
                sum[k] += (double)x[k];
        for (size_t k = 0; k < c; k++)
            features[b * c + k] = (float)(sum[k] / (double)n);
    }
}

void inception_features(Inception *net, float *features, const float *pictures, size_t count,
                        size_t height, size_t width, size_t channels)
{
    TENSOR_CHECK(count <= INCEPTION_BATCH && (channels == 1 || channels == 3) && height > 0 &&
                     width > 0,
                 "%zu pictures (%zu, %zu, %zu)", count, height, width, channels);
    for (int i = 0; i < INCEPTION_BUFFERS; i++)
        if (net->buffer[i] == NULL)
            net->buffer[i] =
                mem_alloc(INCEPTION_BATCH * net->layout.room[i], sizeof *net->buffer[i]);
    enter(net, pictures, count, height, width, channels);
    const ConvWeights none = {NULL, NULL}, *next = net->convs;
    for (size_t i = 0; i < net->layout.count; i++) {
        const InceptionLayer *l = &net->layout.layers[i];
        run_layer(net, l, l->kind == INCEPTION_CONV ? next++ : &none, count);
    }
    mean_of_positions(net, features, count);
}

void inception_logits(const Inception *net, float *logits, const float *features, size_t count)
{
    tensor_gemm(GEMM_NT, count, INCEPTION_CLASSES, INCEPTION_FEATURES, 1.0f, features,
                INCEPTION_FEATURES, net->last, INCEPTION_FEATURES, 0.0f, NULL, logits,
                INCEPTION_CLASSES);
}
