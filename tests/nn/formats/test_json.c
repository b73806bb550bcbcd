/* The JSON reader: every kind of value, every kind of mistake, and mutated texts. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/json.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static Json *parse(const char *text)
{
    Error err = {""};
    Json *j = json_parse(text, strlen(text), "t.json", &err);
    ck_assert_msg(j != NULL, "%s", err.text);
    return j;
}

START_TEST(values)
{
    Json *j = parse(" {\"a\": [1, -2.5e2, 0, 1E+1], \"b\": {\"c\": true, \"d\": false},\r\n"
                    "\t\"e\": null, \"\": \"x\", \"f\": {}, \"g\": []} ");
    ck_assert_int_eq(j->type, JSON_OBJECT);
    ck_assert_uint_eq(j->count, 6);
    const Json *a = json_get(j, "a");
    ck_assert_uint_eq(a->count, 4);
    ck_assert(a->items[0].number == 1 && a->items[1].number == -250);
    ck_assert(a->items[2].number == 0 && a->items[3].number == 10);
    ck_assert(json_get(json_get(j, "b"), "c")->boolean);
    ck_assert(!json_get(json_get(j, "b"), "d")->boolean);
    ck_assert_int_eq(json_get(j, "e")->type, JSON_NULL);
    ck_assert_str_eq(json_get(j, "")->string, "x");
    ck_assert_uint_eq(json_get(j, "f")->count + json_get(j, "g")->count, 0);
    ck_assert_ptr_null(json_get(j, "z"));
    ck_assert_ptr_null(json_get(a, "z"));
    json_free(j);
    json_free(NULL);
}
END_TEST

START_TEST(strings)
{
    Json *j = parse("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\","
                    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\", \"\\u09aF\\u90Af\"]");
    ck_assert_str_eq(j->items[0].string, "\"\\/\b\f\n\r\t");
    ck_assert_str_eq(j->items[1].string, "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    ck_assert_str_eq(j->items[2].string, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    ck_assert_str_eq(j->items[3].string, "\xe0\xa6\xaf\xe9\x82\xaf"); /* all ends of the digits */
    json_free(j);
}
END_TEST

/* The first and the last code of each number of bytes, and those beside the surrogates. */
START_TEST(ends_of_utf8)
{
    Json *j = parse("[\"\\u007f\\u0080\", \"\\u07ff\\u0800\", \"\\ud7ff\\ue000\","
                    "\"\\uffff\\ud800\\udc00\", \"\\udbff\\udfff\"]");
    ck_assert_str_eq(j->items[0].string, "\x7f\xc2\x80");
    ck_assert_str_eq(j->items[1].string, "\xdf\xbf\xe0\xa0\x80");
    ck_assert_str_eq(j->items[2].string, "\xed\x9f\xbf\xee\x80\x80");
    ck_assert_str_eq(j->items[3].string, "\xef\xbf\xbf\xf0\x90\x80\x80");
    ck_assert_str_eq(j->items[4].string, "\xf4\x8f\xbf\xbf");
    json_free(j);
}
END_TEST

