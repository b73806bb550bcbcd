/* A chart is: a frame with ticks and grid lines, one path per series, marks, and a legend below.
 * Text is never measured: sizes are chosen so that the longest usual labels fit. */
#include "experiments/report/svg.h"

#include <math.h>
#include <stdio.h>

#include "tensor/base/check.h"

enum {
    WIDTH = 720,
    TOP = 14,
    LEFT = 74,
    RIGHT = 16,
    PLOT = 300,
    FOOT = 50,
    LEGEND = 22,
    HEAD = 28
};
enum { LEGEND_PER_ROW = 3 };

static void add_tick_text(Buffer *out, double v)
{
    char text[32];

    chart_tick_text(text, v);
    buffer_text(out, text);
}

static void draw_axes(Buffer *out, const Chart *chart, const ChartAxis *x, const ChartAxis *y)
{
    for (int i = 0; i < y->ticks; i++) {
        double p = chart_pixel(y, y->tick[i]);
        buffer_format(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>",
                      (int)LEFT, p, WIDTH - RIGHT, p);
        buffer_format(out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                      LEFT - 8, p + 4.0);
        add_tick_text(out, y->tick[i]);
        buffer_text(out, "</text>\n");
    }
    for (int i = 0; i < x->ticks; i++) {
        double p = chart_pixel(x, x->tick[i]);
        buffer_format(out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", p,
                      TOP + PLOT, p, TOP + PLOT + 5);
        buffer_format(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", p,
                      TOP + PLOT + 19);
        add_tick_text(out, x->tick[i]);
        buffer_text(out, "</text>\n");
    }
    buffer_format(out, "<line class=\"axis\" x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n",
                  (int)LEFT, TOP + PLOT, WIDTH - RIGHT, TOP + PLOT);
    buffer_format(out, "<text class=\"label\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                  (LEFT + WIDTH - RIGHT) / 2, TOP + PLOT + 41);
    buffer_html(out, chart->x_label);
    buffer_format(out,
                  "</text>\n<text class=\"label\" transform=\"translate(16 %d) rotate(-90)\" "
                  "text-anchor=\"middle\">",
                  TOP + PLOT / 2);
    buffer_html(out, chart->y_label);
    buffer_text(out, "</text>\n");
}

/* Marks differ in shape as well as in colour, so that they can be told apart in print. */
static void draw_mark(Buffer *out, size_t colour, double x, double y)
{
    static const char *const shapes[CHART_SHAPES] = {
        "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z", /* disc */
        "M-4 -4H4V4H-4z",                                /* square */
        "M0 -5.5L5 4H-5z",                               /* triangle */
        "M0 -6L6 0L0 6L-6 0z",                           /* diamond */
        "M0 5.5L5 -4H-5z",                               /* triangle, point down */
        "M-2 -5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2z",    /* cross */
        "M-6 -2H6V2H-6z",                                /* bar */
        "M-2 -6H2V6H-2z",                                /* bar, upright */
    };

    buffer_format(out, "<path class=\"mark c%zu\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>\n",
                  colour, x, y, shapes[colour]);
}

static void draw_series(Buffer *out, const Chart *chart, const Series *s, size_t colour,
                        const ChartAxis *x, const ChartAxis *y)
{
    bool pen_down = false, any = false;

    for (size_t i = 0; i < s->count; i++) {
        if (!chart_usable(chart, s, i)) {
            pen_down = false;
            continue;
        }
        if (!any)
            buffer_format(out, "<path class=\"line c%zu%s%s\" d=\"", colour,
                          s->faint ? " faint" : "", s->dashed ? " dashed" : "");
        buffer_format(out, "%c%.1f %.1f", pen_down ? 'L' : 'M', chart_pixel(x, s->x[i]),
                      chart_pixel(y, s->y[i]));
        pen_down = any = true;
    }
    if (any)
        buffer_text(out, "\"/>\n");
    if (chart->markers && !s->faint && !s->dashed)
        for (size_t i = 0; i < s->count; i++)
            if (chart_usable(chart, s, i))
                draw_mark(out, colour, chart_pixel(x, s->x[i]), chart_pixel(y, s->y[i]));
}

static void draw_legend_entry(Buffer *out, const Chart *chart, const Series *s, size_t colour,
                              size_t place)
{
    double x = LEFT + (double)(place % LEGEND_PER_ROW) * (WIDTH - LEFT - RIGHT) / LEGEND_PER_ROW;
    const size_t line = place / LEGEND_PER_ROW;
    double y = TOP + PLOT + FOOT + LEGEND * ((double)line + 0.6);

    buffer_format(out, "<path class=\"line c%zu%s\" d=\"M%.1f %.1fh26\"/>", colour,
                  s->dashed ? " dashed" : "", x, y);
    if (chart->markers && !s->dashed)
        draw_mark(out, colour, x + 13.0, y);
    buffer_format(out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\">", x + 34.0, y + 4.5);
    buffer_html(out, s->name);
    buffer_text(out, "</text>\n");
}

static size_t legend_rows(const Chart *chart)
{
    const size_t named = chart_named(chart);

    return named > 1 ? (named + LEGEND_PER_ROW - 1) / LEGEND_PER_ROW : 0;
}

/* Everything between the svg tags. */
static void draw_inside(Buffer *out, const Chart *chart)
{
    ChartAxis x = chart_axis(chart, false, LEFT, WIDTH - RIGHT);
    ChartAxis y = chart_axis(chart, true, TOP + PLOT, TOP);
    size_t colour = 0, place = 0;

    draw_axes(out, chart, &x, &y);
    /* A faint series has the colour of the named one that follows it. */
    for (size_t k = 0; k < chart->series_count; k++) {
        draw_series(out, chart, &chart->series[k], colour % CHART_SHAPES, &x, &y);
        colour += !chart->series[k].faint;
    }
    colour = 0;
    for (size_t k = 0; legend_rows(chart) > 0 && k < chart->series_count; k++)
        if (!chart->series[k].faint)
            draw_legend_entry(out, chart, &chart->series[k], colour++ % CHART_SHAPES, place++);
}

void svg_chart(Buffer *out, const Chart *chart)
{
    buffer_format(out, "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"", (int)WIDTH,
                  TOP + PLOT + FOOT + legend_rows(chart) * LEGEND);
    buffer_html(out, chart->title);
    buffer_text(out, "\">\n");
    draw_inside(out, chart);
    buffer_text(out, "</svg>\n");
}

void svg_file(Buffer *out, const Chart *chart)
{
    static const char *const style =
        "<style>text{font:13px sans-serif;fill:#1d2329}.tick{fill:#5c6773}"
        ".title{font-weight:bold}.grid{stroke:#dfe3e6}.axis{stroke:#5c6773}"
        ".line{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}"
        ".faint{stroke-width:1;opacity:.35}.dashed{stroke-dasharray:6 4}"
        ".mark{fill:var(--c);stroke:#fff;stroke-width:1}";
    const size_t height = HEAD + TOP + PLOT + FOOT + legend_rows(chart) * LEGEND + TOP;

    buffer_format(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
                  "viewBox=\"0 %d %d %zu\">\n%s",
                  (int)WIDTH, height, -HEAD, (int)WIDTH, height, style);
    for (size_t c = 0; c < CHART_SHAPES; c++)
        buffer_format(out, ".c%zu{--c:#%06lx}", c, chart_colours[c]);
    buffer_format(out,
                  "</style>\n<rect y=\"%d\" width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>"
                  "<text class=\"title\" x=\"%d\" y=\"-8\">",
                  -HEAD, (int)LEFT);
    buffer_html(out, chart->title);
    buffer_text(out, "</text>\n");
    draw_inside(out, chart);
    buffer_text(out, "</svg>\n");
}

void svg_smooth(double *out, const double *y, size_t count, size_t window)
{
    TENSOR_CHECK(window >= 1, "window of %zu", window);
    for (size_t i = 0; i < count; i++) {
        size_t first = i + 1 > window ? i + 1 - window : 0, used = 0;
        double sum = 0.0;
        for (size_t j = first; j <= i; j++)
            if (isfinite(y[j])) {
                sum += y[j];
                used++;
            }
        out[i] = used > 0 ? sum / (double)used : (double)NAN;
    }
}
