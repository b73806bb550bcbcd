/* Files and configurations small enough for tests. */
#ifndef DI4C_PLAIN_C
#define _POSIX_C_SOURCE 200809L /* chmod, getcwd */
#endif
#include "tests/tools/toys.h"
#include "experiments/data/datasets.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DI4C_PLAIN_C
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "experiments/model/presets.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"

enum { NAMES = 64, NAME = 160 };
static char folder[64], names[NAMES][NAME];
static size_t used;

void toys_set_up(const char *name)
{
    snprintf(folder, sizeof folder, "%s", name);
    used = 0;
    threads_set(1); /* toys are too small for more, and idle threads would only spin */
    toys_make_folder(folder);
}

/* Plain C makes no folders: there the shell that started the tests does. */
void toys_make_folder(const char *path)
{
    Error err;
    char line[200];
    if (platform_make_folder(path, &err))
        return;
#ifdef _WIN32 /* whose mkdir makes those above, and takes a slash for an option */
    snprintf(line, sizeof line, "mkdir %s", path);
    for (char *c = line; *c; c++)
        if (*c == '/')
            *c = '\\';
#else
    snprintf(line, sizeof line, "mkdir -p %s", path);
#endif
    ck_assert_msg(system(line) == 0, "%s", err.text);
}

void toys_tear_down(void)
{
    while (used > 0)
        remove(names[--used]);
    remove(folder);
}

const char *toy_folder(void)
{
    return folder;
}

const char *toy(const char *name)
{
    char path[NAME];
    ck_assert_int_lt(snprintf(path, sizeof path, "%s/%s", folder, name), NAME);
    for (size_t i = 0; i < used; i++)
        if (strcmp(names[i], path) == 0)
            return names[i];
    ck_assert_uint_lt(used, NAMES);
    remove(path); /* left over by a test that failed */
    strcpy(names[used], path);
    return names[used++];
}

void toy_write(const char *path, const void *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_uint_eq(fwrite(bytes, 1, count, f), count);
    ck_assert_int_eq(fclose(f), 0);
}

void toy_text(const char *path, const char *text)
{
    toy_write(path, text, strlen(text));
}

#ifndef DI4C_PLAIN_C
void toy_script(const char *path, const char *text)
{
    toy_text(path, text);
    ck_assert_int_eq(chmod(path, 0755), 0);
}

void toy_program(const char *path)
{
    const char *program = getenv("DI4C_RUN_TESTS");
    char text[1000], here[400];
    ck_assert(program != NULL && getcwd(here, sizeof here) != NULL);
    snprintf(text, sizeof text, "#!/bin/sh\nexec '%s%s%s' --program \"$@\"\n",
             program[0] == '/' ? "" : here, program[0] == '/' ? "" : "/", program);
    toy_script(path, text);
}
#endif

char *toy_read(const char *path, size_t *count)
{
    if (!platform_file_size(path, count))
        return NULL;
    FILE *f = fopen(path, "rb");
    char *bytes = mem_zeroed(*count + 1, 1);
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(bytes, 1, *count, f), *count);
    fclose(f);
    return bytes;
}

bool toy_same(const char *a, const char *b)
{
    size_t n = 0, m = 0;
    char *x = toy_read(a, &n), *y = toy_read(b, &m);
    const bool same = x && y && n == m && memcmp(x, y, n) == 0;
    mem_free(x);
    mem_free(y);
    return same;
}

static void put32(unsigned char *p, size_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void write_split(const char *pictures, const char *labels, size_t count, size_t side,
                        unsigned seed)
{
    const size_t size = 16 + count * side * side;
    unsigned char *bytes = mem_zeroed(size, 1), *label = mem_zeroed(8 + count, 1);
    Rng rng = rng_root(seed);
    put32(bytes, 0x803);
    put32(bytes + 4, count);
    put32(bytes + 8, side);
    put32(bytes + 12, side);
    put32(label, 0x801);
    put32(label + 4, count);
    for (size_t i = 0; i < count; i++) {
        label[8 + i] = (unsigned char)(i % 3);
        for (size_t p = 0; p < side * side; p++)
            bytes[16 + i * side * side + p] =
                (unsigned char)(90.0 * (double)(i % 3) + 60.0 * rng_uniform(&rng));
    }
    toy_write(pictures, bytes, size);
    toy_write(labels, label, 8 + count);
    mem_free(label);
    mem_free(bytes);
}

const char *toy_mnist(size_t count, size_t side, unsigned seed)
{
    return toy_mnist_split(count, side, count, side, seed);
}

const char *toy_mnist_split(size_t count, size_t side, size_t test_count, size_t test_side,
                            unsigned seed)
{
    static char spec[80];
    write_split(toy("train-images-idx3-ubyte"), toy("train-labels-idx1-ubyte"), count, side, seed);
    write_split(toy("t10k-images-idx3-ubyte"), toy("t10k-labels-idx1-ubyte"), test_count, test_side,
                seed + 1000);
    snprintf(spec, sizeof spec, "mnist:%s", folder);
    return spec;
}

Dataset *toy_open(const char *spec, bool test_split)
{
    const DatasetOptions options = dataset_defaults();
    Error err;
    Dataset *d = dataset_open(spec, test_split, &options, &err);
    ck_assert_msg(d != NULL, "%s", err.text);
    return d;
}

void toy_set(Config *c, const char *key, const char *value)
{
    Error err = {""};
    ck_assert_msg(config_set(c, key, value, "test", &err), "%s", err.text);
}

Config toy_unet_config(int ch, int mult)
{
    Config c;
    char widths[16];
    config_defaults(&c);
    c.height = c.width = 4;
    c.channels = 1;
    c.states = 5;
    config_put(&c, "ch", ch);
    config_put(&c, "res_blocks", 1);
    snprintf(widths, sizeof widths, "1,%d", mult);
    toy_set(&c, "ch_mult", widths);
    return c;
}

Config toy_config(ConfigRole role, int64_t steps)
{
    Config c;
    Error err;
    ck_assert_msg(config_preset(&c, "glyphs-published", role, &err), "%s", err.text);
    config_put(&c, "mlp_width", 16);
    config_put(&c, "mlp_blocks", 1);
    c.batch = 8;
    c.lambdas = 3;
    c.warmup = 2;
    c.steps = steps;
    return c;
}

Config toy_fitted_config(int64_t steps)
{
    Config c = toy_config(ROLE_STUDENT, steps);
    c.objective = CONFIG_OBJECTIVE_VARIATIONAL;
    c.lambda_input = CONFIG_LAMBDA_NUMBERS;
    c.lambda_scope = 1;
    c.lambda_law = LAMBDA_MIXTURE;
    c.lambda_dims = 2;
    c.prior_components = 3;
    c.prior_covariance = PRIOR_FULL;
    return c;
}
