/* Numbers and texts that are the same in every locale.
 *
 * C's strtod and printf take the decimal point from the locale of the process, which belongs to
 * whoever calls this library: with a comma there, strtod reads "0.5" as 0.  These functions stand
 * in their place: the decimal point is '.', whatever the locale; values and digits are those of the
 * C library, so they are exactly rounded where strtod and printf are.  No other file calls strtod,
 * or a printf with %a, %e, %f or %g (tests/structure.sh). */
#ifndef DI4C_TENSOR_BASE_TEXT_H
#define DI4C_TENSOR_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tensor/base/printf_like.h"

/* The number at the start of text, after white space, as strtod reads it in the C locale.  *end
 * (end may be NULL): behind it; text itself if there is none, and then the value is 0. */
double text_number(const char *text, char **end);

/* As snprintf, vsnprintf and fprintf in the C locale.  Known conversions: % c s p d i u o x X, with
 * hh h l ll z j t, and e f g a (doubles) with a precision of at most 40 and no flag but '-'.
 * Others are a caller's mistake.  text_print returns the number of bytes, -1 if writing failed. */
int text_format(char *out, size_t room, const char *format, ...) PRINTF_LIKE(3, 4);
int text_format_list(char *out, size_t room, const char *format, va_list arguments)
    PRINTF_LIKE(3, 0);
int text_print(FILE *file, const char *format, ...) PRINTF_LIKE(2, 3);

/* Enough digits, from `least` on, that the number reads back as x; at most 17.  The length. */
size_t text_shortest(char *out, size_t room, int least, double x);

/* "KEY=VALUE", cut at the first '=': the key to `key`, and where the value begins in `text`.  NULL
 * if there is no '=' or the key, with its end, has no `room`. */
const char *text_key_value(const char *text, char *key, size_t room);

/* Letters, digits and white space of ASCII only; what ctype.h says depends on the locale. */
bool text_is_digit(char c);
bool text_is_letter(char c);
bool text_is_space(char c);

/* Length of the valid UTF-8 sequence of 1 to 4 bytes at s, of which `left` may be looked at; 0 if
 * it is none: truncated, overlong, a surrogate, or beyond U+10FFFF. */
size_t text_utf8(const char *s, size_t left);
bool text_is_utf8(const char *text);

/* The two translations, with the locale's decimal point (one or more bytes) as an argument. */
/* out (room for length + strlen(point) + 1): a copy of `text` whose first '.' is `point`.  Returns
 * the place of that '.', or `length` if there is none. */
size_t text_to_locale(char *out, const char *text, size_t length, const char *point);
/* In place: the first `point` in the number becomes '.'. */
void text_from_locale(char *number, const char *point);

#endif
