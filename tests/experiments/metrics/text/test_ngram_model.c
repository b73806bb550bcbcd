/* Kneser-Ney against values worked out by hand, against a naive implementation that counts anew for
 * each question, and against itself: probabilities that sum to 1, draws that follow them. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/metrics/text/ngram_model.h"
#include "tensor/base/memory.h"

static NgramModel *create(const uint16_t *symbols, size_t count, size_t states, size_t order)
{
    Error err = {""};
    NgramModel *m = ngram_create(symbols, count, states, order, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

static double p(const NgramModel *m, const uint16_t *context, size_t length, uint16_t symbol)
{
    return exp(ngram_log_probability(m, context, length, symbol));
}

static void near(double value, double expected)
{
    ck_assert_msg(fabs(value - expected) < 1e-12, "%.15g, expected %.15g", value, expected);
}

/* ---- by hand ---- */

static const uint16_t a = 0, b = 1;

/* aaba.  Pairs: aa, ab, ba, once each, so D_2 = 1/2.  Before a stand the beginning, a and b; before
 * b stands a: c = 3 and 1, T = 4, and nothing is there twice, so D_1 = 1/2. */
START_TEST(by_hand_without_pairs_that_repeat)
{
    static const uint16_t text[] = {0, 0, 1, 0};
    NgramModel *m = create(text, 4, 2, 2);
    near(ngram_discount(m, 1), 0.5);
    near(ngram_discount(m, 2), 0.5);
    near(p(m, NULL, 0, a), 2.5 / 4 + 0.5 * 2 / 4 * 0.5); /* 0.75 */
    near(p(m, NULL, 0, b), 0.25);
    near(p(m, &a, 1, a), 0.5 / 2 + 0.5 * 2 / 2 * 0.75); /* 0.625 */
    near(p(m, &a, 1, b), 0.375);
    near(p(m, &b, 1, a), 0.5 + 0.5 * 0.75); /* 0.875 */
    near(p(m, &b, 1, b), 0.125);
    ngram_free(m);
}
END_TEST

/* ababaa.  Pairs: ab and ba twice, aa once: n_1 = 1, n_2 = 2, D_2 = 1/5. */
START_TEST(by_hand_with_a_discount)
{
    static const uint16_t text[] = {0, 1, 0, 1, 0, 0};
    NgramModel *m = create(text, 6, 2, 2);
    near(ngram_discount(m, 2), 0.2);
    near(p(m, NULL, 0, a), 0.75);
    near(p(m, &a, 1, b), 1.8 / 3 + 0.2 * 2 / 3 * 0.25); /* 0.6333 */
    near(p(m, &a, 1, a), 0.8 / 3 + 0.2 * 2 / 3 * 0.75); /* 0.3667 */
    near(p(m, &b, 1, a), 1.8 / 2 + 0.2 / 2 * 0.75);     /* 0.975 */
    States x = {(uint16_t[]){0, 1, 1, 0}, 2, 2};
    near(ngram_mean(m, &x), log(0.75 * (1.8 / 3 + 0.1 / 3) * 0.25 * 0.975) / 4);
    ngram_free(m);
}
END_TEST

/* Order 1 counts symbols: aab of three states: c = 2, 1, 0; n_1 = n_2 = 1, D_1 = 1/3. */
START_TEST(by_hand_at_order_one)
{
    static const uint16_t text[] = {0, 0, 1}, c = 2;
    NgramModel *m = create(text, 3, 3, 1);
    near(ngram_discount(m, 1), 1.0 / 3);
    near(p(m, NULL, 0, a), (2 - 1.0 / 3) / 3 + 2.0 / 9 / 3);
    near(p(m, NULL, 0, b), (1 - 1.0 / 3) / 3 + 2.0 / 9 / 3);
    near(p(m, NULL, 0, c), 2.0 / 9 / 3);
    near(p(m, &b, 1, a), p(m, NULL, 0, a)); /* looks at no context */
    ngram_free(m);
}
END_TEST

START_TEST(one_symbol_is_a_text)
{
    static const uint16_t text[] = {1};
    NgramModel *m = create(text, 1, 2, 5);
    near(p(m, NULL, 0, b), 0.5 + 0.5 * 0.5);
    near(p(m, NULL, 0, a), 0.25);
    near(p(m, &b, 1, a), 0.25); /* nothing is known to follow */
    ngram_free(m);
}
END_TEST

/* ---- naive ---- */

typedef struct Naive {
    const uint16_t *text;
    size_t count, states, order;
} Naive;

/* c of k symbols. */
static double naive_count(const Naive *n, const uint16_t *gram, size_t k)
{
    bool before[64] = {false}; /* the last: the beginning */
    double times = 0, kinds = 0;
    for (size_t i = 0; i + k <= n->count; i++) {
        if (k > 0 && memcmp(n->text + i, gram, k * sizeof *gram) != 0)
            continue;
        times++;
        before[i == 0 ? 63 : n->text[i - 1]] = true;
    }
    for (size_t s = 0; s < 64; s++)
        kinds += before[s];
    return k == n->order ? times : kinds;
}

