/* Jumps, the cross entropy against sums written out in double; the step against its parts and
 * against itself in other blocks.  The continuous-time ELBO has test_ct_elbo.c. */
#include "diffusion/head/batch.h"
#include "diffusion/teacher.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "nn/mlp/mlp.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/mild_process.h"
#include "tests/tools/statistics.h"

static Head softmax(size_t D, size_t S, int mask)
{
    Head head = {&diffusion_softmax, D, S, 1, false, mask};

    return head;
}

/* ---- jumps ---- */

START_TEST(jumps_follow_the_rates)
{
    enum { COUNT = 20000, D = 3, S = 4 };
    static const uint16_t from[D] = {0, 2, 3};
    static const char *const kinds[] = {"birthdeath", "gaussian", "absorbing"};
    Process *p = mild_process(kinds[_i], S);
    States xt = states_alloc(COUNT, D), to = states_alloc(COUNT, D);
    Rng *streams = mem_alloc(COUNT, sizeof *streams);
    size_t count[D * S] = {0};
    double want[D * S] = {0}, total = 0;

    for (size_t b = 0; b < COUNT; b++) {
        memcpy(states_row(&xt, b), from, sizeof from);
        streams[b] = rng_child(rng_root(2), b);
    }
    diffusion_draw_jump(p, &to, &xt, streams);
    for (size_t b = 0; b < COUNT; b++) {
        int changed = 0;
        for (size_t d = 0; d < D; d++)
            if (to.x[b * D + d] != from[d]) {
                changed++;
                count[d * S + to.x[b * D + d]]++;
            }
        ck_assert_int_eq(changed, 1);
    }
    for (size_t d = 0; d < D; d++)
        for (size_t v = 0; v < S; v++)
            total += want[d * S + v] = v == from[d] ? 0 : diffusion_process_jump(p, from[d], v);
    for (size_t i = 0; i < (size_t)D * S; i++)
        want[i] /= total;
    ck_assert(statistics_fit(count, want, (size_t)D * S)); /* false alarm: 1e-6 */
    mem_free(streams);
    states_free(&xt);
    states_free(&to);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(a_state_without_exits_stays)
{
    Process *p = mild_process("absorbing", 3);
    uint16_t masked[] = {2, 2}, to[] = {0, 0};
    States xt = {masked, 1, 2}, xtilde = {to, 1, 2};
    Rng stream = rng_root(1);

    diffusion_draw_jump(p, &xtilde, &xt, &stream);
    ck_assert(to[0] == 2 && to[1] == 2);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- cross entropy ---- */

START_TEST(cross_entropy_and_gradient)
{
    enum { B = 3, D = 40, S = 4 };
    Head head = softmax(D, S, _i == 0 ? -1 : S);
    static float out[B * D * S], dout[B * D * S];
    float row[S];
    const double weight[B] = {0.5, 2, 0};
    States x0 = states_alloc(B, D), xt = states_alloc(B, D);
    Rng rng = rng_root(3);
    double want = 0;

    memset(dout, 0, sizeof dout);
    for (size_t i = 0; i < (size_t)B * D * S; i++)
        out[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < (size_t)B * D; i++) {
        x0.x[i] = (uint16_t)rng_below(&rng, S);
        xt.x[i] = rng_uniform(&rng) < 0.5 ? x0.x[i] : S;
    }
    double got = diffusion_cross_entropy(&head, &x0, _i == 0 ? NULL : &xt, weight, out, dout);
    for (size_t i = 0; i < (size_t)B * D; i++) {
        bool known = _i == 1 && xt.x[i] != S;
        double scale = known ? 0 : weight[i / D] / (B * D);
        diffusion_head_row(&head, out + i / D * D * S, xt.x + i / D * D, i % D, row);
        want -= known ? 0 : scale * row[x0.x[i]];
        for (size_t a = 0; a < S; a++) {
            double slope = scale * (exp(row[a]) - (a == x0.x[i] ? 1 : 0));
            ck_assert_double_eq_tol(dout[i * S + a], known ? 0 : slope, 1e-7);
        }
    }
    ck_assert_double_eq_tol(got, want, 1e-6);
    ck_assert(diffusion_cross_entropy(&head, &x0, _i == 0 ? NULL : &xt, weight, out, NULL) == got);
    states_free(&x0);
    states_free(&xt);
}
END_TEST

/* ---- a step ---- */

typedef struct Trainee {
    Network *net;
    Denoiser d;
    Process *p;
    TeacherConfig config;
    States x0;
    Workspace work;
} Trainee;

/* mode 0: CT-ELBO; 1: two passes; 2: plain cross entropy; 3: absorbing ELBO. */
static void trainee_make(Trainee *s, int mode)
{
    enum { B = 6, D = 5, S = 4 };
    bool absorbing = mode == 3;
    MlpConfig config = nn_mlp_defaults();
    Head head = softmax(D, S, absorbing ? S : -1);

    config.dims = D;
    config.states = S + (absorbing ? 1 : 0);
    config.out_states = S;
    config.width = 16;
    config.embed = 8;
    config.blocks = 1;
    config.dropout = 0.25;
    s->net = nn_mlp_create(&config, true, NULL);
    s->net->initialise(s->net, 1);
    for (size_t i = 0; i < s->net->params.total; i++) /* layers that start at 0 too */
        s->net->params.values[i] += 0.05f * (float)((int)(i * 37 % 11) - 5);
    s->d = diffusion_network_denoiser(s->net, &head);
    s->p = mild_process(absorbing ? "absorbing" : "uniform", config.states);
    s->config = diffusion_teacher_defaults();
    s->config.two_passes = mode == 1;
    s->config.stratified_times = mode >= 2;
    s->config.loss = mode >= 2 ? TEACHER_CROSS_ENTROPY : TEACHER_CT_ELBO;
    s->config.time_weight = absorbing ? TIME_WEIGHT_ELBO : TIME_WEIGHT_ONE;
    s->x0 = states_alloc(B, D);
    for (size_t i = 0; i < (size_t)B * D; i++)
        s->x0.x[i] = (uint16_t)(i * 7 % S);
    s->work = (Workspace){ag_graph_create(), arena_create(1 << 16), 0};
}

static void trainee_free(Trainee *s)
{
    nn_network_destroy(s->net);
    diffusion_process_destroy(s->p);
    states_free(&s->x0);
    diffusion_workspace_destroy(&s->work);
}

static double gradient_of(Trainee *s, uint64_t step)
{
    nn_params_zero_grads(&s->net->params);
    return diffusion_teacher_gradient(&s->config, &s->d, s->p, &s->x0, 3, step, &s->work);
}

/* Pictures go through the network in blocks of its own size: no others than these calls, and their
 * parts add up. */
START_TEST(blocks_add_up_and_threads_do_not_matter)
{
    static const size_t blocks[] = {1, 2, 4, 6, 100};
    Trainee s;

    trainee_make(&s, _i);
    size_t n = s.net->params.total;
    double loss = gradient_of(&s, 5);
    float *want = mem_alloc(n, sizeof *want), *first = mem_alloc(n, sizeof *want), top = 0;
    memcpy(want, s.net->params.grads, n * sizeof *want);
    for (size_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(want[i]));
    ck_assert(isfinite(loss) && top > 0);
    for (size_t k = 0; k < 5; k++) {
        s.net->gradient_block = blocks[k];
        threads_set(1);
        double parts = gradient_of(&s, 5);
        ck_assert_double_eq_tol(parts, loss, 1e-5 * fabs(loss));
        for (size_t i = 0; i < n; i++)
            ck_assert_double_eq_tol(s.net->params.grads[i], want[i], 1e-5 * top);
        memcpy(first, s.net->params.grads, n * sizeof *first);
        threads_set(2);
        ck_assert(gradient_of(&s, 5) == parts);
        ck_assert(memcmp(first, s.net->params.grads, n * sizeof *first) == 0);
    }
    ck_assert(gradient_of(&s, 6) != loss); /* another step, other draws */
    ck_assert_ptr_null(s.work.graph->last);
    ck_assert_uint_eq(arena_used(s.work.arena), 0);
    mem_free(want);
    mem_free(first);
    trainee_free(&s);
}
END_TEST

/* Without dropout the loss at fixed draws is a function of the parameters: its differences. */
START_TEST(step_gradient_matches_differences)
{
    Trainee s;
    double h = 1e-2;

    trainee_make(&s, _i);
    MlpConfig config = nn_mlp_defaults();
    config.dims = s.net->dims;
    config.states = s.net->states;
    config.out_states = s.d.head.states;
    config.width = 16;
    config.embed = 8;
    config.blocks = 1;
    config.dropout = 0;
    Network *plain = nn_mlp_create(&config, true, NULL);
    nn_copy_common(plain, s.net);
    double dropped = gradient_of(&s, 1);
    nn_network_destroy(s.net);
    s.net = plain;
    s.d = diffusion_network_denoiser(plain, &s.d.head);
    ck_assert(gradient_of(&s, 1) != dropped); /* there was dropout */
    size_t n = plain->params.total;
    float *grads = mem_alloc(n, sizeof *grads);
    gradient_of(&s, 1);
    memcpy(grads, plain->params.grads, n * sizeof *grads);
    for (size_t i = 0; i < n; i += n / 60) {
        float *at = &plain->params.values[i], keep = *at;
        *at = (float)(keep + h);
        double above = gradient_of(&s, 1), width = *at;
        *at = (float)(keep - h);
        double below = gradient_of(&s, 1);
        width -= *at;
        *at = keep;
        ck_assert_double_eq_tol(grads[i], (above - below) / width, 2e-3 * (1 + fabs(above)));
    }
    mem_free(grads);
    trainee_free(&s);
}
END_TEST

/* A denoiser that keeps what its network is given and gives. */
typedef struct Spy {
    Network *net;
    size_t calls;
    struct {
        States x;
        double t[8];
        Rng dropout[8];
        float *out;
    } seen[2];
} Spy;

static Var *spy_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    Spy *spy = d->self;
    Var *v = nn_forward(spy->net, g, in);
    size_t call = spy->calls++, entries = in->x->batch * in->x->dims;

    ck_assert(call < 2 && in->x->batch <= 8);
    spy->seen[call].x = states_alloc(in->x->batch, in->x->dims);
    memcpy(spy->seen[call].x.x, in->x->x, entries * sizeof *in->x->x);
    memcpy(spy->seen[call].t, in->t, in->x->batch * sizeof *in->t);
    memcpy(spy->seen[call].dropout, in->dropout, in->x->batch * sizeof *in->dropout);
    spy->seen[call].out = mem_alloc(tensor_size(&v->value), sizeof(float));
    memcpy(spy->seen[call].out, v->value.data, tensor_size(&v->value) * sizeof(float));
    return v;
}

static void spy_free(Spy *spy)
{
    for (size_t call = 0; call < spy->calls; call++) {
        states_free(&spy->seen[call].x);
        mem_free(spy->seen[call].out);
    }
}

/* Runs a step; its loss must be that of what the network saw and said. */
static Spy spy_on(Trainee *s, bool two_passes, uint64_t step)
{
    Spy spy = {.net = s->net};
    Denoiser d = s->d;

    d.forward = spy_forward;
    d.self = &spy;
    s->config.two_passes = two_passes;
    double loss = diffusion_teacher_gradient(&s->config, &d, s->p, &s->x0, 3, step, &s->work);
    ck_assert_uint_eq(spy.calls, two_passes ? 2 : 1);
    double want =
        diffusion_ct_elbo(&s->config, &s->d.head, s->p, spy.seen[0].t, &s->x0, &spy.seen[0].x,
                          spy.seen[0].out, two_passes ? &spy.seen[1].x : NULL,
                          two_passes ? spy.seen[1].out : NULL, NULL, NULL, NULL, NULL, NULL);
    ck_assert_double_eq_tol(loss, want, 1e-9 * fabs(want));
    return spy;
}

/* The first pass, or the only one, is at x~: x_t after one jump.  The second one is at x_t. */
START_TEST(elbo_steps_see_x_tilde)
{
    Trainee s;

    trainee_make(&s, 0);
    Spy one = spy_on(&s, false, 5), two = spy_on(&s, true, 5);
    size_t B = s.x0.batch, D = s.x0.dims;
    ck_assert(memcmp(one.seen[0].x.x, two.seen[0].x.x, B * D * sizeof(uint16_t)) == 0);
    ck_assert(memcmp(one.seen[0].t, two.seen[0].t, B * sizeof(double)) == 0);
    ck_assert(memcmp(one.seen[0].t, two.seen[1].t, B * sizeof(double)) == 0);
    for (size_t b = 0; b < B; b++) {
        size_t changed = 0;
        for (size_t d = 0; d < D; d++)
            changed += two.seen[0].x.x[b * D + d] != two.seen[1].x.x[b * D + d];
        ck_assert_uint_eq(changed, 1);
    }
    for (size_t i = 0; i < 2 * B; i++) /* each picture of each pass drops out by itself */
        for (size_t k = 0; k < i; k++) {
            Rng a = two.seen[i / B].dropout[i % B], b = two.seen[k / B].dropout[k % B];
            ck_assert(rng_uniform(&a) != rng_uniform(&b));
        }
    spy_free(&one);
    spy_free(&two);
    trainee_free(&s);
}
END_TEST

/* One time in each slice of [t_min, 1], anywhere in it, or, not stratified, where it falls. */
START_TEST(times_are_stratified_if_wanted)
{
    enum { STEPS = 100 };
    Trainee s;
    size_t astray[2] = {0, 0};
    double within = 0.0; /* mean of the places within slices, 0 to 1 */

    trainee_make(&s, 0);
    for (uint64_t n = 0; n < 2 * STEPS; n++) {
        const int wanted = n % 2 == 1;
        s.config.stratified_times = wanted == 1;
        s.config.t_min = 0.4;
        Spy spy = spy_on(&s, false, n);
        for (size_t b = 0; b < s.x0.batch; b++) {
            const double share = (spy.seen[0].t[b] - 0.4) / 0.6 * (double)s.x0.batch;
            ck_assert(spy.seen[0].t[b] >= 0.4 && spy.seen[0].t[b] < 1.0);
            astray[wanted] += share < (double)b || share >= (double)b + 1.0;
            within += wanted == 1 ? (share - (double)b) / (double)(STEPS * s.x0.batch) : 0.0;
        }
        spy_free(&spy);
    }
    ck_assert_uint_gt(astray[0], 0);
    ck_assert_uint_eq(astray[1], 0);
    ck_assert_double_eq_tol(within, 0.5, 6.0 * sqrt(1.0 / 12.0 / (double)(STEPS * s.x0.batch)));
    trainee_free(&s);
}
END_TEST

START_TEST(broken_numbers_end_the_step)
{
    Trainee s;

    trainee_make(&s, _i);
    s.work.graph->check_finite = true;
    s.net->gradient_block = 2;
    for (size_t i = 0; i < s.net->params.total; i++)
        s.net->params.values[i] = 1e30f;
    double loss = gradient_of(&s, 1);
    ck_assert(loss != loss);
    ck_assert_ptr_nonnull(s.work.graph->bad_op);
    trainee_free(&s);
}
END_TEST

/* alpha(t) = exp(-2 t), one dimension, a model that says 1/2 for both states: the mean over t of
 * the weighted cross entropy is log 2 times the share of dimensions that the integral covers. */
START_TEST(absorbing_weights_make_the_elbo)
{
    enum { B = 4000, S = 2 };
    Process *p = mild_process("absorbing", S + 1);
    Trainee s;
    double mean = 0;

    trainee_make(&s, 3);
    MlpConfig config = nn_mlp_defaults();
    config.dims = 1;
    config.states = S + 1;
    config.out_states = S;
    config.width = 8;
    config.embed = 8;
    config.blocks = 1;
    Network *net = nn_mlp_create(&config, true, NULL); /* all zero: p = 1/2 everywhere */
    Head head = softmax(1, S, S);
    Denoiser d = diffusion_network_denoiser(net, &head);
    States x0 = states_alloc(B, 1);
    memset(x0.x, 0, B * sizeof *x0.x);
    s.config.t_min = 1e-3;
    for (uint64_t step = 0; step < 5; step++)
        mean += diffusion_teacher_gradient(&s.config, &d, p, &x0, 9, step, &s.work) / 5;
    /* E_t[weight P(masked)] = integral of -alpha' over [t_min, 1] / (1 - t_min) */
    double want = log(2) * (exp(-2e-3) - exp(-2)) / (1 - 1e-3);
    ck_assert_double_eq_tol(mean, want, 0.1); /* six standard deviations: false alarm 1e-8 */
    nn_network_destroy(net);
    states_free(&x0);
    diffusion_process_destroy(p);
    trainee_free(&s);
}
END_TEST

/* What a step asks of its pictures, network and settings, wrong one at a time. */
START_TEST(what_does_not_fit_stops)
{
    Trainee s;

    trainee_make(&s, _i == 7 ? 2 : 0);
    switch (_i) {
    case 0: s.d.net = NULL; break;
    case 1: s.net->gradient_block = 0; break;
    case 2: s.d.lambda_dims = 1; break;
    case 3: s.x0.batch = 0; break;
    case 4: s.x0.dims--; break;
    case 5: s.config.t_min = -0.1; break;
    case 6: s.config.t_min = 1.0; break;
    case 7: s.config.time_weight = TIME_WEIGHT_ELBO; break; /* there is no mask */
    case 8: s.x0.x[0] = 1000; break;
    }
    gradient_of(&s, 1);
}
END_TEST

Suite *teacher_suite(void)
{
    Suite *s = suite_create("teacher");
    TCase *losses = tcase_create("losses"), *steps = tcase_create("steps");

    tcase_add_loop_test(losses, jumps_follow_the_rates, 0, 3);
    tcase_add_test(losses, a_state_without_exits_stays);
    tcase_add_loop_test(losses, cross_entropy_and_gradient, 0, 2);
    tcase_set_timeout(losses, 120);
    tcase_add_loop_test(steps, blocks_add_up_and_threads_do_not_matter, 0, 4);
    tcase_add_loop_test(steps, step_gradient_matches_differences, 0, 4);
    tcase_add_test(steps, elbo_steps_see_x_tilde);
    tcase_add_test(steps, times_are_stratified_if_wanted);
    tcase_add_loop_test(steps, broken_numbers_end_the_step, 0, 3);
    tcase_add_test(steps, absorbing_weights_make_the_elbo);
    tcase_add_loop_test_raise_signal(steps, what_does_not_fit_stops, SIGABRT, 0, 9);
    tcase_set_timeout(steps, 120);
    suite_add_tcase(s, losses);
    suite_add_tcase(s, steps);
    return s;
}
