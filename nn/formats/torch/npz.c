#include "nn/formats/torch/npz.h"

#include <stdio.h>

#include "nn/formats/torch/zip_write.h"

enum { ARRAY_NAME = 300 };

NpyArray *npz_array(const ZipFile *z, const char *name, Error *err)
{
    char entry[ARRAY_NAME], where[2 * ARRAY_NAME];
    snprintf(entry, sizeof entry, "%.200s.npy", name);
    snprintf(where, sizeof where, "%.200s: %.200s", z->path, entry);
    const ZipEntry *e = zip_find(z, entry);
    if (e == NULL) {
        error_set(err, "%.200s: expected an array \"%.200s\", found none of that name", z->path,
                  name);
        return NULL;
    }
    unsigned char *bytes = zip_unpack(z, e, err);
    return bytes == NULL ? NULL : npy_of_bytes(bytes, e->size, where, err);
}

bool npz_write(const char *path, const NpzItem *items, size_t count, Error *err)
{
    ZipWriter *w = zip_create(path, err);
    if (w == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        char entry[ARRAY_NAME];
        Buffer bytes = {0};
        snprintf(entry, sizeof entry, "%.200s.npy", items[i].name);
        npy_put_doubles(&bytes, items[i].rank, items[i].shape, items[i].data);
        zip_add(w, entry, bytes.bytes, bytes.length);
        buffer_free(&bytes);
    }
    return zip_close(w, err);
}
