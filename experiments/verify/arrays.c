/* Arrays of a case by role: loading, change of layout, comparison. */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "experiments/verify/verify.h"
#include "nn/formats/npy.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

size_t layout_size(Layout l)
{
    return l.channels * l.height * l.width;
}

const char *verify_role(VerifyCase *c, const char *prefix, const char *name, const char *suffix)
{
    const size_t n = strlen(prefix) + strlen(name) + strlen(suffix) + 1;
    char *role = arena_alloc(c->arena, n, 1);
    snprintf(role, n, "%s%s%s", prefix, name, suffix);
    return role;
}

void verify_break(VerifyCase *c, const char *format, ...)
{
    char text[500];
    va_list arguments;
    if (c->broken)
        return;
    va_start(arguments, format);
    text_format_list(text, sizeof text, format, arguments);
    va_end(arguments);
    c->broken = true;
    error_set(&c->err, "%s: %s", c->name, text);
}

/* ---- loading ---- */

enum { AXIS_LIMIT = 1000000 };

/* The manifest's entry of the array with that role, marked as used; NULL breaks the case. */
static const Json *entry_of(VerifyCase *c, const char *role)
{
    const Json *arrays = json_get(c->json, "arrays");
    for (size_t i = 0; i < arrays->count; i++)
        if (strcmp(arrays->keys[i], role) == 0 && arrays->items[i].type == JSON_STRING) {
            c->used[i] = true;
            const Json *entry = json_get(json_get(c->manifest, "arrays"), arrays->items[i].string);
            if (!entry)
                verify_break(c, "expected the array of role \"%s\" in the manifest", role);
            return entry;
        }
    verify_break(c, "expected an array of role \"%s\"", role);
    return NULL;
}

bool verify_has(const VerifyCase *c, const char *role)
{
    return json_get(json_get(c->json, "arrays"), role) != NULL;
}

size_t verify_axis(VerifyCase *c, const char *role, size_t axis)
{
    const Json *shape = json_get(entry_of(c, role), "shape");
    if (shape && shape->type == JSON_ARRAY && axis < shape->count &&
        shape->items[axis].number >= 1 && shape->items[axis].number <= AXIS_LIMIT)
        return (size_t)shape->items[axis].number;
    verify_break(c, "array \"%s\": expected a shape with a number from 1 to %d at place %zu", role,
                 AXIS_LIMIT, axis);
    return 1;
}

static bool same_as_manifest(const NpyArray *a, const Json *entry)
{
    const Json *shape = json_get(entry, "shape"), *dtype = json_get(entry, "dtype");
    if (!shape || shape->type != JSON_ARRAY || !dtype || dtype->type != JSON_STRING ||
        strcmp(dtype->string, npy_type_name(a->type)) != 0)
        return false;
    if (shape->count == 0)
        return a->count == 1; /* one number may be stored as an array of one */
    if (shape->count != (size_t)a->rank)
        return false;
    for (size_t i = 0; i < shape->count; i++)
        if (shape->items[i].number != (double)a->shape[i])
            return false;
    return true;
}

static NpyArray *open_array(VerifyCase *c, const char *role, size_t count)
{
    char path[1024];
    const Json *entry = entry_of(c, role);
    Error err;
    if (!entry)
        return NULL;
    const char *file = json_string(entry, "file", role, &err);
    NpyArray *a = NULL;
    if (file) {
        const int n = snprintf(path, sizeof path, "%s/%s", c->dir, file);
        if (n > 0 && (size_t)n < sizeof path)
            a = npy_read(path, &err);
        else
            error_set(&err, "%.100s: expected a shorter path", file);
    }
    if (!a) {
        verify_break(c, "%s", err.text);
    } else if (!same_as_manifest(a, entry) || a->count != count) {
        verify_break(c, "array \"%s\": expected the manifest's dtype and shape, and %zu entries",
                     role, count);
        npy_free(a);
        a = NULL;
    }
    return a;
}

double *verify_doubles(VerifyCase *c, const char *role, size_t count)
{
    double *out = arena_zeroed(c->arena, count, sizeof *out);
    NpyArray *a = open_array(c, role, count);
    for (size_t i = 0; a && i < count; i++)
        out[i] = npy_number(a, i);
    npy_free(a);
    return out;
}

double *verify_range(VerifyCase *c, const char *role, size_t count, double low, double high)
{
    double *out = verify_doubles(c, role, count);
    for (size_t i = 0; i < count; i++)
        if (!(out[i] >= low && out[i] <= high)) {
            verify_break(c, "array \"%s\": expected numbers from %g to %g, found %g", role, low,
                         high, out[i]);
            out[i] = low;
        }
    return out;
}

/* out[b, h, w, c] = in[b, c, h, w] */
static double *channels_last(Arena *arena, const double *in, size_t batch, Layout l)
{
    const size_t pixels = l.height * l.width, size = layout_size(l);
    double *out = arena_alloc(arena, batch * size, sizeof *out);
    for (size_t b = 0; b < batch; b++)
        for (size_t k = 0; k < l.channels; k++)
            for (size_t p = 0; p < pixels; p++)
                out[b * size + p * l.channels + k] = in[b * size + k * pixels + p];
    return out;
}

