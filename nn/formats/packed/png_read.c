/* Chunks, then the zlib stream that the IDAT chunks hold together, then rows with their filters
 * (ISO 15948, sections 5, 10 and 9). */
#include "nn/formats/packed/png_read.h"

#include <stdint.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/packed/adler32.h"
#include "nn/formats/packed/crc32.h"
#include "nn/formats/packed/inflate.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"

enum {
    FILE_MAX = 1 << 28, /* bytes: the largest picture takes 48 MiB of pixels */
    COLOUR_GREY = 0,
    COLOUR_RGB = 2,
    COLOUR_PALETTE = 3,
    COLOUR_GREY_ALPHA = 4,
    COLOUR_RGB_ALPHA = 6
};

typedef struct Chunk {
    const unsigned char *type, *data; /* four letters; length bytes */
    size_t length;
} Chunk;

typedef struct Chunks {
    const unsigned char *bytes;
    size_t count, at;
    const char *path;
    Error *err;
} Chunks;

static bool is_type(const Chunk *c, const char *type)
{
    return memcmp(c->type, type, 4) == 0;
}

/* The next chunk, whole and with its own checksum. */
static bool next_chunk(Chunks *s, Chunk *c)
{
    const size_t left = s->count - s->at;
    const unsigned char *b = s->bytes + s->at;

    if (left < 12 || big_endian(b, 4) > left - 12)
        return error_set(s->err, "%.300s: ends within a chunk, at byte %zu of %zu", s->path, s->at,
                         s->count);
    *c = (Chunk){b + 4, b + 8, (size_t)big_endian(b, 4)};
    if (big_endian(c->data + c->length, 4) != crc32_of(c->type, c->length + 4))
        return error_set(s->err, "%.300s: the chunk at byte %zu does not fit its checksum", s->path,
                         s->at);
    s->at += 12 + c->length;
    return true;
}

/* ---- the header ---- */

static bool check_kind(const unsigned char *h, const char *path, Error *err)
{
    const int bits = h[8], colour = h[9];
    const char *found =
        colour == COLOUR_PALETTE                                    ? "colours of a palette"
        : colour == COLOUR_GREY_ALPHA || colour == COLOUR_RGB_ALPHA ? "an alpha channel"
        : colour != COLOUR_GREY && colour != COLOUR_RGB             ? "an unknown kind of colour"
        : h[10] != 0 || h[11] != 0                                  ? "an unknown method of packing"
        : h[12] == 1                                                ? "interlaced rows"
        : h[12] != 0                                                ? "an unknown order of rows"
                                                                    : NULL;

    if (found != NULL)
        return error_set(err, "%.300s: has %s, expected 8-bit grey or RGB, not interlaced", path,
                         found);
    return bits == 8 || error_set(err, "%.300s: has %d bits a channel, expected 8", path, bits);
}

static bool read_header(const Chunk *c, const char *path, Picture *p, Error *err)
{
    if (!is_type(c, "IHDR") || c->length != 13)
        return error_set(err, "%.300s: expected a header of 13 bytes (IHDR) first", path);
    p->width = (size_t)big_endian(c->data, 4);
    p->height = (size_t)big_endian(c->data + 4, 4);
    if (p->width < 1 || p->width > PNG_READ_SIDE || p->height < 1 || p->height > PNG_READ_SIDE)
        return error_set(err, "%.300s: %zu x %zu pixels, expected sides of 1 to %d", path,
                         p->height, p->width, (int)PNG_READ_SIDE);
    p->channels = c->data[9] == COLOUR_RGB ? 3 : 1;
    return check_kind(c->data, path, err);
}

/* ---- the other chunks ---- */

/* One chunk behind the header; *ended: it was the last.  Small letters mark chunks that a reader
 * may pass over; a palette beside RGB is only a proposal. */
static bool take_chunk(const Chunk *c, const Picture *p, const char *path, Buffer *packed,
                       bool *packed_ended, bool *ended, Error *err)
{
    const bool data = is_type(c, "IDAT");

    if (data && *packed_ended)
        return error_set(err, "%.300s: its IDAT chunks do not follow each other", path);
    *packed_ended = *packed_ended || (packed->length > 0 && !data);
    *ended = is_type(c, "IEND");
    if (data)
        buffer_add(packed, c->data, c->length);
    else if (is_type(c, "tRNS"))
        return error_set(err, "%.300s: has a transparent colour (tRNS), expected none", path);
    else if (*ended)
        return c->length == 0 || error_set(err, "%.300s: its IEND chunk is not empty", path);
    else if ((c->type[0] & 0x20) == 0 && !(is_type(c, "PLTE") && p->channels == 3))
        return error_set(err, "%.300s: has an unknown chunk %08x, which says that it matters", path,
                         (unsigned)big_endian(c->type, 4));
    return true;
}

