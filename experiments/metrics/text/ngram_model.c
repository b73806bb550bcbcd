/* The k-grams of all orders as a tree, level by level: a node of level k is a k-gram, its children
 * are the (k+1)-grams that begin with it, in ascending order.  It is made from the text's
 * positions, sorted by the symbols that follow: then every k-gram stands together. */
#include "experiments/metrics/text/ngram_model.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/memory.h"

typedef struct Level {
    size_t nodes;
    uint16_t *symbol; /* the last of the k-gram */
    uint32_t *count;  /* c */
    uint32_t *child;  /* (nodes + 1): where the children begin in the next level; not of the last */
    uint32_t *total;  /* T; not of the last level */
} Level;

struct NgramModel {
    size_t order, states;
    double discount[NGRAM_ORDER_MOST + 1];
    Level level[NGRAM_ORDER_MOST + 1]; /* level 0 is the empty context */
};

/* What it is made from. */
typedef struct Text {
    const uint16_t *symbols;
    size_t count, order;
    uint32_t *sorted; /* (count): positions */
} Text;

static const size_t none = SIZE_MAX;

/* ---- sorting ---- */

/* 0 behind the text's end. */
static size_t key_at(const Text *t, size_t position, size_t offset)
{
    return position + offset < t->count ? (size_t)t->symbols[position + offset] + 1 : 0;
}

/* Stable, by the symbol at one offset.  begins: (states + 2). */
static void sort_by(const Text *t, size_t offset, size_t states, size_t *begins, uint32_t *to)
{
    memset(begins, 0, (states + 2) * sizeof *begins);
    for (size_t i = 0; i < t->count; i++)
        begins[key_at(t, i, offset) + 1]++;
    for (size_t s = 0; s <= states; s++)
        begins[s + 1] += begins[s];
    for (size_t i = 0; i < t->count; i++)
        to[begins[key_at(t, t->sorted[i], offset)]++] = t->sorted[i];
}

/* By the next `order` symbols: by the last of them first. */
static void sort_positions(Text *t, size_t states)
{
    uint32_t *other = mem_alloc(t->count, sizeof *other);
    size_t *begins = mem_alloc(states + 2, sizeof *begins);
    for (size_t i = 0; i < t->count; i++)
        t->sorted[i] = (uint32_t)i;
    for (size_t offset = t->order; offset-- > 0;) {
        sort_by(t, offset, states, begins, other);
        uint32_t *swap = t->sorted;
        t->sorted = other;
        other = swap;
    }
    mem_free(begins);
    mem_free(other);
}

/* How many symbols there are from the i-th position on, up to the order. */
static size_t symbols_at(const Text *t, size_t i)
{
    const size_t left = t->count - t->sorted[i];
    return left < t->order ? left : t->order;
}

/* How many of them are also the symbols of the position before in the order. */
static size_t common_at(const Text *t, size_t i)
{
    const size_t most = symbols_at(t, i);
    size_t n = 0;
    while (i > 0 && n < most && key_at(t, t->sorted[i], n) == key_at(t, t->sorted[i - 1], n))
        n++;
    return n;
}

/* ---- the tree ---- */

static size_t children(const Level *l, size_t node)
{
    return l->child[node + 1] - l->child[node];
}

/* The child of a node by its symbol, in the next level, or none. */
static size_t find_child(const NgramModel *m, size_t level, size_t node, uint16_t symbol)
{
    const Level *l = &m->level[level], *next = l + 1;
    size_t low = l->child[node], high = l->child[node + 1];
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (next->symbol[middle] < symbol)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->child[node + 1] && next->symbol[low] == symbol ? low : none;
}

/* The node of k symbols, in level k, or none. */
static size_t find_node(const NgramModel *m, const uint16_t *symbols, size_t k)
{
    size_t node = 0;
    for (size_t i = 0; i < k && node != none; i++)
        node = find_child(m, i, node, symbols[i]);
    return node;
}

