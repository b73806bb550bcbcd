/* A line chart, whatever it is drawn with: what is plotted, and the axes that follow from it. svg.h
 * and chart_png.h draw it. */
#ifndef DI4C_EXPERIMENTS_REPORT_CHART_H
#define DI4C_EXPERIMENTS_REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Series {
    const char *name;
    const double *x, *y; /* points not finite, or not positive on a log axis, are left out */
    size_t count;
    bool faint;  /* thin and pale: raw values behind a smoothed curve, no legend entry */
    bool dashed; /* a reference, such as a bound */
} Series;

typedef struct Chart {
    const char *title, *x_label, *y_label;
    bool log_x, log_y;
    bool markers; /* a mark at each point, a different shape for each series */
    const Series *series;
    size_t series_count;
} Chart;

enum { CHART_TICKS = 12, CHART_SHAPES = 8 }; /* most ticks; shapes of marks and colours */

extern const unsigned long chart_colours[CHART_SHAPES]; /* 0xRRGGBB, for a light page */

/* Data to pixels along one axis. */
typedef struct ChartAxis {
    double low, high; /* in the axis's own scale: logarithms on a log axis */
    double from, to;  /* pixels */
    bool log;
    double tick[CHART_TICKS];
    int ticks;
} ChartAxis;

/* The axis that holds all usable points, between these pixels. */
ChartAxis chart_axis(const Chart *chart, bool along_y, double from, double to);
double chart_pixel(const ChartAxis *axis, double value);
/* Whether point i of the series can be drawn. */
bool chart_usable(const Chart *chart, const Series *s, size_t i);
/* A tick's number as text: 0, 25, 10k, 2M; size of text 32. */
void chart_tick_text(char text[32], double value);
/* Series that have a legend entry. */
size_t chart_named(const Chart *chart);

#endif
