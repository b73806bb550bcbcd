/* Central differences in double over a float32 forward.  The difference of L is summed as
 * sum w (f(x + h) - f(x - h)), so that outputs an input does not touch cancel exactly. */
#include "autograd/gradient_check.h"

#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

/* What is measured: private copies of the inputs, the analytic gradients, the weights w. */
typedef struct Measure {
    const GradientCheck *check;
    Tensor inputs[AG_MAX_INPUTS];
    float *grads[AG_MAX_INPUTS]; /* NULL: a constant */
    float *w, *plus;             /* (outputs) */
    size_t outputs;
    double step;
} Measure;

static Var *run_gradient_check(const Measure *m, Graph *g)
{
    Var *inputs[AG_MAX_INPUTS];
    for (int i = 0; i < m->check->input_count; i++)
        inputs[i] = ag_leaf(g, m->inputs[i], m->grads[i]);
    return m->check->function(g, inputs, m->check->context);
}

static void copy_inputs(Measure *m)
{
    const GradientCheck *c = m->check;
    for (int i = 0; i < c->input_count; i++) {
        const size_t n = tensor_size(&c->inputs[i]);
        m->inputs[i] = c->inputs[i];
        m->inputs[i].data = mem_alloc(n, sizeof(float));
        if (n)
            memcpy(m->inputs[i].data, c->inputs[i].data, n * sizeof(float));
        m->grads[i] = c->needs_grad[i] ? mem_zeroed(n, sizeof(float)) : NULL;
    }
}

static void draw_weights(Measure *m)
{
    Rng rng = rng_child(rng_root(m->check->seed), 0);
    m->w = mem_alloc(m->outputs, sizeof *m->w);
    m->plus = mem_alloc(m->outputs, sizeof *m->plus);
    for (size_t i = 0; i < m->outputs; i++)
        m->w[i] = 2.0f * rng_uniform24(&rng) - 1.0f;
}

static void release_gradient_check(Measure *m)
{
    for (int i = 0; i < m->check->input_count; i++) {
        mem_free(m->inputs[i].data);
        mem_free(m->grads[i]);
    }
    mem_free(m->w);
    mem_free(m->plus);
}

/* Two backward passes over one recording; grads is then twice the gradient.  Returns the largest
 * difference between the first pass and half of both; infinity if something is not finite. */
static double two_passes(Measure *m, Graph *g)
{
    Var *y = run_gradient_check(m, g);
    float *first[AG_MAX_INPUTS];
    double worst = 0.0;
    m->outputs = tensor_size(&y->value);
    draw_weights(m);
    if (y->needs_grad)
        ag_backward_from(y, m->w);
    for (int i = 0; i < m->check->input_count; i++) {
        const size_t n = m->grads[i] ? tensor_size(&m->inputs[i]) : 0;
        first[i] = arena_alloc(g->arena, n, sizeof(float));
        if (n)
            memcpy(first[i], m->grads[i], n * sizeof(float));
    }
    if (y->needs_grad)
        ag_backward_from(y, m->w);
    for (int i = 0; i < m->check->input_count; i++) {
        const size_t n = m->grads[i] ? tensor_size(&m->inputs[i]) : 0;
        for (size_t j = 0; j < n; j++) {
            const double difference = fabs(0.5 * m->grads[i][j] - first[i][j]);
            const double scale = 0.1 + fabs(first[i][j]);
            worst = larger_of(worst, isfinite(difference) ? difference / scale : HUGE_VAL);
        }
    }
    return worst;
}

/* (L(x + h) - L(x - h)) / 2h for entry j of input i.  h is what float32 makes of it. */
static double numeric(Measure *m, Graph *g, int i, size_t j)
{
    float *x = &m->inputs[i].data[j];
    const float centre = *x;
    volatile float up = centre + (float)m->step, down = centre - (float)m->step;
    double sum = 0.0;
    *x = up;
    ag_graph_reset(g);
    memcpy(m->plus, run_gradient_check(m, g)->value.data, m->outputs * sizeof(float));
    *x = down;
    ag_graph_reset(g);
    const float *minus = run_gradient_check(m, g)->value.data;
    for (size_t k = 0; k < m->outputs; k++)
        sum += m->w[k] * ((double)m->plus[k] - minus[k]);
    *x = centre;
    return sum / ((double)up - down);
}

/* Worst relative error over the tried entries of input i. */
static double check_input(Measure *m, Graph *g, int i)
{
    const size_t n = tensor_size(&m->inputs[i]);
    const size_t limit = m->check->max_entries ? m->check->max_entries : 200;
    const size_t tries = n < limit ? n : limit;
    Rng rng = rng_child(rng_root(m->check->seed), 1 + (uint64_t)i);
    uint32_t *order = mem_alloc(n, sizeof *order);
    double largest = 0.0, worst = 0.0;
    rng_permutation(&rng, order, n);
    for (size_t j = 0; j < n; j++)
        largest = larger_of(largest, fabs(0.5 * m->grads[i][j]));
    for (size_t k = 0; k < tries; k++) {
        const double expected = numeric(m, g, i, order[k]);
        const double error = fabs(0.5 * m->grads[i][order[k]] - expected);
        const double scale = 0.1 + fmax(largest, fabs(expected));
        worst = larger_of(worst, isfinite(error / scale) ? error / scale : HUGE_VAL);
    }
    mem_free(order);
    return worst;
}

/* True if the graph g in inference mode gives the bits of y. */
static bool same_in_inference(Measure *m, Graph *g, const Var *y)
{
    const Var *z = run_gradient_check(m, g);
    return tensor_same_shape(&y->value, &z->value) && !z->needs_grad && !g->last &&
           memcmp(y->value.data, z->value.data, m->outputs * sizeof(float)) == 0;
}

bool ag_gradient_check(const GradientCheck *check, double *worst)
{
    Measure m = {.check = check, .step = check->step > 0.0 ? check->step : 1e-2};
    const double tolerance = check->tolerance > 0.0 ? check->tolerance : 2e-3;
    TENSOR_CHECK(check->input_count >= 1 && check->input_count <= AG_MAX_INPUTS,
                 "%d inputs, need 1 to %d", check->input_count, (int)AG_MAX_INPUTS);
    Graph *recording = ag_graph_create(), *inference = ag_graph_create();
    ag_set_recording(inference, false);
    copy_inputs(&m);
    double error = two_passes(&m, recording);
    ag_graph_reset(recording);
    if (!same_in_inference(&m, inference, run_gradient_check(&m, recording)))
        error = HUGE_VAL;
    for (int i = 0; i < check->input_count; i++)
        if (m.grads[i])
            error = larger_of(error, check_input(&m, inference, i));
    release_gradient_check(&m);
    ag_graph_destroy(recording);
    ag_graph_destroy(inference);
    if (worst)
        *worst = error;
    return error <= tolerance;
}
