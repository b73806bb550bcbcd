/* Best fit with boundary tags.
 *
 *   chunk:  | Tag | block ... | Tag | block ... | ... | Tag (end, always in use) |
 *
 * A tag tells the size of its own block and of the one before it, so both neighbours of a block are
 * found at once.  Free blocks are also linked, in no particular order: there are few of them.
 *
 * Invariant: no two free blocks are neighbours.  All is fenced but what was asked for and the
 * fields of tags. */
#include "tensor/base/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/fence.h"
#include "tensor/base/memory.h"

typedef struct Tag Tag;
struct Tag {
    unsigned char gap[16]; /* fenced: the end of the block in front of the tag */
    size_t bytes;          /* of the block behind the tag; 0: end of the chunk */
    size_t before;         /* of the block in front of it; 0: start of the chunk */
    bool free;
    Tag *next, *previous; /* in the list of free blocks */
};

enum { TAG = MEM_ALIGN }; /* bytes set aside for a tag, so that blocks stay aligned */

struct Pool {
    unsigned char **chunks;
    size_t *sizes;
    size_t count, chunk_bytes, total;
    Tag *free;
    size_t used, peak;
};

static Tag *tag_at(unsigned char *p)
{
    return (Tag *)(void *)p;
}

/* A tag that is not there yet. */
static Tag *new_tag(Tag *t)
{
    unfence(&t->bytes, sizeof *t - offsetof(Tag, bytes));
    return t;
}

static Tag *after(Tag *t)
{
    return tag_at((unsigned char *)t + TAG + t->bytes);
}

static Tag *before(Tag *t)
{
    return tag_at((unsigned char *)t - TAG - t->before);
}

static void link_free(Pool *pool, Tag *t)
{
    t->free = true;
    t->previous = NULL;
    t->next = pool->free;
    if (t->next)
        t->next->previous = t;
    pool->free = t;
}

static void unlink_free(Pool *pool, Tag *t)
{
    t->free = false;
    if (t->previous)
        t->previous->next = t->next;
    else
        pool->free = t->next;
    if (t->next)
        t->next->previous = t->previous;
}

/* A chunk as one free block and the end. */
static void lay_out(Pool *pool, size_t chunk)
{
    fence(pool->chunks[chunk], pool->sizes[chunk]);
    Tag *t = new_tag(tag_at(pool->chunks[chunk]));
    t->bytes = pool->sizes[chunk] - 2 * (size_t)TAG;
    t->before = 0;
    Tag *end = new_tag(after(t));
    end->bytes = 0;
    end->before = t->bytes;
    end->free = false;
    link_free(pool, t);
}

Pool *pool_create(size_t chunk_bytes)
{
    TENSOR_CHECK(sizeof(Tag) <= (size_t)TAG, "a tag has %zu bytes, room for %d", sizeof(Tag),
                 (int)TAG);
    Pool *pool = mem_zeroed(1, sizeof *pool);
    pool->chunk_bytes = chunk_bytes;
    return pool;
}

void pool_destroy(Pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; i < pool->count; i++)
        mem_free(pool->chunks[i]);
    mem_free(pool->chunks);
    mem_free(pool->sizes);
    mem_free(pool);
}

/* bytes: a multiple of TAG. */
static void add_pool_chunk(Pool *pool, size_t bytes)
{
    size_t size = pool->total > pool->chunk_bytes ? pool->total : pool->chunk_bytes;
    size = size / TAG * TAG;
    if (size < bytes + 2 * (size_t)TAG)
        size = bytes + 2 * (size_t)TAG;
    unsigned char *data = mem_alloc(size, 1);
    pool->chunks = mem_resize(pool->chunks, pool->count, pool->count + 1, sizeof *pool->chunks);
    pool->sizes = mem_resize(pool->sizes, pool->count, pool->count + 1, sizeof *pool->sizes);
    pool->chunks[pool->count] = data;
    pool->sizes[pool->count] = size;
    pool->total += size;
    lay_out(pool, pool->count++);
}

static Tag *best_fit(const Pool *pool, size_t bytes)
{
    Tag *best = NULL;
    for (Tag *t = pool->free; t; t = t->next)
        if (t->bytes >= bytes && (!best || t->bytes < best->bytes))
            best = t;
    return best;
}

/* Cuts what is left behind the first `bytes` bytes off into a free block. */
static void split(Pool *pool, Tag *t, size_t bytes)
{
    if (t->bytes - bytes < 2 * (size_t)TAG)
        return;
    const size_t rest = t->bytes - bytes - TAG;
    t->bytes = bytes;
    Tag *tail = new_tag(after(t));
    tail->bytes = rest;
    tail->before = bytes;
    after(tail)->before = rest;
    link_free(pool, tail);
}

void *pool_alloc(Pool *pool, size_t count, size_t size)
{
    size_t wanted;
    if (!mem_product(count, size, &wanted) || wanted > SIZE_MAX / 2)
        mem_alloc(count, size); /* does not return: reports the two factors */
    const size_t bytes = wanted == 0 ? TAG : (wanted + TAG - 1) / TAG * TAG;
    Tag *t = best_fit(pool, bytes);
    if (!t) {
        add_pool_chunk(pool, bytes);
        t = best_fit(pool, bytes);
    }
    unlink_free(pool, t);
    split(pool, t, bytes);
    pool->used += t->bytes + TAG;
    if (pool->used > pool->peak)
        pool->peak = pool->used;
    unfence((unsigned char *)t + TAG, wanted);
    return (unsigned char *)t + TAG;
}

static void poison_all_in_use(const Pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        for (Tag *t = tag_at(pool->chunks[i]); t->bytes > 0; t = after(t))
            if (!t->free)
                poison((unsigned char *)t + TAG, t->bytes);
}

void pool_free(Pool *pool, void *block)
{
    if (!block)
        return;
    Tag *t = tag_at((unsigned char *)block - TAG);
    TENSOR_CHECK(!t->free, "a block of %zu bytes is freed twice", t->bytes);
    pool->used -= t->bytes + TAG;
    poison(block, t->bytes);
    Tag *next = after(t);
    if (next->free) {
        unlink_free(pool, next);
        t->bytes += TAG + next->bytes;
    }
    if (t->before > 0 && before(t)->free) {
        Tag *front = before(t);
        unlink_free(pool, front);
        front->bytes += TAG + t->bytes;
        t = front;
    }
    after(t)->before = t->bytes;
    link_free(pool, t);
    fence((unsigned char *)t + TAG, t->bytes);
}

void pool_reset(Pool *pool)
{
    if (POISONED)
        poison_all_in_use(pool);
    pool->free = NULL;
    pool->used = 0;
    for (size_t i = 0; i < pool->count; i++)
        lay_out(pool, i);
}

size_t pool_used(const Pool *pool)
{
    return pool->used;
}

size_t pool_peak(const Pool *pool)
{
    return pool->peak;
}
