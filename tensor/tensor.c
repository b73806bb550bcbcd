/* Shapes and views; the numbers themselves are handled by the kernels. */
#include "tensor/tensor.h"

#include <stdio.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

/* The shape without data.  An overflowing number of entries is a programming error: sizes that come
 * from files are checked where they are read. */
static Tensor with_shape(int rank, const size_t *shape)
{
    Tensor t = {NULL, {1, 1, 1, 1}, rank};
    size_t size = 1;

    TENSOR_CHECK(rank >= 0 && rank <= TENSOR_MAX_RANK, "rank %d, at most %d", rank,
                 (int)TENSOR_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        t.shape[i] = shape[i];
        TENSOR_CHECK(mem_product(size, shape[i], &size), "axis %d of %zu entries overflows", i,
                     shape[i]);
    }
    return t;
}

Tensor tensor_make(Arena *arena, int rank, const size_t *shape)
{
    Tensor t = with_shape(rank, shape);

    t.data = arena_alloc(arena, tensor_size(&t), sizeof(float));
    return t;
}

Tensor tensor_make1(Arena *arena, size_t n)
{
    return tensor_make(arena, 1, &n);
}

Tensor tensor_make2(Arena *arena, size_t rows, size_t columns)
{
    size_t shape[2] = {rows, columns};

    return tensor_make(arena, 2, shape);
}

Tensor tensor_make4(Arena *arena, size_t b, size_t h, size_t w, size_t c)
{
    size_t shape[4] = {b, h, w, c};

    return tensor_make(arena, 4, shape);
}

Tensor tensor_view(float *data, int rank, const size_t *shape)
{
    Tensor t = with_shape(rank, shape);

    t.data = data;
    return t;
}

Tensor tensor_reshape(Tensor t, int rank, const size_t *shape)
{
    Tensor out = tensor_view(t.data, rank, shape);
    char from[TENSOR_TEXT], to[TENSOR_TEXT];

    TENSOR_CHECK(tensor_size(&t) == tensor_size(&out), "%s as %s", tensor_text(&t, from),
                 tensor_text(&out, to));
    return out;
}

size_t tensor_size(const Tensor *t)
{
    size_t size = 1;

    for (int i = 0; i < t->rank; i++)
        size *= t->shape[i];
    return size;
}

bool tensor_same_shape(const Tensor *a, const Tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    return true;
}

const char *tensor_text(const Tensor *t, char text[TENSOR_TEXT])
{
    int used = snprintf(text, TENSOR_TEXT, "(");

    for (int i = 0; i < t->rank; i++)
        used += snprintf(text + used, (size_t)(TENSOR_TEXT - used), "%s%zu", i > 0 ? ", " : "",
                         t->shape[i]);
    snprintf(text + used, (size_t)(TENSOR_TEXT - used), ")");
    return text;
}
