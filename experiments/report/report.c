/* The page is written into a buffer part by part; the style sheet stands in its head, pictures and
 * charts stand in the text itself.  Beside it grows the same as Markdown. */
#include "experiments/report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/report/markdown.h"
#include "nn/formats/csv.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { CURVE_POINTS = 1000 };

struct Report {
    char *title, *summary;
    Buffer body, facts, markdown, markdown_facts;
};

static const char *const style[] = {
    ":root{color-scheme:light dark;--ink:#1d2329;--quiet:#5c6773;--page:#fdfdfc;--line:#dfe3e6;",
    "--s0:#1f6fb4;--s1:#c4501b;--s2:#2f8a4c;--s3:#8a4fb0;--s4:#a87a08;--s5:#b83268;",
    "--s6:#12857f;--s7:#70665c}\n",
    "@media (prefers-color-scheme:dark){:root{--ink:#e4e7ea;--quiet:#9aa5b1;--page:#15181c;",
    "--line:#333a42;--s0:#6cb2ee;--s1:#f0925f;--s2:#74cc90;--s3:#c59ae6;--s4:#dcb94f;",
    "--s5:#f085ab;--s6:#5fcfc8;--s7:#b3a99e}}\n",
    "body{font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--page);",
    "max-width:46rem;margin:3rem auto;padding:0 1.2rem}\n",
    "h1{font-size:1.7rem;line-height:1.25;margin:0 0 .4rem}",
    "h2{font-size:1.2rem;margin:2.6rem 0 .6rem}\n",
    ".summary{font-size:1.1rem;color:var(--quiet);margin:0 0 2rem}\n",
    ".wide{overflow-x:auto;margin:1.2rem 0}",
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n",
    "caption,figcaption{text-align:left;color:var(--quiet);font-size:.92rem;padding:.3rem 0}\n",
    "th,td{text-align:left;padding:.3rem 1.1rem .3rem 0;border-bottom:1px solid var(--line)}\n",
    "th{font-weight:600;border-bottom:1px solid var(--quiet)}.n{text-align:right}\n",
    "figure{margin:1.4rem 0}figure svg{width:100%;height:auto;display:block}\n",
    "figure img{max-width:100%;height:auto;image-rendering:pixelated;display:block}\n",
    "svg text{font:13px system-ui,sans-serif;fill:var(--ink)}svg .tick{fill:var(--quiet)}\n",
    "svg .grid{stroke:var(--line)}svg .axis{stroke:var(--quiet)}\n",
    "svg .line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}\n",
    "svg .faint{stroke-width:1;opacity:.35}svg .dashed{stroke-dasharray:6 4}\n",
    "svg .mark{fill:var(--c);stroke:var(--page);stroke-width:1}\n",
    ".c0{--c:var(--s0)}.c1{--c:var(--s1)}.c2{--c:var(--s2)}",
    ".c3{--c:var(--s3)}.c4{--c:var(--s4)}.c5{--c:var(--s5)}",
    ".c6{--c:var(--s6)}.c7{--c:var(--s7)}\n",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.4rem;font-size:.88rem}\n",
    "dt{color:var(--quiet)}dd{margin:0;font-family:ui-monospace,monospace;",
    "overflow-wrap:anywhere}\n",
};

static void element(Buffer *out, const char *open, const char *text, const char *close)
{
    buffer_text(out, open);
    buffer_html(out, text);
    buffer_text(out, close);
}

Report *report_create(const char *title, const char *summary)
{
    Report *r = mem_zeroed(1, sizeof *r);

    r->title = mem_string(title);
    r->summary = mem_string(summary);
    return r;
}

void report_destroy(Report *r)
{
    if (r == NULL)
        return;
    buffer_free(&r->body);
    buffer_free(&r->facts);
    buffer_free(&r->markdown);
    buffer_free(&r->markdown_facts);
    mem_free(r->title);
    mem_free(r->summary);
    mem_free(r);
}

void report_heading(Report *r, const char *text)
{
    element(&r->body, "<h2>", text, "</h2>\n");
    markdown_heading(&r->markdown, 2, text);
}

