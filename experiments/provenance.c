/* The command line, kept for results. */
#include "experiments/provenance.h"

#include <string.h>

static char command[2048] = "di4c";

void provenance_set(int argc, char **argv)
{
    size_t used = strlen("di4c");
    for (int i = 1; i < argc; i++) {
        const size_t n = strlen(argv[i]);
        if (used + n + 2 > 2000)
            break;
        command[used++] = ' ';
        memcpy(command + used, argv[i], n);
        used += n;
    }
    command[used] = '\0';
}

const char *provenance_command(void)
{
    return command;
}
