/* A small rasteriser: thick lines with soft edges, discs and polygons of marks, and text in a 5x7
 * face drawn at twice its size.  A line covers a pixel by its distance from it. */
#include "experiments/report/chart_png.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "tensor/base/constants.h"
#include "tensor/base/memory.h"

enum { WIDTH = 1080, HEAD = 46, LEFT = 118, RIGHT = 30, PLOT = 450, FOOT = 84, LEGEND = 34 };
enum { LEGEND_PER_ROW = 3, FACE_WIDTH = 5, FACE_HEIGHT = 7, FACE_TAIL = 2, ZOOM = 2, ADVANCE = 12 };
static const unsigned long INK = 0x1d2329, QUIET = 0x5c6773, GRID = 0xdfe3e6;

/* Seven rows of five bits for each character from ' ' to '~', the leftmost bit first. */
static const char face[] = "00000000000000"
                           "04040404040004"
                           "0A0A0A00000000"
                           "0A0A1F0A1F0A0A"
                           "040F140E051E04"
                           "18190204081303"
                           "0C12140815120D"
                           "0C040800000000"
                           "02040808080402"
                           "08040202020408"
                           "000A041F040A00"
                           "0004041F040400"
                           "000000000C0408"
                           "0000001F000000"
                           "00000000000C0C"
                           "00010204081000"
                           "0E11131519110E"
                           "040C040404040E"
                           "0E11010204081F"
                           "1F02040201110E"
                           "02060A121F0202"
                           "1F101E0101110E"
                           "0608101E11110E"
                           "1F010204080808"
                           "0E11110E11110E"
                           "0E11110F01020C"
                           "000C0C000C0C00"
                           "000C0C000C0408"
                           "02040810080402"
                           "00001F001F0000"
                           "08040201020408"
                           "0E110102040004"
                           "0E11010D15150E"
                           "0E1111111F1111"
                           "1E11111E11111E"
                           "0E11101010110E"
                           "1C12111111121C"
                           "1F10101E10101F"
                           "1F10101E101010"
                           "0E11101711110F"
                           "1111111F111111"
                           "0E04040404040E"
                           "0702020202120C"
                           "11121418141211"
                           "1010101010101F"
                           "111B1515111111"
                           "11111915131111"
                           "0E11111111110E"
                           "1E11111E101010"
                           "0E11111115120D"
                           "1E11111E141211"
                           "0F10100E01011E"
                           "1F040404040404"
                           "1111111111110E"
                           "11111111110A04"
                           "11111115151B11"
                           "11110A040A1111"
                           "1111110A040404"
                           "1F01020408101F"
                           "0E08080808080E"
                           "00100804020100"
                           "0E02020202020E"
                           "040A1100000000"
                           "0000000000001F"
                           "08040200000000"
                           "00000E010F110F"
                           "10101E1111111E"
                           "00000E1010110E"
                           "01010D1311110F"
                           "00000E111F100E"
                           "0609081C080808"
                           "000F110F01110E"
                           "10101619111111"
                           "04000C0404040E"
                           "0200060202120C"
                           "10101214181412"
                           "0C04040404040E"
                           "00001A15151111"
                           "00001619111111"
                           "00000E1111110E"
                           "00001E111E1010"
                           "00000D130F0101"
                           "00001619101010"
                           "00000E100E011E"
                           "08081C08080906"
                           "0000111111130D"
                           "00001111110A04"
                           "0000111115150A"
                           "0000110A040A11"
                           "00110F01110E00"
                           "00001F0204081F"
                           "02040408040402"
                           "04040404040404"
                           "08040402040408"
                           "00000815020000";

/* Those that reach two rows below the line, in nine rows. */
static const char tailed[] = "gjpqy";
static const char tails[] = "00000F1111110F010E"
                            "02000602020202120C"
                            "00001E1111111E1010"
                            "00000F1111110F0101"
                            "0000111111110F010E";

