/* Cases `unet`: the network's output, log-probabilities, cross entropy and gradients. */
#include <math.h>

#include "diffusion/head/batch.h"
#include "diffusion/teacher.h"
#include "experiments/verify/verify.h"

/* The file's logits are not normalised: the log-sum-exp of their row is added to our
 * log-probabilities. */
static void compare_logits(VerifyCase *c, const VerifyModel *m, const float *out, size_t batch)
{
    const Head *head = &m->denoiser.head;
    const size_t S = head->states, n = verify_axis(c, "logit_pixels", 0);
    const size_t pixels = m->picture.height * m->picture.width,
                 outputs = diffusion_head_outputs(head);
    const size_t *where = verify_indices(c, "logit_pixels", n, head->dims);
    const double *expected = verify_doubles(c, "logits", batch * n * S);
    if (c->broken)
        return;
    double *got = arena_alloc(c->arena, batch * n * S, sizeof *got);
    float *logp = arena_alloc(c->arena, S, sizeof *logp);
    for (size_t i = 0; i < batch * n; i++) {
        const size_t channel = where[i % n] / pixels, pixel = where[i % n] % pixels;
        const double *row = expected + i * S;
        double top = row[0], sum = 0;
        for (size_t j = 0; j < S; j++)
            top = row[j] > top ? row[j] : top;
        for (size_t j = 0; j < S; j++)
            sum += exp(row[j] - top);
        diffusion_head_row(head, out + i / n * outputs, NULL, pixel * head->channels + channel,
                           logp);
        for (size_t j = 0; j < S; j++)
            got[i * S + j] = (double)logp[j] + top + log(sum);
    }
    verify_compare(c, "logits", "", got, batch * n * S, NULL);
}

/* Cross entropy summed over pictures and dimensions, and its gradient at the output. */
static void compare_cross_entropy(VerifyCase *c, const VerifyModel *m, const States *x,
                                  const float *out)
{
    const size_t batch = x->batch, outputs = layout_size(m->output);
    States y = verify_states(c, "y", batch, m->picture, m->states);
    if (c->broken)
        return;
    float *dout = arena_zeroed(c->arena, batch * outputs, sizeof *dout);
    double *weight = arena_alloc(c->arena, batch, sizeof *weight);
    for (size_t b = 0; b < batch; b++)
        weight[b] = (double)(batch * x->dims);
    const double ce = diffusion_cross_entropy(&m->denoiser.head, &y, x, weight, out, dout);
    verify_compare_number(c, "ce", ce);
    verify_compare_floats(c, "dce_dout", dout, batch, m->output);
}

static void run_unet(VerifyCase *c, const VerifyModel *m)
{
    const size_t batch = verify_axis(c, "x", 0), lambdas = m->net->lambda_dims;
    States x = verify_states(c, "x", batch, m->picture, m->states);
    const double *t = verify_range(c, "t", batch, 0, 1);
    const double *lam = lambdas ? verify_range(c, "lam", batch * lambdas, 0, 1) : NULL;
    const float *w = verify_floats(c, "w", batch, m->output);
    if (c->broken || !verify_call_fits(c, m, batch))
        return;
    const NetworkInput in = {.x = &x, .t = t, .lambda = lam};
    Var *out = nn_forward(m->net, c->graph, &in);
    verify_compare_floats(c, "out", out->value.data, batch, m->output);
    compare_logits(c, m, out->value.data, batch);
    compare_cross_entropy(c, m, &x, out->value.data);
    nn_params_zero_grads(&m->net->params);
    ag_backward_from(out, w);
    if (!verify_compare_gradient(c, "", m))
        verify_break(c, "expected an array of role \"grad_every_N\"");
}

static void compare_unet_case(VerifyCase *c)
{
    VerifyModel m;
    if (!verify_model_open(c, verify_model_name(c, "model"), &m))
        return;
    run_unet(c, &m);
    verify_model_close(&m);
}

const VerifyKind verify_unet_kind = {"unet", compare_unet_case, true};
