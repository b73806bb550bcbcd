/* distill/variational.c: the loss by enumeration, its gradient against differences, what it may not
 * depend on, and wrong use. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/posterior.h"
#include "diffusion/process/transition.h"
#include "distill/variational.h"
#include "nn/encoder.h"
#include "nn/mlp/mlp.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/network_checks.h"
#include "tests/tools/toy_prior.h"

enum { D = 4, L = 2, B = 6 };

/* Of two states, with a mask besides or without. */
static Process *noise(bool mask)
{
    Error err = {""};
    ProcessConfig c = diffusion_process_defaults(mask ? "absorbing" : "uniform", mask ? 3 : 2);
    c.eps = 0.0;
    diffusion_process_set(&c, "rate_const", 1.5);
    c.any_start = true;
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

/* A teacher if lambda_dims is 0. */
static Network *mlp_net(size_t lambda_dims, EncoderInput encoder, uint64_t seed)
{
    Error err = {""};
    MlpConfig c = nn_mlp_defaults();
    c.dims = D;
    c.states = 3;
    c.out_states = 2;
    c.width = 12;
    c.blocks = 1;
    c.embed = 8;
    c.lambda_dims = lambda_dims;
    c.lambda_is_number = lambda_dims > 0;
    c.encoder = encoder;
    Network *net = nn_mlp_create(&c, lambda_dims > 0, &err);
    ck_assert_msg(net != NULL, "%s", err.text);
    randomise(net, seed);
    return net;
}

static Network *student_net(EncoderInput encoder)
{
    return mlp_net(L, encoder, 3);
}

static Network *teacher_net(void)
{
    return mlp_net(0, ENCODER_NONE, 4);
}

static Denoiser denoiser_of(Network *net, LambdaScope scope)
{
    const Head head = {&diffusion_softmax, D, 2, 1, false, 2};
    Denoiser d = diffusion_network_denoiser(net, &head);
    d.lambda_law = LAMBDA_NORMAL;
    d.lambda_scope = scope;
    return d;
}

/* The two forms of the objective over one student. */
typedef struct Case {
    Process *p;
    Network *net, *teacher_net;
    Denoiser student, teacher;
    VariationalConfig config;
    States x0;
    Workspace work;
} Case;

static Case case_with(bool mask, LambdaScope scope, size_t batch)
{
    Case c = {.p = noise(mask),
              .x0 = states_alloc(batch, D),
              .work = {ag_graph_create(), arena_create(1 << 16), 0}};
    c.net = student_net(scope == LAMBDA_SAMPLE ? ENCODER_CLEAN : ENCODER_PAIR);
    c.teacher_net = teacher_net();
    c.student = denoiser_of(c.net, scope);
    c.teacher = denoiser_of(c.teacher_net, LAMBDA_STEP);
    c.student.head.mask = c.teacher.head.mask = c.p->mask;
    c.config = (VariationalConfig){.scope = scope,
                                   .kl_weight = 0.7,
                                   .most_steps = 4,
                                   .share_at_one = 0.2,
                                   .t_min = 0.01,
                                   .consistency_weight = scope == LAMBDA_STEP ? 0.5 : 0.0,
                                   .delta_min = 0.05,
                                   .delta_max = 0.2,
                                   .distill_weight = scope == LAMBDA_STEP ? 0.8 : 0.0,
                                   .tm_width = 0.3};
    for (size_t i = 0; i < batch * D; i++)
        c.x0.x[i] = (uint16_t)(i * i % 7 % 2);
    return c;
}

static Case case_of(LambdaScope scope, size_t batch)
{
    return case_with(true, scope, batch);
}

static void case_free(Case *c)
{
    diffusion_workspace_destroy(&c->work);
    states_free(&c->x0);
    nn_network_destroy(c->net);
    nn_network_destroy(c->teacher_net);
    diffusion_process_destroy(c->p);
}

static VariationalReport run(Case *c, uint64_t step, size_t chunk)
{
    c->work.chunk = chunk;
    nn_params_zero_grads(&c->net->params);
    return variational_gradient(&c->config, &c->teacher, &c->student, c->p, &c->x0, 11, step,
                                &c->work);
}

/* What a step takes besides its arenas is given back: a second one finds as much as the first left.
 */
START_TEST(a_step_keeps_no_memory)
{
    for (int way = 0; way < 4; way++) {
        Case c = case_with(way % 2 == 0, way / 2 == 0 ? LAMBDA_STEP : LAMBDA_SAMPLE, B);
        run(&c, 0, 0);
        threads_scratch_free(); /* which depends on who drew what */
        const size_t before = mem_in_use();
        run(&c, 0, 0);
        threads_scratch_free();
        ck_assert_uint_eq(mem_in_use(), before);
        case_free(&c);
    }
}
END_TEST

static double loss_of(void *context)
{
    return run(context, 5, 0).loss;
}

/* Draws are fixed by seed and step.  The consistency term's targets are draws of the student, which
 * jump with its weights, so differences are taken without it. */
START_TEST(gradient_is_that_of_the_loss)
{
    Case c = case_with(_i < 2, _i % 2 == 0 ? LAMBDA_SAMPLE : LAMBDA_STEP, B);

    c.config.consistency_weight = 0.0;
    check_loss_gradient(&c.net->params, loss_of, &c, 1.0);
    case_free(&c);
}
END_TEST

/* The same where steps of more than one have no lambda: their rows pay nothing for it, and the
 * recognition network learns from the others alone. */
START_TEST(rows_without_lambda)
{
    Case c = case_with(_i == 0, LAMBDA_SAMPLE, B);
    c.student.lambda_steps = 1;
    check_loss_gradient(&c.net->params, loss_of, &c, 1.0);
    const VariationalReport some = run(&c, 5, 0);
    c.student.lambda_steps = 0;
    const VariationalReport all = run(&c, 5, 0);
    ck_assert(some.kl > 0.0 && some.kl < all.kl && some.reconstruction != all.reconstruction);
    c.student.lambda_steps = 4; /* as many as there are */
    const VariationalReport same = run(&c, 5, 0);
    ck_assert_mem_eq(&same, &all, sizeof all);
    case_free(&c);
}
END_TEST

/* A law of two Gaussians with full covariances, neither of which is N(0, I). */
static ToyPrior two_gaussians(Case *c)
{
    static const float numbers[] = {0.3f,  -0.4f, /* log w */ 0.5f,    -0.8f, -0.2f, 0.9f, /* m */
                                    -0.3f, 0.1f,  /* log A_ii */ 0.2f, -0.6f};
    ToyPrior law = toy_prior(2, L, PRIOR_FULL);
    memcpy(law.prior->log_weight->value.data, numbers, 2 * sizeof *numbers);
    memcpy(law.prior->mean->value.data, numbers + 2, 4 * sizeof *numbers);
    memcpy(law.prior->log_deviation->value.data, numbers + 6, 4 * sizeof *numbers);
    law.prior->lower->value.data[2] = 0.7f;
    law.prior->lower->value.data[6] = -0.4f;
    c->net->prior = law.prior;
    c->config.fitted_law = true;
    return law;
}

static void law_free(Case *c, ToyPrior *law)
{
    c->net->prior = NULL; /* which would free it */
    toy_prior_free(law);
}

/* The divergence from a fitted law is that of the draw, and so is its gradient; rows without lambda
 * pay nothing. */
START_TEST(gradient_from_a_fitted_law)
{
    Case c = case_with(_i % 2 == 0, LAMBDA_SAMPLE, B);
    ToyPrior law = two_gaussians(&c);
    c.student.lambda_steps = _i / 2;
    check_loss_gradient(&c.net->params, loss_of, &c, 1.0);
    const VariationalReport r = run(&c, 5, 0);
    ck_assert_double_eq_tol(r.loss, (r.reconstruction + c.config.kl_weight * r.kl) / D, 1e-9);
    law_free(&c, &law);
    case_free(&c);
}
END_TEST

/* From N(0, I) as a law its mean is the closed form; what is reconstructed is the same. */
START_TEST(divergence_of_draws_has_the_right_mean)
{
    enum { STEPS = 400 };
    Case c = case_of(LAMBDA_SAMPLE, 32);
    ToyPrior law = two_gaussians(&c);
    double off = 0.0, squares = 0.0;
    memset(law.set.values, 0, law.set.total * sizeof *law.set.values);
    for (uint64_t n = 0; n < STEPS; n++) {
        c.config.fitted_law = true;
        const VariationalReport drawn = run(&c, n, 0);
        c.config.fitted_law = false;
        const VariationalReport closed = run(&c, n, 0);
        ck_assert_double_eq(drawn.reconstruction, closed.reconstruction);
        off += (drawn.kl - closed.kl) / STEPS;
        squares += (drawn.kl - closed.kl) * (drawn.kl - closed.kl) / STEPS;
    }
    ck_assert(squares > 1e-4 && fabs(off) < 6.0 * sqrt(squares / STEPS));
    law_free(&c, &law);
    case_free(&c);
}
END_TEST

START_TEST(a_fitted_law_must_be_there)
{
    Case c = case_of(_i == 0 ? LAMBDA_SAMPLE : LAMBDA_STEP, B);
    ToyPrior law = two_gaussians(&c);
    if (_i == 0)
        c.net->prior = NULL;
    run(&c, 0, 0);
    law_free(&c, &law);
}
END_TEST

/* loss = (reconstruction + beta KL + weight (consistency + beta its KL) + weight distillation) / D.
 */
START_TEST(the_report_adds_up)
{
    Case c = case_of(_i == 0 ? LAMBDA_SAMPLE : LAMBDA_STEP, B);
    const VariationalReport r = run(&c, 2, 0);
    const double beta = c.config.kl_weight, w = c.config.consistency_weight;
    const double sum = r.reconstruction + beta * r.kl + r.consistency +
                       w * beta * r.consistency_kl + c.config.distill_weight * r.distill;

    ck_assert_double_eq_tol(r.loss, sum / D, 1e-9);
    ck_assert(r.reconstruction > 0.0 && r.kl > 0.0);
    ck_assert((r.consistency > 0.0) == (_i == 1));
    ck_assert((r.distill > 0.0) == (_i == 1));
    case_free(&c);
}
END_TEST

/* The mean over many steps, against the bound written out: lambda by quadrature from the encoder's
 * Gaussian, x_t by enumeration.  The network ignores lambda's spread (its log-variance is made very
 * small), so that quadrature is one point. */
static double bound_by_hand(Case *c, const uint16_t *x0, size_t N)
{
    const size_t S = c->p->states;
    Graph *g = ag_graph_create();
    States one = {(uint16_t *)x0, 1, D};
    const double t0 = 0.0;
    const float *stats = nn_encode(c->net->encoder, g, &one, &one, &t0)->value.data;
    const double lambda[L] = {(double)stats[0], (double)stats[1]};
    double total = 0.0;

    for (size_t n = 1; n <= N; n++) {
        const double t = (double)n / (double)N, s = (double)(n - 1) / (double)N;
        Transition *tr = diffusion_transition_create(c->p, 0.0, t, TRANSITION_ACCURATE);
        PosteriorStep *step = n > 1 ? diffusion_posterior_create(c->p, s, t, 0.0) : NULL;
        for (size_t i = 0; i < (size_t)pow((double)S, D); i++) {
            uint16_t x[D];
            double weight = 1.0, sum = 0.0;
            for (size_t d = 0, rest = i; d < D; d++, rest /= S) {
                x[d] = (uint16_t)(rest % S);
                weight *= diffusion_transition_at(tr, x0[d], x[d]);
            }
            if (!(weight > 0.0))
                continue;
            States xt = {x, 1, D};
            const NetworkInput in = {&xt, &t, lambda, NULL, NULL, NULL};
            ag_graph_reset(g);
            const float *out = nn_forward(c->net, g, &in)->value.data;
            for (size_t d = 0; d < D; d++) {
                float logp[2];
                double p[2], truth[3], model[3];
                diffusion_head_row(&c->student.head, out, x, d, logp);
                if (step == NULL) {
                    sum -= (double)logp[x0[d]];
                    continue;
                }
                p[0] = exp((double)logp[0]), p[1] = exp((double)logp[1]);
                diffusion_posterior(step, x[d], x0[d], truth);
                diffusion_posterior_mix(step, x[d], p, 2, model);
                for (size_t v = 0; v < S; v++)
                    sum += truth[v] > 0.0 ? truth[v] * log(truth[v] / model[v]) : 0.0;
            }
            total += weight * sum;
        }
        diffusion_posterior_destroy(step);
        diffusion_transition_destroy(tr);
    }
    ag_graph_destroy(g);
    return total;
}

START_TEST(the_mean_is_the_bound_of_the_sampler)
{
    Case c = case_with(_i == 0, LAMBDA_SAMPLE, 64);
    const size_t N[] = {1, 2, 4};
    double expected = 0.0, sum = 0.0, squares = 0.0;
    enum { STEPS = 300 };
    Param *bias = nn_param_find(&c.net->params, "encoder.output.bias");

    bias->value.data[L] = bias->value.data[L + 1] = -60.0f;
    for (size_t i = 1; i < 64; i++) /* all pictures alike */
        memcpy(states_row(&c.x0, i), c.x0.x, D * sizeof *c.x0.x);
    for (size_t i = 0; i < 3; i++)
        expected += (i == 0 ? 0.2 + 0.8 / 3.0 : 0.8 / 3.0) * bound_by_hand(&c, c.x0.x, N[i]);
    for (uint64_t s = 0; s < STEPS; s++) {
        const double r = run(&c, s, 0).reconstruction;
        sum += r;
        squares += r * r;
    }
    const double mean = sum / STEPS, error = sqrt((squares / STEPS - mean * mean) / STEPS);
    ck_assert_msg(fabs(mean - expected) < 6.0 * error + 1e-3 && error < 0.05 * expected,
                  "mean %g +- %g, expected %g", mean, error, expected);
    case_free(&c);
}
END_TEST

/* chunk cuts calls without gradient only; steps draw anew. */
START_TEST(chunk_changes_nothing)
{
    Case c = case_of(LAMBDA_STEP, B);
    const VariationalReport all = run(&c, 1, 0);
    float *grad = mem_alloc(c.net->params.total, sizeof *grad);

    memcpy(grad, c.net->params.grads, c.net->params.total * sizeof *grad);
    for (size_t chunk = 1; chunk < B; chunk += 2) {
        const VariationalReport r = run(&c, 1, chunk);
        ck_assert_mem_eq(&r, &all, sizeof r);
        ck_assert_mem_eq(c.net->params.grads, grad, c.net->params.total * sizeof *grad);
    }
    const VariationalReport other = run(&c, 2, 0);
    ck_assert_double_ne(other.loss, all.loss);
    mem_free(grad);
    case_free(&c);
}
END_TEST

static void expect_same_step(Case *c, const VariationalReport *all, const float *grad, double near)
{
    const VariationalReport r = run(c, 1, 0);
    ck_assert_double_eq_tol(r.loss, all->loss, near);
    ck_assert_double_eq_tol(r.reconstruction, all->reconstruction, near);
    for (size_t i = 0; i < c->net->params.total; i++)
        ck_assert_double_eq_tol((double)c->net->params.grads[i], (double)grad[i], near);
}

/* Rows go through the network in blocks of its own size: each keeps its own time, noise and step,
 * and their parts add up. */
START_TEST(blocks_add_up)
{
    Case c = case_with(_i % 2 == 0, _i < 2 ? LAMBDA_SAMPLE : LAMBDA_STEP, B);
    const VariationalReport all = run(&c, 1, 0);
    float *grad = mem_alloc(c.net->params.total, sizeof *grad);

    memcpy(grad, c.net->params.grads, c.net->params.total * sizeof *grad);
    for (size_t block = 1; block < B; block++) {
        c.net->gradient_block = block;
        expect_same_step(&c, &all, grad, 1e-5);
    }
    mem_free(grad);
    case_free(&c);
}
END_TEST

/* t - u is of no matter to those who make no step to u, and eps only to those who do. */
START_TEST(the_teachers_step_is_the_consistency_terms)
{
    Case c = case_with(false, LAMBDA_STEP, 64);
    const double with = run(&c, 1, 0).loss;
    c.config.eps = 0.5;
    ck_assert_double_ne(run(&c, 1, 0).loss, with);
    c.config.consistency_weight = 0.0;
    const double without = run(&c, 1, 0).loss;
    c.config.eps = 0.0;
    ck_assert_double_eq(run(&c, 1, 0).loss, without);
    c.config.delta_min = 0.1;
    c.config.delta_max = 0.4;
    ck_assert_double_eq(run(&c, 1, 0).loss, without);
    case_free(&c);
}
END_TEST

/* A student as teacher, whose lambdas are for few steps: in tiny ones their law is of no matter. */
START_TEST(a_teacher_of_few_steps_shows_no_lambda)
{
    Case c = case_of(LAMBDA_STEP, B);
    double loss[2][2];
    c.teacher = c.student;
    for (size_t few = 0; few < 2; few++)
        for (size_t law = 0; law < 2; law++) {
            c.teacher.lambda_steps = 2 * few;
            c.teacher.lambda_law = law == 0 ? LAMBDA_NORMAL : LAMBDA_UNIFORM;
            loss[few][law] = run(&c, 1, 0).loss;
        }
    ck_assert_double_ne(loss[0][0], loss[0][1]);
    ck_assert_double_eq(loss[1][0], loss[1][1]);
    ck_assert_double_ne(loss[1][0], loss[0][0]);
    case_free(&c);
}
END_TEST

/* The network says x for certain, whatever it is given. */
static void be_sure_of(Network *net, size_t x)
{
    Param *bias = nn_param_find(&net->params, "output.bias");
    for (size_t i = 0; i < (size_t)2 * D; i++)
        bias->value.data[i] = i % 2 == x ? 80.0f : 0.0f;
}

/* The teacher is sure of 0, the student of 1: what the teacher has not uncovered by u is drawn by
 * the student, and costs it nothing; what it has uncovered is all wrong. */
START_TEST(the_teacher_moves_to_u_and_no_further)
{
    Case c = case_of(LAMBDA_STEP, 64);
    be_sure_of(c.teacher_net, 0);
    be_sure_of(c.net, 1);
    c.config.share_at_one = 1.0; /* all is masked */
    c.config.delta_min = c.config.delta_max = 1e-9;
    ck_assert_double_lt(run(&c, 1, 0).consistency, 1e-6);
    c.config.delta_min = c.config.delta_max = 0.9;
    const double long_step = run(&c, 1, 0).consistency / c.config.consistency_weight;
    ck_assert_double_gt(long_step, 0.9 * 70.0 * D * 0.8);
    ck_assert_double_lt(long_step, 0.9 * 90.0 * D * 1.2);
    case_free(&c);
}
END_TEST

/* ---- what the student is told ---- */

/* The student, which notes the times and lambdas that it is told. */
typedef struct Watched {
    Var *(*forward)(const Denoiser *d, Graph *g, const NetworkInput *in);
    double t[3 * B];
    float lambda[3 * B][L];
    size_t count;
} Watched;

static Var *watched_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Watched *w = d->self;

    for (size_t i = 0; i < in->x->batch; i++, w->count++) {
        ck_assert_uint_lt(w->count, (size_t)3 * B);
        w->t[w->count] = in->t[i];
        if (in->lambda_var != NULL)
            memcpy(w->lambda[w->count], in->lambda_var->value.data + i * L, sizeof w->lambda[0]);
    }
    return w->forward(d, g, in);
}

