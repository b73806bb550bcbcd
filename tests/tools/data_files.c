/* Bytes of data files, written as their formats say. */
#include "tests/tools/data_files.h"

#include <check.h>
#include <string.h>

#include "experiments/data/datasets.h"
#include "tests/tools/toys.h"

void data_file(const char *path, const void *bytes, size_t count)
{
    const char *name = toy(path + strlen(toy_folder()) + 1);
    ck_assert_str_eq(name, path);
    toy_write(name, bytes, count);
}

void data_file_pictures(const char *path, size_t count, size_t h, size_t w)
{
    unsigned char bytes[4096] = {0, 0, 8, 3};

    bytes[7] = (unsigned char)count;
    bytes[11] = (unsigned char)h;
    bytes[15] = (unsigned char)w;
    for (size_t i = 0; i < count; i++)
        for (size_t p = 0; p < h * w; p++)
            bytes[16 + i * h * w + p] = (unsigned char)(7 * i + 3 * p);
    data_file(path, bytes, 16 + count * h * w);
}

void data_file_labels(const char *path, size_t count)
{
    unsigned char bytes[300] = {0, 0, 8, 1};

    bytes[7] = (unsigned char)count;
    for (size_t i = 0; i < count; i++)
        bytes[8 + i] = (unsigned char)(i % 10);
    data_file(path, bytes, 8 + count);
}

void data_file_cifar(const char *path, size_t count, unsigned first)
{
    static unsigned char bytes[4 * 3073];

    for (size_t i = 0; i < count; i++) {
        bytes[i * 3073] = (unsigned char)((first + i) % 10);
        for (size_t p = 0; p < 3072; p++)
            bytes[i * 3073 + 1 + p] = (unsigned char)(first + i + p % 1024 + 50 * (p / 1024));
    }
    data_file(path, bytes, count * 3073);
}

Dataset *data_open(const char *spec, bool test_split, DataTransform transform)
{
    DatasetOptions options = dataset_defaults();
    Error err = {""};

    options.transform = transform;
    Dataset *d = dataset_open(spec, test_split, &options, &err);
    ck_assert_msg(d != NULL, "%s", err.text);
    return d;
}

void data_refused(const char *spec, bool test_split, DataTransform transform, const char *file,
                  const char *piece)
{
    DatasetOptions options = dataset_defaults();
    Error err = {""};

    options.transform = transform;
    Dataset *d = dataset_open(spec, test_split, &options, &err);
    ck_assert_msg(d == NULL, "accepted; expected \"%s\"", piece);
    ck_assert_msg(strstr(err.text, file) != NULL && strstr(err.text, piece) != NULL,
                  "%s: expected \"%s\" and \"%s\"", err.text, file, piece);
}

static Dataset *open_text(const char *spec, bool test_split, size_t length,
                          const Vocabulary *vocabulary, Error *err)
{
    DatasetOptions options = dataset_defaults();

    options.length = length;
    options.vocabulary = vocabulary;
    return dataset_open(spec, test_split, &options, err);
}

Dataset *data_open_text(const char *spec, bool test_split, size_t length,
                        const Vocabulary *vocabulary)
{
    Error err = {""};
    Dataset *d = open_text(spec, test_split, length, vocabulary, &err);

    ck_assert_msg(d != NULL, "%s", err.text);
    return d;
}

void data_text_refused(const char *spec, bool test_split, size_t length,
                       const Vocabulary *vocabulary, const char *piece)
{
    Error err = {""};
    Dataset *d = open_text(spec, test_split, length, vocabulary, &err);

    ck_assert_msg(d == NULL, "accepted; expected \"%s\"", piece);
    ck_assert_msg(strstr(err.text, piece) != NULL, "%s: expected \"%s\"", err.text, piece);
}
