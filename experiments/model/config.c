/* The table of settings and everything that is derived from it. */
#include "experiments/model/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/denoiser.h"
#include "diffusion/head/head.h"
#include "diffusion/process/process.h"
#include "diffusion/teacher.h"
#include "distill/losses.h"
#include "nn/optimizer.h"
#include "tensor/base/text.h"

typedef enum KeyType { KEY_INTEGER, KEY_NUMBER, KEY_FLAG, KEY_CHOICE, KEY_TEXT } KeyType;

typedef struct Key {
    const char *name;
    KeyType type;
    size_t offset;
    const char *initial; /* default, as text */
    double low, high;    /* range of numbers */
    const char *choices; /* "a|b|c" in the order of the enum */
    const char *help;
} Key;
/* The table starts with the keys that teacher and student share: all before this one. */
static const char first_unshared[] = "dropout";
/* ... and those with the keys of data and process. */
static const char first_of_model[] = "head";

#define AT(field) offsetof(Config, field)
static const Key keys[] = {
    {"transform", KEY_CHOICE, AT(transform), "none", 0, 0, "none|binary",
     "pictures as they are, or 2x2 means cut at threshold"},
    {"threshold", KEY_NUMBER, AT(threshold), "0.4", 0, 1, 0, "of the binary transform"},
    {"height", KEY_INTEGER, AT(height), "32", 1, 4096, 0, "of the pictures; set from the data"},
    {"width", KEY_INTEGER, AT(width), "32", 1, 4096, 0, "of the pictures; set from the data"},
    {"channels", KEY_INTEGER, AT(channels), "3", 1, 16, 0, "of the pictures; set from the data"},
    {"states", KEY_INTEGER, AT(states), "256", 2, 65535, 0, "of a data dimension, without mask"},

    {"process", KEY_CHOICE, AT(process), "gaussian", 0, 0,
     "uniform|absorbing|birthdeath|gaussian|matrix", "forward process; matrix: of --rates"},
    {"schedule", KEY_CHOICE, AT(schedule), "loglinear", 0, 0, "loglinear|linear|cosine",
     "absorbing: survival alpha(t)"},
    {"rate_const", KEY_NUMBER, AT(rate_const), "0.03", 1e-9, 1e6, 0,
     "uniform (0.03 is for 256 states); absorbing linear (published: 5)"},
    {"alpha_eps", KEY_NUMBER, AT(alpha_eps), "0.001", 0, 0.5, 0,
     "absorbing loglinear: alpha = 1 - (1 - alpha_eps) t; beta cosine, loglinear"},
    {"sigma_min", KEY_NUMBER, AT(sigma_min), "1", 1e-6, 1e6, 0, "birthdeath"},
    {"sigma_max", KEY_NUMBER, AT(sigma_max), "100", 1e-6, 1e6, 0,
     "birthdeath; 256 states need 190 to forget the data, 100 is as published"},
    {"rate_sigma", KEY_NUMBER, AT(rate_sigma), "6", 1e-3, 1e6, 0, "gaussian: reach of a jump"},
    {"Q_sigma", KEY_NUMBER, AT(q_sigma), "512", 1e-3, 1e6, 0, "gaussian: width of the end state"},
    {"time_exponential", KEY_NUMBER, AT(time_exponential), "100", 1.000001, 1e9, 0,
     "gaussian: a in B = b (a^t - 1)"},
    {"time_base", KEY_NUMBER, AT(time_base), "3", 1e-9, 1e6, 0, "gaussian: b in B = b (a^t - 1)"},
    {"beta", KEY_CHOICE, AT(beta), "published", 0, 0,
     "published|constant|exponential|linear|cosine|loglinear",
     "how fast time runs; published: by the process's own keys above"},
    {"beta_scale", KEY_NUMBER, AT(beta_scale), "1", 1e-9, 1e9, 0,
     "factor of beta (not published; matrix: always)"},
    {"beta_ratio", KEY_NUMBER, AT(beta_ratio), "100", 1.000001, 1e9, 0,
     "beta exponential, linear: beta(1)/beta(0)"},

    {"head", KEY_CHOICE, AT(head), "logistic", 0, 0, "softmax|logistic", "categorical head"},
    {"fix", KEY_FLAG, AT(fix), "off", 0, 0, 0, "logistic head: symmetric floor"},
    {"state_input", KEY_CHOICE, AT(state_input), "by_head", 0, 0, "by_head|numbers",
     "unet: states enter one-hot (softmax head), as numbers (logistic head), or as numbers anyway"},
    {"output_kernel", KEY_CHOICE, AT(output_kernel), "3x3", 0, 0, "3x3|1x1", "unet: last layer"},
    {"net", KEY_CHOICE, AT(net), "unet", 0, 0, "unet|mlp", "network"},
    {"ch", KEY_INTEGER, AT(ch), "128", 4, 4096, 0, "unet: base width, a multiple of 4"},
    {"ch_mult", KEY_TEXT, AT(ch_mult), "1,2,2,2", 0, 0, 0, "unet: width multiplier of each scale"},
    {"res_blocks", KEY_INTEGER, AT(res_blocks), "2", 1, 16, 0, "unet: blocks of a scale"},
    {"attn_scale", KEY_INTEGER, AT(attn_scale), "1", -1, 7, 0,
     "unet: scale with attention; -1 none"},
    {"embed", KEY_INTEGER, AT(embed), "0", 0, 4096, 0, "width of the sinusoids; 0: ch (mlp: 64)"},
    {"mlp_width", KEY_INTEGER, AT(width_mlp), "384", 8, 16384, 0, "mlp: width"},
    {"mlp_blocks", KEY_INTEGER, AT(blocks_mlp), "2", 1, 64, 0, "mlp: residual blocks"},
    {"time_scale", KEY_NUMBER, AT(time_scale), "1000", 1e-3, 1e6, 0, "multiplies t and lambda"},
    {"dropout", KEY_NUMBER, AT(dropout), "0.1", 0, 0.95, 0, "probability of a zero"},

    {"steps", KEY_INTEGER, AT(steps), "800000", 1, 1e12, 0, "training steps in all"},
    {"batch", KEY_INTEGER, AT(batch), "128", 1, 1e6, 0, "pictures of a step"},
    {"chunk", KEY_INTEGER, AT(chunk), "128", 1, 1e6, 0,
     "student: most samples run at once, at least a block of the network's; changes no number"},
    {"seed", KEY_INTEGER, AT(seed), "1", 0, 9e15, 0, "of all random streams"},
    {"lr", KEY_NUMBER, AT(lr), "2e-4", 0, 10, 0, "Adam's rate"},
    {"lr_decay", KEY_CHOICE, AT(lr_decay), "constant", 0, 0, "constant|linear|cosine",
     "of the rate, to 0 at the last step"},
    {"warmup", KEY_INTEGER, AT(warmup), "5000", 0, 1e12, 0, "steps of linear warm-up"},
    {"clip", KEY_NUMBER, AT(clip), "1", 0, 1e9, 0, "largest gradient norm; 0: none"},
    {"ema_decay", KEY_NUMBER, AT(ema_decay), "0.9999", 0, 1, 0, "of the averaged weights"},
    {"flip", KEY_FLAG, AT(flip), "on", 0, 0, 0, "random horizontal flips"},

    {"loss", KEY_CHOICE, AT(loss), "ct_elbo", 0, 0, "ct_elbo|cross_entropy", "teacher's loss"},
    {"time_weight", KEY_CHOICE, AT(time_weight), "one", 0, 0, "one|elbo",
     "of the cross entropy over t"},
    {"t_min", KEY_NUMBER, AT(t_min), "0.01", 0, 0.5, 0, "smallest time"},
    {"nll_weight", KEY_NUMBER, AT(nll_weight), "0.001", 0, 1e6, 0,
     "ct_elbo: cross entropy's weight"},
    {"eps", KEY_NUMBER, AT(eps), "1e-9", 0, 1e-3, 0, "of the published code's denominators"},
    {"two_passes", KEY_FLAG, AT(two_passes), "off", 0, 0, 0, "ct_elbo: second network call at x_t"},
    {"stratified_times", KEY_FLAG, AT(stratified_times), "off", 0, 0, 0, "times cut evenly"},

    {"lambda_dims", KEY_INTEGER, AT(lambda_dims), "1", 1, 64, 0, "student: numbers in lambda"},
    {"lambda_gain", KEY_NUMBER, AT(lambda_gain), "1", 1e-3, 100, 0,
     "unet student: factor on lambda's first weights; 2.45 keeps its size"},
    {"lambdas", KEY_INTEGER, AT(lambdas), "16", 1, 4096, 0, "student: lambdas of a picture"},
    {"distill_lambdas", KEY_INTEGER, AT(distill_lambdas), "0", 0, 4096, 0,
     "student: lambdas of a picture in the distillation term; 0: lambdas"},
    {"data_weight", KEY_CHOICE, AT(data_weight), "sigmoid", 0, 0, "sigmoid|one|linear|zero",
     "student: w(t) of the data term"},
    {"control_variates", KEY_FLAG, AT(control_variates), "on", 0, 0, 0, "student"},
    {"stratified_lambda", KEY_FLAG, AT(stratified_lambda), "off", 0, 0, 0,
     "student: lambdas of a picture cut evenly"},
    {"delta_min", KEY_NUMBER, AT(delta_min), "0.001", 1e-9, 0.5, 0, "student: least t - u"},
    {"delta_max", KEY_NUMBER, AT(delta_max), "0.01", 1e-9, 0.5, 0, "student: largest t - u"},
    {"tm_width", KEY_NUMBER, AT(tm_width), "0.01", 0, 0.5, 0, "student: spread of t in distill"},
    {"share_at_one", KEY_NUMBER, AT(share_at_one), "0", 0, 1, 0, "student: pictures with t = 1"},
    {"objective", KEY_CHOICE, AT(objective), "published", 0, 0, "published|variational",
     "student: the paper's losses over N lambdas, or an evidence bound with a recognition network"},
    {"lambda_scope", KEY_CHOICE, AT(lambda_scope), "step", 0, 0, "step|sample",
     "student: lambda is drawn for each step, or once for the whole sample"},
    {"lambda_law", KEY_CHOICE, AT(lambda_law), "uniform", 0, 0, "uniform|normal|mixture",
     "student: uniform on [0,1); standard normal; normal while training, then Gaussians fitted to "
     "it"},
    {"prior_components", KEY_INTEGER, AT(prior_components), "200", 1, 4096, 0,
     "student, lambda_law=mixture: Gaussians of the fitted law"},
    {"lambda_input", KEY_CHOICE, AT(lambda_input), "sinusoids", 0, 0, "sinusoids|numbers",
     "student: how the network is given lambda"},
    {"kl_weight", KEY_NUMBER, AT(kl_weight), "1", 0, 100, 0,
     "variational: weight of lambda's divergence from its prior"},
    {"kl_warmup", KEY_NUMBER, AT(kl_warmup), "0.6", 0, 1, 0,
     "variational: share of the steps in which that weight rises from 0, as a square"},
    {"most_steps", KEY_INTEGER, AT(most_steps), "32", 1, 65536, 0,
     "variational, sample: bounds of 1, 2, 4, ... up to so many steps are trained"},
    {"consistency_weight", KEY_NUMBER, AT(consistency_weight), "0", 0, 100, 0,
     "variational, step: weight of the consistency term; 0: none"},
    {"distill_weight", KEY_NUMBER, AT(distill_weight), "0", 0, 100, 0,
     "variational, step: weight of the distillation term; 0: none"},
    {"targets", KEY_CHOICE, AT(targets), "data", 0, 0, "data|teacher|mixed",
     "student: pictures of the data, of the teacher's own many-step chain, or half of each"},
    {"target_count", KEY_INTEGER, AT(target_count), "8192", 1, 1e7, 0,
     "targets: pictures that the teacher draws"},
    {"target_steps", KEY_INTEGER, AT(target_steps), "64", 1, 4096, 0,
     "targets: steps in which it draws them"},
    {"start_from", KEY_CHOICE, AT(start_from), "raw", 0, 0, "averaged|raw",
     "student: teacher's weights it starts from"},
};
enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

