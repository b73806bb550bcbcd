/* States written by their table and read back: every type, into zeros and over another state, and
 * without each of the fields. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/features/frechet.h"
#include "experiments/metrics/state_fields.h"
#include "tensor/base/memory.h"

enum { F = 2, THREE = 3, LIST = 5 };

typedef struct State {
    size_t before, count;
    double numbers[THREE];
    Moments moments;
    double *list;
    size_t length;
    char *text;
    char hash[65];
} State;

static const StateField fields[] = {
    {.name = "text", .type = FIELD_TEXT, .at = offsetof(State, text)},
    {.name = "hash", .type = FIELD_HASH, .at = offsetof(State, hash)},
    {.name = "count", .type = FIELD_COUNT, .at = offsetof(State, count)},
    {.name = "numbers", .type = FIELD_NUMBERS, .at = offsetof(State, numbers), .count = THREE},
    {.type = FIELD_MOMENTS, .at = offsetof(State, moments), .count = F},
    {.name = "list",
     .type = FIELD_LIST,
     .at = offsetof(State, list),
     .length = offsetof(State, length)},
    {.type = FIELD_END},
};

static double *some(size_t n, double from)
{
    double *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = from + (double)i / 3;
    return x;
}

static State make(size_t length, const char *text, double from)
{
    State s = {.before = 7,
               .count = 12,
               .numbers = {from, NAN, -0.0},
               .moments = {F, 9, some(F, from), some((size_t)F * F, from + 1)},
               .list = some(length, from + 2),
               .length = length,
               .text = mem_string(text)};
    memset(s.hash, 'a', 64);
    return s;
}

static void release(State *s)
{
    moments_free(&s->moments);
    mem_free(s->list);
    mem_free(s->text);
}

static void expect_equal(const State *a, const State *b)
{
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_mem_eq(a->numbers, b->numbers, sizeof a->numbers);
    ck_assert(a->moments.features == F && b->moments.features == F);
    ck_assert_mem_eq(a->moments.mean, b->moments.mean, F * sizeof(double));
    ck_assert_mem_eq(a->moments.covariance, b->moments.covariance, (size_t)F * F * sizeof(double));
    ck_assert_uint_eq(a->length, b->length);
    ck_assert_mem_eq(a->list, b->list, a->length * sizeof(double));
    ck_assert_str_eq(a->text, b->text);
    ck_assert_str_eq(a->hash, b->hash);
}

START_TEST(states_come_back)
{
    Error err = {""};
    RunFacts facts = {0};
    Numbers numbers = {0};
    State from = make(LIST, "a name", 0.25);
    State into[2] = {{.before = 7}, make(1, "another", 40)};
    state_fields_save(fields, &from, &facts, &numbers);
    ck_assert(facts.count == 2 && strcmp(facts.at[0].key, "text") == 0);
    ck_assert(numbers.count == 5 && strcmp(numbers.at[2].name, "mean") == 0 &&
              strcmp(numbers.at[3].name, "covariance") == 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(state_fields_restore(fields, &into[i], &facts, &numbers, &err), "%s",
                      err.text);
        expect_equal(&from, &into[i]);
        ck_assert_uint_eq(into[i].before, 7);
        ck_assert_uint_eq(into[i].moments.count, i == 0 ? 0 : 9);
        release(&into[i]);
    }
    release(&from);
    run_facts_free(&facts);
    numbers_free(&numbers);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

static void refused(const RunFacts *facts, const Numbers *numbers, const char *name)
{
    Error err = {""};
    State into = {0};
    ck_assert(!state_fields_restore(fields, &into, facts, numbers, &err));
    ck_assert_msg(strncmp(err.text, name, strlen(name)) == 0, "'%s' names not %s", err.text, name);
    release(&into);
}

START_TEST(each_field_is_asked_for)
{
    RunFacts facts = {0};
    Numbers numbers = {0};
    State from = make(LIST, "a name", 0.25);
    state_fields_save(fields, &from, &facts, &numbers);
    for (size_t i = 0; i < facts.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s", facts.at[i].key);
        facts.at[i].key[0] ^= 1;
        refused(&facts, &numbers, name);
        facts.at[i].key[0] ^= 1;
    }
    for (size_t i = 0; i < numbers.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s", numbers.at[i].name);
        numbers.at[i].name[0] ^= 1;
        refused(&facts, &numbers, name);
        numbers.at[i].name[0] ^= 1;
        const bool any_length = strcmp(name, "list") == 0;
        numbers.at[i].count -= any_length ? 0 : 1;
        if (!any_length)
            refused(&facts, &numbers, name);
        numbers.at[i].count += any_length ? 0 : 1;
    }
    facts.at[1].value[3] = 'G';
    refused(&facts, &numbers, "hash");
    release(&from);
    run_facts_free(&facts);
    numbers_free(&numbers);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

Suite *state_fields_suite(void);
Suite *state_fields_suite(void)
{
    Suite *s = suite_create("state_fields");
    TCase *tc = tcase_create("state_fields");
    tcase_add_test(tc, states_come_back);
    tcase_add_test(tc, each_field_is_asked_for);
    suite_add_tcase(s, tc);
    return s;
}