/* The teacher is called at t; the student at u, where its x_0 is drawn, at t for the data, and at
 * the same t for that x_0. */
START_TEST(the_consistency_term_has_its_weight)
{
    Case c = case_of(LAMBDA_STEP, B);
    Watched w = {.forward = c.student.forward}, of_teacher = {.forward = c.teacher.forward};
    c.student.forward = c.teacher.forward = watched_forward;
    c.student.self = &w;
    c.teacher.self = &of_teacher;
    c.config.distill_weight = 0.0;
    const double half = run(&c, 1, 0).consistency;
    ck_assert(w.count == (size_t)3 * B && of_teacher.count == B);
    for (size_t b = 0; b < B; b++) {
        const double step = w.t[B + b] - w.t[b];
        ck_assert(step > 0.05 - 1e-9 && step < 0.2 + 1e-9);
        ck_assert_double_eq(w.t[(size_t)2 * B + b], w.t[B + b]);
        ck_assert_double_eq(of_teacher.t[b], w.t[B + b]);
    }
    w.count = of_teacher.count = 0;
    c.config.consistency_weight = 1.0; /* of the same draws; it was 1/2 */
    ck_assert_double_gt(half, 0.0);
    ck_assert_double_eq_tol(run(&c, 1, 0).consistency, 2.0 * half, 1e-9 * half);
    case_free(&c);
}
END_TEST

