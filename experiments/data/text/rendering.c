/* Tokens one behind the other. */
#include "experiments/data/text/rendering.h"

#include "experiments/data/text/escape.h"

static const char mask[] = "[MASK]";

void rendering_add(Buffer *out, const Vocabulary *v, const uint16_t *states, size_t count)
{
    buffer_text(out, ""); /* a text also of no states */
    for (size_t i = 0; i < count; i++) {
        size_t length = sizeof mask - 1;
        const char *token = states[i] < v->size ? vocabulary_token(v, states[i], &length) : mask;
        buffer_add(out, token, length);
    }
}

/* Where a character begins, at `at` or up to three bytes before. */
static size_t cut_at(const char *bytes, size_t at)
{
    for (size_t back = 0; back < 4 && back < at; back++)
        if (((unsigned char)bytes[at - back] & 0xC0) != 0x80)
            return at - back;
    return at;
}

void rendering_line(Buffer *out, const Vocabulary *v, const uint16_t *states, size_t count,
                    size_t most)
{
    Buffer whole = {0};
    rendering_add(&whole, v, states, count);
    const bool cut = whole.length > most;
    escape_add(out, whole.bytes, cut ? cut_at(whole.bytes, most) : whole.length);
    buffer_text(out, cut ? "..." : "");
    buffer_free(&whole);
}
