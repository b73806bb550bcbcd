/* A strict, small JSON reader (RFC 8259) for file headers and manifests: depth, size and duplicate
 * keys are limited; numbers are doubles, exact integers to 2^53. */
#ifndef DI4C_NN_FORMATS_JSON_H
#define DI4C_NN_FORMATS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tensor/base/error.h"

typedef enum JsonType {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} JsonType;

typedef struct Json Json;
struct Json {
    JsonType type;
    bool boolean;
    double number;
    char *string; /* UTF-8, NUL-terminated; strings with NUL inside are refused */
    size_t count; /* of array elements or object members */
    Json *items;  /* array elements, or values of members */
    char **keys;  /* object members' names, in file order */
};

/* Parses text (length bytes), which is copied where it is kept (json_free).  NULL and a sentence
 * with `name`, the byte's place and what was expected there. */
Json *json_parse(const char *text, size_t length, const char *name, Error *err);
void json_free(Json *j);                                   /* NULL is allowed */
const Json *json_get(const Json *object, const char *key); /* NULL if absent or not an object */
/* False if j is not a whole number from 0 to 2^53, or more than memory has bytes; NULL is allowed.
 */
bool json_whole(const Json *j, size_t *value);
/* The member's value, or a sentence naming `where` and the key. */
const char *json_string(const Json *object, const char *key, const char *where, Error *err);
bool json_number(const Json *object, const char *key, double *value, const char *where, Error *err);
bool json_size(const Json *object, const char *key, size_t *value, const char *where, Error *err);

/* Appends text as a JSON string with quotes to a file; a byte that is not UTF-8 becomes U+FFFD. */
void json_write_string(FILE *f, const char *text);

#endif
