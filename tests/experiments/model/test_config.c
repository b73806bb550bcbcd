/* Settings: the table is sound, text goes both ways, what is impossible is named. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diffusion/process/process.h"
#include "experiments/data/datasets.h"
#include "experiments/model/config.h"
#include "experiments/model/presets.h"

static size_t key_index(const char *name)
{
    for (size_t i = 0; i < config_count(); i++)
        if (strcmp(config_key(i), name) == 0)
            return i;
    ck_abort_msg("no key %s", name);
    return 0;
}

/* config_set must fail with a sentence that holds `part`, and change nothing. */
static void refuse(const char *key, const char *value, const char *part)
{
    Config c, before;
    Error err = {""};
    config_defaults(&c);
    before = c;
    ck_assert_msg(!config_set(&c, key, value, "--set", &err), "%s=%s was taken", key, value);
    ck_assert_msg(strstr(err.text, part) != NULL && strstr(err.text, "--set") == err.text,
                  "%s=%s: %s", key, value, err.text);
    ck_assert_uint_eq(config_difference(&c, &before), config_count());
}

static void set(Config *c, const char *key, const char *value)
{
    Error err = {""};
    ck_assert_msg(config_set(c, key, value, "--set", &err), "%s", err.text);
}

START_TEST(values_survive_the_way_through_text)
{
    Config a, b;
    char text[CONFIG_TEXT];
    Error err = {""};
    config_defaults(&a);
    for (size_t p = 0; config_preset_name(p) != NULL; p++) {
        const ConfigRole role = p % 2 ? ROLE_TEACHER : ROLE_STUDENT;
        ck_assert(config_preset(&a, config_preset_name(p), role, &err));
        config_defaults(&b);
        for (size_t i = 0; i < config_count(); i++) {
            config_value(&a, i, text);
            set(&b, config_key(i), text);
        }
        ck_assert_uint_eq(config_difference(&a, &b), config_count());
    }
}
END_TEST

START_TEST(older_names_of_keys_are_understood)
{
    Config a, b;
    config_defaults(&a);
    b = a;
    set(&a, "distil_lambdas", "3");
    set(&a, "distil_weight", "0.5");
    set(&b, "distill_lambdas", "3");
    set(&b, "distill_weight", "0.5");
    ck_assert_uint_eq(config_difference(&a, &b), config_count());
    ck_assert(a.distill_lambdas == 3 && a.distill_weight == 0.5);
}
END_TEST

START_TEST(numbers_keep_every_digit)
{
    static const double numbers[] = {0.1, 1.0 / 3.0, 2e-4, 1e-9, 0.30000000000000004, 7, 0};
    Config c;
    char text[CONFIG_TEXT];
    config_defaults(&c);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        c.lr = numbers[i];
        config_value(&c, key_index("lr"), text);
        c.lr = -1;
        set(&c, "lr", text);
        ck_assert(c.lr == numbers[i]);
    }
    c.lr = 2e-4;
    config_value(&c, key_index("lr"), text);
    ck_assert_str_eq(text, "0.0002");
}
END_TEST

START_TEST(values_reach_their_field)
{
    Config c;
    config_defaults(&c);
    set(&c, "seed", "9000000000000000");
    set(&c, "flip", "off");
    set(&c, "process", "birthdeath");
    set(&c, "ch_mult", "1,20,3");
    set(&c, "attn_scale", "-1");
    set(&c, "lr", "1e-3");
    ck_assert(c.seed == 9000000000000000 && !c.flip &&
              strcmp(config_process(&c)->name, "birthdeath") == 0);
    ck_assert(config_number(&c, "attn_scale") == -1 && c.lr == 1e-3);
    double list[SETTING_LIST_SLOTS];
    config_numbers(&c, "ch_mult", list);
    ck_assert(list[0] == 3 && list[1] == 1 && list[2] == 20 && list[3] == 3);
}
END_TEST

