/* The classes of state dicts.  A class is a value on the stack; REDUCE "calls" it, which here
 * means: builds the value that stands for the result out of the arguments.  A call of an unknown
 * class, or with an opaque value where its bytes should be, is an opaque value. */
#include "nn/formats/torch/pickle_classes.h"

#include <string.h>

#include "nn/formats/byte_order.h"
#include "tensor/base/memory.h"

/* ---- what is known ---- */

typedef enum ClassKind {
    CLASS_ORDERED_DICT,
    CLASS_TENSOR,
    CLASS_PARAMETER,
    CLASS_STORAGE,
    CLASS_SIZE,
    CLASS_SCALAR,
    CLASS_DTYPE,
    CLASS_ENCODE,
    CLASS_BYTES
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
    {"torch._utils", "_rebuild_parameter_with_state", CLASS_PARAMETER, NULL, 0},
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
    {"builtins", "bytes", CLASS_BYTES, NULL, 0},
};
enum { CLASS_COUNT = sizeof classes / sizeof classes[0] };

enum {
    NAME_LIMIT = 200, /* of a module or a class, in bytes */
    NAME_KEPT = 100   /* of both in an opaque value: a few opcodes make one out of shared texts */
};

/* ---- names ---- */

/* One line of text, without its end. */
static const char *take_line(PickleMachine *m, size_t *length)
{
    const char *text = (const char *)m->bytes + m->at;
    const char *end = memchr(text, '\n', m->size - m->at);
    if (end == NULL || end - text > NAME_LIMIT) {
        pickle_wrong(m, "expected the name of a class");
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
static char *plain_text(char *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++, out++) {
        *out = '?';
        if (text[i] > ' ' && text[i] < 127)
            *out = text[i];
    }
    return out;
}

static bool push_class(PickleMachine *m, const char *module, size_t module_length, const char *name,
                       size_t name_length)
{
    for (size_t i = 0; i < CLASS_COUNT; i++)
        if (same(classes[i].module, module, module_length) &&
            same(classes[i].name, name, name_length))
            return pickle_push_integer(m, PICKLE_CLASS, (int64_t)i);
    char both[2 * NAME_LIMIT + 2];
    char *dot = plain_text(both, module, module_length);
    *dot = '.';
    const size_t length = (size_t)(plain_text(dot + 1, name, name_length) - both);
    const size_t kept = length < NAME_KEPT ? length : NAME_KEPT;
    char *text = arena_zeroed(m->arena, kept + 1, 1);
    memcpy(text, both, kept);
    return pickle_push_opaque(m, text);
}

bool pickle_read_class(PickleMachine *m)
{
    size_t module_length, name_length;
    const char *module = take_line(m, &module_length);
    const char *name = module != NULL ? take_line(m, &name_length) : NULL;
    return name != NULL && push_class(m, module, module_length, name, name_length);
}

bool pickle_class_of_texts(PickleMachine *m)
{
    const PickleValue *name = pickle_top(m, 0), *module = pickle_top(m, 1);
    if (name == NULL || module == NULL)
        return false;
    if (name->type != PICKLE_TEXT || module->type != PICKLE_TEXT || name->count > NAME_LIMIT ||
        module->count > NAME_LIMIT)
        return pickle_wrong(m, "expected the name of a class");
    m->count -= 2;
    return push_class(m, module->text, module->count, name->text, name->count);
}

static bool make_opaque(PickleValue *out, const char *class_name)
{
    out->type = PICKLE_OPAQUE;
    out->text = class_name;
    return true;
}

static bool is_tuple(const PickleValue *v, size_t least, size_t most)
{
    return v->type == PICKLE_TUPLE && v->count >= least && v->count <= most;
}

static bool is_class(const PickleValue *v, ClassKind kind)
{
    return v->type == PICKLE_CLASS && classes[v->integer].kind == kind;
}

/* A whole number from 0; SIZE_MAX, which is beyond all storages, where size_t does not hold it. */
static size_t size_of(const PickleValue *v)
{
    return (uint64_t)v->integer > SIZE_MAX / 2 ? SIZE_MAX : (size_t)v->integer;
}

bool pickle_read_storage(PickleMachine *m)
{
    const PickleValue *id = pickle_top(m, 0);
    if (id == NULL)
        return false;
    const size_t parts = m->first ? 6 : 5;
    if (!is_tuple(id, parts, parts) || (m->first && id->items[5]->type != PICKLE_NONE) ||
        id->items[0]->type != PICKLE_TEXT || strcmp(id->items[0]->text, "storage") != 0 ||
        (!is_class(id->items[1], CLASS_STORAGE) && id->items[1]->type != PICKLE_OPAQUE) ||
        id->items[2]->type != PICKLE_TEXT || id->items[3]->type != PICKLE_TEXT ||
        id->items[4]->type != PICKLE_INTEGER || id->items[4]->integer < 0)
        return pickle_wrong(m,
                            "expected a persistent id (\"storage\", class, key, device, entries)");
    const char *key = id->items[2]->text;
    if (*key == '\0' || strlen(key) != id->items[2]->count || strlen(key) > 100)
        return pickle_wrong(m, "expected a storage's key to be a short text");
    if (id->items[1]->type == PICKLE_OPAQUE) { /* of numbers that are not computed with */
        m->stack[m->count - 1] = id->items[1];
        return true;
    }
    PickleValue *v = pickle_make(m, PICKLE_STORAGE);
    v->tensor = arena_zeroed(m->arena, 1, sizeof *v->tensor);
    v->tensor->dtype = classes[id->items[1]->integer].dtype;
    v->tensor->item = classes[id->items[1]->integer].item;
    v->tensor->key = key;
    v->tensor->storage = size_of(id->items[4]);
    m->stack[m->count - 1] = v;
    return true;
}

/* Whole numbers from 0 of a tuple. */
static bool sizes_of(const PickleValue *v, size_t *out)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->items[i]->type != PICKLE_INTEGER || v->items[i]->integer < 0)
            return false;
        out[i] = size_of(v->items[i]);
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
        if (t->shape[i] == SIZE_MAX || !mem_product(t->count, t->shape[i], &t->count))
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
static bool reduce_tensor(PickleMachine *m, const PickleValue *args, PickleValue *out)
{
    size_t offset = 0;
    if (is_tuple(args, 6, 7) && args->items[0]->type == PICKLE_OPAQUE) {
        *out = *args->items[0];
        return true;
    }
    if (!is_tuple(args, 6, 7) || args->items[0]->type != PICKLE_STORAGE ||
        args->items[1]->type != PICKLE_INTEGER || args->items[1]->integer < 0 ||
        !is_tuple(args->items[2], 0, PICKLE_MAX_RANK) ||
        !is_tuple(args->items[3], args->items[2]->count, args->items[2]->count))
        return pickle_wrong(
            m, "expected a tensor's storage, offset, shape and strides of at most 8 axes");
    offset = size_of(args->items[1]);
    PickleTensor *t = arena_zeroed(m->arena, 1, sizeof *t);
    *t = *args->items[0]->tensor;
    t->offset = offset;
    t->rank = (int)args->items[2]->count;
    if (!sizes_of(args->items[2], t->shape) || !sizes_of(args->items[3], t->stride))
        return pickle_wrong(m, "expected shape and strides of a tensor to be whole numbers from 0");
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
static bool reduce_encode(PickleMachine *m, const PickleValue *args, PickleValue *out)
{
    if (!is_tuple(args, 2, 2) || args->items[0]->type != PICKLE_TEXT ||
        args->items[1]->type != PICKLE_TEXT || strcmp(args->items[1]->text, "latin1") != 0)
        return pickle_wrong(m, "expected encode's arguments to be a text and \"latin1\"");
    const PickleValue *from = args->items[0];
    if (from->count > m->size - m->encoded) /* one text, taken from the memo again and again */
        return pickle_wrong(m, "expected encode's texts to be in the pickle once each");
    m->encoded += from->count;
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
            return pickle_wrong(m, "expected a text of latin1 characters");
        }
    }
    out->type = PICKLE_TEXT;
    out->text = text;
    out->count = n;
    return true;
}

