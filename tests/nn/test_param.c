/* nn/param.c and nn/network.c: blocks, layouts, initialisers, copying by name, sinusoids. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "nn/mlp/mlp.h"
#include "nn/param.h"

Suite *param_suite(void);

static const size_t VECTOR[] = {7}, MATRIX[] = {3, 5}, CONV[] = {3, 3, 2, 4};

static ParamSet example(bool with_grads)
{
    ParamSet set = {0};
    nn_param_add(&set, "a.weight", PARAM_LINEAR, 2, MATRIX);
    nn_param_add(&set, "a.bias", PARAM_PLAIN, 1, VECTOR);
    nn_param_add(&set, "b.weight", PARAM_CONV, 4, CONV);
    nn_param_add(&set, "c.W", PARAM_PLAIN, 2, MATRIX);
    nn_params_allocate(&set, with_grads);
    return set;
}

START_TEST(blocks_have_no_gaps)
{
    ParamSet set = example(true);
    ck_assert_uint_eq(set.count, 4);
    ck_assert_uint_eq(set.total, 15 + 7 + 72 + 15);
    size_t offset = 0;
    for (size_t i = 0; i < set.count; i++) {
        const Param *p = set.items[i];
        ck_assert_uint_eq(p->offset, offset);
        ck_assert_ptr_eq(p->value.data, set.values + offset);
        ck_assert_ptr_eq(p->grad, set.grads + offset);
        offset += tensor_size(&p->value);
    }
    for (size_t i = 0; i < set.total; i++) {
        ck_assert(set.values[i] == 0.0f && set.grads[i] == 0.0f);
        set.grads[i] = 1.0f;
    }
    nn_params_zero_grads(&set);
    for (size_t i = 0; i < set.total; i++) {
        ck_assert(set.grads[i] == 0.0f);
    }
    ck_assert_ptr_eq(nn_param_find(&set, "b.weight"), set.items[2]);
    ck_assert_ptr_null(nn_param_find(&set, "b.weigh"));
    nn_params_free(&set);
    ck_assert_uint_eq(set.count, 0);
}
END_TEST

START_TEST(frozen_sets_have_no_gradients)
{
    ParamSet set = example(false);
    ck_assert_ptr_null(set.grads);
    ck_assert_ptr_null(set.items[0]->grad);
    nn_params_zero_grads(&set);
    Graph *g = ag_graph_create();
    ck_assert(!nn_param_var(g, set.items[0])->needs_grad);
    ag_graph_destroy(g);
    nn_params_free(&set);
}
END_TEST

START_TEST(leaves_follow_the_graph)
{
    ParamSet set = example(true);
    Graph *g = ag_graph_create();
    Var *v = nn_param_var(g, set.items[1]);
    ck_assert(v->needs_grad);
    ck_assert_ptr_eq(v->grad, set.items[1]->grad);
    ag_graph_reset(g);
    ag_set_recording(g, false);
    ck_assert(!nn_param_var(g, set.items[1])->needs_grad);
    ag_graph_destroy(g);
    nn_params_free(&set);
}
END_TEST

START_TEST(file_layout_is_pytorchs)
{
    ParamSet set = example(false);
    float memory[72], file[72], back[72];
    size_t shape[TENSOR_MAX_RANK];
    for (int i = 0; i < 72; i++) {
        memory[i] = (float)i;
    }
    const Param *linear = set.items[0]; /* memory (3, 5), file (5, 3) */
    ck_assert_int_eq(nn_param_file_shape(linear, shape), 2);
    ck_assert(shape[0] == 5 && shape[1] == 3);
    nn_param_to_file(linear, file, memory);
    for (int o = 0; o < 5; o++) {
        for (int i = 0; i < 3; i++) {
            ck_assert(file[o * 3 + i] == memory[i * 5 + o]);
        }
    }
    const Param *conv = set.items[2]; /* memory (3, 3, 2, 4), file (4, 2, 3, 3) */
    ck_assert_int_eq(nn_param_file_shape(conv, shape), 4);
    ck_assert(shape[0] == 4 && shape[1] == 2 && shape[2] == 3 && shape[3] == 3);
    nn_param_to_file(conv, file, memory);
    for (int o = 0; o < 4; o++) {
        for (int i = 0; i < 2; i++) {
            for (int p = 0; p < 9; p++) {
                ck_assert(file[(o * 2 + i) * 9 + p] == memory[(p * 2 + i) * 4 + o]);
            }
        }
    }
    ck_assert_int_eq(nn_param_file_shape(set.items[3], shape), 2);
    ck_assert(shape[0] == 3 && shape[1] == 5);
    for (size_t i = 0; i < set.count; i++) {
        size_t n = tensor_size(&set.items[i]->value);
        nn_param_to_file(set.items[i], file, memory);
        nn_param_from_file(set.items[i], back, file);
        ck_assert_mem_eq(back, memory, n * sizeof *back);
    }
    nn_params_free(&set);
}
END_TEST

