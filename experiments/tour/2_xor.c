/* 2. A perceptron that learns XOR: the exclusive or of two bits.
 *
 * No line through the square has (0,0) and (1,1) on one side and (0,1) and (1,0) on the other, so
 * one layer y = x W + b cannot do it.  Two layers with a tanh between them can: h = tanh(x W1 +
 * b1), and logits h W2 + b2.  The loss is the cross entropy -log p(right answer), mean over the
 * four cases.
 *
 * Look for: a loss near log 2 = 0.69 nats at first (a coin's; random weights are a little worse),
 * then near 0; and in the picture two corners cut off, by the bends that the middle layer makes. */
#include <math.h>
#include <stdio.h>

#include "autograd/operations.h"
#include "nn/layers.h"
#include "nn/optimizer.h"
#include "tensor/base/text.h"

enum { CASES = 4, HIDDEN = 4, STEPS = 100, ROWS = 9, COLUMNS = 21 };

typedef struct Perceptron {
    ParamSet params; /* values and gradients of all weights, for the optimiser */
    LinearLayer first, second;
} Perceptron;

static void create(Perceptron *p)
{
    p->first = nn_linear_add(&p->params, "first", 2, HIDDEN);
    p->second = nn_linear_add(&p->params, "second", HIDDEN, 2);
    nn_params_allocate(&p->params, true);
    nn_linear_init(&p->first, false, rng_root(1));
    nn_linear_init(&p->second, false, rng_root(1));
}

/* x (count, 2) -> logits (count, 2), of the answers 0 and 1. */
static Var *logits(Graph *g, const Perceptron *p, float *x, size_t count)
{
    const size_t shape[] = {count, 2};
    Var *input = ag_constant(g, tensor_view(x, 2, shape));
    return nn_linear(g, &p->second, ag_tanh(nn_linear(g, &p->first, input)));
}

static void learn(Graph *g, Perceptron *p)
{
    float x[CASES][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
    const uint16_t answers[CASES] = {0, 1, 1, 0};
    OptimizerConfig config = nn_optimizer_defaults();
    config.lr = 0.05;
    Optimizer *adam = nn_optimizer_create(&config, &p->params);
    for (int step = 0; step <= STEPS; step++) {
        nn_params_zero_grads(&p->params);
        Var *loss = ag_cross_entropy(logits(g, p, x[0], CASES), answers);
        if (step % 20 == 0)
            text_print(stdout, "step %3d: loss %.2f nats\n", step, (double)loss->value.data[0]);
        ag_backward(loss);
        ag_graph_reset(g);
        nn_optimizer_step(adam);
    }
    nn_optimizer_destroy(adam);
}

/* p(1 | x) = e^l1 / (e^l0 + e^l1). */
static double probability(Graph *g, const Perceptron *p, float x, float y)
{
    float point[] = {x, y};
    const float *l = logits(g, p, point, 1)->value.data;
    const double answer = 1.0 / (1.0 + exp((double)(l[0] - l[1])));
    ag_graph_reset(g);
    return answer;
}

int main(void)
{
    Graph *g = ag_graph_create();
    Perceptron p = {0};
    create(&p);
    learn(g, &p);
    for (int x = 0; x < 2; x++)
        for (int y = 0; y < 2; y++)
            text_print(stdout, "p(1 | %d, %d) = %.1f\n", x, y,
                       probability(g, &p, (float)x, (float)y));
    printf("where p(1) > 1/2 on the square, (0,1) and (1,1) at the top:\n");
    for (int row = ROWS - 1; row >= 0; row--) {
        for (int column = 0; column < COLUMNS; column++) {
            const float x = (float)column / (COLUMNS - 1), y = (float)row / (ROWS - 1);
            putchar(probability(g, &p, x, y) > 0.5 ? '#' : '.');
        }
        putchar('\n');
    }
    nn_params_free(&p.params);
    ag_graph_destroy(g);
    return 0;
}
/* Try: HIDDEN 2, then 1 (why does it stop at 0.48?).  Another seed.  ag_relu for ag_tanh.  All
 * weights zero at the start: remove the two nn_linear_init. */