START_TEST(values_out_of_range_are_refused)
{
    char many[CONFIG_TEXT + 8];
    memset(many, '1', sizeof many);
    many[sizeof many - 1] = '\0';
    refuse("steps", "0", "expected a whole number from 1 to 1000000000000");
    refuse("steps", "1e13", "steps=1e13");
    refuse("steps", "2.5", "whole number");
    refuse("steps", "-3", "whole number");
    refuse("steps", "", "whole number");
    refuse("steps", " 3", "whole number");
    refuse("steps", "3 ", "whole number");
    refuse("steps", "0x10", "whole number");
    refuse("lr", "nan", "expected a number from 0 to 10");
    refuse("lr", "inf", "expected a number");
    refuse("lr", "1e400", "expected a number");
    refuse("lr", "-1e-9", "expected a number");
    refuse("lr", "0.1x", "expected a number");
    refuse("flip", "yes", "expected on or off");
    refuse("flip", "o", "expected on or off");
    refuse("process", "gauss", "expected one of uniform|absorbing|birthdeath|gaussian");
    refuse("process", "uniform|absorbing", "expected one of");
    refuse("process", "", "expected one of");
    refuse("ch_mult", "", "separated by commas");
    refuse("ch_mult", ",1", "separated by commas");
    refuse("ch_mult", "1,,2", "separated by commas");
    refuse("ch_mult", "1,", "separated by commas");
    refuse("ch_mult", "-1", "separated by commas");
    refuse("ch_mult", many, "separated by commas");
    refuse("learning_rate", "1", "unknown key 'learning_rate'");
    refuse("", "1", "unknown key ''");
}
END_TEST

START_TEST(presets_are_possible)
{
    Config c;
    Error err = {""};
    for (size_t p = 0; config_preset_name(p) != NULL; p++)
        for (int role = 0; role < 2; role++) {
            const char *name = config_preset_name(p);
            ck_assert_msg(config_preset(&c, name, (ConfigRole)role, &err), "%s", err.text);
            ck_assert_msg(config_check(&c, (ConfigRole)role, &err), "%s: %s", name, err.text);
        }
    ck_assert(!config_preset(&c, "mnist2", ROLE_TEACHER, &err));
    ck_assert_ptr_nonnull(
        strstr(err.text, "'mnist2'; expected one of glyphs, glyphs-published, mnist-binary"));
}
END_TEST

static void exists(const char *name)
{
    Config c;
    Error err = {""};
    ck_assert_msg(config_preset(&c, name, ROLE_STUDENT, &err), "%s", err.text);
}

START_TEST(presets_of_data_sets_exist)
{
    for (size_t i = 0; i < dataset_kind_count(); i++) {
        const DatasetPresets *p = dataset_kind(i)->presets;
        exists(p->teacher);
        exists(p->as_is.masks);
        exists(p->as_is.other);
        exists(p->binary.masks);
        exists(p->binary.other);
    }
}
END_TEST

START_TEST(data_sets_have_a_preset)
{
    Config teacher;
    config_defaults(&teacher);
    Config masks, other;
    config_defaults(&other);
    other.transform = CONFIG_TRANSFORM_BINARY;
    masks = other;
    set(&masks, "process", "absorbing");
    ck_assert_str_eq(config_preset_of("glyphs", &masks), "glyphs");
    ck_assert_str_eq(config_preset_of("glyphs", &other), "glyphs-published");
    ck_assert_str_eq(config_preset_of("mnist:d", &masks), "mnist-binary");
    ck_assert_str_eq(config_preset_of("mnist:d", &other), "mnist-binary-published");
    ck_assert_str_eq(config_preset_of("glyphs", NULL), "glyphs");
    ck_assert_str_eq(config_preset_of("cifar10:x", NULL), "cifar10");
    ck_assert_str_eq(config_preset_of("cifar10:x", &other), "cifar10");
    ck_assert_str_eq(config_preset_of("cifar10:x", &masks), "cifar10-small");
    ck_assert_str_eq(config_preset_of("mnist:x", NULL), "mnist-binary");
    ck_assert_str_eq(config_preset_of("idx:x", NULL), "mnist-binary");
    ck_assert_str_eq(config_preset_of("text:x", NULL), "shakespeare");
    ck_assert_str_eq(config_preset_of("text:x", &masks), "shakespeare");
    ck_assert_str_eq(config_preset_of("text:x", &other), "shakespeare-published");
    ck_assert_str_eq(config_preset_of("text8:x", NULL), "text8");
    ck_assert_str_eq(config_preset_of("tokens:x", &masks), "owt");
    ck_assert_str_eq(config_preset_of("png:x", NULL), "cifar10-small");
    set(&teacher, "process", "gaussian");
    ck_assert_str_eq(config_preset_of("mnist:x", &teacher), "mnist-gaussian");
    set(&teacher, "process", "absorbing");
    ck_assert_str_eq(config_preset_of("mnist:x", &teacher), "mnist");
    teacher.transform = CONFIG_TRANSFORM_BINARY;
    set(&teacher, "process", "absorbing");
    ck_assert_str_eq(config_preset_of("mnist:x", &teacher), "mnist-binary");
}
END_TEST

