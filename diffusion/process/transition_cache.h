/* Rows of transition matrices on demand, kept for the last few pairs of times.
 *
 * Whoever needs a few states at a few times (a table over a small space, a chain on a fixed grid)
 * asks for rows and need not plan who computes them when.  Nothing is computed twice: closed forms
 * and the spectral form fill single rows (O(S) and O(S^2)), the accurate form the matrix once.  A
 * cache is not to be shared by threads. */
#ifndef DI4C_DIFFUSION_PROCESS_TRANSITION_CACHE_H
#define DI4C_DIFFUSION_PROCESS_TRANSITION_CACHE_H

#include "diffusion/process/process.h"
#include "diffusion/process/transition.h"

typedef struct TransitionCache TransitionCache;

/* Keeps matrices of at most `pairs` >= 1 pairs of times (checked); memory pairs * S^2 doubles,
 * taken as it is needed.  p must outlive it. */
TransitionCache *diffusion_transition_cache_create(const Process *p, TransitionAccuracy accuracy,
                                                   size_t pairs);
void diffusion_transition_cache_destroy(TransitionCache *cache); /* NULL is allowed */
/* q(x_t = . | x_s = i), S numbers: what diffusion_transition_row gives.  Valid until rows of
 * `pairs` other pairs of times have been asked for. */
const double *diffusion_transition_cache_row(TransitionCache *cache, double s, double t, size_t i);
size_t diffusion_transition_cache_misses(const TransitionCache *cache); /* pairs set up so far */

#endif
