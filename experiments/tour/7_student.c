/* 7. A teacher and a student.
 *
 * Four pictures of 3x3 pixels, and noise that masks pixels.  A network learns to denoise: the
 * teacher, a product model.  Another, with lambda as one more input, begins with its weights and
 * learns by the losses of Di4C to do in one step what the teacher does in many.
 * Look for: the teacher knows the mean of the four, the student one of them for each lambda. */
#include <stdio.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "diffusion/teacher.h"
#include "distill/step.h"
#include "nn/mlp/mlp.h"
#include "nn/optimizer.h"

enum { PICTURES = 4, SIDE = 3, D = SIDE * SIDE, MASK = 2, BATCH = 64, SAMPLES = 1000 };
static uint16_t pictures[BATCH + PICTURES][D]; /* the four, again and again */
static Process *noise;
static Workspace work; /* memory for a step */
static Denoiser teacher, student;

static Denoiser create(size_t lambda_dims)
{
    MlpConfig c = nn_mlp_defaults();
    c.dims = D, c.states = 3, c.width = 32, c.blocks = 1, c.time_scale = 30.0;
    c.lambda_dims = lambda_dims, c.lambda_is_number = lambda_dims > 0;
    Network *net = nn_mlp_create(&c, true, NULL);
    net->initialise(net, 1);
    const Head head = {&diffusion_softmax, .dims = D, .states = 2, .channels = 1, .mask = MASK};
    return diffusion_network_denoiser(net, &head);
}

static void train(const Denoiser *model)
{
    const TeacherConfig denoising = {TEACHER_CROSS_ENTROPY, TIME_WEIGHT_ELBO, .t_min = 0.01};
    DistillConfig di4c = distill_defaults();
    di4c.lambdas = 32, di4c.distill_lambdas = 2, di4c.stratified_lambda = true;
    di4c.delta_max = 0.05, di4c.share_at_one = 0.125, di4c.loss.data_weight = DATA_WEIGHT_ONE;
    OptimizerConfig c = nn_optimizer_defaults();
    c.lr = 3e-3, c.decay = LR_COSINE, c.total = model == &teacher ? 400 : 800;
    Optimizer *adam = nn_optimizer_create(&c, &model->net->params);
    for (uint64_t n = 0; n < c.total; n++) {
        const States x0 = {pictures[n % PICTURES], model == &teacher ? BATCH : BATCH / 8, D};
        nn_params_zero_grads(&model->net->params);
        if (model == &teacher)
            diffusion_teacher_gradient(&denoising, model, noise, &x0, 1, n, &work);
        else
            distill_gradient(&di4c, &teacher, model, noise, &x0, 1, n, &work);
        nn_optimizer_step(adam);
    }
    nn_optimizer_destroy(adam);
}

/* What the model says of masks alone for one lambda: black #, white ., or + if it is undecided. */
static void show(const Denoiser *model, double lambda)
{
    uint16_t masks[] = {MASK, MASK, MASK, MASK, MASK, MASK, MASK, MASK, MASK};
    const double t = 1.0, *number = model->lambda_dims > 0 ? &lambda : NULL;
    const NetworkInput input = {.x = &(States){masks, 1, D}, .t = &t, .lambda = number};
    float logits[D][2];
    diffusion_denoise(model, work.graph, &input, 0, logits[0]);
    for (int d = 0; d < D; d++) {
        const float black = logits[d][1] - logits[d][0];
        printf("%s%c", d % SIDE == 0 ? "\n" : "", black < -1.6f ? '.' : black < 1.6f ? '+' : '#');
    }
}

/* How many of eight samples in N steps are among the four, rounded. */
static int right(const Denoiser *model, size_t N)
{
    const SampleRequest r = {.model = model, .process = noise, .steps = N, .batch = 64, .seed = 1};
    uint16_t x[SAMPLES][D];
    int count = 0;
    if (diffusion_sample(&r, &(States){x[0], SAMPLES, D}, NULL))
        for (int i = 0; i < SAMPLES * PICTURES; i++)
            count += memcmp(x[i / PICTURES], pictures[i % PICTURES], sizeof x[0]) == 0;
    return (8 * count + SAMPLES / 2) / SAMPLES;
}

int main(void)
{
    const ProcessConfig config = diffusion_process_defaults("absorbing", 3);
    noise = diffusion_process_create(&config, NULL);
    for (int i = 0; i < (BATCH + PICTURES) * D; i++)
        pictures[i / D][i % D] = ".#.###.#.####.#####.#.#.#.##..#..###"[i % (PICTURES * D)] == '#';
    work = diffusion_workspace_create(0);
    teacher = create(0), student = create(1);
    train(&teacher);
    nn_copy_common(student.net, teacher.net);
    train(&student);
    printf("the teacher, of nothing but masks:");
    show(&teacher, 0.0);
    printf("\n\nthe student, lambda = 1/8, 3/8, 5/8, 7/8:");
    for (int i = 0; i < 4; i++, putchar('\n'))
        show(&student, (i + 0.5) / 4);
    for (size_t N = 1; N <= 8; N *= N == 2 ? 4 : 2)
        printf("%zu steps, right of 8: %d and %d\n", N, right(&teacher, N), right(&student, N));
    return 0;
}
/* Try: 1, 2 and 4 lambdas in training (di4c.lambdas).  di4c.loss.control_variates = false. */
