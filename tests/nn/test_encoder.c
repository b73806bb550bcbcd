/* nn/encoder.c and the three recognition networks: the divergence, gradients through the draw into
 * all parameters, and that samples need none of it. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>

#include "autograd/operations.h"
#include "nn/encoder.h"
#include "nn/mlp/mlp.h"
#include "nn/transformer/transformer.h"
#include "nn/unet/unet.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"
#include "tests/tools/network_checks.h"
#include "tests/tools/sanitized.h"

/* Lambdas: two, or one at each place. */
enum { B = 3, L = 2, D = 24, MOST = D };

static Network *mlp(EncoderInput input, EncoderFamily family)
{
    Error err = {""};
    MlpConfig c = small_mlp(D, 3, 2, L);
    c.encoder = input;
    c.encoder_family = family;
    return made(nn_mlp_create(&c, true, &err), &err);
}

static Network *unet(EncoderInput input, UNetHead head, EncoderFamily family, bool places)
{
    Error err = {""};
    UNetConfig c = nn_unet_defaults();
    c.height = 4;
    c.width = 2;
    c.channels = 3;
    c.states = 3;
    c.out_states = 2;
    c.head = head;
    c.ch = 8;
    c.scales = 2;
    c.ch_mult[0] = c.ch_mult[1] = 1;
    c.res_blocks = 1;
    c.attn_scale = -1;
    c.dropout = 0.0;
    c.lambda_dims = L;
    c.lambda_places = places;
    c.lambda_is_number = true;
    c.encoder = input;
    c.encoder_family = family;
    c.lambda_mean = 0.25;
    c.lambda_deviation = 0.5;
    return made(nn_unet_create(&c, true, &err), &err);
}

static Network *transformer(EncoderInput input, EncoderFamily family, bool places)
{
    Error err = {""};
    TransformerConfig c = nn_transformer_defaults();
    c.dims = D;
    c.states = 3;
    c.out_states = 2;
    c.width = 8;
    c.heads = 2;
    c.blocks = 1;
    c.embed = 8;
    c.condition_width = 6;
    c.lambda_dims = places ? 1 : L;
    c.lambda_entry = places ? TRANSFORMER_LAMBDA_PLACES : TRANSFORMER_LAMBDA_CONDITIONING;
    c.lambda_is_number = true;
    c.encoder = input;
    c.encoder_family = family;
    c.lambda_mean = 0.25;
    c.lambda_deviation = 0.5;
    return made(nn_transformer_create(&c, true, &err), &err);
}

/* Six of each family of the MLP and the U-Net, then the transformer's four, and four of each of the
 * latter two with lambda at places; every second of pairs. */
enum { TRANSFORMERS = 12, UNETS_AT_PLACES = 20, KASES = 24 };
static Network *network(int kase)
{
    const EncoderInput input = kase % 2 == 0 ? ENCODER_CLEAN : ENCODER_PAIR;
    if (kase >= TRANSFORMERS) {
        const EncoderFamily q = kase / 2 % 2 == 0 ? ENCODER_GAUSSIAN : ENCODER_BOX;
        return kase < UNETS_AT_PLACES ? transformer(input, q, kase >= TRANSFORMERS + 4)
                                      : unet(input, UNET_HEAD_SOFTMAX, q, true);
    }
    const EncoderFamily family = kase < 6 ? ENCODER_GAUSSIAN : ENCODER_BOX;
    const UNetHead head = kase % 6 < 4 ? UNET_HEAD_SOFTMAX : UNET_HEAD_LOGISTIC;
    return kase % 6 < 2 ? mlp(input, family) : unet(input, head, family, false);
}

typedef struct Inputs {
    uint16_t x0[B * D], xt[B * D];
    double t[B], u[B * MOST];
} Inputs;

static Inputs inputs(void)
{
    Inputs in;
    for (size_t i = 0; i < (size_t)B * D; i++) {
        in.x0[i] = (uint16_t)(i * i % 5 % 2);
        in.xt[i] = (uint16_t)(i * 7 % 3);
    }
    for (size_t b = 0; b < B; b++)
        in.t[b] = 0.2 + 0.3 * (double)b;
    for (size_t i = 0; i < B * MOST; i++)
        in.u[i] = 0.5 + 0.4 * sin(2.0 + (double)i);
    return in;
}

