/* The whole file is read into one buffer, the directory parsed into `Record`s, each checked against
 * its header, and then all together, sorted by place: no two may overlap. */
#include "nn/formats/torch/zip_read.h"

#include <stdlib.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/packed/crc32.h"
#include "nn/formats/packed/inflate.h"
#include "nn/formats/read_file.h"
#include "nn/formats/torch/zip_format.h"
#include "tensor/base/memory.h"

enum {
    ENTRY_LIMIT = 200000, /* some hundred times a checkpoint's, in some 50 MB with their names */
    COMMENT_LIMIT = 65535 /* behind the end record, which says its length in 2 bytes */
};
/* Bits of the flags: 0, 6 and 13 of encryption, 5 of patches, 3 of a descriptor behind the data. */
enum { FLAG_ENCRYPTED = 0x2041, FLAG_PATCH = 0x20, FLAG_DESCRIPTOR = 8 };
enum { METHOD_STORED = 0, METHOD_DEFLATED = 8 };

typedef struct Directory {
    uint64_t entries, size, offset;
    size_t end;    /* where the directory must end */
    bool deflated; /* such entries are allowed */
} Directory;

typedef struct Record {
    const char *name; /* in the reader's buffer, without an end */
    size_t name_length;
    unsigned flags, method;
    uint32_t crc;
    uint64_t packed, size, header;
    size_t data, end; /* where the entry's bytes start, and where all that belongs to it ends */
} Record;

static bool bad_entry(const ZipFile *z, const Record *r, const char *what, Error *err)
{
    const int length = r->name_length < 200 ? (int)r->name_length : 200;
    return error_set(err, "%.200s: entry \"%.*s\": %s", z->path, length, r->name, what);
}

static bool read_bytes(ZipFile *z, Error *err)
{
    z->buffer = read_file(z->path, "expected a readable file", READ_ANY_SIZE, &z->size, err);
    if (z->buffer == NULL)
        return false;
    return z->size >= ZIP_END_SIZE ||
           error_set(err, "%.200s: expected a zip archive, found %zu bytes", z->path, z->size);
}

/* The end record: the last place whose comment reaches exactly to the end of the file. */
static bool find_end(const ZipFile *z, size_t *at, Error *err)
{
    const size_t last = z->size - ZIP_END_SIZE;
    const size_t first = last > COMMENT_LIMIT ? last - COMMENT_LIMIT : 0;
    for (size_t i = last + 1; i-- > first;)
        if (little_endian(z->buffer + i, 4) == ZIP_SIGN_END &&
            little_endian(z->buffer + i + 20, 2) == last - i) {
            *at = i;
            return true;
        }
    return error_set(err,
                     "%.200s: expected a zip archive, found no end record (not an archive, or cut "
                     "short)",
                     z->path);
}

/* A value of the end record against that of the zip64 record. */
static bool agrees(uint64_t narrow, uint64_t none, uint64_t wide)
{
    return narrow == none || narrow == wide;
}

static bool parse_end64(const ZipFile *z, size_t end, Directory *d, Error *err)
{
    const unsigned char *locator = z->buffer + end - ZIP_LOCATOR_SIZE;
    const uint64_t at = little_endian(locator + 8, 8);
    if (little_endian(locator + 4, 4) != 0 || little_endian(locator + 16, 4) > 1)
        return error_set(err, "%.200s: expected an archive in one file", z->path);
    if (end < ZIP_LOCATOR_SIZE + ZIP_END64_SIZE || at != end - ZIP_LOCATOR_SIZE - ZIP_END64_SIZE ||
        little_endian(z->buffer + at, 4) != ZIP_SIGN_END64 ||
        little_endian(z->buffer + at + 4, 8) != ZIP_END64_SIZE - 12)
        return error_set(err,
                         "%.200s: expected the zip64 end record right before its locator, found "
                         "its offset to be %.0f in a file of %zu bytes",
                         z->path, (double)at, z->size);
    const unsigned char *p = z->buffer + at;
    const Directory wide = {little_endian(p + 32, 8), little_endian(p + 40, 8),
                            little_endian(p + 48, 8), (size_t)at, d->deflated};
    if (little_endian(p + 16, 8) != 0 || little_endian(p + 24, 8) != wide.entries)
        return error_set(err, "%.200s: expected an archive in one file", z->path);
    if (!agrees(d->entries, ZIP_NONE16, wide.entries) || !agrees(d->size, ZIP_NONE32, wide.size) ||
        !agrees(d->offset, ZIP_NONE32, wide.offset))
        return error_set(err,
                         "%.200s: expected the two end records to agree, found %.0f and %.0f "
                         "entries, directories of %.0f and %.0f bytes at %.0f and %.0f",
                         z->path, (double)d->entries, (double)wide.entries, (double)d->size,
                         (double)wide.size, (double)d->offset, (double)wide.offset);
    *d = wide;
    return true;
}

