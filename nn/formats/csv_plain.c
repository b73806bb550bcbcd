/* Three passes: ends of lines, then what the table looks like, then its cells one after the other
 * into the place of the old ones, which take at least as much room. */
#include "nn/formats/csv_plain.h"

#include <stdio.h>
#include <string.h>

#include "tensor/base/text.h"

enum { NUMBER = 64 }; /* characters of a number, and more */

typedef struct Cell {
    const char *text;
    size_t length;
} Cell;

/* What is known of the table after the second pass. */
typedef struct Shape {
    char separator;            /* ',' ';' or ' ' */
    bool names;                /* a first line of names, */
    size_t name_cells;         /* of so many, */
    bool nameless;             /* the first of which is empty */
    size_t lines, least, most; /* lines of numbers, and their cells */
    bool row_names;            /* all of them start with a name */
    size_t empty;              /* columns at the end */
} Shape;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_end(char c)
{
    return c == '\n' || c == '\0';
}

/* A mark at the start goes; \r\n and, where there is no \n at all, \r become \n. */
static void plain_ends(char *text)
{
    const bool old = strchr(text, '\n') == NULL;
    const char *from = strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? text + 3 : text;
    char *to = text;
    for (; *from != '\0'; from++)
        if (*from != '\r')
            *to++ = *from;
        else if (old || from[1] != '\n')
            *to++ = old ? '\n' : ' ';
    *to = '\0';
}

static const char *skip_blanks(const char *p)
{
    while (is_blank(*p))
        p++;
    return p;
}

static const char *line_end(const char *p)
{
    while (!is_end(*p))
        p++;
    return p;
}

/* The end of the quoted text that starts at p, behind its last quote; NULL if it has none in this
 * line. */
static const char *quote_end(const char *p)
{
    for (p++; !is_end(*p); p++)
        if (*p == '"' && *++p != '"')
            return p;
    return NULL;
}

/* The cell at *at, without blanks and quotes around it; true if another one follows. */
static bool next_cell(const char **at, char separator, Cell *cell)
{
    const char *p = skip_blanks(*at), *end = *p == '"' ? quote_end(p) : NULL;
    const char *behind = end != NULL ? skip_blanks(end) : NULL;
    const bool blanks = separator == ' ';
    if (end != NULL && (is_end(*behind) || *behind == separator || (blanks && behind > end))) {
        *cell = (Cell){p + 1, (size_t)(end - p) - 2};
    } else {
        for (behind = p; !is_end(*behind) && !(blanks ? is_blank(*behind) : *behind == separator);)
            behind++;
        for (end = behind; end > p && is_blank(end[-1]);)
            end--;
        *cell = (Cell){p, (size_t)(end - p)};
        behind = blanks ? skip_blanks(behind) : behind;
    }
    const bool more = !is_end(*behind);
    *at = behind + (more && !blanks);
    return more;
}

/* The number with a decimal point; false if it is none, or may have commas for something else. */
static bool plain_number(const Cell *cell, char out[NUMBER])
{
    char *end;
    if (cell->length == 0 || cell->length >= NUMBER)
        return false;
    memcpy(out, cell->text, cell->length);
    out[cell->length] = '\0';
    char *comma = strchr(out, ',');
    if (comma != NULL && strpbrk(comma + 1, ",.") == NULL && strchr(out, '.') == NULL)
        *comma = '.';
    text_number(out, &end);
    return *end == '\0' && strpbrk(out, "xX") == NULL;
}

static bool is_number(const Cell *cell)
{
    char text[NUMBER];
    return plain_number(cell, text);
}

/* 0x1 and 1.2.3 are neither names nor numbers: they are left for the reader to refuse. */
static bool is_name(const Cell *cell)
{
    const bool starts =
        cell->length > 0 && (text_is_letter(cell->text[0]) || cell->text[0] == '_' ||
                             (unsigned char)cell->text[0] >= 0x80);
    return starts && !is_number(cell);
}

