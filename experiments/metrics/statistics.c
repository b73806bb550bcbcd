/* Statistics are .safetensors files.  Metadata: format, samples, first, count; "run.KEY" for each
 * fact of the run, "METRIC.KEY" for each of a metric; "row.I.model", "row.I.steps", "row.I.calls"
 * and "row.I.seconds" of row I.  Tensors: "METRIC.NAME" (F64), what the metric keeps;
 * "first.METRIC.NAME" (F64), what it keeps in the part that has the first sample;
 * "row.I.METRIC" (U8), the records of the shard's samples, or sums over them.  "sha256" is of all
 * the rest.  Everything else but the first sample, the count, calls and seconds is the same in all
 * shards, which is checked bit for bit. */
#include "experiments/metrics/statistics.h"

#include <stdlib.h>
#include <string.h>

#include "experiments/metrics/meta.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { KEY = META_KEY };
static const char format[] = "di4c-statistics-1", hash_key[] = "sha256";

bool statistics_check(const Evaluation *e, Error *err)
{
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (m->chosen && !m->kind->parts)
            return error_set(err,
                             "--shard: expected --metrics of samples that can be measured in "
                             "shards, %s cannot",
                             m->kind->name);
    }
    return true;
}

/* ---- writing ---- */

/* Little-endian bytes of the numbers, kept in `kept` until the file is written. */
typedef struct Kept {
    unsigned char *blocks[METRICS_MAX * 16];
    size_t count;
} Kept;

static void add_numbers(SafetensorsWriter *w, const char *metric, const Numbers *numbers,
                        Kept *kept)
{
    for (size_t i = 0; i < numbers->count; i++) {
        const NumberList *n = &numbers->at[i];
        char name[KEY];
        unsigned char *bytes = mem_alloc(n->count, 8);
        doubles_put(bytes, n->values, n->count);
        snprintf(name, sizeof name, "%s.%s", metric, n->name);
        safetensors_add_bytes(w, name, "F64", 1, &n->count, bytes);
        TENSOR_CHECK(kept->count < sizeof kept->blocks / sizeof kept->blocks[0], "%zu lists",
                     kept->count);
        kept->blocks[kept->count++] = bytes;
    }
}

/* Fields of a metric's state, under its name or that of what only the first part keeps. */
static void add_fields(SafetensorsWriter *w, const char *prefix, const StateField *fields,
                       const Metric *m, Kept *kept)
{
    RunFacts facts = {0};
    Numbers numbers = {0};
    state_fields_save(fields, m->state, &facts, &numbers);
    meta_put_facts(w, prefix, &facts);
    add_numbers(w, prefix, &numbers, kept);
    run_facts_free(&facts);
    numbers_free(&numbers);
}

static void first_prefix(const Metric *m, char out[KEY])
{
    snprintf(out, KEY, "first.%s", m->kind->name);
}

static void add_metric(SafetensorsWriter *w, const Metric *m, bool first, Kept *kept)
{
    const MetricParts *p = m->kind->parts;
    char prefix[KEY];
    add_fields(w, m->kind->name, p->fields, m, kept);
    first_prefix(m, prefix);
    if (first && p->first_fields)
        add_fields(w, prefix, p->first_fields, m, kept);
}

static void add_row(SafetensorsWriter *w, const Evaluation *e, size_t r)
{
    const EvalRow *row = &e->rows[r];
    char key[KEY], text[32];
    text_format(text, sizeof text, "%.2f", row->seconds);
    safetensors_add_meta(w, meta_key(key, "row", r, "model"), row->model);
    meta_put_count(w, meta_key(key, "row", r, "steps"), row->asked);
    meta_put_count(w, meta_key(key, "row", r, "calls"), row->all_calls);
    safetensors_add_meta(w, meta_key(key, "row", r, "seconds"), text);
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (!m->chosen)
            continue;
        size_t shape[2];
        metric_part_shape(m, e->setting.shard.count, shape);
        meta_key(key, "row", r, m->kind->name);
        safetensors_add_bytes(w, key, "U8", 2, shape, row->records[i]);
    }
}

