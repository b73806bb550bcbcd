/* Cases `train`: a few steps of a teacher or a student with given draws; parameters after each. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diffusion/teacher.h"
#include "distill/step.h"
#include "experiments/cli/paths.h"
#include "experiments/model/torch_model.h"
#include "experiments/verify/verify.h"
#include "nn/optimizer.h"
#include "tensor/base/memory.h"

typedef struct TrainCase {
    VerifyModel model, teacher; /* teacher: of a student, else empty */
    Process *process;           /* of a teacher, else NULL */
    Optimizer *optimizer;
    size_t steps, lambdas;
    double eps, nll_weight;
} TrainCase;

/* Gradients and loss of one step from the draws whose roles end in the suffix. */
static double teacher_step(VerifyCase *c, TrainCase *t, const char *suffix)
{
    const VerifyModel *m = &t->model;
    const char *t_role = verify_role(c, "", "t", suffix);
    const size_t batch = verify_axis(c, t_role, 0);
    const double *times = verify_range(c, t_role, batch, 0, 1);
    States x0 = verify_states(c, verify_role(c, "", "x0", suffix), batch, m->picture, m->states);
    States xtilde =
        verify_states(c, verify_role(c, "", "xtilde", suffix), batch, m->picture, m->states);
    TeacherConfig config = diffusion_teacher_defaults();
    config.two_passes = false;
    config.eps = t->eps;
    config.nll_weight = t->nll_weight;
    if (c->broken || !verify_call_fits(c, m, batch))
        return 0;
    float *dout = arena_zeroed(c->arena, batch * layout_size(m->output), sizeof *dout);
    const NetworkInput in = {.x = &xtilde, .t = times};
    Var *out = nn_forward(m->net, c->graph, &in);
    const double loss =
        diffusion_ct_elbo(&config, &m->denoiser.head, t->process, times, &x0, &xtilde,
                          out->value.data, NULL, NULL, NULL, NULL, NULL, dout, NULL);
    ag_backward_from(out, dout);
    ag_graph_reset(c->graph);
    return loss;
}

static double student_step(VerifyCase *c, TrainCase *t, const char *suffix)
{
    const VerifyModel *m = &t->model;
    const size_t images = verify_axis(c, verify_role(c, "", "t", suffix), 0);
    States x0 = verify_states(c, verify_role(c, "", "x0", suffix), images, m->picture, m->states);
    const Di4cDraws draws = verify_draws(c, m, images, t->lambdas, suffix);
    DistillConfig config = distill_defaults();
    config.lambdas = t->lambdas;
    if (c->broken || !verify_call_fits(c, m, images * t->lambdas))
        return 0;
    const Workspace work = {.graph = c->graph, .arena = c->arena};
    return distill_gradient_with(&config, &t->teacher.denoiser, &m->denoiser, &x0, &draws, &work,
                                 NULL)
        .loss;
}

static void run_train(VerifyCase *c, TrainCase *t)
{
    char suffix[24] = "";
    const ParamSet *params = &t->model.net->params;
    for (size_t i = 0; i < t->steps && !c->broken; i++) {
        const ArenaMark mark = arena_mark(c->arena);
        snprintf(suffix, sizeof suffix, "_%zu", i);
        nn_params_zero_grads(&t->model.net->params);
        const double loss = t->process ? teacher_step(c, t, suffix) : student_step(c, t, suffix);
        const double norm = nn_optimizer_step(t->optimizer);
        verify_compare_number(c, verify_role(c, "", "loss", suffix), loss);
        verify_compare_number(c, verify_role(c, "", "norm", suffix), norm);
        verify_compare_flat(c, verify_role(c, "", "params", suffix), &t->model, params->values, 1);
        arena_release(c->arena, mark);
    }
    verify_compare_flat(c, verify_role(c, "", "ema", suffix), &t->model, t->optimizer->ema, 1);
}

/* A block of a checkpoint in memory layout; false breaks the case. */
static bool read_block(VerifyCase *c, const TorchModel *from, TorchBlock which, const ParamSet *set,
                       float *block)
{
    float *file = arena_alloc(c->arena, set->total, sizeof *file);
    for (size_t i = 0; i < set->count && !c->broken; i++) {
        const Param *p = set->items[i];
        c->broken = !torch_model_floats(from, which, p->name, file, &c->err);
        if (!c->broken)
            nn_param_from_file(p, block + p->offset, file);
    }
    return !c->broken;
}

/* Counters of the last step; -1 in a checkpoint that has none. */
static void check_counters(VerifyCase *c, const TorchModel *from, size_t steps, double decay,
                           const char *path)
{
    const struct {
        const char *name;
        double found, expected;
    } counters[] = {{"n_iter", from->n_iter, (double)steps - 1},
                    {"Adam's step", from->step, (double)steps},
                    {"ema_num_updates", from->ema_updates, (double)steps},
                    {"ema_decay", from->ema_decay, decay}};
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        if (counters[i].found != -1 && counters[i].found != counters[i].expected)
            verify_break(c, "%s: %s is %g: expected %g", path, counters[i].name, counters[i].found,
                         counters[i].expected);
}

