/* Whole files and their starts: every size around a limit, what is no file, and a NUL at the end.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/read_file.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

#define DIR "test-read-file.tmp.d"

static const char refusal[] = "expected a readable toy";

static void set_up(void)
{
    toys_set_up(DIR);
}

START_TEST(bytes_and_a_nul)
{
    static const char bytes[] = {'a', '\0', '\r', '\n', (char)0xFF};
    for (size_t n = 0; n <= sizeof bytes; n++) {
        Error err = {""};
        size_t size = 99;
        toy_write(toy("f"), bytes, n);
        char *got = read_file(toy("f"), refusal, n, &size, &err); /* n is just allowed */
        ck_assert_msg(got != NULL, "%s", err.text);
        ck_assert_uint_eq(size, n);
        ck_assert_mem_eq(got, bytes, n);
        ck_assert_int_eq(got[n], '\0');
        mem_free(got);
    }
}
END_TEST

static void expect_sentence(const char *path, size_t most, const char *sentence)
{
    Error err = {""};
    size_t size;
    const size_t before = mem_in_use();
    ck_assert_ptr_null(read_file(path, refusal, most, &size, &err));
    ck_assert_msg(strstr(err.text, path) == err.text, "%s", err.text);
    ck_assert_str_eq(err.text + strlen(path), sentence);
    ck_assert_uint_eq(mem_in_use(), before);
    ck_assert_ptr_null(read_file(path, refusal, most, &size, NULL));
}

START_TEST(sentences)
{
    toy_text(toy("f"), "12345");
    expect_sentence(toy("f"), 4, ": expected a file of at most 4 bytes, found 5");
    expect_sentence(toy("absent"), READ_ANY_SIZE, ": expected a readable toy");
    expect_sentence(DIR, READ_ANY_SIZE, ": expected a readable toy");
}
END_TEST

START_TEST(the_start)
{
    char head[8] = "-------";
    toy_text(toy("f"), "12345");
    ck_assert_uint_eq(read_file_start(toy("f"), head, 3), 3);
    ck_assert_str_eq(head, "123----");
    ck_assert_uint_eq(read_file_start(toy("f"), head, sizeof head), 5);
    ck_assert_str_eq(head, "12345--");
    ck_assert_uint_eq(read_file_start(toy("f"), head, 0), 0);
    ck_assert_uint_eq(read_file_start(toy("absent"), head, sizeof head), 0);
    ck_assert_uint_eq(read_file_start(DIR, head, sizeof head), 0);
}
END_TEST

Suite *read_file_suite(void);
Suite *read_file_suite(void)
{
    Suite *suite = suite_create("read_file");
    TCase *tc = tcase_create("read_file");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, bytes_and_a_nul);
    tcase_add_test(tc, sentences);
    tcase_add_test(tc, the_start);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return suite;
}
