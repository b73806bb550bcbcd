/* The zip reader and writer: round trips, archives laid out by hand with one thing wrong each,
 * every truncation, and mutations. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/packed/crc32.h"
#include "nn/formats/torch/zip_read.h"
#include "nn/formats/torch/zip_write.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const char path[] = "test-zip.tmp";

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

static size_t read_back(unsigned char *bytes, size_t most)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    const size_t n = fread(bytes, 1, most, f);
    ck_assert_uint_lt(n, most);
    fclose(f);
    return n;
}

static void expect_sentence(const char *piece)
{
    Error err = {""};
    const size_t before = mem_in_use();
    ZipFile *z = zip_read(path, &err);
    ck_assert_msg(z == NULL, "accepted; expected \"%s\"", piece);
    ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, piece) != NULL, "%s: expected \"%s\"", err.text, piece);
    ck_assert_uint_eq(mem_in_use(), before);
}

/* Loop: the ordinary archive, and all values in zip64 records. */
START_TEST(round_trip)
{
    static unsigned char big[1000];
    Error err = {""};
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (unsigned char)(i * 7);
    ZipWriter *w = zip_create(path, &err);
    ck_assert_msg(w != NULL, "%s", err.text);
    if (_i == 1)
        zip_zip64_from(w, 1);
    zip_add(w, "b/data.pkl", big, sizeof big);
    zip_add(w, "b/data/0", NULL, 0);
    zip_add(w, "a", "xyz", 3);
    ck_assert_msg(zip_close(w, &err), "%s", err.text);
    ZipFile *z = zip_read(path, &err);
    ck_assert_msg(z != NULL, "%s", err.text);
    ck_assert_uint_eq(z->count, 3);
    const ZipEntry *e = zip_find(z, "b/data.pkl");
    ck_assert(e != NULL && e->size == sizeof big && memcmp(e->bytes, big, sizeof big) == 0);
    ck_assert_uint_eq((size_t)(e->bytes - z->buffer) % ZIP_ALIGN, 0);
    e = zip_find(z, "a");
    ck_assert(e != NULL && e->size == 3 && memcmp(e->bytes, "xyz", 3) == 0);
    ck_assert_uint_eq((size_t)(e->bytes - z->buffer) % ZIP_ALIGN, 0);
    ck_assert_uint_eq(zip_find(z, "b/data/0")->size, 0);
    ck_assert_ptr_null(zip_find(z, "b"));
    zip_free(z);
}
END_TEST

