/* The data set `text`: the bytes of any file.  Its alphabet is the file's own set of bytes, of both
 * parts, or that of the model which will see it. */
#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/text_reading.h"

/* NULL and a sentence if there is none. */
static Vocabulary *alphabet_of(const char *path, const Vocabulary *wanted, Error *err)
{
    bool present[256];
    int state[256];
    if (wanted == NULL)
        return text_reading_present(path, present, err) ? vocabulary_of_bytes(present, path, err)
                                                        : NULL;
    if (vocabulary_states(wanted, state))
        return vocabulary_copy(wanted);
    error_set(
        err,
        "%s: is a text of bytes, and the model's vocabulary is no alphabet of bytes: expected "
        "tokens:FILE",
        path);
    return NULL;
}

static bool open_text(TextData *t, const char *path, bool test_split, const Vocabulary *wanted,
                      Error *err)
{
    size_t bytes;
    if (!text_reading_size(path, &bytes, err))
        return false;
    Vocabulary *alphabet = alphabet_of(path, wanted, err);
    const TextPart part = test_split ? text_part_rest(bytes) : text_part_training(bytes);
    return alphabet != NULL && text_reading_bytes(t, path, part, alphabet,
                                                  wanted != NULL ? "one of the model's alphabet"
                                                                 : "the file to stay as it is",
                                                  err);
}

const DatasetKind dataset_text = {
    .name = "text",
    .place = "FILE",
    .help = "any file's bytes: windows of length=N; first 90 % to train, the rest to test",
    .presets = &dataset_presets_characters,
    .open_text = open_text,
    .has_test = text_reading_there,
};