static const struct {
    const char *set[5]; /* key, value pairs as "key=value" on top of the defaults */
    ConfigRole role;
    const char *part; /* of the sentence; NULL: it is possible */
} checks[] = {
    {{"process=absorbing"}, ROLE_TEACHER, "head=logistic with process=absorbing"},
    {{"process=absorbing"}, ROLE_STUDENT, "head=logistic with process=absorbing"},
    {{"net=mlp"}, ROLE_TEACHER, "head=logistic with net=mlp"},
    {{"process=absorbing", "head=softmax"}, ROLE_TEACHER, "loss=ct_elbo"},
    {{"process=absorbing", "head=softmax"}, ROLE_STUDENT, NULL},
    {{"eps=0"}, ROLE_TEACHER, "eps=0 with loss=ct_elbo: expected at least 1e-30"},
    {{"eps=0"}, ROLE_STUDENT, NULL},
    {{"time_weight=elbo"}, ROLE_TEACHER, "time_weight=one"},
    {{"time_weight=elbo"}, ROLE_STUDENT, NULL},
    {{"delta_min=0.02"}, ROLE_STUDENT, "delta_min=0.02"},
    {{"delta_min=0.02"}, ROLE_TEACHER, NULL},
    {{"lambda_law=mixture"}, ROLE_STUDENT, "lambda_law=mixture with objective=published"},
    {{"lambda_law=mixture"}, ROLE_TEACHER, NULL},
    {{"objective=variational"}, ROLE_STUDENT, "lambda_input=sinusoids with objective=variational"},
    {{"objective=variational", "lambda_input=numbers", "lambda_law=mixture"},
     ROLE_STUDENT,
     "lambda_law=mixture with lambda_scope=step"},
    {{"objective=variational", "lambda_input=numbers", "lambda_law=mixture", "lambda_scope=sample"},
     ROLE_STUDENT,
     NULL},
    {{"objective=variational", "lambda_input=numbers", "lambda_scope=sample", "head=softmax",
      "process=absorbing"},
     ROLE_STUDENT,
     NULL},
    {{"objective=variational", "lambda_input=numbers", "lambda_scope=sample",
      "consistency_weight=0.5"},
     ROLE_STUDENT,
     "consistency_weight=0.5 with lambda_scope=sample: expected 0"},
    {{"objective=variational", "lambda_input=numbers", "lambda_scope=sample", "distill_weight=2"},
     ROLE_STUDENT,
     "distill_weight=2 with lambda_scope=sample: expected 0"},
    {{"objective=variational", "lambda_input=numbers", "consistency_weight=0.5",
      "distill_weight=2"},
     ROLE_STUDENT,
     NULL},
    {{"objective=variational", "lambda_input=numbers", "lambda_scope=sample", "most_steps=6"},
     ROLE_STUDENT,
     "most_steps=6: expected a power of two"},
    {{"objective=variational", "lambda_input=numbers", "most_steps=6"}, ROLE_STUDENT, NULL},
    {{"lambda_steps=2"}, ROLE_STUDENT, "lambda_steps=2 with lambda_scope=step: expected 0"},
    {{"lambda_steps=2"}, ROLE_TEACHER, NULL},
    {{"objective=variational", "lambda_input=numbers", "lambda_scope=sample", "lambda_steps=2",
      "lambda_law=uniform"},
     ROLE_STUDENT,
     "lambda_steps=2 with lambda_law=uniform"},
    {{"objective=variational", "lambda_input=numbers", "lambda_scope=sample", "lambda_steps=2",
      "lambda_law=normal"},
     ROLE_STUDENT,
     NULL},
    {{"lambda_scope=sample"}, ROLE_STUDENT, "lambda_scope=sample with objective=published"},
    {{"net=mlp", "head=softmax", "state_input=numbers"},
     ROLE_TEACHER,
     "state_input=numbers with net=mlp"},
    {{"head=softmax", "state_input=numbers"}, ROLE_TEACHER, NULL},
    {{"process=uniform", "sampler=halton"},
     ROLE_TEACHER,
     "sampler=halton with process=uniform: expected process=absorbing"},
    {{"process=uniform", "sampler=euler"}, ROLE_TEACHER, NULL},
    {{"output_kernel=1x1"}, ROLE_TEACHER, NULL},
    {{"t_min=0.5", "delta_max=0.5"}, ROLE_STUDENT, "t_min + delta_max"},
};

