/* The option parser: one pass over argv against the command's table. */
#include "experiments/cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/threads.h"

static const char *program = "di4c";

/* While options_each runs: who looks at the tables that commands hand to options_parse. */
static OptionVisitor *visitor;
static void *visited;

void options_program(const char *name)
{
    program = name;
}

void options_add(OptionTable *table, const Option *rows, size_t count)
{
    TENSOR_CHECK(count <= OPTION_TABLE_MAX - table->count, "%zu options after %zu: room for %d",
                 count, table->count, (int)OPTION_TABLE_MAX);
    memcpy(table->rows + table->count, rows, count * sizeof *rows);
    table->count += count;
}

bool options_ask_list(const char *option, int argc, char **argv)
{
    for (int i = 0; i + 1 < argc; i++)
        if (strcmp(argv[i], option) == 0 && strcmp(argv[i + 1], "list") == 0)
            return true;
    return false;
}

static bool is_positional(const Option *o)
{
    return o->name[0] != '-';
}

static void print_option(const Option *o)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", o->name, o->value && !is_positional(o) ? " " : "",
             o->value && !is_positional(o) ? o->value : "");
    printf("  %-26s %s%s\n", left, o->help, o->required ? " (required)" : "");
}

static void print_help(const Command *command, const Option *options, size_t count,
                       const Option *common, size_t common_count)
{
    printf("%s %s", program, command->name);
    for (size_t i = 0; i < count; i++) {
        const Option *o = &options[i];
        if (is_positional(o))
            printf(o->type == OPTION_REST ? " %s..." : o->required ? " %s" : " [%s]", o->name);
        else if (o->required)
            printf(" %s %s", o->name, o->value);
    }
    printf(" [options]\n%s\n\n", command->summary);
    for (size_t i = 0; i < count; i++)
        print_option(&options[i]);
    for (size_t i = 0; i < common_count; i++)
        print_option(&common[i]);
    printf("\nExample:\n  %s\n", command->example);
}

static bool parse_count(const Option *o, const char *text, size_t length, int64_t *out, Error *err)
{
    char digits[32] = "";
    char *end = digits;
    double x = -1;
    if (length > 0 && length < sizeof digits) {
        memcpy(digits, text, length);
        digits[length] = '\0';
        errno = 0;
        x = (double)strtoll(digits, &end, 10);
    }
    if (end == digits || *end != '\0' || errno == ERANGE || x < o->low || x > o->high ||
        (digits[0] != '-' && !text_is_digit(digits[0])))
        return error_set(err, "%s %.60s: expected a whole number from %.15g to %.15g", o->name,
                         text, o->low, o->high);
    *out = (int64_t)x;
    return true;
}

static bool parse_real(const Option *o, const char *text, Error *err)
{
    char *end;
    const double x = text_number(text, &end);
    if (end == text || *end != '\0' || !(x > o->low && x <= o->high))
        return error_set(err, "%s %.60s: expected a number above %g and at most %g", o->name, text,
                         o->low, o->high);
    *(double *)o->target = x;
    return true;
}

static bool parse_list(const Option *o, const char *text, Error *err)
{
    CountList *list = o->target;
    list->count = 0;
    for (const char *p = text;; p++) {
        const size_t n = strcspn(p, ",");
        if (list->count == OPTION_LIST_MAX)
            return error_set(err, "%s: expected at most %d numbers", o->name, OPTION_LIST_MAX);
        if (!parse_count(o, p, n, &list->values[list->count++], err))
            return false;
        p += n;
        if (*p == '\0')
            return true;
    }
}

static void add_word(WordList *list, const char *text)
{
    if (list->count == list->capacity)
        list->values = mem_grow(list->values, &list->capacity, 64, sizeof *list->values);
    list->values[list->count++] = text;
}

static bool store(const Option *o, const char *text, Error *err)
{
    switch (o->type) {
    case OPTION_TEXT: *(const char **)o->target = text; return true;
    case OPTION_COUNT: return parse_count(o, text, strlen(text), o->target, err);
    case OPTION_REAL: return parse_real(o, text, err);
    case OPTION_LIST: return parse_list(o, text, err);
    case OPTION_REST: add_word(o->target, text); return true;
    default: {
        TextList *list = o->target;
        if (list->count == OPTION_REPEAT_MAX)
            return error_set(err, "%s: given more than %d times", o->name, OPTION_REPEAT_MAX);
        list->values[list->count++] = text;
        return true;
    }
    }
}

