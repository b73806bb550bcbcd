/* Making a text, and freeing it. */
#include "experiments/data/text/text_data.h"

#include "tensor/base/memory.h"

TextData *text_data_create(size_t count, Vocabulary *vocabulary)
{
    TextData *t = mem_zeroed(1, sizeof *t);
    t->symbols = mem_zeroed(count, sizeof *t->symbols);
    t->count = count;
    t->vocabulary = vocabulary;
    return t;
}

void text_data_free(TextData *t)
{
    if (t == NULL)
        return;
    vocabulary_free(t->vocabulary);
    mem_free(t->symbols);
    mem_free(t);
}
