/* Cases `ct_elbo`: the teacher's continuous-time ELBO for fixed draws, and for given outputs. */
#include <math.h>

#include "diffusion/teacher.h"
#include "experiments/verify/verify.h"

typedef struct ElboCase {
    const VerifyModel *m;
    const Process *process;
    TeacherConfig config;
    size_t batch;
    States x0, xt, xtilde;
    const double *t;
} ElboCase;

/* One pass at x~; the roles are those without suffix. */
static void compare_elbo(VerifyCase *c, const ElboCase *e)
{
    const size_t count = e->batch * layout_size(e->m->output);
    double *reg = arena_alloc(c->arena, e->batch, sizeof *reg), ce;
    double *sig = arena_alloc(c->arena, e->batch, sizeof *sig);
    float *dout = arena_zeroed(c->arena, count, sizeof *dout);
    const NetworkInput in = {.x = &e->xtilde, .t = e->t};
    Var *out = nn_forward(e->m->net, c->graph, &in);
    const double loss =
        diffusion_ct_elbo(&e->config, &e->m->denoiser.head, e->process, e->t, &e->x0, &e->xtilde,
                          out->value.data, NULL, NULL, reg, sig, &ce, dout, NULL);
    verify_compare_number(c, "loss", loss);
    verify_compare(c, "reg", "", reg, e->batch, NULL);
    verify_compare(c, "sig", "", sig, e->batch, NULL);
    verify_compare_number(c, "ce", ce);
    nn_params_zero_grads(&e->m->net->params);
    ag_backward_from(out, dout);
    verify_compare_gradient(c, "", e->m);
    ag_graph_reset(c->graph);
}

/* sig at x~, reg and cross entropy at x_t. */
static void compare_elbo_two(VerifyCase *c, const ElboCase *e)
{
    const size_t count = e->batch * layout_size(e->m->output);
    float *dout = arena_zeroed(c->arena, count, sizeof *dout);
    float *dout_t = arena_zeroed(c->arena, count, sizeof *dout_t);
    double *reg = arena_alloc(c->arena, e->batch, sizeof *reg), ce;
    double *sig = arena_alloc(c->arena, e->batch, sizeof *sig);
    TeacherConfig config = e->config;
    const NetworkInput in = {.x = &e->xtilde, .t = e->t}, in_t = {.x = &e->xt, .t = e->t};
    Var *out = nn_forward(e->m->net, c->graph, &in);
    Var *out_t = nn_forward(e->m->net, c->graph, &in_t);
    config.two_passes = true;
    const double loss =
        diffusion_ct_elbo(&config, &e->m->denoiser.head, e->process, e->t, &e->x0, &e->xtilde,
                          out->value.data, &e->xt, out_t->value.data, reg, sig, &ce, dout, dout_t);
    verify_compare_number(c, "loss_two", loss);
    verify_compare(c, "reg_two", "", reg, e->batch, NULL);
    verify_compare(c, "sig_two", "", sig, e->batch, NULL);
    verify_compare_number(c, "ce_two", ce);
    if (verify_has(c, "grad_norms_two")) {
        nn_params_zero_grads(&e->m->net->params);
        ag_backward_from(out, dout);
        ag_backward_from(out_t, dout_t);
        verify_compare_gradient(c, "_two", e->m);
    }
    ag_graph_reset(c->graph);
}

static void compare_elbo_head(VerifyCase *c, const ElboCase *e)
{
    const Layout l = e->m->output;
    const float *out = verify_floats(c, "head_out", e->batch, l);
    if (c->broken)
        return;
    float *dout = arena_zeroed(c->arena, e->batch * layout_size(l), sizeof *dout);
    const double loss =
        diffusion_ct_elbo(&e->config, &e->m->denoiser.head, e->process, e->t, &e->x0, &e->xtilde,
                          out, NULL, NULL, NULL, NULL, NULL, dout, NULL);
    verify_compare_number(c, "head_loss", loss);
    verify_compare_floats(c, "head_grad", dout, e->batch, l);
}

static void run_elbo(VerifyCase *c, const VerifyModel *m, const Process *p)
{
    const size_t batch = verify_axis(c, "t", 0);
    ElboCase e = {.m = m, .process = p, .config = diffusion_teacher_defaults(), .batch = batch};
    e.config.two_passes = false;
    e.config.eps = verify_number(c, "eps", 1e-30, NAN);
    e.config.nll_weight = verify_number(c, "nll_weight", 0, NAN);
    e.t = verify_range(c, "t", batch, 0, 1);
    e.x0 = verify_states(c, "x0", batch, m->picture, m->states);
    e.xt = verify_states(c, "xt", batch, m->picture, m->states);
    e.xtilde = verify_states(c, "xtilde", batch, m->picture, m->states);
    if (c->broken || !verify_call_fits(c, m, 2 * batch))
        return;
    compare_elbo(c, &e);
    compare_elbo_two(c, &e);
    compare_elbo_head(c, &e);
}

static void compare_elbo_case(VerifyCase *c)
{
    VerifyModel m;
    if (!verify_model_open(c, verify_model_name(c, "model"), &m))
        return;
    Process *p = verify_process_open(c, &m);
    if (p && (p->mask >= 0 || m.net->lambda_dims > 0))
        verify_break(c, "expected a process without mask and a model without lambda");
    else if (p)
        run_elbo(c, &m, p);
    diffusion_process_destroy(p);
    verify_model_close(&m);
}

const VerifyKind verify_elbo_kind = {"ct_elbo", compare_elbo_case, true};
