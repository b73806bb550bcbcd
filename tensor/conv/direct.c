/* Direct 3x3 convolution: forward and data gradient.
 *
 * Both are the same "gather": every pixel of a grid is a sum, over taps, of a pixel of a source
 * picture times a (source channels x output channels) matrix.  A task takes a band of rows of one
 * picture, or several small pictures, and copies the source rows it needs between zeros that stand
 * for the padding.  In that copy a tap lies at the same distance from every pixel, neighbouring
 * taps of one kernel row are contiguous, and the register tile runs over pixels as its rows.
 *
 * A transposed convolution of stride 2 falls into four gathers, one for each parity of the row and
 * column of dx; they share the copied source. */
#include "tensor/conv/direct.h"

#include <string.h>

#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

enum {
    TASK_PIXELS = 192,    /* at least so many grid pixels per task, where the batch has them */
    TASKS = 8,            /* aimed at, by sharing out the panels of few pixels */
    BLOCK_CHANNELS = 256, /* source channels summed before the output is touched: bounds the piece
                             of the weights that has to stay in cache */
};

/* The taps of one gather: kernel_rows x run of them, at rows and columns of the padded source
 * relative to the grid pixel's own place. */
typedef struct TapSet {
    size_t kernel_rows, run;
    size_t row[3], column; /* of the first tap in each kernel row */
    size_t tap[3];         /* number of that tap in the packed weights; the others follow */
    size_t out_row, out_column;
} TapSet;

typedef struct Gather {
    const float *in; /* (batch, in_height, in_width, in_channels) */
    size_t batch, in_height, in_width, in_channels;
    size_t top, left;     /* zeros before the first row and column */
    size_t step;          /* source pixels from one grid pixel to the next */
    size_t rows, columns; /* of the grid */
    size_t reach;         /* source rows (and columns) a grid pixel may touch: at most 3 */
    float *out;           /* (batch, out_step rows, out_step columns, out_channels) */
    size_t out_step, out_channels;
    const float *weights;  /* panels, each (9 in_channels, panel columns) */
    size_t weights_stride; /* 0: panels are packed; else the row stride of weights as given */
    const float *bias;
    float beta;
    TapSet sets[4];
    size_t set_count;
    size_t band, bands, pictures; /* rows per task; bands per picture; pictures per task */
    size_t panels, parts;         /* panels per task; tasks that share the same pixels */
} Gather;

static size_t padded_columns(const Gather *g)
{
    return (g->columns - 1) * g->step + g->reach;
}

static size_t padded_rows(const Gather *g, size_t grid_rows)
{
    return (grid_rows - 1) * g->step + g->reach;
}

/* copy (padded rows, padded columns, channels): the source under grid rows i0.. of picture b. */
static void copy_source(const Gather *g, float *copy, size_t b, size_t i0, size_t grid_rows)
{
    const size_t rows = padded_rows(g, grid_rows), columns = padded_columns(g);
    const size_t c = g->in_channels, inner = cut_min(g->in_width, columns - g->left);
    const size_t right = columns - g->left - inner;
    for (size_t r = 0; r < rows; r++, copy += columns * c) {
        const size_t padded = i0 * g->step + r;
        if (padded < g->top || padded - g->top >= g->in_height) {
            memset(copy, 0, columns * c * sizeof *copy);
            continue;
        }
        memset(copy, 0, g->left * c * sizeof *copy);
        memcpy(copy + g->left * c, g->in + (b * g->in_height + padded - g->top) * g->in_width * c,
               inner * c * sizeof *copy);
        memset(copy + (g->left + inner) * c, 0, right * c * sizeof *copy);
    }
}

/* The product for one tap set and `depth` channels from c0: one segment per kernel row if these are
 * all channels, else one per tap.  right has to be set for each panel. */
static size_t tap_offsets(const Gather *g, const TapSet *set, size_t c0, size_t depth,
                          size_t offset[9], size_t right_row[9])
{
    const bool whole = depth == g->in_channels;
    const size_t columns = padded_columns(g), taps = whole ? 1 : set->run;
    size_t count = 0;
    for (size_t p = 0; p < set->kernel_rows; p++)
        for (size_t q = 0; q < taps; q++, count++) {
            offset[count] = (set->row[p] * columns + set->column + q) * g->in_channels + c0;
            right_row[count] = (set->tap[p] + q) * g->in_channels + c0;
        }
    return count;
}

