/* 3. Noise on one pixel: the transition matrices of three processes, drawn.
 *
 * A pixel x has one of S values.  Noise lets it jump from i to j at the rate beta(t) R[i][j]; so at
 * time t the pixel that began as i is j with probability
 *
 *     q(x_t = j | x_0 = i) = P[i][j],   P = exp(B(t) R),   B(t) the integral of beta from 0 to t.
 *
 * Row i of a square says what has become of the value i; darker is likelier.  At t = 0 the matrix
 * is the identity.  At t = 1 all rows are equal, or as good as equal: whatever the pixel was, it is
 * forgotten, and what is left is the law that sampling starts from.
 *
 * Look for: uniform noise goes from any value to any other.  Birth-death noise goes to a neighbour,
 * so it blurs a grey before it forgets it.  Absorbing noise has one value more, the mask: it never
 * changes a value into another, and its last column says what is lost. */
#include <math.h>
#include <stdio.h>

#include "diffusion/process/transition.h"

enum { VALUES = 8, TIMES = 4 };
static const double times[TIMES] = {0.0, 0.1, 0.2, 1.0};

static Process *create(const char *name)
{
    const bool mask = diffusion_process_find(name)->has_mask;
    ProcessConfig config = diffusion_process_defaults(name, VALUES + mask);
    config.eps = 0.0;                                  /* absorbing: all is masked at t = 1 */
    diffusion_process_set(&config, "rate_const", 1.0); /* uniform: R[i][j] */
    Error err;
    Process *p = diffusion_process_create(&config, &err);
    if (p == NULL)
        fprintf(stderr, "%s\n", err.text);
    return p;
}

/* Two characters for a probability; of its root, so that small ones are seen. */
static void shade(double p)
{
    static const char dark[] = " .:-=+*#%@";
    const char c = dark[(int)(9.0 * sqrt(p) + 0.5)];
    printf("%c%c", c, c);
}

/* The matrices of all times side by side, row by row. */
static void draw(const Process *p)
{
    Transition *P[TIMES];
    for (int k = 0; k < TIMES; k++)
        P[k] = diffusion_transition_create(p, 0.0, times[k], TRANSITION_SPECTRAL);
    for (size_t i = 0; i < p->states; i++) {
        for (int k = 0; k < TIMES; k++) {
            putchar('|');
            for (size_t j = 0; j < p->states; j++)
                shade(diffusion_transition_at(P[k], i, j));
            printf("|  ");
        }
        printf("from %zu%s\n", i, (int)i == p->mask ? ", the mask" : "");
    }
    for (int k = 0; k < TIMES; k++)
        diffusion_transition_destroy(P[k]);
}

int main(void)
{
    static const char *const names[] = {"uniform", "birthdeath", "absorbing"};
    printf("t = 0, 0.1, 0.2 and 1; columns are the values that a pixel has now\n");
    for (int n = 0; n < 3; n++) {
        Process *p = create(names[n]);
        if (p == NULL)
            return 1;
        printf("\n%s: %s\n", names[n], p->class->help);
        draw(p);
        diffusion_process_destroy(p);
    }
    return 0;
}
/* Try: "gaussian", for 8 values with "rate_sigma" 1, "Q_sigma" 4 and "time_base" 0.1.  Times near
 * 0: what does birth-death look like when at most one jump was made?  config.eps = 1e-3 with
 * config.beta = SCHEDULE_COSINE: what is refused, and, with config.any_start = true, why? */
