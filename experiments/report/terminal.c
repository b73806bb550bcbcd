/* Two pixels to a character. */
#include "experiments/report/terminal.h"

#include <string.h>

/* The nearest of 24 greys (232 to 255), or of a cube of 6 x 6 x 6 colours (16 to 231). */
static unsigned colour_of(const uint8_t *pixel, size_t channels)
{
    if (channels == 1)
        return 232u + (pixel[0] * 23u + 127u) / 255u;
    unsigned place = 0;
    for (size_t c = 0; c < 3; c++)
        place = 6u * place + (pixel[c] * 5u + 127u) / 255u;
    return 16u + place;
}

static unsigned light_of(const uint8_t *pixel, size_t channels)
{
    unsigned sum = 0;
    for (size_t c = 0; c < channels; c++)
        sum += pixel[c];
    return sum / (unsigned)channels;
}

static void add_colours(Buffer *out, const uint8_t *upper, const uint8_t *lower, size_t channels)
{
    buffer_format(out, "\x1b[38;5;%u;48;5;%um\xE2\x96\x80", colour_of(upper, channels),
                  colour_of(lower, channels));
}

static void add_ramp(Buffer *out, const uint8_t *upper, const uint8_t *lower, size_t channels)
{
    static const char ramp[] = " .:-=+*#%@";
    const unsigned light = light_of(upper, channels) + light_of(lower, channels); /* 0..510 */
    buffer_add(out, &ramp[light * 9u / 510u], 1);
}

void terminal_crop(Picture *p, size_t columns, size_t lines)
{
    const size_t width = p->width < columns ? p->width : columns;
    if (p->height / 2 >= lines)
        p->height = 2 * lines;
    for (size_t y = 0; y < p->height; y++)
        memmove(p->pixels + y * width * p->channels, p->pixels + y * p->width * p->channels,
                width * p->channels);
    p->width = width;
}

void terminal_picture(Buffer *out, const Picture *p, bool colours)
{
    static const uint8_t black[3] = {0, 0, 0};
    for (size_t y = 0; y < p->height; y += 2) {
        for (size_t x = 0; x < p->width; x++) {
            const uint8_t *upper = p->pixels + (y * p->width + x) * p->channels;
            const uint8_t *lower = y + 1 < p->height ? upper + p->width * p->channels : black;
            if (colours)
                add_colours(out, upper, lower, p->channels);
            else
                add_ramp(out, upper, lower, p->channels);
        }
        buffer_text(out, colours ? "\x1b[0m\n" : "\n");
    }
}
