/* 8. Pictures: a model file is opened and sampled step by step.
 *
 * The file is a student of handwritten digits: 14x14 pixels, black or white, masks as noise, a
 * U-Net, and a lambda of 8 numbers, drawn once for a sample.  A step from t = n/N to s = (n - 1)/N:
 *
 *     logits = network(x_t, t, lambda)       one call: the law p^d of every pixel of x_0
 *     x_0 ~ prod_d p^d                       each pixel by itself
 *     x_s ~ q(x_s | x_t, x_0)                some of the masks (:) are taken away
 * Look for: the pixels of t = 3/4 were drawn in one call that saw nothing but masks, and they agree
 * on a digit already.  Lambda has said which. */
#include <stdio.h>

#include "diffusion/denoiser.h"
#include "diffusion/head/batch.h"
#include "diffusion/posterior.h"
#include "nn/checkpoint.h"
#include "nn/unet/unet.h"

enum { SIDE = 14, D = SIDE * SIDE, MASK = 2, LAMBDAS = 8, COUNT = 3, N = 4 };
static const char path[] = "experiments/models/mnist-binary-student.safetensors";

static Network *open_network(Error *err)
{
    UNetConfig c = nn_unet_defaults();
    c.height = c.width = SIDE, c.channels = 1;
    c.states = 3, c.out_states = 2, c.head = UNET_HEAD_SOFTMAX;
    c.ch = 32, c.ch_mult[0] = 1, c.ch_mult[1] = 2, c.scales = 2, c.res_blocks = 1;
    c.lambda_dims = LAMBDAS, c.lambda_is_number = true, c.encoder = ENCODER_CLEAN;
    Network *net = nn_unet_layout(&c, err);
    SafetensorsFile *file = safetensors_read(path, err);
    if (net != NULL && file != NULL) {
        net->prior = nn_lambda_prior_add(&net->params, 400, LAMBDAS, PRIOR_DIAGONAL);
        nn_params_allocate(&net->params, false);
    }
    const bool ok = net && file && nn_checkpoint_load(file, net, WEIGHTS_AVERAGED, err);
    safetensors_free(file);
    return ok ? net : NULL;
}

/* Streams of equal names (seed, purpose, sample) are equal: each draw has a purpose of its own. */
static void name_streams(Rng streams[COUNT], uint64_t purpose)
{
    for (size_t b = 0; b < COUNT; b++)
        streams[b] = rng_child(rng_child(rng_root(1), purpose), b);
}

/* x[n] (COUNT, D) = x_t at t = n/N, from n = N, all masks, down to 0. */
static void sample(const Denoiser *model, const Process *noise, States x[N + 1])
{
    Rng streams[COUNT];
    double lambda[COUNT * LAMBDAS];
    Graph *g = ag_graph_create();
    name_streams(streams, 0);
    diffusion_draw_lambda(model, lambda, COUNT, streams);
    for (uint64_t n = N; n > 0; n--) {
        const double t = (double)n / N, s = (double)(n - 1) / N, times[COUNT] = {t, t, t};
        float logits[COUNT * D * 2];
        const NetworkInput in = {.x = &x[n], .t = times, .lambda = lambda};
        diffusion_denoise(model, g, &in, 0, logits);
        name_streams(streams, 2 * n);
        diffusion_head_draw(&model->head, logits, &x[n], streams, &x[n - 1]); /* x_0 */
        name_streams(streams, 2 * n + 1);
        PosteriorStep *q = diffusion_posterior_create(noise, s, t, 0.0);
        for (size_t i = 0; i < COUNT * D; i++)
            x[n - 1].x[i] =
                (uint16_t)diffusion_posterior_draw(q, x[n].x[i], x[n - 1].x[i], &streams[i / D]);
        diffusion_posterior_destroy(q);
    }
    ag_graph_destroy(g);
}

int main(void)
{
    static uint16_t pixels[N + 1][COUNT * D];
    States x[N + 1];
    Error err;
    Network *net = open_network(&err);
    if (net == NULL)
        return fprintf(stderr, "%s\n", err.text), 1;
    ProcessConfig config = diffusion_process_defaults("absorbing", 3);
    config.eps = 0.0;
    Process *noise = diffusion_process_create(&config, NULL);
    const Head head = {&diffusion_softmax, .dims = D, .states = 2, .channels = 1, .mask = MASK};
    Denoiser model = diffusion_network_denoiser(net, &head);
    model.lambda_law = LAMBDA_MIXTURE;
    for (int n = 0; n <= N; n++)
        x[n] = (States){pixels[n], COUNT, D};
    for (int i = 0; i < COUNT * D; i++)
        pixels[N][i] = MASK;
    sample(&model, noise, x);
    printf("t = 3/4          t = 2/4          t = 1/4          t = 0\n");
    for (int row = 0; row < COUNT * SIDE; row++, putchar('\n'))
        for (int n = N - 1; n >= 0; n--, printf("   "))
            for (int d = row * SIDE; d < (row + 1) * SIDE; d++)
                putchar(" #:"[pixels[n][d]]);
    diffusion_process_destroy(noise);
    nn_network_destroy(net);
    return 0;
}
/* Try: N = 1.  One lambda for all three; one for each step.  The teacher's file (exercise 8). */
