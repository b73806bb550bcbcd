/* The one allocator: overflow-checked products, 64-byte alignment, a running total. */
#ifndef DI4C_TENSOR_BASE_MEMORY_H
#define DI4C_TENSOR_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum { MEM_ALIGN = 64 };

/* False if a*b does not fit in size_t; otherwise *product = a*b. */
bool mem_product(size_t a, size_t b, size_t *product);

/* count*size bytes, aligned to MEM_ALIGN, not initialised; never NULL, also for 0 bytes.  When the
 * product overflows or memory is out, the out-of-memory handler is called with the two factors; it
 * must not return.  The default one prints a sentence to stderr and exits with status 1: all files
 * are written to temporary names and renamed, so nothing finished is lost, and the temporary files
 * go (unfinished.h). */
void *mem_alloc(size_t count, size_t size);
/* As mem_alloc, all bytes zero. */
void *mem_zeroed(size_t count, size_t size);
/* A copy of p's first min(old_count,new_count)*size bytes in a block of new_count*size; frees p. */
void *mem_resize(void *p, size_t old_count, size_t new_count, size_t size);
/* Room behind *capacity entries that are all in use, for an array that grows one by one: p's
 * entries in a block of twice as many, or of `first` if there were none; frees p and sets
 * *capacity. */
void *mem_grow(void *p, size_t *capacity, size_t first, size_t size);
/* As mem_alloc, but returns NULL instead of calling the handler (sizes that come from files). */
void *mem_try(size_t count, size_t size);
void mem_free(void *p); /* NULL is allowed */
/* A copy of the string; the caller frees it with mem_free. */
char *mem_string(const char *text);

void mem_on_failure(void (*handler)(size_t count, size_t size));
/* For tests: where blocks come from, in place of malloc; it may give NULL, and what it gives is
 * freed by free.  NULL: malloc again. */
void mem_allocate_by(void *(*function)(size_t bytes));
size_t mem_in_use(void); /* bytes asked for and not freed */
size_t mem_peak(void);   /* largest mem_in_use so far */

#endif
