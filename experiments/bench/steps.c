/* bench teacher-step and distill-step: whole training steps on random pictures. */
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "experiments/bench/model.h"
#include "experiments/training/training.h"

typedef struct StepWork {
    Model *model, *teacher; /* teacher NULL: the model is one */
    Optimizer *optimizer;
    Workspace work;
    States x0;
} StepWork;

static void step(void *context)
{
    StepWork *w = context;
    Model *m = w->model;
    double terms[OBJECTIVE_TERMS_MAX];
    const ObjectiveStep one = {.config = &m->config,
                               .teacher = w->teacher ? &w->teacher->denoiser : NULL,
                               .model = &m->denoiser,
                               .process = m->process,
                               .x0 = &w->x0,
                               .number = w->optimizer->steps,
                               .work = &w->work};
    nn_params_zero_grads(&m->net->params);
    (w->teacher ? objective_of_student[0] : &objective_teacher)->gradient(&one, terms);
    nn_optimizer_step(w->optimizer);
}

/* Takes m and teacher over. */
static void measure_steps(const Command *self, const char *preset, Model *m, Model *teacher,
                          size_t batch, int64_t reps)
{
    const OptimizerConfig config = training_optimizer(&m->config);
    StepWork w = {.model = m, .teacher = teacher};
    w.work = diffusion_workspace_create((size_t)m->config.chunk);
    w.x0 = bench_states(m, batch);
    w.optimizer = nn_optimizer_create(&config, &m->net->params);
    if (teacher)
        nn_copy_common(m->net, teacher->net);
    const BenchTimes times = bench_time(reps, step, &w);
    const size_t shape[] = {batch, (size_t)m->config.lambdas};
    JsonOut row = bench_row(self->name, shape, teacher ? 2 : 1);
    jsonout_string(&row, "preset", preset);
    bench_row_end(&row, times, 0.0);
    nn_optimizer_destroy(w.optimizer);
    diffusion_workspace_destroy(&w.work);
    states_free(&w.x0);
    model_destroy(m);
    model_destroy(teacher);
}

static int run_teacher_step(const Command *self, int argc, char **argv)
{
    const char *preset = "cifar10";
    int64_t batch = 8;
    BenchOptions bench = {.reps = 3};
    const Option options[] = {
        {"--preset", OPTION_TEXT, &preset, "NAME", 0, 0, false,
         "cifar10, small, or another of di4c train (cifar10)"},
        {"--batch", OPTION_COUNT, &batch, "B", 1, 1e6, false, "pictures (8)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Error err;
    Model *m = bench_model(preset, ROLE_TEACHER, true, true, &err);
    if (!m)
        return command_fail(self, &err, 2);
    measure_steps(self, preset, m, NULL, (size_t)batch, bench.reps);
    return 0;
}

static int run_distill_step(const Command *self, int argc, char **argv)
{
    const char *preset = "cifar10";
    int64_t images = 8, lambdas = 16, distill_lambdas = 0, chunk = -1;
    BenchOptions bench = {.reps = 3};
    const Option options[] = {
        {"--preset", OPTION_TEXT, &preset, "NAME", 0, 0, false,
         "cifar10, small, or another of di4c train (cifar10)"},
        {"--images", OPTION_COUNT, &images, "I", 1, 1e6, false, "pictures (8)"},
        {"--lambdas", OPTION_COUNT, &lambdas, "N", 1, 1e6, false, "lambdas a picture (16)"},
        {"--distill-lambdas", OPTION_COUNT, &distill_lambdas, "M", 0, 1e6, false,
         "lambdas a picture in the distillation term, 0: N (0)"},
        {"--chunk", OPTION_COUNT, &chunk, "N", 0, 1e6, false,
         "most samples a network call, 0: all (the preset's)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Error err;
    Model *teacher = bench_model(preset, ROLE_TEACHER, false, true, &err);
    Model *m = teacher ? bench_model(preset, ROLE_STUDENT, true, true, &err) : NULL;
    if (!m) {
        model_destroy(teacher);
        return command_fail(self, &err, 2);
    }
    m->config.lambdas = lambdas;
    m->config.distill_lambdas = distill_lambdas;
    if (chunk >= 0)
        m->config.chunk = chunk;
    measure_steps(self, preset, m, teacher, (size_t)images, bench.reps);
    return 0;
}

const Command bench_teacher_step = {
    .name = "teacher-step",
    .summary =
        "Times a training step of a teacher: draws, loss, gradient, clipping, Adam, averages.",
    .example = "bench teacher-step --preset cifar10 --batch 8",
    .run = run_teacher_step};

const Command bench_distill_step = {
    .name = "distill-step",
    .summary =
        "Times a distillation step: draws, the passes of teacher and student, losses, gradient, "
        "clipping,\nAdam, averages.",
    .example = "bench distill-step --preset cifar10 --images 8 --lambdas 16",
    .run = run_distill_step};
