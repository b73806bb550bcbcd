/* Where a failed TENSOR_CHECK ends: one line on stderr, then abort, so that a debugger or a core
 * file shows the caller. */
#include "tensor/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void tensor_check_failed(const char *file, int line, const char *function, const char *condition,
                         const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s:%d: %s: ", file, line, function);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " [%s]\n", condition);
    fflush(stderr);
    abort();
}
