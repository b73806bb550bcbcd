/* Shards are ranges of samples, so parts of different cuts of one run fit together, too. */
#include "experiments/cli/shard.h"

#include <stdlib.h>

#include "tensor/base/text.h"

enum { SHARDS_MOST = 1000000 };

/* A whole number from 0, and behind it in *text; -1: there is none, or a larger one than of shards.
 */
static int64_t number_at(const char **text)
{
    int64_t n = text_is_digit(**text) ? 0 : -1;
    for (; text_is_digit(**text) && n <= SHARDS_MOST; ++*text)
        n = 10 * n + (**text - '0');
    return n <= SHARDS_MOST ? n : -1;
}

bool shard_parse(const char *text, int64_t total, Shard *s, Error *err)
{
    int64_t i = 0, n = 1;
    if (text != NULL) {
        const char *at = text;
        i = number_at(&at);
        n = *at == '/' ? (at++, number_at(&at)) : -1;
        if (i < 0 || i >= n || *at != '\0')
            return error_set(err, "--shard %.40s: expected I/N with 0 <= I < N <= %d", text,
                             (int)SHARDS_MOST);
    }
    s->first = (size_t)(total * i / n);
    s->count = (size_t)(total * (i + 1) / n) - s->first;
    if (s->count == 0)
        return error_set(err, "--shard %s: has none of the %lld samples", text, (long long)total);
    return true;
}

static int compare_parts(const void *a, const void *b)
{
    const Shard x = ((const ShardPart *)a)->shard, y = ((const ShardPart *)b)->shard;
    return x.first != y.first ? (x.first > y.first) - (x.first < y.first)
                              : (x.count > y.count) - (x.count < y.count);
}

bool shard_cover(ShardPart *parts, size_t count, size_t total, Error *err)
{
    size_t next = 0; /* samples that are there */
    qsort(parts, count, sizeof *parts, compare_parts);
    for (size_t i = 0; i < count; i++) {
        const Shard s = parts[i].shard;
        if (s.first < next)
            return error_set(err, "%.200s: has samples %zu to %zu, of which %.200s has some too",
                             parts[i].path, s.first, s.first + s.count - 1, parts[i - 1].path);
        if (s.first > next)
            break;
        next += s.count;
    }
    size_t found = total; /* the next sample that is there */
    for (size_t i = 0; i < count; i++)
        if (parts[i].shard.first > next && parts[i].shard.first < found)
            found = parts[i].shard.first;
    return next == total ||
           error_set(err, "samples %zu to %zu of %zu are missing: expected their shard too", next,
                     found - 1, total);
}