bool statistics_write(const Evaluation *e, const RunFacts *facts, const char *path, Error *err)
{
    SafetensorsWriter *w = safetensors_writer();
    Kept kept = {.count = 0};
    char hash[65];
    safetensors_add_meta(w, "format", format);
    meta_put_count(w, "samples", e->setting.count);
    meta_put_count(w, "first", e->setting.shard.first);
    meta_put_count(w, "count", e->setting.shard.count);
    meta_put_count(w, "rows", e->row_count);
    meta_put_facts(w, "run", facts);
    for (size_t i = 0; i < e->metrics.count; i++)
        if (e->metrics.at[i].chosen)
            add_metric(w, &e->metrics.at[i], e->setting.shard.first == 0, &kept);
    for (size_t r = 0; r < e->row_count; r++)
        add_row(w, e, r);
    safetensors_writer_hash(w, hash);
    safetensors_add_meta(w, hash_key, hash);
    const bool ok = safetensors_write(w, path, err);
    safetensors_writer_free(w);
    while (kept.count > 0)
        mem_free(kept.blocks[--kept.count]);
    return ok;
}

/* ---- reading one file ---- */

static bool row_count_of(const SafetensorsFile *f, size_t row, const char *what, size_t *value,
                         Error *err)
{
    char key[KEY];
    return meta_count(f, meta_key(key, "row", row, what), value, err);
}

static bool row_seconds(const SafetensorsFile *f, size_t row, double *value, Error *err)
{
    char key[KEY];
    const char *text;
    char *end;
    if (!meta_text(f, meta_key(key, "row", row, "seconds"), &text, err))
        return false;
    *value = text_number(text, &end);
    return (end != text && *end == '\0' && *value >= 0.0) ||
           error_set(err, "%.200s: %s is %.40s, expected a number from 0", f->path, key, text);
}

static void take_numbers(const SafetensorsFile *f, const char *metric, Numbers *numbers)
{
    const size_t n = strlen(metric);
    for (size_t i = 0; i < f->tensor_count; i++) {
        const FileTensor *t = &f->tensors[i];
        if (strncmp(t->name, metric, n) != 0 || t->name[n] != '.' || strcmp(t->dtype, "F64") != 0)
            continue;
        double *values = mem_alloc(t->count, sizeof *values);
        doubles_get(values, t->bytes, t->count);
        numbers_put(numbers, t->name + n + 1, values, t->count);
        mem_free(values);
    }
}

/* What add_fields wrote, back to the state, and seen by `restored`, which may be NULL. */
static bool restore_fields(const SafetensorsFile *f, const char *prefix, const StateField *fields,
                           bool (*restored)(void *state, Error *err), Metric *m, Error *err)
{
    RunFacts facts = {0};
    Numbers numbers = {0};
    Error inner = {""};
    meta_take_facts(f, prefix, &facts);
    take_numbers(f, prefix, &numbers);
    const bool ok = state_fields_restore(fields, m->state, &facts, &numbers, &inner) &&
                    (!restored || restored(m->state, &inner));
    run_facts_free(&facts);
    numbers_free(&numbers);
    return ok || error_set(err, "%.200s: %s: %.300s", f->path, prefix, inner.text);
}

/* The metrics of --metrics, as the first file has them. */
static bool restore_metrics(Evaluation *e, const SafetensorsFile *f, Error *err)
{
    for (size_t i = 0; i < e->metrics.count; i++) {
        Metric *m = &e->metrics.at[i];
        if (m->chosen && !restore_fields(f, m->kind->name, m->kind->parts->fields, NULL, m, err))
            return false;
    }
    return true;
}

/* What the file of the first sample keeps, to the metrics' states. */
static bool restore_first(Evaluation *e, const SafetensorsFile *f, Error *err)
{
    for (size_t i = 0; i < e->metrics.count; i++) {
        Metric *m = &e->metrics.at[i];
        const MetricParts *p = m->kind->parts;
        char prefix[KEY];
        first_prefix(m, prefix);
        if (m->chosen && p->first_fields &&
            !restore_fields(f, prefix, p->first_fields, p->first_restored, m, err))
            return false;
    }
    return true;
}

