/* PNG files read: those that the writer makes, all filters by hand, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/packed/crc32.h"
#include "nn/formats/packed/deflate.h"
#include "nn/formats/packed/png_read.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const char path[] = "test-png-read.tmp.png";
static Buffer file; /* what the next picture is read from */

static void clear(void)
{
    buffer_free(&file);
    remove(path);
}

/* ---- files by hand ---- */

static void chunk(const char *type, const void *data, size_t count)
{
    unsigned char word[4];
    big_endian_put(word, 4, count);
    buffer_add(&file, word, 4);
    const size_t start = file.length;
    buffer_add(&file, type, 4);
    buffer_add(&file, data, count);
    big_endian_put(word, 4, crc32_of(file.bytes + start, file.length - start));
    buffer_add(&file, word, 4);
}

static void begin(void)
{
    buffer_free(&file);
    buffer_add(&file, "\x89PNG\r\n\x1A\n", 8);
}

/* bits, colour, interlace: as the header has them. */
static void header(size_t h, size_t w, int bits, int colour, int interlace)
{
    unsigned char data[13] = {0};
    big_endian_put(data, 4, w);
    big_endian_put(data + 4, 4, h);
    data[8] = (unsigned char)bits;
    data[9] = (unsigned char)colour;
    data[12] = (unsigned char)interlace;
    chunk("IHDR", data, sizeof data);
}

/* A zlib stream of one stored block. */
static void pack(Buffer *z, const void *rows, size_t count)
{
    const unsigned char *r = rows;
    unsigned char head[5] = {1}, sum[4];
    uint32_t low = 1, high = 0;
    for (size_t i = 0; i < count; i++) {
        low = (low + r[i]) % 65521;
        high = (high + low) % 65521;
    }
    little_endian_put(head + 1, 2, count);
    little_endian_put(head + 3, 2, ~count);
    big_endian_put(sum, 4, high << 16 | low);
    buffer_add(z, "\x78\x01", 2);
    buffer_add(z, head, 5);
    buffer_add(z, rows, count);
    buffer_add(z, sum, 4);
}

static void data(const void *rows, size_t count)
{
    Buffer z = {0};
    pack(&z, rows, count);
    chunk("IDAT", z.bytes, z.length);
    buffer_free(&z);
}

/* The bytes lie in a block of their own size, so that a byte too far is seen. */
static bool decode(Picture *p, Error *err)
{
    unsigned char *bytes = mem_alloc(file.length, 1);
    memcpy(bytes, file.bytes, file.length);
    const bool ok = png_decode(bytes, file.length, "x.png", p, err);
    mem_free(bytes);
    return ok;
}

static void refused(const char *piece)
{
    Error err = {""};
    Picture p;
    const size_t before = mem_in_use();
    ck_assert_msg(!decode(&p, &err), "accepted; expected \"%s\"", piece);
    ck_assert_msg(strncmp(err.text, "x.png: ", 7) == 0 && strstr(err.text, piece) != NULL,
                  "%s: expected \"%s\"", err.text, piece);
    ck_assert(p.pixels == NULL && mem_in_use() == before);
}

/* ---- tests ---- */

START_TEST(the_writers_files_come_back)
{
    static const size_t sizes[][3] = {{1, 1, 1}, {7, 5, 1}, {4, 9, 3}, {60, 41, 3}, {1, 4096, 1}};
    Rng rng = rng_root(3);
    for (size_t k = 0; k < 2 * sizeof sizes / sizeof sizes[0]; k++) {
        const size_t *s = sizes[k / 2], n = s[0] * s[1] * s[2];
        Picture in = {s[0], s[1], s[2], mem_alloc(n, 1)}, out;
        const PngText text = {"seed", "7"};
        Error err = {""};
        for (size_t i = 0; i < n; i++)
            in.pixels[i] = k % 2 == 0 ? (uint8_t)rng_u32(&rng) : (uint8_t)(i / 30 % 5);
        ck_assert(png_write(path, &in, &text, 1, &err));
        ck_assert_msg(png_read(path, &out, &err), "%s", err.text);
        ck_assert(out.height == s[0] && out.width == s[1] && out.channels == s[2]);
        ck_assert_mem_eq(out.pixels, in.pixels, n);
        picture_free(&in);
        picture_free(&out);
    }
}
END_TEST