/* A lambda a step: the first third of the batch at 1, the others each anywhere in a slice of
 * [t_min, 1] of its own. */
START_TEST(times_go_by_the_place_in_the_batch)
{
    enum { STEPS = 100, AT_ONE = B / 3, OTHERS = B - AT_ONE };
    Case c = case_with(false, LAMBDA_STEP, B);
    Watched w = {.forward = c.student.forward};
    double within = 0.0;

    c.student.forward = watched_forward;
    c.student.self = &w;
    c.config.consistency_weight = c.config.distill_weight = 0.0;
    c.config.share_at_one = 1.0 / 3.0;
    c.config.t_min = 0.2;
    for (uint64_t n = 0; n < STEPS; n++) {
        w.count = 0;
        run(&c, n, 0);
        ck_assert_uint_eq(w.count, B);
        for (size_t b = 0; b < AT_ONE; b++)
            ck_assert_double_eq(w.t[b], 1.0);
        for (size_t b = AT_ONE; b < B; b++) {
            const double at = (w.t[b] - 0.2) / 0.8 * OTHERS - (double)(b - AT_ONE);
            ck_assert(at > -1e-9 && at < 1.0 + 1e-9);
            within += at / (STEPS * OTHERS);
        }
    }
    ck_assert_double_eq_tol(within, 0.5, 6.0 * sqrt(1.0 / 12.0 / (STEPS * OTHERS)));
    case_free(&c);
}
END_TEST

