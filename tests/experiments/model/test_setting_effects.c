/* Every key of the configuration, given by --set, changes what two steps of training and a few
 * samples make, or is listed below as one that must not.  Keys are taken from the table: a new one
 * that changes nothing in any of the worlds fails until it has a row that says when it matters. */
#include <check.h>
#include <string.h>

#include "experiments/model/config.h"
#include "nn/formats/safetensors.h"
#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"
#include "tests/tools/cli.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

#define DIR "test-setting-effects.tmp.d"

/* Tiny trainings.  A world's teacher of students lies ready. */
typedef enum World { MLP, UNET, GREY, TF, MLP_STUDENT, UNET_STUDENT, TF_STUDENT, TEXT, NONE } World;
enum { WORLDS = NONE };
#define TINY                                                                                       \
    "--quiet --overwrite --set seed=5 --set batch=4 --set chunk=64 --set warmup=0 "                \
    "--set lr_decay=constant --set steps=2 --out @o.safetensors "
#define NET_MLP "--data glyphs --set mlp_width=16 --set mlp_blocks=1 --set embed=8 "
#define NET_TF                                                                                     \
    "--data glyphs --set net=transformer --set tf_width=8 --set tf_blocks=1 --set tf_heads=2 "     \
    "--set tf_condition_width=6 --set embed=8 "
#define NET_UNET                                                                                   \
    "--data mnist:" DIR " --preset mnist-binary --set ch=8 --set ch_mult=1,1 --set res_blocks=1 "  \
    "--set attn_scale=-1 --set time_scale=100 --set stratified_times=off "
#define CT_ELBO "--set process=uniform --set rate_const=2 --set loss=ct_elbo --set time_weight=one "
#define GREY_UNET                                                                                  \
    "--data idx:" DIR                                                                              \
    "/grey --preset mnist-gaussian --set ch=8 --set ch_mult=1 --set res_blocks=1 "                 \
    "--set attn_scale=-1 --set batch=2 --set stratified_times=off "
#define NUMBERS "--set lambda_input=numbers "
#define BOUND   NUMBERS "--set objective=variational "
#define DRAWN   "--set target_count=5 --set target_steps=2 "
#define FEW     "--set lambdas=3 --set distill_lambdas=0 --set stratified_lambda=off "

static const char *const worlds[] = {
    "train " TINY NET_MLP "--set stratified_times=off ",
    "train " TINY NET_UNET CT_ELBO,
    "train " TINY GREY_UNET,
    "train " TINY NET_TF,
    "distill " TINY "--data glyphs --preset glyphs-published --teacher @mlp.safetensors " FEW,
    "distill " TINY "--data mnist:" DIR " --preset mnist-binary-published --teacher "
    "@unet.safetensors " FEW,
    "distill " TINY "--data glyphs --preset glyphs-published --teacher @tf.safetensors " FEW,
    "train " TINY "--data text:" DIR
    "/text --preset glyphs --set length=4 --set mlp_width=16 --set mlp_blocks=1 ",
};

/* What a key is tried with: in which world, under which condition, and with which two values; more
 * than one row where it matters in several places.  same: it must change nothing. */
typedef struct Trial {
    const char *key;
    World world;
    const char *condition, *a, *b;
    bool same;
} Trial;

