/* Keys and values, in the order in which they were added. */
#include "experiments/cli/run_facts.h"

#include <string.h>

#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

void run_facts_add(RunFacts *f, const char *key, const char *value)
{
    if (f->count == f->capacity)
        f->at = mem_grow(f->at, &f->capacity, 32, sizeof *f->at);
    f->at[f->count++] = (RunFact){mem_string(key), mem_string(value)};
}

/* The option's value as the command line would have it; nothing if it was not given. */
static void add_value(Buffer *b, const Option *o)
{
    const CountList *numbers = o->target;
    const TextList *texts = o->target;
    char number[32];
    switch (o->type) {
    case OPTION_FLAG: buffer_text(b, *(const bool *)o->target ? "yes" : ""); break;
    case OPTION_TEXT: {
        const char *text = *(const char *const *)o->target;
        buffer_text(b, text != NULL ? text : "");
        break;
    }
    case OPTION_COUNT: buffer_format(b, "%lld", (long long)*(const int64_t *)o->target); break;
    case OPTION_REAL: /* never 0 if it was given */
        text_format(number, sizeof number, "%.17g", *(const double *)o->target);
        buffer_text(b, *(const double *)o->target != 0.0 ? number : "");
        break;
    case OPTION_LIST:
        for (size_t i = 0; i < numbers->count; i++)
            buffer_format(b, i > 0 ? ",%lld" : "%lld", (long long)numbers->values[i]);
        break;
    case OPTION_REPEAT:
        for (size_t i = 0; i < texts->count; i++)
            buffer_format(b, i > 0 ? " %s" : "%s", texts->values[i]);
        break;
    case OPTION_REST: break; /* names of files */
    }
}

static bool is_among(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

void run_facts_options(RunFacts *f, const OptionTable *table, const char *const *except)
{
    for (size_t i = 0; i < table->count; i++) {
        Buffer value = {0};
        const Option *o = &table->rows[i];
        if (!is_among(o->name, except))
            add_value(&value, o);
        if (value.length > 0)
            run_facts_add(f, o->name, value.bytes);
        buffer_free(&value);
    }
}

const char *run_facts_find(const RunFacts *f, const char *key)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->at[i].key, key) == 0)
            return f->at[i].value;
    return NULL;
}

bool run_facts_hash(const RunFacts *f, const char *key, char out[65], Error *err)
{
    const char *value = run_facts_find(f, key);
    if (value == NULL || strlen(value) != 64 || strspn(value, "0123456789abcdef") != 64)
        return error_set(err, "%.60s: expected a hash of 64 digits", key);
    memcpy(out, value, 65);
    return true;
}

bool run_facts_same(const RunFacts *a, const char *a_path, const RunFacts *b, const char *b_path,
                    Error *err)
{
    for (size_t i = 0; i < a->count; i++) {
        const char *found = run_facts_find(b, a->at[i].key);
        if (found == NULL || strcmp(found, a->at[i].value) != 0)
            return error_set(err, "%.150s: %.40s is %.100s, expected %.100s as in %.150s", b_path,
                             a->at[i].key, found != NULL ? found : "not given", a->at[i].value,
                             a_path);
    }
    for (size_t i = 0; i < b->count; i++)
        if (run_facts_find(a, b->at[i].key) == NULL)
            return error_set(err, "%.150s: %.40s is %.100s, expected it not given as in %.150s",
                             b_path, b->at[i].key, b->at[i].value, a_path);
    return true;
}

void run_facts_free(RunFacts *f)
{
    for (size_t i = 0; i < f->count; i++) {
        mem_free(f->at[i].key);
        mem_free(f->at[i].value);
    }
    mem_free(f->at);
    *f = (RunFacts){0};
}
