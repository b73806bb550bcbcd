/* The experiment `limit`: the nats that lambda carries when N lambdas a picture teach it. */
#include "experiments/theory/limit.h"

#include <math.h>
#include <stdio.h>

#include "experiments/theory/exact/limit.h"
#include "experiments/theory/exact/world.h"
#include "experiments/theory/theory.h"
#include "experiments/theory/trained/limit_run.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

enum { POINTS = 9, LAWS = 6, DIMS = 3, SHOWN = 3, GAINS = 7, TEXT = 24, NAME = 48 };
enum { MOST_PATTERNS = 1024, PASSES = 256 }; /* of a world; of the network a step */
enum { IDEAL, STRATIFIED, FIXED, BEST, STUDENTS };
static const char *const student_names[] = {"ideal", "stratified", "fixed", "best"};
static const double FIXED_GAIN = 0.9;
static const double ROUNDING = 1e-9; /* how far above log N a sum of doubles may come */
static const double slope_gains[GAINS] = {0.0, 1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3};

static const struct {
    size_t patterns, steps; /* of training */
} trained[] = {{4, 300}, {8, 400}};
enum { TRAINED = sizeof trained / sizeof trained[0], OTHER_STEPS = 400 };

/* A law, and what was found about it for N = 1, 2, 4 .. */
typedef struct Subject {
    char name[NAME];
    FiniteLaw *law;
    double entropy;
    double lambdas[POINTS], limit[POINTS]; /* N, log N */
    double gain[STUDENTS][POINTS], carried[STUDENTS][POINTS], held[STUDENTS][POINTS];
    double bound[STUDENTS][POINTS], likelihood[STUDENTS][POINTS];
} Subject;

typedef struct Trained {
    size_t steps;
    LimitStudent by[POINTS], posterior;
    double held[POINTS], tv[POINTS], held_best[POINTS], tv_best[POINTS]; /* of posterior: lines */
} Trained;

static Subject subject_of(const char *name, FiniteLaw *law)
{
    Subject s = {.law = law, .entropy = limit_entropy(law)};

    text_format(s.name, sizeof s.name, "%.40s", name);
    for (size_t i = 0; i < POINTS; i++) {
        s.lambdas[i] = (double)((size_t)1 << i);
        s.limit[i] = log(s.lambdas[i]);
    }
    return s;
}

static bool within_limit(const Subject *s, const char *student, size_t i, double carried,
                         Error *err)
{
    if (carried <= s->limit[i] + ROUNDING)
        return true;
    return error_set(err,
                     "theory limit: %s: %s with %g lambdas carries %.12g nats, expected at "
                     "most %.12g",
                     s->name, student, s->lambdas[i], carried, s->limit[i]);
}

/* ---- students of one number ---- */

static bool add_point(Subject *s, int student, size_t i, uint64_t seed, Findings *f, Error *err)
{
    const size_t N = (size_t)1 << i;
    const double gain = student == FIXED  ? FIXED_GAIN
                        : student == BEST ? limit_best_gain(s->law, N, seed)
                                          : 1.0;
    LimitValue value = {limit_ideal(s->law, N, student == STRATIFIED), (double)NAN, (double)NAN};

    if (student != STRATIFIED)
        value = limit_value(s->law, gain, N, seed);
    s->gain[student][i] = gain;
    s->carried[student][i] = value.carried;
    s->bound[student][i] = value.bound;
    s->likelihood[student][i] = limit_likelihood(s->law, gain, &s->held[student][i]);
    findings_row(f, "limit");
    findings_text(f, "part", "exact");
    findings_text(f, "world", s->name);
    findings_text(f, "student", student_names[student]);
    findings_count(f, "patterns", s->law->count);
    findings_count(f, "lambdas", N);
    findings_number(f, "limit", s->limit[i]);
    findings_number(f, "gain", gain);
    findings_number(f, "carried", value.carried);
    findings_number(f, "held", s->held[student][i]);
    findings_number(f, "bound", value.bound);
    findings_number(f, "error", value.error);
    findings_number(f, "log_likelihood", s->likelihood[student][i]);
    findings_number(f, "entropy", s->entropy);
    findings_number(f, "curvature", limit_curvature(s->law, N));
    return within_limit(s, student_names[student], i, value.carried, err);
}

