/* nn/unet/unet.c and nn/unet/blocks.c */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/unet/input.h"
#include "nn/unet/unet.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tests/tools/network_checks.h"

Suite *unet_suite(void);

static UNetConfig tiny(size_t lambda_dims)
{
    UNetConfig c = nn_unet_defaults();
    c.height = c.width = 4;
    c.channels = 1;
    c.states = c.out_states = 16;
    c.ch = 8;
    c.scales = 2;
    c.res_blocks = 1;
    c.attn_scale = 1;
    c.dropout = 0.2;
    c.lambda_dims = lambda_dims;
    return c;
}

/* Three channels, 14 x 14, no attention but the middle's, two residual blocks a scale, an embedding
 * width of its own. */
static UNetConfig wide(size_t lambda_dims)
{
    UNetConfig c = tiny(lambda_dims);
    c.height = c.width = 14;
    c.channels = 3;
    c.attn_scale = -1;
    c.res_blocks = 2;
    c.embed = 6;
    return c;
}

/* Softmax head with a mask among the inputs, not square, one scale, attention there. */
static UNetConfig categorical(size_t lambda_dims)
{
    UNetConfig c = tiny(lambda_dims);
    c.head = UNET_HEAD_SOFTMAX;
    c.height = 3;
    c.width = 5;
    c.channels = 2;
    c.states = 4;
    c.out_states = 3;
    c.scales = 1;
    c.attn_scale = 0;
    return c;
}

/* The same with states as numbers and flags, and 1x1 at the end. */
static UNetConfig numbers(size_t lambda_dims)
{
    UNetConfig c = categorical(lambda_dims);
    c.input_is_number = true;
    c.narrow_output = true;
    return c;
}

/* Not square, so many numbers of lambda at each of the six places at the bottom. */
static UNetConfig placed(size_t lambda_dims)
{
    UNetConfig c = categorical(lambda_dims);
    c.height = 4;
    c.width = 6;
    c.scales = 2;
    c.lambda_places = true;
    c.lambda_is_number = true;
    return c;
}

static UNetConfig (*const CONFIGS[])(size_t lambda_dims) = {tiny, wide, categorical, numbers,
                                                            placed};
enum { CONFIG_COUNT = sizeof CONFIGS / sizeof CONFIGS[0], PLACED = CONFIG_COUNT - 1 };
/* Residual blocks: of the ways down and up, scale by scale, and two of the middle. */
static const size_t RES_BLOCKS[] = {2 + 2 + 4, 4 + 2 + 6, 1 + 2 + 2, 1 + 2 + 2, 2 + 2 + 4};

static Network *create(const UNetConfig *c)
{
    Error err = {""};
    return made(nn_unet_create(c, true, &err), &err);
}

START_TEST(paper_sizes)
{
    UNetConfig c = nn_unet_defaults();
    Error err;
    Network *teacher = nn_unet_create(&c, false, &err);
    ck_assert_uint_eq(teacher->params.total, 35749766);
    ck_assert_uint_eq(teacher->dims, 3072);
    ck_assert_uint_eq(teacher->outputs, 6144);
    ck_assert_uint_eq(teacher->gradient_block, 32);
    nn_network_destroy(teacher);
    c.lambda_dims = 1;
    Network *student = nn_unet_create(&c, false, &err);
    ck_assert_uint_eq(student->params.total, 39066630);
    ck_assert_uint_eq(student->gradient_block, 32);
    nn_network_destroy(student);
}
END_TEST

/* ---- names and shapes, written down module by module ---- */

typedef struct Cursor {
    const ParamSet *set;
    size_t at;
    bool student;
} Cursor;

/* The next parameter has this name and file shape; unused sizes are 1. */
static void expect(Cursor *c, const char *module, const char *part, size_t a, size_t b, size_t k)
{
    char name[128];
    size_t shape[TENSOR_MAX_RANK];
    snprintf(name, sizeof name, "%s%s", module, part);
    ck_assert(c->at < c->set->count);
    const Param *p = c->set->items[c->at++];
    nn_param_file_shape(p, shape);
    ck_assert_str_eq(p->name, name);
    ck_assert_msg(shape[0] == a && shape[1] == b && shape[2] == k && shape[3] == k,
                  "%s: (%zu, %zu, %zu, %zu)", name, shape[0], shape[1], shape[2], shape[3]);
}