/* ---- joining ---- */

typedef struct Merge {
    Statistics *s;
    SafetensorsFile *first; /* the file named first, with which the others are compared */
    ShardPart *parts;
    size_t part_count;
} Merge;

static bool is_statistics(const SafetensorsFile *f)
{
    const char *found = safetensors_meta(f, "format");
    return found != NULL && strcmp(found, format) == 0;
}

/* Whether it is as it was written. */
static bool check_content(const SafetensorsFile *f, Error *err)
{
    const char *expected;
    char hash[65];
    if (!is_statistics(f))
        return error_set(err, "%.300s: expected statistics that eval --shard wrote", f->path);
    if (!meta_text(f, hash_key, &expected, err))
        return false;
    safetensors_file_hash(f, hash_key, hash);
    return strcmp(hash, expected) == 0 ||
           error_set(err,
                     "%.200s: is not as it was written: the SHA-256 of its content begins with "
                     "%.12s, expected %.12s",
                     f->path, hash, expected);
}

static bool read_shard(const SafetensorsFile *f, Shard *s, Error *err)
{
    size_t samples;
    if (!meta_count(f, "samples", &samples, err) || !meta_count(f, "first", &s->first, err) ||
        !meta_count(f, "count", &s->count, err))
        return false;
    return (s->count >= 1 && s->first <= samples && s->count <= samples - s->first) ||
           error_set(err, "%.200s: %zu samples from %zu on, expected some of %zu", f->path,
                     s->count, s->first, samples);
}

/* Room for the rows and the records of all samples. */
static bool start_rows(Merge *m, Error *err)
{
    const SafetensorsFile *f = m->first;
    Evaluation *e = m->s->evaluation;
    if (!meta_count(f, "rows", &e->row_count, err))
        return false;
    if (e->row_count > EVAL_ROWS_MAX) {
        const size_t found = e->row_count;
        e->row_count = 0;
        return error_set(err, "%.200s: %zu rows, expected at most %d", f->path, found,
                         (int)EVAL_ROWS_MAX);
    }
    m->s->models = mem_zeroed(e->row_count, sizeof *m->s->models);
    for (size_t r = 0; r < e->row_count; r++) {
        const char *model;
        char key[KEY];
        if (!meta_text(f, meta_key(key, "row", r, "model"), &model, err) ||
            !row_count_of(f, r, "steps", &e->rows[r].asked, err))
            return false;
        e->rows[r].model = m->s->models[r] = mem_string(model);
        for (size_t i = 0; i < e->metrics.count; i++) {
            const Metric *one = &e->metrics.at[i];
            if (!one->chosen || !one->kind->parts->of_records)
                continue;
            const size_t bytes = one->kind->parts->record_bytes(one->state);
            e->rows[r].records[i] = mem_try(e->setting.count, bytes);
            if (e->rows[r].records[i] == NULL)
                return error_set(err, "%.200s: no memory for %zu samples of %zu bytes", f->path,
                                 e->setting.count, bytes);
        }
    }
    return true;
}

/* Metrics, facts and rows, as the first file has them. */
static bool start(Merge *m, Error *err)
{
    const SafetensorsFile *f = m->first;
    Evaluation *e = m->s->evaluation;
    const char *names;
    Error inner = {""};
    if (!meta_text(f, "run.metrics", &names, err) ||
        !meta_count(f, "samples", &e->setting.count, err))
        return false;
    if (!metrics_choose(&e->metrics, names, METRIC_WHEN_ASKED, &inner) ||
        !statistics_check(e, &inner))
        return error_set(err, "%.200s: run.metrics: %.400s", f->path, inner.text);
    meta_take_facts(f, "run", &m->s->facts);
    if (!restore_metrics(e, f, err))
        return false;
    evaluation_columns(e);
    return start_rows(m, err);
}

