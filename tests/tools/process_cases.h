/* The cases of the tests of processes: every kind with its published schedules, and two matrices of
 * a user; constants with which few states do not mix at once. */
#ifndef DI4C_TESTS_TOOLS_PROCESS_CASES_H
#define DI4C_TESTS_TOOLS_PROCESS_CASES_H

#include "diffusion/process/process.h"

enum { PROCESS_CASES = 10, PROCESS_CASE_STATES = 64 }; /* at most so many states */

/* 0 uniform; 1 to 4 absorbing; 5 birth-death; 6, 7 gaussian, 7 so uneven that the spectral form
 * would lose digits; 8, 9 matrices: 8 has no detailed balance, 9 also a state that is left for
 * ever.  rates are good until the next call. */
ProcessConfig process_case_config(size_t kase, size_t S);
Process *process_case(size_t kase, size_t S);

#endif
