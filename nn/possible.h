/* What any network's configuration is asked; each false with a sentence that starts with `kind`,
 * the network's name, and says what was found and what is expected. */
#ifndef DI4C_NN_POSSIBLE_H
#define DI4C_NN_POSSIBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/error.h"

/* least..most, both included. */
bool nn_possible_size(const char *kind, const char *field, size_t value, size_t least, size_t most,
                      Error *err);
bool nn_possible_dropout(const char *kind, double dropout, Error *err);         /* [0, 1) */
bool nn_possible_time_scale(const char *kind, double time_scale, Error *err);   /* (0, infinity) */
bool nn_possible_lambda_gain(const char *kind, double lambda_gain, Error *err); /* (0, 100] */
/* A lambda of numbers at each place has no sinusoids. */
bool nn_possible_places(const char *kind, bool at_places, bool is_number, Error *err);

#endif
