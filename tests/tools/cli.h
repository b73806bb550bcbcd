/* Commands as a user gives them.  Each test is a child process of its own, whose stdout and stderr
 * go to files in its toy folder (cli_set_up; toys_tear_down). */
#ifndef DI4C_TESTS_TOOLS_CLI_H
#define DI4C_TESTS_TOOLS_CLI_H

#include <stdio.h>

void cli_set_up(const char *folder);
/* Runs "COMMAND words..."; words are separated by blanks, and @ is the toy folder with a slash. */
int run(const char *line);
/* All that was written to the stream so far. */
const char *said(FILE *stream);
void expect(const char *line, int status);
/* Runs it and looks for `part` in what it says on stderr (status 1 or 2) or stdout (0). */
void says(const char *line, int status, const char *part);

#endif
