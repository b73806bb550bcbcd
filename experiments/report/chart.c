/* Ranges and ticks of a chart's axes. */
#include "experiments/report/chart.h"
#include "tensor/base/larger.h"

#include <math.h>
#include <stdio.h>

#include "tensor/base/text.h"

const unsigned long chart_colours[CHART_SHAPES] = {0x1f6fb4, 0xc4501b, 0x2f8a4c, 0x8a4fb0,
                                                   0xa87a08, 0xb83268, 0x12857f, 0x70665c};

static bool usable(double v, bool log_scale)
{
    return isfinite(v) && (!log_scale || v > 0.0);
}

static double scaled(double v, bool log_scale)
{
    return log_scale ? log10(v) : v;
}

double chart_pixel(const ChartAxis *a, double v)
{
    return a->from + (scaled(v, a->log) - a->low) / (a->high - a->low) * (a->to - a->from);
}

bool chart_usable(const Chart *chart, const Series *s, size_t i)
{
    return usable(s->x[i], chart->log_x) && usable(s->y[i], chart->log_y);
}

/* Range of the usable points along one axis, in the axis's scale. */
static void find_range(ChartAxis *a, const Chart *chart, bool along_y)
{
    a->low = HUGE_VAL;
    a->high = -HUGE_VAL;
    for (size_t k = 0; k < chart->series_count; k++)
        for (size_t i = 0; i < chart->series[k].count; i++)
            if (chart_usable(chart, &chart->series[k], i)) {
                double v = scaled(along_y ? chart->series[k].y[i] : chart->series[k].x[i], a->log);
                a->low = fmin(a->low, v);
                a->high = larger_of(a->high, v);
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

static void add_tick(ChartAxis *a, double v)
{
    if (a->ticks < CHART_TICKS)
        a->tick[a->ticks++] = v;
}

/* 1, 2 or 5 times a power of ten, about five steps over the range. */
static double nice_step(double range)
{
    double power = pow(10.0, floor(log10(range / 5.0))), part = range / 5.0 / power;

    return power * (part < 1.5 ? 1.0 : part < 3.5 ? 2.0 : part < 7.5 ? 5.0 : 10.0);
}

static void linear_ticks(ChartAxis *a, bool to_tick)
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
static void log_ticks(ChartAxis *a, double base)
{
    static const double parts[3] = {1, 2, 5};
    double decades = a->high - a->low;
    int digits = decades > 3.0 ? 1 : 3;
    double stride = ceil(decades / (CHART_TICKS - 2));

    if (base == 2.0) {
        double first = ceil(a->low / log10(2.0) - 1e-9), last = a->high / log10(2.0) + 1e-9;
        double by = ceil((last - first + 1.0) / CHART_TICKS);
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
            if (chart_usable(chart, &chart->series[k], i) &&
                frexp(chart->series[k].x[i], &exponent) != 0.5)
                return false;
    return true;
}

ChartAxis chart_axis(const Chart *chart, bool along_y, double from, double to)
{
    ChartAxis a = {0};

    a.log = along_y ? chart->log_y : chart->log_x;
    a.from = from;
    a.to = to;
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

void chart_tick_text(char text[32], double v)
{
    const double size = fabs(v);

    if (size < 1e-300)
        snprintf(text, 32, "0");
    else if (size >= 1e6 && size < 1e9)
        text_format(text, 32, "%.6gM", v / 1e6);
    else if (size >= 1e4 && size < 1e6)
        text_format(text, 32, "%.6gk", v / 1e3);
    else
        text_format(text, 32, "%.4g", v);
}

size_t chart_named(const Chart *chart)
{
    size_t named = 0;

    for (size_t k = 0; k < chart->series_count; k++)
        named += !chart->series[k].faint;
    return named;
}
