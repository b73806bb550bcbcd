/* Writing: opcodes one after the other into a Buffer; pickle_read.c says what they mean. */
#include "nn/formats/torch/pickle_write.h"

#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/torch/pickle_opcodes.h"
#include "nn/formats/torch/pickle_value.h"
#include "tensor/base/check.h"

static void put_opcode(PickleWriter *w, int code)
{
    const unsigned char byte = (unsigned char)code;
    buffer_add(&w->out, &byte, 1);
}

/* An opcode and a little-endian number of n bytes. */
static void put_opcode_with(PickleWriter *w, int code, uint64_t value, size_t n)
{
    unsigned char bytes[8];
    put_opcode(w, code);
    little_endian_put(bytes, n, value);
    buffer_add(&w->out, bytes, n);
}

static void put_class(PickleWriter *w, const char *module_and_name)
{
    put_opcode(w, GLOBAL);
    buffer_text(&w->out, module_and_name);
}

void pickle_start(PickleWriter *w)
{
    w->out.length = 0;
    put_opcode_with(w, PROTO, 2, 1);
}

void pickle_stop(PickleWriter *w)
{
    put_opcode(w, STOP);
}

void pickle_writer_free(PickleWriter *w)
{
    buffer_free(&w->out);
}

void pickle_put_none(PickleWriter *w)
{
    put_opcode(w, NONE);
}

void pickle_put_bool(PickleWriter *w, bool value)
{
    put_opcode(w, value ? NEWTRUE : NEWFALSE);
}

void pickle_put_integer(PickleWriter *w, int64_t value)
{
    if (value >= 0 && value < 256)
        put_opcode_with(w, BININT1, (uint64_t)value, 1);
    else if (value >= 0 && value < 65536)
        put_opcode_with(w, BININT2, (uint64_t)value, 2);
    else if (value >= -INT32_MAX && value <= INT32_MAX)
        put_opcode_with(w, BININT, (uint64_t)value, 4);
    else {
        unsigned char bytes[8];
        put_opcode_with(w, LONG1, sizeof bytes, 1);
        little_endian_put(bytes, sizeof bytes, (uint64_t)value);
        buffer_add(&w->out, bytes, sizeof bytes);
    }
}

void pickle_put_number(PickleWriter *w, double value)
{
    unsigned char bytes[8];
    put_opcode(w, BINFLOAT);
    big_endian_put(bytes, sizeof bytes, bits_of_double(value));
    buffer_add(&w->out, bytes, sizeof bytes);
}

void pickle_put_text(PickleWriter *w, const char *text)
{
    TENSOR_CHECK(strlen(text) <= INT32_MAX, "a text of %zu bytes", strlen(text));
    put_opcode_with(w, BINUNICODE, strlen(text), 4);
    buffer_text(&w->out, text);
}

void pickle_open_dict(PickleWriter *w, bool ordered)
{
    if (ordered) {
        put_class(w, "collections\nOrderedDict\n");
        put_opcode(w, EMPTY_TUPLE);
        put_opcode(w, REDUCE);
    } else {
        put_opcode(w, EMPTY_DICT);
    }
    put_opcode(w, MARK);
}

void pickle_close_dict(PickleWriter *w)
{
    put_opcode(w, SETITEMS);
}

void pickle_open_list(PickleWriter *w)
{
    put_opcode(w, EMPTY_LIST);
    put_opcode(w, MARK);
}

void pickle_close_list(PickleWriter *w)
{
    put_opcode(w, APPENDS);
}

void pickle_open_tuple(PickleWriter *w)
{
    put_opcode(w, MARK);
}

void pickle_close_tuple(PickleWriter *w)
{
    put_opcode(w, TUPLE);
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
    put_opcode(w, BINPERSID);
    pickle_put_integer(w, 0);
    put_sizes(w, rank, shape);
    put_sizes(w, rank, stride);
    pickle_put_bool(w, false);
    pickle_open_dict(w, true);
    pickle_close_dict(w);
    pickle_close_tuple(w);
    put_opcode(w, REDUCE);
}
