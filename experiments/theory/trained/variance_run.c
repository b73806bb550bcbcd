/* Trains a teacher and a student on a small world and measures on the way. */
#include "experiments/theory/trained/tiny.h"
#include "experiments/theory/trained/variance.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { TEACHER_BATCH = 64, BATCH = 8, LAMBDAS = 32 };
enum { FIRST_DRAW = 1000000000 }; /* number of the first measuring step: training ends before */

/* Parts of the training after which the student is measured. */
static const double stages[] = {0.0625, 0.25, 0.5, 1.0};
enum { STAGES = sizeof stages / sizeof stages[0] };

/* Running mean and sum of squared deviations of vectors (Welford). */
typedef struct Spread {
    double *mean; /* (P) */
    double deviations;
    size_t count;
} Spread;

static void spread_add(Spread *s, const float *x, size_t P)
{
    s->count++;
    for (size_t i = 0; i < P; i++) {
        double gap = (double)x[i] - s->mean[i];
        s->mean[i] += gap / (double)s->count;
        s->deviations += gap * ((double)x[i] - s->mean[i]);
    }
}

static double spread_variance(const Spread *s)
{
    return s->deviations / (double)(s->count - 1);
}

typedef struct Lab {
    const FiniteLaw *law;
    Process *process;
    TinyModel *teacher, *student;
    DistillConfig config;
    States x0; /* (BATCH, D) */
} Lab;

static DistillConfig training_config(void)
{
    DistillConfig c = distill_defaults();

    c.loss.data_weight = DATA_WEIGHT_ONE;
    c.lambdas = LAMBDAS;
    c.distill_lambdas = 2;
    c.delta_min = 0.02;
    c.delta_max = 0.13;
    c.share_at_one = 0.2;
    c.stratified_lambda = true;
    c.eps = 0.0;
    return c;
}

static bool stopped(Error *err)
{
    if (platform_signal() == 0)
        return false;
    error_set(err, "theory variance: stopped by signal %d", platform_signal());
    return true;
}

static bool train_teacher(const Lab *lab, size_t steps, Error *err)
{
    TeacherConfig c = diffusion_teacher_defaults();
    States x0 = states_alloc(TEACHER_BATCH, lab->law->dims);
    bool ok = true;

    c.loss = TEACHER_CROSS_ENTROPY;
    c.time_weight = TIME_WEIGHT_ELBO;
    c.stratified_times = true;
    for (size_t step = 0; ok && step < steps; step++) {
        tiny_teach(lab->teacher, &c, lab->law, lab->process, &x0);
        ok = !stopped(err);
    }
    states_free(&x0);
    return ok;
}

static bool train_student(Lab *lab, size_t until, Error *err)
{
    while (lab->student->optimizer->steps < until) {
        tiny_distill(lab->student, &lab->config, &lab->teacher->denoiser, lab->law, lab->process,
                     &lab->x0);
        if (stopped(err))
            return false;
    }
    return true;
}

/* Spreads of all losses over `draws` steps' draws. */
static void measure_variance_run(const Lab *lab, bool control_variates, size_t draws,
                                 Spread spreads[LOSS_PARTS])
{
    const TinyModel *m = lab->student;
    size_t P = m->net->params.total;
    float *grads = mem_alloc(LOSS_PARTS * P, sizeof *grads);
    DistillConfig config = lab->config;
    States x0 = lab->x0;

    config.loss.control_variates = control_variates;
    for (int part = 0; part < LOSS_PARTS; part++)
        spreads[part] = (Spread){mem_zeroed(P, sizeof(double)), 0.0, 0};
    for (size_t r = 0; r < draws; r++) {
        tiny_draw_data(lab->law, m->seed, FIRST_DRAW + r, &x0);
        variance_gradients(&config, &lab->teacher->denoiser, &m->denoiser, lab->process, &x0,
                           m->seed, FIRST_DRAW + r, &m->work, grads);
        for (int part = 0; part < LOSS_PARTS; part++)
            spread_add(&spreads[part], grads + (size_t)part * P, P);
    }
    mem_free(grads);
}

static void add_rows(VarianceRun *run, const Lab *lab, size_t draws)
{
    Spread with[LOSS_PARTS], without[LOSS_PARTS];

    measure_variance_run(lab, true, draws, with);
    measure_variance_run(lab, false, draws, without);
    for (int part = 0; part < LOSS_PARTS; part++) {
        VarianceRow *row = &run->rows[run->count++];
        row->loss = (LossPart)part;
        row->step = (size_t)lab->student->optimizer->steps;
        row->with = spread_variance(&with[part]);
        row->without = spread_variance(&without[part]);
        row->ratio = row->without / row->with;
        mem_free(with[part].mean);
        mem_free(without[part].mean);
    }
}

static Lab lab_create(const FiniteLaw *law, uint64_t seed, size_t steps)
{
    Lab lab = {.law = law, .config = training_config()};
    ProcessConfig c = diffusion_process_defaults("absorbing", law->states + 1);

    c.eps = 0.0;
    lab.process = diffusion_process_create(&c, NULL);
    lab.teacher = tiny_create(law, lab.process, 0, 2e-3, steps, seed);
    lab.student = tiny_create(law, lab.process, 1, 2e-3, steps, seed + 1);
    lab.x0 = states_alloc(BATCH, law->dims);
    return lab;
}

static void lab_destroy(Lab *lab)
{
    states_free(&lab->x0);
    tiny_destroy(lab->teacher);
    tiny_destroy(lab->student);
    diffusion_process_destroy(lab->process);
}

VarianceRun *variance_run(const FiniteLaw *law, uint64_t seed, size_t steps, size_t draws,
                          Error *err)
{
    VarianceRun *run = mem_zeroed(1, sizeof *run);
    Lab lab = lab_create(law, seed, steps);

    TENSOR_CHECK(draws >= 2, "%zu draws", draws);
    run->rows = mem_zeroed(STAGES * LOSS_PARTS, sizeof *run->rows);
    bool ok = train_teacher(&lab, steps, err);
    nn_copy_common(lab.student->net, lab.teacher->net);
    for (size_t stage = 0; ok && stage < STAGES; stage++) {
        ok = train_student(&lab, (size_t)(stages[stage] * (double)steps), err);
        if (ok)
            add_rows(run, &lab, draws);
    }
    lab_destroy(&lab);
    if (ok)
        return run;
    variance_run_free(run);
    return NULL;
}

void variance_run_free(VarianceRun *run)
{
    if (run == NULL)
        return;
    mem_free(run->rows);
    mem_free(run);
}
