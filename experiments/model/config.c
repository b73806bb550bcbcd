/* The table of settings: the program's own, and after the choice of a process, a head or a network
 * those of every class. */
#include "experiments/model/config.h"

#include <stdlib.h>
#include <string.h>

#include "diffusion/teacher.h"
#include "tensor/base/check.h"

typedef enum Lists { NOTHING, PROCESSES, HEADS, NETWORKS, OBJECTIVES, SCHEDULES, LISTS } Lists;

typedef struct Key {
    Setting setting;
    size_t offset; /* in Config: a field of its type, or its first number in own */
    Lists lists;   /* a choice among classes, whose settings follow */
    bool own;
} Key;

/* The table starts with the keys that teacher and student share: all before this one. */
static const char first_unshared[] = "dropout";
/* ... and those with the keys of data and process. */
static const char first_of_model[] = "head";

#define AT(field)            offsetof(Config, field), NOTHING, false
#define CHOICE(field, lists) offsetof(Config, field), lists, false
static const Key general[] = {
    {{"transform", SETTING_CHOICE, "none", 0, 0, "none|binary",
      "pictures as they are, or 2x2 means cut at threshold"},
     AT(transform)},
    {{"threshold", SETTING_NUMBER, "0.4", 0, 1, NULL, "of the binary transform"}, AT(threshold)},
    {{"height", SETTING_INTEGER, "32", 1, 4096, NULL, "of the pictures; set from the data"},
     AT(height)},
    {{"width", SETTING_INTEGER, "32", 1, 4096, NULL, "of the pictures; set from the data"},
     AT(width)},
    {{"channels", SETTING_INTEGER, "3", 1, 16, NULL, "of the pictures; set from the data"},
     AT(channels)},
    {{"states", SETTING_INTEGER, "256", 2, 65535, NULL, "of a data dimension, without mask"},
     AT(states)},
    {{"process", SETTING_CHOICE, "gaussian", 0, 0, NULL, "forward process; matrix: of --rates"},
     CHOICE(process, PROCESSES)},
    {{"alpha_eps", SETTING_NUMBER, "0.001", 0, 0.5, NULL,
      "absorbing loglinear: alpha = 1 - (1 - alpha_eps) t; beta cosine, loglinear"},
     AT(alpha_eps)},
    {{"beta", SETTING_CHOICE, "published", 0, 0, NULL,
      "how fast time runs; published: by the process's own keys above"},
     CHOICE(beta, SCHEDULES)},
    {{"beta_scale", SETTING_NUMBER, "1", 1e-9, 1e9, NULL,
      "factor of beta (not published; matrix: always)"},
     AT(beta_scale)},
    {{"beta_ratio", SETTING_NUMBER, "100", 1.000001, 1e9, NULL,
      "beta exponential, linear: beta(1)/beta(0)"},
     AT(beta_ratio)},
    {{"head", SETTING_CHOICE, "logistic", 0, 0, NULL, "categorical head"}, CHOICE(head, HEADS)},
    {{"fix", SETTING_FLAG, "off", 0, 0, NULL, "logistic head: symmetric floor"}, AT(fix)},
    {{"state_input", SETTING_CHOICE, "by_head", 0, 0, "by_head|numbers",
      "unet: states enter one-hot (softmax head), as numbers (logistic head), or as numbers "
      "anyway"},
     AT(state_input)},
    {{"net", SETTING_CHOICE, "unet", 0, 0, NULL, "network"}, CHOICE(net, NETWORKS)},
    {{"time_scale", SETTING_NUMBER, "1000", 1e-3, 1e6, NULL, "multiplies t and lambda"},
     AT(time_scale)},
    {{"dropout", SETTING_NUMBER, "0.1", 0, 0.95, NULL, "probability of a zero"}, AT(dropout)},
    {{"steps", SETTING_INTEGER, "800000", 1, 1e12, NULL, "training steps in all"}, AT(steps)},
    {{"batch", SETTING_INTEGER, "128", 1, 1e6, NULL, "pictures of a step"}, AT(batch)},
    {{"chunk", SETTING_INTEGER, "128", 1, 1e6, NULL,
      "student: most samples run at once, at least a block of the network's; changes no number"},
     AT(chunk)},
    {{"seed", SETTING_INTEGER, "1", 0, 9e15, NULL, "of all random streams"}, AT(seed)},
    {{"lr", SETTING_NUMBER, "2e-4", 0, 10, NULL, "Adam's rate"}, AT(lr)},
    {{"lr_decay", SETTING_CHOICE, "constant", 0, 0, "constant|linear|cosine",
      "of the rate, to 0 at the last step"},
     AT(lr_decay)},
    {{"warmup", SETTING_INTEGER, "5000", 0, 1e12, NULL, "steps of linear warm-up"}, AT(warmup)},
    {{"clip", SETTING_NUMBER, "1", 0, 1e9, NULL, "largest gradient norm; 0: none"}, AT(clip)},
    {{"ema_decay", SETTING_NUMBER, "0.9999", 0, 1, NULL, "of the averaged weights"}, AT(ema_decay)},
    {{"flip", SETTING_FLAG, "on", 0, 0, NULL, "random horizontal flips"}, AT(flip)},
    {{"loss", SETTING_CHOICE, "ct_elbo", 0, 0, "ct_elbo|cross_entropy", "teacher's loss"},
     AT(loss)},
    {{"time_weight", SETTING_CHOICE, "one", 0, 0, "one|elbo", "of the cross entropy over t"},
     AT(time_weight)},
    {{"t_min", SETTING_NUMBER, "0.01", 0, 0.5, NULL, "smallest time"}, AT(t_min)},
    {{"nll_weight", SETTING_NUMBER, "0.001", 0, 1e6, NULL, "ct_elbo: cross entropy's weight"},
     AT(nll_weight)},
    {{"eps", SETTING_NUMBER, "1e-9", 0, 1e-3, NULL, "of the published code's denominators"},
     AT(eps)},
    {{"two_passes", SETTING_FLAG, "off", 0, 0, NULL, "ct_elbo: second network call at x_t"},
     AT(two_passes)},
    {{"stratified_times", SETTING_FLAG, "off", 0, 0, NULL, "times cut evenly"},
     AT(stratified_times)},
    {{"lambda_dims", SETTING_INTEGER, "1", 1, 64, NULL, "student: numbers in lambda"},
     AT(lambda_dims)},
    {{"lambda_gain", SETTING_NUMBER, "1", 1e-3, 100, NULL,
      "unet student: factor on lambda's first weights; 2.45 keeps its size"},
     AT(lambda_gain)},
    {{"lambdas", SETTING_INTEGER, "16", 1, 4096, NULL, "student: lambdas of a picture"},
     AT(lambdas)},
    {{"distill_lambdas", SETTING_INTEGER, "0", 0, 4096, NULL,
      "student: lambdas of a picture in the distillation term; 0: lambdas"},
     AT(distill_lambdas)},
    {{"data_weight", SETTING_CHOICE, "sigmoid", 0, 0, "sigmoid|one|linear|zero",
      "student: w(t) of the data term"},
     AT(data_weight)},
    {{"control_variates", SETTING_FLAG, "on", 0, 0, NULL, "student"}, AT(control_variates)},
    {{"stratified_lambda", SETTING_FLAG, "off", 0, 0, NULL,
      "student: lambdas of a picture cut evenly"},
     AT(stratified_lambda)},
    {{"delta_min", SETTING_NUMBER, "0.001", 1e-9, 0.5, NULL, "student: least t - u"},
     AT(delta_min)},
    {{"delta_max", SETTING_NUMBER, "0.01", 1e-9, 0.5, NULL, "student: largest t - u"},
     AT(delta_max)},
    {{"tm_width", SETTING_NUMBER, "0.01", 0, 0.5, NULL, "student: spread of t in distill"},
     AT(tm_width)},
    {{"share_at_one", SETTING_NUMBER, "0", 0, 1, NULL, "student: pictures with t = 1"},
     AT(share_at_one)},
    {{"objective", SETTING_CHOICE, "published", 0, 0, NULL,
      "student: the paper's losses over N lambdas, or an evidence bound with a recognition "
      "network"},
     CHOICE(objective, OBJECTIVES)},
    {{"lambda_scope", SETTING_CHOICE, "step", 0, 0, "step|sample",
      "student: lambda is drawn for each step, or once for the whole sample"},
     AT(lambda_scope)},
    {{"lambda_law", SETTING_CHOICE, "uniform", 0, 0, "uniform|normal|mixture",
      "student: uniform on [0,1); standard normal; normal while training, then Gaussians fitted to "
      "it"},
     AT(lambda_law)},
    {{"prior_components", SETTING_INTEGER, "200", 1, 4096, NULL,
      "student, lambda_law=mixture: Gaussians of the fitted law"},
     AT(prior_components)},
    {{"lambda_input", SETTING_CHOICE, "sinusoids", 0, 0, "sinusoids|numbers",
      "student: how the network is given lambda"},
     AT(lambda_input)},
    {{"kl_weight", SETTING_NUMBER, "1", 0, 100, NULL,
      "variational: weight of lambda's divergence from its prior"},
     AT(kl_weight)},
    {{"kl_warmup", SETTING_NUMBER, "0.6", 0, 1, NULL,
      "variational: share of the steps in which that weight rises from 0, as a square"},
     AT(kl_warmup)},
    {{"most_steps", SETTING_INTEGER, "32", 1, 65536, NULL,
      "variational, sample: bounds of 1, 2, 4, ... up to so many steps are trained"},
     AT(most_steps)},
    {{"consistency_weight", SETTING_NUMBER, "0", 0, 100, NULL,
      "variational, step: weight of the consistency term; 0: none"},
     AT(consistency_weight)},
    {{"distill_weight", SETTING_NUMBER, "0", 0, 100, NULL,
      "variational, step: weight of the distillation term; 0: none"},
     AT(distill_weight)},
    {{"targets", SETTING_CHOICE, "data", 0, 0, "data|teacher|mixed",
      "student: pictures of the data, of the teacher's own many-step chain, or half of each"},
     AT(targets)},
    {{"target_count", SETTING_INTEGER, "8192", 1, 1e7, NULL,
      "targets: pictures that the teacher draws"},
     AT(target_count)},
    {{"target_steps", SETTING_INTEGER, "64", 1, 4096, NULL,
      "targets: steps in which it draws them"},
     AT(target_steps)},
    {{"start_from", SETTING_CHOICE, "raw", 0, 0, "averaged|raw",
      "student: teacher's weights it starts from"},
     AT(start_from)},
};
enum { GENERAL = sizeof general / sizeof *general, KEYS_MAX = 128, NAMES = 128 };

