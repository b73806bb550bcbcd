/* nn/transformer: the network, its block, and how a student starts; its encoder is in
 * test_encoder.c. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "autograd/operations.h"
#include "nn/optimizer.h"
#include "nn/transformer/block.h"
#include "nn/transformer/transformer.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tensor/system/threads.h"
#include "tests/tools/network_checks.h"
#include "tests/tools/slow.h"

Suite *transformer_suite(void);

static TransformerConfig tiny(size_t lambda_dims)
{
    TransformerConfig c = nn_transformer_defaults();
    c.dims = 5;
    c.states = 4;
    c.out_states = 3;
    c.width = 12;
    c.blocks = 2;
    c.heads = 3;
    c.condition_width = 7;
    c.embed = 9;
    c.dropout = 0.2;
    c.lambda_dims = lambda_dims;
    return c;
}

/* Every way to build one: time or none, learned positions or none, teacher, the ways of lambda,
 * lambda as sinusoids or numbers. */
enum { VARIANTS = 2 * 2 * 6 };
static TransformerConfig variant(int i)
{
    const int lambda = i / 4; /* 0 teacher, 1, 2 token, 3, 4 conditioning, 5 places */
    TransformerConfig c = tiny(lambda == 0 ? 0 : 1 + (size_t)lambda % 2);
    c.time_conditioning = i % 2 == 0;
    c.learned_positions = i / 2 % 2 == 1;
    c.lambda_entry = lambda < 3   ? TRANSFORMER_LAMBDA_TOKEN
                     : lambda < 5 ? TRANSFORMER_LAMBDA_CONDITIONING
                                  : TRANSFORMER_LAMBDA_PLACES;
    c.lambda_is_number = lambda == 5 || (lambda > 0 && lambda % 2 == 0);
    c.lambda_mean = 0.5;
    c.lambda_deviation = 0.3;
    return c;
}

static Network *create(const TransformerConfig *c)
{
    Error err = {""};
    return made(nn_transformer_create(c, true, &err), &err);
}

START_TEST(every_network)
{
    const TransformerConfig c = variant(_i);
    Network *net = create(&c);
    ck_assert_uint_eq(net->outputs, 15);
    randomise(net, 1);
    check_same_bits(net);
    check_dropouts(net, 4);
    check_parameter_gradients(net, 1e-2);
    for (size_t i = 0; i < net->params.count; i++) { /* a key's bias changes no softmax */
        if (strstr(net->params.items[i]->name, "attention.k.bias") == NULL) {
            check_parameter_matters(net, net->params.items[i]);
        }
    }
    nn_network_destroy(net);
}
END_TEST

START_TEST(larger_networks)
{
    for (int i = 0; i < 4; i++) {
        TransformerConfig c = nn_transformer_defaults();
        c.dims = 37;
        c.states = c.out_states = 30;
        c.width = 64;
        c.heads = 4;
        c.blocks = 3;
        c.lambda_dims = i > 0 ? 2 : 0;
        c.lambda_entry = i == 1 ? TRANSFORMER_LAMBDA_TOKEN : TRANSFORMER_LAMBDA_CONDITIONING;
        if (i == 3) {
            c.lambda_entry = TRANSFORMER_LAMBDA_PLACES;
            c.lambda_is_number = true;
        }
        Network *net = create(&c);
        randomise(net, 1);
        check_memory(net);
        check_samples_stand_alone(net, 40); /* more rows than gemm.c's DIRECT_ROWS */
        nn_network_destroy(net);
    }
}
END_TEST

