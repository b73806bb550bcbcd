/* The table of settings. */
#include "diffusion/sampler/settings.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "tensor/base/text.h"

typedef enum SamplerSettingType { VALUE_REAL, VALUE_COUNT, VALUE_WORD } SamplerSettingType;

typedef struct SamplerSetting {
    const char *key;
    SamplerSettingType type;
    size_t offset;
    double low, high; /* real: low < value < high or, where closed, <=; count: low..high */
    bool closed_low, closed_high;
    const char *words; /* word: its values in the order of the enum, separated by blanks */
    const char *help;
} SamplerSetting;

static const SamplerSetting settings[] = {
    {.key = "eps",
     .type = VALUE_REAL,
     .offset = offsetof(SamplerSettings, eps),
     .high = 1.0,
     .closed_low = true,
     .help = "added to the posterior's factors; 1e-9 as the published code"},
    {.key = "t_min",
     .type = VALUE_REAL,
     .offset = offsetof(SamplerSettings, t_min),
     .high = 1.0,
     .help = "last time of the authors' grid, and where exact stops"},
    {.key = "last",
     .type = VALUE_WORD,
     .offset = offsetof(SamplerSettings, last),
     .words = "auto draw argmax move",
     .help = "last call: draw x_0, take the argmax, or the sampler's own move"},
    {.key = "jumps",
     .type = VALUE_WORD,
     .offset = offsetof(SamplerSettings, jumps),
     .words = "auto ordinal categorical first",
     .help = "leaps: sum and clamp jumps, reject several, or the first"},
    {.key = "theta",
     .type = VALUE_REAL,
     .offset = offsetof(SamplerSettings, theta),
     .high = 1.0,
     .help = "where in the step the second network call is made"},
    {.key = "corrector_steps",
     .type = VALUE_COUNT,
     .offset = offsetof(SamplerSettings, corrector_steps),
     .low = 1.0,
     .high = 1000.0,
     .closed_low = true,
     .closed_high = true,
     .help = "corrector leaps after a move"},
    {.key = "corrector_size",
     .type = VALUE_REAL,
     .offset = offsetof(SamplerSettings, corrector_size),
     .high = 100.0,
     .closed_high = true,
     .help = "length of a corrector leap, as a share of the move's"},
    {.key = "corrector_entry",
     .type = VALUE_REAL,
     .offset = offsetof(SamplerSettings, corrector_entry),
     .high = 1.0,
     .closed_low = true,
     .closed_high = true,
     .help = "correct only at times up to this"},
    {.key = "temperature",
     .type = VALUE_REAL,
     .offset = offsetof(SamplerSettings, temperature),
     .high = 1000.0,
     .closed_low = true,
     .closed_high = true,
     .help = "Gumbel noise on confidences at t = 1; falls to 0 with t"},
    {.key = "schedule",
     .type = VALUE_WORD,
     .offset = offsetof(SamplerSettings, schedule),
     .words = "process cosine linear",
     .help = "share of dimensions still masked at t: 1-alpha(t), cosine, t"},
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

SamplerSettings diffusion_sampler_defaults(void)
{
    SamplerSettings s = {.t_min = 0.01,
                         .theta = 0.5,
                         .corrector_steps = 1,
                         .corrector_size = 0.5,
                         .corrector_entry = 1.0,
                         .temperature = 4.5};
    return s;
}

/* Place of the word (n characters) in the list, or -1. */
static int place_of(const char *word, size_t n, const char *list)
{
    int place = 0;

    for (const char *p = list; *p != '\0'; p += *p == ' ', place++) {
        size_t length = strcspn(p, " ");
        if (length == n && strncmp(p, word, length) == 0)
            return place;
        p += length;
    }
    return -1;
}

static bool in_range(const SamplerSetting *k, double x)
{
    return (k->closed_low ? x >= k->low : x > k->low) &&
           (k->closed_high ? x <= k->high : x < k->high);
}

static bool out_of_range(const SamplerSetting *k, const char *value, Error *err)
{
    if (k->type == VALUE_COUNT)
        return error_set(err, "%s = %.40s, expected a whole number from %g to %g", k->key, value,
                         k->low, k->high);
    return error_set(err, "%s = %.40s, expected %g %s %s %s %g", k->key, value, k->low,
                     k->closed_low ? "<=" : "<", k->key, k->closed_high ? "<=" : "<", k->high);
}

static bool store(SamplerSettings *s, const SamplerSetting *k, const char *value, Error *err)
{
    char *field = (char *)s + k->offset, *end;

    if (k->type == VALUE_WORD) {
        int place = place_of(value, strlen(value), k->words);
        if (place < 0)
            return error_set(err, "%s = %.40s, expected one of: %s", k->key, value, k->words);
        *(int *)(void *)field = place;
        return true;
    }
    double x = text_number(value, &end);
    if (end == value || *end != '\0' || !in_range(k, x) ||
        (k->type == VALUE_COUNT && x != floor(x)))
        return out_of_range(k, value, err);
    if (k->type == VALUE_COUNT)
        *(size_t *)(void *)field = (size_t)x;
    else
        *(double *)(void *)field = x;
    return true;
}

bool sampler_settings_read(SamplerSettings *s, const char *assignment, const char *sampler,
                           const char *allowed, Error *err)
{
    size_t n = strcspn(assignment, "=");

    if (assignment[n] != '=' || n == 0)
        return error_set(err, "%.60s: expected KEY=VALUE", assignment);
    if (place_of(assignment, n, allowed) < 0)
        return error_set(err, "sampler %s has no setting %.*s, expected one of: %s", sampler,
                         (int)(n < 40 ? n : 40), assignment, *allowed != '\0' ? allowed : "(none)");
    for (size_t i = 0; i < SETTINGS; i++)
        if (strlen(settings[i].key) == n && strncmp(settings[i].key, assignment, n) == 0)
            return store(s, &settings[i], assignment + n + 1, err);
    return error_set(err, "no setting %.*s", (int)(n < 40 ? n : 40), assignment);
}

bool diffusion_sampler_check(const SamplerSettings *s, Error *err)
{
    char value[40];

    for (size_t i = 0; i < SETTINGS; i++) {
        const SamplerSetting *k = &settings[i];
        const char *field = (const char *)s + k->offset;
        if (k->type == VALUE_WORD) /* only set by name, or from the enum */
            continue;
        double x = k->type == VALUE_COUNT ? (double)*(const size_t *)(const void *)field
                                          : *(const double *)(const void *)field;
        text_format(value, sizeof value, "%g", x);
        if (!in_range(k, x))
            return out_of_range(k, value, err);
    }
    return true;
}

bool diffusion_sampler_key(size_t i, SamplerKey *key)
{
    SamplerSettings standard = diffusion_sampler_defaults();

    if (i >= SETTINGS)
        return false;
    const SamplerSetting *k = &settings[i];
    const char *field = (const char *)&standard + k->offset;
    key->key = k->key;
    key->help = k->help;
    if (k->type == VALUE_WORD) {
        snprintf(key->range, sizeof key->range, "%s", k->words);
        snprintf(key->standard, sizeof key->standard, "%.*s", (int)strcspn(k->words, " "),
                 k->words);
    } else if (k->type == VALUE_COUNT) {
        text_format(key->range, sizeof key->range, "%g to %g", k->low, k->high);
        snprintf(key->standard, sizeof key->standard, "%zu", *(const size_t *)(const void *)field);
    } else {
        text_format(key->range, sizeof key->range, "%c%g, %g%c", k->closed_low ? '[' : '(', k->low,
                    k->high, k->closed_high ? ']' : ')');
        text_format(key->standard, sizeof key->standard, "%g",
                    *(const double *)(const void *)field);
    }
    return true;
}
