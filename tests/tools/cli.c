/* Commands run in the test's own process, so that sanitizers and coverage see them. */
#include "tests/tools/cli.h"

#include <check.h>
#include <string.h>

#include "experiments/commands/commands.h"
#include "tests/tools/toys.h"

void cli_set_up(const char *folder)
{
    toys_set_up(folder);
    ck_assert_ptr_nonnull(freopen(toy("stdout"), "w", stdout));
    ck_assert_ptr_nonnull(freopen(toy("stderr"), "w", stderr));
}

int run(const char *line)
{
    static char words[4000];
    char *argv[64];
    int argc = 0;
    size_t n = 0;
    for (const char *p = line; *p; p++)
        n += (size_t)sprintf(words + n, *p == '@' ? "%s/" : "%.1s", *p == '@' ? toy_folder() : p);
    for (char *p = strtok(words, " "); p; p = strtok(NULL, " "))
        argv[argc++] = p;
    ck_assert_int_gt(argc, 0);
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i]->name, argv[0]) == 0)
            return commands[i]->run(commands[i], argc - 1, argv + 1);
    ck_abort_msg("no command %s", argv[0]);
    return -1;
}

const char *said(FILE *stream)
{
    static char text[2][400000];
    char *to = text[stream == stderr];
    fflush(stream);
    FILE *f = fopen(toy(stream == stderr ? "stderr" : "stdout"), "rb");
    to[fread(to, 1, sizeof text[0] - 1, f)] = '\0';
    fclose(f);
    return to;
}

void expect(const char *line, int status)
{
    const int got = run(line);
    ck_assert_msg(got == status, "%s: status %d\n%s", line, got, said(stderr));
}

void says(const char *line, int status, const char *part)
{
    expect(line, status);
    const char *text = said(status == 0 ? stdout : stderr);
    ck_assert_msg(strstr(text, part) != NULL, "%s: expected '%s' in:\n%s", line, part, text);
}
