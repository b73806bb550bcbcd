/* The data set `mnist`: four idx files in a folder, of which two are read.  They go by the names of
 * the first distribution, or with points as archives unpack them, and may be where torchvision puts
 * them. */
#include "experiments/data/dataset_kind.h"
#include "experiments/data/readers/idx.h"
#include "experiments/data/readers/reading.h"
#include "tensor/base/memory.h"

static const char *const places[] = {"", "MNIST/raw/", "raw/"};
static const char joints[] = {'-', '.'};
enum { PLACES = sizeof places / sizeof places[0], JOINTS = sizeof joints };

typedef struct MnistFile {
    bool test, labels;
    size_t place;
    char joint;
} MnistFile;

/* t10k-labels-idx1-ubyte and the like, below the folder. */
static void file_name(const MnistFile *f, const char *ending, char name[64])
{
    snprintf(name, 64, "%s%s-%s%cidx%d-ubyte%s", places[f->place], f->test ? "t10k" : "train",
             f->labels ? "labels" : "images", f->joint, f->labels ? 1 : 3, ending);
}

/* The first spelling of it that is there, in any place from f->place up to below `last`. */
static bool find_file(MnistFile *f, const char *folder, size_t last, const char *ending)
{
    char name[64];
    MnistFile at = *f;

    for (; at.place < last; at.place++)
        for (size_t i = 0; i < JOINTS; i++) {
            at.joint = joints[i];
            file_name(&at, ending, name);
            if (reading_there(folder, name)) {
                *f = at;
                return true;
            }
        }
    return false;
}

/* Its path (mem_free).  If there is none: of one that is there compressed, or of the usual name,
 * so that reading_open says so. */
static char *path_of(MnistFile *f, const char *folder, size_t last)
{
    char name[64];

    if (!find_file(f, folder, last, ""))
        find_file(f, folder, last, ".gz");
    file_name(f, "", name);
    return reading_path(folder, name);
}

static bool open_mnist(Dataset *d, const char *folder, bool test_split, Error *err)
{
    MnistFile f = {.test = test_split, .joint = '-'};
    char *pictures = path_of(&f, folder, PLACES);

    f.labels = true;
    char *labels = path_of(&f, folder, f.place + 1); /* beside the pictures */
    bool ok = idx_pictures(d, pictures, err) && idx_labels(d, labels, err);
    mem_free(pictures);
    mem_free(labels);
    return ok;
}

static bool has_test(const char *folder)
{
    MnistFile f = {.test = true, .joint = '-'};

    return find_file(&f, folder, PLACES, "");
}

const DatasetKind dataset_mnist = {
    .name = "mnist",
    .place = "DIR",
    .help = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-* (uncompressed)",
    .presets = &dataset_presets_greys,
    .open = open_mnist,
    .has_test = has_test,
};
