#include "distill/distill_config.h"

DistillConfig distill_defaults(void)
{
    /* The authors' setting for CIFAR-10 [Di4C]; where their code does not do what their text says,
     * "code". */
    return (DistillConfig){
        .loss = {.control_variates = true, .data_weight = DATA_WEIGHT_SIGMOID},
        .lambdas = 16,
        .distill_lambdas = 0, /* as many */
        .t_min = 0.01,
        .delta_min = 0.001,
        .delta_max = 0.01,
        .tm_width = 0.01, /* code; the paper: 0 */
        .share_at_one = 0.0,
        .eps = 1e-9, /* code; the paper: 0 */
        .stratified_lambda = false,
    };
}
