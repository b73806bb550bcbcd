/* The distillation step: against its parts run row by row, chunks, threads, mixture teachers, given
 * draws. */
#include "diffusion/head/batch.h"
#include "distill/step.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "distill/draws.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/distill_case.h"

enum { B = DISTILL_B, D = DISTILL_D, S = DISTILL_S, N = DISTILL_N };

static float *copy_grads(const DistillCase *c)
{
    float *copy = mem_alloc(c->student_net->params.total, sizeof *copy);

    memcpy(copy, c->student_net->params.grads, c->student_net->params.total * sizeof *copy);
    return copy;
}

static void check_grads(const DistillCase *c, const float *want)
{
    size_t n = c->student_net->params.total;
    float top = 0;

    for (size_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(want[i]));
    ck_assert(top > 0);
    for (size_t i = 0; i < n; i++)
        ck_assert_double_eq_tol(c->student_net->params.grads[i], want[i], 2e-5 * top);
}

static const DistillKind kinds[] = {
    {false, 0, 1, 0.2, 0}, {true, 0, 2, 0.2, 0},  {false, 2, 1, 0, 1},
    {true, 1, 1, 0.1, 5},  {false, 0, 0, 0.2, 2},
};
enum { KINDS = 5 };

static void check_same(const DistillCase *c, Di4cReport got, Di4cReport want, const float *grads)
{
    ck_assert_mem_eq(&want, &got, sizeof want);
    ck_assert_mem_eq(grads, c->student_net->params.grads,
                     c->student_net->params.total * sizeof *grads);
}

/* Blocks that hold the batch, one row, part of a picture, a picture, and more than two. */
START_TEST(chunks_and_threads_do_not_matter)
{
    static const size_t blocks[] = {512, 1, 4, (size_t)2 * N, (size_t)5 * N};
    static const size_t chunks[] = {
        1,   3, B - 1, B, 7, (size_t)2 * N, 16, (size_t)4 * N, (size_t)2 * N * B, (size_t)10 * B,
        1000};
    DistillCase c;

    distill_case_make(&c, &kinds[_i / 2]);
    c.config.loss.control_variates = _i % 2 == 0;
    Di4cReport whole = distill_case_run(&c, 3, 0);
    float *sums = copy_grads(&c);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        c.student_net->gradient_block = blocks[i];
        threads_set(1);
        Di4cReport want = distill_case_run(&c, 3, 0);
        float *grads = copy_grads(&c);
        ck_assert_double_eq_tol(want.loss, whole.loss, 1e-5 * (1 + fabs(whole.loss)));
        check_grads(&c, sums);
        threads_set(2);
        check_same(&c, distill_case_run(&c, 3, 0), want, grads);
        for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++)
            check_same(&c, distill_case_run(&c, 3, chunks[k]), want, grads);
        mem_free(grads);
    }
    ck_assert(distill_case_run(&c, 4, 0).loss != whole.loss);
    ck_assert(c.work.graph->last == NULL && c.work.graph->recording &&
              arena_used(c.work.arena) == 0);
    mem_free(sums);
    distill_case_free(&c);
}
END_TEST

/* The report's parts make up its loss: w(t) is all that is missing. */
START_TEST(report_adds_up)
{
    DistillCase c;

    distill_case_make(&c, &distill_case_plain);
    c.config.loss.data_weight = DATA_WEIGHT_ONE;
    for (int cv = 0; cv < 2; cv++) {
        c.config.loss.control_variates = cv == 1;
        Di4cReport r = distill_case_run(&c, 1, 0);
        double sum = r.distill + r.data_cor + r.data_indep + r.consis_cor + r.consis_indep;
        ck_assert_double_eq_tol(r.loss, sum, 1e-9);
        ck_assert(r.distill > 0 && (cv == 1) == (r.data_indep != 0));
    }
    distill_case_free(&c);
}
END_TEST

/* ---- the step, written out row by row ---- */

