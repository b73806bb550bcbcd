/* The data set `text8`: a file of the letters a to z and blanks, such as the first 100 million
 * characters of a cleaned Wikipedia.  It is cut as is usual for that file, 90, 5 and 5 million
 * characters, others in proportion; the second part, meant to choose settings by, is not used. */
#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/text_reading.h"

static bool open_text8(TextData *t, const char *path, bool test_split, const Vocabulary *wanted,
                       Error *err)
{
    bool present[256] = {false};
    size_t bytes;
    if (!text_reading_size(path, &bytes, err))
        return false;
    for (int c = 'a'; c <= 'z'; c++)
        present[c] = true;
    present[' '] = true;
    const TextPart last = {bytes - bytes / 20, bytes / 20};
    if (!text_reading_bytes(t, path, test_split ? last : text_part_training(bytes),
                            vocabulary_of_bytes(present, path, err), "a to z or a blank", err))
        return false;
    return wanted == NULL || vocabulary_equal(t->vocabulary, wanted) ||
           error_set(err,
                     "%s: its alphabet, a to z and the blank, is not the model's: expected "
                     "text:FILE",
                     path);
}

const DatasetKind dataset_text8 = {
    .name = "text8",
    .place = "FILE",
    .help = "letters a to z and blanks; first 90 % to train, last 5 % to test",
    .presets = &dataset_presets_letters,
    .open_text = open_text8,
    .has_test = text_reading_there,
};
