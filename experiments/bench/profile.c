/* Seconds by operation. */
#include "experiments/bench/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/json_writer.h"
#include "tensor/base/check.h"

static ProfileRow *row_of(Profile *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->rows[i].name, name) == 0)
            return &p->rows[i];
    TENSOR_CHECK(p->count < PROFILE_ROWS, "%s: a profile has %d rows", name, (int)PROFILE_ROWS);
    ProfileRow *row = &p->rows[p->count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

/* Operations on pictures are told apart by the size of the result. */
static void operation_ran(AgObserver *self, const Var *v, bool backward, double seconds)
{
    char name[PROFILE_NAME];
    const Tensor *t = &v->value;
    if (t->rank == 4)
        snprintf(name, sizeof name, "%.20s %zux%zu", v->op, t->shape[1], t->shape[2]);
    else
        snprintf(name, sizeof name, "%.30s", v->op);
    ProfileRow *row = row_of((Profile *)self, name);
    if (backward)
        row->backward += seconds;
    else
        row->forward += seconds;
    row->calls += backward ? 0 : 1;
}

void profile_start(Profile *p)
{
    memset(p, 0, sizeof *p);
    p->observer.ran = operation_ran;
}

void profile_add(Profile *p, const char *name, double seconds)
{
    row_of(p, name)->forward += seconds;
}

static int slower(const void *a, const void *b)
{
    const ProfileRow *x = a, *y = b;
    const double s = x->forward + x->backward, t = y->forward + y->backward;
    return (s < t) - (s > t);
}

void profile_print(const Profile *p, const char *name, double by)
{
    Profile sorted = *p;
    qsort(sorted.rows, sorted.count, sizeof sorted.rows[0], slower);
    for (size_t i = 0; i < sorted.count; i++) {
        const ProfileRow *row = &sorted.rows[i];
        JsonOut out = jsonout_start_line(stdout);
        jsonout_object(&out, NULL);
        jsonout_string(&out, "name", name);
        jsonout_string(&out, "operation", row->name);
        jsonout_number(&out, "calls", (double)row->calls / by);
        jsonout_number(&out, "forward_ms", 1e3 * row->forward / by);
        jsonout_number(&out, "backward_ms", 1e3 * row->backward / by);
        jsonout_end(&out);
    }
}
