/* Where a graph's time goes: seconds by operation and size of picture, forward and backward. */
#ifndef DI4C_EXPERIMENTS_BENCH_PROFILE_H
#define DI4C_EXPERIMENTS_BENCH_PROFILE_H

#include <stddef.h>

#include "autograd/autograd.h"

enum { PROFILE_ROWS = 64, PROFILE_NAME = 40 };

typedef struct ProfileRow {
    char name[PROFILE_NAME];  /* "conv3x3 32x32", "silu" */
    size_t calls;             /* forward */
    double forward, backward; /* seconds */
} ProfileRow;

/* observer comes first: a Profile * is an AgObserver *. */
typedef struct Profile {
    AgObserver observer;
    size_t count;
    ProfileRow rows[PROFILE_ROWS]; /* in the order in which they came up */
} Profile;

/* Empties p and gets it ready to be some graph's observer. */
void profile_start(Profile *p);
/* Adds seconds of work that is no operation, such as the optimiser's, to the row of that name. */
void profile_add(Profile *p, const char *name, double seconds);
/* One JSON object a row on stdout, the slowest first: milliseconds divided by `by`. */
void profile_print(const Profile *p, const char *name, double by);

#endif
