/* Reading is strict: the whole text is the value, in its range. */
#include "tensor/base/setting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/text.h"

size_t setting_place(const Setting *settings, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(settings[i].name, name) != 0)
        i++;
    return i;
}

size_t setting_slots(const Setting *s)
{
    return s->type == SETTING_LIST ? SETTING_LIST_SLOTS : 1;
}

int setting_choice(const char *choices, const char *value)
{
    const size_t length = strlen(value);
    int index = 0;
    for (const char *p = choices;; index++) {
        const size_t n = strcspn(p, "|");
        if (n == length && strncmp(p, value, n) == 0)
            return index;
        if (p[n] == '\0')
            return -1;
        p += n + 1;
    }
}

static bool read_number(const char *value, double *x)
{
    char *end;
    if (*value == '\0' || text_is_space(*value))
        return false;
    *x = text_number(value, &end);
    return *end == '\0' && isfinite(*x) && !strpbrk(value, "xX");
}

/* Digits separated by single commas. */
static bool read_list(const Setting *s, const char *value, double *slots)
{
    double list[SETTING_LIST_SLOTS] = {0};
    size_t count = 0;
    for (const char *p = value;; p++) {
        if (count == SETTING_LIST_MAX || !text_is_digit(*p))
            return false;
        double entry = 0;
        for (; text_is_digit(*p); p++)
            entry = 10 * entry + (*p - '0');
        if (!(entry >= s->low && entry <= s->high))
            return false;
        list[++count] = entry;
        if (*p != ',' && *p != '\0')
            return false;
        if (*p == '\0')
            break;
    }
    list[0] = (double)count;
    memcpy(slots, list, sizeof list);
    return true;
}

static bool read_value(const Setting *s, const char *value, double *slots)
{
    double x = -1;
    switch (s->type) {
    case SETTING_NUMBER:
    case SETTING_INTEGER:
        if (!read_number(value, &x) || !(x >= s->low && x <= s->high) ||
            (s->type == SETTING_INTEGER && floor(x) != x))
            return false;
        break;
    case SETTING_FLAG: x = setting_choice("off|on", value); break;
    case SETTING_CHOICE: x = setting_choice(s->choices, value); break;
    case SETTING_LIST: return read_list(s, value, slots);
    }
    if (x < 0 && (s->type == SETTING_FLAG || s->type == SETTING_CHOICE))
        return false;
    *slots = x;
    return true;
}

bool setting_read(const Setting *s, const char *value, double *slots, const char *where, Error *err)
{
    if (read_value(s, value, slots))
        return true;
    switch (s->type) {
    case SETTING_INTEGER:
        return error_set(err, "%s: %s=%.60s: expected a whole number from %.15g to %.15g", where,
                         s->name, value, s->low, s->high);
    case SETTING_NUMBER:
        return error_set(err, "%s: %s=%.60s: expected a number from %g to %g", where, s->name,
                         value, s->low, s->high);
    case SETTING_FLAG:
        return error_set(err, "%s: %s=%.60s: expected on or off", where, s->name, value);
    case SETTING_CHOICE:
        return error_set(err, "%s: %s=%.60s: expected one of %s", where, s->name, value,
                         s->choices);
    default:
        return error_set(err,
                         "%s: %s=%.60s: expected at most %d whole numbers from %g to %g, "
                         "separated by commas",
                         where, s->name, value, (int)SETTING_LIST_MAX, s->low, s->high);
    }
}

void setting_default(const Setting *s, double *slots)
{
    Error err = {""};
    const bool sound = setting_read(s, s->initial, slots, "defaults", &err);
    TENSOR_CHECK(sound, "%s", err.text);
}

void setting_text(const Setting *s, const double *slots, char *out, size_t size)
{
    const char *p = s->choices;
    size_t at = 0;
    TENSOR_CHECK(size > 0, "setting %s: no room", s->name);
    switch (s->type) {
    case SETTING_NUMBER: text_shortest(out, size, 6, *slots); return;
    case SETTING_INTEGER: snprintf(out, size, "%lld", (long long)*slots); return;
    case SETTING_FLAG: snprintf(out, size, "%s", *slots != 0 ? "on" : "off"); return;
    case SETTING_CHOICE:
        for (int i = (int)*slots; i > 0; i--)
            p = strchr(p, '|') + 1;
        snprintf(out, size, "%.*s", (int)strcspn(p, "|"), p);
        return;
    case SETTING_LIST:
        out[0] = '\0';
        for (size_t i = 0; i < (size_t)slots[0] && at < size; i++)
            at += (size_t)snprintf(out + at, size - at, "%s%lld", i > 0 ? "," : "",
                                   (long long)slots[1 + i]);
        return;
    }
}

void setting_help(const Setting *s, FILE *out)
{
    char range[96] = "";
    if (s->type == SETTING_INTEGER || s->type == SETTING_NUMBER)
        text_format(range, sizeof range, "%g..%g", s->low, s->high);
    else if (s->type == SETTING_CHOICE)
        snprintf(range, sizeof range, "%s", s->choices);
    else
        snprintf(range, sizeof range, "%s", s->type == SETTING_FLAG ? "on|off" : "list");
    fprintf(out, "  %-18s %-10s %s  [%s]\n", s->name, s->initial, s->help, range);
}
