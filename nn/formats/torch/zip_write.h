/* Writing zip archives whose entries are stored as they are, as torch.save has them. */
#ifndef DI4C_NN_FORMATS_TORCH_ZIP_WRITE_H
#define DI4C_NN_FORMATS_TORCH_ZIP_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

/* The data of every entry start at a multiple of this, as torch.save has it. */
enum { ZIP_ALIGN = 64 };

/* Writer: create, add entries (written at once), close.  The file appears under its name only when
 * zip_close succeeds; zip_cancel gives up.  Both free the writer. */
typedef struct ZipWriter ZipWriter;
ZipWriter *zip_create(const char *path, Error *err);
void zip_add(ZipWriter *w, const char *name, const void *bytes, size_t size);
bool zip_close(ZipWriter *w, Error *err);
void zip_cancel(ZipWriter *w); /* NULL is allowed */
/* Values from here on go into zip64 records; 2^32 - 1 unless a test wants it smaller. */
void zip_zip64_from(ZipWriter *w, uint64_t limit);

#endif
