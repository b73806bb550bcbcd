/* Time grids. */
#include "diffusion/sampler/grid.h"

#include <math.h>

#include "tensor/base/check.h"

void diffusion_time_grid(TimeGrid grid, size_t steps, double t_min, double *times)
{
    TENSOR_CHECK(steps >= 1, "%zu steps", steps);
    TENSOR_CHECK(grid == GRID_UNIFORM || grid == GRID_AUTHORS, "grid %d", (int)grid);
    for (size_t i = 0; i < steps; i++)
        if (grid == GRID_UNIFORM)
            times[i] = (double)(steps - i) / (double)steps;
        else
            times[i] = i == 0           ? 1.0
                       : i == steps - 1 ? t_min
                                        : 1.0 - (1.0 - t_min) * (double)i / (double)(steps - 1);
}

/* False if two of the times are one, as where the clock hardly runs. */
static bool process_grid(const Process *p, size_t steps, double *times)
{
    double end = diffusion_process_clock(p, 1.0);

    times[0] = 1.0;
    for (size_t i = 1; i < steps; i++) {
        times[i] = diffusion_process_time_of(p, end * (double)(steps - i) / (double)steps);
        if (!(times[i] > 0.0 && times[i] < times[i - 1]))
            return false;
    }
    return true;
}

static bool listed(const SampleRequest *r, double *times, Error *err)
{
    TENSOR_CHECK(r->times != NULL, "a grid of %zu listed times without times", r->steps);
    for (size_t i = 0; i < r->steps; i++) {
        double t = r->times[i];
        if (!(t > 0.0 && t <= 1.0))
            return error_set(err, "grid: time %zu is %g, expected 0 < t <= 1", i + 1, t);
        if (i > 0 && !(t < r->times[i - 1]))
            return error_set(err, "grid: time %zu is %g after %g, expected times that fall", i + 1,
                             t, r->times[i - 1]);
        times[i] = t;
    }
    return true;
}

bool diffusion_sampler_times(const SampleRequest *r, double *times, Error *err)
{
    double t_min = r->settings != NULL ? r->settings->t_min : diffusion_sampler_defaults().t_min;

    if (r->steps < 1)
        return error_set(err, "steps = 0, expected at least 1");
    if (r->grid == GRID_LIST)
        return listed(r, times, err);
    if (r->grid == GRID_PROCESS)
        return process_grid(r->process, r->steps, times) ||
               error_set(err, "grid process: %zu steps are too many for the clock of process %s",
                         r->steps, r->process->class->name);
    if (r->grid == GRID_AUTHORS && r->steps < 2)
        return error_set(err, "steps = 1, expected at least 2 on the authors' grid, whose last "
                              "call is the argmax at t_min");
    if (r->grid == GRID_AUTHORS && !(t_min > 0.0 && t_min < 1.0))
        return error_set(err, "t_min = %g, expected 0 < t_min < 1", t_min);
    diffusion_time_grid(r->grid, r->steps, t_min, times);
    return true;
}
