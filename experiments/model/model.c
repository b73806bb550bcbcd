/* From configuration to objects. */
#include "experiments/model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/byte_order.h"
#include "nn/formats/sha256.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

ProcessConfig model_process(const Config *c)
{
    const ProcessClass *class = config_process(c);
    ProcessConfig p = diffusion_process_defaults(class->name, (size_t)c->states + class->has_mask);
    for (size_t i = 0; i < class->setting_count; i++)
        p.own[i] = config_number(c, class->settings[i].name);
    p.eps = c->alpha_eps;
    p.beta = (ScheduleKind)c->beta;
    p.beta_scale = c->beta_scale;
    p.beta_ratio = c->beta_ratio;
    p.rates = c->rates != NULL ? c->rates->rates : NULL;
    return p;
}

static const double ROOT_12 = 3.46410161513775458705; /* 1/deviation of the uniform law */

static bool uniform_lambda(const Config *c)
{
    return c->lambda_law == LAMBDA_UNIFORM;
}

NetworkConfig model_network(const Config *c, size_t lambda_dims, EncoderInput encoder)
{
    const NetworkClass *class = config_network(c);
    NetworkConfig n = {.class = class,
                       .height = (size_t)c->height,
                       .width = (size_t)c->width,
                       .channels = (size_t)c->channels,
                       .states = (size_t)c->states + config_process(c)->has_mask,
                       .out_states = (size_t)c->states,
                       .logistic = config_head(c)->ordinal,
                       .input_is_number = c->state_input == CONFIG_STATE_NUMBERS,
                       .time_scale = c->time_scale,
                       .dropout = c->dropout,
                       .lambda_dims = lambda_dims,
                       .lambda_is_number =
                           lambda_dims > 0 && c->lambda_input == CONFIG_LAMBDA_NUMBERS,
                       .lambda_mean = uniform_lambda(c) ? 0.5 : 0.0,
                       .lambda_deviation = uniform_lambda(c) ? 1.0 / ROOT_12 : 1.0,
                       .lambda_gain = c->lambda_gain,
                       .encoder_family = uniform_lambda(c) ? ENCODER_BOX : ENCODER_GAUSSIAN,
                       .encoder = encoder};
    for (size_t i = 0; i < class->setting_count; i++) {
        const char *name = class->settings[i].name;
        config_numbers(c, name, nn_network_own(&n, name));
    }
    return n;
}

