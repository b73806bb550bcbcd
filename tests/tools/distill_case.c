#include "tests/tools/distill_case.h"

#include "diffusion/head/batch.h"
#include "nn/mlp/mlp.h"

enum { B = DISTILL_B, D = DISTILL_D, S = DISTILL_S, N = DISTILL_N };

const DistillKind distill_case_plain = {false, 0, 1, 0.2, 0};

static Network *network_of(const DistillKind *kind, size_t lambdas, uint64_t seed, bool grads)
{
    MlpConfig config = nn_mlp_defaults();
    Network *net;

    config.dims = D;
    config.states = S + (kind->absorbing ? 1 : 0);
    config.out_states = S;
    config.width = 16;
    config.embed = 8;
    config.blocks = 1;
    config.dropout = kind->dropout;
    config.lambda_dims = lambdas;
    net = nn_mlp_create(&config, grads, NULL);
    net->initialise(net, seed);
    for (size_t i = 0; i < net->params.total; i++) /* layers that start at 0 too */
        net->params.values[i] += 0.1f * (float)((int)((i + seed) * 37 % 11) - 5);
    return net;
}

void distill_case_make(DistillCase *c, const DistillKind *kind)
{
    Head head = {&diffusion_softmax, D, S, 1, false, kind->absorbing ? S : -1};
    ProcessConfig process = diffusion_process_defaults(kind->absorbing ? "absorbing" : "uniform",
                                                       S + (kind->absorbing ? 1 : 0));

    diffusion_process_set(&process, "rate_const", 0.4);
    process.any_start = true;
    c->p = diffusion_process_create(&process, NULL);
    c->teacher_net = network_of(kind, kind->teacher_lambdas, 1, false);
    c->student_net = network_of(kind, kind->student_lambdas, 2, true);
    c->teacher = diffusion_network_denoiser(c->teacher_net, &head);
    c->student = diffusion_network_denoiser(c->student_net, &head);
    c->config = distill_defaults();
    c->config.lambdas = N;
    c->config.distill_lambdas = kind->at_tm;
    c->x0 = states_alloc(B, D);
    for (size_t i = 0; i < (size_t)B * D; i++)
        c->x0.x[i] = (uint16_t)(i * 7 % S);
    c->work = (Workspace){ag_graph_create(), arena_create(1 << 16), 0};
}

void distill_case_free(DistillCase *c)
{
    diffusion_process_destroy(c->p);
    nn_network_destroy(c->teacher_net);
    nn_network_destroy(c->student_net);
    states_free(&c->x0);
    diffusion_workspace_destroy(&c->work);
}

Di4cDraws distill_case_draws(DistillCase *c, uint64_t step)
{
    return distill_first_draws(&c->config, &c->teacher, &c->student, c->p, &c->x0,
                               distill_stream(11, step), c->work.arena);
}

Di4cReport distill_case_run(DistillCase *c, uint64_t step, size_t chunk)
{
    c->work.chunk = chunk;
    nn_params_zero_grads(&c->student_net->params);
    return distill_gradient(&c->config, &c->teacher, &c->student, c->p, &c->x0, 11, step, &c->work);
}
