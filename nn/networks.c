/* All networks. */
#include <string.h>

#include "nn/network_class.h"
#include "tensor/base/check.h"

extern const NetworkClass nn_unet, nn_mlp, nn_transformer;

static const NetworkClass *const classes[] = {&nn_unet, &nn_mlp, &nn_transformer};
enum { CLASSES = sizeof classes / sizeof *classes };

size_t nn_network_count(void)
{
    return CLASSES;
}

const NetworkClass *nn_network_class(size_t i)
{
    TENSOR_CHECK(i < CLASSES, "network %zu of %d", i, (int)CLASSES);
    return classes[i];
}

const NetworkClass *nn_network_find(const char *name)
{
    for (size_t i = 0; i < CLASSES; i++)
        if (strcmp(name, classes[i]->name) == 0)
            return classes[i];
    return NULL;
}
