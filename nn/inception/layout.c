/* Blocks as rows of a table.  A row says what it reads and writes within its block: the input (IN),
 * one of two places between (LEFT, RIGHT), or the next channels of the output (OUT).  Channels of
 * the input follow from what was written there. */
#include "nn/inception/layout.h"

#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"

typedef enum Place { IN, LEFT, RIGHT, OUT, PLACES } Place;

/* Kernel height and width, stride, zeros above and beside; channels 0: the block's own number, or,
 * of pooling, as many as it reads. */
typedef struct Row {
    const char *name; /* NULL: pooling */
    InceptionKind kind;
    Place from, to;
    size_t channels;
    size_t height, width, stride, pad_height, pad_width;
} Row;

static const Row stem[] = {
    {"Conv2d_1a_3x3", INCEPTION_CONV, IN, LEFT, 32, 3, 3, 2, 0, 0},
    {"Conv2d_2a_3x3", INCEPTION_CONV, LEFT, RIGHT, 32, 3, 3, 1, 0, 0},
    {"Conv2d_2b_3x3", INCEPTION_CONV, RIGHT, LEFT, 64, 3, 3, 1, 1, 1},
    {NULL, INCEPTION_MAX, LEFT, RIGHT, 0, 3, 3, 2, 0, 0},
    {"Conv2d_3b_1x1", INCEPTION_CONV, RIGHT, LEFT, 80, 1, 1, 1, 0, 0},
    {"Conv2d_4a_3x3", INCEPTION_CONV, LEFT, RIGHT, 192, 3, 3, 1, 0, 0},
    {NULL, INCEPTION_MAX, RIGHT, OUT, 0, 3, 3, 2, 0, 0},
};

static const Row squares[] = {
    {"branch1x1", INCEPTION_CONV, IN, OUT, 64, 1, 1, 1, 0, 0},
    {"branch5x5_1", INCEPTION_CONV, IN, LEFT, 48, 1, 1, 1, 0, 0},
    {"branch5x5_2", INCEPTION_CONV, LEFT, OUT, 64, 5, 5, 1, 2, 2},
    {"branch3x3dbl_1", INCEPTION_CONV, IN, LEFT, 64, 1, 1, 1, 0, 0},
    {"branch3x3dbl_2", INCEPTION_CONV, LEFT, RIGHT, 96, 3, 3, 1, 1, 1},
    {"branch3x3dbl_3", INCEPTION_CONV, RIGHT, OUT, 96, 3, 3, 1, 1, 1},
    {NULL, INCEPTION_MEAN, IN, LEFT, 0, 3, 3, 1, 1, 1},
    {"branch_pool", INCEPTION_CONV, LEFT, OUT, 0, 1, 1, 1, 0, 0},
};

static const Row halved_once[] = {
    {"branch3x3", INCEPTION_CONV, IN, OUT, 384, 3, 3, 2, 0, 0},
    {"branch3x3dbl_1", INCEPTION_CONV, IN, LEFT, 64, 1, 1, 1, 0, 0},
    {"branch3x3dbl_2", INCEPTION_CONV, LEFT, RIGHT, 96, 3, 3, 1, 1, 1},
    {"branch3x3dbl_3", INCEPTION_CONV, RIGHT, OUT, 96, 3, 3, 2, 0, 0},
};

static const Row lines[] = {
    {"branch1x1", INCEPTION_CONV, IN, OUT, 192, 1, 1, 1, 0, 0},
    {"branch7x7_1", INCEPTION_CONV, IN, LEFT, 0, 1, 1, 1, 0, 0},
    {"branch7x7_2", INCEPTION_CONV, LEFT, RIGHT, 0, 1, 7, 1, 0, 3},
    {"branch7x7_3", INCEPTION_CONV, RIGHT, OUT, 192, 7, 1, 1, 3, 0},
    {"branch7x7dbl_1", INCEPTION_CONV, IN, LEFT, 0, 1, 1, 1, 0, 0},
    {"branch7x7dbl_2", INCEPTION_CONV, LEFT, RIGHT, 0, 7, 1, 1, 3, 0},
    {"branch7x7dbl_3", INCEPTION_CONV, RIGHT, LEFT, 0, 1, 7, 1, 0, 3},
    {"branch7x7dbl_4", INCEPTION_CONV, LEFT, RIGHT, 0, 7, 1, 1, 3, 0},
    {"branch7x7dbl_5", INCEPTION_CONV, RIGHT, OUT, 192, 1, 7, 1, 0, 3},
};

