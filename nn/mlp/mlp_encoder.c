/* The encoder of small state spaces, with e(.) the sinusoids:
 *   h = SiLU(Linear(one-hot x) + Linear(e(t)));  h = h + SiLU(Linear(h));  [m, v] = Linear(h)
 * The part with t is there for pairs only. */
#include "nn/mlp/mlp_encoder.h"

#include "autograd/operations.h"
#include "nn/layers.h"
#include "tensor/base/memory.h"

typedef struct MlpEncoder {
    Encoder base; /* first: an Encoder * is a MlpEncoder * */
    size_t states, embed;
    double time_scale;
    LinearLayer input, time, hidden, output; /* time.weight NULL: no t */
} MlpEncoder;

static Var *encoder_forward(const Encoder *base, Graph *g, const States *x, const double *t)
{
    const MlpEncoder *e = (const MlpEncoder *)base;
    Tensor value = tensor_make2(g->arena, x->batch, x->dims * e->states);
    states_one_hot(value.data, x, e->states);
    Var *h = nn_linear(g, &e->input, ag_constant(g, value));
    if (e->time.weight != NULL) {
        Var *waves = nn_sinusoid_var(g, t, x->batch, 1, e->embed, e->time_scale);
        h = ag_add(h, nn_linear(g, &e->time, waves));
    }
    h = ag_silu(h);
    h = ag_add(h, ag_silu(nn_linear(g, &e->hidden, h)));
    return nn_linear(g, &e->output, h);
}

/* One-hot inputs: of dims * states numbers, dims are 1. */
static void encoder_initialise(Encoder *base, Rng rng)
{
    MlpEncoder *e = (MlpEncoder *)base;
    const size_t ones = e->input.weight->value.shape[0] / e->states;
    nn_init_fan_average(e->input.weight, 1.0, ones, ones, rng);
    nn_init_constant(e->input.bias, 0.0f);
    if (e->time.weight != NULL) {
        nn_linear_init(&e->time, true, rng);
    }
    nn_linear_init(&e->hidden, true, rng);
    nn_encoder_init_output(base, &e->output, rng);
}

Encoder *nn_mlp_encoder_add(ParamSet *set, const MlpConfig *c)
{
    MlpEncoder *e = mem_zeroed(1, sizeof *e);
    const bool pair = c->encoder == ENCODER_PAIR;
    e->base.family = c->encoder_family;
    e->base.input = c->encoder;
    e->base.dims = c->dims;
    e->base.channels = 1;
    e->base.lambda_dims = c->lambda_dims;
    e->base.forward = encoder_forward;
    e->base.initialise = encoder_initialise;
    e->states = c->states;
    e->embed = c->embed;
    e->time_scale = c->time_scale;
    e->input = nn_linear_add(set, "encoder.input", (pair ? 2 : 1) * c->dims * c->states, c->width);
    if (pair) {
        e->time = nn_linear_add(set, "encoder.time", c->embed, c->width);
    }
    e->hidden = nn_linear_add(set, "encoder.hidden", c->width, c->width);
    e->output = nn_linear_add(set, "encoder.output", c->width, 2 * c->lambda_dims);
    return &e->base;
}
