/* The tape: define-by-run reverse-mode differentiation over Tensors.
 *
 *   Graph *g = ag_graph_create();
 *   Var *x = ag_leaf(g, value, gradient);      gradient NULL: a constant
 *   Var *y = ag_silu(ag_linear(x, w, b));      each operation computes at once and records itself
 *   ag_backward(ag_sum(y));                    walks the tape backwards, adding into gradients
 *   ag_graph_reset(g);                         everything of this step is released
 *
 * A Var holds a value, a gradient and the function that hands its gradient to its inputs; there are
 * no operation codes.  Small things live in the graph's arena, values and gradients in its pool, so
 * that these can go early: see ag_drop.  Operations: see operations.h. */
#ifndef DI4C_AUTOGRAD_AUTOGRAD_H
#define DI4C_AUTOGRAD_AUTOGRAD_H

#include <stdbool.h>
#include <stddef.h>

#include "tensor/base/arena.h"
#include "tensor/base/pool.h"
#include "tensor/tensor.h"

enum { AG_MAX_INPUTS = 6 };

typedef struct Graph Graph;
typedef struct Var Var;

/* Is told how long an operation took: v after its forward (backward false) or its backward
 * function, by threads_seconds.  Work of recomputing is part of the backward function that asked
 * for it. */
typedef struct AgObserver AgObserver;
struct AgObserver {
    void (*ran)(AgObserver *self, const Var *v, bool backward, double seconds);
    double started; /* when the running operation's result was made (ag_new_var) */
};

struct Var {
    Tensor value;    /* data NULL: dropped; a backward function reads it through ag_value */
    float *grad;     /* as many entries as value; NULL until a gradient arrives (leaves: the
                        caller's buffer, or NULL for a constant) */
    bool needs_grad; /* true if a leaf with a gradient is behind it and the graph records */
    float *block;    /* of the graph's pool, owned by this Var, with value.data in it; or NULL */
    bool dropped;    /* value.data is there only while a backward pass uses it */
    const char *op;  /* name of the operation, for messages */
    Graph *graph;
    void (*forward)(Var *v);  /* fills value.data from the inputs' values (ag_value) and saved; set
                                 by operations that can be dropped: it runs again when the value is
                                 needed */
    void (*backward)(Var *v); /* see "What a backward function may rely on"; NULL for leaves and
                                 for views that share their input's gradient */
    Var *inputs[AG_MAX_INPUTS]; /* recorded only if needs_grad; NULL: an optional one left out; of
                                   one that occurs again, its twin (see below) */
    int input_count;
    size_t offset; /* views: where the data begin, in entries from the input's */
    void *saved;   /* what backward needs beyond inputs and value; arena memory */
    Var *previous; /* the tape */
    Var *owner;    /* whose block value.data lies in: itself, or a view's input; NULL: a leaf's */
    Var *older;    /* the next older Var that owns a block */
    unsigned reached; /* number of the backward pass that grad belongs to */
    ArenaMark born;   /* leaves: value.data may be arena memory taken before this mark */
};

struct Graph {
    Arena *arena;       /* Vars, what they save, and inputs made by networks */
    Pool *pool;         /* values and gradients */
    Var *last;          /* newest recorded Var */
    Var *owners;        /* newest Var that owns a block */
    bool recording;     /* false: inference mode, nothing is kept for a backward pass */
    bool keep_grads;    /* gradients of inner Vars stay after a backward pass, to be looked at */
    bool check_finite;  /* look at every result and every gradient; see bad_op */
    const char *bad_op; /* name of the first operation with a non-finite result; NULL if none */
    bool bad_gradient;  /* bad_op's result is finite, the gradient of it or of its weights is not */
    Tensor bad_value;   /* its data lasts until its scope ends or the graph is reset */
    unsigned pass;      /* number of the latest backward pass */
    AgObserver *observer; /* told about every operation that ran; NULL: nobody */
    Graph **helpers;      /* see ag_graph_helpers */
    size_t helper_count;
};

Graph *ag_graph_create(void); /* recording, no finite check */
void ag_graph_destroy(Graph *g);
/* Releases every Var and every tensor of the graph.  bad_op and the shape in bad_value stay, so
 * that a step made of several graphs can be looked at afterwards; set bad_op to NULL to look again.
 */
void ag_graph_reset(Graph *g);
/* The first `count` of the graph's helpers: graphs of its own in inference mode, for threads that
 * each run a part of a batch.  Made at the first call, kept, and destroyed with g. */
