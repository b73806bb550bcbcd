/* Model files: round trips, and every way in which the metadata can be wrong. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/model/model_file.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-model-file.tmp.d");
}

static Model *create(const Config *c, ConfigRole role)
{
    Error err = {""};
    Model *m = model_create(c, role, true, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

static Model *load(const char *path, WeightChoice which)
{
    Error err = {""};
    Model *m = model_load(path, which, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

static void save(const Model *m, const Optimizer *o, const char *path)
{
    Error err = {""};
    ck_assert_msg(model_save(m, o, path, &err), "%s", err.text);
}

/* A model of `role` with random weights in the toy file `name`. */
static Model *saved(ConfigRole role, const char *name)
{
    const Config c = toy_config(role, 10);
    Model *m = create(&c, role);
    Dataset *glyphs = toy_open("glyphs", false);
    model_set_data(m, glyphs);
    dataset_close(glyphs);
    if (role == ROLE_STUDENT)
        memset(m->teacher_hash, 'a', 64);
    save(m, NULL, toy(name));
    return m;
}

/* Copies the model file with one metadata entry changed, added or (value NULL) left out. */
static void change(const char *from, const char *to, const char *key, const char *value)
{
    Error err = {""};
    SafetensorsFile *f = safetensors_read(from, &err);
    SafetensorsWriter *w = safetensors_writer();
    float *block[200];
    ck_assert_msg(f != NULL && f->tensor_count <= 200, "%s", err.text);
    if (value)
        safetensors_add_meta(w, key, value);
    for (size_t i = 0; i < f->meta_count; i++)
        if (strcmp(f->meta[i].key, key) != 0)
            safetensors_add_meta(w, f->meta[i].key, f->meta[i].value);
    for (size_t i = 0; i < f->tensor_count; i++) {
        const FileTensor *t = &f->tensors[i];
        block[i] = mem_alloc(t->count, sizeof(float));
        ck_assert(safetensors_floats(t, block[i], from, &err));
        safetensors_add(w, t->name, t->rank, t->shape, block[i]);
    }
    ck_assert_msg(safetensors_write(w, to, &err), "%s", err.text);
    for (size_t i = 0; i < f->tensor_count; i++)
        mem_free(block[i]);
    safetensors_writer_free(w);
    safetensors_free(f);
}

static bool may_teach(const Model *m, const Model *teacher, const char *name, Error *err)
{
    ModelFile f;
    ck_assert_msg(model_file_open(&f, toy(name), err), "%s", err->text);
    const bool may = model_check_teacher(m, teacher, &f, err);
    model_file_close(&f);
    return may;
}

