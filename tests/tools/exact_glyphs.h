/* A world that needs no training: the glyphs, noise that masks, and the perfect product model. */
#ifndef DI4C_TESTS_TOOLS_EXACT_GLYPHS_H
#define DI4C_TESTS_TOOLS_EXACT_GLYPHS_H

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "experiments/data/dataset.h"

typedef struct ExactGlyphs {
    Dataset *data;
    Process *process; /* absorbing, of 2 + 1 states and eps 0 */
    Denoiser *exact;  /* of the glyphs' law */
} ExactGlyphs;

ExactGlyphs exact_glyphs_open(void); /* must succeed */
void exact_glyphs_close(ExactGlyphs *g);

#endif