static bool add_points(Subject *s, uint64_t seed, Findings *f, Error *err)
{
    for (size_t i = 0; i < POINTS; i++)
        for (int student = 0; student < STUDENTS; student++) {
            if (platform_signal() != 0)
                return error_set(err, "theory limit: stopped by signal %d", platform_signal());
            if (!add_point(s, student, i, seed, f, err))
                return false;
        }
    return true;
}

/* The best student of every law under log N. */
static bool carried_chart(const Subject *list, size_t count, Findings *f, Error *err)
{
    Series series[LAWS + 1] = {{0}};

    for (size_t k = 0; k < count; k++)
        series[k] = (Series){.name = list[k].name,
                             .x = list[k].lambdas,
                             .y = list[k].carried[BEST],
                             .count = POINTS};
    series[count] = (Series){
        .name = "log N", .x = list->lambdas, .y = list->limit, .count = POINTS, .dashed = true};
    const Chart chart = {"Nats that the posterior over N lambdas carries",
                         "lambdas a picture N",
                         "nats",
                         true,
                         false,
                         true,
                         series,
                         count + 1};
    return findings_chart(f, "limit", &chart, err);
}

static bool likelihood_chart(const Subject *s, Findings *f, Error *err)
{
    char title[2 * NAME];
    double data[POINTS];
    const Series series[] = {
        {"what N lambdas say, best gain", s->lambdas, s->bound[BEST], POINTS, false, false},
        {"log-likelihood, best gain", s->lambdas, s->likelihood[BEST], POINTS, false, false},
        {"what N lambdas say, gain 0.9", s->lambdas, s->bound[FIXED], POINTS, false, false},
        {"log-likelihood, gain 0.9", s->lambdas, s->likelihood[FIXED], POINTS, false, true},
        {"the data themselves", s->lambdas, data, POINTS, false, true}};

    for (size_t i = 0; i < POINTS; i++)
        data[i] = -s->entropy;
    text_format(title, sizeof title, "The mean of N and the mean of all: %s", s->name);
    const Chart chart = {title,  "lambdas a picture N",           "nats", true, false, true,
                         series, sizeof series / sizeof series[0]};
    return findings_chart(f, "limit-likelihood", &chart, err);
}

static void exact_table(const Subject *s, Findings *f)
{
    static const char *const head[] = {"N",        "log N", "ideal",         "stratified",
                                       "best",     "gain",  "N lambdas say", "log-likelihood",
                                       "curvature"};
    enum { COLUMNS = 9 };
    char cells[POINTS][COLUMNS][TEXT], caption[4 * NAME];
    const char *pointers[POINTS * COLUMNS];

    for (size_t i = 0; i < POINTS; i++) {
        const double number[COLUMNS - 1] = {s->limit[i],
                                            s->carried[IDEAL][i],
                                            s->carried[STRATIFIED][i],
                                            s->carried[BEST][i],
                                            s->gain[BEST][i],
                                            s->bound[BEST][i],
                                            s->likelihood[BEST][i],
                                            limit_curvature(s->law, (size_t)1 << i)};
        text_format(cells[i][0], TEXT, "%zu", (size_t)1 << i);
        for (size_t k = 1; k < COLUMNS; k++)
            text_format(cells[i][k], TEXT, k == COLUMNS - 1 ? "%.4g" : "%.4f", number[k - 1]);
        for (size_t k = 0; k < COLUMNS; k++)
            pointers[COLUMNS * i + k] = cells[i][k];
    }
    text_format(
        caption, sizeof caption,
        "%.40s: nats carried; the best gain, its loss and likelihood; the law has %.4f nats",
        s->name, s->entropy);
    findings_table(f, caption, COLUMNS, head, POINTS, pointers);
}

