/* Memory for everything that lives for one step: bump allocation, released all at once.
 *
 * An arena is a list of chunks.  Releasing to a mark keeps the chunks for the next step, so that
 * after the first step no call of malloc is made.  An arena belongs to one thread at a time. */
#ifndef DI4C_TENSOR_BASE_ARENA_H
#define DI4C_TENSOR_BASE_ARENA_H

#include <stddef.h>

typedef struct Arena Arena;
typedef struct ArenaMark {
    size_t chunk, used;
} ArenaMark;

/* chunk_bytes: smallest size of a chunk; later ones double the total until they have a megabyte;
 * larger requests get a chunk of their own size. */
Arena *arena_create(size_t chunk_bytes);
void arena_destroy(Arena *arena); /* NULL is allowed */
/* count*size bytes aligned to MEM_ALIGN, not initialised, valid until released. */
void *arena_alloc(Arena *arena, size_t count, size_t size);
void *arena_zeroed(Arena *arena, size_t count, size_t size);
ArenaMark arena_mark(const Arena *arena);
/* Forgets everything allocated after the mark.  Debug builds (-DDI4C_POISON) fill it with 0xFF
 * bytes, which read as NaN. */
void arena_release(Arena *arena, ArenaMark mark);
void arena_reset(Arena *arena); /* releases everything */
size_t arena_used(const Arena *arena);
size_t arena_peak(const Arena *arena); /* largest arena_used so far, bytes */

#endif
