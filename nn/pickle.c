/* Reading: a stack of values, a memo of values by number, and one switch over opcodes.  Values live
 * in an arena.  Containers are shared where the memo shares them, so a small pickle can describe an
 * endless or enormous tree; a last walk counts depth and nodes and refuses those.
 *
 * Classes appear as values; REDUCE "calls" them, which here means: builds the value that stands for
 * the result out of the arguments. */
#include "nn/pickle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/pickle_opcodes.h"
#include "tensor/arena.h"
#include "tensor/check.h"
#include "tensor/memory.h"

enum { SIZE_LIMIT = 16 * 1024 * 1024, NODE_LIMIT = 4 * 1000 * 1000, CHUNK = 65536 };

/* ---- what is known ---- */

typedef enum ClassKind {
    CLASS_ORDERED_DICT, CLASS_TENSOR, CLASS_PARAMETER, CLASS_STORAGE, CLASS_SIZE, CLASS_SCALAR,
    CLASS_DTYPE, CLASS_ENCODE, CLASS_BYTES
} ClassKind;

static const struct {
    const char *module, *name;
    ClassKind kind;
    const char *dtype; /* of storages */
    size_t item;
} classes[] = {
    {"collections", "OrderedDict", CLASS_ORDERED_DICT, NULL, 0},
    {"torch._utils", "_rebuild_tensor_v2", CLASS_TENSOR, NULL, 0},
    {"torch._utils", "_rebuild_parameter", CLASS_PARAMETER, NULL, 0},
    {"torch", "FloatStorage", CLASS_STORAGE, "F32", 4},
    {"torch", "DoubleStorage", CLASS_STORAGE, "F64", 8},
    {"torch", "HalfStorage", CLASS_STORAGE, "F16", 2},
    {"torch", "BFloat16Storage", CLASS_STORAGE, "BF16", 2},
    {"torch", "LongStorage", CLASS_STORAGE, "I64", 8},
    {"torch", "IntStorage", CLASS_STORAGE, "I32", 4},
    {"torch", "ShortStorage", CLASS_STORAGE, "I16", 2},
    {"torch", "CharStorage", CLASS_STORAGE, "I8", 1},
    {"torch", "ByteStorage", CLASS_STORAGE, "U8", 1},
    {"torch", "BoolStorage", CLASS_STORAGE, "BOOL", 1},
    {"torch", "Size", CLASS_SIZE, NULL, 0},
    {"numpy.core.multiarray", "scalar", CLASS_SCALAR, NULL, 0},
    {"numpy._core.multiarray", "scalar", CLASS_SCALAR, NULL, 0},
    {"numpy", "dtype", CLASS_DTYPE, NULL, 0},
    {"_codecs", "encode", CLASS_ENCODE, NULL, 0},
    {"__builtin__", "bytes", CLASS_BYTES, NULL, 0},
};
enum { CLASS_COUNT = sizeof classes / sizeof classes[0] };

