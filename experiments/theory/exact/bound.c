/* Everything is a table over points: noised points X = (process states)^D, clean points Y = (head
 * states)^D.  A kernel from X is a matrix whose row x is a product over dimensions (one lambda) or
 * a mean of such products. */
#include "experiments/theory/exact/bound.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "diffusion/posterior.h"
#include "experiments/theory/exact/joint.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"

struct BoundChain {
    const Process *process;
    const Denoiser *teacher;
    size_t steps, dims, noised, clean; /* N, D, points of the two spaces */
    States points;                     /* (X, D) */
    double **law;                      /* (N + 1): r_n over X for n >= 1, over Y for n = 0 */
    double **kernel; /* (N): [0] is p^psi_{0|t_1} (X, Y); [n] is p^psi_{t_n|t_n+1} (X, X) */
    Graph *graph;
};

static size_t power(size_t base, size_t exponent)
{
    size_t result = 1;

    for (size_t i = 0; i < exponent; i++) {
        TENSOR_CHECK(result <= BOUND_MAX_POINTS / base, "%zu^%zu points, at most %d", base,
                     exponent, (int)BOUND_MAX_POINTS);
        result *= base;
    }
    return result;
}

/* out (base^dims) += weight times the product of the rows (dims, base). */
static void add_product(double *out, double *work, const double *rows, size_t dims, size_t base,
                        double weight)
{
    size_t count = 1;

    work[0] = weight;
    for (size_t d = 0; d < dims; d++, count *= base)
        for (size_t a = base; a-- > 0;) /* downwards: part 0 is read for all the others */
            for (size_t i = 0; i < count; i++)
                work[a * count + i] = work[i] * rows[d * base + a];
    for (size_t i = 0; i < count; i++)
        out[i] += work[i];
}

/* ---- networks at all points ---- */

/* Head numbers of d at every point and each of K lambdas: (X K, outputs), freed by the caller. */
static float *run_everywhere(const BoundChain *c, const Denoiser *d, double t, size_t K)
{
    size_t rows = c->noised * K;
    States x = states_alloc(rows, c->dims);
    double *time = mem_alloc(rows, sizeof *time), *lambda = mem_alloc(rows, sizeof *lambda);
    float *out = mem_alloc(rows * diffusion_head_outputs(&d->head), sizeof *out);

    for (size_t r = 0; r < rows; r++) {
        memcpy(states_row(&x, r), states_row(&c->points, r / K), c->dims * sizeof *x.x);
        time[r] = t;
        lambda[r] = ((double)(r % K) + 0.5) / (double)K;
    }
    NetworkInput in = {&x, time, d->lambda_dims > 0 ? lambda : NULL, NULL, NULL, NULL};
    diffusion_denoise(d, c->graph, &in, 0, out);
    mem_free(time);
    mem_free(lambda);
    states_free(&x);
    return out;
}

/* rows (D, S) = p^d(.|x) in double, normalised there: the head's logarithms are float32. */
static void fill_rows(const Head *head, const float *out, const uint16_t *x, float *logp,
                      double *rows)
{
    for (size_t d = 0; d < head->dims; d++) {
        double sum = 0.0, *row = rows + d * head->states;
        diffusion_head_row(head, out, x, d, logp);
        for (size_t a = 0; a < head->states; a++)
            sum += row[a] = exp((double)logp[a]);
        for (size_t a = 0; a < head->states; a++)
            row[a] /= sum;
    }
}

/* table (X, Y) = p_{0|t}(.|x), the mean over K lambdas. */
static void fill_clean(const BoundChain *c, const Denoiser *d, double t, size_t K, double *table)
{
    const Head *head = &d->head;
    size_t outputs = diffusion_head_outputs(head);
    float *out = run_everywhere(c, d, t, K), *logp = mem_alloc(head->states, sizeof *logp);
    double *rows = mem_alloc(c->dims * head->states, sizeof *rows);
    double *work = mem_alloc(c->clean, sizeof *work);

    memset(table, 0, c->noised * c->clean * sizeof *table);
    for (size_t r = 0; r < c->noised * K; r++) {
        size_t x = r / K;
        fill_rows(head, out + r * outputs, states_row(&c->points, x), logp, rows);
        add_product(table + x * c->clean, work, rows, c->dims, head->states, 1.0 / (double)K);
    }
    mem_free(out);
    mem_free(logp);
    mem_free(rows);
    mem_free(work);
}

