/* The tape.  Recorded Vars form a linked list, newest first; since an operation's inputs exist
 * before it, walking the list visits every Var before its inputs, which is all that reverse-mode
 * differentiation asks for.
 *
 * Invariants:
 *   - a Var that needs no gradient is not on the tape and points at no inputs;
 *   - a gradient belongs to backward pass number v->reached; an inner Var's starts from zero in
 *     each pass and is freed when the pass has been at the Var, a leaf's never;
 *   - the gradients of an operation's inputs share no memory (see make_twin);
 *   - g->owners lists the Vars whose value is a block of the pool, newest first. */
#include "autograd/autograd.h"

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/pointwise.h"
#include "tensor/reduce.h"
#include "tensor/system/threads.h"

enum { CHUNK_BYTES = 1 << 16 };

Graph *ag_graph_create(void)
{
    Graph *g = mem_zeroed(1, sizeof *g);
    g->arena = arena_create(CHUNK_BYTES);
    g->pool = pool_create(CHUNK_BYTES);
    g->recording = true;
    return g;
}

void ag_graph_destroy(Graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->helper_count; i++)
        ag_graph_destroy(g->helpers[i]);
    mem_free(g->helpers);
    arena_destroy(g->arena);
    pool_destroy(g->pool);
    mem_free(g);
}

Graph **ag_graph_helpers(Graph *g, size_t count)
{
    if (count > g->helper_count)
        g->helpers = mem_resize(g->helpers, g->helper_count, count, sizeof *g->helpers);
    for (; g->helper_count < count; g->helper_count++) {
        g->helpers[g->helper_count] = ag_graph_create();
        g->helpers[g->helper_count]->recording = false;
    }
    return g->helpers;
}

void ag_graph_reset(Graph *g)
{
    arena_reset(g->arena);
    pool_reset(g->pool);
    g->last = g->owners = NULL;
    g->bad_value.data = NULL; /* released; its shape is kept with bad_op */
}

void ag_set_recording(Graph *g, bool recording)
{
    TENSOR_CHECK(ag_memory_used(g) == 0,
                 "the graph holds %lu bytes: reset it before changing its mode",
                 (unsigned long)ag_memory_used(g));
    g->recording = recording;
}

size_t ag_memory_used(const Graph *g)
{
    return arena_used(g->arena) + pool_used(g->pool);
}

size_t ag_memory_peak(const Graph *g)
{
    return arena_peak(g->arena) + pool_peak(g->pool);
}

/* Whether v, or what v is a view of, was dropped. */
static bool was_dropped(const Var *v)
{
    return v->owner && v->owner->dropped;
}

/* A Var with no inputs, not on the tape. */
static Var *bare_var(Graph *g, const char *op, Tensor value)
{
    Var *v = arena_zeroed(g->arena, 1, sizeof *v);
    v->value = value;
    v->op = op;
    v->graph = g;
    return v;
}

static void *new_block(const Var *v)
{
    return pool_alloc(v->graph->pool, tensor_size(&v->value), sizeof(float));
}

static void own(Var *v, float *block)
{
    Graph *g = v->graph;
    v->block = block;
    v->owner = v;
    v->older = g->owners;
    g->owners = v;
}

Var *ag_leaf(Graph *g, Tensor value, float *gradient)
{
    const ArenaMark born = arena_mark(g->arena);
    Var *v = bare_var(g, gradient ? "leaf" : "constant", value);
    v->born = born;
    v->needs_grad = g->recording && gradient;
    v->grad = v->needs_grad ? gradient : NULL;
    return v;
}

Var *ag_constant(Graph *g, Tensor value)
{
    return ag_leaf(g, value, NULL);
}

/* ---- inputs that occur twice ---- */

/* The Var whose gradient v's is, or is a part of. */
static const Var *gradient_owner(const Var *v)
{
    while (v->input_count > 0 && !v->backward)
        v = v->inputs[0];
    return v;
}

/* Whether input i and one before it have a gradient in the same memory; leaves also by the
 * caller's doing. */
static bool occurs_before(int i, Var *const *inputs)
{
    if (!inputs[i] || !inputs[i]->needs_grad)
        return false;
    const Var *a = gradient_owner(inputs[i]);
    for (int k = 0; k < i; k++) {
        const Var *b = inputs[k] && inputs[k]->needs_grad ? gradient_owner(inputs[k]) : NULL;
        if (b && (a == b || (a->grad && a->grad == b->grad)))
            return true;
    }
    return false;
}

/* A repeated input has its twin instead: the value of the input, and a gradient of its own that is
 * added to the input's when the operation's backward function is through. */
