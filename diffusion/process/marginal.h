/* The marginal q(x_t | x_0), drawn. */
#ifndef DI4C_DIFFUSION_PROCESS_MARGINAL_H
#define DI4C_DIFFUSION_PROCESS_MARGINAL_H

#include "diffusion/process/process.h"
#include "tensor/base/rng.h"
#include "tensor/states.h"

/* x_t ~ q(. | x_0) for each sample: t (B), one stream per sample. xt: (B, D), may not alias x0.
 * Samples with equal t share their matrix, of which only the rows that occur are computed. */
void diffusion_draw_marginal(const Process *p, States *xt, const States *x0, const double *t,
                             const Rng *streams);

#endif
