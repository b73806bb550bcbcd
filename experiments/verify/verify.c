/* Runs the cases of a manifest and reports: a line for each on stdout, all arrays as JSON. */
#include "experiments/verify/verify.h"

#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "nn/formats/json_writer.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/conv/conv.h"
#include "tensor/system/platform.h"

/* ---- one case ---- */

/* An array of the case that nothing looked at would pass unseen. */
static void check_all_used(VerifyCase *c)
{
    const Json *arrays = json_get(c->json, "arrays");
    for (size_t i = 0; i < arrays->count; i++)
        if (!c->used[i])
            verify_break(c, "array \"%s\": expected a role that is known here", arrays->keys[i]);
}

static bool is_listed_before(const VerifyCase *c)
{
    const Json *cases = json_get(c->manifest, "cases");
    for (const Json *j = cases->items; j != c->json; j++) {
        const Json *name = json_get(j, "name");
        if (name && name->type == JSON_STRING && strcmp(name->string, c->name) == 0)
            return true;
    }
    return false;
}

static void compare_case(VerifyCase *c, bool fast)
{
    const VerifyKind *kind = verify_kind(c->kind);
    const Json *arrays = json_get(c->json, "arrays");
    c->fast = fast;
    if (is_listed_before(c)) {
        verify_break(c, "expected every case once");
        return;
    }
    if (!arrays || arrays->type != JSON_OBJECT) {
        verify_break(c, "expected an object \"%s\"", "arrays");
        return;
    }
    if (!kind) {
        verify_break(c, "kind \"%s\": expected a known one", c->kind);
        return;
    }
    c->arena = arena_create((size_t)1 << 22);
    c->graph = ag_graph_create();
    c->used = mem_zeroed(arrays->count, sizeof *c->used);
    c->files = mem_zeroed(arrays->count, sizeof *c->files);
    tensor_conv_choose(fast ? CONV_AUTO : CONV_DIRECT);
    kind->compare(c);
    tensor_conv_choose(CONV_AUTO);
    check_all_used(c);
    for (size_t i = 0; i < arrays->count; i++)
        npy_free(c->files[i]);
    mem_free(c->files);
    mem_free(c->used);
    ag_graph_destroy(c->graph);
    arena_destroy(c->arena);
    c->used = NULL;
    c->files = NULL;
    c->graph = NULL;
    c->arena = NULL;
}

static bool case_passed(const VerifyCase *c)
{
    bool ok = !c->broken && c->record_count > 0;
    for (size_t i = 0; i < c->record_count; i++)
        ok = ok && c->records[i].ok;
    return ok;
}

static void print_name(const VerifyRecord *r)
{
    printf("%s%s%s", r->role, r->note[0] ? " " : "", r->note);
}

/* The line shows the largest errors of all arrays and the array that is nearest to its tolerance,
 * or beyond it; wrong arrays have a line each. */
static void print_case(const VerifyCase *c)
{
    const VerifyRecord *worst = NULL;
    double ratio = -1, error = 0, relative = 0;
    for (size_t i = 0; i < c->record_count; i++) {
        const VerifyRecord *r = &c->records[i];
        const double own = r->error == 0 ? 0 : r->error / r->tolerance;
        if (!(r->error <= error))
            error = r->error; /* a NaN stays */
        if (!(r->relative <= relative))
            relative = r->relative;
        if (!(own <= ratio)) {
            worst = r;
            ratio = own;
        }
    }
    printf("%-4s %-20s %-6s", case_passed(c) ? "ok" : "FAIL", c->name, c->fast ? "fast" : "direct");
    if (worst) {
        text_print(stdout, " %2zu arrays, error %.1e, relative %.1e; nearest to its tolerance: ",
                   c->record_count, error, relative);
        print_name(worst);
        text_print(stdout, ", error %.2e of %.2e", worst->error, worst->tolerance);
    }
    if (c->broken)
        printf(" %s", c->err.text);
    printf("\n");
    for (size_t i = 0; i < c->record_count; i++) {
        const VerifyRecord *r = &c->records[i];
        if (r->ok)
            continue;
        printf("     wrong: ");
        print_name(r);
        text_print(stdout, ", error %.2e, relative %.2e, tolerance %.2e\n", r->error, r->relative,
                   r->tolerance);
    }
    fflush(stdout);
}

/* ---- the manifest ---- */

enum { CASES_MAX = 10000 }; /* what is kept of each takes more than it does in a manifest */

static Json *read_manifest(const char *dir, Error *err)
{
    size_t size;
    char *path = path_join(dir, "manifest.json");
    char *text = read_file(path, "expected a readable file", READ_ANY_SIZE, &size, err);
    Json *j = text ? json_parse(text, size, path, err) : NULL;
    const Json *cases = json_get(j, "cases");
    if (j && (!cases || cases->type != JSON_ARRAY || cases->count == 0)) {
        error_set(err, "%.400s: expected an array \"cases\" with at least one case", path);
        json_free(j);
        j = NULL;
    } else if (j && cases->count > CASES_MAX) {
        error_set(err, "%.400s: %zu cases: expected at most %d", path, cases->count, CASES_MAX);
        json_free(j);
        j = NULL;
    }
    mem_free(text);
    mem_free(path);
    return j;
}

/* index.tsv, if the folder has one, names an array a line, up to the tab: prints those that the
 * manifest has not and counts them.  So a case that was taken out of the manifest is missed. */
