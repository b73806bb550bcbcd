/* Bayes' rule for one reverse step.  P[0->t] is the product of the other two matrices, so the three
 * belong together to the last digits. */
#include "diffusion/posterior.h"

#include <string.h>

#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"

static void transpose(double *out, const double *in, size_t S)
{
    for (size_t i = 0; i < S; i++)
        for (size_t j = 0; j < S; j++)
            out[j * S + i] = in[i * S + j];
}

PosteriorStep *diffusion_posterior_create(const Process *p, double s, double t, double eps)
{
    PosteriorStep *step = mem_zeroed(1, sizeof *step);

    TENSOR_CHECK(eps >= 0.0, "eps = %g", eps);
    step->process = p;
    step->s = s;
    step->t = t;
    step->eps = eps;
    step->to_s = diffusion_transition_create(p, 0.0, s, TRANSITION_ACCURATE);
    step->step = diffusion_transition_create(p, s, t, TRANSITION_ACCURATE);
    step->to_t = diffusion_transition_create(p, 0.0, 0.0, TRANSITION_ACCURATE);
    diffusion_transition_compose(step->to_t, step->to_s, step->step);
    if (diffusion_transition_dense(step->step) != NULL) {
        step->backward = mem_alloc(p->states * p->states, sizeof *step->backward);
        transpose(step->backward, diffusion_transition_dense(step->step), p->states);
    }
    return step;
}

void diffusion_posterior_destroy(PosteriorStep *step)
{
    if (step == NULL)
        return;
    diffusion_transition_destroy(step->to_s);
    diffusion_transition_destroy(step->step);
    diffusion_transition_destroy(step->to_t);
    mem_free(step->backward);
    mem_free(step);
}

static bool copied(const PosteriorStep *step, size_t xt)
{
    return step->process->mask >= 0 && xt != (size_t)step->process->mask;
}

/* out[x_s] *= P[s->t][x_s][x_t] + eps. */
static void times_step(const PosteriorStep *step, size_t xt, double eps, double *out)
{
    const Process *p = step->process;
    size_t S = p->states;

    if (step->backward != NULL) {
        const double *column = step->backward + xt * S;
        for (size_t x = 0; x < S; x++)
            out[x] *= column[x] + eps;
        return;
    }
    for (size_t x = 0; x < S; x++)
        out[x] *= diffusion_transition_at(step->step, x, xt) + eps;
}

static void point(double *out, size_t S, size_t x, double mass)
{
    memset(out, 0, S * sizeof *out);
    out[x] = mass;
}