/* ---- the saddle ---- */

static bool add_slopes(const Subject *s, uint64_t seed, Findings *f, Error *err)
{
    static const char *const head[] = {"gain", "norm of the gradient"};
    double norm[GAINS];
    char cells[GAINS][2][TEXT];
    const char *pointers[2 * GAINS];

    for (size_t i = 0; i < GAINS; i++) {
        norm[i] = limit_gradient(s->law, slope_gains[i], seed);
        findings_row(f, "limit");
        findings_text(f, "part", "saddle");
        findings_text(f, "world", s->name);
        findings_number(f, "gain", slope_gains[i]);
        findings_number(f, "gradient", norm[i]);
        text_format(cells[i][0], TEXT, "%g", slope_gains[i]);
        text_format(cells[i][1], TEXT, "%.3g", norm[i]);
        pointers[2 * i] = cells[i][0];
        pointers[2 * i + 1] = cells[i][1];
    }
    const Series series = {.name = s->name, .x = slope_gains, .y = norm, .count = GAINS};
    const Chart chart = {"Near a student that ignores lambda",
                         "gain of lambda",
                         "norm of the gradient by lambda's weights",
                         true,
                         true,
                         true,
                         &series,
                         1};
    if (!findings_chart(f, "limit-saddle", &chart, err))
        return false;
    findings_table(f, s->name, 2, head, GAINS, pointers);
    return true;
}

/* ---- trained students ---- */

static void add_student(const Subject *s, const Trained *t, size_t lambdas, const LimitStudent *r,
                        Findings *f)
{
    findings_row(f, "limit");
    findings_text(f, "part", "trained");
    findings_text(f, "world", s->name);
    findings_text(f, "student", lambdas > 0 ? "lambdas" : "posterior");
    findings_count(f, "patterns", s->law->count);
    findings_count(f, "lambdas", lambdas > 0 ? lambdas : 1);
    findings_count(f, "pictures", r->pictures);
    findings_count(f, "passes", PASSES);
    findings_count(f, "steps", t->steps);
    findings_number(f, "limit", lambdas > 0 ? log((double)lambdas) : (double)NAN);
    findings_number(f, "carried", r->taught);
    findings_number(f, "held", r->held);
    findings_number(f, "tv", r->tv);
    findings_number(f, "kl", r->kl);
}

static bool train_limit(const Subject *s, Trained *t, uint64_t seed, Findings *f, Error *err)
{
    LimitTraining training = {0, PASSES, t->steps, seed};

    if (!limit_train(s->law, &training, &t->posterior, err))
        return false;
    for (size_t i = 0; i < POINTS; i++) {
        training.lambdas = (size_t)1 << i;
        if (!limit_train(s->law, &training, &t->by[i], err) ||
            !within_limit(s, "the trained student", i, t->by[i].taught, err))
            return false;
        add_student(s, t, training.lambdas, &t->by[i], f);
        t->held[i] = t->by[i].held;
        t->tv[i] = t->by[i].tv;
        t->held_best[i] = t->posterior.held;
        t->tv_best[i] = t->posterior.tv;
    }
    add_student(s, t, 0, &t->posterior, f);
    return true;
}

static bool trained_charts(const Subject *const *of, const Trained *list, size_t count, Findings *f,
                           Error *err)
{
    Series held[2 * TRAINED + 1] = {{0}}, tv[2 * TRAINED] = {{0}};
    char names[2 * TRAINED][2 * NAME];

    for (size_t k = 0; k < count; k++) {
        const Trained *t = &list[k];
        const double *x = of[k]->lambdas;
        text_format(names[2 * k], sizeof names[0], "%s, N lambdas", of[k]->name);
        text_format(names[2 * k + 1], sizeof names[0], "%s, posterior", of[k]->name);
        held[2 * k] = (Series){names[2 * k], x, t->held, POINTS, false, false};
        held[2 * k + 1] = (Series){names[2 * k + 1], x, t->held_best, POINTS, false, true};
        tv[2 * k] = (Series){names[2 * k], x, t->tv, POINTS, false, false};
        tv[2 * k + 1] = (Series){names[2 * k + 1], x, t->tv_best, POINTS, false, true};
    }
    held[2 * count] = (Series){"log N", of[0]->lambdas, of[0]->limit, POINTS, false, true};
    const Chart nats = {"Nats that lambda holds after equal numbers of network passes",
                        "lambdas a picture N",
                        "nats",
                        true,
                        false,
                        true,
                        held,
                        2 * count + 1};
    const Chart distance = {"Distance to the data in one step after equal numbers of passes",
                            "lambdas a picture N",
                            "total variation",
                            true,
                            false,
                            true,
                            tv,
                            2 * count};
    return findings_chart(f, "limit-held", &nats, err) &&
           findings_chart(f, "limit-distance", &distance, err);
}