START_TEST(keys_must_fit_each_other)
{
    Config c;
    Error err = {""};
    config_defaults(&c);
    for (size_t i = 0; i < 5 && checks[_i].set[i]; i++) {
        char pair[64];
        strcpy(pair, checks[_i].set[i]);
        char *equals = strchr(pair, '=');
        ck_assert_ptr_nonnull(equals);
        *equals = '\0';
        set(&c, pair, equals + 1);
    }
    const bool ok = config_check(&c, checks[_i].role, &err);
    ck_assert_msg(ok == (checks[_i].part == NULL), "%s", err.text);
    ck_assert_msg(ok || strstr(err.text, checks[_i].part), "%s", err.text);
}
END_TEST

START_TEST(a_student_shares_its_teachers_structure)
{
    Config teacher, c;
    Error err = {""};
    ck_assert(config_preset(&teacher, "glyphs", ROLE_TEACHER, &err));
    config_put(&teacher, "mlp_width", 24);
    config_defaults(&c);
    ck_assert(!config_same_structure(&c, &teacher, "t.safetensors", &err));
    ck_assert_msg(strstr(err.text, "t.safetensors: height is 6: expected 32") != NULL, "%s",
                  err.text);
    config_copy_structure(&c, &teacher);
    ck_assert(config_same_structure(&c, &teacher, "t", &err));
    ck_assert(config_number(&c, "mlp_width") == 24);
    ck_assert_str_eq(config_network(&c)->name, "mlp");
    ck_assert_str_eq(config_process(&c)->name, "absorbing");
    ck_assert(c.lr == 2e-4 && c.dropout == 0.1); /* training stays its own */
    config_put(&c, "mlp_width", 32);
    ck_assert(config_same_process(&c, &teacher, "t", &err));
    ck_assert(!config_same_structure(&c, &teacher, "t", &err));
    c.alpha_eps = 0.25;
    ck_assert(!config_same_process(&c, &teacher, "t", &err));
    ck_assert_msg(strstr(err.text, "t: alpha_eps is 0: expected 0.25") != NULL, "%s", err.text);
    ck_assert(config_is_structure(key_index("mlp_width")));
    ck_assert(!config_is_structure(key_index("dropout")));
}
END_TEST

/* How lambda enters is no matter of a teacher's. */
START_TEST(students_have_settings_of_their_own)
{
    Config teacher, c;
    Error err = {""};
    ck_assert(config_preset(&teacher, "glyphs", ROLE_TEACHER, &err));
    config_put(&teacher, "tf_lambda", 1);
    config_put(&teacher, "tf_width", 24);
    config_defaults(&c);
    config_copy_structure(&c, &teacher);
    ck_assert(config_number(&c, "tf_lambda") == 0 && config_number(&c, "tf_width") == 24);
    ck_assert(config_same_structure(&c, &teacher, "t", &err));
    config_put(&c, "tf_heads", 2); /* after a difference that is allowed, one that is not */
    config_put(&c, "tf_lambda", 0);
    ck_assert(!config_same_structure(&c, &teacher, "t", &err));
    ck_assert_msg(strstr(err.text, "t: tf_heads is 4: expected 2") != NULL, "%s", err.text);
    config_put(&c, "tf_heads", 4);
    config_put(&c, "embed", 12);
    ck_assert(!config_same_structure(&c, &teacher, "t", &err));
    c = teacher;
    c.state_input = CONFIG_STATE_NUMBERS;
    ck_assert(config_set(&c, "net", "transformer", "test", &err));
    ck_assert(!config_check(&c, ROLE_TEACHER, &err));
    ck_assert_msg(strstr(err.text, "state_input=numbers with net=transformer") != NULL, "%s",
                  err.text);
}
END_TEST

/* It is no key, but belongs to the process. */
START_TEST(a_rate_matrix_is_part_of_the_structure)
{
    double numbers[] = {-1, 1, 2, -2}, others[] = {-1, 1, 3, -3};
    const RateMatrix rates = {2, numbers}, other = {2, others};
    Config teacher, c;
    Error err = {""};
    config_defaults(&teacher);
    set(&teacher, "process", "matrix");
    set(&teacher, "head", "softmax");
    ck_assert(!config_check(&teacher, ROLE_TEACHER, &err));
    ck_assert_msg(strstr(err.text, "process=matrix without a rate matrix") != NULL, "%s", err.text);
    teacher.rates = &rates;
    ck_assert_msg(config_check(&teacher, ROLE_TEACHER, &err), "%s", err.text);
    config_defaults(&c);
    config_copy_structure(&c, &teacher);
    ck_assert_ptr_eq(c.rates, &rates);
    ck_assert_msg(config_same_structure(&c, &teacher, "t", &err), "%s", err.text);
    c.rates = &other;
    ck_assert(!config_same_structure(&c, &teacher, "t", &err));
    ck_assert_msg(strstr(err.text, "t: its rate matrix is another one") != NULL, "%s", err.text);
    ck_assert(!config_same_process(&c, &teacher, "t", &err));
    set(&c, "process", "gaussian");
    ck_assert(!config_check(&c, ROLE_STUDENT, &err));
    ck_assert_msg(strstr(err.text, "a rate matrix, but another process") != NULL, "%s", err.text);
}
END_TEST

