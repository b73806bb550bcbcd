/* An epoch's permutation is drawn when it is first asked for, and kept until another one is. */
#include "experiments/data/order.h"

#include <stdbool.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

/* Name of the stream drawn from here. */
#define ORDER_STREAM UINT64_C(0xDA7A0002)

struct DatasetOrder {
    uint32_t *permutation; /* (count) */
    size_t count;          /* 0: none yet */
    uint64_t seed, epoch;
};

DatasetOrder *dataset_order_create(void)
{
    return mem_zeroed(1, sizeof(DatasetOrder));
}

void dataset_order_destroy(DatasetOrder *o)
{
    if (o == NULL)
        return;
    mem_free(o->permutation);
    mem_free(o);
}

static void permute(DatasetOrder *o, size_t count, uint64_t seed, uint64_t epoch)
{
    Rng rng = rng_child(rng_child(rng_root(seed), ORDER_STREAM), epoch);

    if (o->count != count) {
        mem_free(o->permutation);
        o->permutation = mem_alloc(count, sizeof *o->permutation);
    }
    rng_permutation(&rng, o->permutation, count);
    o->count = count;
    o->seed = seed;
    o->epoch = epoch;
}

size_t dataset_order_at(DatasetOrder *o, size_t count, uint64_t seed, uint64_t position)
{
    TENSOR_CHECK(count > 0, "position %llu of no pictures", (unsigned long long)position);
    const uint64_t epoch = position / count;
    if (o->count != count || o->seed != seed || o->epoch != epoch)
        permute(o, count, seed, epoch);
    return o->permutation[position % count];
}
