/* 3x3 convolutions with few output channels: the last layer of a network.
 *
 * The direct sums leave most columns of a tile idle there.  So the taps become columns: one product
 *
 *   z[i,j, (p,q,o)] = sum_c x[i,j,c] w[p,q,c,o]         pixels x cin times cin x 9 cout
 *
 * of the pixels as they lie, and then y[i,j,o] = bias[o] + sum_{p,q} z[i+p-1, j+q-1, (p,q,o)].
 *
 * A task takes a band of rows of one picture and forms z for one more row on either side. */
#include "tensor/conv/few.h"

#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    TASK_PIXELS = 512, /* about so many a task */
    MAX_CHANNELS = 7,  /* 9 taps of so many are 63 columns, which a tile of 64 holds */
    GATHER = 56        /* measured; see conv_few_fits */
};

typedef struct Few {
    const ConvShape *shape;
    const float *x, *bias;
    const float *right; /* w with the taps as columns, in panels (cin, width) */
    size_t padded;      /* columns of z */
    float *y;
    size_t band, bands; /* rows of a task; bands of a picture */
} Few;

/* Multiply-adds of a pixel against those of the direct sums.  Adding up the nine taps takes about
 * as long as GATHER multiply-adds in each lane for each output channel. */
bool conv_few_fits(size_t cin, size_t cout)
{
    return cout <= MAX_CHANNELS &&
           tile_padded(9 * cout) * cin + GATHER * TILE_LANES * cout < 9 * tile_padded(cout) * cin;
}

/* Columns j.. of z (pixels, padded) for `pixels` pixels from x on. */
static void products(const Few *g, float *z, const float *x, size_t pixels, size_t j)
{
    const size_t cin = g->shape->cin, offset = 0;
    const Tile *tile = tile_for(cut_min(g->padded - j, TILE_MAX_COLUMNS));
    const float *right = g->right + j * cin;
    const TileProduct product = {.segments = 1,
                                 .depth = cin,
                                 .left_step = 1,
                                 .offset = &offset,
                                 .right = &right,
                                 .right_stride = tile->columns,
                                 .alpha = 1.0f};
    for (size_t i = 0; i < pixels; i += tile->rows) {
        const float *left[TILE_MAX_ROWS];
        float *out[TILE_MAX_ROWS];
        const size_t rows = cut_min(tile->rows, pixels - i);
        for (size_t r = 0; r < tile->rows; r++) {
            const size_t row = i + (r < rows ? r : 0);
            left[r] = x + row * cin;
            out[r] = z + row * g->padded + j;
        }
        tile->run(&product, left, out, rows, tile->columns);
    }
}

/* Panel j..: column k is output channel k % cout of tap k / cout, or zeros. */
static void pack_taps(const ConvShape *s, float *out, const float *w, size_t j, size_t width)
{
    for (size_t c = 0; c < s->cin; c++)
        for (size_t k = j; k < j + width; k++)
            *out++ = k < 9 * s->cout ? w[(k / s->cout * s->cin + c) * s->cout + k % s->cout] : 0.0f;
}

/* One output pixel: row i and column j of z's rows, which are `height` rows of `width`. */
static void gather(const Few *g, float *y, const float *z, size_t i, size_t j, size_t height)
{
    const size_t width = g->shape->width, cout = g->shape->cout;
    for (size_t o = 0; o < cout; o++)
        y[o] = g->bias == NULL ? 0.0f : g->bias[o];
    for (size_t p = i == 0 ? 1 : 0; p < 3 && i + p <= height; p++)
        for (size_t q = j == 0 ? 1 : 0; q < 3 && j + q <= width; q++) {
            const float *from =
                z + ((i + p - 1) * width + j + q - 1) * g->padded + (3 * p + q) * cout;
            for (size_t o = 0; o < cout; o++)
                y[o] += from[o];
        }
}

static void few_task(size_t task, void *context)
{
    const Few *g = context;
    const ConvShape *s = g->shape;
    const size_t b = task / g->bands, i0 = task % g->bands * g->band;
    const size_t i1 = cut_min(i0 + g->band, s->height);
    const size_t first = i0 == 0 ? 0 : i0 - 1, end = cut_min(i1 + 1, s->height);
    float *z = threads_scratch(SCRATCH_GEMM_LEFT, (g->band + 2) * s->width * g->padded * sizeof *z);
    for (size_t j = 0; j < g->padded; j += TILE_MAX_COLUMNS)
        products(g, z, g->x + (b * s->height + first) * s->width * s->cin, (end - first) * s->width,
                 j);
    for (size_t i = i0; i < i1; i++)
        for (size_t j = 0; j < s->width; j++)
            gather(g, g->y + ((b * s->height + i) * s->width + j) * s->cout, z, i - first, j,
                   end - first);
}

void conv_few_forward(float *y, const float *x, const float *w, const float *bias,
                      const ConvShape *s)
{
    Few g = {.shape = s, .x = x, .bias = bias, .y = y, .padded = tile_padded(9 * s->cout)};
    float *right = threads_scratch(SCRATCH_CONV, s->cin * g.padded * sizeof *right);
    for (size_t j = 0; j < g.padded; j += TILE_MAX_COLUMNS)
        pack_taps(s, right + j * s->cin, w, j, cut_min(g.padded - j, TILE_MAX_COLUMNS));
    g.right = right;
    g.bands = cut_blocks(s->height, cut_min(cut_blocks(TASK_PIXELS, s->width), s->height));
    g.band = cut_blocks(s->height, g.bands);
    g.bands = cut_blocks(s->height, g.band);
    const double work = (double)(s->batch * s->height * s->width * s->cin) * (double)g.padded;
    cut_run(s->batch * g.bands, few_task, &g, work < CUT_SERIAL_WORK);
}