START_TEST(the_first_difference_is_found)
{
    Config a, b;
    config_defaults(&a);
    b = a;
    ck_assert_uint_eq(config_difference(&a, &b), config_count());
    b.start_from = CONFIG_START_AVERAGED;
    ck_assert_str_eq(config_key(config_difference(&a, &b)), "start_from");
    config_put(&b, "rate_const", nextafter(config_number(&b, "rate_const"), 1));
    ck_assert_str_eq(config_key(config_difference(&a, &b)), "rate_const");
}
END_TEST

START_TEST(help_names_every_key_and_preset)
{
    static char text[20000];
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    config_help(f);
    config_presets_help(f);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    for (size_t i = 0; i < config_count(); i++) {
        char line[CONFIG_TEXT + 8];
        snprintf(line, sizeof line, "\n  %s ", config_key(i));
        ck_assert_msg(strstr(text, line) != NULL, "%s", config_key(i));
    }
    for (size_t p = 0; config_preset_name(p) != NULL; p++)
        ck_assert_ptr_nonnull(strstr(text, config_preset_name(p)));
}
END_TEST

/* The paper's side touches these keys and no others. */
START_TEST(as_paper_changes_what_it_should)
{
    Error err;
    Config code, paper;
    char value[CONFIG_TEXT];

    ck_assert(config_preset(&code, "cifar10", ROLE_STUDENT, &err));
    paper = code;
    config_as_paper(&paper, ROLE_STUDENT);
    ck_assert_double_eq(code.eps, 1e-9);
    ck_assert_double_eq(paper.eps, 0.0);
    ck_assert_double_eq(code.tm_width, 0.01);
    ck_assert_double_eq(paper.tm_width, 0.0);
    ck_assert_int_eq(code.start_from, CONFIG_START_RAW);
    ck_assert_int_eq(paper.start_from, CONFIG_START_AVERAGED);
    ck_assert(config_check(&paper, ROLE_STUDENT, &err));
    paper.eps = code.eps;
    paper.tm_width = code.tm_width;
    paper.start_from = code.start_from;
    ck_assert_uint_eq(config_difference(&code, &paper), config_count());

    ck_assert(config_preset(&code, "cifar10", ROLE_TEACHER, &err));
    paper = code;
    config_as_paper(&paper, ROLE_TEACHER);
    ck_assert_double_eq(paper.eps, 1e-30);
    ck_assert(config_check(&paper, ROLE_TEACHER, &err));
    config_value(&paper, config_difference(&code, &paper), value);
    ck_assert_str_eq(value, "1e-30");
    paper.eps = code.eps;
    ck_assert_uint_eq(config_difference(&code, &paper), config_count());
}
END_TEST

Suite *config_suite(void)
{
    Suite *s = suite_create("config");
    TCase *tc = tcase_create("config");

    tcase_add_test(tc, as_paper_changes_what_it_should);
    tcase_add_test(tc, values_survive_the_way_through_text);
    tcase_add_test(tc, older_names_of_keys_are_understood);
    tcase_add_test(tc, numbers_keep_every_digit);
    tcase_add_test(tc, values_reach_their_field);
    tcase_add_test(tc, values_out_of_range_are_refused);
    tcase_add_test(tc, presets_are_possible);
    tcase_add_test(tc, presets_of_data_sets_exist);
    tcase_add_test(tc, data_sets_have_a_preset);
    tcase_add_loop_test(tc, keys_must_fit_each_other, 0, (int)(sizeof checks / sizeof checks[0]));
    tcase_add_test(tc, a_student_shares_its_teachers_structure);
    tcase_add_test(tc, students_have_settings_of_their_own);
    tcase_add_test(tc, a_rate_matrix_is_part_of_the_structure);
    tcase_add_test(tc, the_first_difference_is_found);
    tcase_add_test(tc, help_names_every_key_and_preset);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return s;
}