/* The pixel's colour moves towards the colour by share 0..1. */
static void blend(const Picture *c, long x, long y, unsigned long colour, double share)
{
    if (x < 0 || y < 0 || x >= (long)c->width || y >= (long)c->height || share <= 0.0)
        return;
    uint8_t *pixel = c->pixels + 3 * ((size_t)y * c->width + (size_t)x);
    for (int k = 0; k < 3; k++) {
        const double to = (double)(colour >> (16 - 8 * k) & 255);
        pixel[k] = (uint8_t)lround(pixel[k] + (to - pixel[k]) * fmin(share, 1.0));
    }
}

static void box(const Picture *c, long x, long y, long width, long height, unsigned long colour)
{
    for (long j = y; j < y + height; j++)
        for (long i = x; i < x + width; i++)
            blend(c, i, j, colour, 1.0);
}

/* Distance of (x, y) from the segment. */
static double from_segment(double x, double y, const double a[2], const double b[2])
{
    const double dx = b[0] - a[0], dy = b[1] - a[1], square = dx * dx + dy * dy;
    double at = square > 0.0 ? ((x - a[0]) * dx + (y - a[1]) * dy) / square : 0.0;

    at = fmin(fmax(at, 0.0), 1.0);
    return hypot(x - a[0] - at * dx, y - a[1] - at * dy);
}

static void segment(const Picture *c, const double a[2], const double b[2], double half,
                    unsigned long colour, double share)
{
    const double reach = half + 1.0;
    const long x1 = (long)ceil(fmax(a[0], b[0]) + reach), y1 = (long)ceil(fmax(a[1], b[1]) + reach);

    for (long y = (long)floor(fmin(a[1], b[1]) - reach); y <= y1; y++)
        for (long x = (long)floor(fmin(a[0], b[0]) - reach); x <= x1; x++)
            blend(c, x, y, colour,
                  share * fmin(half + 0.5 - from_segment((double)x, (double)y, a, b), 1.0));
}

/* A line through the points a..b in dashes of 12 with gaps of 8; *walked goes on from piece to
 * piece. */
static void dashed(const Picture *c, const double a[2], const double b[2], unsigned long colour,
                   double *walked)
{
    const double length = hypot(b[0] - a[0], b[1] - a[1]);

    for (double at = 0.0; at < length;) {
        const double phase = fmod(*walked, 20.0);
        const double step = fmin((phase < 12.0 ? 12.0 : 20.0) - phase + 1e-6, length - at);
        if (phase < 12.0) {
            const double from[2] = {a[0] + (b[0] - a[0]) * at / length,
                                    a[1] + (b[1] - a[1]) * at / length};
            const double to[2] = {a[0] + (b[0] - a[0]) * (at + step) / length,
                                  a[1] + (b[1] - a[1]) * (at + step) / length};
            segment(c, from, to, 1.2, colour, 1.0);
        }
        at += step;
        *walked += step;
    }
}

/* ---- text ---- */

static int hex(char digit)
{
    return digit <= '9' ? digit - '0' : digit - 'A' + 10;
}

static unsigned face_row(char character, int row)
{
    const int code = (unsigned char)character;
    const int shown = code >= 32 && code < 127 ? code : '?';
    const char *glyph = face + (ptrdiff_t)14 * (shown - 32);
    const char *tail = strchr(tailed, character);

    if (tail != NULL && character != '\0')
        glyph = tails + 18 * (tail - tailed);
    else if (row >= FACE_HEIGHT)
        return 0;
    return (unsigned)(16 * hex(glyph[(ptrdiff_t)2 * row]) + hex(glyph[(ptrdiff_t)2 * row + 1]));
}

