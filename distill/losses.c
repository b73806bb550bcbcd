/* The Di4C losses.  The work is cut into (picture, block of dimensions); a piece looks at one
 * dimension at a time, and everything that couples dimensions is a sum over them.
 *
 * 1. couple_block: for every target k (k = 0: the data x_0; k = 1..N: x_0^(k) drawn through u)
 *      joint[i][k] = sum_d log p_i^d(x_k^d),   marginal[k] = sum_d log mbar^d(x_k^d),
 *    the two Kullback-Leibler sums against mbar, and the whole gradient but for one factor: with
 *    r_i(a) = p_i(a)/(N mbar(a)),
 *      dKL(P || mbar)/dlog p_i = -P(a) r_i(a),
 *      dC(x_k)/dlog p_i^d(a)   = [a = x_k^d] (share[i][k] - r_i(a)),
 *    so a target acts like a point mass to be subtracted from the laws P that pull at mbar, and
 *    only share is not known yet.
 * 2. combine: C(x_k) = log (1/N) sum_i exp(joint[i][k]) - marginal[k], and
 *      share[i][k] = dC/d joint[i][k], the posterior weight of lambda_i given x_k.
 * 3. share_block: the share of each lambda, at the N + 1 targets' states alone.
 * The distillation term has no coupling: distill_block does value and gradient at once.
 *
 * Scratch of a thread: 3 S + O(N) numbers.  What 3. needs from 1. is the derivative of each law's
 * level, as many numbers as the network has outputs.
 *
 * Absorbing noise: a dimension that is unmasked in x_t is a point mass in every model, adds 0 to
 * every term and is skipped.  One that is masked at t and not at u is a point mass in that x_u's
 * row only. */
#include "distill/losses.h"

#include <math.h>
#include <string.h>

#include "diffusion/head/law_mixture.h"
#include "distill/distill_term.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/system/cut.h"
#include "tensor/system/threads.h"

/* Dimensions of one piece of work: at least BLOCK, and at most PIECES pieces a picture, since each
 * has N (N + 1) sums of its own. */
enum { BLOCK = 32, PIECES = 64 };

typedef struct CouplingSums { /* of one block, or of one picture */
    double *joint;            /* (N, N + 1) */
    double *marginal;         /* (N + 1) */
    double *data_kl, *consis_kl;
} CouplingSums;

typedef struct LossWork {
    const Di4cOptions *options;
    const Head *head;
    const Di4cInput *in;
    size_t B, N, M, D, S, outputs, block, blocks;
    double *sums;    /* (B, blocks, sums_size) */
    double *distill; /* (B M, blocks) */
    double *share;   /* (B, N, N + 1) */
    float *dlevel;   /* (B N, outputs), of the student at t */
    float *dt, *dtm; /* gradients, or NULL */
} LossWork;

double distill_data_weight(DataWeight kind, double t)
{
    switch (kind) {
    case DATA_WEIGHT_SIGMOID: return 1.0 / (1.0 + exp(-20.0 * (t - 0.5)));
    case DATA_WEIGHT_ONE: return 1.0;
    case DATA_WEIGHT_LINEAR: return t;
    case DATA_WEIGHT_ZERO: return 0.0;
    }
    TENSOR_CHECK(false, "data weight %d", (int)kind);
    return 0.0;
}

/* ---- one dimension ---- */

/* State of target k in dimension d. */
static uint16_t target(const LossWork *w, size_t b, size_t k, size_t d)
{
    const Di4cInput *in = w->in;
    uint16_t x = k == 0 ? in->x0.x[b * w->D + d] : in->x0u.x[(b * w->N + k - 1) * w->D + d];

    TENSOR_CHECK(x < w->S, "x_0 = %u in dimension %zu, %zu states", (unsigned)x, d, w->S);
    return x;
}

/* True if dimension d of picture b is unmasked in x_t; then all targets must agree with it. */
static bool known_to_all(const LossWork *w, size_t b, size_t d)
{
    const uint16_t *xt = states_row(&w->in->xt, b);

    if (!diffusion_head_known(w->head, xt, d))
        return false;
    for (size_t k = 0; k <= w->N; k++)
        TENSOR_CHECK(target(w, b, k, d) == xt[d],
                     "dimension %zu is unmasked as %u, but target %zu has %u", d, (unsigned)xt[d],
                     k, (unsigned)target(w, b, k, d));
    return true;
}

