/* .pt files: round trips, number types, strides and shared storages, files that are not what they
 * should be, and mutations. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/torch/torch_file.h"
#include "nn/formats/torch/zip_write.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const char path[] = "test-torch-file.tmp";

static void remove_file(void)
{
    remove(path);
}

static void write_bytes(const void *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    ck_assert_int_eq(fclose(f), 0);
}

static void expect_sentence(const char *piece)
{
    Error err = {""};
    const size_t before = mem_in_use();
    TorchFile *f = torch_read(path, &err);
    ck_assert_msg(f == NULL, "accepted; expected \"%s\"", piece);
    ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, piece) != NULL, "%s: expected \"%s\"", err.text, piece);
    ck_assert_uint_eq(mem_in_use(), before);
}

START_TEST(round_trip)
{
    const float a[6] = {1, -2, NAN, INFINITY, -0.0f, 1e-42f};
    float back[6];
    double x = 0;
    Error err = {""};
    TorchWriter *w = torch_writer();
    PickleWriter *p = torch_pickle(w);
    pickle_open_dict(p, true);
    pickle_put_text(p, "a");
    torch_put_floats(w, 2, (size_t[]){2, 3}, a);
    pickle_put_text(p, "step");
    torch_put_floats(w, 0, NULL, a + 1);
    pickle_put_text(p, "none");
    torch_put_floats(w, 2, (size_t[]){3, 0}, NULL);
    pickle_put_text(p, "n");
    pickle_put_integer(p, 5);
    pickle_close_dict(p);
    ck_assert_msg(torch_write(w, path, &err), "%s", err.text);
    torch_writer_free(w);
    TorchFile *f = torch_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    const PickleTensor *t = pickle_get(f->root, "a")->tensor;
    ck_assert(t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3);
    ck_assert(torch_floats(f, t, "a", back, &err));
    ck_assert_mem_eq(back, a, sizeof a);
    ck_assert(torch_number(f, pickle_get(f->root, "step"), &x) && x == -2);
    ck_assert(torch_number(f, pickle_get(f->root, "n"), &x) && x == 5);
    ck_assert(!torch_number(f, pickle_get(f->root, "a"), &x));
    ck_assert(!torch_number(f, NULL, &x));
    ck_assert(torch_floats(f, pickle_get(f->root, "none")->tensor, "none", NULL, &err));
    torch_free(f);
}
END_TEST

/* A tuple of tensors over storages "0" and "1", written by hand. */
#define TENSOR(type, key, count, offset, shape, stride)                                            \
    "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n" type "Storage\nU\x01" key "U\x06"  \
    "cuda:1K" count "tQK" offset "(" shape "t(" stride "t\x89}tR"

static void write_archive(const char *pickle, size_t size, const unsigned char *data, size_t count)
{
    Error err;
    ZipWriter *z = zip_create(path, &err);
    zip_add(z, "x/data.pkl", pickle, size);
    zip_add(z, "x/data/0", data, count);
    ck_assert(zip_close(z, &err));
}

START_TEST(strides_and_shared_storages)
{
    static const char pickle[] =
        "\x80\x02(" TENSOR("Float", "0", "\x06", "\x00", "K\x03K\x02", "K\x01K\x03")
            TENSOR("Float", "0", "\x06", "\x04", "K\x02", "K\x01")
                TENSOR("Float", "0", "\x06", "\x01", "K\x04", "K\x00") "t.";
    const float expected[3][6] = {{0, 3, 1, 4, 2, 5}, {4, 5}, {1, 1, 1, 1}};
    unsigned char data[24];
    float out[6];
    Error err = {""};
    for (size_t i = 0; i < 6; i++) {
        static const unsigned char high[6][2] = {{0, 0},       {0x80, 0x3f}, {0x00, 0x40},
                                                 {0x40, 0x40}, {0x80, 0x40}, {0xa0, 0x40}};
        data[4 * i] = data[4 * i + 1] = 0;
        memcpy(data + 4 * i + 2, high[i], 2);
    }
    write_archive(pickle, sizeof pickle - 1, data, sizeof data);
    TorchFile *f = torch_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    for (size_t i = 0; i < 3; i++) {
        const PickleTensor *t = f->root->items[i]->tensor;
        ck_assert(torch_floats(f, t, "x", out, &err));
        ck_assert_mem_eq(out, expected[i], t->count * sizeof *out);
    }
    torch_free(f);
}
END_TEST

#define ONE(type, count) "\x80\x02" TENSOR(type, "0", count, "\x00", "K" count, "K\x01") "."
static const struct {
    const char *pickle;
    size_t size;
    const char *bytes;
    size_t count;
    double first;
} numbers[] = {
    {ONE("Double", "\x01"), sizeof ONE("Double", "\x01") - 1, "\0\0\0\0\0\0\xf8\xbf", 8, -1.5},
    {ONE("Half", "\x01"), sizeof ONE("Half", "\x01") - 1, "\0\x3c", 2, 1},
    {ONE("BFloat16", "\x01"), sizeof ONE("BFloat16", "\x01") - 1, "\x49\xc0", 2, -3.140625},
    {ONE("Long", "\x01"), sizeof ONE("Long", "\x01") - 1, "\xfd\xff\xff\xff\xff\xff\xff\xff", 8,
     -3},
    {ONE("Long", "\x01"), sizeof ONE("Long", "\x01") - 1, "\x01\0\0\x01\0\0\0\0", 8, NAN},
    {ONE("Int", "\x01"), sizeof ONE("Int", "\x01") - 1, "\x01\0\0\0", 4, NAN}, /* NAN: refused */
};

