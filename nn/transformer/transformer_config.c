#include "nn/transformer/transformer_config.h"

#include "nn/possible.h"

/* States are kept in 16 bits; the others are far beyond what trains, and small enough that products
 * of two of them and 6 (weights of a layer) do not overflow 32 bits. */
enum {
    MAX_DIMS = 65536,
    MAX_STATES = 65536,
    MAX_WIDTH = 16384,
    MAX_BLOCKS = 256,
    MAX_LAMBDA_DIMS = 64
};
static const char KIND[] = "transformer";
static const size_t MAX_NUMBERS = (size_t)1 << 26; /* logits of a sample */

TransformerConfig nn_transformer_defaults(void)
{
    TransformerConfig c;
    c.dims = 1024;
    c.states = 50258;
    c.out_states = 50257;
    c.width = 768;
    c.blocks = 12;
    c.heads = 12;
    c.condition_width = 128;
    c.embed = 128;
    c.time_conditioning = true;
    c.learned_positions = false;
    c.time_scale = 1000.0;
    c.dropout = 0.1;
    c.lambda_dims = 0;
    c.lambda_entry = TRANSFORMER_LAMBDA_TOKEN;
    c.lambda_is_number = false;
    c.lambda_mean = 0.0;
    c.lambda_deviation = 1.0;
    c.lambda_gain = 1.0;
    c.encoder_family = ENCODER_GAUSSIAN;
    c.encoder = ENCODER_NONE;
    return c;
}

static bool in_range(const char *field, size_t value, size_t least, size_t most, Error *err)
{
    return nn_possible_size(KIND, field, value, least, most, err);
}

size_t nn_transformer_lambdas(const TransformerConfig *c)
{
    return c->lambda_dims * (c->lambda_entry == TRANSFORMER_LAMBDA_PLACES ? c->dims : 1);
}

bool nn_transformer_possible(const TransformerConfig *c, Error *err)
{
    if (!in_range("dims", c->dims, 1, MAX_DIMS, err) ||
        !in_range("states", c->states, 2, MAX_STATES, err) ||
        !in_range("out_states", c->out_states, 1, c->states, err) ||
        !in_range("dims * out_states", c->dims * c->out_states, 1, MAX_NUMBERS, err) ||
        !in_range("width", c->width, 2, MAX_WIDTH, err) ||
        !in_range("blocks", c->blocks, 1, MAX_BLOCKS, err) ||
        !in_range("heads", c->heads, 1, c->width / 2, err) ||
        !in_range("condition_width", c->condition_width, 1, MAX_WIDTH, err) ||
        !in_range("embed", c->embed, 4, MAX_WIDTH, err) ||
        !in_range("lambda_dims", c->lambda_dims, 0, MAX_LAMBDA_DIMS, err)) {
        return false;
    }
    if (c->width % (2 * c->heads) != 0) {
        return error_set(err,
                         "transformer: width is %zu; it must be a multiple of twice its %zu heads, "
                         "since rotary positions turn pairs of a head's channels",
                         c->width, c->heads);
    }
    const bool places = c->lambda_dims > 0 && c->lambda_entry == TRANSFORMER_LAMBDA_PLACES;
    return nn_possible_places(KIND, places, c->lambda_is_number, err) &&
           nn_possible_dropout(KIND, c->dropout, err) &&
           nn_possible_time_scale(KIND, c->time_scale, err) &&
           nn_possible_lambda_gain(KIND, c->lambda_gain, err);
}