/* ---- presets: text settings on top of the defaults; "" ends a list ---- */
typedef struct Preset {
    const char *name, *help;
    const char *both, *teacher, *student; /* "key=value key=value" */
} Preset;

/* What presets share. */
#define GLYPHS                                                                                     \
    "height=6 width=6 channels=1 states=2 process=absorbing alpha_eps=0 head=softmax net=mlp "     \
    "dropout=0 flip=off lr_decay=cosine warmup=100 ema_decay=0.999 chunk=4096 "                    \
    "loss=cross_entropy time_weight=elbo"
#define GLYPHS_TEACHER "steps=1000 batch=512 lr=1e-3 stratified_times=on"
#define BINARY                                                                                     \
    "transform=binary height=14 width=14 channels=1 states=2 process=absorbing alpha_eps=0 "       \
    "head=softmax ch=32 ch_mult=1,2 res_blocks=1 attn_scale=1 dropout=0 flip=off "                 \
    "lr_decay=cosine warmup=100 ema_decay=0.999 chunk=512 "                                        \
    "loss=cross_entropy time_weight=elbo"
#define BINARY_TEACHER "steps=2400 batch=128 lr=2e-3 stratified_times=on"
#define GREYS                                                                                      \
    "height=28 width=28 channels=1 states=256 process=absorbing schedule=cosine alpha_eps=0 "      \
    "head=softmax state_input=numbers ch=32 ch_mult=1,2,2 res_blocks=1 attn_scale=1 dropout=0 "    \
    "flip=off lr_decay=cosine warmup=100 ema_decay=0.999 chunk=128 "                               \
    "loss=cross_entropy time_weight=elbo"
