/* From configuration to objects. */
#include "experiments/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

ProcessConfig model_process(const Config *c)
{
    const bool mask = c->process == PROCESS_ABSORBING;
    ProcessConfig p =
        diffusion_process_defaults((ProcessKind)c->process, (size_t)c->states + (mask ? 1 : 0));
    p.rate_const = c->rate_const;
    p.schedule = (AbsorbingSchedule)c->schedule;
    p.eps = c->alpha_eps;
    p.sigma_min = c->sigma_min;
    p.sigma_max = c->sigma_max;
    p.rate_sigma = c->rate_sigma;
    p.q_sigma = c->q_sigma;
    p.time_exponential = c->time_exponential;
    p.time_base = c->time_base;
    p.beta = (ScheduleKind)c->beta;
    p.beta_scale = c->beta_scale;
    p.beta_ratio = c->beta_ratio;
    p.rates = c->rates != NULL ? c->rates->rates : NULL;
    return p;
}

/* "1,2,2" into numbers. */
static bool parse_scales(const char *text, UNetConfig *u, Error *err)
{
    u->scales = 0;
    for (const char *p = text; *p;) {
        char *end;
        if (u->scales == UNET_MAX_SCALES)
            return error_set(err, "configuration: ch_mult=%s: expected at most %d numbers", text,
                             UNET_MAX_SCALES);
        u->ch_mult[u->scales++] = (size_t)strtoul(p, &end, 10);
        p = *end == ',' ? end + 1 : end;
    }
    return true;
}

static const double ROOT_12 = 3.46410161513775458705; /* 1/deviation of the uniform law */

static bool uniform_lambda(const Config *c)
{
    return c->lambda_law == LAMBDA_UNIFORM;
}

bool model_unet(const Config *c, size_t states, size_t lambda_dims, UNetConfig *out, Error *err)
{
    UNetConfig u = nn_unet_defaults();
    u.height = (size_t)c->height;
    u.width = (size_t)c->width;
    u.channels = (size_t)c->channels;
    u.states = states;
    u.out_states = (size_t)c->states;
    u.head = c->head == HEAD_LOGISTIC ? UNET_HEAD_LOGISTIC : UNET_HEAD_SOFTMAX;
    u.input_is_number = c->state_input == CONFIG_STATE_NUMBERS;
    u.narrow_output = c->output_kernel == CONFIG_KERNEL_1X1;
    u.ch = (size_t)c->ch;
    u.res_blocks = (size_t)c->res_blocks;
    u.attn_scale = (int)c->attn_scale;
    u.embed = (size_t)c->embed;
    u.time_scale = c->time_scale;
    u.dropout = c->dropout;
    u.lambda_dims = lambda_dims;
    u.lambda_gain = c->lambda_gain;
    u.lambda_is_number = lambda_dims > 0 && c->lambda_input == CONFIG_LAMBDA_NUMBERS;
    u.lambda_mean = uniform_lambda(c) ? 0.5 : 0.0;
    u.lambda_deviation = uniform_lambda(c) ? 1.0 / ROOT_12 : 1.0;
    u.encoder_family = uniform_lambda(c) ? ENCODER_BOX : ENCODER_GAUSSIAN;
    if (!parse_scales(c->ch_mult, &u, err))
        return false;
    *out = u;
    return true;
}

MlpConfig model_mlp(const Config *c, size_t states, size_t lambda_dims)
{
    MlpConfig m = nn_mlp_defaults();
    m.dims = (size_t)(c->height * c->width * c->channels);
    m.states = states;
    m.out_states = (size_t)c->states;
    m.width = (size_t)c->width_mlp;
    m.blocks = (size_t)c->blocks_mlp;
    if (c->embed > 0)
        m.embed = (size_t)c->embed;
    m.time_scale = c->time_scale;
    m.dropout = c->dropout;
    m.lambda_dims = lambda_dims;
    m.lambda_is_number = lambda_dims > 0 && c->lambda_input == CONFIG_LAMBDA_NUMBERS;
    m.lambda_mean = uniform_lambda(c) ? 0.5 : 0.0;
    m.lambda_deviation = uniform_lambda(c) ? 1.0 / ROOT_12 : 1.0;
    m.encoder_family = uniform_lambda(c) ? ENCODER_BOX : ENCODER_GAUSSIAN;
    return m;
}

DatasetOptions model_dataset(const Config *c)
{
    DatasetOptions d = dataset_defaults();
    d.transform = c->transform == CONFIG_TRANSFORM_BINARY ? DATA_BINARY : DATA_AS_IS;
    d.threshold = c->threshold;
    return d;
}

/* What a student's recognition network sees; none in teachers and in files that were cut down to
 * what samples need. */
static EncoderInput encoder_input(const Model *m)
{
    if (!m->has_encoder)
        return ENCODER_NONE;
    return m->config.lambda_scope == 1 ? ENCODER_CLEAN : ENCODER_PAIR;
}

static Network *bare_network(const Model *m, size_t states, size_t lambda_dims, Error *err)
{
    if (m->config.net == CONFIG_NET_MLP) {
        MlpConfig mlp = model_mlp(&m->config, states, lambda_dims);
        mlp.encoder = encoder_input(m);
        return nn_mlp_layout(&mlp, err);
    }
    UNetConfig unet;
    if (!model_unet(&m->config, states, lambda_dims, &unet, err))
        return NULL;
    unet.encoder = encoder_input(m);
    return nn_unet_layout(&unet, err);
}