static void expect_linear(Cursor *c, const char *name, size_t in, size_t out)
{
    expect(c, name, ".weight", out, in, 1);
    expect(c, name, ".bias", out, 1, 1);
}

static void expect_conv(Cursor *c, const char *name, size_t in, size_t out)
{
    expect(c, name, ".weight", out, in, 3);
    expect(c, name, ".bias", out, 1, 1);
}

static void expect_res(Cursor *c, const char *name, size_t in, size_t out)
{
    expect(c, name, ".groupnorm0.weight", in, 1, 1);
    expect(c, name, ".groupnorm0.bias", in, 1, 1);
    expect(c, name, ".conv0.weight", out, in, 3);
    expect(c, name, ".conv0.bias", out, 1, 1);
    expect(c, name, ".dense0.weight", out, 32, 1);
    expect(c, name, ".dense0.bias", out, 1, 1);
    if (c->student) {
        expect(c, name, ".dense1.weight", out, 32, 1);
        expect(c, name, ".dense1.bias", out, 1, 1);
    }
    expect(c, name, ".groupnorm1.weight", out, 1, 1);
    expect(c, name, ".groupnorm1.bias", out, 1, 1);
    expect(c, name, ".conv1.weight", out, out, 3);
    expect(c, name, ".conv1.bias", out, 1, 1);
    if (in != out) {
        expect(c, name, ".nin.W", in, out, 1);
        expect(c, name, ".nin.b", out, 1, 1);
    }
}

static void expect_attention(Cursor *c, const char *name, size_t channels)
{
    expect(c, name, ".GroupNorm_0.weight", channels, 1, 1);
    expect(c, name, ".GroupNorm_0.bias", channels, 1, 1);
    for (int i = 0; i < 4; i++) {
        char part[32];
        snprintf(part, sizeof part, ".NIN_%d.W", i);
        expect(c, name, part, channels, channels, 1);
        snprintf(part, sizeof part, ".NIN_%d.b", i);
        expect(c, name, part, channels, 1, 1);
    }
}

static void expect_all(const Network *net, bool student)
{
    Cursor c = {&net->params, 0, student};
    expect_linear(&c, "temb_modules.0", 8, 32);
    expect_linear(&c, "temb_modules.1", 32, 32);
    if (student) {
        expect_linear(&c, "lemb_modules.0", 8, 32);
        expect_linear(&c, "lemb_modules.1", 32, 32);
        expect_linear(&c, "hlemb_modules.0", 8, 32);
        expect_linear(&c, "hlemb_modules.1", 32, 32);
        expect_linear(&c, "tlam_mix", 16, 8);
    }
    expect_conv(&c, "input_conv", 1, 8);
    expect_res(&c, "downsampling_modules.0", 8, 8);
    expect_conv(&c, "downsampling_modules.1.conv", 8, 8);
    expect_res(&c, "downsampling_modules.2", 8, 16);
    expect_attention(&c, "downsampling_modules.3", 16);
    if (student) {
        expect_linear(&c, "h_t_lam_mix", 32, 8);
    }
    expect_res(&c, "middle_modules.0", 16, 16);
    expect_attention(&c, "middle_modules.1", 16);
    expect_res(&c, "middle_modules.2", 16, 16);
    expect_res(&c, "upsampling_modules.0", 32, 16);
    expect_attention(&c, "upsampling_modules.1", 16);
    expect_res(&c, "upsampling_modules.2", 24, 16);
    expect_attention(&c, "upsampling_modules.3", 16);
    expect_conv(&c, "upsampling_modules.4.conv", 16, 16);
    expect_res(&c, "upsampling_modules.5", 24, 8);
    expect_res(&c, "upsampling_modules.6", 16, 8);
    expect(&c, "output_modules.0", ".weight", 8, 1, 1);
    expect(&c, "output_modules.0", ".bias", 8, 1, 1);
    expect_conv(&c, "output_modules.1", 8, 2);
    ck_assert_uint_eq(c.at, net->params.count);
}

START_TEST(names_shapes_and_order)
{
    for (size_t lambdas = 0; lambdas < 2; lambdas++) {
        UNetConfig c = tiny(lambdas);
        Network *net = create(&c);
        expect_all(net, lambdas > 0);
        nn_network_destroy(net);
    }
}
END_TEST