static bool parse_end(const ZipFile *z, Directory *d, Error *err)
{
    size_t at = 0;
    if (!find_end(z, &at, err))
        return false;
    const unsigned char *p = z->buffer + at;
    *d = (Directory){little_endian(p + 10, 2), little_endian(p + 12, 4), little_endian(p + 16, 4),
                     at, d->deflated};
    if (little_endian(p + 4, 4) != 0 || little_endian(p + 8, 2) != d->entries)
        return error_set(err, "%.200s: expected an archive in one file", z->path);
    if (at >= ZIP_LOCATOR_SIZE && little_endian(p - ZIP_LOCATOR_SIZE, 4) == ZIP_SIGN_LOCATOR &&
        !parse_end64(z, at, d, err))
        return false;
    if (d->size > d->end || d->offset != d->end - d->size || d->entries > d->size / ZIP_RECORD_SIZE)
        return error_set(err,
                         "%.200s: expected a directory of %.0f entries in %.0f bytes at %.0f to "
                         "end at %zu, where its end record starts",
                         z->path, (double)d->entries, (double)d->size, (double)d->offset, d->end);
    return d->entries <= ENTRY_LIMIT ||
           error_set(err, "%.200s: expected at most %d entries, found %.0f", z->path, ENTRY_LIMIT,
                     (double)d->entries);
}

/* Replaces the values that say "see zip64" by those of the extra field, which come in this order
 * and only for those. */
static bool parse_zip64(const unsigned char *extra, size_t length, Record *r)
{
    uint64_t *wide[] = {&r->size, &r->packed, &r->header};
    size_t at = 0;
    while (length - at >= 4) {
        const uint64_t id = little_endian(extra + at, 2), size = little_endian(extra + at + 2, 2);
        size_t used = at + 4;
        if (size > length - used)
            return false;
        for (size_t i = 0; id == ZIP_EXTRA_ZIP64 && i < 3; i++)
            if (*wide[i] == ZIP_NONE32) {
                if (used + 8 > at + 4 + size)
                    return false;
                *wide[i] = little_endian(extra + used, 8);
                used += 8;
            }
        at += 4 + (size_t)size;
        if (id == ZIP_EXTRA_ZIP64)
            return true; /* what follows is none of our business */
    }
    return r->size != ZIP_NONE32 && r->packed != ZIP_NONE32 && r->header != ZIP_NONE32;
}

static bool parse_name(const ZipFile *z, const unsigned char *p, size_t length, Record *r,
                       Error *err)
{
    bool plain = length >= 1 && length <= ZIP_NAME_LIMIT;
    for (size_t i = 0; plain && i < length; i++)
        plain = p[i] >= 0x20 && p[i] != 0x7F;
    if (!plain)
        return error_set(err,
                         "%.200s: expected names of entries to be 1 to 400 bytes long without "
                         "control characters",
                         z->path);
    r->name = (const char *)p;
    r->name_length = length;
    return true;
}

/* The record at *at of the directory. */
static bool parse_record(const ZipFile *z, const Directory *d, size_t *at, Record *r, Error *err)
{
    const unsigned char *p = z->buffer + *at;
    if (d->end - *at < ZIP_RECORD_SIZE || little_endian(p, 4) != ZIP_SIGN_RECORD)
        return error_set(err, "%.200s: expected a directory record at byte %zu", z->path, *at);
    const size_t name = (size_t)little_endian(p + 28, 2), extra = (size_t)little_endian(p + 30, 2);
    const size_t length = ZIP_RECORD_SIZE + name + extra + (size_t)little_endian(p + 32, 2);
    if (length > d->end - *at)
        return error_set(err,
                         "%.200s: expected the directory record at byte %zu to end before "
                         "byte %zu",
                         z->path, *at, d->end);
    *r = (Record){.flags = (unsigned)little_endian(p + 8, 2),
                  .method = (unsigned)little_endian(p + 10, 2),
                  .crc = (uint32_t)little_endian(p + 16, 4),
                  .packed = little_endian(p + 20, 4),
                  .size = little_endian(p + 24, 4),
                  .header = little_endian(p + 42, 4)};
    if (!parse_name(z, p + ZIP_RECORD_SIZE, name, r, err))
        return false;
    if (!parse_zip64(p + ZIP_RECORD_SIZE + name, extra, r))
        return bad_entry(z, r, "expected a zip64 field with the values its record lacks", err);
    if (little_endian(p + 34, 2) != 0)
        return bad_entry(z, r, "expected an archive in one file", err);
    if ((r->flags & FLAG_ENCRYPTED) != 0)
        return bad_entry(z, r, "expected no encryption", err);
    const bool stored = r->method == METHOD_STORED && r->packed == r->size;
    if (d->deflated && !stored && r->method != METHOD_DEFLATED)
        return bad_entry(z, r, "expected stored or deflated bytes", err);
    if ((!stored && !d->deflated) || (r->flags & FLAG_PATCH) != 0)
        return bad_entry(z, r, "expected stored bytes, found compressed ones", err);
    *at += length;
    return true;
}

