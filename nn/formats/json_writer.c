/* JSON by calls; two spaces of indentation a level. */
#include "nn/formats/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "nn/formats/json.h"
#include "tensor/base/check.h"
#include "tensor/base/text.h"

JsonOut jsonout_start(FILE *file)
{
    JsonOut j = {file, false, 0, {0}, {false}};

    return j;
}

JsonOut jsonout_start_line(FILE *file)
{
    JsonOut j = jsonout_start(file);

    j.one_line = true;
    return j;
}

static void new_line(JsonOut *j)
{
    if (!j->one_line)
        fprintf(j->file, "\n%*s", 2 * j->depth, "");
}

/* Comma, line and key: everything before a value. */
static void before(JsonOut *j, const char *key)
{
    bool in_object = j->depth > 0 && j->closer[j->depth - 1] == '}';

    TENSOR_CHECK((key != NULL) == in_object, "key '%s' %s an object", key != NULL ? key : "(none)",
                 in_object ? "in" : "outside");
    if (j->depth > 0) {
        if (j->filled[j->depth - 1])
            fputs(j->one_line ? ", " : ",", j->file);
        j->filled[j->depth - 1] = true;
        new_line(j);
    }
    if (key != NULL) {
        json_write_string(j->file, key);
        fputs(": ", j->file);
    }
}

static void open_level(JsonOut *j, const char *key, char opener, char closer)
{
    TENSOR_CHECK(j->depth < JSONOUT_DEPTH, "JSON nested deeper than %d", (int)JSONOUT_DEPTH);
    before(j, key);
    putc(opener, j->file);
    j->closer[j->depth] = closer;
    j->filled[j->depth] = false;
    j->depth++;
}

void jsonout_object(JsonOut *j, const char *key)
{
    open_level(j, key, '{', '}');
}

void jsonout_array(JsonOut *j, const char *key)
{
    open_level(j, key, '[', ']');
}

void jsonout_end(JsonOut *j)
{
    TENSOR_CHECK(j->depth > 0, "%d levels are open", j->depth);
    j->depth--;
    if (j->filled[j->depth])
        new_line(j);
    putc(j->closer[j->depth], j->file);
    if (j->depth == 0)
        putc('\n', j->file);
}

void jsonout_string(JsonOut *j, const char *key, const char *value)
{
    before(j, key);
    if (value != NULL)
        json_write_string(j->file, value);
    else
        fputs("null", j->file);
}

static void number(JsonOut *j, const char *key, double value, int digits)
{
    before(j, key);
    if (isfinite(value))
        text_print(j->file, "%.*g", digits, value);
    else
        fputs("null", j->file);
}

void jsonout_number(JsonOut *j, const char *key, double value)
{
    number(j, key, value, 9);
}

void jsonout_exact(JsonOut *j, const char *key, double value)
{
    number(j, key, value, 17);
}

void jsonout_count(JsonOut *j, const char *key, uint64_t value)
{
    before(j, key);
    fprintf(j->file, "%" PRIu64, value);
}

void jsonout_bool(JsonOut *j, const char *key, bool value)
{
    before(j, key);
    fputs(value ? "true" : "false", j->file);
}
