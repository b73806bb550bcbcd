/* Sampling starts from the prior: a process that has not forgotten the data by then is refused,
 * with the constant that would do; what the exempt published one costs is what README says. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diffusion/process/process.h"
#include "diffusion/process/transition.h"
#include "diffusion/sampler/sampler.h"

/* Published schedules of all kinds, then each kind with each other schedule. */
enum { PUBLISHED = 6, BETAS = 5, KINDS = 4, CASES = PUBLISHED + BETAS * KINDS };

static ProcessConfig config_of(int kase, size_t S)
{
    static const char *const kinds[PUBLISHED] = {"uniform",   "birthdeath", "gaussian",
                                                 "absorbing", "absorbing",  "absorbing"};
    const int other = kase - PUBLISHED;
    ProcessConfig c = diffusion_process_defaults(
        other < 0 ? kinds[kase] : diffusion_process_class((size_t)(other / BETAS))->name, S);

    diffusion_process_set(&c, "rate_const",
                          0.03); /* also where masks are linear: what the settings' table has */
    diffusion_process_choose(&c, "schedule",
                             kase == 4   ? "linear"
                             : kase == 5 ? "cosine"
                                         : "loglinear");
    if (other >= 0) {
        c.beta = (ScheduleKind)(SCHEDULE_CONSTANT + other % BETAS);
        c.beta_ratio = 4.0;
    }
    diffusion_process_set(&c, "sigma_max", 3.0);
    return c;
}

static bool set_field(ProcessConfig *c, const char *name, double value)
{
    double *shared = strcmp(name, "beta_scale") == 0  ? &c->beta_scale
                     : strcmp(name, "alpha_eps") == 0 ? &c->eps
                                                      : NULL;
    if (shared != NULL)
        *shared = value;
    return shared != NULL || diffusion_process_set(c, name, value);
}

/* Takes the advice at the end of the sentence. */
static void follow(ProcessConfig *c, const char *text)
{
    char name[32];
    double value;
    const char *colon = strrchr(text, ':');

    ck_assert_msg(colon != NULL &&
                      (sscanf(colon, ": raise %31s to at least %lf", name, &value) == 2 ||
                       sscanf(colon, ": lower %31s to at most %lf", name, &value) == 2),
                  "%s", text);
    ck_assert_msg(set_field(c, name, value) && strstr(text, "expected at most 0.05") != NULL, "%s",
                  text);
}

/* Half the sum of absolute differences, at the worst of all x_0. */
START_TEST(the_distance_is_total_variation)
{
    for (int kase = 0; kase < CASES; kase++) {
        ProcessConfig c = config_of(kase, 7);
        Error err = {""};
        double row[7], worst = 0.0;
        c.any_start = true;
        Process *p = diffusion_process_create(&c, &err);
        ck_assert_msg(p != NULL, "%s", err.text);
        Transition *tr = diffusion_transition_create(p, 0.0, 0.6, TRANSITION_ACCURATE);
        for (size_t i = 0; i < 7; i++) {
            double sum = 0.0;
            diffusion_transition_row(tr, i, row);
            for (size_t j = 0; j < 7; j++)
                sum += 0.5 * fabs(row[j] - p->prior[j]);
            worst = sum > worst ? sum : worst;
        }
        ck_assert_double_eq_tol(diffusion_process_distance(p, 0.6), worst, 1e-12);
        diffusion_transition_destroy(tr);
        diffusion_process_destroy(p);
    }
}
END_TEST

/* No more than this may be refused or let through: the distance decides, for every process. */
START_TEST(far_starts_are_refused_with_advice)
{
    static const size_t sizes[] = {2, 3, 17, 64};
    const size_t S = sizes[_i];
    int refused = 0;

    for (int kase = 0; kase < CASES; kase++) {
        ProcessConfig c = config_of(kase, S);
        Error err = {""};
        c.any_start = true;
        Process *p = diffusion_process_create(&c, &err);
        ck_assert_msg(p != NULL, "%s", err.text);
        const double far = diffusion_process_distance(p, 1.0);
        diffusion_process_destroy(p);
        c.any_start = false;
        p = diffusion_process_create(&c, &err);
        ck_assert_msg((p != NULL) == (far <= PRIOR_DISTANCE), "case %d: %g", kase, far);
        if (p == NULL) {
            refused++;
            follow(&c, err.text);
            p = diffusion_process_create(&c, &err);
            ck_assert_msg(p != NULL, "advice taken: %s", err.text);
            ck_assert_double_gt(diffusion_process_distance(p, 1.0), 0.5 * PRIOR_DISTANCE);
        }
        diffusion_process_destroy(p);
    }
    ck_assert_int_gt(refused, 4);
}
END_TEST

