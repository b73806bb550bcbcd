/* Cases `logistic_head` and `unet`: log-probabilities, the network's output and its gradients. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/teacher.h"
#include "experiments/verify.h"

/* ---- truncated logistic ---- */

/* Log-probabilities of every stride-th state; the stride follows from the array's shape. */
static void compare_head(VerifyCase *c, const char *role, Head head, const float *out) {
    const size_t shown = verify_axis(c, role, 1), S = head.states;
    size_t stride = 1;
    while ((S + stride - 1) / stride > shown) stride++;
    float *logp = arena_alloc(c->arena, S, sizeof *logp);
    double *got = arena_alloc(c->arena, head.dims * shown, sizeof *got);
    if ((S + stride - 1) / stride != shown)
        verify_break(c, "array \"%s\": expected every n-th state", role);
    for (size_t d = 0; !c->broken && d < head.dims; d++) {
        diff_head_row(&head, out, NULL, d, logp);
        for (size_t j = 0; j < shown; j++) got[d * shown + j] = (double)logp[j * stride];
    }
    verify_compare(c, role, "", got, head.dims * shown, NULL);
}

void verify_head_case(VerifyCase *c) {
    const size_t h = verify_axis(c, "out", 2), w = verify_axis(c, "out", 3);
    Head head = {.kind = HEAD_LOGISTIC, .dims = h * w, .channels = 1, .mask = -1};
    if (!json_size(c->json, "S", &head.states, c->name, &c->err)) c->broken = true;
    const float *out = verify_floats(c, "out", 1, (Layout){2, h, w});
    if (c->broken) return;
    compare_head(c, "logp", head, out);
    head.fix = true;
    compare_head(c, "logp_fix", head, out);
}

/* ---- U-Net ---- */

/* The file's logits are not normalised: the log-sum-exp of their row is added to our
 * log-probabilities. */
static void compare_logits(VerifyCase *c, const VerifyModel *m, const float *out, size_t batch) {
    const Head *head = &m->denoiser.head;
    const size_t S = head->states, n = verify_axis(c, "logit_pixels", 0);
    const size_t pixels = m->picture.height * m->picture.width, outputs = diff_head_outputs(head);
    const size_t *where = verify_indices(c, "logit_pixels", n, head->dims);
    const double *expected = verify_doubles(c, "logits", batch * n * S);
    double *got = arena_alloc(c->arena, batch * n * S, sizeof *got);
    float *logp = arena_alloc(c->arena, S, sizeof *logp);
    for (size_t i = 0; i < batch * n; i++) {
        const size_t channel = where[i % n] / pixels, pixel = where[i % n] % pixels;
        const double *row = expected + i * S;
        double top = row[0], sum = 0;
        for (size_t j = 0; j < S; j++) top = row[j] > top ? row[j] : top;
        for (size_t j = 0; j < S; j++) sum += exp(row[j] - top);
        diff_head_row(head, out + i / n * outputs, NULL, pixel * head->channels + channel, logp);
        for (size_t j = 0; j < S; j++) got[i * S + j] = (double)logp[j] + top + log(sum);
    }
    verify_compare(c, "logits", "", got, batch * n * S, NULL);
}

/* Cross entropy summed over pictures and dimensions, and its gradient at the output. */
static void compare_cross_entropy(VerifyCase *c, const VerifyModel *m, const States *x,
                                  const float *out) {
    const size_t batch = x->batch, outputs = layout_size(m->output);
    States y = verify_states(c, "y", batch, m->picture, m->states);
    float *dout = arena_zeroed(c->arena, batch * outputs, sizeof *dout);
    double *weight = arena_alloc(c->arena, batch, sizeof *weight);
    for (size_t b = 0; b < batch; b++) weight[b] = (double)(batch * x->dims);
    const double ce = diff_cross_entropy(&m->denoiser.head, &y, x, weight, out, dout);
    verify_compare_number(c, "ce", ce);
    verify_compare_floats(c, "dce_dout", dout, batch, m->output);
}

/* "grad_every_16": the stride is in the role's name. */
static void compare_gradient(VerifyCase *c, const VerifyModel *m) {
    static const char prefix[] = "grad_every_";
    const Json *arrays = json_get(c->json, "arrays");
    const char *role = NULL;
    for (size_t i = 0; i < arrays->count; i++)
        if (strncmp(arrays->keys[i], prefix, strlen(prefix)) == 0) role = arrays->keys[i];
    const size_t stride = role ? (size_t)strtoul(role + strlen(prefix), NULL, 10) : 0;
    if (stride == 0) verify_break(c, "expected an array of role \"%sN\"", prefix);
    else verify_compare_flat(c, role, m, m->net->params.grads, stride);
    verify_compare_norms(c, "grad_norms", m, m->net->params.grads);
}

static void run_unet(VerifyCase *c, const VerifyModel *m) {
    const size_t batch = verify_axis(c, "x", 0), lambdas = m->net->lambda_dims;
    States x = verify_states(c, "x", batch, m->picture, m->states);
    const double *t = verify_doubles(c, "t", batch);
    const double *lam = lambdas ? verify_doubles(c, "lam", batch * lambdas) : NULL;
    const float *w = verify_floats(c, "w", batch, m->output);
    if (c->broken) return;
    const NetworkInput in = {.x = &x, .t = t, .lambda = lam};
    Var *out = nn_forward(m->net, c->graph, &in);
    verify_compare_floats(c, "out", out->value.data, batch, m->output);
    compare_logits(c, m, out->value.data, batch);
    compare_cross_entropy(c, m, &x, out->value.data);
    nn_params_zero_grads(&m->net->params);
    ag_backward_from(out, w);
    compare_gradient(c, m);
}

void verify_unet_case(VerifyCase *c) {
    VerifyModel m;
    if (!verify_model_open(c, verify_model_name(c, "model"), &m)) return;
    run_unet(c, &m);
    verify_model_close(&m);
}
