/* Rows are kept as a flat list of fields; a row begins where a field has the key "experiment". */
#include "experiments/theory/findings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "experiments/report/chart_png.h"
#include "experiments/report/report.h"
#include "nn/formats/json_writer.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

typedef struct Field {
    const char *key;
    char *text; /* NULL: a number */
    double number;
} Field;

struct Findings {
    char *folder;
    Report *report;
    Field *fields;
    size_t count, room;
};

static const char first_key[] = "experiment";

Findings *findings_create(const char *folder)
{
    Findings *f = mem_zeroed(1, sizeof *f);

    f->folder = folder == NULL ? NULL : mem_string(folder);
    f->report = report_create("The theory, computed",
                              "Small worlds in which every state can be enumerated: the laws below "
                              "are exact, not sampled, unless a sentence says otherwise.");
    return f;
}

void findings_destroy(Findings *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->fields[i].text);
    mem_free(f->fields);
    mem_free(f->folder);
    report_destroy(f->report);
    mem_free(f);
}

void findings_heading(Findings *f, const char *text)
{
    report_heading(f->report, text);
}

void findings_paragraph(Findings *f, const char *text)
{
    report_paragraph(f->report, text);
}

void findings_table(Findings *f, const char *caption, size_t columns, const char *const *head,
                    size_t rows, const char *const *cells)
{
    report_table(f->report, caption, columns, head, rows, cells);
}

/* folder/name suffix; the caller frees. */
static char *file_name(const Findings *f, const char *name, const char *suffix)
{
    char part[96];

    snprintf(part, sizeof part, "%s%s", name, suffix);
    return path_join(f->folder, part);
}

static bool write_svg(const char *path, const Chart *chart, Error *err)
{
    Buffer text = {0};
    OutputFile out;
    bool ok = output_open(&out, path, err);

    if (ok) {
        svg_file(&text, chart);
        fwrite(text.bytes, 1, text.length, out.file); /* output_commit reports a failure */
        ok = output_commit(&out, err);
    }
    buffer_free(&text);
    return ok;
}

static bool write_png(const char *path, const Chart *chart, Error *err)
{
    const PngText text[] = {{"Software", "di4c " DI4C_VERSION},
                            {"command", provenance_command()},
                            {"Title", chart->title}};
    Picture p = chart_picture(chart);
    const bool ok = png_write(path, &p, text, sizeof text / sizeof text[0], err);

    picture_free(&p);
    return ok;
}

bool findings_chart(Findings *f, const char *name, const Chart *chart, Error *err)
{
    report_chart(f->report, chart);
    if (f->folder == NULL)
        return true;
    char *svg = file_name(f, name, ".svg"), *png = file_name(f, name, ".png");
    const bool ok = write_svg(svg, chart, err) && write_png(png, chart, err);
    mem_free(svg);
    mem_free(png);
    return ok;
}

static void add_field(Findings *f, const char *key, const char *text, double number)
{
    if (f->count == f->room)
        f->fields = mem_grow(f->fields, &f->room, 256, sizeof *f->fields);
    Field field = {key, text == NULL ? NULL : mem_string(text), number};
    f->fields[f->count++] = field;
}

void findings_row(Findings *f, const char *experiment)
{
    add_field(f, first_key, experiment, 0.0);
}

void findings_text(Findings *f, const char *key, const char *value)
{
    TENSOR_CHECK(f->count > 0, "field %s before the first row", key);
    add_field(f, key, value, 0.0);
}

void findings_count(Findings *f, const char *key, uint64_t value)
{
    findings_number(f, key, (double)value);
}

void findings_number(Findings *f, const char *key, double value)
{
    TENSOR_CHECK(f->count > 0, "field %s before the first row", key);
    add_field(f, key, NULL, value);
}

static void write_rows(const Findings *f, JsonOut *j)
{
    bool open = false;

    jsonout_array(j, "rows");
    for (size_t i = 0; i < f->count; i++) {
        const Field *field = &f->fields[i];
        if (field->key == first_key) {
            if (open)
                jsonout_end(j);
            jsonout_object(j, NULL);
            open = true;
        }
        if (field->text != NULL)
            jsonout_string(j, field->key, field->text);
        else
            jsonout_exact(j, field->key, field->number);
    }
    if (open)
        jsonout_end(j);
    jsonout_end(j);
}

static bool write_json(const Findings *f, const char *path, uint64_t seed, Error *err)
{
    OutputFile out;

    if (!output_open(&out, path, err))
        return false;
    JsonOut j = jsonout_start(out.file);
    jsonout_object(&j, NULL);
    jsonout_string(&j, "command", provenance_command());
    jsonout_string(&j, "version", DI4C_VERSION);
    jsonout_count(&j, "seed", seed);
    write_rows(f, &j);
    jsonout_end(&j);
    return output_commit(&out, err);
}

bool findings_write(const Findings *f, const char *json, uint64_t seed, Error *err)
{
    char number[32];

    if (json != NULL && !write_json(f, json, seed, err))
        return false;
    if (f->folder == NULL)
        return true;
    snprintf(number, sizeof number, "%" PRIu64, seed);
    report_fact(f->report, "command", provenance_command());
    report_fact(f->report, "seed", number);
    report_fact(f->report, "version", DI4C_VERSION);
    char *page = path_join(f->folder, "index.html");
    const bool ok = report_write(f->report, page, err);
    mem_free(page);
    return ok;
}