/* One tap set, one panel of output channels. */
static void gather_panel(const Gather *g, const TapSet *set, size_t panel, const float *const *left,
                         float *const *out, size_t pixels)
{
    const size_t j = panel * TILE_MAX_COLUMNS;
    const size_t columns = cut_min(g->out_channels - j, TILE_MAX_COLUMNS);
    const size_t parts = cut_blocks(g->in_channels, BLOCK_CHANNELS);
    const size_t part = cut_blocks(g->in_channels, parts);
    const Tile *tile = tile_for(columns);
    const size_t stride = g->weights_stride == 0 ? tile->columns : g->weights_stride;
    const float *weights = g->weights + (g->weights_stride == 0 ? j * 9 * g->in_channels : j);
    for (size_t c0 = 0; c0 < g->in_channels; c0 += part) {
        const size_t depth = cut_min(part, g->in_channels - c0);
        size_t offset[9], right_row[9];
        const float *right[9];
        TileProduct product = {.depth = depth, .left_step = 1, .offset = offset, .right = right};
        product.alpha = 1.0f;
        product.segments = tap_offsets(g, set, c0, depth, offset, right_row);
        if (depth == g->in_channels)
            product.depth = depth * set->run;
        product.right_stride = stride;
        product.beta = c0 == 0 ? g->beta : 1.0f;
        product.bias = c0 == 0 && g->bias != NULL ? g->bias + j : NULL;
        for (size_t i = 0; i < product.segments; i++)
            right[i] = weights + right_row[i] * stride;
        tile_column(tile, &product, left, out, pixels, columns);
    }
}

static void gather_task(size_t task, void *context)
{
    const Gather *g = context;
    const size_t part = task % g->parts, place = task / g->parts;
    const size_t b0 = place / g->bands * g->pictures, i0 = place % g->bands * g->band;
    const size_t b1 = cut_min(b0 + g->pictures, g->batch), rows = cut_min(g->band, g->rows - i0);
    const size_t most = g->pictures * g->band * g->columns;
    const size_t line = padded_columns(g) * g->in_channels;
    const size_t picture = padded_rows(g, g->band) * line;
    /* One piece of scratch: the padded copy, then the two tables of row pointers. */
    const size_t copy_bytes = cut_blocks(g->pictures * picture * sizeof(float), 64) * 64;
    char *scratch =
        threads_scratch(SCRATCH_GEMM_LEFT, copy_bytes + most * (sizeof(float *) + sizeof(float *)));
    float *copy = (float *)(void *)scratch;
    const float **left = (const float **)(void *)(scratch + copy_bytes);
    float **out = (float **)(void *)(scratch + copy_bytes + most * sizeof *left);

    for (size_t b = b0; b < b1; b++)
        copy_source(g, copy + (b - b0) * picture, b, i0, rows);
    for (size_t s = 0; s < g->set_count; s++) {
        const TapSet *set = &g->sets[s];
        for (size_t p = part * g->panels; p < (part + 1) * g->panels; p++) {
            if (p == tile_panels(g->out_channels))
                break;
            size_t n = 0;
            for (size_t b = b0; b < b1; b++)
                for (size_t i = 0; i < rows; i++) {
                    const size_t row = (b * g->rows + i0 + i) * g->out_step + set->out_row;
                    const float *from = copy + (b - b0) * picture + i * g->step * line;
                    float *to =
                        g->out + p * TILE_MAX_COLUMNS +
                        (row * g->columns * g->out_step + set->out_column) * g->out_channels;
                    for (size_t j = 0; j < g->columns; j++, n++) {
                        left[n] = from + j * g->step * g->in_channels;
                        out[n] = to + j * g->out_step * g->out_channels;
                    }
                }
            gather_panel(g, set, p, left, out, n);
        }
    }
}

static double gather_work(const Gather *g)
{
    return 9.0 * (double)g->batch * (double)g->rows * (double)g->columns * (double)g->in_channels *
           (double)g->out_channels;
}

static void run_gather(Gather *g)
{
    const size_t band = cut_blocks(TASK_PIXELS, g->columns);
    g->bands = cut_blocks(g->rows, cut_min(band, g->rows));
    g->band = cut_blocks(g->rows, g->bands);
    g->bands = cut_blocks(g->rows, g->band);
    g->pictures = g->bands > 1 ? 1 : cut_blocks(TASK_PIXELS, g->rows * g->columns);
    const size_t places = g->bands * cut_blocks(g->batch, g->pictures);
    const size_t panels = tile_panels(g->out_channels);
    g->panels = cut_blocks(panels, cut_min(panels, cut_blocks(TASKS, places)));
    g->parts = cut_blocks(panels, g->panels);
    cut_run(places * g->parts, gather_task, g, gather_work(g) < CUT_SERIAL_WORK);
}

/* ---- forward --------------------------------------------------------------------------------- */

typedef struct Packing {
    float *out;
    const float *w; /* (9, cin, cout) */
    size_t cin, cout;
    const size_t *order; /* tap t of the packed weights is tap order[t] of w */
} Packing;

/* One panel of output channels: (9 cin, columns). */
static void pack_forward(size_t panel, void *context)
{
    const Packing *p = context;
    const size_t j = panel * TILE_MAX_COLUMNS, columns = cut_min(p->cout - j, TILE_MAX_COLUMNS);
    tile_pack(p->out + j * 9 * p->cin, tile_for(columns)->columns, p->w + j, p->cout, false,
              9 * p->cin, columns);
}