/* Room of a thread for one dimension. */
typedef struct DimensionRoom {
    HeadLaw *laws;            /* (N): the student at t */
    float *mean, *pull, *row; /* (S): mbar; the laws that pull at it; one law */
    float *logp, *weight;     /* (N + 1) */
    uint16_t *x;              /* (N + 1): the targets' states */
} DimensionRoom;

static DimensionRoom room_make(const LossWork *w)
{
    size_t K = w->N + 1, S = w->S;
    size_t floats = 3 * S + 2 * K;
    char *bytes = threads_scratch(SCRATCH_LOSS, w->N * sizeof(HeadLaw) + floats * sizeof(float) +
                                                    K * sizeof(uint16_t));
    float *rows = (float *)(void *)(bytes + w->N * sizeof(HeadLaw));

    return (DimensionRoom){.laws = (HeadLaw *)(void *)bytes,
                           .mean = rows,
                           .pull = rows + S,
                           .row = rows + 2 * S,
                           .logp = rows + 3 * S,
                           .weight = rows + 3 * S + K,
                           .x = (uint16_t *)(void *)(rows + floats)};
}

static const float *numbers(const LossWork *w, const float *out, size_t b, size_t i)
{
    return out + (b * w->N + i) * w->outputs;
}

static void add_row(float *to, const float *row, size_t S)
{
#pragma omp simd
    for (size_t a = 0; a < S; a++)
        to[a] += row[a];
}

static void scale_row(float *row, double factor, size_t S)
{
    float by = (float)factor;

#pragma omp simd
    for (size_t a = 0; a < S; a++)
        row[a] *= by;
}

/* ---- 1. one pass over the dimensions ---- */

static size_t sums_size(size_t N)
{
    return (N + 1) * N + (N + 1) + 2;
}

static CouplingSums sums_at(double *at, size_t N)
{
    return (CouplingSums){.joint = at,
                          .marginal = at + (N + 1) * N,
                          .data_kl = at + (N + 1) * (N + 1),
                          .consis_kl = at + (N + 1) * (N + 1) + 1};
}

/* The student's laws at t, their mean, and log p_i at the targets. */
static void open_student(const LossWork *w, const DimensionRoom *room, const CouplingSums *s,
                         size_t b, size_t d)
{
    size_t K = w->N + 1;

    memset(room->mean, 0, w->S * sizeof *room->mean);
    for (size_t i = 0; i < w->N; i++) {
        room->laws[i] =
            diffusion_head_law(w->head, numbers(w, w->in->student_t, b, i), d, room->row);
        add_row(room->mean, room->row, w->S);
        diffusion_law_log_at(&room->laws[i], room->x, K, room->logp);
        for (size_t k = 0; k < K; k++)
            s->joint[i * K + k] += (double)room->logp[k];
    }
    scale_row(room->mean, 1.0 / (double)w->N, w->S);
}

/* pull = the student's mean law at u. */
static void fill_target_law(const LossWork *w, const DimensionRoom *room, size_t b, size_t d)
{
    memset(room->pull, 0, w->S * sizeof *room->pull);
    for (size_t j = 0; j < w->N; j++) {
        const uint16_t *xu = states_row(&w->in->xu, b * w->N + j);
        if (diffusion_head_known(w->head, xu, d)) {
            TENSOR_CHECK(xu[d] < w->S, "x_u = %u, %zu states", (unsigned)xu[d], w->S);
            room->pull[xu[d]] += 1.0f;
            continue;
        }
        diffusion_head_law(w->head, numbers(w, w->in->student_u, b, j), d, room->row);
        add_row(room->pull, room->row, w->S);
    }
    scale_row(room->pull, 1.0 / (double)w->N, w->S);
}

/* With control variates: the divergences, and in pull the laws less the targets. */
static void add_variates(const LossWork *w, const DimensionRoom *room, const LawMixture *m,
                         const CouplingSums *s, size_t b, size_t d)
{
    double weight = distill_data_weight(w->options->data_weight, w->in->t[b]);

    diffusion_mixture_log_at(m, room->x, w->N + 1, room->logp);
    for (size_t k = 0; k <= w->N; k++)
        s->marginal[k] += (double)room->logp[k];
    fill_target_law(w, room, b, d);
    *s->consis_kl += diffusion_mixture_kl(m, room->pull);
    diffusion_head_law(w->head, w->in->teacher_t + b * w->outputs, d, room->row);
    *s->data_kl += diffusion_mixture_kl(m, room->row);
    add_row(room->pull, room->row, w->S);
    for (size_t k = 0; k <= w->N; k++)
        room->pull[room->x[k]] -= (float)(k == 0 ? weight : 1.0 / (double)w->N);
}

