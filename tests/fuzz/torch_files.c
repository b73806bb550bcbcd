/* PyTorch's files: archives, those of older versions, and the pickles and archives themselves. */
#include <stdio.h>

#include "experiments/model/torch_model.h"
#include "nn/formats/torch/pickle_read.h"
#include "nn/formats/torch/torch_file.h"
#include "nn/formats/torch/torch_legacy.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 20 }; /* entries of a tensor that are read */

static void read_tensors(const TorchFile *f, const PickleValue *v)
{
    Error err = {""};

    if (v->type == PICKLE_TENSOR && v->tensor->count <= MOST) {
        float *values = mem_alloc(v->tensor->count, sizeof *values);
        if (!torch_floats(f, v->tensor, "tensor", values, &err))
            fuzz_refused(&err);
        mem_free(values);
    }
    const size_t count = pickle_item_count(v);
    for (size_t i = 0; i < count; i++)
        read_tensors(f, v->items[i]);
}

static void read_any(const char *path)
{
    Error err = {""};
    TorchFile *f = torch_read_any(path, &err);

    if (f == NULL) {
        fuzz_refused(&err);
        return;
    }
    read_tensors(f, f->root);
    TorchModel *m = torch_model_of(f, &err);
    if (m == NULL)
        fuzz_refused(&err);
    torch_model_free(m);
    torch_free(f);
}

void fuzz_torch(const uint8_t *bytes, size_t count)
{
    read_any(fuzz_file(".pt", bytes, count));
}

void fuzz_legacy(const uint8_t *bytes, size_t count)
{
    const char *path = fuzz_file(".pth", bytes, count);

    if (torch_legacy_recognises(path))
        read_any(path);
}

static size_t values_below(const PickleValue *v)
{
    size_t values = 1;
    const size_t count = pickle_item_count(v);

    for (size_t i = 0; i < count && values < MOST; i++)
        values += values_below(v->items[i]);
    return values;
}

void fuzz_pickle(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    size_t used = 0;
    Pickle *p = pickle_read(bytes, count, "a pickle", &err);

    if (p != NULL)
        TENSOR_CHECK(values_below(pickle_root(p)) > 0 && pickle_foreign(p) != NULL, "no values");
    else
        fuzz_refused(&err);
    pickle_free(p);
    p = pickle_read_first(bytes, count, &used, "a pickle", &err);
    TENSOR_CHECK(p == NULL || used <= count, "%zu of %zu bytes", used, count);
    if (p == NULL)
        fuzz_refused(&err);
    pickle_free(p);
}

void fuzz_zip(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    ZipFile *z = zip_read_any(fuzz_file(".zip", bytes, count), &err);

    if (z == NULL) {
        fuzz_refused(&err);
        return;
    }
    for (size_t i = 0; i < z->count; i++) {
        unsigned char *entry = zip_unpack(z, &z->entries[i], &err);
        TENSOR_CHECK(zip_find(z, z->entries[i].name) != NULL, "entry %zu is not found", i);
        if (entry == NULL)
            fuzz_refused(&err);
        mem_free(entry);
    }
    zip_free(z);
}