#define GREYS_TEACHER "steps=16000 batch=16 lr=1e-3 stratified_times=on"
#define SMALL_COLOURS                                                                              \
    "process=absorbing schedule=cosine alpha_eps=0 head=softmax state_input=numbers "              \
    "output_kernel=1x1 ch=64 ch_mult=1,2,2 res_blocks=1 attn_scale=2 dropout=0 flip=on "           \
    "lr_decay=cosine warmup=100 ema_decay=0.999 chunk=32 loss=cross_entropy time_weight=elbo"
/* An evidence bound, one lambda a sample. */
#define ONE_LAMBDA                                                                                 \
    "objective=variational lambda_scope=sample lambda_law=mixture lambda_input=numbers "           \
    "start_from=averaged "

static const Preset presets[] = {
    {"glyphs", "built-in 6x6 patterns, MLP, absorbing noise: the demonstration", GLYPHS,
     GLYPHS_TEACHER,
     ONE_LAMBDA
     "lambda_dims=6 prior_components=400 kl_weight=0.3 kl_warmup=0.4 share_at_one=0.125 steps=1000 "
     "batch=256 lr=2e-3"},
    {"glyphs-published", "the same, students by the paper's losses", GLYPHS, GLYPHS_TEACHER,
     "steps=4000 batch=8 lambdas=32 distill_lambdas=2 lr=3e-4 data_weight=one stratified_lambda=on "
     "delta_min=0.005 delta_max=0.05 share_at_one=0.125 start_from=averaged"},
    {"mnist-binary", "MNIST at 14x14, black and white, small U-Net, absorbing noise", BINARY,
     BINARY_TEACHER,
     ONE_LAMBDA
     "lambda_dims=8 prior_components=400 kl_warmup=0.6 share_at_one=0.125 steps=6000 batch=64 "
     "lr=1.5e-3"},
    {"mnist-binary-published", "the same, students by the paper's losses", BINARY, BINARY_TEACHER,
     "steps=2800 batch=4 lambdas=64 distill_lambdas=2 lambda_gain=2.45 lr=7e-4 data_weight=one "
     "stratified_lambda=on "
     "delta_min=0.005 delta_max=0.05 share_at_one=0.125 start_from=averaged"},
    {"mnist", "MNIST at 28x28, 256 grey levels, U-Net, absorbing noise", GREYS, GREYS_TEACHER,
     ONE_LAMBDA "lambda_dims=16 prior_components=400 kl_warmup=0.6 share_at_one=0.125 steps=6500 "
                "batch=16 lr=1e-3"},
    {"mnist-gaussian", "the same, discretised Gaussian noise, students by the paper's losses",
     "height=28 width=28 channels=1 states=256 ch=32 ch_mult=1,2,2 attn_scale=1 dropout=0 flip=off "
     "lr_decay=cosine warmup=100 ema_decay=0.999 chunk=128 loss=cross_entropy",
     "steps=2800 batch=64 lr=1e-3 stratified_times=on",
     "steps=1100 batch=24 lambdas=4 distill_lambdas=1 lambda_gain=2.45 lr=2e-4 "
     "data_weight=one stratified_lambda=on "
     "delta_min=0.02 delta_max=0.2 share_at_one=0.125 start_from=averaged"},
    {"cifar10-small", "CIFAR-10 with a small U-Net and absorbing noise", SMALL_COLOURS,
     "steps=4000 batch=16 lr=1e-3 stratified_times=on",
     ONE_LAMBDA "lambda_dims=32 prior_components=400 kl_warmup=0.6 share_at_one=0.125 steps=3000 "
                "batch=16 lr=1e-3"},
    {"cifar10", "CIFAR-10 at the paper's size and settings", "chunk=32", "",
     "steps=320000 batch=8 warmup=0"},
};
enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

