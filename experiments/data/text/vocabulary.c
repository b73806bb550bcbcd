/* Tokens in one block of bytes, and where each begins. */
#include "experiments/data/text/vocabulary.h"

#include <string.h>

#include "experiments/data/text/escape.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

/* Room for the tokens. */
static Vocabulary *create(size_t size, size_t bytes)
{
    Vocabulary *v = mem_zeroed(1, sizeof *v);
    v->size = size;
    v->bytes = mem_alloc(bytes, 1);
    v->start = mem_zeroed(size + 1, sizeof *v->start);
    return v;
}

void vocabulary_free(Vocabulary *v)
{
    if (v == NULL)
        return;
    mem_free(v->start);
    mem_free(v->bytes);
    mem_free(v);
}

Vocabulary *vocabulary_of_bytes(const bool present[256], const char *where, Error *err)
{
    size_t size = 0;
    for (int b = 0; b < 256; b++)
        size += present[b];
    if (size < VOCABULARY_LEAST) {
        error_set(err, "%.300s: %zu different byte%s, expected at least %d", where, size,
                  size == 1 ? "" : "s", (int)VOCABULARY_LEAST);
        return NULL;
    }
    Vocabulary *v = create(size, size);
    size_t s = 0;
    for (int b = 0; b < 256; b++) {
        if (!present[b])
            continue;
        v->bytes[s++] = (char)b;
        v->start[s] = (uint32_t)s;
    }
    return v;
}

/* ---- as text ---- */

static size_t line_length(const char *text, size_t left)
{
    const char *end = memchr(text, '\n', left);
    return end != NULL ? (size_t)(end - text) : left;
}

static size_t count_lines(const char *text, size_t length)
{
    size_t lines = 0;
    for (size_t i = 0; i < length; i++)
        lines += text[i] == '\n';
    return lines + (length > 0 && text[length - 1] != '\n');
}

/* The lines into v; a sentence for the first one that is none. */
static bool parse_lines(Vocabulary *v, Buffer *bytes, const char *text, size_t length,
                        const char *where, Error *err)
{
    size_t at = 0;
    for (size_t s = 0; s < v->size; s++) {
        const size_t n = line_length(text + at, length - at);
        if (!escape_read(bytes, text + at, n))
            return error_set(err,
                             "%.300s: line %zu: expected \\n, \\t, \\r, \\\\ or \\xHH after a "
                             "backslash",
                             where, s + 1);
        v->start[s + 1] = (uint32_t)bytes->length;
        at += n + 1;
    }
    return true;
}

Vocabulary *vocabulary_parse(const char *text, size_t length, const char *where, Error *err)
{
    const size_t size = count_lines(text, length);
    Buffer bytes = {0};
    if (size < VOCABULARY_LEAST || size > VOCABULARY_MOST) {
        error_set(err, "%.300s: %zu token%s, one a line: expected %d to %d", where, size,
                  size == 1 ? "" : "s", (int)VOCABULARY_LEAST, (int)VOCABULARY_MOST);
        return NULL;
    }
    if (length >= UINT32_MAX) {
        error_set(err, "%.300s: %zu bytes of tokens: expected less than 4 GiB", where, length);
        return NULL;
    }
    Vocabulary *v = create(size, length);
    if (!parse_lines(v, &bytes, text, length, where, err)) {
        vocabulary_free(v);
        v = NULL;
    } else if (bytes.length > 0) { /* no longer than what was read */
        memcpy(v->bytes, bytes.bytes, bytes.length);
    }
    buffer_free(&bytes);
    return v;
}

char *vocabulary_text(const Vocabulary *v)
{
    Buffer b = {0};
    size_t length = 0;
    for (size_t s = 0; s < v->size; s++) {
        const char *token = vocabulary_token(v, s, &length);
        buffer_text(&b, s > 0 ? "\n" : "");
        escape_add(&b, token, length);
    }
    buffer_text(&b, length == 0 ? "\n" : ""); /* an empty last line is one by its end alone */
    return b.bytes;
}

/* ---- questions ---- */

Vocabulary *vocabulary_copy(const Vocabulary *v)
{
    if (v == NULL)
        return NULL;
    Vocabulary *copy = create(v->size, v->start[v->size]);
    memcpy(copy->bytes, v->bytes, v->start[v->size]);
    memcpy(copy->start, v->start, (v->size + 1) * sizeof *v->start);
    return copy;
}

bool vocabulary_equal(const Vocabulary *a, const Vocabulary *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->size == b->size &&
           memcmp(a->start, b->start, (a->size + 1) * sizeof *a->start) == 0 &&
           memcmp(a->bytes, b->bytes, a->start[a->size]) == 0;
}

const char *vocabulary_token(const Vocabulary *v, size_t s, size_t *length)
{
    TENSOR_CHECK(s < v->size, "token %zu of %zu", s, v->size);
    *length = v->start[s + 1] - v->start[s];
    return v->bytes + v->start[s];
}

bool vocabulary_states(const Vocabulary *v, int state[256])
{
    for (int b = 0; b < 256; b++)
        state[b] = -1;
    for (size_t s = 0; s < v->size; s++) {
        size_t length;
        const char *token = vocabulary_token(v, s, &length);
        if (length != 1 || state[(unsigned char)token[0]] >= 0)
            return false;
        state[(unsigned char)token[0]] = (int)s;
    }
    return true;
}
