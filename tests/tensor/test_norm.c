/* Group normalisation against its formula in double, and its gradient against central differences
 * of that formula. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/norm.h"
#include "tensor/system/threads.h"

/* What a shape needs; dx, dshift, dgamma, dbeta start with random numbers, since gradients are
 * added. */
typedef struct Buffers {
    NormShape shape;
    size_t entries, moments;
    float *x, *shift, *gamma, *beta, *dy, *y, *mean, *rstd, *dx, *dshift, *dgamma, *dbeta;
} Buffers;

static float *random_floats(Rng *rng, size_t n, double centre, double width)
{
    float *x = mem_alloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(centre + width * (rng_uniform(rng) - 0.5));
    return x;
}

static Buffers buffers_make(NormShape shape, double centre, uint64_t seed)
{
    Buffers t = {.shape = shape};
    Rng rng = rng_root(seed);
    t.entries = shape.batch * shape.positions * shape.channels;
    t.moments = shape.batch * shape.groups;
    t.x = random_floats(&rng, t.entries, centre, 4.0);
    t.gamma = random_floats(&rng, shape.channels, 1.0, 1.0);
    t.beta = random_floats(&rng, shape.channels, 0.0, 1.0);
    t.dy = random_floats(&rng, t.entries, 0.0, 2.0);
    t.y = random_floats(&rng, t.entries, 0.0, 1.0);
    t.mean = random_floats(&rng, t.moments, 0.0, 1.0);
    t.rstd = random_floats(&rng, t.moments, 0.0, 1.0);
    t.dx = random_floats(&rng, t.entries, 0.0, 1.0);
    t.dgamma = random_floats(&rng, shape.channels, 0.0, 1.0);
    t.dbeta = random_floats(&rng, shape.channels, 0.0, 1.0);
    t.shift = random_floats(&rng, shape.batch * shape.channels, 0.0, 3.0);
    t.dshift = random_floats(&rng, shape.batch * shape.channels, 0.0, 1.0);
    return t;
}

static void buffers_free(Buffers *t)
{
    float *all[] = {t->x,    t->gamma, t->beta,   t->dy,    t->y,     t->mean,
                    t->rstd, t->dx,    t->dgamma, t->dbeta, t->shift, t->dshift};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_free(all[i]);
}

/* The formula of norm.h, entry by entry, from numbers in double.  shift may be NULL. */
static void naive(double *y, const double *in, const double *shift, const double *gamma,
                  const double *beta, const NormShape *s)
{
    const size_t C = s->channels, width = C / s->groups, entries = s->batch * s->positions * C;
    double *x = mem_alloc(entries, sizeof *x);
    for (size_t i = 0; i < entries; i++)
        x[i] = in[i] + (shift ? shift[i / (s->positions * C) * C + i % C] : 0.0);
    for (size_t b = 0; b < s->batch; b++)
        for (size_t g = 0; g < s->groups; g++) {
            double sum = 0.0, squares = 0.0;
            const double n = (double)(s->positions * width);
            for (size_t i = 0; i < s->positions * width; i++)
                sum += x[(b * s->positions + i / width) * C + g * width + i % width];
            for (size_t i = 0; i < s->positions * width; i++) {
                const double d =
                    x[(b * s->positions + i / width) * C + g * width + i % width] - sum / n;
                squares += d * d;
            }
            for (size_t i = 0; i < s->positions * width; i++) {
                const size_t c = g * width + i % width, at = (b * s->positions + i / width) * C + c;
                const double z =
                    (x[at] - sum / n) / sqrt(squares / n + s->eps) * gamma[c] + beta[c];
                y[at] = s->silu ? z / (1.0 + exp(-z)) : z;
            }
        }
    mem_free(x);
}

static double *to_double(const float *x, size_t n)
{
    double *y = mem_alloc(n, sizeof *y);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
    return y;
}

