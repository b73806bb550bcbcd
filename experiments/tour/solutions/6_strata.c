/* Exercise 6: one lambda in each N-th part of [0, 1) in place of N independent ones.
 *
 * The K pictures are the K-th parts of [0, 1).  With N = K parts each of them has a lambda of its
 * own: n, the lambdas that name the picture, is 1 and no longer random, and the best student knows
 * all. With fewer, N < K, the picture is named with probability N/K, by one lambda. */
#include <math.h>
#include <stdio.h>

#include "tensor/base/text.h"

enum { K = 64, D = 4, GAINS = 100 };

/* Chapter 6's loss for n of N lambdas that name the picture. */
static double loss(double g, int N, int n)
{
    const double J_named = D * log((1.0 - g) / K + g), J_other = D * log((1.0 - g) / K);
    if (n == 0)
        return -J_other;
    return -J_named - log((n + (N - n) * exp(J_other - J_named)) / N);
}

int main(void)
{
    printf("   N   log N   best gain   loss\n");
    for (int N = 4; N <= K; N *= 2) {
        const double p = (double)N / K;
        double best = 0.0, least = loss(0.0, N, 1);
        for (int i = 1; i < GAINS; i++) {
            const double g = (double)i / GAINS;
            const double mean =
                N == K ? loss(g, N, 1) : p * loss(g, N, 1) + (1.0 - p) * loss(g, N, 0);
            if (mean < least) {
                least = mean;
                best = g;
            }
        }
        text_print(stdout, "%4d    %.2f        %.2f  %5.2f\n", N, log(N), best, least);
    }
    return 0;
}
