/* Memory by claim: whatever a file says of its sizes, reading it takes at most 8 times its bytes
 * and 128 MiB.  Files that claim much more, one for each reader; then sizes in small valid files
 * made huge, place by place. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/commands/commands.h"
#include "experiments/data/datasets.h"
#include "experiments/model/model.h"
#include "experiments/model/model_file.h"
#include "experiments/model/presets.h"
#include "experiments/model/torch_import.h"
#include "experiments/theory/exact/world.h"
#include "experiments/verify/verify.h"
#include "nn/formats/buffer.h"
#include "nn/formats/csv.h"
#include "nn/formats/json.h"
#include "nn/formats/npy.h"
#include "nn/formats/torch/zip_write.h"
#include "nn/unet/unet.h"
#include "tensor/base/fence.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

#define DIR "test-claims.tmp.d"

static size_t before; /* the peak when the reading starts */

static void set_up(void)
{
    toys_set_up(DIR);
    ck_assert_ptr_nonnull(freopen(toy("stdout"), "w", stdout));
    ck_assert_ptr_nonnull(freopen(toy("stderr"), "w", stderr));
}

static void start(void)
{
    before = mem_peak();
}

/* No more was taken since start().  Fences double a block of 64 bytes, which a pickle has many of:
 * 1.2 times `most` were seen. */
static void within(size_t bytes, const char *what)
{
    const size_t taken = mem_peak() - before, most = 8 * bytes + MODEL_FILE_MEMORY;
    ck_assert_msg(taken <= most + (FENCE_BYTES > 0 ? most / 4 : 0), "%s: %zu MiB for %zu bytes",
                  what, taken >> 20, bytes);
}

static void put(const char *name, const Buffer *b)
{
    toy_write(toy(name), b->bytes, b->length);
}

static void repeat(Buffer *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buffer_text(b, text);
}

/* ---- texts ---- */

START_TEST(tables)
{
    Error err;
    CsvTable table;
    Buffer b = {0};
    repeat(&b, "a,", 20000);
    buffer_text(&b, "a\n");
    repeat(&b, "\n", 20000);
    put("a.csv", &b);
    start();
    ck_assert(!csv_read(toy("a.csv"), &table, &err));
    within(b.length, "csv");
    buffer_free(&b);

    repeat(&b, ",", 65000);
    RateMatrix *m = rate_matrix_parse(b.bytes, "rates", &err);
    ck_assert_ptr_null(m);
    ck_assert_ptr_nonnull(strstr(err.text, "must be square"));
    within(b.length, "rates");
    buffer_free(&b);

    repeat(&b, "0,1\n", 262144);
    put("w.csv", &b);
    ck_assert_ptr_null(world_open(toy("w.csv"), &err));
    within(b.length, "world");
    buffer_free(&b);
}
END_TEST

static const char *const json_pieces[][3] = {
    {"[", "0,", "0]"},
    {"[", "[[]],", "0]"},
    {"[", "{\"a\":{}},", "0]"},
    {"[", "\"\",", "0]"},
};

START_TEST(texts_of_many_values)
{
    Error err;
    Buffer b = {0};
    buffer_text(&b, json_pieces[_i][0]);
    repeat(&b, json_pieces[_i][1], (1 << 20) / (_i == 1 || _i == 2 ? 2 : 1) - 3);
    buffer_text(&b, json_pieces[_i][2]);
    start();
    Json *j = json_parse(b.bytes, b.length, "t", &err);
    ck_assert_msg(j != NULL, "%s", err.text);
    within(b.length, json_pieces[_i][1]);
    json_free(j);
    buffer_free(&b);
}
END_TEST

/* ---- pickles ---- */

#define LONG_NAME "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
#define TWO_NAMES "\x8c\x9c" LONG_NAME LONG_NAME "q\x01\x8c\x9c" LONG_NAME LONG_NAME "q\x02"
static const struct {
    const char *start, *piece, *end;
    size_t times;
    bool good;
} pickles[] = {
    {"\x80\x02(", "}", "t.", 900000, true},
    {"\x80\x02]q\x01(", "h\x01", "e.", 400000, false}, /* a list that holds itself */
    {"\x80\x02(",
     "U\x01"
     "a",
     "t.", 900000, true},
    {"\x80\x02(", "N\x85", "t.", 400000, true},
    {"\x80\x02(cx\ny\nq\x01)q\x02", "h\x01h\x02\x81", "t.", 300000, true},
    {"\x80\x04(" TWO_NAMES, "h\x01h\x02\x93", "t.", 300000, true},
};

