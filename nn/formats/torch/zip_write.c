/* Entries go out as they come; what the directory has to say of them is kept for the end. */
#include "nn/formats/torch/zip_write.h"

#include <stdio.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/packed/crc32.h"
#include "nn/formats/torch/zip_format.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { EXTRA_PADDING = 0x4246 }; /* "FB", the number of PyTorch's own padding */

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

static void put_value(ZipWriter *w, uint64_t value, size_t n)
{
    unsigned char bytes[8];
    little_endian_put(bytes, n, value);
    fwrite(bytes, 1, n, w->out.file);
    w->offset += n;
}

static void put_zeros(ZipWriter *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_value(w, 0, 1);
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
    put_value(w, value >= w->limit ? ZIP_NONE32 : value, 4);
}

ZipWriter *zip_create(const char *path, Error *err)
{
    ZipWriter *w = mem_zeroed(1, sizeof *w);
    w->limit = ZIP_NONE32;
    if (output_open(&w->out, path, err))
        return w;
    mem_free(w);
    return NULL;
}

void zip_zip64_from(ZipWriter *w, uint64_t limit)
{
    TENSOR_CHECK(limit <= ZIP_NONE32, "limit above 2^32 - 1");
    w->limit = limit;
}

static void remember(ZipWriter *w, const char *name, uint32_t crc, size_t size)
{
    if (w->count == w->capacity)
        w->entries = mem_grow(w->entries, &w->capacity, 64, sizeof *w->entries);
    w->entries[w->count++] = (Written){mem_string(name), crc, size, w->offset};
}

/* Version 2.0 or 4.5 (zip64); no flags; stored; midnight of 1980-01-01; CRC and sizes. */
static void put_common(ZipWriter *w, const Written *e, bool zip64)
{
    put_value(w, zip64 ? 45 : 20, 2);
    put_value(w, 0, 4);
    put_value(w, 0x00210000, 4);
    put_value(w, e->crc, 4);
    put_value(w, zip64 ? ZIP_NONE32 : e->size, 4);
    put_value(w, zip64 ? ZIP_NONE32 : e->size, 4);
    put_value(w, strlen(e->name), 2);
}

void zip_add(ZipWriter *w, const char *name, const void *bytes, size_t size)
{
    TENSOR_CHECK(*name != '\0' && strlen(name) <= ZIP_NAME_LIMIT, "a name of %zu bytes",
                 strlen(name));
    for (size_t i = 0; i < w->count; i++)
        TENSOR_CHECK(strcmp(w->entries[i].name, name) != 0, "two entries \"%s\"", name);
    remember(w, name, crc32_of(bytes, size), size);
    const Written *e = &w->entries[w->count - 1];
    const bool zip64 = size >= w->limit;
    const size_t wide = zip64 ? 20 : 0;
    const size_t before = ZIP_HEADER_SIZE + strlen(name) + wide + 4;
    const size_t padding = (size_t)(ZIP_ALIGN - (w->offset + before) % ZIP_ALIGN) % ZIP_ALIGN;
    put_value(w, ZIP_SIGN_HEADER, 4);
    put_common(w, e, zip64);
    put_value(w, wide + 4 + padding, 2);
    put_bytes(w, name, strlen(name));
    if (zip64) {
        put_value(w, ZIP_EXTRA_ZIP64, 2);
        put_value(w, 16, 2);
        put_value(w, size, 8);
        put_value(w, size, 8);
    }
    put_value(w, EXTRA_PADDING, 2);
    put_value(w, padding, 2);
    put_zeros(w, padding);
    put_bytes(w, bytes, size);
}

static void put_record(ZipWriter *w, const Written *e)
{
    const bool wide_size = e->size >= w->limit, wide_place = e->header >= w->limit;
    const size_t wide = (wide_size ? 16 : 0) + (wide_place ? 8 : 0);
    put_value(w, ZIP_SIGN_RECORD, 4);
    put_value(w, wide > 0 ? 45 : 20, 2);
    put_common(w, e, wide_size);
    put_value(w, wide > 0 ? wide + 4 : 0, 2);
    put_zeros(w, 10); /* comment, disk, attributes */
    put_narrow(w, e->header);
    put_bytes(w, e->name, strlen(e->name));
    if (wide > 0) {
        put_value(w, ZIP_EXTRA_ZIP64, 2);
        put_value(w, wide, 2);
    }
    if (wide_size) {
        put_value(w, e->size, 8);
        put_value(w, e->size, 8);
    }
    if (wide_place)
        put_value(w, e->header, 8);
}

static void put_end(ZipWriter *w, uint64_t start, uint64_t size)
{
    const uint64_t at = w->offset;
    const bool many = w->count >= ZIP_NONE16 || w->count >= w->limit;
    if (many || start >= w->limit || size >= w->limit) {
        put_value(w, ZIP_SIGN_END64, 4);
        put_value(w, ZIP_END64_SIZE - 12, 8);
        put_value(w, 45 | 45 << 16, 4);
        put_value(w, 0, 8);
        put_value(w, w->count, 8);
        put_value(w, w->count, 8);
        put_value(w, size, 8);
        put_value(w, start, 8);
        put_value(w, ZIP_SIGN_LOCATOR, 4);
        put_value(w, 0, 4);
        put_value(w, at, 8);
        put_value(w, 1, 4);
    }
    put_value(w, ZIP_SIGN_END, 4);
    put_value(w, 0, 4);
    put_value(w, many ? ZIP_NONE16 : w->count, 2);
    put_value(w, many ? ZIP_NONE16 : w->count, 2);
    put_narrow(w, size);
    put_narrow(w, start);
    put_value(w, 0, 2);
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
