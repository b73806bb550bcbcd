/* Laws on all S^D states of a small space, as tables in double: noise, distances, the exact product
 * denoiser.  State x = (x^1..x^D) stands at place x^1 S^(D-1) + ... + x^D; an axis of length S for
 * each dimension.  Everything here is exact up to rounding: nothing is drawn. */
#ifndef DI4C_EXPERIMENTS_THEORY_EXACT_JOINT_H
#define DI4C_EXPERIMENTS_THEORY_EXACT_JOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diffusion/process/process.h"

enum { JOINT_MAX_SIZE = 20000, JOINT_MAX_DIMS = 16 };

/* S^D; checked: at most JOINT_MAX_SIZE, so that tables over pairs of states stay possible. */
size_t joint_size(size_t states, size_t dims);
/* x (dims) of the state at a place, and back. */
void joint_state(size_t place, size_t states, size_t dims, uint16_t *x);
size_t joint_place(const uint16_t *x, size_t states, size_t dims);

/* out (T^D) = law of x_t when each dimension of x_s ~ p (S^D) jumps by the rows of matrix (S, T):
 * out[y] = sum_x p[x] prod_d matrix[x^d][y^d].  D passes over the table instead of a sum over
 * pairs. out may not alias p. */
void joint_transform(double *out, const double *p, size_t states, size_t to, size_t dims,
                     const double *matrix);
/* q_t (S'^D, S' the process's states) of data p (S^D); S' = S, or S + 1 with a mask (checked). */
void joint_noise(double *out, const double *p, size_t states, size_t dims, const Process *process,
                 double t);
/* The law of D independent draws of the process's prior. */
void joint_prior(double *out, const Process *process, size_t dims);

/* p0 (S'^D, D, S) = q(x_0^d = a | x_t = x) for every x, the exact marginals: what a perfect product
 * denoiser says.  An x that no x_0 can lead to gets the marginals over the x_0 with the fewest
 * impossible dimensions, the limit of q + eps as eps goes to 0 (as exact_denoiser.h). */
void joint_denoise(double *p0, const double *p, size_t states, size_t dims, const Process *process,
                   double t);

/* (1/2) sum |p - q|. */
double joint_tv(const double *p, const double *q, size_t count);
/* KL(p || q) = sum p ln(p/q), nats; infinite where q = 0 < p. */
double joint_kl(const double *p, const double *q, size_t count);
/* marginal (D, S). */
void joint_marginals(double *marginal, const double *p, size_t states, size_t dims);
/* out (S^D) = prod_d marginal[d][x^d]. */
void joint_product(double *out, const double *marginal, size_t states, size_t dims);
/* KL(p || product of its marginals), nats: what no product can have. */
double joint_total_correlation(const double *p, size_t states, size_t dims);

#endif
