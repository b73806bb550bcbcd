/* Making a data set, and freeing what it holds. */
#include "experiments/data/dataset.h"

#include "tensor/base/memory.h"

Dataset *dataset_create(const char *name)
{
    Dataset *d = mem_zeroed(1, sizeof *d);

    d->name = mem_string(name);
    d->order = dataset_order_create();
    return d;
}

Dataset *dataset_like(const Dataset *d, size_t count)
{
    Dataset *like = dataset_create(d->name);

    like->count = count;
    like->height = d->height;
    like->width = d->width;
    like->channels = d->channels;
    like->dims = d->dims;
    like->states = d->states;
    if (d->text != NULL) {
        like->text = text_data_create(count * d->dims, vocabulary_copy(d->text->vocabulary));
        like->text->in_rows = true;
    } else {
        like->data = mem_zeroed(count, d->dims);
    }
    return like;
}

void dataset_without_labels(Dataset *d, const char *sentence)
{
    mem_free(d->labels);
    mem_free(d->no_labels);
    d->labels = NULL;
    d->classes = 0;
    d->no_labels = mem_string(sentence);
}

void dataset_close(Dataset *d)
{
    if (d == NULL)
        return;
    law_destroy(d->law);
    dataset_order_destroy(d->order);
    text_data_free(d->text);
    mem_free(d->labels);
    mem_free(d->no_labels);
    mem_free(d->data);
    mem_free(d->name);
    mem_free(d);
}
