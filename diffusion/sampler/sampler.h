/* Sampling: the reverse chain from the prior at t = 1 to data, by one of the samplers of the table
 * in samplers.c (sampler/sampler_class.h says what a sampler is; each has a file of its own).
 *
 * Samplers of grid times move all samples t_N -> t_{N-1} -> ... step by step; the last step draws
 * x_0 from what the network says at t_1.  `exact` and `first-hitting` choose times of their own.
 * A mixture draws a fresh lambda for each sample and step, or one for each sample, as its model's
 * scope or the request says; or none, zeros, where it has lambdas for fewer steps
 * (diffusion_uses_lambda).  Hybrid: the last K steps use the teacher.
 *
 * A sample depends on the seed and on its own number, not on batch, first, count or the threads. */
#ifndef DI4C_DIFFUSION_SAMPLER_SAMPLER_H
#define DI4C_DIFFUSION_SAMPLER_SAMPLER_H

#include "diffusion/sampler/grid.h"
#include "diffusion/sampler/plan.h"
#include "diffusion/sampler/samplers.h"

/* Fills out (count, D) with samples first..first+count-1.  Grid times: runs all samples through one
 * step before the next, so each step's matrices are set up once; memory beside out is that of one
 * batch.  False with a sentence if the combination makes no sense (N = 0, times out of order, a
 * sampler that does not know the process, K > N, heads that do not fit the process), the model's
 * numbers are not finite, or a signal came; out is then undefined. */
bool diffusion_sample(const SampleRequest *request, States *out, Error *err);

#endif