typedef struct Table {
    Key keys[KEYS_MAX];
    size_t count, slots;      /* slots: numbers of own in use */
    char names[LISTS][NAMES]; /* "uniform|absorbing|...", by Lists */
} Table;

/* ---- the table, made once ---- */

static const Key *key_in(const Table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->keys[i].setting.name, name) == 0)
            return &t->keys[i];
    return NULL;
}

static void add_key(Table *t, const Key *key)
{
    TENSOR_CHECK(t->count < KEYS_MAX, "more than %d settings", (int)KEYS_MAX);
    t->keys[t->count++] = *key;
}

/* Classes may share a setting: the first one's row stands. */
static void add_own(Table *t, const Setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (key_in(t, settings[i].name) != NULL)
            continue;
        const Key key = {settings[i], offsetof(Config, own) + t->slots * sizeof(double), NOTHING,
                         true};
        add_key(t, &key);
        t->slots += setting_slots(&settings[i]);
        TENSOR_CHECK(t->slots <= CONFIG_OWN, "settings of classes take more than %d numbers",
                     (int)CONFIG_OWN);
    }
}

static void add_name(Table *t, Lists lists, const char *name)
{
    char *names = t->names[lists];
    const size_t used = strlen(names);
    TENSOR_CHECK(used + strlen(name) + 2 <= NAMES, "no room for the name %s", name);
    if (used > 0)
        strcat(names, "|");
    strcat(names, name);
}

