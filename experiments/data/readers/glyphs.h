/* The built-in data: small binary pictures whose law is known exactly.  Ten hand-made glyphs in
 * all their shifts inside 6x6 pixels, with unequal weights. */
#ifndef DI4C_EXPERIMENTS_DATA_READERS_GLYPHS_H
#define DI4C_EXPERIMENTS_DATA_READERS_GLYPHS_H

#include "experiments/data/law/finite_law.h"

enum { GLYPH_SIDE = 6, GLYPH_DIMS = GLYPH_SIDE * GLYPH_SIDE };

/* S = 2, D = 36 in (H, W) order; label: number of the glyph.  law_destroy frees. */
FiniteLaw *glyphs_create(void);
size_t glyphs_kinds(void); /* labels are 0..kinds-1 */
const char *glyphs_kind_name(size_t kind);

#endif
