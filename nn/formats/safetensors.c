/* Reading: the whole file into one buffer, the header through the JSON reader, then every entry is
 * checked alone (type, shape, size) and the entries together: sorted by offset they must tile the
 * data from its first byte to its last.  Names of tensors point into their own copies, bytes into
 * the buffer.
 *
 * Writing: the header goes out behind a length of zero, padded with spaces to a multiple of 8; the
 * length is put in afterwards. */
#include "nn/formats/safetensors.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/json.h"
#include "nn/formats/read_file.h"
#include "nn/formats/sha256.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum {
    HEADER_LIMIT = 100 * 1000 * 1000, /* as in the format's own library */
    NAME_LIMIT = 400,                 /* a path of layers, short enough to be in a sentence */
    CHUNK = 1024                      /* numbers turned into bytes at once */
};

/* All types of the format; only the first four are turned into float32. */
static const struct {
    char name[SAFETENSORS_DTYPE];
    size_t bits;
} dtypes[] = {{"F32", 32},    {"F64", 64},        {"F16", 16},        {"BF16", 16},
              {"I64", 64},    {"I32", 32},        {"I16", 16},        {"I8", 8},
              {"U64", 64},    {"U32", 32},        {"U16", 16},        {"U8", 8},
              {"BOOL", 8},    {"C64", 64},        {"F8_E4M3", 8},     {"F8_E5M2", 8},
              {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
              {"F6_E3M2", 6}, {"F4", 4}};

/* ---- reading ---- */

static bool bad_tensor(const SafetensorsFile *f, const FileTensor *t, const char *what, Error *err)
{
    return error_set(err, "%.200s: tensor \"%.200s\": %s", f->path, t->name, what);
}

static bool parse_dtype(const SafetensorsFile *f, FileTensor *t, const Json *entry, size_t *bits,
                        Error *err)
{
    const Json *dtype = json_get(entry, "dtype");
    if (dtype == NULL || dtype->type != JSON_STRING)
        return bad_tensor(f, t, "expected a string \"dtype\"", err);
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, dtype->string) == 0) {
            memcpy(t->dtype, dtypes[i].name, sizeof t->dtype);
            *bits = dtypes[i].bits;
            return true;
        }
    return error_set(err,
                     "%.200s: tensor \"%.200s\": expected \"dtype\" to be a known type such as "
                     "F32, F64, F16 or BF16, found %.40s",
                     f->path, t->name, dtype->string);
}

/* Numbers of 4 and 6 bits fill whole bytes together. */
static bool whole_bytes(size_t count, size_t bits, size_t *bytes)
{
    if (bits % 8 == 0)
        return mem_product(count, bits / 8, bytes);
    const bool whole = mem_product(count, bits, bytes) && *bytes % 8 == 0;
    *bytes /= 8;
    return whole;
}

static bool parse_shape(const SafetensorsFile *f, FileTensor *t, const Json *entry, size_t bits,
                        Error *err)
{
    const Json *shape = json_get(entry, "shape");
    if (shape == NULL || shape->type != JSON_ARRAY || shape->count > SAFETENSORS_MAX_RANK)
        return bad_tensor(f, t, "expected \"shape\" to be an array of at most 8 numbers", err);
    t->rank = (int)shape->count;
    t->count = 1;
    for (size_t i = 0; i < shape->count; i++) {
        if (!json_whole(&shape->items[i], &t->shape[i]))
            return bad_tensor(
                f, t,
                "expected whole numbers from 0 to 2^53 in \"shape\", each of which fits in memory",
                err);
        if (!mem_product(t->count, t->shape[i], &t->count))
            return bad_tensor(f, t, "expected a shape whose product fits in memory", err);
    }
    if (!whole_bytes(t->count, bits, &t->byte_count))
        return bad_tensor(f, t, "expected a shape of whole bytes whose number fits in memory", err);
    return true;
}

