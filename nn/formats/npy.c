/* The header is parsed by hand: three keys in any order, each once, nothing else. */
#include "nn/formats/npy.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/read_file.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/platform.h"

static const struct {
    char name[4];
    size_t size;
    const char *long_name;
} types[] = {{"<f4", 4, "float32"}, {"<f8", 8, "float64"}, {"<i4", 4, "int32"},
             {"<i8", 8, "int64"},   {"|u1", 1, "uint8"},   {"<u2", 2, "uint16"}};

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* ---- header ---- */

typedef struct Header {
    const char *at, *end; /* what is left of the text */
    NpyArray *array;
    bool has_descr, has_order, has_shape;
} Header;

static void skip_blanks(Header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n'))
        h->at++;
}

/* Takes the token if it is next, after spaces. */
static bool take_text(Header *h, const char *token)
{
    size_t n = strlen(token);
    skip_blanks(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, token, n) != 0)
        return false;
    h->at += n;
    return true;
}

static bool take_quoted(Header *h, const char *text)
{
    char single[24], twofold[24];
    snprintf(single, sizeof single, "'%s'", text);
    snprintf(twofold, sizeof twofold, "\"%s\"", text);
    return take_text(h, single) || take_text(h, twofold);
}

static bool take_axis(Header *h, size_t *value)
{
    size_t digits = 0;
    *value = 0;
    skip_blanks(h);
    for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++, digits++) {
        if (!mem_product(*value, 10, value) || *value > SIZE_MAX - 9)
            return false;
        *value += (size_t)(*h->at - '0');
    }
    return digits > 0;
}

/* (), (n,), (n, m), (n, m,) */
static bool take_shape(Header *h)
{
    NpyArray *a = h->array;
    bool comma = true;
    if (!take_text(h, "("))
        return false;
    a->rank = 0;
    a->count = 1;
    while (!take_text(h, ")")) {
        if (!comma || a->rank == NPY_MAX_RANK || !take_axis(h, &a->shape[a->rank]) ||
            !mem_product(a->count, a->shape[a->rank], &a->count))
            return false;
        a->rank++;
        comma = take_text(h, ",");
    }
    return a->rank != 1 || comma;
}

static bool take_descr(Header *h)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (take_quoted(h, types[i].name)) {
            h->array->type = (NpyType)i;
            return true;
        }
    return false;
}

/* One sentence of what is wrong, or NULL. */
static const char *parse_dictionary(Header *h)
{
    bool comma = true;
    if (!take_text(h, "{"))
        return "expected a header that is a dictionary";
    while (!take_text(h, "}")) {
        if (!comma)
            return "expected ',' or '}' in the header";
        if (!h->has_descr && take_quoted(h, "descr")) {
            if (!take_text(h, ":") || !take_descr(h))
                return "expected descr to be one of <f4 <f8 <i4 <i8 |u1 <u2: array.astype('<f4') "
                       "and the "
                       "like make them";
            h->has_descr = true;
        } else if (!h->has_order && take_quoted(h, "fortran_order")) {
            if (!take_text(h, ":") || !take_text(h, "False"))
                return "expected fortran_order to be False: numpy.ascontiguousarray(array) has it "
                       "so";
            h->has_order = true;
        } else if (!h->has_shape && take_quoted(h, "shape")) {
            if (!take_text(h, ":") || !take_shape(h))
                return "expected shape to be a tuple of at most 8 whole numbers";
            h->has_shape = true;
        } else {
            return "expected the keys descr, fortran_order and shape, each once";
        }
        comma = take_text(h, ",");
    }
    skip_blanks(h);
    if (h->at != h->end)
        return "expected nothing but spaces after the header's dictionary";
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return "expected the keys descr, fortran_order and shape";
    return NULL;
}

/* ---- reading ---- */

static bool parse_npy(NpyArray *a, const char *path, size_t size, Error *err)
{
    if (size < 10 || memcmp(a->buffer, magic, sizeof magic) != 0)
        return error_set(err, "%.300s: expected a .npy file", path);
    int major = a->buffer[6];
    if (major < 1 || major > 3 || a->buffer[7] != 0)
        return error_set(err, "%.300s: expected version 1.0, 2.0 or 3.0 of .npy, found %d.%d", path,
                         major, a->buffer[7]);
    size_t start = major == 1 ? 10 : 12, bytes;
    uint64_t length = size < start ? UINT64_MAX : little_endian(a->buffer + 8, start - 8);
    if (size < start || length > size - start)
        return error_set(err, "%.300s: expected a header within the file's %zu bytes", path, size);
    const char *text = (const char *)a->buffer + start;
    Header h = {.at = text, .end = text + length, .array = a};
    const char *wrong = parse_dictionary(&h);
    if (wrong != NULL)
        return error_set(err, "%.300s: %s", path, wrong);
    size_t data = size - start - (size_t)length;
    if (!mem_product(a->count, types[a->type].size, &bytes) || bytes != data)
        return error_set(err,
                         "%.300s: expected %zu entries of %zu bytes after the header, found "
                         "%zu bytes",
                         path, a->count, types[a->type].size, data);
    a->bytes = (const unsigned char *)h.end;
    return true;
}