/* The text's upper left corner at (x, y); turned: reading upwards from there. */
static void text_at(const Picture *c, long x, long y, const char *text, unsigned long colour,
                    bool turned)
{
    for (size_t k = 0; text[k] != '\0'; k++)
        for (int row = 0; row < FACE_HEIGHT + FACE_TAIL; row++)
            for (int column = 0; column < FACE_WIDTH; column++) {
                if ((face_row(text[k], row) >> (FACE_WIDTH - 1 - column) & 1) == 0)
                    continue;
                const long along = (long)k * ADVANCE + (long)column * ZOOM, down = (long)row * ZOOM;
                if (turned)
                    box(c, x + down, y - along - ZOOM, ZOOM, ZOOM, colour);
                else
                    box(c, x + along, y + down, ZOOM, ZOOM, colour);
            }
}

static long text_width(const char *text)
{
    return (long)strlen(text) * ADVANCE - (ADVANCE - FACE_WIDTH * ZOOM);
}

/* ---- the chart ---- */

static void draw_axes(const Picture *c, const Chart *chart, const ChartAxis *x, const ChartAxis *y)
{
    const long bottom = HEAD + PLOT;
    char text[32];

    for (int i = 0; i < y->ticks; i++) {
        const long p = lround(chart_pixel(y, y->tick[i]));
        box(c, LEFT, p, WIDTH - LEFT - RIGHT, 1, GRID);
        chart_tick_text(text, y->tick[i]);
        text_at(c, LEFT - 12 - text_width(text), p - FACE_HEIGHT * ZOOM / 2, text, QUIET, false);
    }
    for (int i = 0; i < x->ticks; i++) {
        const long p = lround(chart_pixel(x, x->tick[i]));
        box(c, p, bottom, 1, 8, QUIET);
        chart_tick_text(text, x->tick[i]);
        text_at(c, p - text_width(text) / 2, bottom + 14, text, QUIET, false);
    }
    box(c, LEFT, bottom, WIDTH - LEFT - RIGHT, 1, QUIET);
    text_at(c, (LEFT + WIDTH - RIGHT - text_width(chart->x_label)) / 2, bottom + 44, chart->x_label,
            INK, false);
    text_at(c, 12, HEAD + (PLOT + text_width(chart->y_label)) / 2, chart->y_label, INK, true);
    text_at(c, LEFT, 14, chart->title, INK, false);
}

/* Marks as closed polygons around (0, 0); the disc has many corners. */
static size_t mark_shape(size_t shape, double corner[16][2])
{
    static const double shapes[CHART_SHAPES][12][2] = {{{0, 0}},
                                                       {{-6, -6}, {6, -6}, {6, 6}, {-6, 6}},
                                                       {{0, -8}, {7.5, 6}, {-7.5, 6}},
                                                       {{0, -9}, {9, 0}, {0, 9}, {-9, 0}},
                                                       {{0, 8}, {7.5, -6}, {-7.5, -6}},
                                                       {{-3, -8},
                                                        {3, -8},
                                                        {3, -3},
                                                        {8, -3},
                                                        {8, 3},
                                                        {3, 3},
                                                        {3, 8},
                                                        {-3, 8},
                                                        {-3, 3},
                                                        {-8, 3},
                                                        {-8, -3},
                                                        {-3, -3}},
                                                       {{-9, -3}, {9, -3}, {9, 3}, {-9, 3}},
                                                       {{-3, -9}, {3, -9}, {3, 9}, {-3, 9}}};
    static const size_t corners[CHART_SHAPES] = {16, 4, 3, 4, 3, 12, 4, 4};

    for (size_t i = 0; i < corners[shape]; i++) {
        const double angle = 2.0 * PI * (double)i / 16.0;
        corner[i][0] = shape == 0 ? 6.5 * cos(angle) : shapes[shape][i][0];
        corner[i][1] = shape == 0 ? 6.5 * sin(angle) : shapes[shape][i][1];
    }
    return corners[shape];
}

static bool inside(double x, double y, double corner[16][2], size_t corners)
{
    bool in = false;

    for (size_t i = 0, j = corners - 1; i < corners; j = i++)
        if ((corner[i][1] > y) != (corner[j][1] > y) &&
            x < corner[i][0] + (y - corner[i][1]) * (corner[j][0] - corner[i][0]) /
                                   (corner[j][1] - corner[i][1]))
            in = !in;
    return in;
}

