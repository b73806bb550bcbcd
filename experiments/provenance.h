/* What made a result: the command line, remembered once by main. */
#ifndef DI4C_EXPERIMENTS_PROVENANCE_H
#define DI4C_EXPERIMENTS_PROVENANCE_H

/* Remembers "di4c" and the arguments, joined by blanks (cut at 2000 characters). */
void provenance_set(int argc, char **argv);
const char *provenance_command(void);

#endif
