/* Shards: every cut is a partition, and only partitions are the whole. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/shard.h"

static Shard parse(const char *text, int64_t total)
{
    Shard s = {0};
    Error err = {""};
    ck_assert_msg(shard_parse(text, total, &s, &err), "%s", err.text);
    return s;
}

START_TEST(parts_follow_each_other)
{
    for (int64_t total = 1; total < 40; total++)
        for (int n = 1; n <= total; n++) {
            size_t next = 0;
            for (int i = 0; i < n; i++) {
                char text[32];
                snprintf(text, sizeof text, "%d/%d", i, n);
                const Shard s = parse(text, total);
                if (s.first != next || s.count != (size_t)(total * (i + 1) / n) - next)
                    ck_abort_msg("%s of %d", text, (int)total);
                next += s.count;
            }
            ck_assert_uint_eq(next, (size_t)total);
        }
    const Shard all = parse(NULL, 7), last = parse("999999/1000000", 1000000000);
    ck_assert(all.first == 0 && all.count == 7);
    ck_assert(last.first == 999999000 && last.count == 1000);
}
END_TEST

START_TEST(other_texts_are_refused)
{
    static const char *const wrong[] = {"",
                                        "1",
                                        "1/",
                                        "/2",
                                        "2/2",
                                        "-1/2",
                                        "0/0",
                                        "0/2/3",
                                        "0/2 x",
                                        "0/1000001",
                                        "a/b",
                                        " 0/2",
                                        "+0/2",
                                        "0/ 2",
                                        "0 /2",
                                        "0/99999999999999999999",
                                        "99999999999999999999/2"};
    Shard s;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        Error err = {""};
        ck_assert(!shard_parse(wrong[i], 10, &s, &err));
        ck_assert_ptr_nonnull(strstr(err.text, "expected I/N with 0 <= I < N <= 1000000"));
    }
    Error err = {""};
    ck_assert(!shard_parse("0/3", 2, &s, &err));
    ck_assert_str_eq(err.text, "--shard 0/3: has none of the 2 samples");
}
END_TEST

static const struct {
    ShardPart parts[4];
    size_t count, total;
    const char *wrong; /* NULL: they are the whole */
} covers[] = {
    {{{"a", {0, 5}}}, 1, 5, NULL},
    {{{"c", {4, 1}}, {"a", {0, 1}}, {"b", {1, 3}}}, 3, 5, NULL},
    {{{"a", {0, 1}}}, 1, 5, "samples 1 to 4 of 5 are missing"},
    {{{"b", {1, 4}}}, 1, 5, "samples 0 to 0 of 5 are missing"},
    {{{"c", {4, 1}}, {"a", {0, 2}}}, 2, 5, "samples 2 to 3 of 5 are missing"},
    {{{"d", {8, 1}}, {"c", {6, 1}}, {"a", {0, 2}}}, 3, 9, "samples 2 to 5 of 9 are missing"},
    {{{"b", {2, 3}}, {"a", {0, 3}}}, 2, 5, "b: has samples 2 to 4, of which a has some too"},
    {{{"b", {0, 5}}, {"a", {0, 5}}}, 2, 5, "has samples 0 to 4, of which"},
    {{{"b", {0, 2}}, {"a", {0, 5}}}, 2, 5, "a: has samples 0 to 4, of which b has some too"},
};

START_TEST(only_partitions_are_the_whole)
{
    ShardPart parts[4];
    Error err = {""};
    memcpy(parts, covers[_i].parts, sizeof parts);
    const bool ok = shard_cover(parts, covers[_i].count, covers[_i].total, &err);
    ck_assert_msg(ok == (covers[_i].wrong == NULL), "%s", err.text);
    ck_assert_msg(ok || strstr(err.text, covers[_i].wrong) != NULL, "%s", err.text);
    for (size_t i = 1; i < covers[_i].count; i++)
        ck_assert_uint_le(parts[i - 1].shard.first, parts[i].shard.first);
}
END_TEST

Suite *shard_suite(void);
Suite *shard_suite(void)
{
    Suite *s = suite_create("shard");
    TCase *tc = tcase_create("shard");
    tcase_add_test(tc, parts_follow_each_other);
    tcase_add_test(tc, other_texts_are_refused);
    tcase_add_loop_test(tc, only_partitions_are_the_whole, 0,
                        (int)(sizeof covers / sizeof covers[0]));
    suite_add_tcase(s, tc);
    return s;
}