/* Nine samples a pixel. */
static void mark(const Picture *c, double x, double y, size_t shape)
{
    double corner[16][2];
    const size_t corners = mark_shape(shape, corner);

    for (long j = (long)y - 11; j <= (long)y + 11; j++)
        for (long i = (long)x - 11; i <= (long)x + 11; i++) {
            int hits = 0;
            for (int k = 0; k < 9; k++) {
                const int right = k % 3 - 1, down = k / 3 - 1;
                hits += inside((double)i + right / 3.0 - x, (double)j + down / 3.0 - y, corner,
                               corners);
            }
            blend(c, i, j, chart_colours[shape], hits / 9.0);
        }
}

static void draw_series(const Picture *c, const Chart *chart, const Series *s, size_t colour,
                        const ChartAxis *x, const ChartAxis *y)
{
    double last[2] = {0, 0}, walked = 0.0;
    bool pen_down = false;

    for (size_t i = 0; i < s->count; i++) {
        if (!chart_usable(chart, s, i)) {
            pen_down = false;
            continue;
        }
        const double now[2] = {chart_pixel(x, s->x[i]), chart_pixel(y, s->y[i])};
        if (pen_down && s->dashed)
            dashed(c, last, now, chart_colours[colour], &walked);
        else if (pen_down)
            segment(c, last, now, s->faint ? 0.6 : 1.4, chart_colours[colour],
                    s->faint ? 0.35 : 1.0);
        if (chart->markers && !s->faint && !s->dashed)
            mark(c, now[0], now[1], colour);
        memcpy(last, now, sizeof last);
        pen_down = true;
    }
}

static void draw_legend(const Picture *c, const Chart *chart)
{
    size_t place = 0;

    for (size_t k = 0; k < chart->series_count; k++) {
        const Series *s = &chart->series[k];
        if (s->faint)
            continue;
        const size_t colour = place % CHART_SHAPES;
        const double x =
            LEFT + (double)(place % LEGEND_PER_ROW) * (WIDTH - LEFT - RIGHT) / LEGEND_PER_ROW;
        const size_t line = place / LEGEND_PER_ROW;
        const double y = HEAD + PLOT + FOOT + LEGEND * ((double)line + 0.4);
        const double from[2] = {x, y}, to[2] = {x + 38, y};
        double walked = 0.0;
        if (s->dashed)
            dashed(c, from, to, chart_colours[colour], &walked);
        else
            segment(c, from, to, 1.4, chart_colours[colour], 1.0);
        if (chart->markers && !s->dashed)
            mark(c, x + 19, y, colour);
        text_at(c, (long)x + 50, (long)y - FACE_HEIGHT * ZOOM / 2, s->name, INK, false);
        place++;
    }
}

Picture chart_picture(const Chart *chart)
{
    const size_t named = chart_named(chart);
    const size_t rows = named > 1 ? (named + LEGEND_PER_ROW - 1) / LEGEND_PER_ROW : 0;
    Picture p = {HEAD + PLOT + FOOT + rows * LEGEND, WIDTH, 3, NULL};
    const ChartAxis x = chart_axis(chart, false, LEFT, WIDTH - RIGHT);
    const ChartAxis y = chart_axis(chart, true, HEAD + PLOT, HEAD);
    size_t colour = 0;

    p.pixels = mem_alloc(p.height * p.width, 3);
    memset(p.pixels, 255, p.height * p.width * 3);
    draw_axes(&p, chart, &x, &y);
    for (size_t k = 0; k < chart->series_count; k++) {
        draw_series(&p, chart, &chart->series[k], colour % CHART_SHAPES, &x, &y);
        colour += !chart->series[k].faint;
    }
    if (rows > 0)
        draw_legend(&p, chart);
    return p;
}