/* Behind the data of an entry with the flag: CRC and sizes once more, of 4 or 8 bytes each.
 * PyTorch's writer leaves it out after 0 bytes. */
static bool check_descriptor(const ZipFile *z, Record *r, size_t limit, Error *err)
{
    const unsigned char *p = z->buffer + r->end;
    const size_t room = limit - r->end;
    const bool sign = room >= 16 && little_endian(p, 4) == ZIP_SIGN_DESCRIPTOR &&
                      little_endian(p + 4, 4) == r->crc;
    if (sign && room >= 24 && little_endian(p + 8, 8) == r->packed &&
        little_endian(p + 16, 8) == r->size)
        r->end += 24;
    else if (sign && little_endian(p + 8, 4) == r->packed && little_endian(p + 12, 4) == r->size)
        r->end += 16;
    else if (r->size > 0)
        return bad_entry(z, r,
                         "expected its data descriptor to repeat the directory's CRC and "
                         "sizes",
                         err);
    return true;
}

/* Whether the writer has left all CRCs out, as PyTorch's does if told to; entries of 0 bytes have
 * that of 0 anyway. */
static bool without_sums(const Record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (records[i].crc != 0)
            return false;
    return true;
}

/* The header in front of the entry, which must say what the directory says. */
static bool check_header(const ZipFile *z, const Directory *d, Record *r, Error *err)
{
    const size_t limit = (size_t)d->offset;
    const bool inside = r->header <= limit && limit - r->header >= ZIP_HEADER_SIZE;
    const unsigned char *p = z->buffer + (inside ? r->header : 0);
    if (!inside || little_endian(p, 4) != ZIP_SIGN_HEADER)
        return bad_entry(z, r, "expected its header within the file, where the directory says",
                         err);
    const size_t name = (size_t)little_endian(p + 26, 2);
    const size_t before = ZIP_HEADER_SIZE + name + (size_t)little_endian(p + 28, 2);
    if (before > limit - r->header || r->packed > limit - r->header - before)
        return bad_entry(z, r, "expected its bytes to end before the directory", err);
    if (name != r->name_length || memcmp(p + ZIP_HEADER_SIZE, r->name, name) != 0)
        return bad_entry(z, r, "expected the same name in header and directory", err);
    if (little_endian(p + 6, 2) != r->flags || little_endian(p + 8, 2) != r->method)
        return bad_entry(z, r, "expected the same flags and method in header and directory", err);
    const uint64_t packed = little_endian(p + 18, 4), size = little_endian(p + 22, 4),
                   crc = little_endian(p + 14, 4);
    const bool later = (r->flags & FLAG_DESCRIPTOR) != 0;
    if ((packed != r->packed && packed != ZIP_NONE32 && !(later && packed == 0)) ||
        (size != r->size && size != ZIP_NONE32 && !(later && size == 0)) ||
        (crc != r->crc && !(later && crc == 0)))
        return bad_entry(z, r, "expected the same CRC and sizes in header and directory", err);
    r->data = (size_t)r->header + before;
    r->end = r->data + (size_t)r->packed;
    if (z->sums && r->method == METHOD_STORED &&
        crc32_of(z->buffer + r->data, (size_t)r->size) != r->crc)
        return bad_entry(z, r, "its bytes are damaged: their CRC-32 is not the one noted", err);
    return !later || check_descriptor(z, r, limit, err);
}

static int compare_places(const void *a, const void *b)
{
    const Record *x = a, *y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const ZipEntry *)a)->name, ((const ZipEntry *)b)->name);
}

