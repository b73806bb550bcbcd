/* Files of mu and sigma: round trips, and each thing that can be wrong. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/features/moments_file.h"
#include "nn/formats/torch/npz.h"
#include "nn/formats/torch/zip_write.h"
#include "tests/tools/toys.h"

enum { F = 3 };

static const char *path;
static const double mu[F] = {0.5, -1.25, 1.0 / 3};
static const double sigma[F * F] = {2, 0.1, 0, 0.1, 1, -0.2, 0, -0.2, 1.0 / 7};

static void set_up(void)
{
    toys_set_up("test-statistics.tmp");
    path = toy("a.npz");
}

START_TEST(what_is_written_is_read)
{
    const Moments m = {F, 50, (double *)mu, (double *)sigma};
    Moments back;
    Error err = {""};
    ck_assert_msg(moments_file_write(&m, path, &err), "%s", err.text);
    ck_assert_msg(moments_file_read(&back, path, F, &err), "%s", err.text);
    ck_assert(back.features == F && back.count == 0);
    ck_assert_mem_eq(back.mean, mu, sizeof mu);
    ck_assert_mem_eq(back.covariance, sigma, sizeof sigma);
    moments_free(&back);
}
END_TEST

/* An entry NAME.npy of an open archive. */
static void add_entry(ZipWriter *z, const char *name, const char *header, const void *data,
                      size_t bytes)
{
    char file[200] = "\x93NUMPY\1";
    const size_t n = strlen(header);
    file[8] = (char)n;
    memcpy(file + 10, header, n);
    memcpy(file + 10 + n, data, bytes);
    zip_add(z, name, file, 10 + n + bytes);
}

/* mu (1, -2) of int16 or bool, sigma ((4, 1.5), (1.5, 2)) of float16; the high byte first, axis 0
 * fastest. */
static void write_other_types(const char *descr)
{
    static const unsigned char m[4] = {0, 1, 0xFF, 0xFE};
    static const unsigned char s[8] = {0x44, 0, 0x3E, 0, 0x3E, 0, 0x40, 0};
    char header[100];
    Error err = {""};
    ZipWriter *z = zip_create(path, &err);
    ck_assert_msg(z != NULL, "%s", err.text);
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (2,)}",
             descr);
    add_entry(z, "mu.npy", header, m, descr[1] == 'b' ? 2 : 4);
    add_entry(z, "sigma.npy", "{'descr': '>f2', 'fortran_order': True, 'shape': (2, 2)}", s, 8);
    ck_assert_msg(zip_close(z, &err), "%s", err.text);
}

START_TEST(numbers_of_other_types)
{
    Moments m;
    Error err = {""};
    write_other_types(">i2");
    ck_assert_msg(moments_file_read(&m, path, 2, &err), "%s", err.text);
    ck_assert(m.mean[0] == 1 && m.mean[1] == -2);
    ck_assert(m.covariance[0] == 4 && m.covariance[1] == 1.5 && m.covariance[3] == 2);
    moments_free(&m);
    write_other_types("|b1");
    ck_assert(!moments_file_read(&m, path, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "mu: expected 2 numbers"));
    write_other_types(">c4");
    ck_assert(!moments_file_read(&m, path, 2, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "mu.npy: descr: expected real numbers"));
}
END_TEST

/* The arrays under these names, of these shapes; mu of F numbers. */
static void refused(const char *first, const char *second, size_t f, size_t rows, const double *s,
                    const char *a, const char *b)
{
    const size_t shape_mu[1] = {F}, shape[2] = {rows, (size_t)F * F / rows};
    const NpzItem items[2] = {{first, 1, shape_mu, mu}, {second, 2, shape, s}};
    Moments m;
    Error err = {""};
    ck_assert_msg(npz_write(path, items, 2, &err), "%s", err.text);
    ck_assert(!moments_file_read(&m, path, f, &err));
    ck_assert(m.mean == NULL && m.covariance == NULL);
    if (strstr(err.text, path) == NULL || strstr(err.text, a) == NULL ||
        strstr(err.text, b) == NULL)
        ck_abort_msg("\"%s\": expected \"%s\" and \"%s\"", err.text, a, b);
}

START_TEST(what_is_wrong_is_named)
{
    double s[F * F];
    refused("nu", "sigma", F, F, sigma, "expected an array \"mu\"", "found none");
    refused("mu", "s", F, F, sigma, "\"sigma\"", "found none");
    refused("mu", "sigma", F + 1, F, sigma, "mu: expected 4 numbers",
            "found 1 axis, the first of 3");
    refused("mu", "sigma", F, 1, sigma, "sigma: expected 3 times as many", "found 2 axes");
    memcpy(s, sigma, sizeof s);
    s[4] = NAN;
    refused("mu", "sigma", F, F, s, "sigma: expected finite numbers", "entry 4");
    memcpy(s, sigma, sizeof s);
    s[4] = -1;
    refused("mu", "sigma", F, F, s, "variances from 0", "(1, 1)");
    memcpy(s, sigma, sizeof s);
    s[1] = 0.2;
    refused("mu", "sigma", F, F, s, "symmetric", "(1, 0) and (0, 1)");
    Moments m;
    Error err = {""};
    ck_assert(!moments_file_read(&m, toy("none.npz"), F, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "none.npz"));
    toy_text(path, "no archive");
    ck_assert(!moments_file_read(&m, path, F, &err));
}
END_TEST

Suite *moments_file_suite(void)
{
    Suite *suite = suite_create("moments_file");
    TCase *tc = tcase_create("moments_file");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, numbers_of_other_types);
    tcase_add_test(tc, what_is_wrong_is_named);
    suite_add_tcase(suite, tc);
    return suite;
}