/* sum of sin(i) outputs at this lambda; its gradient, if asked for. */
static double value_of_lambda(const Network *net, const float *lambda, float *gradient)
{
    enum { B = 2 };
    Graph *g = ag_graph_create();
    States x = states_make(g->arena, B, net->dims);
    const double t[B] = {0.3, 0.8};
    const size_t L = net->lambda_dims;
    for (size_t i = 0; i < B * net->dims; i++) {
        x.x[i] = (uint16_t)(i * i % net->states);
    }
    Tensor value = tensor_make2(g->arena, B, L);
    memcpy(value.data, lambda, B * L * sizeof *lambda);
    const NetworkInput in = {&x, t, NULL, NULL, ag_leaf(g, value, gradient), NULL};
    Var *out = nn_forward(net, g, &in);
    float *w = arena_alloc(g->arena, B * net->outputs, sizeof *w);
    double sum = 0.0;
    for (size_t i = 0; i < B * net->outputs; i++) {
        w[i] = (float)sin((double)i);
        sum += (double)w[i] * (double)out->value.data[i];
    }
    if (gradient != NULL) {
        ag_backward_from(out, w);
    }
    ag_graph_destroy(g);
    return sum;
}

START_TEST(gradients_reach_lambda)
{
    enum { N = 2 * 10 };
    const float h = 1e-2f;
    for (int i = 0; i < VARIANTS; i++) {
        TransformerConfig c = variant(i);
        if (!c.lambda_is_number) {
            continue;
        }
        c.lambda_dims = 2;
        Network *net = create(&c);
        float lambda[N] = {0.4f, -0.2f, 0.9f, 0.1f}, gradient[N] = {0};
        randomise(net, 3);
        value_of_lambda(net, lambda, gradient);
        for (size_t k = 0; k < 2 * net->lambda_dims; k++) {
            const float kept = lambda[k];
            lambda[k] = kept + h;
            const double above = value_of_lambda(net, lambda, NULL);
            lambda[k] = kept - h;
            const double below = value_of_lambda(net, lambda, NULL);
            lambda[k] = kept;
            const double slope = (above - below) / (2.0 * (double)h);
            ck_assert_msg(fabs(slope) > 1e-4, "variant %d: lambda %zu does not matter", i, k);
            ck_assert_msg(fabs(slope - (double)gradient[k]) < 1e-2 * (0.1 + fabs(slope)),
                          "variant %d: %g, differences give %g", i, (double)gradient[k], slope);
        }
        nn_network_destroy(net);
    }
}
END_TEST

/* ---- sizes ---- */

/* Numbers of parameters, from the formulas of nn/README.md. */
static size_t numbers(const TransformerConfig *c)
{
    const size_t C = c->width, K = c->condition_width, E = c->embed, D = c->dims;
    const bool conditioning =
        c->lambda_dims > 0 && c->lambda_entry == TRANSFORMER_LAMBDA_CONDITIONING;
    const size_t lambda = c->lambda_is_number ? c->lambda_dims : c->lambda_dims * E;
    size_t block = 4 * (C + 1) * C + (C + 1) * 4 * C + (4 * C + 1) * C;
    size_t rest = c->states * C + (c->learned_positions ? D * C : 0) + C + (C + 1) * c->out_states;
    block += c->time_conditioning ? (K + 1) * 6 * C : 2 * C;
    block += conditioning ? (K + 1) * 6 * C : 0;
    rest += c->time_conditioning ? (E + 1) * K + (K + 1) * K : 0;
    if (c->lambda_entry == TRANSFORMER_LAMBDA_PLACES) {
        rest += (lambda + 1) * C;
    } else if (c->lambda_dims > 0) {
        rest += (lambda + 1) * 4 * E + (4 * E + 1) * (conditioning ? K : C);
    }
    return rest + c->blocks * block;
}

START_TEST(sizes_are_those_of_the_formulas)
{
    Error err;
    for (int i = 0; i < VARIANTS; i++) {
        const TransformerConfig c = variant(i);
        Network *net = create(&c);
        ck_assert_uint_eq(net->params.total, numbers(&c));
        nn_network_destroy(net);
    }
    TransformerConfig c = nn_transformer_defaults(); /* the published size, written down */
    Network *net = nn_transformer_layout(&c, &err);
    ck_assert_uint_eq(net->params.total, numbers(&c));
    ck_assert_uint_eq(net->params.total, 169430353);
    ck_assert_uint_eq(net->gradient_block, 1);
    nn_network_destroy(net);
}
END_TEST