/* Whether the metadata of this name may differ from shard to shard. */
static bool is_own(const char *key)
{
    const char *end = strrchr(key, '.');
    if (strncmp(key, "row.", 4) == 0)
        return strcmp(end, ".calls") == 0 || strcmp(end, ".seconds") == 0;
    return strcmp(key, "first") == 0 || strcmp(key, "count") == 0 || strcmp(key, hash_key) == 0;
}

static void take_common(const SafetensorsFile *f, RunFacts *facts)
{
    for (size_t i = 0; i < f->meta_count; i++)
        if (!is_own(f->meta[i].key))
            run_facts_add(facts, f->meta[i].key, f->meta[i].value);
}

static bool same_numbers(const SafetensorsFile *a, const SafetensorsFile *b, Error *err)
{
    for (size_t i = 0; i < a->tensor_count; i++) {
        const FileTensor *t = &a->tensors[i], *u = safetensors_find(b, t->name);
        if (strncmp(t->name, "row.", 4) == 0 || strncmp(t->name, "first.", 6) == 0)
            continue;
        if (u == NULL || strcmp(u->dtype, t->dtype) != 0 || u->byte_count != t->byte_count ||
            memcmp(u->bytes, t->bytes, t->byte_count) != 0)
            return error_set(err,
                             "%.200s: %.60s is not that of %.200s: expected the same data, "
                             "classifier and machine code",
                             b->path, t->name, a->path);
    }
    return true;
}

static bool same_run(const SafetensorsFile *a, const SafetensorsFile *b, Error *err)
{
    RunFacts x = {0}, y = {0};
    take_common(a, &x);
    take_common(b, &y);
    const bool ok = run_facts_same(&x, a->path, &y, b->path, err) && same_numbers(a, b, err);
    run_facts_free(&x);
    run_facts_free(&y);
    return ok;
}

/* What the file keeps of row r for a metric; NULL and a sentence if it is not there or of another
 * shape. */
static const FileTensor *find_part(const SafetensorsFile *f, const Metric *m, Shard shard, size_t r,
                                   Error *err)
{
    size_t shape[2];
    char name[KEY];
    metric_part_shape(m, shard.count, shape);
    const FileTensor *t = safetensors_find(f, meta_key(name, "row", r, m->kind->name));
    if (t != NULL && strcmp(t->dtype, "U8") == 0 && t->rank == 2 && t->shape[0] == shape[0] &&
        t->shape[1] == shape[1])
        return t;
    error_set(err, "%.200s: %.90s: expected U8 (%zu, %zu)", f->path, name, shape[0], shape[1]);
    return NULL;
}

/* The records of one row and metric to their places, if they are kept together. */
static bool take_records(Merge *m, const SafetensorsFile *f, Shard shard, size_t r, size_t i,
                         Error *err)
{
    const Metric *one = &m->s->evaluation->metrics.at[i];
    unsigned char *all = m->s->evaluation->rows[r].records[i];
    const FileTensor *t = find_part(f, one, shard, r, err);
    if (t != NULL && all != NULL)
        memcpy(all + shard.first * t->shape[1], t->bytes, t->byte_count);
    return t != NULL;
}

static bool take_rows(Merge *m, const SafetensorsFile *f, Shard shard, Error *err)
{
    Evaluation *e = m->s->evaluation;
    for (size_t r = 0; r < e->row_count; r++) {
        size_t calls;
        double seconds;
        if (!row_count_of(f, r, "calls", &calls, err) || !row_seconds(f, r, &seconds, err))
            return false;
        e->rows[r].all_calls += calls;
        e->rows[r].seconds += seconds;
        for (size_t i = 0; i < e->metrics.count; i++)
            if (e->metrics.at[i].chosen && !take_records(m, f, shard, r, i, err))
                return false;
    }
    return true;
}

