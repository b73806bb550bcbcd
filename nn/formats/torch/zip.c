/* The format, from the end backwards: end record (22 bytes); before it, if the archive is zip64,
 * a locator (20) and a wider end record (56); before that the directory, one record an entry; at
 * the start the entries, each behind a header of its own, and perhaps followed by a descriptor that
 * repeats CRC and sizes.
 *
 * Reading takes the whole file into one buffer, parses the directory into `Record`s, checks each
 * against its header, and then all together, sorted by place: no two may overlap. */
#include "nn/formats/torch/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/crc32.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"

enum {
    END_SIZE = 22,
    LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    RECORD_SIZE = 46,
    HEADER_SIZE = 30,
    NAME_LIMIT = 400,
    ENTRY_LIMIT = 200000,
    COMMENT_LIMIT = 65535,
    EXTRA_ZIP64 = 1,
    EXTRA_PADDING = 0x4246
};
enum { FLAG_ENCRYPTED = 0x2041, FLAG_PATCH = 0x20, FLAG_DESCRIPTOR = 8 };
static const uint32_t SIGN_HEADER = 0x04034b50, SIGN_RECORD = 0x02014b50, SIGN_END = 0x06054b50,
                      SIGN_END64 = 0x06064b50, SIGN_LOCATOR = 0x07064b50,
                      SIGN_DESCRIPTOR = 0x08074b50;
static const uint32_t NONE16 = 0xFFFF, NONE32 = 0xFFFFFFFF; /* "see the zip64 record" */

/* ---- reading ---- */

typedef struct Directory {
    uint64_t entries, size, offset;
    size_t end; /* where the directory must end */
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
    if (!platform_file_size(z->path, &z->size))
        return error_set(err, "%.200s: expected a readable file", z->path);
    if (z->size < END_SIZE)
        return error_set(err, "%.200s: expected a zip archive, found %zu bytes", z->path, z->size);
    z->buffer = mem_try(z->size, 1);
    if (z->buffer == NULL)
        return error_set(err, "%.200s: expected a file that fits in memory, found %zu bytes",
                         z->path, z->size);
    FILE *f = fopen(z->path, "rb");
    const size_t got = f != NULL ? fread(z->buffer, 1, z->size, f) : 0;
    if (f != NULL)
        fclose(f);
    return got == z->size ||
           error_set(err, "%.200s: expected %zu bytes, could read %zu", z->path, z->size, got);
}

/* The end record: the last place whose comment reaches exactly to the end of the file. */
static bool find_end(const ZipFile *z, size_t *at, Error *err)
{
    const size_t last = z->size - END_SIZE;
    const size_t first = last > COMMENT_LIMIT ? last - COMMENT_LIMIT : 0;
    for (size_t i = last + 1; i-- > first;)
        if (little_endian(z->buffer + i, 4) == SIGN_END &&
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
    const unsigned char *locator = z->buffer + end - LOCATOR_SIZE;
    const uint64_t at = little_endian(locator + 8, 8);
    if (little_endian(locator + 4, 4) != 0 || little_endian(locator + 16, 4) > 1)
        return error_set(err, "%.200s: expected an archive in one file", z->path);
    if (end < LOCATOR_SIZE + END64_SIZE || at != end - LOCATOR_SIZE - END64_SIZE ||
        little_endian(z->buffer + at, 4) != SIGN_END64 ||
        little_endian(z->buffer + at + 4, 8) != END64_SIZE - 12)
        return error_set(err,
                         "%.200s: expected the zip64 end record right before its locator, found "
                         "its offset to be %.0f in a file of %zu bytes",
                         z->path, (double)at, z->size);
    const unsigned char *p = z->buffer + at;
    const Directory wide = {little_endian(p + 32, 8), little_endian(p + 40, 8),
                            little_endian(p + 48, 8), (size_t)at};
    if (little_endian(p + 16, 8) != 0 || little_endian(p + 24, 8) != wide.entries)
        return error_set(err, "%.200s: expected an archive in one file", z->path);
    if (!agrees(d->entries, NONE16, wide.entries) || !agrees(d->size, NONE32, wide.size) ||
        !agrees(d->offset, NONE32, wide.offset))
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
                     at};
    if (little_endian(p + 4, 4) != 0 || little_endian(p + 8, 2) != d->entries)
        return error_set(err, "%.200s: expected an archive in one file", z->path);
    if (at >= LOCATOR_SIZE && little_endian(p - LOCATOR_SIZE, 4) == SIGN_LOCATOR &&
        !parse_end64(z, at, d, err))
        return false;
    if (d->size > d->end || d->offset != d->end - d->size || d->entries > d->size / RECORD_SIZE)
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
        for (size_t i = 0; id == EXTRA_ZIP64 && i < 3; i++)
            if (*wide[i] == NONE32) {
                if (used + 8 > at + 4 + size)
                    return false;
                *wide[i] = little_endian(extra + used, 8);
                used += 8;
            }
        at += 4 + (size_t)size;
        if (id == EXTRA_ZIP64)
            return true; /* what follows is none of our business */
    }
    return r->size != NONE32 && r->packed != NONE32 && r->header != NONE32;
}

