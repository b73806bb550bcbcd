/* Time grids. */
#ifndef DI4C_DIFFUSION_SAMPLER_GRID_H
#define DI4C_DIFFUSION_SAMPLER_GRID_H

#include "diffusion/process/clock.h"
#include "diffusion/sampler/request.h"

/* The times t_N > ... > t_1 (steps of them) of uniform and authors; checked: steps >= 1. */
void diffusion_time_grid(TimeGrid grid, size_t steps, double t_min, double *times);
/* Those of any grid; list: copied and validated.  False and a sentence for N = 0, the authors' grid
 * with N < 2 or times that are not in (0, 1] or do not fall. */
bool diffusion_sampler_times(const SampleRequest *r, double *times, Error *err);

#endif
