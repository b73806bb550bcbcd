/* The classes of networks: what a NetworkConfig says reaches the network.  Each class lays out the
 * network that its own configuration, filled in by hand here, gives; no value is the default. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "nn/mlp/mlp.h"
#include "nn/network_class.h"
#include "nn/transformer/transformer.h"
#include "nn/unet/unet.h"
#include "tensor/base/memory.h"
#include "tests/tools/network_checks.h"

Suite *network_class_suite(void);

enum {
    B = 3,
    HEIGHT = 2,
    WIDTH = 4,
    CHANNELS = 3,
    D = HEIGHT * WIDTH * CHANNELS,
    L = 2,
    EMBED = 6
};
static const double TIME_SCALE = 7.0, DROPOUT = 0.37, MEAN = 0.25, DEVIATION = 0.4, GAIN = 3.0;

/* What any network is told; is_number: lambda as a number. */
static NetworkConfig told(const char *class, bool is_number)
{
    NetworkConfig n = {.class = nn_network_find(class),
                       .height = HEIGHT,
                       .width = WIDTH,
                       .channels = CHANNELS,
                       .states = 4,
                       .out_states = 3,
                       .time_scale = TIME_SCALE,
                       .dropout = DROPOUT,
                       .lambda_dims = L,
                       .lambda_is_number = is_number,
                       .lambda_mean = MEAN,
                       .lambda_deviation = DEVIATION,
                       .lambda_gain = GAIN,
                       .encoder_family = ENCODER_BOX,
                       .encoder = ENCODER_PAIR};
    ck_assert_ptr_nonnull(n.class);
    for (size_t i = 0; i < n.class->setting_count; i++)
        setting_default(&n.class->settings[i], nn_network_own(&n, n.class->settings[i].name));
    *nn_network_own(&n, "embed") = EMBED;
    return n;
}

static Network *by_class(const NetworkConfig *n)
{
    Error err = {""};
    return made(nn_network_allocate(n->class->layout(n, &err), true), &err);
}

/* The encoder's stats of seeded pairs at `pace` times their times, (B, 2 L), by mem_alloc. */
static float *stats_of(const Network *net, double pace)
{
    Graph *g = ag_graph_create();
    States clean = states_make(g->arena, B, D), noised = states_make(g->arena, B, D);
    const double t[B] = {0.1 * pace, 0.5 * pace, 0.8 * pace};
    for (size_t i = 0; i < (size_t)B * D; i++) {
        clean.x[i] = (uint16_t)(i * i % 3);
        noised.x[i] = (uint16_t)(i % 5 % 4);
    }
    const Var *stats = nn_encode(net->encoder, g, &clean, &noised, t);
    const size_t count = tensor_size(&stats->value);
    ck_assert_uint_eq(count, (size_t)2 * B * net->lambda_dims);
    float *out = mem_alloc(count, sizeof *out);
    memcpy(out, stats->value.data, count * sizeof *out);
    ag_graph_destroy(g);
    return out;
}

static void same_numbers(float *a, float *b, size_t count, const char *what)
{
    ck_assert_msg(memcmp(a, b, count * sizeof *a) == 0, "other %s", what);
    mem_free(a);
    mem_free(b);
}

/* Same names and shapes, initial values, outputs and encoder; both are destroyed. */
static void check_same(Network *a, Network *b)
{
    ck_assert_str_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->dims, D);
    ck_assert_uint_eq(a->states, b->states);
    ck_assert_uint_eq(a->outputs, b->outputs);
    ck_assert_uint_eq(a->params.count, b->params.count);
    ck_assert_uint_eq(a->params.total, b->params.total);
    for (size_t i = 0; i < a->params.count; i++) {
        ck_assert_str_eq(a->params.items[i]->name, b->params.items[i]->name);
        ck_assert(tensor_same_shape(&a->params.items[i]->value, &b->params.items[i]->value));
    }
    a->initialise(a, 5);
    b->initialise(b, 5);
    ck_assert_mem_eq(a->params.values, b->params.values, a->params.total * sizeof(float));
    randomise(a, 6);
    randomise(b, 6);
    same_numbers(outputs_of(a, B, true, true, NULL), outputs_of(b, B, true, true, NULL),
                 B * a->outputs, "outputs");
    ck_assert(a->encoder->family == ENCODER_BOX && a->encoder->input == ENCODER_PAIR);
    ck_assert(a->encoder->channels == b->encoder->channels);
    ck_assert_uint_eq(a->lambda_dims, b->lambda_dims);
    ck_assert_uint_eq(a->encoder->lambda_dims, a->lambda_dims);
    same_numbers(stats_of(a, 1.0), stats_of(b, 1.0), (size_t)2 * B * a->lambda_dims,
                 "stats of the encoder");
    nn_network_destroy(a);
    nn_network_destroy(b);
}

