/* Models from configurations: seeds, data, and configurations that no model has. */
#include <check.h>
#include <string.h>

#include "experiments/model/model.h"
#include "nn/checkpoint.h"
#include "tensor/base/memory.h"
#include "tests/tools/sanitized.h"
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

START_TEST(a_known_law_counts_in_the_hash)
{
    const Config c = toy_config(ROLE_TEACHER, 3);
    char hash[65];
    Model *m = create(&c, ROLE_TEACHER);
    Dataset *d = toy_open("glyphs", false);
    ck_assert(d->law != NULL);
    model_set_data(m, d);
    strcpy(hash, m->data_hash);
    model_set_data(m, d);
    ck_assert_str_eq(m->data_hash, hash);
    d->law->probability[d->law->count - 1] += 0.01;
    model_set_data(m, d);
    ck_assert_str_ne(m->data_hash, hash);
    dataset_close(d);
    model_destroy(m);
}
END_TEST

/* What completing a layout of so many states says to a file of that size; "": nothing. */
static void complete(const char *process, int64_t states, size_t file_bytes, const char *sentence)
{
    Config c = toy_config(ROLE_TEACHER, 3);
    Model m = {.role = ROLE_TEACHER};
    Error err = {""};
    toy_set(&c, "process", process);
    toy_set(&c, "time_weight", "one");
    config_put(&c, "rate_const", 1);
    config_put(&c, "sigma_max", 1000);
    c.states = states;
    c.height = c.width = 1;
    m.config = c;
    ck_assert_msg(model_layout(&m, &err), "%s", err.text);
    ck_assert_msg(model_complete(&m, file_bytes, &err) == (sentence[0] == '\0'), "%s", err.text);
    ck_assert_msg(strstr(err.text, sentence) != NULL, "%s", err.text);
    nn_network_destroy(m.net);
    diffusion_process_destroy(m.process);
}

/* Ten matrices of 1300 x 1300 doubles are 122,784 times 8 bytes more than a file without a byte may
 * ask for; closed forms take none. */
START_TEST(files_pay_for_their_states)
{
    complete("birthdeath", 1300, 122783, "states=1300: its noise takes matrices of 129 MiB");
    if (!SANITIZED) /* their eigenvectors take 15 seconds there */
        complete("birthdeath", 1300, 122784, "");
    complete("uniform", 5000, 0, "");
    complete("absorbing", 5000, 0, "");
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
    tcase_add_test(tc, a_known_law_counts_in_the_hash);
    tcase_add_test(tc, files_pay_for_their_states);
    tcase_add_test(tc, impossible_models_are_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