/* Times below 1 are of steps of more than one: where those have no lambda, zeros stand for it. */
START_TEST(no_lambda_is_told_as_zeros)
{
    Case c = case_with(_i == 0, LAMBDA_SAMPLE, B);
    Watched w = {.forward = c.student.forward};
    size_t later = 0;

    c.student.forward = watched_forward;
    c.student.self = &w;
    for (size_t lambda_steps = 1; lambda_steps <= 4; lambda_steps += 3) {
        c.student.lambda_steps = lambda_steps; /* of at most 4 */
        w.count = 0;
        run(&c, 5, 0);
        ck_assert_uint_eq(w.count, B);
        ck_assert(w.t[0] == 1.0 && w.lambda[0][0] != 0.0f && w.lambda[0][1] != 0.0f);
        for (size_t b = 0; b < B; b++) {
            if (w.t[b] == 1.0)
                continue;
            later++;
            for (size_t l = 0; l < L; l++)
                ck_assert((w.lambda[b][l] == 0.0f) == (lambda_steps == 1));
        }
    }
    ck_assert_uint_gt(later, 0);
    case_free(&c);
}
END_TEST

/* Loop: which of the two terms wants one. */
START_TEST(terms_of_a_teacher_need_one)
{
    Case c = case_of(LAMBDA_STEP, B);
    if (_i == 0)
        c.config.consistency_weight = 0.0;
    else
        c.config.distill_weight = 0.0;
    variational_gradient(&c.config, NULL, &c.student, c.p, &c.x0, 11, 0, &c.work);
}
END_TEST