/* One pixel of three channels, S = 5 with the mask 4: numbers, then flags; an encoder of clean
 * pictures and a network without a mask get no flags. */
START_TEST(states_as_numbers)
{
    uint16_t x[] = {0, 4, 3, 1, 2, 4};
    const States states = {x, 2, 3};
    UNetConfig c = numbers(0);
    Graph *g = ag_graph_create();
    c.height = c.width = 1;
    c.channels = 3;
    c.states = 5;
    c.out_states = 4;
    ck_assert_uint_eq(unet_input_channels(&c, 3, true), 6);
    ck_assert_uint_eq(unet_input_channels(&c, 3, false), 3);
    const float with[] = {-1, 0, 1, 0, 1, 0, -1.0f / 3, 1.0f / 3, 0, 0, 0, 1};
    const Var *v = unet_input(&c, g, &states, 3, true);
    for (size_t i = 0; i < 12; i++)
        ck_assert_float_eq_tol(v->value.data[i], with[i], 1e-6);
    c.out_states = 5;
    ck_assert_uint_eq(unet_input_channels(&c, 3, true), 3);
    v = unet_input(&c, g, &states, 3, true);
    for (size_t i = 0; i < 6; i++)
        ck_assert_float_eq_tol(v->value.data[i], (float)x[i] / 2 - 1, 1e-6);
    c.input_is_number = false;
    ck_assert_uint_eq(unet_input_channels(&c, 3, true), 15);
    ag_graph_destroy(g);
}
END_TEST

/* ---- what every network must do ---- */

START_TEST(same_bits)
{
    for (size_t lambdas = 0; lambdas < 3; lambdas++) {
        for (size_t i = 0; i < CONFIG_COUNT; i++) {
            UNetConfig c = CONFIGS[i](lambdas);
            Network *net = create(&c);
            randomise(net, 1);
            check_same_bits(net);
            check_samples_stand_alone(net, 40);
            nn_network_destroy(net);
        }
    }
}
END_TEST

/* With layers wide enough for every algorithm, with and without lambda. */
START_TEST(samples_stand_alone)
{
    UNetConfig c = tiny((size_t)_i);
    c.height = c.width = 16;
    c.ch = 32;
    c.ch_mult[1] = 2;
    Network *net = create(&c);
    randomise(net, 1);
    check_samples_stand_alone(net, 9);
    nn_network_destroy(net);
}
END_TEST

/* The network's sizes alone settle how the samples of a gradient are cut, lambda or not. */
START_TEST(blocks_of_a_gradient)
{
    UNetConfig c[] = {tiny(0), categorical(0), categorical(2), wide(1)};
    const size_t want[] = {512, 512, 23, 167};
    c[2].states = c[2].out_states = 6000; /* 15 positions of 12,000 logits */
    c[3].height = c[3].width = 28;
    c[3].ch = 32;
    for (size_t i = 0; i < 4; i++) {
        Network *net = create(&c[i]);
        ck_assert_uint_eq(net->gradient_block, want[i]);
        nn_network_destroy(net);
    }
    ck_assert_uint_eq(nn_gradient_block(1, 8192), 512);
    ck_assert_uint_eq(nn_gradient_block(1, 8193), 511);
    ck_assert_uint_eq(nn_gradient_block(1024, 4096), 1);
    ck_assert_uint_eq(nn_gradient_block((size_t)1 << 31, (size_t)1 << 14), 1);
}
END_TEST

START_TEST(parameter_gradients)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        UNetConfig c = CONFIGS[i]((i + 2) % 5 % 3); /* 2, 0, 1, 0 lambdas, and 1 at places */
        Network *net = create(&c);
        randomise(net, 1);
        check_parameter_gradients(net, 5e-3);
        nn_network_destroy(net);
    }
}
END_TEST

START_TEST(every_dropout_has_its_own_mask)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        for (size_t lambdas = 0; lambdas < 2; lambdas++) {
            UNetConfig c = CONFIGS[i](lambdas);
            c.dropout = 0.5;
            Network *net = create(&c);
            randomise(net, 1);
            check_dropouts(net, RES_BLOCKS[i]);
            nn_network_destroy(net);
        }
    }
}
END_TEST

