/* bench smoke: does the product run at the speed of this machine?
 *
 * A compiler that leaves the inner loop of the product scalar costs a factor of 20 to 40 and says
 * nothing.  So the product is compared with what the same compiler makes of a loop that multiplies
 * and adds in registers only; under a tenth of that rate, something went wrong.
 *
 * Another process may take a core away at any moment.  So one thread is measured unless --threads
 * says otherwise, in pieces of about a millisecond, shorter than a turn of the scheduler; the
 * fastest of several calls counts; and a failure must repeat. */
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "experiments/bench/peak.h"
#include "tensor/base/memory.h"
#include "tensor/product/gemm.h"
#include "tensor/system/threads.h"

enum { ATTEMPTS = 3 };

typedef struct Square {
    size_t n;
    GemmForm form;
    float *a, *b, *c;
} Square;

static void multiply(void *context)
{
    const Square *s = context;
    tensor_gemm(s->form, s->n, s->n, s->n, 1.0f, s->a, s->n, s->b, s->n, 0.0f, NULL, s->c, s->n);
}

/* Prints a row; false if the product is too slow. */
static bool fast_enough(const Command *self, size_t n, GemmForm form, double peak, int64_t reps)
{
    static const char *const forms[] = {"NN", "NT", "TN", "TT"};
    Square s = {n, form, bench_floats(1, n * n), bench_floats(2, n * n), bench_floats(3, n * n)};
    const BenchTimes times = bench_time(reps, multiply, &s);
    const double flop = 2.0 * (double)(n * n * n), rate = flop * 1e-9 / times.minimum;
    const size_t shape[] = {n, n, n};
    JsonOut row = bench_row(self->name, shape, 3);
    jsonout_string(&row, "trans", forms[form]);
    jsonout_number(&row, "peak_gflops", peak);
    jsonout_number(&row, "share_of_peak", rate / peak);
    bench_row_end(&row, times, flop);
    mem_free(s.a);
    mem_free(s.b);
    mem_free(s.c);
    return times.minimum > 0.0 && rate >= 0.1 * peak;
}

static int run_smoke(const Command *self, int argc, char **argv)
{
    static const struct {
        size_t n;
        GemmForm form;
    } products[] = {
        {512, GEMM_NN}, {512, GEMM_NT}, {512, GEMM_TN}, {512, GEMM_TT}, {1024, GEMM_NN}};
    BenchOptions bench = {.reps = 10};
    int status;
    if (!bench_options(&bench, self, NULL, 0, argc, argv, &status))
        return status;
    if (bench.common.threads == 0)
        threads_set(1);
    double peak = bench_peak(bench.reps);
    for (size_t i = 0; i < sizeof products / sizeof products[0]; i++) {
        int attempt = 1;
        while (!fast_enough(self, products[i].n, products[i].form, peak, bench.reps)) {
            if (attempt++ == ATTEMPTS) {
                Error err;
                error_set(&err, "the product of %zu^3 runs under a tenth of the multiply-add peak",
                          products[i].n);
                return command_fail(self, &err, 1);
            }
            peak = bench_peak(bench.reps);
        }
    }
    return 0;
}

const Command bench_smoke = {.name = "smoke",
                             .summary = "Fails (status 1) if products run under a tenth of this "
                                        "machine's multiply-add rate, as they\n"
                                        "do where the inner loop was compiled without vectors.  "
                                        "One thread unless --threads is given.",
                             .example = "bench smoke",
                             .run = run_smoke};
