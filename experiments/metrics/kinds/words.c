/* words: do samples have the words of the training text, its symbols, and variety?  Three numbers:
 * the share of words that stand in the training text; the entropy of symbols; the share of 4-grams
 * that are different.  Words are looked for in the bytes; those at a sequence's ends, which may be
 * pieces, are left out. */
#include <math.h>
#include <stdlib.h>

#include "experiments/data/text/rendering.h"
#include "experiments/metrics/kinds/text_metric.h"
#include "experiments/metrics/text/word_set.h"
#include "nn/formats/byte_order.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum { WORDS, ENTROPY, DISTINCT, COLUMNS };
enum { GRAM = 4 };

typedef struct WordsMetric {
    const Vocabulary *vocabulary; /* of the training data */
    WordSet *known;
    size_t known_count, dims;      /* words of the training text; symbols of a sample */
    size_t held_out_count, wanted; /* sequences; as many as there are samples */
    double held_out[COLUMNS];      /* NAN: there are none */
} WordsMetric;

/* ---- the three numbers ---- */

/* Where to look for the first word: behind one that the sequence's beginning may have cut, be it
 * at an apostrophe. */
static size_t first_word(const Buffer *text)
{
    return text->length > 0 && text->bytes[0] == '\'' ? 2 : 1;
}

/* Whether a word that ends at `end` may go on behind the sequence. */
static bool may_go_on(const Buffer *text, size_t end)
{
    return end == text->length || (end + 1 == text->length && text->bytes[end] == '\'');
}

typedef struct WordCount {
    size_t words, known;
} WordCount;

/* Of one sequence; text: room for it. */
static WordCount count_words(const WordsMetric *m, const uint16_t *symbols, size_t dims,
                             Buffer *text)
{
    WordCount n = {0, 0};
    size_t length;
    text->length = 0;
    rendering_add(text, m->vocabulary, symbols, dims);
    for (size_t at = first_word(text); word_next(text->bytes, text->length, &at, &length);
         at += length) {
        if (may_go_on(text, at + length))
            break;
        n.words++;
        n.known += word_set_has(m->known, text->bytes + at, length);
    }
    return n;
}

static double share_of_words(WordCount n)
{
    return n.words > 0 ? (double)n.known / (double)n.words : NAN;
}

/* - sum of p log p over the shares p of symbols, in nats; a mask is a symbol too. */
static double entropy_of(const States *x)
{
    const size_t count = x->batch * x->dims;
    size_t *times = mem_zeroed((size_t)UINT16_MAX + 1, sizeof *times);
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        times[x->x[i]]++;
    for (size_t s = 0; s <= UINT16_MAX; s++) {
        const double p = (double)times[s] / (double)count;
        sum -= times[s] > 0 ? p * log(p) : 0.0;
    }
    mem_free(times);
    return sum;
}

static int compare_grams(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of all 4-grams inside of sequences; NAN where sequences are shorter. */
static double share_of_distinct(const States *x)
{
    if (x->dims < GRAM)
        return NAN;
    const size_t each = x->dims - GRAM + 1, count = x->batch * each;
    uint64_t *grams = mem_alloc(count, sizeof *grams);
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        const uint16_t *s = states_row(x, i / each) + i % each;
        grams[i] = (uint64_t)s[0] << 48 | (uint64_t)s[1] << 32 | (uint64_t)s[2] << 16 | s[3];
    }
    qsort(grams, count, sizeof *grams, compare_grams);
    for (size_t i = 0; i < count; i++)
        distinct += i == 0 || grams[i] != grams[i - 1];
    mem_free(grams);
    return (double)distinct / (double)count;
}

/* ---- a sample's record: its words, how many of them are known, and its symbols ---- */

enum { COUNTS = 8 }; /* bytes before the symbols, of which each has two */

static size_t record_bytes(const void *state)
{
    return COUNTS + 2 * ((const WordsMetric *)state)->dims;
}

static bool records(void *state, const States *samples, unsigned char *out, Error *err)
{
    const WordsMetric *m = state;
    Buffer text = {0};
    (void)err;
    TENSOR_CHECK(samples->dims == m->dims, "%zu symbols, expected %zu", samples->dims, m->dims);
    for (size_t b = 0; b < samples->batch; b++) {
        const uint16_t *row = states_row(samples, b);
        const WordCount n = count_words(m, row, samples->dims, &text);
        little_endian_put(out, 4, n.words);
        little_endian_put(out + 4, 4, n.known);
        for (size_t i = 0; i < samples->dims; i++)
            little_endian_put(out + COUNTS + 2 * i, 2, row[i]);
        out += record_bytes(m);
    }
    buffer_free(&text);
    return true;
}

static bool of_records(void *state, const unsigned char *records, size_t count, double *values,
                       Error *err)
{
    const WordsMetric *m = state;
    States x = states_alloc(count, m->dims);
    WordCount all = {0, 0};
    (void)err;
    for (size_t b = 0; b < count; b++, records += record_bytes(m)) {
        all.words += (size_t)little_endian(records, 4);
        all.known += (size_t)little_endian(records + 4, 4);
        for (size_t i = 0; i < m->dims; i++)
            x.x[b * m->dims + i] = (uint16_t)little_endian(records + COUNTS + 2 * i, 2);
    }
    values[WORDS] = share_of_words(all);
    values[ENTROPY] = entropy_of(&x);
    values[DISTINCT] = share_of_distinct(&x);
    states_free(&x);
    return true;
}