void report_subheading(Report *r, const char *text)
{
    element(&r->body, "<h3>", text, "</h3>\n");
    markdown_heading(&r->markdown, 3, text);
}

void report_paragraph(Report *r, const char *text)
{
    element(&r->body, "<p>", text, "</p>\n");
    markdown_paragraph(&r->markdown, text);
}

/* A number, perhaps with a percent sign behind it, or a dash for one that is missing. */
static bool reads_as_number(const char *cell)
{
    char *end;

    if (cell == NULL || strcmp(cell, "-") == 0)
        return true;
    double value = text_number(cell, &end);
    (void)value;
    while (*end == ' ' || *end == '%')
        end++;
    return end != cell && *end == '\0';
}

/* A column of numbers is set to the right, its head included. */
static bool numeric_column(size_t column, size_t columns, size_t rows, const char *const *cells)
{
    for (size_t i = 0; i < rows; i++)
        if (!reads_as_number(cells[i * columns + column]))
            return false;
    return rows > 0;
}

static void table_as_markdown(Buffer *out, const char *caption, size_t columns,
                              const char *const *head, size_t rows, const char *const *cells)
{
    bool *right = mem_alloc(columns, sizeof *right);
    for (size_t j = 0; j < columns; j++)
        right[j] = numeric_column(j, columns, rows, cells);
    if (caption != NULL)
        markdown_paragraph(out, caption);
    markdown_table(out, columns, head, right, rows, cells);
    mem_free(right);
}

void report_table(Report *r, const char *caption, size_t columns, const char *const *head,
                  size_t rows, const char *const *cells)
{
    Buffer *out = &r->body;

    buffer_text(out, "<div class=\"wide\"><table>\n");
    if (caption != NULL)
        element(out, "<caption>", caption, "</caption>\n");
    buffer_text(out, "<thead><tr>");
    for (size_t j = 0; j < columns; j++)
        element(out, numeric_column(j, columns, rows, cells) ? "<th class=\"n\">" : "<th>", head[j],
                "</th>");
    buffer_text(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < rows; i++) {
        buffer_text(out, "<tr>");
        for (size_t j = 0; j < columns; j++) {
            const char *cell = cells[i * columns + j];
            element(out, reads_as_number(cell) ? "<td class=\"n\">" : "<td>",
                    cell != NULL ? cell : "", "</td>");
        }
        buffer_text(out, "</tr>\n");
    }
    buffer_text(out, "</tbody></table></div>\n");
    table_as_markdown(&r->markdown, caption, columns, head, rows, cells);
}

void report_chart(Report *r, const Chart *chart)
{
    element(&r->body, "<figure><figcaption>", chart->title, "</figcaption>\n");
    svg_chart(&r->body, chart);
    buffer_text(&r->body, "</figure>\n");
}

void report_picture(Report *r, const char *caption, const Picture *p)
{
    Buffer png = {0}, *out = &r->body;

    png_encode(&png, p, NULL, 0);
    element(out, "<figure><figcaption>", caption, "</figcaption>\n<img alt=\"");
    buffer_html(out, caption);
    buffer_format(out, "\" width=\"%zu\" height=\"%zu\" src=\"data:image/png;base64,", p->width,
                  p->height);
    buffer_base64(out, png.bytes, png.length);
    buffer_text(out, "\"></figure>\n");
    buffer_free(&png);
}

void report_lines(Report *r, const char *caption, const char *text)
{
    Buffer line = {0}, *out = &r->body;

    element(out, "<figure><figcaption>", caption, "</figcaption>\n");
    buffer_text(out, "<pre style=\"white-space:pre-wrap\">");
    for (const char *p = text; *p;) {
        const size_t n = strcspn(p, "\n");
        line.length = 0;
        buffer_add(&line, p, n);
        buffer_html(out, line.bytes);
        buffer_text(out, p[n] == '\n' ? "\n" : "");
        p += n + (p[n] == '\n');
    }
    buffer_text(out, "</pre></figure>\n");
    buffer_free(&line);
    markdown_paragraph(&r->markdown, caption);
    markdown_lines(&r->markdown, text);
}

