/* Laws of single dimensions: normalisation in double. */
#include "diffusion/head/law.h"

#include <math.h>

#include "tensor/base/check.h"

size_t diffusion_law_numbers(const Head *head)
{
    return head->dims > 0 ? diffusion_head_outputs(head) / head->dims : 0;
}

HeadLaw diffusion_head_constants(const Head *head, const float *out, size_t d)
{
    HeadLaw law = {.head = head, .out = out, .d = d};

    TENSOR_CHECK(d < head->dims, "dimension %zu of %zu", d, head->dims);
    head->class->open(&law);
    return law;
}

HeadLaw diffusion_head_law(const Head *head, const float *out, size_t d, float *p)
{
    HeadLaw law = diffusion_head_constants(head, out, d);
    double total = head->class->masses(&law, p);
    float scale = (float)(1.0 / total);

    TENSOR_CHECK(total != 0.0, "all %zu states have probability 0", head->states);
    law.scale = scale;
    law.level = law.shift + log(total);
#pragma omp simd
    for (size_t a = 0; a < head->states; a++)
        p[a] *= scale;
    return law;
}

void diffusion_law_log_at(const HeadLaw *law, const uint16_t *x, size_t count, float *logp)
{
    double level = law->level;

    for (size_t k = 0; k < count; k++)
        TENSOR_CHECK(x[k] < law->head->states, "state %u of %zu", (unsigned)x[k],
                     law->head->states);
    law->head->class->logits_at(law, x, count, logp);
#pragma omp simd
    for (size_t k = 0; k < count; k++)
        logp[k] = (float)(logp[k] - level);
}

void diffusion_law_pull(const HeadLaw *law, const float *g, float *dout, float *dlevel)
{
    law->head->class->pull(law, dout != NULL ? g : NULL, dout, dlevel);
}

void diffusion_law_pull_at(const HeadLaw *law, const float *dlevel, const uint16_t *x,
                           const float *w, size_t count, float *dout)
{
    for (size_t k = 0; k < count; k++)
        TENSOR_CHECK(x[k] < law->head->states, "state %u of %zu", (unsigned)x[k],
                     law->head->states);
    law->head->class->pull_at(law, dlevel, x, w, count, dout);
}