static bool take_file(Merge *m, const char *path, Error *err)
{
    Shard shard;
    SafetensorsFile *f = safetensors_read(path, err);
    if (f == NULL)
        return false;
    const bool first = m->first == NULL;
    bool ok = check_content(f, err);
    if (first)
        m->first = f;
    if (ok)
        ok = (first ? start(m, err) : same_run(m->first, f, err)) && read_shard(f, &shard, err) &&
             take_rows(m, f, shard, err) &&
             (shard.first > 0 || restore_first(m->s->evaluation, f, err));
    if (ok)
        m->parts[m->part_count++] = (ShardPart){path, shard};
    if (!first)
        safetensors_free(f);
    return ok;
}

/* One part more of a row, its file read again. */
static bool add_part(const Metric *m, const ShardPart *part, size_t r, Error *err)
{
    Error inner = {""};
    Shard shard;
    SafetensorsFile *f = safetensors_read(part->path, err);
    bool ok = f != NULL && read_shard(f, &shard, err);
    if (ok && (shard.first != part->shard.first || shard.count != part->shard.count))
        ok = error_set(err, "%.200s: was changed while it was read", part->path);
    const FileTensor *t = ok ? find_part(f, m, shard, r, err) : NULL;
    ok = t != NULL;
    if (ok && !m->kind->parts->add(m->state, t->bytes, shard.count, &inner))
        ok = error_set(err, "%.200s: %.90s: %.300s", part->path, t->name, inner.text);
    safetensors_free(f);
    return ok;
}

/* A row's numbers by one metric, whose records are all there or are gone through part by part. */
static bool measure_row(const Merge *merge, const Metric *m, size_t i, size_t r, double *values,
                        Error *err)
{
    const MetricParts *p = m->kind->parts;
    const Evaluation *e = merge->s->evaluation;
    Error inner = {""};
    bool ok = p->of_records
                  ? p->of_records(m->state, e->rows[r].records[i], e->setting.count, values, &inner)
                  : p->begin(m->state, e->setting.count, &inner);
    for (size_t k = 0; ok && !p->of_records && k < merge->part_count; k++)
        if (!add_part(m, &merge->parts[k], r, err))
            return false;
    ok = ok && (p->of_records || p->result(m->state, values, &inner));
    return ok || error_set(err, "%.200s and its other shards: row.%zu.%s: %.300s",
                           merge->first->path, r, m->kind->name, inner.text);
}

/* The numbers of each row, from the records of all its samples. */
static bool measure_rows(const Merge *merge, Error *err)
{
    Evaluation *e = merge->s->evaluation;
    for (size_t r = 0; r < e->row_count; r++) {
        double *values = e->rows[r].values;
        evaluation_count_calls(&e->rows[r], e->setting.count);
        for (size_t i = 0; i < e->metrics.count; i++) {
            const Metric *m = &e->metrics.at[i];
            if (!m->chosen)
                continue;
            if (!measure_row(merge, m, i, r, values, err))
                return false;
            values += m->kind->column_count;
        }
    }
    return true;
}

Statistics *statistics_merge(const char *const *paths, size_t count, Error *err)
{
    Merge m = {.s = mem_zeroed(1, sizeof *m.s), .parts = mem_alloc(count, sizeof *m.parts)};
    bool ok = true;
    TENSOR_CHECK(count > 0, "no files");
    m.s->evaluation = evaluation_create();
    for (size_t i = 0; ok && i < count; i++)
        ok = take_file(&m, paths[i], err);
    ok = ok && shard_cover(m.parts, m.part_count, m.s->evaluation->setting.count, err) &&
         measure_rows(&m, err);
    safetensors_free(m.first);
    mem_free(m.parts);
    if (ok)
        return m.s;
    statistics_free(m.s);
    return NULL;
}

void statistics_free(Statistics *s)
{
    if (s == NULL)
        return;
    for (size_t r = 0; s->models != NULL && r < s->evaluation->row_count; r++)
        mem_free(s->models[r]);
    mem_free(s->models);
    evaluation_destroy(s->evaluation);
    run_facts_free(&s->facts);
    mem_free(s);
}
