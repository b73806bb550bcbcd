/* A chart is: a frame with ticks and grid lines, one path per series, marks, and a legend below.
 * Text is never measured: sizes are chosen so that the longest usual labels fit. */
#include "experiments/svg.h"

#include <math.h>
#include <stdio.h>

#include "tensor/check.h"

enum { WIDTH = 720, TOP = 14, LEFT = 74, RIGHT = 16, PLOT = 300, FOOT = 50, LEGEND = 22 };
enum { MAX_TICKS = 12, SHAPES = 6, LEGEND_PER_ROW = 3 };

/* Data to pixels along one axis. */
typedef struct Axis {
    double low, high; /* in the axis's own scale: logarithms on a log axis */
    double from, to;  /* pixels */
    bool log;
    double tick[MAX_TICKS];
    int ticks;
} Axis;

static bool usable(double v, bool log_scale)
{
    return isfinite(v) && (!log_scale || v > 0.0);
}

static double scaled(double v, bool log_scale)
{
    return log_scale ? log10(v) : v;
}

static double pixel(const Axis *a, double v)
{
    return a->from + (scaled(v, a->log) - a->low) / (a->high - a->low) * (a->to - a->from);
}

static bool point_usable(const Chart *chart, const Series *s, size_t i)
{
    return usable(s->x[i], chart->log_x) && usable(s->y[i], chart->log_y);
}

/* Range of the usable points along one axis, in the axis's scale. */
static void find_range(Axis *a, const Chart *chart, bool along_y)
{
    a->low = HUGE_VAL;
    a->high = -HUGE_VAL;
    for (size_t k = 0; k < chart->series_count; k++)
        for (size_t i = 0; i < chart->series[k].count; i++)
            if (point_usable(chart, &chart->series[k], i)) {
                double v = scaled(along_y ? chart->series[k].y[i] : chart->series[k].x[i], a->log);
                a->low = fmin(a->low, v);
                a->high = fmax(a->high, v);
            }
    if (a->low > a->high) { /* nothing to draw: an empty frame */
        a->low = 0.0;
        a->high = 1.0;
    }
    double least = a->log ? 0.1 : 1e-9 * fmax(fabs(a->low), 1e-3);
    if (a->high - a->low < least) {
        double middle = (a->low + a->high) / 2.0;
        double half = a->log ? 0.3 : fmax(fabs(middle) * 0.1, 1e-3);
        a->low = middle - half;
        a->high = middle + half;
    }
}

static void add_tick(Axis *a, double v)
{
    if (a->ticks < MAX_TICKS)
        a->tick[a->ticks++] = v;
}

/* 1, 2 or 5 times a power of ten, about five steps over the range. */
static double nice_step(double range)
{
    double power = pow(10.0, floor(log10(range / 5.0))), part = range / 5.0 / power;

    return power * (part < 1.5 ? 1.0 : part < 3.5 ? 2.0 : part < 7.5 ? 5.0 : 10.0);
}

static void linear_ticks(Axis *a, bool to_tick)
{
    double step = nice_step(a->high - a->low);

    if (to_tick) {
        a->low = floor(a->low / step + 1e-9) * step;
        a->high = ceil(a->high / step - 1e-9) * step;
    }
    for (double i = ceil(a->low / step - 1e-9); i * step <= a->high + 1e-9 * step; i += 1.0)
        add_tick(a, i * step);
}

/* Powers of ten; 1 2 5 of each where there are few; powers of two where the data are such. */
static void log_ticks(Axis *a, double base)
{
    static const double parts[3] = {1, 2, 5};
    double decades = a->high - a->low;
    int digits = decades > 3.0 ? 1 : 3;
    double stride = ceil(decades / (MAX_TICKS - 2));

    if (base == 2.0) {
        double first = ceil(a->low / log10(2.0) - 1e-9), last = a->high / log10(2.0) + 1e-9;
        double by = ceil((last - first + 1.0) / MAX_TICKS);
        for (double i = first; i <= last; i += by)
            add_tick(a, pow(2.0, i));
        return;
    }
    for (double i = floor(a->low); i <= a->high + 1e-9; i += stride)
        for (int k = 0; k < digits; k++) {
            double v = parts[k] * pow(10.0, i);
            if (log10(v) >= a->low - 1e-9 && log10(v) <= a->high + 1e-9)
                add_tick(a, v);
        }
}

/* True if every usable x is a power of two: step counts such as 1, 2, 4, 8. */
static bool powers_of_two(const Chart *chart)
{
    int exponent;

    for (size_t k = 0; k < chart->series_count; k++)
        for (size_t i = 0; i < chart->series[k].count; i++)
            if (point_usable(chart, &chart->series[k], i) &&
                frexp(chart->series[k].x[i], &exponent) != 0.5)
                return false;
    return true;
}

static Axis make_axis(const Chart *chart, bool along_y)
{
    Axis a = {0};

    a.log = along_y ? chart->log_y : chart->log_x;
    a.from = along_y ? TOP + PLOT : LEFT;
    a.to = along_y ? TOP : WIDTH - RIGHT;
    find_range(&a, chart, along_y);
    double margin = (a.high - a.low) * (along_y ? 0.05 : chart->markers ? 0.03 : 0.0);
    if (a.log || !along_y) {
        a.low -= margin;
        a.high += margin;
    }
    if (a.log)
        log_ticks(&a, !along_y && powers_of_two(chart) ? 2.0 : 10.0);
    else
        linear_ticks(&a, along_y);
    return a;
}