static void add_classes(Table *t, Lists lists)
{
    for (size_t i = 0; lists == PROCESSES && i < diffusion_process_count(); i++) {
        const ProcessClass *class = diffusion_process_class(i);
        add_name(t, lists, class->name);
        add_own(t, class->settings, class->setting_count);
    }
    for (size_t i = 0; lists == HEADS && i < diffusion_head_count(); i++)
        add_name(t, lists, diffusion_head_class(i)->name);
    for (int i = 0; lists == SCHEDULES && i < SCHEDULE_KINDS; i++)
        add_name(t, lists, diffusion_schedule_name((ScheduleKind)i));
    for (size_t i = 0; lists == OBJECTIVES && i < objective_student_count; i++)
        add_name(t, lists, objective_of_student[i]->name);
    for (size_t i = 0; lists == NETWORKS && i < nn_network_count(); i++) {
        const NetworkClass *class = nn_network_class(i);
        add_name(t, lists, class->name);
        add_own(t, class->settings, class->setting_count);
    }
}

static const Table *table(void)
{
    static Table t;
    static bool made;
    for (size_t i = 0; !made && i < GENERAL; i++) {
        Key key = general[i];
        if (key.lists != NOTHING)
            key.setting.choices = t.names[key.lists];
        add_key(&t, &key);
        add_classes(&t, key.lists);
    }
    made = true;
    return &t;
}