static void couple_dimension(const LossWork *w, const DimensionRoom *room, const CouplingSums *s,
                             size_t b, size_t d)
{
    bool variates = w->options->control_variates;
    size_t at = b * w->N * w->outputs, own = d * diffusion_law_numbers(w->head);
    LawMixture m = {room->laws, w->N, room->mean};

    for (size_t k = 0; k <= w->N; k++)
        room->x[k] = target(w, b, k, d);
    open_student(w, room, s, b, d);
    if (variates)
        add_variates(w, room, &m, s, b, d);
    if (w->dt != NULL)
        diffusion_mixture_pull(&m, variates ? room->pull : NULL, 1.0 / (double)w->B, w->dt + at,
                               w->dlevel + at + own, w->outputs);
}

static void couple_block(size_t piece, void *context)
{
    const LossWork *w = context;
    size_t b = piece / w->blocks, first = piece % w->blocks * w->block;
    size_t end = first + w->block < w->D ? first + w->block : w->D;
    CouplingSums s = sums_at(w->sums + piece * sums_size(w->N), w->N);
    DimensionRoom room = room_make(w);

    for (size_t d = first; d < end; d++)
        if (!known_to_all(w, b, d))
            couple_dimension(w, &room, &s, b, d);
}

/* ---- 2. one picture ---- */

/* log (1/N) sum_i exp(joint[i K]); share[i K] = exp(joint[i K])/sum, K = N + 1.  If all are -inf:
 * -inf and zeros. */
static double log_mean(const double *joint, double *share, size_t N)
{
    size_t K = N + 1;
    double top = -HUGE_VAL, total = 0.0;

    for (size_t i = 0; i < N; i++)
        if (!(joint[i * K] <= top))
            top = joint[i * K];
    for (size_t i = 0; i < N; i++) {
        share[i * K] = top == -HUGE_VAL ? 0.0 : exp(joint[i * K] - top);
        total += share[i * K];
    }
    if (total == 0.0)
        return -HUGE_VAL;
    for (size_t i = 0; i < N; i++)
        share[i * K] /= total;
    return top + log(total / (double)N);
}

/* Adds up the blocks of picture b into the first one. */
static CouplingSums add_picture_sums(const LossWork *w, size_t b)
{
    size_t size = sums_size(w->N);
    double *to = w->sums + b * w->blocks * size;

    for (size_t k = 1; k < w->blocks; k++)
        for (size_t j = 0; j < size; j++)
            to[j] += to[k * size + j];
    return sums_at(to, w->N);
}