static void allocate(NgramModel *m, const Text *t)
{
    m->level[0].nodes = 1;
    for (size_t i = 0; i < t->count; i++)
        for (size_t k = common_at(t, i) + 1; k <= symbols_at(t, i); k++)
            m->level[k].nodes++;
    for (size_t k = 0; k <= m->order; k++) {
        Level *l = &m->level[k];
        l->symbol = mem_zeroed(l->nodes, sizeof *l->symbol);
        l->count = mem_zeroed(l->nodes, sizeof *l->count);
        if (k == m->order)
            continue;
        l->child = mem_zeroed(l->nodes + 1, sizeof *l->child);
        l->total = mem_zeroed(l->nodes, sizeof *l->total);
    }
}

/* Nodes with their symbols, and how often those of the last level stand in the text. */
static void fill(NgramModel *m, const Text *t)
{
    size_t made[NGRAM_ORDER_MOST + 2] = {1};
    for (size_t i = 0; i < t->count; i++) {
        const size_t symbols = symbols_at(t, i);
        for (size_t k = common_at(t, i) + 1; k <= symbols; k++) {
            Level *l = &m->level[k];
            l->symbol[made[k]] = t->symbols[t->sorted[i] + k - 1];
            if (k < m->order)
                l->child[made[k]] = (uint32_t)made[k + 1];
            made[k]++;
        }
        if (symbols == m->order)
            m->level[m->order].count[made[m->order] - 1]++;
    }
    for (size_t k = 0; k < m->order; k++)
        m->level[k].child[m->level[k].nodes] = (uint32_t)made[k + 1];
}

/* Counts one more symbol before the k-grams at a position, for k from `from` to `to`. */
static void count_before(NgramModel *m, const uint16_t *symbols, size_t from, size_t to)
{
    size_t node = 0;
    for (size_t k = 1; k <= to; k++) {
        node = find_child(m, k - 1, node, symbols[k - 1]);
        if (k >= from)
            m->level[k].count[node]++;
    }
}

/* Below the last level: each (k+1)-gram says that its first symbol stands before the others. */
static void count_predecessors(NgramModel *m, const Text *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (common_at(t, i) < symbols_at(t, i))
            count_before(m, t->symbols + t->sorted[i] + 1, common_at(t, i), symbols_at(t, i) - 1);
    count_before(m, t->symbols, 1, t->count < m->order ? t->count : m->order - 1);
}

static void sum_counts(NgramModel *m)
{
    for (size_t k = 0; k < m->order; k++) {
        Level *l = &m->level[k];
        for (size_t i = 0; i < l->nodes; i++)
            for (size_t c = l->child[i]; c < l->child[i + 1]; c++)
                l->total[i] += l[1].count[c];
    }
}

static double discount_of(const Level *l)
{
    size_t once = 0, twice = 0;
    for (size_t i = 0; i < l->nodes; i++) {
        once += l->count[i] == 1;
        twice += l->count[i] == 2;
    }
    return once > 0 && twice > 0 ? (double)once / ((double)once + 2.0 * (double)twice) : 0.5;
}