/* The header to p, and the bytes of all IDAT chunks. */
static bool read_chunks(Chunks *s, Picture *p, Buffer *packed)
{
    Chunk c;
    bool packed_ended = false, ended = false;

    if (!next_chunk(s, &c) || !read_header(&c, s->path, p, s->err))
        return false;
    while (!ended)
        if (!next_chunk(s, &c) ||
            !take_chunk(&c, p, s->path, packed, &packed_ended, &ended, s->err))
            return false;
    return s->at == s->count ||
           error_set(s->err, "%.300s: %zu bytes behind its end", s->path, s->count - s->at);
}

/* ---- pixels ---- */

/* A zlib stream (RFC 1950) of exactly `room` bytes; what is wrong with it, or NULL. */
static const char *unpack(const Buffer *packed, unsigned char *out, size_t room)
{
    const unsigned char *z = (const unsigned char *)packed->bytes;
    size_t used = 0;

    if (packed->length < 6)
        return "ends within its packed data";
    if ((z[0] & 15) != 8 || z[0] >> 4 > 7 || (z[1] & 32) != 0 || big_endian(z, 2) % 31 != 0)
        return "has packed data that do not begin as zlib's do";
    const char *wrong = inflate_exact(z + 2, packed->length - 6, &used, out, room);
    if (wrong != NULL)
        return wrong;
    if (used != packed->length - 6)
        return "has bytes behind its packed data";
    return big_endian(z + 2 + used, 4) == adler32_of(out, room)
               ? NULL
               : "has packed data that do not fit their checksum";
}

static unsigned paeth(unsigned left, unsigned above, unsigned corner)
{
    const int p = (int)left + (int)above - (int)corner;
    const int a = p > (int)left ? p - (int)left : (int)left - p;
    const int b = p > (int)above ? p - (int)above : (int)above - p;
    const int c = p > (int)corner ? p - (int)corner : (int)corner - p;

    return a <= b && a <= c ? left : b <= c ? above : corner;
}

/* One row of n bytes: what its filter predicts is added to it.  above: the row before, or NULL. */
static void unfilter(int filter, const unsigned char *in, const uint8_t *above, uint8_t *out,
                     size_t n, size_t channels)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned l = i >= channels ? out[i - channels] : 0, a = above ? above[i] : 0;
        const unsigned corner = above && i >= channels ? above[i - channels] : 0;
        const unsigned guess[5] = {0, l, a, (l + a) / 2, paeth(l, a, corner)};
        out[i] = (uint8_t)(in[i] + guess[filter]);
    }
}

static bool take_rows(const unsigned char *rows, const char *path, Picture *p, Error *err)
{
    const size_t n = p->width * p->channels;

    for (size_t y = 0; y < p->height; y++) {
        const unsigned char *in = rows + y * (n + 1);
        uint8_t *out = p->pixels + y * n;
        if (in[0] > 4)
            return error_set(err, "%.300s: row %zu has filter %d, expected 0 to 4", path, y, in[0]);
        unfilter(in[0], in + 1, y > 0 ? out - n : NULL, out, n, p->channels);
    }
    return true;
}

/* Memory is taken only if that many packed bytes can be so many pixels. */
static bool read_pixels(const Buffer *packed, const char *path, Picture *p, Error *err)
{
    const size_t n = p->width * p->channels, room = p->height * (n + 1);

    if (packed->length < room / INFLATE_RATIO)
        return error_set(err, "%.300s: %zu packed bytes cannot be %zu x %zu pixels", path,
                         packed->length, p->height, p->width);
    unsigned char *rows = mem_try(room, 1);
    p->pixels = mem_try(p->height, n);
    bool ok = rows != NULL && p->pixels != NULL;
    if (!ok)
        error_set(err, "%.300s: no memory for %zu x %zu pixels", path, p->height, p->width);
    const char *wrong = ok ? unpack(packed, rows, room) : NULL;
    if (wrong != NULL)
        ok = error_set(err, "%.300s: %s", path, wrong);
    ok = ok && take_rows(rows, path, p, err);
    mem_free(rows);
    return ok;
}

bool png_decode(const unsigned char *bytes, size_t count, const char *path, Picture *p, Error *err)
{
    static const unsigned char magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    Chunks chunks = {bytes, count, sizeof magic, path, err};
    Buffer packed = {0};

    *p = (Picture){0};
    if (count < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return error_set(err, "%.300s: expected a PNG file", path);
    const bool ok = read_chunks(&chunks, p, &packed) && read_pixels(&packed, path, p, err);
    buffer_free(&packed);
    if (!ok)
        picture_free(p);
    return ok;
}

bool png_read(const char *path, Picture *p, Error *err)
{
    size_t size;
    unsigned char *bytes = read_file(path, "expected a readable PNG file", FILE_MAX, &size, err);

    *p = (Picture){0};
    const bool ok = bytes != NULL && png_decode(bytes, size, path, p, err);
    mem_free(bytes);
    return ok;
}
