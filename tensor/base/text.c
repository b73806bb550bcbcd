/* The C library does the arithmetic; around it the decimal point is translated.  Reading: what may
 * belong to the number is copied, with the locale's point for '.', and strtod reads the copy.
 * Writing: the format is taken apart, every conversion goes to snprintf alone, and in what it gives
 * for a double the locale's point becomes '.'. */
#include "tensor/base/text.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"

enum {
    NUMBER_TEXT = 128, /* numbers up to this length are copied without asking for memory */
    MOST_DIGITS = 40,  /* behind the point */
    DOUBLE_TEXT = 400, /* a sign, 309 digits, a point of some bytes, MOST_DIGITS */
    LINE_TEXT = 512    /* lines up to this length are printed without asking for memory */
};

static const char *decimal_point(void)
{
    const char *point = localeconv()->decimal_point;

    return point != NULL && *point != '\0' ? point : ".";
}

bool text_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool text_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- reading ---- */

size_t text_to_locale(char *out, const char *text, size_t length, const char *point)
{
    const char *dot = memchr(text, '.', length);
    const size_t before = dot != NULL ? (size_t)(dot - text) : length;
    size_t n = before;

    memcpy(out, text, before);
    if (dot != NULL) {
        n += strlen(point);
        memcpy(out + before, point, strlen(point));
        memcpy(out + n, dot + 1, length - before - 1);
        n += length - before - 1;
    }
    out[n] = '\0';
    return before;
}

/* White space, then letters, digits, signs and dots: all that a number can have, but for the text
 * in nan(text), which says nothing. */
static size_t reach(const char *text)
{
    size_t n = 0;

    while (text_is_space(text[n]))
        n++;
    while (text_is_digit(text[n]) || text_is_letter(text[n]) || text[n] == '+' || text[n] == '-' ||
           text[n] == '.')
        n++;
    return n;
}

double text_number(const char *text, char **end)
{
    const char *point = decimal_point();
    const size_t length = reach(text), room = length + strlen(point) + 1;
    char small[NUMBER_TEXT], *stop;
    char *copy = room <= sizeof small ? small : mem_alloc(room, 1);
    const size_t dot = text_to_locale(copy, text, length, point);
    const double x = strtod(copy, &stop);
    size_t used = (size_t)(stop - copy);

    if (used > dot)
        used = used - strlen(point) + 1;
    if (copy != small)
        mem_free(copy);
    if (end != NULL)
        *end = (char *)text + used;
    return x;
}

/* ---- writing ---- */

void text_from_locale(char *number, const char *point)
{
    char *at = strstr(number, point);
    const size_t length = strlen(point);

    if (at == NULL)
        return;
    *at = '.';
    memmove(at + 1, at + length, strlen(at + length) + 1);
}

typedef struct Writer {
    char *out;
    size_t room, used; /* used: of all there is to write, also of what has no room */
    va_list arguments;
} Writer;

/* One conversion: "%", flags, width and precision (-1: none), length, letter. */
typedef struct Conversion {
    char flags[8], length[4], letter;
    int width, precision;
} Conversion;

static void put(Writer *w, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++, w->used++)
        if (w->used + 1 < w->room)
            w->out[w->used] = bytes[i];
}

static void put_blanks(Writer *w, int count)
{
    for (int i = 0; i < count; i++)
        put(w, " ", 1);
}

/* A number or a star at *p. */
static int take_count(Writer *w, const char **p)
{
    int n = 0;

    if (**p == '*') {
        ++*p;
        return va_arg(w->arguments, int);
    }
    for (; text_is_digit(**p); ++*p)
        n = 10 * n + (**p - '0');
    return n;
}

