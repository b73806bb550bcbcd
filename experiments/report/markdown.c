/* What has a meaning in Markdown gets a backslash before it; & and < become references, which HTML
 * inside of Markdown does not see. */
#include "experiments/report/markdown.h"

#include <string.h>

#include "tensor/base/text.h"

/* One character of text, `left` bytes of which are there; the bytes that it took. */
static size_t add_character(Buffer *out, const char *text, size_t left, bool escape)
{
    const size_t n = text_utf8(text, left);
    if (n == 0)
        buffer_text(out, "\xEF\xBF\xBD");
    else if ((unsigned char)*text < 0x20 || *text == 0x7F)
        buffer_text(out, " ");
    else if (escape && *text == '&')
        buffer_text(out, "&amp;");
    else if (escape && *text == '<')
        buffer_text(out, "&lt;");
    else {
        if (escape && strchr("\\`*[]|#~", *text) != NULL)
            buffer_text(out, "\\");
        buffer_add(out, text, n);
    }
    return n > 0 ? n : 1;
}

static void add_text(Buffer *out, const char *text, size_t length, bool escape)
{
    for (size_t i = 0; i < length;)
        i += add_character(out, text + i, length - i, escape);
}

static void escaped(Buffer *out, const char *text)
{
    add_text(out, text, strlen(text), true);
}

void markdown_heading(Buffer *out, int level, const char *text)
{
    for (int i = 0; i < level; i++)
        buffer_text(out, "#");
    buffer_text(out, " ");
    escaped(out, text);
    buffer_text(out, "\n\n");
}

void markdown_paragraph(Buffer *out, const char *text)
{
    escaped(out, text);
    buffer_text(out, "\n\n");
}

static void add_row(Buffer *out, size_t columns, const char *const *cells)
{
    for (size_t j = 0; j < columns; j++) {
        buffer_text(out, j > 0 ? " | " : "| ");
        escaped(out, cells[j] != NULL ? cells[j] : "");
    }
    buffer_text(out, " |\n");
}

void markdown_table(Buffer *out, size_t columns, const char *const *head, const bool *right,
                    size_t rows, const char *const *cells)
{
    add_row(out, columns, head);
    for (size_t j = 0; j < columns; j++)
        buffer_text(out, right[j] ? "|---:" : "|---");
    buffer_text(out, "|\n");
    for (size_t i = 0; i < rows; i++)
        add_row(out, columns, cells + i * columns);
    buffer_text(out, "\n");
}

void markdown_lines(Buffer *out, const char *text)
{
    for (const char *p = text; *p != '\0';) {
        const size_t n = strcspn(p, "\n");
        buffer_text(out, "    ");
        add_text(out, p, n, false);
        buffer_text(out, "\n");
        p += n + (p[n] == '\n');
    }
    buffer_text(out, "\n");
}

void markdown_fact(Buffer *out, const char *key, const char *value)
{
    buffer_text(out, "- ");
    escaped(out, key);
    buffer_text(out, ": ");
    escaped(out, value);
    buffer_text(out, "\n");
}
