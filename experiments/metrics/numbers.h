/* Lists of numbers by name: what a metric keeps for the merging of shards. */
#ifndef DI4C_EXPERIMENTS_METRICS_NUMBERS_H
#define DI4C_EXPERIMENTS_METRICS_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"

typedef struct NumberList {
    char *name;
    size_t count;
    double *values;
} NumberList;
/* Starts as {0}; numbers_free. */
typedef struct Numbers {
    size_t count, capacity;
    NumberList *at;
} Numbers;

/* Appends a copy of `count` numbers; the name is new (checked). */
void numbers_put(Numbers *n, const char *name, const double *values, size_t count);
void numbers_put_one(Numbers *n, const char *name, double value);
void numbers_put_count(Numbers *n, const char *name, size_t value); /* up to 2^53 */
/* NULL and a sentence if there is no list of that name and of `count` numbers (0: any). */
const NumberList *numbers_get(const Numbers *n, const char *name, size_t count, Error *err);
bool numbers_get_one(const Numbers *n, const char *name, double *value, Error *err);
/* A whole number from 0 to 2^53; a sentence otherwise. */
bool numbers_get_count(const Numbers *n, const char *name, size_t *value, Error *err);
void numbers_free(Numbers *n);

#endif
