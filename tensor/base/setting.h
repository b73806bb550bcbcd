/* Settings: what can be said by KEY=VALUE, each with its type, default, range and a line of help.
 *
 * Whoever has settings (a process, a network, the program) lists them in a table; reading, printing
 * and help are made from that.  Values are kept as numbers: a whole number, a number, 0 or 1 for a
 * flag, the place of a choice in its list; a list of whole numbers takes SETTING_LIST_SLOTS of
 * them, its length first. */
#ifndef DI4C_TENSOR_BASE_SETTING_H
#define DI4C_TENSOR_BASE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tensor/base/error.h"

typedef enum SettingType {
    SETTING_NUMBER,
    SETTING_INTEGER, /* at most 2^53 */
    SETTING_FLAG,    /* on or off */
    SETTING_CHOICE,  /* one of choices */
    SETTING_LIST     /* of whole numbers >= 0, "1,2,2" */
} SettingType;

enum { SETTING_LIST_MAX = 8, SETTING_LIST_SLOTS = 1 + SETTING_LIST_MAX, SETTING_TEXT = 128 };

typedef struct Setting {
    const char *name;
    SettingType type;
    const char *initial; /* default, as text */
    double low, high;    /* range of numbers, and of a list's entries */
    const char *choices; /* "a|b|c" */
    const char *help;    /* a line */
    bool newer;          /* files of older versions lack it and mean the default */
    bool of_student;     /* of a network: a student's may differ from its teacher's */
} Setting;

/* The place of the setting of that name in a table, or count. */
size_t setting_place(const Setting *settings, size_t count, const char *name);
/* Numbers that its value takes. */
size_t setting_slots(const Setting *s);
/* False, and slots untouched, with "WHERE: NAME=VALUE: expected ...". */
bool setting_read(const Setting *s, const char *value, double *slots, const char *where,
                  Error *err);
/* The default (checked: a table that contradicts itself stops the program). */
void setting_default(const Setting *s, double *slots);
/* The value as text that setting_read gives back; size: SETTING_TEXT holds every value. */
void setting_text(const Setting *s, const double *slots, char *out, size_t size);
/* A line of help: name, default, help, range. */
void setting_help(const Setting *s, FILE *out);
/* The place of `value` in "a|b|c", or -1. */
int setting_choice(const char *choices, const char *value);

#endif
