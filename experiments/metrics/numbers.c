/* Lists in the order in which they were put. */
#include "experiments/metrics/numbers.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

static const NumberList *find(const Numbers *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->at[i].name, name) == 0)
            return &n->at[i];
    return NULL;
}

void numbers_put(Numbers *n, const char *name, const double *values, size_t count)
{
    TENSOR_CHECK(find(n, name) == NULL, "two lists of the name %s", name);
    if (n->count == n->capacity)
        n->at = mem_grow(n->at, &n->capacity, 16, sizeof *n->at);
    NumberList *list = &n->at[n->count++];
    *list = (NumberList){mem_string(name), count, mem_alloc(count, sizeof(double))};
    if (count > 0)
        memcpy(list->values, values, count * sizeof(double));
}

void numbers_put_one(Numbers *n, const char *name, double value)
{
    numbers_put(n, name, &value, 1);
}

void numbers_put_count(Numbers *n, const char *name, size_t value)
{
    numbers_put_one(n, name, (double)value);
}

const NumberList *numbers_get(const Numbers *n, const char *name, size_t count, Error *err)
{
    const NumberList *list = find(n, name);
    if (list != NULL && (count == 0 || list->count == count))
        return list;
    if (count == 0)
        error_set(err, "%.60s is missing", name);
    else
        error_set(err, "%.60s: %zu numbers, expected %zu", name, list != NULL ? list->count : 0,
                  count);
    return NULL;
}

bool numbers_get_one(const Numbers *n, const char *name, double *value, Error *err)
{
    const NumberList *list = numbers_get(n, name, 1, err);
    if (list != NULL)
        *value = list->values[0];
    return list != NULL;
}

bool numbers_get_count(const Numbers *n, const char *name, size_t *value, Error *err)
{
    double x;
    if (!numbers_get_one(n, name, &x, err))
        return false;
    if (!(x >= 0.0 && x <= 9007199254740992.0 && x == floor(x)))
        return error_set(err, "%.60s: expected a whole number from 0 to 2^53", name);
    if (x > (double)SIZE_MAX) /* written where size_t is wider */
        return error_set(err, "%.60s: %.0f is more than this machine counts", name, x);
    *value = (size_t)x;
    return true;
}

void numbers_free(Numbers *n)
{
    for (size_t i = 0; i < n->count; i++) {
        mem_free(n->at[i].name);
        mem_free(n->at[i].values);
    }
    mem_free(n->at);
    *n = (Numbers){0};
}