static void tick_text(Buffer *out, double v)
{
    double size = fabs(v);

    if (size < 1e-300)
        buffer_text(out, "0");
    else if (size >= 1e6 && size < 1e9)
        buffer_format(out, "%.6gM", v / 1e6);
    else if (size >= 1e4 && size < 1e6)
        buffer_format(out, "%.6gk", v / 1e3);
    else
        buffer_format(out, "%.4g", v);
}

static void draw_axes(Buffer *out, const Chart *chart, const Axis *x, const Axis *y)
{
    for (int i = 0; i < y->ticks; i++) {
        double p = pixel(y, y->tick[i]);
        buffer_format(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>",
                      (int)LEFT, p, WIDTH - RIGHT, p);
        buffer_format(out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                      LEFT - 8, p + 4.0);
        tick_text(out, y->tick[i]);
        buffer_text(out, "</text>\n");
    }
    for (int i = 0; i < x->ticks; i++) {
        double p = pixel(x, x->tick[i]);
        buffer_format(out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>", p,
                      TOP + PLOT, p, TOP + PLOT + 5);
        buffer_format(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", p,
                      TOP + PLOT + 19);
        tick_text(out, x->tick[i]);
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
    static const char *const shapes[SHAPES] = {
        "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z", /* disc */
        "M-4 -4H4V4H-4z",                                /* square */
        "M0 -5.5L5 4H-5z",                               /* triangle */
        "M0 -6L6 0L0 6L-6 0z",                           /* diamond */
        "M0 5.5L5 -4H-5z",                               /* triangle, point down */
        "M-2 -5.5H2V-2H5.5V2H2V5.5H-2V2H-5.5V-2H-2z",    /* cross */
    };

    buffer_format(out, "<path class=\"mark c%zu\" transform=\"translate(%.1f %.1f)\" d=\"%s\"/>\n",
                  colour, x, y, shapes[colour]);
}

static void draw_series(Buffer *out, const Chart *chart, const Series *s, size_t colour,
                        const Axis *x, const Axis *y)
{
    bool pen_down = false, any = false;

    for (size_t i = 0; i < s->count; i++) {
        if (!point_usable(chart, s, i)) {
            pen_down = false;
            continue;
        }
        if (!any)
            buffer_format(out, "<path class=\"line c%zu%s%s\" d=\"", colour,
                          s->faint ? " faint" : "", s->dashed ? " dashed" : "");
        buffer_format(out, "%c%.1f %.1f", pen_down ? 'L' : 'M', pixel(x, s->x[i]),
                      pixel(y, s->y[i]));
        pen_down = any = true;
    }
    if (any)
        buffer_text(out, "\"/>\n");
    if (chart->markers && !s->faint && !s->dashed)
        for (size_t i = 0; i < s->count; i++)
            if (point_usable(chart, s, i))
                draw_mark(out, colour, pixel(x, s->x[i]), pixel(y, s->y[i]));
}

static void draw_legend_entry(Buffer *out, const Chart *chart, const Series *s, size_t colour,
                              size_t place)
{
    double x = LEFT + (double)(place % LEGEND_PER_ROW) * (WIDTH - LEFT - RIGHT) / LEGEND_PER_ROW;
    double y = TOP + PLOT + FOOT + LEGEND * ((double)(place / LEGEND_PER_ROW) + 0.6);

    buffer_format(out, "<path class=\"line c%zu%s\" d=\"M%.1f %.1fh26\"/>", colour,
                  s->dashed ? " dashed" : "", x, y);
    if (chart->markers && !s->dashed)
        draw_mark(out, colour, x + 13.0, y);
    buffer_format(out, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\">", x + 34.0, y + 4.5);
    buffer_html(out, s->name);
    buffer_text(out, "</text>\n");
}

void svg_chart(Buffer *out, const Chart *chart)
{
    Axis x = make_axis(chart, false), y = make_axis(chart, true);
    size_t named = 0, colour = 0, place = 0;

    for (size_t k = 0; k < chart->series_count; k++)
        named += !chart->series[k].faint;
    size_t rows = named > 1 ? (named + LEGEND_PER_ROW - 1) / LEGEND_PER_ROW : 0;
    buffer_format(out, "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"", (int)WIDTH,
                  TOP + PLOT + FOOT + rows * LEGEND);
    buffer_html(out, chart->title);
    buffer_text(out, "\">\n");
    draw_axes(out, chart, &x, &y);
    /* A faint series has the colour of the named one that follows it. */
    for (size_t k = 0; k < chart->series_count; k++) {
        draw_series(out, chart, &chart->series[k], colour % SHAPES, &x, &y);
        colour += !chart->series[k].faint;
    }
    colour = 0;
    for (size_t k = 0; rows > 0 && k < chart->series_count; k++)
        if (!chart->series[k].faint)
            draw_legend_entry(out, chart, &chart->series[k], colour++ % SHAPES, place++);
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