static const Trial trials[] = {
    {"transform", UNET, "--set head=softmax ", "binary", "none", false},
    {"threshold", UNET, "", "0.4", "0.2", false},
    {"length", TEXT, "", "4", "6", false},
    {"length", MLP, "", "4", "6", true}, /* pictures have their own size */
    {"process", MLP, "--set rate_const=2 --set time_weight=one ", "absorbing", "uniform", false},
    {"schedule", MLP, "", "loglinear", "cosine", false},
    {"rate_const", UNET, "", "2", "3", false},
    {"rate_const", MLP, "--set schedule=linear ", "4", "5", false},
    {"alpha_eps", MLP, "", "0", "0.03", false},
    {"alpha_eps", MLP, "--set beta=cosine ", "0", "0.03", false},
    {"sigma_min", MLP, "--set process=birthdeath --set time_weight=one ", "1", "2", false},
    {"sigma_max", MLP, "--set process=birthdeath --set time_weight=one ", "4", "6", false},
    {"rate_sigma", GREY, "", "6", "8", false},
    {"Q_sigma", GREY, "", "512", "100", false},
    {"time_exponential", GREY, "", "100", "50", false},
    {"time_base", GREY, "", "3", "4", false},
    {"beta", MLP, "--set beta_scale=5 ", "constant", "exponential", false},
    {"beta_scale", MLP, "--set beta=constant ", "5", "6", false},
    {"beta_ratio", MLP, "--set beta=exponential ", "100", "50", false},
    {"beta_ratio", MLP, "--set beta=linear ", "100", "50", false},
    {"head", GREY, "", "logistic", "softmax", false},
    {"fix", GREY, "", "off", "on", false},
    {"net", UNET, "", "unet", "mlp", false},
    {"output_kernel", UNET, "", "3x3", "1x1", false},
    {"state_input", UNET, "", "by_head", "numbers", false},
    {"ch", UNET, "", "8", "12", false},
    {"ch_mult", UNET, "", "1,1", "1,2", false},
    {"res_blocks", UNET, "", "1", "2", false},
    {"attn_scale", UNET, "", "-1", "1", false},
    {"embed", UNET, "", "8", "12", false},
    {"embed", MLP, "", "8", "12", false},
    {"mlp_width", MLP, "", "16", "24", false},
    {"mlp_blocks", MLP, "", "1", "2", false},
    {"embed", TF, "", "8", "12", false},
    {"tf_width", TF, "", "8", "12", false},
    {"tf_blocks", TF, "", "1", "2", false},
    {"tf_heads", TF, "", "1", "2", false},
    {"tf_conditioning", TF, "", "on", "off", false},
    {"tf_condition_width", TF, "", "6", "9", false},
    {"tf_positions", TF, "", "rotary", "both", false},
    {"tf_lambda", TF, "", "token", "conditioning", true}, /* a teacher has none */
    {"tf_lambda", TF_STUDENT, "", "token", "conditioning", false},
    {"tf_lambda", TF_STUDENT, NUMBERS, "token", "places", false},
    {"unet_lambda", UNET_STUDENT, NUMBERS, "conditioning", "places", false},
    {"unet_lambda", UNET, "", "conditioning", "places", true},
    {"time_scale", UNET, "", "100", "10", false},
    {"time_scale", TF, "", "1000", "10", false},
    {"time_scale", MLP, "", "1000", "10", false},
    {"dropout", MLP, "", "0", "0.5", false},
    {"dropout", UNET, "", "0", "0.5", false},
    {"dropout", TF, "", "0", "0.5", false},
    {"dropout", MLP_STUDENT, "", "0", "0.5", false},
    {"dropout", UNET_STUDENT, "", "0", "0.5", false},
    {"sampler", MLP, "", "posterior", "halton", false},
    {"sampler", MLP_STUDENT, "", "posterior", "euler", false},
    {"seed", MLP, "", "5", "6", false},
    {"seed", MLP_STUDENT, "", "5", "6", false},
    {"seed", MLP, "--seed 5 ", "6", "7", true}, /* the option goes before */
    {"steps", MLP, "", "2", "3", false},
    {"steps", MLP, "--steps 2 ", "3", "4", true},
    {"batch", MLP, "", "4", "5", false},
    {"batch", MLP_STUDENT, "", "4", "5", false},
    {"chunk", MLP, "", "4", "64", true}, /* bounds memory, and must not change numbers */
    {"chunk", UNET, "", "4", "64", true},
    {"chunk", MLP_STUDENT, "", "24", "64", true},
    {"lr", MLP, "", "1e-3", "2e-3", false},
    {"lr_decay", MLP, "--set steps=3 ", "linear", "cosine", false},
    {"lr_decay", MLP, "", "constant", "linear", false},
    {"warmup", MLP, "", "0", "2", false},
    {"clip", MLP, "", "1e-3", "2e-3", false},
    {"weight_decay", MLP, "", "0", "1", false},
    {"weight_decay", MLP, "", "0.1", "0.2", false},
    {"ema_decay", MLP, "", "0.05", "0.1", false}, /* above 2/11 the first steps are the same */
    {"flip", UNET, "", "off", "on", false},
    {"flip", UNET_STUDENT, "", "off", "on", false},
    {"flip", TEXT, "", "off", "on", true}, /* a text has no mirror */
    {"flip", MLP, "", "off", "on", true},  /* glyphs are drawn from a law, which has no mirror */
    {"loss", UNET, "", "ct_elbo", "cross_entropy", false},
    {"time_weight", MLP, "", "elbo", "one", false},
    {"t_min", MLP, "", "0.01", "0.2", false},
    {"t_min", UNET, "", "0.01", "0.2", false},
    {"t_min", MLP_STUDENT, "", "0.01", "0.2", false},
    {"nll_weight", UNET, "", "0.001", "0.1", false},
    {"eps", UNET, "", "1e-9", "1e-3", false},
    {"eps", UNET_STUDENT, "", "0", "1e-3", false},
    {"eps", MLP_STUDENT, "", "0", "1e-3", true}, /* the posterior of masks divides by nothing */
    {"two_passes", UNET, "", "off", "on", false},
    {"stratified_times", MLP, "", "off", "on", false},
    {"stratified_times", UNET, "", "off", "on", false},
    {"lambda_dims", MLP_STUDENT, "", "1", "2", false},
    {"lambda_dims", UNET_STUDENT, "", "1", "2", false},
    {"lambda_gain", UNET_STUDENT, "", "1", "2.45", false},
    {"lambda_gain", TF_STUDENT, "", "1", "2.45", false},
    {"lambdas", MLP_STUDENT, "", "3", "4", false},
    {"distill_lambdas", MLP_STUDENT, "", "0", "1", false},
    {"data_weight", MLP_STUDENT, "", "one", "sigmoid", false},
    {"data_weight", MLP_STUDENT, "", "linear", "zero", false},
    {"control_variates", MLP_STUDENT, "", "on", "off", false},
    {"stratified_lambda", MLP_STUDENT, "", "off", "on", false},
    {"delta_min", MLP_STUDENT, "", "0.005", "0.01", false},
    {"delta_max", MLP_STUDENT, "", "0.05", "0.08", false},
    {"tm_width", MLP_STUDENT, "", "0.01", "0.2", false},
    {"share_at_one", MLP_STUDENT, "", "0", "0.5", false},
    {"start_from", MLP_STUDENT, "", "raw", "averaged", false},
    {"objective", MLP_STUDENT, NUMBERS, "published", "variational", false},
    {"objective", UNET_STUDENT, NUMBERS, "published", "variational", false},
    {"objective", TF_STUDENT, NUMBERS, "published", "variational", false},
    {"lambda_scope", MLP_STUDENT, BOUND, "step", "sample", false},
    {"lambda_law", MLP_STUDENT, "", "uniform", "normal", false},
    {"lambda_law", MLP_STUDENT, BOUND, "uniform", "normal", false},
    {"lambda_law", UNET_STUDENT, BOUND, "uniform", "normal", false},
    {"lambda_law", MLP_STUDENT, BOUND "--set lambda_scope=sample ", "normal", "mixture", false},
    {"prior_components", MLP_STUDENT, BOUND "--set lambda_scope=sample --set lambda_law=mixture ",
     "3", "4", false},
    {"prior_covariance", MLP_STUDENT,
     BOUND "--set lambda_scope=sample --set lambda_law=mixture --set lambda_dims=2 ", "diagonal",
     "full", false},
    {"prior_fits", MLP_STUDENT, BOUND "--set lambda_scope=sample --set lambda_law=mixture ", "0",
     "1", false},
    {"prior_fits", MLP_STUDENT, BOUND "--set lambda_scope=sample --set lambda_law=normal ", "0",
     "1", true},
    {"lambda_steps", MLP_STUDENT, BOUND "--set lambda_scope=sample --set lambda_law=normal ", "0",
     "1", false},
    {"lambda_input", MLP_STUDENT, "", "sinusoids", "numbers", false},
    {"lambda_input", UNET_STUDENT, "", "sinusoids", "numbers", false},
    {"lambda_input", TF_STUDENT, "", "sinusoids", "numbers", false},
    {"kl_weight", MLP_STUDENT, BOUND "--set kl_warmup=0 ", "1", "0.5", false},
    {"kl_warmup", MLP_STUDENT, BOUND, "0.6", "0.9", false},
    {"most_steps", MLP_STUDENT, BOUND "--set lambda_scope=sample ", "32", "4", false},
    {"consistency_weight", MLP_STUDENT, BOUND, "0", "1", false},
    {"distill_weight", MLP_STUDENT, BOUND, "0", "1", false},
    {"tm_width", MLP_STUDENT, BOUND "--set distill_weight=1 ", "0.01", "0.2", false},
    {"share_at_one", MLP_STUDENT, BOUND "--set lambda_scope=sample ", "0", "0.5", false},
    {"targets", MLP_STUDENT, DRAWN, "data", "teacher", false},
    {"targets", MLP_STUDENT, DRAWN, "teacher", "mixed", false},
    {"target_count", MLP_STUDENT, DRAWN "--set targets=teacher ", "5", "6", false},
    {"target_steps", MLP_STUDENT, DRAWN "--set targets=teacher ", "2", "3", false},
};
enum { TRIALS = sizeof trials / sizeof trials[0] };