/* ---- one setting ---- */

/* Names of the first versions, which their model files have. */
static const char *const older_names[][2] = {{"distil_lambdas", "distill_lambdas"},
                                             {"distil_weight", "distill_weight"}};

static const Key *find_key(const char *name)
{
    for (size_t i = 0; i < sizeof older_names / sizeof older_names[0]; i++)
        if (strcmp(name, older_names[i][0]) == 0)
            name = older_names[i][1];
    return key_in(table(), name);
}

static const Key *known_key(const char *name)
{
    const Key *k = find_key(name);
    TENSOR_CHECK(k != NULL, "no setting %s", name);
    return k;
}

/* From the numbers of a value to where it is kept, and back. */
static void keep(Config *c, const Key *k, const double *slots)
{
    void *at = (char *)c + k->offset;
    if (k->own) {
        memcpy(at, slots, setting_slots(&k->setting) * sizeof *slots);
        return;
    }
    switch (k->setting.type) {
    case SETTING_INTEGER: *(int64_t *)at = (int64_t)*slots; break;
    case SETTING_FLAG: *(bool *)at = *slots != 0; break;
    case SETTING_CHOICE: *(int *)at = (int)*slots; break;
    default: *(double *)at = *slots; break;
    }
}

static void fetch(const Config *c, const Key *k, double *slots)
{
    const void *at = (const char *)c + k->offset;
    if (k->own) {
        memcpy(slots, at, setting_slots(&k->setting) * sizeof *slots);
        return;
    }
    switch (k->setting.type) {
    case SETTING_INTEGER: *slots = (double)*(const int64_t *)at; break;
    case SETTING_FLAG: *slots = *(const bool *)at; break;
    case SETTING_CHOICE: *slots = *(const int *)at; break;
    default: *slots = *(const double *)at; break;
    }
}

