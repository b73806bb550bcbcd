/* The programmer's mistakes stop the program at once, with the place and both shapes. */
#ifndef DI4C_TENSOR_BASE_CHECK_H
#define DI4C_TENSOR_BASE_CHECK_H

#include "tensor/base/printf_like.h"

#if defined(__GNUC__)
#define CHECK_ENDS __attribute__((noreturn))
#else
#define CHECK_ENDS
#endif

/* Prints "file:line: function: message [condition]" to stderr and aborts.  Use TENSOR_CHECK. */
void tensor_check_failed(const char *file, int line, const char *function, const char *condition,
                         const char *format, ...) PRINTF_LIKE(5, 6) CHECK_ENDS;

/* Always on.  TENSOR_CHECK(condition, "format", ...): the format is required. */
#define TENSOR_CHECK(condition, ...)                                                               \
    ((condition) ? (void)0                                                                         \
                 : tensor_check_failed(__FILE__, __LINE__, __func__, #condition, __VA_ARGS__))

#endif
