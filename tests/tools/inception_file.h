/* Weights of the Inception network by a formula, in a file as torch.save writes it, whole or
 * damaged.  The same formula in PyTorch gave the features that test_inception.c holds. */
#ifndef DI4C_TESTS_TOOLS_INCEPTION_FILE_H
#define DI4C_TESTS_TOOLS_INCEPTION_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* What is to be wrong with one tensor; all of it may be left out. */
typedef struct InceptionDamage {
    const char *tensor;  /* its name */
    const char *renamed; /* this name in place of it */
    bool missing;        /* left out */
    bool flat;           /* of rank 1 */
    bool first;          /* its first number becomes `value` */
    float value;
    size_t most;       /* so many tensors at the most are written; 0: all */
    const char *added; /* one more tensor at the end */
} InceptionDamage;

/* Must succeed.  damage may be NULL. */
void inception_file_write(const char *path, const InceptionDamage *damage);
/* Number i of tensor t: from -1/2 to 1/2. */
double inception_file_noise(size_t i, size_t t);

#endif
