/* Settings arrive where they are used: every one set to another value than the default, and every
 * field that it must reach compared. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "experiments/data/datasets.h"
#include "experiments/model/model.h"
#include "experiments/training/training.h"
#include "tests/tools/toys.h"

/* A value that differs from the one at hand, in the way that the table says what it takes. */
static void set_other(Config *c, size_t i, int number)
{
    char now[CONFIG_TEXT], value[CONFIG_TEXT], then[CONFIG_TEXT];
    const char *key = config_key(i), *choices, *range;
    double low, high;
    Error err = {""};

    config_value(c, i, now);
    ck_assert(!config_set(c, key, "?", "", &err));
    if ((choices = strstr(err.text, "one of ")) != NULL) {
        choices += strlen("one of ");
        const size_t first = strcspn(choices, "|");
        const bool is_first = strncmp(choices, now, first) == 0 && now[first] == '\0';
        const char *other = is_first ? choices + first + 1 : choices;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(other, "|"), other);
    } else if (strstr(err.text, "on or off")) {
        strcpy(value, strcmp(now, "on") == 0 ? "off" : "on");
    } else if ((range = strstr(err.text, "number from")) == NULL) {
        strcpy(value, "2,3,5");
    } else if (sscanf(range, "number from %lf to %lf", &low, &high) == 2 &&
               strstr(err.text, "whole")) {
        snprintf(value, sizeof value, "%.0f", low + 3.0 + (high - low > 1000 ? number : 0));
    } else { /* numbers that nothing else has */
        snprintf(value, sizeof value, "%.6g", low + (high - low) * (0.01 + 1e-4 * number));
    }
    ck_assert_msg(config_set(c, key, value, "test", &err), "%s", err.text);
    config_value(c, i, then);
    ck_assert_msg(strcmp(now, then) != 0, "%s stayed %s", key, now);
}

static Config all_other(void)
{
    Config c;
    config_defaults(&c);
    for (size_t i = 0; i < config_count(); i++)
        set_other(&c, i, (int)i);
    return c;
}

/* Every own setting of every class arrives. */
START_TEST(processes_get_their_settings)
{
    Config c = all_other();
    for (size_t k = 0; k < diffusion_process_count(); k++) {
        c.process = (int)k;
        const ProcessConfig p = model_process(&c);
        ck_assert(p.class == diffusion_process_class(k));
        ck_assert(p.states == (size_t)c.states + p.class->has_mask);
        for (size_t i = 0; i < p.class->setting_count; i++) {
            double standard;
            setting_default(&p.class->settings[i], &standard);
            ck_assert(p.own[i] == config_number(&c, p.class->settings[i].name));
            ck_assert(p.own[i] != standard);
        }
        ck_assert(p.eps == c.alpha_eps && p.beta == (ScheduleKind)c.beta);
        ck_assert(p.beta_scale == c.beta_scale && p.beta_ratio == c.beta_ratio);
        ck_assert(p.rates == NULL && !p.any_start);
    }
}
END_TEST

START_TEST(networks_get_their_settings)
{
    Config c = all_other();
    for (size_t k = 0; k < nn_network_count(); k++) {
        c.net = (int)k;
        NetworkConfig n = model_network(&c, 3, ENCODER_PAIR);
        ck_assert(n.class == nn_network_class(k));
        ck_assert(n.height == (size_t)c.height && n.width == (size_t)c.width);
        ck_assert(n.height != n.width && n.channels == (size_t)c.channels);
        ck_assert(n.states == (size_t)c.states + config_process(&c)->has_mask);
        ck_assert(n.out_states == (size_t)c.states && n.logistic == config_head(&c)->ordinal);
        ck_assert(n.input_is_number == (c.state_input == CONFIG_STATE_NUMBERS));
        ck_assert(n.time_scale == c.time_scale && n.dropout == c.dropout);
        ck_assert(n.lambda_dims == 3 && n.lambda_gain == c.lambda_gain && n.lambda_is_number);
        ck_assert(n.encoder == ENCODER_PAIR && n.encoder_family == ENCODER_GAUSSIAN);
        for (size_t i = 0; i < n.class->setting_count; i++) {
            const Setting *s = &n.class->settings[i];
            double standard[SETTING_LIST_SLOTS], now[SETTING_LIST_SLOTS];
            setting_default(s, standard);
            config_numbers(&c, s->name, now);
            ck_assert_mem_eq(nn_network_own(&n, s->name), now, setting_slots(s) * sizeof *now);
            ck_assert(memcmp(now, standard, setting_slots(s) * sizeof *now) != 0);
        }
    }
}
END_TEST

