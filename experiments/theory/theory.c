/* The table of experiments. */
#include "experiments/theory/theory.h"

const Experiment theory_experiments[] = {
    {"rate", "how fast a product sampler's error falls with the number of steps", theory_rate},
    {"bound", "both sides of the student's error bound while it is trained", theory_bound},
    {"capacity", "how near to the data a mixture of K products comes in one step", theory_capacity},
    {"samplers", "what samplers lose with a perfect denoiser, by network calls", theory_samplers},
    {"variance", "the noise of each loss's gradient with and without control variates",
     theory_variance},
    {"limit", "the nats that lambda carries when N lambdas a picture teach it", theory_limit},
};
const size_t theory_experiment_count = sizeof theory_experiments / sizeof theory_experiments[0];