/* The conversion behind a '%'; returns what is behind it. */
static const char *take_conversion(Writer *w, const char *p, Conversion *c)
{
    size_t n = 0;

    for (; *p != '\0' && strchr("-+ #0", *p) != NULL && n + 2 < sizeof c->flags; p++)
        c->flags[n++] = *p;
    c->width = take_count(w, &p);
    if (c->width < 0) { /* as printf has it: a flag and a width */
        c->width = -c->width;
        c->flags[n++] = '-';
    }
    c->flags[n] = '\0';
    c->precision = -1;
    if (*p == '.') {
        p++;
        c->precision = take_count(w, &p);
    }
    for (n = 0; *p != '\0' && strchr("hlzjt", *p) != NULL && n + 1 < sizeof c->length; p++)
        c->length[n++] = *p;
    c->length[n] = '\0';
    c->letter = *p;
    return *p != '\0' ? p + 1 : p;
}

/* The same conversion with its numbers in place of stars. */
static void conversion_text(const Conversion *c, char text[48])
{
    char width[16] = "", precision[16] = "";

    if (c->width > 0)
        snprintf(width, sizeof width, "%d", c->width);
    if (c->precision >= 0)
        snprintf(precision, sizeof precision, ".%d", c->precision);
    snprintf(text, 48, "%%%s%s%s%s%c", c->flags, width, precision, c->length, c->letter);
}

/* Stops the program, as TENSOR_CHECK does, which cannot be used here: its sentences are formatted
 * here. */
static void refuse(const Conversion *c)
{
    char spec[48];

    conversion_text(c, spec);
    fprintf(stderr, "text_format: unknown conversion %s\n", spec);
    fflush(stderr);
    abort();
}

static void put_double(Writer *w, Conversion c)
{
    char spec[48], number[DOUBLE_TEXT];
    const int width = c.width;
    const bool left = strcmp(c.flags, "-") == 0;

    if (c.precision > MOST_DIGITS || c.length[0] != '\0' || !(left || c.flags[0] == '\0'))
        refuse(&c);
    c.flags[0] = '\0';
    c.width = 0; /* the width is one of characters after the translation */
    conversion_text(&c, spec);
    snprintf(number, sizeof number, spec, va_arg(w->arguments, double));
    text_from_locale(number, decimal_point());
    const int length = (int)strlen(number);
    put_blanks(w, left ? 0 : width - length);
    put(w, number, (size_t)length);
    put_blanks(w, left ? width - length : 0);
}

/* The next argument, a signed one of this length. */
static intmax_t take_signed(Writer *w, const char *length)
{
    if (strcmp(length, "l") == 0)
        return va_arg(w->arguments, long);
    if (strcmp(length, "ll") == 0)
        return va_arg(w->arguments, long long);
    if (strcmp(length, "z") == 0 || strcmp(length, "t") == 0)
        return va_arg(w->arguments, ptrdiff_t);
    return strcmp(length, "j") == 0 ? va_arg(w->arguments, intmax_t) : va_arg(w->arguments, int);
}

static uintmax_t take_unsigned(Writer *w, const char *length)
{
    if (strcmp(length, "l") == 0)
        return va_arg(w->arguments, unsigned long);
    if (strcmp(length, "ll") == 0)
        return va_arg(w->arguments, unsigned long long);
    if (strcmp(length, "z") == 0 || strcmp(length, "t") == 0)
        return va_arg(w->arguments, size_t);
    if (strcmp(length, "j") == 0)
        return va_arg(w->arguments, uintmax_t);
    const unsigned value = va_arg(w->arguments, unsigned);
    return strcmp(length, "hh") == 0  ? value & 0xFF
           : strcmp(length, "h") == 0 ? value & 0xFFFF
                                      : value;
}