START_TEST(pickles_of_many_values)
{
    Error err;
    Buffer b = {0};
    buffer_add(&b, pickles[_i].start, strlen(pickles[_i].start));
    repeat(&b, pickles[_i].piece, pickles[_i].times);
    buffer_text(&b, pickles[_i].end);
    start();
    Pickle *p = pickle_read((unsigned char *)b.bytes, b.length, "p", &err);
    ck_assert(pickles[_i].good == (p != NULL));
    within(b.length, "pickle");
    pickle_free(p);
    buffer_free(&b);
}
END_TEST

/* One long text, encoded again and again: a copy for ten bytes. */
START_TEST(a_text_that_is_encoded_again_and_again)
{
    static const char call[] = "h\x01h\x02\x86R0";
    Error err;
    Buffer b = {0};
    buffer_text(&b, "\x80\x02"
                    "c_codecs\nencode\nq\x03U\x06latin1q\x02");
    buffer_add(&b, "T\x40\x42\x0f\0", 5);
    repeat(&b, "x", 1000000);
    buffer_text(&b, "q\x01"
                    "000");
    for (int i = 0; i < 1000; i++)
        buffer_format(&b, "h\x03%s", call);
    buffer_text(&b, "N.");
    start();
    ck_assert_ptr_null(pickle_read((unsigned char *)b.bytes, b.length, "p", &err));
    ck_assert_msg(strstr(err.text, "once each") != NULL, "%s", err.text);
    within(b.length, "encode");
    buffer_free(&b);
}
END_TEST

/* ---- models ---- */

/* A float tensor that is a view of storage 0 of `entries`; strides of 0 if flat. */
static void add_view(Buffer *b, size_t entries, int rank, const size_t *shape, bool flat)
{
    buffer_text(b, "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\n"
                   "U\x01"
                   "0U\x03"
                   "cpuJ");
    for (int k = 0; k < 4; k++)
        buffer_add(b, &(char){(char)(entries >> 8 * k & 255)}, 1);
    buffer_add(b, "tQK\0(", 5);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < rank; i++) {
            size_t n = shape[i];
            for (int k = i + 1; pass == 1 && k < rank; k++)
                n = k == i + 1 ? shape[k] : n * shape[k];
            if (pass == 1)
                n = flat ? 0 : i + 1 == rank ? 1 : n;
            buffer_text(b, "J");
            for (int k = 0; k < 4; k++)
                buffer_add(b, &(char){(char)(n >> 8 * k & 255)}, 1);
        }
        buffer_text(b, pass == 0 ? "t(" : "t\x89}tR");
    }
}

static void write_torch(const char *name, const Buffer *pickle, size_t entries)
{
    Error err;
    float *zeros = mem_zeroed(entries, sizeof *zeros);
    ZipWriter *z = zip_create(toy(name), &err);
    zip_add(z, "x/data.pkl", pickle->bytes, pickle->length);
    zip_add(z, "x/data/0", zeros, 4 * entries);
    ck_assert(zip_close(z, &err));
    mem_free(zeros);
}

static size_t size_of(const char *name)
{
    size_t n = 0;
    char *bytes = toy_read(toy(name), &n);
    mem_free(bytes);
    return n;
}

static int inspect(const char *name)
{
    char path[100], *argv[] = {path};
    snprintf(path, sizeof path, "%s", toy(name));
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, "inspect") == 0)
            return commands[i]->run(commands[i], 1, argv);
    return -1;
}

START_TEST(a_view_with_strides_of_0)
{
    const size_t shape[] = {16384, 16384};
    Buffer b = {0};
    buffer_text(&b, "\x80\x02");
    add_view(&b, 1, 2, shape, true);
    buffer_text(&b, ".");
    write_torch("v.pt", &b, 1);
    buffer_free(&b);
    const size_t bytes = size_of("v.pt");
    ck_assert_uint_lt(bytes, 1000);
    start();
    ck_assert_int_eq(inspect("v.pt"), 1);
    within(bytes, "a view");
}
END_TEST

