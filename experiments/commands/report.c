/* di4c report: tables and a page of the JSON files that eval, merge and demo leave.  Files are
 * grouped by data set, and within one by their names: NAME-seed-1.json and NAME-seed-2.json are one
 * set, of which means are shown too; NAME+PIECE.json and NAME+OTHER.json have rows of one table. */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "experiments/cli/results.h"
#include "experiments/commands/commands.h"
#include "experiments/commands/report_set.h"
#include "nn/formats/packed/png_read.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"

typedef struct ReportOptions {
    WordList files;
    const char *out, *title;
    CommonOptions common;
    OptionTable table;
} ReportOptions;

static OptionsResult parse_report(const Command *self, ReportOptions *o, int argc, char **argv)
{
    const Option options[] = {
        {"FILES", OPTION_REST, &o->files, NULL, 0, 0, true,
         "results (.json of eval, merge or demo, each perhaps with a note .txt of its name); for a "
         "page also pictures (.png), samples of texts (.txt) and logs of trainings (.csv)"},
        {"--out", OPTION_TEXT, &o->out, "FILE", 0, 0, true,
         "tables as Markdown (.md), or one page with charts (.html)"},
        {"--title", OPTION_TEXT, &o->title, "TEXT", 0, 0, false, "of the page (default Results)"},
    };
    options_add(&o->table, options, sizeof options / sizeof options[0]);
    return options_parse(self, o->table.rows, o->table.count, &o->common, argc, argv);
}

static bool is_page(const ReportOptions *o)
{
    return path_has_suffix(o->out, ".html");
}

/* Wrong usage: names of files. */
static bool check_report(const ReportOptions *o, Error *err)
{
    if (!is_page(o) && !path_has_suffix(o->out, ".md"))
        return error_set(err, "--out %.200s: expected a name that ends in .md or .html", o->out);
    for (size_t i = 0; i < o->files.count; i++) {
        const char *file = o->files.values[i];
        const bool shown = path_has_suffix(file, ".png") || path_has_suffix(file, ".txt") ||
                           path_has_suffix(file, ".csv");
        if (shown && !is_page(o))
            return error_set(err, "%.200s: expected only .json, since %.200s is no page", file,
                             o->out);
        if (!shown && !path_has_suffix(file, ".json"))
            return error_set(err, "%.200s: expected a name that ends in .json, .png, .txt or .csv",
                             file);
    }
    return result_check(&o->table, "--out", err);
}

/* ---- results ---- */

/* Reads all .json files; *count of them, for free_results, also on failure. */
static bool read_results(const ReportOptions *o, ResultFile *files, size_t *count, Error *err)
{
    *count = 0;
    for (size_t i = 0; i < o->files.count; i++)
        if (path_has_suffix(o->files.values[i], ".json")) {
            if (!result_file_read(&files[*count], o->files.values[i], err))
                return false;
            ++*count;
        }
    return *count > 0 || error_set(err, "expected at least one file of results (.json)");
}

static bool is_same_set(const ResultFile *a, const ResultFile *b)
{
    return strcmp(a->data, b->data) == 0 && strcmp(a->set, b->set) == 0;
}

/* The set that files[from] begins, if no file before it has begun it. */
static bool add_set(const ResultFile *files, size_t count, size_t from, Report *r, Error *err)
{
    const ResultFile **set = mem_alloc(count, sizeof *set);
    size_t members = 0;
    bool begins = true;
    for (size_t i = 0; i < from; i++)
        begins = begins && !is_same_set(&files[i], &files[from]);
    for (size_t i = from; begins && i < count; i++)
        if (is_same_set(&files[i], &files[from]))
            set[members++] = &files[i];
    const bool ok = members == 0 || report_set(set, members, r, err);
    mem_free(set);
    return ok;
}

