/* Options, timing and rows of the measuring program. */
#include "experiments/bench/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"

enum { MAX_OWN = 16, WARM_UP = 2 };

bool bench_options(BenchOptions *options, const Command *command, const Option *own, size_t count,
                   int argc, char **argv, int *status)
{
    Option all[MAX_OWN + 1];
    const Option reps = {
        "--reps", OPTION_COUNT, &options->reps, "N",
        1,        1e6,          false,          "calls that are timed, after two that are not"};
    TENSOR_CHECK(count <= MAX_OWN, "%zu options, at most %d", count, (int)MAX_OWN);
    for (size_t i = 0; i < count; i++)
        all[i] = own[i];
    all[count] = reps;
    const OptionsResult r = options_parse(command, all, count + 1, &options->common, argc, argv);
    *status = r == OPTIONS_WRONG ? 2 : 0;
    return r == OPTIONS_OK;
}

bool bench_choice(const char *option, const char *text, const char *const *names, size_t count,
                  size_t *index, Error *err)
{
    char list[100];
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *index = i;
            return true;
        }
        used +=
            (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : "|", names[i]);
        TENSOR_CHECK(used < sizeof list, "%zu names of %s are too long", count, option);
    }
    return error_set(err, "%s %.60s: expected %s", option, text, list);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

BenchTimes bench_time(int64_t reps, void (*body)(void *context), void *context)
{
    TENSOR_CHECK(reps >= 1, "%d repetitions", (int)reps);
    const size_t n = (size_t)reps;
    double *seconds = mem_alloc(n, sizeof *seconds);
    for (int i = 0; i < WARM_UP; i++)
        body(context);
    for (size_t i = 0; i < n; i++) {
        const double start = threads_seconds();
        body(context);
        seconds[i] = threads_seconds() - start;
    }
    qsort(seconds, n, sizeof *seconds, ascending);
    const BenchTimes times = {seconds[0], (seconds[(n - 1) / 2] + seconds[n / 2]) / 2.0};
    mem_free(seconds);
    return times;
}

JsonOut bench_row(const char *name, const size_t *shape, size_t rank)
{
    JsonOut row = jsonout_start_line(stdout);
    jsonout_object(&row, NULL);
    jsonout_string(&row, "name", name);
    jsonout_array(&row, "shape");
    for (size_t i = 0; i < rank; i++)
        jsonout_count(&row, NULL, shape[i]);
    jsonout_end(&row);
    jsonout_count(&row, "threads", (uint64_t)threads_get());
    return row;
}

void bench_row_end(JsonOut *row, BenchTimes times, double flop)
{
    jsonout_number(row, "seconds_min", times.minimum);
    jsonout_number(row, "seconds_median", times.median);
    if (flop > 0.0)
        jsonout_number(row, "gflops", flop * 1e-9 / times.median);
    jsonout_number(row, "peak_rss_mib", (double)platform_peak_memory() / (1024.0 * 1024.0));
    jsonout_end(row);
    fflush(stdout);
}

float *bench_floats(uint64_t seed, size_t n)
{
    Rng rng = rng_root(seed);
    float *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_uniform(&rng) - 0.5f;
    return x;
}
