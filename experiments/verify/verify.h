/* Comparison with reference vectors: a folder of .npy arrays and a manifest.json that says to which
 * case each belongs and how far float32 may be from it.
 *
 * A case is compared by the function of its kind, which loads inputs by role, calls the library and
 * hands the results back by role.  Nothing is computed here that the library could get wrong: only
 * layouts are converted and differences measured.
 *
 * Tolerances are the manifest's: 8 f32_err + 2e-6 absmax for arrays that have an f32_err (how far
 * another float32 implementation was off), 1e-12 max(1, absmax) for double results, and for norms
 * of gradients 1e-3 of each plus 1e-6 of the largest.  Cases with a network run twice: with direct
 * convolutions, and with whatever is fastest under 30 times the float tolerance.
 *
 * Memory: no size that a manifest claims is believed.  Lengths are those of the .npy files, which
 * are as long as their own headers say; results get memory when the array that they are compared
 * with is known to have as many entries, weights when the file has them.  So a case takes at most
 * VERIFY_MEMORY, VERIFY_TIMES the bytes of the files that it names, and, if it has a network,
 * VERIFY_CALL_MEMORY.
 *
 * Pictures in the files are (C, H, W); here they become (H, W, C). */
#ifndef DI4C_EXPERIMENTS_VERIFY_VERIFY_H
#define DI4C_EXPERIMENTS_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "autograd/autograd.h"
#include "diffusion/denoiser.h"
#include "diffusion/process/process.h"
#include "distill/step.h"
#include "nn/formats/json.h"
#include "nn/formats/npy.h"
#include "nn/network.h"
#include "tensor/base/arena.h"
#include "tensor/base/error.h"
#include "tensor/base/printf_like.h"
#include "tensor/states.h"

enum {
    VERIFY_MEMORY = 128 << 20,   /* S x S matrices of a process, and what many small values cost */
    VERIFY_TIMES = 64,           /* a byte may become several doubles and as many results */
    VERIFY_CALL_MEMORY = 1 << 30 /* what lies between a network's input and output */
};

typedef struct VerifyRecord { /* one compared array */
    const char *role, *array; /* owned by the manifest */
    const char *note;         /* which of two ways gave it, or "" */
    double error, relative;   /* largest absolute difference, and that over absmax */
    double tolerance;
    bool ok;
} VerifyRecord;

typedef struct VerifyCase {
    const char *dir;
    const Json *manifest, *json;
    const char *name, *kind;
    bool fast;        /* on the fast path: 30 times the tolerance */
    bool *used;       /* one flag for each entry of the case's `arrays` */
    NpyArray **files; /* of each entry, while its numbers are wanted, or NULL */
    Arena *arena;     /* of everything loaded */
    Graph *graph;
    VerifyRecord *records;
    size_t record_count, record_capacity;
    bool broken; /* something is missing or malformed: err says what */
    Error err;
} VerifyCase;

/* Runs every case of the folder; a line for each on stdout, a summary, and all arrays into the JSON
 * file if json_path is not NULL.  *failed: number of failed runs.  False and a sentence if the
 * manifest cannot be read or the JSON file not be written. */
bool verify_run(const char *dir, const char *json_path, size_t *failed, Error *err);

/* ---- verify/arrays.c: arrays by role ----
 * The first failure is kept in c->err and sets c->broken; from then on what is returned is NULL, so
 * that a case asks for all it needs and looks at c->broken once, before it uses any of it. */
typedef struct Layout { /* of one picture */
    size_t channels, height, width;
} Layout;
size_t layout_size(Layout l);

/* prefix name suffix, as a string that lives as long as the case runs. */
const char *verify_role(VerifyCase *c, const char *prefix, const char *name, const char *suffix);
void verify_break(VerifyCase *c, const char *format, ...) PRINTF_LIKE(2, 3);
bool verify_has(const VerifyCase *c, const char *role);
/* Length of an axis, at most 1000000; 1 if the case is broken. */
size_t verify_axis(VerifyCase *c, const char *role, size_t axis);
/* Room for results, all zeros, which will be compared with the array: it has as many entries. */
double *verify_results(VerifyCase *c, const char *role, size_t count);
double *verify_doubles(VerifyCase *c, const char *role, size_t count);
/* The same, every one of them from low to high. */
double *verify_range(VerifyCase *c, const char *role, size_t count, double low, double high);
/* (batch, C, H, W) in the file, (batch, H, W, C) in memory. */
float *verify_floats(VerifyCase *c, const char *role, size_t batch, Layout l);
States verify_states(VerifyCase *c, const char *role, size_t batch, Layout l, size_t states);
/* Whole numbers below the limit. */
size_t *verify_indices(VerifyCase *c, const char *role, size_t count, size_t limit);

