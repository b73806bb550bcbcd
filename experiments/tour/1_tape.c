/* 1. A tape: the gradient of y = a b + b c, three times.
 *
 * First by a tape made here: a list of what was computed, each entry with the numbers of the
 * entries it was made of.  Walked backwards, each entry hands its gradient dy/d(itself) on to
 * those.  Then by the library's tape, then by differences (y(x + h) - y(x - h)) / 2h.
 *
 * Look for: b is in both products, and its gradient is the sum a + c.  The tape has no rule for
 * that; the two products add (+=) into the same place.  The two lines with += are the whole of
 * reverse-mode differentiation. */
#include <stdio.h>

#include "autograd/operations.h"
#include "tensor/base/text.h"

enum { A, B, C, NUMBERS, LEAF = -1 };
static const double x[NUMBERS] = {2.0, -3.0, 0.5};

/* ---- a tape by hand ---- */
typedef struct Entry {
    char operation;  /* '*', '+', or 'x': a number that is given */
    int left, right; /* entries that it was made of, or LEAF */
    double value, grad;
} Entry;
static Entry tape[16];
static int length = 0;

static int record(char operation, int left, int right, double value)
{
    tape[length] = (Entry){operation, left, right, value, 0.0};
    return length++;
}

static int multiply(int i, int j)
{
    return record('*', i, j, tape[i].value * tape[j].value);
}

static int add(int i, int j)
{
    return record('+', i, j, tape[i].value + tape[j].value);
}

static void backward(int y)
{
    tape[y].grad = 1.0;
    for (const Entry *e = &tape[y]; e->operation != 'x'; e--) { /* inputs came first */
        Entry *left = &tape[e->left], *right = &tape[e->right];
        left->grad += e->grad * (e->operation == '*' ? right->value : 1.0);
        right->grad += e->grad * (e->operation == '*' ? left->value : 1.0);
    }
}

/* ---- the same by the library: a Var holds a tensor, here of one number ---- */
static void by_the_library(float grad[NUMBERS])
{
    Graph *g = ag_graph_create();
    const size_t shape[] = {1};
    float value[NUMBERS];
    Var *v[NUMBERS];
    for (int i = 0; i < NUMBERS; i++) {
        value[i] = (float)x[i];
        grad[i] = 0.0f;
        v[i] = ag_leaf(g, tensor_view(&value[i], 1, shape), &grad[i]);
    }
    Var *ab = ag_multiply(v[A], v[B]), *bc = ag_multiply(v[B], v[C]), *y = ag_add(ab, bc);
    printf("the library's tape, newest first:");
    for (const Var *e = g->last; e != NULL; e = e->previous)
        printf(" %s", e->op);
    ag_backward(y);
    ag_graph_destroy(g);
}

static double formula(double a, double b, double c)
{
    return a * b + b * c;
}

static double difference(int i)
{
    const double h = 1.0 / 1024.0;
    double up[NUMBERS] = {x[A], x[B], x[C]}, down[NUMBERS] = {x[A], x[B], x[C]};
    up[i] += h, down[i] -= h;
    return (formula(up[A], up[B], up[C]) - formula(down[A], down[B], down[C])) / (2.0 * h);
}

int main(void)
{
    for (int i = 0; i < NUMBERS; i++)
        record('x', LEAF, LEAF, x[i]);
    const int ab = multiply(A, B), bc = multiply(B, C);
    backward(add(ab, bc));
    float grad[NUMBERS];
    by_the_library(grad);
    printf("\n\n     value   by hand   library   differences\n");
    for (int i = 0; i < NUMBERS; i++)
        text_print(stdout, "%c %8.1f %9.3f %9.3f %13.3f\n", "abc"[i], x[i], tape[i].grad,
                   (double)grad[i], difference(i));
    return 0;
}
/* Try: "=" in place of "+=" in backward.  y = a b + b b.  A third operation, sin, of one entry. */
