/* Runs the cases of a manifest and reports: a line for each on stdout, all arrays as JSON. */
#include "experiments/verify.h"

#include <stdio.h>
#include <string.h>

#include "experiments/jsonout.h"
#include "tensor/conv.h"
#include "tensor/memory.h"
#include "tensor/platform.h"

static const struct {
    const char *kind;
    void (*run)(VerifyCase *c);
    bool network; /* run on the fast path too */
} kinds[] = {
    {"process", verify_process_case, false}, {"posterior", verify_posterior_case, false},
    {"logistic_head", verify_head_case, false}, {"unet", verify_unet_case, true},
    {"ct_elbo", verify_elbo_case, true}, {"di4c", verify_di4c_case, true},
    {"train", verify_train_case, true},
};

/* ---- one case ---- */

/* An array of the case that nothing looked at would pass unseen. */
static void check_all_used(VerifyCase *c) {
    const Json *arrays = json_get(c->json, "arrays");
    for (size_t i = 0; i < arrays->count; i++)
        if (!c->used[i]) verify_break(c, "array \"%s\": expected a role that is known here",
                                      arrays->keys[i]);
}

static void run_case(VerifyCase *c, bool fast) {
    size_t k = 0;
    const Json *arrays = json_get(c->json, "arrays");
    if (!arrays || arrays->type != JSON_OBJECT) {
        verify_break(c, "expected an object \"%s\"", "arrays");
        return;
    }
    while (k < sizeof kinds / sizeof kinds[0] && strcmp(kinds[k].kind, c->kind) != 0) k++;
    if (k == sizeof kinds / sizeof kinds[0]) {
        verify_break(c, "kind \"%s\": expected a known one", c->kind);
        return;
    }
    c->fast = fast;
    c->arena = arena_create((size_t)1 << 22);
    c->graph = ag_graph_create();
    c->used = mem_zeroed(arrays->count, sizeof *c->used);
    tensor_conv_choose(fast ? CONV_AUTO : CONV_DIRECT);
    kinds[k].run(c);
    tensor_conv_choose(CONV_AUTO);
    check_all_used(c);
    mem_free(c->used);
    ag_graph_destroy(c->graph);
    arena_destroy(c->arena);
    c->used = NULL;
    c->graph = NULL;
    c->arena = NULL;
}

static bool has_network(const char *kind) {
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (strcmp(kinds[k].kind, kind) == 0) return kinds[k].network;
    return false;
}

static bool passed(const VerifyCase *c) {
    bool ok = !c->broken && c->record_count > 0;
    for (size_t i = 0; i < c->record_count; i++) ok = ok && c->records[i].ok;
    return ok;
}

/* The line shows the array that is nearest to its tolerance, or beyond it. */
static void print_case(const VerifyCase *c) {
    const VerifyRecord *worst = NULL;
    size_t bad = 0;
    double ratio = -1;
    for (size_t i = 0; i < c->record_count; i++) {
        const VerifyRecord *r = &c->records[i];
        const double own = r->error == 0 ? 0 : r->error / r->tolerance;
        bad += !r->ok;
        if (!(own <= ratio)) {
            worst = r;
            ratio = own;
        }
    }
    printf("%-4s %-20s %-7s", passed(c) ? "ok" : "FAIL", c->name, c->fast ? "fast" : "direct");
    if (worst)
        printf(" %2zu arrays, %zu wrong; nearest: %s%s%s error %.2e, relative %.2e, tolerance %.2e",
               c->record_count, bad, worst->role, worst->note[0] ? " " : "", worst->note,
               worst->error, worst->relative, worst->tolerance);
    if (c->broken) printf(" %s", c->err.text);
    printf("\n");
    for (size_t i = 0; i < c->record_count; i++)
        if (!c->records[i].ok && &c->records[i] != worst)
            printf("       %s%s%s: error %.2e, relative %.2e, tolerance %.2e\n", c->records[i].role,
                   c->records[i].note[0] ? " " : "", c->records[i].note, c->records[i].error,
                   c->records[i].relative, c->records[i].tolerance);
    fflush(stdout);
}

/* ---- the manifest ---- */

