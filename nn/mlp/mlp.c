/* The residual MLP.  With n = layer norm with gain and offset, e(.) the sinusoids:
 *
 *   a = Linear(SiLU(Linear(e(t))))                                  time, (B, width)
 *   h = Linear(one-hot x) + a                                       (B, width)
 *   m = SiLU(Linear(SiLU(Linear([e(lambda), e(t)]) + Linear(h))))   lambda, student only
 *   l = 4 [m, e(lambda)]                         (with lambda_is_number: lambda for e(lambda))
 *   each block:  h = h + Linear(dropout(SiLU(Linear(n(h)) + Linear(SiLU(a)) + Linear(l))))
 *   logits = Linear(SiLU(n(h)))                                     (B, D, out_states)
 *
 * The layers that bring l into the blocks start at zero: a new student is its teacher.  All lambdas
 * are then alike, a saddle of the mixture's losses, and how soon Adam leaves it depends on l: the
 * factor 4 makes its first steps larger, and the bare sinusoids have mean 0 over lambda, so that
 * gradients common to all lambdas do not drown those that tell them apart.  m sees h, so that one
 * lambda can mean different patterns for different x. */
#include "nn/mlp/mlp.h"

#include <stdio.h>

#include "autograd/operations.h"
#include "nn/layers.h"
#include "nn/mlp/mlp_encoder.h"
#include "tensor/base/memory.h"

static const float LAMBDA_GAIN = 4.0f;
static const double OUTPUT_SCALE = 0.3; /* logits of a new network stay well under 1 */

typedef struct MlpBlock {
    NormLayer norm;
    LinearLayer first, time, lambda, second;
} MlpBlock;

typedef struct Mlp {
    Network base; /* first: a Network * is a Mlp * */
    MlpConfig config;
    LinearLayer time0, time1, lambda0, lambda1, lambda_state, input, output;
    MlpBlock *blocks;
    NormLayer output_norm;
} Mlp;

/* Numbers by which one sample's lambda enters. */
static size_t lambda_width(const MlpConfig *c)
{
    return c->lambda_is_number ? c->lambda_dims : c->lambda_dims * c->embed;
}

static void add_parameters(Mlp *m)
{
    const MlpConfig *c = &m->config;
    ParamSet *set = &m->base.params;
    m->time0 = nn_linear_add(set, "time.0", c->embed, c->width);
    m->time1 = nn_linear_add(set, "time.1", c->width, c->width);
    if (c->lambda_dims > 0) {
        m->lambda0 = nn_linear_add(set, "lambda.0", lambda_width(c) + c->embed, c->width);
        m->lambda_state = nn_linear_add(set, "lambda.state", c->width, c->width);
        m->lambda1 = nn_linear_add(set, "lambda.1", c->width, c->width);
    }
    m->input = nn_linear_add(set, "input", c->dims * c->states, c->width);
    for (size_t i = 0; i < c->blocks; i++) {
        MlpBlock *block = &m->blocks[i];
        char owner[32], name[NN_NAME];
        snprintf(owner, sizeof owner, "blocks.%zu", i);
        block->norm = nn_norm_add(set, nn_name(name, owner, "norm"), c->width, 1);
        block->first = nn_linear_add(set, nn_name(name, owner, "first"), c->width, c->width);
        block->time = nn_linear_add(set, nn_name(name, owner, "time"), c->width, c->width);
        if (c->lambda_dims > 0) {
            block->lambda = nn_linear_add(set, nn_name(name, owner, "lambda"),
                                          c->width + lambda_width(c), c->width);
        }
        block->second = nn_linear_add(set, nn_name(name, owner, "second"), c->width, c->width);
    }
    m->output_norm = nn_norm_add(set, "output_norm", c->width, 1);
    m->output = nn_linear_add(set, "output", c->width, c->dims * c->out_states);
    if (c->encoder != ENCODER_NONE) {
        m->base.encoder = nn_mlp_encoder_add(set, c);
    }
}

/* Weights of variance scale/fan_in, bias 0.  Scale 1 keeps the variance of unit inputs, 2 that of
 * sinusoids (mean square 1/2); after a SiLU, 2 loses little. */
static void init(const LinearLayer *layer, double scale, size_t fan_in, Rng rng)
{
    nn_init_fan_average(layer->weight, scale, fan_in, fan_in, rng);
    nn_init_constant(layer->bias, 0.0f);
}

static void mlp_initialise(Network *net, uint64_t seed)
{
    Mlp *m = (Mlp *)net;
    const MlpConfig *c = &m->config;
    const Rng rng = rng_root(seed);
    init(&m->time0, 2.0, c->embed, rng);
    init(&m->time1, 1.0, c->width, rng);
    init(&m->input, 1.0, c->dims, rng); /* of dims * states inputs, dims are 1 */
    if (c->lambda_dims > 0) {
        init(&m->lambda0, 2.0, lambda_width(c) + c->embed, rng);
        init(&m->lambda_state, 1.0, c->width, rng);
        init(&m->lambda1, 2.0, c->width, rng);
    }
    for (size_t i = 0; i < c->blocks; i++) {
        const MlpBlock *block = &m->blocks[i];
        nn_norm_init(&block->norm);
        init(&block->first, 1.0, c->width, rng);
        init(&block->time, 1.0, c->width, rng);
        if (c->lambda_dims > 0) {
            nn_linear_zero(&block->lambda);
        }
        init(&block->second, 1.0, c->width, rng);
    }
    nn_norm_init(&m->output_norm);
    init(&m->output, OUTPUT_SCALE, c->width, rng);
    nn_encoder_initialise(m->base.encoder, rng);
}

