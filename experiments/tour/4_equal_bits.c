/* 4. Two equal bits: why a product denoiser is wrong half of the time in one step.
 *
 * The data are pairs of bits x^1 = x^2, 0 or 1 with probability 1/2.  The noise masks each bit; the
 * denoiser takes masks away, from t = 1, where both are masked, to t = 0 in N steps.  It is
 * perfect: it knows q(x_0^d | x_t) for each bit d exactly.  But it is a product: the bits that it
 * uncovers in one step are drawn independently of each other.
 *
 * Nothing is drawn here.  r is the law of x_t on all nine pairs, and a step maps it to
 *
 *     r'(y) = sum_x r(x) p^1(y^1 | x) p^2(y^2 | x),
 *     p^d(v | x) = sum_a q(x_s^d = v | x^d, x_0^d = a) q(x_0^d = a | x).
 *
 * Look for: the share of unequal pairs.  Both bits are uncovered in the same one of N steps with
 * probability 1/N, and differ then half of the time: 1/(2N).  Ten times fewer errors cost ten times
 * more calls, though the denoiser knows all that a product can. */
#include <stdio.h>
#include <string.h>

#include "diffusion/posterior.h"
#include "tensor/base/text.h"

enum { MASK = 2, STATES = 3 };

/* p (2) = q(x_0^d = . | x): what is seen in either place is certain, for the bits are equal. */
static void perfect_denoiser(const size_t x[2], size_t d, double p[2])
{
    const size_t seen = x[d] != MASK ? x[d] : x[1 - d];
    p[0] = seen == MASK ? 0.5 : seen == 0 ? 1.0 : 0.0;
    p[1] = 1.0 - p[0];
}

static void step_back(const PosteriorStep *step, double r[STATES][STATES])
{
    double next[STATES][STATES] = {{0.0}}, row[2][STATES];
    for (size_t i = 0; i < STATES; i++)
        for (size_t j = 0; j < STATES; j++) {
            const size_t x[2] = {i, j};
            for (size_t d = 0; d < 2; d++) {
                double p[2];
                perfect_denoiser(x, d, p);
                diffusion_posterior_mix(step, x[d], p, 2, row[d]);
            }
            for (size_t k = 0; k < STATES; k++)
                for (size_t l = 0; l < STATES; l++)
                    next[k][l] += r[i][j] * row[0][k] * row[1][l];
        }
    memcpy(r, next, sizeof next);
}

/* The law of what comes out of N steps. */
static void run(const Process *noise, int N, double r[STATES][STATES])
{
    memset(r, 0, sizeof(double[STATES][STATES]));
    r[MASK][MASK] = 1.0;
    for (int n = N; n > 0; n--) {
        PosteriorStep *step =
            diffusion_posterior_create(noise, (double)(n - 1) / N, (double)n / N, 0.0);
        step_back(step, r);
        diffusion_posterior_destroy(step);
    }
}

int main(void)
{
    ProcessConfig config = diffusion_process_defaults("absorbing", STATES);
    config.eps = 0.0; /* a bit is still there at t with probability 1 - t */
    Error err;
    Process *noise = diffusion_process_create(&config, &err);
    if (noise == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf(" N    equal  unequal   1/(2N)\n");
    for (int N = 1; N <= 32; N *= 2) {
        double r[STATES][STATES];
        run(noise, N, r);
        const double equal = r[0][0] + r[1][1], unequal = r[0][1] + r[1][0];
        text_print(stdout, "%2d %.6f %.6f %.6f ", N, equal, unequal, 1.0 / (2.0 * N));
        for (int k = 0; k < (int)(64.0 * unequal + 0.5); k++)
            putchar('#');
        putchar('\n');
    }
    diffusion_process_destroy(noise);
    return 0;
}
/* Try: three equal bits.  Bits that are equal in 9 of 10 pairs.  Uniform noise in place of the
 * mask: two states, any pair at t = 1, and a perfect_denoiser that weighs what it sees by P[0->t],
 * which is step->to_t (diffusion_transition_at). */
