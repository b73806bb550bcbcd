/* Keys are built in place. */
#include "experiments/metrics/meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *meta_key(char out[META_KEY], const char *what, size_t i, const char *field)
{
    snprintf(out, META_KEY, "%s.%zu.%s", what, i, field);
    return out;
}

void meta_put_facts(SafetensorsWriter *w, const char *prefix, const RunFacts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        char key[META_KEY];
        snprintf(key, sizeof key, "%s.%s", prefix, facts->at[i].key);
        safetensors_add_meta(w, key, facts->at[i].value);
    }
}

void meta_put_count(SafetensorsWriter *w, const char *key, size_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    safetensors_add_meta(w, key, text);
}

void meta_take_facts(const SafetensorsFile *f, const char *prefix, RunFacts *facts)
{
    const size_t n = strlen(prefix);
    for (size_t i = 0; i < f->meta_count; i++)
        if (strncmp(f->meta[i].key, prefix, n) == 0 && f->meta[i].key[n] == '.')
            run_facts_add(facts, f->meta[i].key + n + 1, f->meta[i].value);
}

bool meta_text(const SafetensorsFile *f, const char *key, const char **value, Error *err)
{
    *value = safetensors_meta(f, key);
    return *value != NULL || error_set(err, "%.200s: %.90s is missing", f->path, key);
}

bool meta_count(const SafetensorsFile *f, const char *key, size_t *value, Error *err)
{
    const char *text;
    char *end;
    if (!meta_text(f, key, &text, err))
        return false;
    const unsigned long long number = strtoull(text, &end, 10);
    *value = (size_t)number;
    return (text[0] >= '0' && text[0] <= '9' && strlen(text) < 16 && *end == '\0' &&
            number == *value) ||
           error_set(err, "%.200s: %.90s is %.40s, expected a whole number", f->path, key, text);
}