/* Names of opcodes that are refused, for the sentence. */
static const struct {
    unsigned char code;
    const char *name;
} refused[] = {
    {'i', "INST"}, {'o', "OBJ"}, {'P', "PERSID"}, {'I', "INT"}, {'L', "LONG"}, {'F', "FLOAT"},
    {'S', "STRING"}, {'V', "UNICODE"}, {'p', "PUT"}, {'g', "GET"}, {'1', "POP_MARK"},
    {'2', "DUP"}, {'B', "BINBYTES"}, {'C', "SHORT_BINBYTES"}, {0x81, "NEWOBJ"}, {0x82, "EXT1"},
    {0x83, "EXT2"}, {0x84, "EXT4"}, {0x8b, "LONG4"}, {0x8c, "SHORT_BINUNICODE"},
    {0x8d, "BINUNICODE8"}, {0x8e, "BINBYTES8"}, {0x8f, "EMPTY_SET"}, {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"}, {0x92, "NEWOBJ_EX"}, {0x93, "STACK_GLOBAL"}, {0x94, "MEMOIZE"},
    {0x95, "FRAME"}, {0x96, "BYTEARRAY8"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
};

const char *pickle_type_name(PickleType type)
{
    static const char *const names[] = {"None", "a bool", "an integer", "a number", "a text",
                                        "a tuple", "a list", "a dict", "a tensor", "a class",
                                        "a storage", "a dtype", "a mark"};
    TENSOR_CHECK((size_t)type < sizeof names / sizeof names[0], "type %d", (int)type);
    return names[type];
}

/* ---- the machine ---- */

struct Pickle {
    Arena *arena;
    PickleValue *root;
};

typedef struct Machine {
    const unsigned char *bytes;
    size_t size, at, start; /* start: of the present opcode */
    const char *where;
    Arena *arena;
    PickleValue **stack, **memo;
    size_t count, capacity, memo_count;
    Error *err;
} Machine;

static bool wrong(Machine *m, const char *what)
{
    return error_set(m->err, "%.300s: byte %zu of the pickle: %s", m->where, m->start, what);
}

static PickleValue *make(Machine *m, PickleType type)
{
    PickleValue *v = arena_zeroed(m->arena, 1, sizeof *v);
    v->type = type;
    return v;
}

static bool push(Machine *m, PickleValue *v)
{
    if (m->count == m->capacity) {
        const size_t more = m->capacity == 0 ? 256 : 2 * m->capacity;
        m->stack = mem_resize(m->stack, m->capacity, more, sizeof *m->stack);
        m->capacity = more;
    }
    m->stack[m->count++] = v;
    return true;
}

static bool push_type(Machine *m, PickleType type)
{
    return push(m, make(m, type));
}

static bool push_integer(Machine *m, PickleType type, int64_t integer)
{
    PickleValue *v = make(m, type);
    v->integer = integer;
    return push(m, v);
}

static PickleValue *text_value(Machine *m, PickleType type, const void *bytes, size_t count)
{
    PickleValue *v = make(m, type);
    char *text = arena_zeroed(m->arena, count + 1, 1);
    if (count > 0)
        memcpy(text, bytes, count);
    v->text = text;
    v->count = count;
    return v;
}

/* The value `depth` below the top, which may not be a mark. */
static PickleValue *top(Machine *m, size_t depth)
{
    if (depth >= m->count || m->stack[m->count - 1 - depth]->type == PICKLE_MARK) {
        wrong(m, "expected a value on the stack");
        return NULL;
    }
    return m->stack[m->count - 1 - depth];
}

static const unsigned char *take(Machine *m, size_t count)
{
    if (count > m->size - m->at) {
        wrong(m, "expected the pickle to go on; it is cut short");
        return NULL;
    }
    m->at += count;
    return m->bytes + m->at - count;
}

static bool take_number(Machine *m, size_t width, uint64_t *value)
{
    const unsigned char *p = take(m, width);
    *value = 0;
    for (size_t i = width; p != NULL && i > 0; i--)
        *value = *value << 8 | p[i - 1];
    return p != NULL;
}

/* The low `bits` as two's complement. */
static int64_t signed_of(uint64_t value, int bits)
{
    const uint64_t sign = (uint64_t)1 << (bits - 1);
    return (value & sign) == 0 ? (int64_t)value : -(int64_t)(~value & (sign - 1)) - 1;
}

static double double_of(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* ---- numbers and texts ---- */

static bool read_integer(Machine *m, size_t width)
{
    uint64_t value;
    if (!take_number(m, width, &value))
        return false;
    return push_integer(m, PICKLE_INTEGER, width == 4 ? signed_of(value, 32) : (int64_t)value);
}

static bool read_long(Machine *m)
{
    uint64_t width, value;
    if (!take_number(m, 1, &width))
        return false;
    if (width > 8)
        return wrong(m, "expected integers of at most 8 bytes");
    if (!take_number(m, (size_t)width, &value))
        return false;
    return push_integer(m, PICKLE_INTEGER, width == 0 ? 0 : signed_of(value, 8 * (int)width));
}

static bool read_float(Machine *m)
{
    const unsigned char *p = take(m, 8);
    uint64_t bits = 0;
    if (p == NULL)
        return false;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    PickleValue *v = make(m, PICKLE_NUMBER);
    v->number = double_of(bits);
    return push(m, v);
}

static bool read_text(Machine *m, size_t width)
{
    uint64_t length;
    if (!take_number(m, width, &length))
        return false;
    const unsigned char *p = length > m->size ? NULL : take(m, (size_t)length);
    if (p == NULL)
        return wrong(m, "expected a text that ends within the pickle");
    return push(m, text_value(m, PICKLE_TEXT, p, (size_t)length));
}

/* ---- containers ---- */

static void append(Machine *m, PickleValue *v, PickleValue *item, size_t used)
{
    if (used == v->capacity) {
        const size_t more = v->capacity == 0 ? 4 : 2 * v->capacity;
        PickleValue **items = arena_alloc(m->arena, more, sizeof *items);
        if (used > 0)
            memcpy(items, v->items, used * sizeof *items);
        v->items = items;
        v->capacity = more;
    }
    v->items[used] = item;
}

/* Position of the mark nearest to the top. */
static bool find_mark(Machine *m, size_t *at)
{
    for (size_t i = m->count; i > 0; i--)
        if (m->stack[i - 1]->type == PICKLE_MARK) {
            *at = i - 1;
            return true;
        }
    return wrong(m, "expected a mark on the stack");
}

/* The values from stack position `first` on become a tuple or a list, in place of those from
 * `keep` on. */
static bool pack(Machine *m, PickleType type, size_t keep, size_t first)
{
    PickleValue *v = make(m, type);
    v->count = v->capacity = m->count - first;
    v->items = arena_alloc(m->arena, v->count, sizeof *v->items);
    if (v->count > 0)
        memcpy(v->items, m->stack + first, v->count * sizeof *v->items);
    m->count = keep;
    return push(m, v);
}

static bool pack_marked(Machine *m, PickleType type)
{
    size_t mark = 0;
    return find_mark(m, &mark) && pack(m, type, mark, mark + 1);
}

static bool pack_few(Machine *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (top(m, i) == NULL)
            return false;
    return pack(m, PICKLE_TUPLE, m->count - count, m->count - count);
}

/* The values from `first` on go into the container under them, which is at `keep` - 1. */
static bool fill(Machine *m, PickleType type, size_t keep, size_t first)
{
    const size_t step = type == PICKLE_DICT ? 2 : 1, count = m->count - first;
    if (keep == 0 || m->stack[keep - 1]->type != type)
        return wrong(m, type == PICKLE_DICT ? "expected a dict to set items of"
                                            : "expected a list to append to");
    if (count % step != 0)
        return wrong(m, "expected a value for every key");
    PickleValue *v = m->stack[keep - 1];
    for (size_t i = 0; i < count; i += step) {
        const PickleType key = m->stack[first + i]->type;
        if (step == 2 && key != PICKLE_TEXT && key != PICKLE_INTEGER)
            return wrong(m, "expected keys to be texts or integers");
        for (size_t k = 0; k < step; k++)
            append(m, v, m->stack[first + i + k], v->count * step + k);
        v->count++;
    }
    m->count = keep;
    return true;
}

static bool fill_marked(Machine *m, PickleType type)
{
    size_t mark = 0;
    return find_mark(m, &mark) && fill(m, type, mark, mark + 1);
}

static bool fill_one(Machine *m, PickleType type)
{
    const size_t count = type == PICKLE_DICT ? 2 : 1;
    for (size_t i = 0; i <= count; i++)
        if (top(m, i) == NULL)
            return false;
    return fill(m, type, m->count - count, m->count - count);
}

static bool read_dict(Machine *m)
{
    size_t mark = 0;
    if (!find_mark(m, &mark))
        return false;
    m->stack[mark] = make(m, PICKLE_DICT);
    return fill(m, PICKLE_DICT, mark + 1, mark + 1);
}

/* ---- the memo ---- */

static bool memo_put(Machine *m, size_t width)
{
    uint64_t at;
    PickleValue *v = top(m, 0);
    if (v == NULL || !take_number(m, width, &at))
        return false;
    if (at >= m->size) /* one opcode each: honest numbers are smaller */
        return wrong(m, "expected a smaller memo number");
    if (at >= m->memo_count) {
        size_t more = m->memo_count == 0 ? 256 : 2 * m->memo_count;
        more = more > at ? more : (size_t)at + 1;
        m->memo = mem_resize(m->memo, m->memo_count, more, sizeof *m->memo);
        memset(m->memo + m->memo_count, 0, (more - m->memo_count) * sizeof *m->memo);
        m->memo_count = more;
    }
    m->memo[at] = v;
    return true;
}

static bool memo_get(Machine *m, size_t width)
{
    uint64_t at;
    if (!take_number(m, width, &at))
        return false;
    if (at >= m->memo_count || m->memo[at] == NULL)
        return wrong(m, "expected a memo number that was used before");
    return push(m, m->memo[at]);
}

/* ---- classes ---- */

/* One line of text, without its end. */
static const char *take_line(Machine *m, size_t *length)
{
    const char *text = (const char *)m->bytes + m->at;
    const char *end = memchr(text, '\n', m->size - m->at);
    if (end == NULL || end - text > 200) {
        wrong(m, "expected the name of a class");
        return NULL;
    }
    *length = (size_t)(end - text);
    m->at += *length + 1;
    return text;
}

static bool same(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && memcmp(name, text, length) == 0;
}

/* Copies for a sentence: letters, digits and the like only. */
static void plain_text(char *out, size_t most, const char *text, size_t length)
{
    size_t n = 0;
    for (; n < length && n + 1 < most; n++)
        out[n] = text[n] > ' ' && text[n] < 127 ? text[n] : '?';
    out[n] = '\0';
}

static bool read_class(Machine *m)
{
    size_t module_length, name_length;
    const char *module = take_line(m, &module_length);
    const char *name = module != NULL ? take_line(m, &name_length) : NULL;
    if (name == NULL)
        return false;
    for (size_t i = 0; i < CLASS_COUNT; i++)
        if (same(classes[i].module, module, module_length) &&
            same(classes[i].name, name, name_length))
            return push_integer(m, PICKLE_CLASS, (int64_t)i);
    char module_text[100], name_text[100];
    plain_text(module_text, sizeof module_text, module, module_length);
    plain_text(name_text, sizeof name_text, name, name_length);
    return error_set(m->err,
                     "%.200s: byte %zu of the pickle: expected only tensors, numbers, texts, lists "
                     "and dicts, found %s.%s",
                     m->where, m->start, module_text, name_text);
}

static bool is_tuple(const PickleValue *v, size_t least, size_t most)
{
    return v->type == PICKLE_TUPLE && v->count >= least && v->count <= most;
}

static bool is_class(const PickleValue *v, ClassKind kind)
{
    return v->type == PICKLE_CLASS && classes[v->integer].kind == kind;
}

/* The persistent id ("storage", class, key, device, number of entries). */
static bool read_storage(Machine *m)
{
    const PickleValue *id = top(m, 0);
    if (id == NULL)
        return false;
    if (!is_tuple(id, 5, 5) || id->items[0]->type != PICKLE_TEXT ||
        strcmp(id->items[0]->text, "storage") != 0 || !is_class(id->items[1], CLASS_STORAGE) ||
        id->items[2]->type != PICKLE_TEXT || id->items[3]->type != PICKLE_TEXT ||
        id->items[4]->type != PICKLE_INTEGER || id->items[4]->integer < 0)
        return wrong(m, "expected a persistent id (\"storage\", class, key, device, entries)");
    const char *key = id->items[2]->text;
    if (*key == '\0' || strlen(key) != id->items[2]->count || strlen(key) > 100)
        return wrong(m, "expected a storage's key to be a short text");
    PickleValue *v = make(m, PICKLE_STORAGE);
    v->tensor = arena_zeroed(m->arena, 1, sizeof *v->tensor);
    v->tensor->dtype = classes[id->items[1]->integer].dtype;
    v->tensor->item = classes[id->items[1]->integer].item;
    v->tensor->key = key;
    v->tensor->storage = (size_t)id->items[4]->integer;
    m->stack[m->count - 1] = v;
    return true;
}

/* Whole numbers from 0 of a tuple. */
static bool sizes_of(const PickleValue *v, size_t *out)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->items[i]->type != PICKLE_INTEGER || v->items[i]->integer < 0 ||
            (uint64_t)v->items[i]->integer > SIZE_MAX / 2)
            return false;
        out[i] = (size_t)v->items[i]->integer;
    }
    return true;
}

