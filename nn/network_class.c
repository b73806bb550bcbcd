/* A class's own settings by name. */
#include "nn/network_class.h"

#include <string.h>

#include "tensor/base/check.h"

double *nn_network_own(NetworkConfig *c, const char *setting)
{
    size_t at = 0, i = 0;
    while (i < c->class->setting_count && strcmp(c->class->settings[i].name, setting) != 0)
        at += setting_slots(&c->class->settings[i++]);
    TENSOR_CHECK(i < c->class->setting_count && at < NETWORK_SLOTS_MAX, "%s has no setting %s",
                 c->class->name, setting);
    return c->own + at;
}
