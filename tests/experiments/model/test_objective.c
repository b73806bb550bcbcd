/* experiments/model/objective.h: the table agrees with the settings, and each objective with what
 * it says of itself. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/model/model.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-objective.tmp.d");
}

/* Settings under which a student of the given objective can be made. */
static Config student_config(size_t objective)
{
    Config c = toy_config(ROLE_STUDENT, 4);

    c.objective = (int)objective;
    c.lambda_input = CONFIG_LAMBDA_NUMBERS;
    return c;
}

START_TEST(the_table_is_the_choices_of_the_setting)
{
    Config c;
    Error err = {""};
    size_t bars = 0;

    config_defaults(&c);
    for (size_t i = 0; i < objective_student_count; i++) {
        const char *name = objective_of_student[i]->name;
        ck_assert_msg(config_set(&c, "objective", name, "test", &err), "%s", err.text);
        ck_assert_uint_eq((size_t)c.objective, i);
        ck_assert_ptr_eq(config_objective(&c, ROLE_STUDENT), objective_of_student[i]);
        ck_assert_ptr_eq(config_objective(&c, ROLE_TEACHER), &objective_teacher);
    }
    ck_assert(!config_set(&c, "objective", "none", "test", &err)); /* lists them: a|b */
    for (const char *bar = strchr(err.text, '|'); bar; bar = strchr(bar + 1, '|'))
        bars++;
    ck_assert_uint_eq(bars + 1, objective_student_count);
}
END_TEST

static Model *model_of(const Config *c, ConfigRole role)
{
    Error err = {""};
    Model *m = model_create(c, role, true, &err);

    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

/* Fills as many terms as it names, adds a gradient, and has a recognition network if it says so. */
static void expect_step(const Config *c, ConfigRole role, const Denoiser *teacher)
{
    const Objective *o = config_objective(c, role);
    Model *m = model_of(c, role);
    Workspace work = diffusion_workspace_create(0);
    States x0 = states_alloc((size_t)c->batch, m->denoiser.head.dims);
    const ObjectiveStep s = {.config = c,
                             .teacher = teacher,
                             .model = &m->denoiser,
                             .process = m->process,
                             .x0 = &x0,
                             .number = 3,
                             .work = &work};
    const char *names[OBJECTIVE_TERMS_MAX];
    double terms[OBJECTIVE_TERMS_MAX], pull = 0;
    const size_t count = objective_columns(o, c, names);

    memset(x0.x, 0, x0.batch * x0.dims * sizeof *x0.x);
    for (size_t i = 0; i < OBJECTIVE_TERMS_MAX; i++)
        terms[i] = (double)NAN;
    nn_params_zero_grads(&m->net->params);
    ck_assert(isfinite(o->gradient(&s, terms)));
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(isfinite(terms[i]), "%s: %s", o->name, names[i]);
    for (size_t i = 0; i < m->net->params.total; i++)
        pull += fabs((double)m->net->params.grads[i]);
    ck_assert(pull > 0);
    ck_assert((m->net->encoder != NULL) == o->recognition);
    states_free(&x0);
    diffusion_workspace_destroy(&work);
    model_destroy(m);
}

START_TEST(objectives_are_what_they_say)
{
    const Config teacher = toy_config(ROLE_TEACHER, 4);
    Model *m = model_of(&teacher, ROLE_TEACHER);

    expect_step(&teacher, ROLE_TEACHER, NULL);
    for (size_t i = 0; i < objective_student_count; i++) {
        const Config c = student_config(i);
        expect_step(&c, ROLE_STUDENT, &m->denoiser);
    }
    model_destroy(m);
}
END_TEST

static void expect_columns(const Config *c, ConfigRole role, const char *want)
{
    const char *names[OBJECTIVE_TERMS_MAX];
    char got[200] = "";
    const size_t count = objective_columns(config_objective(c, role), c, names);

    for (size_t i = 0; i < count; i++) {
        strcat(got, i ? "," : "");
        strcat(got, names[i]);
    }
    ck_assert_str_eq(got, want);
}

START_TEST(logs_have_the_columns_they_had)
{
    Config c = student_config(CONFIG_OBJECTIVE_PUBLISHED);

    expect_columns(&c, ROLE_TEACHER, "");
    expect_columns(&c, ROLE_STUDENT, "distill,data_cor,data_indep,consis_cor,consis_indep");
    c.objective = CONFIG_OBJECTIVE_VARIATIONAL;
    expect_columns(&c, ROLE_STUDENT, "reconstruction,kl,kl_weight,consistency,consistency_kl");
    c.distill_weight = 1;
    expect_columns(&c, ROLE_STUDENT,
                   "reconstruction,kl,kl_weight,consistency,consistency_kl,distill");
}
END_TEST

START_TEST(a_rising_weight_settles_the_length)
{
    Config c = student_config(CONFIG_OBJECTIVE_VARIATIONAL);

    c.kl_warmup = 0.5;
    ck_assert(objective_has_length(objective_of_student[1], &c));
    ck_assert(!objective_has_length(objective_of_student[0], &c));
    ck_assert(!objective_has_length(&objective_teacher, &c));
    c.kl_warmup = 0;
    ck_assert(!objective_has_length(objective_of_student[1], &c));
}
END_TEST

/* F fits among N steps come before steps i N / (F + 1). */
START_TEST(fits_are_spread_evenly)
{
    Config c = student_config(CONFIG_OBJECTIVE_VARIATIONAL);
    const size_t made[] = {0, 0, 1, 1, 1, 2, 2, 3, 3, 3};

    c.kl_warmup = 0;
    c.lambda_scope = 1;
    c.lambda_law = LAMBDA_MIXTURE;
    c.steps = 10;
    ck_assert(!objective_has_length(objective_of_student[1], &c));
    for (c.prior_fits = 0; c.prior_fits <= 3; c.prior_fits += 3)
        for (size_t step = 0; step < 10; step++) {
            const uint64_t fits = objective_law_fits(&c, step);
            ck_assert_uint_eq(fits, c.prior_fits == 0 ? 0 : made[step]);
            ck_assert(objective_variational_config(&c, step).fitted_law == (fits > 0));
        }
    c.prior_fits = 3;
    ck_assert(objective_has_length(objective_of_student[1], &c));
    c.lambda_law = LAMBDA_NORMAL;
    ck_assert_uint_eq(objective_law_fits(&c, 9), 0);
    ck_assert(!objective_has_length(objective_of_student[1], &c));
}
END_TEST

Suite *objective_suite(void)
{
    Suite *s = suite_create("objective");
    TCase *tc = tcase_create("objective");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, the_table_is_the_choices_of_the_setting);
    tcase_add_test(tc, objectives_are_what_they_say);
    tcase_add_test(tc, logs_have_the_columns_they_had);
    tcase_add_test(tc, a_rising_weight_settles_the_length);
    tcase_add_test(tc, fits_are_spread_evenly);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return s;
}
