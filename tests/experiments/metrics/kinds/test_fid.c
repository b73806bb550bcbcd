/* fid and is from the command line to the numbers: the same as features by the network, moments and
 * score by the definition, and a distance by another formula; and what is refused. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/metrics/features/inception_score.h"
#include "experiments/metrics/features/moments_file.h"
#include "experiments/metrics/metrics.h"
#include "nn/formats/byte_order.h"
#include "nn/formats/npy.h"
#include "nn/formats/sha256.h"
#include "nn/formats/torch/npz.h"
#include "nn/inception/inception.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/base/text.h"
#include "tensor/eigen/eigen.h"
#include "tests/tools/cli.h"
#include "tests/tools/inception_file.h"
#include "tests/tools/slow.h"
#include "tests/tools/toys.h"

#define DIR  "test-fid.tmp.d"
#define EVAL "eval --quiet --samples @a.npy --inception @w.pth "

enum { COUNT = 11, SIDE = 6, PIXELS = SIDE * SIDE, F = INCEPTION_FEATURES };

static void set_up(void)
{
    cli_set_up(DIR);
}

/* Grey pictures, noise under a brightness. */
static void make_pictures(uint8_t x[COUNT * PIXELS], const char *path, uint64_t seed)
{
    Rng rng = rng_root(seed);
    Error err = {""};
    for (size_t i = 0; i < COUNT * PIXELS; i++) {
        const size_t picture = i / PIXELS;
        x[i] = (uint8_t)(rng_uniform(&rng) * (60 + 15 * (double)picture));
    }
    ck_assert(npy_write(path, NPY_U1, 3, (size_t[]){COUNT, SIDE, SIDE}, x, &err));
}

/* features (COUNT, F), and the score. */
static float *look(Inception *net, const uint8_t x[COUNT * PIXELS], double *score)
{
    float levels[COUNT * PIXELS], *f = mem_alloc(COUNT * F, sizeof *f);
    float *logits = mem_alloc(COUNT * INCEPTION_CLASSES, sizeof *logits);
    double deviation;
    ScoreSums sums = score_create(INCEPTION_CLASSES, COUNT);
    for (size_t i = 0; i < COUNT * PIXELS; i++)
        levels[i] = (float)x[i] / 255.0f;
    inception_features(net, f, levels, COUNT, SIDE, SIDE, 1);
    inception_logits(net, logits, f, COUNT);
    score_add(&sums, logits, COUNT);
    score_result(&sums, score, &deviation);
    score_free(&sums);
    mem_free(logits);
    return f;
}

/* C_x = X^T X, C_y = Y^T Y with COUNT rows over (COUNT - 1)^(1/2): tr (C_x^(1/2) C_y
 * C_x^(1/2))^(1/2) is the sum of the singular values of X Y^T, the roots of the eigenvalues of X
 * Y^T Y X^T. */
static double few_rows_distance(const float *x, const float *y)
{
    Moments mx = moments_of(x, COUNT, F), my = moments_of(y, COUNT, F);
    double cross[COUNT][COUNT] = {{0}}, square[COUNT * COUNT] = {0}, values[COUNT], sum = 0;
    for (size_t f = 0; f < F; f++) {
        const double d = mx.mean[f] - my.mean[f];
        sum += d * d + mx.covariance[f * (F + 1)] + my.covariance[f * (F + 1)];
        for (size_t i = 0; i < COUNT; i++)
            for (size_t j = 0; j < COUNT; j++)
                cross[i][j] += ((double)x[i * F + f] - mx.mean[f]) *
                               ((double)y[j * F + f] - my.mean[f]) / (COUNT - 1);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++)
            for (size_t k = 0; k < COUNT; k++)
                square[i * COUNT + j] += cross[i][k] * cross[j][k];
    ck_assert(tensor_eigen_values(COUNT, square, values));
    for (size_t k = 0; k < COUNT; k++)
        sum -= 2 * sqrt(fmax(values[k], 0));
    moments_free(&my);
    moments_free(&mx);
    return sum;
}

static double number_of(const char *text, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "\"%s\": ", name);
    const char *at = strstr(text, key);
    ck_assert_msg(at != NULL, "%s in %s", name, text);
    return text_number(at + strlen(key), NULL);
}

/* --save-statistics holds the moments of y. */
static void check_saved(const float *y)
{
    Error err = {""};
    Moments saved, m = moments_of(y, COUNT, F);
    ck_assert_msg(moments_file_read(&saved, toy("s.npz"), F, &err), "%s", err.text);
    for (size_t i = 0; i < F; i++)
        ck_assert_double_eq_tol(saved.mean[i], m.mean[i], 1e-12);
    for (size_t i = 0; i < (size_t)F * F; i++)
        if (!(fabs(saved.covariance[i] - m.covariance[i]) < 1e-12))
            ck_abort_msg("covariance %zu is %g, not %g", i, saved.covariance[i], m.covariance[i]);
    moments_free(&m);
    moments_free(&saved);
}

