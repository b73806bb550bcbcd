/* Tables of numbers: logs, what spreadsheets write, rates of noise, laws. */
#include <math.h>
#include <string.h>

#include "experiments/data/rate_matrix.h"
#include "experiments/theory/exact/world.h"
#include "nn/formats/csv.h"
#include "nn/formats/csv_plain.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tests/fuzz/fuzz.h"

void fuzz_csv(const uint8_t *bytes, size_t count)
{
    static const char *const columns[] = {"step", "loss"};
    Error err = {""};
    CsvTable t;
    const char *path = fuzz_file(".csv", bytes, count);

    if (csv_read(path, &t, &err)) {
        for (size_t i = 0; i < t.columns; i++)
            TENSOR_CHECK(csv_column(&t, t.names[i]) != NULL, "column %zu is not found", i);
        csv_free(&t);
    } else {
        fuzz_refused(&err);
    }
    CsvLog *log = csv_resume(path, columns, 2, 3, &err);
    if (log == NULL) {
        fuzz_refused(&err);
        return;
    }
    /* What goes on can be read. */
    TENSOR_CHECK(csv_close(log, &err) && csv_read(path, &t, &err), "%s", err.text);
    for (size_t i = 0; i < t.rows; i++)
        TENSOR_CHECK(t.values[i] <= 3.0, "step %g", t.values[i]);
    csv_free(&t);
}

void fuzz_csv_plain(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    char *text = fuzz_text(bytes, count);
    const size_t length = strlen(text);

    if (!csv_plain(text, "a table", &err))
        fuzz_refused(&err);
    TENSOR_CHECK(strlen(text) <= length + 1, "%zu characters became %zu", length, strlen(text));
    mem_free(text);
}

void fuzz_rates(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    RateMatrix *m = rate_matrix_read(fuzz_file(".csv", bytes, count), &err);

    if (m == NULL) {
        fuzz_refused(&err);
        return;
    }
    char *text = rate_matrix_text(m);
    RateMatrix *again = rate_matrix_parse(text, "rates", &err);
    TENSOR_CHECK(again != NULL && rate_matrix_equal(m, again), "rates differ when read again");
    rate_matrix_free(again);
    mem_free(text);
    rate_matrix_free(m);
}

void fuzz_world(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    double sum = 0.0;
    World *w = world_open(fuzz_file(".csv", bytes, count), &err);

    if (w == NULL) {
        fuzz_refused(&err);
        return;
    }
    for (size_t i = 0; i < w->size; i++)
        sum += w->p[i];
    TENSOR_CHECK(fabs(sum - 1.0) < 1e-5, "probabilities add up to %g", sum);
    world_free(w);
}
