/* Aligned blocks by over-allocation: malloc gives some address, the block starts at the next
 * multiple of MEM_ALIGN that leaves room for a small header in front of it.
 *
 *     malloc's pointer ... | Header | block (aligned) | rest
 *
 * All but the block is fenced, the header too while nobody reads it.
 */
#include "tensor/base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/fence.h"
#include "tensor/base/huge_pages.h"

typedef struct Header {
    void *base;   /* what malloc returned */
    size_t bytes; /* what the caller asked for */
} Header;

enum { SLACK = MEM_ALIGN + (int)sizeof(Header) };

static size_t in_use, peak;

static void default_handler(size_t count, size_t size)
{
    fprintf(stderr, "out of memory: %zu x %zu bytes wanted, %zu bytes in use\n", count, size,
            mem_in_use());
    exit(EXIT_FAILURE);
}

static void (*failure_handler)(size_t count, size_t size) = default_handler;

static void *(*allocate)(size_t bytes) = malloc;

void mem_allocate_by(void *(*function)(size_t bytes))
{
    allocate = function != NULL ? function : malloc;
}

void mem_on_failure(void (*handler)(size_t count, size_t size))
{
    failure_handler = handler != NULL ? handler : default_handler;
}

bool mem_product(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *product = a * b;
    return true;
}

/* Allocations are rare enough that a critical section costs nothing; it keeps the two counters
 * consistent when worker threads grow their scratch. */
static void count_bytes(size_t added, size_t removed)
{
#pragma omp critical(mem_counters)
    {
        in_use = in_use + added - removed;
        if (in_use > peak)
            peak = in_use;
    }
}

size_t mem_in_use(void)
{
    size_t bytes;

#pragma omp critical(mem_counters)
    bytes = in_use;
    return bytes;
}

size_t mem_peak(void)
{
    size_t bytes;

#pragma omp critical(mem_counters)
    bytes = peak;
    return bytes;
}

static Header header_of(void *p)
{
    Header *h = (Header *)p - 1;

    unfence_written(h, sizeof *h);
    const Header header = *h;
    fence(h, sizeof *h);
    return header;
}

void *mem_try(size_t count, size_t size)
{
    size_t bytes;

    if (!mem_product(count, size, &bytes) || bytes > SIZE_MAX - SLACK)
        return NULL;
    unsigned char *base = allocate(bytes + SLACK);
    if (base == NULL)
        return NULL;
    huge_pages_ask(base, bytes + SLACK);
    uintptr_t first = (uintptr_t)base + sizeof(Header);
    size_t skip = sizeof(Header) + (MEM_ALIGN - first % MEM_ALIGN) % MEM_ALIGN;
    void *block = base + skip;
    Header *header = (Header *)block - 1;
    header->base = base;
    header->bytes = bytes;
    fence(base, skip);
    fence(base + skip + bytes, SLACK - skip);
    count_bytes(bytes, 0);
    return block;
}

void *mem_alloc(size_t count, size_t size)
{
    void *block = mem_try(count, size);

    if (block == NULL) {
        failure_handler(count, size);
        abort(); /* a handler must not return */
    }
    return block;
}

void *mem_zeroed(size_t count, size_t size)
{
    void *block = mem_alloc(count, size);

    memset(block, 0, header_of(block).bytes);
    return block;
}

void *mem_resize(void *p, size_t old_count, size_t new_count, size_t size)
{
    void *block = mem_alloc(new_count, size);
    size_t kept = old_count < new_count ? old_count : new_count;

    if (p != NULL)
        memcpy(block, p, kept * size);
    mem_free(p);
    return block;
}

void *mem_grow(void *p, size_t *capacity, size_t first, size_t size)
{
    size_t old = *capacity;

    *capacity = old > 0 ? 2 * old : first; /* no overflow: old entries are in memory */
    return mem_resize(p, old, *capacity, size);
}

void mem_free(void *p)
{
    if (p == NULL)
        return;
    const Header header = header_of(p);
    count_bytes(0, header.bytes);
    free(header.base);
}

char *mem_string(const char *text)
{
    size_t bytes = strlen(text) + 1;

    return memcpy(mem_alloc(bytes, 1), text, bytes);
}