/* Each residual block of a student has weights for lambda, and they matter. */
START_TEST(every_block_hears_lambda)
{
    for (size_t i = 0; i < PLACED; i++) {
        UNetConfig c = CONFIGS[i](1);
        Network *net = create(&c);
        randomise(net, 1);
        size_t blocks = 0;
        for (size_t k = 0; k < net->params.count; k++) {
            const char *name = net->params.items[k]->name;
            const char *end = strstr(name, ".dense0.weight");
            char lambda[128];
            if (end == NULL) {
                continue;
            }
            snprintf(lambda, sizeof lambda, "%.*s.dense1.weight", (int)(end - name), name);
            Param *p = nn_param_find(&net->params, lambda);
            ck_assert_msg(p != NULL, "no %s", lambda);
            check_parameter_matters(net, p);
            blocks++;
        }
        ck_assert_uint_eq(blocks, RES_BLOCKS[i]);
        nn_network_destroy(net);
    }
}
END_TEST

/* At places the map of the bottom alone has them: with its second row 0, every second number, that
 * of each place, does not matter, and all others do. */
START_TEST(the_bottom_hears_lambda_at_places)
{
    UNetConfig c = placed(2);
    Network *net = create(&c);
    randomise(net, 1);
    for (size_t k = 0; k < net->params.count; k++)
        ck_assert_ptr_null(strstr(net->params.items[k]->name, "dense1"));
    const Param *map = nn_param_find(&net->params, "lambda_map.weight");
    ck_assert_ptr_nonnull(map);
    ck_assert_uint_eq(map->value.shape[0], 2);
    ck_assert_uint_eq(net->lambda_dims, (size_t)2 * 6);
    check_parameter_matters(net, nn_param_find(&net->params, "lambda_map.weight"));
    double lambda[2 * 6] = {0.0};
    const size_t bytes = net->outputs * sizeof(float), width = map->value.shape[1];
    memset(map->value.data + width, 0, width * sizeof(float));
    float *before = outputs_of(net, 1, true, false, lambda);
    for (size_t k = 0; k < (size_t)2 * 6; k++) {
        lambda[k] = 1.0;
        float *after = outputs_of(net, 1, true, false, lambda);
        ck_assert_msg((memcmp(before, after, bytes) != 0) == (k % 2 == 0), "number %zu", k);
        lambda[k] = 0.0;
        mem_free(after);
    }
    mem_free(before);
    nn_network_destroy(net);
}
END_TEST

START_TEST(memory_of_inference)
{
    UNetConfig c = tiny(1);
    c.height = c.width = 32;
    c.channels = 3;
    Network *net = create(&c);
    net->initialise(net, 1);
    check_memory(net);
    nn_network_destroy(net);
}
END_TEST

START_TEST(student_starts_as_teacher)
{
    for (size_t lambdas = 1; lambdas < 3; lambdas++) {
        for (size_t i = 0; i < PLACED; i++) { /* at places lambda starts with weights */
            UNetConfig without = CONFIGS[i](0), with = CONFIGS[i](lambdas);
            Network *teacher = create(&without), *student = create(&with);
            check_student_starts_as_teacher(student, teacher);
            nn_network_destroy(teacher);
            nn_network_destroy(student);
        }
    }
}
END_TEST

START_TEST(initial_values)
{
    UNetConfig c = tiny(1);
    Network *a = create(&c), *b = create(&c);
    a->initialise(a, 1);
    b->initialise(b, 1);
    const size_t bytes = a->params.total * sizeof(float);
    ck_assert_int_eq(memcmp(a->params.values, b->params.values, bytes), 0);
    b->initialise(b, 2);
    ck_assert(memcmp(a->params.values, b->params.values, bytes) != 0);
    for (size_t i = 0; i < a->params.count; i++) {
        const Param *p = a->params.items[i];
        const bool zero = strstr(p->name, "dense1") != NULL;
        const bool closed = strstr(p->name, "NIN_3.W") != NULL;
        double largest = 0.0;
        for (size_t k = 0; k < tensor_size(&p->value); k++) {
            largest = larger_of(largest, fabs((double)p->value.data[k]));
        }
        ck_assert(!zero || largest == 0.0);
        ck_assert(!closed || (largest > 0.0 && largest < 1e-5));
        ck_assert(zero || closed || p->value.rank == 1 || largest > 1e-2);
    }
    nn_network_destroy(a);
    nn_network_destroy(b);
}
END_TEST

/* The gain scales the weights of lambda's embedding, or of its map at places, which are not 0, and
 * nothing else. */
