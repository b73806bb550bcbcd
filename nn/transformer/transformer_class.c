/* The transformer among the networks: its settings, and its configuration from them. */
#include "nn/network_class.h"
#include "nn/transformer/transformer.h"

enum { WIDTH, BLOCKS, HEADS, CONDITIONING, CONDITION_WIDTH, POSITIONS, LAMBDA, EMBED, SETTINGS };
enum { POSITIONS_ROTARY, POSITIONS_BOTH };

static const Setting settings[SETTINGS] = {
    [WIDTH] = {.name = "tf_width",
               .type = SETTING_INTEGER,
               .initial = "256",
               .low = 2,
               .high = 16384,
               .help = "transformer: width, a multiple of twice tf_heads"},
    [BLOCKS] = {.name = "tf_blocks",
                .type = SETTING_INTEGER,
                .initial = "6",
                .low = 1,
                .high = 256,
                .help = "transformer: blocks"},
    [HEADS] = {.name = "tf_heads",
               .type = SETTING_INTEGER,
               .initial = "4",
               .low = 1,
               .high = 4096,
               .help = "transformer: heads of attention"},
    [CONDITIONING] = {.name = "tf_conditioning",
                      .type = SETTING_FLAG,
                      .initial = "on",
                      .help = "transformer: blocks are told the time; masks need none"},
    [CONDITION_WIDTH] = {.name = "tf_condition_width",
                         .type = SETTING_INTEGER,
                         .initial = "128",
                         .low = 1,
                         .high = 16384,
                         .help = "transformer: width of what conditions its blocks"},
    [POSITIONS] = {.name = "tf_positions",
                   .type = SETTING_CHOICE,
                   .initial = "rotary",
                   .choices = "rotary|both",
                   .help = "transformer: distances alone, or also a learned vector for each "
                           "place, as pictures need"},
    [LAMBDA] = {.name = "tf_lambda",
                .type = SETTING_CHOICE,
                .initial = "token",
                .choices = "token|conditioning|places",
                .help = "transformer student: lambda as a token in front, as time is told, or "
                        "lambda_dims numbers of it at each place",
                .of_student = true},
    [EMBED] = {.name = "embed",
               .type = SETTING_INTEGER,
               .initial = "0",
               .high = 4096,
               .help = "width of the sinusoids; 0: 128"},
};

static Network *layout(const NetworkConfig *n, Error *err)
{
    TransformerConfig c = nn_transformer_defaults();
    c.dims = n->height * n->width * n->channels;
    c.states = n->states;
    c.out_states = n->out_states;
    c.width = (size_t)n->own[WIDTH];
    c.blocks = (size_t)n->own[BLOCKS];
    c.heads = (size_t)n->own[HEADS];
    c.time_conditioning = n->own[CONDITIONING] != 0;
    c.condition_width = (size_t)n->own[CONDITION_WIDTH];
    c.learned_positions = n->own[POSITIONS] == POSITIONS_BOTH;
    c.lambda_entry = (TransformerLambda)n->own[LAMBDA];
    if (n->own[EMBED] > 0)
        c.embed = (size_t)n->own[EMBED];
    c.time_scale = n->time_scale;
    c.dropout = n->dropout;
    c.lambda_dims = n->lambda_dims;
    c.lambda_is_number = n->lambda_is_number;
    c.lambda_mean = n->lambda_mean;
    c.lambda_deviation = n->lambda_deviation;
    c.lambda_gain = n->lambda_gain;
    c.encoder_family = n->encoder_family;
    c.encoder = n->encoder;
    return nn_transformer_layout(&c, err);
}

const NetworkClass nn_transformer = {.name = "transformer",
                                     .help = "sequences such as text",
                                     .setting_count = SETTINGS,
                                     .settings = settings,
                                     .layout = layout};
