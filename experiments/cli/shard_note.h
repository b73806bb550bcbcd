/* The note beside a shard of samples, FILE.json: which samples FILE has, of which run, and the hash
 * of its bytes. */
#ifndef DI4C_EXPERIMENTS_CLI_SHARD_NOTE_H
#define DI4C_EXPERIMENTS_CLI_SHARD_NOTE_H

#include "experiments/cli/run_facts.h"
#include "experiments/cli/shard.h"

typedef struct ShardNote {
    size_t total; /* samples of the run */
    Shard shard;
    RunFacts facts;
    char sha256[65]; /* of the file that the note lies beside */
} ShardNote;

/* Writes the note of the file at path, which is there already: its hash is taken here. */
bool shard_note_write(const char *path, ShardNote *note, Error *err);
/* Reads the note of the file at path.  False and a sentence, and nothing to free, if there is none,
 * or it is no such note. */
bool shard_note_read(const char *path, ShardNote *note, Error *err);
/* Whether these are the bytes that the note was written for. */
bool shard_note_check(const ShardNote *note, const char *path, const void *bytes, size_t count,
                      Error *err);
void shard_note_free(ShardNote *note);

#endif
