/* Rotary position embedding.
 *
 * Sines and cosines are the same for all samples and heads.  One step of the position turns by a
 * fixed angle, so a position's come from those before by a rotation, in double: after 65,536 steps
 * that is off by some 1e-11. */
#include "tensor/rotary.h"

#include <math.h>

#include "tensor/base/check.h"
#include "tensor/system/threads.h"

/* cosine, sine (rows, half) of p 10000^(-i/half) in row p. */
static void make_turns(float *cosine, float *sine, size_t rows, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        const double step = pow(10000.0, -(double)i / (double)half);
        const double step_cosine = cos(step), step_sine = sin(step);
        double c = 1.0, s = 0.0;
        for (size_t p = 0; p < rows; p++) {
            cosine[p * half + i] = (float)c;
            sine[p * half + i] = (float)s;
            const double next = c * step_cosine - s * step_sine;
            s = s * step_cosine + c * step_sine;
            c = next;
        }
    }
}

/* A head at one position; sign -1 turns back. */
static void turn(float *y, const float *x, const float *cosine, const float *sine, float sign,
                 bool add, size_t half)
{
#pragma omp simd
    for (size_t i = 0; i < half; i++) {
        const float a = x[i], b = x[i + half], s = sign * sine[i];
        const float left = a * cosine[i] - b * s, right = b * cosine[i] + a * s;
        y[i] = add ? y[i] + left : left;
        y[i + half] = add ? y[i + half] + right : right;
    }
}

static void keep(float *y, const float *x, bool add, size_t c)
{
    for (size_t i = 0; i < c; i++)
        y[i] = add ? y[i] + x[i] : x[i];
}

void tensor_rotary(float *y, const float *x, bool back, bool add, const RotaryShape *s)
{
    const size_t n = s->positions, c = s->channels, first = s->first;
    const size_t *at = s->places != NULL ? s->places->at : NULL;
    const size_t count = s->places != NULL ? places_count(s->places) : s->batch * n;
    if (count * c == 0)
        return;
    TENSOR_CHECK(s->heads >= 1 && c % (2 * s->heads) == 0,
                 "%zu channels do not split into pairs "
                 "of %zu heads",
                 c, s->heads);
    const size_t half = c / s->heads / 2, rows = n > first ? n - first : 0;
    float *cosine = threads_scratch(SCRATCH_REDUCE, 2 * rows * half * sizeof *cosine);
    float *sine = cosine + rows * half;
    const float sign = back ? -1.0f : 1.0f;
    make_turns(cosine, sine, rows, half);
#pragma omp parallel for default(none)                                                             \
    shared(y, x, add, at, count, n, c, first, half, cosine, sine, sign) schedule(static)           \
        num_threads(threads_team(count *c))
    for (size_t r = 0; r < count; r++) {
        const size_t p = (at != NULL ? at[r] : r) % n;
        if (p < first) {
            keep(y + r * c, x + r * c, add, c);
            continue;
        }
        const size_t turns = (p - first) * half;
        for (size_t j = r * c; j < (r + 1) * c; j += 2 * half)
            turn(y + j, x + j, cosine + turns, sine + turns, sign, add, half);
    }
}
