/* Writing: opcodes one after the other into a growing block; see pickle_read.c for what they mean.
 */
#include "nn/formats/torch/pickle_write.h"

#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/torch/pickle_opcodes.h"
#include "nn/formats/torch/pickle_value.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

static void put(PickleWriter *w, const void *bytes, size_t count)
{
    if (count > w->capacity - w->count) {
        const size_t more = 2 * w->capacity + count + 1024;
        w->bytes = mem_resize(w->bytes, w->capacity, more, 1);
        w->capacity = more;
    }
    if (count > 0)
        memcpy(w->bytes + w->count, bytes, count);
    w->count += count;
}

static void put_code(PickleWriter *w, int code)
{
    const unsigned char byte = (unsigned char)code;
    put(w, &byte, 1);
}

/* An opcode and a little-endian number of n bytes. */
static void put_coded(PickleWriter *w, int code, uint64_t value, size_t n)
{
    unsigned char bytes[8];
    put_code(w, code);
    little_endian_put(bytes, n, value);
    put(w, bytes, n);
}

static void put_class(PickleWriter *w, const char *module_and_name)
{
    put_code(w, GLOBAL);
    put(w, module_and_name, strlen(module_and_name));
}

void pickle_start(PickleWriter *w)
{
    w->count = 0;
    put_coded(w, PROTO, 2, 1);
}

void pickle_stop(PickleWriter *w)
{
    put_code(w, STOP);
}

void pickle_writer_free(PickleWriter *w)
{
    mem_free(w->bytes);
    *w = (PickleWriter){0};
}

void pickle_put_none(PickleWriter *w)
{
    put_code(w, NONE);
}

void pickle_put_bool(PickleWriter *w, bool value)
{
    put_code(w, value ? NEWTRUE : NEWFALSE);
}

void pickle_put_integer(PickleWriter *w, int64_t value)
{
    if (value >= 0 && value < 256)
        put_coded(w, BININT1, (uint64_t)value, 1);
    else if (value >= 0 && value < 65536)
        put_coded(w, BININT2, (uint64_t)value, 2);
    else if (value >= -INT32_MAX && value <= INT32_MAX)
        put_coded(w, BININT, (uint64_t)value, 4);
    else {
        unsigned char bytes[8];
        put_coded(w, LONG1, sizeof bytes, 1);
        little_endian_put(bytes, sizeof bytes, (uint64_t)value);
        put(w, bytes, sizeof bytes);
    }
}

void pickle_put_number(PickleWriter *w, double value)
{
    unsigned char bytes[8];
    put_code(w, BINFLOAT);
    big_endian_put(bytes, sizeof bytes, bits_of_double(value));
    put(w, bytes, sizeof bytes);
}

void pickle_put_text(PickleWriter *w, const char *text)
{
    TENSOR_CHECK(strlen(text) <= INT32_MAX, "a text of %zu bytes", strlen(text));
    put_coded(w, BINUNICODE, strlen(text), 4);
    put(w, text, strlen(text));
}

void pickle_open_dict(PickleWriter *w, bool ordered)
{
    if (ordered) {
        put_class(w, "collections\nOrderedDict\n");
        put_code(w, EMPTY_TUPLE);
        put_code(w, REDUCE);
    } else {
        put_code(w, EMPTY_DICT);
    }
    put_code(w, MARK);
}

void pickle_close_dict(PickleWriter *w)
{
    put_code(w, SETITEMS);
}

void pickle_open_list(PickleWriter *w)
{
    put_code(w, EMPTY_LIST);
    put_code(w, MARK);
}

void pickle_close_list(PickleWriter *w)
{
    put_code(w, APPENDS);
}

void pickle_open_tuple(PickleWriter *w)
{
    put_code(w, MARK);
}

void pickle_close_tuple(PickleWriter *w)
{
    put_code(w, TUPLE);
}

static void put_sizes(PickleWriter *w, int rank, const size_t *sizes)
{
    pickle_open_tuple(w);
    for (int i = 0; i < rank; i++)
        pickle_put_integer(w, (int64_t)sizes[i]);
    pickle_close_tuple(w);
}

void pickle_put_floats(PickleWriter *w, const char *key, int rank, const size_t *shape)
{
    size_t stride[PICKLE_MAX_RANK], count = 1;
    TENSOR_CHECK(rank >= 0 && rank <= PICKLE_MAX_RANK, "rank %d", rank);
    for (int i = rank; i-- > 0; count *= shape[i])
        stride[i] = count;
    put_class(w, "torch._utils\n_rebuild_tensor_v2\n");
    pickle_open_tuple(w);
    pickle_open_tuple(w);
    pickle_put_text(w, "storage");
    put_class(w, "torch\nFloatStorage\n");
    pickle_put_text(w, key);
    pickle_put_text(w, "cpu");
    pickle_put_integer(w, (int64_t)count);
    pickle_close_tuple(w);
    put_code(w, BINPERSID);
    pickle_put_integer(w, 0);
    put_sizes(w, rank, shape);
    put_sizes(w, rank, stride);
    pickle_put_bool(w, false);
    pickle_open_dict(w, true);
    pickle_close_dict(w);
    pickle_close_tuple(w);
    put_code(w, REDUCE);
}
