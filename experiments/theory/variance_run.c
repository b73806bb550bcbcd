/* Trains a teacher and a student on a small world and measures on the way. */
#include "experiments/theory/tiny.h"
#include "experiments/theory/variance.h"
#include "tensor/check.h"
#include "tensor/memory.h"

enum { DIMS = 3, TEACHER_BATCH = 64, BATCH = 8, LAMBDAS = 32 };
enum { TEACHER_STEPS = 800, STUDENT_STEPS = 1600, DRAWS = 100 };
enum { FIRST_DRAW = 1000000 }; /* number of the first measuring step: training never gets there */

/* Parts of the training after which the student is measured. */
static const double stages[] = {0.25, 0.5, 1.0};
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
    FiniteLaw *law;
    Process *process;
    TinyModel *teacher, *student;
    DistillConfig config;
    States x0; /* (BATCH, DIMS) */
} Lab;

static DistillConfig training_config(void)
{
    DistillConfig c = distill_defaults();

    c.loss.data_weight = DATA_WEIGHT_ONE;
    c.lambdas = LAMBDAS;
    c.distil_lambdas = 2;
    c.delta_min = 0.02;
    c.delta_max = 0.13;
    c.share_at_one = 0.2;
    c.stratified_lambda = true;
    c.eps = 0.0;
    return c;
}

static void train_teacher(Lab *lab, size_t steps)
{
    TeacherConfig c = diff_teacher_defaults();
    States x0 = states_alloc(TEACHER_BATCH, DIMS);

    c.loss = TEACHER_CROSS_ENTROPY;
    c.time_weight = TIME_WEIGHT_ELBO;
    c.stratified_times = true;
    for (size_t step = 0; step < steps; step++)
        tiny_teach(lab->teacher, &c, lab->law, lab->process, &x0);
    states_free(&x0);
}

/* Spreads of all losses over `draws` steps' draws. */
static void measure(const Lab *lab, bool control_variates, size_t draws, Spread spreads[LOSS_PARTS])
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
                           m->seed, FIRST_DRAW + r, m->graph, grads);
        for (int part = 0; part < LOSS_PARTS; part++)
            spread_add(&spreads[part], grads + (size_t)part * P, P);
    }
    mem_free(grads);
}

static void add_rows(VarianceRun *run, const Lab *lab)
{
    Spread with[LOSS_PARTS], without[LOSS_PARTS];

    measure(lab, true, run->draws, with);
    measure(lab, false, run->draws, without);
    for (int part = 0; part < LOSS_PARTS; part++) {
        VarianceRow *row = &run->rows[run->count++];
        row->world = "xor";
        row->loss = variance_part_name((LossPart)part);
        row->step = (size_t)lab->student->optimizer->steps;
        row->with = spread_variance(&with[part]);
        row->without = spread_variance(&without[part]);
        row->ratio = row->without / row->with;
        mem_free(with[part].mean);
        mem_free(without[part].mean);
    }
}

static Lab lab_create(uint64_t seed, size_t teacher_steps, size_t student_steps)
{
    Lab lab = {.law = tiny_xor(DIMS), .config = training_config()};
    ProcessConfig c = diff_process_defaults(PROCESS_ABSORBING, lab.law->states + 1);

    c.eps = 0.0;
    lab.process = diff_process_create(&c, NULL);
    lab.teacher = tiny_create(lab.law, lab.process, 0, 2e-3, teacher_steps, seed);
    lab.student = tiny_create(lab.law, lab.process, 1, 2e-3, student_steps, seed + 1);
    lab.x0 = states_alloc(BATCH, DIMS);
    return lab;
}

static void lab_destroy(Lab *lab)
{
    states_free(&lab->x0);
    tiny_destroy(lab->teacher);
    tiny_destroy(lab->student);
    diff_process_destroy(lab->process);
    law_destroy(lab->law);
}

VarianceRun *variance_run(uint64_t seed, size_t steps, size_t draws)
{
    VarianceRun *run = mem_zeroed(1, sizeof *run);
    size_t student_steps = steps > 0 ? steps : STUDENT_STEPS;
    size_t teacher_steps = steps > 0 ? steps : TEACHER_STEPS;
    Lab lab = lab_create(seed, teacher_steps, student_steps);

    run->draws = draws > 0 ? draws : DRAWS;
    TENSOR_CHECK(run->draws >= 2, "%zu draws", run->draws);
    run->rows = mem_zeroed(STAGES * LOSS_PARTS, sizeof *run->rows);
    train_teacher(&lab, teacher_steps);
    nn_copy_common(lab.student->net, lab.teacher->net);
    for (size_t stage = 0; stage < STAGES; stage++) {
        size_t until = (size_t)(stages[stage] * (double)student_steps);
        while (lab.student->optimizer->steps < until)
            tiny_distil(lab.student, &lab.config, &lab.teacher->denoiser, lab.law, lab.process,
                        &lab.x0);
        add_rows(run, &lab);
    }
    lab_destroy(&lab);
    return run;
}

void variance_run_free(VarianceRun *run)
{
    if (run == NULL)
        return;
    mem_free(run->rows);
    mem_free(run);
}
