/* Checkpoints of a small hand-made network: round trips, refusals by name, resuming bit for bit. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/checkpoint.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const char path[] = "test-checkpoint.tmp";

typedef enum ToyKind { TOY_TEACHER, TOY_STUDENT, TOY_WIDER } ToyKind;

static void toy_destroy(Network *net)
{
    nn_params_free(&net->params);
    mem_free(net);
}

/* One parameter of each layout; the student has one more, the wider one another shape. */
static Network *toy(ToyKind kind, uint64_t seed)
{
    Network *net = mem_zeroed(1, sizeof *net);
    size_t wide = kind == TOY_WIDER ? 4 : 3;
    net->kind = "toy";
    net->destroy = toy_destroy;
    nn_param_add(&net->params, "conv.weight", PARAM_CONV, 4, (size_t[]){3, 3, 2, 5});
    nn_param_add(&net->params, "a.linear.weight", PARAM_LINEAR, 2, (size_t[]){wide, 4});
    nn_param_add(&net->params, "bias", PARAM_PLAIN, 1, (size_t[]){5});
    if (kind == TOY_STUDENT)
        nn_param_add(&net->params, "lemb_modules.0.weight", PARAM_LINEAR, 2, (size_t[]){2, 2});
    nn_params_allocate(&net->params, true);
    Rng rng = rng_root(seed);
    for (size_t i = 0; i < net->params.total; i++)
        net->params.values[i] = (float)rng_normal(&rng);
    return net;
}

static void remove_file(void)
{
    remove(path);
}

static void write_checkpoint(const Network *net, const Optimizer *o)
{
    Error err = {""};
    MetaEntry meta[] = {{"seed", "5"}};
    ck_assert_msg(nn_checkpoint_write(path, net, o, meta, 1, &err), "%s", err.text);
}

static SafetensorsFile *open_file(void)
{
    Error err = {""};
    SafetensorsFile *f = safetensors_read(path, &err);
    ck_assert_msg(f != NULL, "%s", err.text);
    return f;
}

static void steps(Network *net, Optimizer *o, uint64_t first, uint64_t count)
{
    for (uint64_t s = first; s < first + count; s++) {
        Rng rng = rng_child(rng_root(3), s);
        for (size_t i = 0; i < net->params.total; i++)
            net->params.grads[i] = (float)rng_normal(&rng);
        nn_optimizer_step(o);
    }
}

static OptimizerConfig quick(void)
{
    OptimizerConfig c = nn_optimizer_defaults();
    c.lr = 0.01;
    c.warmup = 4;
    return c;
}

START_TEST(round_trip)
{
    OptimizerConfig c = quick();
    Network *net = toy(TOY_STUDENT, 1), *raw = toy(TOY_STUDENT, 2), *averaged = toy(TOY_STUDENT, 3);
    Optimizer *o = nn_optimizer_create(&c, &net->params);
    Error err = {""};
    size_t bytes = net->params.total * sizeof(float);
    steps(net, o, 0, 5);
    write_checkpoint(net, o);
    SafetensorsFile *f = open_file();
    ck_assert_str_eq(safetensors_meta(f, "format"), "di4c-1");
    ck_assert_str_eq(safetensors_meta(f, "step"), "5");
    ck_assert_str_eq(safetensors_meta(f, "seed"), "5");
    ck_assert_uint_eq(f->tensor_count, 16);
    const FileTensor *t = safetensors_find(f, "adam.v.conv.weight");
    ck_assert(t != NULL && t->rank == 4 && t->shape[0] == 5);
    ck_assert(t->shape[1] == 2 && t->shape[3] == 3);
    ck_assert_msg(nn_checkpoint_load(f, raw, WEIGHTS_RAW, &err), "%s", err.text);
    ck_assert_msg(nn_checkpoint_load(f, averaged, WEIGHTS_AVERAGED, &err), "%s", err.text);
    ck_assert_mem_eq(raw->params.values, net->params.values, bytes);
    ck_assert_mem_eq(averaged->params.values, o->ema, bytes);
    ck_assert_mem_ne(averaged->params.values, net->params.values, bytes);
    safetensors_free(f);
    nn_optimizer_destroy(o);
    net->destroy(net);
    raw->destroy(raw);
    averaged->destroy(averaged);
}
END_TEST

START_TEST(files_hold_the_layout_of_pytorch)
{
    Network *net = toy(TOY_TEACHER, 1);
    Error err = {""};
    float file[90];
    write_checkpoint(net, NULL);
    SafetensorsFile *f = open_file();
    ck_assert_ptr_null(safetensors_meta(f, "step"));
    ck_assert_uint_eq(f->tensor_count, 3);
    const Param *p = nn_param_find(&net->params, "conv.weight");
    ck_assert(safetensors_floats(safetensors_find(f, "net.conv.weight"), file, path, &err));
    for (size_t o = 0; o < 5; o++)
        for (size_t i = 0; i < 2; i++)
            for (size_t k = 0; k < 9; k++)
                ck_assert(file[(o * 2 + i) * 9 + k] == p->value.data[(k * 2 + i) * 5 + o]);
    /* without averages in the file, averaged weights are the raw ones */
    Network *other = toy(TOY_TEACHER, 2);
    ck_assert(nn_checkpoint_load(f, other, WEIGHTS_AVERAGED, &err));
    ck_assert_mem_eq(other->params.values, net->params.values, net->params.total * sizeof(float));
    safetensors_free(f);
    net->destroy(net);
    other->destroy(other);
}
END_TEST

