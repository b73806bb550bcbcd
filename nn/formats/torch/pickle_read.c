/* Reading: a stack of values, a memo of values by number, and one switch over opcodes.  Values live
 * in an arena.  Containers are shared where the memo shares them, so a small pickle can describe an
 * endless or enormous tree; a last walk counts depth and nodes and refuses those.
 *
 * Limits on the number of opcodes, of the memo and of encoded texts bound the memory that a small
 * file can claim, to some 100 MB: an opcode makes at most one value, of 64 bytes, and the items of
 * a container.  A checkpoint of the published size has less than a tenth of the opcodes. */
#include "nn/formats/torch/pickle_read.h"

#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/torch/pickle_classes.h"
#include "nn/formats/torch/pickle_machine.h"
#include "nn/formats/torch/pickle_opcodes.h"
#include "tensor/base/memory.h"

enum {
    SIZE_LIMIT = 16 * 1024 * 1024, /* ten times a checkpoint's; the bytes are in the archive */
    NODE_LIMIT = 1000 * 1000,      /* opcodes, numbers of the memo, nodes of the tree */
    CHUNK = 65536                  /* of the arena, which takes larger ones as it needs them */
};

/* Names of opcodes that are refused, for the sentence. */
static const struct {
    unsigned char code;
    const char *name;
} refused[] = {
    {'i', "INST"},          {'o', "OBJ"},
    {'P', "PERSID"},        {'I', "INT"},
    {'L', "LONG"},          {'F', "FLOAT"},
    {'S', "STRING"},        {'V', "UNICODE"},
    {'p', "PUT"},           {'g', "GET"},
    {'1', "POP_MARK"},      {'2', "DUP"},
    {'B', "BINBYTES"},      {'C', "SHORT_BINBYTES"},
    {0x81, "NEWOBJ"},       {0x82, "EXT1"},
    {0x83, "EXT2"},         {0x84, "EXT4"},
    {0x8b, "LONG4"},        {0x8c, "SHORT_BINUNICODE"},
    {0x8d, "BINUNICODE8"},  {0x8e, "BINBYTES8"},
    {0x8f, "EMPTY_SET"},    {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},    {0x92, "NEWOBJ_EX"},
    {0x93, "STACK_GLOBAL"}, {0x94, "MEMOIZE"},
    {0x95, "FRAME"},        {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},  {0x98, "READONLY_BUFFER"},
};

/* ---- what opcodes are made of ---- */

static bool push_type(PickleMachine *m, PickleType type)
{
    return pickle_push(m, pickle_make(m, type));
}

static PickleValue *text_value(PickleMachine *m, PickleType type, const void *bytes, size_t count)
{
    PickleValue *v = pickle_make(m, type);
    char *text = arena_zeroed(m->arena, count + 1, 1);
    if (count > 0)
        memcpy(text, bytes, count);
    v->text = text;
    v->count = count;
    return v;
}

static const unsigned char *take(PickleMachine *m, size_t count)
{
    if (count > m->size - m->at) {
        pickle_wrong(m, "expected the pickle to go on; it is cut short");
        return NULL;
    }
    m->at += count;
    return m->bytes + m->at - count;
}

static bool take_number(PickleMachine *m, size_t width, uint64_t *value)
{
    const unsigned char *p = take(m, width);
    *value = p != NULL ? little_endian(p, width) : 0;
    return p != NULL;
}

/* ---- numbers and texts ---- */

static bool read_integer(PickleMachine *m, size_t width)
{
    uint64_t value;
    if (!take_number(m, width, &value))
        return false;
    return pickle_push_integer(m, PICKLE_INTEGER,
                               width == 4 ? signed_of_bits(value, 32) : (int64_t)value);
}

static bool read_long(PickleMachine *m)
{
    uint64_t width, value;
    if (!take_number(m, 1, &width))
        return false;
    if (width > 8)
        return pickle_wrong(m, "expected integers of at most 8 bytes");
    if (!take_number(m, (size_t)width, &value))
        return false;
    return pickle_push_integer(m, PICKLE_INTEGER,
                               width == 0 ? 0 : signed_of_bits(value, 8 * (int)width));
}