static void trained_table(const Subject *s, const Trained *t, Findings *f)
{
    static const char *const head[] = {"N",    "pictures a step", "log N", "carried",
                                       "held", "distance",        "KL"};
    enum { COLUMNS = 7, ROWS = POINTS + 1 };
    char cells[ROWS][COLUMNS][TEXT], caption[4 * NAME];
    const char *pointers[ROWS * COLUMNS];

    for (size_t i = 0; i < ROWS; i++) {
        const LimitStudent *r = i < POINTS ? &t->by[i] : &t->posterior;
        if (i < POINTS)
            text_format(cells[i][0], TEXT, "%.0f", s->lambdas[i]);
        else
            text_format(cells[i][0], TEXT, "posterior");
        text_format(cells[i][1], TEXT, "%zu", r->pictures);
        text_format(cells[i][2], TEXT, "%.4f", i < POINTS ? s->limit[i] : log(LIMIT_GRID));
        text_format(cells[i][3], TEXT, "%.4f", r->taught);
        text_format(cells[i][4], TEXT, "%.4f", r->held);
        text_format(cells[i][5], TEXT, "%.4f", r->tv);
        text_format(cells[i][6], TEXT, "%.4f", r->kl);
        for (size_t k = 0; k < COLUMNS; k++)
            pointers[COLUMNS * i + k] = cells[i][k];
    }
    text_format(caption, sizeof caption,
                "%.40s after %zu steps of %d passes; the law has %.4f nats", s->name, t->steps,
                (int)PASSES, s->entropy);
    findings_table(f, caption, COLUMNS, head, ROWS, pointers);
}

/* ---- the experiment ---- */

static void tell_limit(Findings *f)
{
    findings_heading(f, "Limit: what N lambdas a picture can teach");
    findings_paragraph(
        f,
        "A student is taught lambda by the logarithm of a mean over N lambdas. That is the best, "
        "over all w, of the w-weighted log-likelihoods less KL(w || 1/N), and the best w, the "
        "posterior over the N lambdas, lies at most log N nats from the prior: the dashed line. "
        "The laws are K patterns of three equal symbols, so in one step lambda has to say which "
        "pattern is meant, log K nats. The students here have one number, the gain: lambda names a "
        "pattern, and each dimension says it with that probability, else what the marginals say. "
        "Plotted is the gain that the loss likes best at each N. Independent lambdas mostly miss "
        "the pattern while N is less than K, so far less than log N is carried, and the loss asks "
        "for a lambda that is not trusted. With many times K a little more than log K is carried: "
        "the number of lambdas that hit is random. Stratified ones (table) carry (N/K) log N up to "
        "N = K and log K from there.");
    findings_paragraph(
        f,
        "Below, the loss itself: what N lambdas say of the log-likelihood against its value with "
        "all lambdas, for the best gain and for one that stays. Where the loss cannot see that the "
        "student is good, it makes it worse.");
}

static void tell_saddle(Findings *f)
{
    findings_paragraph(
        f,
        "A student that ignores lambda has equal log-likelihoods for all lambdas: w is uniform, "
        "and what it pulls at lambda has mean zero, whatever N is. The second derivative by the "
        "gain (curvature in the table) is the dependence of pairs of dimensions less 1/N of all "
        "dependence; a law whose pairs are independent offers nothing to a small gain. Plotted is "
        "the exact gradient of a network with the right marginals by all weights that lambda "
        "passes through, where those that a new student has at zero are random times the gain.");
}

