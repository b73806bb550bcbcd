/* Arrays: .npy, .npz and .safetensors. */
#include <math.h>

#include "experiments/metrics/features/moments_file.h"
#include "experiments/metrics/outside_samples.h"
#include "nn/formats/npy.h"
#include "nn/formats/safetensors.h"
#include "nn/formats/torch/npz.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tests/fuzz/fuzz.h"

static void look_at(const NpyArray *a)
{
    double sum = 0.0;

    for (size_t i = 0; i < a->count; i++)
        sum += npy_number(a, i) > 0.0;
    TENSOR_CHECK(sum <= (double)a->count && npy_type_name(a->type)[0] != '\0', "%g of %zu", sum,
                 a->count);
}

void fuzz_npy(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    NpyArray *a = npy_read(fuzz_file(".npy", bytes, count), &err);

    if (a != NULL)
        look_at(a);
    else
        fuzz_refused(&err);
    npy_free(a);
}

void fuzz_npy_pictures(const uint8_t *bytes, size_t count)
{
    enum { LEVELS = 256 };
    Error err = {""};
    OutsideSamples s = {0};

    if (!outside_samples_read(&s, fuzz_file(".npy", bytes, count), LEVELS, &err)) {
        fuzz_refused(&err);
        return;
    }
    for (size_t i = 0; i < s.x.batch * s.x.dims; i++)
        TENSOR_CHECK(s.x.x[i] < LEVELS, "level %d", s.x.x[i]);
    states_free(&s.x);
}

void fuzz_npz(const uint8_t *bytes, size_t count)
{
    enum { FEATURES = 2 };
    Error err = {""};
    const char *path = fuzz_file(".npz", bytes, count);
    Moments m = {0};
    ZipFile *z = zip_read_any(path, &err);
    NpyArray *a = z != NULL ? npz_array(z, "mu", &err) : NULL;

    if (a != NULL)
        look_at(a);
    else
        fuzz_refused(&err);
    npy_free(a);
    zip_free(z);
    if (!moments_file_read(&m, path, FEATURES, &err)) {
        fuzz_refused(&err);
        return;
    }
    for (size_t i = 0; i < FEATURES; i++)
        TENSOR_CHECK(isfinite(m.mean[i]), "mean %g", m.mean[i]);
    moments_free(&m);
}

static void read_safetensors(const char *path)
{
    Error err = {""};
    SafetensorsFile *f = safetensors_read(path, &err);

    if (f == NULL) {
        fuzz_refused(&err);
        return;
    }
    for (size_t i = 0; i < f->tensor_count; i++) {
        const FileTensor *t = &f->tensors[i];
        float *values = mem_try(t->count, sizeof *values);
        TENSOR_CHECK(safetensors_find(f, t->name) == t, "%s is another one", t->name);
        if (values != NULL && !safetensors_floats(t, values, path, &err))
            fuzz_refused(&err);
        mem_free(values);
    }
    for (size_t i = 0; i < f->meta_count; i++)
        TENSOR_CHECK(safetensors_meta(f, f->meta[i].key) == f->meta[i].value, "metadata %zu", i);
    safetensors_free(f);
}

void fuzz_safetensors(const uint8_t *bytes, size_t count)
{
    read_safetensors(fuzz_file(".safetensors", bytes, count));
}

void fuzz_header(const uint8_t *bytes, size_t count)
{
    read_safetensors(fuzz_header_file(bytes, count));
}
