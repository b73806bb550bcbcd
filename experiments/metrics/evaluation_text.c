/* An evaluation as text: what the metrics of models found, and the table of rows. */
#include <string.h>

#include "experiments/metrics/evaluation.h"
#include "tensor/base/text.h"

/* What the chosen metrics have to say: those of samples, or the others. */
static void print_metrics(const Evaluation *e, bool of_samples, FILE *out)
{
    for (size_t i = 0; i < e->metrics.count; i++) {
        const Metric *m = &e->metrics.at[i];
        if (m->chosen && m->kind->print && (m->kind->of_samples != NULL) == of_samples)
            m->kind->print(m->state, out);
    }
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

void evaluation_print(const Evaluation *e, FILE *out)
{
    const bool calls = calls_differ(e);
    print_metrics(e, false, out);
    if (!metrics_look_at_samples(&e->metrics))
        return;
    print_head(e, calls, out);
    for (size_t i = 0; i < e->row_count; i++)
        print_row(e, &e->rows[i], calls, out);
    fprintf(out, "%zu samples in each row", e->setting.count);
    print_metrics(e, true, out);
    fprintf(out, "\n");
}
