/* Built-in worlds are functions that fill a table; a user's table is read line by line. */
#include "experiments/theory/exact/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/theory/exact/joint.h"
#include "nn/formats/csv_plain.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

static const double SUM_TOLERANCE = 1e-6;
enum { MAX_STATES = 256, MAX_FILE = 1 << 20 };

static World *create(const char *name, size_t states, size_t dims)
{
    World *w = mem_zeroed(1, sizeof *w);

    w->name = mem_string(name);
    w->dims = dims;
    w->states = states;
    w->size = joint_size(states, dims);
    w->p = mem_zeroed(w->size, sizeof *w->p);
    return w;
}

void world_free(World *w)
{
    if (w == NULL)
        return;
    mem_free(w->name);
    mem_free(w->p);
    mem_free(w);
}

/* ---- built in ---- */

static double coupled_bits(const uint16_t *x)
{
    return x[0] == x[1] ? 0.5 : 0.0;
}

static double exclusive_or(const uint16_t *x)
{
    return (x[0] ^ x[1]) == x[2] ? 0.25 : 0.0;
}

static double chain(const uint16_t *x)
{
    double p = 1.0 / 3.0;

    for (size_t d = 1; d < 6; d++)
        p *= x[d] == x[d - 1] ? 0.8 : 0.1;
    return p;
}

/* Pictures of 3 rows and 2 columns, row by row. */
static double glyph(const uint16_t *x)
{
    static const struct {
        const char *picture;
        double p;
    } glyphs[] = {{"101010", 0.2}, {"010101", 0.2}, {"110000", 0.1},  {"001100", 0.1},
                  {"000011", 0.1}, {"111111", 0.1}, {"001000", 0.15}, {"100111", 0.05}};

    for (size_t g = 0; g < sizeof glyphs / sizeof glyphs[0]; g++) {
        size_t d = 0;
        while (d < 6 && glyphs[g].picture[d] - '0' == x[d])
            d++;
        if (d == 6)
            return glyphs[g].p;
    }
    return 0.0;
}

static const struct {
    const char *name, *help;
    size_t states, dims;
    double (*probability)(const uint16_t *x);
} built_in[] = {
    {"coupled-bits", "two bits that are always equal", 2, 2, coupled_bits},
    {"xor", "three bits of which each is the exclusive or of the other two", 2, 3, exclusive_or},
    {"chain", "a Markov chain of six symbols out of three", 3, 6, chain},
    {"glyphs", "eight pictures of 3 x 2 black and white pixels", 2, 6, glyph},
};

size_t world_count(void)
{
    return sizeof built_in / sizeof built_in[0];
}
const char *world_name(size_t i)
{
    return built_in[i].name;
}
const char *world_help(size_t i)
{
    return built_in[i].help;
}

static World *open_built_in(size_t i)
{
    World *w = create(built_in[i].name, built_in[i].states, built_in[i].dims);
    uint16_t x[JOINT_MAX_DIMS];

    for (size_t k = 0; k < w->size; k++) {
        joint_state(k, w->states, w->dims, x);
        w->p[k] = built_in[i].probability(x);
    }
    return w;
}

/* ---- from a file ---- */

typedef struct Table {
    const char *path;
    size_t line, rows, dims, states;
    uint16_t *x; /* (rows, dims) */
    double *p;
} Table;

static char *read_text(const char *path, Error *err)
{
    size_t bytes;
    char *text = read_file(path, "cannot be read as a file", MAX_FILE, &bytes, err);

    if (text != NULL && memchr(text, '\0', bytes) != NULL) {
        error_set(err, "%s: expected a text file", path);
        mem_free(text);
        return NULL;
    }
    return text;
}

/* The next field of a line as a number; *at moves behind it and a comma, or to the line's end. */
static bool field(char **at, double *value)
{
    char *end;

    *value = text_number(*at, &end);
    if (end == *at || !isfinite(*value))
        return false;
    end += strspn(end, " \t\r");
    if (*end != '\0' && *end != ',')
        return false;
    *at = *end == ',' ? end + 1 : end;
    return *end == '\0' || **at != '\0';
}