START_TEST(blocks_of_a_gradient)
{
    TransformerConfig c = tiny(1);
    c.dims = 256;
    c.width = 96; /* 384 inside */
    Network *net = create(&c);
    ck_assert_uint_eq(net->gradient_block, 4194304 / (256 * 384));
    nn_network_destroy(net);
    c.states = c.out_states = 1000;
    net = create(&c);
    ck_assert_uint_eq(net->gradient_block, 4194304 / (256 * 1000));
    nn_network_destroy(net);
}
END_TEST

START_TEST(parameters_have_readable_names)
{
    static const char *const names[] = {"embedding.weight",
                                        "time.0.weight",
                                        "time.1.bias",
                                        "lambda.0.weight",
                                        "blocks.1.time.weight",
                                        "blocks.1.lambda.weight",
                                        "blocks.0.attention.q.bias",
                                        "blocks.0.attention.out.weight",
                                        "blocks.1.mlp.0.weight",
                                        "blocks.1.mlp.1.bias",
                                        "norm.weight",
                                        "output.weight"};
    TransformerConfig c = tiny(1);
    c.lambda_entry = TRANSFORMER_LAMBDA_CONDITIONING;
    Network *net = create(&c);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_msg(nn_param_find(&net->params, names[i]) != NULL, "no %s", names[i]);
    }
    nn_network_destroy(net);
}
END_TEST

/* ---- what it sees ---- */

/* Outputs at these states and times, (2, outputs), by mem_alloc. */
static float *outputs_at(const Network *net, const uint16_t *states, const double *t)
{
    Graph *g = ag_graph_create();
    States x = states_make(g->arena, 2, net->dims);
    memcpy(x.x, states, 2 * net->dims * sizeof *states);
    const NetworkInput in = {&x, t, NULL, NULL, NULL, NULL};
    float *out = mem_alloc(2 * net->outputs, sizeof *out);
    memcpy(out, nn_forward(net, g, &in)->value.data, 2 * net->outputs * sizeof *out);
    ag_graph_destroy(g);
    return out;
}

START_TEST(time_is_read_where_it_conditions)
{
    const uint16_t x[10] = {0, 1, 2, 3, 1, 0, 1, 2, 3, 1};
    const double t[2] = {0.2, 0.7};
    for (int on = 0; on < 2; on++) {
        TransformerConfig c = tiny(0);
        c.time_conditioning = on == 1;
        Network *net = create(&c);
        randomise(net, 2);
        float *out = outputs_at(net, x, t);
        ck_assert_int_eq(memcmp(out, out + net->outputs, net->outputs * sizeof *out) != 0, on);
        mem_free(out);
        nn_network_destroy(net);
    }
}
END_TEST

/* Rotary positions know distances alone: where all tokens are alike, so are all places. */
START_TEST(places_are_told_apart_by_learned_vectors)
{
    const uint16_t x[10] = {3, 3, 3, 3, 3, 0, 1, 0, 0, 0};
    const double t[2] = {1.0, 1.0};
    for (int learned = 0; learned < 2; learned++) {
        TransformerConfig c = tiny(0);
        c.learned_positions = learned == 1;
        Network *net = create(&c);
        randomise(net, 2);
        float *out = outputs_at(net, x, t);
        double apart = 0.0, ordered = 0.0;
        for (size_t i = 0; i < 3; i++) {
            apart = larger_of(apart, fabs((double)out[i] - out[(size_t)3 * 3 + i]));
            ordered = larger_of(ordered, fabs((double)out[15 + 6 + i] - out[15 + 9 + i]));
        }
        ck_assert(learned ? apart > 1e-3 : apart < 1e-5);
        ck_assert(ordered > 1e-4);
        mem_free(out);
        nn_network_destroy(net);
    }
}
END_TEST

