/* Cutting work into pieces by its shape. */
#ifndef DI4C_TENSOR_CUT_H
#define DI4C_TENSOR_CUT_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/threads.h"

/* Multiply-adds (or entries moved) below which waking other threads costs more than it saves. */
enum { CUT_SERIAL_WORK = 1 << 19, CUT_SERIAL_COPY = 1 << 17 };

static inline size_t cut_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Number of blocks of `block` that hold n. */
static inline size_t cut_blocks(size_t n, size_t block)
{
    return (n + block - 1) / block;
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