static void expect_refusal(ToyKind from, ToyKind into, const char *piece)
{
    Network *a = toy(from, 1), *b = toy(into, 2), *copy = toy(into, 2);
    Error err = {""};
    write_checkpoint(a, NULL);
    SafetensorsFile *f = open_file();
    ck_assert(!nn_checkpoint_load(f, b, WEIGHTS_RAW, &err));
    ck_assert_msg(strstr(err.text, piece) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, path) != NULL, "%s", err.text);
    ck_assert_mem_eq(b->params.values, copy->params.values, copy->params.total * sizeof(float));
    safetensors_free(f);
    a->destroy(a);
    b->destroy(b);
    copy->destroy(copy);
}

START_TEST(other_networks_are_refused)
{
    expect_refusal(TOY_WIDER, TOY_TEACHER,
                   "\"net.a.linear.weight\": expected shape (4, 3), found (4, 4)");
    expect_refusal(TOY_TEACHER, TOY_STUDENT,
                   "expected a tensor \"net.lemb_modules.0.weight\" of "
                   "shape (2, 2), found none");
    expect_refusal(TOY_STUDENT, TOY_TEACHER, "\"net.lemb_modules.0.weight\": expected only the 3");
}
END_TEST

START_TEST(weights_that_are_not_numbers_are_refused)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        Network *net = toy(TOY_TEACHER, 1), *other = toy(TOY_TEACHER, 2);
        Error err = {""};
        nn_param_find(&net->params, "bias")->value.data[3] = bad[i];
        write_checkpoint(net, NULL);
        SafetensorsFile *f = open_file();
        ck_assert(!nn_checkpoint_load(f, other, WEIGHTS_RAW, &err));
        ck_assert_msg(strstr(err.text, "\"net.bias\": expected finite numbers, entry 3") != NULL,
                      "%s", err.text);
        safetensors_free(f);
        net->destroy(net);
        other->destroy(other);
    }
}
END_TEST

START_TEST(resuming_gives_the_same_bits)
{
    OptimizerConfig c = quick();
    Network *straight = toy(TOY_STUDENT, 1), *resumed = toy(TOY_STUDENT, 9);
    Optimizer *o = nn_optimizer_create(&c, &straight->params);
    Optimizer *again = nn_optimizer_create(&c, &resumed->params);
    Error err = {""};
    size_t bytes = straight->params.total * sizeof(float);
    steps(straight, o, 0, 3);
    write_checkpoint(straight, o);
    steps(straight, o, 3, 4);
    SafetensorsFile *f = open_file();
    ck_assert(nn_checkpoint_load(f, resumed, WEIGHTS_RAW, &err));
    ck_assert_msg(nn_checkpoint_resume(f, resumed, again, &err), "%s", err.text);
    ck_assert(again->steps == 3);
    steps(resumed, again, 3, 4);
    ck_assert(again->steps == 7);
    ck_assert_mem_eq(resumed->params.values, straight->params.values, bytes);
    ck_assert_mem_eq(again->ema, o->ema, bytes);
    ck_assert_mem_eq(again->m, o->m, bytes);
    ck_assert_mem_eq(again->v, o->v, bytes);
    safetensors_free(f);
    nn_optimizer_destroy(o);
    nn_optimizer_destroy(again);
    straight->destroy(straight);
    resumed->destroy(resumed);
}
END_TEST

START_TEST(resuming_needs_the_optimiser)
{
    OptimizerConfig c = quick();
    Network *net = toy(TOY_TEACHER, 1);
    Optimizer *o = nn_optimizer_create(&c, &net->params);
    Error err = {""};
    write_checkpoint(net, NULL);
    SafetensorsFile *f = open_file();
    ck_assert(!nn_checkpoint_resume(f, net, o, &err));
    ck_assert_msg(strstr(err.text, "expected step") != NULL, "%s", err.text);
    safetensors_free(f);
    for (uint64_t steps = 999999999999999999; steps <= 1000000000000000000; steps++) {
        o->steps = steps; /* 18 digits, then 19 */
        write_checkpoint(net, o);
        f = open_file();
        ck_assert(nn_checkpoint_resume(f, net, o, &err) == (steps < 1000000000000000000));
        safetensors_free(f);
    }
    ck_assert_msg(strstr(err.text, "expected step to be a whole number") != NULL, "%s", err.text);
    o->steps = 5;
    o->v[2] = -1;
    write_checkpoint(net, o);
    f = open_file();
    o->steps = 77;
    ck_assert(!nn_checkpoint_resume(f, net, o, &err));
    ck_assert_msg(strstr(err.text, "adam.v") != NULL, "%s", err.text);
    ck_assert(o->steps == 77);
    safetensors_free(f);
    nn_optimizer_destroy(o);
    net->destroy(net);
}
END_TEST

