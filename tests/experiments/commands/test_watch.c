/* watch on terminals of all sizes: no line that wraps, no frame that scrolls. */
#ifndef DI4C_PLAIN_C
#define _XOPEN_SOURCE   700 /* posix_openpt */
#define _DEFAULT_SOURCE     /* winsize */
#endif
#include <check.h>
#include <stdio.h>
#include <string.h>

#ifndef DI4C_PLAIN_C
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "nn/formats/buffer.h"
#include "tests/tools/cli.h"
#include "tests/tools/cli_models.h"
#include "tests/tools/toys.h"

#define DIR "test-watch.tmp.d"

static void set_up(void)
{
    cli_models_set_up(DIR);
}

#ifndef DI4C_PLAIN_C
/* Runs the line with a terminal of that size as stdout; what it wrote. */
static const char *on_terminal(const char *line, unsigned short columns, unsigned short lines)
{
    static char text[400000];
    const struct winsize size = {.ws_col = columns, .ws_row = lines};
    const int screen = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert(screen >= 0 && grantpt(screen) == 0 && unlockpt(screen) == 0);
    const int end = open(ptsname(screen), O_RDWR | O_NOCTTY);
    ck_assert(end >= 0 && ioctl(end, TIOCSWINSZ, &size) == 0);
    const pid_t child = fork();
    if (child == 0) {
        const int result = dup2(end, STDOUT_FILENO) >= 0 ? run(line) : 1;
        fflush(stdout);
        _exit(result);
    }
    close(end);
    size_t n = 0;
    for (ssize_t got; (got = read(screen, text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = '\0';
    close(screen);
    int status;
    ck_assert(child > 0 && waitpid(child, &status, 0) == child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", said(stderr));
    return text;
}

/* Characters up to the line's end, without colours. */
static size_t width_of(const char *p)
{
    size_t n = 0;
    for (; *p != '\r' && *p != '\n' && *p != '\0'; p++) {
        if (*p == '\x1b')
            p += strcspn(p, "mA");
        else
            n += ((unsigned char)*p & 0xC0) != 0x80;
    }
    return n;
}

/* Frames one over the other: each goes up by the lines of the one before, and all lines fit. */
static void check_frames(const char *text, size_t columns, size_t lines, size_t frames)
{
    size_t seen = 0;
    for (const char *p = strstr(text, "t = "); p != NULL; seen++) {
        const char *next = strstr(p + 1, "t = ");
        size_t count = 0, up = 0;
        char letter;
        for (; *p != '\0' && p != next; p++) {
            ck_assert_uint_lt(width_of(p), columns);
            const char *end = strchr(p, '\n');
            ck_assert_ptr_nonnull(end);
            p = end;
            count++;
            if (next && sscanf(p + 1, "\x1b[%zu%c", &up, &letter) == 2 && letter == 'A')
                break;
        }
        ck_assert_uint_lt(count, lines);
        ck_assert(next == NULL || up == count);
        p = next;
    }
    ck_assert_uint_eq(seen, frames);
}

START_TEST(pictures_fit_the_terminal)
{
    static const unsigned short sizes[][2] = {{80, 24}, {30, 10}, {12, 5}, {5, 4}, {5, 3}};
    make_both();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *const lines[] = {
            "watch --model @t.safetensors --steps 1 --delay 0 --count 1",
            "watch --model @t.safetensors --steps 1 --delay 0 --count 40",
            "watch --model @s.safetensors --teacher @t.safetensors --steps 1 --delay 0"};
        for (size_t k = 0; k < sizeof lines / sizeof lines[0]; k++)
            check_frames(on_terminal(lines[k], sizes[i][0], sizes[i][1]), sizes[i][0], sizes[i][1],
                         2);
    }
}
END_TEST

START_TEST(texts_fit_the_terminal)
{
    static const unsigned short sizes[][2] = {{80, 24}, {30, 10}, {12, 5}, {6, 4}};
    char text[601] = "";
    for (size_t i = 0; i < 30; i++)
        strcat(text, "all good men\xC3\xA4\n\n ");
    toy_text(toy("log"), text);
    expect("train --data text:" DIR "/log --quiet " SMALL
           "--set embed=8 --set length=40 --out @t.safetensors",
           0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const char *const lines[] = {
            "watch --model @t.safetensors --steps 2 --delay 0 --count 30",
            "watch --model @t.safetensors --teacher @t.safetensors --steps 2 --delay 0 --count 9"};
        for (size_t k = 0; k < 2; k++)
            check_frames(on_terminal(lines[k], sizes[i][0], sizes[i][1]), sizes[i][0], sizes[i][1],
                         3);
    }
}
END_TEST
#endif

enum { SHOWN = 4000 };

/* What the line says on stdout, after all that was said before. */
static void see(const char *line, char *text)
{
    const size_t before = strlen(said(stdout));
    expect(line, 0);
    snprintf(text, SHOWN, "%s", said(stdout) + before);
}

static const char *next_line(const char *p)
{
    p += strcspn(p, "\n");
    return p + (*p != '\0');
}

/* The teacher on the left, the model on the right, both at the same times and with the same numbers
 * of the seed as without the other. */
START_TEST(each_is_shown_as_it_is_alone)
{
    char left[SHOWN], right[SHOWN], both[SHOWN];
    Buffer wanted = {0};

    make_teacher();
    expect("train " TINY "--seed 2 --out @u.safetensors", 0);
    see("watch --model @t.safetensors --steps 4 --count 1", left);
    see("watch --model @u.safetensors --steps 4 --count 1", right);
    see("watch --model @u.safetensors --teacher @t.safetensors --steps 4 --count 1", both);
    ck_assert_str_ne(left, right);
    for (const char *l = left, *r = right; *l != '\0'; l = next_line(l), r = next_line(r)) {
        buffer_format(&wanted, "%.*s", (int)strcspn(l, "\n"), l);
        if (strncmp(l, "t = ", 4) == 0)
            buffer_text(&wanted, ": teacher, model\n");
        else
            buffer_format(&wanted, "  %.*s\n", (int)strcspn(r, "\n"), r);
    }
    ck_assert_str_eq(both, wanted.bytes);
    buffer_free(&wanted);
}
END_TEST

START_TEST(films_that_are_too_large_are_refused)
{
    make_teacher();
    says("watch --model @t.safetensors --count 10000 --steps 1000 --out @x.png", 1,
         "--count: 10000 samples at 1001 times take 25.7 GB: expected at most 2 GB");
    says("watch --quiet --model @t.safetensors --teacher @t.safetensors --count 1000 --steps 400 "
         "--out @x.png",
         1, "1000 samples at 401 times take 2.1 GB");
    ck_assert(!there("x.png"));
}
END_TEST

Suite *watch_suite(void);
Suite *watch_suite(void)
{
    Suite *s = suite_create("watch");
    TCase *tc = tcase_create("watch");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
#ifndef DI4C_PLAIN_C
    tcase_add_test(tc, pictures_fit_the_terminal);
    tcase_add_test(tc, texts_fit_the_terminal);
#endif
    tcase_add_test(tc, each_is_shown_as_it_is_alone);
    tcase_add_test(tc, films_that_are_too_large_are_refused);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
