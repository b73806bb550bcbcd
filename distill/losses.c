/* The Di4C losses.  Work is cut into (picture, block of dimensions); each piece holds the N rows of
 * one dimension at a time, and everything that couples dimensions is a sum over them.
 *
 * 1. sum_block: for every target k (k = 0: the data x_0; k = 1..N: x_0^(k) drawn through u)
 *      joint[k][i] = sum_d log p_i^d(x_k^d),   marginal[k] = sum_d log mbar^d(x_k^d),
 *    and the two Kullback-Leibler sums against mbar.
 * 2. combine: C(x_k) = log (1/N) sum_i exp(joint[k][i]) - marginal[k], and
 *      share[k][i] = dC/d joint[k][i], the posterior weight of lambda_i given x_k.
 * 3. pull_block: the same rows again, now with gradients.  With r_i(a) = p_i(a)/(N mbar(a)),
 *      dC(x_k)/dlog p_i^d(a)   = [a = x_k^d] (share[k][i] - r_i(a)),
 *      dKL(P || mbar)/dlog p_i = -P(a) r_i(a).
 * The distillation term has no coupling: distil_block does value and gradient at once.
 *
 * Absorbing noise: a dimension that is unmasked in x_t is a point mass in every model, adds 0 to
 * every term and is skipped.  One that is masked at t and not at u is a point mass in that x_u's
 * row only. */
#include "distill/losses.h"

#include <math.h>

#include "tensor/check.h"
#include "tensor/fast_exp.h"
#include "tensor/memory.h"
#include "tensor/threads.h"

enum { BLOCK = 32 }; /* dimensions of one piece of work */

typedef struct Sums { /* of one block, or of one picture */
    double *joint;    /* (N + 1, N) */
    double *marginal; /* (N + 1) */
    double *data_kl, *consis_kl;
} Sums;

typedef struct Work {
    const Di4cOptions *options;
    const Head *head;
    const Di4cInput *in;
    size_t B, N, M, D, S, outputs, blocks;
    double *sums;       /* (B, blocks, sums_size) */
    double *distil;     /* (B M, blocks) */
    double *share;      /* (B, N + 1, N) */
    float *dt, *dtm;    /* gradients, or NULL */
} Work;

double distill_data_weight(DataWeight kind, double t)
{
    switch (kind) {
    case DATA_WEIGHT_SIGMOID:
        return 1.0 / (1.0 + exp(-20.0 * (t - 0.5)));
    case DATA_WEIGHT_ONE:
        return 1.0;
    case DATA_WEIGHT_LINEAR:
        return t;
    case DATA_WEIGHT_ZERO:
        return 0.0;
    }
    TENSOR_CHECK(false, "data weight %d", (int)kind);
    return 0.0;
}

/* ---- rows of S numbers ---- */

/* mix = log (1/N) sum_i exp(rows[i]); -inf where every row is. */
static void mix_rows(float *mix, float *top, const float *rows, size_t N, size_t S)
{
    float scale = (float)(1.0 / (double)N);

    for (size_t a = 0; a < S; a++)
        top[a] = rows[a];
    for (size_t i = 1; i < N; i++) {
        const float *row = rows + i * S;
#pragma omp simd
        for (size_t a = 0; a < S; a++)
            top[a] = row[a] > top[a] ? row[a] : top[a];
    }
#pragma omp simd
    for (size_t a = 0; a < S; a++) {
        top[a] = top[a] == -HUGE_VALF ? 0.0f : top[a];
        mix[a] = 0.0f;
    }
    for (size_t i = 0; i < N; i++) {
        const float *row = rows + i * S;
#pragma omp simd
        for (size_t a = 0; a < S; a++)
            mix[a] += fast_exp(row[a] - top[a]);
    }
#pragma omp simd
    for (size_t a = 0; a < S; a++)
        mix[a] = top[a] + fast_log(mix[a] * scale);
}

/* sum_a exp(p) (p - q).  0 log 0 = 0, and exp(p) below the smallest normal float is 0 here. */
static double row_kl(const float *p, const float *q, size_t S)
{
    double total = 0.0;

#pragma omp simd reduction(+ : total)
    for (size_t a = 0; a < S; a++) {
        float gap = p[a] < -87.0f ? 0.0f : p[a] - q[a];
        total += (double)(fast_exp(p[a]) * gap);
    }
    return total;
}

/* ---- one dimension ---- */

/* Log-probabilities of dimension d under all N lambdas of picture b: rows (N, S), `x` the noised
 * states, B rows at t (shared by the lambdas) or B N rows at u. */
