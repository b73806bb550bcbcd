/* Progress: the line as a function of the state, and what reaches a file that is no terminal. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/cli/progress.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

static void expect_duration(double seconds, const char *text)
{
    char got[16];

    progress_duration(got, seconds);
    ck_assert_str_eq(got, text);
}

START_TEST(durations)
{
    expect_duration(0.2, "0s");
    expect_duration(59.4, "59s");
    expect_duration(59.6, "1m00s");
    expect_duration(185, "3m05s");
    expect_duration(7620, "2h07m");
    expect_duration(86400 * 3 + 3600 * 4, "3d04h");
    expect_duration(-1, "0s");
    expect_duration(1e300, "?");
    expect_duration((double)NAN, "?");
}
END_TEST

static void expect_line(ProgressState s, size_t width, const char *line)
{
    char got[256];

    progress_line(got, sizeof got, &s, width);
    ck_assert_str_eq(got, line);
}

START_TEST(plain_lines)
{
    ProgressState s = {"train", 0, 250, 1000, 10.0, 1.23456};

    expect_line(s, 0, "train  25% 250/1000  25.0/s, loss 1.235, 30s left");
    s.loss = (double)NAN;
    expect_line(s, 0, "train  25% 250/1000  25.0/s, 30s left");
    s.first = 240; /* resumed: the rate is that of this run */
    expect_line(s, 0, "train  25% 250/1000  1.0/s, 12m30s left");
    s.seconds = 25;
    expect_line(s, 0, "train  25% 250/1000  2.5 s/step, 31m15s left");
    s.first = 250;
    expect_line(s, 0, "train  25% 250/1000  starting");
    s.first = 0;
    s.done = 1000;
    expect_line(s, 0, "train 100% 1000/1000  40.0/s, took 25s");
    s.seconds = 0; /* done within one tick of the clock, which is a second in plain C */
    expect_line(s, 0, "train 100% 1000/1000  took 0s");
    s.loss = 1.23456;
    expect_line(s, 0, "train 100% 1000/1000  loss 1.235, took 0s");
    s.done = 999;
    expect_line(s, 0, "train  99% 999/1000  starting, loss 1.235");
    s.loss = (double)NAN;
    s.seconds = 25;
    expect_line(s, 0, "train  99% 999/1000  40.0/s, 0s left");
    s.done = s.total = 0;
    expect_line(s, 0, "train 100% 0/0  starting");
}
END_TEST

START_TEST(bars)
{
    ProgressState s = {"train", 0, 500, 1000, 10.0, (double)NAN};

    expect_line(s, 120, "train [###############...............]  50% 500/1000  50.0/s, 10s left");
    expect_line(s, 60, "train [#########..........]  50% 500/1000  50.0/s, 10s left");
    expect_line(s, 40, "train  50% 500/1000  50.0/s, 10s left");
    expect_line(s, 20, "train  50% 500/1000");
    expect_line(s, 1, "");
    for (size_t width = 1; width < 200; width++) {
        char line[256];
        progress_line(line, sizeof line, &s, width);
        ck_assert_uint_lt(strlen(line), width);
    }
}
END_TEST

START_TEST(long_labels_are_cut)
{
    char label[400], line[64];
    ProgressState s = {label, 0, 1, 2, 1.0, 1.0};

    memset(label, 'x', sizeof label - 1);
    label[sizeof label - 1] = '\0';
    progress_line(line, sizeof line, &s, 0);
    ck_assert_uint_eq(strlen(line), sizeof line - 1);
    progress_line(line, sizeof line, &s, 30);
    ck_assert_uint_eq(strlen(line), 29);
}
END_TEST

/* What was written to f, from its start. */
static const char *text_of(FILE *f, char *text, size_t size)
{
    rewind(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    return text;
}

START_TEST(a_file_gets_plain_lines)
{
    FILE *f = tmpfile();
    char text[1000];

    ck_assert_ptr_nonnull(f);
    Progress *p = progress_create(f, "sample", 0, 100, false);
    for (uint64_t i = 1; i <= 100; i++)
        progress_update(p, i, 2.0);
    progress_clear(p);
    progress_destroy(p);
    text_of(f, text, sizeof text);
    /* 100 updates within five seconds: only the last line. */
    ck_assert_msg(strncmp(text, "sample 100% 100/100  ", 21) == 0, "%s", text);
    ck_assert_msg(strstr(text, " loss 2,") != NULL, "%s", text);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert_ptr_null(strpbrk(text, "\r\033"));
    fclose(f);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(quiet_is_silent)
{
    FILE *f = tmpfile();
    char text[10];

    ck_assert_ptr_nonnull(f);
    Progress *p = progress_create(f, "sample", 0, 2, true);
    progress_update(p, 1, 1.0);
    progress_update(p, 2, 1.0);
    progress_destroy(p);
    ck_assert_str_eq(text_of(f, text, sizeof text), "");
    p = progress_create(f, "sample", 0, 2, false); /* nothing done: nothing to say */
    progress_destroy(p);
    progress_destroy(NULL);
    ck_assert_str_eq(text_of(f, text, sizeof text), "");
    fclose(f);
}
END_TEST

START_TEST(news_bring_their_length)
{
    FILE *f = tmpfile();
    char got[100] = "";
    ProgressNews news = {.file = f, .label = "sample"};

    ck_assert_ptr_nonnull(f);
    progress_news(3, 20, &news);
    Progress *first = news.progress;
    progress_news(10, 20, &news);
    ck_assert(first != NULL && news.progress == first);
    progress_destroy(news.progress);
    rewind(f);
    ck_assert_ptr_nonnull(fgets(got, sizeof got, f));
    ck_assert_msg(strstr(got, "50% 10/20") != NULL, "%s", got);
    fclose(f);
}
END_TEST

Suite *progress_suite(void);
Suite *progress_suite(void)
{
    Suite *suite = suite_create("progress");
    TCase *tc = tcase_create("progress");

    tcase_set_timeout(tc, 10);
    tcase_add_test(tc, durations);
    tcase_add_test(tc, plain_lines);
    tcase_add_test(tc, bars);
    tcase_add_test(tc, long_labels_are_cut);
    tcase_add_test(tc, a_file_gets_plain_lines);
    tcase_add_test(tc, quiet_is_silent);
    tcase_add_test(tc, news_bring_their_length);
    suite_add_tcase(suite, tc);
    return suite;
}