static void tell_trained(Findings *f)
{
    findings_paragraph(
        f,
        "Trained for real: networks of the same start, off the saddle, and the same number of "
        "passes a step, with N lambdas for each of 256/N pictures. Few lambdas cannot teach, many "
        "lambdas mean few pictures, which all lambdas then chase. Beside them a "
        "student whose one lambda a picture is drawn from the exact posterior over all 256 "
        "lambdas, as a perfect recognition network would draw it: no limit, 256 pictures a step. "
        "Carried is what the posterior over N lambdas carried in the last tenth of the training, "
        "held what lambda holds afterwards; distances are those of the law of one step.");
}

static bool train_all(const Subject *const *of, Trained *list, size_t count, uint64_t seed,
                      Findings *f, Error *err)
{
    for (size_t k = 0; k < count; k++)
        if (!train_limit(of[k], &list[k], seed, f, err))
            return false;
    tell_trained(f);
    if (!trained_charts(of, list, count, f, err))
        return false;
    for (size_t k = 0; k < count; k++)
        trained_table(of[k], &list[k], f);
    return true;
}

/* list: all laws; shown: the one with tables; of: those to train on. */
static bool report_limit(Subject *list, size_t count, const Subject *shown,
                         const Subject *const *of, Trained *students, size_t students_count,
                         uint64_t seed, Findings *f, Error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!add_points(&list[i], seed, f, err))
            return false;
    tell_limit(f);
    if (!carried_chart(list, count, f, err) || !likelihood_chart(shown, f, err))
        return false;
    exact_table(shown, f);
    tell_saddle(f);
    return add_slopes(of[students_count - 1], seed, f, err) &&
           train_all(of, students, students_count, seed, f, err);
}

static bool equal_laws(uint64_t seed, Findings *f, Error *err)
{
    Subject list[LAWS];
    const Subject *of[TRAINED];
    Trained students[TRAINED];
    char name[NAME];

    for (size_t i = 0; i < LAWS; i++) {
        const size_t K = (size_t)2 << i;
        text_format(name, sizeof name, "equal-%zu", K);
        list[i] = subject_of(name, limit_equal(DIMS, K));
        for (size_t k = 0; k < TRAINED; k++)
            if (trained[k].patterns == K) {
                of[k] = &list[i];
                students[k] = (Trained){.steps = trained[k].steps};
            }
    }
    const bool ok = report_limit(list, LAWS, &list[SHOWN], of, students, TRAINED, seed, f, err);
    for (size_t i = 0; i < LAWS; i++)
        law_destroy(list[i].law);
    return ok;
}

bool theory_limit_world(const char *world, size_t steps, uint64_t seed, Findings *f, Error *err)
{
    World *w = world_open(world, err);
    if (w == NULL)
        return false;
    FiniteLaw *law = world_finite_law(w);
    bool ok = true;

    if (law->count > MOST_PATTERNS)
        ok = error_set(err, "theory limit: %.80s has %zu states, expected at most %d", w->name,
                       law->count, (int)MOST_PATTERNS);
    if (ok) {
        Subject subject = subject_of(w->name, law);
        const Subject *of = &subject;
        Trained students = {.steps = steps};
        ok = report_limit(&subject, 1, of, &of, &students, 1, seed, f, err);
    }
    law_destroy(law);
    world_free(w);
    return ok;
}

static bool run_limit(const TheoryOptions *options, Findings *f, Error *err)
{
    if (options->world == NULL)
        return equal_laws(options->seed, f, err);
    return theory_limit_world(options->world, OTHER_STEPS, options->seed, f, err);
}

const Experiment theory_limit = {
    .name = "limit",
    .summary = "the nats that lambda carries when N lambdas a picture teach it",
    .run = run_limit};