/* Of entries 0.003 and -0.003, whose variance 9e-6 is near eps: 1/sqrt(1 + eps/9e-6) of 1. */
START_TEST(norm_has_eps)
{
    float one[2] = {1.0f, 1.0f}, x[2] = {3e-3f, -3e-3f};
    const size_t shape[] = {1, 2};
    Param gain = {.name = "gain", .value = tensor_view(one, 1, shape + 1)};
    Graph *g = ag_graph_create();
    const Var *y = transformer_norm(g, &gain, ag_constant(g, tensor_view(x, 2, shape)));
    ck_assert_double_eq_tol((double)y->value.data[0], 1.0 / sqrt(1.0 + 1e-5 / 9e-6), 1e-4);
    ag_graph_destroy(g);
}
END_TEST

/* ---- how a student starts ---- */

START_TEST(conditioned_student_starts_as_teacher)
{
    for (int i = 0; i < 4; i++) {
        TransformerConfig c = variant(i);
        Network *teacher = create(&c);
        for (size_t lambdas = 1; lambdas < 3; lambdas++) {
            c.lambda_dims = lambdas;
            c.lambda_entry = TRANSFORMER_LAMBDA_CONDITIONING;
            c.lambda_is_number = lambdas == 1;
            Network *student = create(&c);
            check_student_starts_as_teacher(student, teacher);
            nn_network_destroy(student);
        }
        nn_network_destroy(teacher);
    }
}
END_TEST

/* The same where the teacher's weights are far from the initial ones. */
START_TEST(conditioned_student_of_a_trained_teacher)
{
    for (int i = 0; i < 2; i++) {
        TransformerConfig c = variant(i);
        Network *teacher = create(&c);
        c.lambda_dims = 1;
        c.lambda_entry = TRANSFORMER_LAMBDA_CONDITIONING;
        Network *student = create(&c);
        randomise(teacher, 4);
        student->initialise(student, 2);
        nn_copy_common(student, teacher);
        float *a = outputs_of(teacher, 3, true, true, NULL);
        float *b = outputs_of(student, 3, true, true, NULL);
        ck_assert_mem_eq(a, b, 3 * teacher->outputs * sizeof *a);
        mem_free(a);
        mem_free(b);
        nn_network_destroy(student);
        nn_network_destroy(teacher);
    }
}
END_TEST

/* Largest change of an output of a random teacher by its student's token, over its outputs' size.
 */
static double change_by_token(size_t dims)
{
    TransformerConfig c = tiny(0);
    c.dims = dims;
    Network *teacher = create(&c);
    c.lambda_dims = 1;
    Network *student = create(&c);
    randomise(teacher, 4);
    student->initialise(student, 2);
    ck_assert_uint_eq(nn_copy_common(student, teacher), teacher->params.count);
    ck_assert_uint_eq(student->params.count, teacher->params.count + 4);
    float *a = outputs_of(teacher, 3, true, false, NULL);
    float *b = outputs_of(student, 3, true, false, NULL);
    double most = 0.0, size = 0.0;
    for (size_t i = 0; i < 3 * teacher->outputs; i++) {
        most = larger_of(most, fabs((double)a[i] - b[i]));
        size = larger_of(size, fabs((double)a[i]));
    }
    mem_free(a);
    mem_free(b);
    nn_network_destroy(student);
    nn_network_destroy(teacher);
    return most / size;
}

START_TEST(token_student_starts_near_its_teacher)
{
    const double few = change_by_token(4), many = change_by_token(400);
    ck_assert_msg(many > 0.0 && many < 1e-2 && many < 0.2 * few, "%g of 4 places, %g of 400", few,
                  many);
    TransformerConfig c = tiny(0); /* untrained and with time, blocks do nothing yet */
    Network *teacher = create(&c);
    c.lambda_dims = 1;
    Network *student = create(&c);
    teacher->initialise(teacher, 1);
    student->initialise(student, 2);
    nn_copy_common(student, teacher);
    float *a = outputs_of(teacher, 3, true, false, NULL);
    float *b = outputs_of(student, 3, true, false, NULL);
    ck_assert_mem_eq(a, b, 3 * teacher->outputs * sizeof *a);
    mem_free(a);
    mem_free(b);
    nn_network_destroy(student);
    nn_network_destroy(teacher);
}
END_TEST

