/* PNG files parsed back by a reader of the test's own: chunks, sums, rows; and grids. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/packed/png.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tests/tools/inflate.h"

static const char path[] = "test-png.tmp.png";

static void remove_file(void)
{
    remove(path);
}

/* CRC-32 bit by bit, as the standard defines it. */
static uint32_t plain_crc(const unsigned char *bytes, size_t count)
{
    uint32_t crc = 0xFFFFFFFFu;

    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? 0xEDB88320u ^ crc >> 1 : crc >> 1;
    }
    return crc ^ 0xFFFFFFFFu;
}

static uint32_t get32(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

typedef struct Parsed {
    uint32_t width, height;
    int colour, texts;
    char text[4][200];   /* "key=value" */
    unsigned char *rows; /* with their filter bytes; of the last frame */
    size_t length;
    uint32_t frames, controls, numbers; /* of an animation: promised, begun, chunks numbered */
    unsigned milliseconds[4];
    unsigned char last[4][64]; /* the first rows of each frame */
} Parsed;

/* Unpacks the rows, of a known number of bytes, and checks Adler-32. */
static void unpack(Parsed *p, const unsigned char *z, size_t n)
{
    const size_t most = (size_t)p->height * (p->width * (p->colour == 2 ? 3u : 1u) + 1);
    size_t used;
    uint32_t a = 1, b = 0;

    ck_assert_uint_eq((z[0] * 256u + z[1]) % 31, 0);
    ck_assert_uint_eq(z[0] & 15, 8);
    p->rows = mem_alloc(most, 1);
    p->length = inflate(z + 2, n - 2, &used, p->rows, most);
    for (size_t i = 0; i < p->length; i++) {
        a = (a + p->rows[i]) % 65521;
        b = (b + a) % 65521;
    }
    ck_assert_uint_eq(get32(z + 2 + used), b << 16 | a);
    ck_assert_uint_eq(2 + used + 4, n);
}

/* acTL, fcTL or fdAT: false if it is none of them. */
static bool parse_animation(Parsed *p, const unsigned char *type, const unsigned char *data,
                            size_t length)
{
    if (memcmp(type, "acTL", 4) == 0) {
        ck_assert_uint_eq(length, 8);
        p->frames = get32(data);
        ck_assert_uint_eq(get32(data + 4), 0);
        return true;
    }
    if (memcmp(type, "fcTL", 4) != 0 && memcmp(type, "fdAT", 4) != 0)
        return false;
    ck_assert_uint_eq(get32(data), p->numbers++);
    if (memcmp(type, "fcTL", 4) == 0) {
        ck_assert_uint_eq(length, 26);
        ck_assert_uint_eq(get32(data + 4), p->width);
        ck_assert_uint_eq(get32(data + 8), p->height);
        ck_assert(get32(data + 12) == 0 && get32(data + 16) == 0);
        p->milliseconds[p->controls++] = data[20] * 256u + data[21];
        ck_assert_mem_eq(data + 22, "\x03\xE8\0\0", 4); /* thousandths; no disposal, no blending */
        return true;
    }
    mem_free(p->rows);
    unpack(p, data + 4, length - 4);
    memcpy(p->last[p->controls - 1], p->rows, p->length);
    return true;
}

static Parsed parse(const unsigned char *bytes, size_t n)
{
    Parsed p = {0};
    size_t at = 8;
    bool ended = false;

    ck_assert_uint_ge(n, 8);
    ck_assert_mem_eq(bytes, "\x89PNG\r\n\x1A\n", 8);
    while (at < n) {
        ck_assert(!ended);
        size_t length = get32(bytes + at);
        const unsigned char *type = bytes + at + 4, *data = type + 4;
        ck_assert_uint_eq(get32(data + length), plain_crc(type, length + 4));
        if (memcmp(type, "IHDR", 4) == 0) {
            ck_assert_uint_eq(length, 13);
            p.width = get32(data);
            p.height = get32(data + 4);
            p.colour = data[9];
            ck_assert_mem_eq(data + 10, "\0\0\0", 3);
            ck_assert_uint_eq(data[8], 8);
        } else if (memcmp(type, "tEXt", 4) == 0) {
            memcpy(p.text[p.texts], data, length);
            p.text[p.texts++][strlen((const char *)data)] = '=';
        } else if (memcmp(type, "IDAT", 4) == 0) {
            unpack(&p, data, length);
            if (p.controls > 0)
                memcpy(p.last[0], p.rows, p.length);
        } else if (!parse_animation(&p, type, data, length)) {
            ck_assert_mem_eq(type, "IEND", 4);
            ended = true;
        }
        at += 12 + length;
    }
    ck_assert(ended);
    ck_assert_uint_eq(at, n);
    return p;
}

/* Noise, or flat squares of `side` pixels; those must come out small. */
static void round_trip(size_t h, size_t w, size_t c, size_t side)
{
    Picture picture = {h, w, c, mem_alloc(h * w * c, 1)};
    Rng rng = rng_root(h * 1000 + w);
    Buffer b = {0};

    for (size_t i = 0; i < h * w * c; i++) {
        const size_t y = i / (w * c), x = i / c % w;
        picture.pixels[i] = side == 0 ? (uint8_t)rng_u32(&rng)
                                      : (uint8_t)(y / side * 31 + x / side * 17 + i % c * 100);
    }
    png_encode(&b, &picture, NULL, 0);
    ck_assert_uint_le(b.length, side == 0       ? h * w * c + h + 5 * (h * w * c / 65535 + 2) + 100
                                : w * c > 32768 ? h * w * c / 2
                                                : h * w * c / side / side * 4 + 4 * h + 100);
    Parsed p = parse((unsigned char *)b.bytes, b.length);
    ck_assert_uint_eq(p.width, w);
    ck_assert_uint_eq(p.height, h);
    ck_assert_int_eq(p.colour, c == 3 ? 2 : 0);
    ck_assert_uint_eq(p.length, h * (w * c + 1));
    for (size_t y = 0; y < h; y++) {
        ck_assert_uint_eq(p.rows[y * (w * c + 1)], 0);
        ck_assert_mem_eq(p.rows + y * (w * c + 1) + 1, picture.pixels + y * w * c, w * c);
    }
    mem_free(p.rows);
    buffer_free(&b);
    picture_free(&picture);
}

START_TEST(frames_come_back)
{
    uint8_t pixels[3][6] = {{1, 2, 3, 4, 5, 6}, {7, 7, 7, 7, 7, 7}, {0, 255, 0, 255, 0, 255}};
    const Picture frames[3] = {{2, 3, 1, pixels[0]}, {2, 3, 1, pixels[1]}, {2, 3, 1, pixels[2]}};
    const unsigned times[3] = {250, 0, 65535};
    const PngText text = {"k", "v"};
    Buffer b = {0};
    png_encode_frames(&b, frames, times, 3, &text, 1);
    Parsed p = parse((unsigned char *)b.bytes, b.length);
    ck_assert_uint_eq(p.frames, 3);
    ck_assert_uint_eq(p.controls, 3);
    ck_assert_uint_eq(p.numbers, 5); /* the first frame's pixels have none */
    ck_assert_str_eq(p.text[0], "k=v");
    for (size_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(p.milliseconds[i], times[i]);
        for (size_t y = 0; y < 2; y++)
            ck_assert_mem_eq(p.last[i] + 4 * y + 1, pixels[i] + 3 * y, 3);
    }
    mem_free(p.rows);
    buffer_free(&b);
}
END_TEST

/* Each size by itself, and a time beyond 16 bits. */
START_TEST(frames_that_do_not_fit_are_a_mistake)
{
    uint8_t pixels[18] = {0};
    const Picture others[] = {{3, 2, 1, pixels},
                              {3, 3, 1, pixels},
                              {2, 2, 1, pixels},
                              {2, 3, 3, pixels},
                              {2, 3, 1, pixels}};
    const Picture frames[2] = {{2, 3, 1, pixels}, others[_i]};
    const unsigned times[2] = {1, _i == 4 ? 65536 : 1};
    Buffer b = {0};
    png_encode_frames(&b, frames, times, 2, NULL, 0);
}
END_TEST

START_TEST(pixels_come_back)
{
    round_trip(1, 1, 1, 0);
    round_trip(7, 5, 1, 0);
    round_trip(4, 9, 3, 0);
    round_trip(1, 65534, 1, 0); /* with its filter byte exactly one stored block */
    round_trip(1, 65535, 1, 0); /* one byte more */
    round_trip(300, 211, 3, 0); /* several blocks */
    round_trip(300, 210, 3, 10);
    round_trip(301, 211, 1, 5);
    round_trip(8, 40000, 3, 4); /* the row above is out of reach */
}
END_TEST

START_TEST(file_with_texts)
{
    uint8_t pixel[3] = {1, 2, 3};
    Picture picture = {1, 1, 3, pixel};
    PngText text[3] = {{"seed", "7"}, {"command", "di4c sample \xCE\xBB"}, {"empty", ""}};
    unsigned char bytes[1000];
    Error err = {""};

    ck_assert_msg(png_write(path, &picture, text, 3, &err), "%s", err.text);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    Parsed p = parse(bytes, n);
    ck_assert_int_eq(p.texts, 3);
    ck_assert_str_eq(p.text[0], "seed=7");
    ck_assert_str_eq(p.text[1], "command=di4c sample ??");
    ck_assert_str_eq(p.text[2], "empty=");
    ck_assert_mem_eq(p.rows, "\0\1\2\3", 4);
    mem_free(p.rows);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(unwritable_path)
{
    uint8_t pixel = 0;
    Picture picture = {1, 1, 1, &pixel};
    Error err = {""};

    ck_assert(!png_write("no-such-folder.tmp.d/a.png", &picture, NULL, 0, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-folder.tmp.d/a.png"));
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

static uint8_t at(const Picture *p, size_t y, size_t x, size_t c)
{
    return p->pixels[(y * p->width + x) * p->channels + c];
}

START_TEST(grid_places_samples)
{
    uint16_t x[3 * 2] = {0, 1, 2, 3, 4, 0}; /* three samples of 1x2; S = 4 and the mask is 4 */
    States s = {x, 3, 2};
    GridStyle style = {1, 2, 1, 4, 4, 2, 3, 1};
    Picture p = picture_grid(&s, &style);

    ck_assert_uint_eq(p.width, 2 * (2 * 3 + 1) + 1);
    ck_assert_uint_eq(p.height, 2 * (3 + 1) + 1);
    for (size_t i = 0; i < 3; i++)
        for (size_t y = 0; y < 3; y++)
            for (size_t k = 0; k < 6; k++) {
                unsigned state = x[2 * i + k / 3];
                unsigned gray = state == 4 ? 128 : 85 * state;
                ck_assert_uint_eq(at(&p, 1 + i / 2 * 4 + y, 1 + i % 2 * 7 + k, 0), gray);
            }
    ck_assert_uint_eq(at(&p, 0, 0, 0), 64); /* padding, and the place of a missing fourth one */
    ck_assert_uint_eq(at(&p, 1, 7, 0), 64);
    ck_assert_uint_eq(at(&p, 6, 10, 0), 64);
    picture_free(&p);
}
END_TEST

START_TEST(grid_in_colour_and_defaults)
{
    uint16_t x[5 * 12];
    States s = {x, 5, 12};
    GridStyle style = {2, 2, 3, 256, -1, 0, 0, 0};

    for (size_t i = 0; i < 60; i++)
        x[i] = (uint16_t)(4 * i);
    Picture p = picture_grid(&s, &style); /* 3 columns, zoom 600/9 = 66 */
    ck_assert_uint_eq(p.width, (size_t)3 * 2 * 66);
    ck_assert_uint_eq(p.height, (size_t)2 * 2 * 66);
    ck_assert_uint_eq(p.channels, 3);
    for (size_t c = 0; c < 3; c++) {
        ck_assert_uint_eq(at(&p, 0, 0, c), 4 * c);
        ck_assert_uint_eq(at(&p, 131, 131, c), 4 * (9 + c));
        ck_assert_uint_eq(at(&p, 132, 65, c), 4 * (36 + c));
    }
    picture_free(&p);
}
END_TEST

/* The check knows the sizes that picture_grid makes, and where PNG's 2 GiB are full. */
START_TEST(grids_that_are_too_large_are_known)
{
    const GridStyle huge = {4096, 4096, 1, 2, -1, 0, 0, 2}, flat = {1, 1, 1, 2, -1, 1, 1, 0};
    const GridStyle colour = {4096, 4096, 3, 256, -1, 0, 0, 2}, small = {28, 28, 1, 2, -1, 0, 0, 2};
    Error err = {""};

    ck_assert(picture_grid_check(&small, 10000, &err));
    ck_assert(picture_grid_check(&huge, 121, &err));  /* 11 x 11: 45080 squared */
    ck_assert(!picture_grid_check(&huge, 122, &err)); /* 11 x 12 */
    ck_assert_ptr_nonnull(strstr(err.text, "122 samples of 4096 x 4096"));
    ck_assert(picture_grid_check(&colour, 36, &err));
    ck_assert(!picture_grid_check(&colour, 43, &err));
    ck_assert(!picture_grid_check(&small, SIZE_MAX / 2, &err));
    ck_assert(picture_grid_check(&flat, 1073000000, &err)); /* a column: two bytes a row */
    ck_assert(!picture_grid_check(&flat, 1074000000, &err));
}
END_TEST

START_TEST(states_must_fit)
{
    uint16_t x[1] = {2};
    States s = {x, 1, 1};
    GridStyle style = {1, 1, 1, 2, -1, 1, 1, 0};
    picture_grid(&s, &style);
}
END_TEST

START_TEST(keys_must_be_printable)
{
    uint8_t pixel = 0;
    Picture picture = {1, 1, 1, &pixel};
    PngText text = {"a\nb", ""};
    Buffer b = {0};
    png_encode(&b, &picture, &text, 1);
}
END_TEST

/* 79 bytes is the longest. */
static void encode_key(size_t length)
{
    uint8_t pixel = 0;
    Picture picture = {1, 1, 1, &pixel};
    char key[81] = "";
    PngText text = {key, ""};
    Buffer b = {0};
    memset(key, 'k', length);
    png_encode(&b, &picture, &text, 1);
    buffer_free(&b);
}

START_TEST(longest_key)
{
    encode_key(79);
}
END_TEST

START_TEST(too_long_key)
{
    encode_key(80);
}
END_TEST

Suite *png_suite(void);
Suite *png_suite(void)
{
    Suite *suite = suite_create("png");
    TCase *tc = tcase_create("png");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, remove_file);
    tcase_add_test(tc, pixels_come_back);
    tcase_add_test(tc, frames_come_back);
    tcase_add_loop_test_raise_signal(tc, frames_that_do_not_fit_are_a_mistake, SIGABRT, 0, 5);
    tcase_add_test(tc, file_with_texts);
    tcase_add_test(tc, unwritable_path);
    tcase_add_test(tc, grid_places_samples);
    tcase_add_test(tc, grid_in_colour_and_defaults);
    tcase_add_test(tc, grids_that_are_too_large_are_known);
    tcase_add_test_raise_signal(tc, states_must_fit, 6);
    tcase_add_test_raise_signal(tc, keys_must_be_printable, 6);
    tcase_add_test(tc, longest_key);
    tcase_add_test_raise_signal(tc, too_long_key, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
