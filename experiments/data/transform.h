/* What can be made of pictures before a network sees them; and what sequences a text is cut into.
 */
#ifndef DI4C_EXPERIMENTS_DATA_TRANSFORM_H
#define DI4C_EXPERIMENTS_DATA_TRANSFORM_H

#include <stdbool.h>

#include "experiments/data/dataset.h"
#include "tensor/base/error.h"

typedef enum DataTransform {
    DATA_AS_IS,
    DATA_BINARY /* means of 2x2 pixels, 1 where mean/255 > threshold: half the size, S = 2 */
} DataTransform;

typedef struct DatasetOptions {
    DataTransform transform;
    double threshold;             /* of DATA_BINARY, in (0, 1) */
    size_t length;                /* of a text: symbols of a sequence; pictures do not look at it */
    const Vocabulary *vocabulary; /* of a text: the model's that will see it; NULL: its own */
} DatasetOptions;

DatasetOptions dataset_defaults(void); /* as is; threshold 0.4; length 256 */
bool dataset_transform(const char *name, DataTransform *transform); /* "none", "binary" */
/* Applies it to all pictures, in place: sizes, states and data change.  A sentence with the data
 * set's name if they are too small or have other than 256 states, or if it is a text. */
bool dataset_apply(Dataset *d, const DatasetOptions *options, Error *err);

#endif