/* Entries of the tensor, and whether the last one, at offset + sum (shape - 1) stride, is within
 * the storage. */
static bool bounds(PickleTensor *t)
{
    size_t last = t->offset;
    t->count = 1;
    for (int i = 0; i < t->rank; i++)
        if (!mem_product(t->count, t->shape[i], &t->count))
            return false;
    if (t->count == 0)
        return true;
    for (int i = 0; i < t->rank; i++) {
        size_t way;
        if (!mem_product(t->shape[i] - 1, t->stride[i], &way) || way > SIZE_MAX - last)
            return false;
        last += way;
    }
    return last < t->storage;
}

/* _rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks[, metadata]). */
static bool reduce_tensor(Machine *m, const PickleValue *args, PickleValue *out)
{
    size_t offset = 0;
    if (!is_tuple(args, 6, 7) || args->items[0]->type != PICKLE_STORAGE ||
        args->items[1]->type != PICKLE_INTEGER || args->items[1]->integer < 0 ||
        !is_tuple(args->items[2], 0, PICKLE_MAX_RANK) ||
        !is_tuple(args->items[3], args->items[2]->count, args->items[2]->count))
        return wrong(m, "expected a tensor's storage, offset, shape and strides of at most 8 axes");
    offset = (size_t)args->items[1]->integer;
    PickleTensor *t = arena_zeroed(m->arena, 1, sizeof *t);
    *t = *args->items[0]->tensor;
    t->offset = offset;
    t->rank = (int)args->items[2]->count;
    if (!sizes_of(args->items[2], t->shape) || !sizes_of(args->items[3], t->stride))
        return wrong(m, "expected shape and strides of a tensor to be whole numbers from 0");
    if (!bounds(t))
        return error_set(m->err,
                         "%.300s: byte %zu of the pickle: expected a tensor within its storage "
                         "\"%.40s\" of %zu entries",
                         m->where, m->start, t->key, t->storage);
    out->type = PICKLE_TENSOR;
    out->tensor = t;
    return true;
}

