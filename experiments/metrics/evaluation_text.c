/* An evaluation as text: what the metrics of models found, and the table of rows. */
#include <string.h>

#include "experiments/metrics/evaluation.h"
#include "tensor/base/text.h"

/* What the chosen metrics have to say beside the table. */
static void print_notes(const Evaluation *e, FILE *out)
{
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (m->chosen && m->kind->print && metric_looks_at_samples(m))
            m->kind->print(m->state, out);
    }
}

/* The results of a metric of models from number `first` on; how many there are. */
static size_t print_results(const Metric *m, size_t first, FILE *out)
{
    const MetricResults *r = m->chosen ? m->kind->results : NULL;
    const size_t count = r ? r->count(m->state) : 0;
    for (size_t i = first; i < count; i++)
        r->print(m->state, i, out);
    return count;
}

static void print_results_end(const Metric *m, FILE *out)
{
    if (m->chosen && m->kind->print && !metric_looks_at_samples(m))
        m->kind->print(m->state, out);
}

/* Where each step is one network call, a column of calls would say nothing. */
static bool calls_differ(const Evaluation *e)
{
    for (size_t i = 0; i < e->row_count; i++)
        if (e->rows[i].calls != (double)e->rows[i].steps)
            return true;
    return false;
}

static void print_head(const Evaluation *e, bool calls, FILE *out)
{
    fprintf(out, calls ? "%-8s %6s %8s" : "%-8s %6s", "model", "steps", "calls");
    for (size_t k = 0; k < e->column_count; k++)
        fprintf(out, " %*s", e->columns[k].column->width, e->columns[k].column->name);
    fprintf(out, " %9s\n", "seconds");
}

static void print_row(const Evaluation *e, const EvalRow *r, bool calls, FILE *out)
{
    char text[EVAL_CELL];
    text_print(out, calls ? "%-8s %6zu %8.2f" : "%-8s %6zu", r->model, r->steps, r->calls);
    for (size_t k = 0; k < e->column_count; k++) {
        const MetricColumn *c = e->columns[k].column;
        const char *unit = c->unit ? c->unit : "";
        evaluation_cell(c, r->values[k], text);
        fprintf(out, " %*s%s", c->width - (int)strlen(unit), text, unit);
    }
    text_print(out, " %9.2f\n", r->seconds);
}

static void print_foot(const Evaluation *e, FILE *out)
{
    fprintf(out, "%zu samples in each row", e->setting.count);
    print_notes(e, out);
    fprintf(out, "\n");
}

void evaluation_print(const Evaluation *e, FILE *out)
{
    const bool calls = calls_differ(e);
    for (size_t i = 0; i < e->metrics.count; i++) {
        print_results(&e->metrics.at[i], 0, out);
        print_results_end(&e->metrics.at[i], out);
    }
    if (!metrics_look_at_samples(&e->metrics))
        return;
    print_head(e, calls, out);
    for (size_t i = 0; i < e->row_count; i++)
        print_row(e, &e->rows[i], calls, out);
    print_foot(e, out);
}

/* ---- as it comes ---- */

static void print_new_results(Evaluation *e, bool end, FILE *out)
{
    const size_t done = end ? e->metrics.count : e->measuring;
    for (; e->printed_metric < done; e->printed_metric++, e->printed_results = 0) {
        print_results(&e->metrics.at[e->printed_metric], e->printed_results, out);
        print_results_end(&e->metrics.at[e->printed_metric], out);
    }
    if (e->printed_metric < e->metrics.count)
        e->printed_results =
            print_results(&e->metrics.at[e->printed_metric], e->printed_results, out);
}

void evaluation_print_news(Evaluation *e, bool end, FILE *out)
{
    print_new_results(e, end, out);
    if (end && e->calls_column != calls_differ(e)) {
        e->calls_column = !e->calls_column;
        e->printed_rows = 0;
    }
    if (e->printed_rows == 0 && (e->row_count > 0 || end) && metrics_look_at_samples(&e->metrics)) {
        e->calls_column = e->calls_column || calls_differ(e);
        print_head(e, e->calls_column, out);
    }
    while (e->printed_rows < e->row_count)
        print_row(e, &e->rows[e->printed_rows++], e->calls_column, out);
    if (end && metrics_look_at_samples(&e->metrics))
        print_foot(e, out);
    fflush(out);
}
