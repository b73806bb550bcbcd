/* 3x3 convolutions: the choice of algorithm. */
#include "tensor/conv/conv.h"

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/conv/direct.h"
#include "tensor/conv/few.h"
#include "tensor/conv/reference.h"
#include "tensor/conv/winograd.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"

static ConvAlgorithm chosen = CONV_AUTO;

void tensor_conv_choose(ConvAlgorithm algorithm)
{
    TENSOR_CHECK(algorithm >= CONV_AUTO && algorithm <= CONV_REFERENCE,
                 "no convolution algorithm %d", (int)algorithm);
    chosen = algorithm;
}

ConvAlgorithm tensor_conv_chosen(void)
{
    return chosen;
}

typedef enum Pass { FORWARD, DATA_GRADIENT, WEIGHT_GRADIENT } Pass;

/* The rule, measured with 1 to 512 channels and pictures of 2x2 to 32x32.
 *
 * Forward and data gradient: Winograd's transforms grow with cin + cout and its gain with cin cout,
 * less what squares at the border do outside the picture; it pays from about 2048 pairs of channels
 * on, 16 on either side.  The batch is left out on purpose, though for one or two pictures of 4x4
 * direct sums are as fast: a picture's result shall not depend on how many others are computed with
 * it.  Few output channels leave the direct sums' tile idle; there taps become columns.
 *
 * Weight gradient: one sum over the batch anyway.  Its transforms are of the pictures, not of the
 * weights, and the direct algorithm has to turn the pictures too; with a dozen squares Winograd
 * wins at nearly all numbers of channels. */
static ConvAlgorithm best_for(const ConvShape *s, Pass pass)
{
    const size_t side = 4;
    const size_t down = (s->height + side - 1) / side, across = (s->width + side - 1) / side;
    const bool large = s->height >= side && s->width >= side;
    if (s->stride == 2)
        return CONV_DIRECT;
    if (pass == WEIGHT_GRADIENT)
        return large && s->batch * down * across >= 12 && s->cin * s->cout >= 16 ? CONV_WINOGRAD
                                                                                 : CONV_DIRECT;
    if (pass == FORWARD && conv_few_fits(s->cin, s->cout))
        return CONV_FEW;
    const double covered = (double)(s->height * s->width) / (double)(16 * down * across);
    return large && s->cin >= 16 && s->cout >= 16 &&
                   (double)s->cin * (double)s->cout * covered >= 2048.0
               ? CONV_WINOGRAD
               : CONV_DIRECT;
}

/* Sizes whose number of entries does not fit in a size_t, or in an array, stop the program. */
static void check_conv_shape(const ConvShape *s)
{
    size_t inputs = 0, outputs = 0, weights = 0;
    TENSOR_CHECK(s->stride == 1 || s->stride == 2, "stride %d, 1 or 2 expected", s->stride);
    TENSOR_CHECK(s->stride == 1 || (s->height % 2 == 0 && s->width % 2 == 0),
                 "stride 2 needs even sizes, not (%zu, %zu)", s->height, s->width);
    TENSOR_CHECK(
        mem_product(s->height, s->width, &outputs) && mem_product(outputs, s->batch, &outputs) &&
            mem_product(outputs, s->cin, &inputs) && mem_product(inputs, sizeof(float), &inputs) &&
            mem_product(outputs, s->cout, &outputs) &&
            mem_product(outputs, sizeof(float), &outputs) &&
            mem_product(s->cin, s->cout, &weights) &&
            mem_product(weights, 36 * sizeof(float), &weights),
        "pictures (%zu, %zu, %zu), %zu to %zu channels: too large for this machine", s->batch,
        s->height, s->width, s->cin, s->cout);
}

/* The one place where an algorithm is picked for a shape. */
static ConvAlgorithm algorithm_for(const ConvShape *s, Pass pass)
{
    check_conv_shape(s);
    const bool empty = s->batch * s->height * s->width * s->cin * s->cout == 0;
    if (chosen == CONV_AUTO)
        return empty ? CONV_DIRECT : best_for(s, pass);
    if (chosen == CONV_WINOGRAD && (s->stride == 2 || empty))
        return CONV_DIRECT;
    if (chosen == CONV_FEW && (s->stride == 2 || empty || pass != FORWARD))
        return CONV_DIRECT;
    return chosen;
}

void tensor_conv3x3(float *y, const float *x, const float *w, const float *bias, const ConvShape *s)
{
    const ConvAlgorithm algorithm = algorithm_for(s, FORWARD);
    if (algorithm == CONV_REFERENCE)
        conv_reference_forward(y, x, w, bias, s);
    else if (algorithm == CONV_FEW)
        conv_few_forward(y, x, w, bias, s);
    else if (algorithm == CONV_WINOGRAD)
        conv_winograd_forward(y, x, w, bias, NULL, 1.0f, s);
    else
        conv_direct_forward(y, x, w, bias, s);
}

void tensor_conv3x3_residual(float *y, const float *x, const float *w, const float *bias,
                             const float *residual, float alpha, const ConvShape *s)
{
    if (algorithm_for(s, FORWARD) == CONV_WINOGRAD) {
        conv_winograd_forward(y, x, w, bias, residual, alpha, s);
        return;
    }
    tensor_conv3x3(y, x, w, bias, s);
    tensor_add_scaled(y, alpha, y, residual,
                      s->batch * tensor_conv_out_height(s) * tensor_conv_out_width(s) * s->cout);
}

void tensor_conv3x3_data_gradient(float *dx, const float *dy, const float *w, bool add,
                                  const ConvShape *s)
{
    const ConvAlgorithm algorithm = algorithm_for(s, DATA_GRADIENT);
    const bool no_terms = s->cout == 0;
    if (!add && (no_terms || algorithm == CONV_REFERENCE))
        tensor_fill(dx, 0.0f, s->batch * s->height * s->width * s->cin);
    if (algorithm == CONV_REFERENCE)
        conv_reference_data_gradient(dx, dy, w, s);
    else if (algorithm == CONV_WINOGRAD)
        conv_winograd_data_gradient(dx, dy, w, add, s);
    else
        conv_direct_data_gradient(dx, dy, w, add, s);
}

void tensor_conv3x3_weight_gradient(float *dw, float *dbias, const float *x, const float *dy,
                                    const ConvShape *s)
{
    const ConvAlgorithm algorithm = algorithm_for(s, WEIGHT_GRADIENT);
    if (algorithm == CONV_REFERENCE)
        conv_reference_weight_gradient(dw, x, dy, s);
    else if (algorithm == CONV_WINOGRAD)
        conv_winograd_weight_gradient(dw, x, dy, s);
    else
        conv_direct_weight_gradient(dw, x, dy, s);
    if (dbias != NULL)
        tensor_sum_rows(dbias, dy, s->batch * tensor_conv_out_height(s) * tensor_conv_out_width(s),
                        s->cout);
}
