/* Noise from a user's rate matrix R: any chain that forgets where it started, reversible or not.
 * Published schedule: a constant beta = beta_scale.
 *
 * A prior exists if one class of states, which is never left, is reached from every state.  Then
 * pi R = 0 has one solution; it comes from eliminating state after state (Grassmann, Taksar and
 * Heyman 1985), with no subtraction, so that every entry is right to its last digits.  States
 * outside the class have pi = 0.  A class of a single state would be a mask in all but name, and
 * processes with a mask have rules of their own (process/absorbing.c): it is refused. */
#include <float.h>
#include <math.h>

#include "diffusion/process/process.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"

/* Rows must sum to 0 within this share of their largest entry: files have rounded numbers. */
static const double ROW_TOLERANCE = 1e-6;
/* pi_i R[i][j] and pi_j R[j][i] equal within this share: detailed balance. */
static const double BALANCE_TOLERANCE = 1e-12;

static bool check_row(const double *row, size_t S, size_t i, Error *err)
{
    double sum = 0.0, largest = 0.0;

    for (size_t j = 0; j < S; j++) {
        if (!(fabs(row[j]) <= DBL_MAX))
            return error_set(err, "process matrix: R[%zu][%zu] = %g, expected a finite number", i,
                             j, row[j]);
        if (j != i && row[j] < 0.0)
            return error_set(err,
                             "process matrix: R[%zu][%zu] = %g, expected rates of at least 0 "
                             "off the diagonal",
                             i, j, row[j]);
        sum += row[j];
        largest = larger_of(largest, fabs(row[j]));
    }
    if (fabs(sum) > ROW_TOLERANCE * largest)
        return error_set(err,
                         "process matrix: row %zu sums to %g, expected 0 (within %g of its "
                         "largest entry %g)",
                         i, sum, ROW_TOLERANCE, largest);
    return true;
}

/* Marks all states that can be reached from `from` along R (backwards: that reach it).  stack: room
 * for S states that are reached and whose neighbours are not marked yet. */
static void spread(const double *R, size_t S, size_t from, bool backwards, bool *seen,
                   size_t *stack)
{
    size_t waiting = 0;

    seen[from] = true;
    stack[waiting++] = from;
    while (waiting > 0) {
        size_t i = stack[--waiting];
        for (size_t j = 0; j < S; j++)
            if (j != i && !seen[j] && (backwards ? R[j * S + i] : R[i * S + j]) > 0.0) {
                seen[j] = true;
                stack[waiting++] = j;
            }
    }
}

/* A state that every other one leads to; *lost is one that does not lead there, or S.  Of walks
 * backwards from each state not seen before, only the last start can be it: an earlier one was not
 * met by the walks after it. */
static size_t find_meeting_state(const double *R, size_t S, bool *seen, size_t *stack, size_t *lost)
{
    size_t candidate = 0;

    for (size_t i = 0; i < S; i++)
        seen[i] = false;
    for (size_t i = 0; i < S; i++)
        if (!seen[i]) {
            candidate = i;
            spread(R, S, i, true, seen, stack);
        }
    for (size_t i = 0; i < S; i++)
        seen[i] = false;
    spread(R, S, candidate, true, seen, stack);
    for (*lost = 0; *lost < S && seen[*lost];)
        ++*lost;
    return candidate;
}

/* members (S): the states of the one recurrent class; their number, or 0 and a sentence. */
static size_t find_class(const double *R, size_t S, size_t *members, Error *err)
{
    bool *seen = mem_alloc(S, sizeof *seen);
    size_t count = 0, lost, meeting = find_meeting_state(R, S, seen, members, &lost);

    if (lost < S) {
        error_set(err,
                  "process matrix: states %zu and %zu lead to no common state, so x_1 depends "
                  "on x_0 for ever; expected one recurrent class, which is the prior",
                  meeting, lost);
    } else {
        for (size_t i = 0; i < S; i++)
            seen[i] = false;
        spread(R, S, meeting, false, seen, members);
        for (size_t i = 0; i < S; i++)
            if (seen[i])
                members[count++] = i;
    }
    mem_free(seen);
    return count;
}

/* pi of the irreducible chain on the members, whose other entries stay 0. */
static void fill_stationary(const double *R, size_t S, const size_t *members, size_t n, double *pi)
{
    double *a = mem_alloc(n * n, sizeof *a), *x = mem_alloc(n, sizeof *x), sum = 1.0;

    for (size_t i = 0; i < n * n; i++)
        a[i] = R[members[i / n] * S + members[i % n]];
    for (size_t k = n - 1; k > 0; k--) {
        double leave = 0.0;
        for (size_t j = 0; j < k; j++)
            leave += a[k * n + j];
        for (size_t i = 0; i < k; i++) {
            double into = a[i * n + k] /= leave;
            for (size_t j = 0; j < k; j++)
                a[i * n + j] += into * a[k * n + j];
        }
    }
    x[0] = 1.0;
    for (size_t k = 1; k < n; k++) {
        x[k] = 0.0;
        for (size_t i = 0; i < k; i++)
            x[k] += x[i] * a[i * n + k];
        sum += x[k];
    }
    for (size_t i = 0; i < n; i++)
        pi[members[i]] = x[i] / sum;
    mem_free(a);
    mem_free(x);
}

static bool balanced(const double *R, size_t S, const double *pi)
{
    for (size_t i = 0; i < S; i++)
        for (size_t j = 0; j < i; j++) {
            double forth = pi[i] * R[i * S + j], back = pi[j] * R[j * S + i];
            if (fabs(forth - back) > BALANCE_TOLERANCE * fmax(forth, back))
                return false;
        }
    return true;
}

static bool create_matrix(Process *p, Error *err)
{
    const double *R = p->config.rates;
    size_t S = p->states;

    if (R == NULL)
        return error_set(err, "process matrix: no matrix, expected rates of %zu states", S);
    for (size_t i = 0; i < S; i++)
        if (!check_row(R + i * S, S, i, err))
            return false;
    size_t *members = mem_alloc(S, sizeof *members), count = find_class(R, S, members, err);
    bool ok = count > 1;
    if (count == 1)
        error_set(err,
                  "process matrix: all states end in state %zu, which is never left; expected "
                  "a recurrent class of at least 2 states (for noise that ends in a mask: "
                  "process=absorbing, whose mask is added to the states of the data)",
                  members[0]);
    if (ok) {
        fill_stationary(R, S, members, count, p->end);
        for (size_t i = 0; i < S * S; i++)
            p->base[i] = i % (S + 1) == 0 ? 0.0 : R[i];
        for (size_t i = 0; i < S; i++)
            p->prior[i] = p->end[i];
        p->reversible = count == S && balanced(R, S, p->end);
    }
    mem_free(members);
    return ok;
}

static bool published_matrix(const Process *p, Schedule *schedule, Error *err)
{
    return diffusion_schedule_make(schedule, SCHEDULE_CONSTANT, p->config.beta_scale, 0.0, 0.0,
                                   "process matrix", err);
}

static ProcessConstant constant_matrix(const Process *p, double factor)
{
    double b = p->config.beta_scale;

    return (ProcessConstant){.name = "beta_scale", .value = b, .needed = factor * b};
}

const ProcessClass diffusion_matrix = {.name = "matrix",
                                       .help = "of --rates",
                                       .wants_rates = true,
                                       .create = create_matrix,
                                       .published = published_matrix,
                                       .constant = constant_matrix};
