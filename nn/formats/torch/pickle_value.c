#include "nn/formats/torch/pickle_value.h"

#include <string.h>

#include "tensor/base/check.h"

const char *pickle_found(const PickleValue *v)
{
    static const char *const names[] = {"None",    "a bool",    "an integer", "a number", "a text",
                                        "a tuple", "a list",    "a dict",     "a tensor", NULL,
                                        "a class", "a storage", "a dtype",    "a mark"};
    TENSOR_CHECK((size_t)v->type < sizeof names / sizeof names[0], "type %d", (int)v->type);
    return v->type == PICKLE_OPAQUE ? v->text : names[v->type];
}

const PickleValue *pickle_get(const PickleValue *v, const char *key)
{
    if (v == NULL || v->type != PICKLE_DICT)
        return NULL;
    for (size_t i = v->count; i > 0; i--) { /* of two equal keys the later one holds */
        const PickleValue *k = v->items[2 * (i - 1)];
        if (k->type == PICKLE_TEXT && strcmp(k->text, key) == 0 && strlen(key) == k->count)
            return v->items[2 * (i - 1) + 1];
    }
    return NULL;
}

size_t pickle_item_count(const PickleValue *v)
{
    switch (v->type) {
    case PICKLE_DICT: return 2 * v->count;
    case PICKLE_LIST:
    case PICKLE_TUPLE: return v->count;
    default: return 0;
    }
}

bool pickle_number(const PickleValue *v, double *number)
{
    if (v == NULL ||
        (v->type != PICKLE_BOOL && v->type != PICKLE_INTEGER && v->type != PICKLE_NUMBER))
        return false;
    *number = v->type == PICKLE_NUMBER ? v->number : (double)v->integer;
    return true;
}
