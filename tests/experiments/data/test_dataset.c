/* A data set that is made, not read. */
#include <check.h>

#include "experiments/data/dataset.h"

START_TEST(a_new_one_is_empty)
{
    Dataset *d = dataset_create("somewhere");
    ck_assert_str_eq(d->name, "somewhere");
    ck_assert_uint_eq(d->count, 0);
    ck_assert(d->data == NULL && d->labels == NULL && d->law == NULL);
    dataset_close(d);
    dataset_close(NULL);
}
END_TEST

START_TEST(like_another_but_all_zero)
{
    Dataset *d = dataset_create("first");
    d->count = 5;
    d->height = 2;
    d->width = 3;
    d->channels = 4;
    d->dims = 24;
    d->states = 7;
    d->classes = 10;
    Dataset *like = dataset_like(d, 6);
    dataset_close(d);
    ck_assert_str_eq(like->name, "first");
    ck_assert_uint_eq(like->count, 6);
    ck_assert(like->height == 2 && like->width == 3 && like->channels == 4);
    ck_assert(like->dims == 24 && like->states == 7);
    ck_assert(like->classes == 0 && like->labels == NULL && like->law == NULL);
    for (size_t i = 0; i < (size_t)6 * 24; i++)
        ck_assert_uint_eq(like->data[i], 0);
    dataset_close(like);
}
END_TEST

START_TEST(like_a_text_has_rows)
{
    Error err = {""};
    Dataset *d = dataset_create("text:x");
    d->text = text_data_create(9, vocabulary_parse("a\nb\nc", 5, "", &err));
    d->height = d->channels = 1;
    d->width = d->dims = 4;
    d->states = 3;
    d->count = 2;
    Dataset *like = dataset_like(d, 5);
    ck_assert(!d->text->in_rows && like->text->in_rows);
    ck_assert(vocabulary_equal(d->text->vocabulary, like->text->vocabulary));
    dataset_close(d);
    ck_assert(like->count == 5 && like->dims == 4 && like->states == 3 && like->data == NULL);
    ck_assert_uint_eq(like->text->count, 20);
    for (size_t i = 0; i < 20; i++)
        ck_assert_uint_eq(like->text->symbols[i], 0);
    dataset_close(like);
}
END_TEST

Suite *dataset_suite(void);
Suite *dataset_suite(void)
{
    Suite *suite = suite_create("dataset");
    TCase *tc = tcase_create("dataset");
    tcase_add_test(tc, a_new_one_is_empty);
    tcase_add_test(tc, like_another_but_all_zero);
    tcase_add_test(tc, like_a_text_has_rows);
    suite_add_tcase(suite, tc);
    return suite;
}
