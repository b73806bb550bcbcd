/* What the program itself writes and reads again: models, statistics, notes. */
#include <string.h>

#include "experiments/cli/shard_note.h"
#include "experiments/metrics/statistics.h"
#include "experiments/model/model_file.h"
#include "tensor/base/check.h"
#include "tests/fuzz/fuzz.h"

/* Only what is small is made: a network in memory takes as much as its file. */
void fuzz_model(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    Model *m = model_load(fuzz_header_file(bytes, count), WEIGHTS_AVERAGED, &err);

    if (m == NULL)
        fuzz_refused(&err);
    model_destroy(m);
}

void fuzz_statistics(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    const char *path = fuzz_header_file(bytes, count);
    Statistics *s = statistics_merge(&path, 1, &err);

    if (s == NULL)
        fuzz_refused(&err);
    statistics_free(s);
}

void fuzz_note(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    ShardNote note;
    char path[600];
    const char *json = fuzz_file(".npy.json", bytes, count);

    strcpy(path, json);
    path[strlen(path) - strlen(".json")] = '\0';
    if (!shard_note_read(path, &note, &err)) {
        fuzz_refused(&err);
        return;
    }
    TENSOR_CHECK(note.shard.count >= 1 && note.shard.first + note.shard.count <= note.total,
                 "%zu samples from %zu on of %zu", note.shard.count, note.shard.first, note.total);
    if (!shard_note_check(&note, path, "", 0, &err))
        fuzz_refused(&err);
    shard_note_free(&note);
}