/* All filters, of a row with one above and of the first, as the standard defines them (9.2). */
static void filters(size_t w, size_t channels)
{
    enum { H = 10 };
    const size_t n = w * channels;
    uint8_t pixels[H][40];
    unsigned char rows[H * 41];
    Rng rng = rng_root(w + 10 * channels);
    Picture p;
    Error err = {""};
    for (size_t y = 0; y < H; y++) {
        unsigned char *row = rows + y * (n + 1);
        row[0] = (unsigned char)((y + w) % 5);
        for (size_t i = 0; i < n; i++) {
            pixels[y][i] = (uint8_t)rng_u32(&rng);
            const int a = i < channels ? 0 : pixels[y][i - channels];
            const int b = y == 0 ? 0 : pixels[y - 1][i];
            const int c = i < channels || y == 0 ? 0 : pixels[y - 1][i - channels];
            const int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
            const int paeth = pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
            const int guess[5] = {0, a, b, (a + b) / 2, paeth};
            row[1 + i] = (unsigned char)(pixels[y][i] - guess[row[0]]);
        }
    }
    begin();
    header(H, w, 8, channels == 3 ? 2 : 0, 0);
    data(rows, H * (n + 1));
    chunk("IEND", "", 0);
    ck_assert_msg(decode(&p, &err), "%s", err.text);
    for (size_t y = 0; y < H; y++)
        ck_assert_mem_eq(p.pixels + y * n, pixels[y], n);
    picture_free(&p);
}

START_TEST(filters_are_undone)
{
    for (size_t w = 1; w <= 12; w++) {
        filters(w, 1);
        filters(w, 3);
    }
}
END_TEST

START_TEST(data_in_pieces_and_chunks_to_pass_over)
{
    Buffer z = {0};
    Picture p;
    Error err = {""};
    pack(&z, "\0\5\0\6", 4);
    begin();
    header(2, 1, 8, 0, 0);
    chunk("gAMA", "\0\1\2\3", 4);
    for (size_t i = 0; i < z.length; i += 4)
        chunk("IDAT", z.bytes + i, z.length - i < 4 ? z.length - i : 4);
    chunk("IDAT", "", 0);
    chunk("tIME", "1234567", 7);
    chunk("IEND", "", 0);
    ck_assert_msg(decode(&p, &err), "%s", err.text);
    ck_assert(p.pixels[0] == 5 && p.pixels[1] == 6);
    picture_free(&p);
    buffer_free(&z);
    begin();
    header(1, 1, 8, 2, 0);
    chunk("PLTE", "\1\2\3", 3); /* a proposal */
    data("\0\7\7\7", 4);
    chunk("IEND", "", 0);
    ck_assert_msg(decode(&p, &err), "%s", err.text);
    picture_free(&p);
}
END_TEST

static const struct {
    size_t h, w;
    int bits, colour, interlace;
    const char *piece;
} kinds[] = {
    {2, 2, 8, 3, 0, "colours of a palette, expected 8-bit grey or RGB"},
    {2, 2, 8, 4, 0, "an alpha channel"},
    {2, 2, 8, 6, 0, "an alpha channel"},
    {2, 2, 8, 1, 0, "an unknown kind of colour"},
    {2, 2, 8, 0, 1, "interlaced rows"},
    {2, 2, 8, 0, 2, "an unknown order of rows"},
    {2, 2, 16, 0, 0, "16 bits a channel, expected 8"},
    {2, 2, 16, 2, 0, "16 bits a channel, expected 8"},
    {2, 2, 1, 0, 0, "1 bits a channel, expected 8"},
    {0, 2, 8, 0, 0, "0 x 2 pixels, expected sides of 1 to 4096"},
    {2, 0, 8, 0, 0, "2 x 0 pixels"},
    {2, 4097, 8, 0, 0, "2 x 4097 pixels"},
    {4097, 2, 8, 0, 0, "4097 x 2 pixels"},
    {0x7FFFFFFF, 0x7FFFFFFF, 8, 2, 0, "expected sides of 1 to 4096"},
};

START_TEST(other_kinds_are_refused_by_name)
{
    begin();
    header(kinds[_i].h, kinds[_i].w, kinds[_i].bits, kinds[_i].colour, kinds[_i].interlace);
    data("\0\1\2\0\3\4", 6);
    chunk("IEND", "", 0);
    refused(kinds[_i].piece);
}
END_TEST

