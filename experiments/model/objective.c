/* The table of objectives. */
#include "experiments/model/objective.h"

extern const Objective objective_published, objective_variational;

const Objective *const objective_of_student[] = {
    &objective_published,
    &objective_variational,
};
const size_t objective_student_count = sizeof objective_of_student / sizeof objective_of_student[0];

size_t objective_columns(const Objective *o, const struct Config *c,
                         const char *names[OBJECTIVE_TERMS_MAX])
{
    const size_t most = o->term_count ? o->term_count(c) : OBJECTIVE_TERMS_MAX;
    size_t count = 0;
    for (; count < most && o->terms[count]; count++)
        names[count] = o->terms[count];
    return count;
}

bool objective_has_length(const Objective *o, const struct Config *c)
{
    return o->needs_length && o->needs_length(c);
}
