/* The gradients of single losses against the training step and central differences; the experiment
 * at a small size. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/theory/trained/tiny.h"
#include "experiments/theory/trained/variance.h"
#include "tensor/base/memory.h"
#include "tests/tools/slow.h"

enum { BATCH = 3, DIMS = 3, SEED = 4, STEP = 9 };

typedef struct Lab {
    FiniteLaw *law;
    Process *p;
    TinyModel *teacher, *student;
    DistillConfig config;
    States x0;
} Lab;

/* Random weights everywhere, so that lambda matters; masks or uniform noise. */
static Lab lab_of(int kase)
{
    bool masks = kase % 2 == 0;
    ProcessConfig c = diffusion_process_defaults(masks ? "absorbing" : "uniform", masks ? 3 : 2);
    Lab lab = {.law = tiny_xor(DIMS), .config = distill_defaults()};
    Rng rng = rng_root(3);

    diffusion_process_set(&c, "rate_const", 1.5);
    lab.p = diffusion_process_create(&c, NULL);
    lab.teacher = tiny_create(lab.law, lab.p, 0, 1e-3, 10, 1);
    lab.student = tiny_create(lab.law, lab.p, 1, 1e-3, 10, 2);
    for (size_t i = 0; i < lab.student->net->params.total; i++)
        lab.student->net->params.values[i] += 0.1f * ((float)rng_uniform(&rng) - 0.5f);
    lab.config.loss.control_variates = kase / 2 == 0;
    lab.config.loss.data_weight = DATA_WEIGHT_ONE;
    lab.config.lambdas = 4;
    lab.config.distill_lambdas = 2;
    lab.config.share_at_one = 0.3;
    lab.config.t_min = 0.2;
    lab.config.tm_width = 0.3;
    lab.x0 = states_alloc(BATCH, DIMS);
    tiny_draw_data(lab.law, SEED, STEP, &lab.x0);
    return lab;
}

static void lab_free(Lab *lab)
{
    states_free(&lab->x0);
    tiny_destroy(lab->teacher);
    tiny_destroy(lab->student);
    diffusion_process_destroy(lab->p);
    law_destroy(lab->law);
}

static float *gradients_of(const Lab *lab)
{
    float *grads = mem_alloc(LOSS_PARTS * lab->student->net->params.total, sizeof *grads);

    variance_gradients(&lab->config, &lab->teacher->denoiser, &lab->student->denoiser, lab->p,
                       &lab->x0, SEED, STEP, &lab->student->work, grads);
    return grads;
}

static Di4cReport step_of(const Lab *lab)
{
    nn_params_zero_grads(&lab->student->net->params);
    return distill_gradient(&lab->config, &lab->teacher->denoiser, &lab->student->denoiser, lab->p,
                            &lab->x0, SEED, STEP, &lab->student->work);
}

START_TEST(the_parts_add_up_to_the_training_step)
{
    Lab lab = lab_of(_i);
    size_t P = lab.student->net->params.total;
    float *grads = gradients_of(&lab), *all = grads + LOSS_ALL * P, top = 0.0f;

    step_of(&lab);
    for (size_t i = 0; i < P; i++)
        top = fmaxf(top, fabsf(all[i]));
    ck_assert(top > 0.0f);
    for (size_t i = 0; i < P; i++)
        ck_assert_double_le(fabs((double)all[i] - (double)lab.student->net->params.grads[i]),
                            2e-5 * (double)top);
    for (int part = 0; part < LOSS_ALL; part++) {
        double sum = 0.0;
        for (size_t i = 0; i < P; i++)
            sum += fabs((double)grads[(size_t)part * P + i]);
        ck_assert_msg(sum > 1e-3, "%s", variance_part_name((LossPart)part));
    }
    mem_free(grads);
    lab_free(&lab);
}
END_TEST

/* Neither the distillation nor the data term looks at draws that depend on the student, so their
 * values have derivatives in the weights. */
