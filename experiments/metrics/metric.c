/* What the two ways to measure samples have in common. */
#include "experiments/metrics/metric.h"

#include "tensor/base/memory.h"

bool metric_looks_at_samples(const Metric *m)
{
    return m->kind->column_count > 0;
}

bool metric_measure_records(const MetricParts *parts, void *state, const States *samples,
                            double *values, Error *err)
{
    unsigned char *records = mem_alloc(samples->batch, parts->record_bytes(state));
    const bool ok = parts->records(state, samples, records, err) &&
                    parts->of_records(state, records, samples->batch, values, err);
    mem_free(records);
    return ok;
}

bool metric_measure(const Metric *m, const States *samples, double *values, Error *err)
{
    const MetricClass *kind = m->kind;
    return kind->of_samples ? kind->of_samples(m->state, samples, values, err)
                            : metric_measure_records(kind->parts, m->state, samples, values, err);
}

void metric_part_shape(const Metric *m, size_t count, size_t shape[2])
{
    const MetricParts *p = m->kind->parts;
    const size_t sums = p->sum_bytes != NULL ? p->sum_bytes(count) : 0;
    shape[0] = sums > 0 ? 1 : count;
    shape[1] = sums > 0 ? sums : p->record_bytes(m->state);
}
