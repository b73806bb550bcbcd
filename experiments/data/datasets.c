/* From a spec to its reader. */
#include "experiments/data/datasets.h"

#include <string.h>

#include "experiments/data/idx.h"
#include "experiments/data/readers.h"

/* The part of the spec after "kind:", or NULL if it is of another kind. */
static const char *after(const char *spec, const char *kind)
{
    size_t n = strlen(kind);

    return strncmp(spec, kind, n) == 0 && spec[n] == ':' && spec[n + 1] != '\0' ? spec + n + 1
                                                                                : NULL;
}

static bool open_spec(Dataset *d, const char *spec, bool test_split, Error *err)
{
    const char *place;

    if (strcmp(spec, "glyphs") == 0)
        return glyphs_open(d);
    if ((place = after(spec, "mnist")) != NULL)
        return mnist_open(d, place, test_split, err);
    if ((place = after(spec, "cifar10")) != NULL)
        return cifar10_open(d, place, test_split, err);
    if ((place = after(spec, "idx")) != NULL)
        return test_split ? error_set(err, "data set '%s': an idx file has no test split", spec)
                          : idx_pictures(d, place, err);
    return error_set(err, "data set '%s': expected glyphs, mnist:DIR, idx:FILE or cifar10:DIR",
                     spec);
}

Dataset *dataset_open(const char *spec, bool test_split, const DatasetOptions *options, Error *err)
{
    Dataset *d = dataset_create(spec);
    bool ok = true;

    if (!(options->threshold > 0.0 && options->threshold < 1.0))
        ok = error_set(err, "data set '%s': threshold %g, expected between 0 and 1", spec,
                       options->threshold);
    ok = ok && open_spec(d, spec, test_split, err);
    if (ok) {
        d->dims = d->height * d->width * d->channels;
        ok = dataset_apply(d, options, err);
    }
    if (!ok) {
        dataset_close(d);
        return NULL;
    }
    return d;
}

bool dataset_has_test(const char *spec)
{
    const char *folder;

    if (strcmp(spec, "glyphs") == 0)
        return true;
    if ((folder = after(spec, "mnist")) != NULL)
        return mnist_has_test(folder);
    folder = after(spec, "cifar10");
    return folder != NULL && cifar10_has_test(folder);
}