START_TEST(an_mlp_is_as_told)
{
    for (int is_number = 0; is_number < 2; is_number++) {
        Error err = {""};
        NetworkConfig n = told("mlp", is_number);
        *nn_network_own(&n, "mlp_width") = 24;
        *nn_network_own(&n, "mlp_blocks") = 3;
        const MlpConfig c = {.dims = D,
                             .states = 4,
                             .out_states = 3,
                             .width = 24,
                             .blocks = 3,
                             .embed = EMBED,
                             .time_scale = TIME_SCALE,
                             .dropout = DROPOUT,
                             .lambda_dims = L,
                             .lambda_is_number = is_number,
                             .lambda_mean = MEAN,
                             .lambda_deviation = DEVIATION,
                             .encoder_family = ENCODER_BOX,
                             .encoder = ENCODER_PAIR};
        check_same(by_class(&n), made(nn_mlp_create(&c, true, &err), &err));
    }
}
END_TEST

/* kase: bits are time conditioning, learned positions, lambda a number; then how lambda enters, at
 * places as a number alone. */
START_TEST(a_transformer_is_as_told)
{
    static const char *const entries[] = {"token", "conditioning", "places"};
    static const TransformerLambda entry[] = {
        TRANSFORMER_LAMBDA_TOKEN, TRANSFORMER_LAMBDA_CONDITIONING, TRANSFORMER_LAMBDA_PLACES};
    for (int kase = 0; kase < 3 * 8; kase++) {
        Error err = {""};
        const bool time = kase & 1, learned = kase & 2, is_number = kase & 4 || kase / 8 == 2;
        NetworkConfig n = told("transformer", is_number);
        *nn_network_own(&n, "tf_width") = 24;
        *nn_network_own(&n, "tf_blocks") = 2;
        *nn_network_own(&n, "tf_heads") = 3;
        *nn_network_own(&n, "tf_conditioning") = time;
        *nn_network_own(&n, "tf_condition_width") = 9;
        *nn_network_own(&n, "tf_positions") =
            setting_choice("rotary|both", learned ? "both" : "rotary");
        *nn_network_own(&n, "tf_lambda") =
            setting_choice("token|conditioning|places", entries[kase / 8]);
        const TransformerConfig c = {.dims = D,
                                     .states = 4,
                                     .out_states = 3,
                                     .width = 24,
                                     .blocks = 2,
                                     .heads = 3,
                                     .condition_width = 9,
                                     .embed = EMBED,
                                     .time_conditioning = time,
                                     .learned_positions = learned,
                                     .time_scale = TIME_SCALE,
                                     .dropout = DROPOUT,
                                     .lambda_dims = L,
                                     .lambda_entry = entry[kase / 8],
                                     .lambda_is_number = is_number,
                                     .lambda_mean = MEAN,
                                     .lambda_deviation = DEVIATION,
                                     .lambda_gain = GAIN,
                                     .encoder_family = ENCODER_BOX,
                                     .encoder = ENCODER_PAIR};
        check_same(by_class(&n), made(nn_transformer_create(&c, true, &err), &err));
    }
}
END_TEST

/* kase: bits are logistic head, states as numbers, narrow output, lambda a number; the last eight
 * are with lambda at places, as a number. */
