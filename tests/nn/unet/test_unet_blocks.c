/* The U-Net's attention block against its formula in double; what residual blocks hold; the groups
 * of the normalisations.  (Residual blocks are checked with the whole network, test_unet.c.) */
#include "nn/unet/blocks.h"

#include <check.h>
#include <math.h>
#include <string.h>

Suite *unet_blocks_suite(void);

enum { B = 2, H = 3, W = 5, C = 12, POSITIONS = H * W };

/* Weights large enough that attention is far from even. */
static void fill(ParamSet *set)
{
    nn_params_allocate(set, false);
    for (size_t i = 0; i < set->count; i++)
        nn_init_default(set->items[i], 2, rng_root(5));
}

/* out[j] = sum_i x[i] W[i][j] + b[j], at one position. */
static void project(const PointwiseLayer *layer, const double *x, double *out)
{
    for (size_t j = 0; j < C; j++) {
        out[j] = (double)layer->bias->value.data[j];
        for (size_t i = 0; i < C; i++)
            out[j] += x[i] * (double)layer->weight->value.data[i * C + j];
    }
}

/* Group normalisation of one sample (POSITIONS, C). */
static void normalise(const NormLayer *layer, const float *x, double out[POSITIONS][C])
{
    size_t width = C / layer->groups;

    for (size_t g = 0; g < layer->groups; g++) {
        double n = (double)(POSITIONS * width), mean = 0, square = 0;
        for (size_t p = 0; p < POSITIONS; p++)
            for (size_t c = g * width; c < (g + 1) * width; c++)
                mean += (double)x[p * C + c] / n;
        for (size_t p = 0; p < POSITIONS; p++)
            for (size_t c = g * width; c < (g + 1) * width; c++)
                square += pow((double)x[p * C + c] - mean, 2) / n;
        for (size_t p = 0; p < POSITIONS; p++)
            for (size_t c = g * width; c < (g + 1) * width; c++)
                out[p][c] = ((double)x[p * C + c] - mean) / sqrt(square + 1e-6) *
                                (double)layer->weight->value.data[c] +
                            (double)layer->bias->value.data[c];
    }
}

/* Every position looks at all positions of its sample with weights softmax(q.k/sqrt(C)). */
static void attend(double q[C], double k[POSITIONS][C], double v[POSITIONS][C], double out[C])
{
    double weight[POSITIONS], total = 0;

    for (size_t p = 0; p < POSITIONS; p++) {
        double score = 0;
        for (size_t c = 0; c < C; c++)
            score += q[c] * k[p][c];
        weight[p] = exp(score / sqrt(C));
        total += weight[p];
    }
    for (size_t c = 0; c < C; c++) {
        out[c] = 0;
        for (size_t p = 0; p < POSITIONS; p++)
            out[c] += weight[p] / total * v[p][c];
    }
}

static void check_sample(const AttentionBlock *block, const float *x, const float *got)
{
    double n[POSITIONS][C], q[POSITIONS][C], k[POSITIONS][C], v[POSITIONS][C], a[C], out[C];

    normalise(&block->norm, x, n);
    for (size_t p = 0; p < POSITIONS; p++) {
        project(&block->query, n[p], q[p]);
        project(&block->key, n[p], k[p]);
        project(&block->value, n[p], v[p]);
    }
    for (size_t p = 0; p < POSITIONS; p++) {
        attend(q[p], k, v, a);
        project(&block->out, a, out);
        for (size_t c = 0; c < C; c++) {
            double want = ((double)x[p * C + c] + out[c]) / sqrt(2);
            ck_assert_msg(fabs((double)got[p * C + c] - want) < 2e-5 * (1 + fabs(want)),
                          "position %d, channel %d: %g, expected %g", (int)p, (int)c,
                          (double)got[p * C + c], want);
        }
    }
}

