#include "distill/mixture_round.h"

#include <math.h>

double mixture_posterior(double *joint, size_t K)
{
    double top = -HUGE_VAL, total = 0.0;

    for (size_t k = 0; k < K; k++)
        top = joint[k] > top ? joint[k] : top;
    for (size_t k = 0; k < K; k++) {
        joint[k] = joint[k] > top - 40.0 ? exp(joint[k] - top) : 0.0;
        total += joint[k];
    }
    for (size_t k = 0; k < K; k++)
        joint[k] /= total;
    return top + log(total);
}

double mixture_log_weight(double share, size_t count, size_t K)
{
    return log((share + MIXTURE_LEAST_SHARE) / ((double)count + MIXTURE_LEAST_SHARE * (double)K));
}
