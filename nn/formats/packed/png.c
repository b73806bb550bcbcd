/* PNG (ISO 15948).  Rows are not filtered: what repeats in a grid, deflate finds. */
#include "nn/formats/packed/png.h"

#include <math.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/packed/adler32.h"
#include "nn/formats/packed/crc32.h"
#include "nn/formats/packed/deflate.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum {
    STORED_MAX = 65535, /* bytes of a stored block, whose length has 2 bytes (RFC 1951, 3.2.4) */
    GRID_WIDTH = 600,   /* pixels across an enlarged grid, about */
    MASK_GRAY = 128,    /* in the middle of the scale */
    GRID_GRAY = 64      /* between samples: neither their black nor the mask's grey */
};

/* length, type, data, CRC of type and data. */
static void add_png_chunk(Buffer *out, const char *type, const Buffer *data)
{
    unsigned char word[4];

    TENSOR_CHECK(data->length <= INT32_MAX, "chunk of %zu bytes", data->length);
    big_endian_put(word, 4, data->length);
    buffer_add(out, word, 4);
    size_t start = out->length;
    buffer_add(out, type, 4);
    buffer_add(out, data->bytes, data->length);
    big_endian_put(word, 4, crc32_of(out->bytes + start, out->length - start));
    buffer_add(out, word, 4);
}

static void add_header(Buffer *out, const Picture *p)
{
    unsigned char h[13] = {0};
    Buffer data = {0};

    big_endian_put(h, 4, p->width);
    big_endian_put(h + 4, 4, p->height);
    h[8] = 8;                        /* bits */
    h[9] = p->channels == 3 ? 2 : 0; /* RGB or gray; deflate, filter 0, not interlaced */
    buffer_add(&data, h, sizeof h);
    add_png_chunk(out, "IHDR", &data);
    buffer_free(&data);
}

static void add_text(Buffer *out, const PngText *text)
{
    Buffer data = {0};
    size_t key = strlen(text->key);

    TENSOR_CHECK(key >= 1 && key <= 79, "text key '%s'", text->key);
    for (size_t i = 0; i < key; i++)
        TENSOR_CHECK(text->key[i] >= 32 && text->key[i] < 127, "text key '%s'", text->key);
    buffer_add(&data, text->key, key + 1);
    for (const char *s = text->value; *s != '\0'; s++) {
        char plain = '?';
        if ((*s >= 32 && *s < 127) || *s == '\n')
            plain = *s;
        buffer_add(&data, &plain, 1);
    }
    add_png_chunk(out, "tEXt", &data);
    buffer_free(&data);
}

/* The rows, each after a filter byte 0. */
static void add_rows(Buffer *raw, const Picture *p)
{
    size_t row = p->width * p->channels;

    for (size_t y = 0; y < p->height; y++) {
        buffer_add(raw, "", 1);
        buffer_add(raw, p->pixels + y * row, row);
    }
}

/* Deflate blocks that hold the bytes as they are. */
static void add_stored(Buffer *out, const Buffer *raw)
{
    for (size_t done = 0; done < raw->length;) {
        size_t left = raw->length - done, n = left < STORED_MAX ? left : STORED_MAX;
        unsigned char head[5] = {n == left}; /* whether it is the last */
        little_endian_put(head + 1, 2, n);
        little_endian_put(head + 3, 2, ~n);
        buffer_add(out, head, 5);
        buffer_add(out, raw->bytes + done, n);
        done += n;
    }
}

/* A zlib stream: the bytes, looked up one pixel to the left and one row above, or stored if that
 * does not make them fewer; then Adler-32 of them. */
static void add_packed(Buffer *out, const Buffer *raw, const Picture *p)
{
    const size_t distances[2] = {p->channels, p->width * p->channels + 1};
    const size_t stored = raw->length + 5 * (raw->length / STORED_MAX + 1);
    unsigned char sum[4];
    Buffer packed = {0};

    buffer_add(out, "\x78\x01", 2);
    deflate_fixed(&packed, raw->bytes, raw->length, distances, 2);
    if (packed.length < stored)
        buffer_add(out, packed.bytes, packed.length);
    else
        add_stored(out, raw);
    buffer_free(&packed);
    big_endian_put(sum, 4, adler32_of(raw->bytes, raw->length));
    buffer_add(out, sum, 4);
}