/* 4,096 x 4,096 pixels in a few bytes, and a stream that goes on and on. */
START_TEST(bombs_cost_nothing)
{
    begin();
    header(4096, 4096, 8, 2, 0);
    data("\0\1\2\3", 4);
    chunk("IEND", "", 0);
    const size_t peak = mem_peak();
    refused("packed bytes cannot be 4096 x 4096 pixels");
    ck_assert_uint_lt(mem_peak(), peak + 10000);

    enum { ZEROS = 4000000 };
    const size_t one = 1;
    char *zeros = mem_zeroed(ZEROS, 1);
    Buffer z = {0};
    buffer_add(&z, "\x78\x01", 2);
    deflate_fixed(&z, zeros, ZEROS, &one, 1);
    buffer_add(&z, "\0\0\0\0", 4);
    begin();
    header(1, 1, 8, 0, 0);
    chunk("IDAT", z.bytes, z.length);
    chunk("IEND", "", 0);
    refused("unpacks to more bytes than it should");
    buffer_free(&z);
    mem_free(zeros);
}
END_TEST

START_TEST(no_files_of_png)
{
    Error err = {""};
    Picture p;
    ck_assert(!png_read("test-png-read.tmp.none", &p, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "expected a readable PNG file"));
    buffer_text(&file, "GIF89a and so on");
    refused("expected a PNG file");
    begin();
    refused("ends within a chunk, at byte 8 of 8");
    data("\0\1", 2);
    refused("expected a header of 13 bytes (IHDR) first");
    begin();
    chunk("IHDR", "\0\0\0\1\0\0\0\1\10\0\0\0", 12);
    refused("expected a header of 13 bytes (IHDR) first");
    for (int i = 10; i <= 11; i++) {
        char data[13] = "\0\0\0\1\0\0\0\1\10";
        data[i] = 1;
        begin();
        chunk("IHDR", data, sizeof data);
        refused("an unknown method of packing");
    }
}
END_TEST

/* Behind the header of a grey picture one pixel wide. */
static const struct {
    size_t height;
    struct {
        const char *type, *bytes; /* "rows" are packed into an IDAT chunk */
        size_t count;
    } chunks[4];
    const char *tail; /* behind the last chunk */
    const char *piece;
} damaged[] = {
    {1, {{"IEND", "", 0}}, "", "ends within its packed data"},
    {1, {{"rows", "\0\1", 2}}, "", "ends within a chunk, at byte 58 of 58"},
    {1, {{"rows", "\5\1", 2}, {"IEND", "", 0}}, "", "row 0 has filter 5, expected 0 to 4"},
    {2, {{"rows", "\4\1\5\1", 4}, {"IEND", "", 0}}, "", "row 1 has filter 5, expected 0 to 4"},
    {1,
     {{"tRNS", "\0\1", 2}, {"rows", "\0\1", 2}, {"IEND", "", 0}},
     "",
     "a transparent colour (tRNS)"},
    {1,
     {{"PLTE", "\1\2\3", 3}, {"rows", "\0\1", 2}, {"IEND", "", 0}},
     "",
     "an unknown chunk 504c5445"},
    {1,
     {{"rows", "\0\1", 2}, {"tIME", "1234567", 7}, {"rows", "\0\1", 2}, {"IEND", "", 0}},
     "",
     "do not follow each other"},
    {1, {{"rows", "\0\1", 2}, {"IEND", "x", 1}}, "", "IEND chunk is not empty"},
    {1, {{"rows", "\0\1", 2}, {"IEND", "", 0}}, "more", "4 bytes behind its end"},
    {1, {{"rows", "\0\1\2", 3}, {"IEND", "", 0}}, "", "more bytes than it should"},
    {2, {{"rows", "\0\1", 2}, {"IEND", "", 0}}, "", "fewer bytes than it should"},
};

START_TEST(damaged_files_are_refused)
{
    begin();
    header(damaged[_i].height, 1, 8, 0, 0);
    for (size_t k = 0; k < 4 && damaged[_i].chunks[k].type != NULL; k++) {
        const char *type = damaged[_i].chunks[k].type, *bytes = damaged[_i].chunks[k].bytes;
        if (strcmp(type, "rows") == 0)
            data(bytes, damaged[_i].chunks[k].count);
        else
            chunk(type, bytes, damaged[_i].chunks[k].count);
    }
    buffer_text(&file, damaged[_i].tail);
    refused(damaged[_i].piece);
}
END_TEST

