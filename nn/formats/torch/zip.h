/* Zip archives whose entries are stored as they are, which is what torch.save writes.
 *
 * The reader believes nothing: the directory at the end and the header before each entry must
 * agree, entries may not overlap, sizes must fit the file, CRC-32s must be right.  Compressed and
 * encrypted entries are refused.  Zip64 records and data descriptors are understood. */
#ifndef DI4C_NN_FORMATS_TORCH_ZIP_H
#define DI4C_NN_FORMATS_TORCH_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