/* encode(text, "latin1"): the bytes that a text of characters below 256 stands for. */
static bool reduce_encode(Machine *m, const PickleValue *args, PickleValue *out)
{
    if (!is_tuple(args, 2, 2) || args->items[0]->type != PICKLE_TEXT ||
        args->items[1]->type != PICKLE_TEXT || strcmp(args->items[1]->text, "latin1") != 0)
        return wrong(m, "expected encode's arguments to be a text and \"latin1\"");
    const PickleValue *from = args->items[0];
    char *text = arena_zeroed(m->arena, from->count + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < from->count; i++) {
        const unsigned char c = (unsigned char)from->text[i];
        if (c < 0x80) {
            text[n++] = (char)c;
        } else if ((c == 0xC2 || c == 0xC3) && i + 1 < from->count &&
                   ((unsigned char)from->text[i + 1] & 0xC0) == 0x80) {
            text[n++] = (char)((c & 3) << 6 | ((unsigned char)from->text[++i] & 0x3F));
        } else {
            return wrong(m, "expected a text of latin1 characters");
        }
    }
    out->type = PICKLE_TEXT;
    out->text = text;
    out->count = n;
    return true;
}

/* dtype("f8", align, copy). */
static bool reduce_dtype(Machine *m, const PickleValue *args, PickleValue *out)
{
    static const char *const known[] = {"f8", "f4", "i8", "i4", "i2", "i1",
                                        "u8", "u4", "u2", "u1", "b1"};
    if (is_tuple(args, 1, 3) && args->items[0]->type == PICKLE_TEXT)
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (strcmp(args->items[0]->text, known[i]) == 0) {
                out->type = PICKLE_DTYPE;
                out->text = known[i];
                return true;
            }
    return wrong(m, "expected numpy's dtype to be f4, f8, i1 ... i8, u1 ... u8 or b1");
}