/* Its mean and width are told to the network, its kind to the recognition network. */
START_TEST(lambda_enters_as_its_law_says)
{
    static const char *const laws[] = {"uniform", "normal", "mixture"};
    Config c = all_other();
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        const bool uniform = i == 0;
        toy_set(&c, "lambda_law", laws[i]);
        const NetworkConfig n = model_network(&c, 3, ENCODER_NONE);
        ck_assert(n.lambda_mean == (uniform ? 0.5 : 0.0));
        ck_assert_double_eq_tol(n.lambda_deviation, uniform ? sqrt(1.0 / 12.0) : 1.0, 1e-15);
        ck_assert(n.encoder_family == (uniform ? ENCODER_BOX : ENCODER_GAUSSIAN));
    }
    ck_assert(!model_network(&c, 0, ENCODER_NONE).lambda_is_number); /* a teacher has none */
    toy_set(&c, "lambda_input", "sinusoids");
    ck_assert(!model_network(&c, 3, ENCODER_NONE).lambda_is_number);
}
END_TEST

/* The adapters: what a class is told reaches the network's shapes. */
START_TEST(own_settings_shape_the_network)
{
    static const char *const unet[][2] = {{"ch", "12"},        {"ch_mult", "1,1"},
                                          {"res_blocks", "1"}, {"attn_scale", "0"},
                                          {"embed", "6"},      {"output_kernel", "1x1"}};
    static const char *const mlp[][2] = {{"mlp_width", "24"}, {"mlp_blocks", "3"}, {"embed", "10"}};
    static const char *const transformer[][2] = {
        {"tf_width", "24"},          {"tf_blocks", "3"},       {"tf_conditioning", "off"},
        {"tf_condition_width", "9"}, {"tf_positions", "both"}, {"embed", "10"}};
    static const char *const(*const settings[])[2] = {unet, mlp, transformer};
    static const size_t counts[] = {sizeof unet / sizeof *unet, sizeof mlp / sizeof *mlp,
                                    sizeof transformer / sizeof *transformer};
    for (size_t k = 0; k < nn_network_count(); k++) {
        for (size_t i = 0; i < counts[k]; i++) {
            const char *const *pair = settings[k][i];
            Config c;
            Error err = {""};
            config_defaults(&c);
            toy_set(&c, "head", "softmax");
            toy_set(&c, "net", nn_network_class(k)->name);
            c.height = c.width = 4;
            c.states = 3;
            config_put(&c, "ch", 8);
            toy_set(&c, "ch_mult", "1,2");
            size_t total[2];
            for (int changed = 0; changed < 2; changed++) {
                if (changed)
                    toy_set(&c, pair[0], pair[1]);
                Model *m = model_create(&c, ROLE_TEACHER, false, &err);
                ck_assert_msg(m != NULL, "%s", err.text);
                total[changed] = m->net->params.total;
                model_destroy(m);
            }
            ck_assert_msg(total[0] != total[1], "%s changes nothing", pair[0]);
        }
    }
}
END_TEST

START_TEST(training_gets_its_settings)
{
    const Config c = all_other();
    const OptimizerConfig o = training_optimizer(&c);
    ck_assert(o.lr == c.lr && o.clip == c.clip && o.warmup == (uint64_t)c.warmup);
    ck_assert(o.decay == (LrDecay)c.lr_decay && o.total == (uint64_t)c.steps);
    ck_assert(o.ema_decay == c.ema_decay && o.weight_decay == c.weight_decay);
    const TeacherConfig t = objective_teacher_config(&c);
    ck_assert(t.loss == (TeacherLoss)c.loss && t.time_weight == (TimeWeight)c.time_weight);
    ck_assert(t.t_min == c.t_min && t.nll_weight == c.nll_weight && t.eps == c.eps);
    ck_assert(t.two_passes == c.two_passes && t.stratified_times == c.stratified_times);
    const DistillConfig d = objective_published_config(&c);
    ck_assert(d.loss.control_variates == c.control_variates);
    ck_assert(d.loss.data_weight == (DataWeight)c.data_weight);
    ck_assert(d.lambdas == (size_t)c.lambdas && d.distill_lambdas == (size_t)c.distill_lambdas);
    ck_assert(d.t_min == c.t_min && d.delta_min == c.delta_min && d.delta_max == c.delta_max);
    ck_assert(d.tm_width == c.tm_width && d.share_at_one == c.share_at_one && d.eps == c.eps);
    ck_assert(d.stratified_lambda == c.stratified_lambda);
    const DatasetOptions options = model_dataset(&c);
    ck_assert(options.transform == DATA_BINARY && options.threshold == c.threshold);
    ck_assert(options.length == (size_t)c.length && options.vocabulary == NULL);
}
END_TEST