/* Fills share and the coupled terms of picture b; returns w data_cor + data_indep + consis. */
static double combine(const LossWork *w, const Di4cTerms *terms, size_t b)
{
    CouplingSums s = add_picture_sums(w, b);
    double *share = w->share + b * (w->N + 1) * w->N;
    double data = 0.0, consis = 0.0;

    for (size_t k = 0; k <= w->N; k++) {
        double value = log_mean(s.joint + k, share + k, w->N);
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

/* ---- 3. shares ---- */

static void share_dimension(const LossWork *w, const DimensionRoom *room, size_t b, size_t d)
{
    size_t K = w->N + 1, own = d * diffusion_law_numbers(w->head);
    double data = distill_data_weight(w->options->data_weight, w->in->t[b]) / (double)w->B;
    double consis = 1.0 / ((double)w->N * (double)w->B);

    for (size_t k = 0; k < K; k++)
        room->x[k] = target(w, b, k, d);
    for (size_t i = 0; i < w->N; i++) {
        const double *share = w->share + (b * w->N + i) * K;
        size_t at = (b * w->N + i) * w->outputs;
        HeadLaw law = diffusion_head_constants(w->head, numbers(w, w->in->student_t, b, i), d);
        for (size_t k = 0; k < K; k++)
            room->weight[k] = (float)(-(k == 0 ? data : consis) * share[k]);
        diffusion_law_pull_at(&law, w->dlevel + at + own, room->x, room->weight, K, w->dt + at);
    }
}

static void share_block(size_t piece, void *context)
{
    const LossWork *w = context;
    size_t b = piece / w->blocks, first = piece % w->blocks * w->block;
    size_t end = first + w->block < w->D ? first + w->block : w->D;
    DimensionRoom room = room_make(w);

    for (size_t d = first; d < end; d++)
        if (!known_to_all(w, b, d))
            share_dimension(w, &room, b, d);
}

/* ---- the distillation term ---- */

static void distill_block(size_t piece, void *context)
{
    const LossWork *w = context;
    size_t row = piece / w->blocks, first = piece % w->blocks * w->block, at = row * w->outputs;
    size_t end = first + w->block < w->D ? first + w->block : w->D;

    w->distill[piece] = distill_dimensions(
        w->head, states_row(&w->in->xtm, row), w->in->teacher_tm + at, w->in->student_tm + at,
        first, end, 1.0 / ((double)w->B * (double)w->M), w->dtm != NULL ? w->dtm + at : NULL);
}

static double distill_of(const LossWork *w, const Di4cTerms *terms, size_t b)
{
    const double *parts = w->distill + b * w->M * w->blocks;
    double total = 0.0;

    for (size_t j = 0; j < w->M * w->blocks; j++)
        total += parts[j];
    total /= (double)w->M;
    if (terms != NULL && terms->distill != NULL)
        terms->distill[b] = total;
    return total;
}

/* ---- all together ---- */

static void check_loss_states(const char *name, const States *x, size_t batch, size_t dims)
{
    TENSOR_CHECK(x->batch == batch && x->dims == dims, "%s is (%zu, %zu), expected (%zu, %zu)",
                 name, x->batch, x->dims, batch, dims);
}

static void check_loss_input(const Head *head, const Di4cInput *in)
{
    size_t rows = in->images * in->lambdas;

    TENSOR_CHECK(in->images >= 1 && in->lambdas >= 1, "%zu pictures with %zu lambdas", in->images,
                 in->lambdas);
    check_loss_states("x_0", &in->x0, in->images, head->dims);
    check_loss_states("x_t", &in->xt, in->images, head->dims);
    check_loss_states("x_u", &in->xu, rows, head->dims);
    check_loss_states("x_0 drawn at u", &in->x0u, rows, head->dims);
    TENSOR_CHECK(in->xtm.batch >= in->images && in->xtm.batch % in->images == 0,
                 "x_tm has %zu rows, expected a multiple of %zu pictures", in->xtm.batch,
                 in->images);
    check_loss_states("x_tm", &in->xtm, in->xtm.batch, head->dims);
}

double distill_losses(const Di4cOptions *options, const Head *head, const Di4cInput *in,
                      const Di4cTerms *terms, float *dstudent_t, float *dstudent_tm)
{
    double loss = 0.0;

    check_loss_input(head, in);
    size_t block = cut_blocks(head->dims, PIECES);
    LossWork w = {.options = options,
                  .head = head,
                  .in = in,
                  .B = in->images,
                  .N = in->lambdas,
                  .M = in->xtm.batch / in->images,
                  .D = head->dims,
                  .S = head->states,
                  .outputs = diffusion_head_outputs(head),
                  .block = block > BLOCK ? block : BLOCK,
                  .dt = dstudent_t,
                  .dtm = dstudent_tm};
    w.blocks = cut_blocks(w.D, w.block);
    w.sums = mem_zeroed(w.B * w.blocks, sums_size(w.N) * sizeof *w.sums);
    w.distill = mem_zeroed(w.B * w.M * w.blocks, sizeof *w.distill);
    w.share = mem_zeroed(w.B * (w.N + 1) * w.N, sizeof *w.share);
    w.dlevel = mem_alloc(dstudent_t != NULL ? w.B * w.N * w.outputs : 0, sizeof *w.dlevel);
    threads_for(w.B * w.blocks, couple_block, &w);
    cut_run(w.B * w.M * w.blocks, distill_block, &w, w.B * w.M * w.D * w.S < CUT_SERIAL_DRAWS);
    for (size_t b = 0; b < w.B; b++)
        loss += combine(&w, terms, b) + distill_of(&w, terms, b);
    if (dstudent_t != NULL)
        cut_run(w.B * w.blocks, share_block, &w, w.B * w.N * w.D * w.S < CUT_SERIAL_DRAWS);
    mem_free(w.sums);
    mem_free(w.distill);
    mem_free(w.share);
    mem_free(w.dlevel);
    return loss / (double)w.B;
}
