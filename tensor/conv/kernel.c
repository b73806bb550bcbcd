/* Convolutions of any kernel: see kernel.h.
 *
 * Each output pixel is a sum over the kernel's rows, each of which reads a run of width x cin
 * neighbouring numbers.  A task takes a band of output rows of one picture, or several small
 * pictures.  Without padding the register tile reads the pixels where they lie; else the band's
 * source rows are copied between zeros first, where a tap lies at the same distance from every
 * pixel.
 *
 * 3x3 kernels with enough channels are left to Winograd's algorithm.  Elsewhere the sum is cut into
 * pieces, each some whole kernel rows or a part of one, so that a piece of a panel of weights stays
 * in the second-level cache while tiles run down the pixels. */
#include "tensor/conv/kernel.h"

#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/conv/winograd.h"
#include "tensor/product/gemm_tile.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"
#include "tensor/window.h"

enum {
    TASK_PIXELS = 288, /* at least so many output pixels a task, where the batch has them */
    TASKS = 8,         /* aimed at, by sharing out the panels of few pixels */
    MOST_ROWS = 16,    /* kernel rows of a piece */
    SQUARES_CHANNELS = 16,
    SQUARES_PAIRS = 2048,  /* of channels, from which Winograd's algorithm pays */
    SQUARES_ROOM = 6000000 /* numbers of its whole output kept aside: pictures run in parts */
};

size_t kernel_out_height(const KernelShape *k, size_t height)
{
    return window_places(height, k->height, k->stride, k->pad_height);
}

size_t kernel_out_width(const KernelShape *k, size_t width)
{
    return window_places(width, k->width, k->stride, k->pad_width);
}

static void check_kernel(const KernelShape *k)
{
    TENSOR_CHECK(k->cin > 0 && k->cout > 0 && k->stride > 0 && k->pad_height < k->height &&
                     k->pad_width < k->width,
                 "kernel (%zu, %zu, %zu, %zu), stride %zu, padding %zu and %zu", k->height,
                 k->width, k->cin, k->cout, k->stride, k->pad_height, k->pad_width);
}

/* ---- Winograd's algorithm -------------------------------------------------------------------- */

/* Decided by the kernel alone: weights are packed before a picture is seen. */
static bool by_squares(const KernelShape *k)
{
    return k->height == 3 && k->width == 3 && k->stride == 1 && k->pad_height == k->pad_width &&
           k->pad_height <= 1 && k->cin >= SQUARES_CHANNELS && k->cout >= SQUARES_CHANNELS &&
           k->cin * k->cout >= SQUARES_PAIRS;
}

/* y = act of the `count` pictures in `whole`, of an output for each pixel: all of them if the
 * kernel pads, else those that are not at the border. */
static void copy_inside(const KernelShape *k, const KernelCall *call, float *y, const float *whole,
                        size_t count)
{
    const size_t rows = kernel_out_height(k, call->height);
    const size_t columns = kernel_out_width(k, call->width), margin = 1 - k->pad_height;
    const size_t cout = k->cout;
#pragma omp parallel for default(none)                                                             \
    shared(k, call, y, whole, count, rows, columns, margin, cout) schedule(static)                 \
        num_threads(threads_team(count *rows *columns *cout))
    for (size_t r = 0; r < count * rows; r++) {
        const float *from =
            whole + ((r / rows * call->height + r % rows + margin) * call->width + margin) * cout;
        float *to = y + r * columns * call->y_stride;
        for (size_t j = 0; j < columns; j++, from += cout, to += call->y_stride) {
#pragma omp simd
            for (size_t o = 0; o < cout; o++)
                to[o] = call->relu && from[o] < 0.0f ? 0.0f : from[o];
        }
    }
}

