#include "distill/distill_config.h"

DistillConfig distill_defaults(void)
{
    DistillConfig config = {
        {true, DATA_WEIGHT_SIGMOID}, 16, 0, 0.01, 0.001, 0.01, 0.01, 0.0, 1e-9, false};

    return config;
}
