/* Tables of operations and what every row must satisfy: the value is that of plain loops in double,
 * the gradient that of central differences for every choice of inputs that need one, a value that
 * was dropped is made again, and there are the same bits for every number of threads.
 *
 * A new operation adds its loops and a row to the table of its family (test_layer_operations,
 * test_pointwise_operations, test_axis_operations); wrong shapes are in test_operation_shapes. */
#ifndef DI4C_TESTS_TOOLS_OPERATION_CASES_H
#define DI4C_TESTS_TOOLS_OPERATION_CASES_H

#include <check.h>

#include "autograd/gradient_check.h"

typedef struct Shape {
    int rank;
    size_t n[TENSOR_MAX_RANK];
} Shape;

/* What an operation takes besides Vars. */
typedef struct Parameters {
    size_t first, count; /* slice; count: also groups, heads, or samples of `first` states; first:
                          * also positions that rotary leaves */
    double p;            /* eps, dropout probability, scale */
    bool flag;           /* silu, or keys are left out */
    int stride;
} Parameters;

/* The operation's value in double. */
typedef void (*Naive)(double *y, const Tensor *in, const Parameters *p);

typedef struct OperationCase {
    const char *name;
    AgFunction function; /* its context is a Parameters */
    Naive naive;         /* NULL: the value is not compared */
    int inputs;
    Shape shape[3];
    Parameters parameters;
    bool apart; /* the function has kinks: keep inputs apart */
} OperationCase;

typedef struct OperationTable {
    const OperationCase *cases; /* value and gradient */
    int count;
    const OperationCase *large; /* the same bits for every number of threads; needs no naive */
    int large_count;
} OperationTable;

/* Memory of the test that runs, for plain loops too. */
extern Arena *operation_pool;

/* Begins a test of `table`: what the suite's own setup, without arguments, calls. */
void operation_setup(const OperationTable *table);
void operation_teardown(void);

/* All checks of a table, whose rows `setup` hands to operation_setup. */
Suite *operation_suite(const char *name, const OperationTable *table, SFun setup);

/* A Naive: y = x. */
void operation_copy(double *y, const Tensor *in, const Parameters *p);

#endif
