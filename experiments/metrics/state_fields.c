/* A field is found by its offset. */
#include "experiments/metrics/state_fields.h"

#include <string.h>

#include "experiments/metrics/features/frechet.h"
#include "tensor/base/memory.h"

static void save_moments(const Moments *m, size_t features, Numbers *numbers)
{
    numbers_put(numbers, "mean", m->mean, features);
    numbers_put(numbers, "covariance", m->covariance, features * features);
}

void state_fields_save(const StateField *fields, const void *state, RunFacts *facts,
                       Numbers *numbers)
{
    for (const StateField *f = fields; f->type != FIELD_END; f++) {
        const void *at = (const char *)state + f->at;
        const void *length = (const char *)state + f->length;
        switch (f->type) {
        case FIELD_END: break;
        case FIELD_COUNT: numbers_put_count(numbers, f->name, *(const size_t *)at); break;
        case FIELD_NUMBERS: numbers_put(numbers, f->name, at, f->count); break;
        case FIELD_LIST:
            numbers_put(numbers, f->name, *(double *const *)at, *(const size_t *)length);
            break;
        case FIELD_MOMENTS: save_moments(at, f->count, numbers); break;
        case FIELD_TEXT: run_facts_add(facts, f->name, *(char *const *)at); break;
        case FIELD_HASH: run_facts_add(facts, f->name, at); break;
        }
    }
}

/* A copy of the list in place of *out. */
static void take_list(double **out, const NumberList *list)
{
    mem_free(*out);
    *out = mem_alloc(list->count, sizeof **out);
    if (list->count > 0)
        memcpy(*out, list->values, list->count * sizeof **out);
}

static bool restore_moments(Moments *m, size_t features, const Numbers *numbers, Error *err)
{
    const NumberList *mean = numbers_get(numbers, "mean", features, err);
    const NumberList *covariance =
        mean != NULL ? numbers_get(numbers, "covariance", features * features, err) : NULL;
    if (covariance == NULL)
        return false;
    m->features = features;
    take_list(&m->mean, mean);
    take_list(&m->covariance, covariance);
    return true;
}

static bool restore_numbers(double *out, const StateField *f, const Numbers *numbers, Error *err)
{
    const NumberList *list = numbers_get(numbers, f->name, f->count, err);
    if (list != NULL)
        memcpy(out, list->values, f->count * sizeof *out);
    return list != NULL;
}

static bool restore_list(double **out, size_t *length, const StateField *f, const Numbers *numbers,
                         Error *err)
{
    const NumberList *list = numbers_get(numbers, f->name, 0, err);
    if (list == NULL)
        return false;
    take_list(out, list);
    *length = list->count;
    return true;
}

static bool restore_text(char **out, const StateField *f, const RunFacts *facts, Error *err)
{
    const char *text = run_facts_find(facts, f->name);
    if (text == NULL)
        return error_set(err, "%.60s is missing", f->name);
    mem_free(*out);
    *out = mem_string(text);
    return true;
}

static bool restore_field(const StateField *f, void *state, const RunFacts *facts,
                          const Numbers *numbers, Error *err)
{
    void *at = (char *)state + f->at;
    void *length = (char *)state + f->length;
    switch (f->type) {
    case FIELD_END: break;
    case FIELD_COUNT: return numbers_get_count(numbers, f->name, at, err);
    case FIELD_NUMBERS: return restore_numbers(at, f, numbers, err);
    case FIELD_LIST: return restore_list(at, length, f, numbers, err);
    case FIELD_MOMENTS: return restore_moments(at, f->count, numbers, err);
    case FIELD_TEXT: return restore_text(at, f, facts, err);
    case FIELD_HASH: return run_facts_hash(facts, f->name, at, err);
    }
    return true;
}

bool state_fields_restore(const StateField *fields, void *state, const RunFacts *facts,
                          const Numbers *numbers, Error *err)
{
    for (const StateField *f = fields; f->type != FIELD_END; f++)
        if (!restore_field(f, state, facts, numbers, err))
            return false;
    return true;
}
