/* Growing bytes, and the two encodings that reports need. */
#include "experiments/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tensor/check.h"
#include "tensor/memory.h"

/* Room for `more` bytes and a NUL. */
static char *reserve(Buffer *b, size_t more)
{
    TENSOR_CHECK(more < SIZE_MAX / 4 - b->length, "buffer of %zu bytes and %zu more", b->length,
                 more);
    size_t needed = b->length + more + 1;
    if (needed > b->capacity) {
        size_t capacity = needed + needed / 2 + 64;
        b->bytes = mem_resize(b->bytes, b->length, capacity, 1);
        b->capacity = capacity;
    }
    return b->bytes + b->length;
}

void buffer_add(Buffer *b, const void *bytes, size_t count)
{
    char *end = reserve(b, count);

    if (count > 0)
        memcpy(end, bytes, count);
    end[count] = '\0';
    b->length += count;
}

void buffer_text(Buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_format(Buffer *b, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    TENSOR_CHECK(length >= 0, "format '%s'", format);
    char *end = reserve(b, (size_t)length);
    va_start(arguments, format);
    vsnprintf(end, (size_t)length + 1, format, arguments);
    va_end(arguments);
    b->length += (size_t)length;
}

/* Bytes of the UTF-8 character at s (shortest form, no surrogates, at most U+10FFFF); 0 if it is
 * none.  s ends with a NUL, which is no continuation byte. */
static size_t utf8_length(const unsigned char *s)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : s[0] >= 0xC0 ? 2 : 0;

    if (n <= 1)
        return n;
    uint32_t code = s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3Fu);
    }
    if (s[0] >= 0xF8 || code < smallest[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        return 0;
    return n;
}

void buffer_html(Buffer *b, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    buffer_add(b, "", 0); /* a NUL also for empty text */
    while (*s != '\0') {
        size_t n = utf8_length(s);
        if (n == 0)
            buffer_text(b, "\xEF\xBF\xBD");
        else if (*s == '&')
            buffer_text(b, "&amp;");
        else if (*s == '<')
            buffer_text(b, "&lt;");
        else if (*s == '>')
            buffer_text(b, "&gt;");
        else if (*s == '"')
            buffer_text(b, "&quot;");
        else if (*s == '\'')
            buffer_text(b, "&#39;");
        else if (*s < 0x20 || *s == 0x7F)
            buffer_text(b, " ");
        else
            buffer_add(b, s, n);
        s += n > 0 ? n : 1;
    }
}

void buffer_base64(Buffer *b, const void *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;

    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t v = (uint32_t)in[i] << 16;
        if (left > 1)
            v |= (uint32_t)in[i + 1] << 8;
        if (left > 2)
            v |= in[i + 2];
        char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
        if (left < 3)
            four[3] = '=';
        if (left < 2)
            four[2] = '=';
        buffer_add(b, four, 4);
    }
}

void buffer_free(Buffer *b)
{
    mem_free(b->bytes);
    b->bytes = NULL;
    b->length = b->capacity = 0;
}