/* All weights of a large network in one storage. */
START_TEST(weights_that_share_a_storage)
{
    Error err;
    Buffer b = {0};
    Config c;
    char value[CONFIG_TEXT];
    ck_assert(config_preset(&c, "glyphs", ROLE_TEACHER, &err));
    config_put(&c, "mlp_width", 512);
    config_put(&c, "mlp_blocks", 64);
    Model m = {.config = c, .role = ROLE_TEACHER};
    ck_assert(model_layout(&m, &err));
    buffer_text(&b, "\x80\x02}(U\x04"
                    "di4c}(U\x06"
                    "formatU\x06"
                    "di4c-1U\x04roleU\x07teacherU\x04"
                    "dataU\x06glyphs");
    for (size_t i = 0; i < config_count(); i++) {
        config_value(&c, i, value);
        buffer_format(&b, "U%cconfig.%sU%c%s", (int)strlen(config_key(i)) + 7, config_key(i),
                      (int)strlen(value), value);
        if (*value == '\0') /* %c of 0 ends a text */
            buffer_add(&b, "", 1);
    }
    buffer_text(&b, "uU\x05model}(");
    for (size_t i = 0; i < m.net->params.count; i++) {
        size_t shape[TENSOR_MAX_RANK];
        const Param *p = m.net->params.items[i];
        const int rank = nn_param_file_shape(p, shape);
        buffer_format(&b, "U%c%s", (int)strlen(p->name), p->name);
        add_view(&b, (size_t)512 * 512, rank, shape, false);
    }
    buffer_text(&b, "uu.");
    write_torch("s.pt", &b, (size_t)512 * 512);
    buffer_free(&b);
    const size_t bytes = size_of("s.pt");
    ck_assert_uint_gt(4 * m.net->params.total, 8 * bytes + MODEL_FILE_MEMORY);
    nn_network_destroy(m.net);
    start();
    ck_assert_ptr_null(model_load(toy("s.pt"), WEIGHTS_RAW, &err));
    ck_assert_msg(strstr(err.text, "storage of their own") != NULL, "%s", err.text);
    within(bytes, "shared weights");
    ck_assert_int_eq(inspect("s.pt"), 0);
    within(bytes, "shared weights");
}
END_TEST

/* The file with another value of one key of its metadata. */
static void rewrite(const SafetensorsFile *f, const char *key, const char *value, const char *to)
{
    Error err;
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add_meta(w, key, value);
    for (size_t i = 0; i < f->meta_count; i++)
        if (strcmp(f->meta[i].key, key) != 0)
            safetensors_add_meta(w, f->meta[i].key, f->meta[i].value);
    float *block = mem_alloc(f->size, 1);
    size_t used = 0;
    for (size_t i = 0; i < f->tensor_count; i++) {
        const FileTensor *t = &f->tensors[i];
        ck_assert(safetensors_floats(t, block + used, "t", &err));
        safetensors_add(w, t->name, t->rank, t->shape, block + used);
        used += t->count;
    }
    ck_assert(safetensors_write(w, to, &err));
    safetensors_writer_free(w);
    mem_free(block);
}

/* Every key of the metadata, set to large values: noise of each kind, MLP and U-Net. */
START_TEST(metadata)
{
    static const char *const values[] = {"65535",         "16384",           "4096", "64", "16",
                                         "1,1,4096,4096", "1,1,1,1,1,1,1,1", "on",   "off"};
    static const char *const kinds[] = {"uniform", "absorbing", "birthdeath", "gaussian"};
    Error err;
    size_t tried = 0;
    Config c = _i < 4 ? toy_unet_config(4, 1) : toy_config(ROLE_TEACHER, 1);
    toy_set(&c, "process", kinds[_i % 4]);
    config_put(&c, "rate_const", 2); /* the published constant is that of 256 states */
    const bool mask = config_process(&c)->has_mask;
    if (mask)
        toy_set(&c, "head", "softmax");
    ck_assert(config_set(&c, "loss", "cross_entropy", "t", &err));
    ck_assert(config_set(&c, "time_weight", mask ? "elbo" : "one", "t", &err));
    Model *m = model_create(&c, ROLE_TEACHER, false, &err);
    ck_assert_msg(m != NULL && model_save(m, NULL, toy("a.safetensors"), &err), "%s", err.text);
    model_destroy(m);
    SafetensorsFile *f = safetensors_read(toy("a.safetensors"), &err);
    for (size_t i = 0; i < config_count(); i++) {
        char key[60];
        Config other = c;
        snprintf(key, sizeof key, "config.%s", config_key(i));
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            if (!config_set(&other, config_key(i), values[v], "t", &err) ||
                (!config_is_structure(i) && v > 0))
                continue;
            rewrite(f, key, values[v], toy("b.safetensors"));
            const size_t bytes = size_of("b.safetensors");
            ck_assert_uint_lt(bytes, 400000);
            start();
            m = model_load(toy("b.safetensors"), WEIGHTS_AVERAGED, &err);
            within(bytes, key);
            model_destroy(m);
            tried++;
        }
    }
    ck_assert_uint_gt(tried, 50);
    safetensors_free(f);
}
END_TEST

