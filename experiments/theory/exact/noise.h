/* The noise of the experiments: little of the prior's error, and a closed form for T1. */
#ifndef DI4C_EXPERIMENTS_THEORY_EXACT_NOISE_H
#define DI4C_EXPERIMENTS_THEORY_EXACT_NOISE_H

#include "diffusion/process/process.h"

/* On `states` data states, with exp(-B(0,t)) = 1 - t: masks and uniform resampling keep a state
 * until t with probability 1 - t, and forget it wholly at t = 1; birth-death jumps to each
 * neighbour at rate beta, up to exp(-B) = 1e-6.  NULL and a sentence as diffusion_process_create.
 */
Process *theory_noise(const char *process, size_t states, Error *err);

#endif
