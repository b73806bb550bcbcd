/* The bar is one line, overwritten by a carriage return; what it says is computed apart from when
 * it is drawn. */
#include "experiments/cli/progress.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { LINE = 256, BAR_MIN = 8, BAR_MAX = 30 };
static const double REDRAW_SECONDS = 0.1, LINE_SECONDS = 5.0, SMOOTHING = 0.98;

struct Progress {
    FILE *file;
    char *label;
    uint64_t first, done, total;
    double start, shown, loss, weight; /* loss: sum of weighted losses; weight: of the weights */
    bool quiet, terminal, drawn;
    bool stale; /* done has moved since it was last shown */
};

void progress_duration(char text[16], double seconds)
{
    unsigned long s = seconds > 0.0 && seconds < 3e8 ? (unsigned long)(seconds + 0.5) : 0;
    unsigned days = (unsigned)(s / 86400) % 10000, hours = (unsigned)(s / 3600 % 24);

    if (!(seconds < 3e8))
        snprintf(text, 16, "?");
    else if (s < 60)
        snprintf(text, 16, "%lus", s);
    else if (s < 3600)
        snprintf(text, 16, "%lum%02lus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, 16, "%luh%02lum", s / 3600, s % 3600 / 60);
    else
        snprintf(text, 16, "%ud%02uh", days, hours);
}

/* "12.3/s, loss 1.234, 3m05s left", or, in a run within one tick of a coarse clock, "loss 1.234,
 * took 0s": what stands behind the counts. */
static void tail_of(char *text, size_t size, const ProgressState *s)
{
    double steps = (double)(s->done - s->first);
    double rate = s->seconds > 0.0 ? steps / s->seconds : 0.0;
    const bool done = steps > 0.0 && s->done >= s->total;
    char speed[32] = "", loss[40] = "", left[32] = "", time[16], all[104];

    if (isfinite(s->loss))
        text_format(loss, sizeof loss, ", loss %.4g", s->loss);
    if (done) {
        progress_duration(time, s->seconds);
        snprintf(left, sizeof left, ", took %s", time);
    } else if (rate > 0.0) {
        progress_duration(time, (double)(s->total - s->done) / rate);
        snprintf(left, sizeof left, ", %s left", time);
    }
    if (rate > 0.0 && rate < 1.0)
        text_format(speed, sizeof speed, "%.3g s/step", 1.0 / rate);
    else if (rate > 0.0)
        text_format(speed, sizeof speed, "%.*f/s", rate < 100.0 ? 1 : 0, rate);
    else if (!done)
        snprintf(speed, sizeof speed, "starting");
    snprintf(all, sizeof all, "%s%s%s", speed, loss, left);
    snprintf(text, size, "%s",
             all + (speed[0] ? 0 : 2)); /* done before the clock moved: no speed */
}

void progress_line(char *text, size_t size, const ProgressState *s, size_t width)
{
    double share = s->total > 0 ? (double)s->done / (double)s->total : 1.0;
    int percent = share < 1.0 ? (int)(100.0 * share) : 100;
    char line[LINE], tail[128], bar[BAR_MAX + 4] = "";

    tail_of(tail, sizeof tail, s);
    size_t used = (size_t)snprintf(line, sizeof line, "%s %3d%% %" PRIu64 "/%" PRIu64 "  %s",
                                   s->label, percent, s->done, s->total, tail);
    if (width > used + BAR_MIN + 3) {
        size_t cells = width - used - 4 < BAR_MAX ? width - used - 4 : BAR_MAX;
        size_t full = share < 1.0 ? (size_t)(share * (double)cells) : cells;
        bar[0] = '[';
        memset(bar + 1, '#', full);
        memset(bar + 1 + full, '.', cells - full);
        memcpy(bar + 1 + cells, "] ", 3);
    }
    snprintf(line, sizeof line, "%s %s%3d%% %" PRIu64 "/%" PRIu64 "  %s", s->label, bar, percent,
             s->done, s->total, tail);
    if (width > 0 && width <= strlen(line))
        line[width - 1] = '\0'; /* one column free: writing the last one wraps on some terminals */
    snprintf(text, size, "%s", line);
}

static void show(Progress *p, double now)
{
    ProgressState state = {p->label, p->first, p->done, p->total, now - p->start, 0.0};
    char line[LINE];
    size_t columns, lines;

    state.loss = p->weight > 0.0 ? p->loss / p->weight : (double)NAN;
    platform_terminal_size(p->file, &columns, &lines);
    progress_line(line, sizeof line, &state, p->terminal ? columns : 0);
    if (p->terminal)
        fprintf(p->file, "\r%s\033[K", line);
    else
        fprintf(p->file, "%s\n", line);
    fflush(p->file);
    p->drawn = p->terminal;
    p->shown = now;
    p->stale = false;
}

Progress *progress_create(FILE *file, const char *label, uint64_t first, uint64_t total, bool quiet)
{
    Progress *p = mem_zeroed(1, sizeof *p);

    p->file = file;
    p->label = mem_string(label);
    p->first = p->done = first;
    p->total = total;
    p->quiet = quiet;
    p->terminal = platform_is_terminal(file);
    p->start = platform_seconds();
    p->shown = p->start - (p->terminal ? REDRAW_SECONDS : 0.0);
    return p;
}

void progress_update(Progress *p, uint64_t done, double loss)
{
    if (p->quiet)
        return;
    p->done = done > p->first ? done : p->first;
    p->stale = true;
    if (isfinite(loss)) {
        p->loss = SMOOTHING * p->loss + (1.0 - SMOOTHING) * loss;
        p->weight = SMOOTHING * p->weight + (1.0 - SMOOTHING);
    }
    double now = platform_seconds();
    if (now - p->shown >= (p->terminal ? REDRAW_SECONDS : LINE_SECONDS))
        show(p, now);
}

void progress_clear(Progress *p)
{
    if (!p->drawn)
        return;
    fputs("\r\033[K", p->file);
    fflush(p->file);
    p->drawn = false;
}

void progress_destroy(Progress *p)
{
    if (p == NULL)
        return;
    if (!p->quiet && p->stale)
        show(p, platform_seconds());
    if (p->drawn) {
        putc('\n', p->file);
        fflush(p->file);
    }
    mem_free(p->label);
    mem_free(p);
}

void progress_news(size_t done, size_t total, void *news)
{
    ProgressNews *n = news;

    if (n->progress == NULL)
        n->progress = progress_create(n->file, n->label, 0, total, n->quiet);
    progress_update(n->progress, done, (double)NAN);
}
