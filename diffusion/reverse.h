/* Reverse rates of one dimension at one time:
 *
 *   R^_t[x][v] = R_t[v][x] sum_a p(a) q[a][v]/q[a][x],  v != x,  R_t = beta(t) R,  q = P[0->t],
 *
 * with p = p^d(.|x_t), the network's probabilities of the clean state ([tauLDR] arXiv 2205.14987,
 * Proposition 3).  Built from matrices that are accurate entry by entry, as quotients of small
 * numbers need.  Clean states a with q[a][x] < 1e-290 cannot have led to x and count as
 * probability 0.  Absorbing noise: only the mask has reverse rates.  Where beta is
 * infinite, at t = 1, the rates are those of t = 1 - 1e-9 (for absorbing noise beta alpha, which is
 * all that counts, is continuous there).
 *
 * Sums over (a, v) are not formed where a sum over a will do: the total rate is a product with a
 * table of the time, and a jump is drawn by first drawing a, then v. */
#ifndef DI4C_DIFFUSION_REVERSE_H
#define DI4C_DIFFUSION_REVERSE_H

#include "diffusion/process/process.h"
#include "tensor/base/rng.h"

typedef struct ReverseRates ReverseRates;

/* 0 < t <= 1 (checked).  A dense process: one accurate transition and one S^3 product; holds four
 * (S, S) tables. */
ReverseRates *diffusion_reverse_create(const Process *p, double t);
void diffusion_reverse_destroy(ReverseRates *r); /* NULL is allowed */
/* In all of these p0 has S numbers >= 0, or S-1 without the mask, and x < S (checked). */
double diffusion_reverse_total(const ReverseRates *r, size_t x, const double *p0); /* O(S) */
double diffusion_reverse_rate(const ReverseRates *r, size_t x, const double *p0,
                              size_t v); /* O(S) */
/* rates (S), rates[x] = 0: O(S) for closed forms, else O(S) for each v with R[v][x] > 0. */
void diffusion_reverse_rates(const ReverseRates *r, size_t x, const double *p0, double *rates);
/* v with probability R^[x][v] / total; O(S).  The total must be > 0 (checked). */
size_t diffusion_reverse_draw(const ReverseRates *r, size_t x, const double *p0, Rng *rng);
/* Forward rates R_t[x][v] out of x; forward[x] = 0. */
double diffusion_forward_total(const ReverseRates *r, size_t x);
void diffusion_forward_rates(const ReverseRates *r, size_t x, double *forward);
size_t diffusion_forward_draw(const ReverseRates *r, size_t x, Rng *rng);
size_t diffusion_reverse_states(const ReverseRates *r);
double diffusion_reverse_beta(const ReverseRates *r); /* beta(t), finite as said above */
double diffusion_reverse_table(const ReverseRates *r, size_t x, size_t a); /* total if p(a) = 1 */

#endif
