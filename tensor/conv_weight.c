/* Direct 3x3 convolution: weight gradient.
 *
 * dw[p,q] (cin, cout) = sum over output pixels of x(pixel under tap (p,q))^T dy(pixel): nine
 * products that sum over pixels.  A task transposes its channels of x into padded planes
 * [channel][row][column], where the pixels under a tap are contiguous along a row; so the register
 * tile takes channels as its rows, and output rows as the segments of its sum.  For stride 2 even
 * and odd columns lie in separate halves of a plane's row.
 *
 * Work is cut into blocks of pictures and blocks of channels, by shape alone.  Each block of
 * pictures has its own sum, and the sums are added in the order of the blocks. */
#include <string.h>

#include "tensor/conv_direct.h"
#include "tensor/gemm_tile.h"
#include "tensor/threads.h"

enum {
    GROUP_PIXELS = 256,   /* pixels summed in registers before dw is touched, at least */
    GROUP_SEGMENTS = 512, /* output rows at most */
    BLOCK_CHANNELS = 48,
    TASKS = 16, /* aimed at */
    REDUCE_ENTRIES = 4096,
    SERIAL_WORK = 1 << 19
};

typedef struct WeightGradient {
    const ConvShape *shape;
    size_t rows, columns; /* of dy */
    const float *x, *dy;
    float *dw, *partial; /* partial (picture_blocks, 9, cin, cout) */
    size_t group;        /* pictures whose pixels are summed in one run of the tile */
    size_t block_channels, channel_blocks;
    size_t block_pictures, picture_blocks;
    /* planes of the transposed copy */
    size_t half; /* columns of a half row (stride 2), or of the row (stride 1) */
    size_t line; /* entries of a row */
    size_t plane;
    bool packed; /* dy of the last panel is copied to the tile's full width */
} WeightGradient;

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t divide_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static void run_tasks(size_t count, void (*body)(size_t i, void *context), void *context,
                      bool serial)
{
    if (!serial) {
        threads_for(count, body, context);
        return;
    }
    for (size_t i = 0; i < count; i++)
        body(i, context);
}

/* Channels c0.. of picture b into planes, `step` entries apart, whose padding is zero already. */
static void transpose_picture(const WeightGradient *g, float *planes, size_t step, size_t b,
                              size_t c0, size_t channels)
{
    const ConvShape *s = g->shape;
    const float *x = g->x + b * s->height * s->width * s->cin + c0;
    for (size_t i = 0; i < s->height; i++, x += s->width * s->cin) {
        if (s->stride == 1) {
            tile_transpose(planes + (i + 1) * g->line + 1, step, x, s->cin, s->width, channels);
            continue;
        }
        for (size_t parity = 0; parity < 2; parity++)
            tile_transpose(planes + i * g->line + parity * g->half, step, x + parity * s->cin,
                           2 * s->cin, g->columns, channels);
    }
}

/* Distance of tap (p, q) from the first entry of an output row in a plane. */
static size_t tap_place(const WeightGradient *g, size_t p, size_t q)
{
    return p * g->line + (g->shape->stride == 1 ? q : q % 2 * g->half + q / 2);
}

/* dw of the task += the sum over one group's pixels; dy and right rows as prepared. */
static void add_panel(const WeightGradient *g, TileProduct *product, const Tile *tile, float *sum,
                      const float *planes, size_t step, size_t c0, size_t channels, size_t columns)
{
    const ConvShape *s = g->shape;
    for (size_t c = 0; c < channels; c += tile->rows)
        for (size_t p = 0; p < 3; p++)
            for (size_t q = 0; q < 3; q++) {
                const float *left[TILE_MAX_ROWS];
                float *out[TILE_MAX_ROWS];
                const size_t rows = at_most(tile->rows, channels - c);
                for (size_t r = 0; r < tile->rows; r++) {
                    const size_t row = c + (r < rows ? r : 0);
                    left[r] = planes + row * step + tap_place(g, p, q);
                    out[r] = sum + ((p * 3 + q) * s->cin + c0 + row) * s->cout;
                }
                tile->run(product, left, out, rows, columns);
            }
}

