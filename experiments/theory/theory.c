/* The table of experiments. */
#include "experiments/theory/theory.h"

const Experiment theory_experiments[] = {
    {"rate", "how fast a product sampler's error falls with the number of steps", theory_rate},
};
const size_t theory_experiment_count = sizeof theory_experiments / sizeof theory_experiments[0];
