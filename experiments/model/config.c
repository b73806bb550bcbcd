/* The table of settings: the program's own, and after the choice of a process or a network those of
 * every class. */
#include "experiments/model/config.h"

#include <stdlib.h>
#include <string.h>

#include "diffusion/sampler/samplers.h"
#include "diffusion/teacher.h"
#include "tensor/base/check.h"

/* The table starts with the keys that teacher and student share: all before this one. */
static const char first_unshared[] = "dropout";
/* ... and those with the keys of data and process. */
static const char first_of_model[] = "head";

enum { KEYS_MAX = 128, NAMES = 128 };

typedef struct Table {
    ConfigKey keys[KEYS_MAX];
    size_t count, slots;      /* slots: numbers of own in use */
    char names[LISTS][NAMES]; /* "uniform|absorbing|...", by ConfigList */
} Table;

/* ---- the table, made once ---- */

static const ConfigKey *key_in(const Table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->keys[i].setting.name, name) == 0)
            return &t->keys[i];
    return NULL;
}

static void add_key(Table *t, const ConfigKey *key)
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
        const ConfigKey key = {.setting = settings[i],
                               .offset = offsetof(Config, own) + t->slots * sizeof(double),
                               .own = true};
        add_key(t, &key);
        t->slots += setting_slots(&settings[i]);
        TENSOR_CHECK(t->slots <= CONFIG_OWN, "settings of classes take more than %d numbers",
                     (int)CONFIG_OWN);
    }
}

static void add_name(Table *t, ConfigList lists, const char *name)
{
    char *names = t->names[lists];
    const size_t used = strlen(names);
    TENSOR_CHECK(used + strlen(name) + 2 <= NAMES, "no room for the name %s", name);
    if (used > 0)
        strcat(names, "|");
    strcat(names, name);
}

/* The members of a list: their names, and the settings of those that have some. */
static void add_classes(Table *t, ConfigList lists)
{
    switch (lists) {
    case LIST_PROCESSES:
        for (size_t i = 0; i < diffusion_process_count(); i++) {
            const ProcessClass *class = diffusion_process_class(i);
            add_name(t, lists, class->name);
            add_own(t, class->settings, class->setting_count);
        }
        break;
    case LIST_NETWORKS:
        for (size_t i = 0; i < nn_network_count(); i++) {
            const NetworkClass *class = nn_network_class(i);
            add_name(t, lists, class->name);
            add_own(t, class->settings, class->setting_count);
        }
        break;
    case LIST_HEADS:
        for (size_t i = 0; i < diffusion_head_count(); i++)
            add_name(t, lists, diffusion_head_class(i)->name);
        break;
    case LIST_OBJECTIVES:
        for (size_t i = 0; i < objective_student_count; i++)
            add_name(t, lists, objective_of_student[i]->name);
        break;
    case LIST_SCHEDULES:
        for (int i = 0; i < SCHEDULE_KINDS; i++)
            add_name(t, lists, diffusion_schedule_name((ScheduleKind)i));
        break;
    case LIST_SAMPLERS:
        for (size_t i = 0; i < diffusion_sampler_count(); i++)
            if (diffusion_sampler_at(i)->run == NULL)
                add_name(t, lists, diffusion_sampler_at(i)->name);
        break;
    case LIST_NONE:
    case LISTS: break;
    }
}

static const Table *table(void)
{
    static Table t;
    static bool made;
    for (size_t i = 0; !made && i < config_own_key_count; i++) {
        ConfigKey key = config_own_keys[i];
        if (key.lists != LIST_NONE)
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

static const ConfigKey *find_key(const char *name)
{
    for (size_t i = 0; i < sizeof older_names / sizeof older_names[0]; i++)
        if (strcmp(name, older_names[i][0]) == 0)
            name = older_names[i][1];
    return key_in(table(), name);
}

static const ConfigKey *known_key(const char *name)
{
    const ConfigKey *k = find_key(name);
    TENSOR_CHECK(k != NULL, "no setting %s", name);
    return k;
}

/* From the numbers of a value to where it is kept, and back. */
static void keep(Config *c, const ConfigKey *k, const double *slots)
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

static void fetch(const Config *c, const ConfigKey *k, double *slots)
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
    const ConfigKey *k = find_key(key);
    if (!k)
        return error_set(err, "%s: unknown key '%.60s'; see di4c train --help", where, key);
    if (!setting_read(&k->setting, value, slots, where, err))
        return false;
    keep(c, k, slots);
    return true;
}

void config_put(Config *c, const char *key, double value)
{
    const ConfigKey *k = known_key(key);
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

const struct SamplerClass *config_sampler(const Config *c)
{
    size_t at = 0, place = 0;
    while (diffusion_sampler_at(at)->run != NULL || place++ < (size_t)c->sampler)
        at++;
    return diffusion_sampler_at(at);
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
    const ConfigKey *k = &table()->keys[i];
    double slots[SETTING_LIST_SLOTS];
    fetch(c, k, slots);
    setting_text(&k->setting, slots, out, CONFIG_TEXT);
}

static bool same_value(const Config *a, const Config *b, size_t i)
{
    char x[CONFIG_TEXT], y[CONFIG_TEXT];
    config_value(a, i, x);
    config_value(b, i, y);
    return strcmp(x, y) == 0;
}

size_t config_difference(const Config *a, const Config *b)
{
    size_t i = 0;
    while (i < config_count() && same_value(a, b, i))
        i++;
    return i;
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
    return setting_place(settings, count, name) < count;
}

bool config_is_needed(const Config *c, size_t i)
{
    const ConfigKey *k = &table()->keys[i];
    const char *name = k->setting.name;
    if (!config_is_structure(i) || k->setting.newer)
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
        if (table()->keys[i].setting.of_student)
            continue;
        config_value(from, i, value);
        config_set(c, config_key(i), value, "teacher", &err);
    }
}

/* The keys before number `end` must agree. */
static bool same_before(size_t end, const Config *c, const Config *teacher, const char *path,
                        Error *err)
{
    size_t i = 0;
    while (i < end && (table()->keys[i].setting.of_student || same_value(c, teacher, i)))
        i++;
    if (i == end)
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
