/* The continuous-time ELBO of [tauLDR] as a function of head numbers, with its gradient.
 *
 * With Q = P[0->t], R the rates at t, x = x~^d and 1/Q meaning 1/(Q + eps):
 *   reg = sum_d sum_a p^d(a) in[x][a],       in[x][a] = sum_{v != x} R[v][x] Q[a][v] / Q[a][x]
 *   sig = sum_d sum_v c_v log(inner_v + eps), inner_v = sum_a y_a Q[a][v],  y_a = p^d(a)/Q[a][x],
 *                                             c_v = R[v][x] Q[x0][v]/Q[x0][x]   (v != x)
 *   norm = sum_d sum_v c_v / Z_{d,v},  Z the total exit rate of x~ with x~^d replaced by v.
 * norm does not depend on the network, so one pass over the dimensions gives it and a second one
 * the loss and the gradient (L = mean over pictures of reg - sig/norm):
 *   dL/dlog p(a) = p(a) in[x][a]/B - y_a sum_v c_v/(norm B (inner_v + eps)) Q[a][v].
 * Only differences between the a count, since a change of all log p(a) alike changes no p.  Towards
 * t = 1 they are small beside the terms (Q forgets a), so in is kept as the excess over its least
 * value, and where the rows of Q are flat, Q[a][v]/Q[a][x] as the excess over 1:
 *   inner_v = 1 + sum_a y_a (Q[a][v] - Q[a][x] - eps), since sum_a p^d(a) = 1.
 * in, 1/Q and Q^T depend on t alone: S^2 numbers for each picture, which its D dimensions share.
 * Pictures are spread over the threads. */
#include <math.h>

#include "diffusion/head/law.h"
#include "diffusion/process/transition.h"
#include "diffusion/teacher.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/order.h"
#include "tensor/system/threads.h"

/* Values v whose c_v is below this share of the largest one are left out: together they are less
 * than 1e-9 of sig, two digits below float32.  Most values are, where noise moves by few states. */
static const double NEGLIGIBLE = 1e-15;

/* Entries from here on are good to float32 in the spectral form (about 1e-15 absolute). */
static const double SMALL = 1e-8;

/* Rows of Q are flat if no entry is less than this share of the row's largest. */
static const double FLAT = 0.125;

typedef struct CtElbo {
    const TeacherConfig *config;
    const Head *head;
    const Process *p;
    const double *t;
    const States *x0, *xtilde, *xt;
    const float *out, *out_t;
    double *reg, *sig, *ce; /* (B) */
    float *dout, *dout_t;
    size_t B, D, S, outputs;
} CtElbo;

/* What the dimensions of one picture share, and room for one of them. */
typedef struct ElboTables {
    double *q, *rate;                 /* Q (S, S); rate[x][v] = R_t[v][x], 0 for v = x */
    double *flow, *leave;             /* Q R beta (S, S); exit rates (S) */
    float *inflow, *inverse, *column; /* in[x][a] - least[x]; 1/(Q[a][x] + eps); column[v][a] =
                                         Q[a][v], if flat without its row's least entry */
    double *least, *c;                /* (S) */
    bool flat;
    float *prob, *y, *g, *sum; /* (S); dL/dlog p(a) = p(a) g(a), apart from the cross entropy */
} ElboTables;

static ElboTables tables_make(size_t S)
{
    size_t square = S * S, doubles = 3 * square + 3 * S, floats = 3 * square + 4 * S;
    double *room = threads_scratch(SCRATCH_LOSS, doubles * sizeof *room + floats * sizeof(float));
    float *rest = (float *)(room + doubles), *rows = rest + 3 * square;

    return (ElboTables){.q = room,
                        .rate = room + square,
                        .flow = room + 2 * square,
                        .leave = room + 3 * square,
                        .least = room + 3 * square + S,
                        .c = room + 3 * square + 2 * S,
                        .inflow = rest,
                        .inverse = rest + square,
                        .column = rest + 2 * square,
                        .prob = rows,
                        .y = rows + S,
                        .g = rows + 2 * S,
                        .sum = rows + 3 * S};
}

