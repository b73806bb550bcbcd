/* Cases `logistic_head` and `unet`: log-probabilities, the network's output and its gradients. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/teacher.h"
#include "experiments/verify/verify.h"

/* ---- truncated logistic ---- */

/* The array shows states 0, n, 2n ...: n as the shape has it, or, where several n give that shape,
 * as the array's note says ("states 0,5,10,..."). */
static size_t stride_of(VerifyCase *c, const char *role, size_t S, size_t shown)
{
    const Json *name = json_get(json_get(c->json, "arrays"), role);
    const Json *note = json_get(json_get(json_get(c->manifest, "arrays"), name->string), "note");
    const char *said = note && note->type == JSON_STRING ? strstr(note->string, "states 0,") : NULL;
    size_t n = said ? (size_t)strtoul(said + strlen("states 0,"), NULL, 10) : 0;
    if (n == 0 || n > S || (S - 1) / n + 1 != shown)
        for (n = 1; n < S && (S - 1) / n + 1 > shown;)
            n++;
    if ((S - 1) / n + 1 != shown)
        verify_break(c, "array \"%s\": expected every n-th of %zu states", role, S);
    return n;
}

/* Log-probabilities, (pictures * C*H*W, states shown) in the file's order. */
static void compare_head(VerifyCase *c, const char *role, Head head, const float *out, size_t batch)
{
    const size_t shown = verify_axis(c, role, 1), S = head.states, C = head.channels;
    const size_t pixels = head.dims / C, n = batch * head.dims;
    float *logp = arena_alloc(c->arena, S, sizeof *logp);
    double *got = arena_alloc(c->arena, n * shown, sizeof *got);
    if (c->broken)
        return;
    const size_t stride = stride_of(c, role, S, shown);
    for (size_t i = 0; !c->broken && i < n; i++) {
        const size_t b = i / head.dims, k = i / pixels % C, pixel = i % pixels;
        diffusion_head_row(&head, out + b * diffusion_head_outputs(&head), NULL, pixel * C + k,
                           logp);
        for (size_t j = 0; j < shown; j++)
            got[i * shown + j] = (double)logp[j * stride];
    }
    verify_compare(c, role, "", got, n * shown, NULL);
}

void verify_head_case(VerifyCase *c)
{
    const size_t batch = verify_axis(c, "out", 0), outputs = verify_axis(c, "out", 1);
    const size_t h = verify_axis(c, "out", 2), w = verify_axis(c, "out", 3), channels = outputs / 2;
    Head head = {
        .class = &diffusion_logistic, .dims = channels * h * w, .channels = channels, .mask = -1};
    head.states = verify_whole(c, "S", 2, UINT16_MAX);
    if (channels == 0 || outputs % 2 != 0)
        verify_break(c, "array \"out\": expected two numbers for each channel");
    const float *out = verify_floats(c, "out", batch, (Layout){outputs, h, w});
    if (c->broken)
        return;
    compare_head(c, "logp", head, out, batch);
    head.fix = true;
    compare_head(c, "logp_fix", head, out, batch);
}

/* ---- U-Net ---- */

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
    if (c->broken)
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

void verify_unet_case(VerifyCase *c)
{
    VerifyModel m;
    if (!verify_model_open(c, verify_model_name(c, "model"), &m))
        return;
    run_unet(c, &m);
    verify_model_close(&m);
}
