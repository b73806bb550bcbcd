/* bench conv2d: 3x3 convolutions, forward and both gradients. */
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"
#include "tensor/conv/conv.h"

typedef struct Convolution {
    ConvShape shape;
    size_t pass; /* index in passes */
    float *x, *w, *y, *bias;
} Convolution;

static const char *const passes[] = {"forward", "data", "weight"};
static const char *const algorithms[] = {"auto", "direct", "winograd", "few"};

static void convolve(void *context)
{
    const Convolution *c = context;
    switch (c->pass) {
    case 0: tensor_conv3x3(c->y, c->x, c->w, c->bias, &c->shape); break;
    case 1: tensor_conv3x3_data_gradient(c->x, c->y, c->w, false, &c->shape); break;
    default: tensor_conv3x3_weight_gradient(c->w, c->bias, c->x, c->y, &c->shape); break;
    }
}

static void measure_conv2d(const Command *self, const ConvShape *s, size_t pass, size_t algorithm,
                           int64_t reps)
{
    static const ConvAlgorithm chosen[] = {CONV_AUTO, CONV_DIRECT, CONV_WINOGRAD, CONV_FEW};
    const size_t outputs = s->batch * tensor_conv_out_height(s) * tensor_conv_out_width(s);
    Convolution c = {.shape = *s, .pass = pass};
    c.x = bench_floats(1, s->batch * s->height * s->width * s->cin);
    c.w = bench_floats(2, 9 * s->cin * s->cout);
    c.y = bench_floats(3, outputs * s->cout);
    c.bias = bench_floats(4, s->cout);
    tensor_conv_choose(chosen[algorithm]);
    const BenchTimes times = bench_time(reps, convolve, &c);
    tensor_conv_choose(CONV_AUTO);
    const size_t shape[] = {s->batch, s->height, s->width, s->cin, s->cout};
    JsonOut row = bench_row(self->name, shape, 5);
    jsonout_string(&row, "pass", passes[pass]);
    jsonout_string(&row, "algo", algorithms[algorithm]);
    jsonout_count(&row, "stride", (uint64_t)s->stride);
    bench_row_end(&row, times, 18.0 * (double)(outputs * s->cin * s->cout));
    mem_free(c.x);
    mem_free(c.w);
    mem_free(c.y);
    mem_free(c.bias);
}

static int run_conv2d(const Command *self, int argc, char **argv)
{
    const char *pass_name = passes[0], *algorithm_name = algorithms[0];
    int64_t b = 0, h = 0, w = 0, cin = 0, cout = 0, stride = 1;
    BenchOptions bench = {.reps = 20};
    const Option options[] = {
        {"B", OPTION_COUNT, &b, NULL, 1, 1e5, true, "pictures"},
        {"H", OPTION_COUNT, &h, NULL, 1, 1e4, true, "rows"},
        {"W", OPTION_COUNT, &w, NULL, 1, 1e4, true, "columns"},
        {"CIN", OPTION_COUNT, &cin, NULL, 1, 1e4, true, "channels of the input"},
        {"COUT", OPTION_COUNT, &cout, NULL, 1, 1e4, true, "channels of the output"},
        {"--pass", OPTION_TEXT, &pass_name, "PASS", 0, 0, false,
         "forward, data (gradient), weight (gradient) (forward)"},
        {"--algo", OPTION_TEXT, &algorithm_name, "NAME", 0, 0, false,
         "auto (as the networks choose), direct, winograd, few (auto)"},
        {"--stride", OPTION_COUNT, &stride, "N", 1, 2, false, "1, or 2 with even H and W (1)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    size_t pass, algorithm;
    Error err;
    if (!bench_choice("--pass", pass_name, passes, 3, &pass, &err) ||
        !bench_choice("--algo", algorithm_name, algorithms, 4, &algorithm, &err))
        return command_fail(self, &err, 2);
    if (stride == 2 && (h % 2 != 0 || w % 2 != 0)) {
        error_set(&err, "--stride 2: expected even H and W, not %d and %d", (int)h, (int)w);
        return command_fail(self, &err, 2);
    }
    const ConvShape shape = {(size_t)b,   (size_t)h,    (size_t)w,
                             (size_t)cin, (size_t)cout, (int)stride};
    measure_conv2d(self, &shape, pass, algorithm, bench.reps);
    return 0;
}

const Command bench_conv2d = {.name = "conv2d",
                              .summary = "Times a 3x3 convolution with padding 1 of pictures (B, "
                                         "H, W, CIN), transforms of the weights "
                                         "counted in.",
                              .example = "bench conv2d 8 32 32 128 128 --pass weight --threads 2",
                              .run = run_conv2d};
