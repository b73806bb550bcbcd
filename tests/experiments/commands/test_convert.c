/* `di4c convert`: a model to PyTorch's layout and back by bytes; checkpoints as PyTorch writes
 * them, made here by hand; what does not fit is refused. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/commands/commands.h"
#include "experiments/model/model_file.h"
#include "experiments/model/model_meta.h"
#include "experiments/model/torch_model.h"
#include "nn/formats/torch/zip_write.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/platform.h"
#include "tests/tools/toys.h"

static void set_up(void)
{
    toys_set_up("test-convert.tmp.d");
    ck_assert_ptr_nonnull(freopen(toy("stdout"), "w", stdout));
    ck_assert_ptr_nonnull(freopen(toy("stderr"), "w", stderr));
}

static int inspect(const char *path)
{
    char a[200];
    char *argv[] = {a};
    snprintf(a, sizeof a, "%s", path);
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, "inspect") == 0)
            return commands[i]->run(commands[i], 1, argv);
    return -1;
}

static int convert(const char *in, const char *out, const char *setting)
{
    char a[200], b[200], s[] = "--set", v[200];
    char *argv[] = {a, b, s, v};
    snprintf(a, sizeof a, "%s", in);
    snprintf(b, sizeof b, "%s", out);
    snprintf(v, sizeof v, "%s", setting != NULL ? setting : "");
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, "convert") == 0)
            return commands[i]->run(commands[i], setting != NULL ? 4 : 2, argv);
    return -1;
}

/* With one flag. */
static int run_convert(const char *in, const char *out, const char *flag)
{
    char a[200], b[200], f[40];
    char *argv[] = {a, b, f};
    snprintf(a, sizeof a, "%s", in);
    snprintf(b, sizeof b, "%s", out);
    snprintf(f, sizeof f, "%s", flag);
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, "convert") == 0)
            return commands[i]->run(commands[i], 3, argv);
    return -1;
}

static void expect_in(FILE *stream, const char *name, const char *piece)
{
    fflush(stream);
    size_t size;
    char *text = toy_read(toy(name), &size);
    ck_assert_msg(strstr(text, piece) != NULL, "expected \"%s\" in: %s", piece, text);
    mem_free(text);
}

static void expect_said(const char *piece)
{
    expect_in(stderr, "stderr", piece);
}

