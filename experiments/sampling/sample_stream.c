/* Samples are written behind those that the header counts, and then counted: a kill between the two
 * leaves bytes that nobody counts, and the next run writes over them. */
#include "experiments/sampling/sample_stream.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "nn/formats/byte_order.h"
#include "nn/formats/npy.h"
#include "nn/formats/read_file.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { HEADER = 128 }; /* bytes, for any number of samples of sides up to 4 digits */

typedef struct Part {
    char *path, *note; /* FILE.part, FILE.part.json */
    FILE *file;
} Part;

static Buffer header_of(const SampleStream *s, size_t count)
{
    const size_t shape[4] = {count, s->shape[0], s->shape[1], s->shape[2]};
    Buffer b = {0};
    npy_header(&b, NPY_U2, 4, shape);
    TENSOR_CHECK(b.length == HEADER, "a header of %zu bytes", b.length);
    return b;
}

static size_t sample_bytes(const SampleStream *s)
{
    return 2 * s->shape[0] * s->shape[1] * s->shape[2];
}

/* ---- what is there ---- */

static bool same_run(const SampleStream *s, const Part *p)
{
    ShardNote note;
    if (!shard_note_read(p->path, &note, NULL))
        return false;
    const bool same = note.total == s->run->total && note.shard.first == s->run->shard.first &&
                      note.shard.count == s->run->shard.count &&
                      run_facts_same(&s->run->facts, "", &note.facts, "", NULL);
    shard_note_free(&note);
    return same;
}

/* The number of samples that the header of FILE.part counts; 0 if there is no such file, or it is
 * not what the header says. */
static size_t count_found(const SampleStream *s, const Part *p)
{
    char start[HEADER + 1] = "";
    size_t bytes;
    if (!same_run(s, p) || !platform_file_size(p->path, &bytes) ||
        read_file_start(p->path, start, HEADER) != HEADER)
        return 0;
    const char *shape = NULL;
    for (size_t i = 10; i + 10 < HEADER && shape == NULL; i++)
        if (memcmp(start + i, "'shape': (", 10) == 0)
            shape = start + i + 10;
    const size_t count = shape != NULL ? (size_t)strtoull(shape, NULL, 10) : 0;
    if (count > s->run->shard.count || (bytes - HEADER) / sample_bytes(s) < count)
        return 0;
    Buffer expected = header_of(s, count);
    const bool same = memcmp(expected.bytes, start, HEADER) == 0;
    buffer_free(&expected);
    return same ? count : 0;
}

/* ---- writing ---- */

/* cause: errno of the call that failed, 0: it said nothing. */
static bool failed(const SampleStream *s, int cause, Error *err)
{
    return error_set(err, "%.300s.part: writing failed: %s", s->path,
                     cause != 0 ? strerror(cause) : "disk full or file lost");
}

/* Flushed, so that the header never counts what a kill could lose. */
static bool write_at(const SampleStream *s, const Part *p, size_t at, const void *bytes,
                     size_t count, Error *err)
{
    if (at > LONG_MAX)
        return error_set(err, "%s: place %zu: expected at most %ld bytes in a file here", p->path,
                         at, LONG_MAX);
    errno = 0;
    return (fseek(p->file, (long)at, SEEK_SET) == 0 && fwrite(bytes, 1, count, p->file) == count &&
            fflush(p->file) == 0) ||
           failed(s, errno, err);
}

static bool write_count(const SampleStream *s, const Part *p, size_t count, Error *err)
{
    Buffer header = header_of(s, count);
    const bool ok = write_at(s, p, 0, header.bytes, header.length, err);
    buffer_free(&header);
    return ok;
}

/* A new FILE.part of no samples, and then its note. */
static bool start_part(const SampleStream *s, Part *p, Error *err)
{
    ShardNote note = *s->run;
    remove(p->note);
    p->file = fopen(p->path, "w+b");
    if (p->file == NULL)
        return error_set(err, "%.300s: cannot be written: %s", p->path, strerror(errno));
    return write_count(s, p, 0, err) && shard_note_write(p->path, &note, err);
}

static bool open_part(SampleStream *s, Part *p, Error *err)
{
    s->found = count_found(s, p);
    if (s->found == 0)
        return start_part(s, p, err);
    p->file = fopen(p->path, "r+b");
    return p->file != NULL ||
           error_set(err, "%.300s: cannot be written: %s", p->path, strerror(errno));
}

static bool write_block(const SampleStream *s, const Part *p, const States *x, size_t done,
                        Error *err)
{
    const size_t count = x->batch * x->dims;
    unsigned char *bytes = mem_alloc(count, 2);
    for (size_t i = 0; i < count; i++)
        little_endian_put(bytes + 2 * i, 2, x->x[i]);
    const bool ok = write_at(s, p, HEADER + done * sample_bytes(s), bytes, 2 * count, err) &&
                    write_count(s, p, done + x->batch, err);
    mem_free(bytes);
    return ok;
}

/* ---- drawing ---- */

/* Progress of one block as that of the whole, in samples. */
typedef struct BlockNews {
    const SampleRequest *request;
    size_t done, count, all;
} BlockNews;

static void tell(size_t done, size_t all, void *context)
{
    const BlockNews *n = context;
    const size_t part = all > 0 ? (size_t)((double)done / (double)all * (double)n->count) : 0;
    n->request->progress(n->done + part, n->all, n->request->progress_context);
}

static bool draw_blocks(const SampleStream *s, const SampleRequest *request, const Part *p,
                        Error *err)
{
    const size_t all = s->run->shard.count;
    bool ok = true;
    for (size_t done = s->found; ok && done < all;) {
        const size_t n = all - done < s->block ? all - done : s->block;
        size_t calls = 0;
        BlockNews news = {request, done, n, all};
        States x = states_alloc(n, s->shape[0] * s->shape[1] * s->shape[2]);
        SampleRequest one = *request;
        one.first = s->run->shard.first + done;
        if (request->progress != NULL) {
            one.progress = tell;
            one.progress_context = &news;
        }
        one.calls = &calls;
        ok = diffusion_sample(&one, &x, err) && write_block(s, p, &x, done, err);
        *request->calls += calls;
        states_free(&x);
        if (!ok && platform_signal() != 0)
            error_set(err,
                      "sampling stopped by signal %d: %.300s.part has %zu of %zu samples, and the "
                      "same command goes on",
                      platform_signal(), s->path, done, all);
        done += n;
    }
    return ok;
}

/* FILE.part becomes FILE. */
static bool finish(const SampleStream *s, Part *p, Error *err)
{
    errno = 0;
    const bool flushed = platform_flush(p->file) && !ferror(p->file);
    const int cause = errno; /* closing may say another one */
    const bool closed = fclose(p->file) == 0;
    p->file = NULL;
    if (!flushed || !closed)
        return failed(s, flushed ? errno : cause, err);
    if (!platform_rename(p->path, s->path, err))
        return false;
    remove(p->note);
    return true;
}

bool sample_stream(SampleStream *s, const SampleRequest *request, Error *err)
{
    Part p = {path_with_end(s->path, ".part"), path_with_end(s->path, ".part.json"), NULL};
    FileLock lock;
    const bool ok = platform_lock(&lock, s->path, err) && open_part(s, &p, err) &&
                    draw_blocks(s, request, &p, err) && finish(s, &p, err);
    if (p.file != NULL)
        fclose(p.file);
    platform_unlock(&lock);
    mem_free(p.path);
    mem_free(p.note);
    return ok;
}
