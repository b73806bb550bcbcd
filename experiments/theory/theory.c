/* All experiments, in the order of the page. */
#include "experiments/theory/theory.h"

extern const Experiment theory_rate, theory_bound, theory_capacity, theory_samplers,
    theory_variance, theory_limit;

const Experiment *const theory_experiments[] = {&theory_rate,     &theory_bound,
                                                &theory_capacity, &theory_samplers,
                                                &theory_variance, &theory_limit};
const size_t theory_experiment_count = sizeof theory_experiments / sizeof theory_experiments[0];
