/* Times are found by bisection to the last digit. */
#include "diffusion/process/clock.h"

#include <math.h>

double diffusion_process_clock(const Process *p, double t)
{
    double keep, leave;

    if (p->decay == 0.0)
        return sqrt(diffusion_process_integral(p, 0.0, t));
    diffusion_process_keep(p, 0.0, t, &keep, &leave);
    return leave;
}

static double integral_to(const Process *p, double t)
{
    return diffusion_process_integral(p, 0.0, t);
}

/* The smallest t in [0, 1] at which a rising clock shows at least the value, by bisection to the
 * last digit. */
static double time_of(const Process *p, double (*clock)(const Process *, double), double value)
{
    double low = 0.0, high = 1.0;

    for (;;) {
        double middle = 0.5 * (low + high);
        if (middle <= low || middle >= high)
            return high;
        if (clock(p, middle) < value)
            low = middle;
        else
            high = middle;
    }
}

double diffusion_process_time_of(const Process *p, double clock)
{
    return time_of(p, diffusion_process_clock, clock);
}

double diffusion_process_time_at(const Process *p, double integral)
{
    return time_of(p, integral_to, integral);
}