static Network *network_layout(const Model *m, size_t states, size_t lambda_dims, Error *err)
{
    Network *net = bare_network(m, states, lambda_dims, err);
    if (net != NULL && lambda_dims > 0 && m->config.lambda_law == LAMBDA_MIXTURE)
        net->prior =
            nn_lambda_prior_add(&net->params, (size_t)m->config.prior_components, lambda_dims);
    return net;
}

bool model_layout(Model *m, Error *err)
{
    const Config *c = &m->config;
    const size_t lambda_dims = m->role == ROLE_STUDENT ? (size_t)c->lambda_dims : 0;
    if (!config_check(c, m->role, err))
        return false;
    if (c->rates != NULL && c->rates->states != (size_t)c->states)
        return error_set(err,
                         "configuration: a rate matrix of %zu states: expected %lld, as the "
                         "data has",
                         c->rates->states, (long long)c->states);
    const size_t states = model_process(c).states;
    m->net = network_layout(m, states, lambda_dims, err);
    return m->net != NULL;
}

/* Noise of S states takes S x S matrices of doubles while it is made: this many, or 2 if it has a
 * closed form. */
enum { PROCESS_MATRICES = 10 };

/* No weight of a logistic head depends on S, so a file could claim any. */
static bool check_states(const Config *c, size_t file_bytes, Error *err)
{
    const double S = (double)model_process(c).states;
    const bool closed = c->process == PROCESS_UNIFORM || c->process == PROCESS_ABSORBING;
    const double bytes = (closed ? 2 : PROCESS_MATRICES) * sizeof(double) * S * S;
    return bytes <= (double)MODEL_FILE_MEMORY + 8.0 * (double)file_bytes ||
           error_set(err,
                     "configuration: states=%lld: its noise takes matrices of %.0f MiB, expected "
                     "at most %d and 8 times the %zu bytes of the file",
                     (long long)c->states, bytes / 1048576.0, MODEL_FILE_MEMORY >> 20, file_bytes);
}

/* Process and denoiser. */
static bool complete(Model *m, Error *err)
{
    const Config *c = &m->config;
    const ProcessConfig pc = model_process(c);
    m->process = diffusion_process_create(&pc, err);
    if (!m->process)
        return false;
    const Head head = {.kind = (HeadKind)c->head,
                       .dims = (size_t)(c->height * c->width * c->channels),
                       .states = (size_t)c->states,
                       .channels = (size_t)c->channels,
                       .fix = c->fix,
                       .mask = m->process->mask};
    m->denoiser = diffusion_network_denoiser(m->net, &head);
    m->denoiser.lambda_law = (LambdaLaw)c->lambda_law;
    m->denoiser.lambda_scope = c->lambda_scope == 1 ? LAMBDA_SAMPLE : LAMBDA_STEP;
    return true;
}

bool model_complete(Model *m, size_t file_bytes, Error *err)
{
    return check_states(&m->config, file_bytes, err) && complete(m, err);
}

Model *model_create(const Config *config, ConfigRole role, bool with_grads, Error *err)
{
    Model *m = mem_zeroed(1, sizeof *m);
    m->config = *config;
    m->config.rates = m->rates = rate_matrix_copy(config->rates);
    m->role = role;
    strcpy(m->data, "unknown");
    m->has_encoder = role == ROLE_STUDENT && config->objective == CONFIG_OBJECTIVE_VARIATIONAL;
    if (!model_layout(m, err) || !complete(m, err)) {
        model_destroy(m);
        return NULL;
    }
    nn_params_allocate(&m->net->params, with_grads);
    m->net->initialise(m->net, (uint64_t)config->seed);
    return m;
}

void model_destroy(Model *m)
{
    if (!m)
        return;
    nn_network_destroy(m->net);
    diffusion_process_destroy(m->process);
    rate_matrix_free(m->rates);
    mem_free(m);
}

void model_set_data(Model *m, const Dataset *d)
{
    const size_t sizes[] = {d->count, d->height, d->width, d->channels, d->states};
    Sha256 s;
    char text[32];
    snprintf(m->data, sizeof m->data, "%.*s", (int)strcspn(d->name, ":"), d->name);
    sha256_init(&s);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(text, sizeof text, "%zu ", sizes[i]);
        sha256_add(&s, text, strlen(text));
    }
    sha256_add(&s, d->data, d->count * d->dims);
    for (size_t k = 0; d->law && k < d->law->count; k++) {
        text_format(text, sizeof text, "%.9g ", d->law->probability[k]);
        sha256_add(&s, text, strlen(text));
    }
    sha256_hex(&s, m->data_hash);
}

void model_note_start(const Model *m)
{
    if (diffusion_process_as_published(m->process))
        text_print(stderr,
                   "note: process %s as published (%zu states, sigma_max = %g): x_1 is %.3f (total "
                   "variation) from the law that sampling starts from; where 80 %% of pixels are "
                   "black and the rest white, a perfect denoiser draws 70 %% black; sigma_max=190 "
                   "would do\n",
                   diffusion_process_name(m->process->config.kind), m->process->states,
                   m->process->config.sigma_max, diffusion_process_distance(m->process, 1.0));
}

const char *model_role_name(ConfigRole role)
{
    return role == ROLE_TEACHER ? "teacher" : "student";
}
