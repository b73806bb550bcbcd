/* The shape of a 3x3 convolution, which all of its algorithms share; conv.h has the formula. */
#ifndef DI4C_TENSOR_CONV_CONV_SHAPE_H
#define DI4C_TENSOR_CONV_CONV_SHAPE_H

#include <stddef.h>

typedef struct ConvShape {
    size_t batch, height, width, cin, cout; /* height and width of the input */
    int stride;                             /* 1 or 2 */
} ConvShape;

static inline size_t tensor_conv_out_height(const ConvShape *s)
{
    return s->stride == 2 ? s->height / 2 : s->height;
}

static inline size_t tensor_conv_out_width(const ConvShape *s)
{
    return s->stride == 2 ? s->width / 2 : s->width;
}

#endif
