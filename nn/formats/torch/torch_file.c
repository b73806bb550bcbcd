/* The pickle has checked every tensor against the number of entries that its storage is said to
 * have; here that number is checked against the bytes which are there. */
#include "nn/formats/torch/torch_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/read_file.h"
#include "nn/formats/torch/torch_legacy.h"
#include "nn/formats/torch/zip_write.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

enum { NAME_TEXT = 560 }; /* a folder of 400 bytes, "data/" and a key of 100, and some room */

/* ---- reading ---- */

static const ZipEntry *find_in_folder(const TorchFile *f, const char *name, const char *key)
{
    char text[NAME_TEXT];
    snprintf(text, sizeof text, "%.400s%s%.100s", f->folder, name, key);
    return zip_find(f->zip, text);
}

/* Before version 1.6 PyTorch wrote the files of torch_legacy.h, and before those tar archives. */
static bool is_older(const char *path)
{
    unsigned char head[512];
    return torch_legacy_recognises(path) ||
           (read_file_start(path, head, sizeof head) == sizeof head &&
            memcmp(head + 257, "ustar", 5) == 0);
}

/* The folder that holds data.pkl; there is exactly one. */
static bool find_folder(TorchFile *f, Error *err)
{
    static const char name[] = "data.pkl";
    for (size_t i = 0; i < f->zip->count; i++) {
        const char *entry = f->zip->entries[i].name, *slash = strchr(entry, '/');
        if (slash == NULL || strcmp(slash + 1, name) != 0)
            continue;
        if (f->folder != NULL)
            return error_set(err, "%.200s: expected one entry */%s, found two", f->path, name);
        f->folder = mem_string(entry);
        f->folder[slash + 1 - entry] = '\0';
    }
    return f->folder != NULL ||
           error_set(err, "%.200s: expected an archive by torch.save, found no entry */%s", f->path,
                     name);
}

static bool check_tensor(const TorchFile *f, const PickleTensor *t, Error *err)
{
    size_t bytes;
    const ZipEntry *e = find_in_folder(f, "data/", t->key);
    if (e == NULL)
        return error_set(err, "%.200s: expected an entry \"%.200sdata/%.100s\" of a tensor's bytes",
                         f->path, f->folder, t->key);
    if (!mem_product(t->storage, t->item, &bytes) || bytes != e->size)
        return error_set(err,
                         "%.200s: entry \"%.200s\": expected %zu numbers of %zu bytes, found "
                         "%zu bytes",
                         f->path, e->name, t->storage, t->item, e->size);
    if (t->count > t->storage) /* strides of 0: a few bytes could claim any amount */
        return error_set(err,
                         "%.200s: entry \"%.200s\": expected a tensor of at most its %zu numbers, "
                         "found a view that repeats them to %zu: save a copy of it",
                         f->path, e->name, t->storage, t->count);
    return true;
}

static bool check_tensors(const TorchFile *f, const PickleValue *v, Error *err)
{
    if (v->type == PICKLE_TENSOR)
        return check_tensor(f, v->tensor, err);
    for (size_t i = 0; i < pickle_item_count(v); i++)
        if (!check_tensors(f, v->items[i], err))
            return false;
    return true;
}

static bool open_file(TorchFile *f, Error *err)
{
    if (is_older(f->path))
        return error_set(err,
                         "%.200s: expected a file by torch.save of PyTorch 1.6 or later, found the "
                         "format before it: load it there and save it again",
                         f->path);
    f->zip = zip_read(f->path, err);
    if (f->zip == NULL || !find_folder(f, err))
        return false;
    const ZipEntry *order = find_in_folder(f, "byteorder", "");
    if (order != NULL && (order->size != 6 || memcmp(order->bytes, "little", 6) != 0))
        return error_set(err, "%.200s: entry \"%.200s\": expected little", f->path, order->name);
    const ZipEntry *pickle = find_in_folder(f, "data.pkl", "");
    f->pickle = pickle_read(pickle->bytes, pickle->size, f->path, err);
    if (f->pickle == NULL)
        return false;
    f->root = pickle_root(f->pickle);
    return check_tensors(f, f->root, err);
}

TorchFile *torch_read(const char *path, Error *err)
{
    TorchFile *f = mem_zeroed(1, sizeof *f);
    f->path = mem_string(path);
    if (open_file(f, err))
        return f;
    torch_free(f);
    return NULL;
}

static bool open_legacy(TorchFile *f, Error *err)
{
    f->zip = torch_legacy_read(f->path, &f->pickle, err);
    if (f->zip == NULL)
        return false;
    f->folder = mem_string(TORCH_LEGACY_FOLDER);
    f->root = pickle_root(f->pickle);
    return check_tensors(f, f->root, err);
}

TorchFile *torch_read_any(const char *path, Error *err)
{
    if (!torch_legacy_recognises(path))
        return torch_read(path, err);
    TorchFile *f = mem_zeroed(1, sizeof *f);
    f->path = mem_string(path);
    if (open_legacy(f, err))
        return f;
    torch_free(f);
    return NULL;
}

