/* Pictures as PNG files: 8-bit gray or RGB, text chunks for provenance; several one after the
 * other, animated; and grids of samples. */
#ifndef DI4C_NN_FORMATS_PACKED_PNG_H
#define DI4C_NN_FORMATS_PACKED_PNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/formats/buffer.h"
#include "tensor/base/error.h"
#include "tensor/states.h"

typedef struct Picture {
    size_t height, width, channels; /* channels 1 (gray) or 3 (RGB) */
    uint8_t *pixels;                /* (H, W, C) */
} Picture;

typedef struct PngText {
    const char *key;   /* 1 to 79 printable characters (checked) */
    const char *value; /* characters outside ASCII are written as ? */
} PngText;

/* Appends the whole file to out.  text: `texts` pairs, or NULL. */
void png_encode(Buffer *out, const Picture *p, const PngText *text, size_t texts);
bool png_write(const char *path, const Picture *p, const PngText *text, size_t texts, Error *err);
/* An animated PNG (the chunks acTL, fcTL, fdAT of the standard's third edition), played over and
 * over: `count` frames of one size, each shown for its milliseconds, at most 65,535.  A viewer that
 * knows no animation shows the first one. */
void png_encode_frames(Buffer *out, const Picture *frames, const unsigned *milliseconds,
                       size_t count, const PngText *text, size_t texts);
bool png_write_frames(const char *path, const Picture *frames, const unsigned *milliseconds,
                      size_t count, const PngText *text, size_t texts, Error *err);

typedef struct GridStyle {
    size_t height, width, channels, states; /* of one sample; S without mask */
    int mask;                               /* number of the mask state, or -1 */
    size_t columns;                         /* 0: about a square */
    size_t zoom, padding;                   /* pixels; zoom 0: chosen for about 600 in width */
} GridStyle;
/* False and a sentence if a grid of that many samples has no room in a PNG file, which is 2 GiB of
 * pixels: to be asked before the samples are drawn. */
bool picture_grid_check(const GridStyle *style, size_t count, Error *err);
/* Samples (B, H*W*C) side by side, row by row; state x has gray value 255 x/(S-1), the mask is
 * mid-gray.  Channels must be 1 or 3.  picture_free frees. */
Picture picture_grid(const States *samples, const GridStyle *style);
void picture_free(Picture *p);

#endif
