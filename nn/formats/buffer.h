/* A growing block of bytes, for text and binary output that is put together in memory. */
#ifndef DI4C_NN_FORMATS_BUFFER_H
#define DI4C_NN_FORMATS_BUFFER_H

#include <stddef.h>

#include "tensor/base/printf_like.h"

typedef struct Buffer {
    char *bytes; /* NULL while empty; after buffer_text or buffer_format a NUL follows the end */
    size_t length, capacity;
} Buffer;

/* A Buffer starts as {0}. */
void buffer_add(Buffer *b, const void *bytes, size_t count);
void buffer_text(Buffer *b, const char *text);
void buffer_format(Buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* Text for HTML and SVG: & < > " ' become references; control characters become spaces and bytes
 * that are not UTF-8 become U+FFFD. */
void buffer_html(Buffer *b, const char *text);
void buffer_base64(Buffer *b, const void *bytes, size_t count);
void buffer_free(Buffer *b); /* back to {0} */

#endif