/* sum of sin(i) outputs + KL of each sample; with gradients if `backward`.  g is empty before and
 * after: a new one each time would take most of the test's time. */
static double value(Graph *g, Network *net, Inputs *in, bool backward)
{
    const States x0 = {in->x0, B, D}, xt = {in->xt, B, D};
    const size_t lambdas = net->lambda_dims;
    double total = 0.0;
    ag_set_recording(g, backward);
    Var *stats = nn_encode(net->encoder, g, &x0, &xt, in->t);
    Var *lambda = nn_encoder_draw(net->encoder, stats, in->u);
    const NetworkInput input = {&xt, in->t, NULL, NULL, lambda, NULL};
    Var *out = nn_forward(net, g, &input);
    float *dout = arena_alloc(g->arena, B * net->outputs, sizeof *dout);
    float *dstats = arena_zeroed(g->arena, (size_t)B * 2 * lambdas, sizeof *dstats);
    for (size_t i = 0; i < B * net->outputs; i++) {
        dout[i] = (float)sin((double)i);
        total += (double)dout[i] * (double)out->value.data[i];
    }
    for (size_t b = 0; b < B; b++)
        total += nn_encoder_kl(net->encoder, stats->value.data + b * 2 * lambdas, 1.0,
                               dstats + b * 2 * lambdas);
    Var *const from[] = {out, stats};
    const float *const gradient[] = {dout, dstats};
    if (backward)
        ag_backward_from_all(2, from, gradient);
    ag_graph_reset(g);
    return total;
}

/* All parameters, the encoder's through the draw of lambda, against central differences. */
START_TEST(gradients_reach_every_parameter)
{
    if (SANITIZED && _i % 3 != 0) /* some of each network and of each kind of encoder */
        return;
    Network *net = network(_i);
    Graph *g = ag_graph_create();
    Inputs in = inputs();
    const double step = 1e-2;

    randomise(net, 5);
    nn_params_zero_grads(&net->params);
    value(g, net, &in, true);
    for (size_t i = 0; i < net->params.count; i++) {
        Param *p = net->params.items[i];
        const size_t n = tensor_size(&p->value);
        double largest = 0.0;
        for (size_t k = 0; k < n; k++)
            largest = larger_of(largest, fabs((double)p->grad[k]));
        ck_assert_msg(largest > 0.0, "%s has no gradient", p->name);
        largest = larger_of(largest, 0.05);
        for (size_t k = 0; k < n; k += 1 + n / 5) {
            const float kept = p->value.data[k];
            p->value.data[k] = kept + (float)step;
            const double above = value(g, net, &in, false);
            p->value.data[k] = kept - (float)step;
            const double below = value(g, net, &in, false);
            p->value.data[k] = kept;
            const double slope = (above - below) / (2.0 * step);
            const double off = fabs(slope - (double)p->grad[k]) / largest;
            ck_assert_msg(off < 2e-2, "%s[%zu]: %g, differences give %g", p->name, k,
                          (double)p->grad[k], slope);
        }
    }
    nn_network_destroy(net);
    ag_graph_destroy(g);
}
END_TEST

/* A network's last layers have weights; the biases of a box say that it is wide, others nothing. */
START_TEST(last_layers_begin)
{
    Network *net = network(_i);
    const float bias = net->encoder->family == ENCODER_BOX ? -1.0f : 0.0f;
    size_t last = 0;

    net->initialise(net, 1);
    for (size_t i = 0; i < net->params.count; i++) {
        const Param *p = net->params.items[i];
        if (strncmp(p->name, "encoder.output.", 15) != 0 &&
            strncmp(p->name, "encoder.first.", 14) != 0 &&
            strncmp(p->name, "encoder.second.", 15) != 0)
            continue;
        for (size_t k = 0; k < tensor_size(&p->value); k++)
            ck_assert_msg(p->value.rank == 1 ? p->value.data[k] == bias : p->value.data[k] != 0.0f,
                          "case %d: %s[%zu] is %g", _i, p->name, k, (double)p->value.data[k]);
        last++;
    }
    ck_assert(last == 2 || last == 4);
    nn_network_destroy(net);
}
END_TEST

