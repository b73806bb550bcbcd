/* Notes of shards: written, read, and every member wrong once. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/shard_note.h"
#include "tensor/base/memory.h"
#include "tests/tools/toys.h"

#define DIR "test-shard-note.tmp.d"
/* SHA-256 of "abc" (FIPS 180-4). */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void set_up(void)
{
    toys_set_up(DIR);
    toy("x.npy.json");
    toy_text(toy("x.npy"), "abc");
}

static void tear_down(void)
{
    toys_tear_down();
    ck_assert_uint_eq(mem_in_use(), 0);
}

START_TEST(notes_come_back)
{
    ShardNote note = {.total = 9, .shard = {3, 2}}, read;
    Error err = {""};
    run_facts_add(&note.facts, "model", "m \"1\"");
    run_facts_add(&note.facts, "--steps", "4");
    ck_assert_msg(shard_note_write(toy("x.npy"), &note, &err), "%s", err.text);
    ck_assert_str_eq(note.sha256, ABC);
    ck_assert_msg(shard_note_read(toy("x.npy"), &read, &err), "%s", err.text);
    ck_assert(read.total == 9 && read.shard.first == 3 && read.shard.count == 2);
    ck_assert(run_facts_same(&note.facts, "", &read.facts, "", &err));
    ck_assert(shard_note_check(&read, "x.npy", "abc", 3, &err));
    ck_assert(!shard_note_check(&read, "x.npy", "abd", 3, &err));
    ck_assert_ptr_nonnull(
        strstr(err.text, "x.npy: is not the file that x.npy.json was written for"));
    shard_note_free(&read);
    shard_note_free(&note);
    ck_assert(!shard_note_write(toy("none.npy"), &note, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "none.npy: cannot be read again"));
}
END_TEST

#define FORMAT "\"format\": \"di4c-shard-1\", "
#define HASH   "\"sha256\": \"" ABC "\", "
#define RUN    "\"run\": {}"

static const struct {
    const char *text, *piece;
} wrong[] = {
    {"", "x.npy.json"},
    {"[]", "format"},
    {"{\"format\": \"other\", " HASH "\"samples\": 9, \"first\": 3, \"count\": 2, " RUN "}",
     "format other, expected di4c-shard-1"},
    {"{" FORMAT "\"samples\": 9, \"first\": 3, \"count\": 2, " RUN "}", "sha256"},
    {"{" FORMAT "\"sha256\": \"12\", \"samples\": 9, \"first\": 3, \"count\": 2, " RUN "}",
     "expected 64 digits"},
    {"{" FORMAT HASH "\"first\": 3, \"count\": 2, " RUN "}", "samples"},
    {"{" FORMAT HASH "\"samples\": 9, \"first\": -3, \"count\": 2, " RUN "}", "first"},
    {"{" FORMAT HASH "\"samples\": 9, \"first\": 3, \"count\": \"2\", " RUN "}", "count"},
    {"{" FORMAT HASH "\"samples\": 9, \"first\": 3, \"count\": 0, " RUN "}",
     "0 samples from 3 on, expected some of 9"},
    {"{" FORMAT HASH "\"samples\": 9, \"first\": 3, \"count\": 7, " RUN "}",
     "7 samples from 3 on, expected some of 9"},
    {"{" FORMAT HASH "\"samples\": 9, \"first\": 10, \"count\": 1, " RUN "}", "1 samples from 10"},
    {"{" FORMAT HASH "\"samples\": 9, \"first\": 3, \"count\": 2}", "expected a member \"run\""},
    {"{" FORMAT HASH
     "\"samples\": 9, \"first\": 3, \"count\": 2, \"run\": {\"a\": \"b\", \"c\": 1}}",
     "run.c: expected a string"},
};

START_TEST(other_notes_are_refused)
{
    ShardNote note;
    Error err = {""};
    toy_text(toy("x.npy.json"), wrong[_i].text);
    ck_assert(!shard_note_read(toy("x.npy"), &note, &err));
    ck_assert_msg(strstr(err.text, DIR "/x.npy.json") && strstr(err.text, wrong[_i].piece), "%s",
                  err.text);
    ck_assert_uint_eq(note.facts.count, 0);
}
END_TEST

START_TEST(a_missing_note_is_named)
{
    ShardNote note;
    Error err = {""};
    ck_assert(!shard_note_read(toy("x.npy"), &note, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "x.npy.json: cannot be read: expected the note"));
}
END_TEST

Suite *shard_note_suite(void);
Suite *shard_note_suite(void)
{
    Suite *s = suite_create("shard_note");
    TCase *tc = tcase_create("shard_note");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, notes_come_back);
    tcase_add_loop_test(tc, other_notes_are_refused, 0, (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_test(tc, a_missing_note_is_named);
    tcase_set_timeout(tc, 20);
    suite_add_tcase(s, tc);
    return s;
}