Graph **ag_graph_helpers(Graph *g, size_t count);
/* Starts (true) or stops (false) recording; only on an empty graph (checked). */
void ag_set_recording(Graph *g, bool recording);

/* A leaf over the caller's memory, or over memory taken from g->arena before this call.  gradient:
 * as many entries as value, accumulated into by the backward pass, or NULL for a constant.  In
 * inference mode every leaf is a constant. */
Var *ag_leaf(Graph *g, Tensor value, float *gradient);
Var *ag_constant(Graph *g, Tensor value);

/* Runs the tape backwards from a Var with one entry, whose gradient is 1.  Here and below the Var
 * must need a gradient (checked): a loss that reaches no parameter is a mistake. */
void ag_backward(Var *scalar);
/* Runs the tape backwards from v with the given gradient (as many entries as v->value), so that a
 * loss computed outside the tape, or a batch in chunks, can be accumulated.  May be called more
 * than once for one graph: gradients of inner Vars start from zero each time, leaves accumulate. */
void ag_backward_from(Var *v, const float *gradient);
/* The same from several Vars of one graph at once: one walk for a loss that depends on all of them,
 * though one may be computed from another. */
void ag_backward_from_all(size_t count, Var *const *v, const float *const *gradient);

/* The forward pass has no further use for v's value: gives its memory back.  While recording this
 * happens only to operations with a forward function, and the value comes back when a backward pass
 * asks for it; it goes again when that pass has been at v.  In inference mode the value is gone.
 * Dropping a leaf or a view does nothing; a view goes and comes back with what it is a view of.
 * What was dropped must not be the input of a further operation (checked). */
void ag_drop(Var *v);

/* Inference mode only keeps what is inside the running scope.  begin; any operations; end(keep)
 * releases everything since begin but the value of `keep` (a new Var for it is returned).  While
 * recording both do nothing and end returns keep.  keep may be NULL: nothing is kept. */
typedef struct AgScope {
    Graph *graph;
    ArenaMark mark;
    Var *owners;
} AgScope;
AgScope ag_scope_begin(Graph *g);
Var *ag_scope_end(AgScope scope, Var *keep);

/* Bytes held by a graph's arena and pool, and the largest sum of their peaks so far. */
size_t ag_memory_used(const Graph *g);
size_t ag_memory_peak(const Graph *g);

/* What a backward function may rely on, and must do:
 *   - it adds its share into ag_grad(v->inputs[i]), for each i where that is not NULL;
 *   - no two of its inputs' gradients share memory, and none shares it with v->grad (but by
 *     ag_give_grad), so they may be asked for, written and added to in any order, also by one
 *     kernel with restrict.  Where the caller passes one Var in two places, or views of one, or
 *     leaves with one gradient, ag_new_var records a twin for each place after the first: the same
 *     value, a gradient of its own, which is added to the input's afterwards.  So v->inputs[i] need
 *     not be the Var that the constructor got;
 *   - values may share memory: they are only read, and by ag_value;
 *   - v->grad is complete, and may be overwritten: nobody reads it afterwards (keep_grads puts it
 *     back). */

/* For operations: ag_new_var allocates the result; the operation fills value.data (and saved, from
 * graph->arena, if v->needs_grad); ag_done performs the finite check and returns v.  All inputs
 * must belong to one graph; an optional input may be NULL. */
Var *ag_new_var(const char *op, int rank, const size_t *shape, void (*backward)(Var *v),
                int input_count, Var *const *inputs);
/* As ag_new_var, but the result shares its input's data: value is that data, or a contiguous part
 * of it, under another shape.  backward NULL: the gradient is shared the same way, at no cost. */
Var *ag_new_view(const char *op, Tensor value, void (*backward)(Var *v), Var *input);
Var *ag_done(Var *v);
/* In a forward or backward function: the value, computed again if it (or what it is a view of) was
 * dropped. */
const float *ag_value(Var *v);
/* In a backward function: the input's gradient buffer, zeroed on first use, or NULL if the input
 * does not need one.  Kernels add into it and accept NULL. */
float *ag_grad(Var *input);
/* As ag_grad, for kernels that can also overwrite: where *add comes back false the buffer is not
 * initialised, and every entry must be written. */
float *ag_grad_or_write(Var *input, bool *add);
/* In a backward function: makes v's gradient buffer, as it is, the gradient of the input of equal
 * size, if that has none yet in this pass; v->grad is then the input's.  False: do it by adding. */
bool ag_give_grad(Var *v, Var *input);

#endif