static bool read_float(PickleMachine *m)
{
    const unsigned char *p = take(m, 8);
    if (p == NULL)
        return false;
    PickleValue *v = pickle_make(m, PICKLE_NUMBER);
    v->number = double_of_bits(big_endian(p, 8));
    return pickle_push(m, v);
}

static bool read_text(PickleMachine *m, size_t width)
{
    uint64_t length;
    if (!take_number(m, width, &length))
        return false;
    const unsigned char *p = length > m->size ? NULL : take(m, (size_t)length);
    if (p == NULL)
        return pickle_wrong(m, "expected a text that ends within the pickle");
    return pickle_push(m, text_value(m, PICKLE_TEXT, p, (size_t)length));
}

/* ---- containers ---- */

static void append(PickleMachine *m, PickleValue *v, PickleValue *item, size_t used)
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
static bool find_mark(PickleMachine *m, size_t *at)
{
    for (size_t i = m->count; i > 0; i--)
        if (m->stack[i - 1]->type == PICKLE_MARK) {
            *at = i - 1;
            return true;
        }
    return pickle_wrong(m, "expected a mark on the stack");
}

/* The values from stack position `first` on become a tuple or a list, in place of those from
 * `keep` on. */
static bool pack(PickleMachine *m, PickleType type, size_t keep, size_t first)
{
    PickleValue *v = pickle_make(m, type);
    v->count = v->capacity = m->count - first;
    v->items = arena_alloc(m->arena, v->count, sizeof *v->items);
    if (v->count > 0)
        memcpy(v->items, m->stack + first, v->count * sizeof *v->items);
    m->count = keep;
    return pickle_push(m, v);
}

static bool pack_marked(PickleMachine *m, PickleType type)
{
    size_t mark = 0;
    return find_mark(m, &mark) && pack(m, type, mark, mark + 1);
}

static bool pack_few(PickleMachine *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pickle_top(m, i) == NULL)
            return false;
    return pack(m, PICKLE_TUPLE, m->count - count, m->count - count);
}

/* The values from `first` on go into the container under them, which is at `keep` - 1. */
static bool fill(PickleMachine *m, PickleType type, size_t keep, size_t first)
{
    const size_t step = type == PICKLE_DICT ? 2 : 1, count = m->count - first;
    if (keep == 0 || m->stack[keep - 1]->type != type)
        return pickle_wrong(m, type == PICKLE_DICT ? "expected a dict to set items of"
                                                   : "expected a list to append to");
    if (count % step != 0)
        return pickle_wrong(m, "expected a value for every key");
    PickleValue *v = m->stack[keep - 1];
    for (size_t i = 0; i < count; i += step) {
        const PickleType key = m->stack[first + i]->type;
        if (step == 2 && key != PICKLE_TEXT && key != PICKLE_INTEGER)
            return pickle_wrong(m, "expected keys to be texts or integers");
        for (size_t k = 0; k < step; k++)
            append(m, v, m->stack[first + i + k], v->count * step + k);
        v->count++;
    }
    m->count = keep;
    return true;
}

static bool fill_marked(PickleMachine *m, PickleType type)
{
    size_t mark = 0;
    return find_mark(m, &mark) && fill(m, type, mark, mark + 1);
}

static bool fill_one(PickleMachine *m, PickleType type)
{
    const size_t count = type == PICKLE_DICT ? 2 : 1;
    for (size_t i = 0; i <= count; i++)
        if (pickle_top(m, i) == NULL)
            return false;
    return fill(m, type, m->count - count, m->count - count);
}

static bool read_dict(PickleMachine *m)
{
    size_t mark = 0;
    if (!find_mark(m, &mark))
        return false;
    m->stack[mark] = pickle_make(m, PICKLE_DICT);
    return fill(m, PICKLE_DICT, mark + 1, mark + 1);
}

