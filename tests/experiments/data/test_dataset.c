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
    for (size_t i = 0; i < 6 * 24; i++)
        ck_assert_uint_eq(like->data[i], 0);
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
    suite_add_tcase(suite, tc);
    return suite;
}
