/* An interpolated Kneser-Ney model of a text (Kneser and Ney 1995; Chen and Goodman 1999, section
 * 3.5): how likely each symbol is after those before it.
 *
 * For order k, with h the k-1 symbols before and h' all of them but the first,
 *
 *   P_k(w | h) = max(c(h w) - D_k, 0) / T(h)  +  D_k K(h) / T(h)  P_(k-1)(w | h'),     P_0 = 1 / S
 *
 * where T(h) is the sum of c(h w) over w and K(h) the number of w that have any.  At the highest
 * order c counts how often the symbols stand in the text; below, how many different symbols stand
 * before them there, the text's beginning being one more.  D_k = n_1 / (n_1 + 2 n_2), from the
 * numbers n_1, n_2 of k-grams that have c = 1 and 2; 1/2 if there are none of either.  A context
 * that the text never goes on from says nothing: P_k = P_(k-1).
 *
 * Memory is proportional to the text; every probability is positive. */
#ifndef DI4C_EXPERIMENTS_METRICS_TEXT_NGRAM_MODEL_H
#define DI4C_EXPERIMENTS_METRICS_TEXT_NGRAM_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

enum { NGRAM_ORDER_MOST = 8 };

typedef struct NgramModel NgramModel;

/* Of count > 0 symbols below `states`, which are not kept; order from 1 to the most (checked).
 * ngram_free frees.  NULL and a sentence if there are more symbols than 32 bits count. */
NgramModel *ngram_create(const uint16_t *symbols, size_t count, size_t states, size_t order,
                         Error *err);
void ngram_free(NgramModel *m); /* NULL is allowed */

size_t ngram_order(const NgramModel *m);
/* D_k of 1 <= k <= order (checked). */
double ngram_discount(const NgramModel *m, size_t k);
/* log P(symbol | context) in nats: of the `length` symbols before it (NULL if there are none), the
 * last order-1 count; of the highest order that they allow.  A symbol or a context that is no state
 * (a mask) is one that the text has not. */
double ngram_log_probability(const NgramModel *m, const uint16_t *context, size_t length,
                             uint16_t symbol);
/* That of each symbol of each sequence, which begins without a context: out (batch, dims). */
void ngram_log_probabilities(const NgramModel *m, const States *x, double *out);
/* The mean of that over all symbols of all sequences, each of which begins without a context; at
 * least one symbol (checked). */
double ngram_mean(const NgramModel *m, const States *x);
/* Draws the sequences of x, which are pieces of one long text, one behind the other. */
void ngram_draw(const NgramModel *m, Rng rng, States *x);

#endif