static bool parse_name(const ZipFile *z, const unsigned char *p, size_t length, Record *r,
                       Error *err)
{
    bool plain = length >= 1 && length <= NAME_LIMIT;
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
    if (d->end - *at < RECORD_SIZE || little_endian(p, 4) != SIGN_RECORD)
        return error_set(err, "%.200s: expected a directory record at byte %zu", z->path, *at);
    const size_t name = (size_t)little_endian(p + 28, 2), extra = (size_t)little_endian(p + 30, 2);
    const size_t length = RECORD_SIZE + name + extra + (size_t)little_endian(p + 32, 2);
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
    if (!parse_name(z, p + RECORD_SIZE, name, r, err))
        return false;
    if (!parse_zip64(p + RECORD_SIZE + name, extra, r))
        return bad_entry(z, r, "expected a zip64 field with the values its record lacks", err);
    if (little_endian(p + 34, 2) != 0)
        return bad_entry(z, r, "expected an archive in one file", err);
    if ((r->flags & FLAG_ENCRYPTED) != 0)
        return bad_entry(z, r, "expected no encryption", err);
    if (r->method != 0 || r->packed != r->size || (r->flags & FLAG_PATCH) != 0)
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
    const bool sign =
        room >= 16 && little_endian(p, 4) == SIGN_DESCRIPTOR && little_endian(p + 4, 4) == r->crc;
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

/* The header in front of the entry, which must say what the directory says. */
static bool check_header(const ZipFile *z, const Directory *d, Record *r, Error *err)
{
    const size_t limit = (size_t)d->offset;
    const bool inside = r->header <= limit && limit - r->header >= HEADER_SIZE;
    const unsigned char *p = z->buffer + (inside ? r->header : 0);
    if (!inside || little_endian(p, 4) != SIGN_HEADER)
        return bad_entry(z, r, "expected its header within the file, where the directory says",
                         err);
    const size_t name = (size_t)little_endian(p + 26, 2);
    const size_t before = HEADER_SIZE + name + (size_t)little_endian(p + 28, 2);
    if (before > limit - r->header || r->size > limit - r->header - before)
        return bad_entry(z, r, "expected its bytes to end before the directory", err);
    if (name != r->name_length || memcmp(p + HEADER_SIZE, r->name, name) != 0)
        return bad_entry(z, r, "expected the same name in header and directory", err);
    if (little_endian(p + 6, 2) != r->flags || little_endian(p + 8, 2) != r->method)
        return bad_entry(z, r, "expected the same flags and method in header and directory", err);
    const uint64_t packed = little_endian(p + 18, 4), size = little_endian(p + 22, 4),
                   crc = little_endian(p + 14, 4);
    const bool later = (r->flags & FLAG_DESCRIPTOR) != 0;
    if ((packed != r->packed && packed != NONE32 && !(later && packed == 0)) ||
        (size != r->size && size != NONE32 && !(later && size == 0)) ||
        (crc != r->crc && !(later && crc == 0)))
        return bad_entry(z, r, "expected the same CRC and sizes in header and directory", err);
    r->data = (size_t)r->header + before;
    r->end = r->data + (size_t)r->size;
    if (crc32_of(z->buffer + r->data, (size_t)r->size) != r->crc)
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

static bool parse_records(const ZipFile *z, const Directory *d, Record *records, Error *err)
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
        z->entries[i] = (ZipEntry){name, z->buffer + r->data, (size_t)r->size};
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

static bool parse(ZipFile *z, Error *err)
{
    Directory d;
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

ZipFile *zip_read(const char *path, Error *err)
{
    ZipFile *z = mem_zeroed(1, sizeof *z);
    z->path = mem_string(path);
    if (parse(z, err))
        return z;
    zip_free(z);
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

/* ---- writing ---- */

typedef struct Written {
    char *name;
    uint32_t crc;
    uint64_t size, header;
} Written;

struct ZipWriter {
    OutputFile out;
    Written *entries;
    size_t count, capacity;
    uint64_t offset, limit;
};

static void put(ZipWriter *w, uint64_t value, size_t n)
{
    unsigned char bytes[8];
    little_endian_put(bytes, n, value);
    fwrite(bytes, 1, n, w->out.file);
    w->offset += n;
}

static void put_zeros(ZipWriter *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(w, 0, 1);
}

static void put_bytes(ZipWriter *w, const void *bytes, size_t n)
{
    if (n > 0)
        fwrite(bytes, 1, n, w->out.file);
    w->offset += n;
}

/* A value in 4 bytes, or the mark that it is in the zip64 field. */
static void put_narrow(ZipWriter *w, uint64_t value)
{
    put(w, value >= w->limit ? NONE32 : value, 4);
}

ZipWriter *zip_create(const char *path, Error *err)
{
    ZipWriter *w = mem_zeroed(1, sizeof *w);
    w->limit = NONE32;
    if (output_open(&w->out, path, err))
        return w;
    mem_free(w);
    return NULL;
}

void zip_zip64_from(ZipWriter *w, uint64_t limit)
{
    TENSOR_CHECK(limit <= NONE32, "limit above 2^32 - 1");
    w->limit = limit;
}

static void remember(ZipWriter *w, const char *name, uint32_t crc, size_t size)
{
    if (w->count == w->capacity) {
        const size_t more = w->capacity == 0 ? 64 : 2 * w->capacity;
        w->entries = mem_resize(w->entries, w->capacity, more, sizeof *w->entries);
        w->capacity = more;
    }
    w->entries[w->count++] = (Written){mem_string(name), crc, size, w->offset};
}

/* Version 2.0 or 4.5 (zip64); no flags; stored; midnight of 1980-01-01; CRC and sizes. */
static void put_common(ZipWriter *w, const Written *e, bool zip64)
{
    put(w, zip64 ? 45 : 20, 2);
    put(w, 0, 4);
    put(w, 0x00210000, 4);
    put(w, e->crc, 4);
    put(w, zip64 ? NONE32 : e->size, 4);
    put(w, zip64 ? NONE32 : e->size, 4);
    put(w, strlen(e->name), 2);
}

void zip_add(ZipWriter *w, const char *name, const void *bytes, size_t size)
{
    TENSOR_CHECK(*name != '\0' && strlen(name) <= NAME_LIMIT, "a name of %zu bytes", strlen(name));
    for (size_t i = 0; i < w->count; i++)
        TENSOR_CHECK(strcmp(w->entries[i].name, name) != 0, "two entries \"%s\"", name);
    remember(w, name, crc32_of(bytes, size), size);
    const Written *e = &w->entries[w->count - 1];
    const bool zip64 = size >= w->limit;
    const size_t wide = zip64 ? 20 : 0;
    const size_t before = HEADER_SIZE + strlen(name) + wide + 4;
    const size_t padding = (size_t)(ZIP_ALIGN - (w->offset + before) % ZIP_ALIGN) % ZIP_ALIGN;
    put(w, SIGN_HEADER, 4);
    put_common(w, e, zip64);
    put(w, wide + 4 + padding, 2);
    put_bytes(w, name, strlen(name));
    if (zip64) {
        put(w, EXTRA_ZIP64, 2);
        put(w, 16, 2);
        put(w, size, 8);
        put(w, size, 8);
    }
    put(w, EXTRA_PADDING, 2);
    put(w, padding, 2);
    put_zeros(w, padding);
    put_bytes(w, bytes, size);
}

static void put_record(ZipWriter *w, const Written *e)
{
    const bool wide_size = e->size >= w->limit, wide_place = e->header >= w->limit;
    const size_t wide = (wide_size ? 16 : 0) + (wide_place ? 8 : 0);
    put(w, SIGN_RECORD, 4);
    put(w, wide > 0 ? 45 : 20, 2);
    put_common(w, e, wide_size);
    put(w, wide > 0 ? wide + 4 : 0, 2);
    put_zeros(w, 10); /* comment, disk, attributes */
    put_narrow(w, e->header);
    put_bytes(w, e->name, strlen(e->name));
    if (wide > 0) {
        put(w, EXTRA_ZIP64, 2);
        put(w, wide, 2);
    }
    if (wide_size) {
        put(w, e->size, 8);
        put(w, e->size, 8);
    }
    if (wide_place)
        put(w, e->header, 8);
}

static void put_end(ZipWriter *w, uint64_t start, uint64_t size)
{
    const uint64_t at = w->offset;
    const bool many = w->count >= NONE16 || w->count >= w->limit;
    if (many || start >= w->limit || size >= w->limit) {
        put(w, SIGN_END64, 4);
        put(w, END64_SIZE - 12, 8);
        put(w, 45 | 45 << 16, 4);
        put(w, 0, 8);
        put(w, w->count, 8);
        put(w, w->count, 8);
        put(w, size, 8);
        put(w, start, 8);
        put(w, SIGN_LOCATOR, 4);
        put(w, 0, 4);
        put(w, at, 8);
        put(w, 1, 4);
    }
    put(w, SIGN_END, 4);
    put(w, 0, 4);
    put(w, many ? NONE16 : w->count, 2);
    put(w, many ? NONE16 : w->count, 2);
    put_narrow(w, size);
    put_narrow(w, start);
    put(w, 0, 2);
}

static void writer_free(ZipWriter *w)
{
    for (size_t i = 0; i < w->count; i++)
        mem_free(w->entries[i].name);
    mem_free(w->entries);
    mem_free(w);
}

bool zip_close(ZipWriter *w, Error *err)
{
    const uint64_t start = w->offset;
    for (size_t i = 0; i < w->count; i++)
        put_record(w, &w->entries[i]);
    put_end(w, start, w->offset - start);
    const bool ok = output_commit(&w->out, err);
    writer_free(w);
    return ok;
}

void zip_cancel(ZipWriter *w)
{
    if (w == NULL)
        return;
    output_cancel(&w->out);
    writer_free(w);
}