static void *field(Config *c, const Key *k)
{
    return (char *)c + k->offset;
}

/* Names of the first versions, which their model files have. */
static const char *const older_names[][2] = {{"distil_lambdas", "distill_lambdas"},
                                             {"distil_weight", "distill_weight"}};

static const Key *find_key(const char *name)
{
    for (size_t i = 0; i < sizeof older_names / sizeof older_names[0]; i++)
        if (strcmp(name, older_names[i][0]) == 0)
            name = older_names[i][1];
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* Index of value in "a|b|c", or -1. */
static int find_choice(const char *choices, const char *value)
{
    const size_t length = strlen(value);
    int index = 0;
    for (const char *p = choices;; index++) {
        const char *end = strchr(p, '|');
        const size_t n = end ? (size_t)(end - p) : strlen(p);
        if (n == length && strncmp(p, value, n) == 0)
            return index;
        if (!end)
            return -1;
        p = end + 1;
    }
}

static bool parse_number(const char *value, double *x)
{
    char *end;
    if (*value == '\0' || text_is_space(*value))
        return false;
    *x = text_number(value, &end);
    return *end == '\0' && isfinite(*x) && !strpbrk(value, "xX");
}

static bool expected(const Key *k, const char *value, const char *where, Error *err)
{
    switch (k->type) {
    case KEY_INTEGER:
        return error_set(err, "%s: %s=%.60s: expected a whole number from %.15g to %.15g", where,
                         k->name, value, k->low, k->high);
    case KEY_NUMBER:
        return error_set(err, "%s: %s=%.60s: expected a number from %g to %g", where, k->name,
                         value, k->low, k->high);
    case KEY_FLAG: return error_set(err, "%s: %s=%.60s: expected on or off", where, k->name, value);
    case KEY_CHOICE:
        return error_set(err, "%s: %s=%.60s: expected one of %s", where, k->name, value,
                         k->choices);
    default:
        return error_set(err, "%s: %s=%.60s: expected whole numbers separated by commas", where,
                         k->name, value);
    }
}

/* A list such as "1,2,2": digits separated by single commas. */
static bool is_list(const char *value)
{
    if (strlen(value) >= CONFIG_TEXT || !text_is_digit(*value))
        return false;
    for (const char *p = value; *p; p++)
        if (!text_is_digit(*p) && !(*p == ',' && text_is_digit(p[1])))
            return false;
    return true;
}

bool config_set(Config *c, const char *key, const char *value, const char *where, Error *err)
{
    const Key *k = find_key(key);
    double x = 0;
    if (!k)
        return error_set(err, "%s: unknown key '%.60s'; see di4c train --help", where, key);
    void *at = field(c, k);
    switch (k->type) {
    case KEY_INTEGER:
        if (!parse_number(value, &x) || floor(x) != x || x < k->low || x > k->high)
            return expected(k, value, where, err);
        *(int64_t *)at = (int64_t)x;
        return true;
    case KEY_NUMBER:
        if (!parse_number(value, &x) || x < k->low || x > k->high)
            return expected(k, value, where, err);
        *(double *)at = x;
        return true;
    case KEY_FLAG: {
        const int on = find_choice("off|on", value);
        if (on < 0)
            return expected(k, value, where, err);
        *(bool *)at = on == 1;
        return true;
    }
    case KEY_CHOICE: {
        const int choice = find_choice(k->choices, value);
        if (choice < 0)
            return expected(k, value, where, err);
        *(int *)at = choice;
        return true;
    }
    default:
        if (!is_list(value))
            return expected(k, value, where, err);
        strcpy((char *)at, value);
        return true;
    }
}

void config_defaults(Config *c)
{
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < KEY_COUNT; i++) {
        Error err;
        if (!config_set(c, keys[i].name, keys[i].initial, "defaults", &err)) {
            fprintf(stderr, "%s\n", err.text);
            abort(); /* the table contradicts itself */
        }
    }
}