static bool parse_offsets(const SafetensorsFile *f, FileTensor *t, const Json *entry,
                          const unsigned char *data, size_t data_size, Error *err)
{
    size_t begin, end;
    const Json *offsets = json_get(entry, "data_offsets");
    if (offsets == NULL || offsets->type != JSON_ARRAY || offsets->count != 2 ||
        !json_whole(&offsets->items[0], &begin) || !json_whole(&offsets->items[1], &end))
        return bad_tensor(f, t, "expected \"data_offsets\" to be two whole numbers", err);
    if (begin > end || end > data_size)
        return error_set(err,
                         "%.200s: tensor \"%.200s\": expected data_offsets in order and within "
                         "the file's %zu data bytes, found [%zu, %zu]",
                         f->path, t->name, data_size, begin, end);
    if (end - begin != t->byte_count)
        return error_set(err,
                         "%.200s: tensor \"%.200s\": expected %zu bytes for its shape and dtype, "
                         "found data_offsets [%zu, %zu]",
                         f->path, t->name, t->byte_count, begin, end);
    t->bytes = data + begin;
    return true;
}

static bool plain_name(const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return false;
    return *name != '\0' && strlen(name) <= NAME_LIMIT;
}

static bool parse_tensor(SafetensorsFile *f, const char *name, const Json *entry,
                         const unsigned char *data, size_t data_size, Error *err)
{
    size_t bits = 0;
    if (!plain_name(name))
        return error_set(err,
                         "%.200s: expected names of tensors to be 1 to 400 bytes long "
                         "without control characters",
                         f->path);
    FileTensor *t = &f->tensors[f->tensor_count++];
    t->name = mem_string(name);
    if (entry->type != JSON_OBJECT || entry->count != 3)
        return bad_tensor(f, t, "expected exactly dtype, shape and data_offsets", err);
    return parse_dtype(f, t, entry, &bits, err) && parse_shape(f, t, entry, bits, err) &&
           parse_offsets(f, t, entry, data, data_size, err);
}

static bool parse_meta(SafetensorsFile *f, const Json *meta, Error *err)
{
    if (meta->type == JSON_NULL) /* some writers' word for none */
        return true;
    if (meta->type != JSON_OBJECT)
        return error_set(err, "%.200s: expected __metadata__ to be an object", f->path);
    f->meta = mem_zeroed(meta->count, sizeof *f->meta);
    for (size_t i = 0; i < meta->count; i++) {
        if (meta->items[i].type != JSON_STRING)
            return error_set(err, "%.200s: __metadata__: expected \"%.100s\" to be a string",
                             f->path, meta->keys[i]);
        f->meta[i].key = mem_string(meta->keys[i]);
        f->meta[i].value = mem_string(meta->items[i].string);
        f->meta_count++;
    }
    return true;
}

static int compare_offsets(const void *a, const void *b)
{
    const FileTensor *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    if (x->byte_count != y->byte_count)
        return x->byte_count < y->byte_count ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Sorts the tensors by offset and checks that they follow each other without overlap or gap. */
static bool check_tiling(SafetensorsFile *f, const unsigned char *data, size_t data_size,
                         Error *err)
{
    const unsigned char *end = data;
    if (f->tensor_count > 0)
        qsort(f->tensors, f->tensor_count, sizeof *f->tensors, compare_offsets);
    for (size_t i = 0; i < f->tensor_count; i++) {
        const FileTensor *t = &f->tensors[i];
        if (t->bytes != end)
            return error_set(err,
                             "%.200s: tensor \"%.200s\": expected its data at offset %zu, right "
                             "after the tensor before it, found %s at %zu",
                             f->path, t->name, (size_t)(end - data),
                             t->bytes < end ? "an overlap" : "a gap", (size_t)(t->bytes - data));
        end += t->byte_count;
    }
    if (end != data + data_size)
        return error_set(err, "%.200s: expected %zu bytes of data as the header says, found %zu",
                         f->path, (size_t)(end - data), data_size);
    return true;
}

static bool parse_header(SafetensorsFile *f, const Json *header, size_t data_at, size_t file_size,
                         Error *err)
{
    const unsigned char *data = f->buffer + data_at;
    if (header->type != JSON_OBJECT)
        return error_set(err, "%.200s: expected the header to be a JSON object", f->path);
    f->tensors = mem_zeroed(header->count, sizeof *f->tensors);
    for (size_t i = 0; i < header->count; i++) {
        const Json *entry = &header->items[i];
        bool ok = strcmp(header->keys[i], "__metadata__") == 0
                      ? parse_meta(f, entry, err)
                      : parse_tensor(f, header->keys[i], entry, data, file_size - data_at, err);
        if (!ok)
            return false;
    }
    return check_tiling(f, data, file_size - data_at, err);
}

static bool parse_safetensors(SafetensorsFile *f, Error *err)
{
    const size_t size = f->size;
    if (size < 10)
        return error_set(err, "%.200s: expected a file of at least 10 bytes, found %zu", f->path,
                         size);
    uint64_t length = little_endian(f->buffer, 8);
    if (length < 2 || length >= HEADER_LIMIT || length > size - 8)
        return error_set(err,
                         "%.200s: expected a header of 2 to %zu bytes, found a length of %llu (is "
                         "it a .safetensors file?)",
                         f->path, size - 8 < HEADER_LIMIT ? size - 8 : (size_t)HEADER_LIMIT - 1,
                         (unsigned long long)length);
    Json *header = json_parse((const char *)f->buffer + 8, (size_t)length, f->path, err);
    bool ok = header != NULL && parse_header(f, header, 8 + (size_t)length, size, err);
    json_free(header);
    return ok;
}

SafetensorsFile *safetensors_read(const char *path, Error *err)
{
    SafetensorsFile *f = mem_zeroed(1, sizeof *f);
    f->path = mem_string(path);
    f->buffer =
        read_file(path, "expected a readable .safetensors file", READ_ANY_SIZE, &f->size, err);
    if (f->buffer == NULL || !parse_safetensors(f, err)) {
        safetensors_free(f);
        return NULL;
    }
    return f;
}

void safetensors_free(SafetensorsFile *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->tensor_count; i++)
        mem_free(f->tensors[i].name);
    for (size_t i = 0; i < f->meta_count; i++) {
        mem_free(f->meta[i].key);
        mem_free(f->meta[i].value);
    }
    mem_free(f->tensors);
    mem_free(f->meta);
    mem_free(f->buffer);
    mem_free(f->path);
    mem_free(f);
}

