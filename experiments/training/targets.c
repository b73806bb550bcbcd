#include "experiments/training/targets.h"

#include "diffusion/sampler/sampler.h"
#include "experiments/cli/progress.h"
#include "experiments/data/batches.h"

enum { BATCH = 256 };
#define TARGETS_SEED UINT64_C(0x74677473) /* apart from the seeds of samples */

/* Pictures of the data, as a batch of training would have them. */
static void add_data(const Config *c, const Dataset *data, Dataset *to, size_t count)
{
    States x = states_alloc(count, data->dims);
    dataset_batch(data, (uint64_t)c->seed ^ TARGETS_SEED, 0, count, false, &x, NULL);
    dataset_put(to, count, &x);
    states_free(&x);
}

Dataset *targets_draw(const Config *c, const Denoiser *teacher, const Process *p,
                      const Dataset *data, bool quiet, Error *err)
{
    const size_t count = (size_t)c->target_count;
    const bool mixed = c->targets == CONFIG_TARGETS_MIXED;
    ProgressNews news = {.file = stderr, .label = "targets", .quiet = quiet};
    const SampleRequest request = {.model = teacher,
                                   .process = p,
                                   .steps = (size_t)c->target_steps,
                                   .batch = BATCH,
                                   .seed = (uint64_t)c->seed ^ TARGETS_SEED,
                                   .progress = progress_news,
                                   .progress_context = &news};
    States x = states_alloc(count, data->dims);
    const bool ok = diffusion_sample(&request, &x, err);
    Dataset *d = ok ? dataset_like(data, (mixed ? 2 : 1) * count) : NULL;
    progress_destroy(news.progress);
    if (ok)
        dataset_put(d, 0, &x);
    if (ok && mixed)
        add_data(c, data, d, count);
    states_free(&x);
    return d;
}
