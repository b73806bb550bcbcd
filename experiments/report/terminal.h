/* Pictures as characters. */
#ifndef DI4C_EXPERIMENTS_REPORT_TERMINAL_H
#define DI4C_EXPERIMENTS_REPORT_TERMINAL_H

#include <stdbool.h>

#include "nn/formats/buffer.h"
#include "nn/formats/packed/png.h"

/* Appends the picture, two rows of pixels to a line.  colours: the upper and lower halves of a
 * block character (UTF-8), in the 256 colours that terminals have (ECMA-48); else one of
 * " .:-=+*#%@" for the mean of both, dark to light.  A missing last row is black. */
void terminal_picture(Buffer *out, const Picture *p, bool colours);
/* Cuts off, in place, what goes beyond so many columns and lines of terminal_picture. */
void terminal_crop(Picture *p, size_t columns, size_t lines);

#endif
