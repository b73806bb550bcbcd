/* Models from configurations: seeds, data, and configurations that no model has. */
#include <check.h>
#include <string.h>

#include "experiments/model/model.h"
#include "nn/checkpoint.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-model.tmp.d");
}

static Model *create(const Config *c, ConfigRole role)
{
    Error err = {""};
    Model *m = model_create(c, role, true, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

START_TEST(seeds_and_data_have_their_hash)
{
    Config c = toy_config(ROLE_TEACHER, 3);
    char a[65], b[65];
    Model *m = create(&c, ROLE_TEACHER), *same = create(&c, ROLE_TEACHER);
    c.seed = 2;
    Model *other = create(&c, ROLE_TEACHER);
    nn_weights_hash(m->net, a);
    nn_weights_hash(same->net, b);
    ck_assert_str_eq(a, b);
    nn_weights_hash(other->net, b);
    ck_assert_str_ne(a, b);
    Dataset *one = toy_open(toy_mnist(9, 4, 1), false);
    model_set_data(m, one);
    dataset_close(one);
    Dataset *two = toy_open(toy_mnist(9, 4, 2), false);
    model_set_data(other, two);
    dataset_close(two);
    ck_assert_str_eq(m->data, "mnist");
    ck_assert_str_ne(m->data_hash, other->data_hash);
    model_destroy(m);
    model_destroy(same);
    model_destroy(other);
}
END_TEST

START_TEST(impossible_models_are_refused)
{
    Config c = toy_config(ROLE_TEACHER, 3);
    Error err = {""};
    toy_set(&c, "head", "logistic");
    ck_assert(model_create(&c, ROLE_TEACHER, false, &err) == NULL);
    c = toy_config(ROLE_TEACHER, 3);
    ck_assert(!config_set(&c, "ch_mult", "1,1,1,1,1,1,1,1,1", "t", &err));
    ck_assert_msg(strstr(err.text, "ch_mult=1,1,1,1,1,1,1,1,1: expected at most 8") != NULL, "%s",
                  err.text);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

Suite *model_suite(void)
{
    Suite *s = suite_create("model");
    TCase *tc = tcase_create("model");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, seeds_and_data_have_their_hash);
    tcase_add_test(tc, impossible_models_are_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