/* Row r of a batch of inputs; its states go to x. */
static NetworkInput input_row(const NetworkInput *all, const Denoiser *d, size_t r, States *x)
{
    NetworkInput in = {x, all->t + r, all->lambda, all->dropout, NULL, NULL};

    *x = states_rows(all->x, r, 1);
    if (in.lambda != NULL)
        in.lambda += r * d->lambda_dims;
    if (in.dropout != NULL)
        in.dropout += r;
    return in;
}

static float *run_rows(DistillCase *c, const Denoiser *d, const NetworkInput *all)
{
    float *out = arena_alloc(c->work.arena, all->x->batch * D * S, sizeof *out);

    for (size_t r = 0; r < all->x->batch; r++) {
        States x;
        NetworkInput in = input_row(all, d, r, &x);
        ck_assert(diffusion_denoise(d, c->work.graph, &in, 0, out + r * D * S));
    }
    return out;
}

static void backward_rows(DistillCase *c, const NetworkInput *all, const float *dout)
{
    for (size_t r = 0; r < all->x->batch; r++) {
        States x;
        NetworkInput in = input_row(all, &c->student, r, &x);
        ag_backward_from(c->student.forward(&c->student, c->work.graph, &in), dout + r * D * S);
        ag_graph_reset(c->work.graph);
    }
}

/* All draws of a step, and the numbers of the networks that were needed for them. */
typedef struct Drawn {
    Rng step;
    Di4cDraws draws;
    float *teacher_t, *student_u;
} Drawn;

static Drawn draw_all(DistillCase *c, uint64_t number)
{
    Drawn all = {distill_stream(11, number), distill_case_draws(c, number), NULL, NULL};
    Di4cDraws *draws = &all.draws;
    double u[B * N];
    NetworkInput at_t = {&draws->xt, draws->t, draws->teacher_lambda_t, NULL, NULL, NULL};
    NetworkInput at_u = {&draws->xu,
                         u,
                         draws->lambda_u,
                         distill_row_streams(c->work.arena, all.step, PASS_DROPOUT_U, B, N),
                         NULL,
                         NULL};

    for (size_t r = 0; r < (size_t)B * N; r++)
        u[r] = draws->u[r / N];
    all.teacher_t = run_rows(c, &c->teacher, &at_t);
    distill_draw_xu(&c->config, &c->teacher, c->p, all.teacher_t, all.step, c->work.arena, draws);
    all.student_u = run_rows(c, &c->student, &at_u);
    diffusion_head_draw(&c->student.head, all.student_u, &draws->xu,
                        distill_row_streams(c->work.arena, all.step, PASS_X0U, B, N), &draws->x0u);
    return all;
}

/* Loss of a step; the gradient goes to the student's parameters. */
static double step_by_rows(DistillCase *c, uint64_t number)
{
    Drawn all = draw_all(c, number);
    Di4cDraws *draws = &all.draws;
    size_t M = draws->xtm.batch / B;
    States xt = states_repeat(c->work.arena, &draws->xt, N);
    double t[B * N];
    NetworkInput at_t = {&xt,
                         t,
                         draws->lambda_t,
                         distill_row_streams(c->work.arena, all.step, PASS_DROPOUT_T, B, N),
                         NULL,
                         NULL};
    NetworkInput at_tm = {&draws->xtm,
                          draws->tm,
                          draws->lambda_tm,
                          distill_row_streams(c->work.arena, all.step, PASS_DROPOUT_TM, B, M),
                          NULL,
                          NULL};
    NetworkInput teacher_tm = {&draws->xtm, draws->tm, draws->teacher_lambda_tm, NULL, NULL, NULL};

    for (size_t r = 0; r < (size_t)B * N; r++)
        t[r] = draws->t[r / N];
    Di4cInput in = {B,
                    N,
                    draws->t,
                    c->x0,
                    draws->xt,
                    draws->xu,
                    draws->x0u,
                    draws->xtm,
                    run_rows(c, &c->student, &at_t),
                    run_rows(c, &c->student, &at_tm),
                    all.student_u,
                    all.teacher_t,
                    run_rows(c, &c->teacher, &teacher_tm)};
    float *dt = arena_zeroed(c->work.arena, (size_t)B * N * D * S, sizeof *dt);
    float *dtm = arena_zeroed(c->work.arena, B * M * D * S, sizeof *dtm);
    double loss = distill_losses(&c->config.loss, &c->student.head, &in, NULL, dt, dtm);
    backward_rows(c, &at_t, dt);
    backward_rows(c, &at_tm, dtm);
    return loss;
}

