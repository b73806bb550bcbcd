/* Where a failed TENSOR_CHECK ends: one line on stderr, then abort, so that a debugger or a core
 * file shows the caller. */
#include "tensor/base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tensor/base/text.h"

void tensor_check_failed(const char *file, int line, const char *function, const char *condition,
                         const char *format, ...)
{
    char text[640];
    va_list arguments;

    va_start(arguments, format);
    text_format_list(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: %s: %s [%s]\n", file, line, function, text, condition);
    fflush(stderr);
    abort();
}