static const Row halved_twice[] = {
    {"branch3x3_1", INCEPTION_CONV, IN, LEFT, 192, 1, 1, 1, 0, 0},
    {"branch3x3_2", INCEPTION_CONV, LEFT, OUT, 320, 3, 3, 2, 0, 0},
    {"branch7x7x3_1", INCEPTION_CONV, IN, LEFT, 192, 1, 1, 1, 0, 0},
    {"branch7x7x3_2", INCEPTION_CONV, LEFT, RIGHT, 192, 1, 7, 1, 0, 3},
    {"branch7x7x3_3", INCEPTION_CONV, RIGHT, LEFT, 192, 7, 1, 1, 3, 0},
    {"branch7x7x3_4", INCEPTION_CONV, LEFT, OUT, 192, 3, 3, 2, 0, 0},
};

static const Row wide[] = {
    {"branch1x1", INCEPTION_CONV, IN, OUT, 320, 1, 1, 1, 0, 0},
    {"branch3x3_1", INCEPTION_CONV, IN, LEFT, 384, 1, 1, 1, 0, 0},
    {"branch3x3_2a", INCEPTION_CONV, LEFT, OUT, 384, 1, 3, 1, 0, 1},
    {"branch3x3_2b", INCEPTION_CONV, LEFT, OUT, 384, 3, 1, 1, 1, 0},
    {"branch3x3dbl_1", INCEPTION_CONV, IN, LEFT, 448, 1, 1, 1, 0, 0},
    {"branch3x3dbl_2", INCEPTION_CONV, LEFT, RIGHT, 384, 3, 3, 1, 1, 1},
    {"branch3x3dbl_3a", INCEPTION_CONV, RIGHT, OUT, 384, 1, 3, 1, 0, 1},
    {"branch3x3dbl_3b", INCEPTION_CONV, RIGHT, OUT, 384, 3, 1, 1, 1, 0},
};

/* How a block pools: it halves the picture, or makes channels of a mean or, in the last one, of a
 * maximum. */
static const Row halve[] = {
    {NULL, INCEPTION_MAX, IN, OUT, 0, 3, 3, 2, 0, 0},
};

static const Row mean[] = {
    {NULL, INCEPTION_MEAN, IN, LEFT, 0, 3, 3, 1, 1, 1},
    {"branch_pool", INCEPTION_CONV, LEFT, OUT, 192, 1, 1, 1, 0, 0},
};

static const Row maximum[] = {
    {NULL, INCEPTION_MAX, IN, LEFT, 0, 3, 3, 1, 1, 1},
    {"branch_pool", INCEPTION_CONV, LEFT, OUT, 192, 1, 1, 1, 0, 0},
};

/* Its rows in turn are those of its parts. */
enum { PARTS = 2 };
typedef struct Block {
    const char *name; /* before the rows' names */
    size_t channels;  /* where a row has 0 */
    struct {
        const Row *rows;
        size_t count;
    } parts[PARTS];
} Block;

#define ROWS(table) (table), sizeof(table) / sizeof(table)[0]

static const Block blocks[] = {
    {"", 0, {{ROWS(stem)}}},
    {"Mixed_5b.", 32, {{ROWS(squares)}}},
    {"Mixed_5c.", 64, {{ROWS(squares)}}},
    {"Mixed_5d.", 64, {{ROWS(squares)}}},
    {"Mixed_6a.", 0, {{ROWS(halved_once)}, {ROWS(halve)}}},
    {"Mixed_6b.", 128, {{ROWS(lines)}, {ROWS(mean)}}},
    {"Mixed_6c.", 160, {{ROWS(lines)}, {ROWS(mean)}}},
    {"Mixed_6d.", 160, {{ROWS(lines)}, {ROWS(mean)}}},
    {"Mixed_6e.", 192, {{ROWS(lines)}, {ROWS(mean)}}},
    {"Mixed_7a.", 0, {{ROWS(halved_twice)}, {ROWS(halve)}}},
    {"Mixed_7b.", 0, {{ROWS(wide)}, {ROWS(mean)}}},
    {"Mixed_7c.", 0, {{ROWS(wide)}, {ROWS(maximum)}}},
};

