/* Sharper laws to draw from: temperature and nucleus (top-p).  They are no part of the method: a
 * chain that uses them does not follow the law that the model has learnt, and bounds do not hold
 * for it. */
#ifndef DI4C_DIFFUSION_HEAD_SHARPEN_H
#define DI4C_DIFFUSION_HEAD_SHARPEN_H

#include "diffusion/head/head.h"
#include "tensor/base/error.h"
#include "tensor/states.h"

struct Sharpening {
    double temperature; /* T: p(a)^(1/T), normalised; 0: as it is, 1 */
    double top_p;       /* then, of the states in falling order of probability (of equals the lower
                           number first), the fewest that have top_p together, normalised; the
                           others have 0.  Holtzman et al., arXiv 1904.09751.  0: all, 1 */
};

bool diffusion_sharpening_wanted(const Sharpening *s); /* false: both are as nothing */
/* False and a sentence if the temperature is not in (0, 100], top_p not in (0, 1] (0: not given),
 * or the head cannot be sharpened. */
bool diffusion_sharpening_check(const Sharpening *s, const Head *head, Error *err);
/* Sharpens the numbers out (B, outputs) of the dimensions that are not known in x (B, D), in place.
 * Each dimension by itself: no result depends on threads. */
void diffusion_head_sharpen(const Head *head, const Sharpening *s, const States *x, float *out);

#endif
