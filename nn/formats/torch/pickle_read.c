/* Reading: a stack of values, a memo of values by number, and one switch over opcodes.  Values live
 * in an arena.  Containers are shared where the memo shares them, so a small pickle can describe an
 * endless or enormous tree; a last walk counts depth and nodes and refuses those.
 *
 * Limits on the number of opcodes, of the memo and of encoded texts bound the memory that a small
 * file can claim, to some 100 MB: an opcode makes at most one value, of 64 bytes, and the items of
 * a container.  A checkpoint of the published size has less than a tenth of the opcodes. */
#include "nn/formats/torch/pickle_read.h"

#include <stdio.h>
#include <string.h>

#include "nn/formats/buffer.h"
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
    {'i', "INST"},  {'o', "OBJ"},   {'P', "PERSID"},       {'I', "INT"},
    {'L', "LONG"},  {'F', "FLOAT"}, {'S', "STRING"},       {'V', "UNICODE"},
    {'p', "PUT"},   {'g', "GET"},   {'2', "DUP"},          {0x82, "EXT1"},
    {0x83, "EXT2"}, {0x84, "EXT4"}, {0x97, "NEXT_BUFFER"}, {0x98, "READONLY_BUFFER"},
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

/* An integer of any length, the lowest byte first, in two's complement, as a double. */
static double number_of_long(const unsigned char *p, size_t count)
{
    const unsigned char flip = p[count - 1] >= 0x80 ? 0xFF : 0; /* -x - 1 = not x */
    double x = 0;
    for (size_t i = count; i-- > 0;)
        x = 256 * x + (double)(p[i] ^ flip);
    return flip ? -x - 1 : x;
}

