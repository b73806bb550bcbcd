#include "tensor/base/version.h"

int version_api(void)
{
    return DI4C_API;
}

const char *version_release(void)
{
    return DI4C_VERSION;
}