/* scalar(dtype, bytes), little-endian. */
static bool reduce_scalar(Machine *m, const PickleValue *args, PickleValue *out)
{
    if (!is_tuple(args, 2, 2) || args->items[0]->type != PICKLE_DTYPE ||
        args->items[1]->type != PICKLE_TEXT ||
        args->items[1]->count != (size_t)(args->items[0]->text[1] - '0'))
        return wrong(m, "expected numpy's scalar of a dtype and as many bytes as it has");
    const PickleValue *bytes = args->items[1];
    uint64_t value = 0;
    for (size_t i = bytes->count; i > 0; i--)
        value = value << 8 | (unsigned char)bytes->text[i - 1];
    const char kind = args->items[0]->text[0];
    out->type = PICKLE_NUMBER;
    if (kind == 'f' && bytes->count == 4) {
        const uint32_t low = (uint32_t)value;
        float f;
        memcpy(&f, &low, sizeof f);
        out->number = (double)f;
    } else if (kind == 'f') {
        out->number = double_of(value);
    } else if (kind == 'i') {
        out->number = (double)signed_of(value, 8 * (int)bytes->count);
    } else {
        out->number = (double)value;
    }
    return true;
}

static bool reduce_class(Machine *m, ClassKind kind, const PickleValue *args, PickleValue *out)
{
    switch (kind) {
    case CLASS_ORDERED_DICT:
        out->type = PICKLE_DICT;
        return args->count == 0 || wrong(m, "expected an OrderedDict that starts empty");
    case CLASS_TENSOR:
        return reduce_tensor(m, args, out);
    case CLASS_PARAMETER: /* (tensor, requires_grad, hooks) */
        if (!is_tuple(args, 3, 3) || args->items[0]->type != PICKLE_TENSOR)
            return wrong(m, "expected a parameter's tensor");
        *out = *args->items[0];
        return true;
    case CLASS_SIZE:
        if (!is_tuple(args, 1, 1) || args->items[0]->type != PICKLE_TUPLE)
            return wrong(m, "expected the tuple of a torch.Size");
        *out = *args->items[0];
        return true;
    case CLASS_SCALAR:
        return reduce_scalar(m, args, out);
    case CLASS_DTYPE:
        return reduce_dtype(m, args, out);
    case CLASS_ENCODE:
        return reduce_encode(m, args, out);
    case CLASS_BYTES:
        out->type = PICKLE_TEXT;
        out->text = "";
        return args->count == 0 || wrong(m, "expected bytes that are empty");
    default:
        return wrong(m, "expected a class that can be called");
    }
}