/* What is in a place at the moment. */
typedef struct Content {
    size_t height, width, channels;
} Content;

/* Sizes of the layer and of what it writes, from what it reads; its place in `to` comes later. */
static Content size_layer(InceptionLayer *layer, const Row *row, const Content *in, size_t channels)
{
    layer->kind = row->kind;
    layer->height = in->height;
    layer->width = in->width;
    if (row->kind == INCEPTION_CONV) {
        layer->kernel = (KernelShape){.height = row->height,
                                      .width = row->width,
                                      .cin = in->channels,
                                      .cout = row->channels == 0 ? channels : row->channels,
                                      .stride = row->stride,
                                      .pad_height = row->pad_height,
                                      .pad_width = row->pad_width};
        return (Content){kernel_out_height(&layer->kernel, in->height),
                         kernel_out_width(&layer->kernel, in->width), layer->kernel.cout};
    }
    layer->window = (WindowShape){.batch = 1,
                                  .height = in->height,
                                  .width = in->width,
                                  .channels = in->channels,
                                  .size = row->height,
                                  .stride = row->stride,
                                  .pad = row->pad_height};
    return (Content){window_out_height(&layer->window), window_out_width(&layer->window),
                     in->channels};
}

/* Appends a layer of the block.  buffer[place]: which buffer it is. */
static void add_layer(InceptionLayout *layout, const Block *block, const Row *row,
                      const int buffer[PLACES], Content content[PLACES])
{
    TENSOR_CHECK(layout->count < INCEPTION_LAYERS, "room for %d layers", INCEPTION_LAYERS);
    InceptionLayer *layer = &layout->layers[layout->count++];
    Content made = size_layer(layer, row, &content[row->from], block->channels);
    if (row->name != NULL)
        snprintf(layer->name, sizeof layer->name, "%s%s", block->name, row->name);
    layer->from = buffer[row->from];
    layer->to = buffer[row->to];
    layer->first = row->to == OUT ? content[OUT].channels : 0;
    layer->stride = made.channels;
    made.channels += layer->first;
    content[row->to] = made;
    const size_t numbers = made.height * made.width * made.channels;
    if (layout->room[layer->to] < numbers)
        layout->room[layer->to] = numbers;
}

/* Appends the layers of a block.  in: what is in IN.  Returns what is in OUT. */
static Content add_block(InceptionLayout *layout, const Block *block, const int buffer[PLACES],
                         Content in)
{
    Content content[PLACES] = {[IN] = in};
    InceptionLayer *const first = layout->layers + layout->count;
    for (size_t p = 0; p < PARTS; p++)
        for (size_t i = 0; i < block->parts[p].count; i++)
            add_layer(layout, block, &block->parts[p].rows[i], buffer, content);
    for (InceptionLayer *l = first; l < layout->layers + layout->count; l++)
        if (l->to == buffer[OUT])
            l->stride = content[OUT].channels;
    return content[OUT];
}

void inception_layout(InceptionLayout *layout)
{
    Content now = {INCEPTION_SIDE, INCEPTION_SIDE, 3};
    int buffer[PLACES] = {[IN] = 0, [LEFT] = 2, [RIGHT] = 3, [OUT] = 1};
    memset(layout, 0, sizeof *layout);
    layout->room[0] = now.height * now.width * now.channels;
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        now = add_block(layout, &blocks[i], buffer, now);
        layout->last = buffer[OUT];
        buffer[OUT] = buffer[IN];
        buffer[IN] = layout->last;
    }
    layout->positions = now.height * now.width;
    TENSOR_CHECK(now.channels == INCEPTION_FEATURES, "%zu features", now.channels);
}
