/* What the tests of the program share: a folder of their own, tiny labelled pictures on disk, tiny
 * configurations.  Each test runs in a child process with fixtures toys_set_up and toys_tear_down.
 */
#ifndef DI4C_TESTS_TOOLS_TOYS_H
#define DI4C_TESTS_TOOLS_TOYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "experiments/data/dataset.h"
#include "experiments/model/config.h"

/* Makes the empty folder `name` (removed again by toys_tear_down, with the files named by toy). */
void toys_set_up(const char *name);
void toys_tear_down(void);
/* Makes a folder with those above it, or fails the test. */
void toys_make_folder(const char *path);
const char *toy_folder(void);
/* "FOLDER/name"; lives as long as the test.  A file of that name is removed at the first call. */
const char *toy(const char *name);

void toy_write(const char *path, const void *bytes, size_t count);
void toy_text(const char *path, const char *text);
/* The file's bytes and a NUL (mem_free); NULL if it is not there. */
char *toy_read(const char *path, size_t *count);
bool toy_same(const char *a, const char *b); /* both there, with equal bytes */

#ifndef DI4C_PLAIN_C
/* A file that the system runs, such as a script of "#!/bin/sh"; and one that is the program di4c
 * (this one), from whatever folder it is called. */
void toy_script(const char *path, const char *text);
void toy_program(const char *path);
#endif

/* Four idx files of `count` pictures side x side in the toy folder, train and test alike: label i
 * mod 3 shows as brightness.  Returns "mnist:FOLDER". */
const char *toy_mnist(size_t count, size_t side, unsigned seed);
/* The same with other pictures to test with. */
const char *toy_mnist_split(size_t count, size_t side, size_t test_count, size_t test_side,
                            unsigned seed);
Dataset *toy_open(const char *spec, bool test_split);

/* config_set, which must succeed. */
void toy_set(Config *c, const char *key, const char *value);
/* The published kind of U-Net on 4x4 pictures of 5 levels: ch channels, one block at each of two
 * scales, the second `mult` times as wide. */
Config toy_unet_config(int ch, int mult);
/* glyphs, MLP of width 16, batches of 8, `steps` steps. */
Config toy_config(ConfigRole role, int64_t steps);
/* The same for a student with a recognition network, one lambda of two numbers for a sample, and a
 * law of three Gaussians with full covariances that is fitted to it. */
Config toy_fitted_config(int64_t steps);

#endif
