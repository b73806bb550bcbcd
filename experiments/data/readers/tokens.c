/* The data set `tokens`: a file of numbers of two bytes, the lowest first, and beside it
 * FILE.vocab, which says what each number stands for, one a line (escape.h). */
#include <stdio.h>
#include <string.h>

#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/reading.h"
#include "experiments/data/readers/text_reading.h"
#include "nn/formats/byte_order.h"
#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"

enum {
    BLOCK = 32768,
    /* A model file's header holds at most 100 MB (nn/formats/safetensors.c), and a byte may take
     * five there: an escape in an escape. */
    VOCABULARY_BYTES = 16 << 20
};

static Vocabulary *read_vocabulary(const char *path, Error *err)
{
    size_t bytes;
    char *text = read_file(path, "expected a readable file, one token a line", VOCABULARY_BYTES,
                           &bytes, err);
    Vocabulary *v = text != NULL ? vocabulary_parse(text, bytes, path, err) : NULL;
    mem_free(text);
    return v;
}

/* That of FILE.vocab; it must be the model's, if there is one. */
static Vocabulary *vocabulary_of(const char *path, const Vocabulary *wanted, Error *err)
{
    static const char suffix[] = ".vocab";
    char *name = mem_alloc(strlen(path) + sizeof suffix, 1);
    strcat(strcpy(name, path), suffix);
    Vocabulary *v = read_vocabulary(name, err);
    if (v != NULL && wanted != NULL && !vocabulary_equal(v, wanted)) {
        error_set(err, "%s: %zu tokens that are not the model's %zu, expected the same", name,
                  v->size, wanted->size);
        vocabulary_free(v);
        v = NULL;
    }
    mem_free(name);
    return v;
}

/* Numbers `at` and following, as far as they are in the part. */
static bool take_block(TextData *t, const char *path, TextPart part, const unsigned char *block,
                       size_t at, size_t n, Error *err)
{
    for (size_t i = at < part.first ? part.first - at : 0; i < n; i++) {
        const size_t token = (size_t)little_endian(block + 2 * i, 2);
        if (token >= t->vocabulary->size)
            return error_set(err, "%s: token %zu at %zu, expected below %zu, as in %s.vocab", path,
                             token, at + i, t->vocabulary->size, path);
        t->symbols[at + i - part.first] = (uint16_t)token;
    }
    return true;
}

static bool read_part(TextData *t, const char *path, TextPart part, Error *err)
{
    size_t bytes;
    unsigned char block[2 * BLOCK];
    const size_t end = part.first + part.count;
    FILE *f = reading_open(path, &bytes, err);
    if (f == NULL)
        return false;
    bool ok = text_reading_room(t, path, part.count, err);
    for (size_t at = 0; ok && at < end; at += BLOCK) {
        const size_t n = end - at < BLOCK ? end - at : BLOCK;
        ok = reading_bytes(f, path, block, 2 * n, err) &&
             take_block(t, path, part, block, at, n, err);
    }
    fclose(f);
    return ok;
}

static bool open_tokens(TextData *t, const char *path, bool test_split, const Vocabulary *wanted,
                        Error *err)
{
    size_t bytes;
    if (!text_reading_size(path, &bytes, err))
        return false;
    if (bytes % 2 != 0)
        return error_set(err, "%s: %zu bytes, expected an even number: two a token", path, bytes);
    t->vocabulary = vocabulary_of(path, wanted, err);
    const size_t count = bytes / 2;
    return t->vocabulary != NULL &&
           read_part(t, path, test_split ? text_part_rest(count) : text_part_training(count), err);
}

const DatasetKind dataset_tokens = {
    .name = "tokens",
    .place = "FILE",
    .help = "uint16 numbers, and FILE.vocab: a token a line; first 90 % to train, the rest to test",
    .presets = &dataset_presets_tokens,
    .open_text = open_tokens,
    .has_test = text_reading_there,
};
