#include "nn/mlp/mlp_config.h"

#include "nn/possible.h"

/* States are kept in 16 bits; the others are far beyond what trains, and small enough that products
 * of two of them (weights of a layer) do not overflow. */
enum { MAX_STATES = 65536, MAX_WIDTH = 65536, MAX_BLOCKS = 256, MAX_LAMBDA_DIMS = 64 };
static const char KIND[] = "MLP";
static const size_t MAX_NUMBERS = (size_t)1 << 24; /* one-hot entries or logits of a sample */

MlpConfig nn_mlp_defaults(void)
{
    MlpConfig c;
    c.dims = 36;
    c.states = c.out_states = 2;
    c.width = 384;
    c.blocks = 3;
    c.embed = 64;
    c.time_scale = 1000.0;
    c.dropout = 0.0;
    c.lambda_dims = 0;
    c.lambda_is_number = false;
    c.lambda_mean = 0.0;
    c.lambda_deviation = 1.0;
    c.encoder_family = ENCODER_GAUSSIAN;
    c.encoder = ENCODER_NONE;
    return c;
}

static bool in_range(const char *field, size_t value, size_t least, size_t most, Error *err)
{
    return nn_possible_size(KIND, field, value, least, most, err);
}

bool nn_mlp_possible(const MlpConfig *c, Error *err)
{
    if (!in_range("dims", c->dims, 1, MAX_NUMBERS, err) ||
        !in_range("states", c->states, 2, MAX_STATES, err) ||
        !in_range("out_states", c->out_states, 1, c->states, err) ||
        !in_range("dims * states", c->dims * c->states, 1, MAX_NUMBERS, err) ||
        !in_range("width", c->width, 1, MAX_WIDTH, err) ||
        !in_range("blocks", c->blocks, 1, MAX_BLOCKS, err) ||
        !in_range("embed", c->embed, 4, MAX_WIDTH, err) ||
        !in_range("lambda_dims", c->lambda_dims, 0, MAX_LAMBDA_DIMS, err)) {
        return false;
    }
    return nn_possible_dropout(KIND, c->dropout, err) &&
           nn_possible_time_scale(KIND, c->time_scale, err);
}
