/* Bump allocation in a list of chunks.
 *
 * Invariant: chunks[0..current] may hold live data, chunks after current are empty and kept for
 * later.  A request that does not fit goes to the next empty chunk that is large enough; smaller
 * ones on the way are skipped until the next release.  What lies outside of blocks is fenced. */
#include "tensor/base/arena.h"

#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/fence.h"
#include "tensor/base/memory.h"

enum { MOST_SET_ASIDE = 1 << 20 }; /* bytes of a chunk, unless more are asked for */

typedef struct Chunk {
    unsigned char *data;
    size_t size, used; /* bytes, multiples of MEM_ALIGN */
} Chunk;

struct Arena {
    Chunk *chunks;
    size_t count, capacity, current;
    size_t chunk_bytes;
    size_t total;      /* sum of size over the chunks */
    size_t used, peak; /* sum of used over the chunks, and its maximum */
};

/* Bytes with room for a fence, as a multiple of MEM_ALIGN; SIZE_MAX if that overflows, which no
 * allocation grants. */
static size_t round_up(size_t bytes)
{
    size_t rounded = (bytes + FENCE_BYTES + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;

    return rounded >= bytes ? rounded : (size_t)-1;
}

Arena *arena_create(size_t chunk_bytes)
{
    Arena *arena = mem_zeroed(1, sizeof *arena);

    arena->chunk_bytes = round_up(chunk_bytes > 0 ? chunk_bytes : 1);
    return arena;
}

void arena_destroy(Arena *arena)
{
    if (arena == NULL)
        return;
    for (size_t i = 0; i < arena->count; i++)
        mem_free(arena->chunks[i].data);
    mem_free(arena->chunks);
    mem_free(arena);
}

static void add_arena_chunk(Arena *arena, size_t bytes)
{
    if (arena->count == arena->capacity)
        arena->chunks = mem_grow(arena->chunks, &arena->capacity, 8, sizeof *arena->chunks);
    size_t size = arena->total < MOST_SET_ASIDE ? arena->total : MOST_SET_ASIDE;
    size = size > arena->chunk_bytes ? size : arena->chunk_bytes;
    Chunk chunk = {NULL, size > bytes ? size : bytes, 0};
    chunk.data = mem_alloc(chunk.size, 1); /* before it is counted: a handler may leave by a jump */
    fence(chunk.data, chunk.size);
    arena->chunks[arena->count++] = chunk;
    arena->total += chunk.size;
}

void *arena_alloc(Arena *arena, size_t count, size_t size)
{
    size_t wanted;

    if (!mem_product(count, size, &wanted))
        mem_alloc(count, size); /* does not return: reports the two factors */
    const size_t bytes = round_up(wanted > 0 ? wanted : 1);
    while (arena->current < arena->count) {
        const Chunk *chunk = &arena->chunks[arena->current];
        if (bytes <= chunk->size - chunk->used)
            break;
        arena->current++;
    }
    if (arena->current == arena->count)
        add_arena_chunk(arena, bytes);
    Chunk *chunk = &arena->chunks[arena->current];
    void *block = chunk->data + chunk->used;
    unfence(block, wanted);
    chunk->used += bytes;
    arena->used += bytes;
    if (arena->used > arena->peak)
        arena->peak = arena->used;
    return block;
}

void *arena_zeroed(Arena *arena, size_t count, size_t size)
{
    void *block = arena_alloc(arena, count, size);

    memset(block, 0, count * size);
    return block;
}

ArenaMark arena_mark(const Arena *arena)
{
    ArenaMark mark = {arena->current, 0};

    if (arena->current < arena->count)
        mark.used = arena->chunks[arena->current].used;
    return mark;
}

/* Cuts a chunk back to its first `used` bytes. */
static void cut_chunk(Arena *arena, Chunk *chunk, size_t used)
{
    TENSOR_CHECK(used <= chunk->used, "mark at byte %zu of a chunk filled to %zu", used,
                 chunk->used);
    poison(chunk->data + used, chunk->used - used);
    fence(chunk->data + used, chunk->used - used);
    arena->used -= chunk->used - used;
    chunk->used = used;
}

void arena_release(Arena *arena, ArenaMark mark)
{
    TENSOR_CHECK(mark.chunk <= arena->current, "mark in chunk %zu, arena is at chunk %zu",
                 mark.chunk, arena->current);
    for (size_t i = mark.chunk; i < arena->count; i++)
        cut_chunk(arena, &arena->chunks[i], i == mark.chunk ? mark.used : 0);
    arena->current = mark.chunk;
}

void arena_reset(Arena *arena)
{
    ArenaMark start = {0, 0};

    arena_release(arena, start);
}

size_t arena_used(const Arena *arena)
{
    return arena->used;
}

size_t arena_peak(const Arena *arena)
{
    return arena->peak;
}