/* table (X, X) = the teacher's p^psi_{s|t}: posteriors averaged over its p^psi_{0|t}. */
static void fill_step(const BoundChain *c, double s, double t, double *table)
{
    const Head *head = &c->teacher->head;
    size_t S = c->process->states, outputs = diffusion_head_outputs(head);
    float *out = run_everywhere(c, c->teacher, t, 1), *logp = mem_alloc(head->states, sizeof *logp);
    double *rows = mem_alloc(c->dims * head->states, sizeof *rows);
    double *mixed = mem_alloc(c->dims * S, sizeof *mixed);
    double *work = mem_alloc(c->noised, sizeof *work);
    PosteriorStep *step = diffusion_posterior_create(c->process, s, t, 0.0);

    memset(table, 0, c->noised * c->noised * sizeof *table);
    for (size_t n = 0; n < c->noised; n++) {
        const uint16_t *x = states_row(&c->points, n);
        fill_rows(head, out + n * outputs, x, logp, rows);
        for (size_t d = 0; d < c->dims; d++)
            diffusion_posterior_mix(step, x[d], rows + d * head->states, head->states,
                                    mixed + d * S);
        add_product(table + n * c->noised, work, mixed, c->dims, S, 1.0);
    }
    diffusion_posterior_destroy(step);
    mem_free(out);
    mem_free(logp);
    mem_free(rows);
    mem_free(mixed);
    mem_free(work);
}

/* ---- the teacher's chain ---- */

/* out (columns) = law (X) times kernel (X, columns). */
static void push(const BoundChain *c, const double *law, const double *kernel, size_t columns,
                 double *out)
{
    memset(out, 0, columns * sizeof *out);
    for (size_t x = 0; x < c->noised; x++)
        for (size_t y = 0; y < columns && law[x] > 0.0; y++)
            out[y] += law[x] * kernel[x * columns + y];
}

static void fill_chain(BoundChain *c)
{
    size_t N = c->steps, S = c->process->states;
    double *priors = mem_alloc(c->dims * S, sizeof *priors);
    double *work = mem_alloc(c->noised, sizeof *work);

    for (size_t d = 0; d < c->dims; d++)
        memcpy(priors + d * S, c->process->prior, S * sizeof *priors);
    c->law[N] = mem_zeroed(c->noised, sizeof **c->law);
    add_product(c->law[N], work, priors, c->dims, S, 1.0);
    for (size_t n = N; n-- > 0;) {
        size_t columns = n > 0 ? c->noised : c->clean;
        double t = (double)(n + 1) / (double)N;
        c->kernel[n] = mem_alloc(c->noised * columns, sizeof **c->kernel);
        c->law[n] = mem_alloc(columns, sizeof **c->law);
        if (n > 0)
            fill_step(c, (double)n / (double)N, t, c->kernel[n]);
        else
            fill_clean(c, c->teacher, t, 1, c->kernel[n]);
        push(c, c->law[n + 1], c->kernel[n], columns, c->law[n]);
    }
    mem_free(priors);
    mem_free(work);
}

BoundChain *bound_chain_create(const Process *p, const Denoiser *teacher, size_t steps)
{
    BoundChain *c = mem_zeroed(1, sizeof *c);

    TENSOR_CHECK(steps >= 1, "%zu steps", steps);
    TENSOR_CHECK(teacher->lambda_dims == 0, "a teacher with %zu lambdas", teacher->lambda_dims);
    TENSOR_CHECK(teacher->head.mask == p->mask &&
                     teacher->head.states == p->states - (p->mask >= 0 ? 1 : 0),
                 "teacher of %zu states (mask %d), process of %zu (mask %d)", teacher->head.states,
                 teacher->head.mask, p->states, p->mask);
    c->process = p;
    c->teacher = teacher;
    c->steps = steps;
    c->dims = teacher->head.dims;
    c->noised = power(p->states, c->dims);
    c->clean = power(teacher->head.states, c->dims);
    c->points = states_alloc(c->noised, c->dims);
    for (size_t x = 0; x < c->noised; x++)
        for (size_t d = 0, rest = x; d < c->dims; d++, rest /= p->states)
            states_row(&c->points, x)[d] = (uint16_t)(rest % p->states);
    c->graph = ag_graph_create();
    c->law = mem_zeroed(steps + 1, sizeof *c->law);
    c->kernel = mem_zeroed(steps, sizeof *c->kernel);
    fill_chain(c);
    return c;
}

