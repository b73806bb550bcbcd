/* Exercise 4: three equal bits, 000 or 111, in N steps of the perfect product denoiser.
 *
 * By hand: all three are uncovered in one step with probability 1/N^2, and then differ in 3/4 of
 * the cases.  Two go first, and the third follows them, with probability 3 (N - 1)/(2 N^2); then
 * 1/2. Together 3/(4 N^2) + 3 (N - 1)/(4 N^2) = 3/(4 N).  Below the same by pushing the law, as in
 * chapter 4; a state is a number of three digits to the base 3. */
#include <stdio.h>
#include <string.h>

#include "diffusion/posterior.h"
#include "tensor/base/text.h"

enum { BITS = 3, MASK = 2, STATES = 3, ALL = 27 };

static void digits(size_t number, size_t x[BITS])
{
    for (size_t d = 0; d < BITS; d++, number /= STATES)
        x[d] = number % STATES;
}

/* q(x_0^d = . | x): of bits that differ, which only a wrong draw can have made, the last counts. */
static void perfect_denoiser(const size_t x[BITS], size_t d, double p[2])
{
    size_t seen = x[d];
    for (size_t e = 0; seen == MASK && e < BITS; e++)
        seen = x[e];
    p[0] = seen == MASK ? 0.5 : seen == 0 ? 1.0 : 0.0;
    p[1] = 1.0 - p[0];
}

static void step_back(const PosteriorStep *step, double r[ALL])
{
    double next[ALL] = {0.0}, row[BITS][STATES], p[2];
    size_t x[BITS], y[BITS];
    for (size_t i = 0; i < ALL; i++) {
        digits(i, x);
        for (size_t d = 0; d < BITS; d++) {
            perfect_denoiser(x, d, p);
            diffusion_posterior_mix(step, x[d], p, 2, row[d]);
        }
        for (size_t j = 0; j < ALL; j++) {
            digits(j, y);
            next[j] += r[i] * row[0][y[0]] * row[1][y[1]] * row[2][y[2]];
        }
    }
    memcpy(r, next, sizeof next);
}

int main(void)
{
    ProcessConfig config = diffusion_process_defaults("absorbing", STATES);
    config.eps = 0.0;
    Process *noise = diffusion_process_create(&config, NULL);
    printf(" N  not all equal   3/(4N)\n");
    for (int N = 1; N <= 16; N *= 2) {
        double r[ALL] = {0.0};
        r[ALL - 1] = 1.0; /* three masks */
        for (int n = N; n > 0; n--) {
            PosteriorStep *step =
                diffusion_posterior_create(noise, (double)(n - 1) / N, (double)n / N, 0.0);
            step_back(step, r);
            diffusion_posterior_destroy(step);
        }
        const double equal = r[0] + r[1 + 3 + 9];
        text_print(stdout, "%2d  %13.6f %.6f\n", N, 1.0 - equal, 3.0 / (4.0 * N));
    }
    diffusion_process_destroy(noise);
    return 0;
}