bool config_set(Config *c, const char *key, const char *value, const char *where, Error *err)
{
    double slots[SETTING_LIST_SLOTS];
    const Key *k = find_key(key);
    if (!k)
        return error_set(err, "%s: unknown key '%.60s'; see di4c train --help", where, key);
    if (!setting_read(&k->setting, value, slots, where, err))
        return false;
    keep(c, k, slots);
    return true;
}

void config_put(Config *c, const char *key, double value)
{
    const Key *k = known_key(key);
    TENSOR_CHECK(setting_slots(&k->setting) == 1, "%s is a list", key);
    keep(c, k, &value);
}

void config_numbers(const Config *c, const char *key, double *slots)
{
    fetch(c, known_key(key), slots);
}

double config_number(const Config *c, const char *key)
{
    double slots[SETTING_LIST_SLOTS];
    config_numbers(c, key, slots);
    return slots[0];
}

void config_defaults(Config *c)
{
    const Table *t = table();
    double slots[SETTING_LIST_SLOTS];
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < t->count; i++) {
        setting_default(&t->keys[i].setting, slots);
        keep(c, &t->keys[i], slots);
    }
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

/* ---- classes ---- */

const ProcessClass *config_process(const Config *c)
{
    return diffusion_process_class((size_t)c->process);
}

const HeadClass *config_head(const Config *c)
{
    return diffusion_head_class((size_t)c->head);
}

const NetworkClass *config_network(const Config *c)
{
    return nn_network_class((size_t)c->net);
}

const Objective *config_objective(const Config *c, ConfigRole role)
{
    return role == ROLE_TEACHER ? &objective_teacher : objective_of_student[c->objective];
}

/* ---- the table from outside ---- */

size_t config_count(void)
{
    return table()->count;
}

const char *config_key(size_t i)
{
    return table()->keys[i].setting.name;
}

void config_value(const Config *c, size_t i, char out[CONFIG_TEXT])
{
    const Key *k = &table()->keys[i];
    double slots[SETTING_LIST_SLOTS];
    fetch(c, k, slots);
    setting_text(&k->setting, slots, out, CONFIG_TEXT);
}

size_t config_difference(const Config *a, const Config *b)
{
    char x[CONFIG_TEXT], y[CONFIG_TEXT];
    for (size_t i = 0; i < config_count(); i++) {
        config_value(a, i, x);
        config_value(b, i, y);
        if (strcmp(x, y) != 0)
            return i;
    }
    return config_count();
}

static size_t index_of(const char *name)
{
    return (size_t)(known_key(name) - table()->keys);
}

bool config_is_structure(size_t i)
{
    return i < index_of(first_unshared);
}

static bool has_setting(const Setting *settings, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(settings[i].name, name) == 0)
            return true;
    return false;
}

bool config_is_needed(const Config *c, size_t i)
{
    static const char *const newer[] = {"beta", "beta_scale", "beta_ratio", "state_input"};
    const Key *k = &table()->keys[i];
    const char *name = k->setting.name;
    if (!config_is_structure(i) || k->setting.newer)
        return false;
    for (size_t n = 0; n < sizeof newer / sizeof newer[0]; n++)
        if (strcmp(name, newer[n]) == 0)
            return false;
    const ProcessClass *process = config_process(c);
    const NetworkClass *network = config_network(c);
    return !k->own || has_setting(process->settings, process->setting_count, name) ||
           has_setting(network->settings, network->setting_count, name);
}

void config_copy_structure(Config *c, const Config *from)
{
    c->rates = from->rates;
    for (size_t i = 0; config_is_structure(i); i++) {
        char value[CONFIG_TEXT];
        Error err;
        config_value(from, i, value);
        config_set(c, config_key(i), value, "teacher", &err);
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
                     config_key(i), theirs, ours);
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
    for (size_t i = 0; i < config_count(); i++)
        setting_help(&table()->keys[i].setting, out);
}