/* t, u and tm lie far apart, and rows at t and at tm differ in number: none can pass for another.
 * The teacher runs without dropout, the student with its own at t, tm and u. */
START_TEST(a_step_is_its_parts)
{
    DistillCase c;

    distill_case_make(&c, &kinds[_i]);
    c.config.delta_min = 0.2;
    c.config.delta_max = 0.5;
    c.config.tm_width = 0.4;
    Di4cReport got = distill_case_run(&c, 5, 0);
    float *grads = copy_grads(&c);
    nn_params_zero_grads(&c.student_net->params);
    double want = step_by_rows(&c, 5);
    ck_assert_double_eq_tol(got.loss, want, 1e-5 * (1 + fabs(want)));
    check_grads(&c, grads);
    mem_free(grads);
    distill_case_free(&c);
}
END_TEST

/* ---- laws of the draws ---- */

/* What was observed, what was expected, and the variance of the difference. */
typedef struct Score {
    double got, mean, variance;
} Score;

static void check_score(const Score *s)
{
    ck_assert_msg(fabs(s->got - s->mean) < 6 * sqrt(s->variance), "%g, expected %g +- %g", s->got,
                  s->mean, sqrt(s->variance));
}

static void add_mask(Score *s, bool masked, double p)
{
    s->got += masked;
    s->mean += p;
    s->variance += p * (1 - p);
}

/* alpha(t) of the absorbing process: x_t has 1 - alpha(t) of its dimensions masked, x_tm 1 -
 * alpha(tm), and the others show x_0. */
START_TEST(noised_pictures_belong_to_their_times)
{
    Score at_t = {0, 0, 0}, at_tm = {0, 0, 0};
    DistillCase c;

    distill_case_make(&c, &kinds[1]);
    c.config.delta_min = 0.3;
    c.config.delta_max = 0.6;
    c.config.tm_width = 0.9;
    for (uint64_t step = 0; step < 100; step++) {
        Di4cDraws draws = distill_case_draws(&c, step);
        for (size_t i = 0; i < (size_t)B * N * D; i++) {
            size_t row = i / D, b = row / N, at = b * D + i % D;
            double lost = 1 - diffusion_process_survival(c.p, 0, draws.tm[row]);
            add_mask(&at_tm, draws.xtm.x[i] == S, lost);
            ck_assert(draws.xtm.x[i] == S || draws.xtm.x[i] == c.x0.x[at]);
            if (row % N != 0) /* x_t: once for each picture */
                continue;
            add_mask(&at_t, draws.xt.x[at] == S,
                     1 - diffusion_process_survival(c.p, 0, draws.t[b]));
            ck_assert(draws.xt.x[at] == S || draws.xt.x[at] == c.x0.x[at]);
        }
        arena_reset(c.work.arena);
    }
    check_score(&at_t);
    check_score(&at_tm);
    distill_case_free(&c);
}
END_TEST

/* One dimension masked at t: it stays so with probability `stay`; otherwise its value, drawn from
 * p = exp(logp), scores p(value). */