DatasetOptions model_dataset(const Config *c)
{
    DatasetOptions d = dataset_defaults();
    d.transform = c->transform == CONFIG_TRANSFORM_BINARY ? DATA_BINARY : DATA_AS_IS;
    d.threshold = c->threshold;
    d.length = (size_t)c->length;
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

static Network *network_layout(const Model *m, size_t lambda_dims, Error *err)
{
    const NetworkConfig config = model_network(&m->config, lambda_dims, encoder_input(m));
    Network *net = config.class->layout(&config, err);
    if (net == NULL || lambda_dims == 0 || m->config.lambda_law != LAMBDA_MIXTURE)
        return net;
    const PriorCovariance covariance = (PriorCovariance)m->config.prior_covariance;
    const size_t K = (size_t)m->config.prior_components, L = net->lambda_dims;
    if (!nn_lambda_prior_possible(K, L, covariance, err)) {
        nn_network_destroy(net);
        return NULL;
    }
    net->prior = nn_lambda_prior_add(&net->params, K, L, covariance);
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
    m->net = network_layout(m, lambda_dims, err);
    return m->net != NULL;
}

/* Noise of S states takes S x S matrices of doubles while it is made: this many, or
 * none if it has a closed form. */
enum { PROCESS_MATRICES = 10 };

/* No weight of a logistic head depends on S, so a file could claim any. */
static bool check_states(const Config *c, size_t file_bytes, Error *err)
{
    const double S = (double)model_process(c).states;
    const double bytes =
        config_process(c)->closed ? 0.0 : PROCESS_MATRICES * sizeof(double) * S * S;
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
    const Head head = {.class = config_head(c),
                       .dims = (size_t)(c->height * c->width * c->channels),
                       .states = (size_t)c->states,
                       .channels = (size_t)c->channels,
                       .fix = c->fix,
                       .mask = m->process->mask};
    m->denoiser = diffusion_network_denoiser(m->net, &head);
    m->denoiser.width = (size_t)c->width;
    m->denoiser.lambda_law = (LambdaLaw)c->lambda_law;
    m->denoiser.lambda_steps = (size_t)c->lambda_steps;
    m->denoiser.sampler = config_sampler(c);
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
    m->has_encoder = config_objective(config, role)->recognition;
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
    vocabulary_free(m->vocabulary);
    mem_free(m);
}

/* Symbols, two bytes each, and vocabulary. */
static void hash_text(Sha256 *s, const TextData *t)
{
    enum { BLOCK = 4096 };
    unsigned char bytes[2 * BLOCK];
    char *tokens = vocabulary_text(t->vocabulary);
    for (size_t i = 0; i < t->count;) {
        size_t n = 0;
        for (; n < BLOCK && i < t->count; n++)
            little_endian_put(bytes + 2 * n, 2, t->symbols[i++]);
        sha256_add(s, bytes, 2 * n);
    }
    sha256_add(s, tokens, strlen(tokens));
    mem_free(tokens);
}

static void set_vocabulary(Model *m, const Vocabulary *v)
{
    vocabulary_free(m->vocabulary);
    m->vocabulary = vocabulary_copy(v);
}

void model_set_data_of(Model *m, const Model *teacher)
{
    strcpy(m->data, teacher->data);
    set_vocabulary(m, teacher->vocabulary);
}

bool model_fits_data(const Model *m, const char *path, const Dataset *d, Error *err)
{
    if ((m->vocabulary != NULL) != (d->text != NULL))
        return error_set(err, "%.200s: made for %s: expected %s, as %.200s has", path,
                         m->vocabulary ? "texts" : "pictures", d->text ? "texts" : "pictures",
                         d->name);
    TENSOR_CHECK(d->text == NULL || vocabulary_equal(m->vocabulary, d->text->vocabulary),
                 "%s was opened with another vocabulary than that of %s", d->name, path);
    return true;
}

void model_data_hash(const Dataset *d, char out[65])
{
    const size_t sizes[] = {d->count, d->height, d->width, d->channels, d->states};
    Sha256 s;
    char text[32];
    sha256_init(&s);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(text, sizeof text, "%zu ", sizes[i]);
        sha256_add(&s, text, strlen(text));
    }
    if (d->text != NULL)
        hash_text(&s, d->text);
    else
        sha256_add(&s, d->data, d->count * d->dims);
    for (size_t k = 0; d->law && k < d->law->count; k++) {
        text_format(text, sizeof text, "%.9g ", d->law->probability[k]);
        sha256_add(&s, text, strlen(text));
    }
    sha256_hex(&s, out);
}

void model_set_data(Model *m, const Dataset *d)
{
    snprintf(m->data, sizeof m->data, "%.*s", (int)strcspn(d->name, ":"), d->name);
    model_data_hash(d, m->data_hash);
    set_vocabulary(m, d->text != NULL ? d->text->vocabulary : NULL);
}

void model_note_start(const Model *m)
{
    const Process *p = m->process;
    if (!diffusion_process_as_published(p))
        return;
    const ProcessConstant c = p->class->constant(p, 1.0);
    text_print(stderr,
               "note: process %s as published (%zu states, %s = %g): x_1 is %.3f (total variation) "
               "from the law that sampling starts from; where 80 %% of pixels are black and the "
               "rest white, a perfect denoiser draws 70 %% black; sigma_max=190 would do\n",
               p->class->name, p->states, c.name, c.value, diffusion_process_distance(p, 1.0));
}

void model_note_data(const Model *m, const char *path, const Dataset *d, const char *hash)
{
    if (m->data_hash[0] != '\0' && strcmp(m->data_hash, hash) != 0)
        text_print(stderr,
                   "note: %s: trained on other data of this size: %s of hash %.16s, while %s has "
                   "%.16s\n",
                   path, m->data, m->data_hash, d->name, hash);
}

const char *model_role_name(ConfigRole role)
{
    return role == ROLE_TEACHER ? "teacher" : "student";
}
