/* Grid samplers whose steps are products: the laws of single calls against naive sums, samples
 * against the law that those push forward, and how fast that law tends to the learnt chain's. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "diffusion/process/transition.h"
#include "tests/tools/sampler_worlds.h"
#include "tests/tools/statistics.h"

enum { S = 4, PROCESSES = 5, SAMPLES = 200000 /* of a sampler, over the processes */ };

static const char *const products[] = {"posterior", "tau-leaping", "predictor-corrector",
                                       "theta-trapezoidal", "euler"};

static SampleRequest request_of(const char *sampler, const SamplerSettings *settings,
                                const Denoiser *d, const Process *p)
{
    SampleRequest r = {.sampler = diffusion_sampler_find(sampler, NULL),
                       .settings = settings,
                       .model = d,
                       .process = p,
                       .steps = 3,
                       .batch = 50000,
                       .seed = 11};

    ck_assert(r.sampler != NULL);
    return r;
}

/* ---- samples against the pushed law: false alarm 1e-6 each ---- */

START_TEST(samples_follow_the_pushed_law)
{
    Process *p = world_process((size_t)_i % PROCESSES, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1);
    SampleRequest r = request_of(products[_i / PROCESSES], NULL, &d, p);
    double law[WORLD_ALL];

    world_law(law, &r);
    world_compare(&r, law, SAMPLES / PROCESSES);
    diffusion_process_destroy(p);
}
END_TEST

/* The other settings: jumps the other way, the sampler's own last move, theta, more correctors,
 * teachers, and all the grids. */