static const NormShape shapes[] = {
    {1, 1, 1, 1, 1e-6, false},  {2, 5, 6, 3, 1e-6, false},  {3, 4, 32, 8, 1e-5, true},
    {1, 9, 33, 3, 1e-6, true},  {9, 7, 20, 5, 1e-6, true},  {2, 3, 128, 32, 1e-6, true},
    {1, 64, 48, 1, 1e-6, true}, {10, 1, 8, 8, 1e-2, false}, {2, 6, 70, 35, 1e-6, true},
    {0, 4, 4, 2, 1e-6, true},   {2, 0, 4, 2, 1e-6, true},
};

/* In and out of place, with and without a shift; and y once more from the saved moments. */
START_TEST(test_forward)
{
    const NormShape *s = &shapes[_i];
    for (int kind = 0; kind < 4; kind++) {
        Buffers t = buffers_make(*s, 0.3, (uint64_t)_i);
        double *x = to_double(t.x, t.entries), *gamma = to_double(t.gamma, s->channels);
        double *beta = to_double(t.beta, s->channels), *y = to_double(t.y, t.entries);
        double *v = to_double(t.shift, s->batch * s->channels);
        const float *shift = kind / 2 ? t.shift : NULL;
        naive(y, x, shift ? v : NULL, gamma, beta, s);
        float *out = kind % 2 ? t.x : t.y;
        tensor_group_norm(t.dx, t.mean, t.rstd, t.x, shift, t.gamma, t.beta, false, s);
        tensor_group_norm(out, t.mean, t.rstd, t.x, shift, t.gamma, t.beta, true, s);
        ck_assert(memcmp(out, t.dx, t.entries * sizeof *out) == 0);
        for (size_t i = 0; i < t.entries; i++)
            if (!(fabs((double)out[i] - y[i]) <= 3e-6 * (1.0 + fabs(y[i]))))
                ck_abort_msg("entry %zu is %.9g, not %.9g", i, (double)out[i], y[i]);
        mem_free(x);
        mem_free(v);
        mem_free(gamma);
        mem_free(beta);
        mem_free(y);
        buffers_free(&t);
    }
}
END_TEST

START_TEST(test_large_mean)
{
    /* Sums in double: a mean a thousand times the deviation does no harm. */
    const NormShape s = {2, 50, 8, 2, 1e-6, false};
    Buffers t = buffers_make(s, 3000.0, 3);
    double *x = to_double(t.x, t.entries), *gamma = to_double(t.gamma, s.channels);
    double *beta = to_double(t.beta, s.channels), *y = to_double(t.y, t.entries);
    naive(y, x, NULL, gamma, beta, &s);
    tensor_group_norm(t.y, t.mean, t.rstd, t.x, NULL, t.gamma, t.beta, false, &s);
    for (size_t i = 0; i < t.entries; i++) /* the mean itself is rounded to 1.2e-4 */
        ck_assert(fabs((double)t.y[i] - y[i]) <= 3e-4);
    mem_free(x);
    mem_free(gamma);
    mem_free(beta);
    mem_free(y);
    buffers_free(&t);
}
END_TEST

typedef struct Naive {
    const NormShape *s;
    double *x, *shift, *gamma, *beta, *y;
    const float *dy;
    size_t entries;
} Naive;

static double loss(const Naive *f)
{
    double sum = 0.0;
    naive(f->y, f->x, f->shift, f->gamma, f->beta, f->s);
    for (size_t i = 0; i < f->entries; i++)
        sum += f->y[i] * (double)f->dy[i];
    return sum;
}

static double difference(const Naive *f, double *at)
{
    const double h = 1e-5, saved = *at;
    *at = saved + h;
    const double up = loss(f);
    *at = saved - h;
    const double down = loss(f);
    *at = saved;
    return (up - down) / (2.0 * h);
}