/* 1/2 sum (m^2 + e^v - v - 1): 0 for the prior; by quadrature for one Gaussian. */
START_TEST(divergence_is_that_of_the_gaussians)
{
    const float prior[4] = {0.0f, 0.0f, 0.0f, 0.0f}, one[2] = {0.7f, -1.1f};
    const double m = 0.7f, v = -1.1f, s = exp(0.5 * v), width = 1e-3;
    double sum = 0.0;

    const Encoder two = {.family = ENCODER_GAUSSIAN, .lambda_dims = 2};
    const Encoder single = {.family = ENCODER_GAUSSIAN, .lambda_dims = 1};

    ck_assert_double_eq(nn_encoder_kl(&two, prior, 1.0, NULL), 0.0);
    for (int i = 0; i < 24000; i++) {
        const double x = -12.0 + i * width, z = (x - m) / s;
        sum += width * exp(-0.5 * z * z) / s * (-0.5 * z * z - log(s) + 0.5 * x * x);
    }
    ck_assert_double_eq_tol(nn_encoder_kl(&single, one, 1.0, NULL), sum / sqrt(2.0 * acos(-1.0)),
                            1e-9);
}
END_TEST

START_TEST(density_is_that_of_the_gaussians)
{
    const Encoder e = {.family = ENCODER_GAUSSIAN, .lambda_dims = 2};
    const float stats[4] = {0.7f, -0.2f, -1.1f, 0.4f}; /* m, m, v, v */
    const double lambda[2] = {0.1, -1.3};
    double product = 1.0;

    for (size_t i = 0; i < 2; i++) {
        const double s = exp(0.5 * (double)stats[2 + i]), z = (lambda[i] - (double)stats[i]) / s;
        product *= exp(-0.5 * z * z) / (s * sqrt(2.0 * acos(-1.0)));
    }
    ck_assert_double_eq_tol(nn_encoder_log_density(&e, stats, lambda), log(product), 1e-12);
}
END_TEST

/* H = E -log q, by an even rule over each coordinate; the gradient against differences. */
START_TEST(entropy_is_that_of_the_gaussians)
{
    enum { POINTS = 2000 };
    const Encoder e = {.family = ENCODER_GAUSSIAN, .lambda_dims = 2};
    float stats[4] = {0.7f, -0.2f, -1.1f, 0.4f}, found[4] = {1, 2, 3, 4};
    const double weight = -0.3, h = nn_encoder_entropy(&e, stats, weight, found);
    double sum = 0.0;

    for (size_t i = 0; i < 2; i++)
        for (int n = 0; n < POINTS; n++) { /* of coordinate i, the other one at its mean */
            const double z = -10.0 + 20.0 * (n + 0.5) / POINTS;
            double lambda[2] = {(double)stats[0], (double)stats[1]};
            lambda[i] += z * exp(0.5 * (double)stats[2 + i]);
            const double other = -0.5 * ((double)stats[3 - i] + log(2.0 * acos(-1.0)));
            sum -= exp(-0.5 * z * z) / sqrt(2.0 * acos(-1.0)) * 20.0 / POINTS *
                   (nn_encoder_log_density(&e, stats, lambda) - other);
        }
    ck_assert_double_eq_tol(h, sum, 1e-6);
    ck_assert_double_eq(nn_encoder_entropy(&e, stats, 1.0, NULL), h);
    for (size_t i = 0; i < 4; i++) {
        const float kept = stats[i];
        stats[i] = kept + 0.5f;
        const double above = nn_encoder_entropy(&e, stats, 0.0, NULL);
        stats[i] = kept;
        ck_assert_double_eq_tol(((double)found[i] - (double)(i + 1)) / weight, (above - h) / 0.5,
                                1e-5);
    }
}
END_TEST