static void fill_rows(const Work *w, const float *out, const States *x, size_t b, size_t d,
                      float *rows)
{
    size_t each = x->batch / w->B;

    for (size_t i = 0; i < w->N; i++)
        diff_head_row(w->head, out + (b * w->N + i) * w->outputs,
                      states_row(x, each == 1 ? b : b * w->N + i), d, rows + i * w->S);
}

/* State of target k in dimension d. */
static size_t target(const Work *w, size_t b, size_t k, size_t d)
{
    const Di4cInput *in = w->in;
    size_t x = k == 0 ? in->x0.x[b * w->D + d] : in->x0u.x[(b * w->N + k - 1) * w->D + d];

    TENSOR_CHECK(x < w->S, "x_0 = %zu in dimension %zu, %zu states", x, d, w->S);
    return x;
}

/* True if dimension d of picture b is unmasked in x_t; then all targets must agree with it. */
static bool known(const Work *w, size_t b, size_t d)
{
    const uint16_t *xt = states_row(&w->in->xt, b);

    if (!diff_head_known(w->head, xt, d))
        return false;
    for (size_t k = 0; k <= w->N; k++)
        TENSOR_CHECK(target(w, b, k, d) == xt[d],
                     "dimension %zu is unmasked as %u, but target %zu has %zu", d, (unsigned)xt[d],
                     k, target(w, b, k, d));
    return true;
}

/* Rows of the student at t, their mixture, and (with control variates) the two laws that pull at
 * it: the teacher's at t and the student's mixture at u. */
typedef struct Dimension {
    float *rows;                   /* (N, S) */
    float *mix, *teacher, *mix_u;  /* (S) */
    float *dlogp, *spare;          /* (S) */
} Dimension;

static Dimension dimension_scratch(const Work *w)
{
    size_t S = w->S;
    float *room = threads_scratch(SCRATCH_LOSS, (w->N + 5) * S * sizeof *room);
    float *after = room + w->N * S;
    Dimension m = {room, after, after + S, after + 2 * S, after + 3 * S, after + 4 * S};

    return m;
}

static void fill_dimension(const Work *w, const Dimension *m, size_t b, size_t d)
{
    const Di4cInput *in = w->in;

    if (w->options->control_variates) {
        diff_head_row(w->head, in->teacher_t + b * w->outputs, states_row(&in->xt, b), d,
                      m->teacher);
        fill_rows(w, in->student_u, &in->xu, b, d, m->rows);
        mix_rows(m->mix_u, m->spare, m->rows, w->N, w->S);
    }
    fill_rows(w, in->student_t, &in->xt, b, d, m->rows);
    if (w->options->control_variates)
        mix_rows(m->mix, m->spare, m->rows, w->N, w->S);
}

/* ---- 1. sums over the dimensions of a block ---- */

static size_t sums_size(size_t N)
{
    return (N + 1) * N + (N + 1) + 2;
}

static Sums sums_at(double *at, size_t N)
{
    Sums s = {at, at + (N + 1) * N, at + (N + 1) * (N + 1), at + (N + 1) * (N + 1) + 1};

    return s;
}

static void add_dimension(const Work *w, const Dimension *m, const Sums *s, size_t b, size_t d)
{
    for (size_t k = 0; k <= w->N; k++) {
        size_t x = target(w, b, k, d);
        for (size_t i = 0; i < w->N; i++)
            s->joint[k * w->N + i] += (double)m->rows[i * w->S + x];
        if (w->options->control_variates)
            s->marginal[k] += (double)m->mix[x];
    }
    if (w->options->control_variates) {
        *s->data_kl += row_kl(m->teacher, m->mix, w->S);
        *s->consis_kl += row_kl(m->mix_u, m->mix, w->S);
    }
}

static void sum_block(size_t piece, void *context)
{
    const Work *w = context;
    size_t b = piece / w->blocks, first = piece % w->blocks * BLOCK;
    size_t end = first + BLOCK < w->D ? first + BLOCK : w->D;
    Sums s = sums_at(w->sums + piece * sums_size(w->N), w->N);
    Dimension m = dimension_scratch(w);

    for (size_t d = first; d < end; d++) {
        if (known(w, b, d))
            continue;
        fill_dimension(w, &m, b, d);
        add_dimension(w, &m, &s, b, d);
    }
}

/* ---- 2. one picture ---- */

