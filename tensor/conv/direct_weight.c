/* Direct 3x3 convolution: weight gradient.
 *
 * dw[p,q] (cin, cout) = sum over output pixels of x(pixel under tap (p,q))^T dy(pixel): nine
 * products that sum over pixels, so the register tile takes channels of x as its rows and pixels as
 * its depth.  For long sums without interruption, a task copies its operands:
 *
 *   dy, one panel of output channels, with one pixel of zeros after every row: (line, panel) per
 * row x, its channels transposed into planes [channel][row][line], with a row of zeros above and
 * below and one zero before every row, which is also the zero behind the row above.
 *
 * In both, the pixel to the right lies one entry on and the pixel below `line` entries on; so tap
 * (p, q) is a fixed distance, and a whole picture one run.  For stride 2 there are four planes, for
 * even and odd rows and columns.
 *
 * Work is cut into blocks of pictures and blocks of channels, by shape alone.  Each block of
 * pictures has its own sum, and the sums are added in the order of the blocks. */
#include <string.h>

#include "tensor/conv/direct.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    GROUP_PIXELS = 256, /* small pictures are summed in groups of so many pixels at least */
    BAND_PIXELS = 640,  /* large ones in bands of about so many: a panel of dy stays in cache */
    BLOCK_CHANNELS = 48,
    TASKS = 16, /* aimed at */
    REDUCE_ENTRIES = 4096
};

typedef struct DirectGradient {
    const ConvShape *shape;
    size_t rows, columns; /* of dy */
    const float *x, *dy;
    float *dw, *partial; /* partial (picture_blocks, 9, cin, cout) */
    size_t group;        /* pictures whose pixels are summed in one run of the tile */
    size_t band, bands;  /* rows of dy summed in one run; 1 band if group > 1 */
    size_t block_channels, channel_blocks;
    size_t block_pictures, picture_blocks;
    size_t line;    /* entries of a row */
    size_t plane;   /* entries of a plane */
    size_t picture; /* entries of all planes of one channel of one picture */
} DirectGradient;

/* Channels c0.. of picture b into planes, `step` entries apart, whose zeros are there already. */
static void transpose_picture(const DirectGradient *g, float *planes, size_t step, size_t b,
                              size_t c0, size_t channels)
{
    const ConvShape *s = g->shape;
    const float *x = g->x + b * s->height * s->width * s->cin + c0;
    for (size_t i = 0; i < s->height; i++, x += s->width * s->cin) {
        if (s->stride == 1) {
            tile_transpose(planes + (i + 1) * g->line + 1, step, x, s->cin, s->width, channels);
            continue;
        }
        float *row = planes + i % 2 * 2 * g->plane + i / 2 * g->line;
        for (size_t odd = 0; odd < 2; odd++)
            tile_transpose(row + odd * g->plane, step, x + odd * s->cin, 2 * s->cin, g->columns,
                           channels);
    }
}

/* Where the pixel under tap (p, q) of the first output pixel lies in the planes. */
static size_t tap_place(const DirectGradient *g, size_t p, size_t q)
{
    if (g->shape->stride == 1)
        return p * g->line + q;
    return (p % 2 * 2 + q % 2) * g->plane + p / 2 * g->line + q / 2;
}

/* One panel of one picture's dy, (rows, line, width). */
static void copy_dy(const DirectGradient *g, float *copy, const float *dy, size_t width,
                    size_t columns)
{
    for (size_t i = 0; i < g->rows; i++) {
        tile_pack(copy, width, dy, g->shape->cout, false, g->columns, columns);
        memset(copy + g->columns * width, 0, width * sizeof *copy);
        copy += g->line * width;
        dy += g->columns * g->shape->cout;
    }
}

/* sum += the product for all taps and the channels c0.. of the planes. */
static void add_product(const DirectGradient *g, const TileProduct *product, const Tile *tile,
                        float *sum, const float *planes, size_t c0, size_t channels, size_t columns)
{
    const ConvShape *s = g->shape;
    const size_t step = g->group * g->picture;
    for (size_t c = 0; c < channels; c += tile->rows)
        for (size_t t = 0; t < 9; t++) {
            const float *left[TILE_MAX_ROWS];
            float *out[TILE_MAX_ROWS];
            const size_t rows = cut_min(tile->rows, channels - c);
            for (size_t r = 0; r < tile->rows; r++) {
                const size_t row = c + (r < rows ? r : 0);
                left[r] = planes + row * step + tap_place(g, t / 3, t % 3);
                out[r] = sum + (t * s->cin + c0 + row) * s->cout;
            }
            tile->run(product, left, out, rows, columns);
        }
}

