/* The .safetensors reader and writer: round trips, number formats, every hostile header we could
 * think of, and mutations of a valid file. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/safetensors.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const char path[] = "test-safetensors.tmp";

static void write_bytes(const void *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    ck_assert_int_eq(fclose(f), 0);
}

/* A file of a header text and `data` bytes. */
static void write_file(const char *header, size_t length, const unsigned char *data, size_t bytes)
{
    unsigned char *all = mem_zeroed(8 + strlen(header) + bytes, 1);
    for (int i = 0; i < 8; i++)
        all[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(all + 8, header, strlen(header));
    if (bytes > 0)
        memcpy(all + 8 + strlen(header), data, bytes);
    write_bytes(all, 8 + strlen(header) + bytes);
    mem_free(all);
}

static void remove_file(void)
{
    remove(path);
}

START_TEST(round_trip)
{
    enum { N = 2050 };
    static float big[N];
    float one = -0.0f;
    Error err = {""};
    for (size_t i = 0; i < N; i++)
        big[i] = (float)i * 0.37f - 5;
    big[7] = NAN;
    big[8] = -INFINITY;
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add(w, "big \"quoted\"", 3, (size_t[]){2, 5, 205}, big);
    safetensors_add(w, "scalar", 0, NULL, &one);
    safetensors_add(w, "empty", 2, (size_t[]){3, 0}, NULL);
    safetensors_add_meta(w, "key", "va\nlue");
    ck_assert_msg(safetensors_write(w, path, &err), "%s", err.text);
    safetensors_writer_free(w);

    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    ck_assert_uint_eq(f->tensor_count, 3);
    ck_assert_str_eq(safetensors_meta(f, "key"), "va\nlue");
    ck_assert_ptr_null(safetensors_meta(f, "other"));
    ck_assert_ptr_null(safetensors_find(f, "other"));
    const FileTensor *t = safetensors_find(f, "big \"quoted\"");
    ck_assert(t != NULL && t->rank == 3 && t->shape[2] == 205 && t->count == N);
    ck_assert_uint_eq((size_t)(t->bytes - f->buffer) % 8, 0);
    static float back[N];
    ck_assert(safetensors_floats(t, back, path, &err));
    ck_assert_mem_eq(back, big, sizeof big);
    t = safetensors_find(f, "scalar");
    ck_assert(t->rank == 0 && t->count == 1 && safetensors_floats(t, back, path, &err));
    ck_assert(back[0] == 0 && signbit(back[0]));
    ck_assert_uint_eq(safetensors_find(f, "empty")->count, 0);
    safetensors_free(f);
}
END_TEST

/* Bytes of other types beside floats, which halves leave alone. */
START_TEST(other_types_are_written_as_they_are)
{
    static const unsigned char bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    const float one = 0.5f;
    for (int half = 0; half < 2; half++) {
        Error err = {""};
        SafetensorsWriter *w = safetensors_writer();
        safetensors_add_bytes(w, "wide", "F64", 1, (size_t[]){2}, bytes);
        safetensors_add(w, "one", 0, NULL, &one);
        safetensors_add_bytes(w, "small", "U8", 2, (size_t[]){3, 5}, bytes);
        if (half == 1)
            safetensors_use_half(w);
        ck_assert_msg(safetensors_write(w, path, &err), "%s", err.text);
        safetensors_writer_free(w);
        SafetensorsFile *f = safetensors_read(path, &err);
        ck_assert_msg(f != NULL, "%s", err.text);
        const FileTensor *wide = safetensors_find(f, "wide"), *small = safetensors_find(f, "small");
        ck_assert(strcmp(wide->dtype, "F64") == 0 && wide->byte_count == 16);
        ck_assert(strcmp(small->dtype, "U8") == 0 && small->byte_count == 15);
        ck_assert(small->rank == 2 && small->shape[0] == 3 && small->shape[1] == 5);
        ck_assert_mem_eq(wide->bytes, bytes, 16);
        ck_assert_mem_eq(small->bytes, bytes, 15);
        ck_assert_str_eq(safetensors_find(f, "one")->dtype, half == 1 ? "F16" : "F32");
        safetensors_free(f);
    }
}
END_TEST

START_TEST(other_types_are_checked)
{
    safetensors_add_bytes(safetensors_writer(), "x", "I64", 0, NULL, (const unsigned char *)"");
}
END_TEST

START_TEST(nothing_to_write)
{
    Error err = {""};
    SafetensorsWriter *w = safetensors_writer();
    ck_assert(safetensors_write(w, path, &err));
    ck_assert(!safetensors_write(w, "no-such-folder/x.safetensors", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-folder"));
    safetensors_writer_free(w);
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    ck_assert_uint_eq(f->tensor_count, 0);
    safetensors_free(f);
}
END_TEST

START_TEST(number_formats)
{
    static const char header[] =
        "{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},"
        "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]},"
        "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[16,32]},"
        "\"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[32,36]}}";
    static const unsigned char data[36] = {
        0x00, 0x3C, 0x01, 0x00, 0xFF, 0x7B, 0x00, 0xFC, 0x00, 0x80, 0x01, 0x83, /* halves */
        0x80, 0x3F, 0x49, 0xC0,                                                 /* bfloat16 */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF8, 0xBF,                         /* -1.5 */
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xF0, 0x7F};                        /* inf */
    const float halves[6] = {1,     5.9604644775390625e-8f,       65504, -INFINITY,
                             -0.0f, -769 * 5.9604644775390625e-8f};
    float out[6];
    Error err = {""};
    write_file(header, strlen(header), data, sizeof data);
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    ck_assert(safetensors_floats(safetensors_find(f, "h"), out, path, &err));
    for (int i = 0; i < 6; i++)
        ck_assert(out[i] == halves[i] && !signbit(out[i]) == !signbit(halves[i]));
    ck_assert(safetensors_floats(safetensors_find(f, "b"), out, path, &err));
    ck_assert(out[0] == 1 && out[1] == -3.140625f);
    ck_assert(safetensors_floats(safetensors_find(f, "d"), out, path, &err));
    ck_assert(out[0] == -1.5f && out[1] == INFINITY);
    ck_assert(!safetensors_floats(safetensors_find(f, "i"), out, path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "\"i\": expected dtype F32"));
    safetensors_free(f);
}
END_TEST

START_TEST(doubles_beyond_float_are_refused)
{
    static const char header[] = "{\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}";
    static const unsigned char data[8] = {0, 0, 0, 0, 0, 0, 0xE0, 0x7F};
    float out[1];
    Error err = {""};
    write_file(header, strlen(header), data, sizeof data);
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_ptr_nonnull(f);
    ck_assert(!safetensors_floats(&f->tensors[0], out, path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "range"));
    safetensors_free(f);
}
END_TEST

/* Types that are not computed with: listed, and nothing beside them is hidden; no metadata. */
START_TEST(types_of_others)
{
    static const struct {
        const char *name;
        size_t count, bytes;
    } types[] = {{"C64", 2, 16},        {"F8_E4M3", 3, 3},     {"F8_E5M2", 3, 3}, {"F8_E8M0", 1, 1},
                 {"F8_E4M3FNUZ", 5, 5}, {"F8_E5M2FNUZ", 2, 2}, {"F6_E2M3", 4, 3}, {"F6_E3M2", 8, 6},
                 {"F4", 6, 3},          {"U64", 1, 8},         {"I16", 2, 4}};
    enum { TYPES = sizeof types / sizeof types[0] };
    static const unsigned char zeros[80];
    char header[2000] = "{\"__metadata__\":null";
    size_t at = 0;
    float x;
    Error err = {""};
    for (size_t i = 0; i <= TYPES; i++) {
        const size_t bytes = i < TYPES ? types[i].bytes : 4, used = strlen(header);
        snprintf(header + used, sizeof header - used,
                 ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}%s",
                 i < TYPES ? types[i].name : "weight", i < TYPES ? types[i].name : "F32",
                 i < TYPES ? types[i].count : 1, at, at + bytes, i < TYPES ? "" : "}");
        at += bytes;
    }
    write_file(header, strlen(header), zeros, at);
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    ck_assert(f->meta_count == 0 && f->tensor_count == TYPES + 1);
    ck_assert(safetensors_floats(safetensors_find(f, "weight"), &x, path, &err));
    for (size_t i = 0; i < TYPES; i++) {
        const FileTensor *t = safetensors_find(f, types[i].name);
        ck_assert_str_eq(t->dtype, types[i].name);
        ck_assert(t->count == types[i].count && t->byte_count == types[i].bytes);
        ck_assert(!safetensors_floats(t, &x, path, &err));
        ck_assert_ptr_nonnull(strstr(err.text, types[i].name));
    }
    safetensors_free(f);
}
END_TEST

/* As many as the largest models have, four axes each. */
/* The hash of a file with one tensor of two numbers beside an empty one, and two entries. */
static void hash_of(const char *name, float second, const char *key, const char *value,
                    const char *left_out, char hash[65])
{
    const float numbers[2] = {1.0f, second};
    Error err = {""};
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add(w, name, 1, (size_t[]){2}, numbers);
    safetensors_add(w, "empty", 1, (size_t[]){0}, NULL);
    safetensors_add_meta(w, key, value);
    safetensors_add_meta(w, "left out", left_out);
    ck_assert_msg(safetensors_write(w, path, &err), "%s", err.text);
    safetensors_writer_free(w);
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    safetensors_file_hash(f, "left out", hash);
    safetensors_free(f);
}

/* Names, bytes, keys and values, but what is left out. */
START_TEST(the_hash_is_of_all_but_one_key)
{
    char hash[65], other[5][65];
    hash_of("a", 2.0f, "key", "value", "", hash);
    hash_of("a", 2.0f, "key", "value", "anything", other[0]);
    ck_assert_str_eq(other[0], hash);
    hash_of("b", 2.0f, "key", "value", "", other[0]);
    hash_of("a", 3.0f, "key", "value", "", other[1]);
    hash_of("a", 2.0f, "kez", "value", "", other[2]);
    hash_of("a", 2.0f, "key", "valuf", "", other[3]);
    hash_of("a", 2.0f, "keyv", "alue", "", other[4]);
    for (int i = 0; i < 5; i++)
        ck_assert_msg(strcmp(other[i], hash) != 0, "change %d changes nothing", i);
}
END_TEST

START_TEST(a_hundred_thousand_tensors)
{
    enum { COUNT = 100000, ROOM = 120 * COUNT };
    char *header = mem_alloc(ROOM, 1);
    size_t used = (size_t)sprintf(header, "{\"__metadata__\":{\"format\":\"pt\"}");
    Error err = {""};
    for (size_t i = 0; i < COUNT; i++)
        used += (size_t)snprintf(header + used, ROOM - used,
                                 ",\"layers.%zu.weight\":{\"dtype\":\"F16\",\"shape\":[1,1,1,1],"
                                 "\"data_offsets\":[%zu,%zu]}",
                                 i, 2 * i, 2 * i + 2);
    used += (size_t)snprintf(header + used, ROOM - used, "}");
    unsigned char *zeros = mem_zeroed(2, COUNT);
    write_file(header, used, zeros, 2 * COUNT);
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    ck_assert_uint_eq(f->tensor_count, COUNT);
    ck_assert(safetensors_find(f, "layers.99999.weight")->rank == 4);
    safetensors_free(f);
    mem_free(zeros);
    mem_free(header);
}
END_TEST

#define F4(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

/* Header, and a piece of the sentence; every file has 16 bytes of data. */
static const struct {
    const char *header, *sentence;
} hostile[] = {
    {"[1]", "object"},
    {"{}", "expected 0 bytes of data"},
    {"{\"a\":" F4("[4]", "[0,16]") "} x", "end of the text"},
    {"{\"a\":" F4("[3]", "[0,12]") "}", "expected 12 bytes of data"},
    {"{\"a\":" F4("[5]", "[0,20]") "}", "within the file's 16 data bytes"},
    {"{\"a\":" F4("[4]", "[4,20]") "}", "within the file's 16 data bytes"},
    {"{\"a\":" F4("[4]", "[16,0]") "}", "in order"},
    {"{\"a\":" F4("[2]", "[0,8]") ",\"b\":" F4("[3]", "[4,16]") "}", "an overlap at 4"},
    {"{\"a\":" F4("[1]", "[0,4]") ",\"b\":" F4("[2]", "[8,16]") "}", "a gap at 8"},
    {"{\"a\":" F4("[4]", "[0,16]") ",\"b\":" F4("[4]", "[0,16]") "}", "an overlap at 0"},
    {"{\"a\":" F4("[4]", "[0,16]") ",\"a\":" F4("[0]", "[16,16]") "}", "once"},
    {"{\"a\":" F4("[3]", "[0,16]") "}", "expected 12 bytes for its shape"},
    {"{\"a\":" F4("[4294967296,4294967296]", "[0,16]") "}", "fits in memory"},
    {"{\"a\":" F4("[4611686018427387904]", "[0,16]") "}", "2^53"},
    {"{\"a\":" F4("[4503599627370496,2048]", "[0,16]") "}", "fits in memory"},
    {"{\"a\":" F4("[-4]", "[0,16]") "}", "\"shape\""},
    {"{\"a\":" F4("[4.5]", "[0,16]") "}", "\"shape\""},
    {"{\"a\":" F4("[\"4\"]", "[0,16]") "}", "\"shape\""},
    {"{\"a\":" F4("4", "[0,16]") "}", "\"shape\""},
    {"{\"a\":" F4("[1,1,1,1,1,1,1,1,4]", "[0,16]") "}", "at most 8"},
    {"{\"a\":" F4("[4]", "[0,16,16]") "}", "data_offsets"},
    {"{\"a\":" F4("[4]", "[0,\"16\"]") "}", "data_offsets"},
    {"{\"a\":" F4("[4]", "[0,-16]") "}", "data_offsets"},
    {"{\"a\":" F4("[4]", "{}") "}", "data_offsets"},
    {"{\"a\":7}", "exactly dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", "exactly dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"x\":1}}", "exactly dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"offsets\":[0,16]}}", "data_offsets"},
    {"{\"a\":{\"dtype\":\"F33\",\"shape\":[4],\"data_offsets\":[0,16]}}", "BF16, found F33"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", "whole bytes"},
    {"{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[2],\"data_offsets\":[0,2]}}", "whole bytes"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,4]}}", "expected 2 bytes"},
    {"{\"a\":{\"dtype\":32,\"shape\":[4],\"data_offsets\":[0,16]}}", "dtype"},
    {"{\"\":" F4("[4]", "[0,16]") "}", "control characters"},
    {"{\"a\\u001b[2J\":" F4("[4]", "[0,16]") "}", "control characters"},
    {"{\"__metadata__\":[],\"a\":" F4("[4]", "[0,16]") "}", "__metadata__"},
    {"{\"__metadata__\":{\"k\":1},\"a\":" F4("[4]", "[0,16]") "}", "\"k\""},
    {"{\"__metadata__\":{},\"a\":" F4("[4]", "[0,16]") ",\"__metadata__\":{}}", "once"},
};

static void expect_sentence(const char *piece)
{
    Error err = {""};
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f == NULL, "accepted; expected \"%s\"", piece);
    ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, piece) != NULL, "%s: expected \"%s\"", err.text, piece);
}

