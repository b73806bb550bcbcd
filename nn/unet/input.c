#include "nn/unet/input.h"

#include "tensor/base/check.h"

static double top_of(const UNetConfig *c)
{
    const size_t states = unet_has_mask(c) ? c->out_states : c->states;
    return c->vmax > 0.0 ? c->vmax : (double)(states - 1);
}

/* The mask is the last state. */
static void flagged_numbers(const UNetConfig *c, const States *x, size_t shown, float *out)
{
    const double top = top_of(c);
    const size_t pixels = x->batch * x->dims / shown, mask = c->states - 1;
    for (size_t i = 0; i < pixels; i++) {
        for (size_t k = 0; k < shown; k++) {
            const size_t state = x->x[i * shown + k];
            TENSOR_CHECK(state <= mask, "state %zu, S = %zu", state, c->states);
            out[2 * i * shown + k] =
                state == mask ? 0.0f : (float)(2.0 * (double)state / top - 1.0);
            out[(2 * i + 1) * shown + k] = state == mask ? 1.0f : 0.0f;
        }
    }
}

Var *unet_input(const UNetConfig *c, Graph *g, const States *x, size_t shown, bool noised)
{
    Tensor value = tensor_make4(g->arena, x->batch, c->height, c->width,
                                unet_input_channels(c, shown, noised));
    if (!unet_shows_numbers(c)) {
        states_one_hot(value.data, x, c->states);
    } else if (unet_mask_flags(c, shown, noised) > 0) {
        flagged_numbers(c, x, shown, value.data);
    } else {
        states_centre(value.data, x, top_of(c));
    }
    return ag_constant(g, value);
}