START_TEST(bounds_get_their_settings)
{
    Config c = all_other();
    const VariationalConfig v = objective_variational_config(&c, (uint64_t)c.steps);
    ck_assert(v.kl_weight == c.kl_weight && v.most_steps == (size_t)c.most_steps);
    ck_assert(v.share_at_one == c.share_at_one && v.t_min == c.t_min && v.eps == c.eps);
    ck_assert(v.consistency_weight == c.consistency_weight);
    ck_assert(v.distill_weight == c.distill_weight && v.tm_width == c.tm_width);
    ck_assert(v.delta_min == c.delta_min && v.delta_max == c.delta_max);
    toy_set(&c, "lambda_scope", "step");
    ck_assert(objective_variational_config(&c, 0).scope == LAMBDA_STEP);
    toy_set(&c, "lambda_scope", "sample");
    ck_assert(objective_variational_config(&c, 0).scope == LAMBDA_SAMPLE);
}
END_TEST

/* The posterior of noise with a mask needs no help from eps. */
START_TEST(masks_have_no_eps)
{
    Config c = all_other();
    for (size_t k = 0; k < diffusion_process_count(); k++) {
        c.process = (int)k;
        const double eps = config_process(&c)->has_mask ? 0.0 : c.eps;
        ck_assert(objective_published_config(&c).eps == eps);
        ck_assert(objective_variational_config(&c, 0).eps == eps);
        ck_assert(objective_teacher_config(&c).eps == c.eps);
    }
}
END_TEST

/* As a square, over a share of the steps. */
START_TEST(the_weight_of_the_divergence_rises)
{
    Config c = all_other();
    c.kl_weight = 8;
    c.kl_warmup = 0.5;
    c.steps = 100;
    ck_assert(objective_variational_config(&c, 0).kl_weight == 0.0);
    ck_assert(objective_variational_config(&c, 25).kl_weight == 2.0);
    ck_assert(objective_variational_config(&c, 50).kl_weight == 8.0);
    ck_assert(objective_variational_config(&c, 99).kl_weight == 8.0);
    c.kl_warmup = 0;
    ck_assert(objective_variational_config(&c, 0).kl_weight == 8.0);
}
END_TEST

/* The head's own, and the network asked for. */
START_TEST(models_are_made_of_their_settings)
{
    for (int net = 0; net < (int)nn_network_count(); net++) {
        Config c;
        Error err = {""};
        config_defaults(&c);
        c.height = 4;
        c.width = 6;
        c.channels = 2;
        c.states = 5;
        config_put(&c, "ch", 8);
        toy_set(&c, "ch_mult", "1");
        config_put(&c, "attn_scale", -1);
        c.net = net;
        toy_set(&c, "head", nn_network_class((size_t)net)->ordinal ? "logistic" : "softmax");
        c.fix = true;
        Model *m = model_create(&c, ROLE_STUDENT, false, &err);
        ck_assert_msg(m != NULL, "%s", err.text);
        const Head *h = &m->denoiser.head;
        ck_assert(h->class == config_head(&c) && h->dims == 48 && h->states == 5);
        ck_assert(h->channels == 2 && h->fix && h->mask == -1);
        ck_assert_str_eq(m->net->kind, nn_network_class((size_t)net)->name);
        ck_assert_uint_eq(m->net->lambda_dims, 1);
        model_destroy(m);
    }
}
END_TEST

START_TEST(denoisers_know_law_and_scope_of_lambda)
{
    static const char *const scopes[] = {"step", "sample"};
    for (size_t i = 0; i < 4; i++) {
        Config c = toy_config(ROLE_STUDENT, 1);
        Error err = {""};
        toy_set(&c, "objective", "variational");
        toy_set(&c, "lambda_input", "numbers");
        toy_set(&c, "lambda_scope", scopes[i % 2]);
        toy_set(&c, "lambda_law", i < 2 ? "uniform" : "normal");
        Model *m = model_create(&c, ROLE_STUDENT, false, &err);
        ck_assert_msg(m != NULL, "%s", err.text);
        ck_assert(m->denoiser.lambda_scope == (i % 2 == 0 ? LAMBDA_STEP : LAMBDA_SAMPLE));
        ck_assert(m->denoiser.lambda_law == (i < 2 ? LAMBDA_UNIFORM : LAMBDA_NORMAL));
        ck_assert(m->net->encoder->input == (i % 2 == 0 ? ENCODER_PAIR : ENCODER_CLEAN));
        model_destroy(m);
    }
}
END_TEST

