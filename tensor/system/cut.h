/* Cutting work into pieces by its shape. */
#ifndef DI4C_TENSOR_SYSTEM_CUT_H
#define DI4C_TENSOR_SYSTEM_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/system/threads.h"

/* Multiply-adds, entries moved, and draws, exponentials or the like below which waking other
 * threads costs more than it saves: some 50 microseconds, as threads that wait sleep. */
enum { CUT_SERIAL_WORK = 1 << 21, CUT_SERIAL_COPY = 1 << 17, CUT_SERIAL_DRAWS = 1 << 13 };

static inline size_t cut_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Number of blocks of `block` that hold n. */
static inline size_t cut_blocks(size_t n, size_t block)
{
    return (n + block - 1) / block;
}

/* Size of the blocks of n that two threads taking them in turn finish soonest: a multiple of
 * `unit`, at most `most`, which is one too, and at least half of it.  (Of seven blocks and a small
 * one, one thread does four.)  Beginning a block is taken to cost as much as 4 of its entries. */
static inline size_t cut_even(size_t n, size_t unit, size_t most)
{
    size_t best = most, least = SIZE_MAX;
    for (size_t block = most; 2 * block >= most && block >= unit; block -= unit) {
        const size_t count = cut_blocks(n, block), rest = n - (count - 1) * block;
        const size_t span = (count - 1) / 2 * block + (count % 2 == 1 ? rest : block) + 2 * count;
        if (span < least) {
            least = span;
            best = block;
        }
    }
    return best;
}

/* body(i, context) for i < count: by threads_for, or one after the other. */
static inline void cut_run(size_t count, void (*body)(size_t i, void *context), void *context,
                           bool serial)
{
    if (!serial) {
        threads_for(count, body, context);
        return;
    }
    for (size_t i = 0; i < count; i++)
        body(i, context);
}

#endif
