/* PRINTF_LIKE(at, first): this function's arguments from number `first` on (0: a list) are checked
 * by the compiler against the format that is number `at`.
 *
 * The formats are C99's, as printed by base/text.h.  mingw's "printf" is that of Microsoft's old
 * library, which has no %zu; gcc calls C99's formats gnu_printf there, and everywhere. */
#ifndef DI4C_TENSOR_BASE_PRINTF_LIKE_H
#define DI4C_TENSOR_BASE_PRINTF_LIKE_H

#if defined(__GNUC__) && !defined(__clang__)
#define PRINTF_LIKE(at, first) __attribute__((format(gnu_printf, at, first)))
#elif defined(__GNUC__)
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#else
#define PRINTF_LIKE(at, first)
#endif

#endif
