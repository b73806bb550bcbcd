/* An unfinished evaluation as a .safetensors file.  Metadata: format; "run.KEY" for each fact of
 * the run; "row.I.model", "row.I.steps" and "row.I.calls" of row I, and "result.I.model",
 * "result.I.steps" and "result.I.metric" of result I.  Tensors: "row.I.values" (F64), the columns
 * and then the seconds; "row.I.picture" (U8, H x W x C) or "row.I.text" (U8); "result.I.numbers"
 * (F64). */
#include <string.h>

#include "experiments/metrics/evaluation.h"
#include "experiments/metrics/meta.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/arena.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { CHUNK = 65536 };
static const char format[] = "di4c-evaluation-1";

/* ---- writing ---- */

/* The bytes live in the arena until the file is written. */
static void add_numbers(SafetensorsWriter *w, const char *what, size_t i, const char *field,
                        const double *values, size_t count, Arena *arena)
{
    char key[META_KEY];
    unsigned char *bytes = arena_alloc(arena, count, 8);
    doubles_put(bytes, values, count);
    safetensors_add_bytes(w, meta_key(key, what, i, field), "F64", 1, &count, bytes);
}

static void add_row(SafetensorsWriter *w, const Evaluation *e, size_t i, Arena *arena)
{
    const EvalRow *row = &e->rows[i];
    double values[METRIC_COLUMNS_MAX + 1];
    char key[META_KEY];
    memcpy(values, row->values, e->column_count * sizeof *values);
    values[e->column_count] = row->seconds;
    safetensors_add_meta(w, meta_key(key, "row", i, "model"), row->model);
    meta_put_count(w, meta_key(key, "row", i, "steps"), row->asked);
    meta_put_count(w, meta_key(key, "row", i, "calls"), row->all_calls);
    add_numbers(w, "row", i, "values", values, e->column_count + 1, arena);
    if (row->text) {
        const size_t length = strlen(row->text);
        safetensors_add_bytes(w, meta_key(key, "row", i, "text"), "U8", 1, &length,
                              (const unsigned char *)row->text);
    } else {
        const size_t shape[3] = {row->picture.height, row->picture.width, row->picture.channels};
        safetensors_add_bytes(w, meta_key(key, "row", i, "picture"), "U8", 3, shape,
                              row->picture.pixels);
    }
}

static void add_result(SafetensorsWriter *w, const EvalResult *r, size_t i, Arena *arena)
{
    const MetricResults *kind = r->metric->kind->results;
    double numbers[METRIC_NUMBERS];
    kind->get(r->metric->state, r->number, numbers);
    char key[META_KEY];
    safetensors_add_meta(w, meta_key(key, "result", i, "metric"), r->metric->kind->name);
    safetensors_add_meta(w, meta_key(key, "result", i, "model"), r->model);
    meta_put_count(w, meta_key(key, "result", i, "steps"), r->steps);
    add_numbers(w, "result", i, "numbers", numbers, kind->numbers, arena);
}

bool evaluation_keep(const Evaluation *e, const RunFacts *facts, const char *path, Error *err)
{
    SafetensorsWriter *w = safetensors_writer();
    Arena *arena = arena_create(CHUNK);
    safetensors_add_meta(w, "format", format);
    meta_put_facts(w, "run", facts);
    for (size_t i = 0; i < e->row_count; i++)
        add_row(w, e, i, arena);
    for (size_t i = 0; i < e->result_count; i++)
        add_result(w, &e->results[i], i, arena);
    const bool ok = safetensors_write(w, path, err);
    safetensors_writer_free(w);
    arena_destroy(arena);
    return ok;
}

/* ---- reading ---- */

bool evaluation_recall(Evaluation *e, const RunFacts *facts, const char *path, Error *err)
{
    RunFacts found = {0};
    SafetensorsFile *f = safetensors_read(path, err);
    if (!f)
        return false;
    const char *kind = safetensors_meta(f, "format");
    bool ok = (kind && strcmp(kind, format) == 0) ||
              error_set(err, "%.300s: expected what eval keeps of a run that was stopped", path);
    meta_take_facts(f, "run", &found);
    ok = ok && run_facts_same(facts, "this command", &found, path, err);
    run_facts_free(&found);
    if (ok)
        e->kept = f;
    else
        safetensors_free(f);
    return ok;
}

static bool says(const SafetensorsFile *f, const char *what, size_t i, const char *field,
                 const char *value)
{
    char key[META_KEY];
    const char *found = safetensors_meta(f, meta_key(key, what, i, field));
    return found && strcmp(found, value) == 0;
}

static bool says_count(const SafetensorsFile *f, const char *what, size_t i, const char *field,
                       size_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    return says(f, what, i, field, text);
}

static const FileTensor *tensor_of(const SafetensorsFile *f, const char *what, size_t i,
                                   const char *field, const char *dtype, int rank)
{
    char key[META_KEY];
    const FileTensor *t = safetensors_find(f, meta_key(key, what, i, field));
    return t && strcmp(t->dtype, dtype) == 0 && t->rank == rank ? t : NULL;
}

static bool take_numbers(const SafetensorsFile *f, const char *what, size_t i, const char *field,
                         size_t count, double *out)
{
    const FileTensor *t = tensor_of(f, what, i, field, "F64", 1);
    if (!t || t->count != count)
        return false;
    doubles_get(out, t->bytes, count);
    return true;
}

/* A picture that picture_grid may have made, and that a .png can hold. */
static bool is_grid(const Evaluation *e, const FileTensor *t)
{
    return t->count > 0 && t->count < INT32_MAX && t->shape[2] == e->style.channels;
}

static bool take_samples(const Evaluation *e, size_t i, EvalRow *row)
{
    const FileTensor *t = tensor_of(e->kept, "row", i, e->vocabulary ? "text" : "picture", "U8",
                                    e->vocabulary ? 1 : 3);
    if (!t || (!e->vocabulary && !is_grid(e, t)))
        return false;
    char *bytes = mem_zeroed(t->count + 1, 1);
    memcpy(bytes, t->bytes, t->count);
    if (e->vocabulary)
        row->text = bytes;
    else
        row->picture = (Picture){t->shape[0], t->shape[1], t->shape[2], (uint8_t *)bytes};
    return true;
}

bool evaluation_kept_row(const Evaluation *e, const char *model, size_t asked, EvalRow *row)
{
    const size_t i = e->row_count;
    double values[METRIC_COLUMNS_MAX + 1];
    char key[META_KEY];
    Error none;
    if (!e->kept || !says(e->kept, "row", i, "model", model) ||
        !says_count(e->kept, "row", i, "steps", asked) ||
        !meta_count(e->kept, meta_key(key, "row", i, "calls"), &row->all_calls, &none) ||
        !take_numbers(e->kept, "row", i, "values", e->column_count + 1, values) ||
        !take_samples(e, i, row))
        return false;
    memcpy(row->values, values, e->column_count * sizeof *values);
    row->seconds = values[e->column_count];
    evaluation_count_calls(row, e->setting.count);
    return true;
}

bool evaluation_kept_result(const Evaluation *e, const Metric *m, const char *model, size_t steps,
                            double numbers[METRIC_NUMBERS])
{
    const size_t i = e->result_count;
    return e->kept && m->kind->results && says(e->kept, "result", i, "metric", m->kind->name) &&
           says(e->kept, "result", i, "model", model) &&
           says_count(e->kept, "result", i, "steps", steps) &&
           take_numbers(e->kept, "result", i, "numbers", m->kind->results->numbers, numbers);
}