const FileTensor *safetensors_find(const SafetensorsFile *f, const char *name)
{
    for (size_t i = 0; i < f->tensor_count; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    return NULL;
}

const char *safetensors_meta(const SafetensorsFile *f, const char *key)
{
    for (size_t i = 0; i < f->meta_count; i++)
        if (strcmp(f->meta[i].key, key) == 0)
            return f->meta[i].value;
    return NULL;
}

/* ---- the hash of what is in a file ---- */

static void hash_meta(Sha256 *s, const MetaEntry *meta, size_t count, const char *except)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(meta[i].key, except) != 0) {
            sha256_add(s, meta[i].key, strlen(meta[i].key) + 1);
            sha256_add(s, meta[i].value, strlen(meta[i].value) + 1);
        }
}

/* Those without bytes are left out, since a file does not say in which order they are. */
static void hash_tensor(Sha256 *s, const char *name, const unsigned char *bytes, size_t count)
{
    if (count > 0) {
        sha256_add(s, name, strlen(name) + 1);
        sha256_add(s, bytes, count);
    }
}

void safetensors_file_hash(const SafetensorsFile *f, const char *except, char out[65])
{
    Sha256 s;
    sha256_init(&s);
    hash_meta(&s, f->meta, f->meta_count, except);
    for (size_t i = 0; i < f->tensor_count; i++)
        hash_tensor(&s, f->tensors[i].name, f->tensors[i].bytes, f->tensors[i].byte_count);
    sha256_hex(&s, out);
}

/* ---- numbers ---- */

bool safetensors_floats(const FileTensor *t, float *out, const char *path, Error *err)
{
    if (strcmp(t->dtype, "F32") == 0) {
        for (size_t i = 0; i < t->count; i++)
            out[i] = float_of_bits((uint32_t)little_endian(t->bytes + 4 * i, 4));
    } else if (strcmp(t->dtype, "F16") == 0) {
        for (size_t i = 0; i < t->count; i++)
            out[i] = float_of_half((uint32_t)little_endian(t->bytes + 2 * i, 2));
    } else if (strcmp(t->dtype, "BF16") == 0) {
        for (size_t i = 0; i < t->count; i++)
            out[i] = float_of_bits((uint32_t)little_endian(t->bytes + 2 * i, 2) << 16);
    } else if (strcmp(t->dtype, "F64") == 0) {
        for (size_t i = 0; i < t->count; i++) {
            double d = double_of_bits(little_endian(t->bytes + 8 * i, 8));
            if (isfinite(d) && fabs(d) > FLT_MAX)
                return error_set(err,
                                 "%.200s: tensor \"%.200s\": expected numbers in the range of "
                                 "float32, found %g",
                                 path, t->name, d);
            out[i] = (float)d;
        }
    } else {
        return error_set(err,
                         "%.200s: tensor \"%.200s\": expected dtype F32, F64, F16 or BF16, "
                         "found %s",
                         path, t->name, t->dtype);
    }
    return true;
}

