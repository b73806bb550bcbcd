/* The gradient of log (1/N) sum_i e^{J_i} by J_i is w_i; taught by the posterior, the one J of each
 * picture has weight 1.  The rest is softmax and the program's own tape and optimizer. */
#include "experiments/theory/trained/limit_run.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "experiments/theory/trained/tiny.h"
#include "tensor/base/check.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { LAMBDA_STREAM = 501 };         /* beside the stream of data */
static const double RATE = 2e-3;      /* of Adam */
static const double START_GAIN = 0.5; /* how far from the saddle students start */
static const double LEAST = 1e-9;     /* probability of a value that the law does not have */

typedef struct Lab {
    const FiniteLaw *law;
    Process *process;
    TinyModel *student;
    size_t rows, outputs;  /* most rows of a pass; D S */
    States masked;         /* (rows, D) */
    double *t, *lambda;    /* (rows): 1; of the present pass */
    float *out, *dout;     /* (rows, D, S): log p^d(a); gradient of the loss by logits */
    double *joint, *share; /* (rows): J, w */
} Lab;

static Lab lab_create(const FiniteLaw *law, size_t passes, size_t steps, uint64_t seed)
{
    ProcessConfig c = diffusion_process_defaults("absorbing", law->states + 1);
    Lab lab = {.law = law, .rows = passes > LIMIT_GRID ? passes : LIMIT_GRID};

    lab.process = diffusion_process_create(&c, NULL);
    lab.student = tiny_create(law, lab.process, 1, RATE, steps, seed);
    lab.outputs = law->dims * law->states;
    lab.masked = states_alloc(lab.rows, law->dims);
    for (size_t i = 0; i < lab.rows * law->dims; i++)
        lab.masked.x[i] = (uint16_t)lab.process->mask;
    lab.t = mem_alloc(lab.rows, sizeof *lab.t);
    for (size_t i = 0; i < lab.rows; i++)
        lab.t[i] = 1.0;
    lab.lambda = mem_alloc(lab.rows, sizeof *lab.lambda);
    lab.out = mem_alloc(lab.rows * lab.outputs, sizeof *lab.out);
    lab.dout = mem_alloc(lab.rows * lab.outputs, sizeof *lab.dout);
    lab.joint = mem_alloc(lab.rows, sizeof *lab.joint);
    lab.share = mem_alloc(lab.rows, sizeof *lab.share);
    return lab;
}

static void lab_free(Lab *lab)
{
    tiny_destroy(lab->student);
    diffusion_process_destroy(lab->process);
    states_free(&lab->masked);
    mem_free(lab->t);
    mem_free(lab->lambda);
    mem_free(lab->out);
    mem_free(lab->dout);
    mem_free(lab->joint);
    mem_free(lab->share);
}

static double midpoint(size_t i)
{
    return ((double)i + 0.5) / LIMIT_GRID;
}

/* ---- passes ---- */

/* The network's numbers to lab->out as log p^d(a). */
static void keep_logs(Lab *lab, const float *numbers, size_t rows)
{
    const Head *head = &lab->student->denoiser.head;

    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < lab->law->dims; d++)
            diffusion_head_row(head, numbers + r * lab->outputs, states_row(&lab->masked, r), d,
                               lab->out + r * lab->outputs + d * lab->law->states);
}

/* Recorded; ends with pull. */
static Var *run_recorded(Lab *lab, size_t rows)
{
    const States masked = states_rows(&lab->masked, 0, rows);
    const NetworkInput in = {&masked, lab->t, lab->lambda, NULL, NULL, NULL};
    const Denoiser *d = &lab->student->denoiser;
    Var *v = d->forward(d, lab->student->work.graph, &in);

    keep_logs(lab, v->value.data, rows);
    return v;
}

static void pull_limit_run(Lab *lab, Var *v)
{
    nn_params_zero_grads(&lab->student->net->params);
    ag_backward_from(v, lab->dout);
    ag_graph_reset(lab->student->work.graph);
}

/* All lambdas of the grid, not recorded. */
static void run_grid(Lab *lab)
{
    const States masked = states_rows(&lab->masked, 0, LIMIT_GRID);
    const NetworkInput in = {&masked, lab->t, lab->lambda, NULL, NULL, NULL};

    for (size_t i = 0; i < LIMIT_GRID; i++)
        lab->lambda[i] = midpoint(i);
    diffusion_denoise(&lab->student->denoiser, lab->student->work.graph, &in, 0, lab->dout);
    keep_logs(lab, lab->dout, LIMIT_GRID);
}