NpyArray *npy_read(const char *path, Error *err)
{
    size_t size = 0;
    unsigned char *bytes =
        read_file(path, "expected a readable .npy file", READ_ANY_SIZE, &size, err);
    return bytes == NULL ? NULL : npy_of_bytes(bytes, size, path, err);
}

NpyArray *npy_of_bytes(unsigned char *bytes, size_t size, const char *path, Error *err)
{
    NpyArray *a = mem_zeroed(1, sizeof *a);
    a->buffer = bytes;
    a->size = size;
    if (parse_npy(a, path, size, err))
        return a;
    npy_free(a);
    return NULL;
}

void npy_free(NpyArray *a)
{
    if (a == NULL)
        return;
    mem_free(a->buffer);
    mem_free(a);
}

const char *npy_type_name(NpyType type)
{
    return types[type].long_name;
}

double npy_number(const NpyArray *a, size_t i)
{
    TENSOR_CHECK(i < a->count, "entry %zu of %zu", i, a->count);
    size_t size = types[a->type].size;
    uint64_t bits = little_endian(a->bytes + i * size, size);
    switch (a->type) {
    case NPY_F4: return (double)float_of_bits((uint32_t)bits);
    case NPY_F8: return double_of_bits(bits);
    case NPY_I4: return (double)signed_of_bits(bits, 32);
    case NPY_I8: return (double)signed_of_bits(bits, 64);
    default: return (double)bits;
    }
}

/* ---- writing ---- */

/* Magic, version 1.0, length of the text and the text, padded so that the data starts at a multiple
 * of 64 bytes. */
void npy_header(Buffer *out, NpyType type, int rank, const size_t *shape)
{
    Buffer text = {0};
    unsigned char start[10] = {[6] = 1};
    buffer_format(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].name);
    for (int i = 0; i < rank; i++)
        buffer_format(&text, i > 0 ? ", %zu" : "%zu", shape[i]);
    buffer_text(&text, rank == 1 ? ",), }" : "), }");
    const size_t length = (text.length + 1 + 10 + 63) / 64 * 64 - 10;
    memcpy(start, magic, sizeof magic);
    little_endian_put(start + 8, 2, length);
    buffer_add(out, start, sizeof start);
    buffer_format(out, "%s%*s", text.bytes, (int)(length - text.length), "\n");
    buffer_free(&text);
}

static size_t count_entries(int rank, const size_t *shape)
{
    size_t count = 1;
    TENSOR_CHECK(rank >= 0 && rank <= NPY_MAX_RANK, "rank %d", rank);
    for (int i = 0; i < rank; i++)
        TENSOR_CHECK(mem_product(count, shape[i], &count), "axis %d of %zu entries", i, shape[i]);
    return count;
}

static void write_npy_entry(FILE *f, NpyType type, const void *data, size_t i)
{
    unsigned char bytes[8];
    little_endian_put(bytes, types[type].size,
                      type == NPY_F4   ? bits_of_float(((const float *)data)[i])
                      : type == NPY_U1 ? ((const uint8_t *)data)[i]
                                       : ((const uint16_t *)data)[i]);
    fwrite(bytes, 1, types[type].size, f);
}

bool npy_write(const char *path, NpyType type, int rank, const size_t *shape, const void *data,
               Error *err)
{
    OutputFile out;
    Buffer header = {0};
    const size_t count = count_entries(rank, shape);
    TENSOR_CHECK(type == NPY_F4 || type == NPY_U1 || type == NPY_U2, "type %d", (int)type);
    if (!output_open(&out, path, err))
        return false;
    npy_header(&header, type, rank, shape);
    fwrite(header.bytes, 1, header.length, out.file);
    buffer_free(&header);
    for (size_t i = 0; i < count; i++)
        write_npy_entry(out.file, type, data, i);
    return output_commit(&out, err);
}

void npy_put_doubles(Buffer *out, int rank, const size_t *shape, const double *data)
{
    const size_t count = count_entries(rank, shape);
    npy_header(out, NPY_F8, rank, shape);
    for (size_t i = 0; i < count; i++) {
        unsigned char bytes[8];
        little_endian_put(bytes, sizeof bytes, bits_of_double(data[i]));
        buffer_add(out, bytes, sizeof bytes);
    }
}
