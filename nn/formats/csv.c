/* CSV logs: a header line of names, then numbers only, so that no quoting is needed. */
#include "nn/formats/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/buffer.h"
#include "nn/formats/read_file.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

struct CsvLog {
    FILE *file;
    char *path;
    size_t columns;
};

/* "a,b,c\n" */
static void header_line(Buffer *out, const char *const *columns, size_t count)
{
    TENSOR_CHECK(count >= 1, "%zu columns", count);
    for (size_t i = 0; i < count; i++) {
        TENSOR_CHECK(columns[i][0] != '\0' && strpbrk(columns[i], ",\"\r\n") == NULL,
                     "column name '%s'", columns[i]);
        buffer_format(out, "%s%s", i > 0 ? "," : "", columns[i]);
    }
    buffer_text(out, "\n");
}

/* The whole log; false and a sentence if it cannot be read. */
static bool read_log(Buffer *out, const char *path, Error *err)
{
    size_t bytes;

    out->bytes = read_file(path, "cannot be read as a file", READ_ANY_SIZE, &bytes, err);
    if (out->bytes == NULL)
        return false;
    out->length = bytes;
    out->capacity = bytes + 1;
    return true;
}

/* Puts text in the place of the file at path, then opens it for appending. */
static CsvLog *open_with(const char *path, const Buffer *text, size_t columns, Error *err)
{
    OutputFile out;

    if (!output_open(&out, path, err))
        return NULL;
    fwrite(text->bytes, 1, text->length, out.file); /* output_commit reports a failure */
    if (!output_commit(&out, err))
        return NULL;
    FILE *f = fopen(path, "ab");
    if (f == NULL) {
        error_set(err, "%s: cannot be opened for appending", path);
        return NULL;
    }
    CsvLog *log = mem_alloc(1, sizeof *log);
    log->file = f;
    log->path = mem_string(path);
    log->columns = columns;
    return log;
}

CsvLog *csv_create(const char *path, const char *const *columns, size_t count, Error *err)
{
    Buffer text = {0};

    header_line(&text, columns, count);
    CsvLog *log = open_with(path, &text, count, err);
    buffer_free(&text);
    return log;
}

/* The line up to *end == '\n': `columns` numbers or empty cells, into every `stride`-th of values.
 * White space before a number is refused: the number may stand in the next line. */
static bool read_row(const char *line, const char *end, size_t columns, double *values,
                     size_t stride)
{
    for (size_t i = 0; i < columns; i++) {
        char *stop = (char *)line;
        double value = (double)NAN;
        if (line > end || (line < end && text_is_space(*line)))
            return false;
        if (*line != ',' && line < end)
            value = text_number(line, &stop);
        if (*stop != (i + 1 < columns ? ',' : '\n'))
            return false;
        values[i * stride] = value;
        line = stop + 1;
    }
    return line == end + 1;
}

/* Shortens text to the rows with step <= last_step; stops at a line without an end.  What is kept
 * can be read again. */
static bool cut_back(Buffer *text, size_t header, size_t columns, uint64_t last_step,
                     const char *path, Error *err)
{
    size_t kept = header, line = 2;
    double *values = mem_alloc(columns, sizeof *values);
    bool ok = true;

    for (size_t start = header; ok && start < text->length; line++) {
        const char *row = text->bytes + start, *end = memchr(row, '\n', text->length - start);
        if (end == NULL)
            break;
        const size_t length = (size_t)(end + 1 - row);
        ok = (read_row(row, end, columns, values, 1) && values[0] >= 0.0) ||
             error_set(err, "%s: line %zu: expected a step and %zu numbers between commas", path,
                       line, columns - 1);
        if (ok && values[0] <= (double)last_step) {
            memmove(text->bytes + kept, row, length);
            kept += length;
        }
        start += length;
    }
    mem_free(values);
    text->length = kept;
    return ok;
}

CsvLog *csv_resume(const char *path, const char *const *columns, size_t count, uint64_t last_step,
                   Error *err)
{
    Buffer header = {0}, text = {0};
    CsvLog *log = NULL;
    size_t bytes;

    if (!platform_file_size(path, &bytes) || bytes == 0)
        return csv_create(path, columns, count, err);
    header_line(&header, columns, count);
    if (read_log(&text, path, err)) {
        if (text.length < header.length || memcmp(text.bytes, header.bytes, header.length) != 0)
            error_set(err, "%s: cannot be continued, its first line is not %.*s", path,
                      (int)header.length - 1, header.bytes);
        else if (cut_back(&text, header.length, count, last_step, path, err))
            log = open_with(path, &text, count, err);
    }
    buffer_free(&header);
    buffer_free(&text);
    return log;
}