START_TEST(manifests)
{
    static const char *const cases[] = {
        "{\"arrays\": {}, \"models\": {}, \"cases\": [{\"name\": \"p\", \"kind\": \"process\", "
        "\"process\": \"gaussian\", \"S\": 60000, \"params\": {}, \"arrays\": {}}]}",
        "{\"arrays\": {}, \"models\": {\"m\": {\"weights\": \"w.safetensors\", \"params\": [], "
        "\"config\": {\"lam\": false, \"ch\": 4096, \"ch_mult\": [1, 1], \"res_blocks\": 8, "
        "\"channels\": 3, \"height\": 32, \"width\": 32, \"S\": 256, \"embed\": 4096, "
        "\"attn_scale\": 1, \"dropout\": 0, \"time_scale\": 1000, \"vmax\": 255, "
        "\"fix_logistic\": true}}}, \"cases\": "
        "[{\"name\": \"u\", \"kind\": \"unet\", \"model\": \"m\", \"arrays\": {}}]}"};
    Error err;
    size_t failed = 0;
    toy_text(toy("manifest.json"), cases[_i]);
    start();
    ck_assert(verify_run(DIR, NULL, &failed, &err));
    ck_assert_uint_gt(failed, 0);
    within(strlen(cases[_i]), "a manifest");
}
END_TEST

/* ---- manifests and the arrays that they name ---- */

typedef struct Claim {
    const char *role, *shape; /* as the manifest says */
    size_t rank, axes[4];     /* of the file, bytes of 0 */
} Claim;
enum { CLAIMS = 9 };

/* Lengths that are lies; and lengths that are true, whose product nothing has as many numbers as.
 */
static const struct {
    const char *kind, *settings, *sentence;
    Claim claims[CLAIMS];
} hostile[] = {
    {"process",
     "\"process\": \"uniform\", \"S\": 1000, \"params\": {\"rate_const\": 1}",
     "array \"times\": expected the manifest's dtype and shape",
     {{"times", "[1000000]", 1, {1}}, {"rows", "[1000000]", 1, {1}}, {"vec", "[1000]", 1, {1}}}},
    {"process",
     "\"process\": \"uniform\", \"S\": 1000, \"params\": {\"rate_const\": 1}",
     "array \"base_rows\": expected 100000000 entries",
     {{"times", "[1]", 1, {1}},
      {"rows", "[100000]", 1, {100000}},
      {"vec", "[1000]", 1, {1000}},
      {"beta", "[1]", 1, {1}},
      {"dbeta", "[1]", 1, {1}},
      {"base_rows", "[1]", 1, {1}}}},
    {"posterior",
     "\"process\": \"uniform\", \"S\": 1000, \"params\": {\"rate_const\": 1}, \"eps\": 0",
     "array \"p0\": expected 1000000000 entries",
     {{"pairs", "[1000, 2]", 2, {1000, 2}},
      {"xt", "[1000, 1000]", 2, {1000, 1000}},
      {"p0", "[1]", 1, {1}}}},
    {"logistic_head",
     "\"S\": 65535",
     "array \"logp\": expected 13107000000 entries",
     {{"out", "[1, 2, 1, 200000]", 4, {1, 2, 1, 200000}},
      {"logp", "[1, 65535]", 2, {1, 65535}},
      {"logp_fix", "[1, 65535]", 2, {1, 65535}}}},
    {"unet",
     "\"model\": \"m\"",
     "1 pictures of 256x256 in one call of the network take about",
     {{"x", "[1, 1, 256, 256]", 4, {1, 1, 256, 256}},
      {"t", "[1]", 1, {1}},
      {"w", "[1, 2, 256, 256]", 4, {1, 2, 256, 256}}}},
};

