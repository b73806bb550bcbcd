/* 6. What N lambdas can teach: at most log N nats.
 *
 * The data: K pictures, equally likely, each of D pixels in a colour of its own; so all D pixels
 * say the same one of K colours.  The student of chapter 5, now with K values of lambda: it says
 * colour j with a gain g in all pixels, p^d(a; j) = (1 - g)/K + g [a = j].  Training draws a
 * picture x and N lambdas, and lowers
 *
 *     -log (1/N) sum_i e^{J_i},   J_i = sum_d log p^d(x^d; lambda_i),
 *
 * where the N lambdas get the shares w_i = e^{J_i} / sum_k e^{J_k} of the gradient.  What w tells
 * of x is KL(w || 1/N) <= log N nats; to know the picture takes log K.
 *
 * Here n of the N lambdas name x, each with probability 1/K, so all means are sums over n.
 *
 * Look for: the gain of the least loss.  Lambda is worth something only when one of the N is likely
 * to name x, N about K; with few lambdas the best student knows nothing of it, and is its teacher.
 */
#include <math.h>
#include <stdio.h>

#include "tensor/base/text.h"

enum { K = 64, D = 4, GAINS = 100 };

typedef struct Value {
    double loss, carried; /* nats: the mean loss, the mean of KL(w || 1/N) */
} Value;

/* The two for n of N lambdas that name the picture. */
static Value value_of(double g, int N, int n)
{
    const double J_named = D * log((1.0 - g) / K + g), J_other = D * log((1.0 - g) / K);
    if (n == 0) /* all explain it alike, w = 1/N */
        return (Value){.loss = -J_other, .carried = 0.0};
    const double ratio = exp(J_other - J_named); /* e^J of another lambda, in e^J_named */
    const double sum = n + (N - n) * ratio;
    const double named = 1.0 / sum, other = ratio / sum; /* w_i */
    const double carried = other > 0.0 ? (N - n) * other * log(N * other) : 0.0;
    return (Value){.loss = -J_named - log(sum / N),
                   .carried = carried + n * named * log(N * named)};
}

/* Mean over n ~ binomial(N, 1/K). */
static Value mean_value(double g, int N)
{
    Value mean = {0.0, 0.0};
    double p = pow(1.0 - 1.0 / K, N); /* of n = 0 */
    for (int n = 0; n <= N; n++) {
        const Value v = value_of(g, N, n);
        mean.loss += p * v.loss;
        mean.carried += p * v.carried;
        p *= (double)(N - n) / (n + 1) / (K - 1); /* of n + 1 */
    }
    return mean;
}

int main(void)
{
    text_print(stdout, "a picture has log K = %.2f nats; a product needs D log K = %.2f for it\n\n",
               log(K), D * log(K));
    printf("   N   log N   best gain   lambda carries   loss\n");
    for (int N = 1; N <= 1024; N *= 2) {
        double best = 0.0;
        Value least = mean_value(0.0, N);
        for (int i = 1; i < GAINS; i++) {
            const double g = (double)i / GAINS;
            const Value v = mean_value(g, N);
            if (v.loss < least.loss) {
                least = v;
                best = g;
            }
        }
        text_print(stdout, "%4d    %.2f        %.2f             %.2f  %5.2f\n", N, log(N), best,
                   least.carried, least.loss);
    }
    return 0;
}
/* Try: D = 100 pixels.  K = 4.  One lambda in each N-th part of [0, 1) in place of independent
 * ones: what changes at N = K?  A digit of chapter 8 takes some 28 nats: how many lambdas is that?
 */