/* data = the rows, packed. */
static void pack(Buffer *data, const Picture *p)
{
    Buffer raw = {0};

    add_rows(&raw, p);
    add_packed(data, &raw, p);
    buffer_free(&raw);
}

/* What comes before the pixels of the first picture, but for the chunks of an animation. */
static void add_beginning(Buffer *out, const Picture *p)
{
    static const unsigned char magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

    TENSOR_CHECK(p->width >= 1 && p->height >= 1 && p->width <= INT32_MAX / 4 &&
                     p->height <= INT32_MAX / 4 && (p->channels == 1 || p->channels == 3),
                 "picture (%zu, %zu, %zu)", p->height, p->width, p->channels);
    buffer_add(out, magic, sizeof magic);
    add_header(out, p);
}

void png_encode(Buffer *out, const Picture *p, const PngText *text, size_t texts)
{
    Buffer none = {0}, data = {0};

    add_beginning(out, p);
    for (size_t i = 0; i < texts; i++)
        add_text(out, &text[i]);
    pack(&data, p);
    add_png_chunk(out, "IDAT", &data);
    add_png_chunk(out, "IEND", &none);
    buffer_free(&data);
}

/* ---- animation ---- */

static void add_count(Buffer *out, size_t frames)
{
    unsigned char words[8] = {0}; /* how many; how often they are played, 0: for ever */
    Buffer data = {0};

    big_endian_put(words, 4, frames);
    buffer_add(&data, words, sizeof words);
    add_png_chunk(out, "acTL", &data);
    buffer_free(&data);
}

/* Of the whole size, at (0, 0), in place of all that was there. */
static void add_frame_control(Buffer *out, const Picture *p, unsigned milliseconds, size_t *number)
{
    unsigned char words[26] = {0};
    Buffer data = {0};

    big_endian_put(words, 4, (*number)++);
    big_endian_put(words + 4, 4, p->width);
    big_endian_put(words + 8, 4, p->height);
    big_endian_put(words + 20, 2, milliseconds);
    big_endian_put(words + 22, 2, 1000); /* parts of a second; then dispose 0, blend 0 */
    buffer_add(&data, words, sizeof words);
    add_png_chunk(out, "fcTL", &data);
    buffer_free(&data);
}

static void add_frame(Buffer *out, const Picture *p, size_t *number)
{
    unsigned char word[4];
    Buffer data = {0};
    const bool first = *number == 1; /* after its control */

    if (!first) {
        big_endian_put(word, 4, (*number)++);
        buffer_add(&data, word, 4);
    }
    pack(&data, p);
    add_png_chunk(out, first ? "IDAT" : "fdAT", &data);
    buffer_free(&data);
}

void png_encode_frames(Buffer *out, const Picture *frames, const unsigned *milliseconds,
                       size_t count, const PngText *text, size_t texts)
{
    Buffer none = {0};
    size_t number = 0;

    TENSOR_CHECK(count >= 1, "%zu frames", count);
    add_beginning(out, &frames[0]);
    add_count(out, count);
    for (size_t i = 0; i < texts; i++)
        add_text(out, &text[i]);
    for (size_t i = 0; i < count; i++) {
        const Picture *p = &frames[i];
        TENSOR_CHECK(p->width == frames->width && p->height == frames->height &&
                         p->channels == frames->channels && milliseconds[i] <= UINT16_MAX,
                     "frame %zu: (%zu, %zu, %zu), %u ms; the first one (%zu, %zu, %zu)", i,
                     p->height, p->width, p->channels, milliseconds[i], frames->height,
                     frames->width, frames->channels);
        add_frame_control(out, p, milliseconds[i], &number);
        add_frame(out, p, &number);
    }
    add_png_chunk(out, "IEND", &none);
}

/* ---- files ---- */

static bool write_bytes(const char *path, Buffer *bytes, Error *err)
{
    OutputFile out;
    const bool opened = output_open(&out, path, err);

    if (opened)
        fwrite(bytes->bytes, 1, bytes->length, out.file); /* output_commit reports a failure */
    buffer_free(bytes);
    return opened && output_commit(&out, err);
}

