/* The kinds of cases: a new one is a file that defines it, and its name in both lists here. */
#include <string.h>

#include "experiments/verify/verify.h"

extern const VerifyKind verify_process_kind, verify_posterior_kind, verify_head_kind,
    verify_unet_kind, verify_elbo_kind, verify_di4c_kind, verify_train_kind;

static const VerifyKind *const kinds[] = {
    &verify_process_kind, &verify_posterior_kind, &verify_head_kind,  &verify_unet_kind,
    &verify_elbo_kind,    &verify_di4c_kind,      &verify_train_kind,
};

const VerifyKind *verify_kind(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}