/* lambda_gain is a factor on the weights that read lambda, which are not 0, and on nothing else. */
START_TEST(gain_scales_what_reads_lambda)
{
    const bool places = _i == 1;
    const char *const reads = places ? "lambda.weight" : "lambda.0.weight";
    TransformerConfig c = tiny(1);
    c.lambda_is_number = places;
    c.lambda_entry = places ? TRANSFORMER_LAMBDA_PLACES : TRANSFORMER_LAMBDA_TOKEN;
    Network *one = create(&c);
    c.lambda_gain = 4.0;
    Network *four = create(&c);
    one->initialise(one, 1);
    four->initialise(four, 1);
    const Param *reader = nn_param_find(&one->params, reads);
    ck_assert_ptr_nonnull(reader);
    for (size_t k = 0; k < tensor_size(&reader->value); k++) {
        ck_assert(reader->value.data[k] != 0.0f);
    }
    for (size_t i = 0; i < one->params.count; i++) {
        const Param *p = one->params.items[i], *q = four->params.items[i];
        const float factor = strcmp(p->name, reads) == 0 ? 4.0f : 1.0f;
        for (size_t k = 0; k < tensor_size(&p->value); k++) {
            if (fabsf(q->value.data[k] - factor * p->value.data[k]) > 1e-6f) {
                ck_abort_msg("%s[%zu]: %g with a gain of 4, %g without", p->name, k,
                             (double)q->value.data[k], (double)p->value.data[k]);
            }
        }
    }
    nn_network_destroy(one);
    nn_network_destroy(four);
}
END_TEST

/* ---- learning ---- */

/* Words of a law of text: a letter, then twice the same one, at any place of a cycle.  Of letters
 * masked at random, neighbours tell; without attention nothing is learned but log 3 a letter. */
enum { LETTERS = 3, LENGTH = 12, ROWS = 32, STEPS = 150 };

static void text(uint16_t *x, uint16_t *noised, Rng *rng)
{
    for (int b = 0; b < ROWS; b++) {
        const size_t start = rng_below(rng, 3 * LETTERS);
        for (int d = 0; d < LENGTH; d++) {
            const int at = b * LENGTH + d;
            x[at] = (uint16_t)((start + (size_t)d) / 3 % LETTERS);
            noised[at] = rng_below(rng, 3) == 0 ? LETTERS : x[at];
        }
    }
}

static double train_step(Network *net, Optimizer *o, Graph *g, uint64_t step)
{
    static uint16_t clean[ROWS * LENGTH], noised[ROWS * LENGTH];
    static double t[ROWS];
    Rng rng = rng_child(rng_root(7), step);
    text(clean, noised, &rng);
    const States x = {noised, ROWS, LENGTH};
    const NetworkInput in = {&x, t, NULL, NULL, NULL, NULL};
    const size_t rows[] = {(size_t)ROWS * LENGTH, LETTERS};
    Var *loss = ag_cross_entropy(ag_reshape(nn_forward(net, g, &in), 2, rows), clean);
    const double now = (double)loss->value.data[0];
    nn_params_zero_grads(&net->params);
    ag_backward(loss);
    nn_optimizer_step(o);
    ag_graph_reset(g);
    return now;
}

START_TEST(neighbours_are_learned)
{
    for (int on = 0; on < 2; on++) {
        TransformerConfig c = tiny(0);
        c.dims = LENGTH;
        c.states = LETTERS + 1;
        c.out_states = LETTERS;
        c.width = 24;
        c.time_conditioning = on == 1;
        Network *net = create(&c);
        net->initialise(net, 1);
        OptimizerConfig oc = nn_optimizer_defaults();
        oc.lr = 5e-3;
        oc.warmup = 10;
        Optimizer *o = nn_optimizer_create(&oc, &net->params);
        Graph *g = ag_graph_create();
        double loss = 0.0;
        for (uint64_t step = 0; step < STEPS; step++) {
            loss = train_step(net, o, g, step);
        }
        /* a third is masked: a network that reads one letter at a time is left with 0.33 log 3 */
        ck_assert_msg(loss < 0.5 * log(3.0) / 3.0, "conditioning %d: loss %.3f", on, loss);
        ag_graph_destroy(g);
        nn_optimizer_destroy(o);
        nn_network_destroy(net);
    }
}
END_TEST