static bool reduce(Machine *m)
{
    const PickleValue *args = top(m, 0), *what = top(m, 1);
    if (args == NULL || what == NULL)
        return false;
    if (what->type != PICKLE_CLASS || args->type != PICKLE_TUPLE)
        return wrong(m, "expected a class and the tuple of its arguments");
    PickleValue *out = make(m, PICKLE_NONE);
    if (!reduce_class(m, classes[what->integer].kind, args, out))
        return false;
    m->count -= 2;
    return push(m, out);
}

/* Attributes of an OrderedDict ("_metadata" of state dicts) are dropped.  Of numpy's dtype they
 * say, among other things, the byte order. */
static bool build(Machine *m)
{
    const PickleValue *state = top(m, 0), *v = top(m, 1);
    if (state == NULL || v == NULL)
        return false;
    if (v->type == PICKLE_DTYPE) {
        if (!is_tuple(state, 2, 9) || state->items[1]->type != PICKLE_TEXT ||
            (strcmp(state->items[1]->text, "<") != 0 && strcmp(state->items[1]->text, "|") != 0))
            return wrong(m, "expected numpy's numbers to be little-endian");
    } else if (v->type != PICKLE_DICT || state->type != PICKLE_DICT) {
        return wrong(m, "expected attributes of an OrderedDict only");
    }
    m->count--;
    return true;
}

