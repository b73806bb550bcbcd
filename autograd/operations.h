/* The operations.  Each comment gives the formula and shapes; C is always the last axis.  The
 * result belongs to the graph of its inputs.  Wrong shapes stop the program.  Gradients are checked
 * in tests/autograd, row by row of tables (tests/tools/operation_cases.h). */
#ifndef DI4C_AUTOGRAD_OPERATIONS_H
#define DI4C_AUTOGRAD_OPERATIONS_H

#include <stdint.h>

#include "autograd/autograd.h"
#include "tensor/base/rng.h"
#include "tensor/places.h"
#include "tensor/states.h"

/* ---- linear.c: products ---- */
/* y = x w + b along the last axis: x (..., K), w (K, N), b (N) or NULL -> (..., N).  A 1x1
 * convolution is this on (B, H, W, K). */
Var *ag_linear(Var *x, Var *w, Var *b);
/* 3x3 convolution: x (B, H, W, Cin), w (3, 3, Cin, Cout), b (Cout) or NULL; see tensor/conv/conv.h.
 */
Var *ag_conv3x3(Var *x, Var *w, Var *b, int stride);
/* alpha (r + conv3x3(x, w, b, stride 1)): the end of a residual block in one pass; r as the result.
 */
Var *ag_conv3x3_residual(Var *x, Var *w, Var *b, Var *r, float alpha);
/* ---- embedding.c ---- */
/* y[b, l] = table[x[b, l]]: table (S, C), x (B, L) numbers < S (checked, copied) -> (B, L, C). */
Var *ag_embedding(Var *table, const States *x);

/* ---- attention.c ---- */
/* Single-head attention over positions: q, k, v (B, H, W, C);
 * y[b, i] = sum_j softmax_j(scale q[b,i].k[b,j]) v[b,j]. */
Var *ag_attention(Var *q, Var *k, Var *v, float scale);

/* ---- multihead_attention.c ---- */
/* Attention over positions by each of the heads, which divide C, on its own C/H channels: q, k, v
 * (B, ..., C); y[b, i] = sum_j softmax_j(q[b,i].k[b,j] / sqrt(C/H)) v[b,j].  left_out (B,
 * positions) (copied) is not 0 where a position is left out of all sums over j, or NULL; not all of
 * a sample. */
Var *ag_multihead_attention(Var *q, Var *k, Var *v, size_t heads, const uint8_t *left_out);

/* The same of the queries at some places alone: q (1, N, C) in their order, k, v (B, L, C) ->
 * (1, N, C).  A row has the bits it would have among all.  places: as in places.c. */
Var *ag_multihead_attention_places(Var *q, Var *k, Var *v, size_t heads, const uint8_t *left_out,
                                   const Places *places);

/* ---- rotary.c ---- */
/* Rotary position embedding of x (B, ..., C) seen as heads of h = C/heads channels, h even: the
 * pair (i, i + h/2) at position p is turned by the angle (p - first) 10000^(-2i/h); the `first`
 * leading positions stay as they are. */
Var *ag_rotary(Var *x, size_t heads, size_t first);

/* The same of the rows at some places, x (1, N, C), turned by their positions there; places: as in
 * places.c. */
Var *ag_rotary_places(Var *x, size_t heads, size_t first, const Places *places);

/* ---- places.c ---- */
/* Rows at some places of (B, L), and back among zeros: (B, L, C) -> (1, N, C) and (1, N, C) ->
 * (B, L, C).  What `places` points to is the caller's and must last as long as the graph's Vars. */
Var *ag_pick(Var *x, const Places *places);
Var *ag_spread(Var *x, const Places *places);

/* ---- norm.c ---- */
/* Group normalisation with eps, then SiLU if silu; x (..., C) with x's first axis the batch;
 * gamma, beta (C).  Groups must divide C. */
