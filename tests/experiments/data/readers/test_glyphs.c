/* The built-in law: what it promises, and the measures taken against it. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "experiments/data/readers/glyphs.h"
#include "tensor/base/memory.h"

START_TEST(law_is_a_law)
{
    FiniteLaw *law = glyphs_create();
    double sum = 0.0;

    ck_assert_uint_ge(law->count, 40);
    ck_assert_uint_le(law->count, 100);
    ck_assert_uint_eq(law->dims, GLYPH_DIMS);
    for (size_t k = 0; k < law->count; k++) {
        sum += law->probability[k];
        ck_assert_double_gt(law->probability[k], 0.0);
        ck_assert_uint_lt(law->label[k], glyphs_kinds());
        /* The first pattern equal to this one is this one: all are distinct. */
        ck_assert_int_eq(law_lookup(law, law->patterns + k * law->dims), (int)k);
        for (size_t d = 0; d < law->dims; d++)
            ck_assert_uint_lt(law->patterns[k * law->dims + d], law->states);
    }
    ck_assert_double_eq_tol(sum, 1.0, 1e-14);
    for (size_t i = 0; i < glyphs_kinds(); i++)
        ck_assert_uint_gt(strlen(glyphs_kind_name(i)), 0);
    law_destroy(law);
}
END_TEST

START_TEST(no_negative_is_a_pattern)
{
    FiniteLaw *law = glyphs_create();
    uint16_t x[GLYPH_DIMS];

    for (size_t k = 0; k < law->count; k++) {
        for (size_t d = 0; d < law->dims; d++)
            x[d] = (uint16_t)(1 - law->patterns[k * law->dims + d]);
        ck_assert_int_eq(law_lookup(law, x), -1); /* all are light on dark */
    }
    law_destroy(law);
}
END_TEST

START_TEST(lookup_refuses_others)
{
    FiniteLaw *law = glyphs_create();
    uint16_t x[GLYPH_DIMS] = {0};

    ck_assert_int_eq(law_lookup(law, x), -1);
    memcpy(x, law->patterns, sizeof x);
    x[GLYPH_DIMS - 1] ^= 1;
    ck_assert_int_eq(law_lookup(law, x), -1);
    law_destroy(law);
}
END_TEST

/* Three patterns with 1/2, 1/4, 1/4. */
static FiniteLaw *small_law(void)
{
    static const uint16_t patterns[6] = {0, 0, 0, 1, 2, 2};
    FiniteLaw *law = law_create(3, 2, 3);

    memcpy(law->patterns, patterns, sizeof patterns);
    law->probability[0] = 2;
    law->probability[1] = law->probability[2] = 1;
    law_normalise(law);
    return law;
}

START_TEST(fit_of_known_samples)
{
    FiniteLaw *law = small_law();
    uint16_t x[8] = {0, 0, 0, 0, 0, 1, 1, 1};
    States all = {x, 4, 2}, one = {x, 1, 2}, none = {x, 0, 2};

    /* shares 1/2, 1/4, 0 and 1/4 invalid: tv = (0 + 0 + 1/4 + 1/4)/2 */
    LawFit fit = law_fit(law, &all);
    ck_assert_double_eq_tol(fit.valid, 0.75, 1e-15);
    ck_assert_double_eq_tol(fit.tv, 0.25, 1e-15);
    ck_assert_uint_eq(fit.covered, 2);
    ck_assert_uint_eq(fit.samples, 4);
    fit = law_fit(law, &one);
    ck_assert_double_eq_tol(fit.valid, 1.0, 1e-15);
    ck_assert_double_eq_tol(fit.tv, 0.5, 1e-15);
    fit = law_fit(law, &none);
    ck_assert_double_eq_tol(fit.valid, 0.0, 1e-15);
    law_destroy(law);
}
END_TEST

START_TEST(all_invalid_is_distance_one)
{
    FiniteLaw *law = small_law();
    uint16_t x[4] = {1, 1, 2, 1};
    States s = {x, 2, 2};
    LawFit fit = law_fit(law, &s);

    ck_assert_double_eq_tol(fit.tv, 1.0, 1e-15);
    ck_assert_double_eq_tol(fit.valid, 0.0, 1e-15);
    law_destroy(law);
}
END_TEST

START_TEST(floor_matches_its_law)
{
    FiniteLaw *law = small_law();

    /* One sample: tv = 1 - p of what was drawn, so 1 - sum p^2 = 5/8 on average; its deviation is
     * 1/8, so 4000 draws miss by 0.012 (six deviations) in less than 1 of 10^8 seeds. */
    ck_assert_double_eq_tol(law_tv_floor(law, 1, 4000, 5), 0.625, 0.012);
    /* Many samples: sum_k E|share - p|/2 = sum_k sqrt(p(1-p)/n) / sqrt(2 pi); p = 1/2, 1/4, 1/4. */
    double expected = (0.5 + 2 * sqrt(3.0 / 16)) / sqrt(2 * 3.14159265358979 * 10000);
    ck_assert_double_eq_tol(law_tv_floor(law, 10000, 400, 5), expected, 0.12 * expected);
    ck_assert(law_tv_floor(law, 50, 3, 1) == law_tv_floor(law, 50, 3, 1));
    ck_assert(law_tv_floor(law, 50, 3, 1) != law_tv_floor(law, 50, 3, 2));
    law_destroy(law);
}
END_TEST

START_TEST(weights_must_be_positive)
{
    FiniteLaw *law = law_create(2, 1, 2);
    law->probability[0] = 1;
    law_normalise(law);
}
END_TEST

START_TEST(samples_must_fit)
{
    FiniteLaw *law = small_law();
    uint16_t x[3] = {0, 0, 0};
    States s = {x, 1, 3};
    law_fit(law, &s);
}
END_TEST

Suite *glyphs_suite(void);
Suite *glyphs_suite(void)
{
    Suite *suite = suite_create("glyphs");
    TCase *tc = tcase_create("law");

    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, law_is_a_law);
    tcase_add_test(tc, no_negative_is_a_pattern);
    tcase_add_test(tc, lookup_refuses_others);
    tcase_add_test(tc, fit_of_known_samples);
    tcase_add_test(tc, all_invalid_is_distance_one);
    tcase_add_test(tc, floor_matches_its_law);
    suite_add_tcase(suite, tc);
    tc = tcase_create("misuse");
    tcase_add_test_raise_signal(tc, weights_must_be_positive, 6);
    tcase_add_test_raise_signal(tc, samples_must_fit, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