START_TEST(nothing_and_nowhere)
{
    Error err = {""};
    ck_assert_ptr_null(zip_create("no-such-folder/x.zip", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-folder"));
    ZipWriter *w = zip_create(path, &err);
    zip_add(w, "a", "b", 1);
    zip_cancel(w);
    expect_sentence("readable");
    ck_assert(zip_close(zip_create(path, &err), &err));
    ZipFile *z = zip_read(path, &err);
    ck_assert(z != NULL && z->count == 0);
    zip_free(z);
}
END_TEST

/* ---- an archive by hand: entries "a" with "xyz" and "b" with "pq", as torch.save has them ---- */

typedef struct Bytes {
    unsigned char at[1024];
    size_t count;
    size_t header[2], record[2], end64, locator, end; /* where each part starts */
} Bytes;

static void put(Bytes *b, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        b->at[b->count++] = (unsigned char)(value >> 8 * i);
}

static void set(Bytes *b, size_t at, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        b->at[at + i] = (unsigned char)(value >> 8 * i);
}

static void put_entry(Bytes *b, size_t i, const char *text)
{
    const uint32_t crc = crc32_of(text, strlen(text));
    b->header[i] = b->count;
    put(b, 0x04034b50, 4);
    put(b, 0, 2);
    put(b, 0x0808, 2); /* flags: descriptor, UTF-8 */
    put(b, 0, 8);      /* method, time, date; CRC and sizes come later */
    put(b, 0, 8);
    put(b, 0, 2);
    put(b, 1, 2);
    put(b, 4, 2);
    put(b, 'a' + i, 1);
    put(b, 0x4246, 4); /* an empty padding field */
    for (const char *p = text; *p; p++)
        put(b, (unsigned char)*p, 1);
    put(b, 0x08074b50, 4);
    put(b, crc, 4);
    put(b, strlen(text), 4);
    put(b, strlen(text), 4);
}

static void put_record(Bytes *b, size_t i, const char *text)
{
    b->record[i] = b->count;
    put(b, 0x02014b50, 4);
    put(b, 0, 4);
    put(b, 0x0808, 2);
    put(b, 0, 6);
    put(b, crc32_of(text, strlen(text)), 4);
    put(b, strlen(text), 4);
    put(b, strlen(text), 4);
    put(b, 1, 2);
    put(b, 0, 8);
    put(b, 0, 4);
    put(b, b->header[i], 4);
    put(b, 'a' + i, 1);
}

static void put_ends(Bytes *b)
{
    const size_t start = b->record[0], size = b->count - start;
    b->end64 = b->count;
    put(b, 0x06064b50, 4);
    put(b, 44, 8);
    put(b, 0, 4);
    put(b, 0, 8);
    put(b, 2, 8);
    put(b, 2, 8);
    put(b, size, 8);
    put(b, start, 8);
    b->locator = b->count;
    put(b, 0x07064b50, 4);
    put(b, 0, 4);
    put(b, b->end64, 8);
    put(b, 1, 4);
    b->end = b->count;
    put(b, 0x06054b50, 4);
    put(b, 0, 4);
    put(b, 2, 2);
    put(b, 2, 2);
    put(b, size, 4);
    put(b, start, 4);
    put(b, 0, 2);
}

static Bytes by_hand(void)
{
    Bytes b = {.count = 0};
    put_entry(&b, 0, "xyz");
    put_entry(&b, 1, "pq");
    put_record(&b, 0, "xyz");
    put_record(&b, 1, "pq");
    put_ends(&b);
    return b;
}

START_TEST(as_torch_has_it)
{
    Error err = {""};
    const Bytes b = by_hand();
    write_bytes(b.at, b.count);
    ZipFile *z = zip_read(path, &err);
    ck_assert_msg(z != NULL, "%s", err.text);
    ck_assert(z->count == 2 && zip_find(z, "b")->size == 2);
    ck_assert(memcmp(zip_find(z, "a")->bytes, "xyz", 3) == 0);
    zip_free(z);
}
END_TEST

enum { HEADER_A, HEADER_B, RECORD_A, RECORD_B, END64, LOCATOR, END };

/* One value of the archive changed: part, offset, value, width; and a piece of the sentence. */
static const struct {
    int part;
    size_t offset;
    uint64_t value;
    size_t width;
    const char *sentence;
} wrong[] = {
    {HEADER_A, 0, 0, 4, "entry \"a\": expected its header"},
    {HEADER_A, 6, 0, 2, "entry \"a\": expected the same flags"},
    {HEADER_A, 8, 8, 2, "entry \"a\": expected the same flags and method"},
    {HEADER_A, 14, 1, 4, "entry \"a\": expected the same CRC"},
    {HEADER_A, 18, 4, 4, "entry \"a\": expected the same CRC and sizes"},
    {HEADER_A, 22, 4, 4, "entry \"a\": expected the same CRC and sizes"},
    {HEADER_A, 26, 2, 2, "entry \"a\": expected the same name"},
    {HEADER_A, 28, 60000, 2, "entry \"a\": expected its bytes to end"},
    {HEADER_A, 30, 'c', 1, "entry \"a\": expected the same name"},
    {HEADER_A, 35, 'X', 1, "entry \"a\": its bytes are damaged"},
    {HEADER_A, 38, 0, 1, "entry \"a\": expected its data descriptor"},
    {HEADER_A, 46, 4, 1, "entry \"a\": expected its data descriptor"},
    {HEADER_B, 36, 'X', 1, "entry \"b\": its bytes are damaged"},
    {RECORD_A, 0, 0, 4, "directory record"},
    {RECORD_A, 8, 1, 2, "entry \"a\": expected no encryption"},
    {RECORD_A, 8, 0x2000, 2, "entry \"a\": expected no encryption"},
    {RECORD_A, 10, 8, 2, "entry \"a\": expected stored"},
    {RECORD_A, 16, 1, 4, "entry \"a\": its bytes are damaged"},
    {RECORD_A, 20, 2, 4, "entry \"a\": expected stored"},
    {RECORD_A, 28, 0, 2, "1 to 400 bytes"},
    {RECORD_A, 28, 500, 2, "to end before"},
    {RECORD_A, 30, 60000, 2, "to end before"},
    {RECORD_A, 34, 1, 2, "entry \"a\": expected an archive in one file"},
    {RECORD_A, 42, 0xFFFFFFFF, 4, "entry \"a\": expected a zip64 field"},
    {RECORD_A, 42, 0xFFFFFFFE, 4, "entry \"a\": expected its header"},
    {RECORD_A, 46, 27, 1, "control characters"},
    {RECORD_B, 42, 0, 4, "entry \"b\": expected the same name"},
    {RECORD_B, 32, 1, 2, "to end before"},
    {END64, 0, 0, 1, "zip64 end record"},
    {END64, 4, 45, 8, "zip64 end record"},
    {END64, 24, 1, 8, "one file"},
    {END64, 32, 3, 8, "one file"},
    {END64, 40, 1ull << 60, 8, "two end records to agree"},
    {END64, 48, 1ull << 60, 8, "two end records to agree"},
    {LOCATOR, 8, 1ull << 62, 8, "zip64 end record"},
    {LOCATOR, 8, 0, 8, "zip64 end record"},
    {LOCATOR, 16, 7, 4, "one file"},
    {END, 0, 0, 1, "no end record"},
    {END, 4, 1, 2, "one file"},
    {END, 10, 3, 2, "one file"},
    {END, 12, 3, 4, "two end records to agree"},
    {END, 16, 3, 4, "two end records to agree"},
    {END, 20, 1, 2, "no end record"},
};

START_TEST(one_value_wrong)
{
    Bytes b = by_hand();
    const size_t parts[] = {b.header[0], b.header[1], b.record[0], b.record[1],
                            b.end64,     b.locator,   b.end};
    set(&b, parts[wrong[_i].part] + wrong[_i].offset, wrong[_i].value, wrong[_i].width);
    write_bytes(b.at, b.count);
    expect_sentence(wrong[_i].sentence);
}
END_TEST

/* All sums left at 0, as PyTorch's writer does if told to: the bytes are taken as they are; one sum
 * alone is wrong. */
START_TEST(archives_without_sums)
{
    Error err = {""};
    Bytes b = by_hand();
    for (size_t i = 0; i < 2; i++) {
        const size_t sum = b.header[i] + 30 + 1 + 4 + (i == 0 ? 3 : 2) + 4;
        set(&b, sum, 0, 4);
        set(&b, b.record[i] + 16, 0, 4);
        write_bytes(b.at, b.count);
        if (i == 0)
            expect_sentence("entry \"a\": its bytes are damaged");
    }
    ZipFile *z = zip_read(path, &err);
    ck_assert_msg(z != NULL, "%s", err.text);
    ck_assert(memcmp(zip_find(z, "a")->bytes, "xyz", 3) == 0);
    zip_free(z);
}
END_TEST

START_TEST(records_beyond_their_number)
{
    Bytes b = by_hand();
    set(&b, b.end64 + 24, 1, 8);
    set(&b, b.end64 + 32, 1, 8);
    set(&b, b.end + 8, 1, 2);
    set(&b, b.end + 10, 1, 2);
    write_bytes(b.at, b.count);
    expect_sentence("expected the directory to end at byte");
}
END_TEST

START_TEST(directories_that_contradict_the_file)
{
    Bytes b = by_hand();
    for (int i = 0; i < 3; i++) { /* both end records alike, but wrong */
        b = by_hand();
        set(&b, b.end64 + (i == 0 ? 24 : 40 + 8 * (size_t)(i - 1)), 1ull << 40, 8);
        set(&b, b.end64 + 32, i == 0 ? 1ull << 40 : 2, 8);
        set(&b, b.end + (i == 0 ? 8 : 12), 0xFFFFFFFF, 4);
        set(&b, b.end + 16, 0xFFFFFFFF, 4);
        write_bytes(b.at, b.count);
        expect_sentence("where its end record starts");
    }
    enum { MANY = 200001, SIZE = MANY * 46, TAIL = 22 + 20 + 56 }; /* directory, then end records */
    unsigned char *many = mem_zeroed(SIZE + TAIL, 1);
    b = by_hand();
    set(&b, b.end64 + 24, MANY, 8);
    set(&b, b.end64 + 32, MANY, 8);
    set(&b, b.end64 + 40, SIZE, 8);
    set(&b, b.end64 + 48, 0, 8);
    set(&b, b.end64 + 56 + 8, SIZE, 8);
    set(&b, b.end + 8, 0xFFFFFFFF, 4);
    set(&b, b.end + 12, 0xFFFFFFFF, 4);
    set(&b, b.end + 16, 0xFFFFFFFF, 4);
    memcpy(many + SIZE, b.at + b.end64, TAIL);
    write_bytes(many, SIZE + TAIL);
    expect_sentence("at most 200000 entries, found 200001");
    mem_free(many);
    b = by_hand(); /* the second entry is the first once more, under its name */
    set(&b, b.record[1] + 46, 'a', 1);
    set(&b, b.header[1] + 30, 'a', 1);
    write_bytes(b.at, b.count);
    expect_sentence("entry \"a\": expected every name once");
}
END_TEST

/* The bytes of "a" made to hold all of an entry "b" of their own. */
START_TEST(overlap)
{
    Bytes inner = {.count = 0}, b = {.count = 0};
    put_entry(&inner, 1, "pq");
    const uint32_t crc = crc32_of(inner.at, inner.count);
    put_entry(&b, 0, "");
    b.count = b.header[0] + 35;
    memcpy(b.at + b.count, inner.at, inner.count);
    b.header[1] = b.count;
    b.count += inner.count;
    put(&b, 0x08074b50, 4);
    put(&b, crc, 4);
    put(&b, inner.count, 4);
    put(&b, inner.count, 4);
    put_record(&b, 0, "");
    set(&b, b.record[0] + 16, crc, 4);
    set(&b, b.record[0] + 20, inner.count, 4);
    set(&b, b.record[0] + 24, inner.count, 4);
    put_record(&b, 1, "pq");
    put_ends(&b);
    write_bytes(b.at, b.count);
    expect_sentence("entry \"b\": expected no overlap");
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    const Bytes b = by_hand();
    for (size_t n = 0; n < b.count; n++) {
        write_bytes(b.at, n);
        expect_sentence("expected");
    }
    write_bytes(b.at + 1, b.count - 1);
    expect_sentence("expected");
}
END_TEST

START_TEST(mutations_end_in_an_archive_or_a_sentence)
{
    static unsigned char valid[2][2048], bytes[2048];
    size_t sizes[2], accepted = 0;
    const Bytes b = by_hand();
    Error err;
    memcpy(valid[0], b.at, sizes[0] = b.count);
    ZipWriter *w = zip_create(path, &err);
    zip_zip64_from(w, 2);
    zip_add(w, "x/data.pkl", valid, 50);
    zip_add(w, "x/data/0", valid, 16);
    ck_assert(zip_close(w, &err));
    sizes[1] = read_back(valid[1], sizeof valid[1]);
    Rng rng = rng_root(12);
    const size_t before = mem_in_use();
    for (int round = 0; round < 3000; round++) {
        const size_t size = sizes[round % 2];
        memcpy(bytes, valid[round % 2], size);
        for (size_t i = rng_below(&rng, 4); i > 0; i--)
            bytes[rng_below(&rng, size)] =
                (unsigned char)(rng_below(&rng, 2) == 0 ? rng_below(&rng, 256) : 255);
        write_bytes(bytes, rng_below(&rng, 16) == 0 ? rng_below(&rng, size) : size);
        err.text[0] = '\0';
        ZipFile *z = zip_read(path, &err);
        ck_assert_msg(z != NULL || strlen(err.text) > 20, "round %d", round);
        for (size_t i = 0; z != NULL && i < z->count; i++)
            crc32_of(z->entries[i].bytes, z->entries[i].size);
        accepted += z != NULL;
        zip_free(z);
    }
    ck_assert_uint_gt(accepted, 100);
    ck_assert_uint_lt(accepted, 2900);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

Suite *zip_suite(void);
Suite *zip_suite(void)
{
    Suite *suite = suite_create("zip");
    TCase *tc = tcase_create("zip");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, NULL, remove_file);
    tcase_add_loop_test(tc, round_trip, 0, 2);
    tcase_add_test(tc, nothing_and_nowhere);
    tcase_add_test(tc, as_torch_has_it);
    tcase_add_loop_test(tc, one_value_wrong, 0, (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, archives_without_sums);
    tcase_add_test(tc, records_beyond_their_number);
    tcase_add_test(tc, directories_that_contradict_the_file);
    tcase_add_test(tc, overlap);
    tcase_add_test(tc, every_truncation_is_refused);
    tcase_add_test(tc, mutations_end_in_an_archive_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