/* ---- writing ---- */

typedef struct WriterTensor {
    char *name;
    int rank;
    size_t shape[SAFETENSORS_MAX_RANK];
    size_t count;
    const float *data;
    const char *dtype;          /* of bytes; NULL: data, F32 or F16 */
    const unsigned char *bytes; /* in place of data */
} WriterTensor;

struct SafetensorsWriter {
    bool half; /* F16 in place of F32 */
    WriterTensor *tensors;
    size_t count, capacity;
    MetaEntry *meta;
    size_t meta_count, meta_capacity;
};

SafetensorsWriter *safetensors_writer(void)
{
    return mem_zeroed(1, sizeof(SafetensorsWriter));
}

void safetensors_add(SafetensorsWriter *w, const char *name, int rank, const size_t *shape,
                     const float *data)
{
    TENSOR_CHECK(rank >= 0 && rank <= SAFETENSORS_MAX_RANK, "rank %d of %s", rank, name);
    TENSOR_CHECK(plain_name(name) && strcmp(name, "__metadata__") != 0, "name \"%s\"", name);
    for (size_t i = 0; i < w->count; i++)
        TENSOR_CHECK(strcmp(w->tensors[i].name, name) != 0, "two tensors \"%s\"", name);
    if (w->count == w->capacity)
        w->tensors = mem_grow(w->tensors, &w->capacity, 64, sizeof *w->tensors);
    WriterTensor *t = &w->tensors[w->count++];
    *t = (WriterTensor){.name = mem_string(name), .rank = rank, .count = 1, .data = data};
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        TENSOR_CHECK(mem_product(t->count, shape[i], &t->count), "axis %d of %s: %zu entries", i,
                     name, shape[i]);
    }
}

void safetensors_add_bytes(SafetensorsWriter *w, const char *name, const char *dtype, int rank,
                           const size_t *shape, const unsigned char *bytes)
{
    static const char *const known[] = {"F64", "U8"};
    const bool wide = strcmp(dtype, known[0]) == 0;
    TENSOR_CHECK(wide || strcmp(dtype, known[1]) == 0, "type %s of %s", dtype, name);
    safetensors_add(w, name, rank, shape, NULL);
    w->tensors[w->count - 1].dtype = wide ? known[0] : known[1];
    w->tensors[w->count - 1].bytes = bytes;
}

void safetensors_add_meta(SafetensorsWriter *w, const char *key, const char *value)
{
    for (size_t i = 0; i < w->meta_count; i++)
        TENSOR_CHECK(strcmp(w->meta[i].key, key) != 0, "two metadata entries \"%s\"", key);
    if (w->meta_count == w->meta_capacity)
        w->meta = mem_grow(w->meta, &w->meta_capacity, 16, sizeof *w->meta);
    w->meta[w->meta_count++] = (MetaEntry){mem_string(key), mem_string(value)};
}

static void write_length(FILE *f, uint64_t length)
{
    unsigned char bytes[8];
    little_endian_put(bytes, sizeof bytes, length);
    fwrite(bytes, 1, sizeof bytes, f);
}

/* Nearest F16, halfway cases to even; |x| below 65520. */
static uint32_t half_of_float(float x)
{
    uint32_t bits = bits_of_float(x);
    const uint32_t sign = bits >> 16 & 0x8000;
    bits &= 0x7FFFFFFF;
    if (bits < 0x38800000) /* under 2^-14: multiples of 2^-24, which rint rounds alike */
        return sign | (uint32_t)rint((double)float_of_bits(bits) * 16777216.0);
    bits += 0xFFF + (bits >> 13 & 1);
    return sign | ((bits >> 13) - (112u << 10));
}

static size_t tensor_bytes(const SafetensorsWriter *w, const WriterTensor *t)
{
    const size_t size = t->dtype == NULL ? (w->half ? 2 : 4) : strcmp(t->dtype, "F64") == 0 ? 8 : 1;
    return size * t->count;
}

