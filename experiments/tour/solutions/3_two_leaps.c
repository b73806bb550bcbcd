/* Exercise 3: noise from 0 to s and then from s to t is noise from 0 to t. */
#include <math.h>
#include <stdio.h>

#include "diffusion/process/transition.h"

enum { VALUES = 8 };

int main(void)
{
    static const char *const names[] = {"uniform", "birthdeath", "absorbing"};
    for (int n = 0; n < 3; n++) {
        const bool mask = diffusion_process_find(names[n])->has_mask;
        ProcessConfig config = diffusion_process_defaults(names[n], VALUES + mask);
        config.eps = 0.0;
        diffusion_process_set(&config, "rate_const", 1.0);
        Process *p = diffusion_process_create(&config, NULL);
        Transition *first = diffusion_transition_create(p, 0.0, 0.3, TRANSITION_ACCURATE);
        Transition *second = diffusion_transition_create(p, 0.3, 0.7, TRANSITION_ACCURATE);
        Transition *both = diffusion_transition_create(p, 0.0, 0.7, TRANSITION_ACCURATE);
        double worst = 0.0;
        for (size_t i = 0; i < p->states; i++)
            for (size_t j = 0; j < p->states; j++) {
                double sum = 0.0; /* over where the pixel may be at s */
                for (size_t k = 0; k < p->states; k++)
                    sum += diffusion_transition_at(first, i, k) *
                           diffusion_transition_at(second, k, j);
                worst = fmax(worst, fabs(sum - diffusion_transition_at(both, i, j)));
            }
        printf("%s: %s\n", names[n], worst < 1e-13 ? "equal to 1e-13" : "different");
        diffusion_transition_destroy(first);
        diffusion_transition_destroy(second);
        diffusion_transition_destroy(both);
        diffusion_process_destroy(p);
    }
    return 0;
}
