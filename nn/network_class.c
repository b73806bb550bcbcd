/* A class's own settings by name. */
#include "nn/network_class.h"

#include "tensor/base/check.h"

double *nn_network_own(NetworkConfig *c, const char *setting)
{
    const NetworkClass *class = c->class;
    const size_t place = setting_place(class->settings, class->setting_count, setting);
    size_t at = 0;
    TENSOR_CHECK(place < class->setting_count, "%s has no setting %s", class->name, setting);
    for (size_t i = 0; i < place; i++)
        at += setting_slots(&class->settings[i]);
    TENSOR_CHECK(at + setting_slots(&class->settings[place]) <= NETWORK_SLOTS_MAX,
                 "the settings of %s take more than %d numbers", class->name,
                 (int)NETWORK_SLOTS_MAX);
    return c->own + at;
}
