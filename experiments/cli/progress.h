/* Progress of a long run: a bar on a terminal, redrawn at most ten times a second; elsewhere a line
 * of text every five seconds. */
#ifndef DI4C_EXPERIMENTS_CLI_PROGRESS_H
#define DI4C_EXPERIMENTS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Progress Progress;

/* file: stderr as a rule.  first: steps already done when the run (re)started; quiet: no output. */
Progress *progress_create(FILE *file, const char *label, uint64_t first, uint64_t total,
                          bool quiet);
/* `done` of total steps are done (first included).  loss: shown smoothed; NaN: none. */
void progress_update(Progress *p, uint64_t done, double loss);
/* Wipes the bar so that something else can be printed; the next update draws it again. */
void progress_clear(Progress *p);
void progress_destroy(Progress *p); /* a last line for the state reached; NULL is allowed */

/* For work that tells its length with its first news, as samplers do: the progress is made then.
 * progress_destroy(news.progress) ends it. */
typedef struct ProgressNews {
    FILE *file;
    const char *label;
    bool quiet;
    Progress *progress; /* NULL before the first news */
} ProgressNews;
void progress_news(size_t done, size_t total, void *news);

/* What is shown, as a pure function.  seconds: spent on done - first steps.  width: columns of the
 * terminal for a bar, 0 for a plain line.  text (size) is always terminated. */
typedef struct ProgressState {
    const char *label;
    uint64_t first, done, total;
    double seconds, loss;
} ProgressState;
void progress_line(char *text, size_t size, const ProgressState *state, size_t width);
/* Seconds as 42s, 3m05s, 2h07m or 3d04h. */
void progress_duration(char text[16], double seconds);

#endif
