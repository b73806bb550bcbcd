/* Notes as JSON files. */
#include "experiments/cli/shard_note.h"

#include <string.h>

#include "experiments/cli/paths.h"
#include "nn/formats/json.h"
#include "nn/formats/json_writer.h"
#include "nn/formats/read_file.h"
#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { NOTE_MAX = 1 << 20 };
static const char format[] = "di4c-shard-1";

static bool hash_file(const char *path, char sha256[65], Error *err)
{
    unsigned char block[65536];
    size_t n;
    Sha256 s;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return error_set(err, "%.300s: cannot be read again", path);
    sha256_init(&s);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        sha256_add(&s, block, n);
    const bool ok = !ferror(f);
    fclose(f);
    sha256_hex(&s, sha256);
    return ok || error_set(err, "%.300s: cannot be read again", path);
}

static bool write_note(const char *name, const ShardNote *note, Error *err)
{
    OutputFile out;
    if (!output_open(&out, name, err))
        return false;
    JsonOut j = jsonout_start(out.file);
    jsonout_object(&j, NULL);
    jsonout_string(&j, "format", format);
    jsonout_count(&j, "samples", note->total);
    jsonout_count(&j, "first", note->shard.first);
    jsonout_count(&j, "count", note->shard.count);
    jsonout_string(&j, "sha256", note->sha256);
    jsonout_object(&j, "run");
    for (size_t i = 0; i < note->facts.count; i++)
        jsonout_string(&j, note->facts.at[i].key, note->facts.at[i].value);
    jsonout_end(&j);
    jsonout_end(&j);
    return output_commit(&out, err);
}

bool shard_note_write(const char *path, ShardNote *note, Error *err)
{
    char *name = path_with_end(path, ".json");
    const bool ok = hash_file(path, note->sha256, err) && write_note(name, note, err);
    mem_free(name);
    return ok;
}

/* ---- reading ---- */

static bool read_facts(const Json *json, RunFacts *facts, const char *name, Error *err)
{
    const Json *run = json_get(json, "run");
    if (run == NULL || run->type != JSON_OBJECT)
        return error_set(err, "%.300s: expected a member \"run\" with what the run was made of",
                         name);
    for (size_t i = 0; i < run->count; i++) {
        if (run->items[i].type != JSON_STRING)
            return error_set(err, "%.300s: run.%.60s: expected a string", name, run->keys[i]);
        run_facts_add(facts, run->keys[i], run->items[i].string);
    }
    return true;
}

static bool read_members(const Json *json, ShardNote *n, const char *name, Error *err)
{
    const char *found = json_string(json, "format", name, err);
    const char *hash = found != NULL ? json_string(json, "sha256", name, err) : NULL;
    if (hash == NULL)
        return false;
    if (strcmp(found, format) != 0)
        return error_set(err, "%.300s: format %.60s, expected %s", name, found, format);
    if (strlen(hash) != sizeof n->sha256 - 1)
        return error_set(err, "%.300s: sha256: expected 64 digits", name);
    strcpy(n->sha256, hash);
    if (!json_size(json, "samples", &n->total, name, err) ||
        !json_size(json, "first", &n->shard.first, name, err) ||
        !json_size(json, "count", &n->shard.count, name, err))
        return false;
    if (n->shard.count < 1 || n->shard.first > n->total ||
        n->shard.count > n->total - n->shard.first)
        return error_set(err, "%.300s: %zu samples from %zu on, expected some of %zu", name,
                         n->shard.count, n->shard.first, n->total);
    return read_facts(json, &n->facts, name, err);
}

bool shard_note_read(const char *path, ShardNote *note, Error *err)
{
    size_t bytes;
    char *name = path_with_end(path, ".json");
    char *text = read_file(name,
                           "cannot be read: expected the note that sample --shard writes beside "
                           "its samples",
                           NOTE_MAX, &bytes, err);
    Json *json = text != NULL ? json_parse(text, bytes, name, err) : NULL;
    *note = (ShardNote){0};
    const bool ok = json != NULL && read_members(json, note, name, err);
    if (!ok)
        shard_note_free(note);
    json_free(json);
    mem_free(text);
    mem_free(name);
    return ok;
}

bool shard_note_check(const ShardNote *note, const char *path, const void *bytes, size_t count,
                      Error *err)
{
    char hash[65];
    Sha256 s;
    sha256_init(&s);
    sha256_add(&s, bytes, count);
    sha256_hex(&s, hash);
    return strcmp(hash, note->sha256) == 0 ||
           error_set(err,
                     "%.200s: is not the file that %.200s.json was written for: its SHA-256 begins "
                     "with %.12s, expected %.12s",
                     path, path, hash, note->sha256);
}

void shard_note_free(ShardNote *note)
{
    run_facts_free(&note->facts);
    *note = (ShardNote){0};
}
