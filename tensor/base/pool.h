/* Memory for buffers that come and go in any order within one step: values that are dropped early,
 * gradients that are needed for a moment.
 *
 * A pool is a few large chunks, each cut into blocks that lie side by side.  A request takes the
 * smallest free block that holds it; a freed block is joined with free neighbours.  Pages of a
 * chunk that no block has reached are never touched.  A pool belongs to one thread at a time. */
#ifndef DI4C_TENSOR_BASE_POOL_H
#define DI4C_TENSOR_BASE_POOL_H

#include <stddef.h>

typedef struct Pool Pool;

/* chunk_bytes: size of the first chunk; later ones double the total. */
Pool *pool_create(size_t chunk_bytes);
void pool_destroy(Pool *pool); /* NULL is allowed */
/* count*size bytes aligned to MEM_ALIGN, not initialised, valid until freed or reset. */
void *pool_alloc(Pool *pool, size_t count, size_t size);
/* `block` came from this pool and was not freed since; NULL is allowed.  Debug builds
 * (-DDI4C_POISON) fill it with 0xFF bytes, which read as NaN. */
void pool_free(Pool *pool, void *block);
void pool_reset(Pool *pool);        /* frees every block; the chunks are kept */
size_t pool_used(const Pool *pool); /* bytes of the blocks in use, headers included */
size_t pool_peak(const Pool *pool); /* largest pool_used so far */

#endif