static bool parse_records(ZipFile *z, const Directory *d, Record *records, Error *err)
{
    const size_t count = (size_t)d->entries;
    size_t at = (size_t)d->offset;
    for (size_t i = 0; i < count; i++)
        if (!parse_record(z, d, &at, &records[i], err))
            return false;
    if (at != d->end)
        return error_set(err, "%.200s: expected the directory to end at byte %zu, found %zu",
                         z->path, d->end, at);
    if (count > 0)
        qsort(records, count, sizeof *records, compare_places);
    z->sums = !without_sums(records, count);
    for (size_t i = 0; i < count; i++) {
        if (!check_header(z, d, &records[i], err))
            return false;
        if (i > 0 && records[i].header < records[i - 1].end)
            return bad_entry(z, &records[i], "expected no overlap with another entry", err);
    }
    return true;
}

static bool fill_entries(ZipFile *z, const Record *records, size_t count, Error *err)
{
    z->entries = mem_zeroed(count, sizeof *z->entries);
    for (size_t i = 0; i < count; i++) {
        const Record *r = &records[i];
        char *name = mem_zeroed(r->name_length + 1, 1);
        memcpy(name, r->name, r->name_length);
        z->entries[i] = (ZipEntry){.name = name,
                                   .bytes = z->buffer + r->data,
                                   .size = (size_t)r->size,
                                   .packed = (size_t)r->packed,
                                   .crc = r->crc,
                                   .deflated = r->method == METHOD_DEFLATED};
        z->count++;
    }
    if (count > 0)
        qsort(z->entries, count, sizeof *z->entries, compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(z->entries[i - 1].name, z->entries[i].name) == 0)
            return error_set(err, "%.200s: entry \"%.200s\": expected every name once", z->path,
                             z->entries[i].name);
    return true;
}

static bool parse_zip_read(ZipFile *z, bool deflated, Error *err)
{
    Directory d = {.deflated = deflated};
    if (!read_bytes(z, err) || !parse_end(z, &d, err))
        return false;
    Record *records = mem_try((size_t)d.entries, sizeof *records);
    if (records == NULL)
        return error_set(err, "%.200s: %.0f entries do not fit in memory", z->path,
                         (double)d.entries);
    const bool ok =
        parse_records(z, &d, records, err) && fill_entries(z, records, (size_t)d.entries, err);
    mem_free(records);
    return ok;
}

static ZipFile *read_archive(const char *path, bool deflated, Error *err)
{
    ZipFile *z = mem_zeroed(1, sizeof *z);
    z->path = mem_string(path);
    if (parse_zip_read(z, deflated, err))
        return z;
    zip_free(z);
    return NULL;
}

ZipFile *zip_read(const char *path, Error *err)
{
    return read_archive(path, false, err);
}

ZipFile *zip_read_any(const char *path, Error *err)
{
    return read_archive(path, true, err);
}

unsigned char *zip_unpack(const ZipFile *z, const ZipEntry *e, Error *err)
{
    const bool possible = !e->deflated || e->size / INFLATE_RATIO <= e->packed;
    unsigned char *bytes = possible ? mem_try(e->size, 1) : NULL;
    const char *wrong = NULL;
    size_t used = 0;
    if (!possible)
        wrong = "more than can become of";
    else if (bytes == NULL)
        wrong = "more than memory has of";
    else if (!e->deflated)
        memcpy(bytes, e->bytes, e->size);
    else if (inflate_exact(e->bytes, e->packed, &used, bytes, e->size) != NULL || used != e->packed)
        wrong = "no well packed bytes in";
    else if (z->sums && crc32_of(bytes, e->size) != e->crc)
        wrong = "damaged bytes, by their CRC-32, in";
    if (wrong == NULL)
        return bytes;
    error_set(err, "%.200s: entry \"%.200s\": expected %zu bytes, found %s %zu packed ones",
              z->path, e->name, e->size, wrong, e->packed);
    mem_free(bytes);
    return NULL;
}

void zip_free(ZipFile *z)
{
    if (z == NULL)
        return;
    for (size_t i = 0; i < z->count; i++)
        mem_free(z->entries[i].name);
    mem_free(z->entries);
    mem_free(z->buffer);
    mem_free(z->path);
    mem_free(z);
}

const ZipEntry *zip_find(const ZipFile *z, const char *name)
{
    size_t low = 0, high = z->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, z->entries[middle].name);
        if (order == 0)
            return &z->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