/* log (1/N) sum_i exp(joint[i]); share[i] = exp(joint[i])/sum.  If all are -inf: -inf and zeros. */
static double log_mean(const double *joint, double *share, size_t N)
{
    double top = -HUGE_VAL, total = 0.0;

    for (size_t i = 0; i < N; i++)
        if (!(joint[i] <= top))
            top = joint[i];
    for (size_t i = 0; i < N; i++) {
        share[i] = top == -HUGE_VAL ? 0.0 : exp(joint[i] - top);
        total += share[i];
    }
    if (total == 0.0)
        return -HUGE_VAL;
    for (size_t i = 0; i < N; i++)
        share[i] /= total;
    return top + log(total / (double)N);
}

/* Adds up the blocks of picture b into the first one. */
static Sums add_blocks(const Work *w, size_t b)
{
    size_t size = sums_size(w->N);
    double *to = w->sums + b * w->blocks * size;

    for (size_t k = 1; k < w->blocks; k++)
        for (size_t j = 0; j < size; j++)
            to[j] += to[k * size + j];
    return sums_at(to, w->N);
}

/* Fills share and the coupled terms of picture b; returns w data_cor + data_indep + consis. */
static double combine(const Work *w, const Di4cTerms *terms, size_t b)
{
    Sums s = add_blocks(w, b);
    double *share = w->share + b * (w->N + 1) * w->N;
    double data = 0.0, consis = 0.0;

    for (size_t k = 0; k <= w->N; k++) {
        double value = log_mean(s.joint + k * w->N, share + k * w->N, w->N);
        /* Impossible under every lambda: infinite, whatever the marginals say. */
        double c = value == -HUGE_VAL ? value : value - s.marginal[k];
        if (k == 0)
            data = -c;
        else
            consis -= c / (double)w->N;
    }
    if (terms != NULL && terms->data_cor != NULL)
        terms->data_cor[b] = data;
    if (terms != NULL && terms->data_indep != NULL)
        terms->data_indep[b] = *s.data_kl;
    if (terms != NULL && terms->consis_cor != NULL)
        terms->consis_cor[b] = consis;
    if (terms != NULL && terms->consis_indep != NULL)
        terms->consis_indep[b] = *s.consis_kl;
    double weight = distill_data_weight(w->options->data_weight, w->in->t[b]);
    return (weight > 0.0 ? weight * data : 0.0) + *s.data_kl + consis + *s.consis_kl;
}

/* ---- 3. gradients at t ---- */

/* dL/dlog p_i of one dimension, L the mean over pictures.  pull = P_teacher + P_u. */
static void fill_dlogp(const Work *w, const Dimension *m, size_t b, size_t d, size_t i)
{
    size_t N = w->N, S = w->S;
    const float *row = m->rows + i * S, *mix = m->mix, *pull = m->spare;
    const double *share = w->share + b * (N + 1) * N;
    double weight = distill_data_weight(w->options->data_weight, w->in->t[b]);
    float scale = (float)(1.0 / ((double)w->B * (double)N)), *dlogp = m->dlogp;
    bool variates = w->options->control_variates;

    if (variates) {
#pragma omp simd
        for (size_t a = 0; a < S; a++) {
            float level = mix[a] > -1e30f ? mix[a] : -1e30f; /* never -inf - -inf */
            dlogp[a] = -scale * pull[a] * fast_exp(row[a] - level); /* N r_i(a) */
        }
    } else {
        for (size_t a = 0; a < S; a++)
            dlogp[a] = 0.0f;
    }
    for (size_t k = 0; k <= N; k++) {
        size_t x = target(w, b, k, d);
        double c = (k == 0 ? weight : 1.0 / (double)N) / (double)w->B;
        double r = variates && mix[x] > -HUGE_VALF ? exp((double)row[x] - mix[x]) / (double)N : 0.0;
        dlogp[x] -= (float)(c * (share[k * N + i] - r));
    }
}

static void pull_block(size_t piece, void *context)
{
    const Work *w = context;
    size_t b = piece / w->blocks, first = piece % w->blocks * BLOCK;
    size_t end = first + BLOCK < w->D ? first + BLOCK : w->D;
    Dimension m = dimension_scratch(w);
    float *teacher = m.teacher, *mix_u = m.mix_u, *pull = m.spare;

    for (size_t d = first; d < end; d++) {
        if (known(w, b, d))
            continue;
        fill_dimension(w, &m, b, d);
        if (w->options->control_variates) {
#pragma omp simd
            for (size_t a = 0; a < w->S; a++)
                pull[a] = fast_exp(teacher[a]) + fast_exp(mix_u[a]);
        }
        for (size_t i = 0; i < w->N; i++) {
            size_t at = (b * w->N + i) * w->outputs;
            fill_dlogp(w, &m, b, d, i);
            diff_head_row_gradient(w->head, w->in->student_t + at, states_row(&w->in->xt, b), d,
                                   m.rows + i * w->S, m.dlogp, w->dt + at);
        }
    }
}