/* Q for one time.  Where all mass of p^d lies far from x, inner_v is a quotient of tiny entries of
 * Q and eps, inside a logarithm: noise of 1e-16 in an entry of 1e-20 moves the loss by percents, so
 * the fast form is kept only if no entry is that small. */
static void fill_q(double *q, Transition *tr, double t, size_t S)
{
    double least = 1.0;

    for (size_t a = 0; a < S; a++) {
        diffusion_transition_row(tr, a, q + a * S);
        for (size_t v = 0; v < S; v++)
            least = q[a * S + v] < least ? q[a * S + v] : least;
    }
    if (least >= SMALL || diffusion_transition_dense(tr) == NULL)
        return;
    diffusion_transition_set(tr, 0.0, t, TRANSITION_ACCURATE);
    for (size_t a = 0; a < S; a++)
        diffusion_transition_row(tr, a, q + a * S);
}

static double least_of(const double *x, size_t n)
{
    double least = x[0];

    for (size_t i = 1; i < n; i++)
        least = x[i] < least ? x[i] : least;
    return least;
}

static bool is_flat(const double *q, size_t S)
{
    for (size_t a = 0; a < S; a++) {
        double least = least_of(q + a * S, S);
        for (size_t v = 0; v < S; v++)
            if (!(least >= FLAT * q[a * S + v]))
                return false;
    }
    return true;
}

/* least[x] and inflow, in double until the least value is taken off. */
static void fill_inflow(const ElboTables *T, double beta, size_t S, double eps)
{
    double *in = T->c; /* room that is free here */

    for (size_t x = 0; x < S; x++) {
        for (size_t a = 0; a < S; a++) {
            double q = T->q[a * S + x], flow = beta * T->flow[a * S + x] + T->leave[x] * q;
            in[a] = flow > 0.0 ? flow / (q + eps) : 0.0;
        }
        T->least[x] = least_of(in, S);
        for (size_t a = 0; a < S; a++)
            T->inflow[x * S + a] = (float)(in[a] - T->least[x]);
    }
}

static void fill_tables(ElboTables *T, const Process *p, double t, double eps)
{
    size_t S = p->states;
    double beta = diffusion_process_rate(p, t);
    Transition *tr = diffusion_transition_create(p, 0.0, t, TRANSITION_SPECTRAL);

    fill_q(T->q, tr, t, S);
    diffusion_transition_flow(tr, T->flow);
    for (size_t a = 0; a < S; a++)
        T->leave[a] = beta * p->exits[a];
    diffusion_transition_destroy(tr);
    fill_inflow(T, beta, S, eps);
    T->flat = is_flat(T->q, S);
    for (size_t a = 0; a < S; a++) {
        double least = T->flat ? least_of(T->q + a * S, S) : 0.0;
        for (size_t x = 0; x < S; x++) {
            double q = T->q[a * S + x];
            T->rate[x * S + a] = a == x ? 0.0 : beta * diffusion_process_jump(p, a, x);
            T->inverse[x * S + a] = (float)(1.0 / (q + eps));
            T->column[x * S + a] = (float)(q - least);
        }
    }
}

/* c_v for one dimension, also in T->c; returns sum_v c_v/Z_v where the other dimensions leave with
 * rate `others`. */
static double fill_weights(const ElboTables *T, size_t S, double eps, size_t x0, size_t x,
                           double others)
{
    const double *from = T->q + x0 * S, *rate = T->rate + x * S;
    double scale = 1.0 / (from[x] + eps), norm = 0.0;

    for (size_t v = 0; v < S; v++) {
        double c = rate[v] * from[v] * scale;
        T->c[v] = c;
        if (c > 0.0)
            norm += c / (others + T->leave[v]);
    }
    return norm;
}