START_TEST(numbers_are_those_of_the_definitions)
{
    uint8_t a[COUNT * PIXELS], b[COUNT * PIXELS];
    double score, other;
    Error err = {""};
    toy("s.npz"), toy("o.json");
    inception_file_write(toy("w.pth"), NULL);
    make_pictures(a, toy("a.npy"), 1);
    make_pictures(b, toy("b.npy"), 2);
    says(EVAL "--metrics fid,is --reference npy:" DIR "/b.npy --save-statistics @s.npz "
              "--json @o.json",
         0, "FID against npy:" DIR "/b.npy (11 pictures), Inception network");
    char *text = toy_read(toy("o.json"), &(size_t){0});
    Inception *net = inception_read(toy("w.pth"), &err);
    ck_assert_msg(net != NULL, "%s", err.text);
    float *x = look(net, a, &score), *y = look(net, b, &other);
    const double distance = few_rows_distance(x, y);
    ck_assert_double_gt(distance, 0.01);
    ck_assert_double_eq_tol(number_of(text, "fid"), distance, 1e-4 * distance);
    ck_assert_double_eq_tol(number_of(text, "is"), score, 1e-8);
    ck_assert_double_gt(number_of(text, "is_sd"), 0);
    ck_assert_double_eq(number_of(text, "fid_reference_count"), COUNT);
    check_saved(y);
    mem_free(y);
    mem_free(x);
    inception_free(net);
    mem_free(text);
}
END_TEST

/* Statistics with one direction of negative variance, in two features. */
static void write_negative(const char *path, size_t features)
{
    const size_t shape[2] = {features, features};
    double *mu = mem_zeroed(features, sizeof *mu), *sigma = mem_zeroed(features, features * 8);
    Error err = {""};
    const NpzItem items[2] = {{"mu", 1, shape, mu}, {"sigma", 2, shape, sigma}};
    for (size_t i = 0; i < features; i++)
        sigma[i * (features + 1)] = 1;
    sigma[1] = sigma[features] = 1.5;
    ck_assert_msg(npz_write(path, items, 2, &err), "%s", err.text);
    mem_free(sigma);
    mem_free(mu);
}

START_TEST(bad_files_are_refused)
{
    uint8_t a[COUNT * PIXELS];
    make_pictures(a, toy("a.npy"), 1);
    toy_text(toy("w.pth"), "no weights");
    write_negative(toy("small.npz"), 64);
    says(EVAL "--metrics fid --reference @small.npz", 1, "small.npz: mu: expected 2048 numbers");
    says(EVAL "--metrics fid --reference @none.npz", 1, "none.npz");
    says(EVAL "--metrics is", 1, "w.pth: expected a zip archive");
    says("eval --quiet --samples @none.npy --metrics is --inception @w.pth", 1, "none.npy");
}
END_TEST

START_TEST(impossible_references_are_refused)
{
    uint8_t a[COUNT * PIXELS];
    make_pictures(a, toy("a.npy"), 1);
    inception_file_write(toy("w.pth"), NULL);
    write_negative(toy("bad.npz"), F);
    says(EVAL "--metrics fid --reference @bad.npz", 1,
         "bad.npz: expected a covariance without "
         "negative directions");
    says(EVAL "--metrics fid --reference text:" DIR "/a.npy", 1, "expected pictures, found a text");
}
END_TEST

/* The warning says how many are needed; the score alone needs no reference. */
START_TEST(few_samples_are_said_to_be_few)
{
    uint8_t a[COUNT * PIXELS];
    make_pictures(a, toy("a.npy"), 1);
    run("eval --samples @a.npy --metrics fid --inception @none.pth --reference @none.npz");
    ck_assert_ptr_nonnull(strstr(said(stderr), "fid: 11 samples of a row for 2048 features: at "
                                               "least 2049 are needed"));
    inception_file_write(toy("w.pth"), NULL);
    says(EVAL "--metrics is", 0, "Inception Score of 10 parts");
}
END_TEST

/* ---- in shards ---- */

static void write_pictures(uint64_t seed, const char *name)
{
    uint8_t x[COUNT * PIXELS];
    make_pictures(x, toy(name), seed);
}

