/* The one place that knows all data sets. */
#include "experiments/data/datasets.h"

#include <string.h>

#include "tensor/base/check.h"

/* Every data set is declared and entered here; the first gives its presets to data that are in no
 * line. */
/* clang-format off */
extern const DatasetKind dataset_glyphs;
extern const DatasetKind dataset_mnist;
extern const DatasetKind dataset_idx;
extern const DatasetKind dataset_cifar10;
extern const DatasetKind dataset_npy;
extern const DatasetKind dataset_png;
extern const DatasetKind dataset_text;
extern const DatasetKind dataset_text8;
extern const DatasetKind dataset_tokens;

static const DatasetKind *const kinds[] = {
    &dataset_glyphs,
    &dataset_mnist,
    &dataset_idx,
    &dataset_cifar10,
    &dataset_npy,
    &dataset_png,
    &dataset_text,
    &dataset_text8,
    &dataset_tokens,
};
/* clang-format on */
enum { KINDS = sizeof kinds / sizeof kinds[0] };

size_t dataset_kind_count(void)
{
    return KINDS;
}

const DatasetKind *dataset_kind(size_t i)
{
    TENSOR_CHECK(i < KINDS, "data set %zu of %d", i, (int)KINDS);
    return kinds[i];
}

const DatasetKind *dataset_kind_of(const char *spec)
{
    const size_t n = strcspn(spec, ":");

    for (size_t i = 0; i < KINDS; i++)
        if (strlen(kinds[i]->name) == n && memcmp(kinds[i]->name, spec, n) == 0)
            return kinds[i];
    return NULL;
}

const DatasetPresets *dataset_presets(const char *spec)
{
    const DatasetKind *kind = dataset_kind_of(spec);

    return (kind != NULL ? kind : kinds[0])->presets;
}

/* ---- text ---- */

/* "mnist:DIR" */
static void spec_of(const DatasetKind *kind, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s", kind->name, kind->place ? ":" : "",
             kind->place ? kind->place : "");
}

static bool any_kind(const DatasetKind *kind)
{
    return kind != NULL;
}

static bool kind_has_law(const DatasetKind *kind)
{
    return kind->has_law;
}

static bool kind_is_text(const DatasetKind *kind)
{
    return kind->open_text != NULL;
}

/* "A, B or C" of those that are wanted */
static const char *join(bool (*wanted)(const DatasetKind *), char out[DATASET_SPECS])
{
    size_t left = 0, used = 0;

    for (size_t i = 0; i < KINDS; i++)
        left += wanted(kinds[i]);
    out[0] = '\0';
    for (size_t i = 0; i < KINDS; i++) {
        if (!wanted(kinds[i]))
            continue;
        char spec[64];
        spec_of(kinds[i], spec, sizeof spec);
        const char *joint = --left == 0 ? "" : left == 1 ? " or " : ", ";
        used += (size_t)snprintf(out + used, DATASET_SPECS - used, "%s%s", spec, joint);
        TENSOR_CHECK(used < DATASET_SPECS, "%zu bytes of %d", used, (int)DATASET_SPECS);
    }
    return out;
}

const char *dataset_specs(char out[DATASET_SPECS])
{
    return join(any_kind, out);
}

const char *dataset_law_specs(char out[DATASET_SPECS])
{
    return join(kind_has_law, out);
}

const char *dataset_text_specs(char out[DATASET_SPECS])
{
    return join(kind_is_text, out);
}

void dataset_help(FILE *out)
{
    fprintf(out, "Data sets (--data DATA):\n");
    for (size_t i = 0; i < KINDS; i++) {
        char spec[64];
        spec_of(kinds[i], spec, sizeof spec);
        fprintf(out, "  %-24s %s\n", spec, kinds[i]->help);
    }
}

/* ---- opening ---- */

/* The kind of a whole spec, and what it has after the colon (NULL: no colon); NULL: none. */
static const DatasetKind *parse_datasets(const char *spec, const char **place)
{
    const DatasetKind *kind = dataset_kind_of(spec);
    const char *colon = strchr(spec, ':');

    if (kind == NULL || (kind->place != NULL) != (colon != NULL) || (colon && colon[1] == '\0'))
        return NULL;
    *place = colon != NULL ? colon + 1 : NULL;
    return kind;
}

/* A text and its windows. */
static bool open_text(Dataset *d, const DatasetKind *kind, const char *place, bool test_split,
                      const DatasetOptions *options, Error *err)
{
    const size_t length = options->length;

    TENSOR_CHECK(length > 0, "%s: sequences of no symbols", d->name);
    d->text = text_data_create(0, NULL);
    if (!kind->open_text(d->text, place, test_split, options->vocabulary, err))
        return false;
    if (d->text->count < length)
        return error_set(err,
                         "%s: its part to %s has %zu symbols, expected at least length=%zu of them",
                         place, test_split ? "test" : "train", d->text->count, length);
    d->height = d->channels = 1;
    d->width = length;
    d->states = d->text->vocabulary->size;
    d->count = d->text->count / length;
    return true;
}

static bool read_spec(Dataset *d, const char *spec, bool test_split, const DatasetOptions *options,
                      Error *err)
{
    const char *place;
    const DatasetKind *kind = parse_datasets(spec, &place);
    char specs[DATASET_SPECS];

    if (kind == NULL)
        return error_set(err, "data set '%s': expected %s", spec, dataset_specs(specs));
    if (test_split && kind->has_test == NULL)
        return error_set(err, "data set '%s': %s has no test split", spec, kind->name);
    if (kind_is_text(kind) ? !open_text(d, kind, place, test_split, options, err)
                           : !kind->open(d, place, test_split, err))
        return false;
    TENSOR_CHECK((d->law != NULL) == kind->has_law, "%s has%s a law", spec, d->law ? "" : " not");
    d->dims = d->height * d->width * d->channels;
    return true;
}

Dataset *dataset_open(const char *spec, bool test_split, const DatasetOptions *options, Error *err)
{
    Dataset *d = dataset_create(spec);
    bool ok = true;

    if (!(options->threshold > 0.0 && options->threshold < 1.0))
        ok = error_set(err, "data set '%s': threshold %g, expected between 0 and 1", spec,
                       options->threshold);
    if (ok && read_spec(d, spec, test_split, options, err) && dataset_apply(d, options, err))
        return d;
    dataset_close(d);
    return NULL;
}

bool dataset_has_test(const char *spec)
{
    const char *place;
    const DatasetKind *kind = parse_datasets(spec, &place);

    return kind != NULL && kind->has_test != NULL && kind->has_test(place);
}

bool dataset_has_law(const char *spec)
{
    const char *place;
    const DatasetKind *kind = parse_datasets(spec, &place);

    return kind != NULL && kind->has_law;
}

bool dataset_is_text(const char *spec)
{
    const char *place;
    const DatasetKind *kind = parse_datasets(spec, &place);

    return kind != NULL && kind_is_text(kind);
}