/* ---- refusals ---- */

static void refused(TransformerConfig c, const char *word)
{
    Error err = {""};
    check_refused(nn_transformer_create(&c, false, &err), &err, word);
    ck_assert_ptr_null(nn_transformer_create(&c, false, NULL));
}

START_TEST(impossible_configurations)
{
    TransformerConfig c;
    c = tiny(0), c.dims = 0, refused(c, "dims");
    c = tiny(0), c.dims = SIZE_MAX / 2, refused(c, "dims");
    c = tiny(0), c.states = 1, refused(c, "states");
    c = tiny(0), c.states = 65537, refused(c, "states");
    c = tiny(0), c.out_states = 5, refused(c, "out_states");
    c = tiny(0), c.dims = c.states = c.out_states = 65536, refused(c, "dims * out_states");
    c = tiny(0), c.width = 0, refused(c, "width");
    c = tiny(0), c.width = 32768, refused(c, "width");
    c = tiny(0), c.width = 20, refused(c, "multiple of twice its 3 heads");
    c = tiny(0), c.width = 15, refused(c, "multiple of twice its 3 heads");
    c = tiny(0), c.blocks = 0, refused(c, "blocks");
    c = tiny(0), c.heads = 0, refused(c, "heads");
    c = tiny(0), c.heads = 7, refused(c, "heads");
    c = tiny(0), c.condition_width = 0, refused(c, "condition_width");
    c = tiny(0), c.embed = 3, refused(c, "embed");
    c = tiny(0), c.lambda_dims = 65, refused(c, "lambda_dims");
    c = tiny(1), c.lambda_entry = TRANSFORMER_LAMBDA_PLACES;
    refused(c, "at places enters as numbers");
    c = tiny(0), c.dropout = 1.0, refused(c, "dropout");
    c = tiny(0), c.dropout = NAN, refused(c, "dropout");
    c = tiny(0), c.time_scale = 0.0, refused(c, "time_scale");
    c = tiny(0), c.lambda_gain = 0.0, refused(c, "lambda_gain");
}
END_TEST

START_TEST(missing_lambda_stops)
{
    const TransformerConfig c = tiny(1);
    forward_once(create(&c), 5, 0, 0.5);
}
END_TEST

Suite *transformer_suite(void)
{
    Suite *s = suite_create("transformer");
    TCase *tc = tcase_create("transformer");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, every_network, 0, VARIANTS);
    tcase_add_test(tc, gradients_reach_lambda);
    tcase_add_test(tc, sizes_are_those_of_the_formulas);
    tcase_add_test(tc, blocks_of_a_gradient);
    tcase_add_test(tc, parameters_have_readable_names);
    tcase_add_test(tc, time_is_read_where_it_conditions);
    tcase_add_test(tc, places_are_told_apart_by_learned_vectors);
    tcase_add_test(tc, norm_has_eps);
    tcase_add_test(tc, conditioned_student_starts_as_teacher);
    tcase_add_test(tc, conditioned_student_of_a_trained_teacher);
    tcase_add_test(tc, token_student_starts_near_its_teacher);
    tcase_add_loop_test(tc, gain_scales_what_reads_lambda, 0, 2);
    tcase_add_test(tc, impossible_configurations);
    tcase_add_test_raise_signal(tc, missing_lambda_stops, SIGABRT);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 120);
    tcase_add_test(slow, larger_networks);
    tcase_add_test(slow, neighbours_are_learned);
    return s;
}