/* Runs EVAL for all parts of n, and joins them, the last one first; o.json (mem_free). */
static char *joined(const char *rest, int n)
{
    char line[400], merge[400] = "merge";
    for (int i = n - 1; i >= 0; i--) {
        char name[24];
        snprintf(name, sizeof name, "p%d.stats", i);
        toy(name);
        snprintf(line, sizeof line, EVAL "%s --shard %d/%d --statistics @%s", rest, i, n, name);
        expect(line, 0);
        snprintf(merge + strlen(merge), sizeof merge - strlen(merge), " @%s", name);
    }
    snprintf(merge + strlen(merge), sizeof merge - strlen(merge), " --json @o.json");
    if (run(merge) != 0)
        ck_abort_msg("%s", said(stderr));
    return toy_read(toy("o.json"), &(size_t){0});
}

static char *whole(const char *rest)
{
    char line[400];
    toy("o.json");
    snprintf(line, sizeof line, EVAL "%s --json @all.json", rest);
    expect(line, 0);
    return toy_read(toy("all.json"), &(size_t){0});
}

/* All but the command; frees the second. */
static void assert_same_results(const char *one, char *other)
{
    ck_assert_str_eq(strstr(one, "\"version\""), strstr(other, "\"version\""));
    mem_free(other);
}

START_TEST(scores_of_shards_are_those_of_one_run)
{
    inception_file_write(toy("w.pth"), NULL);
    write_pictures(1, "a.npy");
    toy("all.json");
    char *one = whole("--metrics is");
    assert_same_results(one, joined("--metrics is", COUNT));
    ck_assert_double_gt(number_of(one, "is"), 1);
    mem_free(one);
    says("merge @p0.stats @p1.stats", 1, "samples 2 to 10 of 11 are missing");
    says("merge @p0.stats @p0.stats", 1, "has some too");
    says(EVAL "--metrics is --shard 0/12 --statistics @p0.stats", 1,
         "--shard 0/12: has none of the 11 samples");
    inception_file_write(toy("v.pth"), &(InceptionDamage){.tensor = "fc.bias", .first = true});
    expect("eval --quiet --samples @a.npy --inception @v.pth --metrics is --shard 1/2 "
           "--statistics @p1.stats",
           0);
    expect(EVAL "--metrics is --shard 0/2 --statistics @p0.stats", 0);
    says("merge @p0.stats @p1.stats", 1, "p1.stats: is.inception is ");
    write_pictures(2, "a.npy");
    expect(EVAL "--metrics is --shard 1/2 --statistics @p1.stats", 0);
    says("merge @p0.stats @p1.stats", 1, "p1.stats: run.samples_hash is ");
}
END_TEST

START_TEST(distances_of_shards_are_those_of_one_run)
{
    const char *rest = "--metrics fid,is --reference npy:" DIR "/b.npy";
    inception_file_write(toy("w.pth"), NULL);
    write_pictures(1, "a.npy");
    write_pictures(2, "b.npy");
    toy("all.json");
    char *one = whole(rest);
    assert_same_results(one, joined(rest, 3));
    ck_assert_double_gt(number_of(one, "fid"), 0.01);
    mem_free(one);
    write_pictures(3, "b.npy");
    expect(EVAL "--metrics fid,is --reference npy:" DIR "/b.npy --shard 1/3 --statistics "
                "@p1.stats",
           0);
    says("merge @p0.stats @p1.stats @p2.stats", 1, "p1.stats: fid.reference_hash is ");
}
END_TEST

/* What merge knows of a reference whose covariance is the identity. */
typedef struct Reference {
    Moments moments;
    RunFacts facts;
    Numbers numbers, first;
} Reference;

static void make_reference(Reference *r)
{
    char hash[65];
    unsigned char bytes[8];
    Sha256 sha;
    *r = (Reference){.moments = {F, 9, mem_zeroed(F, 8), mem_zeroed(F, F * sizeof(double))}};
    sha256_init(&sha);
    for (size_t i = 0; i < F; i++)
        r->moments.covariance[i * (F + 1)] = 1;
    for (size_t i = 0; i < F + F * F; i++) {
        const double x = i < F ? r->moments.mean[i] : r->moments.covariance[i - F];
        little_endian_put(bytes, 8, bits_of_double(x));
        sha256_add(&sha, bytes, 8);
    }
    sha256_hex(&sha, hash);
    run_facts_add(&r->facts, "reference", "the identity");
    run_facts_add(&r->facts, "reference_hash", hash);
    run_facts_add(&r->facts, "inception", hash);
    numbers_put_count(&r->numbers, "reference_count", 9);
    numbers_put(&r->first, "mean", r->moments.mean, F);
    numbers_put(&r->first, "covariance", r->moments.covariance, (size_t)F * F);
}

static void free_reference(Reference *r)
{
    numbers_free(&r->first);
    numbers_free(&r->numbers);
    run_facts_free(&r->facts);
    moments_free(&r->moments);
}

/* What the file of the first sample has. */
static bool tell_moments(const Metric *m, const Reference *r, Error *err)
{
    const MetricParts *p = m->kind->parts;
    return state_fields_restore(p->first_fields, m->state, NULL, &r->first, err) &&
           p->first_restored(m->state, err);
}