/* A box of sides w has -sum log w; draws fill it from edge to edge. */
START_TEST(boxes_lie_in_the_cube)
{
    const Encoder e = {.family = ENCODER_BOX, .lambda_dims = 2};
    Graph *g = ag_graph_create();
    Tensor stats = tensor_make2(g->arena, 2, 4);
    const float l[2] = {logf(2.0f), 90.0f}, r[2] = {logf(5.0f), -3.0f}; /* z = 8 */
    const double u[4] = {0.0, 0.0, 1.0, 1.0};

    for (size_t b = 0; b < 2; b++)
        for (size_t i = 0; i < 2; i++) {
            stats.data[b * 4 + i] = l[i];
            stats.data[b * 4 + 2 + i] = r[i];
        }
    ck_assert_double_eq_tol(nn_encoder_kl(&e, stats.data, 1.0, NULL), log(8.0) + 90.0, 1e-5);
    const float *y = nn_encoder_draw(&e, ag_constant(g, stats), u)->value.data;
    ck_assert_double_eq_tol((double)y[0], 2.0 / 8.0, 1e-6);
    ck_assert_double_eq_tol((double)y[2], 3.0 / 8.0, 1e-6);
    ck_assert_double_eq_tol((double)y[1], 1.0, 1e-6);
    ck_assert(y[3] <= 1.0f);
    ag_graph_destroy(g);
}
END_TEST

/* A row of stats: the first numbers of all places, place by place, then the second ones. */
START_TEST(places_stand_in_a_row)
{
    enum { SAMPLES = 2, PLACES = 2 * 3, WIDTH = 4, EACH = 2 };
    ParamSet set = {0};
    const size_t shape[] = {SAMPLES, 2, 3, WIDTH};
    float x[SAMPLES * PLACES * WIDTH];
    const PlaceLayers layers = nn_encoder_add_places(&set, WIDTH, EACH);
    const LinearLayer *const layer[] = {&layers.first, &layers.second};
    nn_params_allocate(&set, false);
    for (size_t i = 0; i < set.total; i++)
        set.values[i] = (float)sin(1.0 + 2.0 * (double)i);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (float)cos((double)i);
    Graph *g = ag_graph_create();
    const Var *stats = nn_encoder_at_places(g, &layers, ag_constant(g, tensor_view(x, 4, shape)));
    ck_assert_int_eq(stats->value.rank, 2);
    ck_assert_uint_eq(stats->value.shape[0], SAMPLES);
    ck_assert_uint_eq(stats->value.shape[1], 2 * PLACES * EACH);
    for (size_t i = 0; i < tensor_size(&stats->value); i++) {
        const size_t b = i / (2 * PLACES * EACH), place = i / EACH % PLACES, k = i % EACH;
        const LinearLayer *l = layer[i / (PLACES * EACH) % 2];
        double y = (double)l->bias->value.data[k];
        for (size_t c = 0; c < WIDTH; c++)
            y += (double)x[(b * PLACES + place) * WIDTH + c] *
                 (double)l->weight->value.data[c * EACH + k];
        ck_assert_double_eq_tol((double)stats->value.data[i], y, 1e-5);
    }
    ag_graph_destroy(g);
    nn_params_free(&set);
}
END_TEST

/* Pairs see x_t and t, the others do not. */
START_TEST(pairs_see_what_is_noised)
{
    static const int kases[] = {0, 1, 2, 3, 12, 13, 16, 17, 20, 21};
    for (size_t i = 0; i < sizeof kases / sizeof *kases; i++) {
        const int kase = kases[i];
        Network *net = network(kase);
        const size_t row = 2 * net->lambda_dims, bytes = B * row * sizeof(float);
        Inputs in = inputs();
        Graph *g = ag_graph_create();
        float before[B * 2 * MOST];
        const States x0 = {in.x0, B, D}, xt = {in.xt, B, D};
        const bool pair = kase % 2 == 1;
        randomise(net, 6);
        memcpy(before, nn_encode(net->encoder, g, &x0, &xt, in.t)->value.data, bytes);
        in.xt[4] = (uint16_t)(1 - in.xt[4] % 2);
        const float *other = nn_encode(net->encoder, g, &x0, &xt, in.t)->value.data;
        ck_assert(pair == (memcmp(before, other, row * sizeof *other) != 0));
        ck_assert_mem_eq(before + row, other + row, 2 * row * sizeof *other);
        memcpy(before, other, bytes);
        in.t[1] += 0.25;
        other = nn_encode(net->encoder, g, &x0, &xt, in.t)->value.data;
        ck_assert(pair == (memcmp(before + row, other + row, row * sizeof *other) != 0));
        in.x0[0] = 1 - in.x0[0];
        other = nn_encode(net->encoder, g, &x0, &xt, in.t)->value.data;
        ck_assert_mem_ne(before, other, row * sizeof *other);
        ag_graph_destroy(g);
        nn_network_destroy(net);
    }
}
END_TEST

