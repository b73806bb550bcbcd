/* Numbers that formulas need in more than one place. */
#ifndef DI4C_TENSOR_BASE_CONSTANTS_H
#define DI4C_TENSOR_BASE_CONSTANTS_H

static const double PI = 3.14159265358979323846;
static const double LN2 = 0.69314718055994530942;          /* nats of a bit */
static const double HALF_LOG_2PI = 0.91893853320467274178; /* log(2 pi)/2: of a normal's density */

/* At or below it a probability counts as 0 wherever one divides by it.  Quotients of probabilities
 * then stay below 1e290, and 18 powers of ten are left to the sums over states and to the rates
 * that they are multiplied by before a double, which ends at 1.8e308, overflows. */
static const double IMPOSSIBLE = 1e-290;

#endif