/* The network of the case `unet`: few weights, but attention between all pairs of positions. */
static void put_network(Buffer *b)
{
    Error err;
    UNetConfig u = nn_unet_defaults();
    u.height = u.width = 256;
    u.channels = u.scales = u.res_blocks = 1;
    u.states = u.out_states = 16;
    u.ch = 4;
    u.attn_scale = -1;
    Network *net = nn_unet_create(&u, false, &err);
    ck_assert_ptr_nonnull(net);
    ck_assert(nn_checkpoint_write(toy("m.safetensors"), net, NULL, NULL, 0, &err));
    buffer_text(b,
                "{\"m\": {\"weights\": \"m.safetensors\", \"config\": {\"lam\": false, \"ch\": 4, "
                "\"ch_mult\": [1], \"res_blocks\": 1, \"channels\": 1, \"height\": 256, "
                "\"width\": 256, \"S\": 16, \"embed\": 0, \"attn_scale\": -1, \"dropout\": 0, "
                "\"time_scale\": 1000, \"vmax\": -1, \"fix_logistic\": false}, \"params\": [");
    for (size_t i = 0, offset = 0; i < net->params.count; i++) {
        const Param *p = net->params.items[i];
        size_t shape[TENSOR_MAX_RANK];
        const int rank = nn_param_file_shape(p, shape);
        buffer_format(b, "%s{\"name\": \"%s\", \"offset\": %zu, \"shape\": [", i > 0 ? ", " : "",
                      p->name, offset);
        for (int k = 0; k < rank; k++)
            buffer_format(b, "%s%zu", k > 0 ? ", " : "", shape[k]);
        buffer_text(b, "]}");
        offset += tensor_size(&p->value);
    }
    buffer_text(b, "]}}");
    nn_network_destroy(net);
}

/* Writes the array; returns the bytes of its file. */
static size_t put_array(const Claim *claim)
{
    Error err;
    char name[40];
    size_t count = 1;
    for (size_t k = 0; k < claim->rank; k++)
        count *= claim->axes[k];
    unsigned char *zeros = mem_zeroed(count, 1);
    snprintf(name, sizeof name, "%s.npy", claim->role);
    ck_assert(npy_write(toy(name), NPY_U1, (int)claim->rank, claim->axes, zeros, &err));
    mem_free(zeros);
    return count + 128;
}

static size_t put_manifest(const char *kind, const char *settings, const Claim *claims)
{
    Buffer b = {0}, roles = {0};
    size_t bytes = 0;
    buffer_text(&b, "{\"models\": ");
    put_network(&b);
    buffer_text(&b, ", \"arrays\": {");
    for (size_t i = 0; i < CLAIMS && claims[i].role; i++) {
        const Claim *r = &claims[i];
        const char *comma = i > 0 ? ", " : "";
        bytes += put_array(r);
        buffer_format(&b, "%s\"%s\": {\"file\": \"%s.npy\", \"dtype\": \"uint8\", \"shape\": %s}",
                      comma, r->role, r->role, r->shape);
        buffer_format(&roles, "%s\"%s\": \"%s\"", comma, r->role, r->role);
    }
    buffer_format(&b, "}, \"cases\": [{\"name\": \"c\", \"kind\": \"%s\", %s, \"arrays\": {%s}}]}",
                  kind, settings, roles.bytes);
    put("manifest.json", &b);
    bytes += b.length;
    buffer_free(&roles);
    buffer_free(&b);
    return bytes;
}

START_TEST(manifests_and_arrays)
{
    Error err;
    size_t failed = 0, size;
    const size_t bytes = put_manifest(hostile[_i].kind, hostile[_i].settings, hostile[_i].claims);
    start();
    ck_assert(verify_run(DIR, NULL, &failed, &err));
    ck_assert_uint_gt(failed, 0);
    within(bytes, hostile[_i].sentence);
    char *said = toy_read(toy("stdout"), &size);
    ck_assert_msg(strstr(said, hostile[_i].sentence) != NULL, "%s", said);
    mem_free(said);
}
END_TEST

START_TEST(manifests_of_many_cases)
{
    Error err;
    Buffer b = {0};
    size_t failed;
    buffer_text(&b, "{\"cases\": [");
    repeat(&b, "0,", 400000);
    buffer_text(&b, "0]}");
    put("manifest.json", &b);
    start();
    ck_assert(!verify_run(DIR, NULL, &failed, &err));
    within(b.length, "cases");
    ck_assert_msg(strstr(err.text, "400001 cases: expected at most 10000") != NULL, "%s", err.text);
    buffer_free(&b);
}
END_TEST

/* ---- sizes in valid files, made huge ---- */

static void read_npy(const char *path)
{
    Error err;
    npy_free(npy_read(path, &err));
    rate_matrix_free(rate_matrix_read(path, &err));
}

static void read_model(const char *path)
{
    Error err;
    model_destroy(model_load(path, WEIGHTS_AVERAGED, &err));
}

