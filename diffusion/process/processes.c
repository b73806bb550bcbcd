/* All forward processes. */
#include <string.h>

#include "diffusion/process/process.h"
#include "tensor/base/check.h"

extern const ProcessClass diffusion_uniform, diffusion_absorbing, diffusion_birth_death,
    diffusion_gaussian, diffusion_matrix;

static const ProcessClass *const classes[] = {&diffusion_uniform, &diffusion_absorbing,
                                              &diffusion_birth_death, &diffusion_gaussian,
                                              &diffusion_matrix};
enum { CLASSES = sizeof classes / sizeof *classes };

size_t diffusion_process_count(void)
{
    return CLASSES;
}

const ProcessClass *diffusion_process_class(size_t i)
{
    TENSOR_CHECK(i < CLASSES, "process %zu of %d", i, (int)CLASSES);
    return classes[i];
}

const ProcessClass *diffusion_process_find(const char *name)
{
    for (size_t i = 0; i < CLASSES; i++)
        if (strcmp(name, classes[i]->name) == 0)
            return classes[i];
    return NULL;
}
