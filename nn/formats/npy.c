/* The header is parsed by hand: three keys in any order, each once, nothing else. */
#include "nn/formats/npy.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/read_file.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

typedef struct TypeFacts {
    char name[4];
    size_t size;
    const char *long_name;
} TypeFacts;

static const TypeFacts types[] = {
    [NPY_F4] = {"<f4", 4, "float32"}, [NPY_F8] = {"<f8", 8, "float64"},
    [NPY_I4] = {"<i4", 4, "int32"},   [NPY_I8] = {"<i8", 8, "int64"},
    [NPY_U1] = {"|u1", 1, "uint8"},   [NPY_U2] = {"<u2", 2, "uint16"},
    [NPY_F2] = {"<f2", 2, "float16"}, [NPY_I1] = {"|i1", 1, "int8"},
    [NPY_I2] = {"<i2", 2, "int16"},   [NPY_U4] = {"<u4", 4, "uint32"},
    [NPY_U8] = {"<u8", 8, "uint64"},  [NPY_BOOL] = {"|b1", 1, "bool"}};

enum { TYPES = sizeof types / sizeof types[0] };

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* ---- header ---- */

typedef struct Header {
    const char *at, *end; /* what is left of the text */
    NpyArray *array;
    bool has_descr, has_order, has_shape;
    bool high_first, fortran; /* of the entries' bytes; of the axes */
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

/* What NumPy saves and this reader does not take, by the letter of its kind. */
static const char *other_kind(char kind)
{
    switch (kind) {
    case 'c':
        return "descr: expected real numbers, found complex ones: save array.real, array.imag or "
               "abs(array)";
    case 'O':
        return "descr: expected numbers, found Python objects: numpy.stack(array) joins arrays of "
               "one shape, array.astype('<f8') takes numbers";
    case 'U':
    case 'S':
        return "descr: expected numbers, found texts: array.astype('<f8') reads numbers from them";
    case 'M':
    case 'm': return "descr: expected numbers, found times: array.astype('<i8') counts their units";
    case 'V': return "descr: expected numbers, found raw bytes: array.view('uint8') shows them";
    case '[':
        return "descr: expected numbers, found a structured type: array['NAME'] is one of its "
               "fields, numpy.lib.recfunctions.structured_to_unstructured(array) all of them";
    default:
        return "descr: expected whole numbers of 1, 2, 4 or 8 bytes or floats of 2, 4 or 8, of "
               "either order of bytes: array.astype('<f8') and the like make them";
    }
}

/* '<f4', '>f4', '|u1': order of bytes, kind and width; NULL or a sentence. */
static const char *take_descr(Header *h)
{
    skip_blanks(h);
    if (h->at == h->end)
        return other_kind('\0');
    const char quote = *h->at;
    if (quote != '\'' && quote != '"')
        return other_kind(quote);
    const char *text = h->at + 1;
    const char *end = memchr(text, quote, (size_t)(h->end - text));
    const size_t length = end != NULL ? (size_t)(end - text) : 0;
    for (int i = 0; length == 3 && i < TYPES; i++) {
        const bool one = types[i].size == 1; /* its order of bytes is any */
        if (memcmp(text + 1, types[i].name + 1, 2) != 0 ||
            (*text != '<' && *text != '>' && (!one || *text != '|')))
            continue;
        h->array->type = (NpyType)i;
        h->high_first = !one && *text == '>';
        h->at = end + 1;
        return NULL;
    }
    return length > 1 ? other_kind(text[1]) : other_kind('\0');
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
            const char *wrong = take_text(h, ":") ? take_descr(h) : "expected ':' after descr";
            if (wrong != NULL)
                return wrong;
            h->has_descr = true;
        } else if (!h->has_order && take_quoted(h, "fortran_order")) {
            if (!take_text(h, ":"))
                return "expected ':' after fortran_order";
            h->fortran = take_text(h, "True");
            if (!h->fortran && !take_text(h, "False"))
                return "expected fortran_order to be True or False";
            h->has_order = true;
        } else if (!h->has_shape && take_quoted(h, "shape")) {
            if (!take_text(h, ":") || !take_shape(h))
                return "expected shape to be a tuple of at most 8 whole numbers whose product fits "
                       "in "
                       "memory";
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

/* ---- order of axes and of bytes ---- */

/* Whether the order of axes makes no difference: at most one has more than one entry. */
static bool is_line(const NpyArray *a)
{
    int long_axes = 0;
    for (int i = 0; i < a->rank; i++)
        long_axes += a->shape[i] != 1;
    return long_axes <= 1;
}

/* Entry (i_0, i_1, ...) of a file that has axis 0 run fastest, to its place where the last one
 * does.  A block of axis 0 at a time, whose places stay in the cache. */
static void copy_axes(unsigned char *to, const unsigned char *from, const NpyArray *a, size_t size)
{
    enum { BLOCK = 64 };
    const size_t first = a->shape[0], rest = a->count / first;
    for (size_t low = 0; low < first; low += BLOCK) {
        const size_t high = first - low < BLOCK ? first : low + BLOCK;
        size_t index[NPY_MAX_RANK] = {0};
        for (size_t j = 0; j < rest; j++) {
            size_t place = 0;
            for (int k = 1; k < a->rank; k++)
                place = place * a->shape[k] + index[k];
            for (size_t i = low; i < high; i++)
                memcpy(to + (i * rest + place) * size, from + (j * first + i) * size, size);
            for (int k = 1; k < a->rank && ++index[k] == a->shape[k]; k++)
                index[k] = 0;
        }
    }
}

static void turn_bytes(unsigned char *bytes, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++, bytes += size)
        little_endian_put(bytes, size, big_endian(bytes, size));
}

/* a->bytes, as the file has its entries, to C order and the lowest byte first. */
static bool put_in_order(NpyArray *a, const Header *h, const char *path, Error *err)
{
    const size_t size = types[a->type].size;
    const bool turn = h->fortran && !is_line(a);
    if (a->count == 0 || (!turn && !h->high_first))
        return true;
    a->plain = mem_try(a->count, size);
    if (a->plain == NULL)
        return error_set(err, "%.300s: no memory to put %zu entries of %zu bytes in order", path,
                         a->count, size);
    if (turn)
        copy_axes(a->plain, a->bytes, a, size);
    else
        memcpy(a->plain, a->bytes, a->count * size);
    if (h->high_first)
        turn_bytes(a->plain, a->count, size);
    a->bytes = a->plain;
    return true;
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
    return put_in_order(a, &h, path, err);
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
    mem_free(a->plain);
    mem_free(a->buffer);
    mem_free(a);
}

const char *npy_type_name(NpyType type)
{
    return types[type].long_name;
}

bool npy_is_float(NpyType type)
{
    return type == NPY_F2 || type == NPY_F4 || type == NPY_F8;
}

double npy_number(const NpyArray *a, size_t i)
{
    TENSOR_CHECK(i < a->count, "entry %zu of %zu", i, a->count);
    size_t size = types[a->type].size;
    uint64_t bits = little_endian(a->bytes + i * size, size);
    switch (a->type) {
    case NPY_F4: return (double)float_of_bits((uint32_t)bits);
    case NPY_F8: return double_of_bits(bits);
    case NPY_F2: return (double)float_of_half((uint32_t)bits);
    case NPY_I1: return (double)signed_of_bits(bits, 8);
    case NPY_I2: return (double)signed_of_bits(bits, 16);
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