static void add_move(Score *masked, Score *value, double stay, const float *logp, uint16_t xu)
{
    double second = 0, third = 0;

    for (size_t a = 0; a < S; a++) {
        double p = exp((double)logp[a]);
        second += p * p;
        third += p * p * p;
    }
    add_mask(masked, xu == S, stay);
    value->got += xu < S ? exp((double)logp[xu]) : 0;
    value->mean += (1 - stay) * second;
    value->variance += (1 - stay) * third - pow((1 - stay) * second, 2);
}

/* x_u ~ p^psi_{u|t} from a teacher that says something else in every row: uncovered dimensions are
 * kept, (1 - alpha(u))/(1 - alpha(t)) of the masked ones stay masked, the rest follow the row. */
START_TEST(x_u_follows_the_teacher)
{
    Score masked = {0, 0, 0}, value = {0, 0, 0};
    float said[B * D * S], logp[S];
    DistillCase c;

    distill_case_make(&c, &kinds[3]);
    c.config.delta_min = 0.3;
    c.config.delta_max = 0.6;
    for (uint64_t step = 0; step < 100; step++) {
        Di4cDraws draws = distill_case_draws(&c, step);
        Rng rng = rng_child(rng_root(7), step);
        for (size_t i = 0; i < (size_t)B * D * S; i++)
            said[i] = (float)(1.5 * rng_normal(&rng));
        distill_draw_xu(&c.config, &c.teacher, c.p, said, distill_stream(11, step), c.work.arena,
                        &draws);
        for (size_t i = 0; i < (size_t)B * N * D; i++) {
            size_t b = i / ((size_t)N * D), d = i % D;
            uint16_t *xt = states_row(&draws.xt, b);
            double at_u = diffusion_process_survival(c.p, 0, draws.u[b]);
            double at_t = diffusion_process_survival(c.p, 0, draws.t[b]);
            diffusion_head_row(&c.teacher.head, said + b * D * S, xt, d, logp);
            if (xt[d] == S)
                add_move(&masked, &value, (1 - at_u) / (1 - at_t), logp, draws.xu.x[i]);
            else
                ck_assert_int_eq(draws.xu.x[i], xt[d]);
        }
        arena_reset(c.work.arena);
    }
    check_score(&masked);
    check_score(&value);
    distill_case_free(&c);
}
END_TEST

/* The published posterior's: x_u moves with it. */
START_TEST(eps_is_the_teachers_steps)
{
    DistillCase c;

    distill_case_make(&c, &distill_case_plain);
    const Di4cReport r = distill_case_run(&c, 1, 0);
    c.config.eps = 0.5;
    const Di4cReport other = distill_case_run(&c, 1, 0);
    ck_assert(other.consis_cor != r.consis_cor && other.distill == r.distill);
    distill_case_free(&c);
}
END_TEST

/* Graph and arena keep what the first step took. */
START_TEST(later_steps_take_no_more_memory)
{
    DistillCase c;

    distill_case_make(&c, &kinds[_i]);
    distill_case_run(&c, 1, 4);
    threads_scratch_free(); /* which depends on who drew what */
    size_t in_use = mem_in_use();
    for (uint64_t step = 2; step < 6; step++)
        distill_case_run(&c, step, 4);
    threads_scratch_free();
    ck_assert_uint_eq(mem_in_use(), in_use);
    distill_case_free(&c);
}
END_TEST

/* ---- given draws ---- */

/* distill_gradient without dropout is distill_gradient_with its own draws. */
START_TEST(given_draws_make_the_same_step)
{
    static const DistillKind calm[] = {{false, 0, 1, 0, 0}, {true, 1, 2, 0, 2}};
    double terms[5][B];
    Di4cTerms to = {terms[0], terms[1], terms[2], terms[3], terms[4]};
    DistillCase c;

    distill_case_make(&c, &calm[_i]);
    Di4cReport want = distill_case_run(&c, 6, 0);
    float *grads = copy_grads(&c);
    Drawn all = draw_all(&c, 6);
    nn_params_zero_grads(&c.student_net->params);
    c.work.chunk = 4;
    Di4cReport got =
        distill_gradient_with(&c.config, &c.teacher, &c.student, &c.x0, &all.draws, &c.work, &to);
    ck_assert_double_eq_tol(got.loss, want.loss, 1e-5 * (1 + fabs(want.loss)));
    check_grads(&c, grads);
    const double means[] = {got.distill, got.data_cor, got.data_indep, got.consis_cor,
                            got.consis_indep};
    for (size_t k = 0; k < 5; k++) {
        double mean = 0;
        for (size_t b = 0; b < B; b++)
            mean += terms[k][b] / B;
        ck_assert_double_eq_tol(mean, means[k], 1e-12);
    }
    mem_free(grads);
    distill_case_free(&c);
}
END_TEST