static double total_norm(const CtElbo *e, const ElboTables *T, const uint16_t *x0,
                         const uint16_t *x)
{
    double all = 0.0, norm = 0.0;

    for (size_t d = 0; d < e->D; d++)
        all += T->leave[x[d]];
    for (size_t d = 0; d < e->D; d++)
        norm += fill_weights(T, e->S, e->config->eps, x0[d], x[d], all - T->leave[x[d]]);
    return norm;
}

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0.0f;

#pragma omp simd SUM_ORDER reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* sum_v c_v log(inner_v + eps), and g += its gradient times `scale`; c as left by
 * fill_weights. */
static double add_sig(const CtElbo *e, const ElboTables *T, size_t x, double scale)
{
    size_t S = e->S;
    double top = 0.0, total = 0.0, eps = e->config->eps, rest = 0.0, pulls = 0.0;
    const float *inverse = T->inverse + x * S, *own = T->column + x * S;
    float *y = T->y, *sum = T->sum, *g = T->g;

    for (size_t v = 0; v < S; v++)
        top = T->c[v] > top ? T->c[v] : top;
    for (size_t a = 0; a < S; a++) {
        y[a] = T->prob[a] * inverse[a];
        sum[a] = 0.0f;
        rest += (double)y[a] * ((double)own[a] + eps);
    }
    rest = T->flat ? 1.0 - rest : 0.0;
    for (size_t v = 0; v < S; v++) {
        if (T->c[v] <= NEGLIGIBLE * top)
            continue;
        const float *column = T->column + v * S;
        double inner = rest + (double)dot(y, column, S) + eps;
        float pull = (float)(scale * T->c[v] / inner);
        total += T->c[v] * log(inner);
        pulls += (double)pull;
#pragma omp simd
        for (size_t a = 0; a < S; a++)
            sum[a] += pull * column[a];
    }
    const float each = T->flat ? (float)pulls : 0.0f, small = (float)eps;
#pragma omp simd
    for (size_t a = 0; a < S; a++)
        g[a] += inverse[a] * (sum[a] - each * (own[a] + small));
    return total;
}

/* reg of one dimension, and g += its gradient over B; the least value counts once, in reg. */
static double add_reg(const CtElbo *e, const ElboTables *T, size_t x)
{
    const float *inflow = T->inflow + x * e->S, *prob = T->prob;
    float scale = (float)(1.0 / (double)e->B), *g = T->g;
    double total = T->least[x];

#pragma omp simd SUM_ORDER reduction(+ : total)
    for (size_t a = 0; a < e->S; a++) {
        total += (double)(prob[a] * inflow[a]);
        g[a] += scale * inflow[a];
    }
    return total;
}

static HeadLaw open_law(const CtElbo *e, const ElboTables *T, const float *out, size_t d)
{
    for (size_t a = 0; a < e->S; a++)
        T->g[a] = 0.0f;
    return diffusion_head_law(e->head, out, d, T->prob);
}

/* reg and cross entropy of one dimension at the states x. */
static void add_plain(const CtElbo *e, const ElboTables *T, const HeadLaw *law, size_t b,
                      uint16_t x0, size_t x)
{
    float logp;

    e->reg[b] += add_reg(e, T, x);
    diffusion_law_log_at(law, &x0, 1, &logp);
    e->ce[b] -= (double)logp;
}

/* The gradient of one dimension: what is in g, and the cross entropy if it was added. */
static void push_gradient(const CtElbo *e, const ElboTables *T, const HeadLaw *law, bool plain,
                          uint16_t x0, float *dout)
{
    float weight = (float)(-e->config->nll_weight / ((double)e->B * (double)e->D));

    if (dout == NULL)
        return;
    diffusion_law_pull(law, T->g, dout, T->y);
    if (plain)
        diffusion_law_pull_at(law, T->y, &x0, &weight, 1, dout);
}

