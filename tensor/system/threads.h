/* Threads: the only file that calls the OpenMP library.  Without OpenMP there is one thread.
 *
 * Every output is written by exactly one piece of work, and the pieces that sums are made of depend
 * on the shape of the work alone, so results have the same bits for every thread count.
 *
 * A program may call the library from threads of its own parallel region of at most 256, but not
 * from regions inside regions. */
#ifndef DI4C_TENSOR_SYSTEM_THREADS_H
#define DI4C_TENSOR_SYSTEM_THREADS_H

#include <stddef.h>

/* n >= 1; n = 0 means as many as the machine has.  Values above 256 are cut to 256, here and where
 * OMP_NUM_THREADS or the machine asks for more. */
void threads_set(int n);
int threads_get(void);
/* The team of a loop over `entries` numbers: threads_get(), or 1 where there are too few of them to
 * wake others for, and inside a parallel region.  Every region names it, in num_threads: a bare one
 * would take what the environment asks for. */
int threads_team(size_t entries);
/* Index of the calling thread in the running parallel region, 0..threads_get()-1. */
int threads_index(void);

/* A clock for measurements, in seconds from some moment: the OpenMP library's; without OpenMP,
 * where there is one thread, the processor time of this process. */
double threads_seconds(void);

/* Calls body(i, context) once for each i in 0..count-1, on any thread, in any order.  Runs serially
 * when called from inside a parallel region. */
void threads_for(size_t count, void (*body)(size_t i, void *context), void *context);

/* Scratch of the calling thread, one buffer per slot, grown as needed and kept; contents are
 * undefined.  The pointer is good until the same thread asks for the same slot again, so a kernel
 * may hold it while it calls others only if those use other slots. */
typedef enum ScratchSlot {
    SCRATCH_GEMM_LEFT,
    SCRATCH_GEMM_RIGHT,
    SCRATCH_CONV,
    SCRATCH_NORM,
    SCRATCH_NORM_SUMS,
    SCRATCH_ATTENTION,
    SCRATCH_HEAD,
    SCRATCH_LOSS,
    SCRATCH_PROCESS,
    SCRATCH_SAMPLER,
    SCRATCH_LAMBDA,
    SCRATCH_PRIOR,
    SCRATCH_REDUCE,
    SCRATCH_SLOTS
} ScratchSlot;
void *threads_scratch(ScratchSlot slot, size_t bytes); /* aligned to MEM_ALIGN */
void threads_scratch_free(void);                       /* all slots of all threads */

/* Threads that wait for work or for each other spin for some microseconds and then sleep.  The
 * runtimes' own rule, to spin for milliseconds, makes a run beside other work many times slower
 * than its share: what the others wait for does not get the processor.  Called first in main,
 * before any parallel region: it sets GOMP_SPINCOUNT and KMP_BLOCKTIME and, as libgomp reads its
 * variable before main, lets the program start once more (platform_restart).  Does nothing if one
 * of OMP_WAIT_POLICY, GOMP_SPINCOUNT, KMP_BLOCKTIME, KMP_LIBRARY is set, which also spares a
 * program the second start. */
void threads_wait_briefly(char **argv);

/* Denormal numbers are flushed to zero on the calling thread and on the threads of the pool where
 * the machine allows it (x86 with GNU C); elsewhere nothing happens.  Called once by main. */
void threads_flush_denormals(void);

#endif