static const StateField fields[] = {
    {.name = "dims", .type = FIELD_COUNT, .at = offsetof(WordsMetric, dims)},
    {.name = "known_count", .type = FIELD_COUNT, .at = offsetof(WordsMetric, known_count)},
    {.name = "held_out_count", .type = FIELD_COUNT, .at = offsetof(WordsMetric, held_out_count)},
    {.name = "wanted", .type = FIELD_COUNT, .at = offsetof(WordsMetric, wanted)},
    {.name = "held_out",
     .type = FIELD_NUMBERS,
     .at = offsetof(WordsMetric, held_out),
     .count = COLUMNS},
    {.type = FIELD_END},
};

static const MetricParts parts = {
    .record_bytes = record_bytes,
    .records = records,
    .of_records = of_records,
    .fields = fields,
};

/* ---- the metric ---- */

static bool check_words(const MetricSetting *setting, Error *err)
{
    return text_metric_check("words", setting, err);
}

static void add_words(WordSet *s, const TextData *t)
{
    Buffer text = {0};
    size_t at = 0, length;
    rendering_add(&text, t->vocabulary, t->symbols, t->count);
    for (; word_next(text.bytes, text.length, &at, &length); at += length)
        word_set_add(s, text.bytes + at, length);
    buffer_free(&text);
}

static bool prepare_words(void *state, const MetricSetting *setting, Error *err)
{
    WordsMetric *m = state;
    bool ok = true;
    m->vocabulary = setting->train->text->vocabulary;
    m->known = word_set_create();
    m->wanted = setting->count;
    add_words(m->known, setting->train->text);
    m->known_count = word_set_count(m->known);
    m->dims = setting->train->dims;
    States held_out = text_metric_held_out(setting);
    m->held_out_count = held_out.batch;
    for (size_t k = 0; k < COLUMNS; k++)
        m->held_out[k] = NAN;
    if (held_out.batch > 0)
        ok = metric_measure_records(&parts, m, &held_out, m->held_out, err);
    states_free(&held_out);
    return ok;
}

static void release_words(void *state)
{
    WordsMetric *m = state;
    word_set_free(m->known);
}

/* ---- what is shown ---- */

/* The share of different 4-grams falls with the number of sequences: fewer are no measure. */
static double floor_of(const void *state, size_t column)
{
    const WordsMetric *m = state;
    return column == DISTINCT && m->held_out_count < m->wanted ? NAN : m->held_out[column];
}

static void print_words(const void *state, FILE *out)
{
    const WordsMetric *m = state;
    fprintf(out, "\nwords: of %zu in the training text", m->known_count);
    if (m->held_out_count > 0)
        text_print(out,
                   "; %zu held-out sequences: words %.2f %%, entropy %.4f nats, distinct4 %.2f %%",
                   m->held_out_count, 100 * m->held_out[WORDS], m->held_out[ENTROPY],
                   100 * m->held_out[DISTINCT]);
}

static void json_words(const void *state, JsonOut *j)
{
    const WordsMetric *m = state;
    jsonout_count(j, "words_known", m->known_count);
    jsonout_count(j, "words_held_out_count", m->held_out_count);
    jsonout_number(j, "words_held_out", m->held_out[WORDS]);
    jsonout_number(j, "entropy_held_out", m->held_out[ENTROPY]);
    jsonout_number(j, "distinct4_held_out", m->held_out[DISTINCT]);
}

static void report_words(const void *state, Report *r)
{
    const WordsMetric *m = state;
    char text[128];
    text_format(text, sizeof text, "%zu", m->known_count);
    report_fact(r, "words of the training text", text);
    if (m->held_out_count == 0)
        return;
    text_format(text, sizeof text, "%.2f %% words, entropy %.4f nats, %.2f %% distinct 4-grams",
                100 * m->held_out[WORDS], m->held_out[ENTROPY], 100 * m->held_out[DISTINCT]);
    report_fact(r, "held-out text", text);
}

static const MetricColumn columns[] = {
    [WORDS] = {.name = "words",
               .label = "words",
               .unit = "%",
               .width = 8,
               .decimals = 2,
               .chart = "Share of words that stand in the training text"},
    [ENTROPY] = {.name = "entropy",
                 .label = "entropy",
                 .width = 8,
                 .decimals = 4,
                 .chart = "Entropy of symbols, nats"},
    [DISTINCT] = {.name = "distinct4",
                  .label = "distinct",
                  .unit = "%",
                  .width = 10,
                  .decimals = 2,
                  .chart = "Share of 4-grams that differ from all others"},
};

const MetricClass metric_words = {
    .name = "words",
    .help = "share of words that stand in the training text, entropy of symbols, different 4-grams",
    .needs = "a text; the test split for the numbers of held-out text",
    .when = METRIC_OF_TEXTS,
    .looks_at_test = true,
    .state_bytes = sizeof(WordsMetric),
    .check = check_words,
    .prepare = prepare_words,
    .release = release_words,
    .columns = columns,
    .column_count = COLUMNS,
    .floor = floor_of,
    .parts = &parts,
    .print = print_words,
    .json = json_words,
    .report = report_words,
};
