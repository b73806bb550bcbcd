/* Readers on made-up input.  A target takes any bytes, gives them to one reader, and stops the
 * program (TENSOR_CHECK) where an answer is not as promised; sanitizers see the rest. */
#ifndef DI4C_TESTS_FUZZ_FUZZ_H
#define DI4C_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

typedef void FuzzFunction(const uint8_t *bytes, size_t count);
typedef struct FuzzTarget {
    const char *name; /* the program that libFuzzer runs, and its folder in tests/corpus/fuzz */
    FuzzFunction *run;
} FuzzTarget;
extern const FuzzTarget fuzz_targets[]; /* ends with name NULL */

/* Runs the target, and checks that all memory is given back. */
void fuzz_run(const FuzzTarget *target, const uint8_t *bytes, size_t count);
/* A file of these bytes, in the folder of temporary files that TMPDIR names, or else the present
 * one; its path stays the same for all files with that end, and lives as long as the program. */
const char *fuzz_file(const char *end, const void *bytes, size_t count);
/* Removes what fuzz_file has made. */
void fuzz_forget_files(void);
/* The bytes as text, ended by a NUL (mem_free). */
char *fuzz_text(const uint8_t *bytes, size_t count);
/* A refusal is a sentence: it says something, on one line, without control characters.  It is taken
 * out of *err, so that the next one cannot pass for it. */
void fuzz_refused(Error *err);
/* A .safetensors file whose header is these bytes, with as many zeros behind it as its last offsets
 * ask for, up to a million; path as of fuzz_file.  So that a header can be made up without minding
 * its length. */
const char *fuzz_header_file(const uint8_t *bytes, size_t count);

FuzzFunction fuzz_idx, fuzz_cifar10, fuzz_text_data, fuzz_tokens;
FuzzFunction fuzz_npy, fuzz_npy_pictures, fuzz_npz, fuzz_safetensors, fuzz_header;
FuzzFunction fuzz_torch, fuzz_legacy, fuzz_pickle, fuzz_zip;
FuzzFunction fuzz_csv, fuzz_csv_plain, fuzz_rates, fuzz_world;
FuzzFunction fuzz_png, fuzz_inflate;
FuzzFunction fuzz_json, fuzz_vocabulary, fuzz_template;
FuzzFunction fuzz_settings, fuzz_options;
FuzzFunction fuzz_model, fuzz_statistics, fuzz_note;

#endif
