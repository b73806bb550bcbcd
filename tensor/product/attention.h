/* Attention of several heads, over positions, in both directions.
 *
 * q, k, v, y: (B, L, C); head h of H has the channels h C/H to (h + 1) C/H - 1, and is read and
 * written where it lies.  For each sample and head, with rows of c = C/H channels:
 *
 *   S = q k^T / sqrt(c),  P = softmax of the rows of S,  y = P v
 *   dv = P^T dy,  dP = dy v^T,  dS_ij = P_ij (dP_ij - D_i),  D_i = sum_j P_ij dP_ij = dy_i . y_i,
 *   dq = dS k / sqrt(c),  dk = dS^T q / sqrt(c)
 * P is never kept: scratch holds some of its rows at a time, and the backward makes them again from
 * S and two numbers of each row. */
#ifndef DI4C_TENSOR_PRODUCT_ATTENTION_H
#define DI4C_TENSOR_PRODUCT_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/places.h"

typedef struct AttentionShape {
    size_t batch, positions, heads, channels; /* channels: of all heads together */
    const Places *queries; /* q, y and what is of them are (N, C): at these places alone; NULL: at
                              all */
} AttentionShape;

/* What forward and backward pass read alike. */
typedef struct AttentionInput {
    const float *q, *k, *v;
    const uint8_t *left_out; /* (B, L): not 0 where a position is no key; NULL: all are.  One key at
                                least must remain in each sample. */
} AttentionInput;

/* y; and of each row of S sqrt(c) times its largest entry (top), and the factor
 * 1/sum_j exp(S_ij - max_j S_ij), both (B, H, L), with `queries` those of N H rows, for the
 * backward. */
void tensor_attention(float *y, float *top, float *factor, const AttentionInput *in,
                      const AttentionShape *s);

typedef struct AttentionGradient {
    float *dq, *dk, *dv;      /* each may be NULL */
    bool add_q, add_k, add_v; /* else overwritten */
} AttentionGradient;

void tensor_attention_backward(const AttentionGradient *out, const float *dy, const float *y,
                               const float *top, const float *factor, const AttentionInput *in,
                               const AttentionShape *s);

#endif