START_TEST(sinusoids_take_no_lambda_on_the_graph)
{
    Error err;
    MlpConfig c = nn_mlp_defaults();
    c.lambda_dims = 1;
    Network *net = nn_mlp_create(&c, true, &err);
    Graph *g = ag_graph_create();
    States x = states_make(g->arena, 1, c.dims);
    const double t = 0.5;
    memset(x.x, 0, c.dims * sizeof *x.x);
    const NetworkInput in = {&x,  &t, NULL, NULL, ag_constant(g, tensor_make2(g->arena, 1, 1)),
                             NULL};
    nn_forward(net, g, &in);
}
END_TEST

Suite *encoder_suite(void);
/* ---- what an encoder is given ---- */

enum { PIXELS = 2, COLOURS = 3 };

/* In place of an encoder's forward: two pixels of three channels, clean beside noised. */
static Var *expect_pairs(const Encoder *e, Graph *g, const States *x, const double *t)
{
    static const uint16_t want[] = {1, 2, 3, 11, 12, 13, 4, 5, 6, 14, 15, 16};
    ck_assert(x->batch == 1 && x->dims == 2 * e->dims && t[0] == 0.25);
    ck_assert_mem_eq(x->x, want, sizeof want);
    return ag_constant(g, tensor_make2(g->arena, 1, 2));
}

static Var *expect_clean(const Encoder *e, Graph *g, const States *x, const double *t)
{
    ck_assert(x->batch == 1 && x->dims == e->dims && x->x[0] == 1 && x->x[5] == 6);
    ck_assert(t[0] == 0.0); /* whatever the caller's */
    return ag_constant(g, tensor_make2(g->arena, 1, 2));
}

START_TEST(pairs_lie_pixel_by_pixel)
{
    uint16_t clean[] = {1, 2, 3, 4, 5, 6}, noised[] = {11, 12, 13, 14, 15, 16};
    const double t[] = {0.25};
    const States x0 = {clean, 1, PIXELS * COLOURS}, xt = {noised, 1, PIXELS * COLOURS};
    Encoder e = {.input = ENCODER_PAIR,
                 .dims = PIXELS * COLOURS,
                 .channels = COLOURS,
                 .lambda_dims = 1,
                 .forward = expect_pairs};
    Graph *g = ag_graph_create();
    nn_encode(&e, g, &x0, &xt, t);
    e.input = ENCODER_CLEAN;
    e.forward = expect_clean;
    nn_encode(&e, g, &x0, &xt, t);
    ag_graph_destroy(g);
}
END_TEST

Suite *encoder_suite(void)
{
    Suite *s = suite_create("encoder");
    TCase *tc = tcase_create("encoder");
    tcase_add_loop_test(tc, gradients_reach_every_parameter, 0, KASES);
    tcase_add_loop_test(tc, last_layers_begin, 0, KASES);
    tcase_add_test(tc, divergence_is_that_of_the_gaussians);
    tcase_add_test(tc, density_is_that_of_the_gaussians);
    tcase_add_test(tc, entropy_is_that_of_the_gaussians);
    tcase_add_test(tc, boxes_lie_in_the_cube);
    tcase_add_test(tc, places_stand_in_a_row);
    tcase_add_test(tc, pairs_see_what_is_noised);
    tcase_add_test_raise_signal(tc, sinusoids_take_no_lambda_on_the_graph, SIGABRT);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, pairs_lie_pixel_by_pixel);
    suite_add_tcase(s, tc);
    return s;
}
