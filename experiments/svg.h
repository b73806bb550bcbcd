/* Line charts as inline SVG; colours come from the CSS variables that report.c defines, so that one
 * chart reads well in light and dark. */
#ifndef DI4C_EXPERIMENTS_SVG_H
#define DI4C_EXPERIMENTS_SVG_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/buffer.h"

typedef struct Series {
    const char *name;
    const double *x, *y; /* points not finite, or not positive on a log axis, are left out */
    size_t count;
    bool faint;          /* thin and pale: raw values behind a smoothed curve, no legend entry */
    bool dashed;         /* a reference, such as a bound */
} Series;

typedef struct Chart {
    const char *title, *x_label, *y_label;
    bool log_x, log_y;
    bool markers; /* a mark at each point, a different shape for each series */
    const Series *series;
    size_t series_count;
} Chart;

void svg_chart(Buffer *out, const Chart *chart);
/* out[i] = mean of the last `window` values up to i (fewer at the start), skipping values that are
 * not finite.  out may not alias y. */
void svg_smooth(double *out, const double *y, size_t count, size_t window);

#endif