/* ---- the distillation term ---- */

static void distil_block(size_t piece, void *context)
{
    const Work *w = context;
    size_t row = piece / w->blocks, first = piece % w->blocks * BLOCK, at = row * w->outputs;
    size_t end = first + BLOCK < w->D ? first + BLOCK : w->D, S = w->S;
    const uint16_t *x = states_row(&w->in->xtm, row);
    float *teacher = threads_scratch(SCRATCH_LOSS, 3 * S * sizeof *teacher);
    float *student = teacher + S, *dlogp = student + S;
    float scale = (float)(-1.0 / ((double)w->B * (double)w->M));

    for (size_t d = first; d < end; d++) {
        if (diff_head_known(w->head, x, d))
            continue;
        diff_head_row(w->head, w->in->teacher_tm + at, x, d, teacher);
        diff_head_row(w->head, w->in->student_tm + at, x, d, student);
        w->distil[piece] += row_kl(teacher, student, S);
        if (w->dtm == NULL)
            continue;
#pragma omp simd
        for (size_t a = 0; a < S; a++)
            dlogp[a] = scale * fast_exp(teacher[a]);
        diff_head_row_gradient(w->head, w->in->student_tm + at, x, d, student, dlogp, w->dtm + at);
    }
}

static double distil_of(const Work *w, const Di4cTerms *terms, size_t b)
{
    const double *parts = w->distil + b * w->M * w->blocks;
    double total = 0.0;

    for (size_t j = 0; j < w->M * w->blocks; j++)
        total += parts[j];
    total /= (double)w->M;
    if (terms != NULL && terms->distil != NULL)
        terms->distil[b] = total;
    return total;
}

/* ---- all together ---- */

static void check_states(const char *name, const States *x, size_t batch, size_t dims)
{
    TENSOR_CHECK(x->batch == batch && x->dims == dims, "%s is (%zu, %zu), expected (%zu, %zu)",
                 name, x->batch, x->dims, batch, dims);
}

static void check_input(const Head *head, const Di4cInput *in)
{
    size_t rows = in->images * in->lambdas;

    TENSOR_CHECK(in->images >= 1 && in->lambdas >= 1, "%zu pictures with %zu lambdas", in->images,
                 in->lambdas);
    check_states("x_0", &in->x0, in->images, head->dims);
    check_states("x_t", &in->xt, in->images, head->dims);
    check_states("x_u", &in->xu, rows, head->dims);
    check_states("x_0 drawn at u", &in->x0u, rows, head->dims);
    TENSOR_CHECK(in->xtm.batch >= in->images && in->xtm.batch % in->images == 0,
                 "x_tm has %zu rows, expected a multiple of %zu pictures", in->xtm.batch,
                 in->images);
    check_states("x_tm", &in->xtm, in->xtm.batch, head->dims);
}

double distill_losses(const Di4cOptions *options, const Head *head, const Di4cInput *in,
                      const Di4cTerms *terms, float *dstudent_t, float *dstudent_tm)
{
    double loss = 0.0;

    check_input(head, in);
    Work w = {options, head, in, in->images, in->lambdas, in->xtm.batch / in->images, head->dims,
              head->states, diff_head_outputs(head), (head->dims + BLOCK - 1) / BLOCK, NULL, NULL,
              NULL, dstudent_t, dstudent_tm};
    w.sums = mem_zeroed(w.B * w.blocks, sums_size(w.N) * sizeof *w.sums);
    w.distil = mem_zeroed(w.B * w.M * w.blocks, sizeof *w.distil);
    w.share = mem_zeroed(w.B * (w.N + 1) * w.N, sizeof *w.share);
    threads_for(w.B * w.blocks, sum_block, &w);
    threads_for(w.B * w.M * w.blocks, distil_block, &w);
    for (size_t b = 0; b < w.B; b++)
        loss += combine(&w, terms, b) + distil_of(&w, terms, b);
    if (dstudent_t != NULL)
        threads_for(w.B * w.blocks, pull_block, &w);
    mem_free(w.sums);
    mem_free(w.distil);
    mem_free(w.share);
    return loss / (double)w.B;
}