/* n values U(-a, a): none outside, mean and square as expected within 5 deviations. */
static void check_uniform(const Param *p, double a)
{
    size_t n = tensor_size(&p->value);
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        double x = p->value.data[i];
        ck_assert(fabs(x) <= a * (1.0 + 1e-6));
        sum += x;
        squares += x * x;
    }
    ck_assert(fabs(sum / (double)n) < 5.0 * a / sqrt(3.0 * (double)n));
    ck_assert(fabs(squares / (double)n - a * a / 3.0) < 5.0 * a * a * 0.2981 / sqrt((double)n));
}

START_TEST(initialisers)
{
    const size_t shape[] = {50, 200};
    ParamSet set = {0}, other = {0};
    Param *p = nn_param_add(&set, "w", PARAM_LINEAR, 2, shape);
    Param *q = nn_param_add(&set, "x", PARAM_LINEAR, 2, shape);
    nn_params_allocate(&set, false);
    nn_init_default(p, 50, rng_root(1));
    check_uniform(p, 1.0 / sqrt(50.0));
    nn_init_fan_average(q, 0.1, 50, 200, rng_root(1));
    check_uniform(q, sqrt(0.3 / 125.0));
    /* another name: another stream; the same name in another set: the same one */
    nn_init_default(q, 50, rng_root(1));
    ck_assert_mem_ne(p->value.data, q->value.data, 40000);
    Param *r = nn_param_add(&other, "w", PARAM_LINEAR, 2, shape);
    nn_params_allocate(&other, false);
    nn_init_default(r, 50, rng_root(1));
    ck_assert_mem_eq(p->value.data, r->value.data, 40000);
    nn_init_default(r, 50, rng_root(2));
    ck_assert_mem_ne(p->value.data, r->value.data, 40000);
    nn_init_constant(r, 1.5f);
    ck_assert(r->value.data[0] == 1.5f && r->value.data[9999] == 1.5f);
    nn_params_free(&set);
    nn_params_free(&other);
}
END_TEST

START_TEST(sinusoids)
{
    const double t[] = {0.0, 0.3, 1.0};
    float even[3 * 128], odd[3 * 9];
    nn_sinusoid(even, t, 3, 128, 1000.0);
    nn_sinusoid(odd, t, 3, 9, 10.0);
    for (int b = 0; b < 3; b++) {
        for (int i = 0; i < 64; i++) {
            double angle = 1000.0 * t[b] * pow(10000.0, -i / 63.0);
            ck_assert(fabs(even[b * 128 + i] - sin(angle)) < 2e-7);
            ck_assert(fabs(even[b * 128 + 64 + i] - cos(angle)) < 2e-7);
        }
        for (int i = 0; i < 4; i++) {
            double angle = 10.0 * t[b] * pow(10000.0, -i / 3.0);
            ck_assert(fabs(odd[b * 9 + i] - sin(angle)) < 2e-7);
            ck_assert(fabs(odd[b * 9 + 4 + i] - cos(angle)) < 2e-7);
        }
        ck_assert(odd[b * 9 + 8] == 0.0f);
    }
}
END_TEST

START_TEST(copying_by_name)
{
    Error err;
    MlpConfig c = nn_mlp_defaults();
    c.dims = 3;
    c.width = 8;
    c.blocks = 1;
    c.embed = 4;
    Network *teacher = nn_mlp_create(&c, false, &err);
    c.lambda_dims = 1;
    Network *student = nn_mlp_create(&c, true, &err);
    teacher->initialise(teacher, 1);
    student->initialise(student, 2);
    ck_assert_uint_eq(nn_copy_common(student, teacher), teacher->params.count);
    ck_assert_uint_eq(student->params.count, teacher->params.count + 8);
    for (size_t i = 0; i < teacher->params.count; i++) {
        const Param *p = teacher->params.items[i];
        const Param *q = nn_param_find(&student->params, p->name);
        ck_assert_mem_eq(p->value.data, q->value.data, 4 * tensor_size(&p->value));
    }
    nn_network_destroy(teacher);
    nn_network_destroy(student);
    nn_network_destroy(NULL);
}
END_TEST

START_TEST(double_name_stops)
{
    ParamSet set = {0};
    nn_param_add(&set, "a", PARAM_PLAIN, 1, VECTOR);
    nn_param_add(&set, "a", PARAM_PLAIN, 1, VECTOR);
}
END_TEST

START_TEST(adding_late_stops)
{
    ParamSet set = example(false);
    nn_param_add(&set, "late", PARAM_PLAIN, 1, VECTOR);
}
END_TEST

START_TEST(wrong_layout_stops)
{
    ParamSet set = {0};
    nn_param_add(&set, "a", PARAM_CONV, 2, MATRIX);
}
END_TEST

Suite *param_suite(void)
{
    Suite *s = suite_create("param");
    TCase *tc = tcase_create("param");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, blocks_have_no_gaps);
    tcase_add_test(tc, frozen_sets_have_no_gradients);
    tcase_add_test(tc, leaves_follow_the_graph);
    tcase_add_test(tc, file_layout_is_pytorchs);
    tcase_add_test(tc, initialisers);
    tcase_add_test(tc, sinusoids);
    tcase_add_test(tc, copying_by_name);
    tcase_add_test_raise_signal(tc, double_name_stops, SIGABRT);
    tcase_add_test_raise_signal(tc, adding_late_stops, SIGABRT);
    tcase_add_test_raise_signal(tc, wrong_layout_stops, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}
