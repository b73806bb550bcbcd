/* With q_r = P[0->r], D = B(s,t) and g_x the exit rate of x, for s <= r <= t:
 *
 * 1. A chain that is in v at s is there still at r with probability at least e^(-g_v D), so
 *    q_r[a][v] >= e^(-g_v D) q_s[a][v] and q_r[a][v] <= e^(g_v D) q_t[a][v]:
 *
 *      table_r[x][a] <= sum_{v != x} R[v][x] e^(g_v D) q_t[a][v] / ( e^(-g_x D) q_s[a][x] ).
 *
 * 2. f_r(v) = q_r[a][v]/pi_v is moved by the chain run backwards, which averages: its smallest
 *    value rises and its largest falls.  As sum_v pi_v R[v][x] = 0,
 *
 *      table_r[x][a] <= g_x max_v f_s(v) / min_v f_s(v).
 *
 * The second bound needs no short window: where noise has nearly forgotten a, one window reaches to
 * t = 1.  Below that windows are short against 1/g and against their own place, as rates grow like
 * 1/B towards 0. */
#include "diffusion/sampler/methods/rate_bound.h"

#include <float.h>
#include <math.h>

#include "diffusion/process/clock.h"
#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"

static const double CONTRAST = 1.5; /* of f_s, at which the last window begins */

enum { WINDOWS_MAX = 100000 };

static double exit_rate(const Process *p, size_t x)
{
    return p->exits[x];
}

/* max f / min f of the start a at the transition's time; infinite where pi or q has zeros. */
static double contrast(const Process *p, const double *row)
{
    double low = HUGE_VAL, high = 0.0;

    for (size_t v = 0; v < p->states; v++) {
        double f = p->end[v] > 0.0 ? row[v] / p->end[v] : 0.0;
        low = f < low ? f : low;
        high = f > high ? f : high;
    }
    return low > 0.0 ? high / low : HUGE_VAL;
}

static double worst_contrast(const Process *p, double s)
{
    Transition *tr = diffusion_transition_create(p, 0.0, s, TRANSITION_ACCURATE);
    double *row = mem_alloc(p->states, sizeof *row), worst = 0.0;

    for (size_t a = 0; a < p->states; a++) {
        diffusion_transition_row(tr, a, row);
        double c = contrast(p, row);
        worst = c > worst ? c : worst;
    }
    mem_free(row);
    diffusion_transition_destroy(tr);
    return worst;
}

/* Rows of one start a: at s and at t; raises bound[x].  False if an entry is too small. */
static bool raise(const Process *p, const double *at_s, const double *at_t, double length,
                  double *grown, double *bound)
{
    size_t S = p->states;
    double spread = contrast(p, at_s);

    for (size_t v = 0; v < S; v++)
        grown[v] = at_t[v] > 0.0 ? at_t[v] * exp(exit_rate(p, v) * length) : 0.0;
    for (size_t x = 0; x < S; x++) {
        double sum = 0.0, g = exit_rate(p, x), least = at_s[x] * exp(-g * length);
        if (at_t[x] > 0.0 && at_s[x] <= IMPOSSIBLE)
            return false;
        for (size_t v = 0; v < S; v++)
            sum += v != x && diffusion_process_jump(p, v, x) > 0.0
                       ? diffusion_process_jump(p, v, x) * grown[v]
                       : 0.0;
        double first = sum == 0.0 ? 0.0 : least > 0.0 ? sum / least : HUGE_VAL; /* or infinite */
        double second = g * spread, less = first < second ? first : second;
        if (at_s[x] > 0.0 && less > bound[x])
            bound[x] = less;
    }
    return true;
}

bool sampler_bound(const Process *p, double s, double t, double *bound)
{
    size_t S = p->states;
    double *room = mem_alloc(3 * S, sizeof *room), length = diffusion_process_integral(p, s, t);
    Transition *to_s = diffusion_transition_create(p, 0.0, s, TRANSITION_ACCURATE);
    Transition *to_t = diffusion_transition_create(p, 0.0, t, TRANSITION_ACCURATE);
    bool ok = true;

    for (size_t x = 0; x < S; x++)
        bound[x] = 0.0;
    for (size_t a = 0; a < S && ok; a++) {
        diffusion_transition_row(to_s, a, room);
        diffusion_transition_row(to_t, a, room + S);
        ok = raise(p, room, room + S, length, room + 2 * S, bound);
    }
    for (size_t x = 0; x < S; x++)
        bound[x] *= 1.0 + 1e-9; /* rounding */
    diffusion_transition_destroy(to_s);
    diffusion_transition_destroy(to_t);
    mem_free(room);
    return ok;
}

/* Where the last window may begin: contrast at most CONTRAST from there to `high`; else high. */
static double forgotten_from(const Process *p, double low, double high)
{
    if (worst_contrast(p, high) > CONTRAST)
        return high;
    for (int i = 0; i < 30; i++) {
        double middle = 0.5 * (low + high);
        if (worst_contrast(p, middle) > CONTRAST)
            low = middle;
        else
            high = middle;
    }
    return high;
}

static bool append(RateBounds *w, const Process *p, double s, double t, Error *err)
{
    size_t S = w->states, n = w->count;

    if (n == WINDOWS_MAX)
        return error_set(err, "sampler exact: process %s needs more than %d windows of time",
                         p->class->name, (int)WINDOWS_MAX);
    if ((n & (n + 1)) == 0) { /* room for 2n + 1 windows */
        w->clock = mem_resize(w->clock, n + 1, 2 * n + 2, sizeof *w->clock);
        w->bound = mem_resize(w->bound, n * S, (2 * n + 1) * S, sizeof *w->bound);
    }
    if (!sampler_bound(p, s, t, w->bound + n * S))
        return error_set(err,
                         "sampler exact: probabilities of process %s from 0 to %g fall below "
                         "%g, expected a larger t_min",
                         p->class->name, s, IMPOSSIBLE);
    w->clock[++w->count] = diffusion_process_integral(p, 0.0, s);
    return true;
}

RateBounds *sampler_bounds_create(const Process *p, double t_min, Error *err)
{
    RateBounds *w = mem_zeroed(1, sizeof *w);
    double top = diffusion_process_integral(p, 0.0, 1.0) <= DBL_MAX ? 1.0 : 1.0 - 1e-9, t = top;
    bool ok = true;

    TENSOR_CHECK(p->mask < 0 && t_min > 0.0 && t_min < 1.0, "mask %d, t_min = %g", p->mask, t_min);
    w->states = p->states;
    w->clock = mem_alloc(1, sizeof *w->clock);
    w->bound = mem_alloc(0, sizeof *w->bound);
    w->clock[0] = diffusion_process_integral(p, 0.0, top);
    double s = forgotten_from(p, t_min, top), end = diffusion_process_integral(p, 0.0, t_min);
    while (ok && t > t_min) {
        if (s >= t) { /* a short window: a tenth of its place, and e^(2 g D) at most e^0.4 */
            double clock = w->clock[w->count], step = 0.1 * clock;
            step = step * p->exit > 0.2 ? 0.2 / p->exit : step;
            s = clock - step > end ? diffusion_process_time_at(p, clock - step) : t_min;
            s = s < t ? s : t_min;
        }
        ok = append(w, p, s, t, err);
        t = s;
    }
    if (ok)
        return w;
    sampler_bounds_destroy(w);
    return NULL;
}

void sampler_bounds_destroy(RateBounds *w)
{
    if (w == NULL)
        return;
    mem_free(w->clock);
    mem_free(w->bound);
    mem_free(w);
}
