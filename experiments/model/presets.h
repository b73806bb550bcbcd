/* Presets: settings that fit a data set, by name.  Adding one is an entry of the table in
 * presets.c. */
#ifndef DI4C_EXPERIMENTS_MODEL_PRESETS_H
#define DI4C_EXPERIMENTS_MODEL_PRESETS_H

#include <stdio.h>

#include "experiments/model/config.h"

/* Applies the named preset (teacher's or student's part) on top of the defaults. */
bool config_preset(Config *c, const char *name, ConfigRole role, Error *err);
/* Name of the preset that fits a data set and, for a student, its teacher (NULL: none). */
const char *config_preset_of(const char *data, const Config *teacher);
const char *config_preset_name(size_t i); /* number i of the table; NULL from the end on */
void config_presets_help(FILE *out);

#endif
