/* The fuzz targets without a fuzzer: every file of the corpus, its beginnings, and the file with a
 * byte changed, at places and to values that the name of the target and the file decide. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/system/platform.h"
#include "tests/fuzz/fuzz.h"

static void quiet(void)
{
    ck_assert_ptr_nonnull(freopen("test-fuzz.tmp.out", "w", stdout));
    ck_assert_ptr_nonnull(freopen("test-fuzz.tmp.err", "w", stderr));
}

static void clean(void)
{
    fuzz_forget_files();
    remove("test-fuzz.tmp.out");
    remove("test-fuzz.tmp.err");
}

#ifndef DI4C_PLAIN_C /* which lists no folders */
enum { BEGINNINGS = 10, CHANGES = 40 };
static const char corpus[] = "tests/corpus/fuzz";

static void run_variants(const FuzzTarget *target, const unsigned char *bytes, size_t count,
                         size_t number)
{
    Rng rng = rng_child(rng_root(number), count);
    unsigned char *changed = mem_alloc(count + 1, 1);

    fuzz_run(target, bytes, count);
    for (size_t i = 0; i < BEGINNINGS; i++)
        fuzz_run(target, bytes, i * count / BEGINNINGS);
    for (size_t i = 0; i < CHANGES && count > 0; i++) {
        memcpy(changed, bytes, count);
        changed[rng_below(&rng, count)] = (unsigned char)rng_below(&rng, 256);
        fuzz_run(target, changed, count);
    }
    mem_free(changed);
}

START_TEST(the_corpus_is_read_or_refused)
{
    const FuzzTarget *target = &fuzz_targets[_i];
    char folder[200], path[600];
    FolderNames names;
    Error err;

    snprintf(folder, sizeof folder, "%s/%s", corpus, target->name);
    ck_assert_msg(platform_list_folder(folder, &names, &err), "%s", err.text);
    ck_assert_uint_ge(names.count, 1);
    for (size_t i = 0; i < names.count; i++) {
        size_t count;
        snprintf(path, sizeof path, "%s/%s", folder, names.name[i]);
        unsigned char *bytes = read_file(path, "cannot be read", READ_ANY_SIZE, &count, &err);
        ck_assert_msg(bytes != NULL, "%s", err.text);
        run_variants(target, bytes, count, (size_t)_i);
        mem_free(bytes);
    }
    platform_free_names(&names);
}
END_TEST
#endif

static void loses_memory(const uint8_t *bytes, size_t count)
{
    (void)bytes;
    mem_alloc(count, 1);
}

START_TEST(a_reader_that_keeps_memory_is_found)
{
    const FuzzTarget bad = {"bad", loses_memory};

    fuzz_run(&bad, (const uint8_t *)"abc", 3);
}
END_TEST

START_TEST(a_sentence_with_a_control_character_is_found)
{
    Error err = {"file.csv: \x1b[2J is no number"};

    fuzz_refused(&err);
}
END_TEST

START_TEST(a_refusal_without_a_sentence_is_found)
{
    Error err = {""};

    fuzz_refused(&err);
}
END_TEST

START_TEST(a_sentence_does_not_stand_for_two_refusals)
{
    Error err = {"file.csv: expected a number"};

    fuzz_refused(&err);
    fuzz_refused(&err);
}
END_TEST

Suite *fuzz_suite(void)
{
    Suite *suite = suite_create("fuzz");
    TCase *files = tcase_create("corpus"), *self = tcase_create("self");
    int count = 0;

    while (fuzz_targets[count].name != NULL)
        count++;
    tcase_set_timeout(files, 120);
    tcase_add_checked_fixture(files, quiet, clean);
#ifndef DI4C_PLAIN_C
    tcase_add_loop_test(files, the_corpus_is_read_or_refused, 0, count);
#endif
    suite_add_tcase(suite, files);
    tcase_add_test_raise_signal(self, a_reader_that_keeps_memory_is_found, SIGABRT);
    tcase_add_test_raise_signal(self, a_sentence_with_a_control_character_is_found, SIGABRT);
    tcase_add_test_raise_signal(self, a_refusal_without_a_sentence_is_found, SIGABRT);
    tcase_add_test_raise_signal(self, a_sentence_does_not_stand_for_two_refusals, SIGABRT);
    suite_add_tcase(suite, self);
    return suite;
}