static void elbo_picture(size_t b, void *context)
{
    const CtElbo *e = context;
    size_t at = b * e->outputs;
    const uint16_t *x0 = states_row(e->x0, b), *x = states_row(e->xtilde, b);
    ElboTables T = tables_make(e->S);

    fill_tables(&T, e->p, e->t[b], e->config->eps);
    double norm = total_norm(e, &T, x0, x), scale = norm > 0.0 ? -1.0 / norm : 0.0;
    for (size_t d = 0; d < e->D; d++) {
        HeadLaw law = open_law(e, &T, e->out + at, d);
        fill_weights(&T, e->S, e->config->eps, x0[d], x[d], 0.0);
        e->sig[b] += scale * add_sig(e, &T, x[d], scale / (double)e->B);
        if (e->xt == NULL)
            add_plain(e, &T, &law, b, x0[d], x[d]);
        push_gradient(e, &T, &law, e->xt == NULL, x0[d], e->dout != NULL ? e->dout + at : NULL);
    }
    for (size_t d = 0; e->xt != NULL && d < e->D; d++) {
        HeadLaw law = open_law(e, &T, e->out_t + at, d);
        add_plain(e, &T, &law, b, x0[d], states_row(e->xt, b)[d]);
        push_gradient(e, &T, &law, true, x0[d], e->dout_t != NULL ? e->dout_t + at : NULL);
    }
}

static void check_elbo_states(const CtElbo *e, const char *name, const States *x)
{
    TENSOR_CHECK(x->batch == e->B && x->dims == e->D, "%s is (%zu, %zu), expected (%zu, %zu)", name,
                 x->batch, x->dims, e->B, e->D);
    for (size_t i = 0; i < e->B * e->D; i++)
        TENSOR_CHECK(x->x[i] < e->S, "%s: state %u of %zu", name, (unsigned)x->x[i], e->S);
}

static void check_elbo(const CtElbo *e)
{
    TENSOR_CHECK(e->p->mask < 0 && e->head->mask < 0,
                 "CT-ELBO with mask %d: absorbing noise uses the weighted cross entropy",
                 e->p->mask);
    TENSOR_CHECK(e->S == e->p->states, "head of %zu states, process of %zu", e->S, e->p->states);
    TENSOR_CHECK(e->config->eps >= 1e-30, "eps = %g, at least 1e-30", e->config->eps);
    TENSOR_CHECK((e->xt != NULL) == (e->out_t != NULL), "x_t %s, its outputs %s",
                 e->xt != NULL ? "given" : "NULL", e->out_t != NULL ? "given" : "NULL");
    TENSOR_CHECK(e->B >= 1, "%zu pictures", e->B);
    check_elbo_states(e, "x_0", e->x0);
    check_elbo_states(e, "x~", e->xtilde);
    if (e->xt != NULL)
        check_elbo_states(e, "x_t", e->xt);
}

double diffusion_ct_elbo(const TeacherConfig *config, const Head *head, const Process *p,
                         const double *t, const States *x0, const States *xtilde, const float *out,
                         const States *xt, const float *out_t, double *reg, double *sig, double *ce,
                         float *dout, float *dout_t)
{
    size_t B = x0->batch;
    double *parts = mem_zeroed(3 * B, sizeof *parts), loss = 0.0, entropy = 0.0;
    CtElbo e = {.config = config,
                .head = head,
                .p = p,
                .t = t,
                .x0 = x0,
                .xtilde = xtilde,
                .xt = xt,
                .out = out,
                .out_t = out_t,
                .reg = parts,
                .sig = parts + B,
                .ce = parts + 2 * B,
                .dout = dout,
                .dout_t = dout_t,
                .B = B,
                .D = head->dims,
                .S = head->states,
                .outputs = diffusion_head_outputs(head)};

    check_elbo(&e);
    threads_for(B, elbo_picture, &e);
    for (size_t b = 0; b < B; b++) {
        loss += e.reg[b] + e.sig[b];
        entropy += e.ce[b];
        if (reg != NULL)
            reg[b] = e.reg[b];
        if (sig != NULL)
            sig[b] = e.sig[b];
    }
    entropy /= (double)B * (double)e.D;
    if (ce != NULL)
        *ce = entropy;
    mem_free(parts);
    return loss / (double)B + config->nll_weight * entropy;
}