bool png_write(const char *path, const Picture *p, const PngText *text, size_t texts, Error *err)
{
    Buffer bytes = {0};

    png_encode(&bytes, p, text, texts);
    return write_bytes(path, &bytes, err);
}

bool png_write_frames(const char *path, const Picture *frames, const unsigned *milliseconds,
                      size_t count, const PngText *text, size_t texts, Error *err)
{
    Buffer bytes = {0};

    png_encode_frames(&bytes, frames, milliseconds, count, text, texts);
    return write_bytes(path, &bytes, err);
}

/* ---- grids ---- */

static uint8_t gray_of(const GridStyle *style, unsigned x)
{
    if (style->mask >= 0 && x == (unsigned)style->mask)
        return MASK_GRAY;
    TENSOR_CHECK(x < style->states, "state %u of %zu", x, style->states);
    return (uint8_t)((255 * (size_t)x + (style->states - 1) / 2) / (style->states - 1));
}

/* One sample, enlarged, with its corner at (top, left). */
static void paste(Picture *p, const GridStyle *s, size_t zoom, const uint16_t *x, size_t top,
                  size_t left)
{
    for (size_t i = 0; i < s->height * zoom; i++)
        for (size_t j = 0; j < s->width * zoom; j++)
            for (size_t c = 0; c < s->channels; c++)
                p->pixels[((top + i) * p->width + left + j) * p->channels + c] =
                    gray_of(s, x[((i / zoom) * s->width + j / zoom) * s->channels + c]);
}

/* The style with columns and zoom filled in. */
static GridStyle filled(const GridStyle *style, size_t count)
{
    GridStyle s = *style;

    if (s.columns == 0)
        s.columns = (size_t)ceil(sqrt((double)count));
    if (s.columns > count)
        s.columns = count;
    if (s.zoom == 0)
        s.zoom = GRID_WIDTH / (s.columns * (s.width + 1));
    if (s.zoom == 0)
        s.zoom = 1;
    return s;
}

bool picture_grid_check(const GridStyle *style, size_t count, Error *err)
{
    const GridStyle s = filled(style, count);
    const double rows = ceil((double)count / (double)s.columns);
    const double height = rows * (double)(s.height * s.zoom + s.padding) + (double)s.padding;
    const double width =
        (double)s.columns * (double)(s.width * s.zoom + s.padding) + (double)s.padding;
    const double bytes = height * (width * (double)s.channels + 1.0);
    const double stored = bytes + 5.0 * (bytes / STORED_MAX + 2.0) + 6.0; /* as in add_packed */

    return stored <= INT32_MAX ||
           error_set(err,
                     "%zu samples of %zu x %zu in one .png: a picture of %.0f x %.0f pixels, "
                     "expected less than 2 GiB: draw fewer, or an .npy",
                     count, s.height, s.width, height, width);
}

Picture picture_grid(const States *samples, const GridStyle *style)
{
    const size_t count = samples->batch;

    TENSOR_CHECK(count >= 1 && (style->channels == 1 || style->channels == 3) &&
                     style->states >= 2 &&
                     samples->dims == style->height * style->width * style->channels,
                 "samples (%zu, %zu) as pictures (%zu, %zu, %zu)", count, samples->dims,
                 style->height, style->width, style->channels);
    const GridStyle s = filled(style, count);
    const size_t rows = (count + s.columns - 1) / s.columns;
    const size_t dy = s.height * s.zoom + s.padding, dx = s.width * s.zoom + s.padding;
    Picture p = {rows * dy + s.padding, s.columns * dx + s.padding, s.channels, NULL};
    p.pixels = mem_alloc(p.height * p.width, p.channels);
    memset(p.pixels, GRID_GRAY, p.height * p.width * p.channels);
    for (size_t b = 0; b < count; b++)
        paste(&p, &s, s.zoom, states_row(samples, b), s.padding + b / s.columns * dy,
              s.padding + b % s.columns * dx);
    return p;
}

void picture_free(Picture *p)
{
    mem_free(p->pixels);
    p->pixels = NULL;
}
