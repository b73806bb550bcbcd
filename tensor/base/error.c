/* One sentence for what the outside world did wrong. */
#include "tensor/base/error.h"

#include <stdarg.h>
#include <stddef.h>

#include "tensor/base/text.h"

/* A sentence is one line that a terminal shows and does not obey, whatever the names in it are:
 * control characters, those of UTF-8 from U+0080 to U+009F too, become question marks. */
static void make_visible(char *text)
{
    unsigned char *p = (unsigned char *)text;

    for (; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7F)
            *p = '?';
        else if (p[0] == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F)
            p[0] = p[1] = '?';
    }
}

bool error_set(Error *err, const char *format, ...)
{
    va_list arguments;

    if (err == NULL)
        return false;
    va_start(arguments, format);
    text_format_list(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    make_visible(err->text);
    return false;
}