/* One line: x^1, ..., x^D, p.  The first line sets D. */
static bool parse_line(Table *t, char *text, Error *err)
{
    double value[JOINT_MAX_DIMS + 1];
    size_t fields = 0;
    char *at = text;

    while (*at != '\0') {
        if (fields > JOINT_MAX_DIMS)
            return error_set(err, "%s line %zu: expected at most %d values and a probability",
                             t->path, t->line, (int)JOINT_MAX_DIMS);
        char seen[CSV_VISIBLE];
        const char *start = at;
        if (!field(&at, &value[fields++]))
            return error_set(err, "%s line %zu: field %zu: expected a number, found '%s'", t->path,
                             t->line, fields, csv_visible(seen, start, strcspn(start, ",\r")));
    }
    if (t->rows == 0)
        t->dims = fields < 2 ? 1 : fields - 1;
    if (fields != t->dims + 1)
        return error_set(err, "%s line %zu: %zu fields: expected %zu values and a probability",
                         t->path, t->line, fields, t->dims);
    for (size_t d = 0; d < t->dims; d++) {
        if (value[d] < 0 || value[d] >= MAX_STATES || floor(value[d]) < value[d])
            return error_set(err, "%s line %zu: field %zu: expected a whole number from 0 to %d",
                             t->path, t->line, d + 1, MAX_STATES - 1);
        t->x[t->rows * t->dims + d] = (uint16_t)value[d];
        t->states = value[d] + 1.0 > (double)t->states ? (size_t)value[d] + 1 : t->states;
    }
    if (value[t->dims] < 0)
        return error_set(err, "%s line %zu: probability %g: expected at least 0", t->path, t->line,
                         value[t->dims]);
    t->p[t->rows++] = value[t->dims];
    return true;
}

/* Left out: blank lines, lines that start with #, and a first line of names. */
static bool parse_lines(Table *t, char *text, Error *err)
{
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        t->line++;
        line += strspn(line, " \t\r");
        const bool names = t->line == 1 && text_is_letter(*line);
        if (*line != '\0' && *line != '#' && !names && !parse_line(t, line, err))
            return false;
        line = end == NULL ? NULL : end + 1;
    }
    return true;
}

static World *world_of_table(const Table *t, Error *err)
{
    double sum = 0.0, size = 1.0;

    for (size_t i = 0; i < t->rows; i++)
        sum += t->p[i];
    if (fabs(sum - 1.0) > SUM_TOLERANCE) {
        error_set(err, "%s: the probabilities sum to %.9g: expected 1", t->path, sum);
        return NULL;
    }
    for (size_t d = 0; d < t->dims; d++)
        size *= (double)t->states;
    if (size > JOINT_MAX_SIZE || t->states < 2) {
        error_set(err,
                  "%s: %zu values in %zu dimensions: expected at least 2, and at most %d states",
                  t->path, t->states, t->dims, (int)JOINT_MAX_SIZE);
        return NULL;
    }
    World *w = create(t->path, t->states, t->dims);
    bool *seen = mem_zeroed(w->size, sizeof *seen);
    bool twice = false;
    for (size_t i = 0; i < t->rows && !twice; i++) {
        const size_t k = joint_place(t->x + i * t->dims, t->states, t->dims);
        twice = seen[k];
        seen[k] = true;
        w->p[k] = t->p[i] / sum;
        if (twice)
            error_set(err, "%s: state number %zu of the table is given twice", t->path, i + 1);
    }
    mem_free(seen);
    if (twice) {
        world_free(w);
        return NULL;
    }
    return w;
}

static World *open_table(const char *path, Error *err)
{
    char *text = read_text(path, err);
    World *w = NULL;

    if (text == NULL || !csv_plain(text, path, err)) {
        mem_free(text);
        return NULL;
    }
    size_t lines = 1;
    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    Table t = {.path = path};
    t.x = mem_alloc(lines * JOINT_MAX_DIMS, sizeof *t.x);
    t.p = mem_alloc(lines, sizeof *t.p);
    if (parse_lines(&t, text, err)) {
        if (t.rows == 0)
            error_set(err, "%s: expected a table: D values and a probability a line", path);
        else
            w = world_of_table(&t, err);
    }
    mem_free(t.x);
    mem_free(t.p);
    mem_free(text);
    return w;
}

World *world_open(const char *name, Error *err)
{
    char known[256] = "";

    if (path_has_suffix(name, ".csv"))
        return open_table(name, err);
    for (size_t i = 0; i < world_count(); i++) {
        if (strcmp(built_in[i].name, name) == 0)
            return open_built_in(i);
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 built_in[i].name);
    }
    error_set(err, "--world %.80s: expected one of %s, or a table FILE.csv", name, known);
    return NULL;
}

FiniteLaw *world_finite_law(const World *w)
{
    size_t count = 0, k = 0;

    for (size_t i = 0; i < w->size; i++)
        count += w->p[i] > 0.0;
    FiniteLaw *law = law_create(count, w->dims, w->states);
    for (size_t i = 0; i < w->size; i++)
        if (w->p[i] > 0.0) {
            joint_state(i, w->states, w->dims, law->patterns + k * w->dims);
            law->probability[k++] = w->p[i];
        }
    law_normalise(law);
    return law;
}
