/* The loop over the dimensions of a batch; what is done to one is the head's own. */
#include "diffusion/head/sharpen.h"

#include "tensor/base/check.h"
#include "tensor/system/cut.h"

bool diffusion_sharpening_wanted(const Sharpening *s)
{
    return (s->temperature != 0.0 && s->temperature != 1.0) || (s->top_p != 0.0 && s->top_p != 1.0);
}

bool diffusion_sharpening_check(const Sharpening *s, const Head *head, Error *err)
{
    if (!(s->temperature >= 0.0 && s->temperature <= 100.0))
        return error_set(err, "temperature %g: expected more than 0 and at most 100",
                         s->temperature);
    if (!(s->top_p >= 0.0 && s->top_p <= 1.0))
        return error_set(err, "top-p %g: expected more than 0 and at most 1", s->top_p);
    if (diffusion_sharpening_wanted(s) && head->class->sharpen == NULL)
        return error_set(err, "temperature and top-p: not for the head %s, expected a softmax",
                         head->class->name);
    return true;
}

typedef struct Batch {
    const Head *head;
    const Sharpening *s;
    const States *x;
    float *out;
    size_t outputs;
} Batch;

static void sharpen_sample(size_t b, void *context)
{
    const Batch *batch = context;
    const Head *head = batch->head;
    const size_t numbers = batch->outputs / head->dims;

    for (size_t d = 0; d < head->dims; d++)
        if (!diffusion_head_known(head, states_row(batch->x, b), d))
            head->class->sharpen(head, batch->s, batch->out + b * batch->outputs + d * numbers);
}

void diffusion_head_sharpen(const Head *head, const Sharpening *s, const States *x, float *out)
{
    Batch batch = {head, s, x, out, diffusion_head_outputs(head)};

    TENSOR_CHECK(x->dims == head->dims, "x (%zu, %zu), head of %zu dimensions", x->batch, x->dims,
                 head->dims);
    TENSOR_CHECK(head->class->sharpen != NULL, "head %s cannot be sharpened", head->class->name);
    cut_run(x->batch, sharpen_sample, &batch,
            x->batch * head->dims * head->states < CUT_SERIAL_DRAWS);
}
