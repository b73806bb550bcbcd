/* Tables of numbers as spreadsheets, R and numpy write them, made plain for readers that know
 * commas and decimal points only. */
#ifndef DI4C_NN_FORMATS_CSV_PLAIN_H
#define DI4C_NN_FORMATS_CSV_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"

/* Rewrites text (ended by a NUL) in place: cells between commas, lines that end in \n and keep
 * their numbers.  Understood are a byte-order mark; ends of lines of any system; semicolons, with
 * decimal commas or points; blanks or tabs where there are no commas; quotes; and left out, as
 * empty lines or cells, are lines from # on, a first line of names, a first column of names, and
 * empty columns at the end.  False, with a sentence that shows the cell, if a comma may be
 * anything. */
bool csv_plain(char *text, const char *where, Error *err);
/* At most 40 characters of a cell for a sentence, with what cannot be seen as \xNN. */
enum { CSV_VISIBLE = 48 };
const char *csv_visible(char out[CSV_VISIBLE], const char *cell, size_t length);

#endif
