/* What the tests of samplers share: denoisers that are formulas, small processes, and the exact law
 * of what a sampler puts out on a space of D = 2 dimensions. */
#ifndef DI4C_TESTS_TOOLS_SAMPLER_WORLDS_H
#define DI4C_TESTS_TOOLS_SAMPLER_WORLDS_H

#include "diffusion/sampler/batch.h"
#include "diffusion/sampler/methods/leap.h"
#include "diffusion/sampler/sampler.h"

enum { WORLD_D = 2, WORLD_S = 4, WORLD_ALL = 16, WORLD_MOST = 64 };

/* Some numbers for each (x, t, lambda < 1/2), smooth in t; not the reversal of any noise. */
typedef struct Formula {
    double shift;    /* tells two models apart */
    size_t calls;    /* of forward */
    double *lambdas; /* where calls leave their lambdas, or NULL */
} Formula;
Denoiser formula_denoiser(Formula *f, const Process *p, size_t dims, size_t lambda_dims);

/* Processes 0..4: absorbing with alpha = 1 - t, uniform, birth-death, Gaussian, and a rate matrix
 * that obeys no detailed balance; mild constants. */
Process *world_process(size_t kase, size_t states);

/* A law p0 (n) that is uneven in its own way for each shift. */
void world_law_of_x0(double *p0, size_t n, double shift);
/* R^_t[x][v] by its definition, R_t[v][x] sum_a p0(a) q[a][v]/q[a][x]; 0 for v = x. */
double world_reverse_rate(const Process *p, double t, size_t x, const double *p0, size_t v);

void world_digits(uint16_t x[WORLD_D], size_t n, size_t S);
/* p[d] (WORLD_S) = probabilities that m gives at state number n, time t and lambda. */
void world_rows(const Denoiser *m, size_t n, size_t S, double t, double lambda,
                double p[WORLD_D][WORLD_S]);

/* p[d] of the two states beside the mask, D dimensions, as m gives them at x and t. */
void world_masked_rows(const Denoiser *m, uint16_t *x, size_t D, double t, double (*p)[2]);

/* law (S^2) of the samples of a grid sampler whose steps are products, by pushing the prior through
 * diffusion_sampler_row.  Denoisers may have lambda_dims > 0 and then depend on lambda < 1/2. */
void world_law(double *law, const SampleRequest *r);
/* Draws `count` samples by diffusion_sample and compares with law (S^D, at most WORLD_MOST), of the
 * model's D dimensions; false alarm 1e-6.  Returns network calls per sample. */
double world_compare(const SampleRequest *r, const double *law, size_t count);
/* The law of the learnt chain, run in continuous time from 1 to t_min, with rates from the model
 * averaged over lambda, and then a draw of x_0: `steps` Runge-Kutta steps of the master equation,
 * equal in log t. */
void world_continuous_law(double *law, const SampleRequest *r, double t_min, size_t steps);

#endif