void safetensors_writer_hash(const SafetensorsWriter *w, char out[65])
{
    Sha256 s;
    sha256_init(&s);
    hash_meta(&s, w->meta, w->meta_count, "");
    for (size_t i = 0; i < w->count; i++) {
        const WriterTensor *t = &w->tensors[i];
        TENSOR_CHECK(t->dtype != NULL, "%s: expected bytes", t->name);
        hash_tensor(&s, t->name, t->bytes, tensor_bytes(w, t));
    }
    sha256_hex(&s, out);
}

static void describe_tensor(FILE *f, const SafetensorsWriter *w, const WriterTensor *t,
                            size_t offset)
{
    json_write_string(f, t->name);
    fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[",
            t->dtype != NULL ? t->dtype
            : w->half        ? "F16"
                             : "F32");
    for (int i = 0; i < t->rank; i++)
        fprintf(f, "%s%zu", i > 0 ? "," : "", t->shape[i]);
    fprintf(f, "],\"data_offsets\":[%zu,%zu]}", offset, offset + tensor_bytes(w, t));
}

static bool write_json_header(const SafetensorsWriter *w, FILE *f)
{
    size_t offset = 0;
    write_length(f, 0);
    putc('{', f);
    if (w->meta_count > 0)
        fputs("\"__metadata__\":{", f);
    for (size_t i = 0; i < w->meta_count; i++) {
        json_write_string(f, w->meta[i].key);
        putc(':', f);
        json_write_string(f, w->meta[i].value);
        putc(i + 1 < w->meta_count ? ',' : '}', f);
    }
    for (size_t i = 0; i < w->count; i++) {
        if (i > 0 || w->meta_count > 0)
            putc(',', f);
        describe_tensor(f, w, &w->tensors[i], offset);
        offset += tensor_bytes(w, &w->tensors[i]);
    }
    putc('}', f);
    long end = ftell(f);
    if (end < 0)
        return false;
    for (; end % 8 != 0; end++)
        putc(' ', f);
    if (fseek(f, 0, SEEK_SET) != 0)
        return false;
    write_length(f, (uint64_t)end - 8);
    return fseek(f, end, SEEK_SET) == 0;
}

static void write_floats(FILE *f, const SafetensorsWriter *w, const float *data, size_t count)
{
    unsigned char bytes[4 * CHUNK];
    const size_t size = w->half ? 2 : 4;
    for (size_t first = 0; first < count; first += CHUNK) {
        size_t n = count - first < CHUNK ? count - first : CHUNK;
        for (size_t i = 0; i < n; i++) {
            const float x = data[first + i];
            little_endian_put(bytes + size * i, size,
                              w->half ? half_of_float(x) : bits_of_float(x));
        }
        fwrite(bytes, size, n, f);
    }
}

void safetensors_use_half(SafetensorsWriter *w)
{
    w->half = true;
}

static bool fits_half(const SafetensorsWriter *w, const char *path, Error *err)
{
    for (size_t i = 0; i < w->count && w->half; i++)
        for (size_t k = 0; w->tensors[i].data != NULL && k < w->tensors[i].count; k++)
            if (!(fabsf(w->tensors[i].data[k]) < 65520.0f))
                return error_set(err,
                                 "%.200s: tensor \"%.200s\": expected numbers within 65504, "
                                 "as F16 has, found %g",
                                 path, w->tensors[i].name, (double)w->tensors[i].data[k]);
    return true;
}

bool safetensors_write(SafetensorsWriter *w, const char *path, Error *err)
{
    OutputFile out;
    if (!fits_half(w, path, err))
        return false;
    if (!output_open(&out, path, err))
        return false;
    errno = 0;
    if (!write_json_header(w, out.file)) {
        const int cause = errno;
        output_cancel(&out);
        return error_set(err, "%.200s: writing failed: %s", path,
                         cause != 0 ? strerror(cause) : "the header");
    }
    for (size_t i = 0; i < w->count; i++) {
        const WriterTensor *t = &w->tensors[i];
        if (t->dtype == NULL)
            write_floats(out.file, w, t->data, t->count);
        else
            fwrite(t->bytes, 1, tensor_bytes(w, t), out.file);
    }
    return output_commit(&out, err);
}

void safetensors_writer_free(SafetensorsWriter *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->count; i++)
        mem_free(w->tensors[i].name);
    for (size_t i = 0; i < w->meta_count; i++) {
        mem_free(w->meta[i].key);
        mem_free(w->meta[i].value);
    }
    mem_free(w->tensors);
    mem_free(w->meta);
    mem_free(w);
}