/* dtype("f8", align, copy).  Texts, objects, halves and the like are of no use here. */
static bool reduce_dtype(PickleMachine *m, const PickleValue *args, PickleValue *out)
{
    static const char *const known[] = {"f8", "f4", "i8", "i4", "i2", "i1",
                                        "u8", "u4", "u2", "u1", "b1"};
    if (!is_tuple(args, 1, 3))
        return pickle_wrong(m, "expected the arguments of numpy's dtype");
    if (args->items[0]->type == PICKLE_TEXT)
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (strcmp(args->items[0]->text, known[i]) == 0) {
                out->type = PICKLE_DTYPE;
                out->text = known[i];
                return true;
            }
    return make_opaque(out, "numpy.dtype");
}

/* scalar(dtype, bytes), little-endian. */
static bool reduce_scalar(PickleMachine *m, const PickleValue *args, PickleValue *out)
{
    if (is_tuple(args, 2, 2) && args->items[0]->type == PICKLE_OPAQUE)
        return make_opaque(out, "numpy.generic");
    if (!is_tuple(args, 2, 2) || args->items[0]->type != PICKLE_DTYPE ||
        args->items[1]->type != PICKLE_TEXT ||
        args->items[1]->count != (size_t)(args->items[0]->text[1] - '0'))
        return pickle_wrong(m, "expected numpy's scalar of a dtype and as many bytes as it has");
    const PickleValue *bytes = args->items[1];
    const uint64_t value = little_endian(bytes->text, bytes->count);
    const char kind = args->items[0]->text[0];
    out->type = PICKLE_NUMBER;
    if (kind == 'f')
        out->number =
            bytes->count == 4 ? (double)float_of_bits((uint32_t)value) : double_of_bits(value);
    else if (kind == 'i')
        out->number = (double)signed_of_bits(value, 8 * (int)bytes->count);
    else
        out->number = (double)value;
    return true;
}

