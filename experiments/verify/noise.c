/* Processes that a case describes, and its pairs of times. */
#include <string.h>

#include "experiments/verify/verify.h"

/* "eps", or a setting of the process. */
static bool set_constant(ProcessConfig *p, const char *key, const Json *value)
{
    const ProcessClass *class = p->class;
    Error err;
    if (strcmp(key, "eps") == 0 && value->type == JSON_NUMBER) {
        p->eps = value->number;
        return true;
    }
    if (value->type == JSON_NUMBER)
        return diffusion_process_set(p, key, value->number);
    const size_t i = setting_place(class->settings, class->setting_count, key);
    return value->type == JSON_STRING && i < class->setting_count &&
           setting_read(&class->settings[i], value->string, &p->own[i], "params", &err);
}

enum { STATES_MAX = 1024 };

static Process *read_process(VerifyCase *c, Error *err)
{
    size_t states;
    const Json *params = json_get(c->json, "params");
    const char *name = json_string(c->json, "process", c->name, err);
    if (!name || !json_size(c->json, "S", &states, c->name, err))
        return NULL;
    if (!diffusion_process_find(name) || !params || params->type != JSON_OBJECT) {
        error_set(err, "process \"%.40s\": expected a known one with params", name);
        return NULL;
    }
    if (states > STATES_MAX) { /* a process takes S x S matrices */
        error_set(err, "S is %zu: expected at most %d", states, STATES_MAX);
        return NULL;
    }
    ProcessConfig config = diffusion_process_defaults(name, states);
    config.any_start = true; /* numbers are compared, nothing is sampled */
    for (size_t i = 0; i < params->count; i++)
        if (!set_constant(&config, params->keys[i], &params->items[i])) {
            error_set(err, "params: \"%.40s\": expected a known constant", params->keys[i]);
            return NULL;
        }
    return diffusion_process_create(&config, err);
}

Process *verify_process_open(VerifyCase *c, const VerifyModel *m)
{
    Error err;
    Process *p = read_process(c, &err);
    if (!p) {
        verify_break(c, "%s", err.text);
    } else if (m && p->states != m->states) {
        verify_break(c, "S: expected the model's %zu states", m->states);
        diffusion_process_destroy(p);
        p = NULL;
    }
    return p;
}

const double *verify_pairs(VerifyCase *c, size_t n)
{
    const double *pairs = verify_range(c, "pairs", 2 * n, 0, 1);
    for (size_t i = 0; pairs && i < n; i++)
        if (pairs[2 * i] > pairs[2 * i + 1])
            verify_break(c, "array \"pairs\": expected s <= t, found %g and %g", pairs[2 * i],
                         pairs[2 * i + 1]);
    return pairs;
}
