/* Processes with constants so mild that sums in double keep their digits. */
#ifndef DI4C_TESTS_TOOLS_MILD_PROCESS_H
#define DI4C_TESTS_TOOLS_MILD_PROCESS_H

#include "diffusion/process/process.h"

/* R (S, S), for the caller to free with mem_free. */
double *generator_of(const Process *p);
/* With S states, for absorbing noise S - 1 and the mask; alpha(t) = exp(-2 t) there. */
Process *mild_process(const char *kind, size_t S);

#endif
