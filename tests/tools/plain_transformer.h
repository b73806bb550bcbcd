/* The transformer written once more, in double precision and plain loops, one sample at a time: for
 * values, for central differences that keep their digits, and for laws by enumeration. */
#ifndef DI4C_TESTS_TOOLS_PLAIN_TRANSFORMER_H
#define DI4C_TESTS_TOOLS_PLAIN_TRANSFORMER_H

#include "nn/layers.h"
#include "nn/network.h"
#include "nn/transformer/transformer.h"

/* Most of blocks, of positions with the token, and of a position's channels. */
enum { PLAIN_BLOCKS = 4, PLAIN_ROWS = 16, PLAIN_WIDTH = 16 };

/* weight (in, out) and bias (out); weight NULL: the layer is not there. */
typedef struct PlainLinear {
    const double *weight, *bias;
    size_t in, out;
} PlainLinear;

typedef struct PlainBlock {
    const double *gain[2]; /* NULL where time conditions */
    PlainLinear query, key, value, out, first, second, time, lambda;
} PlainBlock;

typedef struct PlainTransformer {
    TransformerConfig config;
    double *weights; /* the network's parameters, each at its offset; may be changed */
    const double *embedding, *place, *gain;
    PlainLinear time0, time1, lambda0, lambda1, lambda_place, output;
    PlainBlock blocks[PLAIN_BLOCKS];
} PlainTransformer;

/* net: of this configuration; its weights are copied.  Freed by plain_transformer_free. */
PlainTransformer plain_transformer(const Network *net, const TransformerConfig *config);
void plain_transformer_free(PlainTransformer *m);
/* x (dims), lambda (nn_transformer_lambdas) or NULL -> logits (dims, out_states). */
void plain_transformer_forward(const PlainTransformer *m, const uint16_t *x, double t,
                               const double *lambda, double *logits);

#endif