/* All k-grams of the states in turn; the number of those with c = wanted. */
static double naive_having(const Naive *n, size_t k, double wanted)
{
    uint16_t gram[NGRAM_ORDER_MOST] = {0};
    double having = 0;
    for (;;) {
        having += naive_count(n, gram, k) == wanted;
        size_t i = 0;
        while (i < k && ++gram[i] == n->states)
            gram[i++] = 0;
        if (i == k)
            return having;
    }
}

static double naive_discount(const Naive *n, size_t k)
{
    const double once = naive_having(n, k, 1), twice = naive_having(n, k, 2);
    return once > 0 && twice > 0 ? once / (once + 2 * twice) : 0.5;
}

/* P_k(w | h) by the formula; h: k-1 symbols; D: of each order. */
static double naive_p(const Naive *n, const double *D, const uint16_t *h, size_t k, uint16_t w)
{
    uint16_t gram[NGRAM_ORDER_MOST];
    double T = 0, K = 0;
    if (k == 0)
        return 1.0 / (double)n->states;
    memcpy(gram, h, (k - 1) * sizeof *h);
    for (size_t s = 0; s < n->states; s++) {
        gram[k - 1] = (uint16_t)s;
        T += naive_count(n, gram, k);
        K += naive_count(n, gram, k) > 0;
    }
    const double lower = naive_p(n, D, k > 1 ? h + 1 : h, k - 1, w);
    gram[k - 1] = w;
    return T == 0 ? lower : fmax(naive_count(n, gram, k) - D[k], 0) / T + D[k] * K / T * lower;
}

/* Texts of uneven symbols, of every length and order: all contexts of all lengths. */
static void compare(size_t states, size_t order, size_t count, uint64_t seed)
{
    uint16_t text[64], h[NGRAM_ORDER_MOST] = {0};
    double D[NGRAM_ORDER_MOST + 1];
    Rng rng = rng_root(seed);
    for (size_t i = 0; i < count; i++)
        text[i] = (uint16_t)(rng_below(&rng, states) * rng_below(&rng, 2));
    const Naive n = {text, count, states, order};
    NgramModel *m = create(text, count, states, order);
    for (size_t k = 1; k <= order; k++) {
        D[k] = naive_discount(&n, k);
        near(ngram_discount(m, k), D[k]);
    }
    for (size_t length = 0; length < order; length++) {
        memset(h, 0, sizeof h);
        for (size_t i = 0; i < length || i == 0;) {
            double sum = 0;
            for (size_t w = 0; w < states; w++) {
                const double ours = p(m, h, length, (uint16_t)w);
                near(ours, naive_p(&n, D, h, length + 1, (uint16_t)w));
                sum += ours;
            }
            near(sum, 1.0);
            i = 0;
            while (i < length && ++h[i] == states)
                h[i++] = 0;
            if (i == length)
                break;
        }
    }
    ngram_free(m);
}

