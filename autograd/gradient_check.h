/* The gradient check: analytic gradients against central differences of L = sum(w * f(inputs)) with
 * random upstream weights w (with all-ones weights a softmax's wrong gradient would pass). */
#ifndef DI4C_AUTOGRAD_GRADIENT_CHECK_H
#define DI4C_AUTOGRAD_GRADIENT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "autograd/autograd.h"

typedef Var *(*AgFunction)(Graph *g, Var *const *inputs, void *context);

typedef struct GradientCheck {
    AgFunction function;
    void *context;
    int input_count;
    Tensor inputs[AG_MAX_INPUTS];
    bool needs_grad[AG_MAX_INPUTS];
    uint64_t seed;
    double step;        /* of the central difference; 0: 1e-2 (float32 forward) */
    double tolerance;   /* on |analytic - numeric| / (0.1 + largest |gradient| of the input);
                           0: 2e-3 */
    size_t max_entries; /* entries tried per input, chosen at random; 0: all up to 200 */
} GradientCheck;

/* True if every tried entry agrees, in two backward passes (the second must double the gradient of
 * a leaf), and if the graph in inference mode computes the same bits; the worst relative error goes
 * to *worst if not NULL.  A non-finite number is a failure (worst is then infinite).  The function
 * must be smooth within a step of its inputs: keep relu's inputs away from 0. */
bool ag_gradient_check(const GradientCheck *check, double *worst);

#endif
