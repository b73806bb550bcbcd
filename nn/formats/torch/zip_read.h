/* Reading zip archives whose entries are stored as they are, which is what torch.save writes.
 *
 * The reader believes nothing: the directory at the end and the header before each entry must
 * agree, entries may not overlap, sizes must fit the file, CRC-32s must be right unless the writer
 * left all of them at 0.  Compressed and encrypted entries are refused.  Zip64 records and data
 * descriptors are understood. */
#ifndef DI4C_NN_FORMATS_TORCH_ZIP_READ_H
#define DI4C_NN_FORMATS_TORCH_ZIP_READ_H

#include <stddef.h>

#include "tensor/base/error.h"

typedef struct ZipEntry {
    char *name;
    const unsigned char *bytes; /* in the reader's buffer */
    size_t size;
} ZipEntry;

typedef struct ZipFile {
    char *path;
    ZipEntry *entries; /* sorted by name */
    size_t count;
    unsigned char *buffer; /* owns all bytes */
    size_t size;
} ZipFile;

/* NULL and a sentence naming file and entry if anything is wrong. */
ZipFile *zip_read(const char *path, Error *err);
void zip_free(ZipFile *z);                                    /* NULL is allowed */
const ZipEntry *zip_find(const ZipFile *z, const char *name); /* NULL if there is none */

#endif
