#include "nn/possible.h"

#include <math.h>

bool nn_possible_size(const char *kind, const char *field, size_t value, size_t least, size_t most,
                      Error *err)
{
    return (value >= least && value <= most) ||
           error_set(err, "%s: %s is %zu; it must lie in %zu..%zu", kind, field, value, least,
                     most);
}

bool nn_possible_dropout(const char *kind, double dropout, Error *err)
{
    return (dropout >= 0.0 && dropout < 1.0) ||
           error_set(err, "%s: dropout is %g; it must lie in [0, 1)", kind, dropout);
}

bool nn_possible_time_scale(const char *kind, double time_scale, Error *err)
{
    return (time_scale > 0.0 && isfinite(time_scale)) ||
           error_set(err, "%s: time_scale is %g; it must be finite and positive", kind, time_scale);
}

bool nn_possible_places(const char *kind, bool at_places, bool is_number, Error *err)
{
    return !at_places || is_number ||
           error_set(err, "%s: lambda at places enters as numbers, found sinusoids", kind);
}

bool nn_possible_lambda_gain(const char *kind, double lambda_gain, Error *err)
{
    return (lambda_gain > 0.0 && lambda_gain <= 100.0) ||
           error_set(err, "%s: lambda_gain is %g; it must lie in (0, 100]", kind, lambda_gain);
}
