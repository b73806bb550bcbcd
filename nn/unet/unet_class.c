/* The U-Net among the networks: its settings, and its configuration from them. */
#include "nn/network_class.h"
#include "nn/unet/unet.h"

/* The slots of own, a list's length first. */
enum {
    OUTPUT_KERNEL,
    CH,
    CH_MULT,
    RES_BLOCKS = CH_MULT + SETTING_LIST_SLOTS,
    ATTN_SCALE,
    EMBED,
    LAMBDA
};

static const Setting settings[] = {
    {.name = "output_kernel",
     .type = SETTING_CHOICE,
     .initial = "3x3",
     .choices = "3x3|1x1",
     .help = "unet: last layer",
     .newer = true},
    {.name = "ch",
     .type = SETTING_INTEGER,
     .initial = "128",
     .low = 4,
     .high = 4096,
     .help = "unet: base width, a multiple of 4"},
    {.name = "ch_mult",
     .type = SETTING_LIST,
     .initial = "1,2,2,2",
     .high = 4096,
     .help = "unet: width multiplier of each scale"},
    {.name = "res_blocks",
     .type = SETTING_INTEGER,
     .initial = "2",
     .low = 1,
     .high = 16,
     .help = "unet: blocks of a scale"},
    {.name = "attn_scale",
     .type = SETTING_INTEGER,
     .initial = "1",
     .low = -1,
     .high = 7,
     .help = "unet: scale with attention; -1 none"},
    {.name = "embed",
     .type = SETTING_INTEGER,
     .initial = "0",
     .high = 4096,
     .help = "width of the sinusoids; 0: ch (mlp: 64, transformer: 128)"},
    {.name = "unet_lambda",
     .type = SETTING_CHOICE,
     .initial = "conditioning",
     .choices = "conditioning|places",
     .help = "unet student: lambda conditions every block, or lambda_dims numbers of it enter at "
             "each place of the coarsest scale",
     .of_student = true,
     .newer = true},
};

static Network *layout(const NetworkConfig *n, Error *err)
{
    UNetConfig u = nn_unet_defaults();
    u.height = n->height;
    u.width = n->width;
    u.channels = n->channels;
    u.states = n->states;
    u.out_states = n->out_states;
    u.head = n->logistic ? UNET_HEAD_LOGISTIC : UNET_HEAD_SOFTMAX;
    u.input_is_number = n->input_is_number;
    u.narrow_output = n->own[OUTPUT_KERNEL] == 1;
    u.ch = (size_t)n->own[CH];
    u.scales = (size_t)n->own[CH_MULT];
    for (size_t i = 0; i < u.scales; i++)
        u.ch_mult[i] = (size_t)n->own[CH_MULT + 1 + i];
    u.res_blocks = (size_t)n->own[RES_BLOCKS];
    u.attn_scale = (int)n->own[ATTN_SCALE];
    u.embed = (size_t)n->own[EMBED];
    u.time_scale = n->time_scale;
    u.dropout = n->dropout;
    u.lambda_places = n->own[LAMBDA] == 1;
    u.lambda_dims = n->lambda_dims;
    u.lambda_gain = n->lambda_gain;
    u.lambda_is_number = n->lambda_is_number;
    u.lambda_mean = n->lambda_mean;
    u.lambda_deviation = n->lambda_deviation;
    u.encoder_family = n->encoder_family;
    u.encoder = n->encoder;
    return nn_unet_layout(&u, err);
}

const NetworkClass nn_unet = {.name = "unet",
                              .help = "pictures",
                              .ordinal = true,
                              .setting_count = sizeof settings / sizeof *settings,
                              .settings = settings,
                              .layout = layout};
