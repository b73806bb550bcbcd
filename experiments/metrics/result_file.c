/* Every member is looked at: what is not known is refused, so that no number is lost in silence. */
#include "experiments/metrics/result_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { MOST_BYTES = 16 << 20, MOST_NOTE = 64 << 10, HASH = 64, SHOWN = 16, WHERE = 300 };

/* Members that are arrays of flat objects, beside rows. */
static const struct {
    const char *key, *title;
} tables[] = {{"elbo", "Bits a dimension in continuous time"},
              {"bounds", "The evidence bound of the sampler, bits a dimension"}};
enum { TABLES = sizeof tables / sizeof tables[0] };

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool is_single(const Json *j)
{
    return j->type != JSON_ARRAY && j->type != JSON_OBJECT;
}

static bool is_hash(const Json *j)
{
    return j->type == JSON_STRING && strlen(j->string) == HASH &&
           strspn(j->string, "0123456789abcdef") == HASH;
}

/* ---- names ---- */

/* Whether text is one or more digits. */
static bool is_number(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '\0';
}

/* "glyphs-seed-1", "cifar10+teacher-10-seed-1". */
static void read_name(ResultFile *f)
{
    static const char seed[] = "-seed-";
    const char *slash = strrchr(f->path, '/');
    char *name = f->set = mem_string(slash != NULL ? slash + 1 : f->path);
    if (path_has_suffix(name, ".json"))
        name[strlen(name) - strlen(".json")] = '\0';
    char *end = strstr(name, seed), *plus = strchr(name, '+');
    if (end != NULL && is_number(end + strlen(seed)))
        *end = '\0';
    if (plus == NULL)
        return;
    *plus = '\0';
    f->piece = mem_string(plus + 1);
    char *dash = strrchr(f->piece, '-');
    if (dash == NULL || !is_number(dash + 1) || strlen(dash) > 7)
        return;
    *dash = '\0';
    f->piece_steps = (size_t)strtoul(dash + 1, NULL, 10);
}

/* "--data" of the command up to its colon; the demo's are the glyphs. */
static char *data_of(const char *command)
{
    static const char key[] = " --data ";
    const char *at = strstr(command, key);
    if (at == NULL)
        return mem_string(strncmp(command, "di4c demo", 9) == 0 ? "glyphs" : "");
    at += strlen(key);
    at += *at == '\'';
    char *data = mem_string(at);
    data[strcspn(data, ":' ")] = '\0';
    return data;
}

static bool read_note(ResultFile *f, Error *err)
{
    size_t size;
    char *path = path_with_suffix(f->path, ".txt");
    bool ok = true;
    if (platform_exists(path)) {
        f->note = read_file(path, "expected a readable text", MOST_NOTE, &size, err);
        ok = f->note != NULL;
        if (ok && (strlen(f->note) != size || !text_is_utf8(f->note)))
            ok = error_set(err, "%s: expected a text in UTF-8, as a note on %s", path, f->path);
        while (ok && size > 0 && text_is_space(f->note[size - 1]))
            f->note[--size] = '\0';
    }
    mem_free(path);
    return ok;
}

/* ---- the members ---- */

static bool read_head(ResultFile *f, Error *err)
{
    static const char *const kinds[] = {"eval", "merge", "demo"};
    char word[8] = "";
    if (f->json->type != JSON_OBJECT)
        return error_set(err, "%s: expected the JSON of eval, merge or demo", f->path);
    if (!(f->command = json_string(f->json, "command", f->path, err)))
        return false;
    if (sscanf(f->command, "di4c %7[a-z]", word) != 1 || !is_one_of(word, kinds, 3))
        return error_set(err, "%s: command is '%.60s': expected the JSON of eval, merge or demo",
                         f->path, f->command);
    return (f->version = json_string(f->json, "version", f->path, err)) &&
           (json_get(f->json, "summary") == NULL ||
            (f->summary = json_string(f->json, "summary", f->path, err))) &&
           json_size(f->json, "seed", &f->seed, f->path, err) &&
           json_size(f->json, "samples", &f->evaluation->setting.count, f->path, err);
}

