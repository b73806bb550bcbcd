/* The exact law of what a sampler puts out: the prior's law on all states, pushed through one
 * network call after the other.  Given the state, each call moves the dimensions independently
 * (diffusion_sampler_row), so one call maps
 *
 *   r'(y) = sum_x r(x) sum_k w_k prod_d row_k^d(y^d | x),
 *
 * with row_k the law under lambda number k of a mixture; a product model has K = 1. */
#ifndef DI4C_EXPERIMENTS_THEORY_EXACT_PUSH_H
#define DI4C_EXPERIMENTS_THEORY_EXACT_PUSH_H

#include <stdbool.h>
#include <stddef.h>

#include "diffusion/sampler/sampler.h"

/* A model as a table.  fill: p0 (S'^D, D, S) at time t under lambda number k, sums 1. */
typedef struct TableModel {
    size_t dims, states; /* D and S, the data's */
    size_t lambdas;      /* K >= 1, all of equal weight */
    void (*fill)(void *self, double t, size_t lambda, double *p0);
    void *self;
    LambdaScope lambda_scope; /* LAMBDA_SAMPLE: the law is the mean over lambda of whole chains */
} TableModel;

/* The exact product denoiser of data p (S^D) under the process; both are kept, not owned. */
typedef struct ExactTableData {
    const double *p;
    const Process *process;
    size_t states, dims;
} ExactTableData;
TableModel push_exact_model(ExactTableData *data);

/* Terms of one step's sum: pairs of states, triples for theta-trapezoidal; under masks only those
 * that a move can lead to. */
double push_terms(const SamplerClass *sampler, const Process *process, size_t dims);
/* True if the law can be computed within reason: a product sampler, at most JOINT_MAX_SIZE states
 * and 4e8 terms. */
bool push_possible(const SamplerClass *sampler, const Process *process, size_t dims);
/* out (S^D) = law of the sampler's samples, out of the plan's process and calls.  Lambda is drawn
 * anew in each call, or once, as the model says.  The same bits for any number of
 * threads.  What the sampler leaves on states
 * that are not data (masks) is missing from the sum.  push_possible must hold (checked). */
void push_sampler(double *out, const SamplerPlan *plan, const TableModel *model);
/* out (S^D) = law of x_0 ~ E_lambda prod_d p^d(.|x_t = x) with x ~ r (S'^D): one step to 0. */
void push_to_data(double *out, const double *r, const Process *process, const TableModel *model,
                  double t);

#endif