START_TEST(a_unet_is_as_told)
{
    for (int kase = 0; kase < 24; kase++) {
        Error err = {""};
        const bool logistic = kase & 1, shown = kase & 2, narrow = kase & 4, places = kase >= 16;
        const bool is_number = places || kase & 8;
        NetworkConfig n = told("unet", is_number);
        n.logistic = logistic;
        n.input_is_number = shown;
        *nn_network_own(&n, "ch") = 8;
        memcpy(nn_network_own(&n, "ch_mult"), (const double[]){2, 2, 1}, 3 * sizeof *n.own);
        *nn_network_own(&n, "res_blocks") = 1;
        *nn_network_own(&n, "attn_scale") = 0;
        *nn_network_own(&n, "output_kernel") = setting_choice("3x3|1x1", narrow ? "1x1" : "3x3");
        *nn_network_own(&n, "unet_lambda") =
            setting_choice("conditioning|places", places ? "places" : "conditioning");
        const UNetConfig c = {.height = HEIGHT,
                              .width = WIDTH,
                              .channels = CHANNELS,
                              .states = 4,
                              .out_states = 3,
                              .head = logistic ? UNET_HEAD_LOGISTIC : UNET_HEAD_SOFTMAX,
                              .input_is_number = shown,
                              .narrow_output = narrow,
                              .ch = 8,
                              .ch_mult = {2, 1},
                              .scales = 2,
                              .res_blocks = 1,
                              .attn_scale = 0,
                              .embed = EMBED,
                              .time_scale = TIME_SCALE,
                              .dropout = DROPOUT,
                              .lambda_dims = L,
                              .lambda_places = places,
                              .lambda_gain = GAIN,
                              .lambda_is_number = is_number,
                              .lambda_mean = MEAN,
                              .lambda_deviation = DEVIATION,
                              .encoder_family = ENCODER_BOX,
                              .encoder = ENCODER_PAIR};
        check_same(by_class(&n), made(nn_unet_create(&c, true, &err), &err));
    }
}
END_TEST

/* Twice the scale is twice the time, for the encoder as for the network. */
START_TEST(an_encoder_is_told_the_time_to_scale)
{
    static const char *const small[][3] = {
        {"ch", "ch_mult", "attn_scale"}, {"mlp_width"}, {"tf_width", "tf_condition_width"}};
    for (size_t i = 0; i < nn_network_count(); i++) {
        NetworkConfig n = told(nn_network_class(i)->name, true);
        for (size_t k = 0; k < 3 && small[i][k] != NULL; k++)
            *nn_network_own(&n, small[i][k]) = k == 0 ? 8 : k == 1 ? 1 : -1;
        Network *slow = by_class(&n);
        n.time_scale *= 2.0;
        Network *fast = by_class(&n);
        randomise(slow, 6);
        randomise(fast, 6);
        float *a = stats_of(slow, 1.0), *b = stats_of(fast, 1.0);
        ck_assert_msg(memcmp(a, b, (size_t)2 * B * L * sizeof *a) != 0, "%s", slow->kind);
        mem_free(b);
        same_numbers(a, stats_of(fast, 0.5), (size_t)2 * B * L, slow->kind);
        nn_network_destroy(slow);
        nn_network_destroy(fast);
    }
}
END_TEST

START_TEST(the_list)
{
    ck_assert_uint_eq(nn_network_count(), 3); /* a test above for each */
    ck_assert_ptr_null(nn_network_find("net"));
    for (size_t i = 0; i < nn_network_count(); i++) {
        const NetworkClass *class = nn_network_class(i);
        size_t slots = 0;
        for (size_t k = 0; k < class->setting_count; k++)
            slots += setting_slots(&class->settings[k]);
        ck_assert_uint_le(slots, NETWORK_SLOTS_MAX);
        ck_assert_ptr_eq(nn_network_find(class->name), class);
    }
}
END_TEST

START_TEST(unknown_setting_stops)
{
    NetworkConfig n = told("mlp", false);
    nn_network_own(&n, "ch");
}
END_TEST

Suite *network_class_suite(void)
{
    Suite *s = suite_create("network_class");
    TCase *tc = tcase_create("network_class");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_mlp_is_as_told);
    tcase_add_test(tc, a_transformer_is_as_told);
    tcase_add_test(tc, a_unet_is_as_told);
    tcase_add_test(tc, an_encoder_is_told_the_time_to_scale);
    tcase_add_test(tc, the_list);
    tcase_add_test_raise_signal(tc, unknown_setting_stops, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
