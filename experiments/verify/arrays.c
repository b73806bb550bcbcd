/* What a case gives: arrays by role, loaded and compared; numbers by key. */
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

/* The place of the array with that role in the case's list, marked as used; false breaks the case.
 */
static bool place_of(VerifyCase *c, const char *role, size_t *place)
{
    const Json *arrays = json_get(c->json, "arrays");
    for (size_t i = 0; i < arrays->count; i++)
        if (strcmp(arrays->keys[i], role) == 0 && arrays->items[i].type == JSON_STRING) {
            c->used[i] = true;
            *place = i;
            return true;
        }
    verify_break(c, "expected an array of role \"%s\"", role);
    return false;
}

/* The manifest's entry of the array at that place; NULL breaks the case. */
static const Json *entry_at(VerifyCase *c, size_t place)
{
    const Json *arrays = json_get(c->json, "arrays");
    const Json *entry = json_get(json_get(c->manifest, "arrays"), arrays->items[place].string);
    if (!entry)
        verify_break(c, "expected the array of role \"%s\" in the manifest", arrays->keys[place]);
    return entry;
}

bool verify_has(const VerifyCase *c, const char *role)
{
    return json_get(json_get(c->json, "arrays"), role) != NULL;
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

static NpyArray *read_array(VerifyCase *c, const char *role, const Json *entry)
{
    char path[1024];
    Error err;
    NpyArray *a = NULL;
    const char *file = json_string(entry, "file", role, &err);
    if (file) {
        const int n = snprintf(path, sizeof path, "%s/%s", c->dir, file);
        if (n > 0 && (size_t)n < sizeof path)
            a = npy_read(path, &err);
        else
            error_set(&err, "%.100s: expected a shorter path", file);
    }
    if (!a) {
        verify_break(c, "%s", err.text);
    } else if (!same_as_manifest(a, entry)) {
        verify_break(c, "array \"%s\": expected the manifest's dtype and shape", role);
        npy_free(a);
        a = NULL;
    }
    return a;
}

/* The array as its file has it, open until its numbers are taken; NULL: the case is broken. */
static const NpyArray *array_of(VerifyCase *c, const char *role)
{
    size_t place;
    if (c->broken || !place_of(c, role, &place))
        return NULL;
    if (!c->files[place]) {
        const Json *entry = entry_at(c, place);
        c->files[place] = entry ? read_array(c, role, entry) : NULL;
    }
    return c->files[place];
}

static void close_array(VerifyCase *c, const char *role)
{
    size_t place;
    if (place_of(c, role, &place)) {
        npy_free(c->files[place]);
        c->files[place] = NULL;
    }
}

size_t verify_axis(VerifyCase *c, const char *role, size_t axis)
{
    const NpyArray *a = array_of(c, role);
    if (a && axis < (size_t)a->rank && a->shape[axis] >= 1 && a->shape[axis] <= AXIS_LIMIT)
        return a->shape[axis];
    verify_break(c, "array \"%s\": expected a shape with a number from 1 to %d at place %zu", role,
                 AXIS_LIMIT, axis);
    return 1;
}

/* Memory for `count` things of that size, one for each entry of the array; NULL if it has not as
 * many. */
static void *room_for(VerifyCase *c, const char *role, size_t count, size_t size)
{
    const NpyArray *a = array_of(c, role);
    if (a && a->count == count)
        return arena_zeroed(c->arena, count, size);
    verify_break(c, "array \"%s\": expected %zu entries", role, count);
    return NULL;
}

double *verify_results(VerifyCase *c, const char *role, size_t count)
{
    return room_for(c, role, count, sizeof(double));
}

double *verify_doubles(VerifyCase *c, const char *role, size_t count)
{
    double *out = room_for(c, role, count, sizeof *out);
    const NpyArray *a = out ? array_of(c, role) : NULL;
    if (!a)
        return NULL;
    for (size_t i = 0; i < count; i++)
        out[i] = npy_number(a, i);
    close_array(c, role);
    return out;
}

double *verify_range(VerifyCase *c, const char *role, size_t count, double low, double high)
{
    double *out = verify_doubles(c, role, count);
    for (size_t i = 0; out && i < count; i++)
        if (!(out[i] >= low && out[i] <= high)) {
            verify_break(c, "array \"%s\": expected numbers from %g to %g, found %g", role, low,
                         high, out[i]);
            return NULL;
        }
    return out;
}

/* Where entry i of (batch, C, H, W) is in (batch, H, W, C). */
static size_t channels_last(Layout l, size_t i)
{
    const size_t pixels = l.height * l.width, size = layout_size(l);
    const size_t b = i / size, k = i % size / pixels, p = i % pixels;
    return b * size + p * l.channels + k;
}

float *verify_floats(VerifyCase *c, const char *role, size_t batch, Layout l)
{
    const size_t count = batch * layout_size(l);
    float *out = room_for(c, role, count, sizeof *out);
    const ArenaMark mark = arena_mark(c->arena);
    const double *in = out ? verify_range(c, role, count, -(double)FLT_MAX, (double)FLT_MAX) : NULL;
    for (size_t i = 0; in && i < count; i++)
        out[channels_last(l, i)] = (float)in[i];
    arena_release(c->arena, mark);
    return in ? out : NULL;
}

size_t *verify_indices(VerifyCase *c, const char *role, size_t count, size_t limit)
{
    size_t *out = room_for(c, role, count, sizeof *out);
    const ArenaMark mark = arena_mark(c->arena);
    const double *in = out ? verify_doubles(c, role, count) : NULL;
    for (size_t i = 0; in && i < count; i++) {
        if (!(in[i] >= 0 && in[i] < (double)limit) || in[i] != floor(in[i]))
            verify_break(c, "array \"%s\": expected whole numbers below %zu", role, limit);
        else
            out[i] = (size_t)in[i];
    }
    arena_release(c->arena, mark);
    return c->broken ? NULL : out;
}

States verify_states(VerifyCase *c, const char *role, size_t batch, Layout l, size_t states)
{
    const size_t size = layout_size(l), count = batch * size;
    uint16_t *x = room_for(c, role, count, sizeof *x);
    const ArenaMark mark = arena_mark(c->arena);
    const size_t *in = x ? verify_indices(c, role, count, states) : NULL;
    for (size_t i = 0; in && i < count; i++)
        x[channels_last(l, i)] = (uint16_t)in[i];
    arena_release(c->arena, mark);
    return (States){.batch = batch, .dims = size, .x = x};
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

/* Compares with the expected numbers, which the arena holds until verify_compare is done. */
static void compare_with(VerifyCase *c, const char *role, const char *note, const double *got,
                         const double *expected, size_t count, const bool *skip)
{
    size_t place;
    if (!expected || !place_of(c, role, &place))
        return;
    const Json *entry = entry_at(c, place), *given = json_get(entry, "absmax");
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

void verify_compare(VerifyCase *c, const char *role, const char *note, const double *got,
                    size_t count, const bool *skip)
{
    const ArenaMark mark = arena_mark(c->arena);
    compare_with(c, role, note, got, verify_doubles(c, role, count), count, skip);
    arena_release(c->arena, mark);
}

void verify_compare_number(VerifyCase *c, const char *role, double got)
{
    verify_compare(c, role, "", &got, 1, NULL);
}

void verify_compare_floats(VerifyCase *c, const char *role, const float *got, size_t batch,
                           Layout l)
{
    const size_t count = batch * layout_size(l);
    const ArenaMark mark = arena_mark(c->arena);
    double *first = verify_results(c, role, count); /* channels first, as in the file */
    for (size_t i = 0; first && i < count; i++)
        first[i] = (double)got[channels_last(l, i)];
    if (first)
        verify_compare(c, role, "", first, count, NULL);
    arena_release(c->arena, mark);
}

/* ---- numbers ---- */

double verify_number(VerifyCase *c, const char *key, double low, double otherwise)
{
    const Json *j = json_get(c->json, key);
    if (!j && otherwise == otherwise)
        return otherwise;
    if (j && j->type == JSON_NUMBER && j->number >= low)
        return j->number;
    verify_break(c, "expected a number \"%s\" of at least %g", key, low);
    return low;
}

size_t verify_whole(VerifyCase *c, const char *key, size_t low, size_t high)
{
    const Json *j = json_get(c->json, key);
    if (j && j->type == JSON_NUMBER && j->number >= (double)low && j->number <= (double)high &&
        floor(j->number) == j->number)
        return (size_t)j->number;
    verify_break(c, "expected a whole number \"%s\" from %zu to %zu", key, low, high);
    return low;
}
