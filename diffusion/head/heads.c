/* All heads. */
#include <string.h>

#include "diffusion/head/head.h"
#include "tensor/base/check.h"

static const HeadClass *const classes[] = {&diffusion_softmax, &diffusion_logistic};
enum { CLASSES = sizeof classes / sizeof *classes };

size_t diffusion_head_count(void)
{
    return CLASSES;
}

const HeadClass *diffusion_head_class(size_t i)
{
    TENSOR_CHECK(i < CLASSES, "head %zu of %d", i, (int)CLASSES);
    return classes[i];
}

const HeadClass *diffusion_head_find(const char *name)
{
    for (size_t i = 0; i < CLASSES; i++)
        if (strcmp(name, classes[i]->name) == 0)
            return classes[i];
    return NULL;
}
