/* diffusion/workspace.c: how a batch is cut, and that a step leaves things as it found them. */
#include <check.h>
#include <math.h>

#include "diffusion/workspace.h"

enum { D = 2, S = 3, B = 7 };

/* Every dimension of every sample says t. */
static Var *say_time(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    const size_t shape[] = {in->x->batch, (size_t)D * S};
    float *out = arena_alloc(g->arena, in->x->batch * D * S, sizeof *out);

    (void)d;
    for (size_t i = 0; i < in->x->batch * D * S; i++)
        out[i] = (float)in->t[i / ((size_t)D * S)];
    return ag_constant(g, tensor_view(out, 2, shape));
}

static const Denoiser table = {.head = {&diffusion_softmax, D, S, 1, false, -1},
                               .forward = say_time};
static double times[B] = {0, 1, 2, 3, 4, 5, 6};
static States x;
static Workspace work;
static size_t seen[B + 1][2], blocks, broken; /* broken: the block that says so */

static void set_up(void)
{
    work = diffusion_workspace_create(0);
    x = states_alloc(B, D);
    blocks = 0;
    broken = B + 1;
}

static void tear_down(void)
{
    states_free(&x);
    diffusion_workspace_destroy(&work);
}

static bool note_block(void *context, size_t first, size_t count)
{
    const NetworkInput *in = context;

    ck_assert_uint_eq(arena_used(work.arena), 0);
    arena_alloc(work.arena, 100, 1);
    const Var *v = diffusion_run_rows(&table, work.graph, in, first, count);
    for (size_t i = 0; i < count * D * S; i++) {
        const size_t row = first + i / ((size_t)D * S);
        ck_assert(v->value.data[i] == (float)row);
    }
    seen[blocks][0] = first;
    seen[blocks][1] = count;
    return blocks++ != broken;
}

START_TEST(blocks_follow_each_other)
{
    const size_t block = (size_t)_i, whole = (B + block - 1) / block;
    NetworkInput in = {.x = &x, .t = times};

    ck_assert(diffusion_run_blocks(&work, B, block, note_block, &in));
    ck_assert_uint_eq(blocks, whole);
    for (size_t k = 0; k < blocks; k++) {
        ck_assert_uint_eq(seen[k][0], k * block);
        ck_assert_uint_eq(seen[k][1], k + 1 < whole ? block : B - k * block);
    }
    ck_assert(arena_used(work.arena) == 0 && ag_memory_used(work.graph) == 0);
}
END_TEST

/* What was wrong can still be looked at. */
START_TEST(a_broken_block_is_the_last)
{
    NetworkInput in = {.x = &x, .t = times};

    broken = 1;
    ck_assert(!diffusion_run_blocks(&work, B, 2, note_block, &in));
    ck_assert_uint_eq(blocks, 2);
    ck_assert_uint_gt(ag_memory_used(work.graph), 0);
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_refused)
{
    float out[B * D * S];
    NetworkInput in = {.x = &x, .t = times};

    work.chunk = (size_t)_i;
    ck_assert(diffusion_run_finite(&work, &table, &in, out));
    for (size_t i = 0; i < (size_t)B * D * S; i++) {
        const size_t row = i / ((size_t)D * S);
        ck_assert(out[i] == (float)row);
    }
    times[5] = INFINITY;
    ck_assert(!diffusion_run_finite(&work, &table, &in, out));
    times[5] = 5;
}
END_TEST

START_TEST(a_share_is_a_share)
{
    float dout[] = {8, -2};

    ck_assert(diffusion_take_share(dout, 2, 3, 3) == 1.0 && dout[0] == 8.0f && dout[1] == -2.0f);
    ck_assert(diffusion_take_share(dout, 2, 1, 4) == 0.25 && dout[0] == 2.0f && dout[1] == -0.5f);
}
END_TEST

START_TEST(nothing_is_no_workspace)
{
    Workspace none = {NULL, NULL, 0};

    diffusion_workspace_destroy(&none);
}
END_TEST

Suite *workspace_suite(void)
{
    Suite *s = suite_create("workspace");
    TCase *tc = tcase_create("workspace");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, blocks_follow_each_other, 1, B + 2);
    tcase_add_test(tc, a_broken_block_is_the_last);
    tcase_add_loop_test(tc, numbers_that_are_not_finite_are_refused, 0, 3);
    tcase_add_test(tc, a_share_is_a_share);
    tcase_add_test(tc, nothing_is_no_workspace);
    tcase_set_timeout(tc, 30);
    suite_add_tcase(s, tc);
    return s;
}