static bool read_long(PickleMachine *m, size_t width)
{
    uint64_t count;
    const unsigned char *p = take_number(m, width, &count) ? take(m, (size_t)count) : NULL;
    if (p == NULL)
        return false;
    if (count <= 8)
        return pickle_push_integer(
            m, PICKLE_INTEGER,
            count == 0 ? 0 : signed_of_bits(little_endian(p, (size_t)count), 8 * (int)count));
    PickleValue *v = pickle_make(m, PICKLE_NUMBER);
    v->number = number_of_long(p, (size_t)count);
    return pickle_push(m, v);
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
    const PickleType under = keep > 0 ? m->stack[keep - 1]->type : PICKLE_MARK;
    if (under == PICKLE_OPAQUE) { /* what is in it is dropped */
        m->count = keep;
        return true;
    }
    if (under != type)
        return pickle_wrong(m, type == PICKLE_DICT   ? "expected a dict to set items of"
                               : type == PICKLE_LIST ? "expected a list to append to"
                                                     : "expected a set to add to");
    if (count % step != 0)
        return pickle_wrong(m, "expected a value for every key");
    PickleValue *v = m->stack[keep - 1];
    for (size_t i = 0; i < count; i += step) {
        const PickleType key = m->stack[first + i]->type;
        if (step == 2 && (key == PICKLE_LIST || key == PICKLE_DICT))
            return pickle_wrong(m, "expected keys to be neither lists nor dicts");
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

/* The opaque frozenset of what is above the mark, or with `push` false nothing in its place. */
static bool drop_marked(PickleMachine *m, bool push)
{
    size_t mark = 0;
    if (!find_mark(m, &mark))
        return false;
    m->count = mark;
    return !push || pickle_push_opaque(m, "builtins.frozenset");
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

static bool memo_set(PickleMachine *m, uint64_t at)
{
    PickleValue *v = pickle_top(m, 0);
    if (v == NULL)
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
    m->memo_used += m->memo[at] == NULL;
    m->memo[at] = v;
    return true;
}

static bool memo_put(PickleMachine *m, size_t width)
{
    uint64_t at;
    return take_number(m, width, &at) && memo_set(m, at);
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
                     "with protocol 2 to 5, found %s (0x%02x)",
                     m->where, m->start, name, code);
}

static bool read_proto(PickleMachine *m)
{
    uint64_t version;
    if (!take_number(m, 1, &version))
        return false;
    return (version >= 2 && version <= 5) || pickle_wrong(m, "expected protocol 2, 3, 4 or 5");
}

/* A length, which only says how much to read at once. */
static bool read_frame(PickleMachine *m)
{
    uint64_t length;
    if (!take_number(m, 8, &length))
        return false;
    return length <= m->size - m->at ||
           pickle_wrong(m, "expected a frame that ends within the pickle");
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
    case EMPTY_SET: return pickle_push_opaque(m, "builtins.set");
    case ADDITEMS: return fill_marked(m, PICKLE_OPAQUE);
    case FROZENSET: return drop_marked(m, true);
    case POP_MARK: return drop_marked(m, false);
    default: return refuse(m, code);
    }
}

/* Numbers, texts and containers. */
static bool run_value(PickleMachine *m, unsigned char code)
{
    switch (code) {
    case NONE: return push_type(m, PICKLE_NONE);
    case NEWTRUE: return pickle_push_integer(m, PICKLE_BOOL, 1);
    case NEWFALSE: return pickle_push_integer(m, PICKLE_BOOL, 0);
    case BININT: return read_integer(m, 4);
    case BININT1: return read_integer(m, 1);
    case BININT2: return read_integer(m, 2);
    case LONG1: return read_long(m, 1);
    case LONG4: return read_long(m, 4);
    case BINFLOAT: return read_float(m);
    case BINUNICODE:
    case BINBYTES:
    case BINSTRING: return read_text(m, 4);
    case SHORT_BINUNICODE:
    case SHORT_BINBYTES:
    case SHORT_BINSTRING: return read_text(m, 1);
    case BINUNICODE8:
    case BINBYTES8:
    case BYTEARRAY8: return read_text(m, 8);
    default: return run_container(m, code);
    }
}

static bool run_opcode(PickleMachine *m, unsigned char code)
{
    switch (code) {
    case PROTO: return read_proto(m);
    case FRAME: return read_frame(m);
    case BINPUT: return memo_put(m, 1);
    case LONG_BINPUT: return memo_put(m, 4);
    case BINGET: return memo_get(m, 1);
    case LONG_BINGET: return memo_get(m, 4);
    case MEMOIZE: return memo_set(m, m->memo_used);
    case GLOBAL: return pickle_read_class(m);
    case STACK_GLOBAL: return pickle_class_of_texts(m);
    case REDUCE: return pickle_reduce(m);
    case NEWOBJ: return pickle_new(m, false);
    case NEWOBJ_EX: return pickle_new(m, true);
    case BUILD: return pickle_build(m);
    case BINPERSID: return pickle_read_storage(m);
    case POP:
        if (pickle_top(m, 0) == NULL)
            return false;
        m->count--;
        return true;
    default: return run_value(m, code);
    }
}

/* ---- the finished tree ---- */

enum { NAMED = 8, PLACE_TEXT = 80, CLASS_TEXT = 80 }; /* of opaque values, in a sentence */

/* Where a value is: by key, or by number where that is no text, in the container above. */
typedef struct Place {
    const struct Place *above;
    const PickleValue *key;
    size_t number;
} Place;

typedef struct Walk {
    PickleMachine *machine;
    size_t nodes, foreign;
    Buffer list; /* of the foreign values */
} Walk;

/* From the top down: a.b[3].c, cut at PLACE_TEXT bytes. */
static size_t put_place(char *text, const Place *p)
{
    const bool named = p->key != NULL && p->key->type == PICKLE_TEXT;
    size_t used = p->above != NULL ? put_place(text, p->above) : 0;
    if (named && p->above != NULL && used + 1 < PLACE_TEXT)
        text[used++] = '.';
    for (size_t i = 0; named && i < p->key->count && used + 1 < PLACE_TEXT; i++) {
        const char c = p->key->text[i];
        text[used++] = (char)(c >= ' ' && c < 127 ? c : '?');
    }
    if (!named)
        used += (size_t)snprintf(text + used, PLACE_TEXT - used, "[%zu]", p->number);
    used = used < PLACE_TEXT ? used : PLACE_TEXT - 1;
    text[used] = '\0';
    return used;
}

/* Classes, storages and dtypes by themselves are no values: they join the opaque ones, and all of
 * these the list. */
static void note_foreign(Walk *w, PickleValue *v, const Place *place)
{
    char text[PLACE_TEXT];
    if (v->type > PICKLE_OPAQUE) {
        v->text = pickle_found(v);
        v->type = PICKLE_OPAQUE;
    }
    put_place(text, place);
    if (w->foreign++ < NAMED)
        buffer_format(&w->list, "%s%s (%.*s)", w->foreign > 1 ? ", " : "", text, CLASS_TEXT,
                      v->text);
}

/* Counts nodes as often as they are reached; stops at cycles by their depth. */
static bool walk(Walk *w, PickleValue *v, const Place *place, int depth)
{
    PickleMachine *m = w->machine;
    if (++w->nodes > NODE_LIMIT || depth > PICKLE_MAX_DEPTH)
        return error_set(m->err, "%.300s: expected a tree of at most %d levels and %d values",
                         m->where, PICKLE_MAX_DEPTH, NODE_LIMIT);
    if (v->type >= PICKLE_OPAQUE && place == NULL)
        return error_set(m->err, "%.300s: expected values, found %.200s%s", m->where,
                         pickle_found(v),
                         v->type == PICKLE_OPAQUE ? ": save its state_dict() instead" : "");
    if (v->type >= PICKLE_OPAQUE)
        note_foreign(w, v, place);
    const bool dict = v->type == PICKLE_DICT;
    for (size_t i = 0; i < pickle_item_count(v); i++) {
        const Place below = {place, dict ? v->items[i - i % 2] : NULL, dict ? i / 2 : i};
        if (!walk(w, v->items[i], &below, depth + 1))
            return false;
    }
    return true;
}

/* The list of the foreign values in *list, which is to be freed. */
static bool finish(PickleMachine *m, Buffer *list)
{
    Walk w = {.machine = m};
    const bool ok = walk(&w, m->stack[0], NULL, 0);
    if (w.foreign > NAMED)
        buffer_format(&w.list, ", and %zu more", w.foreign - NAMED);
    *list = w.list;
    return ok;
}

/* ---- the program ---- */

static bool run_program(PickleMachine *m)
{
    const unsigned char *code;
    size_t steps = 0;
    if (m->size > SIZE_LIMIT)
        return error_set(m->err, "%.300s: expected a pickle of at most %d bytes, found %zu",
                         m->where, SIZE_LIMIT, m->size);
    if (m->size < 2 || m->bytes[0] != PROTO)
        return pickle_wrong(m, "expected a pickle of protocol 2, 3, 4 or 5");
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
    return true;
}

struct Pickle {
    Arena *arena;
    PickleValue *root;
    Buffer foreign;
};

/* m: what is to be read, and how. */
static Pickle *run_machine(PickleMachine m, size_t *used)
{
    m.arena = arena_create(CHUNK);
    Pickle *p = mem_zeroed(1, sizeof *p);
    p->arena = m.arena;
    const bool ok = run_program(&m) && finish(&m, &p->foreign);
    *used = m.at;
    if (ok)
        p->root = m.stack[0];
    mem_free(m.stack);
    mem_free(m.memo);
    if (ok)
        return p;
    pickle_free(p);
    return NULL;
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

const char *pickle_foreign(const Pickle *p)
{
    return p->foreign.bytes != NULL ? p->foreign.bytes : "";
}

void pickle_free(Pickle *p)
{
    if (p == NULL)
        return;
    arena_destroy(p->arena);
    buffer_free(&p->foreign);
    mem_free(p);
}