/* The padded convolution as a whole, and from it what is wanted, some pictures at a time. */
static void run_squares(const KernelShape *k, const KernelCall *call)
{
    const size_t pixels = call->height * call->width, whole_size = pixels * k->cout;
    const size_t outputs =
        kernel_out_height(k, call->height) * kernel_out_width(k, call->width) * call->y_stride;
    const size_t part = cut_min(call->batch, SQUARES_ROOM / whole_size + 1);
    float *whole = threads_scratch(SCRATCH_NORM, part * whole_size * sizeof *whole);
    for (size_t b = 0; b < call->batch; b += part) {
        const ConvShape s = {.batch = cut_min(part, call->batch - b),
                             .height = call->height,
                             .width = call->width,
                             .cin = k->cin,
                             .cout = k->cout,
                             .stride = 1};
        conv_winograd_forward(whole, call->x + b * pixels * k->cin, call->packed, call->bias, NULL,
                              1.0f, &s);
        copy_inside(k, call, call->y + b * outputs, whole, s.batch);
    }
}

/* ---- pieces of the sum ----------------------------------------------------------------------- */

/* How the kernel's rows of `terms` numbers are cut: `rows` whole ones at a time, or each into parts
 * of `part`. */
typedef struct Cut {
    size_t terms, rows, part;
} Cut;

static Cut cut_of(const KernelShape *k)
{
    Cut cut = {.terms = k->width * k->cin};
    cut.rows = cut.terms > TILE_DEPTH ? 1 : cut_min(TILE_DEPTH / cut.terms, MOST_ROWS);
    cut.rows = cut_blocks(k->height, cut_blocks(k->height, cut.rows));
    cut.part = cut_blocks(cut.terms, cut_blocks(cut.terms, TILE_DEPTH));
    return cut;
}

/* Rows `row` to row + rows of the kernel, and of each the terms from `first` on. */
typedef struct Piece {
    size_t row, rows, first, depth;
} Piece;

/* The piece after `piece`, whose rows are 0 at first; false if there is none. */
static bool next_piece(const KernelShape *k, const Cut *cut, Piece *piece)
{
    if (piece->rows > 0 && piece->first + piece->depth < cut->terms) {
        piece->first += piece->depth;
    } else {
        piece->row += piece->rows;
        piece->first = 0;
    }
    if (piece->row >= k->height)
        return false;
    piece->rows = cut_min(cut->rows, k->height - piece->row);
    piece->depth = cut_min(cut->part, cut->terms - piece->first);
    return true;
}

/* Where panel p's part of a piece lies among the packed weights, whose pieces follow each other. */
static size_t packed_place(const KernelShape *k, const Cut *cut, const Piece *piece, size_t p)
{
    const size_t before = piece->row * cut->terms + piece->first * piece->rows;
    return before * tile_padded(k->cout) + piece->rows * piece->depth * (p * TILE_MAX_COLUMNS);
}

float *kernel_pack(const KernelShape *k, const float *w)
{
    check_kernel(k);
    const Cut cut = cut_of(k);
    const size_t columns_padded = by_squares(k) ? k->cout : tile_padded(k->cout);
    float *packed = mem_alloc(k->height * cut.terms, columns_padded * sizeof *packed);
    if (by_squares(k)) {
        memcpy(packed, w, k->height * cut.terms * k->cout * sizeof *packed);
        return packed;
    }
    for (Piece piece = {0}; next_piece(k, &cut, &piece);)
        for (size_t p = 0; p < tile_panels(k->cout); p++) {
            const size_t j = p * TILE_MAX_COLUMNS;
            const size_t columns = cut_min(k->cout - j, TILE_MAX_COLUMNS);
            const size_t width = tile_for(columns)->columns;
            float *out = packed + packed_place(k, &cut, &piece, p);
            for (size_t r = 0; r < piece.rows; r++)
                tile_pack(out + r * piece.depth * width, width,
                          w + ((piece.row + r) * cut.terms + piece.first) * k->cout + j, k->cout,
                          false, piece.depth, columns);
        }
    return packed;
}

