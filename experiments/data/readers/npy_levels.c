/* One pass finds the range and the first entry that is no level; the sentence is made of both. */
#include "experiments/data/readers/npy_levels.h"

#include <math.h>

#include "tensor/base/text.h"

typedef struct Found {
    double low, high; /* of all entries but NaN */
    size_t bad;       /* the first that is no level; a->count: there is none */
} Found;

static Found look_through(const NpyArray *a, size_t levels)
{
    Found f = {INFINITY, -INFINITY, a->count};
    for (size_t i = 0; i < a->count; i++) {
        const double v = npy_number(a, i);
        if (!(v >= 0.0 && v < (double)levels && v == floor(v)) && f.bad == a->count)
            f.bad = i;
        f.low = v < f.low ? v : f.low;
        f.high = v > f.high ? v : f.high;
    }
    return f;
}

/* The call for entries in that range: x times `most`, or that call with its numbers. */
static void call_for(char *out, size_t room, const NpyArray *a, const Found *f, size_t levels)
{
    const size_t most = levels - 1;
    const char *type = levels <= 256 ? "uint8" : "uint16";
    const double bad = f->bad < a->count ? npy_number(a, f->bad) : 0.0;
    if (a->type == NPY_BOOL)
        snprintf(out, room, "save (x * %zu).astype('%s')", most, type);
    else if (!isfinite(bad))
        snprintf(out, room, "save numpy.nan_to_num(x).clip(0, %zu).round().astype('%s')", most,
                 type);
    else if (npy_is_float(a->type) && f->low >= 0.0 && f->high <= 1.0)
        snprintf(out, room, "if they go from 0 to 1, save (x * %zu).round().astype('%s')", most,
                 type);
    else if (npy_is_float(a->type) && f->low >= -1.0 && f->high <= 1.0)
        text_format(out, room, "if they go from -1 to 1, save ((x + 1) * %g).round().astype('%s')",
                    (double)most / 2.0, type);
    else
        snprintf(out, room, "save x.clip(0, %zu).round().astype('%s')", most, type);
}

bool npy_are_levels(const NpyArray *a, size_t levels, const char *path, Error *err)
{
    if (a->type == NPY_U1 && levels >= 256)
        return true;
    char call[120], text[40];
    const Found f = look_through(a, levels);
    const bool shares = npy_is_float(a->type) && f.high <= 1.0 && f.low >= 0.0;
    if (f.bad == a->count && !shares && a->type != NPY_BOOL)
        return true;
    call_for(call, sizeof call, a, &f, levels);
    if (shares || a->type == NPY_BOOL)
        return error_set(err, "%.300s: entries of %s, expected whole numbers from 0 to %zu: %s",
                         path, npy_type_name(a->type), levels - 1, call);
    const size_t picture = a->count / a->shape[0];
    text_format(text, sizeof text, "%.9g", npy_number(a, f.bad));
    return error_set(err,
                     "%.300s: entry %zu of picture %zu is %s, of %s, expected whole numbers from "
                     "0 to %zu: %s",
                     path, f.bad % picture, f.bad / picture, text, npy_type_name(a->type),
                     levels - 1, call);
}