START_TEST(lambda_gain)
{
    UNetConfig c = _i == 0 ? tiny(1) : placed(2);
    Network *plain = create(&c);
    c.lambda_gain = 2.0;
    Network *scaled = create(&c);
    plain->initialise(plain, 1);
    scaled->initialise(scaled, 1);
    for (size_t i = 0; i < plain->params.count; i++) {
        const Param *p = plain->params.items[i], *q = scaled->params.items[i];
        const bool embeds = strstr(p->name, "lemb") != NULL || strstr(p->name, "lam_mix") != NULL ||
                            strstr(p->name, "lambda_map") != NULL;
        for (size_t k = 0; k < tensor_size(&p->value); k++) {
            ck_assert(!embeds || p->value.rank == 1 || p->value.data[k] != 0.0f);
            ck_assert(q->value.data[k] == (embeds ? 2.0f : 1.0f) * p->value.data[k]);
        }
    }
    nn_network_destroy(plain);
    nn_network_destroy(scaled);
}
END_TEST

/* The logistic head: mu = tanh(c(x) + h), log_scale = h, channel by channel.  With an output layer
 * whose weights are zero and biases known, h is known. */
START_TEST(logistic_head)
{
    UNetConfig c = wide(0);
    Network *net = create(&c);
    net->initialise(net, 1);
    nn_init_constant(nn_param_find(&net->params, "output_modules.1.weight"), 0.0f);
    Param *bias = nn_param_find(&net->params, "output_modules.1.bias");
    for (int i = 0; i < 6; i++) {
        bias->value.data[i] = 0.1f * (float)(i - 2);
    }
    States x = states_alloc(1, net->dims);
    for (size_t d = 0; d < net->dims; d++) {
        x.x[d] = (uint16_t)(d * 7 % 16);
    }
    const double t = 0.5;
    NetworkInput in = {&x, &t, NULL, NULL, NULL, NULL};
    Graph *g = ag_graph_create();
    const float *out = nn_forward(net, g, &in)->value.data;
    for (size_t pixel = 0; pixel < 196; pixel++) {
        for (size_t k = 0; k < 3; k++) {
            double centred = 2.0 * x.x[pixel * 3 + k] / 15.0 - 1.0;
            double mu = tanh(centred + 0.1 * ((double)k - 2.0));
            ck_assert(fabs(out[pixel * 6 + k] - mu) < 1e-6);
            ck_assert(fabs(out[pixel * 6 + 3 + k] - 0.1 * ((double)k + 1.0)) < 1e-6);
        }
    }
    ag_graph_destroy(g);
    states_free(&x);
    nn_network_destroy(net);
}
END_TEST

/* Three outputs of a seeded student, fixed when it agreed to 2e-6 with an independent
 * implementation in double precision on other weights, gradients included. */
START_TEST(known_outputs)
{
    UNetConfig c = tiny(1);
    Network *net = create(&c);
    randomise(net, 1);
    float *out = outputs_of(net, 1, true, false, NULL);
    const double expected[] = {-0.660330, -0.170986, 0.026838};
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(fabs(out[(size_t)i * 11] - expected[i]) < 1e-4, "output %d: %.7f", i * 11,
                      (double)out[(size_t)i * 11]);
    }
    mem_free(out);
    nn_network_destroy(net);
}
END_TEST

/* States 0..vmax become -1..1: a network of 5 states sees with vmax 8 what one of 9 sees. */
START_TEST(vmax_scales_the_input)
{
    UNetConfig c = tiny(0), wide = tiny(0);
    uint16_t x[16];
    const double t = 0.3;
    const States states = {x, 1, 16};
    const NetworkInput in = {.x = &states, .t = &t};
    for (size_t i = 0; i < 16; i++) {
        x[i] = (uint16_t)(i % 5);
    }
    c.states = 5;
    c.vmax = HUGE_VAL;
    ck_assert(!nn_unet_possible(&c, NULL));
    c.vmax = 8;
    wide.states = 9;
    Network *a = create(&c), *b = create(&wide);
    ck_assert_uint_eq(a->dims, 16);
    randomise(a, 1);
    randomise(b, 1);
    Graph *g = ag_graph_create();
    Var *one = nn_forward(a, g, &in), *two = nn_forward(b, g, &in);
    ck_assert_mem_eq(one->value.data, two->value.data, a->outputs * sizeof(float));
    ag_graph_destroy(g);
    nn_network_destroy(b);
    nn_network_destroy(a);
}
END_TEST

