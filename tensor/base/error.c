/* One sentence for what the outside world did wrong. */
#include "tensor/base/error.h"

#include <stdarg.h>
#include <stddef.h>

#include "tensor/base/text.h"

bool error_set(Error *err, const char *format, ...)
{
    va_list arguments;

    if (err == NULL)
        return false;
    va_start(arguments, format);
    text_format_list(err->text, sizeof err->text, format, arguments);
    va_end(arguments);
    return false;
}
