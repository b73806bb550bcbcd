/* t_1 = 1/N and t_n+1 - t_n = 1/N are what the bound looks at, so the training draws its times
 * there: the distillation term from 0.1 to 0.15, steps t - u up to 1/N, and a fifth of the pictures
 * at t = 1, where the student starts. */
#include "experiments/theory/trained/bound_run.h"

#include <math.h>

#include "experiments/data/law/exact_denoiser.h"
#include "experiments/theory/exact/bound.h"
#include "experiments/theory/exact/joint.h"
#include "experiments/theory/trained/tiny.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

enum { BATCH = 8, EVEN_ROWS = 15, MOST_ROWS = 64, FEW_POINTS = 100 };
static const double ROUNDING = 1e-6;

typedef struct Lab {
    Process *process;
    Denoiser *teacher;
    BoundChain *chain;
    TinyModel *student;
    double *data, *out; /* (clean points): the law, and room */
    size_t points, lambdas;
} Lab;

static DistillConfig training_config(void)
{
    DistillConfig c = distill_defaults();

    c.loss.data_weight = DATA_WEIGHT_ONE;
    c.lambdas = 32;
    c.distill_lambdas = 2;
    c.t_min = 0.1;
    c.tm_width = 0.05;
    c.delta_min = 0.02;
    c.delta_max = 1.0 / BOUND_CALLS;
    c.share_at_one = 0.2;
    c.eps = 0.0;
    c.stratified_lambda = true;
    return c;
}

static Process *create_process(const FiniteLaw *law)
{
    ProcessConfig c = diffusion_process_defaults("absorbing", law->states + 1);

    c.eps = 0.0;
    return diffusion_process_create(&c, NULL);
}

/* The data as a law over clean points, numbered as bound.h says. */
static void fill_data(const FiniteLaw *law, double *data)
{
    for (size_t k = 0; k < law->count; k++) {
        size_t y = 0;
        for (size_t d = law->dims; d-- > 0;)
            y = y * law->states + law->patterns[k * law->dims + d];
        data[y] += law->probability[k];
    }
}

static Lab lab_create(const FiniteLaw *law, size_t noised, uint64_t seed, size_t steps)
{
    Lab lab = {.process = create_process(law)};

    lab.teacher = exact_denoiser_create(law, lab.process);
    lab.chain = bound_chain_create(lab.process, lab.teacher, BOUND_CALLS);
    lab.student = tiny_create(law, lab.process, 1, 2e-3, steps, seed);
    lab.points = bound_clean_points(lab.chain);
    lab.lambdas = noised <= FEW_POINTS ? 64 : 16;
    lab.data = mem_zeroed(lab.points, sizeof *lab.data);
    lab.out = mem_alloc(lab.points, sizeof *lab.out);
    fill_data(law, lab.data);
    return lab;
}

static void lab_destroy(Lab *lab)
{
    mem_free(lab->data);
    mem_free(lab->out);
    tiny_destroy(lab->student);
    bound_chain_destroy(lab->chain);
    exact_denoiser_destroy(lab->teacher);
    diffusion_process_destroy(lab->process);
}

static void add_row(BoundRun *run, const Lab *lab)
{
    BoundRow *row = &run->rows[run->count++];
    const Denoiser *student = &lab->student->denoiser;

    row->step = (size_t)lab->student->optimizer->steps;
    row->lambdas = lab->lambdas;
    row->lhs = bound_measure(lab->chain, student, lab->lambdas, row->terms);
    row->rhs = 0.0;
    for (size_t n = 0; n < BOUND_CALLS; n++)
        row->rhs += row->terms[n];
    bound_student_law(lab->chain, student, lab->lambdas, lab->out);
    row->student_tv = joint_tv(lab->out, lab->data, lab->points);
    row->teacher_tv = joint_tv(bound_teacher_law(lab->chain), lab->data, lab->points);
    if (!(row->lhs <= row->rhs + ROUNDING))
        run->violations++;
}

/* After 0, 1, 2, 4, ... steps, and EVEN_ROWS times evenly up to the last. */
static bool is_due(size_t step, size_t steps)
{
    size_t every = steps > EVEN_ROWS ? steps / EVEN_ROWS : 1;

    return step == steps || step % every == 0 || (step < every && (step & (step - 1)) == 0);
}

static bool train_bound_run(BoundRun *run, const FiniteLaw *law, const Lab *lab, size_t steps,
                            Error *err)
{
    const DistillConfig config = training_config();
    States x0 = states_alloc(BATCH, law->dims);
    bool ok = true;

    for (size_t step = 0; ok && step <= steps; step++) {
        if (is_due(step, steps))
            add_row(run, lab);
        if (step < steps)
            tiny_distill(lab->student, &config, lab->teacher, law, lab->process, &x0);
        if (platform_signal() != 0)
            ok = error_set(err, "theory bound: stopped by signal %d", platform_signal());
    }
    states_free(&x0);
    return ok;
}

BoundRun *bound_run(const FiniteLaw *law, uint64_t seed, size_t steps, Error *err)
{
    double noised = pow((double)law->states + 1.0, (double)law->dims);

    if (noised > BOUND_MAX_POINTS) {
        error_set(err,
                  "theory bound: a world of %zu states in %zu dimensions has %g masked ones, "
                  "expected at most %d",
                  law->states, law->dims, noised, (int)BOUND_MAX_POINTS);
        return NULL;
    }
    BoundRun *run = mem_zeroed(1, sizeof *run);
    Lab lab = lab_create(law, (size_t)noised, seed, steps);
    run->rows = mem_zeroed(MOST_ROWS, sizeof *run->rows);
    bool ok = train_bound_run(run, law, &lab, steps, err);
    lab_destroy(&lab);
    if (ok)
        return run;
    bound_run_free(run);
    return NULL;
}

void bound_run_free(BoundRun *run)
{
    if (run == NULL)
        return;
    mem_free(run->rows);
    mem_free(run);
}
