/* bench inception: the network that pictures are compared by, from pictures to features. */
#include "nn/inception/inception.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"

typedef struct Look {
    Inception *net;
    size_t batch, side;
    float *pictures, *features;
} Look;

static void look(void *context)
{
    const Look *l = context;
    inception_features(l->net, l->features, l->pictures, l->batch, l->side, l->side, 3);
}

/* Two operations for each term of each sum of the convolutions, for one picture. */
static double flop_of_a_picture(void)
{
    InceptionLayout *layout = mem_alloc(1, sizeof *layout);
    double flop = 0.0;
    inception_layout(layout);
    for (size_t i = 0; i < layout->count; i++) {
        const InceptionLayer *l = &layout->layers[i];
        const KernelShape *k = &l->kernel;
        if (l->kind == INCEPTION_CONV)
            flop += 2.0 *
                    (double)(kernel_out_height(k, l->height) * kernel_out_width(k, l->width)) *
                    (double)(k->height * k->width * k->cin * k->cout);
    }
    mem_free(layout);
    return flop;
}

static int run_inception(const Command *self, int argc, char **argv)
{
    int64_t batch = INCEPTION_BATCH, side = 32;
    BenchOptions bench = {.reps = 5};
    const Option options[] = {
        {"--batch", OPTION_COUNT, &batch, "B", 1, INCEPTION_BATCH, false, "pictures (16)"},
        {"--side", OPTION_COUNT, &side, "N", 1, 1024, false,
         "their height and width, before they become 299 (32)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    Look l = {.net = inception_random(1), .batch = (size_t)batch, .side = (size_t)side};
    const size_t shape[] = {l.batch, l.side, l.side, 3}, n = l.batch * l.side * l.side * 3;
    l.features = mem_alloc(l.batch * INCEPTION_FEATURES, sizeof *l.features);
    l.pictures = bench_floats(2, n);
    for (size_t i = 0; i < n; i++)
        l.pictures[i] += 0.5f;
    const BenchTimes times = bench_time(bench.reps, look, &l);
    JsonOut row = bench_row(self->name, shape, 4);
    bench_row_end(&row, times, flop_of_a_picture() * (double)batch);
    inception_free(l.net);
    mem_free(l.pictures);
    mem_free(l.features);
    return 0;
}

const Command bench_inception = {
    .name = "inception",
    .summary = "Times the Inception network of the FID with random weights, from pictures with "
               "numbers from 0 to 1\nto their 2,048 features, forward.",
    .example = "bench inception --batch 16 --threads 2",
    .run = run_inception};
