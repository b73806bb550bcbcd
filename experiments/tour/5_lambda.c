/* 5. Lambda: the smallest mixture that is right in one step.
 *
 * The two equal bits again, and a denoiser with one more input, a random number lambda in [0, 1)
 * that both bits share:
 *
 *     p(x) = E_lambda[ p^1(x^1; lambda) p^2(x^2; lambda) ].
 *
 * For one lambda it is a product still, drawn bit by bit in one call.  But let lambda choose the
 * value v, 0 or 1, and let both bits have it with a gain g, and a fair coin's value else:
 *
 *     p^d(a; lambda) = (1 - g) 1/2 + g [a = v],   v = [lambda >= 1/2].
 *
 * Each bit alone is as before, 0 or 1 with probability 1/2, for every g.
 *
 * Look for: the pairs 01 and 10 go as g rises from 0 (the product) to 1, in one step.  Nothing but
 * lambda carries it: g = 1 with one and the same lambda for all samples would draw one pair only.
 */
#include <math.h>
#include <stdio.h>

#include "diffusion/sampler/sampler.h"
#include "tensor/base/text.h"

enum { BITS = 2, VALUES = 2, SAMPLES = 1000 };
static const float NEVER = -1e30f; /* log 0, but finite */

/* A denoiser is a function of x_t, t and lambda; most are networks, this one is a formula.  It
 * gives logits (B, BITS, VALUES). */
static Var *formula(const Denoiser *model, Graph *g, const NetworkInput *in)
{
    const double gain = *(const double *)model->self;
    const size_t batch = in->x->batch;
    Tensor out = tensor_make2(g->arena, batch, BITS * VALUES);
    for (size_t b = 0; b < batch; b++) {
        const size_t v = in->lambda[b] >= 0.5;
        for (size_t d = 0; d < BITS; d++)
            for (size_t a = 0; a < VALUES; a++) {
                const double p = (1.0 - gain) / VALUES + (a == v ? gain : 0.0);
                out.data[(b * BITS + d) * VALUES + a] = p > 0.0 ? (float)log(p) : NEVER;
            }
    }
    return ag_constant(g, out);
}

/* counts of the pairs 00, 01, 10, 11 among samples of one step. */
static bool draw(const Process *noise, double gain, int counts[4], Error *err)
{
    const Denoiser model = {.head = {.class = &diffusion_softmax,
                                     .dims = BITS,
                                     .states = VALUES,
                                     .channels = 1,
                                     .mask = noise->mask},
                            .lambda_dims = 1,
                            .lambda_law = LAMBDA_UNIFORM,
                            .lambda_scope = LAMBDA_STEP,
                            .self = &gain,
                            .forward = formula};
    const SampleRequest request = {
        .model = &model, .process = noise, .steps = 1, .batch = SAMPLES, .seed = 1};
    States x = states_alloc(SAMPLES, BITS);
    const bool ok = diffusion_sample(&request, &x, err);
    for (size_t i = 0; i < 4; i++)
        counts[i] = 0;
    for (size_t b = 0; ok && b < SAMPLES; b++) {
        const uint16_t *bits = states_row(&x, b);
        counts[2 * bits[0] + bits[1]]++;
    }
    states_free(&x);
    return ok;
}

int main(void)
{
    ProcessConfig config = diffusion_process_defaults("absorbing", VALUES + 1);
    config.eps = 0.0;
    Error err;
    Process *noise = diffusion_process_create(&config, &err);
    bool ok = noise != NULL;
    printf("gain     00   01   10   11   unequal   expected\n");
    for (int tenths = 0; ok && tenths <= 10; tenths += 2) {
        const double g = tenths / 10.0;
        int n[4];
        ok = draw(noise, g, n, &err);
        if (ok)
            text_print(stdout, "%.1f    %4d %4d %4d %4d   %7d   %8.0f\n", g, n[0], n[1], n[2], n[3],
                       n[1] + n[2], SAMPLES * (1.0 - g * g) / 2.0);
    }
    diffusion_process_destroy(noise);
    if (!ok)
        fprintf(stderr, "%s\n", err.text);
    return ok ? 0 : 1;
}
/* Try: .steps = 8.  Why are nearly half of the pairs unequal, 7/16 even for g = 1?  Two cures:
 * LAMBDA_SAMPLE; or a formula that looks at x = states_row(in->x, b), and says x[1 - d] where that
 * is no mask.  x^2 = 1 - x^1.  Three bits with x^3 = x^1 xor x^2: how many values of lambda? */
