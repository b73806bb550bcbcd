/* Line charts as inline SVG; colours come from the CSS variables that report.c defines, so that one
 * chart reads well in light and dark. */
#ifndef DI4C_EXPERIMENTS_REPORT_SVG_H
#define DI4C_EXPERIMENTS_REPORT_SVG_H

#include <stdbool.h>
#include <stddef.h>

#include "experiments/report/chart.h"
#include "nn/formats/buffer.h"

void svg_chart(Buffer *out, const Chart *chart);
/* The chart as a file of its own: with its title and its colours, on white. */
void svg_file(Buffer *out, const Chart *chart);
/* out[i] = mean of the last `window` values up to i (fewer at the start), skipping values that are
 * not finite.  out may not alias y. */
void svg_smooth(double *out, const double *y, size_t count, size_t window);

#endif
