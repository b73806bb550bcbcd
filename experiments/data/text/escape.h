/* Bytes of any kind as one line that a terminal, a JSON file and a person can be given, and back:
 * \n, \t, \r, \\ and \xHH stand for what would not show.  UTF-8 stays as it is. */
#ifndef DI4C_EXPERIMENTS_DATA_TEXT_ESCAPE_H
#define DI4C_EXPERIMENTS_DATA_TEXT_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/formats/buffer.h"

/* Appends the bytes, escaped: control characters (U+0080 to U+009F too, which terminals obey),
 * backslashes, and bytes that are not UTF-8.  What is appended is UTF-8. */
void escape_add(Buffer *out, const char *bytes, size_t count);
/* One byte so, for a sentence, ended by a NUL.  Returns out. */
enum { ESCAPED_BYTE = 5 };
const char *escape_byte(char out[ESCAPED_BYTE], unsigned char byte);
/* Appends the bytes that `count` bytes of escaped text stand for; a byte that needed no escape may
 * be one all the same, or stand as it is.  False if a backslash begins none of the five. */
bool escape_read(Buffer *out, const char *text, size_t count);

#endif