/* Applies "key=value key=value". */
static bool apply_settings(Config *c, const char *settings, const char *where, Error *err)
{
    char pair[128];
    for (const char *p = settings; *p;) {
        const size_t n = strcspn(p, " ");
        if (n >= sizeof pair)
            return error_set(err, "%s: setting too long", where);
        memcpy(pair, p, n);
        pair[n] = '\0';
        char key[sizeof pair];
        const char *value = text_key_value(pair, key, sizeof key);
        if (!value)
            return error_set(err, "%s: %s: expected key=value", where, pair);
        if (!config_set(c, key, value, where, err))
            return false;
        p += n;
        p += strspn(p, " ");
    }
    return true;
}

bool config_preset(Config *c, const char *name, ConfigRole role, Error *err)
{
    char known[256] = "";
    for (size_t i = 0; i < PRESET_COUNT; i++) {
        const Preset *p = &presets[i];
        if (strcmp(p->name, name) == 0) {
            config_defaults(c);
            return apply_settings(c, p->both, name, err) &&
                   apply_settings(c, role == ROLE_TEACHER ? p->teacher : p->student, name, err);
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                 p->name);
    }
    return error_set(err, "--preset: unknown preset '%.60s'; expected one of %s", name, known);
}

void config_as_paper(Config *c, ConfigRole role)
{
    const bool divides = role == ROLE_TEACHER && c->loss == TEACHER_CT_ELBO;
    c->eps = divides ? 1e-30 : 0.0;
    if (role == ROLE_STUDENT) {
        c->tm_width = 0.0;
        c->start_from = CONFIG_START_AVERAGED;
    }
}

