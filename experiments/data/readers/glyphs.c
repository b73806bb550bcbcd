/* Ten glyphs of 5x5 pixels x four shifts = 40 patterns.  Each glyph touches all four sides
 * of its square, so that its shifts differ; a pixel alone says little, all of them together say
 * everything: what a product model cannot hold. */
#include "experiments/data/readers/glyphs.h"

#include "experiments/data/dataset_kind.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

enum { GLYPHS = 10, SIDE = 5, SHIFTS = GLYPH_SIDE - SIDE + 1 };

typedef struct Glyph {
    const char *name;
    double weight;
    const char *rows[SIDE];
} Glyph;

static const Glyph glyphs[GLYPHS] = {
    {"cross", 5, {"..#..", "..#..", "#####", "..#..", "..#.."}},
    {"ring", 4, {"#####", "#...#", "#...#", "#...#", "#####"}},
    {"diamond", 4, {"..#..", ".#.#.", "#...#", ".#.#.", "..#.."}},
    {"corner", 3, {"#....", "#....", "#....", "#....", "#####"}},
    {"tee", 3, {"#####", "..#..", "..#..", "..#..", "..#.."}},
    {"arrow", 2, {"..#..", ".###.", "#.#.#", "..#..", "..#.."}},
    {"saltire", 2, {"#...#", ".#.#.", "..#..", ".#.#.", "#...#"}},
    {"heart", 2, {".#.#.", "#####", "#####", ".###.", "..#.."}},
    {"gate", 1, {"#...#", "#...#", "#####", "#...#", "#...#"}},
    {"zed", 1, {"#####", "...#.", "..#..", ".#...", "#####"}},
};
static const double shift_weight[SHIFTS * SHIFTS] = {3, 2, 2, 1};

/* The glyph with its upper left corner at (row, column). */
static void draw_glyphs(uint16_t *out, const Glyph *glyph, size_t row, size_t column)
{
    for (size_t i = 0; i < GLYPH_DIMS; i++)
        out[i] = 0;
    for (size_t r = 0; r < SIDE; r++)
        for (size_t c = 0; c < SIDE; c++)
            if (glyph->rows[r][c] == '#')
                out[(row + r) * GLYPH_SIDE + column + c] = 1;
}

FiniteLaw *glyphs_create(void)
{
    FiniteLaw *law = law_create((size_t)GLYPHS * SHIFTS * SHIFTS, GLYPH_DIMS, 2);
    size_t k = 0;

    for (size_t g = 0; g < GLYPHS; g++)
        for (size_t shift = 0; shift < (size_t)SHIFTS * SHIFTS; shift++, k++) {
            draw_glyphs(law->patterns + k * GLYPH_DIMS, &glyphs[g], shift / SHIFTS, shift % SHIFTS);
            law->probability[k] = glyphs[g].weight * shift_weight[shift];
            law->label[k] = (uint16_t)g;
        }
    law_normalise(law);
    return law;
}

size_t glyphs_kinds(void)
{
    return GLYPHS;
}

const char *glyphs_kind_name(size_t kind)
{
    TENSOR_CHECK(kind < GLYPHS, "glyph %zu of %d", kind, (int)GLYPHS);
    return glyphs[kind].name;
}

/* ---- the data set ---- */

static bool open_glyphs(Dataset *d, const char *place, bool test_split, Error *err)
{
    FiniteLaw *law = glyphs_create();

    (void)place, (void)test_split, (void)err; /* built in, and both splits are the law */
    d->law = law;
    d->count = law->count;
    d->height = d->width = GLYPH_SIDE;
    d->channels = 1;
    d->states = law->states;
    d->classes = glyphs_kinds();
    d->data = mem_alloc(law->count, law->dims);
    d->labels = mem_alloc(law->count, 1);
    for (size_t i = 0; i < law->count * law->dims; i++)
        d->data[i] = (uint8_t)law->patterns[i];
    for (size_t k = 0; k < law->count; k++)
        d->labels[k] = (uint8_t)law->label[k];
    return true;
}

static bool has_test(const char *place)
{
    (void)place;
    return true;
}

const DatasetKind dataset_glyphs = {
    .name = "glyphs",
    .help = "built in, drawn from its exact law",
    .presets = &dataset_presets_glyphs,
    .has_law = true,
    .open = open_glyphs,
    .has_test = has_test,
};
