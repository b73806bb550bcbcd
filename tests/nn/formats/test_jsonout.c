/* The JSON writer, read back by the JSON reader. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/json.h"
#include "nn/formats/json_writer.h"
#include "tensor/base/memory.h"

static const char *text_of(FILE *f, char *text, size_t size)
{
    rewind(f);
    text[fread(text, 1, size - 1, f)] = '\0';
    fclose(f);
    return text;
}

START_TEST(layout)
{
    FILE *f = tmpfile();
    char text[500];

    ck_assert_ptr_nonnull(f);
    JsonOut j = jsonout_start(f);
    jsonout_object(&j, NULL);
    jsonout_string(&j, "name", "a \"b\"");
    jsonout_array(&j, "empty");
    jsonout_end(&j);
    jsonout_array(&j, "list");
    jsonout_bool(&j, NULL, true);
    jsonout_object(&j, NULL);
    jsonout_end(&j);
    jsonout_end(&j);
    jsonout_end(&j);
    ck_assert_str_eq(text_of(f, text, sizeof text),
                     "{\n  \"name\": \"a \\\"b\\\"\",\n  \"empty\": [],\n  \"list\": [\n    true,\n"
                     "    {}\n  ]\n}\n");
}
END_TEST

START_TEST(one_line)
{
    FILE *f = tmpfile();
    char text[100];

    ck_assert_ptr_nonnull(f);
    JsonOut j = jsonout_start_line(f);
    jsonout_object(&j, NULL);
    jsonout_array(&j, "list");
    jsonout_count(&j, NULL, 1);
    jsonout_count(&j, NULL, 2);
    jsonout_end(&j);
    jsonout_bool(&j, "yes", true);
    jsonout_end(&j);
    ck_assert_str_eq(text_of(f, text, sizeof text), "{\"list\": [1, 2], \"yes\": true}\n");
}
END_TEST

START_TEST(values_come_back)
{
    static const double exact[4] = {0.1, 1.0 / 3.0, -5e-324, 1.7976931348623157e308};
    FILE *f = tmpfile();
    char text[4000];
    Error err = {""};

    ck_assert_ptr_nonnull(f);
    JsonOut j = jsonout_start(f);
    jsonout_object(&j, NULL);
    jsonout_string(&j, "text", "line\nquote\"back\\ \x01 \xCE\xBB");
    jsonout_string(&j, "none", NULL);
    jsonout_number(&j, "rounded", 1.0 / 3.0);
    jsonout_number(&j, "nan", (double)NAN);
    jsonout_exact(&j, "inf", -(double)INFINITY);
    jsonout_count(&j, "count", UINT64_C(9007199254740991));
    jsonout_bool(&j, "no", false);
    jsonout_array(&j, "exact");
    for (int i = 0; i < 4; i++)
        jsonout_exact(&j, NULL, exact[i]);
    jsonout_end(&j);
    jsonout_end(&j);
    text_of(f, text, sizeof text);
    Json *root = json_parse(text, strlen(text), "test", &err);
    ck_assert_msg(root != NULL, "%s\n%s", err.text, text);
    ck_assert_str_eq(json_get(root, "text")->string, "line\nquote\"back\\ \x01 \xCE\xBB");
    ck_assert_int_eq(json_get(root, "none")->type, JSON_NULL);
    ck_assert_int_eq(json_get(root, "nan")->type, JSON_NULL);
    ck_assert_int_eq(json_get(root, "inf")->type, JSON_NULL);
    ck_assert(json_get(root, "rounded")->number == 0.333333333);
    ck_assert(json_get(root, "count")->number == 9007199254740991.0);
    ck_assert(!json_get(root, "no")->boolean);
    const Json *list = json_get(root, "exact");
    ck_assert_uint_eq(list->count, 4);
    for (int i = 0; i < 4; i++)
        ck_assert(list->items[i].number == exact[i]);
    json_free(root);
}
END_TEST

START_TEST(key_outside_object)
{
    JsonOut j = jsonout_start(stdout);
    jsonout_array(&j, NULL);
    jsonout_bool(&j, "key", true);
}
END_TEST

START_TEST(no_key_in_object)
{
    JsonOut j = jsonout_start(stdout);
    jsonout_object(&j, NULL);
    jsonout_bool(&j, NULL, true);
}
END_TEST

START_TEST(end_without_start)
{
    JsonOut j = jsonout_start(stdout);
    jsonout_end(&j);
}
END_TEST

Suite *jsonout_suite(void);
Suite *jsonout_suite(void)
{
    Suite *suite = suite_create("jsonout");
    TCase *tc = tcase_create("jsonout");

    tcase_set_timeout(tc, 10);
    tcase_add_test(tc, layout);
    tcase_add_test(tc, one_line);
    tcase_add_test(tc, values_come_back);
    tcase_add_test_raise_signal(tc, key_outside_object, 6);
    tcase_add_test_raise_signal(tc, no_key_in_object, 6);
    tcase_add_test_raise_signal(tc, end_without_start, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