START_TEST(equals_a_naive_implementation)
{
    for (size_t count = 1; count <= 24; count++)
        for (size_t order = 1; order <= 3; order++)
            compare(3, order, count, 100 * count + order);
    compare(2, 5, 60, 1);
    compare(3, 4, 60, 2);
    compare(5, 3, 60, 3);
    compare(60, 2, 64, 4);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

/* ---- properties ---- */

enum { LONG = 20000, LETTERS = 7 };

/* Each symbol follows the two before it, more often than not. */
static void write_long(uint16_t *text, size_t count, uint64_t seed)
{
    Rng rng = rng_root(seed);
    for (size_t i = 0; i < count; i++) {
        const size_t old = i > 1 ? 3u * text[i - 1] + text[i - 2] + 1u : 0;
        text[i] = (uint16_t)(rng_below(&rng, 4) > 0 ? old % LETTERS : rng_below(&rng, LETTERS));
    }
}

START_TEST(sums_are_one_for_every_context)
{
    static uint16_t text[LONG], h[4];
    write_long(text, LONG, 1);
    NgramModel *m = create(text, LONG, LETTERS, 5);
    ck_assert_uint_eq(ngram_order(m), 5);
    for (size_t code = 0; code < 2401; code++)
        for (size_t length = 0; length <= 4; length++) {
            double sum = 0;
            for (size_t i = 0, c = code; i < 4; i++, c /= LETTERS)
                h[i] = (uint16_t)(c % LETTERS);
            for (int w = 0; w < LETTERS; w++)
                sum += p(m, h, length, (uint16_t)w);
            near(sum, 1.0);
        }
    ngram_free(m);
}
END_TEST

/* Held-out text is likelier than text of independent symbols, and the model's own likelier than
 * either by about what it has learnt too much. */
START_TEST(likelier_texts_have_larger_means)
{
    static uint16_t text[LONG], other[LONG];
    write_long(text, LONG, 1);
    write_long(other, LONG, 2);
    NgramModel *m = create(text, LONG, LETTERS, 5);
    States held = {other, LONG / 100, 100}, noise = states_alloc(200, 100);
    States own = states_alloc(200, 100);
    Rng rng = rng_root(3);
    for (size_t i = 0; i < 20000; i++)
        noise.x[i] = (uint16_t)rng_below(&rng, LETTERS);
    ngram_draw(m, rng_root(4), &own);
    /* the text's own entropy: 3/4 + 1/28 for one symbol, 1/28 for six */
    const double entropy = -(22.0 / 28 * log(22.0 / 28) + 6.0 / 28 * log(1.0 / 28));
    ck_assert_double_lt(ngram_mean(m, &noise), -2.2);
    ck_assert_double_lt(fabs(ngram_mean(m, &held) + entropy), 0.12);
    ck_assert_double_lt(fabs(ngram_mean(m, &own) + entropy), 0.12);
    states_free(&noise);
    states_free(&own);
    ngram_free(m);
}
END_TEST

/* 40,000 draws: a share is within 0.013 of its probability but for 2e-7 (5.2 deviations). */
START_TEST(draws_follow_the_probabilities)
{
    static const uint16_t text[] = {0, 1, 0, 1, 0, 0, 2, 1, 1, 2};
    NgramModel *m = create(text, 10, 4, 2);
    States x = states_alloc(1, 160000);
    double after[4][4] = {{0}}, times[4] = {0};
    ngram_draw(m, rng_root(5), &x);
    for (size_t i = 1; i < 160000; i++) {
        after[x.x[i - 1]][x.x[i]]++;
        times[x.x[i - 1]]++;
    }
    for (uint16_t s = 0; s < 4; s++)
        for (uint16_t w = 0; w < 4; w++) {
            const double q = p(m, &s, 1, w);
            ck_assert_double_lt(fabs(after[s][w] / times[s] - q), 6 * sqrt(q * (1 - q) / times[s]));
        }
    States again = states_alloc(10, 100); /* the stream decides, and the shape does not */
    ngram_draw(m, rng_root(5), &again);
    ck_assert_mem_eq(again.x, x.x, 1000 * sizeof *x.x);
    states_free(&again);
    states_free(&x);
    ngram_free(m);
}
END_TEST

/* A mask is a symbol that the text has not, in a context as well. */
START_TEST(masks_are_unlikely)
{
    static const uint16_t text[] = {0, 0, 1, 0}, mask = 2;
    NgramModel *m = create(text, 4, 2, 2);
    near(p(m, NULL, 0, mask), 0.125);
    near(p(m, &mask, 1, a), 0.75);
    ngram_free(m);
}
END_TEST

/* 50,000 states, and a text of 200,000 symbols: memory by the text, not by the square of S. */
START_TEST(large_vocabularies_take_little_memory)
{
    enum { N = 200000, S = 50000 };
    uint16_t *text = mem_alloc(N, sizeof *text);
    Rng rng = rng_root(1);
    for (size_t i = 0; i < N; i++)
        text[i] = (uint16_t)(rng_below(&rng, 224) * rng_below(&rng, 224));
    const size_t before = mem_peak();
    NgramModel *m = create(text, N, S, 5);
    ck_assert_uint_le(mem_peak() - before, 5 * 14 * N + 8 * N + 8 * S + 100000);
    double sum = 0;
    for (size_t w = 0; w < S; w++)
        sum += p(m, text + 7, 4, (uint16_t)w);
    ck_assert_double_lt(fabs(sum - 1), 1e-9);
    ngram_free(m);
    mem_free(text);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(orders_have_limits)
{
    static const uint16_t text[] = {0, 1};
    create(text, 2, 2, _i == 0 ? 0 : NGRAM_ORDER_MOST + 1);
}
END_TEST

START_TEST(symbols_are_states)
{
    static const uint16_t text[] = {0, 2};
    create(text, 2, 2, 2);
}
END_TEST

Suite *ngram_model_suite(void);
Suite *ngram_model_suite(void)
{
    Suite *suite = suite_create("ngram_model");
    TCase *tc = tcase_create("ngram_model");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, by_hand_without_pairs_that_repeat);
    tcase_add_test(tc, by_hand_with_a_discount);
    tcase_add_test(tc, by_hand_at_order_one);
    tcase_add_test(tc, one_symbol_is_a_text);
    tcase_add_test(tc, equals_a_naive_implementation);
    tcase_add_test(tc, sums_are_one_for_every_context);
    tcase_add_test(tc, likelier_texts_have_larger_means);
    tcase_add_test(tc, draws_follow_the_probabilities);
    tcase_add_test(tc, masks_are_unlikely);
    tcase_add_test(tc, large_vocabularies_take_little_memory);
    suite_add_tcase(suite, tc);
    tc = tcase_create("misuse");
    tcase_add_loop_test_raise_signal(tc, orders_have_limits, 6, 0, 2);
    tcase_add_test_raise_signal(tc, symbols_are_states, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