void bound_chain_destroy(BoundChain *c)
{
    if (c == NULL)
        return;
    for (size_t n = 0; n < c->steps; n++) {
        mem_free(c->law[n]);
        mem_free(c->kernel[n]);
    }
    mem_free(c->law[c->steps]);
    mem_free(c->law);
    mem_free(c->kernel);
    states_free(&c->points);
    ag_graph_destroy(c->graph);
    mem_free(c);
}

size_t bound_clean_points(const BoundChain *c)
{
    return c->clean;
}

const double *bound_teacher_law(const BoundChain *c)
{
    return c->law[0];
}

/* ---- the student ---- */

static void check_student(const BoundChain *c, const Denoiser *student, size_t lambdas)
{
    const Head *a = &c->teacher->head, *b = &student->head;

    TENSOR_CHECK(a->dims == b->dims && a->states == b->states && a->mask == b->mask,
                 "student of %zu dimensions, %zu states, mask %d; teacher of %zu, %zu, %d", b->dims,
                 b->states, b->mask, a->dims, a->states, a->mask);
    TENSOR_CHECK(student->lambda_dims <= 1 && lambdas >= 1 &&
                     (student->lambda_dims == 1 || lambdas == 1),
                 "%zu values of lambda for a student with %zu", lambdas, student->lambda_dims);
}

/* E_{x ~ law} KL( target(.|x) || student(.|x) ), both (X, Y). */
static double mean_kl(const BoundChain *c, const double *law, const double *target,
                      const double *student)
{
    double mean = 0.0;

    for (size_t x = 0; x < c->noised; x++) {
        double kl = 0.0;
        if (law[x] == 0.0)
            continue;
        for (size_t i = x * c->clean; i < (x + 1) * c->clean; i++)
            if (target[i] > 0.0)
                kl += target[i] * log(target[i] / student[i]);
        mean += law[x] * kl;
    }
    return mean > 0.0 ? mean : 0.0; /* rounding below zero */
}

/* target (X, Y) = one step of the teacher, then the student from there. */
static void compose(const BoundChain *c, const double *kernel, const double *student,
                    double *target)
{
    for (size_t x = 0; x < c->noised; x++)
        push(c, kernel + x * c->noised, student, c->clean, target + x * c->clean);
}

void bound_student_law(const BoundChain *c, const Denoiser *student, size_t lambdas, double *law)
{
    double *table = mem_alloc(c->noised * c->clean, sizeof *table);

    check_student(c, student, lambdas);
    fill_clean(c, student, 1.0, lambdas, table);
    push(c, c->law[c->steps], table, c->clean, law);
    mem_free(table);
}

double bound_measure(const BoundChain *c, const Denoiser *student, size_t lambdas, double *terms)
{
    size_t N = c->steps, size = c->noised * c->clean;
    double *here = mem_alloc(size, sizeof *here), *before = mem_alloc(size, sizeof *before);
    double *target = mem_alloc(size, sizeof *target), *law = mem_alloc(c->clean, sizeof *law);

    check_student(c, student, lambdas);
    for (size_t n = 0; n < N; n++) { /* the student at t_{n+1} against its target */
        double *old = before;
        before = here;
        here = old;
        fill_clean(c, student, (double)(n + 1) / (double)N, lambdas, here);
        if (n > 0)
            compose(c, c->kernel[n], before, target);
        terms[n] = sqrt(mean_kl(c, c->law[n + 1], n > 0 ? target : c->kernel[0], here) / 2.0);
    }
    push(c, c->law[N], here, c->clean, law);
    double distance = joint_tv(c->law[0], law, c->clean);
    mem_free(here);
    mem_free(before);
    mem_free(target);
    mem_free(law);
    return distance;
}