/* ---- opcodes ---- */

static bool refuse(Machine *m, unsigned char code)
{
    const char *name = "unknown";
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (refused[i].code == code)
            name = refused[i].name;
    return error_set(m->err,
                     "%.300s: byte %zu of the pickle: expected the opcodes of a state dict saved "
                     "with protocol 2, found %s (0x%02x)",
                     m->where, m->start, name, code);
}

static bool read_proto(Machine *m)
{
    uint64_t version;
    if (!take_number(m, 1, &version))
        return false;
    return version == 2 || wrong(m, "expected protocol 2");
}

static bool run_container(Machine *m, unsigned char code)
{
    switch (code) {
    case MARK: return push_type(m, PICKLE_MARK);
    case EMPTY_LIST: return push_type(m, PICKLE_LIST);
    case APPEND: return fill_one(m, PICKLE_LIST);
    case APPENDS: return fill_marked(m, PICKLE_LIST);
    case LIST: return pack_marked(m, PICKLE_LIST);
    case EMPTY_TUPLE: return push_type(m, PICKLE_TUPLE);
    case TUPLE: return pack_marked(m, PICKLE_TUPLE);
    case TUPLE1: return pack_few(m, 1);
    case TUPLE2: return pack_few(m, 2);
    case TUPLE3: return pack_few(m, 3);
    case EMPTY_DICT: return push_type(m, PICKLE_DICT);
    case SETITEM: return fill_one(m, PICKLE_DICT);
    case SETITEMS: return fill_marked(m, PICKLE_DICT);
    case DICT: return read_dict(m);
    default: return refuse(m, code);
    }
}

static bool run_opcode(Machine *m, unsigned char code)
{
    switch (code) {
    case PROTO: return read_proto(m);
    case NONE: return push_type(m, PICKLE_NONE);
    case NEWTRUE: return push_integer(m, PICKLE_BOOL, 1);
    case NEWFALSE: return push_integer(m, PICKLE_BOOL, 0);
    case BININT: return read_integer(m, 4);
    case BININT1: return read_integer(m, 1);
    case BININT2: return read_integer(m, 2);
    case LONG1: return read_long(m);
    case BINFLOAT: return read_float(m);
    case BINUNICODE:
    case BINSTRING: return read_text(m, 4);
    case SHORT_BINSTRING: return read_text(m, 1);
    case BINPUT: return memo_put(m, 1);
    case LONG_BINPUT: return memo_put(m, 4);
    case BINGET: return memo_get(m, 1);
    case LONG_BINGET: return memo_get(m, 4);
    case GLOBAL: return read_class(m);
    case REDUCE: return reduce(m);
    case BUILD: return build(m);
    case BINPERSID: return read_storage(m);
    case POP:
        if (top(m, 0) == NULL)
            return false;
        m->count--;
        return true;
    default: return run_container(m, code);
    }
}

