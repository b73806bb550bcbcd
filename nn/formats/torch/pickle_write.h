/* Writing pickles of protocol 2, value after value. */
#ifndef DI4C_NN_FORMATS_TORCH_PICKLE_WRITE_H
#define DI4C_NN_FORMATS_TORCH_PICKLE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/formats/buffer.h"

/* Values go one after the other; containers are opened and closed. */
typedef struct PickleWriter {
    Buffer out; /* what has been written */
} PickleWriter;
void pickle_start(PickleWriter *w); /* w: zeros, or used before */
void pickle_stop(PickleWriter *w);
void pickle_writer_free(PickleWriter *w);

void pickle_put_none(PickleWriter *w);
void pickle_put_bool(PickleWriter *w, bool value);
void pickle_put_integer(PickleWriter *w, int64_t value);
void pickle_put_number(PickleWriter *w, double value);
void pickle_put_text(PickleWriter *w, const char *text);
void pickle_open_dict(PickleWriter *w, bool ordered); /* ordered: an OrderedDict */
void pickle_close_dict(PickleWriter *w);              /* in it: key, value, key, value ... */
void pickle_open_list(PickleWriter *w);
void pickle_close_list(PickleWriter *w);
void pickle_open_tuple(PickleWriter *w);
void pickle_close_tuple(PickleWriter *w);
/* A contiguous float32 tensor that is all of the storage of that key. */
void pickle_put_floats(PickleWriter *w, const char *key, int rank, const size_t *shape);

#endif