/* One panel of input channels of the transposed weights: (9 cout, columns). */
static void pack_transposed(size_t panel, void *context)
{
    const Packing *p = context;
    const size_t j = panel * TILE_MAX_COLUMNS, columns = cut_min(p->cin - j, TILE_MAX_COLUMNS);
    const size_t width = tile_for(columns)->columns;
    for (size_t t = 0; t < 9; t++)
        tile_pack(p->out + (j * 9 + t * width) * p->cout, width,
                  p->w + (p->order[t] * p->cin + j) * p->cout, p->cout, true, p->cout, columns);
}

/* Every kernel row is one run of three taps. */
static TapSet whole_kernel(void)
{
    TapSet set = {.kernel_rows = 3, .run = 3};
    for (size_t p = 0; p < 3; p++) {
        set.row[p] = p;
        set.tap[p] = 3 * p;
    }
    return set;
}

void conv_direct_forward(float *y, const float *x, const float *w, const float *bias,
                         const ConvShape *s)
{
    Gather g = {.in = x, .batch = s->batch, .in_height = s->height, .in_width = s->width};
    g.in_channels = s->cin;
    g.top = g.left = s->stride == 1 ? 1 : 0;
    g.step = (size_t)s->stride;
    g.rows = tensor_conv_out_height(s);
    g.columns = tensor_conv_out_width(s);
    g.reach = 3;
    g.out = y;
    g.out_step = 1;
    g.out_channels = s->cout;
    g.bias = bias;
    g.sets[0] = whole_kernel();
    g.set_count = 1;
    if (g.batch * g.rows * g.columns * s->cout == 0)
        return;
    if (s->cin == 0) {
        for (size_t i = 0; i < g.batch * g.rows * g.columns * s->cout; i++)
            y[i] = bias == NULL ? 0.0f : bias[i % s->cout];
        return;
    }
    const size_t padded = tile_padded(s->cout);
    if (padded == s->cout && padded <= TILE_MAX_COLUMNS) { /* w is one panel as it stands */
        g.weights = w;
        g.weights_stride = s->cout;
    } else {
        float *packed = threads_scratch(SCRATCH_CONV, padded * 9 * s->cin * sizeof *packed);
        Packing packing = {.out = packed, .w = w, .cin = s->cin, .cout = s->cout};
        cut_run(tile_panels(s->cout), pack_forward, &packing,
                9 * s->cin * s->cout < CUT_SERIAL_COPY);
        g.weights = packed;
    }
    run_gather(&g);
}

/* ---- data gradient --------------------------------------------------------------------------- */

/* Stride 2: x row u = 2 i + r meets kernel row p of output row i' where u = 2 i' + p.  For even u
 * these are p = 2 of row i - 1 and p = 0 of row i; for odd u, p = 1 of row i.  The source has one
 * row and column of zeros before it, so row i - 1 is padded row i.  Kernel rows and columns are
 * packed in the order 2, 0, 1, which makes the two taps of an even column neighbours. */
static void parity_sets(Gather *g)
{
    for (size_t r = 0; r < 2; r++)
        for (size_t c = 0; c < 2; c++) {
            TapSet *set = &g->sets[2 * r + c];
            set->kernel_rows = r == 0 ? 2 : 1;
            set->run = c == 0 ? 2 : 1;
            set->row[0] = r == 0 ? 0 : 1;
            set->row[1] = 1;
            set->column = c == 0 ? 0 : 1;
            set->tap[0] = (r == 0 ? 0 : 6) + (c == 0 ? 0 : 2);
            set->tap[1] = 3 + (c == 0 ? 0 : 2);
            set->out_row = r;
            set->out_column = c;
        }
    g->set_count = 4;
}

void conv_direct_data_gradient(float *dx, const float *dy, const float *w, bool add,
                               const ConvShape *s)
{
    static const size_t flipped[9] = {8, 7, 6, 5, 4, 3, 2, 1, 0};
    static const size_t parities[9] = {8, 6, 7, 2, 0, 1, 5, 3, 4};
    Gather g = {.in = dy, .batch = s->batch, .in_channels = s->cout};
    g.in_height = g.rows = tensor_conv_out_height(s);
    g.in_width = g.columns = tensor_conv_out_width(s);
    g.top = g.left = 1;
    g.step = 1;
    g.out = dx;
    g.out_step = (size_t)s->stride;
    g.out_channels = s->cin;
    g.beta = add ? 1.0f : 0.0f;
    if (s->stride == 1) {
        g.reach = 3;
        g.sets[0] = whole_kernel();
        g.set_count = 1;
    } else {
        g.reach = 2;
        parity_sets(&g);
    }
    if (g.batch * g.rows * g.columns * s->cin * s->cout == 0)
        return;
    float *packed =
        threads_scratch(SCRATCH_CONV, tile_padded(s->cin) * 9 * s->cout * sizeof *packed);
    Packing packing = {.out = packed, .w = w, .cin = s->cin, .cout = s->cout};
    packing.order = s->stride == 1 ? flipped : parities;
    cut_run(tile_panels(s->cin), pack_transposed, &packing, 9 * s->cin * s->cout < CUT_SERIAL_COPY);
    g.weights = packed;
    run_gather(&g);
}