static double sum_of(const double *p, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

/* Scales to the given mass; false if the sum is too small to divide by. */
static bool normalise(double *out, size_t S, double mass)
{
    double sum = sum_of(out, S);

    if (!(sum > IMPOSSIBLE))
        return false;
    for (size_t x = 0; x < S; x++)
        out[x] = out[x] * mass / sum; /* so that a single one becomes exactly mass */
    return true;
}

/* The weights of a single x_0, positive in sum; not normalised. */
static void single(const PosteriorStep *step, size_t xt, size_t x0, double *out)
{
    size_t S = step->process->states;
    double eps = step->eps;

    diffusion_transition_row(step->to_s, x0, out);
    if (eps > 0.0) {
        double below = diffusion_transition_at(step->to_t, x0, xt) + eps;
        for (size_t x = 0; x < S; x++)
            out[x] = (out[x] + eps) / below;
        times_step(step, xt, eps, out);
        for (size_t x = 0; x < S; x++)
            out[x] += eps;
        return;
    }
    times_step(step, xt, 0.0, out);
    if (sum_of(out, S) > IMPOSSIBLE)
        return;
    if (copied(step, xt))
        point(out, S, xt, 1.0);
    else
        diffusion_transition_row(step->to_s, x0, out);
}

void diffusion_posterior(const PosteriorStep *step, size_t xt, size_t x0, double *out)
{
    size_t S = step->process->states;

    TENSOR_CHECK(xt < S && x0 < S, "x_t = %zu, x_0 = %zu of %zu states", xt, x0, S);
    single(step, xt, x0, out);
    normalise(out, S, 1.0);
}

/* out = sum_a w[a] (P[0->s][a][.] + eps), w (count). */
static void average_rows(const PosteriorStep *step, const double *w, size_t count, double eps,
                         double *out)
{
    const Process *p = step->process;
    const double *dense = diffusion_transition_dense(step->to_s);
    size_t S = p->states;
    double total = sum_of(w, count);

    for (size_t x = 0; x < S; x++)
        out[x] = total * eps;
    for (size_t a = 0; a < count && dense != NULL; a++)
        for (size_t x = 0; x < S; x++)
            out[x] += w[a] * dense[a * S + x];
    if (dense != NULL)
        return;
    double leave = 0.0, keep = 0.0; /* P = keep I + leave 1 end^T */
    diffusion_transition_closed(step->to_s, &keep, &leave);
    for (size_t x = 0; x < S; x++)
        out[x] += leave * total * p->end[x] + (x < count ? keep * w[x] : 0.0);
}

void diffusion_posterior_mix(const PosteriorStep *step, size_t xt, const double *p0,
                             size_t p0_states, double *out)
{
    const Process *p = step->process;
    size_t S = p->states;
    double eps = p->mask >= 0 ? 0.0 : step->eps;

    TENSOR_CHECK(xt < S && p0_states <= S, "x_t = %zu, %zu probabilities of %zu states", xt,
                 p0_states, S);
    double mass = p->mask >= 0 ? sum_of(p0, p0_states) : 1.0;
    if (copied(step, xt)) {
        point(out, S, xt, mass);
        return;
    }
    double *w = threads_scratch(SCRATCH_PROCESS, S * sizeof *w);
    for (size_t a = 0; a < p0_states; a++) {
        double below = diffusion_transition_at(step->to_t, a, xt) + eps;
        w[a] = below > IMPOSSIBLE ? p0[a] / below : 0.0;
    }
    average_rows(step, w, p0_states, eps, out);
    times_step(step, xt, eps, out);
    if (normalise(out, S, mass))
        return;
    average_rows(step, p0, p0_states, 0.0, out);
    normalise(out, S, mass);
}

void diffusion_posterior_pull(const PosteriorStep *step, size_t xt, const double *p0,
                              const double *mix, const double *y, double *g)
{
    const Process *p = step->process;
    const double *dense = diffusion_transition_dense(step->to_s);
    size_t S = p->states;
    double *w = threads_scratch(SCRATCH_PROCESS, S * sizeof *w);
    double keep = 0.0, leave = 0.0, ends = 0.0, mass = 0.0, mean = 0.0;

    TENSOR_CHECK(p->mask < 0 && step->eps == 0.0 && xt < S,
                 "pull of x_t = %zu of %zu, mask %d, eps %g", xt, S, p->mask, step->eps);
    for (size_t v = 0; v < S; v++) {
        w[v] = y[v];
        mean += y[v] * mix[v];
        mass += diffusion_transition_at(step->to_t, v, xt) > IMPOSSIBLE ? p0[v] : 0.0;
    }
    times_step(step, xt, 0.0, w);
    if (dense == NULL) {
        diffusion_transition_closed(step->to_s, &keep, &leave);
        for (size_t v = 0; v < S; v++)
            ends += p->end[v] * w[v];
    }
    for (size_t a = 0; a < S; a++) {
        double below = diffusion_transition_at(step->to_t, a, xt), sum = 0.0;
        if (dense == NULL)
            sum = keep * w[a] + leave * ends;
        for (size_t v = 0; v < S && dense != NULL; v++)
            sum += dense[a * S + v] * w[v];
        g[a] = below > IMPOSSIBLE && mass > IMPOSSIBLE ? (sum / below - mean) / mass : 0.0;
    }
}

size_t diffusion_posterior_draw(const PosteriorStep *step, size_t xt, size_t x0, Rng *rng)
{
    const Process *p = step->process;
    size_t S = p->states;

    TENSOR_CHECK(xt < S && x0 < S, "x_t = %zu, x_0 = %zu of %zu states", xt, x0, S);
    if (copied(step, xt))
        return xt;
    if (p->mask >= 0) { /* masked at s, given masked at t: (1-alpha(s))/(1-alpha(t)) */
        double masked_t = diffusion_transition_at(step->to_t, 0, xt);
        double masked_s = diffusion_transition_at(step->to_s, 0, xt);
        return rng_uniform(rng) * masked_t < masked_s ? xt : x0;
    }
    double *w = threads_scratch(SCRATCH_PROCESS, S * sizeof *w);
    single(step, xt, x0, w);
    return rng_categorical(rng, w, S);
}