/* A hash is what the number belongs to, so it must be one. */
static bool check_member(const ResultFile *f, const char *key, const Json *j, Error *err)
{
    static const char *const hashes[] = {"model", "teacher", "student", "samples_hash"};
    if (is_one_of(key, hashes, 4) && !is_hash(j))
        return error_set(err, "%s: %s: expected 64 hexadecimal digits", f->path, key);
    if (is_single(j) || strcmp(key, "rows") == 0)
        return true;
    for (size_t i = 0; i < TABLES; i++)
        if (strcmp(key, tables[i].key) == 0)
            return true;
    return error_set(err, "%s: unknown member \"%.60s\": expected the JSON of eval, merge or demo",
                     f->path, key);
}

/* An array of objects whose members are single values, the same in all. */
static bool check_flat(const ResultFile *f, const char *key, Error *err)
{
    const Json *array = json_get(f->json, key);
    if (array == NULL)
        return true;
    if (array->type != JSON_ARRAY || array->count > EVAL_ROWS_MAX)
        return error_set(err, "%s: %s: expected an array of at most %d objects", f->path, key,
                         EVAL_ROWS_MAX);
    for (size_t i = 0; i < array->count; i++) {
        const Json *one = &array->items[i], *first = &array->items[0];
        if (one->type != JSON_OBJECT || one->count == 0 || one->count > 32)
            return error_set(err, "%s: %s[%zu]: expected an object of 1 to 32 members", f->path,
                             key, i);
        for (size_t k = 0; k < one->count; k++)
            if (one->count != first->count || strcmp(one->keys[k], first->keys[k]) != 0 ||
                !is_single(&one->items[k]))
                return error_set(err,
                                 "%s: %s[%zu]: expected single values, as many as %s[0] has, "
                                 "in its order",
                                 f->path, key, i, key);
    }
    return true;
}

static bool read_members(const ResultFile *f, Error *err)
{
    for (size_t i = 0; i < f->json->count; i++)
        if (!check_member(f, f->json->keys[i], &f->json->items[i], err))
            return false;
    for (size_t i = 0; i < TABLES; i++)
        if (!check_flat(f, tables[i].key, err))
            return false;
    return json_get(f->json, "rows") != NULL ? check_flat(f, "rows", err)
                                             : error_set(err, "%s: expected \"rows\"", f->path);
}

/* ---- the rows ---- */

/* The columns are the members of a row that are none of these; all rows have the same members. */
static bool read_columns(const ResultFile *f, const Json *row, Error *err)
{
    static const char *const fixed[] = {"model", "steps", "calls", "samples"};
    Evaluation *e = f->evaluation;
    for (size_t k = 0; k < row->count; k++) {
        const char *key = row->keys[k];
        const MetricColumn *column = metrics_column(key);
        if (is_one_of(key, fixed, 4))
            continue;
        if (column == NULL || e->column_count == METRIC_COLUMNS_MAX)
            return error_set(err, "%s: rows: unknown column \"%.60s\"", f->path, key);
        e->columns[e->column_count++] = (EvalColumn){column, NAN};
    }
    return true;
}

static bool read_value(const char *where, const Json *row, const char *key, double *value,
                       Error *err)
{
    *value = NAN;
    return json_get(row, key)->type == JSON_NULL || json_number(row, key, value, where, err);
}

static bool read_row(const ResultFile *f, const Json *from, const char *where, Error *err)
{
    Evaluation *e = f->evaluation;
    EvalRow row = {0};
    size_t samples;
    if (!(row.model = json_string(from, "model", where, err)) ||
        !json_size(from, "steps", &row.steps, where, err) ||
        !json_number(from, "calls", &row.calls, where, err) ||
        !json_size(from, "samples", &samples, where, err))
        return false;
    if (f->piece != NULL && strcmp(row.model, "samples") == 0) {
        row.model = f->piece;
        row.steps = f->piece_steps;
    }
    if (samples != e->setting.count)
        return error_set(err, "%s: %zu samples, expected %zu as in all rows", where, samples,
                         e->setting.count);
    for (size_t k = 0; k < e->column_count; k++)
        if (!read_value(where, from, e->columns[k].column->name, &row.values[k], err))
            return false;
    e->rows[e->row_count++] = row;
    return true;
}

