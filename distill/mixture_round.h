/* What every round of expectation-maximisation for a mixture does, whatever its components are. */
#ifndef DI4C_DISTILL_MIXTURE_ROUND_H
#define DI4C_DISTILL_MIXTURE_ROUND_H

#include <stddef.h>

/* No component shrinks onto a single draw, and each is held to have a share of one. */
#define MIXTURE_LEAST_DEVIATION 0.03
#define MIXTURE_LEAST_SHARE     1e-3

/* joint (K), log w_k p_k(z), becomes the posterior of the components; returns log sum_k w_k p_k(z).
 */
double mixture_posterior(double *joint, size_t K);
/* log w_k of a component whose posteriors over `count` draws add up to share. */
double mixture_log_weight(double share, size_t count, size_t K);

#endif