float *verify_floats(VerifyCase *c, const char *role, size_t batch, Layout l)
{
    const size_t count = batch * layout_size(l);
    const double *in = channels_last(
        c->arena, verify_range(c, role, count, -(double)FLT_MAX, (double)FLT_MAX), batch, l);
    float *out = arena_alloc(c->arena, count, sizeof *out);
    for (size_t i = 0; i < count; i++)
        out[i] = (float)in[i];
    return out;
}

size_t *verify_indices(VerifyCase *c, const char *role, size_t count, size_t limit)
{
    const double *in = verify_doubles(c, role, count);
    size_t *out = arena_zeroed(c->arena, count, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        if (!(in[i] >= 0 && in[i] < (double)limit) || in[i] != floor(in[i]))
            verify_break(c, "array \"%s\": expected whole numbers below %zu", role, limit);
        else
            out[i] = (size_t)in[i];
    }
    return out;
}

States verify_states(VerifyCase *c, const char *role, size_t batch, Layout l, size_t states)
{
    const size_t pixels = l.height * l.width, size = layout_size(l);
    const size_t *in = verify_indices(c, role, batch * size, states);
    States out = states_make(c->arena, batch, size);
    for (size_t b = 0; b < batch; b++)
        for (size_t k = 0; k < l.channels; k++)
            for (size_t p = 0; p < pixels; p++)
                out.x[b * size + p * l.channels + k] = (uint16_t)in[b * size + k * pixels + p];
    return out;
}

/* ---- comparison ---- */

static double largest(const double *x, size_t count)
{
    double m = 0;
    for (size_t i = 0; i < count; i++)
        m = fabs(x[i]) > m && isfinite(x[i]) ? fabs(x[i]) : m;
    return m;
}

/* A record of the array of that role, whose names in the manifest outlive the case. */
static VerifyRecord *new_record(VerifyCase *c, const char *role)
{
    const Json *arrays = json_get(c->json, "arrays");
    size_t i = 0;
    if (c->record_count == c->record_capacity)
        c->records = mem_grow(c->records, &c->record_capacity, 32, sizeof *c->records);
    while (strcmp(arrays->keys[i], role) != 0)
        i++; /* it has been opened */
    VerifyRecord *r = &c->records[c->record_count++];
    *r = (VerifyRecord){.role = arrays->keys[i], .array = arrays->items[i].string};
    return r;
}

/* Every entry is allowed base + slope |expected|. */
typedef struct Tolerance {
    double base, slope;
} Tolerance;

static Tolerance tolerance_of(const VerifyCase *c, const char *role, const Json *entry,
                              double absmax)
{
    const Json *f32_err = json_get(entry, "f32_err");
    const double widen = c->fast ? 30 : 1;
    if (strncmp(role, "grad_norms", strlen("grad_norms")) == 0)
        return (Tolerance){1e-6 * absmax, 1e-3};
    if (f32_err && f32_err->type == JSON_NUMBER && f32_err->number >= 0)
        return (Tolerance){widen * (8 * f32_err->number + 2e-6 * absmax), 0};
    return (Tolerance){1e-12 * (absmax > 1 ? absmax : 1), 0};
}

void verify_compare(VerifyCase *c, const char *role, const char *note, const double *got,
                    size_t count, const bool *skip)
{
    const double *expected = verify_doubles(c, role, count);
    const Json *entry = entry_of(c, role), *given;
    if (c->broken)
        return;
    given = json_get(entry, "absmax");
    const double absmax = given && given->type == JSON_NUMBER && given->number >= 0
                              ? given->number
                              : largest(expected, count);
    const Tolerance t = tolerance_of(c, role, entry, absmax);
    VerifyRecord *r = new_record(c, role);
    double worst = -1; /* error over tolerance */
    r->note = note;
    r->tolerance = t.base;
    r->ok = true;
    for (size_t i = 0; i < count; i++) {
        if (skip && skip[i])
            continue;
        const double error = got[i] == expected[i] ? 0 : fabs(got[i] - expected[i]);
        const double allowed = t.base + (t.slope > 0 ? t.slope * fabs(expected[i]) : 0);
        const bool ok = error <= allowed; /* false for NaN */
        const double ratio = error == 0 ? 0 : error / allowed;
        if (!(ratio <= worst) && r->error == r->error) {
            worst = ratio;
            r->error = error;
            r->relative = error == 0 ? 0 : error / absmax;
            r->tolerance = allowed;
        }
        r->ok = r->ok && ok;
    }
    if (worst == -1)
        verify_break(c, "array \"%s\": expected entries that can be compared", role);
}

void verify_compare_number(VerifyCase *c, const char *role, double got)
{
    verify_compare(c, role, "", &got, 1, NULL);
}

void verify_compare_floats(VerifyCase *c, const char *role, const float *got, size_t batch,
                           Layout l)
{
    const size_t pixels = l.height * l.width, size = layout_size(l);
    double *first = arena_alloc(c->arena, batch * size, sizeof *first);
    for (size_t b = 0; b < batch; b++)
        for (size_t k = 0; k < l.channels; k++)
            for (size_t p = 0; p < pixels; p++)
                first[b * size + k * pixels + p] = (double)got[b * size + p * l.channels + k];
    verify_compare(c, role, "", first, batch * size, NULL);
}