START_TEST(broken_weights_end_the_step)
{
    Case c = case_of(LAMBDA_STEP, B);

    nn_param_find(&c.net->params, "output.bias")->value.data[0] = NAN;
    ck_assert(isnan(run(&c, 0, 0).loss));
    case_free(&c);
}
END_TEST

START_TEST(a_student_without_an_encoder)
{
    Case c = case_of(LAMBDA_STEP, B);
    nn_encoder_destroy(c.net->encoder);
    c.net->encoder = NULL;
    run(&c, 0, 0);
}
END_TEST

START_TEST(one_lambda_a_sample_has_no_consistency)
{
    Case c = case_of(LAMBDA_SAMPLE, B);
    c.config.consistency_weight = 1.0;
    run(&c, 0, 0);
}
END_TEST

START_TEST(one_lambda_a_sample_has_no_distillation)
{
    Case c = case_of(LAMBDA_SAMPLE, B);
    c.config.distill_weight = 1.0;
    run(&c, 0, 0);
}
END_TEST

Suite *variational_suite(void);
Suite *variational_suite(void)
{
    Suite *s = suite_create("variational");
    TCase *tc = tcase_create("variational");
    tcase_add_loop_test(tc, gradient_is_that_of_the_loss, 0, 4);
    tcase_add_loop_test(tc, rows_without_lambda, 0, 2);
    tcase_add_loop_test(tc, gradient_from_a_fitted_law, 0, 4);
    tcase_add_test(tc, divergence_of_draws_has_the_right_mean);
    tcase_add_loop_test_raise_signal(tc, a_fitted_law_must_be_there, SIGABRT, 0, 2);
    tcase_add_loop_test(tc, the_report_adds_up, 0, 2);
    tcase_add_test(tc, a_step_keeps_no_memory);
    tcase_add_loop_test(tc, the_mean_is_the_bound_of_the_sampler, 0, 2);
    tcase_add_test(tc, chunk_changes_nothing);
    tcase_add_loop_test(tc, blocks_add_up, 0, 4);
    tcase_add_test(tc, a_teacher_of_few_steps_shows_no_lambda);
    tcase_add_test(tc, the_teachers_step_is_the_consistency_terms);
    tcase_add_test(tc, the_consistency_term_has_its_weight);
    tcase_add_test(tc, the_teacher_moves_to_u_and_no_further);
    tcase_add_test(tc, times_go_by_the_place_in_the_batch);
    tcase_add_loop_test(tc, no_lambda_is_told_as_zeros, 0, 2);
    tcase_add_loop_test_raise_signal(tc, terms_of_a_teacher_need_one, SIGABRT, 0, 2);
    tcase_add_test(tc, broken_weights_end_the_step);
    tcase_add_test_raise_signal(tc, a_student_without_an_encoder, SIGABRT);
    tcase_add_test_raise_signal(tc, one_lambda_a_sample_has_no_consistency, SIGABRT);
    tcase_add_test_raise_signal(tc, one_lambda_a_sample_has_no_distillation, SIGABRT);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
