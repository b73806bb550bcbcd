/* A list of pairs; the one not asked for the longest makes room. */
#include "diffusion/process/transition_cache.h"

#include "diffusion/process/transition.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

typedef struct Pair {
    double s, t;
    size_t last_use;        /* 0: the place is free */
    double *rows;           /* (S, S), those with have[i] filled */
    bool *have;             /* (S) */
    Transition *transition; /* closed forms and the accurate form; else NULL */
} Pair;

struct TransitionCache {
    const Process *process;
    TransitionAccuracy accuracy;
    size_t count, clock, misses;
    Pair *pairs;  /* (count) */
    double *work; /* (S): for one row in the spectral form */
};

TransitionCache *diffusion_transition_cache_create(const Process *p, TransitionAccuracy accuracy,
                                                   size_t pairs)
{
    TransitionCache *cache = mem_zeroed(1, sizeof *cache);

    TENSOR_CHECK(pairs >= 1, "%zu pairs of times", pairs);
    cache->process = p;
    cache->accuracy = accuracy;
    cache->count = pairs;
    cache->pairs = mem_zeroed(pairs, sizeof *cache->pairs);
    cache->work = mem_alloc(p->states, sizeof *cache->work);
    return cache;
}

void diffusion_transition_cache_destroy(TransitionCache *cache)
{
    if (cache == NULL)
        return;
    for (size_t k = 0; k < cache->count; k++) {
        mem_free(cache->pairs[k].rows);
        mem_free(cache->pairs[k].have);
        diffusion_transition_destroy(cache->pairs[k].transition);
    }
    mem_free(cache->pairs);
    mem_free(cache->work);
    mem_free(cache);
}

/* Rows one by one from the eigenvectors, which only approximate the identity for s = t. */
static bool by_rows(const TransitionCache *cache, double s, double t)
{
    const Process *p = cache->process;

    return p->spectral && cache->accuracy == TRANSITION_SPECTRAL &&
           diffusion_process_integral(p, s, t) > 0.0;
}

static void set_up(TransitionCache *cache, Pair *pair, double s, double t)
{
    size_t S = cache->process->states;

    if (pair->rows == NULL) {
        pair->rows = mem_alloc(S * S, sizeof *pair->rows);
        pair->have = mem_alloc(S, sizeof *pair->have);
    }
    pair->s = s;
    pair->t = t;
    for (size_t i = 0; i < S; i++)
        pair->have[i] = false;
    cache->misses++;
    if (by_rows(cache, s, t))
        return;
    if (pair->transition == NULL)
        pair->transition = diffusion_transition_create(cache->process, s, t, cache->accuracy);
    else
        diffusion_transition_set(pair->transition, s, t, cache->accuracy);
}

static Pair *find(TransitionCache *cache, double s, double t)
{
    Pair *oldest = cache->pairs;

    for (size_t k = 0; k < cache->count; k++) {
        Pair *pair = cache->pairs + k;
        if (pair->last_use > 0 && pair->s == s && pair->t == t)
            return pair;
        if (pair->last_use < oldest->last_use)
            oldest = pair;
    }
    set_up(cache, oldest, s, t);
    return oldest;
}

const double *diffusion_transition_cache_row(TransitionCache *cache, double s, double t, size_t i)
{
    size_t S = cache->process->states;

    TENSOR_CHECK(i < S, "row %zu of %zu states", i, S);
    Pair *pair = find(cache, s, t);
    double *row = pair->rows + i * S;
    pair->last_use = ++cache->clock;
    if (pair->have[i])
        return row;
    pair->have[i] = true;
    if (by_rows(cache, s, t)) {
        uint16_t from = (uint16_t)i;
        diffusion_transition_rows(cache->process, s, t, &from, 1, cache->work, row);
    } else {
        diffusion_transition_row(pair->transition, i, row);
    }
    return row;
}

size_t diffusion_transition_cache_misses(const TransitionCache *cache)
{
    return cache->misses;
}
