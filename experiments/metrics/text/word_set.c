/* The set is a table of places by hash, the next one being tried if one is taken, of at least twice
 * as many places as words. */
#include "experiments/metrics/text/word_set.h"

#include <stdint.h>
#include <string.h>

#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

/* ---- words ---- */

static bool is_letter(const char *bytes, size_t count, size_t i)
{
    return i < count && (text_is_letter(bytes[i]) || (unsigned char)bytes[i] > 127);
}

static bool is_of_word(const char *bytes, size_t count, size_t i)
{
    return is_letter(bytes, count, i) ||
           (i > 0 && i < count && bytes[i] == '\'' && is_letter(bytes, count, i - 1) &&
            is_letter(bytes, count, i + 1));
}

bool word_next(const char *bytes, size_t count, size_t *at, size_t *length)
{
    size_t i = *at;
    if (i > 0 && is_of_word(bytes, count, i - 1))
        while (is_of_word(bytes, count, i))
            i++;
    while (i < count && !is_of_word(bytes, count, i))
        i++;
    *at = i;
    while (is_of_word(bytes, count, i))
        i++;
    *length = i - *at;
    return *length > 0;
}

/* ---- the set ---- */

enum { FIRST_PLACES = 1024 };

typedef struct Word {
    size_t start, length; /* in bytes; length 0: the place is free */
} Word;

struct WordSet {
    Buffer bytes; /* of all words */
    Word *places;
    size_t room, count;
};

WordSet *word_set_create(void)
{
    WordSet *s = mem_zeroed(1, sizeof *s);
    s->room = FIRST_PLACES;
    s->places = mem_zeroed(s->room, sizeof *s->places);
    return s;
}

void word_set_free(WordSet *s)
{
    if (s == NULL)
        return;
    buffer_free(&s->bytes);
    mem_free(s->places);
    mem_free(s);
}

/* FNV-1a */
static uint64_t hash_of(const char *word, size_t length)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)word[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* The word's place, or the free one where it belongs. */
static Word *place_of(const WordSet *s, const char *word, size_t length)
{
    size_t i = (size_t)(hash_of(word, length) % s->room);
    for (;; i = (i + 1) % s->room) {
        Word *w = &s->places[i];
        if (w->length == 0 ||
            (w->length == length && memcmp(s->bytes.bytes + w->start, word, length) == 0))
            return w;
    }
}

static void grow(WordSet *s)
{
    Word *old = s->places;
    const size_t room = s->room;
    s->room *= 2;
    s->places = mem_zeroed(s->room, sizeof *s->places);
    for (size_t i = 0; i < room; i++)
        if (old[i].length > 0)
            *place_of(s, s->bytes.bytes + old[i].start, old[i].length) = old[i];
    mem_free(old);
}

void word_set_add(WordSet *s, const char *word, size_t length)
{
    Word *w = place_of(s, word, length);
    if (length == 0 || w->length > 0)
        return;
    *w = (Word){s->bytes.length, length};
    buffer_add(&s->bytes, word, length);
    s->count++;
    if (2 * s->count > s->room)
        grow(s);
}

bool word_set_has(const WordSet *s, const char *word, size_t length)
{
    return length > 0 && place_of(s, word, length)->length > 0;
}

size_t word_set_count(const WordSet *s)
{
    return s->count;
}