/* The stream around the packed data: its two bytes, what follows, its checksum. */
START_TEST(damaged_streams_are_refused)
{
    static const struct {
        size_t at;
        int change;
        const char *piece;
    } cases[] = {{0, 1, "do not begin as zlib's do"},  {0, 0x80, "do not begin as zlib's do"},
                 {1, 32, "do not begin as zlib's do"}, {1, 1, "do not begin as zlib's do"},
                 {8, 1, "do not fit their checksum"},  {12, 1, "do not fit their checksum"}};
    Buffer z = {0};
    pack(&z, "\0\1", 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        z.bytes[cases[i].at] = (char)(z.bytes[cases[i].at] ^ cases[i].change);
        begin();
        header(1, 1, 8, 0, 0);
        chunk("IDAT", z.bytes, z.length);
        chunk("IEND", "", 0);
        refused(cases[i].piece);
        z.bytes[cases[i].at] = (char)(z.bytes[cases[i].at] ^ cases[i].change);
    }
    buffer_add(&z, "x", 1);
    begin();
    header(1, 1, 8, 0, 0);
    chunk("IDAT", z.bytes, z.length);
    chunk("IEND", "", 0);
    refused("bytes behind its packed data");
    begin(); /* as short as may be */
    header(1, 1, 8, 0, 0);
    chunk("IDAT", "y\001\0\0\0\0", 6);
    chunk("IEND", "", 0);
    refused("do not begin as zlib's do");
    buffer_free(&z);
}
END_TEST

static void make_sample(void)
{
    uint8_t pixels[6 * 5 * 3];
    const Picture p = {6, 5, 3, pixels};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i / 20 * 40);
    buffer_free(&file);
    png_encode(&file, &p, NULL, 0);
}

START_TEST(every_cut_and_every_byte_is_noticed)
{
    make_sample();
    const Buffer whole = file;
    file = (Buffer){0};
    for (size_t n = 0; n < whole.length; n++) {
        buffer_free(&file);
        buffer_add(&file, whole.bytes, n);
        refused("");
    }
    for (size_t i = 0; i < whole.length; i++) {
        buffer_free(&file);
        buffer_add(&file, whole.bytes, whole.length);
        file.bytes[i] = (char)(file.bytes[i] ^ (1 << i % 8));
        refused("");
    }
    buffer_free(&file);
    file = whole;
}
END_TEST

/* The checksum of the chunk that begins at `at` is made to fit again. */
static void mend_checksum(size_t at)
{
    unsigned char *b = (unsigned char *)file.bytes + at;
    const size_t n = (size_t)big_endian(b, 4);
    if (n <= file.length - at - 12)
        big_endian_put(b + 8 + n, 4, crc32_of(b + 4, n + 4));
}

/* Behind the checksums: any packed data and any header, either refused or a picture. */
START_TEST(any_bytes_end)
{
    enum { IHDR = 8, IDAT = IHDR + 25 };
    Rng rng = rng_root(11);
    size_t read = 0;
    make_sample();
    const Buffer whole = file;
    file = (Buffer){0};
    for (int k = 0; k < 20000; k++) {
        Picture p;
        Error err = {""};
        buffer_free(&file);
        buffer_add(&file, whole.bytes, whole.length);
        for (unsigned n = 1 + rng_u32(&rng) % 3; n > 0; n--)
            file.bytes[IHDR + 8 + rng_u32(&rng) % (whole.length - IHDR - 24)] = (char)rng_u32(&rng);
        mend_checksum(IHDR);
        mend_checksum(IDAT);
        read += decode(&p, &err);
        ck_assert(err.text[0] == '\0' || p.pixels == NULL);
        picture_free(&p);
    }
    ck_assert_uint_lt(read, 2000); /* the pixels' own checksum finds nearly all */
    file = (buffer_free(&file), whole);
}
END_TEST

Suite *png_read_suite(void);
Suite *png_read_suite(void)
{
    Suite *suite = suite_create("png_read");
    TCase *tc = tcase_create("png_read");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, clear);
    tcase_add_test(tc, the_writers_files_come_back);
    tcase_add_test(tc, filters_are_undone);
    tcase_add_test(tc, data_in_pieces_and_chunks_to_pass_over);
    tcase_add_loop_test(tc, other_kinds_are_refused_by_name, 0,
                        (int)(sizeof kinds / sizeof kinds[0]));
    tcase_add_test(tc, bombs_cost_nothing);
    tcase_add_test(tc, no_files_of_png);
    tcase_add_loop_test(tc, damaged_files_are_refused, 0,
                        (int)(sizeof damaged / sizeof damaged[0]));
    tcase_add_test(tc, damaged_streams_are_refused);
    tcase_add_test(tc, every_cut_and_every_byte_is_noticed);
    tcase_add_test(tc, any_bytes_end);
    suite_add_tcase(suite, tc);
    return suite;
}
