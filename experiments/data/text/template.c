/* Stretches between blanks, each unescaped and looked up. */
#include "experiments/data/text/template.h"

#include <string.h>

#include "experiments/data/text/escape.h"
#include "nn/formats/buffer.h"

static bool unknown_byte(const Vocabulary *v, unsigned char byte, size_t at, const char *where,
                         Error *err)
{
    char shown[ESCAPED_BYTE];
    return error_set(err, "%s: byte %zu is '%s', which is none of the alphabet's %zu", where,
                     at + 1, escape_byte(shown, byte), v->size);
}

bool template_states(uint16_t *states, size_t length, uint16_t mask, const Vocabulary *v,
                     const char *text, bool blanks, const char *where, Error *err)
{
    int state[256];
    Buffer bytes = {0};
    size_t at = 0;
    bool ok = true;

    if (!vocabulary_states(v, state))
        return error_set(err, "%s: the model's tokens are no alphabet of single bytes", where);
    while (*text != '\0' && ok) {
        const size_t n =
            blanks ? strcspn(text, (const char[]){TEMPLATE_BLANK, '\0'}) : strlen(text);
        bytes.length = 0;
        if (!escape_read(&bytes, text, n)) {
            ok = error_set(err, "%s: expected \\n, \\t, \\r, \\\\ or \\xHH after a backslash",
                           where);
            break;
        }
        for (size_t i = 0; i < bytes.length && ok; i++, at++) {
            const unsigned char byte = (unsigned char)bytes.bytes[i];
            if (state[byte] < 0)
                ok = unknown_byte(v, byte, at, where, err);
            else if (at < length)
                states[at] = (uint16_t)state[byte];
        }
        text += n;
        for (; blanks && *text == TEMPLATE_BLANK; text++, at++)
            if (at < length)
                states[at] = mask;
    }
    buffer_free(&bytes);
    if (ok && at > length)
        return error_set(err, "%s: %zu bytes and blanks, the model's texts have %zu", where, at,
                         length);
    for (; ok && at < length; at++)
        states[at] = mask;
    return ok;
}
