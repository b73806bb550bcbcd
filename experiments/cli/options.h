/* Command-line options: a table per command gives parsing, checking and --help. */
#ifndef DI4C_EXPERIMENTS_CLI_OPTIONS_H
#define DI4C_EXPERIMENTS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

typedef enum OptionType {
    OPTION_FLAG,   /* bool */
    OPTION_TEXT,   /* const char *: points into argv */
    OPTION_COUNT,  /* int64_t in low..high */
    OPTION_REAL,   /* double, low < x <= high */
    OPTION_LIST,   /* CountList: whole numbers in low..high separated by commas */
    OPTION_REPEAT, /* TextList: may be given several times */
    OPTION_REST    /* WordList: the last positional argument, which takes all that follow */
} OptionType;

enum { OPTION_LIST_MAX = 32, OPTION_REPEAT_MAX = 64 };
typedef struct CountList {
    size_t count;
    int64_t values[OPTION_LIST_MAX];
} CountList;
typedef struct TextList {
    size_t count;
    const char *values[OPTION_REPEAT_MAX];
} TextList;

typedef struct WordList {
    size_t count, capacity;
    const char **values; /* mem_free */
} WordList;

typedef struct Option {
    const char *name; /* "--steps"; a name without dashes is a positional argument (OPTION_TEXT,
                         OPTION_COUNT or OPTION_REST), taken in the order of the table */
    OptionType type;
    void *target;
    const char *value; /* how --help calls the value: "N", "FILE" */
    double low, high;
    bool required;
    const char *help;
} Option;

/* Rows from several places, in the order of --help. */
enum { OPTION_TABLE_MAX = 64 };
typedef struct OptionTable {
    size_t count;
    Option rows[OPTION_TABLE_MAX];
} OptionTable;
/* Appends copies of the rows; there must be room (checked). */
void options_add(OptionTable *table, const Option *rows, size_t count);

typedef struct Command Command;
struct Command {
    const char *name, *summary, *example;
    int (*run)(const Command *self, int argc,
               char **argv); /* arguments after the name -> exit status */
};

/* What every command has: --threads N, --quiet, --help. */
typedef struct CommonOptions {
    int64_t threads;
    bool quiet, help;
} CommonOptions;

typedef enum OptionsResult { OPTIONS_OK, OPTIONS_HELP, OPTIONS_WRONG } OptionsResult;
/* Parses argv into the targets (whose values before are the defaults); sets the number of threads.
 * Prints the help (stdout) or the sentence of what is wrong (stderr) itself. */
OptionsResult options_parse(const Command *command, const Option *options, size_t count,
                            CommonOptions *common, int argc, char **argv);
/* Calls see for each option of a command, those of every command included, in --help's order. */
typedef void OptionVisitor(const Option *option, void *context);
void options_each(const Command *command, OptionVisitor *see, void *context);
/* Whether the arguments hold "OPTION list", which a command answers before it parses them. */
bool options_ask_list(const char *option, int argc, char **argv);
/* The program's name in help and sentences, "di4c" until it is set. */
void options_program(const char *name);
/* "di4c NAME: sentence" on stderr; returns status. */
int command_fail(const Command *command, const Error *err, int status);

#endif