void csv_row(CsvLog *log, const double *values)
{
    TENSOR_CHECK(values[0] >= 0.0 && values[0] < 9007199254740992.0, "step %g", values[0]);
    fprintf(log->file, "%" PRIu64, (uint64_t)values[0]);
    for (size_t i = 1; i < log->columns; i++)
        if (isfinite(values[i]))
            text_print(log->file, ",%.9g", values[i]);
        else
            putc(',', log->file);
    putc('\n', log->file);
}

bool csv_flush(CsvLog *log, Error *err)
{
    if (fflush(log->file) != 0 || ferror(log->file))
        return error_set(err, "%s: writing failed", log->path);
    return true;
}

bool csv_close(CsvLog *log, Error *err)
{
    if (log == NULL)
        return true;
    bool ok = csv_flush(log, err);
    if (fclose(log->file) != 0 && ok)
        ok = error_set(err, "%s: writing failed", log->path);
    mem_free(log->path);
    mem_free(log);
    return ok;
}

/* ---- reading ---- */

static size_t count_of(const char *text, size_t length, char c)
{
    size_t n = 0;

    for (size_t i = 0; i < length; i++)
        n += text[i] == c;
    return n;
}

/* Splits the first line into names; false if one is empty. */
static bool read_names(CsvTable *t, const char *line, size_t length)
{
    t->columns = count_of(line, length, ',') + 1;
    t->names = mem_zeroed(t->columns, sizeof *t->names);
    for (size_t i = 0; i < t->columns; i++) {
        const char *comma = memchr(line, ',', length);
        size_t n = comma != NULL ? (size_t)(comma - line) : length;
        t->names[i] = mem_zeroed(n + 1, 1);
        memcpy(t->names[i], line, n);
        if (n == 0)
            return false;
        line += n + (comma != NULL);
        length -= n + (comma != NULL);
    }
    return true;
}

static bool read_table(CsvTable *t, const Buffer *text, const char *path, Error *err)
{
    const char *end = memchr(text->bytes, '\n', text->length);
    size_t size, lines = count_of(text->bytes, text->length, '\n');

    if (end == NULL)
        return error_set(err, "%s: line 1: expected names of columns", path);
    if (!read_names(t, text->bytes, (size_t)(end - text->bytes)))
        return error_set(err, "%s: line 1: a column has no name", path);
    t->rows = lines - 1;
    /* a cell takes at least the byte behind it */
    if (!mem_product(t->columns, t->rows, &size) || size > text->length)
        return error_set(err,
                         "%s: line 1 names %zu columns: expected as many cells in each of %zu "
                         "lines, which %zu bytes cannot hold",
                         path, t->columns, t->rows, text->length);
    if ((t->values = mem_try(size, sizeof *t->values)) == NULL)
        return error_set(err, "%s: no memory for %zu x %zu numbers", path, t->rows, t->columns);
    for (size_t r = 0; r < t->rows; r++) {
        const char *line = end + 1;
        end = memchr(line, '\n', text->length - (size_t)(line - text->bytes));
        if (!read_row(line, end, t->columns, t->values + r, t->rows))
            return error_set(err, "%s: line %zu: expected %zu numbers between commas", path, r + 2,
                             t->columns);
    }
    return true;
}

bool csv_read(const char *path, CsvTable *table, Error *err)
{
    Buffer text = {0};

    memset(table, 0, sizeof *table);
    bool ok = read_log(&text, path, err) && read_table(table, &text, path, err);
    buffer_free(&text);
    if (!ok)
        csv_free(table);
    return ok;
}

void csv_free(CsvTable *table)
{
    for (size_t i = 0; i < table->columns; i++)
        mem_free(table->names[i]);
    mem_free(table->names);
    mem_free(table->values);
    memset(table, 0, sizeof *table);
}

const double *csv_column(const CsvTable *table, const char *name)
{
    for (size_t i = 0; i < table->columns; i++)
        if (strcmp(table->names[i], name) == 0)
            return table->values + i * table->rows;
    return NULL;
}
