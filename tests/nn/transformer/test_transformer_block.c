/* What a transformer's block holds while it is recorded. */
#include <check.h>
#include <string.h>

#include "nn/transformer/block.h"

enum { BATCH = 2, LENGTH = 120, WIDTH = 64, CONDITION = 4 };

/* In sequences of the block's width: q, k, v, the heads' result and the sum; four of the wide layer
 * before the GELU, and the sum; with gates, the two branches that they multiply.  The normalised,
 * the queries and keys before they are turned, the GELU's and the branches before dropout come back
 * when they are asked for.  (A byte an entry for what dropout kept, conditioning, sums: less than
 * one.) */
START_TEST(a_block_holds_what_cannot_come_back)
{
    const Rng streams[BATCH] = {rng_root(1), rng_root(2)};
    const bool gated = _i % 2 != 0, drops = _i / 2 != 0;
    const size_t sequence = BATCH * LENGTH * WIDTH * sizeof(float);
    const BlockShape shape = {WIDTH, 2, CONDITION, gated, false};
    ParamSet set = {0};
    const TransformerBlock block = transformer_block_add(&set, "block", &shape, 0);
    Graph *g = ag_graph_create();
    nn_params_allocate(&set, true);
    transformer_block_init(&block, rng_root(3));
    Tensor x = tensor_make(g->arena, 3, (const size_t[]){BATCH, LENGTH, WIDTH});
    Tensor time = tensor_make2(g->arena, BATCH, CONDITION);
    memset(x.data, 0, tensor_size(&x) * sizeof *x.data);
    memset(time.data, 0, tensor_size(&time) * sizeof *time.data);
    const BlockInput in = {.time = gated ? ag_constant(g, time) : NULL,
                           .dropout = drops ? streams : NULL,
                           .dropout_rate = 0.5};
    Var *sequences = ag_constant(g, x);
    const size_t before = ag_memory_used(g);
    transformer_block(g, &block, sequences, &in);
    const double held = (double)(ag_memory_used(g) - before) / (double)sequence;
    const double want = gated ? 12.0 : 10.0;
    ck_assert_msg(held > want && held < want + 0.95, "%g sequences, expected %g", held, want);
    ag_graph_destroy(g);
    nn_params_free(&set);
}
END_TEST

Suite *transformer_block_suite(void)
{
    Suite *s = suite_create("transformer_block");
    TCase *tc = tcase_create("transformer_block");
    tcase_add_loop_test(tc, a_block_holds_what_cannot_come_back, 0, 4);
    suite_add_tcase(s, tc);
    return s;
}