/* ---- the memo ---- */

static bool memo_put(PickleMachine *m, size_t width)
{
    uint64_t at;
    PickleValue *v = pickle_top(m, 0);
    if (v == NULL || !take_number(m, width, &at))
        return false;
    if (at >= m->size || at >= NODE_LIMIT) /* one opcode each: honest numbers are smaller */
        return pickle_wrong(m, "expected a smaller memo number");
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

static bool memo_get(PickleMachine *m, size_t width)
{
    uint64_t at;
    if (!take_number(m, width, &at))
        return false;
    if (at >= m->memo_count || m->memo[at] == NULL)
        return pickle_wrong(m, "expected a memo number that was used before");
    return pickle_push(m, m->memo[at]);
}

/* ---- opcodes ---- */

static bool refuse(PickleMachine *m, unsigned char code)
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

static bool read_proto(PickleMachine *m)
{
    uint64_t version;
    if (!take_number(m, 1, &version))
        return false;
    return version == 2 || pickle_wrong(m, "expected protocol 2");
}

static bool run_container(PickleMachine *m, unsigned char code)
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

static bool run_opcode(PickleMachine *m, unsigned char code)
{
    switch (code) {
    case PROTO: return read_proto(m);
    case NONE: return push_type(m, PICKLE_NONE);
    case NEWTRUE: return pickle_push_integer(m, PICKLE_BOOL, 1);
    case NEWFALSE: return pickle_push_integer(m, PICKLE_BOOL, 0);
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
    case GLOBAL: return pickle_read_class(m);
    case REDUCE: return pickle_reduce(m);
    case BUILD: return pickle_build(m);
    case BINPERSID: return pickle_read_storage(m);
    case POP:
        if (pickle_top(m, 0) == NULL)
            return false;
        m->count--;
        return true;
    default: return run_container(m, code);
    }
}

/* Counts nodes as often as they are reached; stops at cycles by their depth. */
static bool walk(PickleMachine *m, const PickleValue *v, int depth, size_t *nodes)
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

static bool run_program(PickleMachine *m)
{
    const unsigned char *code;
    size_t nodes = 0, steps = 0;
    if (m->size > SIZE_LIMIT)
        return error_set(m->err, "%.300s: expected a pickle of at most %d bytes, found %zu",
                         m->where, SIZE_LIMIT, m->size);
    if (m->size < 2 || m->bytes[0] != PROTO)
        return pickle_wrong(m, "expected a pickle of protocol 2");
    for (;;) {
        m->start = m->at;
        code = take(m, 1);
        if (code == NULL)
            return false;
        if (*code == STOP)
            break;
        if (++steps > NODE_LIMIT)
            return pickle_wrong(m, "expected fewer opcodes");
        if (!run_opcode(m, *code))
            return false;
    }
    if (m->at != m->size && !m->first)
        return pickle_wrong(m, "expected the pickle to end here");
    if (m->count != 1)
        return pickle_wrong(m, "expected one value at the end");
    return walk(m, m->stack[0], 0, &nodes);
}

struct Pickle {
    Arena *arena;
    PickleValue *root;
};

/* m: what is to be read, and how. */
static Pickle *run_machine(PickleMachine m, size_t *used)
{
    m.arena = arena_create(CHUNK);
    const bool ok = run_program(&m);
    *used = m.at;
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

Pickle *pickle_read(const unsigned char *bytes, size_t size, const char *where, Error *err)
{
    size_t used;
    return run_machine((PickleMachine){.bytes = bytes, .size = size, .where = where, .err = err},
                       &used);
}

Pickle *pickle_read_first(const unsigned char *bytes, size_t size, size_t *used, const char *where,
                          Error *err)
{
    const size_t most = size < SIZE_LIMIT ? size : SIZE_LIMIT;
    return run_machine(
        (PickleMachine){.bytes = bytes, .size = most, .where = where, .err = err, .first = true},
        used);
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