START_TEST(distill_and_data_match_differences)
{
    Lab lab = lab_of(_i);
    const ParamSet *params = &lab.student->net->params;
    size_t P = params->total;
    float *grads = gradients_of(&lab), *kept = mem_alloc(P, sizeof *kept);
    double slope[2] = {0.0, 0.0}, value[2][2], h = 2e-3;
    double *way = mem_alloc(P, sizeof *way);
    Rng rng = rng_root(8);

    memcpy(kept, params->values, P * sizeof *kept);
    for (size_t i = 0; i < P; i++) {
        way[i] = rng_uniform(&rng) - 0.5;
        slope[0] += way[i] * (double)grads[LOSS_DISTILL * P + i];
        slope[1] += way[i] * (double)grads[LOSS_DATA * P + i];
    }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < P; i++)
            params->values[i] = (float)((double)kept[i] + (side == 0 ? -h : h) * way[i]);
        Di4cReport r = step_of(&lab);
        value[side][0] = r.distill;
        value[side][1] = r.data_cor + r.data_indep;
    }
    for (int k = 0; k < 2; k++) {
        double difference = (value[1][k] - value[0][k]) / (2.0 * h);
        ck_assert_msg(fabs(slope[k] - difference) <= 2e-3 * fabs(difference) + 2e-4,
                      "%s: %g, by differences %g", variance_part_name((LossPart)k), slope[k],
                      difference);
    }
    mem_free(grads);
    mem_free(kept);
    mem_free(way);
    lab_free(&lab);
}
END_TEST

/* A short experiment: every loss at every stage, the distillation term alike with and without (it
 * has no control variate), and less noise in the others while the student is nearly a product. */
START_TEST(control_variates_lower_the_variance)
{
    static const size_t steps[] = {1, 6, 12, 24};
    Error err = {""};
    FiniteLaw *law = tiny_xor(3);
    VarianceRun *run = variance_run(law, 1, 24, 6, &err);
    VarianceRun *again = variance_run(law, 1, 24, 6, &err);

    ck_assert_msg(run != NULL && again != NULL, "%s", err.text);
    ck_assert_uint_eq(run->count, 4 * LOSS_PARTS);
    for (size_t i = 0; i < run->count; i++) {
        const VarianceRow *row = &run->rows[i];
        LossPart part = (LossPart)(i % LOSS_PARTS);
        ck_assert_int_eq(row->loss, part);
        ck_assert_uint_eq(row->step, steps[i / LOSS_PARTS]);
        ck_assert(row->with == again->rows[i].with && row->without == again->rows[i].without);
        if (part == LOSS_DISTILL)
            ck_assert_double_eq(row->with, row->without);
        else
            ck_assert_msg(row->with >= 0.0 && row->without > 1.5 * row->with, "%s at %zu: %g, %g",
                          variance_part_name(part), row->step, row->with, row->without);
    }
    variance_run_free(run);
    variance_run_free(again);
    law_destroy(law);
}
END_TEST

/* Pairwise independent, yet every draw is one of the patterns. */
START_TEST(the_exclusive_or_hides_from_pairs)
{
    FiniteLaw *law = tiny_xor(4);
    double pairs[4] = {0.0, 0.0, 0.0, 0.0};

    ck_assert_uint_eq(law->count, 8);
    for (size_t k = 0; k < law->count; k++) {
        const uint16_t *x = law->patterns + 4 * k;
        pairs[x[1] * 2 + x[3]] += law->probability[k];
        ck_assert_int_eq(x[3], x[0] ^ x[1] ^ x[2]);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(pairs[i], 0.25);
    law_destroy(law);
}
END_TEST

Suite *variance_suite(void)
{
    Suite *s = suite_create("variance");
    TCase *tc = tcase_create("variance");

    tcase_add_loop_test(tc, the_parts_add_up_to_the_training_step, 0, 4);
    tcase_add_loop_test(tc, distill_and_data_match_differences, 0, 4);
    tcase_add_test(tc, the_exclusive_or_hides_from_pairs);
    tcase_set_timeout(tc, 240);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 240);
    tcase_add_test(slow, control_variates_lower_the_variance);
    return s;
}