static Model *trained(const Config *c, ConfigRole role, Optimizer **o)
{
    Error err = {""};
    Model *m = model_create(c, role, true, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    const OptimizerConfig oc = nn_optimizer_defaults();
    *o = nn_optimizer_create(&oc, &m->net->params);
    for (size_t i = 0; i < m->net->params.total; i++)
        m->net->params.grads[i] = (float)(i % 7) - 3;
    for (int i = 0; i < 3; i++)
        nn_optimizer_step(*o);
    m->step = (*o)->steps;
    return m;
}

static Model *small_model(ConfigRole role, Optimizer **o)
{
    const Config c = toy_unet_config(8, 2);
    return trained(&c, role, o);
}

static const Param *last_param(const Model *m)
{
    return m->net->params.items[m->net->params.count - 1];
}

/* Loop: U-Net teacher, student, MLP, teacher without optimiser. */
START_TEST(there_and_back)
{
    Optimizer *o;
    Error err = {""};
    double x = 0;
    const ConfigRole role = _i == 1 ? ROLE_STUDENT : ROLE_TEACHER;
    const Config c = _i == 2 ? toy_config(role, 3) : toy_unet_config(8, 2);
    Model *m = trained(&c, role, &o);
    ck_assert(model_save(m, _i < 3 ? o : NULL, toy("a.safetensors"), &err));
    ck_assert_int_eq(convert(toy("a.safetensors"), toy("a.pt"), NULL), 0);
    ck_assert_int_eq(convert(toy("a.pt"), toy("b.safetensors"), NULL), 0);
    ck_assert(toy_same(toy("a.safetensors"), toy("b.safetensors")));
    TorchModel *t = torch_model_read(toy("a.pt"), &err);
    ck_assert_msg(t != NULL, "%s", err.text);
    ck_assert_str_eq(t->prefix, "net.");
    ck_assert_str_eq(t->names[t->count - 1], last_param(m)->name);
    ck_assert_int_eq(t->blocks[TORCH_EMA] != NULL, _i < 3);
    ck_assert_int_eq(t->blocks[TORCH_ADAM_V] != NULL, _i < 3);
    if (_i < 3) {
        ck_assert(t->step == 3 && t->n_iter == 2 && t->ema_updates == 3);
        ck_assert(pickle_number(pickle_get(t->group, "lr"), &x) && x == c.lr);
        ck_assert_uint_eq(pickle_get(t->group, "betas")->count, 2);
    }
    torch_model_free(t);
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

typedef struct Foreign {
    const char *prefix;
    bool averages, optimizer, number_step, nothing_else, named_params;
    size_t leave_out; /* weight that is not written, + 1 */
    const char *extra;
    const char *around; /* key of the weights, "model" if NULL */
    bool company;       /* an object of a class of somebody's beside the weights */
} Foreign;

static void put_block(const Model *m, TorchWriter *w, float *file, size_t i, const float *block)
{
    const Param *p = m->net->params.items[i];
    size_t shape[TENSOR_MAX_RANK];
    const int rank = nn_param_file_shape(p, shape);
    nn_param_to_file(p, file + p->offset, block + p->offset);
    torch_put_floats(w, rank, shape, file + p->offset);
}

static void put_state(const Model *m, const Optimizer *o, TorchWriter *w, float *file,
                      const Foreign *f)
{
    static const float step = 3;
    const ParamSet *set = &m->net->params;
    PickleWriter *p = torch_pickle(w);
    pickle_open_dict(p, false);
    pickle_put_text(p, "state");
    pickle_open_dict(p, false);
    for (size_t i = 0; i < set->count; i++) {
        pickle_put_integer(p, (int64_t)i);
        pickle_open_dict(p, false);
        pickle_put_text(p, "step");
        if (f->number_step)
            pickle_put_integer(p, 3);
        else
            torch_put_floats(w, 0, NULL, &step);
        pickle_put_text(p, "exp_avg");
        put_block(m, w, file + 2 * set->total, i, o->m);
        pickle_put_text(p, "exp_avg_sq");
        put_block(m, w, file + 3 * set->total, i, o->v);
        pickle_close_dict(p);
    }
    pickle_close_dict(p);
    pickle_put_text(p, "param_groups");
    pickle_open_list(p);
    pickle_open_dict(p, false);
    pickle_put_text(p, "lr");
    pickle_put_number(p, 1e-3);
    pickle_put_text(p, "params");
    pickle_open_list(p);
    for (size_t i = 0; i < set->count; i++)
        if (f->named_params && i == 0)
            pickle_put_text(p, "0");
        else
            pickle_put_integer(p, (int64_t)i);
    pickle_close_list(p);
    pickle_close_dict(p);
    pickle_close_list(p);
    pickle_close_dict(p);
}

/* The checkpoint as PyTorch would write it, into x.pt. */
static void write_foreign(const Model *m, const Optimizer *o, const Foreign *f)
{
    const ParamSet *set = &m->net->params;
    Error err = {""};
    char name[300];
    TorchWriter *w = torch_writer();
    PickleWriter *p = torch_pickle(w);
    float *file = mem_alloc(4, set->total * sizeof *file);
    if (!f->nothing_else) {
        pickle_open_dict(p, false);
        if (f->company) {
            static const char object[] = "cargparse\nNamespace\n)\x81}U\x02lrK\x01sb";
            pickle_put_text(p, "args");
            buffer_add(&p->out, object, sizeof object - 1);
        }
        pickle_put_text(p, f->around != NULL ? f->around : "model");
    }
    pickle_open_dict(p, true);
    for (size_t i = 0; i < set->count; i++) {
        if (i + 1 == f->leave_out)
            continue;
        snprintf(name, sizeof name, "%s%s", f->prefix, set->items[i]->name);
        pickle_put_text(p, name);
        put_block(m, w, file, i, set->values);
    }
    if (f->extra != NULL) {
        pickle_put_text(p, f->extra);
        torch_put_floats(w, 0, NULL, file);
    }
    if (f->averages) {
        pickle_put_text(p, "ema_decay");
        pickle_put_number(p, 0.5);
        pickle_put_text(p, "ema_num_updates");
        pickle_put_integer(p, 3);
        pickle_put_text(p, "ema_shadow_params");
        pickle_open_list(p);
        for (size_t i = 0; i < set->count; i++)
            put_block(m, w, file + set->total, i, o->ema);
        pickle_close_list(p);
    }
    pickle_close_dict(p);
    if (f->optimizer) {
        pickle_put_text(p, "optimizer");
        put_state(m, o, w, file, f);
    }
    if (!f->nothing_else)
        pickle_close_dict(p);
    ck_assert_msg(torch_write(w, toy("x.pt"), &err), "%s", err.text);
    torch_writer_free(w);
    mem_free(file);
}

static const Foreign foreigners[] = {
    {.prefix = "net.", .averages = true, .optimizer = true},
    {.prefix = "net.module.", .averages = true, .optimizer = true, .number_step = true},
    {.prefix = "module.", .averages = true},
    {.prefix = "", .nothing_else = true},
    {.prefix = "_orig_mod.net.module.", .averages = true, .around = "state_dict", .company = true},
    {.prefix = "module._orig_mod.", .around = "model_state_dict"},
};

START_TEST(from_pytorch)
{
    const Foreign *f = &foreigners[_i / 2];
    Optimizer *o;
    Error err = {""};
    char wanted[65], found[65];
    Model *m = small_model(_i % 2 == 0 ? ROLE_TEACHER : ROLE_STUDENT, &o);
    write_foreign(m, o, f);
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), "states=5"), 0);
    if (f->company)
        expect_said("x.pt: not read, as they are no numbers, texts or tensors: args "
                    "(argparse.Namespace)\n");
    Model *back = model_load(toy("x.safetensors"), WEIGHTS_RAW, &err);
    ck_assert_msg(back != NULL, "%s", err.text);
    nn_weights_hash(m->net, wanted);
    nn_weights_hash(back->net, found);
    ck_assert_str_eq(wanted, found);
    ck_assert(back->role == m->role && back->config.states == 5 &&
              config_number(&back->config, "ch") == 8);
    ck_assert(config_number(&back->config, "attn_scale") == 1);
    ck_assert(config_number(&back->config, "res_blocks") == 1);
    ck_assert(back->config.channels == 1 && config_number(&back->config, "embed") == 0);
    double list[SETTING_LIST_SLOTS];
    config_numbers(&back->config, "ch_mult", list);
    ck_assert(list[0] == 2 && list[1] == 1 && list[2] == 2);
    ck_assert(!f->averages || (back->step == 3 && back->config.ema_decay == 0.5));
    SafetensorsFile *s = safetensors_read(toy("x.safetensors"), &err);
    ck_assert_str_eq(safetensors_meta(s, "torch.prefix"), f->prefix);
    if (f->optimizer) {
        Optimizer *other = nn_optimizer_create(&o->config, &m->net->params);
        const size_t size = m->net->params.total * sizeof(float);
        ck_assert_str_eq(safetensors_meta(s, "torch.group.lr"), "0.001");
        ck_assert_msg(nn_checkpoint_resume(s, m->net, other, &err), "%s", err.text);
        ck_assert(other->steps == 3 && memcmp(other->m, o->m, size) == 0 &&
                  memcmp(other->v, o->v, size) == 0 && memcmp(other->ema, o->ema, size) == 0);
        nn_optimizer_destroy(other);
    }
    safetensors_free(s);
    ck_assert_int_eq(convert(toy("x.safetensors"), toy("y.pt"), NULL), 0);
    TorchModel *t = torch_model_read(toy("y.pt"), &err);
    ck_assert_msg(t != NULL, "%s", err.text);
    ck_assert_str_eq(t->prefix, f->prefix);
    torch_model_free(t);
    model_destroy(back);
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