/* Pictures b0..b1-1, at most a group. */
static void add_group(const WeightGradient *g, float *sum, float *planes, float *copy, size_t b0,
                      size_t b1, size_t c0, size_t channels)
{
    const ConvShape *s = g->shape;
    const size_t step = g->group * g->plane, pixels = (b1 - b0) * g->rows * g->columns;
    const float *dy = g->dy + b0 * g->rows * g->columns * s->cout;
    size_t offset[GROUP_SEGMENTS];
    const float *right[GROUP_SEGMENTS];
    TileProduct product = {.depth = g->columns, .offset = offset, .right = right};
    product.alpha = product.beta = 1.0f;
    for (size_t b = b0; b < b1; b++)
        transpose_picture(g, planes + (b - b0) * g->plane, step, b, c0, channels);
    for (size_t j = 0; j < s->cout; j += TILE_MAX_COLUMNS) {
        const size_t columns = at_most(s->cout - j, TILE_MAX_COLUMNS);
        const Tile *tile = tile_for(columns);
        const float *from = dy + j;
        product.right_stride = s->cout;
        if (columns < tile->columns) {
            tile_pack(copy, tile->columns, dy + j, s->cout, false, pixels, columns);
            from = copy;
            product.right_stride = tile->columns;
        }
        /* All segments at once, unless the pictures are very high. */
        const size_t total = (b1 - b0) * g->rows;
        for (size_t first = 0; first < total; first += GROUP_SEGMENTS) {
            product.segments = at_most(total - first, GROUP_SEGMENTS);
            for (size_t i = 0; i < product.segments; i++) {
                const size_t b = (first + i) / g->rows, row = (first + i) % g->rows;
                offset[i] = b * g->plane + row * (size_t)s->stride * g->line;
                right[i] = from + (first + i) * g->columns * product.right_stride;
            }
            add_panel(g, &product, tile, sum + j, planes, step, c0, channels, columns);
        }
    }
}

static void gradient_task(size_t task, void *context)
{
    const WeightGradient *g = context;
    const ConvShape *s = g->shape;
    const size_t block = task / g->channel_blocks;
    const size_t c0 = task % g->channel_blocks * g->block_channels;
    const size_t channels = at_most(g->block_channels, s->cin - c0);
    const size_t b0 = block * g->block_pictures, b1 = at_most(b0 + g->block_pictures, s->batch);
    const size_t planes_size = divide_up(g->block_channels * g->group * g->plane, 16) * 16;
    const size_t copy_size = g->packed ? g->group * g->rows * g->columns * TILE_MAX_COLUMNS : 0;
    float *planes = threads_scratch(SCRATCH_GEMM_LEFT, (planes_size + copy_size) * sizeof *planes);
    float *sum = g->dw;
    if (g->picture_blocks > 1) {
        sum = g->partial + block * 9 * s->cin * s->cout;
        for (size_t t = 0; t < 9; t++)
            memset(sum + (t * s->cin + c0) * s->cout, 0, channels * s->cout * sizeof *sum);
    }
    memset(planes, 0, planes_size * sizeof *planes);
    for (size_t b = b0; b < b1; b += g->group)
        add_group(g, sum, planes, planes + planes_size, b, at_most(b + g->group, b1), c0, channels);
}

/* dw += the partial sums, in the order of the blocks of pictures. */
static void reduce_task(size_t task, void *context)
{
    const WeightGradient *g = context;
    const size_t total = 9 * g->shape->cin * g->shape->cout, first = task * REDUCE_ENTRIES;
    const size_t count = at_most(REDUCE_ENTRIES, total - first);
    float *restrict dw = g->dw + first;
    for (size_t block = 0; block < g->picture_blocks; block++) {
        const float *restrict partial = g->partial + block * total + first;
        for (size_t i = 0; i < count; i++)
            dw[i] += partial[i];
    }
}

static void cut_work(WeightGradient *g)
{
    const ConvShape *s = g->shape;
    g->rows = tensor_conv_out_height(s);
    g->columns = tensor_conv_out_width(s);
    g->half = g->columns + (s->stride == 1 ? 2 : 1);
    g->line = s->stride == 1 ? g->half : 2 * g->half;
    g->plane = g->line * (s->stride == 1 ? s->height + 2 : s->height + 1);
    g->packed = tile_padded(s->cout) != s->cout;
    g->group = at_most(divide_up(GROUP_PIXELS, g->rows * g->columns), s->batch);
    g->channel_blocks = divide_up(s->cin, BLOCK_CHANNELS);
    g->block_channels = divide_up(s->cin, g->channel_blocks);
    const size_t groups = divide_up(s->batch, g->group);
    const size_t blocks = at_most(groups, divide_up(TASKS, g->channel_blocks));
    g->block_pictures = divide_up(groups, blocks) * g->group;
    g->picture_blocks = divide_up(s->batch, g->block_pictures);
}

void conv_direct_weight_gradient(float *dw, const float *x, const float *dy, const ConvShape *s)
{
    WeightGradient g = {.shape = s, .x = x, .dy = dy, .dw = dw};
    const size_t total = 9 * s->cin * s->cout;
    if (s->batch * s->height * s->width * total == 0)
        return;
    cut_work(&g);
    const double work = (double)s->batch * (double)g.rows * (double)g.columns * (double)total;
    if (g.picture_blocks > 1)
        g.partial = threads_scratch(SCRATCH_CONV, g.picture_blocks * total * sizeof *g.partial);
    run_tasks(g.picture_blocks * g.channel_blocks, gradient_task, &g, work < SERIAL_WORK);
    if (g.picture_blocks > 1)
        run_tasks(divide_up(total, REDUCE_ENTRIES), reduce_task, &g,
                  total * g.picture_blocks < SERIAL_WORK);
}