START_TEST(broken_numbers_end_the_step)
{
    DistillCase c;
    static const size_t chunks[] = {0, 2, (size_t)2 * N};

    distill_case_make(&c, &distill_case_plain);
    c.student_net->gradient_block = 4;
    c.work.graph->check_finite = _i >= 6; /* without it the step ends too, but nobody knows where */
    Network *net = _i % 2 == 0 ? c.teacher_net : c.student_net;
    for (size_t i = 0; i < net->params.total; i++)
        net->params.values[i] = 1e30f;
    Di4cReport r = distill_case_run(&c, 1, chunks[_i % 6 / 2]);
    ck_assert(r.loss != r.loss);
    ck_assert(c.work.graph->check_finite == (c.work.graph->bad_op != NULL));
    distill_case_free(&c);
}
END_TEST

START_TEST(steps_longer_than_time_stop)
{
    DistillCase c;

    distill_case_make(&c, &distill_case_plain);
    c.config.delta_max = 1.5;
    distill_case_run(&c, 1, 0);
}
END_TEST

START_TEST(heads_that_differ_stop)
{
    DistillCase c;

    distill_case_make(&c, &distill_case_plain);
    Head *head = &c.teacher.head;
    switch (_i) {
    case 0: head->mask = S; break;
    case 1: head->fix = !head->fix; break;
    case 2: head->channels = 2; break;
    case 3: head->states = S - 1; break;
    case 4: head->class = &diffusion_logistic; break;
    }
    distill_case_run(&c, 1, 0);
}
END_TEST

START_TEST(pictures_or_networks_that_do_not_fit_stop)
{
    DistillCase c;

    distill_case_make(&c, &distill_case_plain);
    switch (_i) {
    case 0: c.student.head.dims--; break;
    case 1: c.x0.dims--; break;
    case 2: c.x0.batch = 0; break;
    case 3: c.student.net = NULL; break;
    case 4: c.student_net->gradient_block = 0; break;
    }
    distill_case_run(&c, 1, 0);
}
END_TEST

Suite *distill_step_suite(void)
{
    Suite *s = suite_create("distill_step");
    TCase *tc = tcase_create("distill_step");

    tcase_add_loop_test(tc, chunks_and_threads_do_not_matter, 0, 2 * KINDS);
    tcase_add_test(tc, report_adds_up);
    tcase_add_loop_test(tc, a_step_is_its_parts, 0, KINDS);
    tcase_add_test(tc, noised_pictures_belong_to_their_times);
    tcase_add_test(tc, x_u_follows_the_teacher);
    tcase_add_test(tc, eps_is_the_teachers_steps);
    tcase_add_loop_test(tc, later_steps_take_no_more_memory, 0, KINDS);
    tcase_add_loop_test(tc, given_draws_make_the_same_step, 0, 2);
    tcase_add_loop_test(tc, broken_numbers_end_the_step, 0, 12);
    tcase_add_test_raise_signal(tc, steps_longer_than_time_stop, SIGABRT);
    tcase_add_loop_test_raise_signal(tc, heads_that_differ_stop, SIGABRT, 0, 5);
    tcase_add_loop_test_raise_signal(tc, pictures_or_networks_that_do_not_fit_stop, SIGABRT, 0, 5);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
