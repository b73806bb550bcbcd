/* Cases `di4c`: the distillation losses for fixed draws, and for given outputs. */
#include "distill/losses.h"
#include "distill/step.h"
#include "experiments/verify/verify.h"

/* The terms' names in manifests, in the order in which new_terms lists them. */
static const char *const term_names[5] = {"data_cor", "data_indep", "distil", "consis_cor",
                                          "consis_indep"};

static Di4cTerms new_terms(Arena *arena, size_t images, double *terms[5])
{
    for (size_t i = 0; i < 5; i++)
        terms[i] = arena_alloc(arena, images, sizeof **terms);
    return (Di4cTerms){.data_cor = terms[0],
                       .data_indep = terms[1],
                       .distill = terms[2],
                       .consis_cor = terms[3],
                       .consis_indep = terms[4]};
}

typedef struct Di4cCase {
    const VerifyModel *teacher, *student;
    size_t images, lambdas;
    States x0;
    Di4cDraws draws;
} Di4cCase;

static void compare_terms(VerifyCase *c, const Di4cCase *d, const char *prefix, const char *suffix,
                          double *const terms[5], DataWeight kind, double loss)
{
    double *weight = verify_results(c, verify_role(c, prefix, "weight", suffix), d->images);
    if (c->broken)
        return;
    for (size_t b = 0; b < d->images; b++)
        weight[b] = distill_data_weight(kind, d->draws.t[b]);
    for (size_t i = 0; i < 5; i++)
        verify_compare(c, verify_role(c, prefix, term_names[i], suffix), "", terms[i], d->images,
                       NULL);
    verify_compare(c, verify_role(c, prefix, "weight", suffix), "", weight, d->images, NULL);
    verify_compare_number(c, verify_role(c, prefix, "loss", suffix), loss);
}

static void compare_di4c(VerifyCase *c, const Di4cCase *d, const char *suffix, Di4cOptions loss)
{
    double *values[5];
    const Di4cTerms terms = new_terms(c->arena, d->images, values);
    DistillConfig config = distill_defaults();
    ParamSet *params = &d->student->net->params;
    config.loss = loss;
    config.lambdas = d->lambdas;
    nn_params_zero_grads(params);
    const Workspace work = {.graph = c->graph, .arena = c->arena};
    const Di4cReport report = distill_gradient_with(
        &config, &d->teacher->denoiser, &d->student->denoiser, &d->x0, &d->draws, &work, &terms);
    compare_terms(c, d, "", suffix, values, loss.data_weight, report.loss);
    verify_compare_gradient(c, suffix, d->student);
}

/* The losses for given outputs of the networks. */
static void compare_di4c_head(VerifyCase *c, const Di4cCase *d)
{
    const size_t B = d->images, BN = d->images * d->lambdas;
    const Layout l = d->student->output;
    double *values[5];
    const Di4cTerms terms = new_terms(c->arena, B, values);
    const Di4cOptions options = distill_defaults().loss;
    const Di4cInput in = {.images = B,
                          .lambdas = d->lambdas,
                          .t = d->draws.t,
                          .x0 = d->x0,
                          .xt = d->draws.xt,
                          .xu = d->draws.xu,
                          .x0u = d->draws.x0u,
                          .xtm = d->draws.xtm,
                          .student_t = verify_floats(c, "head_ls", BN, l),
                          .student_tm = verify_floats(c, "head_lms", BN, l),
                          .student_u = verify_floats(c, "head_lu", BN, l),
                          .teacher_t = verify_floats(c, "head_lt", B, l),
                          .teacher_tm = verify_floats(c, "head_lmt", BN, l)};
    if (c->broken)
        return;
    float *dls = arena_zeroed(c->arena, BN * layout_size(l), sizeof *dls);
    float *dlms = arena_zeroed(c->arena, BN * layout_size(l), sizeof *dlms);
    const double loss =
        distill_losses(&options, &d->student->denoiser.head, &in, &terms, dls, dlms);
    compare_terms(c, d, "head_", "", values, options.data_weight, loss);
    verify_compare_floats(c, "head_grad_ls", dls, BN, l);
    verify_compare_floats(c, "head_grad_lms", dlms, BN, l);
}