START_TEST(number_types)
{
    double x = 0;
    Error err = {""};
    write_archive(numbers[_i].pickle, numbers[_i].size, (const unsigned char *)numbers[_i].bytes,
                  numbers[_i].count);
    TorchFile *f = torch_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    const bool ok = torch_number(f, f->root, &x);
    ck_assert(ok == !isnan(numbers[_i].first) && (!ok || x == numbers[_i].first));
    torch_free(f);
}
END_TEST

START_TEST(not_what_it_should_be)
{
    static const char pickle[] = ONE("Float", "\x02");
    static const char view[] =
        "\x80\x02" TENSOR("Float", "0", "\x02", "\x00", "K\x03", "K\x00") ".";
    static const unsigned char old[] = {0x80, 2,    0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20,
                                        0x6a, 0xa8, 0x50, 0x19, '.',  0x80, 2,    'N',  '.'};
    unsigned char tar[1024] = {0};
    Error err;
    remove_file();
    expect_sentence("readable");
    write_bytes(old, sizeof old);
    expect_sentence("PyTorch 1.6 or later");
    memcpy(tar + 257, "ustar", 5);
    write_bytes(tar, sizeof tar);
    expect_sentence("PyTorch 1.6 or later");
    write_archive(pickle, sizeof pickle - 1, tar, 7);
    expect_sentence("entry \"x/data/0\": expected 2 numbers of 4 bytes, found 7 bytes");
    write_archive(view, sizeof view - 1, tar, 8);
    expect_sentence("at most its 2 numbers, found a view that repeats them to 3");
    write_archive(pickle, sizeof pickle - 2, tar, 8);
    expect_sentence("cut short");
    ZipWriter *z = zip_create(path, &err);
    zip_add(z, "x/other", "", 0);
    ck_assert(zip_close(z, &err));
    expect_sentence("no entry */data.pkl");
    z = zip_create(path, &err);
    zip_add(z, "x/data.pkl", pickle, sizeof pickle - 1);
    ck_assert(zip_close(z, &err));
    expect_sentence("expected an entry \"x/data/0\"");
    z = zip_create(path, &err);
    zip_add(z, "x/data.pkl", pickle, sizeof pickle - 1);
    zip_add(z, "y/data.pkl", pickle, sizeof pickle - 1);
    ck_assert(zip_close(z, &err));
    expect_sentence("found two");
    z = zip_create(path, &err);
    zip_add(z, "x/data.pkl", pickle, sizeof pickle - 1);
    zip_add(z, "x/byteorder", "big", 3);
    ck_assert(zip_close(z, &err));
    expect_sentence("expected little");
}
END_TEST

START_TEST(mutations_end_in_a_tree_or_a_sentence)
{
    static const char valid[] =
        "\x80\x02(" TENSOR("Float", "0", "\x06", "\x00", "K\x03K\x02", "K\x01K\x03")
            TENSOR("Float", "0", "\x06", "\x04", "K\x02", "K\x01") "t.";
    unsigned char data[24] = {0};
    char bytes[sizeof valid];
    float out[64];
    Rng rng = rng_root(14);
    const size_t before = mem_in_use();
    size_t accepted = 0;
    for (int round = 0; round < 1500; round++) {
        Error err = {""};
        memcpy(bytes, valid, sizeof valid);
        for (size_t i = rng_below(&rng, 3); i > 0; i--)
            bytes[rng_below(&rng, sizeof valid - 1)] = (char)rng_below(&rng, 256);
        write_archive(bytes, sizeof valid - 1, data, sizeof data);
        TorchFile *f = torch_read(path, &err);
        ck_assert_msg(f != NULL || strlen(err.text) > 20, "round %d", round);
        for (size_t i = 0; f != NULL && f->root->type == PICKLE_TUPLE && i < f->root->count; i++) {
            const PickleValue *v = f->root->items[i];
            if (v->type == PICKLE_TENSOR && v->tensor->count <= 64)
                torch_floats(f, v->tensor, "x", out, &err);
        }
        accepted += f != NULL;
        torch_free(f);
    }
    ck_assert_uint_gt(accepted, 100);
    ck_assert_uint_lt(accepted, 1400);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

Suite *torch_file_suite(void);
Suite *torch_file_suite(void)
{
    Suite *suite = suite_create("torch_file");
    TCase *tc = tcase_create("torch_file");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, remove_file);
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, strides_and_shared_storages);
    tcase_add_loop_test(tc, number_types, 0, (int)(sizeof numbers / sizeof numbers[0]));
    tcase_add_test(tc, not_what_it_should_be);
    tcase_add_test(tc, mutations_end_in_a_tree_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
