/* SUM_ORDER: a clause of "#pragma omp simd reduction(+ : ...)" for sums whose order may not depend
 * on the compiler.
 *
 * Such a loop adds its terms in as many partial sums as the machine's vectors have lanes, so its
 * last bits depend on the machine.  With -DDI4C_ORDERED (make CONTRACT=off) it adds them one after
 * another, which is slower, and has the bits of a compiler without OpenMP. */
#ifndef DI4C_TENSOR_BASE_ORDER_H
#define DI4C_TENSOR_BASE_ORDER_H

#ifdef DI4C_ORDERED
#define SUM_ORDER safelen(1)
#else
#define SUM_ORDER
#endif

#endif
