#include "nn/formats/read_file.h"

#include <stdio.h>

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

size_t read_file_start(const char *path, void *out, size_t most)
{
    FILE *f = fopen(path, "rb");
    const size_t got = f != NULL && most > 0 ? fread(out, 1, most, f) : 0;

    if (f != NULL)
        fclose(f);
    return got;
}

/* False, with the sentence, if the file does not have as many bytes to be read as memory can hold.
 */
static bool size_of_file(const char *path, const char *refusal, size_t most, size_t *size,
                         Error *err)
{
    if (!platform_file_size(path, size))
        return error_set(err, "%.300s: %s", path, refusal);
    return *size <= most ||
           error_set(err, "%.300s: expected a file of at most %zu bytes, found %zu", path, most,
                     *size);
}

void *read_file(const char *path, const char *refusal, size_t most, size_t *size, Error *err)
{
    if (!size_of_file(path, refusal, most, size, err))
        return NULL;
    char *bytes = *size < SIZE_MAX ? mem_try(*size + 1, 1) : NULL;
    if (bytes == NULL) {
        error_set(err, "%.300s: expected a file that fits in memory, found %zu bytes", path, *size);
        return NULL;
    }
    const size_t got = read_file_start(path, bytes, *size);
    if (got < *size) {
        error_set(err, "%.300s: expected %zu bytes, could read %zu", path, *size, got);
        mem_free(bytes);
        return NULL;
    }
    bytes[*size] = '\0';
    return bytes;
}