/* Records the difference of got (count) from the array of that role.  An infinity must be met
 * exactly.  skip: entries to leave out, or NULL. */
void verify_compare(VerifyCase *c, const char *role, const char *note, const double *got,
                    size_t count, const bool *skip);
void verify_compare_number(VerifyCase *c, const char *role, double got);
/* got: (batch, H, W, C). */
void verify_compare_floats(VerifyCase *c, const char *role, const float *got, size_t batch,
                           Layout l);

/* A number of the case, at least low; `otherwise` if it has none (NAN: then the case is broken). */
double verify_number(VerifyCase *c, const char *key, double low, double otherwise);
/* A whole number from low to high that the case must have. */
size_t verify_whole(VerifyCase *c, const char *key, size_t low, size_t high);

/* ---- verify/model.c: networks of the manifest ---- */
typedef struct VerifyModel {
    Network *net;
    Denoiser denoiser;
    Layout picture; /* of states */
    Layout output;  /* of the network's numbers: 2C channels */
    size_t states;
    double call_bytes;  /* of one picture, roughly: see verify_call_fits */
    const Json *params; /* order of the flat vectors */
} VerifyModel;
/* The name that the case gives for its "model", "teacher" or "student"; "" breaks the case. */
const char *verify_model_name(VerifyCase *c, const char *key);
/* The model of that name with its weights; false if the case is broken. */
bool verify_model_open(VerifyCase *c, const char *name, VerifyModel *m);
void verify_model_close(VerifyModel *m);
/* Breaks the case if a call with gradients for so many pictures would take more than
 * VERIFY_CALL_MEMORY. */
bool verify_call_fits(VerifyCase *c, const VerifyModel *m, size_t pictures);
/* block: values or gradients of all parameters (memory layout).  Every stride-th entry of the flat
 * vector is compared.  Left out are key biases of attention, whose gradient is mathematically 0,
 * and the parameters that the case lists as zero_gradient. */
void verify_compare_flat(VerifyCase *c, const char *role, const VerifyModel *m, const float *block,
                         size_t stride);
/* The parameters' gradients: norms in role "grad_norms" + suffix, and the flat vector in "grad" or
 * "grad_every_N" + suffix, where the case has it; returns whether it has. */
bool verify_compare_gradient(VerifyCase *c, const char *suffix, const VerifyModel *m);

/* ---- verify/noise.c: the case's process and times ---- */
/* For the model's states; NULL if the case is broken.  m may be NULL. */
Process *verify_process_open(VerifyCase *c, const VerifyModel *m);
/* The array "pairs": n times (s, t) with 0 <= s <= t <= 1. */
const double *verify_pairs(VerifyCase *c, size_t n);

/* ---- what the kinds `di4c` and `train` share (verify/di4c.c) ---- */
enum { VERIFY_LAMBDAS = 4096 }; /* at most, of a picture */
/* Breaks the case unless the student can learn from the teacher. */
bool verify_pair(VerifyCase *c, const VerifyModel *teacher, const VerifyModel *student);
/* The draws of a distillation step, from the roles t, xt, lam, ... with the suffix. */
Di4cDraws verify_draws(VerifyCase *c, const VerifyModel *student, size_t images, size_t lambdas,
                       const char *suffix);

/* ---- kinds ----
 * A kind of case is a file here that defines one of these, and its name in kinds.c. */
typedef struct VerifyKind {
    const char *name;               /* as manifests call it */
    void (*compare)(VerifyCase *c); /* loads inputs by role, compares results by role */
    bool network;                   /* compared on the fast path too */
} VerifyKind;
const VerifyKind *verify_kind(const char *name); /* NULL: unknown */

#endif
