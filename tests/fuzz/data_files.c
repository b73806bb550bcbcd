/* Data sets: idx, CIFAR-10, texts, tokens. */
#include <string.h>

#include "experiments/data/datasets.h"
#include "experiments/data/readers/idx.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/fuzz/fuzz.h"

/* Every state below the number of states, every label below the number of classes. */
static void look_at(const Dataset *d)
{
    for (size_t i = 0; d->data != NULL && i < d->count * d->dims; i++)
        TENSOR_CHECK(d->data[i] < d->states, "state %d of %zu", d->data[i], d->states);
    for (size_t i = 0; d->text != NULL && i < d->text->count; i++)
        TENSOR_CHECK(d->text->symbols[i] < d->states, "state %d of %zu", d->text->symbols[i],
                     d->states);
    for (size_t i = 0; d->labels != NULL && i < d->count; i++)
        TENSOR_CHECK(d->labels[i] < d->classes, "label %d of %zu", d->labels[i], d->classes);
}

static void open_data(const char *kind, const char *place, bool test_split, size_t length)
{
    char spec[600];
    Error err = {""};
    DatasetOptions options = dataset_defaults();

    options.length = length;
    strcat(strcat(strcpy(spec, kind), ":"), place);
    Dataset *d = dataset_open(spec, test_split, &options, &err);
    if (d != NULL)
        look_at(d);
    else
        fuzz_refused(&err);
    dataset_close(d);
}

void fuzz_idx(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    const char *path = fuzz_file(".idx", bytes, count);
    Dataset *d = dataset_create("labels");

    open_data("idx", path, false, 1);
    d->count = count > 8 ? count - 8 : 1;
    if (!idx_labels(d, path, &err))
        fuzz_refused(&err);
    else if (d->labels == NULL)
        TENSOR_CHECK(d->no_labels != NULL, "no labels, and no reason");
    dataset_close(d);
}

void fuzz_cifar10(const uint8_t *bytes, size_t count)
{
    static char folder[400];
    Error err = {""};

    if (folder[0] == '\0') {
        strcpy(folder, fuzz_file(".cifar", "", 0));
        remove(folder);
    }
    TENSOR_CHECK(platform_make_folder(folder, &err), "%s", err.text);
    const char *name = fuzz_file(".cifar/test_batch.bin", bytes, count);
    open_data("cifar10", folder, true, 1);
    remove(name);
    remove(folder);
}

void fuzz_text_data(const uint8_t *bytes, size_t count)
{
    const char *path = fuzz_file(".txt", bytes, count);

    open_data("text", path, false, 4);
    open_data("text", path, true, 1);
}

/* The first two bytes: how much of the rest is the vocabulary. */
void fuzz_tokens(const uint8_t *bytes, size_t count)
{
    if (count < 2)
        return;
    const size_t rest = count - 2, asked = bytes[0] + 256u * bytes[1];
    const size_t words = asked < rest ? asked : rest;

    fuzz_file(".u16.vocab", bytes + 2, words);
    open_data("tokens", fuzz_file(".u16", bytes + 2 + words, rest - words), false, 2);
}
