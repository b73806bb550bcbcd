#include "nn/unet/unet_config.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "nn/possible.h"
#include "tensor/base/memory.h"

/* States are kept in 16 bits, the largest sample is one of 2^31 - 1 numbers, going in or coming
 * out; the others are far beyond what trains, and small enough that products of two of them
 * (weights of a layer, entries of the sinusoids) do not overflow. */
enum {
    MAX_STATES = 65536,
    MAX_SIDE = 65536,
    MAX_WIDTH = 16384,
    MAX_RES_BLOCKS = 64,
    MAX_LAMBDA_DIMS = 64
};
static const char KIND[] = "U-Net";
static const size_t MAX_NUMBERS = INT32_MAX;

UNetConfig nn_unet_defaults(void)
{
    UNetConfig c;
    memset(&c, 0, sizeof c);
    c.height = c.width = 32;
    c.channels = 3;
    c.states = c.out_states = 256;
    c.head = UNET_HEAD_LOGISTIC;
    c.ch = 128;
    c.scales = 4;
    c.ch_mult[0] = 1;
    c.ch_mult[1] = c.ch_mult[2] = c.ch_mult[3] = 2;
    c.res_blocks = 2;
    c.attn_scale = 1;
    c.time_scale = 1000.0;
    c.dropout = 0.1;
    c.lambda_gain = 1.0;
    c.lambda_deviation = 1.0;
    return c;
}

/* ---- sizes ---- */

bool unet_shows_numbers(const UNetConfig *c)
{
    return c->head == UNET_HEAD_LOGISTIC || c->input_is_number;
}

bool unet_has_mask(const UNetConfig *c)
{
    return c->head == UNET_HEAD_SOFTMAX && c->out_states < c->states;
}

size_t unet_mask_flags(const UNetConfig *c, size_t shown, bool noised)
{
    return noised && unet_has_mask(c) ? shown : 0;
}

size_t unet_input_channels(const UNetConfig *c, size_t shown, bool noised)
{
    return unet_shows_numbers(c) ? shown + unet_mask_flags(c, shown, noised) : shown * c->states;
}

size_t unet_output_channels(const UNetConfig *c)
{
    return c->channels * (c->head == UNET_HEAD_SOFTMAX ? c->out_states : 2);
}

size_t unet_embed_width(const UNetConfig *c)
{
    return c->embed != 0 ? c->embed : c->ch;
}

/* ---- what is possible ---- */

static bool in_range(const char *field, size_t value, size_t least, size_t most, Error *err)
{
    return nn_possible_size(KIND, field, value, least, most, err);
}

static bool picture_is_possible(const UNetConfig *c, Error *err)
{
    const size_t parts = (size_t)1 << (c->scales - 1);
    if (!in_range("height", c->height, 1, MAX_SIDE, err) ||
        !in_range("width", c->width, 1, MAX_SIDE, err) ||
        !in_range("channels", c->channels, 1, MAX_WIDTH, err) ||
        !in_range("states", c->states, 2, MAX_STATES, err)) {
        return false;
    }
    if (c->head != UNET_HEAD_LOGISTIC && c->head != UNET_HEAD_SOFTMAX) {
        return error_set(err, "U-Net: head is %d; it must be logistic (%d) or softmax (%d)",
                         (int)c->head, UNET_HEAD_LOGISTIC, UNET_HEAD_SOFTMAX);
    }
    if (c->head == UNET_HEAD_SOFTMAX && !in_range("out_states", c->out_states, 1, c->states, err)) {
        return false;
    }
    if (c->height % parts != 0 || c->width % parts != 0) {
        return error_set(err,
                         "U-Net: a picture of %zu x %zu cannot be halved %zu times; both sides"
                         " must be multiples of %zu",
                         c->height, c->width, c->scales - 1, parts);
    }
    const size_t in = unet_input_channels(c, c->channels, true), out = unet_output_channels(c);
    const size_t most = in > out ? in : out;
    size_t positions, numbers;
    if (!mem_product(c->height, c->width, &positions) || !mem_product(positions, most, &numbers) ||
        numbers > MAX_NUMBERS) {
        return error_set(err,
                         "U-Net: %zu x %zu positions of %zu numbers; a sample may have %zu"
                         " numbers",
                         c->height, c->width, most, MAX_NUMBERS);
    }
    return true;
}

size_t nn_unet_bottom_places(const UNetConfig *c)
{
    return (c->height >> (c->scales - 1)) * (c->width >> (c->scales - 1));
}

size_t nn_unet_lambdas(const UNetConfig *c)
{
    return c->lambda_dims * (c->lambda_places ? nn_unet_bottom_places(c) : 1);
}

bool nn_unet_possible(const UNetConfig *c, Error *err)
{
    if (!in_range("scales", c->scales, 1, UNET_MAX_SCALES, err) || !picture_is_possible(c, err) ||
        !in_range("ch", c->ch, 4, MAX_WIDTH, err) ||
        !in_range("res_blocks", c->res_blocks, 1, MAX_RES_BLOCKS, err) ||
        (c->embed != 0 && !in_range("embed", c->embed, 4, MAX_WIDTH, err)) ||
        !in_range("lambda_dims", c->lambda_dims, 0, MAX_LAMBDA_DIMS, err)) {
        return false;
    }
    if (!nn_possible_places(KIND, c->lambda_dims > 0 && c->lambda_places, c->lambda_is_number,
                            err)) {
        return false;
    }
    if (c->ch % 4 != 0) {
        return error_set(err, "U-Net: ch is %zu; it must be a multiple of 4", c->ch);
    }
    for (size_t s = 0; s < c->scales; s++) {
        if (!in_range("ch_mult", c->ch_mult[s], 1, MAX_WIDTH / c->ch, err)) {
            return false;
        }
    }
    if (c->attn_scale < -1 || c->attn_scale >= (int)c->scales) {
        return error_set(err, "U-Net: attn_scale is %d; it must be -1 (none) or a scale in 0..%zu",
                         c->attn_scale, c->scales - 1);
    }
    if (!nn_possible_dropout(KIND, c->dropout, err) ||
        !nn_possible_lambda_gain(KIND, c->lambda_gain, err)) {
        return false;
    }
    if (!(c->vmax >= 0.0 && isfinite(c->vmax))) {
        return error_set(err, "U-Net: vmax is %g; it must be finite and positive, or 0", c->vmax);
    }
    return nn_possible_time_scale(KIND, c->time_scale, err);
}
