/* What can be set on samplers beside the grid: one small struct, read from KEY=VALUE. */
#ifndef DI4C_DIFFUSION_SAMPLER_SETTINGS_H
#define DI4C_DIFFUSION_SAMPLER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"

typedef enum SamplerJumps {
    JUMPS_AUTO,        /* ordinal for birth-death and Gaussian noise; categorical for the others,
                          but first for theta-trapezoidal under absorbing noise */
    JUMPS_ORDINAL,     /* jumps are summed and clamped to 0..S-1 */
    JUMPS_CATEGORICAL, /* a dimension that would jump more than once stays */
    JUMPS_FIRST        /* of several jumps the first one counts */
} SamplerJumps;

typedef enum SamplerLast {
    LAST_AUTO,   /* draw, on the authors' grid argmax */
    LAST_DRAW,   /* at t_1: x_0 ~ p(.|x_t) */
    LAST_ARGMAX, /* at t_1: the most probable x_0 of each dimension */
    LAST_MOVE    /* the sampler's own move t_1 -> 0 (not for absorbing noise: masks may be left) */
} SamplerLast;

/* Share of the dimensions that are masked at t. */
typedef enum SamplerMasked {
    MASKED_PROCESS, /* 1 - alpha(t) */
    MASKED_COSINE,  /* sin(pi t/2), which is cos(pi r/2) at progress r = 1 - t (MaskGIT) */
    MASKED_LINEAR   /* t */
} SamplerMasked;

typedef struct SamplerSettings {
    double eps;             /* posterior's eps: 0 exact (default), 1e-9 as the published code */
    double t_min;           /* authors' grid: its last time; exact: where it stops; 0.01 */
    int last;               /* SamplerLast: what the last call does */
    int jumps;              /* SamplerJumps: leaps */
    double theta;           /* theta-trapezoidal: in (0, 1); 0.5 */
    size_t corrector_steps; /* predictor-corrector: leaps after a move; 1 */
    double corrector_size;  /* their length as a share of the move's; 0.5 */
    double corrector_entry; /* only at times <= this; 1 */
    double temperature;     /* confidence: of the Gumbel noise at t = 1, falling to 0 with t; 4.5 */
    int schedule;           /* SamplerMasked: confidence, halton */
} SamplerSettings;

SamplerSettings diffusion_sampler_defaults(void);

/* Sets the key of "KEY=VALUE", which must be one of `allowed` (separated by blanks), those of the
 * sampler of this name. */
bool sampler_settings_read(SamplerSettings *s, const char *assignment, const char *sampler,
                           const char *allowed, Error *err);
/* False and a sentence if a number is out of range. */
bool diffusion_sampler_check(const SamplerSettings *s, Error *err);

/* The table, for help: key number i with its values and default as text.  False from the end on. */
typedef struct SamplerKey {
    const char *key, *help;
    char range[48], standard[24]; /* its default */
} SamplerKey;
bool diffusion_sampler_key(size_t i, SamplerKey *key);

#endif