/* got = before + slope, for each of n numbers of which `at` is the first. */
static void check_slopes(const Naive *f, const char *what, const float *got, const float *before,
                         double *at, size_t n)
{
    const size_t step = 1 + n / 150; /* a sample of the entries where there are many */
    for (size_t i = 0; i < n; i += step) {
        const double want = (double)before[i] + difference(f, at + i);
        ck_assert_msg(fabs((double)got[i] - want) <= 2e-5 * (1.0 + fabs(want)),
                      "%s %zu is %g, not %g", what, i, (double)got[i], want);
    }
}

START_TEST(test_backward)
{
    const NormShape *s = &shapes[_i];
    Buffers t = buffers_make(*s, 0.3, (uint64_t)_i), before = buffers_make(*s, 0.3, (uint64_t)_i);
    Naive f = {.s = s, .dy = t.dy, .entries = t.entries};
    f.x = to_double(t.x, t.entries);
    f.gamma = to_double(t.gamma, s->channels);
    f.beta = to_double(t.beta, s->channels);
    f.y = to_double(t.y, t.entries);
    f.shift = to_double(t.shift, s->batch * s->channels);
    tensor_group_norm(t.y, t.mean, t.rstd, t.x, t.shift, t.gamma, t.beta, false, s);
    tensor_group_norm_backward(t.dx, t.dshift, t.dgamma, t.dbeta, t.dy, t.x, t.shift, t.gamma,
                               t.beta, t.mean, t.rstd, true, s);
    check_slopes(&f, "dx", t.dx, before.dx, f.x, t.entries);
    check_slopes(&f, "dshift", t.dshift, before.dshift, f.shift, s->batch * s->channels);
    check_slopes(&f, "dgamma", t.dgamma, before.dgamma, f.gamma, s->channels);
    check_slopes(&f, "dbeta", t.dbeta, before.dbeta, f.beta, s->channels);
    mem_free(f.x);
    mem_free(f.shift);
    mem_free(f.gamma);
    mem_free(f.beta);
    mem_free(f.y);
    buffers_free(&t);
    buffers_free(&before);
}
END_TEST

/* The backward pass with some gradients unwanted. */
static void backward(const Buffers *t, const Buffers *moments, float *dx, float *dshift,
                     float *dgamma, float *dbeta, bool add)
{
    tensor_group_norm_backward(dx, dshift, dgamma, dbeta, t->dy, t->x, t->shift, t->gamma, t->beta,
                               moments->mean, moments->rstd, add, &t->shape);
}

START_TEST(test_unwanted_gradients)
{
    const NormShape s = {3, 10, 24, 4, 1e-6, true};
    Buffers t = buffers_make(s, 0.0, 1);
    Buffers u = buffers_make(s, 0.0, 1);
    tensor_group_norm(t.y, t.mean, t.rstd, t.x, t.shift, t.gamma, t.beta, false, &s);
    backward(&t, &t, t.dx, t.dshift, t.dgamma, t.dbeta, true);
    backward(&u, &t, u.dx, NULL, NULL, NULL, true);
    backward(&u, &t, NULL, u.dshift, NULL, NULL, true);
    backward(&u, &t, NULL, NULL, u.dgamma, NULL, true);
    backward(&u, &t, NULL, NULL, NULL, u.dbeta, true);
    ck_assert(memcmp(t.dx, u.dx, t.entries * sizeof(float)) == 0);
    ck_assert(memcmp(t.dshift, u.dshift, s.batch * s.channels * sizeof(float)) == 0);
    ck_assert(memcmp(t.dgamma, u.dgamma, s.channels * sizeof(float)) == 0);
    ck_assert(memcmp(t.dbeta, u.dbeta, s.channels * sizeof(float)) == 0);
    buffers_free(&t);
    buffers_free(&u);
}
END_TEST

