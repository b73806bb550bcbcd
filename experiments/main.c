/* The program: di4c COMMAND [options]. */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/provenance.h"
#include "experiments/commands/commands.h"
#include "tensor/system/threads.h"

static void usage(FILE *out)
{
    fprintf(out,
            "di4c %s: distillation of discrete diffusion through dimensional correlations\n\n"
            "usage: di4c COMMAND [options]\n\n",
            DI4C_VERSION);
    for (size_t i = 0; i < command_count; i++)
        fprintf(out, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\ndi4c COMMAND --help explains a command, with an example; di4c --version.\n"
                 "Start with:  di4c demo\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("di4c %s\n", DI4C_VERSION);
        return 0;
    }
    threads_wait_briefly(argv);
    provenance_set(argc, argv);
    threads_flush_denormals();
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(argv[1], commands[i]->name) == 0) {
            const int status = commands[i]->run(commands[i], argc - 2, argv + 2);
            if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "di4c: standard output: could not be written\n");
                return 1;
            }
            return status;
        }
    fprintf(stderr, "di4c: unknown command '%.40s'\n", argv[1]);
    usage(stderr);
    return 2;
}
