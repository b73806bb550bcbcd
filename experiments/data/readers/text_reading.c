/* Files of bytes are read in blocks, so that no more memory is taken than the states need. */
#include "experiments/data/readers/text_reading.h"

#include <stdio.h>

#include "experiments/data/readers/reading.h"
#include "experiments/data/text/escape.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { BLOCK = 65536 };

TextPart text_part_training(size_t total)
{
    return (TextPart){0, total - total / 10 - (total % 10 != 0)};
}

TextPart text_part_rest(size_t total)
{
    const size_t first = text_part_training(total).count;
    return (TextPart){first, total - first};
}

static FILE *open_text(const char *path, size_t *bytes, Error *err)
{
    FILE *f = reading_open(path, bytes, err);
    if (f == NULL || *bytes > 0)
        return f;
    error_set(err, "%s: is empty, expected a text", path);
    fclose(f);
    return NULL;
}

bool text_reading_size(const char *path, size_t *bytes, Error *err)
{
    FILE *f = open_text(path, bytes, err);
    if (f == NULL)
        return false;
    fclose(f);
    return true;
}

bool text_reading_there(const char *path)
{
    size_t bytes;
    return platform_file_size(path, &bytes);
}

bool text_reading_present(const char *path, bool present[256], Error *err)
{
    size_t left;
    unsigned char block[BLOCK];
    FILE *f = open_text(path, &left, err);
    if (f == NULL)
        return false;
    bool ok = true;
    for (int b = 0; b < 256; b++)
        present[b] = false;
    while (ok && left > 0) {
        const size_t n = left < BLOCK ? left : BLOCK;
        ok = reading_bytes(f, path, block, n, err);
        for (size_t i = 0; ok && i < n; i++)
            present[block[i]] = true;
        left -= n;
    }
    fclose(f);
    return ok;
}

bool text_reading_room(TextData *t, const char *path, size_t count, Error *err)
{
    mem_free(t->symbols);
    t->symbols = mem_try(count, sizeof *t->symbols);
    t->count = count;
    return t->symbols != NULL || error_set(err, "%s: no memory for %zu symbols", path, count);
}

static bool refuse_byte(const char *path, unsigned char byte, size_t at, const char *expected,
                        Error *err)
{
    char shown[ESCAPED_BYTE];
    return error_set(err, "%s: byte 0x%02x ('%s') at %zu: expected %s", path, (unsigned)byte,
                     escape_byte(shown, byte), at, expected);
}

/* Bytes `at` and following, as far as they are in the part. */
static bool take_block(TextData *t, const char *path, TextPart part, const int state[256],
                       const unsigned char *block, size_t at, size_t n, const char *expected,
                       Error *err)
{
    for (size_t i = at < part.first ? part.first - at : 0; i < n; i++) {
        if (state[block[i]] < 0)
            return refuse_byte(path, block[i], at + i, expected, err);
        t->symbols[at + i - part.first] = (uint16_t)state[block[i]];
    }
    return true;
}

bool text_reading_bytes(TextData *t, const char *path, TextPart part, Vocabulary *vocabulary,
                        const char *expected, Error *err)
{
    size_t bytes;
    int state[256];
    unsigned char block[BLOCK];
    const size_t end = part.first + part.count;
    t->vocabulary = vocabulary;
    TENSOR_CHECK(vocabulary_states(vocabulary, state), "%s: no alphabet", path);
    FILE *f = open_text(path, &bytes, err);
    if (f == NULL)
        return false;
    bool ok = text_reading_room(t, path, part.count, err);
    for (size_t at = 0; ok && at < end; at += BLOCK) {
        const size_t n = end - at < BLOCK ? end - at : BLOCK;
        ok = reading_bytes(f, path, block, n, err) &&
             take_block(t, path, part, state, block, at, n, expected, err);
    }
    fclose(f);
    return ok;
}
