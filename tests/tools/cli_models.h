/* Teachers and students of three steps, made by the commands themselves; the files of the toy
 * folder that tests of whole commands name. */
#ifndef DI4C_TESTS_TOOLS_CLI_MODELS_H
#define DI4C_TESTS_TOOLS_CLI_MODELS_H

#include <stdbool.h>

#define SMALL   "--set batch=4 --set mlp_width=16 --set mlp_blocks=1 --steps 3 "
#define TINY    "--data glyphs --quiet " SMALL
#define STUDENT TINY "--set lambdas=2 "

/* cli_set_up, in an empty folder. */
void cli_models_set_up(const char *folder);
/* Whether the toy folder has a file of that name. */
bool there(const char *name);
/* t.safetensors and t.csv. */
void make_teacher(void);
/* The same, and s.safetensors and s.csv. */
void make_both(void);

#endif