const char *config_preset_of(const char *data, const Config *teacher)
{
    /* Presets of one lambda a sample have masks. */
    const bool masks = !teacher || teacher->process == PROCESS_ABSORBING;
    if (strncmp(data, "cifar10", 7) == 0)
        return teacher && masks ? "cifar10-small" : "cifar10";
    if (strncmp(data, "mnist", 5) != 0 && strncmp(data, "idx", 3) != 0)
        return masks ? "glyphs" : "glyphs-published";
    if (teacher && teacher->transform == CONFIG_TRANSFORM_NONE)
        return masks ? "mnist" : "mnist-gaussian";
    return masks ? "mnist-binary" : "mnist-binary-published";
}

/* What a teacher's losses ask for. */
static bool check_teacher(const Config *c, Error *err)
{
    if (c->process == PROCESS_ABSORBING && c->loss == TEACHER_CT_ELBO)
        return error_set(err, "configuration: loss=ct_elbo with process=absorbing: expected "
                              "loss=cross_entropy time_weight=elbo, which is its exact ELBO");
    if (c->loss == TEACHER_CT_ELBO && c->eps < 1e-30)
        return error_set(err,
                         "configuration: eps=%g with loss=ct_elbo: expected at least 1e-30, "
                         "since the loss divides by it",
                         c->eps);
    if (c->process != PROCESS_ABSORBING && c->time_weight == TIME_WEIGHT_ELBO)
        return error_set(err, "configuration: time_weight=elbo with a process other than "
                              "absorbing: expected time_weight=one");
    return true;
}

