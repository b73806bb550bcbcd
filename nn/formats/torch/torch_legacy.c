#include "nn/formats/torch/torch_legacy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/read_file.h"
#include "nn/formats/torch/zip_format.h"
#include "tensor/base/memory.h"

enum { MOST_STORAGES = 20000 }; /* each is looked for among all tensors */

/* 0x1950a86a20f9469cfc6c as a pickle of protocol 2; then 1001. */
static const unsigned char magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
static const unsigned char version[] = {0x80, 0x02, 'M', 0xe9, 0x03, '.'};

bool torch_legacy_recognises(const char *path)
{
    unsigned char head[sizeof magic] = {0};
    return read_file_start(path, head, sizeof head) == sizeof head &&
           memcmp(head, magic, sizeof magic) == 0;
}

typedef struct Legacy {
    ZipFile *file;
    size_t at; /* bytes read so far */
} Legacy;

/* The next pickle of the file. */
static Pickle *next_pickle(Legacy *l, const char *what, Error *err)
{
    char where[240];
    size_t used = 0;
    snprintf(where, sizeof where, "%.200s: %s", l->file->path, what);
    Pickle *p =
        pickle_read_first(l->file->buffer + l->at, l->file->size - l->at, &used, where, err);
    l->at += used;
    return p;
}

/* The storage of that key that a tensor in the tree lies in, or NULL. */
static const PickleTensor *storage_of(const PickleValue *v, const char *key)
{
    if (v->type == PICKLE_TENSOR)
        return strcmp(v->tensor->key, key) == 0 ? v->tensor : NULL;
    const PickleTensor *found = NULL;
    for (size_t i = 0; found == NULL && i < pickle_item_count(v); i++)
        found = storage_of(v->items[i], key);
    return found;
}

/* The next storage, of that key: where its bytes are. */
static bool next_storage(Legacy *l, const PickleValue *root, const char *key, ZipEntry *entry,
                         Error *err)
{
    const ZipFile *z = l->file;
    char name[ZIP_NAME_LIMIT];
    const PickleTensor *t = storage_of(root, key);
    size_t bytes = 0;
    if (t == NULL)
        return error_set(err, "%.200s: storage %.100s: expected one that a tensor lies in", z->path,
                         key);
    const bool there = z->size - l->at >= 8;
    const uint64_t count = there ? little_endian(z->buffer + l->at, 8) : t->storage;
    if (count != t->storage)
        return error_set(err,
                         "%.200s: storage %.100s: expected %zu numbers of %zu bytes, found %" PRIu64
                         " numbers",
                         z->path, key, t->storage, t->item, count);
    if (!there || !mem_product(t->storage, t->item, &bytes) || bytes > z->size - l->at - 8)
        return error_set(err,
                         "%.200s: storage %.100s: expected %zu numbers of %zu bytes, found the "
                         "file to end before",
                         z->path, key, t->storage, t->item);
    snprintf(name, sizeof name, "%sdata/%.100s", TORCH_LEGACY_FOLDER, key);
    *entry = (ZipEntry){
        .name = mem_string(name), .bytes = z->buffer + l->at + 8, .size = bytes, .packed = bytes};
    l->at += 8 + bytes;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ZipEntry *)a)->name, ((const ZipEntry *)b)->name);
}

static bool read_storages(Legacy *l, const PickleValue *root, const PickleValue *keys, Error *err)
{
    ZipFile *z = l->file;
    if (keys->type != PICKLE_LIST)
        return error_set(err, "%.200s: expected a list of the storages' keys", z->path);
    if (keys->count > MOST_STORAGES)
        return error_set(err, "%.200s: expected at most %d storages, found %zu", z->path,
                         MOST_STORAGES, keys->count);
    z->entries = mem_zeroed(keys->count, sizeof *z->entries);
    for (size_t i = 0; i < keys->count; i++) {
        const PickleValue *key = keys->items[i];
        if (key->type != PICKLE_TEXT)
            return error_set(err, "%.200s: expected a list of the storages' keys", z->path);
        if (!next_storage(l, root, key->text, &z->entries[i], err))
            return false;
        z->count++;
    }
    if (z->count > 0)
        qsort(z->entries, z->count, sizeof *z->entries, by_name);
    for (size_t i = 1; i < z->count; i++)
        if (strcmp(z->entries[i - 1].name, z->entries[i].name) == 0)
            return error_set(err, "%.200s: expected every storage once", z->path);
    return l->at == z->size ||
           error_set(err, "%.200s: expected the file to end at byte %zu", z->path, l->at);
}

static bool read_all(Legacy *l, Pickle **values, Error *err)
{
    ZipFile *z = l->file;
    const size_t head = sizeof magic + sizeof version;
    z->buffer = read_file(z->path, "expected a readable file", READ_ANY_SIZE, &z->size, err);
    if (z->buffer == NULL)
        return false;
    if (z->size < head || memcmp(z->buffer, magic, sizeof magic) != 0 ||
        memcmp(z->buffer + sizeof magic, version, sizeof version) != 0)
        return error_set(err, "%.200s: expected a file by torch.save, version 1001", z->path);
    l->at = head;
    Pickle *sizes = next_pickle(l, "sizes", err), *keys = NULL;
    const PickleValue *little =
        sizes != NULL ? pickle_get(pickle_root(sizes), "little_endian") : NULL;
    bool ok = sizes != NULL;
    if (ok && (little == NULL || little->type != PICKLE_BOOL || little->integer == 0))
        ok = error_set(err, "%.200s: expected little_endian to be True", z->path);
    ok = ok && (*values = next_pickle(l, "values", err)) != NULL &&
         (keys = next_pickle(l, "keys", err)) != NULL &&
         read_storages(l, pickle_root(*values), pickle_root(keys), err);
    pickle_free(keys);
    pickle_free(sizes);
    return ok;
}

ZipFile *torch_legacy_read(const char *path, Pickle **pickle, Error *err)
{
    Legacy l = {.file = mem_zeroed(1, sizeof *l.file)};
    l.file->path = mem_string(path);
    *pickle = NULL;
    if (read_all(&l, pickle, err))
        return l.file;
    pickle_free(*pickle);
    *pickle = NULL;
    zip_free(l.file);
    return NULL;
}