static void put_integer(Writer *w, Conversion c)
{
    char spec[48], number[LINE_TEXT];
    const bool is_signed = c.letter == 'd' || c.letter == 'i';
    const intmax_t i = is_signed ? take_signed(w, c.length) : 0;
    const uintmax_t u = is_signed ? 0 : take_unsigned(w, c.length);

    if (c.width >= LINE_TEXT && c.flags[0] == '\0') { /* what does not fit below is blank */
        put_blanks(w, c.width - LINE_TEXT + 1);
        c.width = LINE_TEXT - 1;
    }
    strcpy(c.length, "j");
    conversion_text(&c, spec);
    const int n = is_signed ? snprintf(number, sizeof number, spec, i)
                            : snprintf(number, sizeof number, spec, u);
    if (n < 0 || (size_t)n >= sizeof number)
        refuse(&c);
    put(w, number, (size_t)n);
}

static void put_string(Writer *w, const Conversion *c)
{
    const char *text = va_arg(w->arguments, const char *);
    size_t length = 0;
    const bool left = strchr(c->flags, '-') != NULL;

    while ((c->precision < 0 || length < (size_t)c->precision) && text[length] != '\0')
        length++;
    const int blanks = (size_t)c->width > length ? c->width - (int)length : 0;
    put_blanks(w, left ? 0 : blanks);
    put(w, text, length);
    put_blanks(w, left ? blanks : 0);
}

static void put_conversion(Writer *w, const Conversion *c)
{
    char text[48];

    switch (c->letter) {
    case '%': put(w, "%", 1); break;
    case 's': put_string(w, c); break;
    case 'c':
        text[0] = (char)va_arg(w->arguments, int);
        put(w, text, 1);
        break;
    case 'p':
        snprintf(text, sizeof text, "%p", va_arg(w->arguments, void *));
        put(w, text, strlen(text));
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X': put_integer(w, *c); break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case 'a':
    case 'A': put_double(w, *c); break;
    default: refuse(c);
    }
}

int text_format_list(char *out, size_t room, const char *format, va_list arguments)
{
    Writer w = {.out = out, .room = room};

    va_copy(w.arguments, arguments);
    for (const char *p = format; *p != '\0';) {
        const size_t plain = strcspn(p, "%");
        put(&w, p, plain);
        p += plain;
        if (*p == '%') {
            Conversion c;
            p = take_conversion(&w, p + 1, &c);
            put_conversion(&w, &c);
        }
    }
    va_end(w.arguments);
    if (room > 0)
        out[w.used < room ? w.used : room - 1] = '\0';
    return (int)w.used;
}

int text_format(char *out, size_t room, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int n = text_format_list(out, room, format, arguments);
    va_end(arguments);
    return n;
}

int text_print(FILE *file, const char *format, ...)
{
    char line[LINE_TEXT], *text = line;
    va_list arguments;

    va_start(arguments, format);
    const int n = text_format_list(line, sizeof line, format, arguments);
    va_end(arguments);
    const size_t length = (size_t)n;
    if (length >= sizeof line) {
        text = mem_alloc(length + 1, 1);
        va_start(arguments, format);
        text_format_list(text, length + 1, format, arguments);
        va_end(arguments);
    }
    const bool ok = fwrite(text, 1, length, file) == length;
    if (text != line)
        mem_free(text);
    return ok ? n : -1;
}

size_t text_shortest(char *out, size_t room, int least, double x)
{
    int n = 0;

    for (int digits = least; digits <= 17; digits++) {
        n = text_format(out, room, "%.*g", digits, x);
        if (text_number(out, NULL) == x)
            break;
    }
    return (size_t)n;
}

const char *text_key_value(const char *text, char *key, size_t room)
{
    const size_t length = strcspn(text, "=");

    if (text[length] != '=' || length >= room)
        return NULL;
    memcpy(key, text, length);
    key[length] = '\0';
    return text + length + 1;
}

/* ---- UTF-8 ---- */

size_t text_utf8(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    const size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;

    if (n == 1 || s[0] < 0xC2 || s[0] > 0xF4 || left < n)
        return n == 1;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

bool text_is_utf8(const char *text)
{
    for (size_t n, left = strlen(text); left > 0; text += n, left -= n)
        if ((n = text_utf8(text, left)) == 0)
            return false;
    return true;
}