static void twin_backward(Var *v)
{
    Var *input = v->inputs[0];
    if (!ag_give_grad(v, input))
        tensor_axpy(ag_grad(input), 1.0f, v->grad, tensor_size(&v->value));
}

static Var *make_twin(const char *op, Var *input)
{
    return ag_new_view(op, input->value, twin_backward, input);
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
        v->inputs[i] = occurs_before(i, inputs) ? make_twin(v->op, inputs[i]) : inputs[i];
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
    for (int i = 0; i < input_count; i++)
        TENSOR_CHECK(!inputs[i] || !was_dropped(inputs[i]), "%s: input %d was dropped", op, i);
    Var *v = bare_var(g, op, tensor_view(NULL, rank, shape));
    v->value.data = new_block(v);
    own(v, v->value.data);
    record(v, backward, input_count, inputs);
    if (g->observer)
        g->observer->started = threads_seconds();
    return v;
}

Var *ag_new_view(const char *op, Tensor value, void (*backward)(Var *v), Var *input)
{
    TENSOR_CHECK(!was_dropped(input), "%s: its input was dropped", op);
    Graph *g = input->graph;
    Var *v = bare_var(g, op, value);
    if (value.data) /* NULL: of no entries */
        v->offset = (size_t)(value.data - input->value.data);
    v->owner = input->owner;
    v->born = input->born;
    record(v, backward, 1, &input);
    if (g->observer)
        g->observer->started = threads_seconds();
    return v;
}

/* Notes v if it is the first whose numbers, of the shape of t, are not all finite. */
static void check_autograd(const Var *v, const float *numbers, const Tensor *t, bool gradient)
{
    Graph *g = v->graph;
    if (!g->check_finite || g->bad_op || tensor_all_finite(numbers, tensor_size(t)))
        return;
    g->bad_op = v->op;
    g->bad_gradient = gradient;
    g->bad_value = *t;
}

/* After v's backward function: the gradients of leaves, also of those it reaches by a view, which
 * nothing else looks at. */
static void check_leaves(const Var *v)
{
    for (int i = 0; i < v->input_count; i++) {
        const Var *leaf = v->inputs[i] ? gradient_owner(v->inputs[i]) : NULL;
        if (leaf && leaf->needs_grad && leaf->input_count == 0)
            check_autograd(v, leaf->grad, &leaf->value, true);
    }
}

Var *ag_done(Var *v)
{
    Graph *g = v->graph;
    if (g->observer)
        g->observer->ran(g->observer, v, false, threads_seconds() - g->observer->started);
    check_autograd(v, v->value.data, &v->value, false);
    return v;
}

/* ---- values that come and go ---- */

static void free_value(Var *v)
{
    pool_free(v->graph->pool, v->block);
    v->block = v->value.data = NULL;
}

void ag_drop(Var *v)
{
    const bool again = v->needs_grad && v->forward;
    if (!v->block || v->dropped || (v->graph->recording && !again))
        return;
    v->dropped = true;
    free_value(v);
}

const float *ag_value(Var *v)
{
    if (!was_dropped(v))
        return v->value.data;
    TENSOR_CHECK(v->needs_grad, "%s: its value was dropped", v->op);
    if (v->owner != v)
        return ag_value(v->inputs[0]) + v->offset;
    if (!v->value.data) {
        v->block = v->value.data = new_block(v);
        v->forward(v);
    }
    return v->value.data;
}

/* ---- gradients ---- */

float *ag_grad_or_write(Var *v, bool *add)
{
    *add = true;
    if (!v || !v->needs_grad)
        return NULL;
    if (v->input_count == 0 || v->reached == v->graph->pass)
        return v->grad;
    v->reached = v->graph->pass;
    if (!v->backward) { /* a view: the same part of its input's gradient */
        Var *whole = v->inputs[0];
        v->grad = ag_grad(whole) + v->offset;
        return v->grad;
    }
    if (!v->grad)
        v->grad = new_block(v);
    *add = false;
    return v->grad;
}

float *ag_grad(Var *v)
{
    bool add;
    float *grad = ag_grad_or_write(v, &add);
    if (!add)
        tensor_fill(grad, 0.0f, tensor_size(&v->value));
    return grad;
}

bool ag_give_grad(Var *v, Var *input)
{
    if (!input || !input->needs_grad || !input->backward || input->grad || v->graph->keep_grads ||
        tensor_size(&v->value) != tensor_size(&input->value))
        return false;
    input->grad = v->grad;
    input->reached = v->graph->pass;
    v->grad = NULL;
    return true;
}

