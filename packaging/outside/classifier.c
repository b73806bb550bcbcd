/* A program outside the tree: a classifier of points in the plane, on the installed library.
 *
 * Three arms of a spiral wind around each other, and a network of two hidden layers is to say of a
 * point to which arm it belongs.  It is trained by the gradient of the cross entropy,
 *
 *     L = -1/B sum_i log softmax(logits(x_i))[label_i],
 *
 * which the tape computes, and by Adam.  The status is 0 if it is right on 95 % of new points. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "autograd/operations.h"
#include "nn/layers.h"
#include "nn/optimizer.h"
#include "tensor/base/text.h"
#include "tensor/base/version.h"
#include "tensor/system/threads.h"

enum { ARMS = 3, HIDDEN = 32, POINTS = 300, STEPS = 400 };

typedef struct Classifier {
    ParamSet params;
    LinearLayer first, second, last;
} Classifier;

typedef struct Points {
    float x[POINTS][2];
    uint16_t arm[POINTS];
} Points;

/* Arm a at radius r in [0.1, 1) stands at the angle 2 pi a / ARMS + 4 r, with some noise. */
static void draw(Points *points, Rng r)
{
    for (size_t i = 0; i < POINTS; i++) {
        const size_t arm = rng_below(&r, ARMS);
        const double radius = 0.1 + 0.9 * rng_uniform(&r);
        const double angle =
            6.28318530717958648 * (double)arm / ARMS + 4.0 * radius + 0.1 * rng_normal(&r);
        points->x[i][0] = (float)(radius * cos(angle));
        points->x[i][1] = (float)(radius * sin(angle));
        points->arm[i] = (uint16_t)arm;
    }
}

static void create(Classifier *c)
{
    c->first = nn_linear_add(&c->params, "first", 2, HIDDEN);
    c->second = nn_linear_add(&c->params, "second", HIDDEN, HIDDEN);
    c->last = nn_linear_add(&c->params, "last", HIDDEN, ARMS);
    nn_params_allocate(&c->params, true);
    nn_linear_init(&c->first, false, rng_root(1));
    nn_linear_init(&c->second, false, rng_root(2));
    nn_linear_init(&c->last, false, rng_root(3));
}

static Var *logits(Graph *g, const Classifier *c, Points *points)
{
    const size_t shape[] = {POINTS, 2};
    Var *h = ag_constant(g, tensor_view(points->x[0], 2, shape));
    h = ag_tanh(nn_linear(g, &c->first, h));
    h = ag_tanh(nn_linear(g, &c->second, h));
    return nn_linear(g, &c->last, h);
}

/* The share of points whose largest logit is that of their arm. */
static double share_right(Graph *g, const Classifier *c, Points *points)
{
    const float *l = logits(g, c, points)->value.data;
    size_t right = 0;

    for (size_t i = 0; i < POINTS; i++) {
        size_t best = 0;
        for (size_t a = 1; a < ARMS; a++)
            best = l[i * ARMS + a] > l[i * ARMS + best] ? a : best;
        right += best == points->arm[i];
    }
    ag_graph_reset(g);
    return (double)right / POINTS;
}

static void train(Graph *g, Classifier *c, Points *points)
{
    OptimizerConfig config = nn_optimizer_defaults();
    config.lr = 0.01;
    Optimizer *adam = nn_optimizer_create(&config, &c->params);

    for (int step = 0; step <= STEPS; step++) {
        nn_params_zero_grads(&c->params);
        Var *loss = ag_cross_entropy(logits(g, c, points), points->arm);
        if (step % 100 == 0)
            text_print(stdout, "step %3d: loss %.3f nats\n", step, (double)loss->value.data[0]);
        ag_backward(loss);
        ag_graph_reset(g);
        nn_optimizer_step(adam);
    }
    nn_optimizer_destroy(adam);
}

int main(int argc, char **argv)
{
    static Points seen, fresh;
    Classifier c = {{0}, {0}, {0}, {0}};

    (void)argc;
    threads_wait_briefly(argv); /* what a waiting thread does: see tensor/README.md */
    if (version_api() != DI4C_API) {
        fprintf(stderr, "classifier: compiled for interface %d, run with %d\n", DI4C_API,
                version_api());
        return EXIT_FAILURE;
    }
    Graph *g = ag_graph_create();
    draw(&seen, rng_child(rng_root(7), 0));
    draw(&fresh, rng_child(rng_root(7), 1));
    create(&c);
    train(g, &c, &seen);
    const double right = share_right(g, &c, &fresh);
    text_print(stdout, "right on %.1f %% of %d new points\n", 100.0 * right, POINTS);
    nn_params_free(&c.params);
    ag_graph_destroy(g);
    return right >= 0.95 ? EXIT_SUCCESS : EXIT_FAILURE;
}