static size_t count_missing(const char *dir, const Json *manifest)
{
    size_t size, missing = 0;
    char *path = path_join(dir, "index.tsv");
    char *text = platform_exists(path) ? read_file(path, "", READ_ANY_SIZE, &size, NULL) : NULL;
    for (char *line = text, *end; line && line < text + size; line = end + 1) {
        end = memchr(line, '\n', (size_t)(text + size - line));
        end = end ? end : text + size;
        *end = '\0';
        line[strcspn(line, "\t\r")] = '\0';
        const bool known = *line == '\0' || json_get(json_get(manifest, "arrays"), line);
        if (!known)
            printf("FAIL %.200s: in index.tsv, expected it in manifest.json too\n", line);
        missing += !known;
    }
    mem_free(text);
    mem_free(path);
    return missing;
}

/* Every array of the manifest belongs to a case: prints the others and counts them. */
static size_t count_orphans(const Json *manifest)
{
    const Json *arrays = json_get(manifest, "arrays"), *cases = json_get(manifest, "cases");
    size_t orphans = 0;
    for (size_t i = 0; arrays && arrays->type == JSON_OBJECT && i < arrays->count; i++) {
        bool found = false;
        for (size_t k = 0; !found && k < cases->count; k++) {
            const Json *own = json_get(&cases->items[k], "arrays");
            for (size_t n = 0; own && !found && n < own->count; n++)
                found = own->items[n].type == JSON_STRING &&
                        strcmp(own->items[n].string, arrays->keys[i]) == 0;
        }
        if (!found)
            printf("FAIL %s: belongs to no case\n", arrays->keys[i]);
        orphans += !found;
    }
    return orphans;
}

static void write_case(JsonOut *j, const VerifyCase *c)
{
    jsonout_object(j, NULL);
    jsonout_string(j, "case", c->name);
    jsonout_string(j, "kind", c->kind);
    jsonout_string(j, "path", c->fast ? "fast" : "direct");
    jsonout_bool(j, "ok", case_passed(c));
    if (c->broken)
        jsonout_string(j, "error", c->err.text);
    jsonout_array(j, "arrays");
    for (size_t i = 0; i < c->record_count; i++) {
        const VerifyRecord *r = &c->records[i];
        jsonout_object(j, NULL);
        jsonout_string(j, "array", r->array);
        jsonout_string(j, "role", r->role);
        if (r->note[0])
            jsonout_string(j, "by", r->note);
        jsonout_number(j, "error", r->error);
        jsonout_number(j, "relative", r->relative);
        jsonout_number(j, "tolerance", r->tolerance);
        jsonout_bool(j, "ok", r->ok);
        jsonout_end(j);
    }
    jsonout_end(j);
    jsonout_end(j);
}

static bool write_json(const char *path, const VerifyCase *runs, size_t count, size_t failed,
                       Error *err)
{
    OutputFile out;
    if (!output_open(&out, path, err))
        return false;
    JsonOut j = jsonout_start(out.file);
    jsonout_object(&j, NULL);
    jsonout_count(&j, "runs", count);
    jsonout_count(&j, "failed", failed);
    jsonout_array(&j, "cases");
    for (size_t i = 0; i < count; i++)
        write_case(&j, &runs[i]);
    jsonout_end(&j);
    jsonout_end(&j);
    return output_commit(&out, err);
}

/* Runs the cases, once or twice each, into runs (room for two a case); returns how many. */
static size_t compare_all_cases(const char *dir, const Json *manifest, VerifyCase *runs)
{
    const Json *cases = json_get(manifest, "cases");
    size_t count = 0;
    for (size_t i = 0; i < cases->count; i++) {
        const char *name = json_string(&cases->items[i], "name", "case", NULL);
        const char *kind = json_string(&cases->items[i], "kind", "case", NULL);
        const VerifyKind *known = verify_kind(kind ? kind : "");
        const int modes = known && known->network ? 2 : 1;
        for (int fast = 0; fast < modes; fast++) {
            VerifyCase *c = &runs[count++];
            *c = (VerifyCase){.dir = dir,
                              .manifest = manifest,
                              .json = &cases->items[i],
                              .name = name ? name : "(no name)",
                              .kind = kind ? kind : ""};
            compare_case(c, fast != 0);
            print_case(c);
        }
    }
    return count;
}

bool verify_run(const char *dir, const char *json_path, size_t *failed, Error *err)
{
    Json *manifest = read_manifest(dir, err);
    if (!manifest)
        return false;
    const size_t cases = json_get(manifest, "cases")->count;
    VerifyCase *runs = mem_zeroed(2 * cases, sizeof *runs);
    const size_t count = compare_all_cases(dir, manifest, runs);
    size_t arrays = 0;
    *failed = count_orphans(manifest) + count_missing(dir, manifest);
    for (size_t i = 0; i < count; i++) {
        *failed += !case_passed(&runs[i]);
        arrays += runs[i].record_count;
    }
    printf("%zu cases, %zu runs, %zu comparisons: %s (%zu failed)\n", cases, count, arrays,
           *failed == 0 ? "all agree" : "NOT all agree", *failed);
    const bool ok = !json_path || write_json(json_path, runs, count, *failed, err);
    for (size_t i = 0; i < count; i++)
        mem_free(runs[i].records);
    mem_free(runs);
    json_free(manifest);
    return ok;
}