/* All sets of the data that files[from] begins. */
static bool add_data(const ResultFile *files, size_t count, size_t from, Report *r, Error *err)
{
    const char *data = files[from].data;
    for (size_t i = 0; i < from; i++)
        if (strcmp(files[i].data, data) == 0)
            return true;
    report_heading(r, data[0] != '\0' ? data : "Joined parts, and samples from elsewhere");
    for (size_t i = from; i < count; i++)
        if (strcmp(files[i].data, data) == 0 && !add_set(files, count, i, r, err))
            return false;
    return true;
}

/* ---- pictures, texts and logs ---- */

static bool add_picture(const char *path, Report *r, Error *err)
{
    Picture p;
    if (!png_read(path, &p, err))
        return false;
    report_picture(r, path, &p);
    picture_free(&p);
    return true;
}

static bool add_text(const char *path, Report *r, Error *err)
{
    enum { MOST_TEXT = 1 << 20 };
    size_t size;
    char *text = read_file(path, "expected a readable text", MOST_TEXT, &size, err);
    if (text == NULL)
        return false;
    const bool ok = strlen(text) == size;
    if (ok)
        report_lines(r, path, text);
    mem_free(text);
    return ok || error_set(err, "%s: expected a text, found a byte 0", path);
}

static bool add_log(const char *path, Report *r, Error *err)
{
    enum { WINDOW = 100 };
    return report_csv_curve(r, path, path, "loss", WINDOW, err);
}

/* All files of that suffix, under a heading. */
static bool add_shown(const ReportOptions *o, const char *suffix, const char *heading,
                      bool (*add)(const char *path, Report *r, Error *err), Report *r, Error *err)
{
    bool first = true;
    for (size_t i = 0; i < o->files.count; i++) {
        const char *file = o->files.values[i];
        if (!path_has_suffix(file, suffix))
            continue;
        if (first)
            report_heading(r, heading);
        first = false;
        if (!add(file, r, err))
            return false;
    }
    return true;
}

/* ---- the command ---- */

static bool write_all(const ReportOptions *o, const ResultFile *files, size_t count, Error *err)
{
    char summary[120];
    snprintf(summary, sizeof summary, "What eval, merge and demo measured, from %zu file%s.", count,
             count == 1 ? "" : "s");
    Report *r = report_create(o->title, summary);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_data(files, count, i, r, err);
    ok = ok && add_shown(o, ".png", "Pictures", add_picture, r, err) &&
         add_shown(o, ".txt", "Texts", add_text, r, err) &&
         add_shown(o, ".csv", "Losses while training", add_log, r, err);
    report_fact(r, "command", provenance_command());
    report_fact(r, "version", DI4C_VERSION);
    ok = ok && (is_page(o) ? report_write(r, o->out, err) : report_write_markdown(r, o->out, err));
    report_destroy(r);
    return ok;
}

static bool make_report(const ReportOptions *o, Error *err)
{
    ResultFile *files = mem_alloc(o->files.count, sizeof *files);
    size_t count = 0;
    const bool ok = path_check_output(o->out, err) && read_results(o, files, &count, err) &&
                    write_all(o, files, count, err);
    if (ok)
        printf("%s: %zu file%s of results\n", o->out, count, count == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++)
        result_file_free(&files[i]);
    mem_free(files);
    return ok;
}

static int run_report(const Command *self, int argc, char **argv)
{
    ReportOptions o = {.title = "Results"};
    Error err;
    const OptionsResult r = parse_report(self, &o, argc, argv);
    int status = r == OPTIONS_HELP ? 0 : 2;
    if (r == OPTIONS_OK && !check_report(&o, &err))
        command_fail(self, &err, 2);
    else if (r == OPTIONS_OK)
        status = make_report(&o, &err) ? 0 : command_fail(self, &err, 1);
    mem_free(o.files.values);
    return status;
}

const Command command_report = {
    .name = "report",
    .summary = "Makes tables (.md) or a page (.html) of the JSON files of eval, merge and demo.",
    .example = "di4c report experiments/results/glyphs.json --out out/RESULTS.md",
    .run = run_report};