/* ---- refused configurations ---- */

static void refused(UNetConfig c, const char *word)
{
    Error err = {""};
    check_refused(nn_unet_create(&c, false, &err), &err, word);
    ck_assert_ptr_null(nn_unet_create(&c, false, NULL));
}

START_TEST(impossible_configurations)
{
    UNetConfig c;
    c = tiny(0), c.height = 0, refused(c, "height");
    c = tiny(0), c.width = 5, refused(c, "multiples of 2");
    c = tiny(0), c.height = c.width = 65536, c.channels = 16384, refused(c, "numbers");
    c = tiny(0), c.channels = SIZE_MAX, refused(c, "channels");
    c = tiny(0), c.states = 1, refused(c, "states");
    c = tiny(0), c.head = (UNetHead)7, refused(c, "head");
    c = categorical(0), c.out_states = 5, refused(c, "out_states");
    c = tiny(0), c.ch = 6, refused(c, "multiple of 4");
    c = tiny(0), c.ch = 0, refused(c, "ch");
    c = tiny(0), c.ch = 132, c.ch_mult[1] = 1, refused(c, "groups");
    c = tiny(0), c.scales = 0, refused(c, "scales");
    c = tiny(0), c.scales = 9, refused(c, "scales");
    c = tiny(0), c.ch_mult[1] = 0, refused(c, "ch_mult");
    c = tiny(0), c.ch_mult[1] = SIZE_MAX, refused(c, "ch_mult");
    c = tiny(0), c.res_blocks = 0, refused(c, "res_blocks");
    c = tiny(0), c.attn_scale = 2,
    refused(c, "attn_scale is 2; it must be -1 (none) or a scale in 0..1");
    c = tiny(0), c.attn_scale = -2, refused(c, "attn_scale");
    c = tiny(0), c.embed = 3, refused(c, "embed");
    c = tiny(0), c.ch = 4, c.ch_mult[1] = 5000, refused(c, "ch_mult");
    c = tiny(0), c.dropout = 1.0, refused(c, "dropout");
    c = tiny(0), c.dropout = -0.1, refused(c, "dropout");
    c = tiny(0), c.vmax = -1, refused(c, "vmax");
    c = tiny(0), c.time_scale = INFINITY, refused(c, "time_scale");
    c = tiny(0), c.lambda_dims = 65, refused(c, "lambda_dims");
    c = placed(65), refused(c, "lambda_dims");
    c = placed(1), c.lambda_is_number = false, refused(c, "at places enters as numbers");
    c = tiny(1), c.lambda_gain = 0.0, refused(c, "lambda_gain");
}
END_TEST

START_TEST(wrong_dimensions_stop)
{
    const UNetConfig c = tiny(0);
    forward_once(create(&c), 15, 0, 0.5);
}
END_TEST

START_TEST(wrong_time_stops)
{
    const UNetConfig c = tiny(0);
    forward_once(create(&c), 16, 0, NAN);
}
END_TEST

Suite *unet_suite(void)
{
    Suite *s = suite_create("unet");
    TCase *tc = tcase_create("unet");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, paper_sizes);
    tcase_add_test(tc, names_shapes_and_order);
    tcase_add_test(tc, states_as_numbers);
    tcase_add_test(tc, same_bits);
    tcase_add_loop_test(tc, samples_stand_alone, 0, 2);
    tcase_add_test(tc, blocks_of_a_gradient);
    tcase_add_test(tc, parameter_gradients);
    tcase_add_test(tc, every_dropout_has_its_own_mask);
    tcase_add_test(tc, every_block_hears_lambda);
    tcase_add_test(tc, the_bottom_hears_lambda_at_places);
    tcase_add_test(tc, memory_of_inference);
    tcase_add_test(tc, student_starts_as_teacher);
    tcase_add_test(tc, initial_values);
    tcase_add_loop_test(tc, lambda_gain, 0, 2);
    tcase_add_test(tc, logistic_head);
    tcase_add_test(tc, known_outputs);
    tcase_add_test(tc, vmax_scales_the_input);
    tcase_add_test(tc, impossible_configurations);
    tcase_add_test_raise_signal(tc, wrong_dimensions_stop, SIGABRT);
    tcase_add_test_raise_signal(tc, wrong_time_stops, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