static const Option *find(const Option *options, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!is_positional(&options[i]) && strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

/* The positional option of argument number `index`, or NULL. */
static const Option *positional(const Option *options, size_t count, size_t index)
{
    for (size_t i = 0; i < count; i++)
        if (is_positional(&options[i]) && (options[i].type == OPTION_REST || index-- == 0))
            return &options[i];
    return NULL;
}

/* The option of a word such as "--steps=5", or NULL. */
static const Option *find_assigned(const Option *options, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        const size_t n = strlen(options[i].name);
        if (options[i].type != OPTION_FLAG && !is_positional(&options[i]) &&
            strncmp(options[i].name, word, n) == 0 && word[n] == '=')
            return &options[i];
    }
    return NULL;
}

static bool unknown(const Option *assigned, const char *word, Error *err)
{
    if (!assigned)
        return error_set(err, "unknown option '%.60s'", word);
    return error_set(err, "%.60s: expected a blank in place of '=': %s %.60s", word, assigned->name,
                     strchr(word, '=') + 1);
}

/* A word that looks like an option or is empty is never meant as a value. */
static bool take_value(const Option *o, const char *value, Error *err)
{
    if (!value)
        return error_set(err, "%s: expected a value (%s)", o->name, o->value);
    if (value[0] == '\0' || strncmp(value, "--", 2) == 0)
        return error_set(err, "%s: expected a value (%s), found '%.60s'", o->name, o->value, value);
    return store(o, value, err);
}

static bool parse_all(const Option *options, size_t count, const Option *common,
                      size_t common_count, int argc, char **argv, Error *err)
{
    size_t taken = 0; /* positional ones */
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        const Option *o;
        if (word[0] != '-' || word[1] == '\0') {
            o = positional(options, count, taken++);
            if (!o || word[0] == '\0')
                return error_set(err, "unexpected argument '%.60s'", word);
            if (!store(o, word, err))
                return false;
            continue;
        }
        o = find(options, count, word);
        if (!o)
            o = find(common, common_count, word);
        if (!o) {
            o = find_assigned(options, count, word);
            return unknown(o ? o : find_assigned(common, common_count, word), word, err);
        }
        if (o->type == OPTION_FLAG)
            *(bool *)o->target = true;
        else if (!take_value(o, i + 1 < argc ? argv[++i] : NULL, err))
            return false;
    }
    const Option *next = positional(options, count, taken);
    if (next && next->required &&
        (next->type != OPTION_REST || ((const WordList *)next->target)->count == 0))
        return error_set(err, "%s is missing", next->name);
    return true;
}

static bool check_required(const Option *options, size_t count, Error *err)
{
    for (size_t i = 0; i < count; i++)
        if (options[i].required && options[i].type == OPTION_TEXT && !is_positional(&options[i]) &&
            *(const char **)options[i].target == NULL)
            return error_set(err, "%s is missing", options[i].name);
    return true;
}

static void visit(const Option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        visitor(&options[i], visited);
}

void options_each(const Command *command, OptionVisitor *see, void *context)
{
    visitor = see;
    visited = context;
    command->run(command, 0, NULL);
    visitor = NULL;
}

OptionsResult options_parse(const Command *command, const Option *options, size_t count,
                            CommonOptions *common, int argc, char **argv)
{
    const Option shared[] = {
        {"--threads", OPTION_COUNT, &common->threads, "N", 1, 256, false,
         "threads to use; all cores by default, same numbers for any N"},
        {"--quiet", OPTION_FLAG, &common->quiet, NULL, 0, 0, false, "no progress on stderr"},
        {"--help", OPTION_FLAG, &common->help, NULL, 0, 0, false, "this text"},
    };
    const size_t shared_count = sizeof shared / sizeof shared[0];
    Error err;
    if (visitor) {
        visit(options, count);
        visit(shared, shared_count);
        return OPTIONS_WRONG; /* the command ends without a word */
    }
    for (int i = 0; i < argc; i++) /* --help wins over anything that may be wrong */
        if (strcmp(argv[i], "--help") == 0) {
            print_help(command, options, count, shared, shared_count);
            return OPTIONS_HELP;
        }
    if (!parse_all(options, count, shared, shared_count, argc, argv, &err) ||
        !check_required(options, count, &err)) {
        command_fail(command, &err, 2);
        fprintf(stderr, "See: %s %s --help\n", program, command->name);
        return OPTIONS_WRONG;
    }
    if (common->threads > 0)
        threads_set((int)common->threads);
    return OPTIONS_OK;
}

int command_fail(const Command *command, const Error *err, int status)
{
    fprintf(stderr, "%s %s: %s\n", program, command->name, err->text);
    return status;
}
