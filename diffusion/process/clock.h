/* A process's own clock. */
#ifndef DI4C_DIFFUSION_PROCESS_CLOCK_H
#define DI4C_DIFFUSION_PROCESS_CLOCK_H

#include "diffusion/process/process.h"

/* How far the noise has come at t: the lost share 1 - keep(0, t) where P has the closed form
 * keep I + (1 - keep) 1 end^T (for absorbing noise 1 - alpha), and otherwise sqrt(B(0, t)), the
 * scale over which states have spread.  0 at t = 0, and it rises with t. */
double diffusion_process_clock(const Process *p, double t);
/* The t > 0 at which that clock, or B(0, t), shows the value; 1 if it never does. */
double diffusion_process_time_of(const Process *p, double clock);
double diffusion_process_time_at(const Process *p, double integral);

#endif
