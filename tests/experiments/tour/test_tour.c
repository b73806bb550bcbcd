/* The tour's programs print what its pages show, and are as short as they promise to be.
 *
 * A page shows a run as an indented block: a line "$ build/release/tour/NAME" and what it prints.
 * Blanks at the ends of lines and empty lines at the end do not count.  TOUR, the folder of the
 * programs of this build, comes from the Makefile. */
#define _POSIX_C_SOURCE 200809L /* popen */

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/buffer.h"
#include "tensor/base/memory.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

enum { MOST_LINES = 100, LINE = 400 };
static const char shell_prompt[] = "    $ build/release/tour/";

typedef struct Page {
    const char *path;    /* what is handed out */
    const char *sources; /* of the programs that it must show */
} Page;
static const Page pages[] = {
    {"experiments/tour/README.md", "experiments/tour/*.c"},
    {"experiments/tour/EXERCISES.md", "experiments/tour/solutions/*.c"},
};
enum { PAGES = sizeof pages / sizeof pages[0] };

static void end_line(char *line)
{
    size_t n = strlen(line);
    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == ' '))
        line[--n] = '\0';
}

/* The lines of a stream, each ended by \n, without what does not count. */
static void add_lines(Buffer *text, FILE *from)
{
    char line[LINE];
    while (fgets(line, sizeof line, from) != NULL) {
        end_line(line);
        buffer_format(text, "%s\n", line);
    }
    while (text->length > 1 && text->bytes[text->length - 1] == '\n' &&
           text->bytes[text->length - 2] == '\n')
        text->length--;
    buffer_text(text, "");
}

static void add_output(Buffer *text, const char *command)
{
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    add_lines(text, pipe);
    ck_assert_msg(pclose(pipe) == 0, "%s failed", command);
}

/* What the page shows below the program's name; false: it does not. */
static bool add_shown(Buffer *text, const char *path, const char *name)
{
    FILE *page = fopen(path, "r"), *shown = tmpfile();
    char line[LINE];
    bool found = false, inside = false;
    ck_assert(page != NULL && shown != NULL);
    while (fgets(line, sizeof line, page) != NULL) {
        end_line(line);
        if (strncmp(line, shell_prompt, strlen(shell_prompt)) == 0) {
            inside = strcmp(line + strlen(shell_prompt), name) == 0;
            found = found || inside;
        } else if (line[0] != '\0' && strncmp(line, "    ", 4) != 0)
            inside = false;
        else if (inside)
            fprintf(shown, "%s\n", line[0] == '\0' ? "" : line + 4);
    }
    rewind(shown);
    add_lines(text, shown);
    fclose(shown);
    fclose(page);
    return found;
}

/* "experiments/tour/NAME.c" -> "NAME". */
static const char *name_of(char *source)
{
    char *end = strrchr(source, '.');
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    return source + strlen("experiments/tour/");
}

static void check_program(const Page *page, const char *name)
{
    Buffer shown = {0}, printed = {0}, command = {0};
    ck_assert_msg(add_shown(&shown, page->path, name), "%s does not show %s", page->path, name);
    buffer_format(&command, "OMP_NUM_THREADS=1 %s/%s", TOUR, name);
    add_output(&printed, command.bytes);
    ck_assert_msg(shown.length > 1, "%s: nothing of %s is shown", page->path, name);
    ck_assert_msg(strcmp(shown.bytes, printed.bytes) == 0, "%s shows of %s:\n%s\nIt prints:\n%s",
                  page->path, name, shown.bytes, printed.bytes);
    buffer_free(&shown);
    buffer_free(&printed);
    buffer_free(&command);
}

static void each_source(const Page *page, void (*see)(const Page *page, char *source))
{
    char command[LINE], source[LINE];
    int count = 0;
    snprintf(command, sizeof command, "ls %s", page->sources);
    FILE *list = popen(command, "r");
    ck_assert_ptr_nonnull(list);
    for (; fgets(source, sizeof source, list) != NULL; count++) {
        end_line(source);
        see(page, source);
    }
    ck_assert_int_eq(pclose(list), 0);
    ck_assert_int_ge(count, 4);
}

static void see_output(const Page *page, char *source)
{
    check_program(page, name_of(source));
}

START_TEST(pages_show_what_programs_print)
{
    each_source(&pages[_i], see_output);
}
END_TEST

static void see_size(const Page *page, char *source)
{
    size_t bytes, lines = 0;
    char *text = toy_read(source, &bytes);
    ck_assert_ptr_nonnull(text);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_msg(lines <= MOST_LINES, "%s has %zu lines", source, lines);
    if (page == &pages[0])
        ck_assert_msg(strncmp(text, "/* ", 3) == 0 && strstr(text, "Look for:") != NULL &&
                          strstr(text, "\n/* Try:") != NULL,
                      "%s: expected what to look for at the top and things to try at the end",
                      source);
    mem_free(text);
}

START_TEST(programs_are_short_and_say_what_to_look_for)
{
    each_source(&pages[_i], see_size);
}
END_TEST

Suite *tour_suite(void);
Suite *tour_suite(void)
{
    Suite *s = suite_create("tour");
    TCase *tc = tcase_create("tour");
    tcase_add_loop_test(tc, programs_are_short_and_say_what_to_look_for, 0, PAGES);
    tcase_set_timeout(tc, 600);
    suite_add_tcase(s, tc);
    TCase *slow = slow_case(s, 600);
    tcase_add_loop_test(slow, pages_show_what_programs_print, 0, PAGES);
    return s;
}