/* ---- a task ---------------------------------------------------------------------------------- */

typedef struct Work {
    const KernelShape *kernel;
    const KernelCall *call;
    Cut cut;
    size_t rows, columns; /* of the output */
    bool copies;
    size_t line;                  /* numbers of a row of the source that tiles read */
    size_t band, bands, pictures; /* output rows a task; bands a picture; pictures a task */
    size_t panels, parts;         /* panels a task; tasks that share the same pixels */
} Work;

/* Source rows under `rows` output rows. */
static size_t source_rows(const KernelShape *k, size_t rows)
{
    return (rows - 1) * k->stride + k->height;
}

/* copy (source rows, line): the source under output rows i0.. of picture b, between zeros. */
static void copy_band(const Work *g, float *copy, size_t b, size_t i0, size_t rows)
{
    const KernelShape *k = g->kernel;
    const KernelCall *call = g->call;
    const size_t left = k->pad_width * k->cin, across = call->width * k->cin;
    const size_t inner = cut_min(across, g->line - left), height = source_rows(k, rows);
    for (size_t r = 0; r < height; r++, copy += g->line) {
        const size_t padded = i0 * k->stride + r;
        if (padded < k->pad_height || padded - k->pad_height >= call->height) {
            memset(copy, 0, g->line * sizeof *copy);
            continue;
        }
        const float *from = call->x + (b * call->height + padded - k->pad_height) * across;
        memset(copy, 0, left * sizeof *copy);
        memcpy(copy + left, from, inner * sizeof *copy);
        memset(copy + left + inner, 0, (g->line - left - inner) * sizeof *copy);
    }
}

/* Pointers of `rows` output rows from row i0 of picture b on, whose source begins at `from`. */
static void point_at(const Work *g, const float **left, float **out, const float *from, size_t b,
                     size_t i0, size_t rows)
{
    const KernelShape *k = g->kernel;
    float *to = g->call->y + (b * g->rows + i0) * g->columns * g->call->y_stride;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < g->columns; j++, to += g->call->y_stride) {
            *left++ = from + i * k->stride * g->line + j * k->stride * k->cin;
            *out++ = to;
        }
}

/* y = act(y + bias) on `columns` channels of each pixel. */
static void finish_rows(float *const *y, const float *bias, bool relu, size_t pixels,
                        size_t columns)
{
    for (size_t r = 0; r < pixels; r++) {
        float *row = y[r];
        if (bias != NULL) {
#pragma omp simd
            for (size_t j = 0; j < columns; j++)
                row[j] += bias[j];
        }
        if (relu) {
#pragma omp simd
            for (size_t j = 0; j < columns; j++)
                row[j] = row[j] < 0.0f ? 0.0f : row[j];
        }
    }
}

/* Panel p of the output: out is moved to its channels. */
static void sum_panel(const Work *g, size_t p, const float *const *left, float **out, size_t pixels)
{
    const KernelShape *k = g->kernel;
    const size_t j = p * TILE_MAX_COLUMNS, columns = cut_min(k->cout - j, TILE_MAX_COLUMNS);
    const Tile *tile = tile_for(columns);
    bool first = true;
    for (size_t r = 0; r < pixels; r++)
        out[r] += j;
    for (Piece piece = {0}; next_piece(k, &g->cut, &piece); first = false) {
        size_t offset[MOST_ROWS];
        const float *right[MOST_ROWS];
        const float *weights = g->call->packed + packed_place(k, &g->cut, &piece, p);
        for (size_t r = 0; r < piece.rows; r++) {
            offset[r] = (piece.row + r) * g->line + piece.first;
            right[r] = weights + r * piece.depth * tile->columns;
        }
        const TileProduct product = {.segments = piece.rows,
                                     .depth = piece.depth,
                                     .left_step = 1,
                                     .offset = offset,
                                     .right = right,
                                     .right_stride = tile->columns,
                                     .alpha = 1.0f,
                                     .beta = first ? 0.0f : 1.0f};
        tile_column(tile, &product, left, out, pixels, columns);
    }
    finish_rows(out, g->call->bias == NULL ? NULL : g->call->bias + j, g->call->relu, pixels,
                columns);
    for (size_t r = 0; r < pixels; r++)
        out[r] -= j;
}

