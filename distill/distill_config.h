/* The settings of a distillation step by the paper's losses. */
#ifndef DI4C_DISTILL_DISTILL_CONFIG_H
#define DI4C_DISTILL_DISTILL_CONFIG_H

#include "distill/losses.h"

typedef struct DistillConfig {
    Di4cOptions loss;
    size_t lambdas;              /* N per picture */
    size_t distill_lambdas;      /* M per picture in the distillation term; 0: N, as in the paper */
    double t_min;                /* t ~ U[t_min + delta_t, 1]; tm starts here: 0.01 */
    double delta_min, delta_max; /* t - u log-uniform in [delta_min, delta_max] */
    double tm_width;             /* tm = t_min + coin U(0,1) tm_width */
    double share_at_one;         /* share of the batch with t = 1 exactly: its first pictures */
    double eps;                  /* posterior's, 1e-9 */
    bool stratified_lambda; /* the N lambdas of a picture cut their law evenly, in random order */
} DistillConfig;

/* The published setting: that of [Di4C] (arXiv 2410.08709), and where its code says something else,
 * the code's.  distill/README.md, "Paper and published code", lists the differences. */
DistillConfig distill_defaults(void);

#endif
