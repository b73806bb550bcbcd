/* Names of files are known by how --help calls an option's value. */
#include "experiments/cli/results.h"

#include <string.h>

#include "tensor/base/check.h"
#include "tensor/system/platform.h"

static const char *value_of(const Option *row)
{
    return *(const char *const *)row->target;
}

/* Whether the word, or what is behind its colon (as in npy:FILE), leads to the file. */
static bool leads_to(const char *word, const char *file)
{
    const char *colon = strchr(word, ':');
    return platform_same_file(word, file) || (colon && platform_same_file(colon + 1, file));
}

static bool is_of_files(const Option *row)
{
    return row->type == OPTION_TEXT && row->value != NULL &&
           (strcmp(row->value, "MODEL") == 0 || strcmp(row->value, "DATA") == 0 ||
            strncmp(row->value, "FILE", 4) == 0);
}

static bool names(const Option *row, const char *file)
{
    const WordList *words = row->target;
    for (size_t i = 0; row->type == OPTION_REST && i < words->count; i++)
        if (leads_to(words->values[i], file))
            return true;
    return is_of_files(row) && value_of(row) && leads_to(value_of(row), file);
}

bool result_check(const OptionTable *table, const char *option, Error *err)
{
    const Option *result = NULL;
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, option) == 0)
            result = &table->rows[i];
    TENSOR_CHECK(result && is_of_files(result), "%s is no option that names a file", option);
    const char *file = value_of(result);
    for (size_t i = 0; file && i < table->count; i++)
        if (&table->rows[i] != result && names(&table->rows[i], file))
            return error_set(err, "%s %.200s: expected another file than %s", option, file,
                             table->rows[i].name);
    return true;
}