START_TEST(samples_follow_the_pushed_law_for_all_settings)
{
    static const double list[3] = {0.9, 0.5, 0.05};
    Process *p = world_process((size_t)_i % PROCESSES, 3);
    Formula f = {0.4, 0, NULL}, other = {2.0, 0, NULL};
    Denoiser d = formula_denoiser(&f, p, WORLD_D, 1), teacher = formula_denoiser(&other, p, 2, 0);
    SamplerSettings s = diffusion_sampler_defaults();
    double law[WORLD_ALL];

    s.jumps = _i % 2 == 0 ? JUMPS_FIRST : p->mask >= 0 ? JUMPS_CATEGORICAL : JUMPS_ORDINAL;
    s.last = p->mask >= 0 ? LAST_ARGMAX : LAST_MOVE;
    s.theta = 0.3;
    s.corrector_steps = 2;
    s.corrector_size = 0.8;
    s.corrector_entry = 0.5;
    s.t_min = 0.1;
    SampleRequest r = request_of(products[_i / PROCESSES], &s, &d, p);
    r.grid = _i % 3 == 0 ? GRID_LIST : _i % 3 == 1 ? GRID_PROCESS : GRID_AUTHORS;
    r.times = list;
    r.teacher = &teacher;
    r.teacher_steps = 1;
    world_law(law, &r);
    world_compare(&r, law, 10000);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- the laws of single calls against naive sums ---- */

/* Categorical: exactly one of independent Poisson numbers is 1 and the others 0, or x stays.
 * First: in [0, 1] the first arrival of any kind counts. */
static void naive_single(const double *mean, size_t x, bool first, double *row)
{
    double sum = 0.0, all = 0.0;

    for (size_t w = 0; w < S; w++)
        all += w == x ? 0.0 : mean[w];

    for (size_t v = 0; v < S; v++) {
        row[v] = v == x ? 0.0 : mean[v];
        for (size_t w = 0; w < S; w++)
            row[v] *= w == x || first ? 1.0 : exp(-mean[w]);
        row[v] *= first && all > 0.0 ? (1.0 - exp(-all)) / all : 1.0;
        sum += row[v];
    }
    row[x] = 1.0 - sum;
}

/* Ordinal: all combinations of up to 50 jumps of each kind, one kind after the other. */
static void naive_ordinal(const double *mean, size_t x, double *row)
{
    enum { MOST = 50, MIDDLE = (S - 1) * (S - 1) * MOST };
    static double sum[2 * MIDDLE + 1], next[2 * MIDDLE + 1];

    memset(sum, 0, sizeof sum);
    sum[MIDDLE] = 1.0;
    for (size_t v = 0; v < S; v++) {
        double term = exp(-mean[v]);
        memset(next, 0, sizeof next);
        for (int k = 0; k <= MOST && v != x; k++) {
            for (int i = 0; i <= 2 * MIDDLE; i++)
                if (sum[i] > 0.0)
                    next[i + k * ((int)v - (int)x)] += sum[i] * term;
            term *= mean[v] / (k + 1);
        }
        if (v != x)
            memcpy(sum, next, sizeof sum);
    }
    memset(row, 0, S * sizeof *row);
    for (int i = 0; i <= 2 * MIDDLE; i++) {
        int y = (int)x + i - MIDDLE;
        row[y < 0 ? 0 : y >= S ? S - 1 : y] += sum[i];
    }
}

/* Means of the Poisson numbers of this call; euler: probabilities. */
static void naive_means(const SamplerPlan *plan, const SamplerCall *now, size_t x, const double *p0,
                        size_t before, const double *before_p0, bool ordinal, double *mean)
{
    const Process *p = plan->process;
    double theta = plan->settings.theta, a1 = 0.5 / (theta * (1.0 - theta));

    for (size_t v = 0; v < S; v++) {
        mean[v] = world_reverse_rate(p, now->t, x, p0, v);
        if (now->part == PART_CORRECT && v != x)
            mean[v] += diffusion_process_rate(p, now->t) * diffusion_process_jump(p, x, v);
        if (now->part == PART_SECOND) {
            size_t of = ordinal ? before + v - x : v; /* wraps below 0 */
            double less = of < S ? world_reverse_rate(p, now[-1].t, before, before_p0, of) : 0.0;
            mean[v] = fmax(a1 * mean[v] - (a1 - 1.0) * less, 0.0);
        }
        mean[v] *= now->h;
    }
}

static void check_call(const SamplerStep *step, size_t call, SamplerJumps jumps, bool euler)
{
    const SamplerPlan *plan = step->plan;
    size_t known = S - (plan->process->mask >= 0 ? 1 : 0);

    for (size_t x = 0; x < S; x++)
        for (size_t before = 0; before < S; before++) {
            double p0[S], before_p0[S], mean[S], row[S], naive[S], total = 0.0;
            world_law_of_x0(p0, known, (double)x);
            world_law_of_x0(before_p0, known, 0.4 + 3.0 * (double)before);
            naive_means(plan, &plan->calls[call], x, p0, before, before_p0, jumps == JUMPS_ORDINAL,
                        mean);
            for (size_t v = 0; v < S; v++)
                total += mean[v];
            if (jumps == JUMPS_ORDINAL)
                naive_ordinal(mean, x, naive);
            else
                naive_single(mean, x, jumps == JUMPS_FIRST, naive);
            for (size_t v = 0; v < S && euler; v++)
                naive[v] = v != x ? mean[v] / fmax(total, 1.0) : fmax(1.0 - total, 0.0);
            diffusion_sampler_row(step, call, x, p0, before, before_p0, row);
            for (size_t v = 0; v < S; v++)
                ck_assert_msg(fabs(row[v] - naive[v]) <= 1e-13, "%s: x = %zu, v = %zu: %g, not %g",
                              plan->sampler->name, x, v, row[v], naive[v]);
        }
}

START_TEST(rows_follow_their_definitions)
{
    static const double times[3] = {0.8, 0.5, 0.2};
    Process *p = world_process((size_t)_i % PROCESSES, S);
    SamplerSettings s = diffusion_sampler_defaults();
    const char *name = products[1 + _i / PROCESSES];

    s.theta = 0.4;
    for (int jumps = JUMPS_ORDINAL; jumps <= JUMPS_FIRST; jumps++) {
        if (jumps == JUMPS_ORDINAL && p->mask >= 0)
            continue;
        SampleRequest r = request_of(name, &s, NULL, p);
        s.jumps = jumps;
        r.grid = GRID_LIST;
        r.times = times;
        SamplerPlan *plan = diffusion_sampler_plan(&r, NULL);
        bool euler = strcmp(name, "euler") == 0;
        for (size_t n = 0; n + 1 < plan->steps; n++) {
            SamplerStep *step = diffusion_sampler_open(plan, n);
            for (size_t k = plan->first[n]; k < plan->first[n + 1]; k++)
                check_call(step, k, euler ? JUMPS_FIRST : (SamplerJumps)jumps, euler);
            diffusion_sampler_close(step);
        }
        diffusion_sampler_plan_destroy(plan);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* The two last calls that are not moves, and the posterior's row. */
START_TEST(rows_of_the_last_call)
{
    Process *p = world_process((size_t)_i, S);
    size_t known = S - (p->mask >= 0 ? 1 : 0), x = S - 1, top = 0;
    SamplerSettings s = diffusion_sampler_defaults();
    double p0[S], row[S], mix[S];

    world_law_of_x0(p0, known, 1.0);
    for (size_t a = 1; a < known; a++)
        top = p0[a] > p0[top] ? a : top;
    for (int last = LAST_DRAW; last <= LAST_ARGMAX; last++) {
        SampleRequest r = request_of("posterior", &s, NULL, p);
        s.last = last;
        SamplerPlan *plan = diffusion_sampler_plan(&r, NULL);
        SamplerStep *step = diffusion_sampler_open(plan, 2),
                    *first = diffusion_sampler_open(plan, 0);
        diffusion_sampler_row(step, 2, x, p0, 0, NULL, row);
        for (size_t v = 0; v < S; v++)
            ck_assert_double_eq(row[v], last == LAST_ARGMAX ? (double)(v == top)
                                        : v < known         ? p0[v]
                                                            : 0.0);
        diffusion_posterior_mix(first->posterior, x, p0, known, mix);
        diffusion_sampler_row(first, 0, x, p0, 0, NULL, row);
        ck_assert_mem_eq(row, mix, sizeof row);
        diffusion_sampler_close(step);
        diffusion_sampler_close(first);
        diffusion_sampler_plan_destroy(plan);
    }
    diffusion_process_destroy(p);
}
END_TEST

/* ---- draws of one leap, few jumps and many: false alarm 1e-6 each ---- */

START_TEST(leaps_follow_their_law)
{
    double lengths[] = {0.01, 0.3, 3.0, 40.0, 0.0}, least = HUGE_VAL;
    Process *p = world_process((size_t)_i % PROCESSES, S);
    size_t known = S - (p->mask >= 0 ? 1 : 0);
    ReverseRates *now = diffusion_reverse_create(p, 0.3),
                 *earlier = diffusion_reverse_create(p, 0.4);
    Rng rng = rng_child(rng_root(9), (uint64_t)_i);
    double p0[S], before_p0[S], room[2 * S], row[S];

    world_law_of_x0(p0, known, 0.7);
    world_law_of_x0(before_p0, known, 2.7);
    diffusion_reverse_rates(now, S - 1, p0, row);
    for (size_t v = 0; v < S; v++)
        least = row[v] > 0.0 && row[v] < least ? row[v] : least;
    lengths[4] = 0.45 / least; /* the rarest kind is as frequent as those drawn together may be */
    for (size_t k = 0; k < 5; k++)
        for (size_t kind = 0; kind < 3; kind++) {
            size_t count[S] = {0};
            Leap leap = {.rates = now, .x = S - 1, .p0 = p0, .h = lengths[k], .room = room};
            leap.forward = kind == 1;
            leap.earlier = kind == 2 ? earlier : NULL;
            leap.before = p->mask >= 0 ? S - 1 : 1;
            leap.before_p0 = before_p0;
            leap.a1 = 2.0;
            leap.a2 = 1.0;
            leap.jumps = (SamplerJumps)(JUMPS_ORDINAL + _i / PROCESSES);
            sampler_leap_law(&leap, row);
            for (size_t i = 0; i < 10000; i++)
                count[sampler_leap(&leap, &rng)]++;
            ck_assert_msg(statistics_fit(count, row, S), "%s, length %g, kind %zu", p->class->name,
                          lengths[k], kind);
        }
    diffusion_reverse_destroy(now);
    diffusion_reverse_destroy(earlier);
    diffusion_process_destroy(p);
}
END_TEST

/* Sums of thousands of jumps: means where exp(-total) would underflow. */
START_TEST(laws_of_many_jumps)
{
    Process *p = world_process(2, S);
    ReverseRates *r = diffusion_reverse_create(p, 0.5);
    double p0[S], room[2 * S], row[S], sum = 0.0;
    Leap leap = {.rates = r, .x = 1, .p0 = p0, .jumps = JUMPS_ORDINAL, .room = room};

    world_law_of_x0(p0, S, 0.7);
    leap.h = 5000.0 / diffusion_reverse_total(r, 1, p0);
    sampler_leap_law(&leap, row);
    for (size_t v = 0; v < S; v++)
        sum += row[v];
    ck_assert_double_le(fabs(sum - 1.0), 1e-12);
    /* Up and down are Poisson numbers: their difference is near normal, 1 and 2 near its middle. */
    double up = leap.h * diffusion_reverse_rate(r, 1, p0, 2), down = 5000.0 - up;
    double z = (1.0 - (up - down)) / sqrt(5000.0);
    double density = exp(-0.5 * z * z) / sqrt(2.0 * 3.141592653589793 * 5000.0);
    ck_assert_double_le(fabs(row[2] / density - 1.0), 0.02 + 0.02 * fabs(z * z * z));
    diffusion_reverse_destroy(r);
    diffusion_process_destroy(p);
}
END_TEST

/* ---- order of convergence to the learnt chain ---- */

static double distance(const char *name, const Process *p, const Denoiser *d, size_t steps,
                       const double *limit)
{
    enum { MOST = 64 };
    double times[MOST], law[WORLD_ALL], tv = 0.0;
    SampleRequest r = request_of(name, NULL, d, p);

    for (size_t n = 0; n < steps; n++) /* the last call draws x_0 at 0.1 */
        times[n] = 1.0 - 0.9 * (double)n / (double)(steps - 1);
    r.grid = GRID_LIST;
    r.times = times;
    r.steps = steps;
    world_law(law, &r);
    for (size_t n = 0; n < WORLD_ALL; n++)
        tv += 0.5 * fabs(law[n] - limit[n]);
    return tv;
}

/* The formula's numbers made so small that no probability halves when another dimension jumps. */
static Var *mild_forward(const Denoiser *d, Graph *g, const NetworkInput *in)
{
    const Denoiser *wild = d->self;
    Var *v = wild->forward(wild, g, in);

    for (size_t i = 0; i < tensor_size(&v->value); i++)
        v->value.data[i] *= 0.06f;
    return v;
}

static const struct {
    const char *name;
    size_t process;
    double ratio;
} orders[] = {{"posterior", 1, 2.0},
              {"euler", 1, 2.0},
              {"tau-leaping", 2, 2.0},
              {"theta-trapezoidal", 0, 4.0}};

/* Halving the step halves the error of the samplers of first order, and quarters that of
 * theta-trapezoidal as long as none of its differences of rates is cut off at 0. */
START_TEST(orders_of_convergence)
{
    Process *p = world_process(orders[_i].process, 3);
    Formula f = {0.4, 0, NULL};
    Denoiser wild = formula_denoiser(&f, p, WORLD_D, 0), d = wild;
    SampleRequest r = request_of("exact", NULL, &d, p);
    const char *name = orders[_i].name;
    double limit[WORLD_ALL];

    d.self = &wild;
    d.forward = mild_forward;
    world_continuous_law(limit, &r, 0.1, 400);
    double coarse = distance(name, p, &d, 17, limit), fine = distance(name, p, &d, 33, limit);
    double ratio = coarse / fine;
    ck_assert_msg(fabs(ratio / orders[_i].ratio - 1.0) < 0.15, "%s: %g / %g = %g", name, coarse,
                  fine, ratio);
    diffusion_process_destroy(p);
}
END_TEST

/* States that are a scale add their jumps up, others do not; what is asked for goes before. */
START_TEST(jumps_fit_the_process)
{
    static const char *const scales[] = {"birthdeath", "gaussian"};
    for (size_t i = 0; i < PROCESSES; i++) {
        Process *p = world_process(i, 3);
        const char *name = p->class->name;
        const bool scale = strcmp(name, scales[0]) == 0 || strcmp(name, scales[1]) == 0;
        ck_assert(sampler_jumps(p, JUMPS_AUTO) == (scale ? JUMPS_ORDINAL : JUMPS_CATEGORICAL));
        for (int asked = JUMPS_ORDINAL; asked <= JUMPS_FIRST; asked++)
            ck_assert(sampler_jumps(p, asked) == (SamplerJumps)asked);
        diffusion_process_destroy(p);
    }
}
END_TEST

Suite *sampler_leaps_suite(void)
{
    Suite *suite = suite_create("sampler_leaps");
    TCase *laws = tcase_create("laws"), *rows = tcase_create("rows");

    tcase_set_timeout(laws, 120);
    tcase_add_loop_test(laws, samples_follow_the_pushed_law, 0, 5 * PROCESSES);
    tcase_add_loop_test(laws, samples_follow_the_pushed_law_for_all_settings, 0, 5 * PROCESSES);
    tcase_add_loop_test(laws, orders_of_convergence, 0, 4);
    tcase_set_timeout(rows, 60);
    tcase_add_loop_test(rows, rows_follow_their_definitions, 0, 4 * PROCESSES);
    tcase_add_loop_test(rows, rows_of_the_last_call, 0, PROCESSES);
    tcase_add_loop_test(rows, leaps_follow_their_law, 0, 3 * PROCESSES);
    tcase_add_test(rows, laws_of_many_jumps);
    tcase_add_test(rows, jumps_fit_the_process);
    suite_add_tcase(suite, laws);
    suite_add_tcase(suite, rows);
    return suite;
}