Var *ag_group_norm(Var *x, Var *gamma, Var *beta, size_t groups, double eps, bool silu);
/* The same of x[b, ..., c] + shift[b, c], without a pass for the sum; shift (B, C), or NULL. */
Var *ag_group_norm_shifted(Var *x, Var *shift, Var *gamma, Var *beta, size_t groups, double eps,
                           bool silu);

/* ---- layer_norm.c ---- */
/* Layer normalisation LN(x) of every position over its channels, eps 1e-5 in most networks; then
 * times gain and plus offset: x (..., C); gain, offset (C), each may be NULL. */
Var *ag_layer_norm(Var *x, Var *gain, Var *offset, double eps);
/* (1 + scale[b, c]) LN(x)[b, ..., c] + shift[b, c]: x (B, ..., C); scale, shift (B, C). */
Var *ag_layer_norm_adaptive(Var *x, Var *scale, Var *shift, double eps);

/* ---- pointwise.c ---- */
Var *ag_silu(Var *x); /* x sigmoid(x) */
Var *ag_gelu(Var *x); /* x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2 */
Var *ag_relu(Var *x); /* max(x, 0); derivative 0 at 0 */
Var *ag_tanh(Var *x);
Var *ag_sigmoid(Var *x);
Var *ag_add(Var *a, Var *b);                     /* same shapes */
Var *ag_add_scaled(Var *a, Var *b, float alpha); /* alpha (a + b) */
Var *ag_multiply(Var *a, Var *b);
Var *ag_scale(Var *x, float alpha);
/* y[..., c] = x[..., c] + v[c]: x (..., C), v (C). */
Var *ag_add_row(Var *x, Var *v);
/* y[b, ..., c] = x[b, ..., c] + v[b, c]: x (B, ..., C), v (B, C). */
Var *ag_add_channel(Var *x, Var *v);

/* y[b, ..., c] = x[b, ..., c] + a[b, c] z[b, ..., c]: x, z (B, ..., C), a (B, C). */
Var *ag_add_gated(Var *x, Var *a, Var *z);

/* ---- dropout.c ---- */
/* Inverted dropout: each entry is 0 with probability p, else x/(1-p).  streams: B streams, one per
 * sample; layer: number of this dropout in the network, so that each draws its own mask.  NULL
 * streams or p = 0: returns x. */
Var *ag_dropout(Var *x, double p, const Rng *streams, uint64_t layer);

/* ---- draw.c ---- */
/* A reparameterised draw from N(m, diag(e^v)): stats (B, 2 L), a row is m, then the log-variances
 * v; noise (B, L), standard normal (copied).  y = m + e^(v/2) noise: (B, L). */
Var *ag_gaussian_draw(Var *stats, const double *noise);
/* A reparameterised draw from the uniform law on a box of [0,1]^L: stats (B, 2 L), a row is l, then
 * r; the box leaves e^l/z below it and e^r/z above it, z = 1 + e^l + e^r.  u (B, L) in [0,1). */
Var *ag_box_draw(Var *stats, const double *u);

/* ---- shape.c ---- */
Var *ag_reshape(Var *x, int rank, const size_t *shape); /* shares data */
Var *ag_concat(Var *a, Var *b);                         /* along the last axis */
Var *ag_slice(Var *x, size_t first, size_t count);      /* of the last axis */
Var *ag_upsample2(Var *x);                              /* (B,H,W,C) -> (B,2H,2W,C) nearest */
Var *ag_max_pool2(Var *x);                              /* (B,H,W,C) -> (B,H/2,W/2,C) */
Var *ag_mean_positions(Var *x);                         /* (B,...,C) -> (B,C) */

/* ---- loss.c ---- */
Var *ag_softmax(Var *x); /* along the last axis */
Var *ag_log_softmax(Var *x);
Var *ag_sum(Var *x);  /* -> (1) */
Var *ag_mean(Var *x); /* -> (1) */
/* Mean over rows of -log softmax(logits)[row, label]: logits (B, C), labels B numbers < C (copied);
 * nats. */
Var *ag_cross_entropy(Var *logits, const uint16_t *labels);

#endif
