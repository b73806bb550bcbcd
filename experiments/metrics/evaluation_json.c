/* An evaluation as JSON.  It holds no times, so that equal runs give equal files. */
#include "experiments/metrics/evaluation.h"

static void json_metrics(const Evaluation *e, bool of_samples, JsonOut *j)
{
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (m->chosen && m->kind->json && metric_looks_at_samples(m) == of_samples)
            m->kind->json(m->state, j);
    }
}

static void json_row(const Evaluation *e, const EvalRow *r, JsonOut *j)
{
    jsonout_object(j, NULL);
    jsonout_string(j, "model", r->model);
    jsonout_count(j, "steps", r->steps);
    jsonout_number(j, "calls", r->calls);
    for (size_t k = 0; k < e->column_count; k++)
        jsonout_number(j, e->columns[k].column->name, r->values[k]);
    jsonout_count(j, "samples", e->setting.count);
    jsonout_end(j);
}

void evaluation_json(const Evaluation *e, JsonOut *j)
{
    jsonout_count(j, "samples", e->setting.count);
    json_metrics(e, false, j);
    json_metrics(e, true, j);
    jsonout_array(j, "rows");
    for (size_t i = 0; i < e->row_count; i++)
        json_row(e, &e->rows[i], j);
    jsonout_end(j);
}
