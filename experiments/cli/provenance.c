/* The command line, kept for results.  Words of letters, digits and a few signs stand as they are,
 * other printable ones between single quotes.  A word with other bytes is what printf prints of it:
 * so the text is ASCII, and JSON, HTML and PNG hold it unchanged. */
#include "experiments/cli/provenance.h"

#include <string.h>

#include "nn/formats/buffer.h"
#include "tensor/base/text.h"

static Buffer command;

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

static bool needs_no_quotes(const char *word)
{
    for (const char *p = word; *p != '\0'; p++)
        if (!text_is_letter(*p) && !text_is_digit(*p) && strchr("_./:=,+@%-", *p) == NULL)
            return false;
    return *word != '\0';
}

static void add_quoted(const char *word)
{
    buffer_text(&command, "'");
    for (const char *p = word; *p != '\0'; p++)
        if (*p == '\'')
            buffer_text(&command, "'\\''");
        else
            buffer_add(&command, p, 1);
    buffer_text(&command, "'");
}

/* "$(printf '...')", behind which the line ends stand that $() takes from the end. */
static void add_printed(const char *word)
{
    size_t length = strlen(word);

    while (length > 0 && word[length - 1] == '\n')
        length--;
    buffer_text(&command, "\"$(printf '");
    for (size_t i = 0; i < length; i++)
        if (word[i] == '%' || word[i] == '\\')
            buffer_format(&command, "%c%c", word[i], word[i]);
        else if (!is_printable(word[i]) || word[i] == '\'' || (i == 0 && word[i] == '-'))
            buffer_format(&command, "\\%03o", (unsigned)(unsigned char)word[i]);
        else
            buffer_add(&command, word + i, 1);
    buffer_text(&command, "')\"");
    if (word[length] != '\0')
        add_quoted(word + length);
}

static void add_word(const char *word)
{
    bool printable = true;

    for (const char *p = word; *p != '\0'; p++)
        printable = printable && is_printable(*p);
    if (needs_no_quotes(word))
        buffer_text(&command, word);
    else if (printable)
        add_quoted(word);
    else
        add_printed(word);
}

void provenance_set(int argc, char **argv)
{
    buffer_free(&command);
    if (argc == 0)
        return;
    buffer_text(&command, "di4c");
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--resume") == 0)
            continue;
        buffer_text(&command, " ");
        add_word(argv[i]);
    }
}

const char *provenance_command(void)
{
    return command.bytes != NULL ? command.bytes : "di4c";
}
