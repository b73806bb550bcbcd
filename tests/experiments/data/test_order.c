/* The order of pictures: permutations that depend on seed, number of pictures and position alone.
 */
#include <check.h>
#include <stdbool.h>

#include "experiments/data/order.h"

enum { COUNT = 10, EPOCHS = 3 };

START_TEST(each_epoch_has_every_picture_once)
{
    DatasetOrder *o = dataset_order_create();
    for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
        unsigned seen = 0;
        for (size_t i = 0; i < COUNT; i++)
            seen |= 1u << dataset_order_at(o, COUNT, 5, epoch * COUNT + i);
        ck_assert_uint_eq(seen, (1u << COUNT) - 1);
    }
    dataset_order_destroy(o);
    dataset_order_destroy(NULL);
}
END_TEST

/* One order that is asked up and down, with other seeds and counts between, against one that is
 * new for each question. */
START_TEST(the_past_does_not_matter)
{
    DatasetOrder *o = dataset_order_create();
    for (size_t i = 0; i < 200; i++) {
        const uint64_t position = i * 37 % (EPOCHS * COUNT), seed = i % 3;
        const size_t count = i % 4 == 3 ? COUNT + 5 : COUNT;
        DatasetOrder *fresh = dataset_order_create();
        const size_t which = dataset_order_at(o, count, seed, position);
        ck_assert_uint_eq(which, dataset_order_at(fresh, count, seed, position));
        ck_assert_uint_lt(which, count);
        dataset_order_destroy(fresh);
    }
    dataset_order_destroy(o);
}
END_TEST

START_TEST(no_pictures_have_no_order)
{
    dataset_order_at(dataset_order_create(), 0, 1, 0);
}
END_TEST

Suite *order_suite(void);
Suite *order_suite(void)
{
    Suite *suite = suite_create("order");
    TCase *tc = tcase_create("order");
    tcase_add_test(tc, each_epoch_has_every_picture_once);
    tcase_add_test(tc, the_past_does_not_matter);
    tcase_add_test_raise_signal(tc, no_pictures_have_no_order, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
