/* Tables as others write them, made plain; what is not clear is shown. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/csv_plain.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const struct {
    const char *text, *plain;
} tables[] = {
    {"", ""},
    {"0,0.5\n1,0.5\n", "0,0.5\n1,0.5\n"},
    {"\xEF\xBB\xBF"
     "0,1\r\n1,0\r\n",
     "0,1\n1,0\n"},                   /* a mark, ends of Windows */
    {"0,1\r1,0\r", "0,1\n1,0\n"},     /* old ends */
    {"0;0,5\n1;0,5", "0,0.5\n1,0.5"}, /* decimal commas */
    {"0;0.5\n1;1e-3\n", "0,0.5\n1,1e-3\n"},
    {"\"0,5\",\"-1,5\"\n", "0.5,-1.5\n"}, /* the same in quotes */
    {"0 1\n 1\t0  \n", "0,1\n1,0\n"},     /* numpy.savetxt */
    {"# x y\n0.0e+00 1.0e+00\n", "\n0.0e+00,1.0e+00\n"},
    {"  # x; y\n1,2\n", "\n1,2\n"},
    {"0,1\n# x; y\n1,0\n", "0,1\n\n1,0\n"},
    {"a #1;0,5\nb #2;1,5\n", "0.5\n1.5\n"}, /* no comment */
    {"0 , 1\n", "0,1\n"},
    {"\"x1\",\"p\"\n0,1\n", "\n0,1\n"}, /* names */
    {"\"a, b\";c\n0;1\n", "\n0,1\n"},
    {"\"\",\"V1\",\"V2\"\n\"1\",0,1\n\"2\",1,0\n", "\n0,1\n1,0\n"}, /* write.csv of R */
    {",V1,V2\n0,0,1\n1,1,0\n", "\n0,1\n1,0\n"},                     /* to_csv of pandas */
    {"\"V1\" \"V2\"\n\"1\" 0 1\n\"2\" 1 0\n", "\n0,1\n1,0\n"},      /* write.table of R */
    {"a,0,1\n\"b \"\"c\"\"\",1,0\n", "0,1\n1,0\n"},                 /* names of rows alone */
    {"0,1,,\n1,0,,\n,,,\n", "0,1\n1,0\n\n"},                        /* a spreadsheet's edge */
    {"0,1,\n1,0\n", "0,1,\n1,0\n"},                                 /* not in all lines */
    {"0,1\n\n1,0\n", "0,1\n\n1,0\n"},
    {"0,x\n1,0\n", "0,x\n1,0\n"}, /* left for the reader to refuse */
    {"0,1 2\n1,0\n", "0,1 2\n1,0\n"},
    {"0x1,1\n", "0x1,1\n"},
    {"0x1,0x2\n0,1\n", "0x1,0x2\n0,1\n"},
    {"1st,2nd\n1st,2\n", "1st,2nd\n1st,2\n"},
    {"\"0,1\n", "\"0,1\n"}, /* a quote without an end */
    {"nan,inf\n", "nan,inf\n"},
    {"a,b\n", "\n"},
    {";;\n", "\n"},
};

START_TEST(tables_of_others)
{
    Error err = {""};
    char *text = mem_string(tables[_i].text);
    ck_assert_msg(csv_plain(text, "t.csv", &err), "%s", err.text);
    ck_assert_str_eq(text, tables[_i].plain);
    ck_assert(csv_plain(text, "t.csv", &err)); /* plain ones stay as they are */
    ck_assert_str_eq(text, tables[_i].plain);
    mem_free(text);
}
END_TEST

static const struct {
    const char *text, *sentence;
} unclear[] = {
    {"0;1.234,5\n", "t.csv: line 1: '1.234,5': expected a number with one decimal point or comma"},
    {"0;0\n0;1,2,3\n", "t.csv: line 2: '1,2,3': expected"},
    {"0;1,5 \xE2\x82\xAC\n", "t.csv: line 1: '1,5 \\xE2\\x82\\xAC': expected"},
};

START_TEST(commas_that_may_be_anything)
{
    Error err = {""};
    char *text = mem_string(unclear[_i].text);
    ck_assert(!csv_plain(text, "t.csv", &err));
    ck_assert_msg(strstr(err.text, unclear[_i].sentence) != NULL, "%s", err.text);
    mem_free(text);
}
END_TEST

START_TEST(what_cannot_be_seen)
{
    char out[CSV_VISIBLE];
    ck_assert_str_eq(csv_visible(out,
                                 "a\t\xC2\xA0"
                                 "1",
                                 5),
                     "a\\x09\\xC2\\xA01");
    ck_assert_str_eq(csv_visible(out, "", 0), "");
    char longer[100];
    memset(longer, '\n', sizeof longer);
    ck_assert_uint_eq(strlen(csv_visible(out, longer, sizeof longer)), 40);
}
END_TEST

/* Any text ends in one that is no longer, or in a sentence. */
START_TEST(any_text)
{
    static const char signs[] = "01.,;\" \t\r\n#ax-\xEF\xBB\xBF";
    Rng rng = rng_root(15);
    for (int round = 0; round < 20000; round++) {
        Error err = {""};
        const size_t length = rng_below(&rng, 40);
        char *text = mem_zeroed(length + 1, 1);
        for (size_t i = 0; i < length; i++)
            text[i] = signs[rng_below(&rng, sizeof signs - 1)];
        ck_assert(csv_plain(text, "t", &err) || strlen(err.text) > 20);
        ck_assert_uint_le(strlen(text), length);
        mem_free(text);
    }
}
END_TEST

Suite *csv_plain_suite(void);
Suite *csv_plain_suite(void)
{
    Suite *suite = suite_create("csv_plain");
    TCase *tc = tcase_create("csv_plain");
    tcase_add_loop_test(tc, tables_of_others, 0, (int)(sizeof tables / sizeof tables[0]));
    tcase_add_loop_test(tc, commas_that_may_be_anything, 0,
                        (int)(sizeof unclear / sizeof unclear[0]));
    tcase_add_test(tc, what_cannot_be_seen);
    tcase_add_test(tc, any_text);
    suite_add_tcase(suite, tc);
    return suite;
}