START_TEST(hostile_headers)
{
    unsigned char data[16] = {0};
    write_file(hostile[_i].header, strlen(hostile[_i].header), data, sizeof data);
    expect_sentence(hostile[_i].sentence);
}
END_TEST

START_TEST(lengths)
{
    static const char header[] = "{\"a\":" F4("[4]", "[0,16]") "}";
    unsigned char data[16] = {0};
    static const unsigned char huge[16] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                           0xFF, 0xFF, 0xFF, '{',  '}'};
    write_file(header, 200000000, data, sizeof data);
    expect_sentence("found a length of 200000000");
    write_file(header, 100000000, data, sizeof data);
    expect_sentence("found a length of 100000000");
    write_file(header, strlen(header) + 17, data, sizeof data);
    expect_sentence("header of 2 to");
    write_file(header, 1, data, sizeof data);
    expect_sentence("header of 2 to");
    write_bytes(huge, sizeof huge);
    expect_sentence("found a length of 18446744073709551615");
    write_bytes(huge, 9);
    expect_sentence("at least 10 bytes");
    write_bytes(huge, 0);
    expect_sentence("at least 10 bytes");
    remove_file();
    expect_sentence("readable");
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    float data[4] = {1, 2, 3, 4};
    unsigned char bytes[400];
    Error err = {""};
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add(w, "a", 2, (size_t[]){2, 2}, data);
    safetensors_add_meta(w, "k", "v");
    ck_assert(safetensors_write(w, path, &err));
    safetensors_writer_free(w);
    FILE *f = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    ck_assert_uint_lt(size, sizeof bytes);
    for (size_t n = 0; n < size; n++) {
        write_bytes(bytes, n);
        expect_sentence("expected");
    }
}
END_TEST

