/* The first line says how many columns there are; as many lines must follow. */
#include "experiments/data/rate_matrix.h"

#include <stdlib.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "nn/formats/buffer.h"
#include "nn/formats/csv_plain.h"
#include "nn/formats/npy.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { LARGEST = 65535, SMALL = 64 };

static RateMatrix *make(size_t states)
{
    RateMatrix *m = mem_zeroed(1, sizeof *m);
    m->states = states;
    m->rates = mem_try(states * states, sizeof *m->rates);
    return m;
}

void rate_matrix_free(RateMatrix *m)
{
    if (m == NULL)
        return;
    mem_free(m->rates);
    mem_free(m);
}

RateMatrix *rate_matrix_copy(const RateMatrix *m)
{
    if (m == NULL)
        return NULL;
    RateMatrix *copy = mem_zeroed(1, sizeof *copy);
    const size_t count = m->states * m->states;
    copy->states = m->states;
    copy->rates = mem_alloc(count, sizeof *copy->rates);
    memcpy(copy->rates, m->rates, count * sizeof *copy->rates);
    return copy;
}

bool rate_matrix_equal(const RateMatrix *a, const RateMatrix *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->states == b->states &&
           memcmp(a->rates, b->rates, a->states * a->states * sizeof *a->rates) == 0;
}

/* Cells of the line at p: one more than its commas. */
static size_t count_cells(const char *p)
{
    size_t cells = 1;
    for (; *p != '\0' && *p != '\n'; p++)
        cells += *p == ',';
    return cells;
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t' || *p == '\r')
        p++;
    return p;
}

/* One line of `states` numbers, as the line `first` has; *at moves behind it. */
static bool parse_line(const char **at, size_t line, size_t first, size_t states, double *row,
                       const char *where, Error *err)
{
    const char *p = *at;
    const size_t cells = count_cells(p);
    if (cells != states)
        return error_set(err,
                         "%.300s: line %zu has %zu numbers, expected %zu as in line %zu: the "
                         "matrix must be square",
                         where, line, cells, states, first);
    for (size_t j = 0; j < states; j++) {
        char *end;
        p = skip_blanks(p);
        const size_t length = strcspn(p, ",\n");
        row[j] = text_number(p, &end);
        const char *rest = skip_blanks(end);
        if (end == p || rest != p + length || memchr(p, 'x', length) != NULL) {
            char seen[CSV_VISIBLE];
            return error_set(err, "%.300s: line %zu, column %zu: '%s', expected a number", where,
                             line, j + 1, csv_visible(seen, p, length));
        }
        p = *rest == '\0' ? rest : rest + 1;
    }
    *at = p;
    return true;
}

/* first: the number of the text's first line. */
static bool parse_lines(RateMatrix *m, const char *text, size_t first, const char *where,
                        Error *err)
{
    const size_t S = m->states;
    const char *p = text;
    size_t line = 0;
    for (; line < S && *p != '\0'; line++)
        if (!parse_line(&p, first + line, first, S, m->rates + line * S, where, err))
            return false;
    if (line < S)
        return error_set(err,
                         "%.300s: %zu lines of %zu numbers, expected %zu lines: the matrix "
                         "must be square",
                         where, line, S, S);
    for (; *p != '\0'; p++)
        if (!text_is_space(*p))
            return error_set(err,
                             "%.300s: more than %zu lines of %zu numbers: the matrix must be "
                             "square",
                             where, S, S);
    return true;
}

RateMatrix *rate_matrix_parse(const char *text, const char *where, Error *err)
{
    size_t first = 1;
    for (; *text == '\n'; text++) /* in place of names and comments */
        first++;
    const size_t states = count_cells(text);
    if (states < 2 || states > LARGEST) {
        error_set(err, "%.300s: line %zu has %zu numbers, expected 2 to %d, separated by commas",
                  where, first, states, (int)LARGEST);
        return NULL;
    }
    /* A number takes a digit and what is behind it.  Small ones are read for a better sentence. */
    if (states > SMALL && strlen(text) + 1 < 2 * states * states) {
        error_set(err,
                  "%.300s: line %zu has %zu numbers, expected as many lines of as many: the matrix "
                  "must be square, and %zu bytes cannot hold it",
                  where, first, states, strlen(text));
        return NULL;
    }
    RateMatrix *m = make(states);
    if (m->rates == NULL)
        error_set(err, "%.300s: %zu x %zu numbers do not fit in memory", where, states, states);
    else if (parse_lines(m, text, first, where, err))
        return m;
    rate_matrix_free(m);
    return NULL;
}

static RateMatrix *read_npy(const char *path, Error *err)
{
    NpyArray *a = npy_read(path, err);
    if (a == NULL)
        return NULL;
    RateMatrix *m = NULL;
    if (a->rank != 2 || a->shape[0] != a->shape[1] || a->shape[0] < 2 || a->shape[0] > LARGEST)
        error_set(err, "%.300s: expected a square matrix of 2 to %d rows, found rank %d%s", path,
                  (int)LARGEST, a->rank, a->rank == 2 ? " and another shape" : "");
    else
        m = make(a->shape[0]);
    for (size_t i = 0; m != NULL && m->rates != NULL && i < a->count; i++)
        m->rates[i] = npy_number(a, i);
    if (m != NULL && m->rates == NULL) {
        error_set(err, "%.300s: does not fit in memory", path);
        rate_matrix_free(m);
        m = NULL;
    }
    npy_free(a);
    return m;
}

/* The file's bytes and a NUL; NULL and a sentence if it cannot be read or holds a NUL. */
static char *read_text(const char *path, Error *err)
{
    static const char refusal[] = "cannot be read as a text file of rates";
    size_t bytes;
    char *text = read_file(path, refusal, READ_ANY_SIZE, &bytes, err);
    if (text == NULL || memchr(text, '\0', bytes) == NULL)
        return text;
    mem_free(text);
    error_set(err, "%.300s: %s", path, refusal);
    return NULL;
}

RateMatrix *rate_matrix_read(const char *path, Error *err)
{
    if (path_has_suffix(path, ".npy"))
        return read_npy(path, err);
    char *text = read_text(path, err);
    const bool plain = text != NULL && csv_plain(text, path, err);
    RateMatrix *m = plain ? rate_matrix_parse(text, path, err) : NULL;
    mem_free(text);
    return m;
}

/* The shortest digits that read back as x. */
static void add_number(Buffer *b, double x)
{
    char text[40];
    text_shortest(text, sizeof text, 6, x);
    buffer_text(b, text);
}

char *rate_matrix_text(const RateMatrix *m)
{
    Buffer b = {0};
    for (size_t i = 0; i < m->states * m->states; i++) {
        if (i > 0)
            buffer_text(&b, i % m->states == 0 ? "\n" : ",");
        add_number(&b, m->rates[i]);
    }
    char *text = mem_string(b.bytes);
    buffer_free(&b);
    return text;
}