void torch_free(TorchFile *f)
{
    if (f == NULL)
        return;
    pickle_free(f->pickle);
    zip_free(f->zip);
    mem_free(f->folder);
    mem_free(f->path);
    mem_free(f);
}

/* The tensor's bytes in row-major order. */
static void gather_entries(const PickleTensor *t, const unsigned char *storage, unsigned char *out)
{
    size_t index[PICKLE_MAX_RANK] = {0}, at = t->offset;
    for (size_t i = 0; i < t->count; i++) {
        memcpy(out + i * t->item, storage + at * t->item, t->item);
        for (int k = t->rank; k-- > 0;) {
            at += t->stride[k];
            if (++index[k] < t->shape[k])
                break;
            at -= t->shape[k] * t->stride[k];
            index[k] = 0;
        }
    }
}

static bool integers(const TorchFile *f, const char *name, const unsigned char *bytes, size_t count,
                     float *out, Error *err)
{
    for (size_t i = 0; i < count; i++) {
        const int64_t v = signed_of_bits(little_endian(bytes + 8 * i, 8), 64);
        if (v > 1 << 24 || v < -(1 << 24))
            return error_set(err, "%.200s: tensor \"%.200s\": expected integers up to 2^24",
                             f->path, name);
        out[i] = (float)v;
    }
    return true;
}

bool torch_floats(const TorchFile *f, const PickleTensor *t, const char *name, float *out,
                  Error *err)
{
    const ZipEntry *e = find_in_folder(f, "data/", t->key);
    TENSOR_CHECK(e != NULL, "storage \"%s\" of another file", t->key);
    size_t total;
    unsigned char *bytes = mem_product(t->count, t->item, &total) ? mem_try(total, 1) : NULL;
    if (bytes == NULL)
        return error_set(err, "%.200s: tensor \"%.200s\": expected one that fits in memory",
                         f->path, name);
    gather_entries(t, e->bytes, bytes);
    FileTensor flat = {
        .name = (char *)name, .rank = 1, .count = t->count, .bytes = bytes, .byte_count = total};
    flat.shape[0] = t->count;
    snprintf(flat.dtype, sizeof flat.dtype, "%s", t->dtype);
    const bool ok = strcmp(t->dtype, "I64") == 0 ? integers(f, name, bytes, t->count, out, err)
                                                 : safetensors_floats(&flat, out, f->path, err);
    mem_free(bytes);
    return ok;
}

bool torch_number(const TorchFile *f, const PickleValue *v, double *number)
{
    float x;
    Error err;
    if (v == NULL || v->type != PICKLE_TENSOR)
        return pickle_number(v, number);
    if (v->tensor->count != 1 || !torch_floats(f, v->tensor, "", &x, &err))
        return false;
    *number = (double)x;
    return true;
}

/* ---- writing ---- */

typedef struct Storage {
    const float *data;
    size_t count;
} Storage;

struct TorchWriter {
    PickleWriter pickle;
    Storage *storages;
    size_t count, capacity;
};

TorchWriter *torch_writer(void)
{
    TorchWriter *w = mem_zeroed(1, sizeof *w);
    pickle_start(&w->pickle);
    return w;
}

PickleWriter *torch_pickle(TorchWriter *w)
{
    return &w->pickle;
}

void torch_put_floats(TorchWriter *w, int rank, const size_t *shape, const float *data)
{
    char key[32];
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        TENSOR_CHECK(mem_product(count, shape[i], &count), "axis %d of %zu entries", i, shape[i]);
    if (w->count == w->capacity)
        w->storages = mem_grow(w->storages, &w->capacity, 64, sizeof *w->storages);
    snprintf(key, sizeof key, "%zu", w->count);
    pickle_put_floats(&w->pickle, key, rank, shape);
    w->storages[w->count++] = (Storage){data, count};
}

/* One storage as little-endian bytes. */
static void add_storage(ZipWriter *zip, size_t i, const Storage *s)
{
    char name[64];
    unsigned char *bytes = mem_alloc(s->count, 4);
    for (size_t k = 0; k < s->count; k++)
        little_endian_put(bytes + 4 * k, 4, bits_of_float(s->data[k]));
    snprintf(name, sizeof name, "archive/data/%zu", i);
    zip_add(zip, name, bytes, 4 * s->count);
    mem_free(bytes);
}

bool torch_write(TorchWriter *w, const char *path, Error *err)
{
    ZipWriter *zip = zip_create(path, err);
    if (zip == NULL)
        return false;
    pickle_stop(&w->pickle);
    zip_add(zip, "archive/data.pkl", w->pickle.out.bytes, w->pickle.out.length);
    for (size_t i = 0; i < w->count; i++)
        add_storage(zip, i, &w->storages[i]);
    zip_add(zip, "archive/version", "3\n", 2);
    return zip_close(zip, err);
}

void torch_writer_free(TorchWriter *w)
{
    if (w == NULL)
        return;
    pickle_writer_free(&w->pickle);
    mem_free(w->storages);
    mem_free(w);
}
