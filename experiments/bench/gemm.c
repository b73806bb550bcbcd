/* bench gemm: matrix products. */
#include "tensor/product/gemm.h"
#include "experiments/bench/bench.h"
#include "experiments/bench/commands.h"
#include "tensor/base/memory.h"

typedef struct Product {
    GemmForm form;
    size_t m, n, k;
    float *a, *b, *c;
} Product;

static void multiply(void *context)
{
    const Product *p = context;
    const bool ta = p->form == GEMM_TN || p->form == GEMM_TT;
    const bool tb = p->form == GEMM_NT || p->form == GEMM_TT;
    tensor_gemm(p->form, p->m, p->n, p->k, 1.0f, p->a, ta ? p->m : p->k, p->b, tb ? p->k : p->n,
                0.0f, NULL, p->c, p->n);
}

static int run_gemm(const Command *self, int argc, char **argv)
{
    static const char *const forms[] = {"NN", "NT", "TN", "TT"}; /* in the order of GemmForm */
    const char *trans = forms[0];
    int64_t m = 0, n = 0, k = 0;
    BenchOptions bench = {.reps = 20};
    const Option options[] = {
        {"M", OPTION_COUNT, &m, NULL, 1, 1e6, true, "rows of C"},
        {"N", OPTION_COUNT, &n, NULL, 1, 1e6, true, "columns of C"},
        {"K", OPTION_COUNT, &k, NULL, 1, 1e6, true, "terms of each sum"},
        {"--trans", OPTION_TEXT, &trans, "NN|NT|TN|TT", 0, 0, false,
         "which operands are stored transposed (NN)"},
    };
    int status;
    if (!bench_options(&bench, self, options, sizeof options / sizeof options[0], argc, argv,
                       &status))
        return status;
    size_t form;
    Error err;
    if (!bench_choice("--trans", trans, forms, 4, &form, &err))
        return command_fail(self, &err, 2);
    Product p = {.form = (GemmForm)form, .m = (size_t)m, .n = (size_t)n, .k = (size_t)k};
    p.a = bench_floats(1, p.m * p.k);
    p.b = bench_floats(2, p.k * p.n);
    p.c = bench_floats(3, p.m * p.n);
    const BenchTimes times = bench_time(bench.reps, multiply, &p);
    const size_t shape[] = {p.m, p.n, p.k};
    JsonOut row = bench_row(self->name, shape, 3);
    jsonout_string(&row, "trans", trans);
    bench_row_end(&row, times, 2.0 * (double)m * (double)n * (double)k);
    mem_free(p.a);
    mem_free(p.b);
    mem_free(p.c);
    return 0;
}

const Command bench_gemm = {
    .name = "gemm",
    .summary = "Times a matrix product C (M, N) = op(A) op(B), op(A) (M, K), in float32.",
    .example = "bench gemm 1024 1024 1024 --trans NT --threads 2",
    .run = run_gemm};
