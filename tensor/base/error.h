/* Errors the outside world can cause (files, options, memory): one sentence, no exit.
 *
 * A function that can fail that way returns bool and takes an Error as its last argument; on false
 * the sentence names the file, the field and the expected value.  Programming errors do not come
 * here: see check.h. */
#ifndef DI4C_TENSOR_BASE_ERROR_H
#define DI4C_TENSOR_BASE_ERROR_H

#include <stdbool.h>

#include "tensor/base/printf_like.h"

typedef struct Error {
    char text[640];
} Error;

/* Formats the sentence into err (err may be NULL: the sentence is dropped); control characters, as
 * names of files may have them, become question marks.  Always returns false,
 * so that a failing function can say `return error_set(err, "...")`. */
bool error_set(Error *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