START_TEST(attention_follows_its_formula)
{
    ParamSet set = {0};
    AttentionBlock block = unet_attention_add(&set, "block", C);
    Graph *g = ag_graph_create();
    Rng rng = rng_root(3);

    fill(&set);
    Tensor x = tensor_make4(g->arena, B, H, W, C);
    for (size_t i = 0; i < tensor_size(&x); i++)
        x.data[i] = (float)rng_normal(&rng);
    Var *y = unet_attention(g, &block, ag_constant(g, x));
    for (size_t b = 0; b < B; b++)
        check_sample(&block, x.data + b * POSITIONS * C, y->value.data + b * POSITIONS * C);
    ag_graph_destroy(g);
    nn_params_free(&set);
}
END_TEST

/* Of the pictures that a residual block computes, the first convolution's and the result are held;
 * the rest (a byte an entry for what dropout kept, sums of the normalisations) is about half a
 * picture at most. */
START_TEST(residual_blocks_hold_two_pictures)
{
    enum { SIDE = 16, WIDTH = 8, BATCH = 2 };
    const Rng streams[BATCH] = {rng_root(1), rng_root(2)};
    const bool recording = _i % 2 != 0, narrows = _i / 2 % 2 != 0, drops = _i / 4 != 0;
    const size_t cout = narrows ? C : 2 * C, picture = BATCH * SIDE * SIDE * cout * sizeof(float);
    ParamSet set = {0};
    const ResBlock block = unet_res_add(&set, "block", (size_t)2 * C, cout, WIDTH, 0, 0);
    Graph *g = ag_graph_create();
    nn_params_allocate(&set, true);
    unet_res_init(&block, rng_root(3));
    ag_set_recording(g, recording);
    Tensor x = tensor_make4(g->arena, BATCH, SIDE, SIDE, (size_t)2 * C);
    Tensor time = tensor_make2(g->arena, BATCH, WIDTH);
    memset(x.data, 0, tensor_size(&x) * sizeof *x.data);
    memset(time.data, 0, tensor_size(&time) * sizeof *time.data);
    const BlockCondition condition = {ag_constant(g, time), NULL, drops ? streams : NULL, 0.5};
    Var *in = ag_constant(g, x);
    const size_t before = ag_memory_used(g);
    unet_res(g, &block, in, &condition);
    const double held = (double)(ag_memory_used(g) - before) / (double)picture;
    ck_assert_msg(held < 2.6, "%g pictures", held);
    ag_graph_destroy(g);
    nn_params_free(&set);
}
END_TEST

/* q, k, v, the attention's result and the sum; its weights and the normalisation's sums are small.
 */
START_TEST(attention_holds_five_pictures)
{
    enum { WIDE = 128 };
    ParamSet set = {0};
    const AttentionBlock block = unet_attention_add(&set, "block", WIDE);
    Graph *g = ag_graph_create();
    nn_params_allocate(&set, true);
    unet_attention_init(&block, rng_root(3));
    Tensor x = tensor_make4(g->arena, B, H, W, WIDE);
    memset(x.data, 0, tensor_size(&x) * sizeof *x.data);
    Var *in = ag_constant(g, x);
    const size_t before = ag_memory_used(g);
    unet_attention(g, &block, in);
    const double held =
        (double)(ag_memory_used(g) - before) / (double)(tensor_size(&x) * sizeof(float));
    ck_assert_msg(held < 5.9, "%g pictures", held);
    ag_graph_destroy(g);
    nn_params_free(&set);
}
END_TEST

START_TEST(groups_have_four_channels_or_number_32)
{
    ck_assert_uint_eq(unet_groups(4), 1);
    ck_assert_uint_eq(unet_groups(64), 16);
    ck_assert_uint_eq(unet_groups(128), 32);
    ck_assert_uint_eq(unet_groups(512), 32);
}
END_TEST

Suite *unet_blocks_suite(void)
{
    Suite *s = suite_create("unet_blocks");
    TCase *tc = tcase_create("unet_blocks");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, attention_follows_its_formula);
    tcase_add_loop_test(tc, residual_blocks_hold_two_pictures, 0, 8);
    tcase_add_test(tc, attention_holds_five_pictures);
    tcase_add_test(tc, groups_have_four_channels_or_number_32);
    suite_add_tcase(s, tc);
    return s;
}