static bool check_published(const Config *c, Error *err)
{
    if (c->lambda_law == LAMBDA_MIXTURE)
        return error_set(err,
                         "configuration: lambda_law=mixture with objective=published: expected "
                         "uniform or normal, since there is no recognition network to fit it "
                         "to");
    return c->lambda_scope == 0 ||
           error_set(err, "configuration: lambda_scope=sample with objective=published: expected "
                          "lambda_scope=step, or objective=variational; sample --lambda sample "
                          "keeps a lambda that was trained for single steps");
}

/* The gradient of the recognition network must reach lambda. */
static bool check_variational(const Config *c, Error *err)
{
    if (c->lambda_input != CONFIG_LAMBDA_NUMBERS)
        return error_set(err, "configuration: lambda_input=sinusoids with objective=variational: "
                              "expected lambda_input=numbers");
    if (c->lambda_law == LAMBDA_MIXTURE && c->lambda_scope == 0)
        return error_set(err, "configuration: lambda_law=mixture with lambda_scope=step: expected "
                              "lambda_scope=sample, since one law cannot fit lambdas that depend "
                              "on x_t");
    if (c->lambda_scope == 1 && c->consistency_weight > 0)
        return error_set(err,
                         "configuration: consistency_weight=%g with lambda_scope=sample: "
                         "expected 0",
                         c->consistency_weight);
    if (c->lambda_scope == 1 && c->distill_weight > 0)
        return error_set(err,
                         "configuration: distill_weight=%g with lambda_scope=sample: expected 0",
                         c->distill_weight);
    if (c->lambda_scope == 1 && (c->most_steps & (c->most_steps - 1)) != 0)
        return error_set(err, "configuration: most_steps=%lld: expected a power of two",
                         (long long)c->most_steps);
    return true;
}

static bool check_student(const Config *c, Error *err)
{
    if (c->delta_min > c->delta_max)
        return error_set(err, "configuration: delta_min=%g: expected at most delta_max=%g",
                         c->delta_min, c->delta_max);
    if (c->t_min + c->delta_max >= 1)
        return error_set(err, "configuration: t_min + delta_max: expected less than 1");
    return c->objective == CONFIG_OBJECTIVE_PUBLISHED ? check_published(c, err)
                                                      : check_variational(c, err);
}

/* R is there if and only if the process wants one. */
static bool check_rates(const Config *c, Error *err)
{
    if (c->process == PROCESS_MATRIX && c->rates == NULL)
        return error_set(err, "configuration: process=matrix without a rate matrix: expected "
                              "--rates FILE");
    if (c->process != PROCESS_MATRIX && c->rates != NULL)
        return error_set(err, "configuration: a rate matrix, but another process: expected "
                              "process=matrix");
    return true;
}

bool config_check(const Config *c, ConfigRole role, Error *err)
{
    if (!check_rates(c, err))
        return false;
    if (c->head == HEAD_LOGISTIC && c->process == PROCESS_ABSORBING)
        return error_set(err, "configuration: head=logistic with process=absorbing: expected "
                              "head=softmax, since the mask has no place on the grey scale");
    if (c->head == HEAD_LOGISTIC && c->net == CONFIG_NET_MLP)
        return error_set(err, "configuration: head=logistic with net=mlp: expected head=softmax");
    if (c->state_input == CONFIG_STATE_NUMBERS && c->net == CONFIG_NET_MLP)
        return error_set(err, "configuration: state_input=numbers with net=mlp: expected by_head");
    return role == ROLE_TEACHER ? check_teacher(c, err) : check_student(c, err);
}

size_t config_count(void)
{
    return KEY_COUNT;
}
const char *config_key(size_t i)
{
    return keys[i].name;
}