static Json *read_manifest(const char *dir, Error *err) {
    char path[1024];
    size_t size;
    const int n = snprintf(path, sizeof path, "%s/manifest.json", dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        error_set(err, "%.100s...: expected a shorter path", dir);
        return NULL;
    }
    if (!platform_file_size(path, &size)) {
        error_set(err, "%s: expected a readable file", path);
        return NULL;
    }
    char *text = mem_alloc(size, 1);
    FILE *f = fopen(path, "rb");
    const size_t got = f ? fread(text, 1, size, f) : 0;
    Json *j = NULL;
    if (f) fclose(f);
    if (got != size) error_set(err, "%s: expected %zu bytes, could read %zu", path, size, got);
    else j = json_parse(text, size, path, err);
    mem_free(text);
    const Json *cases = json_get(j, "cases");
    if (j && (!cases || cases->type != JSON_ARRAY || cases->count == 0)) {
        error_set(err, "%s: expected an array \"cases\" with at least one case", path);
        json_free(j);
        return NULL;
    }
    return j;
}

/* Every array of the manifest belongs to a case: prints the others and counts them. */
static size_t count_orphans(const Json *manifest) {
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
        if (!found) printf("FAIL %s: belongs to no case\n", arrays->keys[i]);
        orphans += !found;
    }
    return orphans;
}

static void write_case(JsonOut *j, const VerifyCase *c) {
    jsonout_object(j, NULL);
    jsonout_string(j, "case", c->name);
    jsonout_string(j, "kind", c->kind);
    jsonout_string(j, "path", c->fast ? "fast" : "direct");
    jsonout_bool(j, "ok", passed(c));
    if (c->broken) jsonout_string(j, "error", c->err.text);
    jsonout_array(j, "arrays");
    for (size_t i = 0; i < c->record_count; i++) {
        const VerifyRecord *r = &c->records[i];
        jsonout_object(j, NULL);
        jsonout_string(j, "role", r->role);
        if (r->note[0]) jsonout_string(j, "by", r->note);
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
                       Error *err) {
    OutputFile out;
    if (!output_open(&out, path, err)) return false;
    JsonOut j = jsonout_start(out.file);
    jsonout_object(&j, NULL);
    jsonout_count(&j, "runs", count);
    jsonout_count(&j, "failed", failed);
    jsonout_array(&j, "cases");
    for (size_t i = 0; i < count; i++) write_case(&j, &runs[i]);
    jsonout_end(&j);
    jsonout_end(&j);
    return output_commit(&out, err);
}

/* Runs the cases, once or twice each, into runs (room for two a case); returns how many. */
static size_t run_all(const char *dir, const Json *manifest, VerifyCase *runs) {
    const Json *cases = json_get(manifest, "cases");
    size_t count = 0;
    for (size_t i = 0; i < cases->count; i++) {
        const char *name = json_string(&cases->items[i], "name", "case", NULL);
        const char *kind = json_string(&cases->items[i], "kind", "case", NULL);
        for (int fast = 0; fast <= (kind && has_network(kind)); fast++) {
            VerifyCase *c = &runs[count++];
            *c = (VerifyCase){.dir = dir,
                              .manifest = manifest,
                              .json = &cases->items[i],
                              .name = name ? name : "(no name)",
                              .kind = kind ? kind : ""};
            run_case(c, fast != 0);
            print_case(c);
        }
    }
    return count;
}

bool verify_run(const char *dir, const char *json_path, size_t *failed, Error *err) {
    Json *manifest = read_manifest(dir, err);
    if (!manifest) return false;
    const size_t cases = json_get(manifest, "cases")->count;
    VerifyCase *runs = mem_zeroed(2 * cases, sizeof *runs);
    const size_t count = run_all(dir, manifest, runs);
    size_t arrays = 0;
    *failed = count_orphans(manifest);
    for (size_t i = 0; i < count; i++) {
        *failed += !passed(&runs[i]);
        arrays += runs[i].record_count;
    }
    printf("%zu cases, %zu runs, %zu comparisons: %s (%zu failed)\n", cases, count, arrays,
           *failed == 0 ? "all agree" : "NOT all agree", *failed);
    const bool ok = !json_path || write_json(json_path, runs, count, *failed, err);
    for (size_t i = 0; i < count; i++) mem_free(runs[i].records);
    mem_free(runs);
    json_free(manifest);
    return ok;
}