START_TEST(survivors_are_refused)
{
    ProcessConfig c = diffusion_process_defaults("absorbing", 3);
    Error err = {""};

    c.eps = 0.5; /* half of the data are left at t = 1 */
    ck_assert(diffusion_process_create(&c, &err) == NULL);
    ck_assert_msg(strstr(err.text, "alpha_eps = 0.5") != NULL, "%s", err.text);
    follow(&c, err.text);
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(a_prior_beside_the_end_is_refused)
{
    static const size_t odd[] = {5, 33, 65}; /* half of it is not its floor */
    ProcessConfig c = diffusion_process_defaults("gaussian", odd[_i]);
    Error err = {""};

    diffusion_process_set(&c, "Q_sigma", 2.0);
    ck_assert(diffusion_process_create(&c, &err) == NULL);
    ck_assert_msg(strstr(err.text, "Q_sigma = 2") != NULL, "%s", err.text);
    follow(&c, err.text);
    Process *p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    diffusion_process_destroy(p);
}
END_TEST

/* The share of black pixels that a perfect denoiser draws where `black` of them are black and the
 * others white: one dimension, so any number of steps gives the same. */
static double drawn_black(const Process *p, double black)
{
    const size_t S = p->states;
    Transition *tr = diffusion_transition_create(p, 0.0, 1.0, TRANSITION_SPECTRAL);
    double sum = 0.0;

    for (size_t x = 0; x < S; x++) {
        const double low = black * diffusion_transition_at(tr, 0, x);
        const double high = (1.0 - black) * diffusion_transition_at(tr, S - 1, x);
        sum += p->prior[x] * low / (low + high);
    }
    diffusion_transition_destroy(tr);
    return sum;
}

START_TEST(published_constants_are_exempt_where_they_were_published)
{
    ProcessConfig c = diffusion_process_defaults("birthdeath", 256);
    Error err = {""};
    Process *p = diffusion_process_create(&c, &err);

    ck_assert_msg(p != NULL, "%s", err.text);
    ck_assert_double_eq_tol(diffusion_process_distance(p, 1.0), 0.301, 5e-4);
    ck_assert_double_eq_tol(drawn_black(p, 0.8), 0.701, 5e-4);
    diffusion_process_destroy(p);
    for (size_t i = 0; i < KINDS; i++) {
        const char *k = diffusion_process_class(i)->name;
        const ProcessConfig d = diffusion_process_defaults(k, 256);
        p = diffusion_process_create(&d, &err);
        ck_assert(p != NULL);
        ck_assert(strcmp(k, "birthdeath") == 0 || diffusion_process_distance(p, 1.0) < 0.002);
        diffusion_process_destroy(p);
    }
    c.states = 255;
    ck_assert(diffusion_process_create(&c, &err) == NULL);
    c.states = 256;
    c.beta = SCHEDULE_CONSTANT;
    ck_assert(diffusion_process_create(&c, &err) == NULL);
    c.beta = SCHEDULE_PUBLISHED;
    diffusion_process_set(&c, "sigma_max", 101.0);
    ck_assert(diffusion_process_create(&c, &err) == NULL);
    follow(&c, err.text);
    p = diffusion_process_create(&c, &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    ck_assert_double_eq_tol(drawn_black(p, 0.8), 0.8, 0.002);
    diffusion_process_destroy(p);
}
END_TEST

START_TEST(lists_of_times_start_where_the_data_are_forgotten)
{
    static const double early[] = {0.5, 0.25}, late[] = {0.97, 0.5};
    ProcessConfig c = diffusion_process_defaults("absorbing", 3);
    Error err = {""};
    Process *p = diffusion_process_create(&c, &err);
    SampleRequest r = {.process = p, .steps = 2, .grid = GRID_LIST, .times = early};

    ck_assert(diffusion_sampler_plan(&r, &err) == NULL);
    ck_assert_msg(strstr(err.text, "time 1 is 0.5") && strstr(err.text, "first time of 1"), "%s",
                  err.text);
    r.times = late;
    SamplerPlan *plan = diffusion_sampler_plan(&r, &err);
    ck_assert_msg(plan != NULL, "%s", err.text);
    diffusion_sampler_plan_destroy(plan);
    diffusion_process_destroy(p);
}
END_TEST

Suite *process_start_suite(void)
{
    Suite *s = suite_create("process_start");
    TCase *tc = tcase_create("start");
    tcase_add_test(tc, the_distance_is_total_variation);
    tcase_add_loop_test(tc, far_starts_are_refused_with_advice, 0, 4);
    tcase_add_test(tc, survivors_are_refused);
    tcase_add_loop_test(tc, a_prior_beside_the_end_is_refused, 0, 3);
    tcase_add_test(tc, published_constants_are_exempt_where_they_were_published);
    tcase_add_test(tc, lists_of_times_start_where_the_data_are_forgotten);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