static void read_idx(const char *path)
{
    Error err;
    char spec[120];
    const DatasetOptions options = dataset_defaults();
    snprintf(spec, sizeof spec, "idx:%s", path);
    dataset_close(dataset_open(spec, false, &options, &err));
}

static void read_npy_pictures(const char *path)
{
    Error err;
    char spec[120];
    const DatasetOptions options = dataset_defaults();
    snprintf(spec, sizeof spec, "npy:%s", path);
    dataset_close(dataset_open(spec, false, &options, &err));
}

static void make_npy(const char *path)
{
    static const float x[9] = {0};
    Error err;
    ck_assert(npy_write(path, NPY_F4, 2, (size_t[]){3, 3}, x, &err));
}

static void make_npy_pictures(const char *path)
{
    static const unsigned char x[2 * 3 * 3] = {0};
    Error err;
    ck_assert(npy_write(path, NPY_U1, 3, (size_t[]){2, 3, 3}, x, &err));
}

static void make_idx(const char *path)
{
    static const unsigned char bytes[16 + 8] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2};
    toy_write(path, bytes, sizeof bytes);
}

static void make_model(const char *path)
{
    Error err;
    const Config c = toy_unet_config(4, 1);
    Model *m = model_create(&c, ROLE_TEACHER, false, &err);
    ck_assert(model_save(m, NULL, path, &err));
    model_destroy(m);
}

static void make_zip(const char *path)
{
    const size_t shape[] = {2, 2};
    Buffer b = {0};
    buffer_text(&b, "\x80\x02}U\x01"
                    "a");
    add_view(&b, 4, 2, shape, false);
    buffer_text(&b, "s.");
    write_torch("f.pt", &b, 4);
    buffer_free(&b);
    ck_assert_str_eq(path, toy("f.pt"));
}

static const struct {
    const char *name;
    void (*make)(const char *), (*read)(const char *);
    size_t most; /* places from the start of the file, and from its end */
} kinds[] = {
    {"f.npy", make_npy, read_npy, 120},
    {"f.idx", make_idx, read_idx, 16},
    {"f.safetensors", make_model, read_model, 150},
    {"f.pt", make_zip, read_model, 150},
    {"p.npy", make_npy_pictures, read_npy_pictures, 120},
};

/* At each place 1 or 8 bytes become a digit 9 or all bits set, which is what sizes in text and in
 * binary look like when they are huge. */
START_TEST(huge_sizes_in_every_place)
{
    size_t size;
    const char *path = toy(kinds[_i].name);
    kinds[_i].make(path);
    char *bytes = toy_read(path, &size), *changed = mem_alloc(size, 1);
    const size_t most = kinds[_i].most < size ? kinds[_i].most : size;
    start();
    for (size_t at = 0; at < 2 * most; at++)
        for (size_t n = 1; n <= 8; n += 7)
            for (int how = 0; how < 3; how++) {
                const size_t place = at < most ? at : size - 1 - (at - most);
                memcpy(changed, bytes, size);
                for (size_t i = 0; i < n && place + i < size; i++)
                    changed[place + i] = (char)(how == 0 ? '9' : how == 1 ? 0xFF : 0x7F);
                toy_write(path, changed, size);
                kinds[_i].read(path);
            }
    within(size, path);
    mem_free(changed);
    mem_free(bytes);
}
END_TEST

Suite *claims_suite(void);
Suite *claims_suite(void)
{
    Suite *s = suite_create("claims");
    TCase *tc = tcase_create("claims");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, tables);
    tcase_add_loop_test(tc, texts_of_many_values, 0, sizeof json_pieces / sizeof json_pieces[0]);
    tcase_add_loop_test(tc, pickles_of_many_values, 0, sizeof pickles / sizeof pickles[0]);
    tcase_add_test(tc, a_text_that_is_encoded_again_and_again);
    tcase_add_test(tc, a_view_with_strides_of_0);
    tcase_add_test(tc, weights_that_share_a_storage);
    tcase_add_loop_test(tc, metadata, 0, 8);
    tcase_add_loop_test(tc, manifests, 0, 2);
    tcase_add_loop_test(tc, manifests_and_arrays, 0, sizeof hostile / sizeof hostile[0]);
    tcase_add_test(tc, manifests_of_many_cases);
    tcase_add_loop_test(tc, huge_sizes_in_every_place, 0, sizeof kinds / sizeof kinds[0]);
    suite_add_tcase(s, tc);
    return s;
}