START_TEST(mutations_end_in_a_file_or_a_sentence)
{
    float data[64] = {1, 2, 3, 4}, out[256];
    unsigned char valid[1024], bytes[1024];
    Error err = {""};
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add(w, "net.a", 4, (size_t[]){2, 2, 2, 4}, data);
    safetensors_add(w, "net.b", 1, (size_t[]){16}, data + 32);
    safetensors_add(w, "net.c", 2, (size_t[]){4, 4}, data + 48);
    safetensors_add_meta(w, "format", "x");
    ck_assert(safetensors_write(w, path, &err));
    safetensors_writer_free(w);
    FILE *file = fopen(path, "rb");
    size_t size = fread(valid, 1, sizeof valid, file);
    fclose(file);
    Rng rng = rng_root(11);
    size_t before = mem_in_use(), accepted = 0;
    for (int round = 0; round < 3000; round++) {
        size_t n = rng_below(&rng, 8) == 0 ? rng_below(&rng, size) : size;
        memcpy(bytes, valid, size);
        for (size_t i = rng_below(&rng, 4); i > 0; i--) {
            size_t at = rng_below(&rng, rng_below(&rng, 4) == 0 ? 8 : size - 256);
            bytes[at] = (unsigned char)(rng_below(&rng, 2) == 0 ? rng_below(&rng, 256)
                                                                : '0' + rng_below(&rng, 10));
        }
        write_bytes(bytes, n);
        err.text[0] = '\0';
        SafetensorsFile *f = safetensors_read(path, &err);
        ck_assert_msg(f != NULL || strlen(err.text) > 20, "round %d", round);
        for (size_t i = 0; f != NULL && i < f->tensor_count; i++)
            if (f->tensors[i].count <= 256)
                safetensors_floats(&f->tensors[i], out, path, &err);
        accepted += f != NULL;
        safetensors_free(f);
    }
    ck_assert_uint_gt(accepted, 100);
    ck_assert_uint_lt(accepted, 2900);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

Suite *safetensors_suite(void);
/* Written as F16 and read back: every F16 comes back as it was, others as the nearest, halfway
 * cases to the even one; what is out of range is refused. */
START_TEST(halves_round_to_nearest)
{
    static const float x[] = {0.0f,        -0.0f,        1.0f,       -2.5f,
                              65504.0f,    0x1p-24f,     0x1p-14f,   0x1.ffcp-15f,
                              1.0f / 3.0f, 0x1.002p0f,   0x1.006p0f, 0x1p-25f,
                              0x1.8p-24f,  0x1.00201p0f, 65519.0f,   1e-9f};
    static const float expected[] = {0.0f,     -0.0f,      1.0f,        -2.5f, 65504.0f,   0x1p-24f,
                                     0x1p-14f, 0x1p-14f,   0x1.554p-2f, 1.0f,  0x1.008p0f, 0.0f,
                                     0x1p-23f, 0x1.004p0f, 65504.0f,    0.0f};
    enum { N = sizeof x / sizeof x[0] };
    const size_t shape[] = {N};
    const float large[] = {65520.0f};
    const size_t one[] = {1};
    float back[N];
    Error err = {""};
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add(w, "x", 1, shape, x);
    safetensors_use_half(w);
    ck_assert_msg(safetensors_write(w, "test-half.tmp.safetensors", &err), "%s", err.text);
    safetensors_writer_free(w);
    SafetensorsFile *f = safetensors_read("test-half.tmp.safetensors", &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    ck_assert_str_eq(f->tensors[0].dtype, "F16");
    ck_assert(safetensors_floats(&f->tensors[0], back, "x", &err));
    ck_assert_mem_eq(back, expected, sizeof expected);
    safetensors_free(f);
    w = safetensors_writer();
    safetensors_add(w, "y", 1, one, large);
    safetensors_use_half(w);
    ck_assert(!safetensors_write(w, "test-half.tmp.safetensors", &err));
    ck_assert_msg(strstr(err.text, "\"y\": expected numbers within 65504") != NULL, "%s", err.text);
    safetensors_writer_free(w);
    remove("test-half.tmp.safetensors");
}
END_TEST

Suite *safetensors_suite(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tc = tcase_create("safetensors");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, remove_file);
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, halves_round_to_nearest);
    tcase_add_test(tc, other_types_are_written_as_they_are);
    tcase_add_test_raise_signal(tc, other_types_are_checked, 6);
    tcase_add_test(tc, nothing_to_write);
    tcase_add_test(tc, number_formats);
    tcase_add_test(tc, doubles_beyond_float_are_refused);
    tcase_add_test(tc, types_of_others);
    tcase_add_test(tc, the_hash_is_of_all_but_one_key);
    tcase_add_test(tc, a_hundred_thousand_tensors);
    tcase_add_loop_test(tc, hostile_headers, 0, (int)(sizeof hostile / sizeof hostile[0]));
    tcase_add_test(tc, lengths);
    tcase_add_test(tc, every_truncation_is_refused);
    tcase_add_test(tc, mutations_end_in_a_file_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
