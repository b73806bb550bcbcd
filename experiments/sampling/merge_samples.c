/* First the notes, which say whether the shards belong together and are all; then their entries,
 * one file behind the other. */
#include "experiments/sampling/merge_samples.h"

#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/shard_note.h"
#include "nn/formats/npy.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

typedef struct Shards {
    size_t count, total;
    ShardPart *parts; /* (count), in the order of their samples */
    ShardNote first;  /* of the file named first */
} Shards;

static const char *const suffixes[] = {".npy", ".txt"};

/* NULL: another. */
static const char *suffix_of(const char *path)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (path_has_suffix(path, suffixes[i]))
            return suffixes[i];
    return NULL;
}

bool merge_are_samples(const char *path)
{
    return suffix_of(path) != NULL;
}

/* ---- notes ---- */

static bool take_note(Shards *s, const char *path, const char *first_path, Error *err)
{
    ShardNote note;
    if (!shard_note_read(path, &note, err))
        return false;
    s->parts[s->count++] = (ShardPart){path, note.shard};
    if (s->count == 1) {
        s->first = note;
        s->total = note.total;
        return true;
    }
    bool ok = run_facts_same(&s->first.facts, first_path, &note.facts, path, err);
    if (ok && note.total != s->total)
        ok = error_set(err, "%.200s: of %zu samples, expected %zu as in %.200s", path, note.total,
                       s->total, first_path);
    shard_note_free(&note);
    return ok;
}

static bool read_notes(Shards *s, const char *out, const char *const *paths, size_t count,
                       Error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (suffix_of(paths[i]) == NULL || strcmp(suffix_of(paths[i]), suffix_of(out)) != 0)
            return error_set(err, "%.200s: expected a name that ends in %s, as that of --out does",
                             paths[i], suffix_of(out));
        if (platform_same_file(paths[i], out))
            return error_set(err, "--out %.200s: expected another name than a shard's", out);
        if (!take_note(s, paths[i], paths[0], err))
            return false;
    }
    return shard_cover(s->parts, s->count, s->total, err);
}

/* ---- entries ---- */

/* Whether the bytes of part i are those that its note speaks of. */
static bool check_part(const ShardPart *p, const void *bytes, size_t size, Error *err)
{
    ShardNote note;
    if (!shard_note_read(p->path, &note, err))
        return false;
    const bool ok = shard_note_check(&note, p->path, bytes, size, err);
    shard_note_free(&note);
    return ok;
}

/* The header of the whole, before the first part; shape: of the first part, and then its own. */
static bool take_shape(const Shards *s, size_t i, const NpyArray *a, size_t shape[4], FILE *out,
                       Error *err)
{
    const ShardPart *p = &s->parts[i];
    if (a->type != NPY_U2 || a->rank != 4 || a->shape[0] != p->shard.count)
        return error_set(err, "%.300s: expected uint16 samples (%zu, height, width, channels)",
                         p->path, p->shard.count);
    if (i == 0) {
        memcpy(shape, a->shape, 4 * sizeof *shape);
        shape[0] = s->total;
        Buffer header = {0};
        npy_header(&header, NPY_U2, 4, shape);
        fwrite(header.bytes, 1, header.length, out);
        buffer_free(&header);
    }
    return memcmp(shape + 1, a->shape + 1, 3 * sizeof *shape) == 0 ||
           error_set(err, "%.200s: samples of %zux%zux%zu, expected %zux%zux%zu as in %.200s",
                     p->path, a->shape[1], a->shape[2], a->shape[3], shape[1], shape[2], shape[3],
                     s->parts[0].path);
}

static bool add_npy(const Shards *s, size_t i, size_t shape[4], FILE *out, Error *err)
{
    NpyArray *a = npy_read(s->parts[i].path, err);
    const bool ok = a != NULL && check_part(&s->parts[i], a->buffer, a->size, err) &&
                    take_shape(s, i, a, shape, out, err);
    if (ok)
        fwrite(a->bytes, 2, a->count, out); /* output_commit reports a failure */
    npy_free(a);
    return ok;
}

static bool add_text(const Shards *s, size_t i, FILE *out, Error *err)
{
    size_t size;
    char *text =
        read_file(s->parts[i].path, "expected a readable shard", READ_ANY_SIZE, &size, err);
    const bool ok = text != NULL && check_part(&s->parts[i], text, size, err);
    if (ok)
        fwrite(text, 1, size, out);
    mem_free(text);
    return ok;
}

static bool write_all(const Shards *s, const char *path, Error *err)
{
    OutputFile out;
    size_t shape[4] = {0};
    bool ok = true;
    if (!path_check_output(path, err) || !output_open(&out, path, err))
        return false;
    for (size_t i = 0; ok && i < s->count; i++)
        ok = path_has_suffix(path, ".npy") ? add_npy(s, i, shape, out.file, err)
                                           : add_text(s, i, out.file, err);
    if (ok)
        return output_commit(&out, err);
    output_cancel(&out);
    return false;
}

bool merge_samples(const char *out, const char *const *paths, size_t count, size_t *total,
                   Error *err)
{
    Shards s = {.parts = mem_alloc(count, sizeof *s.parts)};
    const bool ok = read_notes(&s, out, paths, count, err) && write_all(&s, out, err);
    *total = s.total;
    shard_note_free(&s.first);
    mem_free(s.parts);
    return ok;
}
