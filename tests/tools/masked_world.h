/* Sequences of four letters out of three under absorbing noise, with a small transformer of random
 * weights as denoiser: so few states, 4^4 with masks, that every law can be enumerated.  Its
 * probabilities come from plain_transformer.h, in double. */
#ifndef DI4C_TESTS_TOOLS_MASKED_WORLD_H
#define DI4C_TESTS_TOOLS_MASKED_WORLD_H

#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "tests/tools/plain_transformer.h"
#include "tests/tools/toy_prior.h"

enum { MASKED_D = 4, MASKED_LETTERS = 3, MASKED_S = 4, MASKED_ALL = 256, MASKED_TEXTS = 81 };
enum { MASKED_MASK = MASKED_S - 1, MASKED_NODES = 3, MASKED_LAMBDAS = 2 };

typedef struct MaskedWorld {
    TransformerConfig config;
    bool cosine; /* alpha = 1 - sin(pi t/2); else 1 - t */
    Process *process;
    Network *net;
    PlainTransformer plain;
    Denoiser model;
    /* A student's law of lambda: points, by Gaussians next to no deviation.  Teachers: one. */
    ToyPrior law;
    size_t nodes;
    double weight[MASKED_NODES], node[MASKED_NODES][MASKED_LAMBDAS];
} MaskedWorld;

/* A teacher that is told the time; may be changed before masked_world_make. */
TransformerConfig masked_config(void);
void masked_world_make(MaskedWorld *w, const TransformerConfig *config, bool cosine, uint64_t seed);
void masked_world_free(MaskedWorld *w);

double masked_lost(const MaskedWorld *w, double t); /* 1 - alpha(t) */
double masked_time(const MaskedWorld *w, double lost);
double masked_rate(const MaskedWorld *w, double t);    /* of unmasking: -alpha'/(1 - alpha) */
double masked_forward(const MaskedWorld *w, double t); /* of being masked: -alpha'/alpha */

void masked_digits(uint16_t x[MASKED_D], size_t number);
size_t masked_number(const uint16_t x[MASKED_D]);
/* Number of the text i = 0..80, which has no mask. */
size_t masked_text(size_t i);
size_t masked_count(const uint16_t x[MASKED_D]); /* masks in x */

/* p[d][a] at x; point masses where d is not masked. */
void masked_rows(const MaskedWorld *w, const uint16_t x[MASKED_D], double t, const double *lambda,
                 double p[MASKED_D][MASKED_LETTERS]);
/* p[x][d][a], the same for every state x. */
typedef struct MaskedTable {
    double p[MASKED_ALL][MASKED_D][MASKED_LETTERS];
} MaskedTable;
void masked_table(const MaskedWorld *w, double t, const double *lambda, MaskedTable *table);
/* next[y] += weight prod_d row[d][y_d]. */
void masked_spread(double *next, double weight, double row[MASKED_D][MASKED_S]);

#endif
