/* Small files of data sets in the toy folder (toys.h), well made; opening them, and being refused.
 */
#ifndef DI4C_TESTS_TOOLS_DATA_FILES_H
#define DI4C_TESTS_TOOLS_DATA_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/data/dataset.h"
#include "experiments/data/transform.h"

/* A file "FOLDER/name" of these bytes, removed by toys_tear_down. */
void data_file(const char *path, const void *bytes, size_t count);
/* An idx3 file: pixel p of picture i is (7 i + 3 p) mod 256. */
void data_file_pictures(const char *path, size_t count, size_t h, size_t w);
/* An idx1 file: label of picture i is i mod 10. */
void data_file_labels(const char *path, size_t count);
/* At most 4 records of CIFAR-10: label of record i is (first + i) mod 10, byte p of its plane c is
 * (first + i + p + 50 c) mod 256. */
void data_file_cifar(const char *path, size_t count, unsigned first);

/* A text cut into sequences of `length`; vocabulary: of a model, or NULL.  Must open
 * (dataset_close). */
Dataset *data_open_text(const char *spec, bool test_split, size_t length,
                        const Vocabulary *vocabulary);
/* Must be refused with a sentence that has the piece. */
void data_text_refused(const char *spec, bool test_split, size_t length,
                       const Vocabulary *vocabulary, const char *piece);

/* Must open (dataset_close). */
Dataset *data_open(const char *spec, bool test_split, DataTransform transform);
/* Must be refused with a sentence that has both pieces. */
void data_refused(const char *spec, bool test_split, DataTransform transform, const char *file,
                  const char *piece);

#endif