static Var *sinusoids_of(const MlpConfig *c, Graph *g, const double *numbers, size_t batch,
                         size_t per_sample)
{
    return nn_sinusoid_var(g, numbers, batch, per_sample, c->embed, c->time_scale);
}

static Var *one_hot(const Mlp *m, Graph *g, const States *x)
{
    Tensor value = tensor_make2(g->arena, x->batch, m->config.dims * m->config.states);
    states_one_hot(value.data, x, m->config.states);
    return ag_constant(g, value);
}

static Var *run_block(const Mlp *m, Graph *g, size_t i, Var *h, Var *time, Var *lambda,
                      const Rng *dropout)
{
    const MlpBlock *block = &m->blocks[i];
    Var *z = nn_linear(g, &block->first, nn_norm(g, &block->norm, h, false));
    z = ag_add(z, nn_linear(g, &block->time, time));
    if (lambda != NULL) {
        z = ag_add(z, nn_linear(g, &block->lambda, lambda));
    }
    z = ag_dropout(ag_silu(z), m->config.dropout, dropout, i);
    return ag_add(h, nn_linear(g, &block->second, z));
}

/* l of the formulas above, (B, width + lambda's width); state: h. */
static Var *lambda_features(const Mlp *m, Graph *g, const NetworkInput *in, Var *time_waves,
                            Var *state)
{
    Var *waves = m->config.lambda_is_number
                     ? nn_lambda_var(&m->base, g, in)
                     : sinusoids_of(&m->config, g, in->lambda, in->x->batch, m->config.lambda_dims);
    Var *mixed = nn_linear(g, &m->lambda0, ag_concat(waves, time_waves));
    mixed = ag_silu(ag_add(mixed, nn_linear(g, &m->lambda_state, state)));
    mixed = ag_silu(nn_linear(g, &m->lambda1, mixed));
    return ag_scale(ag_concat(mixed, waves), LAMBDA_GAIN);
}

static Var *mlp_forward(const Network *net, Graph *g, const NetworkInput *in)
{
    const Mlp *m = (const Mlp *)net;
    const MlpConfig *c = &m->config;
    const AgScope whole = ag_scope_begin(g);
    Var *waves = sinusoids_of(c, g, in->t, in->x->batch, 1);
    Var *time = nn_linear(g, &m->time1, ag_silu(nn_linear(g, &m->time0, waves)));
    Var *h = ag_add(nn_linear(g, &m->input, one_hot(m, g, in->x)), time);
    time = ag_silu(time);
    Var *lambda = c->lambda_dims > 0 ? lambda_features(m, g, in, waves, h) : NULL;
    const AgScope scope = ag_scope_begin(g); /* in inference each block replaces its predecessor */
    for (size_t i = 0; i < c->blocks; i++) {
        h = ag_scope_end(scope, run_block(m, g, i, h, time, lambda, in->dropout));
    }
    h = nn_linear(g, &m->output, nn_norm(g, &m->output_norm, h, true));
    const size_t shape[] = {in->x->batch, c->dims, c->out_states};
    return ag_scope_end(whole, ag_reshape(h, 3, shape));
}

static void mlp_destroy(Network *net)
{
    Mlp *m = (Mlp *)net;
    nn_params_free(&m->base.params);
    nn_encoder_destroy(m->base.encoder);
    mem_free(m->blocks);
    mem_free(m);
}

static size_t gradient_block(const MlpConfig *c)
{
    const size_t ends = c->dims * c->states; /* out_states are no more */
    return nn_gradient_block(1, c->width > ends ? c->width : ends);
}

Network *nn_mlp_layout(const MlpConfig *config, Error *err)
{
    if (!nn_mlp_possible(config, err)) {
        return NULL;
    }
    Mlp *m = mem_zeroed(1, sizeof *m);
    m->config = *config;
    m->base.kind = "mlp";
    m->base.dims = config->dims;
    m->base.states = config->states;
    m->base.lambda_dims = config->lambda_dims;
    m->base.lambda_is_number = config->lambda_is_number;
    m->base.lambda_mean = config->lambda_mean;
    m->base.lambda_deviation = config->lambda_deviation;
    m->base.outputs = config->dims * config->out_states;
    m->base.gradient_block = gradient_block(config);
    m->base.forward = mlp_forward;
    m->base.initialise = mlp_initialise;
    m->base.destroy = mlp_destroy;
    m->blocks = mem_zeroed(config->blocks, sizeof *m->blocks);
    add_parameters(m);
    return &m->base;
}

Network *nn_mlp_create(const MlpConfig *config, bool with_grads, Error *err)
{
    return nn_network_allocate(nn_mlp_layout(config, err), with_grads);
}
