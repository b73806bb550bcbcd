/* The MLP among the networks: its settings, and its configuration from them. */
#include "nn/mlp/mlp.h"
#include "nn/network_class.h"

enum { WIDTH, BLOCKS, EMBED, SETTINGS };
static const Setting settings[SETTINGS] = {
    [WIDTH] = {.name = "mlp_width",
               .type = SETTING_INTEGER,
               .initial = "384",
               .low = 8,
               .high = 16384,
               .help = "mlp: width"},
    [BLOCKS] = {.name = "mlp_blocks",
                .type = SETTING_INTEGER,
                .initial = "2",
                .low = 1,
                .high = 64,
                .help = "mlp: residual blocks"},
    [EMBED] = {.name = "embed",
               .type = SETTING_INTEGER,
               .initial = "0",
               .high = 4096,
               .help = "width of the sinusoids; 0: 64"},
};

static Network *layout(const NetworkConfig *n, Error *err)
{
    MlpConfig m = nn_mlp_defaults();
    m.dims = n->height * n->width * n->channels;
    m.states = n->states;
    m.out_states = n->out_states;
    m.width = (size_t)n->own[WIDTH];
    m.blocks = (size_t)n->own[BLOCKS];
    if (n->own[EMBED] > 0)
        m.embed = (size_t)n->own[EMBED];
    m.time_scale = n->time_scale;
    m.dropout = n->dropout;
    m.lambda_dims = n->lambda_dims;
    m.lambda_is_number = n->lambda_is_number;
    m.lambda_mean = n->lambda_mean;
    m.lambda_deviation = n->lambda_deviation;
    m.encoder_family = n->encoder_family;
    m.encoder = n->encoder;
    return nn_mlp_layout(&m, err);
}

const NetworkClass nn_mlp = {.name = "mlp",
                             .help = "small state spaces",
                             .setting_count = SETTINGS,
                             .settings = settings,
                             .layout = layout};
