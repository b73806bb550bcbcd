/* The block of the transformer and of its encoder.
 *
 *   x = x + a1 * dropout(Attention(LN(x) f1 + s1))
 *   x = x + a2 * dropout(MLP(LN(x) f2 + s2)),     MLP = Linear(GELU(Linear)), 4 times as wide
 *
 * LN has eps 1e-5; the vectors s, f and a, one number a channel, are a sample's.  With time, and
 * lambda where a student has it as conditioning, (s, g, a) of both lines are
 * Linear(time) + Linear(lambda), and f = 1 + g: linear layers that start at zero, so that a new
 * block does nothing.  Without time f = gain + g, and 1 + a takes the place of a, (s, g, a) =
 * Linear(lambda) or 0: a student is its teacher as long as lambda's layer is zero. */
#ifndef DI4C_NN_TRANSFORMER_BLOCK_H
#define DI4C_NN_TRANSFORMER_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/layers.h"
#include "tensor/base/rng.h"
#include "tensor/places.h"
#include "tensor/states.h"

/* What the blocks of a network share. */
typedef struct BlockShape {
    size_t width, heads;
    size_t condition_width; /* of time and lambda */
    bool time, lambda;      /* which of the two condition it */
} BlockShape;

/* What a block is told besides its sequence. */
typedef struct BlockInput {
    Var *time, *lambda; /* (B, condition_width), or NULL as BlockShape says */
    size_t front;       /* leading positions that have no place in the sequence: not turned */
    Var *table;         /* NULL, or x is rows of this (R, width), and then nothing conditions */
    const States *rows; /* with a table: their numbers, (B, L) */
    const Places *read; /* those whose result is read, or NULL: all */
    const Rng *dropout; /* (B) streams or NULL */
    double dropout_rate;
} BlockInput;

typedef struct TransformerBlock {
    BlockShape shape;
    uint64_t number;      /* in the network */
    Param *gain1, *gain2; /* (width), NULL with time */
    LinearLayer query, key, value, out, first, second;
    LinearLayer time, lambda; /* to (s1, g1, a1, s2, g2, a2); weight NULL: none */
} TransformerBlock;

TransformerBlock transformer_block_add(ParamSet *set, const char *name, const BlockShape *shape,
                                       uint64_t number);
/* x (B, L, width) -> the same shape, or (1, N, width) at in->read: there keys and values are of all
 * places, and nothing else is.  With a table norm, q, k and v are made of its rows, once each, and
 * are then picked as x was; the bits are the same. */
Var *transformer_block(Graph *g, const TransformerBlock *block, Var *x, const BlockInput *in);
void transformer_block_init(const TransformerBlock *block, Rng rng);

/* A layer norm's gain "NAME.weight" (width); starts at 1. */
Param *transformer_gain_add(ParamSet *set, const char *name, size_t width);
/* LN(x) gain, of all positions. */
Var *transformer_norm(Graph *g, const Param *gain, Var *x);

#endif