bool verify_pair(VerifyCase *c, const VerifyModel *teacher, const VerifyModel *student)
{
    const Layout a = teacher->picture, b = student->picture;
    if (a.channels == b.channels && a.height == b.height && a.width == b.width &&
        teacher->states == student->states &&
        teacher->denoiser.head.fix == student->denoiser.head.fix &&
        teacher->net->lambda_dims == 0 && student->net->lambda_dims)
        return true;
    verify_break(c, "expected a teacher and a student of the same pictures, states and head");
    return false;
}

Di4cDraws verify_draws(VerifyCase *c, const VerifyModel *student, size_t images, size_t lambdas,
                       const char *suffix)
{
    const size_t BN = images * lambdas, L = student->net->lambda_dims, S = student->states;
    const Layout l = student->picture;
    const double *delta = verify_range(c, verify_role(c, "", "delta", suffix), images, 0, 1);
    Di4cDraws d = {0};
    d.t = verify_range(c, verify_role(c, "", "t", suffix), images, 0, 1);
    if (c->broken)
        return d;
    d.u = arena_alloc(c->arena, images, sizeof *d.u);
    for (size_t b = 0; b < images; b++)
        d.u[b] = d.t[b] - delta[b];
    d.tm = verify_range(c, verify_role(c, "", "mint", suffix), BN, 0, 1);
    d.lambda_t = verify_range(c, verify_role(c, "", "lam", suffix), BN * L, 0, 1);
    d.lambda_tm = verify_range(c, verify_role(c, "", "lam_mint", suffix), BN * L, 0, 1);
    d.lambda_u = verify_range(c, verify_role(c, "", "lam_u", suffix), BN * L, 0, 1);
    d.xt = verify_states(c, verify_role(c, "", "xt", suffix), images, l, S);
    d.xtm = verify_states(c, verify_role(c, "", "xmint", suffix), BN, l, S);
    d.xu = verify_states(c, verify_role(c, "", "xu", suffix), BN, l, S);
    d.x0u = verify_states(c, verify_role(c, "", "x0u", suffix), BN, l, S);
    return d;
}

static void run_di4c(VerifyCase *c, const VerifyModel *teacher, const VerifyModel *student)
{
    Di4cCase d = {.teacher = teacher, .student = student, .images = verify_axis(c, "t", 0)};
    d.lambdas = verify_whole(c, "M", 1, VERIFY_LAMBDAS);
    if (c->broken || !verify_pair(c, teacher, student))
        return;
    d.x0 = verify_states(c, "x0", d.images, student->picture, student->states);
    d.draws = verify_draws(c, student, d.images, d.lambdas, "");
    if (c->broken || !verify_call_fits(c, student, d.images * d.lambdas))
        return;
    compare_di4c(c, &d, "", (Di4cOptions){true, DATA_WEIGHT_SIGMOID});
    compare_di4c(c, &d, "_nocv", (Di4cOptions){false, DATA_WEIGHT_SIGMOID});
    compare_di4c(c, &d, "_flat", (Di4cOptions){true, DATA_WEIGHT_ONE});
    compare_di4c_head(c, &d);
}

static void compare_di4c_case(VerifyCase *c)
{
    VerifyModel teacher, student = {0};
    if (!verify_model_open(c, verify_model_name(c, "teacher"), &teacher))
        return;
    if (verify_model_open(c, verify_model_name(c, "student"), &student))
        run_di4c(c, &teacher, &student);
    verify_model_close(&student);
    verify_model_close(&teacher);
}

const VerifyKind verify_di4c_kind = {"di4c", compare_di4c_case, true};