/* Semicolons anywhere, or else commas, or else blanks; quotes and comments do not count. */
static char find_separator(const char *text)
{
    char found = ' ';
    for (const char *p = text; *p != '\0'; p++) {
        const bool starts = p == text || p[-1] == '\n';
        const char *quoted = *p == '"' ? quote_end(p) : NULL;
        if (starts && *skip_blanks(p) == '#')
            p = line_end(p);
        else if (quoted != NULL)
            p = quoted - 1;
        else if (*p == ';')
            return ';';
        else if (*p == ',')
            found = ',';
        if (*p == '\0')
            break;
    }
    return found;
}

/* Of the line at p: its cells; how many of them at the end are empty; names, and what else is not
 * empty. */
typedef struct Line {
    size_t cells, empty, names, others;
    Cell first;
} Line;

static Line look_at(const char *p, char separator)
{
    Line line = {.cells = 0};
    Cell cell;
    bool more = true;
    if (*skip_blanks(p) == '#')
        return line;
    while (more) {
        more = next_cell(&p, separator, &cell);
        line.first = line.cells == 0 ? cell : line.first;
        line.cells++;
        line.empty = cell.length == 0 ? line.empty + 1 : 0;
        line.names += is_name(&cell);
        line.others += cell.length > 0 && !is_name(&cell);
    }
    return line;
}

static bool counts(const Line *line)
{
    return line->cells > line->empty;
}

static Shape shape_of(const char *text)
{
    Shape s = {.separator = find_separator(text), .row_names = true, .least = (size_t)-1};
    bool first = true;
    s.empty = (size_t)-1;
    for (const char *p = text; *p != '\0'; p = line_end(p), p += *p == '\n') {
        const Line line = look_at(p, s.separator);
        if (!counts(&line))
            continue;
        s.empty = line.empty < s.empty ? line.empty : s.empty;
        if (first && line.others == 0) {
            s.names = true;
            s.name_cells = line.cells;
            s.nameless = line.first.length == 0;
        } else {
            s.lines++;
            s.least = line.cells < s.least ? line.cells : s.least;
            s.most = line.cells > s.most ? line.cells : s.most;
            s.row_names = s.row_names && is_name(&line.first);
        }
        first = false;
    }
    const bool shifted = s.names && s.least == s.most && s.name_cells + 1 == s.least;
    s.row_names = s.lines > 0 && s.least > 1 && (s.row_names || (s.names && s.nameless) || shifted);
    return s;
}

/* The cells of one line of numbers to *to. */
static bool write_line(const Shape *s, const char *p, size_t number, char **to, const char *where,
                       Error *err)
{
    const size_t last = look_at(p, s->separator).cells - s->empty, first = s->row_names;
    for (size_t i = 0; i < last; i++) {
        char plain[NUMBER], seen[CSV_VISIBLE];
        Cell cell;
        next_cell(&p, s->separator, &cell);
        if (i < first)
            continue;
        if (i > first)
            *(*to)++ = ',';
        if (plain_number(&cell, plain))
            cell.text = plain;
        else if (memchr(cell.text, ',', cell.length) != NULL)
            return error_set(err,
                             "%.300s: line %zu: '%s': expected a number with one decimal point "
                             "or comma",
                             where, number, csv_visible(seen, cell.text, cell.length));
        memmove(*to, cell.text, cell.length);
        *to += cell.length;
    }
    return true;
}

bool csv_plain(char *text, const char *where, Error *err)
{
    plain_ends(text);
    const Shape s = shape_of(text);
    bool names = s.names;
    size_t number = 0;
    char *to = text;
    for (const char *p = text; *p != '\0';) {
        const char *end = line_end(p);
        const bool another = *end == '\n';
        const Line line = look_at(p, s.separator);
        number++;
        if (counts(&line) && names)
            names = false;
        else if (counts(&line) && !write_line(&s, p, number, &to, where, err))
            return false;
        if (another)
            *to++ = '\n';
        p = end + another;
    }
    *to = '\0';
    return true;
}

const char *csv_visible(char out[CSV_VISIBLE], const char *cell, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length && used + 4 <= 40; i++) {
        const unsigned char c = (unsigned char)cell[i];
        if (c >= ' ' && c < 127)
            out[used++] = (char)c;
        else
            used += (size_t)snprintf(out + used, CSV_VISIBLE - used, "\\x%02X", c);
    }
    out[used] = '\0';
    return out;
}
