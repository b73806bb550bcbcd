/* Which presets suit which pictures, by the names that experiments/model/presets.c gives them. */
#ifndef DI4C_EXPERIMENTS_DATA_PRESETS_H
#define DI4C_EXPERIMENTS_DATA_PRESETS_H

/* A student's, by its teacher's noise. */
typedef struct StudentPresets {
    const char *masks, *other; /* of a teacher with absorbing noise, and with any other */
} StudentPresets;

typedef struct DatasetPresets {
    const char *teacher;          /* and a student's of whose teacher nothing is known */
    StudentPresets as_is, binary; /* a student's, by what its teacher made of the pictures */
} DatasetPresets;

extern const DatasetPresets dataset_presets_glyphs, dataset_presets_greys, dataset_presets_colours,
    dataset_presets_pictures, dataset_presets_characters, dataset_presets_letters,
    dataset_presets_tokens;

#endif
