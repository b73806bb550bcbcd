/* Presets: text settings on top of the defaults; "" ends a list. */
#include "experiments/model/presets.h"

#include <string.h>

#include "experiments/data/datasets.h"
#include "tensor/base/text.h"

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
    "loss=cross_entropy time_weight=elbo sampler=halton"
#define GREYS_TEACHER "steps=16000 batch=16 lr=1e-3 stratified_times=on"
#define SMALL_COLOURS                                                                              \
    "process=absorbing schedule=cosine alpha_eps=0 head=softmax state_input=numbers "              \
    "output_kernel=1x1 ch=64 ch_mult=1,2,2 res_blocks=1 attn_scale=2 dropout=0 flip=on "           \
    "lr_decay=cosine warmup=100 ema_decay=0.999 chunk=32 loss=cross_entropy time_weight=elbo"
/* Masks tell the time themselves, so the network is not told. */
#define TEXT                                                                                       \
    "process=absorbing alpha_eps=0 head=softmax net=transformer tf_conditioning=off dropout=0 "    \
    "flip=off lr_decay=cosine warmup=100 ema_decay=0.999 chunk=512 loss=cross_entropy "            \
    "time_weight=elbo "
#define CHARACTERS         TEXT "length=128 tf_width=192 tf_blocks=4 tf_heads=4"
#define CHARACTERS_TEACHER "steps=3000 batch=32 lr=1.5e-3 stratified_times=on"
/* An evidence bound, one lambda a sample. */
#define ONE_LAMBDA                                                                                 \
    "objective=variational lambda_scope=sample lambda_law=mixture lambda_input=numbers "           \
    "start_from=averaged "
/* The same of texts: numbers of lambda at each place, and none for samplers of many steps. */
#define LAMBDA_AT_PLACES                                                                           \
    "objective=variational lambda_scope=sample lambda_law=normal lambda_input=numbers "            \
    "start_from=averaged tf_lambda=places lambda_dims=1 lambda_steps=2 kl_warmup=0.6 "             \
    "share_at_one=0.2 "

static const Preset presets[] = {
    {"glyphs", "built-in 6x6 patterns, MLP, absorbing noise: the demonstration", GLYPHS,
     GLYPHS_TEACHER,
     ONE_LAMBDA "lambda_dims=6 prior_components=400 prior_fits=9 kl_weight=0.1 kl_warmup=0.4 "
                "share_at_one=0.125 "
                "steps=1000 "
                "batch=256 lr=2e-3"},
    {"glyphs-published", "the same, students by the paper's losses", GLYPHS, GLYPHS_TEACHER,
     "steps=4000 batch=8 lambdas=32 distill_lambdas=2 lr=3e-4 data_weight=one stratified_lambda=on "
     "delta_min=0.005 delta_max=0.05 share_at_one=0.125 start_from=averaged"},
    {"mnist-binary", "MNIST at 14x14, black and white, small U-Net, absorbing noise", BINARY,
     BINARY_TEACHER,
     ONE_LAMBDA
     "lambda_dims=8 prior_components=400 prior_fits=9 kl_warmup=0.6 share_at_one=0.125 steps=6000 "
     "batch=64 "
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
     ONE_LAMBDA "unet_lambda=places lambda_dims=4 prior_components=8 prior_covariance=full "
                "prior_fits=9 kl_warmup=0.6 share_at_one=0.125 steps=6000 batch=8 lr=1e-3"},
    {"shakespeare", "characters of a small text, 128 at a time, small transformer, absorbing noise",
     CHARACTERS, CHARACTERS_TEACHER, LAMBDA_AT_PLACES "steps=3000 batch=32 lr=1.5e-3"},
    {"shakespeare-published", "the same, students by the paper's losses", CHARACTERS,
     CHARACTERS_TEACHER,
     "steps=3000 batch=4 lambdas=8 distill_lambdas=2 lr=3e-4 data_weight=one stratified_lambda=on "
     "delta_min=0.005 delta_max=0.05 share_at_one=0.125 start_from=averaged"},
    {"text8", "27 letters, 256 at a time, larger transformer",
     TEXT "length=256 tf_width=256 tf_blocks=6 tf_heads=8",
     "steps=20000 batch=32 lr=1e-3 stratified_times=on",
     LAMBDA_AT_PLACES "steps=10000 batch=32 lr=1e-3"},
    {"owt", "tokens, 1024 at a time, transformer of the paper's size",
     TEXT "length=1024 tf_width=768 tf_blocks=12 tf_heads=12 chunk=4 ema_decay=0.9999 warmup=2500",
     "steps=1000000 batch=512 lr=3e-4 stratified_times=on lr_decay=constant",
     "steps=50000 batch=16 lambdas=4 distill_lambdas=1 lr=3e-4 lr_decay=constant data_weight=one "
     "stratified_lambda=on delta_min=0.005 delta_max=0.05 start_from=averaged"},
    {"cifar10", "CIFAR-10 at the paper's size and settings", "chunk=32", "",
     "steps=320000 batch=8 warmup=0"},
};
enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

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

const char *config_preset_of(const char *data, const Config *teacher)
{
    const DatasetPresets *fitting = dataset_presets(data);
    if (!teacher)
        return fitting->teacher;
    const StudentPresets *student =
        teacher->transform == CONFIG_TRANSFORM_NONE ? &fitting->as_is : &fitting->binary;
    /* Presets of one lambda a sample have masks. */
    return config_process(teacher)->has_mask ? student->masks : student->other;
}

const char *config_preset_name(size_t i)
{
    return i < PRESET_COUNT ? presets[i].name : NULL;
}

void config_presets_help(FILE *out)
{
    fprintf(out, "Presets (--preset NAME):\n");
    for (size_t i = 0; i < PRESET_COUNT; i++)
        fprintf(out, "  %-24s %s\n", presets[i].name, presets[i].help);
}