/* The checkpoint holds the parameters and averages after the last step. */
static void compare_checkpoint(VerifyCase *c, const TrainCase *t, const char *path)
{
    const ParamSet *set = &t->model.net->params;
    const ArenaMark mark = arena_mark(c->arena);
    char suffix[24];
    float *block = arena_zeroed(c->arena, set->total, sizeof *block);
    TorchModel *from = torch_model_read(path, &c->err);
    c->broken = !from || !torch_model_check(from, t->model.net, &c->err);
    if (!c->broken)
        check_counters(c, from, t->steps, t->optimizer->config.ema_decay, path);
    snprintf(suffix, sizeof suffix, "_%zu", t->steps - 1);
    if (!c->broken && read_block(c, from, TORCH_WEIGHTS, set, block))
        verify_compare_flat(c, verify_role(c, "", "params", suffix), &t->model, block, 1);
    if (!c->broken && !from->blocks[TORCH_EMA])
        verify_break(c, "%s: expected averages", path);
    if (!c->broken && read_block(c, from, TORCH_EMA, set, block))
        verify_compare_flat(c, verify_role(c, "", "ema", suffix), &t->model, block, 1);
    torch_model_free(from);
    arena_release(c->arena, mark);
}

static void compare_checkpoints(VerifyCase *c, const TrainCase *t)
{
    const Json *list = json_get(c->json, "checkpoints");
    const size_t count = list && list->type == JSON_ARRAY ? list->count : 0;
    for (size_t i = 0; i < count && !c->broken; i++) {
        if (list->items[i].type != JSON_STRING) {
            verify_break(c, "expected names of files in checkpoints");
            return;
        }
        char *path = path_join(c->dir, list->items[i].string);
        compare_checkpoint(c, t, path);
        mem_free(path);
    }
}

static OptimizerConfig read_optimizer(VerifyCase *c)
{
    OptimizerConfig o = nn_optimizer_defaults();
    o.lr = verify_number(c, "lr", 0, NAN);
    o.clip = verify_number(c, "clip", 0, NAN);
    o.ema_decay = verify_number(c, "ema_decay", 0, NAN);
    o.warmup = (uint64_t)fmin(verify_number(c, "warmup", 0, NAN), 1e15);
    o.decay = LR_CONSTANT;
    return o;
}

/* The case's "teacher", or of "C_student" the teacher of the same letter, "C_teacher". */
static const char *teacher_name(VerifyCase *c, const char *name)
{
    static const char student[] = "student";
    const char *end = strstr(name, student), *given = json_string(c->json, "teacher", "", NULL);
    if (given)
        return given;
    if (!end || end[strlen(student)] != '\0') {
        verify_break(c, "expected a \"teacher\", or a model named like X_%s", student);
        return "";
    }
    char *letter = arena_zeroed(c->arena, strlen(name) + 1, 1);
    memcpy(letter, name, (size_t)(end - name));
    return verify_role(c, letter, "teacher", "");
}

static bool read_networks(VerifyCase *c, TrainCase *t)
{
    const char *name = verify_model_name(c, "model");
    if (!verify_model_open(c, name, &t->model))
        return false;
    if (t->model.net->lambda_dims > 0)
        return verify_model_open(c, teacher_name(c, name), &t->teacher) &&
               verify_pair(c, &t->teacher, &t->model);
    t->process = verify_process_open(c, &t->model);
    if (t->process && t->process->mask >= 0)
        verify_break(c, "expected a process without mask");
    return t->process && !c->broken;
}

static void compare_train_case(VerifyCase *c)
{
    TrainCase t = {0};
    const TeacherConfig usual = diffusion_teacher_defaults();
    const OptimizerConfig config = read_optimizer(c);
    t.steps = verify_whole(c, "steps", 1, 1000);
    t.lambdas = verify_whole(c, "M", 1, VERIFY_LAMBDAS);
    t.eps = verify_number(c, "eps", 1e-30, usual.eps);
    t.nll_weight = verify_number(c, "nll_weight", 0, usual.nll_weight);
    if (c->broken)
        return;
    if (read_networks(c, &t)) {
        t.optimizer = nn_optimizer_create(&config, &t.model.net->params);
        run_train(c, &t);
        compare_checkpoints(c, &t);
        nn_optimizer_destroy(t.optimizer);
    }
    diffusion_process_destroy(t.process);
    verify_model_close(&t.teacher);
    verify_model_close(&t.model);
}

const VerifyKind verify_train_kind = {"train", compare_train_case, true};
