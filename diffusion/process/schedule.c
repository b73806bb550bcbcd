/* The five schedules.  Where alpha is given, everything is a ratio of alphas, never exp of a
 * difference of B, which may be infinite; 1 - alpha(t)/alpha(s) has its own formula, accurate when
 * t - s is small:
 *
 *   loglinear  alpha(s) - alpha(t) = (1-eps) (t - s)
 *   cosine     alpha = eps + (1-eps) 2 sin^2(pi (1-t)/4)
 *              alpha(s) - alpha(t) = (1-eps) 2 cos(pi (t+s)/4) sin(pi (t-s)/4) */
#include "diffusion/process/schedule.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#include "tensor/base/check.h"
#include "tensor/base/constants.h"

/* One kind.  Either rate and integral are given, or alpha and the two numbers of its ratio. */
typedef struct Shape {
    const char *name;
    double (*growth)(double ratio); /* g from a = beta(1)/beta(0); NULL: a does not count */
    double (*rate)(const Schedule *c, double t);
    double (*integral)(const Schedule *c, double s, double t);
    /* alpha(t)/alpha(s), and 1 minus that, for s < t. */
    void (*ratio)(double eps, double s, double t, double *keep, double *leave);
} Shape;

/* ---- constant: beta = b ---- */

static double constant_rate(const Schedule *c, double t)
{
    (void)t;
    return c->scale;
}

static double constant_integral(const Schedule *c, double s, double t)
{
    return c->scale * (t - s);
}

/* ---- exponential: beta = b g e^(g t) ---- */

static double exponential_growth(double ratio)
{
    return log(ratio);
}

static double exponential_rate(const Schedule *c, double t)
{
    return c->scale * c->growth * exp(c->growth * t);
}

static double exponential_integral(const Schedule *c, double s, double t)
{
    return c->scale * exp(c->growth * s) * expm1(c->growth * (t - s));
}

/* ---- linear: beta = b (1 + g t) ---- */

static double linear_growth(double ratio)
{
    return ratio - 1.0;
}

static double linear_rate(const Schedule *c, double t)
{
    return c->scale * (1.0 + c->growth * t);
}

static double linear_integral(const Schedule *c, double s, double t)
{
    return c->scale * (t - s) * (1.0 + 0.5 * c->growth * (s + t));
}

/* ---- cosine: alpha = 1 - (1-eps) sin(pi t/2) ---- */

static double sine_of_half(double t) /* sin(pi (1-t)/4): 0 at t = 1 exactly */
{
    return sin(PI * (1.0 - t) / 4.0);
}

static double cosine_alpha(double eps, double t)
{
    return eps + (1.0 - eps) * 2.0 * sine_of_half(t) * sine_of_half(t);
}

/* (1-eps) pi/2 cos(pi t/2)/alpha; eps = 0 leaves a cotangent. */
static double cosine_rate(const Schedule *c, double t)
{
    const double eps = c->eps;

    if (eps == 0.0)
        return c->scale * 0.5 * PI * cos(PI * (1.0 - t) / 4.0) / sine_of_half(t);
    return c->scale * (1.0 - eps) * 0.5 * PI * sin(PI * (1.0 - t) / 2.0) / cosine_alpha(eps, t);
}

static void cosine_ratio(double eps, double s, double t, double *keep, double *leave)
{
    const double rest = cosine_alpha(eps, s), root = sine_of_half(t) / sine_of_half(s);

    *keep = eps > 0.0 ? cosine_alpha(eps, t) / rest : root * root;
    *leave = (1.0 - eps) * 2.0 * cos(PI * (t + s) / 4.0) * sin(PI * (t - s) / 4.0) / rest;
}

/* ---- loglinear: alpha = 1 - (1-eps) t ---- */

static double loglinear_rate(const Schedule *c, double t)
{
    return c->scale * (1.0 - c->eps) / ((1.0 - t) + c->eps * t);
}

static void loglinear_ratio(double eps, double s, double t, double *keep, double *leave)
{
    const double rest = (1.0 - s) + eps * s;

    *keep = ((1.0 - t) + eps * t) / rest;
    *leave = (1.0 - eps) * (t - s) / rest;
}

