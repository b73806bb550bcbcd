/* Opening, reading and checking, each with its sentence. */
#include "experiments/data/readers/reading.h"

#include <string.h>

#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

char *reading_path(const char *folder, const char *name)
{
    Buffer b = {0};

    buffer_format(&b, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
    return b.bytes;
}

static bool is_compressed(const char *path)
{
    Buffer b = {0};
    size_t bytes;

    buffer_format(&b, "%s.gz", path);
    const bool there = platform_file_size(b.bytes, &bytes);
    buffer_free(&b);
    return there;
}

FILE *reading_open(const char *path, size_t *bytes, Error *err)
{
    FILE *f = platform_file_size(path, bytes) ? fopen(path, "rb") : NULL;

    if (f == NULL && is_compressed(path))
        error_set(err, "%.200s: is there as .gz alone: unpack it first: gzip -d '%.200s.gz'", path,
                  path);
    else if (f == NULL)
        error_set(err, "%s: cannot be read as a file", path);
    return f;
}

bool reading_bytes(FILE *f, const char *path, void *out, size_t bytes, Error *err)
{
    if (bytes > 0 && fread(out, 1, bytes, f) != bytes)
        return error_set(err, "%s: reading stopped before %zu bytes were read", path, bytes);
    return true;
}

bool reading_there(const char *folder, const char *name)
{
    size_t bytes;
    char *path = reading_path(folder, name);
    bool there = platform_file_size(path, &bytes);

    mem_free(path);
    return there;
}

bool reading_check_labels(const uint8_t *labels, size_t count, size_t classes, const char *path,
                          Error *err)
{
    for (size_t i = 0; i < count; i++)
        if (labels[i] >= classes)
            return error_set(err, "%s: label %d of picture %zu, expected 0 to %zu", path,
                             (int)labels[i], i, classes - 1);
    return true;
}