/* Counts nodes as often as they are reached; stops at cycles by their depth. */
static bool walk(Machine *m, const PickleValue *v, int depth, size_t *nodes)
{
    if (++*nodes > NODE_LIMIT || depth > PICKLE_MAX_DEPTH)
        return error_set(m->err, "%.300s: expected a tree of at most %d levels and %d values",
                         m->where, PICKLE_MAX_DEPTH, NODE_LIMIT);
    if (v->type > PICKLE_TENSOR)
        return error_set(m->err, "%.300s: expected values, found %s", m->where,
                         pickle_type_name(v->type));
    const bool holds = v->type == PICKLE_DICT || v->type == PICKLE_LIST || v->type == PICKLE_TUPLE;
    const size_t count = !holds ? 0 : v->type == PICKLE_DICT ? 2 * v->count : v->count;
    for (size_t i = 0; i < count; i++)
        if (!walk(m, v->items[i], depth + 1, nodes))
            return false;
    return true;
}

static bool run(Machine *m)
{
    const unsigned char *code;
    size_t nodes = 0, steps = 0;
    if (m->size > SIZE_LIMIT)
        return error_set(m->err, "%.300s: expected a pickle of at most %d bytes, found %zu",
                         m->where, SIZE_LIMIT, m->size);
    if (m->size < 2 || m->bytes[0] != PROTO)
        return wrong(m, "expected a pickle of protocol 2");
    for (;;) {
        m->start = m->at;
        code = take(m, 1);
        if (code == NULL)
            return false;
        if (*code == STOP)
            break;
        if (++steps > NODE_LIMIT)
            return wrong(m, "expected fewer opcodes");
        if (!run_opcode(m, *code))
            return false;
    }
    if (m->at != m->size)
        return wrong(m, "expected the pickle to end here");
    if (m->count != 1)
        return wrong(m, "expected one value at the end");
    return walk(m, m->stack[0], 0, &nodes);
}

Pickle *pickle_read(const unsigned char *bytes, size_t size, const char *where, Error *err)
{
    Machine m = {.bytes = bytes, .size = size, .where = where, .err = err};
    m.arena = arena_create(CHUNK);
    const bool ok = run(&m);
    Pickle *p = NULL;
    if (ok) {
        p = mem_zeroed(1, sizeof *p);
        p->arena = m.arena;
        p->root = m.stack[0];
    } else {
        arena_destroy(m.arena);
    }
    mem_free(m.stack);
    mem_free(m.memo);
    return p;
}

const PickleValue *pickle_root(const Pickle *p)
{
    return p->root;
}

void pickle_free(Pickle *p)
{
    if (p == NULL)
        return;
    arena_destroy(p->arena);
    mem_free(p);
}

const PickleValue *pickle_get(const PickleValue *v, const char *key)
{
    if (v == NULL || v->type != PICKLE_DICT)
        return NULL;
    for (size_t i = v->count; i > 0; i--) { /* of two equal keys the later one holds */
        const PickleValue *k = v->items[2 * (i - 1)];
        if (k->type == PICKLE_TEXT && strcmp(k->text, key) == 0 && strlen(key) == k->count)
            return v->items[2 * (i - 1) + 1];
    }
    return NULL;
}

bool pickle_number(const PickleValue *v, double *number)
{
    if (v == NULL || (v->type != PICKLE_BOOL && v->type != PICKLE_INTEGER &&
                      v->type != PICKLE_NUMBER))
        return false;
    *number = v->type == PICKLE_NUMBER ? v->number : (double)v->integer;
    return true;
}