START_TEST(files_of_another_format_are_refused)
{
    Network *net = toy(TOY_TEACHER, 1);
    Error err = {""};
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add_meta(w, "format", "di4c-2");
    ck_assert(safetensors_write(w, path, &err));
    safetensors_writer_free(w);
    SafetensorsFile *f = open_file();
    ck_assert(!nn_checkpoint_load(f, net, WEIGHTS_RAW, &err));
    ck_assert_msg(strstr(err.text, "expected format \"di4c-1\", found di4c-2") != NULL, "%s",
                  err.text);
    safetensors_free(f);
    net->destroy(net);
}
END_TEST

START_TEST(equal_weights_have_equal_hashes)
{
    Network *a = toy(TOY_TEACHER, 1), *b = toy(TOY_TEACHER, 1);
    char first[65], second[65];
    nn_weights_hash(a, first);
    nn_weights_hash(b, second);
    ck_assert_str_eq(first, second);
    b->params.values[10] = nextafterf(b->params.values[10], 9);
    nn_weights_hash(b, second);
    ck_assert_str_ne(first, second);
    a->destroy(a);
    b->destroy(b);
}
END_TEST

/* The file's weights have the hash that they have in memory; what is not to be loaded has none. */
START_TEST(hashes_straight_from_a_file)
{
    const OptimizerConfig c = quick();
    Network *net = toy(TOY_STUDENT, 1), *averaged = toy(TOY_STUDENT, 2);
    Optimizer *o = nn_optimizer_create(&c, &net->params);
    Error err = {""};
    char memory[65], file[65];
    steps(net, o, 0, 5);
    write_checkpoint(net, o);
    SafetensorsFile *f = open_file();
    nn_weights_hash(net, memory);
    ck_assert_msg(nn_checkpoint_hash(f, averaged, WEIGHTS_RAW, file, &err), "%s", err.text);
    ck_assert_str_eq(file, memory);
    ck_assert(nn_checkpoint_hash(f, averaged, WEIGHTS_AVERAGED, file, &err));
    ck_assert_str_ne(file, memory);
    ck_assert(nn_checkpoint_load(f, averaged, WEIGHTS_AVERAGED, &err));
    nn_weights_hash(averaged, memory);
    ck_assert_str_eq(file, memory);
    safetensors_free(f);
    o->ema[net->params.total - 1] = NAN;
    write_checkpoint(net, o);
    f = open_file();
    ck_assert(nn_checkpoint_hash(f, net, WEIGHTS_RAW, file, &err));
    ck_assert(!nn_checkpoint_hash(f, net, WEIGHTS_AVERAGED, file, &err));
    ck_assert_msg(
        strstr(err.text, "tensor \"ema.lemb_modules.0.weight\": expected finite numbers") != NULL,
        "%s", err.text);
    safetensors_free(f);
    nn_optimizer_destroy(o);
    net->destroy(net);
    averaged->destroy(averaged);
}
END_TEST

START_TEST(hash_of_known_weights)
{
    /* sha256 of "a\0" 1.0 "b\0" 2.0 3.0, whatever the order of creation */
    Network *net = mem_zeroed(1, sizeof *net);
    char out[65];
    nn_param_add(&net->params, "b", PARAM_PLAIN, 1, (size_t[]){2});
    nn_param_add(&net->params, "a", PARAM_PLAIN, 1, (size_t[]){1});
    nn_params_allocate(&net->params, false);
    net->params.values[0] = 2;
    net->params.values[1] = 3;
    net->params.values[2] = 1;
    nn_weights_hash(net, out);
    ck_assert_str_eq(out, "2823fa6eef7157cad7e3362b6a66874b3b5ab6269531569b3725123f2dfa0d7c");
    toy_destroy(net);
}
END_TEST

Suite *checkpoint_suite(void);
Suite *checkpoint_suite(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *tc = tcase_create("checkpoint");
    tcase_set_timeout(tc, 30);
    tcase_add_checked_fixture(tc, NULL, remove_file);
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, files_hold_the_layout_of_pytorch);
    tcase_add_test(tc, other_networks_are_refused);
    tcase_add_test(tc, weights_that_are_not_numbers_are_refused);
    tcase_add_test(tc, resuming_gives_the_same_bits);
    tcase_add_test(tc, resuming_needs_the_optimiser);
    tcase_add_test(tc, files_of_another_format_are_refused);
    tcase_add_test(tc, equal_weights_have_equal_hashes);
    tcase_add_test(tc, hashes_straight_from_a_file);
    tcase_add_test(tc, hash_of_known_weights);
    suite_add_tcase(suite, tc);
    return suite;
}