NgramModel *ngram_create(const uint16_t *symbols, size_t count, size_t states, size_t order,
                         Error *err)
{
    TENSOR_CHECK(order >= 1 && order <= NGRAM_ORDER_MOST, "order %zu: 1 to %d", order,
                 (int)NGRAM_ORDER_MOST);
    TENSOR_CHECK(count > 0 && states > 0, "%zu symbols of %zu states", count, states);
    if (count >= UINT32_MAX) {
        error_set(err, "n-gram: %zu symbols, expected less than 4294967295", count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        TENSOR_CHECK(symbols[i] < states, "symbol %u of %zu", (unsigned)symbols[i], states);
    NgramModel *m = mem_zeroed(1, sizeof *m);
    Text t = {symbols, count, order, mem_alloc(count, sizeof *t.sorted)};
    m->order = order;
    m->states = states;
    sort_positions(&t, states);
    allocate(m, &t);
    fill(m, &t);
    count_predecessors(m, &t);
    mem_free(t.sorted);
    sum_counts(m);
    for (size_t k = 1; k <= order; k++)
        m->discount[k] = discount_of(&m->level[k]);
    return m;
}

void ngram_free(NgramModel *m)
{
    for (size_t k = 0; m != NULL && k <= m->order; k++) {
        mem_free(m->level[k].symbol);
        mem_free(m->level[k].count);
        mem_free(m->level[k].child);
        mem_free(m->level[k].total);
    }
    mem_free(m);
}

/* ---- probabilities ---- */

size_t ngram_order(const NgramModel *m)
{
    return m->order;
}

double ngram_discount(const NgramModel *m, size_t k)
{
    TENSOR_CHECK(k >= 1 && k <= m->order, "order %zu of %zu", k, m->order);
    return m->discount[k];
}

/* The node of the last `before` symbols of a context if the text goes on from there, or none. */
static size_t find_context(const NgramModel *m, const uint16_t *context, size_t length,
                           size_t before)
{
    const uint16_t *last = before > 0 ? context + (length - before) : context; /* may be NULL */
    const size_t node = find_node(m, last, before);
    return node != none && m->level[before].total[node] > 0 ? node : none;
}

double ngram_log_probability(const NgramModel *m, const uint16_t *context, size_t length,
                             uint16_t symbol)
{
    double p = 1.0 / (double)m->states;
    for (size_t before = 0; before < m->order && before <= length; before++) {
        const size_t node = find_context(m, context, length, before);
        if (node == none) /* nor is any longer one there */
            break;
        const Level *l = &m->level[before];
        const size_t child = find_child(m, before, node, symbol);
        const double D = m->discount[before + 1];
        const double c = child != none ? (double)l[1].count[child] - D : 0.0;
        p = (c + D * (double)children(l, node) * p) / (double)l->total[node];
    }
    return log(p);
}

void ngram_log_probabilities(const NgramModel *m, const States *x, double *out)
{
    for (size_t b = 0; b < x->batch; b++) {
        const uint16_t *row = states_row(x, b);
        for (size_t i = 0; i < x->dims; i++) {
            const size_t length = i < m->order - 1 ? i : m->order - 1;
            out[b * x->dims + i] = ngram_log_probability(m, row + i - length, length, row[i]);
        }
    }
}

double ngram_mean(const NgramModel *m, const States *x)
{
    double sum = 0.0;
    TENSOR_CHECK(x->batch > 0 && x->dims > 0, "(%zu, %zu) symbols", x->batch, x->dims);
    double *logs = mem_alloc(x->dims, sizeof *logs);
    for (size_t b = 0; b < x->batch; b++) {
        const States row = states_rows(x, b, 1);
        ngram_log_probabilities(m, &row, logs);
        for (size_t i = 0; i < x->dims; i++)
            sum += logs[i];
    }
    mem_free(logs);
    return sum / ((double)x->batch * (double)x->dims);
}

/* ---- draws ---- */

/* The child that is drawn at one order, or none: a lower order is to draw. */
static size_t draw_child(const NgramModel *m, size_t level, size_t node, Rng *rng)
{
    const Level *l = &m->level[level];
    double left = rng_uniform(rng) * (double)l->total[node];
    for (size_t c = l->child[node]; c < l->child[node + 1]; c++) {
        left -= (double)l[1].count[c] - m->discount[level + 1];
        if (left < 0.0)
            return c;
    }
    return none;
}

/* From the highest order down: each either draws a symbol or leaves it to the next. */
static uint16_t draw_symbol(const NgramModel *m, const uint16_t *context, size_t length, Rng *rng)
{
    for (size_t before = length + 1; before-- > 0;) {
        const size_t node = find_context(m, context, length, before);
        const size_t child = node != none ? draw_child(m, before, node, rng) : none;
        if (child != none)
            return m->level[before + 1].symbol[child];
    }
    return (uint16_t)rng_below(rng, m->states);
}

void ngram_draw(const NgramModel *m, Rng rng, States *x)
{
    const size_t count = x->batch * x->dims;
    for (size_t i = 0; i < count; i++) {
        const size_t length = i < m->order - 1 ? i : m->order - 1;
        x->x[i] = draw_symbol(m, x->x + i - length, length, &rng);
    }
}