/* Means over runs of `every` rows: more points than pixels only make the page large. */
static size_t thin_out(double *out, const double *in, size_t count, size_t every)
{
    size_t points = 0;

    for (size_t i = 0; i < count; i += every) {
        double sum = 0.0;
        size_t used = 0;
        for (size_t j = i; j < count && j < i + every; j++)
            if (isfinite(in[j])) {
                sum += in[j];
                used++;
            }
        out[points++] = used > 0 ? sum / (double)used : (double)NAN;
    }
    return points;
}

static void add_curve(Report *r, const char *title, const CsvTable *table, const char *column,
                      const double *y, size_t window)
{
    size_t every = table->rows / CURVE_POINTS + 1, points;
    double *smooth = mem_alloc(table->rows, sizeof *smooth);
    double *xs = mem_alloc(table->rows, sizeof *xs), *ys = mem_alloc(table->rows, sizeof *ys);
    double *lines = mem_alloc(table->rows, sizeof *lines);

    svg_smooth(smooth, y, table->rows, window);
    points = thin_out(xs, table->values, table->rows, every);
    thin_out(ys, y, table->rows, every);
    thin_out(lines, smooth, table->rows, every);
    Series series[2] = {{column, xs, ys, points, true, false},
                        {column, xs, lines, points, false, false}};
    Chart chart = {title, table->names[0], column, false, false, false, series, 2};
    report_chart(r, &chart);
    mem_free(smooth);
    mem_free(xs);
    mem_free(ys);
    mem_free(lines);
}

bool report_csv_curve(Report *r, const char *title, const char *path, const char *column,
                      size_t window, Error *err)
{
    CsvTable table;

    if (!csv_read(path, &table, err))
        return false;
    const double *y = csv_column(&table, column);
    if (y != NULL)
        add_curve(r, title, &table, column, y, window);
    csv_free(&table);
    return y != NULL || error_set(err, "%s: has no column %s", path, column);
}

void report_fact(Report *r, const char *key, const char *value)
{
    element(&r->facts, "<dt>", key, "</dt>");
    element(&r->facts, "<dd>", value, "</dd>\n");
    markdown_fact(&r->markdown_facts, key, value);
}

static void whole_page(Buffer *page, const Report *r)
{
    element(page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
            r->title, "</title>\n<style>\n");
    for (size_t i = 0; i < sizeof style / sizeof style[0]; i++)
        buffer_text(page, style[i]);
    element(page, "</style>\n</head>\n<body>\n<h1>", r->title, "</h1>\n");
    element(page, "<p class=\"summary\">", r->summary, "</p>\n");
    buffer_add(page, r->body.bytes, r->body.length);
    if (r->facts.length > 0) {
        buffer_text(page, "<h2>Provenance</h2>\n<dl>\n");
        buffer_add(page, r->facts.bytes, r->facts.length);
        buffer_text(page, "</dl>\n");
    }
    buffer_text(page, "</body>\n</html>\n");
}

static void whole_markdown(Buffer *page, const Report *r)
{
    markdown_heading(page, 1, r->title);
    markdown_paragraph(page, r->summary);
    buffer_add(page, r->markdown.bytes, r->markdown.length);
    if (r->markdown_facts.length > 0) {
        markdown_heading(page, 2, "Provenance");
        buffer_add(page, r->markdown_facts.bytes, r->markdown_facts.length);
    }
}

static bool write_page(const Report *r, const char *path, void (*whole)(Buffer *, const Report *),
                       Error *err)
{
    OutputFile out;
    Buffer page = {0};

    if (!output_open(&out, path, err))
        return false;
    whole(&page, r);
    fwrite(page.bytes, 1, page.length, out.file); /* output_commit reports a failure */
    buffer_free(&page);
    return output_commit(&out, err);
}

bool report_write(const Report *r, const char *path, Error *err)
{
    return write_page(r, path, whole_page, err);
}

bool report_write_markdown(const Report *r, const char *path, Error *err)
{
    return write_page(r, path, whole_markdown, err);
}
