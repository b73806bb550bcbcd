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

#include "tensor/base/check.h"
#include "tensor/base/constants.h"

const char *diffusion_schedule_name(ScheduleKind kind)
{
    static const char *const names[] = {"published", "constant", "exponential",
                                        "linear",    "cosine",   "loglinear"};

    TENSOR_CHECK(kind >= SCHEDULE_PUBLISHED && kind <= SCHEDULE_LOGLINEAR, "schedule %d",
                 (int)kind);
    return names[kind];
}

bool diffusion_schedule_make(Schedule *schedule, ScheduleKind kind, double scale, double ratio,
                             double eps, const char *where, Error *err)
{
    bool grows = kind == SCHEDULE_EXPONENTIAL || kind == SCHEDULE_LINEAR;
    bool has_alpha = kind == SCHEDULE_COSINE || kind == SCHEDULE_LOGLINEAR;

    if (kind < SCHEDULE_CONSTANT || kind > SCHEDULE_LOGLINEAR)
        return error_set(err,
                         "%s: schedule %d, expected constant, exponential, linear, cosine or "
                         "loglinear",
                         where, (int)kind);
    if (!(scale > 0.0 && scale <= DBL_MAX))
        return error_set(err, "%s: beta_scale = %g, expected a finite number above 0", where,
                         scale);
    if (grows && !(ratio > 1.0 && ratio <= DBL_MAX))
        return error_set(err,
                         "%s: beta_ratio = %g, expected a finite number above 1, which is "
                         "beta(1)/beta(0)",
                         where, ratio);
    if (has_alpha && !(eps >= 0.0 && eps < 1.0))
        return error_set(err, "%s: alpha_eps = %g, expected 0 <= alpha_eps < 1", where, eps);
    schedule->kind = kind;
    schedule->scale = scale;
    schedule->growth = kind == SCHEDULE_EXPONENTIAL ? log(ratio) : grows ? ratio - 1.0 : 0.0;
    schedule->eps = has_alpha ? eps : 0.0;
    return true;
}

static double sine_of_half(double t) /* sin(pi (1-t)/4): 0 at t = 1 exactly */
{
    return sin(PI * (1.0 - t) / 4.0);
}

static double cosine_alpha(double eps, double t)
{
    return eps + (1.0 - eps) * 2.0 * sine_of_half(t) * sine_of_half(t);
}

double diffusion_schedule_rate(const Schedule *c, double t)
{
    double g = c->growth, eps = c->eps;

    switch (c->kind) {
    case SCHEDULE_CONSTANT: return c->scale;
    case SCHEDULE_EXPONENTIAL: return c->scale * g * exp(g * t);
    case SCHEDULE_LINEAR: return c->scale * (1.0 + g * t);
    case SCHEDULE_COSINE: /* (1-eps) pi/2 cos(pi t/2)/alpha; eps = 0 leaves a cotangent */
        if (eps == 0.0)
            return c->scale * 0.5 * PI * cos(PI * (1.0 - t) / 4.0) / sine_of_half(t);
        return c->scale * (1.0 - eps) * 0.5 * PI * sin(PI * (1.0 - t) / 2.0) / cosine_alpha(eps, t);
    default: return c->scale * (1.0 - eps) / ((1.0 - t) + eps * t);
    }
}

/* alpha(t)/alpha(s), and 1 minus that. */
static void alpha_ratio(const Schedule *c, double s, double t, double *keep, double *leave)
{
    double eps = c->eps, rest;

    *keep = 1.0;
    *leave = 0.0;
    if (s == t) /* also where alpha(s) = 0 */
        return;
    if (c->kind == SCHEDULE_LOGLINEAR) {
        rest = (1.0 - s) + eps * s;
        *keep = ((1.0 - t) + eps * t) / rest;
        *leave = (1.0 - eps) * (t - s) / rest;
        return;
    }
    rest = cosine_alpha(eps, s);
    double root = sine_of_half(t) / sine_of_half(s);
    *keep = eps > 0.0 ? cosine_alpha(eps, t) / rest : root * root;
    *leave = (1.0 - eps) * 2.0 * cos(PI * (t + s) / 4.0) * sin(PI * (t - s) / 4.0) / rest;
}

static double minus_log(double keep, double leave)
{
    return leave < 0.5 ? -log1p(-leave) : -log(keep);
}

double diffusion_schedule_integral(const Schedule *c, double s, double t)
{
    double g = c->growth, keep, leave;

    switch (c->kind) {
    case SCHEDULE_CONSTANT: return c->scale * (t - s);
    case SCHEDULE_EXPONENTIAL: return c->scale * exp(g * s) * expm1(g * (t - s));
    case SCHEDULE_LINEAR: return c->scale * (t - s) * (1.0 + 0.5 * g * (s + t));
    default: alpha_ratio(c, s, t, &keep, &leave); return c->scale * minus_log(keep, leave);
    }
}

void diffusion_schedule_keep(const Schedule *c, double rate, double s, double t, double *keep,
                             double *leave)
{
    bool has_alpha = c->kind == SCHEDULE_COSINE || c->kind == SCHEDULE_LOGLINEAR;

    if (has_alpha && rate * c->scale == 1.0) {
        alpha_ratio(c, s, t, keep, leave);
        return;
    }
    double passed = rate * diffusion_schedule_integral(c, s, t);
    *keep = exp(-passed);
    *leave = -expm1(-passed);
}
