/* Escapes, one byte or one UTF-8 sequence at a time. */
#include "experiments/data/text/escape.h"

#include <string.h>

#include "tensor/base/text.h"

static const char letters[] = "ntr\\", meanings[] = "\n\t\r\\";

static bool is_control(const char *s, size_t length)
{
    const unsigned char *b = (const unsigned char *)s;
    return length == 1 ? b[0] < 32 || b[0] == 127 : length == 2 && b[0] == 0xC2 && b[1] < 0xA0;
}

static void add_hidden(Buffer *out, char byte)
{
    const char *at = byte != '\0' ? strchr(meanings, byte) : NULL;
    if (at != NULL)
        buffer_format(out, "\\%c", letters[at - meanings]);
    else
        buffer_format(out, "\\x%02x", (unsigned)(unsigned char)byte);
}

void escape_add(Buffer *out, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count;) {
        const size_t length = text_utf8(bytes + i, count - i);
        const size_t step = length > 0 ? length : 1;
        if (length > 0 && bytes[i] != '\\' && !is_control(bytes + i, length))
            buffer_add(out, bytes + i, length);
        else
            for (size_t k = 0; k < step; k++)
                add_hidden(out, bytes[i + k]);
        i += step;
    }
}

const char *escape_byte(char out[ESCAPED_BYTE], unsigned char byte)
{
    Buffer b = {0};
    const char bytes[1] = {(char)byte};
    escape_add(&b, bytes, 1);
    memcpy(out, b.bytes, b.length + 1);
    buffer_free(&b);
    return out;
}

/* -1: no hexadecimal digit. */
static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) % 16 : -1;
}

/* One escape behind its backslash; the number of its characters, 0 if it is none. */
static size_t read_escape(const char *text, size_t left, char *byte)
{
    const char *at = left > 0 && text[0] != '\0' ? strchr(letters, text[0]) : NULL;
    if (at != NULL) {
        *byte = meanings[at - letters];
        return 1;
    }
    if (left < 3 || text[0] != 'x' || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
        return 0;
    *byte = (char)(16 * hex_digit(text[1]) + hex_digit(text[2]));
    return 3;
}

bool escape_read(Buffer *out, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char byte = text[i];
        if (byte == '\\') {
            const size_t used = read_escape(text + i + 1, count - i - 1, &byte);
            if (used == 0)
                return false;
            i += used;
        }
        buffer_add(out, &byte, 1);
    }
    return true;
}
