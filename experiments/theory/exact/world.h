/* Worlds: data laws on S^D small enough that every state can be looked at.
 *
 *   coupled-bits  D = 2, S = 2: x^1 = x^2, each value with 1/2
 *   xor           D = 3, S = 2: x^3 = x^1 xor x^2, the first two uniform; every pair is independent
 *   chain         D = 6, S = 3: a Markov chain that keeps its value with 0.8, uniform start
 *   glyphs        D = 6, S = 2: pictures of 3 x 2: bars, a block and a dot, unequal weights
 *
 * or a table from a CSV file: one line a state, its D values and then its probability;
 * a line of names may stand first. */
#ifndef DI4C_EXPERIMENTS_THEORY_EXACT_WORLD_H
#define DI4C_EXPERIMENTS_THEORY_EXACT_WORLD_H

#include <stddef.h>

#include "experiments/data/law/finite_law.h"
#include "tensor/base/error.h"

typedef struct World {
    char *name;
    size_t dims, states, size; /* D, S, S^D */
    double *p;                 /* (S^D), sum 1; places as in joint.h */
} World;

size_t world_count(void); /* of the built-in ones */
const char *world_name(size_t i);
const char *world_help(size_t i);
/* A built-in world, or the table in the file if the name ends in .csv; world_free frees.  NULL and
 * a sentence for an unknown name, or a table with a line of other length, a value that is no whole
 * number from 0, a negative probability, a state given twice, a sum that is off 1 by more than
 * 1e-6, or more than JOINT_MAX_SIZE states. */
World *world_open(const char *name, Error *err);
void world_free(World *w); /* NULL is allowed */
/* The same law as a list of its states with positive probability (law_destroy). */
FiniteLaw *world_finite_law(const World *w);

#endif