static bool reduce_class(PickleMachine *m, ClassKind kind, const PickleValue *args,
                         PickleValue *out)
{
    switch (kind) {
    case CLASS_ORDERED_DICT:
        out->type = PICKLE_DICT;
        return args->count == 0 || pickle_wrong(m, "expected an OrderedDict that starts empty");
    case CLASS_TENSOR: return reduce_tensor(m, args, out);
    case CLASS_PARAMETER: /* (tensor, requires_grad, hooks[, attributes]) */
        if (!is_tuple(args, 3, 4) ||
            (args->items[0]->type != PICKLE_TENSOR && args->items[0]->type != PICKLE_OPAQUE))
            return pickle_wrong(m, "expected a parameter's tensor");
        *out = *args->items[0];
        return true;
    case CLASS_SIZE:
        if (!is_tuple(args, 1, 1) || args->items[0]->type != PICKLE_TUPLE)
            return pickle_wrong(m, "expected the tuple of a torch.Size");
        *out = *args->items[0];
        return true;
    case CLASS_SCALAR: return reduce_scalar(m, args, out);
    case CLASS_DTYPE: return reduce_dtype(m, args, out);
    case CLASS_ENCODE: return reduce_encode(m, args, out);
    case CLASS_BYTES:
        out->type = PICKLE_TEXT;
        out->text = "";
        return args->count == 0 || pickle_wrong(m, "expected bytes that are empty");
    default: return pickle_wrong(m, "expected a class that can be called");
    }
}

/* Whose object a call of an unknown function makes: numpy's and Python's functions that put objects
 * together are told the class first. */
static const PickleValue *maker(const PickleValue *what, const PickleValue *args)
{
    const bool told = strstr(what->text, "._reconstruct") != NULL && args->count > 0 &&
                      args->items[0]->type == PICKLE_OPAQUE;
    return told ? args->items[0] : what;
}

/* The class and its arguments, the upper `count` values, become what it makes of them. */
static bool call(PickleMachine *m, const PickleValue *what, const PickleValue *args, size_t count)
{
    if ((what->type != PICKLE_CLASS && what->type != PICKLE_OPAQUE) || args->type != PICKLE_TUPLE)
        return pickle_wrong(m, "expected a class and the tuple of its arguments");
    PickleValue *out = pickle_make(m, PICKLE_NONE);
    if (what->type == PICKLE_OPAQUE)
        *out = *maker(what, args);
    else if (!reduce_class(m, classes[what->integer].kind, args, out))
        return false;
    m->count -= count;
    return pickle_push(m, out);
}

bool pickle_reduce(PickleMachine *m)
{
    const PickleValue *args = pickle_top(m, 0), *what = pickle_top(m, 1);
    return args != NULL && what != NULL && call(m, what, args, 2);
}

bool pickle_new(PickleMachine *m, bool keywords)
{
    const size_t count = keywords ? 3 : 2;
    const PickleValue *named = pickle_top(m, 0), *args = pickle_top(m, count - 2),
                      *what = pickle_top(m, count - 1);
    if (named == NULL || args == NULL || what == NULL)
        return false;
    if (keywords &&
        (named->type != PICKLE_DICT || (named->count > 0 && what->type == PICKLE_CLASS)))
        return pickle_wrong(m, "expected a class of which no keywords are known");
    return call(m, what, args, count);
}

/* Attributes of an OrderedDict ("_metadata" of state dicts) and of opaque objects are dropped.  Of
 * numpy's dtype they say, among other things, the byte order. */
bool pickle_build(PickleMachine *m)
{
    const PickleValue *state = pickle_top(m, 0);
    PickleValue *v = pickle_top(m, 1);
    if (state == NULL || v == NULL)
        return false;
    if (v->type == PICKLE_DTYPE) {
        if (!is_tuple(state, 2, 9) || state->items[1]->type != PICKLE_TEXT ||
            (strcmp(state->items[1]->text, "<") != 0 && strcmp(state->items[1]->text, "|") != 0))
            make_opaque(v, "numpy.dtype"); /* of big-endian numbers, say */
    } else if (v->type != PICKLE_OPAQUE && (v->type != PICKLE_DICT || state->type != PICKLE_DICT)) {
        return pickle_wrong(m, "expected attributes of an OrderedDict only");
    }
    m->count--;
    return true;
}