START_TEST(first_weights_follow_the_seed)
{
    for (int net = 0; net < (int)nn_network_count(); net++) {
        char hash[2][65];
        for (int64_t seed = 0; seed < 2; seed++) {
            Config c = toy_config(ROLE_TEACHER, 1);
            Error err = {""};
            c.net = net;
            config_put(&c, "ch", 8);
            toy_set(&c, "ch_mult", "1");
            config_put(&c, "attn_scale", -1);
            c.seed = seed;
            Model *m = model_create(&c, ROLE_TEACHER, false, &err);
            ck_assert_msg(m != NULL, "%s", err.text);
            nn_weights_hash(m->net, hash[seed]);
            model_destroy(m);
        }
        ck_assert_str_ne(hash[0], hash[1]);
    }
}
END_TEST

/* The first step moves the last bias of a masked pixel towards the pixel's value, so that it shows
 * which picture was seen: the one that the data set has for this seed. */
START_TEST(pictures_follow_the_seed)
{
    Dataset *d = toy_open("glyphs", false);
    States x = states_alloc(1, d->dims);

    for (int64_t seed = 1; seed <= 6; seed++) {
        Config c = toy_config(ROLE_TEACHER, 1);
        Error err = {""};
        size_t moved = 0;
        c.seed = seed;
        c.batch = 1;
        c.warmup = 0;
        Model *m = model_create(&c, ROLE_TEACHER, true, &err);
        ck_assert_msg(m != NULL, "%s", err.text);
        const Param *bias = nn_param_find(&m->net->params, "output.bias");
        ck_assert_ptr_nonnull(bias);
        const TrainingJob job = {
            .model = m, .data = d, .out = toy("s.safetensors"), .quiet = true, .save_seconds = 1e9};
        for (size_t i = 0; i < 2 * d->dims; i++)
            ck_assert(bias->value.data[i] == 0.0f);
        ck_assert_msg(training_run(&job, &err) == TRAINING_DONE, "%s", err.text);
        dataset_batch(d, (uint64_t)seed, 0, 1, false, &x, NULL);
        for (size_t i = 0; i < d->dims; i++) {
            const float to_one = bias->value.data[2 * i + 1] - bias->value.data[2 * i];
            moved += to_one != 0.0f;
            ck_assert_msg(to_one == 0.0f || (to_one > 0.0f) == (x.x[i] == 1), "seed %d, pixel %zu",
                          (int)seed, i);
        }
        ck_assert_uint_gt(moved, 0);
        model_destroy(m);
    }
    states_free(&x);
    dataset_close(d);
}
END_TEST

/* With one picture and the same first weights, only a step's draws are left to differ. */
START_TEST(draws_follow_the_seed)
{
    const ConfigRole role = (ConfigRole)_i;
    const DatasetOptions binary = {.transform = DATA_BINARY, .threshold = 0.4};
    Error err = {""};
    Dataset *d = dataset_open(toy_mnist(1, 12, 1), false, &binary, &err);
    const Config c = toy_config(role, 2);
    Model *teacher = model_create(&c, ROLE_TEACHER, false, &err);
    char hash[2][65];

    ck_assert_msg(d != NULL && teacher != NULL, "%s", err.text);
    for (int64_t seed = 0; seed < 2; seed++) {
        Model *m = model_create(&c, role, true, &err);
        ck_assert_msg(m != NULL, "%s", err.text);
        m->config.seed = seed;
        const TrainingJob job = {.model = m,
                                 .teacher = role == ROLE_STUDENT ? &teacher->denoiser : NULL,
                                 .data = d,
                                 .out = toy("s.safetensors"),
                                 .quiet = true,
                                 .save_seconds = 1e9};
        ck_assert_msg(training_run(&job, &err) == TRAINING_DONE, "%s", err.text);
        nn_weights_hash(m->net, hash[seed]);
        model_destroy(m);
    }
    ck_assert_str_ne(hash[0], hash[1]);
    model_destroy(teacher);
    dataset_close(d);
}
END_TEST

static void set_up(void)
{
    toys_set_up("test-settings.tmp.d");
}

Suite *settings_suite(void)
{
    Suite *s = suite_create("settings");
    TCase *tc = tcase_create("settings");
    tcase_add_test(tc, processes_get_their_settings);
    tcase_add_test(tc, own_settings_shape_the_network);
    tcase_add_test(tc, networks_get_their_settings);
    tcase_add_test(tc, lambda_enters_as_its_law_says);
    tcase_add_test(tc, training_gets_its_settings);
    tcase_add_test(tc, bounds_get_their_settings);
    tcase_add_test(tc, masks_have_no_eps);
    tcase_add_test(tc, the_weight_of_the_divergence_rises);
    tcase_add_test(tc, models_are_made_of_their_settings);
    tcase_add_test(tc, denoisers_know_law_and_scope_of_lambda);
    tcase_add_test(tc, first_weights_follow_the_seed);
    tcase_add_test(tc, pictures_follow_the_seed);
    tcase_add_loop_test(tc, draws_follow_the_seed, 0, 2);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