static void set_up(void)
{
    size_t bytes;
    cli_set_up(DIR);
    static const char *const files[] = {
        "o.safetensors", "o.csv",           "x.npy",         "grey",
        "mlp.csv",       "mlp.safetensors", "unet.csv",      "unet.safetensors",
        "text",          "tf.csv",          "tf.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
    toy_mnist(4, 4, 2); /* its pictures alone are the grey ones */
    char *pictures = toy_read(toy("train-images-idx3-ubyte"), &bytes);
    toy_write(toy("grey"), pictures, bytes);
    mem_free(pictures);
    toy_text(toy("text"), "the quick brown fox jumps over the lazy dog");
    toy_mnist(12, 16, 1);
    expect("train " TINY NET_MLP "--out @mlp.safetensors", 0);
    expect("train " TINY NET_UNET CT_ELBO "--out @unet.safetensors", 0);
    expect("train " TINY NET_TF "--out @tf.safetensors", 0);
}

/* Weights, averages and moments of the file. */
static void add_tensors(Sha256 *s, const char *path)
{
    Error err = {""};
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    for (size_t i = 0; i < f->tensor_count; i++) {
        const FileTensor *t = &f->tensors[i];
        float *x = mem_alloc(t->count, sizeof *x);
        ck_assert(strcmp(t->dtype, "F32") != 0 || safetensors_floats(t, x, path, &err));
        if (strcmp(t->dtype, "F32") == 0)
            sha256_add(s, x, t->count * sizeof *x);
        mem_free(x);
    }
    safetensors_free(f);
}

/* A digest of what the training and three samples of its model make; "" if it is refused. */
static const char *made(World w, const char *condition, const char *key, const char *value)
{
    static char digests[2][65];
    static int turn;
    char line[1600], *digest = digests[turn++ % 2];
    size_t bytes;
    Sha256 s;

    snprintf(line, sizeof line, "%s%s--set %s=%s", worlds[w], condition, key, value);
    digest[0] = '\0';
    if (run(line) != 0)
        return digest;
    expect("sample --quiet --model @o.safetensors --count 3 --steps 2 --out @x.npy", 0);
    sha256_init(&s);
    add_tensors(&s, toy("o.safetensors"));
    char *samples = toy_read(toy("x.npy"), &bytes);
    sha256_add(&s, samples, bytes);
    mem_free(samples);
    sha256_hex(&s, digest);
    return digest;
}

static void try(const Trial *t)
{
    const char *a = made(t->world, t->condition, t->key, t->a);
    ck_assert_msg(a[0] != '\0', "%s=%s: %s", t->key, t->a, said(stderr));
    const char *b = made(t->world, t->condition, t->key, t->b);
    ck_assert_msg(b[0] != '\0', "%s=%s: %s", t->key, t->b, said(stderr));
    ck_assert_msg((strcmp(a, b) == 0) == t->same, "world %d, %s: %s and %s make %s", (int)t->world,
                  t->key, t->a, t->b, t->same ? "other numbers" : "the same numbers");
}

/* Keys taken from the data may not be set at all. */
static bool is_refused(const char *key)
{
    char line[1600];
    snprintf(line, sizeof line, "%s--set %s=2", worlds[MLP], key);
    return run(line) == 2 && strstr(said(stderr), "this one is taken from the data") != NULL;
}

/* Values of a key by what config_set expects: all choices, or numbers of its range. */
static size_t values_of(const char *key, char out[8][CONFIG_TEXT])
{
    Config c;
    Error err = {""};
    size_t n = 0;
    double low, high;

    config_defaults(&c);
    ck_assert(!config_set(&c, key, "?", "", &err));
    const char *choices = strstr(err.text, "one of "), *range = strstr(err.text, "number from");
    if (strstr(err.text, "on or off"))
        choices = "one of off|on";
    for (const char *p = choices ? choices + 7 : NULL; p && n < 8; p = strchr(p, '|')) {
        p += *p == '|';
        snprintf(out[n++], CONFIG_TEXT, "%.*s", (int)strcspn(p, "|"), p);
    }
    if (range && sscanf(range, "number from %lf to %lf", &low, &high) == 2)
        for (int i = 0; i < 4; i++) {
            const double x = i < 2 ? low + i : i == 2 ? low + 2 : (low + high) / 2;
            snprintf(out[n++], CONFIG_TEXT, "%g", x <= high ? x : high);
        }
    return n;
}

/* For keys without a row: does any value make anything else, in any world? */
static bool matters_somewhere(const char *key)
{
    char values[8][CONFIG_TEXT], first[65];
    const size_t n = values_of(key, values);

    for (World w = MLP; w < NONE; w++) {
        first[0] = '\0';
        for (size_t i = 0; i < n; i++) {
            const char *now = made(w, "", key, values[i]);
            if (now[0] != '\0' && first[0] != '\0' && strcmp(now, first) != 0)
                return true;
            if (first[0] == '\0')
                strcpy(first, now);
        }
    }
    return false;
}

/* Keys number _i, _i + PARTS, ...: a few for each process, as each makes its teachers anew. */
enum { PARTS = 4 };
START_TEST(every_key_changes_something)
{
    for (size_t i = (size_t)_i; i < config_count(); i += PARTS) {
        const char *key = config_key(i);
        bool listed = false;
        for (size_t k = 0; k < TRIALS; k++)
            if (strcmp(trials[k].key, key) == 0) {
                listed = true;
                try(&trials[k]);
            }
        ck_assert_msg(listed || is_refused(key) || matters_somewhere(key),
                      "%s changes nothing: expected a row in trials that says when it does", key);
    }
}
END_TEST

/* The search for keys without a row finds what matters and nothing else. */
START_TEST(keys_without_a_row_are_judged)
{
    ck_assert(matters_somewhere("time_scale") && matters_somewhere("control_variates"));
    ck_assert(!matters_somewhere("sigma_min")); /* without its process */
    for (size_t k = 0; k < TRIALS; k++) {
        Config c;
        Error err = {""};
        config_defaults(&c);
        ck_assert_msg(config_set(&c, trials[k].key, trials[k].a, "", &err), "%s", err.text);
    }
}
END_TEST

Suite *setting_effects_suite(void)
{
    Suite *s = suite_create("setting_effects");
    TCase *tc = tcase_create("setting_effects");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_loop_test(tc, every_key_changes_something, 0, PARTS);
    tcase_set_timeout(tc, 240);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 240);
    tcase_add_checked_fixture(slow, set_up, toys_tear_down);
    tcase_add_test(slow, keys_without_a_row_are_judged);
    return s;
}
