/* The models of the commands that sample: one, and the teacher beside it where one is named. */
#ifndef DI4C_EXPERIMENTS_SAMPLING_MODELS_H
#define DI4C_EXPERIMENTS_SAMPLING_MODELS_H

#include "experiments/model/model.h"
#include "nn/checkpoint.h"
#include "nn/formats/packed/png.h"

typedef struct Models {
    Model *model, *teacher; /* teacher: NULL if none is named */
} Models;

/* Reads both files, with the weights that `which` says; teacher may be NULL.  False and a sentence
 * if one is no model, or they do not belong together; models_close in any case. */
bool models_open(Models *m, const char *model, const char *teacher, WeightChoice which, Error *err);
void models_close(Models *m); /* zeros are allowed */

/* How samples of the model are drawn in a grid: about a square, two pixels between them. */
GridStyle models_style(const Model *m);

#endif