/* Texts that are no JSON, and what is said after "t.json: JSON ". */
static const char *const refused[][2] = {
    {"", "at byte 0: expected a value"},
    {" ", "at byte 1: expected a value"},
    {"nul", "at byte 0: expected a value"},
    {"nulll", "at byte 4: expected the end of the text"},
    {"True", "at byte 0: expected a value"},
    {"[", "at byte 1: expected a value"},
    {"]", "at byte 0: expected a value"},
    {"[1", "at byte 2: expected ',' or ']'"},
    {"[1,", "at byte 3: expected a value"},
    {"[1,]", "at byte 3: expected a value"},
    {"[,1]", "at byte 1: expected a value"},
    {"[1 2]", "at byte 3: expected ',' or ']'"},
    {"{", "at byte 1: expected a string"},
    {"{}{}", "at byte 2: expected the end of the text"},
    {"{\"a\"}", "at byte 4: expected ':'"},
    {"{\"a\":}", "at byte 5: expected a value"},
    {"{\"a\":1,}", "at byte 7: expected a string"},
    {"{a:1}", "at byte 1: expected a string"},
    {"{1:1}", "at byte 1: expected a string"},
    {"{\"a\" 1}", "at byte 5: expected ':'"},
    {"{\"a\":1 \"b\":2}", "at byte 7: expected ',' or '}'"},
    {"01", "at byte 1: expected the end of the text"},
    {"-", "at byte 1: expected a digit"},
    {"+1", "at byte 0: expected a value"},
    {".5", "at byte 0: expected a value"},
    {"1.", "at byte 2: expected a digit after the decimal point"},
    {"1.e3", "at byte 2: expected a digit after the decimal point"},
    {"1e", "at byte 2: expected a digit in the exponent"},
    {"1e+", "at byte 3: expected a digit in the exponent"},
    {"0x10", "at byte 1: expected the end of the text"},
    {"NaN", "at byte 0: expected a value"},
    {"Infinity", "at byte 0: expected a value"},
    {"1e999", "at byte 5: expected a number that fits a double"},
    {"-1e999", "at byte 6: expected a number that fits a double"},
    {"\"", "at byte 1: expected the closing quote of this string"},
    {"\"a", "at byte 1: expected the closing quote of this string"},
    {"\"\\\"", "at byte 1: expected the closing quote of this string"},
    {"\"\\", "at byte 1: expected the closing quote of this string"},
    {"\"\\x\"", "at byte 2: expected one of \"\\/bfnrtu after a backslash"},
    {"\"\\u12\"", "at byte 5: expected four hexadecimal digits after \\u"},
    {"\"\\u12g4\"", "at byte 5: expected four hexadecimal digits after \\u"},
    {"\"\\u0000\"", "at byte 7: expected a string without \\u0000"},
    {"\"\n\"", "at byte 1: expected no control character in a string"},
    {"\"\x01\"", "at byte 1: expected no control character in a string"},
    {"\"\x1f\"", "at byte 1: expected no control character in a string"},
    {"\"\\ud800\"", "at byte 7: expected a low surrogate after a high one"},
    {"\"\\ud800x\"", "at byte 7: expected a low surrogate after a high one"},
    {"\"\\ud800\\u0041\"", "at byte 13: expected a low surrogate after a high one"},
    {"\"\\ud800", "at byte 1: expected the closing quote of this string"},
    {"\"\\ud800\\", "at byte 1: expected the closing quote of this string"},
    {"\"\\ud800\\n0041\"", "at byte 7: expected a low surrogate after a high one"},
    {"\"\\ud800xudc00\"", "at byte 7: expected a low surrogate after a high one"},
    {"\"\\udbff\\udbff\"", "at byte 13: expected a low surrogate after a high one"},
    {"\"\\ud800\\ue000\"", "at byte 13: expected a low surrogate after a high one"},
    {"\"\\udfff\"", "at byte 7: expected a high surrogate before a low one"},
    {"\"\\u004", "at byte 1: expected the closing quote of this string"},
    {"\"\\u00G0\"", "at byte 5: expected four hexadecimal digits after \\u"},
    {"\"\\u00`0\"", "at byte 5: expected four hexadecimal digits after \\u"},
    {"\"\\u00@0\"", "at byte 5: expected four hexadecimal digits after \\u"},
    {"\"\\u00:0\"", "at byte 5: expected four hexadecimal digits after \\u"},
    {"\"\\u00/0\"", "at byte 5: expected four hexadecimal digits after \\u"},
    {"1e-", "at byte 3: expected a digit in the exponent"},
    {"-a", "at byte 1: expected a digit"},
    {"-01", "at byte 2: expected the end of the text"},
    {"\"\\udc00\"", "at byte 7: expected a high surrogate before a low one"},
    {"\"\x80\"", "at byte 1: expected valid UTF-8"},
    {"\"\xc0\xaf\"", "at byte 1: expected valid UTF-8"},
    {"\"\xe0\x80\x80\"", "at byte 1: expected valid UTF-8"},
    {"\"\xed\xa0\x80\"", "at byte 1: expected valid UTF-8"},
    {"\"\xf4\x90\x80\x80\"", "at byte 1: expected valid UTF-8"},
    {"\"\xf5\"", "at byte 1: expected valid UTF-8"},
    {"\"\xe2\x82\"", "at byte 1: expected valid UTF-8"},
    {"\"\xc3", "at byte 1: expected the closing quote of this string"},
    {"{\"a\":1,\"a\":2}", "before byte 13: expected the key \"a\" once"},
    {"{\"a\":1,\"b\":3,\"\\u0061\":2}", "before byte 24: expected the key \"a\" once"},
    {"'a'", "at byte 0: expected a value"},
    {"[1]//", "at byte 3: expected the end of the text"},
    {"123456789012345678901234567890123456789012345678901234567890123456789",
     "at byte 69: expected a number of fewer than 64 characters"},
};

START_TEST(refuses)
{
    const char *text = refused[_i][0], prefix[] = "t.json: JSON ";
    Error err = {""};
    Json *j = json_parse(text, strlen(text), "t.json", &err);
    ck_assert_msg(j == NULL, "accepted %s", text);
    ck_assert_msg(strncmp(err.text, prefix, strlen(prefix)) == 0, "%s", err.text);
    ck_assert_str_eq(err.text + strlen(prefix), refused[_i][1]);
}
END_TEST

START_TEST(nul_bytes_are_refused)
{
    Error err = {""};
    ck_assert_ptr_null(json_parse("\"a\0b\"", 5, "t", &err));
    ck_assert_ptr_null(json_parse("1\0", 2, "t", &err));
}
END_TEST