static double log_chance(const Lab *lab, size_t row, const uint16_t *x)
{
    double sum = 0.0;

    for (size_t d = 0; d < lab->law->dims; d++)
        sum += (double)lab->out[row * lab->outputs + d * lab->law->states + x[d]];
    return sum;
}

/* share = posterior of x over rows first..first+count-1.  Returns log (1/count) sum e^J; *nats =
 * KL(share || 1/count). */
static double posterior(Lab *lab, const uint16_t *x, size_t first, size_t count, double *nats)
{
    double *joint = lab->joint + first, *share = lab->share + first, top = -HUGE_VAL, sum = 0.0;

    for (size_t i = 0; i < count; i++) {
        joint[i] = log_chance(lab, first + i, x);
        top = larger_of(top, joint[i]);
    }
    for (size_t i = 0; i < count; i++)
        sum += share[i] = exp(joint[i] - top);
    const double mean = top + log(sum / (double)count);
    *nats = -mean;
    for (size_t i = 0; i < count; i++) {
        share[i] /= sum;
        *nats += share[i] * joint[i];
    }
    *nats = fmax(*nats, 0.0); /* rounding */
    return mean;
}

/* dout of a row += -weight d log p(x)/d logits. */
static void add_slope(Lab *lab, size_t row, const uint16_t *x, double weight)
{
    const size_t S = lab->law->states;

    for (size_t d = 0; d < lab->law->dims; d++) {
        float *dout = lab->dout + row * lab->outputs + d * S;
        const float *logp = lab->out + row * lab->outputs + d * S;
        for (size_t a = 0; a < S; a++)
            dout[a] += (float)weight * expf(logp[a]);
        dout[x[d]] -= (float)weight;
    }
}

/* ---- where students start ---- */

/* The output's offsets, so that without lambda the student says the marginals. */
static void set_marginals(Lab *lab)
{
    const FiniteLaw *law = lab->law;
    float *bias = nn_param_find(&lab->student->net->params, "output.bias")->value.data;
    double *marginal = mem_zeroed(lab->outputs, sizeof *marginal);

    for (size_t k = 0; k < law->count; k++)
        for (size_t d = 0; d < law->dims; d++)
            marginal[d * law->states + law->patterns[k * law->dims + d]] += law->probability[k];
    run_grid(lab);
    for (size_t i = 0; i < lab->outputs; i++)
        bias[i] += (float)(log(fmax(marginal[i], LEAST)) - (double)lab->out[i]);
    mem_free(marginal);
}

/* A new student's zeros become random numbers times gain. */
static void set_gain(Lab *lab, double gain)
{
    const ParamSet *params = &lab->student->net->params;
    Param *p = nn_param_find(params, "blocks.0.lambda.weight");
    Rng rng = rng_child(rng_root(lab->student->seed), LAMBDA_STREAM);
    const size_t count = tensor_size(&p->value);

    for (size_t i = 0; i < count; i++)
        p->value.data[i] = (float)(gain * rng_normal(&rng));
}

/* ---- training ---- */

/* Indices into the grid: N independent ones for each picture, or one from its posterior.  Returns
 * the mean nats of the latter. */
static double draw_lambdas(Lab *lab, const States *x0, size_t N, Rng rng)
{
    double sum = 0.0, nats;

    if (N > 0) {
        for (size_t r = 0; r < x0->batch * N; r++)
            lab->lambda[r] = midpoint(rng_below(&rng, LIMIT_GRID));
        return 0.0;
    }
    double *drawn = mem_alloc(x0->batch, sizeof *drawn);
    run_grid(lab);
    for (size_t b = 0; b < x0->batch; b++) {
        posterior(lab, states_row(x0, b), 0, LIMIT_GRID, &nats);
        drawn[b] = midpoint(rng_categorical(&rng, lab->share, LIMIT_GRID));
        sum += nats;
    }
    memcpy(lab->lambda, drawn, x0->batch * sizeof *drawn);
    mem_free(drawn);
    return sum / (double)x0->batch;
}