/* What `sample` and `eval` load of a checkpoint: the averages, or with --raw the other weights. */
START_TEST(checkpoints_are_models)
{
    Optimizer *o;
    Error err = {""};
    const WeightChoice which = _i % 2 == 0 ? WEIGHTS_AVERAGED : WEIGHTS_RAW;
    Model *m = small_model(ROLE_STUDENT, &o);
    const size_t size = m->net->params.total * sizeof(float);
    write_foreign(m, o, &(Foreign){.prefix = "net.module.", .averages = _i < 2});
    Model *back = model_load(toy("x.pt"), which, &err);
    ck_assert_msg(back != NULL, "%s", err.text);
    ck_assert_mem_eq(back->net->params.values, _i == 0 ? o->ema : m->net->params.values, size);
    ck_assert(back->role == ROLE_STUDENT && back->step == (_i < 2 ? 3 : 0));
    ck_assert_int_eq(back->config.height, 32); /* what shapes do not tell is the paper's */
    model_destroy(back);
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

/* Raw and averaged weights and their hashes, all of one reading of a checkpoint. */
START_TEST(checkpoints_are_read_once)
{
    Optimizer *o;
    Error err = {""};
    ModelFile f;
    char hash[65], wanted[65];
    Model *m = small_model(ROLE_STUDENT, &o);
    const size_t size = m->net->params.total * sizeof(float);
    write_foreign(m, o, &(Foreign){.prefix = "net.", .averages = true});
    ck_assert_msg(model_file_open(&f, toy("x.pt"), &err), "%s", err.text);
    ck_assert_int_eq(remove(toy("x.pt")), 0);
    Model *back = model_file_model(&f, WEIGHTS_AVERAGED, &err);
    ck_assert_msg(back != NULL, "%s", err.text);
    ck_assert_mem_eq(back->net->params.values, o->ema, size);
    ck_assert_msg(model_file_weights(&f, back, WEIGHTS_RAW, &err), "%s", err.text);
    ck_assert_mem_eq(back->net->params.values, m->net->params.values, size);
    ck_assert_msg(model_file_hash(&f, back, WEIGHTS_RAW, hash, &err), "%s", err.text);
    nn_weights_hash(m->net, wanted);
    ck_assert_str_eq(hash, wanted);
    ck_assert(model_file_hash(&f, back, WEIGHTS_AVERAGED, hash, &err));
    ck_assert_str_ne(hash, wanted);
    model_file_close(&f);
    model_destroy(back);
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

/* The file by `di4c convert` keeps its settings. */
START_TEST(converted_files_are_models)
{
    Optimizer *o;
    Error err = {""};
    char wanted[65], found[65];
    Model *m = small_model(ROLE_TEACHER, &o);
    ck_assert(model_save(m, o, toy("a.safetensors"), &err));
    ck_assert_int_eq(convert(toy("a.safetensors"), toy("a.pt"), NULL), 0);
    Model *one = model_load(toy("a.safetensors"), WEIGHTS_AVERAGED, &err);
    Model *two = model_load(toy("a.pt"), WEIGHTS_AVERAGED, &err);
    ck_assert_msg(two != NULL, "%s", err.text);
    nn_weights_hash(one->net, wanted);
    nn_weights_hash(two->net, found);
    ck_assert_str_eq(wanted, found);
    ck_assert(two->config.height == 4 && two->config.states == 5 && two->step == 3);
    ck_assert_int_eq(convert(toy("a.pt"), toy("b.safetensors"), "time_scale=10"), 1);
    expect_said("a.pt holds its settings");
    ck_assert(!platform_exists(toy("b.safetensors")));
    model_destroy(two);
    model_destroy(one);
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

START_TEST(a_file_that_exists_is_kept)
{
    Optimizer *o;
    Error err;
    size_t n;
    Model *m = small_model(ROLE_TEACHER, &o);
    ck_assert(model_save(m, NULL, toy("x.safetensors"), &err));
    nn_optimizer_destroy(o);
    model_destroy(m);
    toy_text(toy("x.pt"), "kept");
    ck_assert_int_eq(convert(toy("x.safetensors"), toy("x.pt"), NULL), 1);
    expect_said("x.pt: exists: expected --overwrite");
    char *text = toy_read(toy("x.pt"), &n);
    ck_assert_str_eq(text, "kept");
    mem_free(text);
    toy_text(toy("y.safetensors"), "kept");
    ck_assert_int_eq(run_convert(toy("x.safetensors"), toy("x.pt"), "--overwrite"), 0);
    ck_assert_int_eq(convert(toy("x.pt"), toy("y.safetensors"), NULL), 1);
    expect_said("y.safetensors: exists: expected --overwrite");
    ck_assert_int_eq(run_convert(toy("x.pt"), toy("y.safetensors"), "--overwrite"), 0);
    ck_assert(toy_same(toy("x.safetensors"), toy("y.safetensors")));
}
END_TEST

/* With a recognition network, and a law of lambda of its own. */
static Model *student_with_a_law(void)
{
    Error err = {""};
    Config c = toy_config(ROLE_STUDENT, 10);
    c.objective = CONFIG_OBJECTIVE_VARIATIONAL;
    c.lambda_input = CONFIG_LAMBDA_NUMBERS;
    c.lambda_scope = 1;
    c.lambda_law = LAMBDA_MIXTURE;
    c.prior_components = 4;
    Model *m = model_create(&c, ROLE_STUDENT, false, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    strcpy(m->data, "glyphs");
    memset(m->teacher_hash, 'a', 64);
    return m;
}

/* Its encoder's and its law's parameters go there and back too. */
START_TEST(a_student_with_a_recognition_network)
{
    Error err = {""};
    Model *m = student_with_a_law();
    m->net->prior->mean->value.data[3] = 1.5f;
    ck_assert_msg(model_save(m, NULL, toy("x.safetensors"), &err), "%s", err.text);
    ck_assert_int_eq(run_convert(toy("x.safetensors"), toy("x.pt"), "--overwrite"), 0);
    Model *back = model_load(toy("x.pt"), WEIGHTS_AVERAGED, &err);
    ck_assert_msg(back != NULL, "%s", err.text);
    ck_assert(back->net->encoder != NULL && back->net->prior != NULL);
    ck_assert_mem_eq(back->net->params.values, m->net->params.values,
                     m->net->params.total * sizeof(float));
    model_destroy(back);
    model_destroy(m);
}
END_TEST

/* A file as `di4c convert` would write it of m, which it would refuse to: weights and metadata. */
static void write_converted(const Model *m, const char *name)
{
    const ParamSet *set = &m->net->params;
    Error err = {""};
    ModelMeta meta = model_meta_of(m);
    TorchWriter *w = torch_writer();
    PickleWriter *p = torch_pickle(w);
    float *file = mem_alloc(set->total, sizeof *file);
    pickle_open_dict(p, false);
    pickle_put_text(p, "model");
    pickle_open_dict(p, true);
    for (size_t i = 0; i < set->count; i++) {
        pickle_put_text(p, set->items[i]->name);
        put_block(m, w, file, i, set->values);
    }
    pickle_close_dict(p);
    pickle_put_text(p, "di4c");
    pickle_open_dict(p, false);
    pickle_put_text(p, "format");
    pickle_put_text(p, "di4c-1");
    for (size_t i = 0; i < meta.count; i++) {
        pickle_put_text(p, meta.entries[i].key);
        pickle_put_text(p, meta.entries[i].value);
    }
    pickle_close_dict(p);
    pickle_close_dict(p);
    ck_assert_msg(torch_write(w, toy(name), &err), "%s", err.text);
    torch_writer_free(w);
    mem_free(file);
    model_meta_free(&meta);
}

static const struct {
    float value; /* of the third log-deviation */
    const char *part;
} laws[] = {
    {1, NULL},
    {1000, "x.pt: prior.log_deviation: entry 2 is 1000: expected at most 20"},
    {NAN, "x.pt: tensor \"prior.log_deviation\": expected finite numbers, entry 2 is NaN"},
    {INFINITY,
     "x.pt: tensor \"prior.log_deviation\": expected finite numbers, entry 2 is infinite"},
};

/* A law of lambda whose draws would not be finite is refused by its entry. */
START_TEST(laws_of_lambda_that_are_not_finite)
{
    Error err = {""};
    Model *m = student_with_a_law();
    m->net->prior->log_deviation->value.data[2] = laws[_i].value;
    write_converted(m, "x.pt");
    Model *back = model_load(toy("x.pt"), WEIGHTS_RAW, &err);
    ck_assert_int_eq(back != NULL, laws[_i].part == NULL);
    ck_assert_msg(laws[_i].part == NULL || strstr(err.text, laws[_i].part) != NULL, "%s", err.text);
    ck_assert_int_eq(inspect(toy("x.pt")), 0);
    expect_in(stdout, "stdout", laws[_i].part == NULL ? "weights (averaged)" : laws[_i].part);
    model_destroy(back);
    model_destroy(m);
}
END_TEST

START_TEST(weights_that_are_not_numbers)
{
    Optimizer *o;
    Error err = {""};
    Model *m = small_model(ROLE_TEACHER, &o);
    o->ema[m->net->params.total - 1] = NAN;
    write_foreign(m, o, &(Foreign){.prefix = "", .averages = true});
    ck_assert(model_load(toy("x.pt"), WEIGHTS_AVERAGED, &err) == NULL);
    ck_assert_msg(strstr(err.text, "tensor \"output_modules.1.bias\", average: expected finite "
                                   "numbers, entry 1 is NaN") != NULL,
                  "%s", err.text);
    Model *raw = model_load(toy("x.pt"), WEIGHTS_RAW, &err);
    ck_assert_msg(raw != NULL, "%s", err.text);
    model_destroy(raw);
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), NULL), 1);
    expect_said("entry 1 is NaN");
    ck_assert(!platform_exists(toy("x.safetensors")));
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

START_TEST(what_does_not_fit)
{
    Optimizer *o;
    Model *m = small_model(ROLE_TEACHER, &o);
    write_foreign(m, o, &(Foreign){.prefix = "net.", .extra = "net.other.weight"});
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), NULL), 1);
    expect_said("other.weight: expected only the names");
    write_foreign(m, o, &(Foreign){.prefix = "net.", .extra = "module.input_conv.bias"});
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), NULL), 1);
    expect_said("every weight once");
    write_foreign(m, o, &(Foreign){.prefix = "net.", .leave_out = 2});
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), NULL), 1);
    expect_said("temb_modules.0.bias: expected this parameter, which is not in the file");
    write_foreign(m, o, &(Foreign){.prefix = "net.", .leave_out = 1});
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), NULL), 1);
    expect_said("expected the published U-Net");
    write_foreign(m, o, &(Foreign){.prefix = "net.", .optimizer = true, .named_params = true});
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), NULL), 1);
    expect_said("optimizer: expected params to be integers");
    write_foreign(m, o, &(Foreign){.prefix = "net.", .averages = true, .leave_out = 9});
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), NULL), 1);
    expect_said("ema_shadow_params: expected a list of as many");
    write_foreign(m, o, &(Foreign){.prefix = "net."});
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), "ch=16"), 1);
    expect_said("expected the shape of this network's parameter");
    ck_assert_int_eq(convert(toy("x.pt"), toy("x.safetensors"), "nothing"), 1);
    expect_said("expected KEY=VALUE");
    ck_assert_int_eq(convert(toy("x.pt"), toy("other.pt"), NULL), 2);
    expect_said("expected .pt to .safetensors, or back");
    ck_assert(!platform_exists(toy("x.safetensors")));
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