START_TEST(files_come_back_as_they_were)
{
    const ConfigRole role = (ConfigRole)_i;
    Model *m = saved(role, "a.safetensors"), *back = load(toy("a.safetensors"), WEIGHTS_AVERAGED);
    ck_assert(back->role == role && back->step == 0);
    ck_assert_uint_eq(config_difference(&back->config, &m->config), config_count());
    ck_assert_str_eq(back->data, "glyphs");
    ck_assert_uint_eq(strlen(back->data_hash), 64);
    ck_assert_str_eq(back->data_hash, m->data_hash);
    ck_assert_str_eq(back->teacher_hash, m->teacher_hash);
    ck_assert_uint_eq(back->net->params.total, m->net->params.total);
    ck_assert_mem_eq(back->net->params.values, m->net->params.values,
                     m->net->params.total * sizeof(float));
    ck_assert_uint_eq(back->denoiser.lambda_dims, role == ROLE_STUDENT ? 1 : 0);
    ck_assert_uint_eq(back->denoiser.width, 6);
    ck_assert_ptr_null(back->net->params.grads);
    save(back, NULL, toy("b.safetensors"));
    ck_assert(toy_same(toy("a.safetensors"), toy("b.safetensors")));
    model_destroy(back);
    model_destroy(m);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(raw_and_averaged_weights_are_told_apart)
{
    const OptimizerConfig oc = nn_optimizer_defaults();
    Model *m = saved(ROLE_TEACHER, "a.safetensors");
    Optimizer *o = nn_optimizer_create(&oc, &m->net->params);
    const size_t bytes = m->net->params.total * sizeof(float);
    for (size_t i = 0; i < m->net->params.total; i++)
        o->ema[i] = m->net->params.values[i] + 1;
    o->steps = 7;
    save(m, o, toy("a.safetensors"));
    Model *raw = load(toy("a.safetensors"), WEIGHTS_RAW);
    Model *averaged = load(toy("a.safetensors"), WEIGHTS_AVERAGED);
    ck_assert_uint_eq(raw->step, 7);
    ck_assert_mem_eq(raw->net->params.values, m->net->params.values, bytes);
    ck_assert_mem_eq(averaged->net->params.values, o->ema, bytes);
    nn_optimizer_destroy(o);
    model_destroy(raw);
    model_destroy(averaged);
    model_destroy(m);
}
END_TEST

/* All that is asked of an open file comes from what was read of it: the file itself may go. */
START_TEST(files_are_read_once)
{
    const OptimizerConfig oc = nn_optimizer_defaults();
    Model *m = saved(ROLE_TEACHER, "a.safetensors");
    Optimizer *o = nn_optimizer_create(&oc, &m->net->params);
    const size_t total = m->net->params.total, bytes = total * sizeof(float);
    Error err = {""};
    ModelFile f;
    char hash[65], wanted[65];
    for (size_t i = 0; i < total; i++)
        o->ema[i] = m->net->params.values[i] + 1;
    save(m, o, toy("a.safetensors"));
    ck_assert_msg(model_file_open(&f, toy("a.safetensors"), &err), "%s", err.text);
    ck_assert_str_eq(model_file_path(&f), toy("a.safetensors"));
    ck_assert_int_eq(remove(toy("a.safetensors")), 0);
    Model *back = model_file_layout(&f, WEIGHTS_RAW, &err);
    ck_assert_msg(back != NULL && back->net->params.values == NULL, "%s", err.text);
    ck_assert_msg(model_file_hash(&f, back, WEIGHTS_RAW, hash, &err), "%s", err.text);
    nn_weights_hash(m->net, wanted);
    ck_assert_str_eq(hash, wanted);
    ck_assert_msg(model_file_weights(&f, back, WEIGHTS_AVERAGED, &err), "%s", err.text);
    ck_assert_mem_eq(back->net->params.values, o->ema, bytes);
    ck_assert_msg(model_file_weights(&f, back, WEIGHTS_RAW, &err), "%s", err.text);
    ck_assert_mem_eq(back->net->params.values, m->net->params.values, bytes);
    model_file_close(&f);
    model_file_close(&f);
    ck_assert(!model_file_open(&f, toy("a.safetensors"), &err));
    nn_optimizer_destroy(o);
    model_destroy(back);
    model_destroy(m);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(a_u_net_with_a_logistic_head)
{
    Config c;
    config_defaults(&c);
    c.height = c.width = 8;
    c.states = 16;
    config_put(&c, "Q_sigma", 32);
    config_put(&c, "ch", 8);
    toy_set(&c, "ch_mult", "1,2");
    Model *m = create(&c, ROLE_STUDENT);
    save(m, NULL, toy("u.safetensors"));
    Model *back = load(toy("u.safetensors"), WEIGHTS_RAW);
    ck_assert(back->denoiser.head.class == &diffusion_logistic &&
              back->denoiser.head.channels == 3);
    ck_assert(back->denoiser.head.dims == 192 && back->process->mask == -1);
    ck_assert_str_eq(back->data, "unknown"); /* none was set */
    ck_assert_str_eq(back->data_hash, "");
    model_destroy(back);
    model_destroy(m);
}
END_TEST

static const struct {
    const char *key, *value, *part;
} broken[] = {
    {"format", NULL, "has no 'format'"},
    {"format", "di4c-2", "format 'di4c-2': expected di4c-1"},
    {"role", NULL, "has no 'role'"},
    {"role", "king", "role 'king': expected teacher or student"},
    {"role", "student", "net."}, /* a student has more tensors */
    {"data", NULL, "has no 'data'"},
    {"data", "", "data: expected a kind of data"},
    {"data", "\033[31mred", "data: expected a kind of data"},
    {"data", "aaaaaaaaaaaaaaaaaaaa", "data: expected a kind of data"},
    {"step", "-4", "step '-4': expected a whole number"},
    {"step", "1e3", "step '1e3'"},
    {"step", "9999999999999999999", "step '9999999999999999999'"},
    {"data_hash", "abc", "data_hash 'abc': expected 64 hexadecimal digits"},
    {"teacher", "xyz", "teacher 'xyz': expected 64 hexadecimal digits"},
    {"config.process", NULL, "has no 'config.process'"},
    {"config.process", "gauss", "process=gauss: expected one of"},
    {"config.mlp_width", "24", "expected shape (24"},
    {"config.height", "0", "height=0: expected a whole number"},
    {"config.head", "logistic", "head=logistic"},
    {"config.colour", "red", "unknown key 'colour'"},
};

START_TEST(broken_metadata_is_named)
{
    Error err = {""};
    model_destroy(saved(ROLE_TEACHER, "a.safetensors"));
    change(toy("a.safetensors"), toy("b.safetensors"), broken[_i].key, broken[_i].value);
    ck_assert(model_load(toy("b.safetensors"), WEIGHTS_RAW, &err) == NULL);
    ck_assert_msg(strstr(err.text, broken[_i].part) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "b.safetensors") != NULL, "%s", err.text);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(settings_of_training_may_be_missing)
{
    model_destroy(saved(ROLE_TEACHER, "a.safetensors"));
    change(toy("a.safetensors"), toy("b.safetensors"), "config.share_at_one", NULL);
    Model *m = load(toy("b.safetensors"), WEIGHTS_RAW);
    ck_assert(m->config.share_at_one == 0);
    model_destroy(m);
}
END_TEST

/* Files of the first version know no schedule but the published one and no input but by the head.
 */
START_TEST(newer_settings_may_be_missing)
{
    model_destroy(saved(ROLE_TEACHER, "a.safetensors"));
    change(toy("a.safetensors"), toy("b.safetensors"), "config.beta", NULL);
    change(toy("b.safetensors"), toy("c.safetensors"), "config.beta_scale", NULL);
    change(toy("c.safetensors"), toy("d.safetensors"), "config.beta_ratio", NULL);
    change(toy("d.safetensors"), toy("e.safetensors"), "config.state_input", NULL);
    change(toy("e.safetensors"), toy("f.safetensors"), "config.output_kernel", NULL);
    change(toy("f.safetensors"), toy("g.safetensors"), "config.sampler", NULL);
    change(toy("g.safetensors"), toy("h.safetensors"), "config.prior_fits", NULL);
    Model *m = load(toy("h.safetensors"), WEIGHTS_RAW);
    Model *now = load(toy("a.safetensors"), WEIGHTS_RAW);
    ck_assert_uint_eq(config_difference(&m->config, &now->config), config_count());
    ck_assert_int_eq(m->process->schedule.kind, SCHEDULE_LOGLINEAR);
    model_destroy(m);
    model_destroy(now);
}
END_TEST

/* Settings of other processes and networks than the file's own, which may be younger than the file;
 * its own are needed. */
START_TEST(settings_of_other_classes_may_be_missing)
{
    Error err = {""};
    model_destroy(saved(ROLE_TEACHER, "a.safetensors"));
    change(toy("a.safetensors"), toy("b.safetensors"), "config.Q_sigma", NULL);
    change(toy("b.safetensors"), toy("c.safetensors"), "config.res_blocks", NULL);
    Model *m = load(toy("c.safetensors"), WEIGHTS_RAW);
    model_destroy(m);
    change(toy("c.safetensors"), toy("d.safetensors"), "config.schedule", NULL);
    ck_assert_ptr_null(model_load(toy("d.safetensors"), WEIGHTS_RAW, &err));
    ck_assert_msg(strstr(err.text, "has no 'config.schedule'") != NULL, "%s", err.text);
    change(toy("c.safetensors"), toy("e.safetensors"), "config.mlp_width", NULL);
    ck_assert_ptr_null(model_load(toy("e.safetensors"), WEIGHTS_RAW, &err));
    ck_assert_msg(strstr(err.text, "has no 'config.mlp_width'") != NULL, "%s", err.text);
}
END_TEST

static Config matrix_config(const RateMatrix *rates)
{
    Config c = toy_config(ROLE_TEACHER, 10);
    toy_set(&c, "process", "matrix");
    c.time_weight = 0;
    c.beta_scale = 10;
    c.rates = rates;
    return c;
}

/* The matrix travels in the file, to its last digit. */
START_TEST(a_rate_matrix_is_kept)
{
    double rates[4] = {-1.0 / 3.0, 1.0 / 3.0, 0.7, -0.7};
    RateMatrix R = {2, rates};
    const Config c = matrix_config(&R);
    Error err = {""};
    model_destroy(create(&c, ROLE_TEACHER));
    const size_t before = mem_in_use(); /* products of matrices keep their scratch */
    Model *m = create(&c, ROLE_TEACHER);
    save(m, NULL, toy("a.safetensors"));
    rates[1] = 5; /* the model has its own copy */
    ck_assert_double_eq(m->rates->rates[1], 1.0 / 3.0);
    Model *back = load(toy("a.safetensors"), WEIGHTS_RAW);
    ck_assert(rate_matrix_equal(back->rates, m->rates) && back->config.rates == back->rates);
    ck_assert_mem_eq(back->process->base, m->process->base, sizeof rates);
    ck_assert(may_teach(m, back, "a.safetensors", &err));
    back->rates->rates[2] += 1e-15;
    ck_assert(!may_teach(m, back, "a.safetensors", &err));
    ck_assert_msg(strstr(err.text, "rate matrix is another one") != NULL, "%s", err.text);
    model_destroy(back);
    model_destroy(m);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

static const struct {
    const char *value, *part;
} bad_rates[] = {
    {NULL, "process=matrix without a rate matrix"},
    {"-1,1\n1,-1,0", "rates: line 2 has 3 numbers"},
    {"-1,1,0\n1,-2,1\n1,0,-1", "rate matrix of 3 states: expected 2"},
    {"-1,1\n1,1", "row 1 sums to 2"},
    {"-1,1\n-1,1", "R[1][0] = -1"},
    {"-1,1\n0,0", "which is never left"},
    {"-nan,1\n0,0", "expected a finite number"},
};

START_TEST(broken_rates_in_a_file_are_named)
{
    double rates[4] = {-1, 1, 1, -1};
    RateMatrix R = {2, rates};
    const Config c = matrix_config(&R);
    Error err = {""};
    Model *m = create(&c, ROLE_TEACHER);
    save(m, NULL, toy("a.safetensors"));
    model_destroy(m);
    const size_t before = mem_in_use();
    change(toy("a.safetensors"), toy("b.safetensors"), "rates", bad_rates[_i].value);
    ck_assert(model_load(toy("b.safetensors"), WEIGHTS_RAW, &err) == NULL);
    ck_assert_msg(strstr(err.text, bad_rates[_i].part) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "b.safetensors") != NULL, "%s", err.text);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

/* ---- texts ---- */

/* A text of 12 symbols and three tokens, in sequences of 4. */
static Dataset *small_text(const char *tokens)
{
    Error err = {""};
    Dataset *d = dataset_create("text:x");
    d->text = text_data_create(12, vocabulary_parse(tokens, strlen(tokens), "", &err));
    d->height = d->channels = 1;
    d->width = d->dims = 4;
    d->states = 3;
    d->count = 3;
    return d;
}

static Model *text_model(const Dataset *d)
{
    Config c = toy_config(ROLE_TEACHER, 10);
    c.height = 1;
    c.width = 4;
    c.states = 3;
    Model *m = create(&c, ROLE_TEACHER);
    model_set_data(m, d);
    return m;
}

/* The alphabet travels in the file, whatever its bytes are. */
START_TEST(an_alphabet_is_kept)
{
    Error err = {""};
    Dataset *d = small_text("\\n\n\\xff\n\\\\\"\xC3\xA9");
    Model *m = text_model(d), *student = create(&m->config, ROLE_STUDENT);
    save(m, NULL, toy("a.safetensors"));
    Model *back = load(toy("a.safetensors"), WEIGHTS_RAW);
    ck_assert_str_eq(back->data, "text");
    ck_assert(vocabulary_equal(back->vocabulary, d->text->vocabulary));
    ck_assert(model_fits_data(back, "a.safetensors", d, &err));
    ck_assert(may_teach(m, back, "a.safetensors", &err));
    model_set_data_of(student, back);
    ck_assert_str_eq(student->data, "text");
    ck_assert(vocabulary_equal(student->vocabulary, d->text->vocabulary));
    model_destroy(student);
    back->vocabulary->bytes[0] = 'x';
    ck_assert(!may_teach(m, back, "a.safetensors", &err));
    ck_assert_msg(strstr(err.text, "a.safetensors: its alphabet is another one") != NULL, "%s",
                  err.text);
    model_destroy(back);
    model_destroy(m);
    dataset_close(d);
}
END_TEST

START_TEST(texts_and_pictures_do_not_mix)
{
    Error err = {""};
    Dataset *d = small_text("a\nb\nc"), *glyphs = toy_open("glyphs", false);
    Model *m = text_model(d), *pictures = saved(ROLE_TEACHER, "p.safetensors");
    ck_assert(!model_fits_data(m, "m", glyphs, &err));
    ck_assert_str_eq(err.text, "m: made for texts: expected pictures, as glyphs has");
    ck_assert(!model_fits_data(pictures, "p", d, &err));
    ck_assert_str_eq(err.text, "p: made for pictures: expected texts, as text:x has");
    ck_assert(model_fits_data(pictures, "p", glyphs, &err));
    model_destroy(pictures);
    model_destroy(m);
    dataset_close(glyphs);
    dataset_close(d);
}
END_TEST

/* Symbols beyond a byte, the vocabulary and the cut all count. */
START_TEST(texts_have_hashes)
{
    char hash[65];
    Dataset *d = small_text("a\nb\nc"), *e = small_text("a\nb\nd");
    Model *m = text_model(d);
    strcpy(hash, m->data_hash);
    model_set_data(m, d);
    ck_assert_str_eq(m->data_hash, hash);
    model_set_data(m, e);
    ck_assert_str_ne(m->data_hash, hash);
    d->text->symbols[11] = 1;
    model_set_data(m, d);
    ck_assert_str_ne(m->data_hash, hash);
    d->text->symbols[11] = 256;
    model_set_data(m, d);
    ck_assert_str_ne(m->data_hash, hash);
    model_destroy(m);
    dataset_close(d);
    dataset_close(e);
}
END_TEST

static const struct {
    const char *value, *part;
} bad_alphabets[] = {
    {"", "alphabet: 0 tokens, one a line: expected 2 to 65535"},
    {"a", "alphabet: 1 token, one a line: expected 2 to 65535"},
    {"a\nb", "alphabet: 2 tokens, expected 3, as there are states"},
    {"a\nb\nc\nd", "alphabet: 4 tokens, expected 3, as there are states"},
    {"a\n\\q\nc", "alphabet: line 2: expected \\n"},
};

START_TEST(broken_alphabets_in_a_file_are_named)
{
    Error err = {""};
    Dataset *d = small_text("a\nb\nc");
    Model *m = text_model(d);
    save(m, NULL, toy("a.safetensors"));
    model_destroy(m);
    dataset_close(d);
    const size_t before = mem_in_use();
    change(toy("a.safetensors"), toy("b.safetensors"), "alphabet", bad_alphabets[_i].value);
    ck_assert(model_load(toy("b.safetensors"), WEIGHTS_RAW, &err) == NULL);
    ck_assert_msg(strstr(err.text, bad_alphabets[_i].part) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "b.safetensors") != NULL, "%s", err.text);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

START_TEST(pictures_have_no_alphabet)
{
    Error err = {""};
    model_destroy(saved(ROLE_TEACHER, "a.safetensors"));
    change(toy("a.safetensors"), toy("b.safetensors"), "alphabet", "a\nb");
    ck_assert(model_load(toy("b.safetensors"), WEIGHTS_RAW, &err) == NULL);
    ck_assert_msg(strstr(err.text, "alphabet: expected none") != NULL, "%s", err.text);
}
END_TEST

START_TEST(files_that_are_no_models)
{
    Error err = {""};
    size_t n;
    model_destroy(saved(ROLE_TEACHER, "a.safetensors"));
    char *bytes = toy_read(toy("a.safetensors"), &n);
    toy_write(toy("short.safetensors"), bytes, n - 1);
    ck_assert(model_load(toy("short.safetensors"), WEIGHTS_RAW, &err) == NULL);
    ck_assert_msg(strstr(err.text, "short.safetensors") != NULL, "%s", err.text);
    bytes = mem_resize(bytes, n, n + 5, 1);
    memset(bytes + n, 0, 5);
    toy_write(toy("long.safetensors"), bytes, n + 5);
    ck_assert(model_load(toy("long.safetensors"), WEIGHTS_RAW, &err) == NULL);
    ck_assert_msg(strstr(err.text, "long.safetensors") != NULL, "%s", err.text);
    ck_assert(model_load(toy("none.safetensors"), WEIGHTS_RAW, &err) == NULL);
    ck_assert(model_load("test-model-file.tmp.d", WEIGHTS_RAW, &err) == NULL);
    mem_free(bytes);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

/* A fitted law of lambda comes back; one whose draws would not be finite is refused by its entry.
 */
START_TEST(a_law_of_lambda)
{
    Config c = toy_config(ROLE_STUDENT, 10);
    Error err = {""};
    c.objective = CONFIG_OBJECTIVE_VARIATIONAL;
    c.lambda_input = CONFIG_LAMBDA_NUMBERS;
    c.lambda_scope = 1;
    c.lambda_law = LAMBDA_MIXTURE;
    c.prior_components = 4;
    Model *m = create(&c, ROLE_STUDENT);
    memset(m->teacher_hash, 'a', 64);
    for (size_t i = 0; i < 4; i++)
        m->net->prior->mean->value.data[i] = (float)i - 1.5f;
    save(m, NULL, toy("a.safetensors"));
    Model *back = load(toy("a.safetensors"), WEIGHTS_RAW);
    ck_assert_mem_eq(back->net->prior->mean->value.data, m->net->prior->mean->value.data,
                     4 * sizeof(float));
    model_destroy(back);
    m->net->prior->log_deviation->value.data[2] = 1000;
    save(m, NULL, toy("a.safetensors"));
    ck_assert_ptr_null(model_load(toy("a.safetensors"), WEIGHTS_RAW, &err));
    ck_assert_msg(strstr(err.text, "prior.log_deviation: entry 2 is 1000: expected at most 20"),
                  "%s", err.text);
    model_destroy(m);
}
END_TEST

START_TEST(a_law_of_too_many_numbers)
{
    Config c = toy_unet_config(8, 1);
    Error err = {""};
    c.height = c.width = 32;
    c.lambda_dims = 1; /* at 16 x 16 places */
    toy_set(&c, "unet_lambda", "places");
    c.objective = CONFIG_OBJECTIVE_VARIATIONAL;
    c.lambda_input = CONFIG_LAMBDA_NUMBERS;
    c.lambda_scope = 1;
    c.lambda_law = LAMBDA_MIXTURE;
    c.prior_components = 513; /* 512 would do */
    c.prior_covariance = PRIOR_FULL;
    ck_assert_ptr_null(model_create(&c, ROLE_STUDENT, false, &err));
    ck_assert_str_eq(err.text,
                     "law of lambda: full covariances of 513 components and 256 lambdas are "
                     "33619968 numbers, expected at most 33554432");
    c.prior_components = 512;
    Model *m = model_create(&c, ROLE_STUDENT, false, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    model_destroy(m);
}
END_TEST

START_TEST(who_may_be_a_teacher)
{
    Error err = {""};
    Model *teacher = saved(ROLE_TEACHER, "t.safetensors");
    Model *student = saved(ROLE_STUDENT, "s.safetensors");
    Model *second = saved(ROLE_STUDENT, "s2.safetensors");
    ck_assert(may_teach(student, teacher, "t.safetensors", &err));
    ck_assert(!may_teach(second, student, "s.safetensors", &err));
    ck_assert_msg(strstr(err.text, "s.safetensors: role is student: expected a teacher") != NULL,
                  "%s", err.text);
    nn_weights_hash(student->net, second->teacher_hash); /* an iterated round */
    ck_assert_msg(may_teach(second, student, "s.safetensors", &err), "%s", err.text);
    toy_set(&teacher->config, "process", "uniform");
    ck_assert(!may_teach(student, teacher, "t.safetensors", &err));
    ck_assert_msg(strstr(err.text, "t.safetensors: process is uniform: expected absorbing") != NULL,
                  "%s", err.text);
    model_destroy(teacher);
    model_destroy(student);
    model_destroy(second);
}
END_TEST

Suite *model_file_suite(void)
{
    Suite *s = suite_create("model_file");
    TCase *tc = tcase_create("model_file");

    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_loop_test(tc, files_come_back_as_they_were, 0, 2);
    tcase_add_test(tc, raw_and_averaged_weights_are_told_apart);
    tcase_add_test(tc, files_are_read_once);
    tcase_add_test(tc, a_u_net_with_a_logistic_head);
    tcase_add_loop_test(tc, broken_metadata_is_named, 0, (int)(sizeof broken / sizeof broken[0]));
    tcase_add_test(tc, settings_of_training_may_be_missing);
    tcase_add_test(tc, newer_settings_may_be_missing);
    tcase_add_test(tc, settings_of_other_classes_may_be_missing);
    tcase_add_test(tc, a_rate_matrix_is_kept);
    tcase_add_test(tc, an_alphabet_is_kept);
    tcase_add_test(tc, texts_and_pictures_do_not_mix);
    tcase_add_test(tc, texts_have_hashes);
    tcase_add_loop_test(tc, broken_alphabets_in_a_file_are_named, 0,
                        sizeof bad_alphabets / sizeof bad_alphabets[0]);
    tcase_add_test(tc, pictures_have_no_alphabet);
    tcase_add_loop_test(tc, broken_rates_in_a_file_are_named, 0,
                        sizeof bad_rates / sizeof bad_rates[0]);
    tcase_add_test(tc, files_that_are_no_models);
    tcase_add_test(tc, a_law_of_lambda);
    tcase_add_test(tc, a_law_of_too_many_numbers);
    tcase_add_test(tc, who_may_be_a_teacher);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
