/* The tape.  Recorded Vars form a linked list, newest first; since an operation's inputs exist
 * before it, walking the list visits every Var before its inputs, which is all that reverse-mode
 * differentiation asks for.
 *
 * Invariants:
 *   - a Var that needs no gradient is not on the tape and points at no inputs;
 *   - a gradient belongs to backward pass number v->reached; buffers of older passes are zeroed at
 *     their first use in a new one, leaves never are. */
#include "autograd/autograd.h"

#include "tensor/check.h"
#include "tensor/memory.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"

enum { CHUNK_BYTES = 1 << 20 };

Graph *ag_graph_create(void)
{
    Graph *g = mem_zeroed(1, sizeof *g);
    g->arena = arena_create(CHUNK_BYTES);
    g->aside = arena_create(CHUNK_BYTES);
    g->recording = true;
    return g;
}

void ag_graph_destroy(Graph *g)
{
    if (!g)
        return;
    arena_destroy(g->arena);
    arena_destroy(g->aside);
    mem_free(g);
}

void ag_graph_reset(Graph *g)
{
    arena_reset(g->arena);
    g->last = NULL;
    g->bad_value.data = NULL; /* released; its shape is kept with bad_op */
}

void ag_set_recording(Graph *g, bool recording)
{
    TENSOR_CHECK(arena_used(g->arena) == 0,
                 "the graph holds %lu bytes: reset it before changing its mode",
                 (unsigned long)arena_used(g->arena));
    g->recording = recording;
}

/* A Var with no inputs, not on the tape. */
static Var *bare_var(Graph *g, const char *op, Tensor value, ArenaMark born)
{
    Var *v = arena_zeroed(g->arena, 1, sizeof *v);
    v->value = value;
    v->op = op;
    v->graph = g;
    v->born = born;
    return v;
}

Var *ag_leaf(Graph *g, Tensor value, float *gradient)
{
    Var *v = bare_var(g, gradient ? "leaf" : "constant", value, arena_mark(g->arena));
    v->needs_grad = g->recording && gradient;
    v->grad = v->needs_grad ? gradient : NULL;
    return v;
}

Var *ag_constant(Graph *g, Tensor value)
{
    return ag_leaf(g, value, NULL);
}

/* Puts v on the tape if one of the inputs needs a gradient. */
static void record(Var *v, void (*backward)(Var *v), int input_count, Var *const *inputs)
{
    for (int i = 0; i < input_count; i++)
        if (inputs[i] && inputs[i]->needs_grad)
            v->needs_grad = true;
    if (!v->needs_grad)
        return;
    for (int i = 0; i < input_count; i++)
        v->inputs[i] = inputs[i];
    v->input_count = input_count;
    v->backward = backward;
    v->previous = v->graph->last;
    v->graph->last = v;
}

Var *ag_new_var(const char *op, int rank, const size_t *shape, void (*backward)(Var *v),
                int input_count, Var *const *inputs)
{
    TENSOR_CHECK(input_count >= 1 && input_count <= AG_MAX_INPUTS && inputs[0],
                 "%s: %d inputs, need 1 to %d and the first of them", op, input_count,
                 (int)AG_MAX_INPUTS);
    Graph *g = inputs[0]->graph;
    for (int i = 1; i < input_count; i++)
        TENSOR_CHECK(!inputs[i] || inputs[i]->graph == g, "%s: input %d is of another graph", op,
                     i);
    ArenaMark born = arena_mark(g->arena);
    Var *v = bare_var(g, op, tensor_make(g->arena, rank, shape), born);
    record(v, backward, input_count, inputs);
    return v;
}

Var *ag_new_view(const char *op, Tensor value, void (*backward)(Var *v), Var *input)
{
    Var *v = bare_var(input->graph, op, value, input->born);
    record(v, backward, 1, &input);
    return v;
}

Var *ag_done(Var *v)
{
    Graph *g = v->graph;
    if (g->check_finite && !g->bad_op &&
        !tensor_all_finite(v->value.data, tensor_size(&v->value))) {
        g->bad_op = v->op;
        g->bad_value = v->value;
    }
    return v;
}

float *ag_grad(Var *v)
{
    if (!v || !v->needs_grad)
        return NULL;
    if (v->input_count == 0 || v->reached == v->graph->pass)
        return v->grad;
    v->reached = v->graph->pass;
    if (!v->backward) { /* a view: the same part of its input's gradient */
        Var *whole = v->inputs[0];
        v->grad = ag_grad(whole) + (v->value.data - whole->value.data);
        return v->grad;
    }
    size_t n = tensor_size(&v->value);
    if (!v->grad)
        v->grad = arena_alloc(v->graph->arena, n, sizeof *v->grad);
    tensor_fill(v->grad, 0.0f, n);
    return v->grad;
}

void ag_backward_from(Var *v, const float *gradient)
{
    Graph *g = v->graph;
    TENSOR_CHECK(g->recording, "%s: the graph is in inference mode", v->op);
    TENSOR_CHECK(v->needs_grad, "%s: no leaf with a gradient is behind it", v->op);
    g->pass++;
    tensor_axpy(ag_grad(v), 1.0f, gradient, tensor_size(&v->value));
    for (Var *u = v; u; u = u->previous)
        if (u->backward && u->reached == g->pass)
            u->backward(u);
}

void ag_backward(Var *scalar)
{
    const float one = 1.0f;
    char text[TENSOR_TEXT];
    TENSOR_CHECK(tensor_size(&scalar->value) == 1, "%s: shape %s, need one entry", scalar->op,
                 tensor_text(&scalar->value, text));
    ag_backward_from(scalar, &one);
}

AgScope ag_scope_begin(Graph *g)
{
    AgScope scope = {g, arena_mark(g->arena)};
    return scope;
}

static bool before(ArenaMark a, ArenaMark b)
{
    return a.chunk < b.chunk || (a.chunk == b.chunk && a.used < b.used);
}

/* The detour over `aside` costs a second copy, but needs no assumption about what releasing does to
 * the released bytes (poison builds fill them) or where the next allocation falls. */
Var *ag_scope_end(AgScope scope, Var *keep)
{
    Graph *g = scope.graph;
    if (g->recording)
        return keep;
    if (!keep) {
        arena_release(g->arena, scope.mark);
        return NULL;
    }
    TENSOR_CHECK(keep->graph == g, "%s: kept from a scope of another graph", keep->op);
    const char *op = keep->op;
    Tensor value = keep->value;
    ArenaMark born = keep->born;
    if (before(born, scope.mark)) { /* the value is older than the scope and stays where it is */
        arena_release(g->arena, scope.mark);
        return bare_var(g, op, value, born);
    }
    size_t n = tensor_size(&value);
    float *copy = arena_alloc(g->aside, n, sizeof *copy);
    tensor_copy(copy, value.data, n);
    arena_release(g->arena, scope.mark);
    value.data = arena_alloc(g->arena, n, sizeof *copy);
    tensor_copy(value.data, copy, n);
    arena_reset(g->aside);
    return bare_var(g, op, value, scope.mark);
}