/* One step; returns the nats taught. */
static double train_step(Lab *lab, size_t N, States *x0)
{
    TinyModel *m = lab->student;
    const uint64_t step = m->optimizer->steps;
    const size_t each = N > 0 ? N : 1, rows = x0->batch * each;
    double sum = 0.0, nats;

    tiny_draw_data(lab->law, m->seed, step, x0);
    const double recognised =
        draw_lambdas(lab, x0, N, rng_child(rng_child(rng_root(m->seed), LAMBDA_STREAM), step));
    Var *v = run_recorded(lab, rows);
    memset(lab->dout, 0, rows * lab->outputs * sizeof *lab->dout);
    for (size_t b = 0; b < x0->batch; b++) {
        posterior(lab, states_row(x0, b), b * each, each, &nats);
        sum += nats;
        for (size_t r = b * each; r < (b + 1) * each; r++)
            add_slope(lab, r, states_row(x0, b), lab->share[r] / (double)x0->batch);
    }
    pull_limit_run(lab, v);
    nn_optimizer_step(m->optimizer);
    return N > 0 ? sum / (double)x0->batch : recognised;
}

/* What the student is: sums over grid and patterns. */
static void measure_limit_run(Lab *lab, LimitStudent *result)
{
    const FiniteLaw *law = lab->law;
    double nats;

    result->held = result->tv = result->kl = 0.0;
    run_grid(lab);
    for (size_t k = 0; k < law->count; k++) {
        const double p = law->probability[k];
        const double logq = posterior(lab, law->patterns + k * law->dims, 0, LIMIT_GRID, &nats);
        result->held += p * nats;
        result->kl += p * (log(p) - logq);
        result->tv += fmax(p - exp(logq), 0.0);
    }
}

bool limit_train(const FiniteLaw *law, const LimitTraining *training, LimitStudent *result,
                 Error *err)
{
    const size_t N = training->lambdas, each = N > 0 ? N : 1, steps = training->steps;
    const size_t last = steps / 10 > 0 ? steps / 10 : 1;

    TENSOR_CHECK(training->passes >= each && steps >= 1, "%zu passes for %zu lambdas, %zu steps",
                 training->passes, N, steps);
    Lab lab = lab_create(law, training->passes, steps, training->seed);
    States x0 = states_alloc(training->passes / each, law->dims);
    bool ok = true;
    set_marginals(&lab);
    set_gain(&lab, START_GAIN);
    *result = (LimitStudent){.pictures = x0.batch};
    for (size_t step = 0; ok && step < steps; step++) {
        const double nats = train_step(&lab, N, &x0);
        result->taught += step >= steps - last ? nats / (double)last : 0.0;
        if (platform_signal() != 0)
            ok = error_set(err, "theory limit: stopped by signal %d", platform_signal());
    }
    if (ok)
        measure_limit_run(&lab, result);
    states_free(&x0);
    lab_free(&lab);
    return ok;
}

/* ---- the saddle ---- */

double limit_gradient(const FiniteLaw *law, double gain, uint64_t seed)
{
    Lab lab = lab_create(law, LIMIT_GRID, 1, seed);
    double sum = 0.0, nats;

    set_marginals(&lab);
    set_gain(&lab, gain);
    for (size_t i = 0; i < LIMIT_GRID; i++)
        lab.lambda[i] = midpoint(i);
    Var *v = run_recorded(&lab, LIMIT_GRID);
    memset(lab.dout, 0, LIMIT_GRID * lab.outputs * sizeof *lab.dout);
    for (size_t k = 0; k < law->count; k++) {
        const uint16_t *x = law->patterns + k * law->dims;
        posterior(&lab, x, 0, LIMIT_GRID, &nats);
        for (size_t r = 0; r < LIMIT_GRID; r++)
            add_slope(&lab, r, x, law->probability[k] * lab.share[r]);
    }
    pull_limit_run(&lab, v);
    const ParamSet *params = &lab.student->net->params;
    for (size_t i = 0; i < params->count; i++) {
        const Param *p = params->items[i];
        for (size_t j = 0; strstr(p->name, "lambda") != NULL && j < tensor_size(&p->value); j++)
            sum += (double)p->grad[j] * (double)p->grad[j];
    }
    lab_free(&lab);
    return sqrt(sum);
}