START_TEST(depth_and_size_are_limited)
{
    enum { MOST = 1 << 20, MANY = 2 * MOST + 1 }; /* the array is a value, too */
    char *text = mem_alloc(MANY, 1);
    Error err = {""};
    memset(text, '[', MANY);
    ck_assert_ptr_null(json_parse(text, MANY, "t", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "nesting"));
    for (size_t i = 0; i < MANY; i++)
        text[i] = (char)(i == 0 ? '[' : i == MANY - 1 ? ']' : i % 2 == 1 ? '1' : ',');
    ck_assert_ptr_null(json_parse(text, MANY, "t", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "at most 1048576 values"));
    text[MANY - 3] = ']';
    Json *all = json_parse(text, MANY - 2, "t", &err);
    ck_assert(all != NULL && all->count == MOST - 1);
    json_free(all);
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    Json *j = json_parse(text, 128, "t", &err);
    ck_assert_ptr_nonnull(j);
    json_free(j);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    ck_assert_ptr_null(json_parse(text, 130, "t", &err));
    ck_assert_str_eq(err.text, "t: JSON at byte 64: expected at most 64 levels of nesting");
    memset(text, '1', 64);
    j = json_parse(text, 63, "t", &err);
    ck_assert(j != NULL && j->number > 1.1e62 && j->number < 1.2e62);
    json_free(j);
    ck_assert_ptr_null(json_parse(text, 64, "t", &err));
    mem_free(text);
}
END_TEST

START_TEST(typed_members)
{
    Json *j = parse("{\"s\":\"v\",\"n\":1.5,\"i\":7,\"m\":-1,\"h\":1e300,"
                    "\"e\":9007199254740993e1}");
    Error err = {""};
    double d;
    size_t n;
    ck_assert_str_eq(json_string(j, "s", "w", &err), "v");
    ck_assert(json_number(j, "n", &d, "w", &err) && d == 1.5);
    ck_assert(json_size(j, "i", &n, "w", &err) && n == 7);
    ck_assert_ptr_null(json_string(j, "n", "file: case", &err));
    ck_assert_str_eq(err.text, "file: case: expected a string \"n\"");
    ck_assert(!json_number(j, "s", &d, "w", &err));
    ck_assert(!json_number(j, "none", &d, "w", &err));
    ck_assert(!json_size(j, "n", &n, "w", &err));
    ck_assert(!json_size(j, "m", &n, "w", &err));
    ck_assert(!json_size(j, "h", &n, "w", &err));
    ck_assert(!json_size(j, "e", &n, "w", &err));
    json_free(j);
}
END_TEST

/* What the reader makes of a string that was written; the caller frees it with mem_free. */
static char *round_trip(const char *text)
{
    char back[2000];
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    json_write_string(f, text);
    rewind(f);
    size_t n = fread(back, 1, sizeof back, f);
    fclose(f);
    Error err = {""};
    Json *j = json_parse(back, n, "t", &err);
    ck_assert_msg(j != NULL, "%s", err.text);
    char *got = mem_string(j->string);
    json_free(j);
    return got;
}

START_TEST(written_strings_read_back)
{
    static const char text[] = "q\" b\\ n\n t\t \x01 \x7f \xc3\xa9";
    char *got = round_trip(text);
    ck_assert_str_eq(got, text);
    mem_free(got);
}
END_TEST

/* Paths may hold any bytes; what is written must be JSON all the same. */
START_TEST(bytes_that_are_not_utf8_are_replaced)
{
    char *got = round_trip("a\xff"
                           "b\xc3(\xe2\x82");
    ck_assert_str_eq(got, "a\xef\xbf\xbd"
                          "b\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd");
    mem_free(got);
    Rng rng = rng_root(3);
    for (int round = 0; round < 300; round++) {
        char text[60];
        for (size_t i = 0; i + 1 < sizeof text; i++)
            text[i] = (char)(1 + rng_below(&rng, 255));
        text[sizeof text - 1] = '\0';
        mem_free(round_trip(text)); /* which asserts that the reader takes it */
    }
}
END_TEST

START_TEST(mutations_end_in_a_value_or_a_sentence)
{
    static const char valid[] =
        "{\"a\":[1,2.5e-3,\"x\\u00e9\xc3\xa9\"],\"b\":{\"c\":null,\"d\":true}}";
    Rng rng = rng_root(7);
    size_t before = mem_in_use();
    for (int round = 0; round < 20000; round++) {
        char text[sizeof valid];
        size_t n = sizeof valid - 1, changes = 1 + rng_below(&rng, 3);
        memcpy(text, valid, sizeof valid);
        for (size_t i = 0; i < changes; i++)
            text[rng_below(&rng, n)] = (char)rng_below(&rng, 256);
        Error err = {""};
        Json *j = json_parse(text, rng_below(&rng, 4) == 0 ? rng_below(&rng, n) : n, "t", &err);
        ck_assert(j != NULL || strlen(err.text) > 10);
        json_free(j);
    }
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

Suite *json_suite(void);
Suite *json_suite(void)
{
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, values);
    tcase_add_test(tc, strings);
    tcase_add_test(tc, ends_of_utf8);
    tcase_add_loop_test(tc, refuses, 0, (int)(sizeof refused / sizeof refused[0]));
    tcase_add_test(tc, nul_bytes_are_refused);
    tcase_add_test(tc, depth_and_size_are_limited);
    tcase_add_test(tc, typed_members);
    tcase_add_test(tc, written_strings_read_back);
    tcase_add_test(tc, bytes_that_are_not_utf8_are_replaced);
    tcase_add_test(tc, mutations_end_in_a_value_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
