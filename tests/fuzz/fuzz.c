/* The targets by name, and what they share. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nn/formats/byte_order.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

const FuzzTarget fuzz_targets[] = {
    {"idx", fuzz_idx},
    {"cifar10", fuzz_cifar10},
    {"text", fuzz_text_data},
    {"tokens", fuzz_tokens},
    {"npy", fuzz_npy},
    {"npy-pictures", fuzz_npy_pictures},
    {"npz", fuzz_npz},
    {"safetensors", fuzz_safetensors},
    {"header", fuzz_header},
    {"torch", fuzz_torch},
    {"legacy", fuzz_legacy},
    {"pickle", fuzz_pickle},
    {"zip", fuzz_zip},
    {"csv", fuzz_csv},
    {"csv-plain", fuzz_csv_plain},
    {"rates", fuzz_rates},
    {"world", fuzz_world},
    {"png", fuzz_png},
    {"inflate", fuzz_inflate},
    {"json", fuzz_json},
    {"vocabulary", fuzz_vocabulary},
    {"template", fuzz_template},
    {"settings", fuzz_settings},
    {"options", fuzz_options},
    {"model", fuzz_model},
    {"statistics", fuzz_statistics},
    {"note", fuzz_note},
    {NULL, NULL},
};

void fuzz_run(const FuzzTarget *target, const uint8_t *bytes, size_t count)
{
    const size_t before = mem_in_use();

    target->run(bytes, count);
    TENSOR_CHECK(mem_in_use() == before, "%s: %zu bytes before, %zu after", target->name, before,
                 mem_in_use());
}

/* ---- files ---- */

enum { FILES = 16, PATH = 400 };
static char paths[FILES][PATH];
static size_t path_count;

static const char *path_of(const char *end)
{
    char path[PATH];
    const char *folder = getenv("TMPDIR");

    snprintf(path, sizeof path, "%.200s/test-fuzz-%ld.tmp%.100s", folder ? folder : ".",
             (long)getpid(), end);
    for (size_t i = 0; i < path_count; i++)
        if (strcmp(paths[i], path) == 0)
            return paths[i];
    TENSOR_CHECK(path_count < FILES, "more than %d names", FILES);
    return strcpy(paths[path_count++], path);
}

const char *fuzz_file(const char *end, const void *bytes, size_t count)
{
    const char *path = path_of(end);
    FILE *f = fopen(path, "wb");

    TENSOR_CHECK(f != NULL && fwrite(bytes, 1, count, f) == count && fclose(f) == 0,
                 "%s cannot be written", path);
    return path;
}

void fuzz_forget_files(void)
{
    while (path_count > 0)
        remove(paths[--path_count]);
}

static size_t bytes_behind(const char *header)
{
    enum { MOST = 1000000 };
    size_t most = 0;

    for (const char *p = header; (p = strstr(p, "data_offsets")) != NULL; p++) {
        const char *comma = strpbrk(p, ",]");
        const size_t end = comma != NULL ? (size_t)strtoull(comma + 1, NULL, 10) : 0;
        if (end > most && end <= MOST)
            most = end;
    }
    return most;
}

const char *fuzz_header_file(const uint8_t *bytes, size_t count)
{
    char *header = fuzz_text(bytes, count);
    const size_t size = 8 + count + bytes_behind(header);
    unsigned char *file = mem_zeroed(size, 1);

    little_endian_put(file, 8, count);
    memcpy(file + 8, bytes, count);
    const char *path = fuzz_file(".safetensors", file, size);
    mem_free(file);
    mem_free(header);
    return path;
}

/* ---- texts and sentences ---- */

char *fuzz_text(const uint8_t *bytes, size_t count)
{
    char *text = mem_zeroed(count + 1, 1);

    if (count > 0)
        memcpy(text, bytes, count);
    return text;
}

void fuzz_refused(Error *err)
{
    const size_t length = strlen(err->text);

    TENSOR_CHECK(length > 0, "a refusal without a sentence");
    for (size_t i = 0; i < length; i++)
        TENSOR_CHECK((unsigned char)err->text[i] >= 0x20 && err->text[i] != 0x7F,
                     "byte 0x%02x at %zu of the sentence", (unsigned char)err->text[i], i);
    err->text[0] = '\0';
}
