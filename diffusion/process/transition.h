/* Transition matrices P[s->t] = exp(B(s,t) R) of a process, P[s->t][i][j] = q(x_t=j | x_s=i), for
 * one pair of times 0 <= s <= t <= 1; double. */
#ifndef DI4C_DIFFUSION_PROCESS_TRANSITION_H
#define DI4C_DIFFUSION_PROCESS_TRANSITION_H

#include "diffusion/process/process.h"
#include "tensor/base/rng.h"

typedef struct Transition Transition;

/* TRANSITION_SPECTRAL: about 1e-15 absolute, one S^3 product (dense processes).
 * TRANSITION_ACCURATE: every entry to about 1e-13 relative, by uniformisation and squaring; about
 * 15 to 20 such products.  Closed forms have that accuracy either way. */
typedef enum TransitionAccuracy { TRANSITION_SPECTRAL, TRANSITION_ACCURATE } TransitionAccuracy;
Transition *diffusion_transition_create(const Process *p, double s, double t, TransitionAccuracy a);
/* Recomputes in place for other times. */
void diffusion_transition_set(Transition *tr, double s, double t, TransitionAccuracy a);
/* out = P[s->t] P[t->u] from P[s->t] and P[t->u]: one product, and entries stay as accurate. */
void diffusion_transition_compose(Transition *out, const Transition *first,
                                  const Transition *second);
void diffusion_transition_destroy(Transition *tr);
size_t diffusion_transition_states(const Transition *tr);
double diffusion_transition_at(const Transition *tr, size_t i, size_t j);
void diffusion_transition_row(const Transition *tr, size_t i, double *row); /* q(. | x_s = i) */
void diffusion_transition_column(const Transition *tr, size_t j,
                                 double *column); /* q(j | x_s = .) */
/* The dense matrix (S, S), or NULL where a closed form is held. */
const double *diffusion_transition_dense(const Transition *tr);
/* Closed forms: P = keep I + leave 1 end^T; false (and nothing set) for a dense matrix. */
bool diffusion_transition_closed(const Transition *tr, double *keep, double *leave);
size_t diffusion_transition_draw(const Transition *tr, size_t i, Rng *rng); /* x_t given x_s = i */
/* out (S, S) dense = P[0->t] R (without beta): for the reverse rates of the CT-ELBO. */
void diffusion_transition_flow(const Transition *tr, double *out);

/* Dense processes: rows from[0..count-1] of P[s->t], out (count, S), with the spectral accuracy;
 * work (count, S). */
void diffusion_transition_rows(const Process *p, double s, double t, const uint16_t *from,
                               size_t count, double *work, double *out);

#endif