/* Backward functions may overwrite v's gradient; where it is kept it stays as it was. */
static void go_back(Var *v)
{
    Graph *g = v->graph;
    const size_t n = tensor_size(&v->value);
    float *kept = g->keep_grads ? new_block(v) : NULL;
    if (kept)
        tensor_copy(kept, v->grad, n);
    v->backward(v);
    if (kept) {
        tensor_copy(v->grad, kept, n);
        pool_free(g->pool, kept);
    }
}

/* The pass has been at v and at all its users: its gradient and a dropped value go. */
static void finish(Var *v)
{
    if (v->backward && !v->graph->keep_grads) {
        pool_free(v->graph->pool, v->grad);
        v->grad = NULL;
    }
    if (v->dropped && v->block)
        free_value(v);
}

static void start_from(Var *v, const float *gradient)
{
    TENSOR_CHECK(v->graph->recording, "%s: the graph is in inference mode", v->op);
    TENSOR_CHECK(v->needs_grad, "%s: no leaf with a gradient is behind it", v->op);
    tensor_axpy(ag_grad(v), 1.0f, gradient, tensor_size(&v->value));
}

static void walk(Graph *g, Var *newest)
{
    for (Var *u = newest; u; u = u->previous) {
        if (u->backward && u->reached == g->pass) {
            if (u->backward != twin_backward) /* it is looked at as a part of its input's */
                check_autograd(u, u->grad, &u->value, true);
            const double start = g->observer ? threads_seconds() : 0.0;
            go_back(u);
            if (g->observer)
                g->observer->ran(g->observer, u, true, threads_seconds() - start);
            check_leaves(u);
        }
        finish(u);
    }
}

void ag_backward_from(Var *v, const float *gradient)
{
    v->graph->pass++;
    start_from(v, gradient);
    walk(v->graph, v);
}

void ag_backward_from_all(size_t count, Var *const *v, const float *const *gradient)
{
    TENSOR_CHECK(count >= 1, "a backward pass from %zu results", count);
    Graph *g = v[0]->graph;
    g->pass++;
    for (size_t i = 0; i < count; i++) {
        TENSOR_CHECK(v[i]->graph == g, "%s and %s: results of two graphs", v[0]->op, v[i]->op);
        start_from(v[i], gradient[i]);
    }
    walk(g, g->last);
}

void ag_backward(Var *scalar)
{
    const float one = 1.0f;
    char text[TENSOR_TEXT];
    TENSOR_CHECK(tensor_size(&scalar->value) == 1, "%s: shape %s, need one entry", scalar->op,
                 tensor_text(&scalar->value, text));
    ag_backward_from(scalar, &one);
}

/* ---- scopes ---- */

AgScope ag_scope_begin(Graph *g)
{
    AgScope scope = {g, arena_mark(g->arena), g->owners};
    return scope;
}

static bool before(ArenaMark a, ArenaMark b)
{
    return a.chunk < b.chunk || (a.chunk == b.chunk && a.used < b.used);
}

/* Frees the blocks of all Vars newer than the scope but one.  True if that one was among them. */
static bool free_newer(AgScope scope, const Var *spared)
{
    bool found = false;
    for (Var *v = scope.graph->owners; v != scope.owners; v = v->older) {
        if (v == spared)
            found = true;
        else if (v->block)
            free_value(v);
    }
    scope.graph->owners = scope.owners;
    return found;
}

Var *ag_scope_end(AgScope scope, Var *keep)
{
    Graph *g = scope.graph;
    if (g->recording)
        return keep;
    if (!keep) {
        free_newer(scope, NULL);
        arena_release(g->arena, scope.mark);
        return NULL;
    }
    TENSOR_CHECK(keep->graph == g, "%s: kept from a scope of another graph", keep->op);
    TENSOR_CHECK(!was_dropped(keep), "%s: kept after it was dropped", keep->op);
    const char *op = keep->op;
    Var *owner = keep->owner;
    Tensor value = keep->value;
    const ArenaMark born = keep->born;
    const bool inside = owner ? free_newer(scope, owner) : !before(born, scope.mark);
    float *block = inside && owner ? owner->block : NULL;
    if (!owner) {
        if (inside) { /* a leaf over memory that may go with the scope */
            block = new_block(keep);
            tensor_copy(block, value.data, tensor_size(&value));
            value.data = block;
        }
        free_newer(scope, NULL);
    }
    arena_release(g->arena, scope.mark);
    Var *v = bare_var(g, op, value);
    v->born = born;
    v->owner = inside ? NULL : owner;
    if (block)
        own(v, block);
    return v;
}
