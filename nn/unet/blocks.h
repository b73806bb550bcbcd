/* The two blocks of the U-Net: residual and attention.  Used by unet.c. */
#ifndef DI4C_NN_UNET_BLOCKS_H
#define DI4C_NN_UNET_BLOCKS_H

#include <stdint.h>

#include "nn/layers.h"
#include "tensor/base/rng.h"

/* Groups of every normalisation in the U-Net: min(channels/4, 32). */
size_t unet_groups(size_t channels);

/* What a block is told besides its picture. */
typedef struct BlockCondition {
    Var *time;          /* SiLU(time embedding), (B, time width) */
    Var *lambda;        /* SiLU(lambda embedding), (B, lambda width); NULL in a teacher */
    const Rng *dropout; /* (B) streams or NULL */
    double dropout_rate;
} BlockCondition;

/* h = conv0(SiLU(norm0(x))) + dense0(time) + dense1(lambda)       (B, H, W, cout)
 * h = conv1(dropout(SiLU(norm1(h))))
 * result = (x + h)/sqrt(2), x through the 1x1 layer nin where cin != cout */
typedef struct ResBlock {
    NormLayer norm0, norm1;
    ConvLayer conv0, conv1;
    LinearLayer dense0, dense1; /* dense1.weight NULL: a teacher */
    PointwiseLayer nin;         /* nin.weight NULL: cin == cout */
    uint64_t number;            /* of its dropout in the network */
} ResBlock;
/* lambda_width 0: a teacher's block. */
ResBlock unet_res_add(ParamSet *set, const char *name, size_t cin, size_t cout, size_t time_width,
                      size_t lambda_width, uint64_t number);
Var *unet_res(Graph *g, const ResBlock *block, Var *x, const BlockCondition *condition);
void unet_res_init(const ResBlock *block, Rng rng);

/* n = norm(x); a = attention(q(n), k(n), v(n)), one head over the H*W positions, scale c^(-1/2);
 * result = (x + out(a))/sqrt(2).  out starts at almost 0, so that the block starts as x/sqrt(2). */
typedef struct AttentionBlock {
    NormLayer norm;
    PointwiseLayer query, key, value, out;
} AttentionBlock;
AttentionBlock unet_attention_add(ParamSet *set, const char *name, size_t channels);
Var *unet_attention(Graph *g, const AttentionBlock *block, Var *x);
void unet_attention_init(const AttentionBlock *block, Rng rng);

#endif
