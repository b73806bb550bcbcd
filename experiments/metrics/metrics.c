/* The table of metrics, and the choice among them. */
#include "experiments/metrics/metrics.h"

#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

extern const MetricClass metric_valid, metric_fcd, metric_elbo, metric_bound, metric_ngram,
    metric_words, metric_fid, metric_is;

static const MetricClass *const table[] = {
    &metric_valid, &metric_fcd,   &metric_elbo, &metric_bound,
    &metric_ngram, &metric_words, &metric_fid,  &metric_is,
};

enum { METRICS = sizeof table / sizeof table[0], NAMES_ROOM = 200 };

/* ---- one of each ---- */

void metrics_create(Metrics *m)
{
    *m = (Metrics){.count = METRICS};
    TENSOR_CHECK(m->count <= METRICS_MAX, "%zu metrics: room for %d", m->count, METRICS_MAX);
    for (size_t i = 0; i < m->count; i++) {
        const size_t bytes = table[i]->state_bytes;
        m->at[i] = (Metric){.kind = table[i], .state = bytes > 0 ? mem_zeroed(1, bytes) : NULL};
    }
}

void metrics_free(Metrics *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->at[i].kind->release)
            m->at[i].kind->release(m->at[i].state);
        mem_free(m->at[i].state);
    }
    inception_eye_close(&m->eye);
    m->count = 0;
}

void metrics_options(Metrics *m, OptionTable *options)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->at[i].kind->options)
            m->at[i].kind->options(m->at[i].state, options);
    const Option eye[] = {
        {"--inception", OPTION_TEXT, &m->eye.file, "FILE", 0, 0, false,
         "weights for fid and is: pytorch-fid's pt_inception-2015-12-05-6726825d.pth"},
        {"--reference", OPTION_TEXT, &m->eye.reference, "FILE.npz|DATA", 0, 0, false,
         "fid's other side: mu and sigma, or pictures (default: --data's training pictures)"},
        {"--save-statistics", OPTION_TEXT, &m->eye.statistics, "FILE.npz", 0, 0, false,
         "fid's other side is written as mu and sigma"},
    };
    options_add(options, eye, sizeof eye / sizeof eye[0]);
}

/* ---- the choice ---- */

/* Appends a name to text, behind the separator if it is not the first. */
static void add_name(char text[NAMES_ROOM], const char *separator, const char *name)
{
    const size_t n = strlen(text);
    snprintf(text + n, NAMES_ROOM - n, "%s%s", n > 0 ? separator : "", name);
}

static void all_names(char text[NAMES_ROOM])
{
    text[0] = '\0';
    for (size_t i = 0; i < METRICS; i++)
        add_name(text, ", ", table[i]->name);
}

/* The metric whose name is the first n characters of text, or NULL. */
static Metric *find(Metrics *m, const char *text, size_t n)
{
    for (size_t i = 0; i < m->count; i++) {
        const char *name = m->at[i].kind->name;
        if (strlen(name) == n && strncmp(name, text, n) == 0)
            return &m->at[i];
    }
    return NULL;
}

bool metrics_choose(Metrics *m, const char *names, MetricDefault data, Error *err)
{
    char known[NAMES_ROOM];
    for (size_t i = 0; i < m->count; i++)
        m->at[i].chosen = !names && m->at[i].kind->when == data;
    for (const char *p = names; p; p++) {
        const size_t n = strcspn(p, ",");
        Metric *one = find(m, p, n);
        if (!one) {
            all_names(known);
            return error_set(err, "--metrics %.60s: expected a list of %s", names, known);
        }
        one->chosen = true;
        p += n;
        if (*p == '\0')
            break;
    }
    return true;
}

bool metrics_check(const Metrics *m, const MetricSetting *setting, Error *err)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->at[i].chosen && m->at[i].kind->check && !m->at[i].kind->check(setting, err))
            return false;
    return true;
}

bool metrics_check_files(const Metrics *m, Error *err)
{
    for (size_t i = 0; i < m->count; i++) {
        const Metric *one = &m->at[i];
        if (one->chosen && one->kind->check_files && !one->kind->check_files(one->state, err))
            return false;
    }
    return true;
}

bool metrics_prepare(Metrics *m, const MetricSetting *setting, Error *err)
{
    for (size_t i = 0; i < m->count; i++) {
        const Metric *one = &m->at[i];
        if (one->chosen && one->kind->prepare && !one->kind->prepare(one->state, setting, err))
            return false;
    }
    return true;
}

bool metrics_look_at_test(const Metrics *m)
{
    bool any = false;
    for (size_t i = 0; i < m->count; i++)
        any = any || (m->at[i].chosen && m->at[i].kind->looks_at_test);
    return any;
}

bool metrics_look_at_samples(const Metrics *m)
{
    bool any = false;
    for (size_t i = 0; i < m->count; i++)
        any = any || (m->at[i].chosen && metric_looks_at_samples(&m->at[i]));
    return any;
}

const char *metrics_need_more(const Metrics *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->at[i].chosen && !m->at[i].kind->without_data)
            return m->at[i].kind->name;
    return NULL;
}

const MetricColumn *metrics_column(const char *name)
{
    for (size_t i = 0; i < METRICS; i++)
        for (size_t k = 0; k < table[i]->column_count; k++)
            if (strcmp(table[i]->columns[k].name, name) == 0)
                return &table[i]->columns[k];
    return NULL;
}

/* ---- help ---- */

/* What is measured of one kind of data, as --metrics would say it. */
static void standard_names(MetricDefault data, char text[NAMES_ROOM])
{
    text[0] = '\0';
    for (size_t i = 0; i < METRICS; i++)
        if (table[i]->when == data)
            add_name(text, ",", table[i]->name);
}

void metrics_help(char text[METRICS_HELP_ROOM])
{
    char names[NAMES_ROOM], standard[NAMES_ROOM] = "", some[NAMES_ROOM];
    all_names(names);
    for (int data = METRIC_OF_LAW; data < METRIC_DEFAULTS; data++) {
        standard_names((MetricDefault)data, some);
        add_name(standard, " or ", some);
    }
    snprintf(text, METRICS_HELP_ROOM,
             "of %.150s (default: %.150s, what fits the data); list explains them", names,
             standard);
}

bool metrics_list(FILE *out, int argc, char **argv)
{
    const bool wanted = options_ask_list("--metrics", argc, argv);
    for (size_t i = 0; wanted && i < METRICS; i++)
        fprintf(out, "%s: %s\n    needs: %s\n", table[i]->name, table[i]->help, table[i]->needs);
    return wanted;
}