/* A fresh fid that has been told all but the moments. */
static Metric *told(Metrics *all, const Reference *r)
{
    Error err = {""};
    metrics_create(all);
    ck_assert(metrics_choose(all, "fid", METRIC_WHEN_ASKED, &err));
    Metric *m = all->at;
    while (!m->chosen)
        m++;
    ck_assert_msg(
        state_fields_restore(m->kind->parts->fields, m->state, &r->facts, &r->numbers, &err), "%s",
        err.text);
    return m;
}

START_TEST(moments_of_another_hash)
{
    Metrics all;
    Reference r;
    Error err = {""};
    make_reference(&r);
    Metric *m = told(&all, &r);
    const MetricParts *p = m->kind->parts;
    ck_assert(!p->begin(m->state, 5, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "expected the moments of what is compared with"));
    r.first.at[0].values[7] = 1e-9;
    ck_assert(!tell_moments(m, &r, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "mean and covariance: their hash is"));
    r.first.at[1].name[0] = 'x';
    ck_assert(!tell_moments(m, &r, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "covariance: 0 numbers, expected 4194304"));
    metrics_free(&all);
    free_reference(&r);
}
END_TEST

/* A part of many samples holds sums, one of few features; both together are all of them. */
START_TEST(sums_and_features_are_joined)
{
    enum { FEW = 3, MANY = 8192 };
    Rng rng = rng_root(4);
    Error err = {""};
    Metrics all;
    Reference r;
    double got, expected;
    make_reference(&r);
    Metric *m = told(&all, &r);
    const MetricParts *p = m->kind->parts;
    ck_assert_msg(tell_moments(m, &r, &err), "%s", err.text);
    ck_assert_uint_eq(p->sum_bytes(4096), 0);
    ck_assert_uint_eq(p->sum_bytes(4097), moment_sums_bytes(F));
    float *x = mem_alloc((size_t)FEW * F, sizeof *x);
    unsigned char *part = mem_alloc(moment_sums_bytes(F), 1),
                  *records = mem_alloc((size_t)FEW * F, 4);
    for (size_t i = 0; i < (size_t)FEW * F; i++) {
        x[i] = (float)rng_uniform(&rng);
        little_endian_put(records + 4 * i, 4, bits_of_float(x[i]));
    }
    MomentSums sums = moment_sums_create(F);
    ck_assert(moment_sums_add(&sums, x, 2, &err));
    while (sums.count < MANY) {
        const MomentSums same = sums;
        ck_assert(moment_sums_merge(&sums, &same, &err));
    }
    moment_sums_put(&sums, part);
    ck_assert(p->begin(m->state, MANY + FEW, &err));
    ck_assert_msg(p->add(m->state, records, FEW, &err), "%s", err.text);
    ck_assert_msg(p->add(m->state, part, MANY, &err), "%s", err.text);
    ck_assert_msg(p->result(m->state, &got, &err), "%s", err.text);
    ck_assert(moment_sums_add(&sums, x, FEW, &err));
    Moments own = moment_sums_moments(&sums);
    ck_assert(frechet_distance_from(&r.moments, r.moments.covariance, &own, &expected, &err));
    ck_assert_double_gt(expected, 1);
    ck_assert_double_eq_tol(got, expected, 1e-9 * expected);
    part[7] = 0x7F; /* a number far too large */
    ck_assert(p->begin(m->state, MANY, &err));
    ck_assert(!p->add(m->state, part, MANY, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "expected the sums of 8192 vectors"));
    moments_free(&own);
    moment_sums_free(&sums);
    mem_free(records);
    mem_free(part);
    mem_free(x);
    metrics_free(&all);
    free_reference(&r);
}
END_TEST

Suite *fid_suite(void)
{
    Suite *suite = suite_create("fid");
    TCase *tc = tcase_create("fid");
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_set_timeout(tc, 1800);
    tcase_add_test(tc, bad_files_are_refused);
    suite_add_tcase(suite, tc);
    TCase *slow = slow_case(suite, 1800); /* eigenvalues of 2,048 features */
    tcase_add_checked_fixture(slow, set_up, toys_tear_down);
    tcase_add_test(slow, impossible_references_are_refused);
    tcase_add_test(slow, numbers_are_those_of_the_definitions);
    tcase_add_test(slow, scores_of_shards_are_those_of_one_run);
    tcase_add_test(slow, distances_of_shards_are_those_of_one_run);
    tcase_add_test(slow, moments_of_another_hash);
    tcase_add_test(slow, sums_and_features_are_joined);
    tcase_add_test(slow, few_samples_are_said_to_be_few);
    return suite;
}