/* ---- the table ---- */

static const Shape shapes[SCHEDULE_KINDS] = {
    [SCHEDULE_PUBLISHED] = {.name = "published"},
    [SCHEDULE_CONSTANT] = {.name = "constant",
                           .rate = constant_rate,
                           .integral = constant_integral},
    [SCHEDULE_EXPONENTIAL] = {.name = "exponential",
                              .growth = exponential_growth,
                              .rate = exponential_rate,
                              .integral = exponential_integral},
    [SCHEDULE_LINEAR] = {.name = "linear",
                         .growth = linear_growth,
                         .rate = linear_rate,
                         .integral = linear_integral},
    [SCHEDULE_COSINE] = {.name = "cosine", .rate = cosine_rate, .ratio = cosine_ratio},
    [SCHEDULE_LOGLINEAR] = {.name = "loglinear", .rate = loglinear_rate, .ratio = loglinear_ratio},
};

static bool has_alpha(const Schedule *c)
{
    return shapes[c->kind].ratio != NULL;
}

const char *diffusion_schedule_name(ScheduleKind kind)
{
    TENSOR_CHECK(kind >= 0 && kind < SCHEDULE_KINDS, "schedule %d", (int)kind);
    return shapes[kind].name;
}

bool diffusion_schedule_is_infinite(const Schedule *c)
{
    return has_alpha(c) && c->eps == 0.0;
}

bool diffusion_schedule_make(Schedule *schedule, ScheduleKind kind, double scale, double ratio,
                             double eps, const char *where, Error *err)
{
    if (kind <= SCHEDULE_PUBLISHED || kind >= SCHEDULE_KINDS)
        return error_set(err,
                         "%s: schedule %d, expected constant, exponential, linear, cosine or "
                         "loglinear",
                         where, (int)kind);
    const Shape *shape = &shapes[kind];
    if (!(scale > 0.0 && scale <= DBL_MAX))
        return error_set(err, "%s: beta_scale = %g, expected a finite number above 0", where,
                         scale);
    if (shape->growth != NULL && !(ratio > 1.0 && ratio <= DBL_MAX))
        return error_set(err,
                         "%s: beta_ratio = %g, expected a finite number above 1, which is "
                         "beta(1)/beta(0)",
                         where, ratio);
    if (shape->ratio != NULL && !(eps >= 0.0 && eps < 1.0))
        return error_set(err, "%s: alpha_eps = %g, expected 0 <= alpha_eps < 1", where, eps);
    schedule->kind = kind;
    schedule->scale = scale;
    schedule->growth = shape->growth != NULL ? shape->growth(ratio) : 0.0;
    schedule->eps = shape->ratio != NULL ? eps : 0.0;
    return true;
}

double diffusion_schedule_rate(const Schedule *c, double t)
{
    return shapes[c->kind].rate(c, t);
}

/* alpha(t)/alpha(s), and 1 minus that. */
static void alpha_ratio(const Schedule *c, double s, double t, double *keep, double *leave)
{
    *keep = 1.0;
    *leave = 0.0;
    if (s < t) /* where they are equal, alpha(s) may be 0 */
        shapes[c->kind].ratio(c->eps, s, t, keep, leave);
}

static double minus_log(double keep, double leave)
{
    return leave < 0.5 ? -log1p(-leave) : -log(keep);
}

double diffusion_schedule_integral(const Schedule *c, double s, double t)
{
    double keep, leave;

    if (!has_alpha(c))
        return shapes[c->kind].integral(c, s, t);
    alpha_ratio(c, s, t, &keep, &leave);
    return c->scale * minus_log(keep, leave);
}

void diffusion_schedule_keep(const Schedule *c, double rate, double s, double t, double *keep,
                             double *leave)
{
    if (has_alpha(c) && rate * c->scale == 1.0) {
        alpha_ratio(c, s, t, keep, leave);
        return;
    }
    double passed = rate * diffusion_schedule_integral(c, s, t);
    *keep = exp(-passed);
    *leave = -expm1(-passed);
}
