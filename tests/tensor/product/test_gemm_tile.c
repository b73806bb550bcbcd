/* The register tiles: both forms of the code against each other and against loops in double, alone
 * and with several segments.  The plain form is compiled into this file under other names. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/product/gemm_tile.h"

#undef DI4C_PLAIN_C
#define DI4C_PLAIN_C
#define tile_for       plain_tile_for
#define tile_panels    plain_tile_panels
#define tile_padded    plain_tile_padded
#define tile_column    plain_tile_column
#define tile_pack      plain_tile_pack
#define tile_transpose plain_tile_transpose
#define tile_copy_rows plain_tile_copy_rows
#include "tensor/product/gemm_tile.c"
#undef tile_for
#undef tile_panels
#undef tile_padded
#undef tile_column
#undef tile_pack
#undef tile_transpose
#undef tile_copy_rows

enum {
    SEGMENTS = 3,
    MAX_DEPTH = 40,
    MAX_STEP = 3,
    COUNT = 19,
    MARGIN = 3,
    LDC = TILE_MAX_COLUMNS + MARGIN
};

typedef struct TileCase {
    size_t columns, depth, segments, left_step;
    float alpha, beta;
    bool bias;
    float left[COUNT * SEGMENTS * MAX_DEPTH * MAX_STEP],
        right[SEGMENTS * MAX_DEPTH * TILE_MAX_COLUMNS];
    float bias_row[TILE_MAX_COLUMNS], c[COUNT * LDC];
} TileCase;

static void fill(Rng *rng, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_uniform(rng) - 0.5f;
}

static void run_tile(const TileCase *t, const Tile *tile, bool plain, float *c)
{
    const float *left[COUNT], *right[SEGMENTS];
    size_t offset[SEGMENTS];
    float *out[COUNT];
    memcpy(c, t->c, sizeof t->c);
    for (size_t i = 0; i < COUNT; i++) {
        left[i] = t->left + i * SEGMENTS * MAX_DEPTH * MAX_STEP;
        out[i] = c + i * LDC;
    }
    for (size_t s = 0; s < SEGMENTS; s++) {
        offset[s] = (SEGMENTS - 1 - s) * MAX_DEPTH * MAX_STEP;
        right[s] = t->right + s * MAX_DEPTH * TILE_MAX_COLUMNS;
    }
    const TileProduct product = {.segments = t->segments,
                                 .depth = t->depth,
                                 .left_step = t->left_step,
                                 .offset = offset,
                                 .right = right,
                                 .right_stride = TILE_MAX_COLUMNS,
                                 .alpha = t->alpha,
                                 .beta = t->beta,
                                 .bias = t->bias ? t->bias_row : NULL};
    if (plain)
        plain_tile_column(tile, &product, left, out, COUNT, t->columns);
    else
        tile_column(tile, &product, left, out, COUNT, t->columns);
}

static double expected_entry(const TileCase *t, size_t i, size_t j)
{
    double sum = 0.0;
    for (size_t s = 0; s < t->segments; s++)
        for (size_t k = 0; k < t->depth; k++)
            sum += (double)t->left[(i * SEGMENTS + SEGMENTS - 1 - s) * MAX_DEPTH * MAX_STEP +
                                   k * t->left_step] *
                   (double)t->right[(s * MAX_DEPTH + k) * TILE_MAX_COLUMNS + j];
    sum *= (double)t->alpha;
    if (t->beta != 0.0f)
        sum += (double)t->beta * (double)t->c[i * LDC + j];
    return sum + (t->bias ? (double)t->bias_row[j] : 0.0);
}

static void check_case(const TileCase *t)
{
    static float c[2][COUNT * LDC];
    const Tile *tile = tile_for(t->columns), *plain = plain_tile_for(t->columns);
    ck_assert_uint_eq(tile->rows, plain->rows);
    ck_assert_uint_eq(tile->columns, plain->columns);
    run_tile(t, tile, false, c[0]);
    run_tile(t, plain, true, c[1]);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < LDC; j++)
            for (int form = 0; form < 2; form++) {
                const bool outside = j >= t->columns;
                const double got = c[form][i * LDC + j];
                const double want = outside ? (double)t->c[i * LDC + j] : expected_entry(t, i, j);
                if (!(fabs(got - want) <= (outside ? 0.0 : 1e-5)))
                    ck_abort_msg("%s form, %zu columns, depth %zu: (%zu, %zu) is %g, not %g",
                                 form ? "plain" : "default", t->columns, t->depth, i, j, got, want);
            }
}

START_TEST(test_forms)
{
    static TileCase t;
    static const size_t depths[] = {0, 1, 7, MAX_DEPTH};
    Rng rng = rng_root(3);
    fill(&rng, t.left, sizeof t.left / sizeof(float));
    fill(&rng, t.right, sizeof t.right / sizeof(float));
    fill(&rng, t.bias_row, TILE_MAX_COLUMNS);
    fill(&rng, t.c, sizeof t.c / sizeof(float));
    for (t.columns = 1; t.columns <= TILE_MAX_COLUMNS; t.columns++)
        for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
            for (t.segments = 1; t.segments <= SEGMENTS; t.segments += 2)
                for (int kind = 0; kind < 6; kind++) {
                    t.depth = depths[d];
                    t.left_step = 1 + (t.columns + d) % MAX_STEP;
                    t.alpha = kind == 0 || kind > 3 ? 1.0f : 0.5f;
                    t.beta = kind < 2 ? 0.0f : kind > 3 ? 1.0f : 1.5f;
                    t.bias = kind % 2;
                    check_case(&t);
                }
}
END_TEST

START_TEST(test_panels)
{
    ck_assert_uint_eq(tile_panels(0), 0);
    ck_assert_uint_eq(tile_padded(0), 0);
    for (size_t n = 1; n < 3 * TILE_MAX_COLUMNS; n++) {
        size_t padded = 0, panels = 0;
        for (size_t j = 0; j < n; j += TILE_MAX_COLUMNS, panels++) {
            const size_t rest = n - j < TILE_MAX_COLUMNS ? n - j : TILE_MAX_COLUMNS;
            ck_assert_uint_ge(tile_for(rest)->columns, rest);
            ck_assert_uint_eq(TILE_ROW_STEP % tile_for(rest)->rows, 0);
            padded += tile_for(rest)->columns;
        }
        ck_assert_uint_eq(tile_padded(n), padded);
        ck_assert_uint_eq(tile_panels(n), panels);
    }
}
END_TEST

START_TEST(test_transpose_and_pack)
{
    enum { MOST = 53, STRIDE = 60 };
    static float in[MOST * STRIDE], out[MOST * STRIDE], packed[MOST * 64];
    for (size_t i = 0; i < MOST * STRIDE; i++)
        in[i] = (float)i;
    for (size_t rows = 0; rows <= MOST; rows += 1 + rows / 9)
        for (size_t columns = 0; columns <= MOST; columns += 1 + columns / 9) {
            for (size_t i = 0; i < MOST * STRIDE; i++)
                out[i] = -1.0f;
            tile_transpose(out, STRIDE, in, STRIDE, rows, columns);
            tile_pack(packed, 64, in, STRIDE, rows % 2 == 1, rows, columns);
            for (size_t j = 0; j < MOST; j++)
                for (size_t i = 0; i < STRIDE; i++)
                    if (out[j * STRIDE + i] !=
                        (j < columns && i < rows ? in[i * STRIDE + j] : -1.0f))
                        ck_abort_msg("transpose (%zu, %zu): (%zu, %zu)", rows, columns, j, i);
            for (size_t k = 0; k < rows; k++)
                for (size_t j = 0; j < 64; j++)
                    if (packed[k * 64 + j] != (j >= columns    ? 0.0f
                                               : rows % 2 == 1 ? in[j * STRIDE + k]
                                                               : in[k * STRIDE + j]))
                        ck_abort_msg("panel (%zu, %zu): (%zu, %zu)", rows, columns, k, j);
            for (size_t i = 0; i < MOST * STRIDE; i++)
                out[i] = -1.0f;
            tile_copy_rows(out, STRIDE, in + 1, STRIDE, rows, columns);
            for (size_t i = 0; i < MOST; i++)
                for (size_t j = 0; j < STRIDE; j++)
                    if (out[i * STRIDE + j] !=
                        (i < rows && j < columns ? in[i * STRIDE + j + 1] : -1.0f))
                        ck_abort_msg("copy (%zu, %zu): (%zu, %zu)", rows, columns, i, j);
        }
}
END_TEST

Suite *gemm_tile_suite(void)
{
    Suite *suite = suite_create("gemm_tile");
    TCase *forms = tcase_create("tiles");
    tcase_set_timeout(forms, 60.0);
    tcase_add_test(forms, test_forms);
    tcase_add_test(forms, test_panels);
    tcase_add_test(forms, test_transpose_and_pack);
    suite_add_tcase(suite, forms);
    return suite;
}
