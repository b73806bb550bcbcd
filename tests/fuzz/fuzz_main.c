/* What libFuzzer calls.  The target is the name under which the program was started, so that one
 * program, under many names, is all of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static const FuzzTarget *target;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *slash = strrchr((*argv)[0], '/');
    const char *name = slash != NULL ? slash + 1 : (*argv)[0];

    (void)argc;
    for (target = fuzz_targets; target->name != NULL; target++)
        if (strcmp(target->name, name) == 0)
            return atexit(fuzz_forget_files);
    fprintf(stderr, "fuzz: no target is called %s\n", name);
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    fuzz_run(target, bytes, count);
    return 0;
}
