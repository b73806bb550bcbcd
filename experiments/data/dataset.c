/* Readers for idx and CIFAR-10 files, strict about every length; the seeded order of batches. */
#include "experiments/data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "experiments/data/glyphs.h"
#include "nn/formats/buffer.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"

/* Names of the streams drawn from here. */
#define ORDER_STREAM UINT64_C(0xDA7A0002)
#define FLIP_STREAM  UINT64_C(0xDA7A0003)
#define LAW_STREAM   UINT64_C(0xDA7A0004)

enum { MAX_SIDE = 4096, CIFAR_SIDE = 32, CIFAR_PLANE = 1024, CIFAR_RECORD = 3073, CIFAR_FILES = 5 };

struct DatasetOrder {
    uint32_t *permutation; /* (count) */
    uint64_t seed, epoch;
    bool filled;
};

DatasetOptions dataset_defaults(void)
{
    DatasetOptions options = {DATA_AS_IS, 0.4};

    return options;
}

bool dataset_transform(const char *name, DataTransform *transform)
{
    if (strcmp(name, "none") == 0)
        *transform = DATA_AS_IS;
    else if (strcmp(name, "binary") == 0)
        *transform = DATA_BINARY;
    else
        return false;
    return true;
}

/* ---- files ---- */

/* folder/name; the caller frees it with mem_free. */
static char *path_of(const char *folder, const char *name)
{
    Buffer b = {0};

    buffer_format(&b, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    return b.bytes;
}

static FILE *open_file(const char *path, size_t *bytes, Error *err)
{
    FILE *f = platform_file_size(path, bytes) ? fopen(path, "rb") : NULL;

    if (f == NULL)
        error_set(err, "%s: cannot be read as a file", path);
    return f;
}

static bool read_bytes(FILE *f, const char *path, void *out, size_t bytes, Error *err)
{
    if (bytes > 0 && fread(out, 1, bytes, f) != bytes)
        return error_set(err, "%s: reading stopped before %zu bytes were read", path, bytes);
    return true;
}

/* Reads an idx header of `sizes` axes of unsigned bytes and checks it against the file's length. */
static bool idx_header(FILE *f, const char *path, size_t bytes, int sizes, size_t *size, Error *err)
{
    unsigned char h[16];
    size_t header = 4 + 4 * (size_t)sizes, body = 1;

    if (bytes < header)
        return error_set(err, "%s: %zu bytes, the header alone takes %zu", path, bytes, header);
    if (!read_bytes(f, path, h, header, err))
        return false;
    if (h[0] == 0x1F && h[1] == 0x8B)
        return error_set(err, "%s: is compressed with gzip, unpack it first", path);
    size_t magic = (size_t)big_endian(h, 4);
    if (magic != 0x800 + (size_t)sizes)
        return error_set(err, "%s: magic number 0x%08zx, expected 0x%08zx (bytes, %d axes)", path,
                         magic, 0x800 + (size_t)sizes, sizes);
    for (int i = 0; i < sizes; i++) {
        size[i] = (size_t)big_endian(h + 4 + 4 * i, 4);
        if (size[i] < 1)
            return error_set(err, "%s: axis %d of the header is 0, expected at least 1", path, i);
        if (i > 0 && size[i] > MAX_SIDE)
            return error_set(err, "%s: axis %d of the header is %zu, expected at most %d", path, i,
                             size[i], (int)MAX_SIDE);
        if (!mem_product(body, size[i], &body))
            return error_set(err, "%s: sizes in the header overflow", path);
    }
    if (bytes - header != body)
        return error_set(err, "%s: %zu bytes after the header, its sizes ask for %zu", path,
                         bytes - header, body);
    return true;
}

static bool idx_pictures(Dataset *d, const char *path, Error *err)
{
    size_t bytes, size[3];
    FILE *f = open_file(path, &bytes, err);

    if (f == NULL)
        return false;
    bool ok = idx_header(f, path, bytes, 3, size, err);
    if (ok) {
        d->count = size[0];
        d->height = size[1];
        d->width = size[2];
        d->channels = 1;
        d->states = 256;
        d->data = mem_try(d->count, d->height * d->width);
        ok = d->data != NULL ? read_bytes(f, path, d->data, bytes - 16, err)
                             : error_set(err, "%s: no memory for %zu bytes", path, bytes);
    }
    fclose(f);
    return ok;
}

static bool labels_below(const uint8_t *labels, size_t count, size_t classes, const char *path,
                         Error *err)
{
    for (size_t i = 0; i < count; i++)
        if (labels[i] >= classes)
            return error_set(err, "%s: label %d of picture %zu, expected 0 to %zu", path,
                             (int)labels[i], i, classes - 1);
    return true;
}

static bool idx_labels(Dataset *d, const char *path, Error *err)
{
    size_t bytes, count = 0;
    FILE *f = open_file(path, &bytes, err);

    if (f == NULL)
        return false;
    bool ok = idx_header(f, path, bytes, 1, &count, err);
    if (ok && count != d->count)
        ok = error_set(err, "%s: %zu labels, but there are %zu pictures", path, count, d->count);
    if (ok) {
        d->classes = 10;
        d->labels = mem_alloc(count, 1);
        ok = read_bytes(f, path, d->labels, count, err) &&
             labels_below(d->labels, count, d->classes, path, err);
    }
    fclose(f);
    return ok;
}

static bool open_mnist(Dataset *d, const char *folder, bool test_split, Error *err)
{
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    char *pictures = path_of(folder, names[test_split][0]);
    char *labels = path_of(folder, names[test_split][1]);
    bool ok = idx_pictures(d, pictures, err) && idx_labels(d, labels, err);

    mem_free(pictures);
    mem_free(labels);
    return ok;
}

/* Appends the records of one file: a label, then the planes R, G, B. */
static bool cifar_file(Dataset *d, const char *path, Error *err)
{
    size_t bytes;
    unsigned char record[CIFAR_RECORD];
    FILE *f = open_file(path, &bytes, err);

    if (f == NULL)
        return false;
    size_t more = bytes / CIFAR_RECORD, count = d->count;
    bool ok = true;
    if (more < 1 || bytes % CIFAR_RECORD != 0)
        ok = error_set(err, "%s: %zu bytes, expected a positive multiple of %d", path, bytes,
                       (int)CIFAR_RECORD);
    else if (more > UINT32_MAX / d->dims - count)
        ok = error_set(err, "%s: %zu pictures are too many", path, more);
    if (ok) {
        d->data = mem_resize(d->data, count, count + more, d->dims);
        d->labels = mem_resize(d->labels, count, count + more, 1);
        d->count = count + more;
    }
    for (size_t i = count; ok && i < d->count; i++) {
        ok = read_bytes(f, path, record, CIFAR_RECORD, err);
        if (!ok)
            break;
        d->labels[i] = record[0];
        for (size_t p = 0; p < CIFAR_PLANE; p++)
            for (size_t c = 0; c < 3; c++)
                d->data[i * d->dims + p * 3 + c] = record[1 + c * CIFAR_PLANE + p];
    }
    fclose(f);
    return ok && labels_below(d->labels + count, more, d->classes, path, err);
}

static bool open_cifar(Dataset *d, const char *folder, bool test_split, Error *err)
{
    char *missing = NULL;
    bool ok = true;

    d->height = d->width = CIFAR_SIDE;
    d->channels = 3;
    d->dims = 3 * CIFAR_PLANE;
    d->states = 256;
    d->classes = 10;
    if (test_split) {
        char *path = path_of(folder, "test_batch.bin");
        ok = cifar_file(d, path, err);
        mem_free(path);
        return ok;
    }
    for (int i = 1; ok && i <= CIFAR_FILES; i++) {
        char name[32];
        size_t bytes;
        snprintf(name, sizeof name, "data_batch_%d.bin", i);
        char *path = path_of(folder, name);
        if (i > 1 && !platform_file_size(path, &bytes)) {
            if (missing == NULL)
                missing = mem_string(path);
        } else if (missing != NULL) {
            ok = error_set(err, "%s: is missing, but %s is there", missing, path);
        } else {
            ok = cifar_file(d, path, err);
        }
        mem_free(path);
    }
    mem_free(missing);
    return ok;
}

/* ---- opening ---- */

static bool open_glyphs(Dataset *d)
{
    FiniteLaw *law = glyphs_create();

    d->law = law;
    d->count = law->count;
    d->height = d->width = GLYPH_SIDE;
    d->channels = 1;
    d->states = law->states;
    d->classes = glyphs_kinds();
    d->data = mem_alloc(law->count, law->dims);
    d->labels = mem_alloc(law->count, 1);
    for (size_t i = 0; i < law->count * law->dims; i++)
        d->data[i] = (uint8_t)law->patterns[i];
    for (size_t k = 0; k < law->count; k++)
        d->labels[k] = (uint8_t)law->label[k];
    return true;
}

/* In place: the smaller picture never overtakes the larger one it is read from. */
static bool make_binary(Dataset *d, double threshold, Error *err)
{
    size_t h = d->height / 2, w = d->width / 2, c = d->channels, row = d->width * c;

    if (d->states != 256)
        return error_set(err, "%s: has %zu states already, the transform binary needs 256 levels",
                         d->name, d->states);
    if (h < 1 || w < 1)
        return error_set(err,
                         "%s: pictures of %zux%zu are too small for the transform binary: "
                         "expected at least 2x2",
                         d->name, d->height, d->width);
    for (size_t i = 0; i < d->count; i++) {
        const uint8_t *in = d->data + i * d->height * row;
        uint8_t *out = d->data + i * h * w * c;
        for (size_t y = 0; y < h; y++)
            for (size_t x = 0; x < w; x++)
                for (size_t k = 0; k < c; k++) {
                    const uint8_t *p = in + 2 * y * row + 2 * x * c + k;
                    int sum = p[0] + p[c] + p[row] + p[row + c];
                    out[(y * w + x) * c + k] = sum / (4.0 * 255.0) > threshold;
                }
    }
    d->height = h;
    d->width = w;
    d->states = 2;
    d->data = mem_resize(d->data, d->count, d->count, h * w * c);
    return true;
}

/* The part of the spec after "kind:", or NULL if it is of another kind. */
static const char *after(const char *spec, const char *kind)
{
    size_t n = strlen(kind);

    return strncmp(spec, kind, n) == 0 && spec[n] == ':' && spec[n + 1] != '\0' ? spec + n + 1
                                                                                : NULL;
}

static bool open_spec(Dataset *d, const char *spec, bool test_split, Error *err)
{
    const char *place;

    if (strcmp(spec, "glyphs") == 0)
        return open_glyphs(d);
    if ((place = after(spec, "mnist")) != NULL)
        return open_mnist(d, place, test_split, err);
    if ((place = after(spec, "cifar10")) != NULL)
        return open_cifar(d, place, test_split, err);
    if ((place = after(spec, "idx")) != NULL)
        return test_split ? error_set(err, "data set '%s': an idx file has no test split", spec)
                          : idx_pictures(d, place, err);
    return error_set(err, "data set '%s': expected glyphs, mnist:DIR, idx:FILE or cifar10:DIR",
                     spec);
}

Dataset *dataset_open(const char *spec, bool test_split, const DatasetOptions *options, Error *err)
{
    Dataset *d = mem_zeroed(1, sizeof *d);
    bool ok = true;

    d->name = mem_string(spec);
    d->order = mem_zeroed(1, sizeof *d->order);
    if (!(options->threshold > 0.0 && options->threshold < 1.0))
        ok = error_set(err, "data set '%s': threshold %g, expected between 0 and 1", spec,
                       options->threshold);
    ok = ok && open_spec(d, spec, test_split, err);
    if (ok && options->transform == DATA_BINARY)
        ok = make_binary(d, options->threshold, err);
    if (!ok) {
        dataset_close(d);
        return NULL;
    }
    d->dims = d->height * d->width * d->channels;
    return d;
}

Dataset *dataset_like(const Dataset *d, size_t count)
{
    Dataset *like = mem_zeroed(1, sizeof *like);

    like->name = mem_string(d->name);
    like->order = mem_zeroed(1, sizeof *like->order);
    like->count = count;
    like->height = d->height;
    like->width = d->width;
    like->channels = d->channels;
    like->dims = d->dims;
    like->states = d->states;
    like->data = mem_zeroed(count, d->dims);
    return like;
}

void dataset_close(Dataset *d)
{
    if (d == NULL)
        return;
    law_destroy(d->law);
    mem_free(d->order->permutation);
    mem_free(d->order);
    mem_free(d->labels);
    mem_free(d->data);
    mem_free(d->name);
    mem_free(d);
}

bool dataset_has_test(const char *spec)
{
    const char *folder, *name = "t10k-images-idx3-ubyte";
    size_t bytes;

    if (strcmp(spec, "glyphs") == 0)
        return true;
    if ((folder = after(spec, "mnist")) == NULL) {
        folder = after(spec, "cifar10");
        name = "test_batch.bin";
    }
    if (folder == NULL)
        return false;
    char *path = path_of(folder, name);
    bool there = platform_file_size(path, &bytes);
    mem_free(path);
    return there;
}

/* ---- batches ---- */

/* Number of the picture at `position` of the endless sequence. */
static size_t picture_at(const Dataset *d, uint64_t seed, uint64_t position)
{
    DatasetOrder *order = d->order;
    uint64_t epoch = position / d->count;

    if (!order->filled || order->seed != seed || order->epoch != epoch) {
        Rng rng = rng_child(rng_child(rng_root(seed), ORDER_STREAM), epoch);
        if (order->permutation == NULL)
            order->permutation = mem_alloc(d->count, sizeof *order->permutation);
        rng_permutation(&rng, order->permutation, d->count);
        order->seed = seed;
        order->epoch = epoch;
        order->filled = true;
    }
    return order->permutation[position % d->count];
}

static void copy_picture(const Dataset *d, size_t which, bool mirrored, uint16_t *out)
{
    const uint8_t *in = d->data + which * d->dims;
    size_t c = d->channels, w = d->width;

    if (!mirrored) {
        for (size_t i = 0; i < d->dims; i++)
            out[i] = in[i];
        return;
    }
    for (size_t y = 0; y < d->height; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t k = 0; k < c; k++)
                out[(y * w + x) * c + k] = in[(y * w + (w - 1 - x)) * c + k];
}

void dataset_batch(const Dataset *d, uint64_t seed, uint64_t step, size_t batch, bool flip,
                   States *out, uint16_t *labels)
{
    Rng flips = rng_child(rng_child(rng_root(seed), FLIP_STREAM), step);
    Rng draws = rng_child(rng_child(rng_root(seed), LAW_STREAM), step);

    TENSOR_CHECK(out->batch == batch && out->dims == d->dims,
                 "states (%zu, %zu) for a batch (%zu, %zu)", out->batch, out->dims, batch, d->dims);
    TENSOR_CHECK(batch == 0 || step < UINT64_MAX / batch, "step %llu with batches of %zu",
                 (unsigned long long)step, batch);
    TENSOR_CHECK(labels == NULL || d->labels != NULL, "%s has no labels", d->name);
    for (size_t b = 0; b < batch; b++) {
        size_t which;
        if (d->law != NULL) {
            Rng rng = rng_child(draws, b);
            which = law_draw(d->law, &rng);
        } else {
            which = picture_at(d, seed, step * batch + b);
        }
        Rng coin = rng_child(flips, b);
        copy_picture(d, which, flip && d->law == NULL && rng_below(&coin, 2) == 1,
                     states_row(out, b));
        if (labels != NULL)
            labels[b] = d->labels[which];
    }
}

void dataset_rows(const Dataset *d, size_t first, States *out, uint16_t *labels)
{
    TENSOR_CHECK(out->dims == d->dims && first <= d->count && out->batch <= d->count - first,
                 "states (%zu, %zu) for rows from %zu on of (%zu, %zu)", out->batch, out->dims,
                 first, d->count, d->dims);
    TENSOR_CHECK(labels == NULL || d->labels != NULL, "%s has no labels", d->name);
    for (size_t b = 0; b < out->batch; b++) {
        copy_picture(d, first + b, false, states_row(out, b));
        if (labels != NULL)
            labels[b] = d->labels[first + b];
    }
}
