/* What a head says of itself. */
#include "diffusion/head/head.h"

#include "tensor/base/check.h"

size_t diffusion_head_outputs(const Head *head)
{
    return head->class->outputs(head);
}

bool diffusion_head_known(const Head *head, const uint16_t *x, size_t d)
{
    if (head->mask < 0)
        return false;
    TENSOR_CHECK(x != NULL, "a head with mask %d needs the noised states", head->mask);
    return x[d] != head->mask;
}
