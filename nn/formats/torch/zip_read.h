/* Reading zip archives: of entries that are stored as they are, which is what torch.save writes, or
 * that may be deflated too, which is what numpy.savez_compressed writes.
 *
 * The reader believes nothing: the directory at the end and the header before each entry must
 * agree, entries may not overlap, sizes must fit the file, CRC-32s must be right unless the writer
 * left all of them at 0.  Entries packed in other ways and encrypted ones are refused.  Zip64
 * records and data descriptors are understood. */
#ifndef DI4C_NN_FORMATS_TORCH_ZIP_READ_H
#define DI4C_NN_FORMATS_TORCH_ZIP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

typedef struct ZipEntry {
    char *name;
    const unsigned char *bytes; /* in the reader's buffer; of a deflated entry: its packed bytes */
    size_t size;                /* unpacked */
    size_t packed;              /* bytes in the file: if it is stored, as many as size */
    uint32_t crc;
    bool deflated;
} ZipEntry;

typedef struct ZipFile {
    char *path;
    ZipEntry *entries; /* sorted by name */
    size_t count;
    unsigned char *buffer; /* owns all bytes */
    size_t size;
    bool sums; /* CRC-32s count; false: the writer left all of them at 0 */
} ZipFile;

/* NULL and a sentence naming file and entry if anything is wrong. */
ZipFile *zip_read(const char *path, Error *err);     /* deflated entries are refused */
ZipFile *zip_read_any(const char *path, Error *err); /* and here read by zip_unpack */
/* A copy of the entry's e->size bytes, unpacked and, where sums count, compared with its CRC-32
 * (mem_free); NULL and a sentence if they are not well packed, or more than memory has or that can
 * become of their bytes.
 */
unsigned char *zip_unpack(const ZipFile *z, const ZipEntry *e, Error *err);
void zip_free(ZipFile *z);                                    /* NULL is allowed */
const ZipEntry *zip_find(const ZipFile *z, const char *name); /* NULL if there is none */

#endif