static void kernel_task(size_t task, void *context)
{
    const Work *g = context;
    const KernelCall *call = g->call;
    const size_t part = task % g->parts, place = task / g->parts;
    const size_t b0 = place / g->bands * g->pictures, i0 = place % g->bands * g->band;
    const size_t b1 = cut_min(b0 + g->pictures, call->batch);
    const size_t rows = cut_min(g->band, g->rows - i0);
    const size_t most = g->pictures * g->band * g->columns;
    const size_t source = source_rows(g->kernel, g->band) * g->line;
    /* One piece of scratch: the padded copy, then the two tables of row pointers. */
    const size_t copied = g->copies ? g->pictures * source * sizeof(float) : 0;
    const size_t copy_bytes = cut_blocks(copied, MEM_ALIGN) * MEM_ALIGN;
    char *scratch =
        threads_scratch(SCRATCH_GEMM_LEFT, copy_bytes + most * (sizeof(float *) + sizeof(float *)));
    float *copy = (float *)(void *)scratch;
    const float **left = (const float **)(void *)(scratch + copy_bytes);
    float **out = (float **)(void *)(scratch + copy_bytes + most * sizeof *left);
    for (size_t b = b0; b < b1; b++) {
        const float *from = call->x + (b * call->height + i0 * g->kernel->stride) * g->line;
        if (g->copies) {
            copy_band(g, copy + (b - b0) * source, b, i0, rows);
            from = copy + (b - b0) * source;
        }
        const size_t n = (b - b0) * rows * g->columns;
        point_at(g, left + n, out + n, from, b, i0, rows);
    }
    for (size_t p = part * g->panels;
         p < cut_min((part + 1) * g->panels, tile_panels(g->kernel->cout)); p++)
        sum_panel(g, p, left, out, (b1 - b0) * rows * g->columns);
}

void tensor_conv_kernel(const KernelShape *k, const KernelCall *call)
{
    check_kernel(k);
    TENSOR_CHECK(call->y_stride >= k->cout, "pixels %zu apart, %zu channels", call->y_stride,
                 k->cout);
    Work g = {.kernel = k, .call = call, .cut = cut_of(k)};
    g.rows = kernel_out_height(k, call->height);
    g.columns = kernel_out_width(k, call->width);
    if (call->batch * g.rows * g.columns == 0)
        return;
    if (by_squares(k)) {
        run_squares(k, call);
        return;
    }
    g.copies = k->pad_height + k->pad_width > 0;
    g.line = g.copies ? ((g.columns - 1) * k->stride + k->width) * k->cin : call->width * k->cin;
    g.bands = cut_blocks(g.rows, cut_min(cut_blocks(TASK_PIXELS, g.columns), g.rows));
    g.band = cut_blocks(g.rows, g.bands);
    g.bands = cut_blocks(g.rows, g.band);
    g.pictures = g.bands > 1 ? 1 : cut_blocks(TASK_PIXELS, g.rows * g.columns);
    const size_t places = g.bands * cut_blocks(call->batch, g.pictures);
    const size_t panels = tile_panels(k->cout);
    g.panels = cut_blocks(panels, cut_min(panels, cut_blocks(TASKS, places)));
    g.parts = cut_blocks(panels, g.panels);
    const double work = (double)(call->batch * g.rows * g.columns) *
                        (double)(k->height * g.cut.terms) * (double)k->cout;
    cut_run(places * g.parts, kernel_task, &g, work < CUT_SERIAL_WORK);
}
