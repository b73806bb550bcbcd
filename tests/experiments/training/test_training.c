/* The training loop in one process: a run that is stopped and resumed ends in the same bytes as one
 * that is not, and what goes wrong is named and leaves the last checkpoint. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "experiments/model/model_file.h"
#include "experiments/training/training.h"
#include "nn/formats/csv.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/tools/toys.h"

enum { STEPS = 6 };

typedef struct Case {
    Dataset *data;
    Model *teacher; /* with random weights; for students */
} Case;
static Case c;

static void set_up(void)
{
    toys_set_up("test-training.tmp.d");
    Error err = {""};
    const Config config = toy_config(ROLE_TEACHER, STEPS);
    c.data = toy_open("glyphs", false);
    c.teacher = model_create(&config, ROLE_TEACHER, false, &err);
    ck_assert_msg(c.teacher != NULL, "%s", err.text);
}

static void tear_down(void)
{
    model_destroy(c.teacher);
    dataset_close(c.data);
    toys_tear_down();
}

static Model *fresh(ConfigRole role, const Config *config)
{
    Error err = {""};
    Model *m = model_create(config, role, true, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    model_set_data(m, c.data);
    if (role == ROLE_STUDENT) {
        nn_copy_common(m->net, c.teacher->net);
        nn_weights_hash(c.teacher->net, m->teacher_hash);
    }
    return m;
}

static TrainingJob job_of(Model *m, const char *out, const char *log)
{
    return (TrainingJob){.model = m,
                         .teacher = m->role == ROLE_STUDENT ? &c.teacher->denoiser : NULL,
                         .data = c.data,
                         .out = out,
                         .log = log,
                         .quiet = true,
                         .save_seconds = 1e9};
}

static bool refuse(void *context, uint64_t step, Error *err)
{
    (void)context;
    return error_set(err, "refused at step %llu", (unsigned long long)step);
}

/* Trains a new model of these settings into NAME.safetensors and NAME.csv; resume goes on with what
 * is there.  break_at: ends before that step is saved, where all are; 0: does not. */
static TrainingEnd train_until(ConfigRole role, const Config *config, const char *name, bool resume,
                               uint64_t break_at, Error *err)
{
    char model[40], log[40];
    snprintf(model, sizeof model, "%s.safetensors", name);
    snprintf(log, sizeof log, "%s.csv", name);
    Model *m = fresh(role, config);
    TrainingJob job = job_of(m, toy(model), toy(log));
    job.keep_log = resume;
    if (break_at > 0) {
        job.save_seconds = 0;
        job.observer = (TrainingObserver){.every = break_at, .look = refuse};
    }
    SafetensorsFile *f = resume ? safetensors_read(job.out, err) : NULL;
    ck_assert_msg(!resume || f != NULL, "%s", err->text);
    job.resume_from = f;
    const TrainingEnd end = training_run(&job, err);
    safetensors_free(f);
    model_destroy(m);
    return end;
}

static TrainingEnd train(ConfigRole role, const Config *config, const char *name, bool resume,
                         Error *err)
{
    return train_until(role, config, name, resume, 0, err);
}

static void done(ConfigRole role, const Config *config, const char *name, bool resume)
{
    Error err = {""};
    ck_assert_msg(train(role, config, name, resume, &err) == TRAINING_DONE, "%s", err.text);
}

static void expect_same(const char *a, const char *b)
{
    ck_assert_msg(toy_same(toy(a), toy(b)), "%s and %s differ", a, b);
}

/* A student with a recognition network, one lambda a sample (0), also with a law fitted at the end
 * (2), or a step, and pictures drawn by the teacher (1), is the same after a stop; its rising
 * weight needs all steps known. */
START_TEST(a_recognition_network_resumes)
{
    Config config = toy_config(ROLE_STUDENT, STEPS);
    config.objective = CONFIG_OBJECTIVE_VARIATIONAL;
    config.lambda_input = CONFIG_LAMBDA_NUMBERS;
    config.lambda_scope = _i != 1;
    config.lambda_law = _i == 2 ? LAMBDA_MIXTURE : LAMBDA_UNIFORM;
    config.prior_components = 3;
    config.consistency_weight = _i == 1 ? 1 : 0;
    config.targets = _i == 0 ? CONFIG_TARGETS_DATA : CONFIG_TARGETS_MIXED;
    config.target_count = 10;
    config.target_steps = 2;
    config.lr_decay = LR_CONSTANT;
    config.kl_warmup = 0;
    done(ROLE_STUDENT, &config, "whole", false);
    config.steps = 3;
    done(ROLE_STUDENT, &config, "half", false);
    config.steps = STEPS;
    done(ROLE_STUDENT, &config, "half", true);
    expect_same("whole.safetensors", "half.safetensors");
    expect_same("whole.csv", "half.csv");
}
END_TEST

static Config fitted_along(void)
{
    Config config = toy_fitted_config(8);
    config.prior_fits = 3; /* before the third, fifth and seventh step */
    return config;
}

/* A law that is fitted along with training is fitted alike after a stop, before its fit or behind.
 */
START_TEST(a_law_fitted_along_resumes)
{
    const Config config = fitted_along();
    char expected[40];
    Error err = {""};
    done(ROLE_STUDENT, &config, "whole", false);
    for (uint64_t at = 2; at <= 6; at++) { /* what is saved has made one step less */
        snprintf(expected, sizeof expected, "refused at step %llu", (unsigned long long)at);
        ck_assert_int_eq(train_until(ROLE_STUDENT, &config, "parts", false, at, &err),
                         TRAINING_FAILED);
        ck_assert_str_eq(err.text, expected);
        done(ROLE_STUDENT, &config, "parts", true);
        expect_same("whole.safetensors", "parts.safetensors");
        expect_same("whole.csv", "parts.csv");
    }
}
END_TEST

static double kl_of_step(const char *log, size_t step)
{
    CsvTable t;
    Error err = {""};
    ck_assert_msg(csv_read(toy(log), &t, &err), "%s", err.text);
    const double kl = csv_column(&t, "kl")[step - 1];
    csv_free(&t);
    return kl;
}

/* Steps up to the first fit are those of a training without; the next one's divergence is another.
 */
START_TEST(the_divergence_is_from_the_law_fitted_last)
{
    Config config = fitted_along();
    done(ROLE_STUDENT, &config, "along", false);
    config.prior_fits = 0;
    done(ROLE_STUDENT, &config, "end", false);
    ck_assert_double_eq(kl_of_step("along.csv", 2), kl_of_step("end.csv", 2));
    ck_assert(kl_of_step("along.csv", 3) != kl_of_step("end.csv", 3));
}
END_TEST

/* Three steps, then the rest, under a constant rate: the number of steps is then no part of it. */
START_TEST(two_halves_make_a_whole)
{
    const ConfigRole role = (ConfigRole)_i;
    Config config = toy_config(role, STEPS);
    config.lr_decay = LR_CONSTANT;
    done(role, &config, "whole", false);
    config.steps = 3;
    done(role, &config, "half", false);
    ck_assert(!toy_same(toy("whole.safetensors"), toy("half.safetensors")));
    config.steps = STEPS;
    done(role, &config, "half", true);
    expect_same("whole.safetensors", "half.safetensors");
    expect_same("whole.csv", "half.csv");
    done(role, &config, "half", true); /* nothing is left to do */
    expect_same("whole.safetensors", "half.safetensors");
    expect_same("whole.csv", "half.csv");
}
END_TEST

/* The signal's flag stays up, so each run makes one step, saves and stops. */
START_TEST(a_run_stopped_after_every_step)
{
    const ConfigRole role = (ConfigRole)_i;
    const Config config = toy_config(role, STEPS); /* its rate falls to 0 at the last step */
    Error err = {""};
    done(role, &config, "whole", false);
    platform_catch_signals();
    ck_assert_int_eq(raise(SIGTERM), 0);
    for (int step = 0; step < STEPS; step++)
        ck_assert_msg(train(role, &config, "parts", step > 0, &err) == TRAINING_INTERRUPTED, "%s",
                      err.text);
    ck_assert_int_eq(train(role, &config, "parts", true, &err), TRAINING_DONE);
    expect_same("whole.safetensors", "parts.safetensors");
    expect_same("whole.csv", "parts.csv");
}
END_TEST

START_TEST(threads_chunks_and_checks_change_nothing)
{
    const ConfigRole role = (ConfigRole)_i;
    Config config = toy_config(role, 3);
    Error err = {""};
    done(role, &config, "one", false);
    threads_set(3);
    Model *m = fresh(role, &config);
    TrainingJob job = job_of(m, toy("three.safetensors"), NULL);
    job.check_finite = true;
    job.save_seconds = 0;
    ck_assert_msg(training_run(&job, &err) == TRAINING_DONE, "%s", err.text);
    expect_same("one.safetensors", "three.safetensors");
    Model *back = model_load(toy("one.safetensors"), WEIGHTS_AVERAGED, &err);
    ck_assert_mem_eq(m->net->params.values, back->net->params.values,
                     m->net->params.total * sizeof(float)); /* afterwards: the averages */
    ck_assert_uint_eq(m->step, 3);
    model_destroy(back);
    model_destroy(m);
}
END_TEST

/* As after a kill: rows beyond the checkpoint and half a row. */
START_TEST(the_log_is_cut_back)
{
    Config config = toy_config(ROLE_TEACHER, STEPS);
    size_t n;
    config.lr_decay = LR_CONSTANT;
    done(ROLE_TEACHER, &config, "whole", false);
    config.steps = 2;
    done(ROLE_TEACHER, &config, "cut", false);
    FILE *f = fopen(toy("cut.csv"), "ab");
    ck_assert_ptr_nonnull(f);
    fputs("3,1,1,1\n4,1,1,1\n5,1", f);
    fclose(f);
    config.steps = STEPS;
    done(ROLE_TEACHER, &config, "cut", true);
    expect_same("whole.csv", "cut.csv");
    char *text = toy_read(toy("cut.csv"), &n);
    ck_assert_ptr_eq(strstr(text, "step,loss,grad_norm,lr\n1,"), text);
    mem_free(text);
}
END_TEST

START_TEST(logs_that_cannot_go_on)
{
    Config config = toy_config(ROLE_TEACHER, STEPS);
    Error err = {""};
    done(ROLE_TEACHER, &config, "a", false);
    remove(toy("a.csv")); /* lost: a new one starts */
    done(ROLE_TEACHER, &config, "a", true);
    toy_text(toy("a.csv"), "time,money\n1,2\n");
    ck_assert_int_eq(train(ROLE_TEACHER, &config, "a", true, &err), TRAINING_FAILED);
    ck_assert_msg(strstr(err.text, "a.csv") && strstr(err.text, "step,loss,grad_norm,lr"), "%s",
                  err.text);
}
END_TEST

/* A rate of 1e30 makes the weights overflow; the run must stop by itself and name an operation. */
START_TEST(numbers_that_are_not_finite_stop_the_run)
{
    const ConfigRole role = (ConfigRole)_i;
    Config config = toy_config(role, 50);
    Error err = {""};
    config.lr = 1e30;
    config.warmup = 0;
    config.lr_decay = LR_CONSTANT;
    ck_assert_int_eq(train(role, &config, "bad", false, &err), TRAINING_FAILED);
    ck_assert_msg(strstr(err.text, "bad.safetensors: training stopped at step ") != NULL, "%s",
                  err.text);
    ck_assert_msg(strstr(err.text, "first non-finite result: ") != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "result: the loss") == NULL, "%s", err.text);
    size_t n;
    ck_assert(!platform_file_size(toy("bad.safetensors"), &n)); /* nothing was saved */
}
END_TEST