static bool read_rows(const ResultFile *f, Error *err)
{
    const Json *rows = json_get(f->json, "rows");
    char where[WHERE];
    if (rows->count > 0 && !read_columns(f, &rows->items[0], err))
        return false;
    for (size_t i = 0; i < rows->count; i++) {
        snprintf(where, sizeof where, "%.240s: rows[%zu]", f->path, i);
        if (!read_row(f, &rows->items[i], where, err))
            return false;
    }
    return true;
}

/* ---- the file ---- */

bool result_file_read(ResultFile *f, const char *path, Error *err)
{
    size_t size;
    *f = (ResultFile){.path = path, .evaluation = evaluation_create()};
    read_name(f);
    char *text =
        read_file(path, "expected the JSON of eval, merge or demo", MOST_BYTES, &size, err);
    bool ok = text != NULL && (f->json = json_parse(text, size, path, err)) != NULL &&
              read_head(f, err) && read_members(f, err) && read_rows(f, err) && read_note(f, err);
    mem_free(text);
    if (ok)
        f->data = data_of(f->command);
    else
        result_file_free(f);
    return ok;
}

void result_file_free(ResultFile *f)
{
    evaluation_destroy(f->evaluation);
    json_free(f->json);
    mem_free(f->note);
    mem_free(f->data);
    mem_free(f->piece);
    mem_free(f->set);
    *f = (ResultFile){0};
}

/* ---- what is made of it ---- */

/* A single value as it is shown. */
static void add_value(Buffer *out, const Json *j)
{
    char number[32];
    switch (j->type) {
    case JSON_STRING:
        if (is_hash(j))
            buffer_add(out, j->string, SHOWN);
        else
            buffer_text(out, j->string);
        break;
    case JSON_NUMBER:
        text_format(number, sizeof number, "%.6g", j->number);
        buffer_text(out, number);
        break;
    case JSON_BOOL: buffer_text(out, j->boolean ? "yes" : "no"); break;
    default: buffer_text(out, "-"); break;
    }
}

void result_file_facts(const ResultFile *f, Buffer *out)
{
    static const char *const said[] = {"command", "version", "seed", "summary"};
    for (size_t i = 0; i < f->json->count; i++) {
        const char *key = f->json->keys[i];
        if (!is_single(&f->json->items[i]) || is_one_of(key, said, 4))
            continue;
        buffer_text(out, out->length > 0 ? ", " : "");
        buffer_text(out, key);
        buffer_text(out, " ");
        add_value(out, &f->json->items[i]);
    }
    buffer_add(out, "", 1); /* where the last text was added without its end */
    out->length--;
}

static void flat_table(const char *title, const Json *array, Report *r)
{
    const Json *first = &array->items[0];
    const size_t columns = first->count, cells = array->count * columns;
    Buffer *texts = mem_zeroed(cells, sizeof *texts);
    const char **shown = mem_alloc(cells, sizeof *shown);
    for (size_t i = 0; i < cells; i++) {
        add_value(&texts[i], &array->items[i / columns].items[i % columns]);
        buffer_add(&texts[i], "", 1);
        shown[i] = texts[i].bytes;
    }
    report_table(r, title, columns, (const char *const *)first->keys, array->count, shown);
    for (size_t i = 0; i < cells; i++)
        buffer_free(&texts[i]);
    mem_free(shown);
    mem_free(texts);
}

void result_file_tables(const ResultFile *f, Report *r)
{
    for (size_t i = 0; i < TABLES; i++) {
        const Json *array = json_get(f->json, tables[i].key);
        if (array != NULL && array->count > 0)
            flat_table(tables[i].title, array, r);
    }
}