/* dx written, into a buffer of its own and over dy, is dx added to zeros. */
START_TEST(test_written_gradient)
{
    const NormShape s = {3, 10, 24, 4, 1e-6, true};
    Buffers t = buffers_make(s, 0.0, 1);
    tensor_group_norm(t.y, t.mean, t.rstd, t.x, t.shift, t.gamma, t.beta, false, &s);
    memset(t.dx, 0, t.entries * sizeof *t.dx);
    backward(&t, &t, t.dx, NULL, NULL, NULL, true);
    backward(&t, &t, t.y, NULL, NULL, NULL, false);
    backward(&t, &t, t.dy, NULL, NULL, NULL, false);
    for (size_t i = 0; i < t.entries; i++) {
        ck_assert_float_eq(t.dx[i], t.y[i]);
        ck_assert_float_eq(t.dx[i], t.dy[i]);
    }
    buffers_free(&t);
}
END_TEST

START_TEST(test_nan_stays_in_its_group)
{
    const NormShape s = {2, 4, 6, 3, 1e-6, true};
    Buffers t = buffers_make(s, 0.0, 1);
    t.x[(1 * 4 + 2) * 6 + 3] = NAN;
    tensor_group_norm(t.y, t.mean, t.rstd, t.x, NULL, t.gamma, t.beta, false, &s);
    for (size_t i = 0; i < t.entries; i++)
        ck_assert((isnan(t.y[i]) != 0) == (i / 24 == 1 && i % 6 / 2 == 1));
    buffers_free(&t);
}
END_TEST

START_TEST(test_same_bits_for_any_thread_count)
{
    const NormShape several[] = {{9, 50, 96, 8, 1e-6, true}, {2, 300, 96, 32, 1e-6, true}};
    for (size_t i = 0; i < 2; i++) {
        Buffers t[2];
        for (int k = 0; k < 2; k++) {
            t[k] = buffers_make(several[i], 0.1, 7);
            threads_set(k == 0 ? 1 : 3);
            tensor_group_norm(t[k].y, t[k].mean, t[k].rstd, t[k].x, t[k].shift, t[k].gamma,
                              t[k].beta, false, &several[i]);
            backward(&t[k], &t[k], t[k].dx, t[k].dshift, t[k].dgamma, t[k].dbeta, true);
        }
        ck_assert(memcmp(t[0].y, t[1].y, t[0].entries * sizeof(float)) == 0);
        ck_assert(memcmp(t[0].dx, t[1].dx, t[0].entries * sizeof(float)) == 0);
        ck_assert(memcmp(t[0].dshift, t[1].dshift,
                         several[i].batch * several[i].channels * sizeof(float)) == 0);
        ck_assert(memcmp(t[0].dgamma, t[1].dgamma, several[i].channels * sizeof(float)) == 0);
        ck_assert(memcmp(t[0].dbeta, t[1].dbeta, several[i].channels * sizeof(float)) == 0);
        buffers_free(&t[0]);
        buffers_free(&t[1]);
    }
}
END_TEST

START_TEST(test_groups_must_divide_channels)
{
    const NormShape s = {1, 1, 4, 3, 1e-6, false};
    float x[4] = {0}, y[4], m[3], r[3];
    tensor_group_norm(y, m, r, x, NULL, x, x, false, &s);
}
END_TEST

Suite *norm_suite(void)
{
    Suite *suite = suite_create("norm");
    TCase *all = tcase_create("group norm");
    tcase_set_timeout(all, 120.0);
    tcase_add_loop_test(all, test_forward, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_loop_test(all, test_backward, 0, (int)(sizeof shapes / sizeof *shapes));
    tcase_add_test(all, test_large_mean);
    tcase_add_test(all, test_unwanted_gradients);
    tcase_add_test(all, test_written_gradient);
    tcase_add_test(all, test_nan_stays_in_its_group);
    tcase_add_test(all, test_same_bits_for_any_thread_count);
    tcase_add_test_raise_signal(all, test_groups_must_divide_channels, SIGABRT);
    suite_add_tcase(suite, all);
    return suite;
}