/* A poisoned model: the checkpoint before it is left alone. */
START_TEST(the_last_checkpoint_survives)
{
    Config config = toy_config(ROLE_TEACHER, STEPS);
    Error err = {""};
    size_t n, m;
    done(ROLE_TEACHER, &config, "a", false);
    char *before = toy_read(toy("a.safetensors"), &n);
    Model *model = fresh(ROLE_TEACHER, &config);
    model->net->params.values[5] = NAN;
    TrainingJob job = job_of(model, toy("a.safetensors"), NULL);
    job.check_finite = _i == 1;
    job.save_seconds = 0;
    ck_assert_int_eq(training_run(&job, &err), TRAINING_FAILED);
    ck_assert_msg(strstr(err.text, "step 0") != NULL, "%s", err.text);
    char *after = toy_read(toy("a.safetensors"), &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(before, after, n);
    mem_free(before);
    mem_free(after);
    model_destroy(model);
}
END_TEST

/* The gradient is finite, but the rate makes the first update overflow: the weights from before it
 * stay in the file, whether the run would save after every step or at its end. */
START_TEST(an_update_that_overflows_is_not_saved)
{
    const ConfigRole role = (ConfigRole)(_i / 2);
    Config config = toy_config(role, 1);
    Error err = {""};
    size_t n, m;
    done(role, &config, "a", false);
    char *before = toy_read(toy("a.safetensors"), &n);
    config.lr = 1e38;
    config.warmup = 0;
    config.lr_decay = LR_CONSTANT;
    config.steps = 1 + _i % 2;
    Model *model = fresh(role, &config);
    TrainingJob job = job_of(model, toy("a.safetensors"), NULL);
    job.save_seconds = 0;
    ck_assert_int_eq(training_run(&job, &err), TRAINING_FAILED);
    ck_assert_msg(
        strstr(err.text, "a.safetensors: training stopped after 1 steps: the update made "), "%s",
        err.text);
    char *after = toy_read(toy("a.safetensors"), &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(before, after, n);
    mem_free(before);
    mem_free(after);
    model_destroy(model);
}
END_TEST

START_TEST(places_that_cannot_be_written)
{
    const Config config = toy_config(ROLE_TEACHER, 1);
    Error err = {""};
    Model *m = fresh(ROLE_TEACHER, &config);
    TrainingJob job = job_of(m, "test-training.tmp.d/none/a.safetensors", NULL);
    ck_assert_int_eq(training_run(&job, &err), TRAINING_FAILED);
    ck_assert_msg(strstr(err.text, "none/a.safetensors: cannot be written") != NULL, "%s",
                  err.text);
    job.log = "test-training.tmp.d/none/a.csv";
    ck_assert_int_eq(training_run(&job, &err), TRAINING_FAILED);
    ck_assert_msg(strstr(err.text, "none/a.csv: cannot be written") != NULL, "%s", err.text);
    model_destroy(m);
}
END_TEST

/* Files that hold weights but not what a resume needs. */
START_TEST(weights_alone_do_not_resume)
{
    const Config config = toy_config(ROLE_TEACHER, STEPS);
    Error err = {""};
    Model *m = fresh(ROLE_TEACHER, &config);
    ck_assert(model_save(m, NULL, toy("w.safetensors"), &err));
    model_destroy(m);
    ck_assert_int_eq(train(ROLE_TEACHER, &config, "w", true, &err), TRAINING_FAILED);
    ck_assert_msg(strstr(err.text, "w.safetensors") && strstr(err.text, "step"), "%s", err.text);
    size_t n;
    ck_assert(!platform_file_size(toy("w.csv"), &n));
}
END_TEST

/* Pictures of the size of glyphs (half of 12), which may be flipped; glyphs are not. */
static Dataset *binary_pictures(void)
{
    DatasetOptions options = dataset_defaults();
    Error err = {""};
    options.transform = DATA_BINARY;
    options.threshold = 120.0 / 255.0; /* where the pixels of a third of the pictures lie */
    Dataset *d = dataset_open(toy_mnist(60, 12, 1), false, &options, &err);
    ck_assert_msg(d != NULL, "%s", err.text);
    return d;
}

static Config flipping(void)
{
    Config config = toy_config(ROLE_TEACHER, 3);
    config.flip = true;
    config.batch = 24; /* enough for some flip to matter in each step */
    return config;
}

/* The first two losses are those of the first weights (the rate starts at 0) on the pictures and
 * flips of steps 0 and 1. */
START_TEST(every_step_has_its_own_pictures_and_flips)
{
    const Config config = flipping();
    size_t n;
    Dataset *glyphs = c.data;
    c.data = binary_pictures();
    done(ROLE_TEACHER, &config, "t", false);
    char *text = toy_read(toy("t.csv"), &n), *row = strchr(text, '\n') + 1;
    Model *m = fresh(ROLE_TEACHER, &config);
    const TeacherConfig t = objective_teacher_config(&config);
    States x = states_alloc((size_t)config.batch, c.data->dims);
    Workspace work = diffusion_workspace_create(0);
    for (uint64_t step = 0; step < 2; step++) {
        for (int flip = 0; flip < 2; flip++) {
            dataset_batch(c.data, (uint64_t)config.seed, step, x.batch, flip == 1, &x, NULL);
            const double loss = diffusion_teacher_gradient(&t, &m->denoiser, m->process, &x,
                                                           (uint64_t)config.seed, step, &work);
            double logged;
            ck_assert_int_eq(sscanf(row, "%*d,%lf", &logged), 1);
            ck_assert_msg((fabs(logged - loss) < 1e-5 * loss) == (flip == 1),
                          "step %d: loss %g, with flips %d it is %g", (int)step, logged, flip,
                          loss);
        }
        row = strchr(row, '\n') + 1;
    }
    diffusion_workspace_destroy(&work);
    states_free(&x);
    model_destroy(m);
    mem_free(text);
    dataset_close(c.data);
    c.data = glyphs;
}
END_TEST

START_TEST(a_student_learns_nothing_from_its_equal)
{
    Config config = toy_config(ROLE_STUDENT, 2);
    size_t n;
    config.share_at_one = 0;
    config.lambdas = 1;
    config.distill_lambdas = 0;
    done(ROLE_STUDENT, &config, "s", false);
    char *text = toy_read(toy("s.csv"), &n), *row = strchr(text, '\n') + 1;
    double v[9];
    for (int i = 0; i < 9; i++)
        v[i] = strtod(row, &row), row++;
    ck_assert(v[0] == 1 && v[3] == 0);      /* warm-up starts at 0 */
    ck_assert_double_eq_tol(v[4], 0, 1e-6); /* same weights: no distillation loss, */
    ck_assert_double_eq_tol(v[5], 0, 1e-4); /* no correlation with one lambda, */
    ck_assert_double_eq_tol(v[6], 0, 1e-6); /* and the same marginals */
    ck_assert_double_eq_tol(v[1], v[4] + v[5] + v[6] + v[7] + v[8], 1e-5);
    mem_free(text);
}
END_TEST

Suite *training_suite(void)
{
    Suite *s = suite_create("training");
    TCase *tc = tcase_create("training");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, two_halves_make_a_whole, 0, 2);
    tcase_add_loop_test(tc, a_recognition_network_resumes, 0, 3);
    tcase_add_test(tc, a_law_fitted_along_resumes);
    tcase_add_test(tc, the_divergence_is_from_the_law_fitted_last);
    tcase_add_loop_test(tc, threads_chunks_and_checks_change_nothing, 0, 2);
    tcase_add_test(tc, the_log_is_cut_back);
    tcase_add_test(tc, logs_that_cannot_go_on);
    tcase_add_loop_test(tc, numbers_that_are_not_finite_stop_the_run, 0, 2);
    tcase_add_loop_test(tc, the_last_checkpoint_survives, 0, 2);
    tcase_add_loop_test(tc, an_update_that_overflows_is_not_saved, 0, 4);
    tcase_add_test(tc, places_that_cannot_be_written);
    tcase_add_test(tc, weights_alone_do_not_resume);
    tcase_add_test(tc, every_step_has_its_own_pictures_and_flips);
    tcase_add_test(tc, a_student_learns_nothing_from_its_equal);
    tcase_add_loop_test(tc, a_run_stopped_after_every_step, 0, 2); /* leaves a signal */
    tcase_set_timeout(tc, 120);
    suite_add_tcase(s, tc);
    return s;
}
