/* Growing bytes, and the two encodings that reports need. */
#include "nn/formats/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

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
    int length = text_format_list(NULL, 0, format, arguments);
    va_end(arguments);
    char *end = reserve(b, (size_t)length);
    va_start(arguments, format);
    text_format_list(end, (size_t)length + 1, format, arguments);
    va_end(arguments);
    b->length += (size_t)length;
}

void buffer_html(Buffer *b, const char *text)
{
    size_t left = strlen(text);

    buffer_add(b, "", 0); /* a NUL also for empty text */
    for (const char *s = text; left > 0;) {
        const size_t n = text_utf8(s, left), used = n > 0 ? n : 1;
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
        else if ((unsigned char)*s < 0x20 || *s == 0x7F)
            buffer_text(b, " ");
        else
            buffer_add(b, s, n);
        s += used;
        left -= used;
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
