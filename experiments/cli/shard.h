/* Parts of a run that is shared out among processes: which samples a part has, and whether parts
 * are the whole. */
#ifndef DI4C_EXPERIMENTS_CLI_SHARD_H
#define DI4C_EXPERIMENTS_CLI_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/base/error.h"

typedef struct Shard {
    size_t first, count; /* samples first .. first+count-1 */
} Shard;

/* Part I of N of `total` samples, of the text "I/N" (NULL: all of them): those from total I / N to
 * before total (I+1) / N, rounded down.  False and a sentence (usage) if the text is none, or the
 * part has no sample, or N is above a million.  total: at most 9e12. */
bool shard_parse(const char *text, int64_t total, Shard *s, Error *err);

typedef struct ShardPart {
    const char *path; /* of the file that has it */
    Shard shard;
} ShardPart;
/* Whether the parts, in any order, are samples 0 .. total-1, each once; sorts them.  False and a
 * sentence naming the files that overlap, or the first samples that are missing. */
bool shard_cover(ShardPart *parts, size_t count, size_t total, Error *err);

#endif
