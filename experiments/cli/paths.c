/* Names of files that belong together. */
#include "experiments/cli/paths.h"

#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

static char *two(const char *a, size_t length, const char *middle, const char *b)
{
    char *out = mem_alloc(length + strlen(middle) + strlen(b) + 1, 1);
    memcpy(out, a, length);
    strcpy(out + length, middle);
    strcat(out, b);
    return out;
}

char *path_with_suffix(const char *path, const char *suffix)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    return two(path, dot ? (size_t)(dot - path) : strlen(path), "", suffix);
}

char *path_with_end(const char *path, const char *end)
{
    return two(path, strlen(path), "", end);
}

char *path_join(const char *folder, const char *name)
{
    return two(folder, strlen(folder), "/", name);
}

bool path_has_suffix(const char *path, const char *suffix)
{
    const size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

static bool is_model(const char *path)
{
    return path_has_suffix(path, ".safetensors") || path_has_suffix(path, ".pt") ||
           path_has_suffix(path, ".pth");
}

bool path_check_result(const char *option, const char *path, Error *err)
{
    return !path || !is_model(path) ||
           error_set(err, "%s %.200s: expected another name than a model's", option, path);
}

bool path_make_parent(const char *path, Error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return true;
    char *folder = two(path, (size_t)(slash - path), "", "");
    const bool ok = platform_make_folder(folder, err);
    mem_free(folder);
    return ok;
}

bool path_check_output(const char *path, Error *err)
{
    OutputFile out;
    size_t bytes;
    if (platform_exists(path) && !platform_file_size(path, &bytes))
        return error_set(err,
                         "%s: exists and is not a readable plain file: expected the name of "
                         "a file to write",
                         path);
    if (!path_make_parent(path, err) || !output_open(&out, path, err))
        return false;
    const bool ok =
        is_model(path) || !is_model(out.target) ||
        error_set(err, "%.200s: is a link to %.200s: expected another file than a model's", path,
                  out.target);
    output_cancel(&out);
    return ok;
}
