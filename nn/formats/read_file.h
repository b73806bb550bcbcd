/* Files into memory, whole or their start.  For what is to be judged as a whole; readers of data
 * sets, which are large and go piece by piece to where they are wanted, read for themselves. */
#ifndef DI4C_NN_FORMATS_READ_FILE_H
#define DI4C_NN_FORMATS_READ_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

#define READ_ANY_SIZE SIZE_MAX

/* All *size bytes of the file at path, and a NUL behind them that *size does not count; the caller
 * frees them with mem_free.  The size is asked for, and compared with `most`, before memory is
 * taken.
 *
 * NULL and a sentence, "PATH: ...", otherwise: `refusal` if path is no readable plain file
 * ("expected a readable .npy file"); or that there are more bytes than `most`, more than memory
 * has, or more than could be read. */
void *read_file(const char *path, const char *refusal, size_t most, size_t *size, Error *err);

/* The first bytes of the file, at most `most`, to out; how many there were, 0 also if it cannot be
 * read.  To tell formats by how they begin. */
size_t read_file_start(const char *path, void *out, size_t most);

#endif