/* The i-th of "a|b|c". */
static void choice_text(const char *choices, int index, char *out, size_t size)
{
    while (index-- > 0)
        choices = strchr(choices, '|') + 1;
    snprintf(out, size, "%.*s", (int)strcspn(choices, "|"), choices);
}

void config_value(const Config *c, size_t i, char out[CONFIG_TEXT])
{
    const Key *k = &keys[i];
    const void *at = (const char *)c + k->offset;
    switch (k->type) {
    case KEY_INTEGER: snprintf(out, CONFIG_TEXT, "%lld", (long long)*(const int64_t *)at); break;
    case KEY_NUMBER: text_shortest(out, CONFIG_TEXT, 6, *(const double *)at); break;
    case KEY_FLAG: strcpy(out, *(const bool *)at ? "on" : "off"); break;
    case KEY_CHOICE: choice_text(k->choices, *(const int *)at, out, CONFIG_TEXT); break;
    default: strcpy(out, (const char *)at); break;
    }
}

size_t config_difference(const Config *a, const Config *b)
{
    char x[CONFIG_TEXT], y[CONFIG_TEXT];
    for (size_t i = 0; i < KEY_COUNT; i++) {
        config_value(a, i, x);
        config_value(b, i, y);
        if (strcmp(x, y) != 0)
            return i;
    }
    return KEY_COUNT;
}

static size_t index_of(const char *name)
{
    return (size_t)(find_key(name) - keys);
}

bool config_is_structure(size_t i)
{
    return i < index_of(first_unshared);
}

bool config_is_needed(size_t i)
{
    static const char *const newer[] = {"beta", "beta_scale", "beta_ratio", "state_input",
                                        "output_kernel"};
    for (size_t k = 0; k < sizeof newer / sizeof newer[0]; k++)
        if (strcmp(keys[i].name, newer[k]) == 0)
            return false;
    return config_is_structure(i);
}

void config_copy_structure(Config *c, const Config *from)
{
    c->rates = from->rates;
    for (size_t i = 0; config_is_structure(i); i++) {
        char value[CONFIG_TEXT];
        Error err;
        config_value(from, i, value);
        config_set(c, keys[i].name, value, "teacher", &err);
    }
}

/* The keys before number `end` must agree. */
static bool same_before(size_t end, const Config *c, const Config *teacher, const char *path,
                        Error *err)
{
    const size_t i = config_difference(c, teacher);
    if (i >= end)
        return rate_matrix_equal(c->rates, teacher->rates) ||
               error_set(err,
                         "%s: its rate matrix is another one: expected that which the rest of "
                         "this command has",
                         path);
    char ours[CONFIG_TEXT], theirs[CONFIG_TEXT];
    config_value(c, i, ours);
    config_value(teacher, i, theirs);
    return error_set(err, "%s: %s is %s: expected %s, which the rest of this command has", path,
                     keys[i].name, theirs, ours);
}

bool config_same_structure(const Config *c, const Config *teacher, const char *path, Error *err)
{
    return same_before(index_of(first_unshared), c, teacher, path, err);
}

bool config_same_process(const Config *c, const Config *teacher, const char *path, Error *err)
{
    return same_before(index_of(first_of_model), c, teacher, path, err);
}

void config_help(FILE *out)
{
    fprintf(out, "Settings (--set KEY=VALUE), with defaults:\n");
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const Key *k = &keys[i];
        char range[96] = "";
        if (k->type == KEY_INTEGER || k->type == KEY_NUMBER)
            text_format(range, sizeof range, "%g..%g", k->low, k->high);
        else if (k->type == KEY_CHOICE)
            snprintf(range, sizeof range, "%s", k->choices);
        else
            snprintf(range, sizeof range, "%s", k->type == KEY_FLAG ? "on|off" : "list");
        fprintf(out, "  %-18s %-10s %s  [%s]\n", k->name, k->initial, k->help, range);
    }
    fprintf(out, "Presets (--preset NAME):\n");
    for (size_t i = 0; i < PRESET_COUNT; i++)
        fprintf(out, "  %-24s %s\n", presets[i].name, presets[i].help);
}
