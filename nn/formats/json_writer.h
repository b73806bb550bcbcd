/* Writes JSON to an open file: objects and arrays nest by calls, commas and indentation follow by
 * themselves.  Errors of the file show up when it is committed. */
#ifndef DI4C_NN_FORMATS_JSON_WRITER_H
#define DI4C_NN_FORMATS_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSONOUT_DEPTH = 16 };

typedef struct JsonOut {
    FILE *file;
    bool one_line;              /* no line breaks inside the outermost object */
    int depth;                  /* open objects and arrays */
    char closer[JSONOUT_DEPTH]; /* '}' or ']' of each */
    bool filled[JSONOUT_DEPTH]; /* has a member already */
} JsonOut;

JsonOut jsonout_start(FILE *file);
JsonOut jsonout_start_line(FILE *file); /* one object a line */
/* key: name of the member inside an object, NULL inside an array and at the top (checked). */
void jsonout_object(JsonOut *j, const char *key);
void jsonout_array(JsonOut *j, const char *key);
void jsonout_end(JsonOut *j); /* closes the innermost; the outermost ends the line */
void jsonout_string(JsonOut *j, const char *key, const char *value); /* NULL: null */
void jsonout_number(JsonOut *j, const char *key, double value);      /* %.9g; null if not finite */
void jsonout_exact(JsonOut *j, const char *key, double value);       /* %.17g; null if not finite */
void jsonout_count(JsonOut *j, const char *key, uint64_t value);
void jsonout_bool(JsonOut *j, const char *key, bool value);

#endif
