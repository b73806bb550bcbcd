#include "tests/tools/masked_world.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "tensor/pointwise.h"
#include "tests/tools/digits.h"
#include "tests/tools/network_checks.h"

/* Larger than new weights: laws far from uniform, that turn on lambda. */
static const float LARGER = 2.0f, OF_LAMBDA = 6.0f;
static const float POINT = -30.0f; /* log of a deviation */

TransformerConfig masked_config(void)
{
    TransformerConfig c = nn_transformer_defaults();
    c.dims = MASKED_D;
    c.states = MASKED_S;
    c.out_states = MASKED_LETTERS;
    c.width = 8;
    c.heads = 2;
    c.blocks = 1;
    c.condition_width = 4;
    c.embed = 6;
    c.learned_positions = true; /* else all places are alike while all are masked */
    c.time_scale = 3.0;         /* smooth enough for sums over a few times */
    c.dropout = 0.0;
    return c;
}

/* ---- making one ---- */

static void set_lambdas(MaskedWorld *w)
{
    static const double weights[MASKED_NODES] = {0.25, 0.6, 0.15};
    static const float at[MASKED_NODES][MASKED_LAMBDAS] = {
        {-0.75f, 1.5f}, {0.5f, 0.0f}, {1.25f, -1.0f}};
    const size_t L = w->config.lambda_dims;
    ck_assert_uint_le(L, MASKED_LAMBDAS);
    w->law = toy_prior(MASKED_NODES, L, PRIOR_DIAGONAL);
    w->nodes = MASKED_NODES;
    for (size_t k = 0; k < MASKED_NODES; k++) {
        w->weight[k] = weights[k];
        w->law.prior->log_weight->value.data[k] = (float)log(weights[k]);
        for (size_t l = 0; l < L; l++) {
            w->node[k][l] = (double)at[k][l];
            w->law.prior->mean->value.data[k * L + l] = at[k][l];
            w->law.prior->log_deviation->value.data[k * L + l] = POINT;
        }
    }
    w->net->prior = w->law.prior;
    w->model.lambda_law = LAMBDA_MIXTURE;
}

static void set_weights(Network *net, uint64_t seed)
{
    randomise(net, seed);
    for (size_t i = 0; i < net->params.count; i++) {
        const Param *p = net->params.items[i];
        const float factor = strncmp(p->name, "lambda.", 7) == 0 ? OF_LAMBDA : LARGER;
        tensor_scale(p->value.data, factor, p->value.data, tensor_size(&p->value));
    }
}

void masked_world_make(MaskedWorld *w, const TransformerConfig *config, bool cosine, uint64_t seed)
{
    const Head head = {&diffusion_softmax, MASKED_D, MASKED_LETTERS, 1, false, MASKED_MASK};
    ProcessConfig noise = diffusion_process_defaults("absorbing", MASKED_S);
    Error err = {""};
    memset(w, 0, sizeof *w);
    w->config = *config;
    w->cosine = cosine;
    noise.eps = 0.0;
    diffusion_process_choose(&noise, "schedule", cosine ? "cosine" : "loglinear");
    w->process = diffusion_process_create(&noise, &err);
    ck_assert_msg(w->process != NULL, "%s", err.text);
    w->net = nn_transformer_create(config, true, &err);
    ck_assert_msg(w->net != NULL, "%s", err.text);
    set_weights(w->net, seed);
    w->plain = plain_transformer(w->net, config);
    w->model = diffusion_network_denoiser(w->net, &head);
    w->nodes = 1;
    w->weight[0] = 1.0;
    if (config->lambda_dims > 0) {
        set_lambdas(w);
    }
}

void masked_world_free(MaskedWorld *w)
{
    w->net->prior = NULL; /* the toy's */
    toy_prior_free(&w->law);
    plain_transformer_free(&w->plain);
    nn_network_destroy(w->net);
    diffusion_process_destroy(w->process);
}

/* ---- noise ---- */

static double half_pi(void)
{
    return acos(0.0);
}

double masked_lost(const MaskedWorld *w, double t)
{
    return w->cosine ? sin(half_pi() * t) : t;
}

double masked_time(const MaskedWorld *w, double lost)
{
    return w->cosine ? asin(lost) / half_pi() : lost;
}

/* -alpha'(t). */
static double fall(const MaskedWorld *w, double t)
{
    return w->cosine ? half_pi() * cos(half_pi() * t) : 1.0;
}

double masked_rate(const MaskedWorld *w, double t)
{
    return fall(w, t) / masked_lost(w, t);
}

double masked_forward(const MaskedWorld *w, double t)
{
    return fall(w, t) / (1.0 - masked_lost(w, t));
}

/* ---- states ---- */

void masked_digits(uint16_t x[MASKED_D], size_t number)
{
    digits_of(number, x, MASKED_D, MASKED_S);
}

size_t masked_number(const uint16_t x[MASKED_D])
{
    return digits_number(x, MASKED_D, MASKED_S);
}

size_t masked_text(size_t i)
{
    uint16_t x[MASKED_D];
    digits_of(i, x, MASKED_D, MASKED_LETTERS);
    return masked_number(x);
}

size_t masked_count(const uint16_t x[MASKED_D])
{
    size_t n = 0;
    for (size_t d = 0; d < MASKED_D; d++) {
        n += x[d] == MASKED_MASK;
    }
    return n;
}

/* ---- laws ---- */

void masked_rows(const MaskedWorld *w, const uint16_t x[MASKED_D], double t, const double *lambda,
                 double p[MASKED_D][MASKED_LETTERS])
{
    double logits[MASKED_D * MASKED_LETTERS] = {0.0};
    if (masked_count(x) > 0) {
        plain_transformer_forward(&w->plain, x, t, lambda, logits);
    }
    for (size_t d = 0; d < MASKED_D; d++) {
        const double *of = logits + d * MASKED_LETTERS;
        const double top = fmax(of[0], fmax(of[1], of[2]));
        const double sum = exp(of[0] - top) + exp(of[1] - top) + exp(of[2] - top);
        for (size_t a = 0; a < MASKED_LETTERS; a++) {
            p[d][a] = x[d] == MASKED_MASK ? exp(of[a] - top) / sum : (double)(x[d] == a);
        }
    }
}

void masked_table(const MaskedWorld *w, double t, const double *lambda, MaskedTable *table)
{
    for (size_t n = 0; n < MASKED_ALL; n++) {
        uint16_t x[MASKED_D];
        masked_digits(x, n);
        masked_rows(w, x, t, lambda, table->p[n]);
    }
}

void masked_spread(double *next, double weight, double row[MASKED_D][MASKED_S])
{
    for (size_t n = 0; n < MASKED_ALL; n++) {
        uint16_t y[MASKED_D];
        double chance = weight;
        masked_digits(y, n);
        for (size_t d = 0; d < MASKED_D && chance > 0.0; d++) {
            chance *= row[d][y[d]];
        }
        next[n] += chance;
    }
}
