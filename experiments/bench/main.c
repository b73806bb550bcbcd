/* The measuring program: bench COMMAND [options]. */
#include <stdio.h>
#include <string.h>

#include "experiments/bench/commands.h"
#include "tensor/system/threads.h"

static void usage(FILE *out)
{
    fprintf(out, "bench: times the kernels and networks of di4c\n\n"
                 "usage: bench COMMAND [options]\n\n");
    for (size_t i = 0; i < bench_command_count; i++)
        fprintf(out, "  %s\n", bench_commands[i]->example);
    fprintf(out, "\nbench COMMAND --help explains a command.  Each measurement is one JSON object\n"
                 "on a line of its own: name, shape, threads, seconds_min, seconds_median, gflops\n"
                 "(of the direct algorithm), peak_rss_mib.\n");
}

int main(int argc, char **argv)
{
    options_program("bench");
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return 0;
    }
    threads_wait_briefly(argv);
    threads_flush_denormals();
    for (size_t i = 0; i < bench_command_count; i++)
        if (strcmp(argv[1], bench_commands[i]->name) == 0) {
            const int status = bench_commands[i]->run(bench_commands[i], argc - 2, argv + 2);
            if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "bench: standard output: could not be written\n");
                return 1;
            }
            return status;
        }
    fprintf(stderr, "bench: unknown command '%.40s'\n", argv[1]);
    usage(stderr);
    return 2;
}
