/* Exercise 5: three bits, x^3 = x^1 xor x^2, the first two fair.  How many values of lambda?
 *
 * Four.  A product of the mixture may only say triples that occur.  If it leaves a bit open, it
 * says two triples that differ in that bit alone, and one of them does not occur.  So each product
 * says one triple, and there are four.  Here lambda says the first k bits, the third too if k = 2,
 * and what it does not say is a fair coin: the total variation distance (1/2) sum |p - q|. */
#include <math.h>
#include <stdio.h>

#include "tensor/base/text.h"

/* The chance of triple x under the mixture whose 2^k lambdas say the first k bits. */
static double mixture(int k, const int x[3])
{
    if (k < 2)
        return 1.0 / 8.0; /* said or not, each bit is 0 or 1 alike, and independent of the others */
    return x[2] == (x[0] ^ x[1]) ? 1.0 / 4.0 : 0.0;
}

int main(void)
{
    for (int k = 0; k <= 2; k++) {
        double distance = 0.0;
        for (int i = 0; i < 8; i++) {
            const int x[3] = {i & 1, i >> 1 & 1, i >> 2};
            const double law = x[2] == (x[0] ^ x[1]) ? 1.0 / 4.0 : 0.0;
            distance += fabs(mixture(k, x) - law) / 2.0;
        }
        text_print(stdout, "%d lambda%s: distance %.2f\n", 1 << k, k == 0 ? "" : "s", distance);
    }
    return 0;
}
