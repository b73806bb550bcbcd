/* What made a result: the command line, remembered once by main. */
#ifndef DI4C_EXPERIMENTS_CLI_PROVENANCE_H
#define DI4C_EXPERIMENTS_CLI_PROVENANCE_H

/* Remembers "di4c" and the arguments, of any length, quoted for a POSIX shell, which makes the same
 * arguments of them again; without --resume, since what it goes on with has the same result.
 * argc 0: forgets and frees it. */
void provenance_set(int argc, char **argv);
const char *provenance_command(void); /* until the next provenance_set */

#endif
