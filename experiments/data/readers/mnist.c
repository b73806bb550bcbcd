/* The data set `mnist`: four idx files in a folder, of which two are read. */
#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/idx.h"
#include "experiments/data/readers/reading.h"
#include "tensor/base/memory.h"

static bool open_mnist(Dataset *d, const char *folder, bool test_split, Error *err)
{
    static const char *const names[2][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}};
    char *pictures = reading_path(folder, names[test_split][0]);
    char *labels = reading_path(folder, names[test_split][1]);
    bool ok = idx_pictures(d, pictures, err) && idx_labels(d, labels, err);

    mem_free(pictures);
    mem_free(labels);
    return ok;
}

static bool has_test(const char *folder)
{
    return reading_there(folder, "t10k-images-idx3-ubyte");
}

const DatasetKind dataset_mnist = {
    .name = "mnist",
    .place = "DIR",
    .help = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-* (uncompressed)",
    .presets = &dataset_presets_greys,
    .open = open_mnist,
    .has_test = has_test,
};
