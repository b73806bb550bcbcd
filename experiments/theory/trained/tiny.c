#include "experiments/theory/trained/tiny.h"

#include "nn/mlp/mlp.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

enum { WIDTH = 48, BLOCKS = 1, EMBED = 32 };
enum { DRAW_DATA = 500 }; /* purpose of the stream that data comes from */

FiniteLaw *tiny_xor(size_t dims)
{
    TENSOR_CHECK(dims >= 2 && dims <= 8, "%zu bits", dims);
    FiniteLaw *law = law_create((size_t)1 << (dims - 1), dims, 2);
    for (size_t k = 0; k < law->count; k++) {
        uint16_t *bits = law->patterns + k * dims, parity = 0;
        for (size_t d = 0; d + 1 < dims; d++) {
            bits[d] = (uint16_t)(k >> d & 1);
            parity ^= bits[d];
        }
        bits[dims - 1] = parity;
        law->probability[k] = 1.0;
    }
    law_normalise(law);
    return law;
}

static Network *create_network(const FiniteLaw *law, const Process *p, size_t lambda_dims)
{
    MlpConfig c = nn_mlp_defaults();
    Error err;

    c.dims = law->dims;
    c.states = p->states;
    c.out_states = law->states;
    c.width = WIDTH;
    c.blocks = BLOCKS;
    c.embed = EMBED;
    c.lambda_dims = lambda_dims;
    Network *net = nn_mlp_create(&c, true, &err);
    TENSOR_CHECK(net != NULL, "%zu dimensions: %s", law->dims, err.text);
    return net;
}

TinyModel *tiny_create(const FiniteLaw *law, const Process *p, size_t lambda_dims, double lr,
                       uint64_t steps, uint64_t seed)
{
    TinyModel *m = mem_zeroed(1, sizeof *m);
    OptimizerConfig c = nn_optimizer_defaults();
    const Head head = {.class = &diffusion_softmax,
                       .dims = law->dims,
                       .states = law->states,
                       .channels = 1,
                       .mask = p->mask};

    m->net = create_network(law, p, lambda_dims);
    m->net->initialise(m->net, seed);
    m->denoiser = diffusion_network_denoiser(m->net, &head);
    c.lr = lr;
    c.clip = 1.0;
    c.warmup = 0;
    c.decay = LR_COSINE;
    c.total = steps;
    m->optimizer = nn_optimizer_create(&c, &m->net->params);
    m->work = diffusion_workspace_create(0);
    m->seed = seed;
    return m;
}

void tiny_destroy(TinyModel *m)
{
    if (m == NULL)
        return;
    nn_optimizer_destroy(m->optimizer);
    nn_network_destroy(m->net);
    diffusion_workspace_destroy(&m->work);
    mem_free(m);
}

void tiny_draw_data(const FiniteLaw *law, uint64_t seed, uint64_t step, States *x0)
{
    Rng rng = rng_child(rng_child(rng_root(seed), DRAW_DATA), step);

    for (size_t b = 0; b < x0->batch; b++) {
        const uint16_t *pattern = law->patterns + law_draw(law, &rng) * law->dims;
        for (size_t d = 0; d < law->dims; d++)
            states_row(x0, b)[d] = pattern[d];
    }
}

double tiny_teach(TinyModel *m, const TeacherConfig *config, const FiniteLaw *law, const Process *p,
                  States *x0)
{
    uint64_t step = m->optimizer->steps;

    tiny_draw_data(law, m->seed, step, x0);
    nn_params_zero_grads(&m->net->params);
    double loss = diffusion_teacher_gradient(config, &m->denoiser, p, x0, m->seed, step, &m->work);
    nn_optimizer_step(m->optimizer);
    return loss;
}

double tiny_distill(TinyModel *m, const DistillConfig *config, const Denoiser *teacher,
                    const FiniteLaw *law, const Process *p, States *x0)
{
    uint64_t step = m->optimizer->steps;

    tiny_draw_data(law, m->seed, step, x0);
    nn_params_zero_grads(&m->net->params);
    Di4cReport report =
        distill_gradient(config, teacher, &m->denoiser, p, x0, m->seed, step, &m->work);
    nn_optimizer_step(m->optimizer);
    return report.loss;
}