/* The archive once more with other bytes for its pickle. */
static void replace_pickle(const ZipFile *z, const unsigned char *pickle, size_t size)
{
    Error err;
    ZipWriter *w = zip_create(toy("m.pt"), &err);
    for (size_t i = 0; i < z->count; i++) {
        const ZipEntry *e = &z->entries[i];
        if (strcmp(e->name, "archive/data.pkl") == 0)
            zip_add(w, e->name, pickle, size);
        else
            zip_add(w, e->name, e->bytes, e->size);
    }
    ck_assert(zip_close(w, &err));
}

START_TEST(mutations_end_in_a_model_or_a_sentence)
{
    Optimizer *o;
    Error err;
    Config c = toy_unet_config(8, 2);
    ConfigRole role;
    Model *m = small_model(ROLE_STUDENT, &o);
    write_foreign(m, o, &(Foreign){.prefix = "net.", .averages = true, .optimizer = true});
    ZipFile *z = zip_read(toy("x.pt"), &err);
    const ZipEntry *e = zip_find(z, "archive/data.pkl");
    unsigned char *pickle = mem_alloc(e->size, 1);
    Rng rng = rng_root(15);
    const size_t before = mem_in_use();
    size_t accepted = 0;
    for (int round = 0; round < 150; round++) {
        memcpy(pickle, e->bytes, e->size);
        for (size_t i = 1 + rng_below(&rng, 6); i > 0; i--)
            pickle[rng_below(&rng, e->size)] = (unsigned char)rng_below(&rng, 256);
        replace_pickle(z, pickle, e->size);
        err.text[0] = '\0';
        TorchModel *t = torch_model_read(toy("m.pt"), &err);
        bool ok = t != NULL && torch_model_infer(t, &c, &role, &err);
        ok = ok && torch_model_check(t, m->net, &err);
        ck_assert_msg(ok || strlen(err.text) > 20, "round %d", round);
        accepted += ok;
        torch_model_free(t);
    }
    ck_assert_uint_lt(accepted, 140);
    ck_assert_uint_eq(mem_in_use(), before);
    mem_free(pickle);
    zip_free(z);
    nn_optimizer_destroy(o);
    model_destroy(m);
}
END_TEST

Suite *convert_suite(void);
Suite *convert_suite(void)
{
    Suite *suite = suite_create("convert");
    TCase *tc = tcase_create("convert");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_loop_test(tc, there_and_back, 0, 4);
    tcase_add_loop_test(tc, from_pytorch, 0, 2 * (int)(sizeof foreigners / sizeof foreigners[0]));
    tcase_add_loop_test(tc, checkpoints_are_models, 0, 4);
    tcase_add_test(tc, checkpoints_are_read_once);
    tcase_add_test(tc, converted_files_are_models);
    tcase_add_test(tc, a_file_that_exists_is_kept);
    tcase_add_test(tc, a_student_with_a_recognition_network);
    tcase_add_loop_test(tc, laws_of_lambda_that_are_not_finite, 0, sizeof laws / sizeof laws[0]);
    tcase_add_test(tc, weights_that_are_not_numbers);
    tcase_add_test(tc, what_does_not_fit);
    tcase_add_test(tc, mutations_end_in_a_model_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
