/* One sentence for what the outside world did wrong. */
#include "tensor/error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

bool error_set(Error *err, const char *format, ...)
{
    va_list arguments;

    if (err == NULL)
        return false;
    va_start(arguments, format);
    if (vsnprintf(err->text, sizeof err->text, format, arguments) < 0)
        err->text[0] = '\0';
    va_end(arguments);
    return false;
}
