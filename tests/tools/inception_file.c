#include "tests/tools/inception_file.h"

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/torch/torch_file.h"
#include "nn/inception/layout.h"
#include "tensor/base/memory.h"

enum { MOST_TENSORS = 5 * INCEPTION_CONVS + 3 };

typedef struct Writing {
    TorchWriter *writer;
    const InceptionDamage *damage;
    float *blocks[MOST_TENSORS]; /* numbers must live until the file is written */
    size_t count;                /* of tensors made so far */
} Writing;

double inception_file_noise(size_t i, size_t t)
{
    uint32_t h = (uint32_t)((i + 1) * UINT64_C(2654435761) + t * UINT64_C(40503));
    h ^= h >> 15;
    h *= UINT32_C(2246822519);
    h ^= h >> 13;
    return (double)(h & 0xFFFF) / 65536 - 0.5;
}

/* offset + scale noise. */
static void put(Writing *w, const char *layer, const char *part, double offset, double scale,
                int rank, const size_t *shape)
{
    const InceptionDamage *d = w->damage;
    char name[64];
    size_t n = 1;
    snprintf(name, sizeof name, "%s.%s", layer, part);
    for (int i = 0; i < rank; i++)
        n *= shape[i];
    const size_t t = w->count++;
    float *values = w->blocks[t] = mem_alloc(n, sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(offset + scale * inception_file_noise(i, t));
    const bool hit = d->tensor != NULL && strcmp(d->tensor, name) == 0;
    if ((hit && d->missing) || (d->most > 0 && t >= d->most))
        return;
    if (hit && d->first)
        values[0] = d->value;
    pickle_put_text(torch_pickle(w->writer), hit && d->renamed ? d->renamed : name);
    if (hit && d->flat)
        torch_put_floats(w->writer, 1, &n, values);
    else
        torch_put_floats(w->writer, rank, shape, values);
}

static void put_conv(Writing *w, const char *name, const KernelShape *k)
{
    const size_t shape[4] = {k->cout, k->cin, k->height, k->width};
    const double fan = (double)(k->cin * k->height * k->width);
    put(w, name, "conv.weight", 0, (double)(float)sqrt(24.0 / fan), 4, shape);
    put(w, name, "bn.weight", 1, 0.5, 1, &k->cout);
    put(w, name, "bn.bias", 0, 0.4, 1, &k->cout);
    put(w, name, "bn.running_mean", 0, 0.4, 1, &k->cout);
    put(w, name, "bn.running_var", 1.2, 0.5, 1, &k->cout);
    if (w->damage->most > 0 && w->count > w->damage->most)
        return;
    char counter[64]; /* PyTorch adds it; it means nothing here */
    snprintf(counter, sizeof counter, "%s.bn.num_batches_tracked", name);
    pickle_put_text(torch_pickle(w->writer), counter);
    pickle_put_integer(torch_pickle(w->writer), 0);
}

void inception_file_write(const char *path, const InceptionDamage *damage)
{
    static const InceptionDamage none;
    static const size_t one = 1, last[2] = {INCEPTION_CLASSES, INCEPTION_FEATURES};
    InceptionLayout *layout = mem_alloc(1, sizeof *layout);
    Writing w = {.writer = torch_writer(), .damage = damage != NULL ? damage : &none};
    Error err = {""};
    inception_layout(layout);
    pickle_open_dict(torch_pickle(w.writer), true);
    for (size_t i = 0; i < layout->count; i++)
        if (layout->layers[i].kind == INCEPTION_CONV &&
            (w.damage->most == 0 || w.count < w.damage->most))
            put_conv(&w, layout->layers[i].name, &layout->layers[i].kernel);
    if (w.damage->most == 0) {
        put(&w, "fc", "weight", 0, 0.2, 2, last);
        put(&w, "fc", "bias", 0, 1, 1, &last[0]);
    }
    if (w.damage->added != NULL) {
        pickle_put_text(torch_pickle(w.writer), w.damage->added);
        torch_put_floats(w.writer, 1, &one, w.blocks[0]);
    }
    pickle_close_dict(torch_pickle(w.writer));
    ck_assert_msg(torch_write(w.writer, path, &err), "%s", err.text);
    torch_writer_free(w.writer);
    for (size_t i = 0; i < w.count; i++)
        mem_free(w.blocks[i]);
    mem_free(layout);
}