/* Pictures b0..b1-1, at most a group. */
static void add_group(const DirectGradient *g, float *sum, float *planes, float *copy, size_t b0,
                      size_t b1, size_t c0, size_t channels)
{
    const ConvShape *s = g->shape;
    size_t offset[GROUP_PIXELS];
    const float *right[GROUP_PIXELS];
    TileProduct product = {.segments = b1 - b0, .left_step = 1, .offset = offset, .right = right};
    product.alpha = product.beta = 1.0f;
    for (size_t b = b0; b < b1; b++)
        transpose_picture(g, planes + (b - b0) * g->picture, g->group * g->picture, b, c0,
                          channels);
    for (size_t j = 0; j < s->cout; j += TILE_MAX_COLUMNS) {
        const size_t columns = cut_min(s->cout - j, TILE_MAX_COLUMNS);
        const Tile *tile = tile_for(columns);
        const size_t row_size = g->line * tile->columns;
        for (size_t b = b0; b < b1; b++)
            copy_dy(g, copy + (b - b0) * g->rows * row_size,
                    g->dy + b * g->rows * g->columns * s->cout + j, tile->columns, columns);
        product.right_stride = tile->columns;
        for (size_t row = 0; row < g->rows; row += g->band) {
            product.depth = cut_min(g->band, g->rows - row) * g->line;
            for (size_t b = 0; b < b1 - b0; b++) {
                offset[b] = b * g->picture + row * g->line;
                right[b] = copy + (b * g->rows + row) * row_size;
            }
            add_product(g, &product, tile, sum + j, planes, c0, channels, columns);
        }
    }
}

static void gradient_task(size_t task, void *context)
{
    const DirectGradient *g = context;
    const ConvShape *s = g->shape;
    const size_t block = task / g->channel_blocks;
    const size_t c0 = task % g->channel_blocks * g->block_channels;
    const size_t channels = cut_min(g->block_channels, s->cin - c0);
    const size_t b0 = block * g->block_pictures, b1 = cut_min(b0 + g->block_pictures, s->batch);
    const size_t planes_size = cut_blocks(g->block_channels * g->group * g->picture, 16) * 16;
    const size_t copy_size =
        g->group * g->rows * g->line * cut_min(tile_padded(s->cout), TILE_MAX_COLUMNS);
    float *planes = threads_scratch(SCRATCH_GEMM_LEFT, (planes_size + copy_size) * sizeof *planes);
    float *sum = g->dw;
    if (g->picture_blocks > 1) {
        sum = g->partial + block * 9 * s->cin * s->cout;
        for (size_t t = 0; t < 9; t++)
            memset(sum + (t * s->cin + c0) * s->cout, 0, channels * s->cout * sizeof *sum);
    }
    memset(planes, 0, planes_size * sizeof *planes);
    for (size_t b = b0; b < b1; b += g->group)
        add_group(g, sum, planes, planes + planes_size, b, cut_min(b + g->group, b1), c0, channels);
}

/* dw += the partial sums, in the order of the blocks of pictures. */
static void reduce_task(size_t task, void *context)
{
    const DirectGradient *g = context;
    const size_t total = 9 * g->shape->cin * g->shape->cout, first = task * REDUCE_ENTRIES;
    const size_t count = cut_min(REDUCE_ENTRIES, total - first);
    float *restrict dw = g->dw + first;
    for (size_t block = 0; block < g->picture_blocks; block++) {
        const float *restrict partial = g->partial + block * total + first;
        for (size_t i = 0; i < count; i++)
            dw[i] += partial[i];
    }
}

static void cut_work(DirectGradient *g)
{
    const ConvShape *s = g->shape;
    g->rows = tensor_conv_out_height(s);
    g->columns = tensor_conv_out_width(s);
    g->line = g->columns + 1;
    /* One entry past the last row: the zero behind it. */
    g->plane = g->line * (g->rows + (s->stride == 1 ? 2 : 1)) + (s->stride == 1 ? 2 : 1);
    g->picture = g->plane * (s->stride == 1 ? 1 : 4);
    g->group = cut_min(cut_blocks(GROUP_PIXELS, g->rows * g->columns), s->batch);
    g->bands = cut_blocks(g->rows * g->line, BAND_PIXELS);
    g->band = cut_blocks(g->rows, cut_min(g->bands, g->rows));
    g->block_channels = cut_min(s->cin, BLOCK_CHANNELS);
    g->channel_blocks = cut_blocks(s->cin, g->block_channels);
    const size_t groups = cut_blocks(s->batch, g->group);
    const size_t blocks = cut_min(groups, cut_blocks(TASKS, g->channel_blocks));
    g->block_pictures = cut_blocks(groups, blocks) * g->group;
    g->picture_blocks = cut_blocks(s->batch, g->block_pictures);
}

void conv_direct_weight_gradient(float *dw, const float *x, const float *dy, const ConvShape *s)
{
    DirectGradient g = {.shape = s, .x = x, .dy = dy, .dw = dw};
    const size_t total = 9 * s->cin * s->cout;
    if (s->batch * s->height * s->width * total == 0)
        return;
    cut_work(&g);
    const double work = (double)s->batch * (double)g.rows * (double)g.columns * (double)total;
    if (g.picture_blocks > 1)
        g.partial = threads_scratch(SCRATCH_CONV, g.picture_blocks * total * sizeof *g.partial);
    cut_run(g.picture_blocks * g.channel_blocks, gradient_task, &g, work < CUT_SERIAL_WORK);
    if (g.picture_blocks > 1)
        cut_run(cut_blocks(total, REDUCE_ENTRIES), reduce_task, &g,
                total * g.picture_blocks < CUT_SERIAL_COPY);
}
