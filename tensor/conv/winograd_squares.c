/* Winograd's squares: their places in the pictures, the pixels around them. */
#include "tensor/conv/winograd_squares.h"

#include <string.h>

#include "tensor/conv/winograd_square.h"
#include "tensor/system/cut.h"

Squares wino_squares(const ConvShape *s)
{
    Squares q = {.batch = s->batch, .height = s->height, .width = s->width};
    q.down = cut_blocks(s->height, WINO_OUT);
    q.across = cut_blocks(s->width, WINO_OUT);
    q.count = q.batch * q.down * q.across;
    return q;
}

SquarePlace wino_place(const Squares *q, size_t t)
{
    SquarePlace p;
    p.b = t / (q->down * q->across);
    p.i = t / q->across % q->down * WINO_OUT;
    p.j = t % q->across * WINO_OUT;
    p.rows = cut_min(q->height - p.i, WINO_OUT);
    p.columns = cut_min(q->width - p.j, WINO_OUT);
    return p;
}

const float *wino_window(const Squares *q, const SquarePlace *p, const float *x, size_t channels,
                         size_t before, size_t side, float *copy, size_t *row)
{
    const float *picture = x + p->b * q->height * q->width * channels;
    if (p->i >= before && p->j >= before && p->i - before + side <= q->height &&
        p->j - before + side <= q->width) {
        *row = q->width * channels;
        return picture + ((p->i - before) * q->width + p->j - before) * channels;
    }
    *row = side * channels;
    const size_t skip = p->j < before ? before - p->j : 0; /* columns left of the picture */
    const size_t first = p->j + skip - before, inner = cut_min(q->width - first, side - skip);
    for (size_t r = 0; r < side; r++, copy += side * channels) {
        const size_t i = p->i + r; /* + before */
        if (i < before || i - before >= q->height) {
            memset(copy, 0, side * channels * sizeof *copy);
            continue;
        }
        memset(copy, 0, skip * channels * sizeof *copy);
        memcpy(copy + skip * channels, picture + ((i - before) * q->width + first) * channels,
               inner * channels * sizeof *copy);
        memset(copy + (skip + inner) * channels, 0,
               (side - skip - inner) * channels * sizeof *copy);
    }
    return copy - side * side * channels;
}
