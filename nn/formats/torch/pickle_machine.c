#include "nn/formats/torch/pickle_machine.h"

#include "tensor/base/memory.h"

bool pickle_wrong(PickleMachine *m, const char *what)
{
    return error_set(m->err, "%.300s: byte %zu of the pickle: %s", m->where, m->start, what);
}

PickleValue *pickle_make(PickleMachine *m, PickleType type)
{
    PickleValue *v = arena_zeroed(m->arena, 1, sizeof *v);
    v->type = type;
    return v;
}

bool pickle_push(PickleMachine *m, PickleValue *v)
{
    if (m->count == m->capacity)
        m->stack = mem_grow(m->stack, &m->capacity, 256, sizeof *m->stack);
    m->stack[m->count++] = v;
    return true;
}

bool pickle_push_integer(PickleMachine *m, PickleType type, int64_t integer)
{
    PickleValue *v = pickle_make(m, type);
    v->integer = integer;
    return pickle_push(m, v);
}

bool pickle_push_opaque(PickleMachine *m, const char *class_name)
{
    PickleValue *v = pickle_make(m, PICKLE_OPAQUE);
    v->text = class_name;
    return pickle_push(m, v);
}

PickleValue *pickle_top(PickleMachine *m, size_t depth)
{
    if (depth >= m->count || m->stack[m->count - 1 - depth]->type == PICKLE_MARK) {
        pickle_wrong(m, "expected a value on the stack");
        return NULL;
    }
    return m->stack[m->count - 1 - depth];
}
