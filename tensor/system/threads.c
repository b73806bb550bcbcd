/* The number of threads, loops over pieces of work, and scratch per thread.
 *
 * At most one level of parallel regions is active: a kernel called from a piece of work of
 * threads_for runs its own regions with a team of one.  In such a team the library's thread number
 * is 0 for everybody, so threads_index looks for the one level whose team is larger.
 *
 * A program that does not call threads_set, or the environment of its user, may ask for more
 * threads than scratch has rows, or for regions in regions: so every region of the library takes
 * its number from threads_get or threads_team. */
#include "tensor/system/threads.h"

#include <stdbool.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#else
#include <time.h>
#endif

#include "tensor/base/check.h"
#include "tensor/base/fence.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"

#if defined(__GNUC__) && !defined(__TINYC__) && defined(__SSE__) && !defined(DI4C_PLAIN_C)
#define HAVE_MXCSR 1
#endif

enum {
    MAX_THREADS = 256,     /* rows of the table of scratch, which threads.h states */
    TEAM_ENTRIES = 1 << 16 /* entries from which a region pays; see also cut.h */
};

typedef struct Scratch {
    void *data;
    size_t bytes;
} Scratch;

static Scratch scratch[MAX_THREADS][SCRATCH_SLOTS]; /* a row is touched by its own thread only */
static bool flushing;

static bool in_parallel(void)
{
#ifdef _OPENMP
    return omp_in_parallel() != 0;
#else
    return false;
#endif
}

int threads_get(void)
{
#ifdef _OPENMP
    const int most = omp_get_max_threads(); /* of the environment until threads_set is called */
    return most < MAX_THREADS ? most : MAX_THREADS;
#else
    return 1;
#endif
}

int threads_team(size_t entries)
{
    return entries < TEAM_ENTRIES || in_parallel() ? 1 : threads_get();
}

/* Sets "flush to zero" and "denormals are zero" on the calling thread. */
static void flush_here(void)
{
#ifdef HAVE_MXCSR
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040u);
#endif
}

/* LLVM's runtime gives every thread the caller's setting when a region starts, and the caller its
 * own back when it ends; libgomp leaves each thread what it has. */
static void flush_everywhere(void)
{
    flush_here();
#pragma omp parallel default(none) num_threads(threads_get())
    flush_here();
}

void threads_flush_denormals(void)
{
    flushing = true;
    flush_everywhere();
}

/* A variable that is set, by the user or before the restart, is left alone; so nothing is started
 * twice.  1000 turns are some 30 microseconds, about what waking a thread takes. */
void threads_wait_briefly(char **argv)
{
#ifdef _OPENMP
    static const char *const names[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME",
                                        "KMP_LIBRARY"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (getenv(names[i]) != NULL)
            return;
    if (!platform_set_variable("GOMP_SPINCOUNT", "1000") ||
        !platform_set_variable("KMP_BLOCKTIME", "0"))
        return;
#ifndef KMP_VERSION_MAJOR /* LLVM's runtime reads its variables at the first region */
    platform_restart(argv);
#endif
#endif
    (void)argv;
}

void threads_set(int n)
{
    TENSOR_CHECK(n >= 0, "%d threads", n);
#ifdef _OPENMP
    TENSOR_CHECK(!omp_in_parallel(), "threads set to %d inside a parallel region", n);
    int count = n > 0 ? n : omp_get_num_procs();
    omp_set_dynamic(0);
    omp_set_max_active_levels(1);
    omp_set_num_threads(count < MAX_THREADS ? count : MAX_THREADS);
    if (flushing)
        flush_everywhere(); /* the pool may have new threads */
#endif
}

int threads_index(void)
{
#ifdef _OPENMP
    for (int level = omp_get_level(); level > 0; level--)
        if (omp_get_team_size(level) > 1)
            return omp_get_ancestor_thread_num(level);
#endif
    return 0;
}

double threads_seconds(void)
{
#ifdef _OPENMP
    return omp_get_wtime();
#else
    return (double)clock() / (double)CLOCKS_PER_SEC;
#endif
}

void threads_for(size_t count, void (*body)(size_t i, void *context), void *context)
{
    if (count <= 1 || in_parallel()) {
        for (size_t i = 0; i < count; i++)
            body(i, context);
        return;
    }
#pragma omp parallel for default(none) shared(count, body, context) schedule(dynamic)              \
    num_threads(threads_get())
    for (size_t i = 0; i < count; i++)
        body(i, context);
}

void *threads_scratch(ScratchSlot slot, size_t bytes)
{
    int thread = threads_index();

    TENSOR_CHECK(thread < MAX_THREADS, "thread %d, at most %d", thread, (int)MAX_THREADS);
#ifdef _OPENMP
    TENSOR_CHECK(omp_get_active_level() <= 1, "called from %d parallel regions in each other",
                 omp_get_active_level());
#endif
    TENSOR_CHECK((unsigned)slot < SCRATCH_SLOTS, "slot %d", (int)slot);
    Scratch *buffer = &scratch[thread][slot];
    if (buffer->data == NULL || buffer->bytes < bytes) {
        mem_free(buffer->data);
        buffer->data = NULL; /* a failure handler may free all scratch */
        buffer->data = mem_alloc(bytes, 1);
        buffer->bytes = bytes;
    }
    unfence(buffer->data, bytes);
    fence((char *)buffer->data + bytes, buffer->bytes - bytes);
    return buffer->data;
}

void threads_scratch_free(void)
{
    TENSOR_CHECK(!in_parallel(), "scratch freed inside a parallel region");
    for (int thread = 0; thread < MAX_THREADS; thread++)
        for (int slot = 0; slot < SCRATCH_SLOTS; slot++) {
            mem_free(scratch[thread][slot].data);
            scratch[thread][slot].data = NULL;
            scratch[thread][slot].bytes = 0;
        }
}
