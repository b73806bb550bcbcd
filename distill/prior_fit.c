/* Rounds of EM over blocks of draws.  A block's sums are made by one thread, and the blocks' sums
 * are added in order. */
#include "distill/prior_fit.h"

#include <math.h>
#include <string.h>

#include "distill/mixture_round.h"
#include "distill/prior_fit_full.h"
#include "tensor/base/check.h"
#include "tensor/base/constants.h"
#include "tensor/base/memory.h"
#include "tensor/system/cut.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"

enum { BLOCK = 512, ROUNDS_MAX = 100 };
static const double ENOUGH = 1e-4; /* nats a round: then it ends */

typedef struct MixtureFit {
    size_t K, L, count, blocks;
    const double *draws;
    double *log_weight, *mean, *precision; /* (K), (K, L), (K, L): of the round; 1/s */
    double *level;                         /* (K): log_weight - sum log s */
    double *share, *first, *second;        /* (blocks, K), (blocks, K, L) twice: sums of a block */
    double *log_density;                   /* (blocks) */
} MixtureFit;

/* joint (K) becomes the posterior of the components; returns log p(z) without (2 pi)^{-L/2}. */
static double component_posterior(const MixtureFit *f, const double *z, double *joint)
{
    for (size_t k = 0; k < f->K; k++) {
        const double *mean = f->mean + k * f->L, *precision = f->precision + k * f->L;
        double squares = 0.0;
        for (size_t i = 0; i < f->L; i++) {
            double off = (z[i] - mean[i]) * precision[i];
            squares += off * off;
        }
        joint[k] = f->level[k] - 0.5 * squares;
    }
    return mixture_posterior(joint, f->K);
}

static void sum_block(size_t block, void *context)
{
    const MixtureFit *f = context;
    size_t K = f->K, L = f->L, first = block * BLOCK;
    size_t end = first + BLOCK < f->count ? first + BLOCK : f->count;
    double *share = f->share + block * K, *sum = f->first + block * K * L;
    double *squares = f->second + block * K * L, total = 0.0;
    double *joint = threads_scratch(SCRATCH_LOSS, K * sizeof *joint);

    memset(share, 0, K * sizeof *share);
    memset(sum, 0, K * L * sizeof *sum);
    memset(squares, 0, K * L * sizeof *squares);
    for (size_t n = first; n < end; n++) {
        const double *z = f->draws + n * L;
        total += component_posterior(f, z, joint);
        for (size_t k = 0; k < K; k++) {
            if (joint[k] <= 0.0)
                continue;
            share[k] += joint[k];
            for (size_t i = 0; i < L; i++) {
                sum[k * L + i] += joint[k] * z[i];
                squares[k * L + i] += joint[k] * z[i] * z[i];
            }
        }
    }
    f->log_density[block] = total;
}

/* The first block's numbers become the sums over all blocks. */
static void add_draw_blocks(const MixtureFit *f, double *sums, size_t count)
{
    for (size_t block = 1; block < f->blocks; block++)
        for (size_t i = 0; i < count; i++)
            sums[i] += sums[block * count + i];
}

static void set_levels(MixtureFit *f)
{
    for (size_t k = 0; k < f->K; k++) {
        f->level[k] = f->log_weight[k];
        for (size_t i = 0; i < f->L; i++)
            f->level[k] += log(f->precision[k * f->L + i]);
    }
}

/* Weights, means and deviations from the sums over all draws. */
static void maximise(MixtureFit *f)
{
    for (size_t k = 0; k < f->K; k++) {
        f->log_weight[k] = mixture_log_weight(f->share[k], f->count, f->K);
        if (f->share[k] < MIXTURE_LEAST_SHARE)
            continue; /* it stays where it is */
        for (size_t i = 0; i < f->L; i++) {
            size_t at = k * f->L + i;
            double mean = f->first[at] / f->share[k];
            double variance = f->second[at] / f->share[k] - mean * mean;
            double least = MIXTURE_LEAST_DEVIATION * MIXTURE_LEAST_DEVIATION;
            f->mean[at] = mean;
            f->precision[at] = 1.0 / sqrt(variance > least ? variance : least);
        }
    }
    set_levels(f);
}

/* Components at draws of a random order, as wide as the draws are together, divided by the number
 * of components along each axis. */
static void begin_fit(MixtureFit *f, Rng rng)
{
    uint32_t *order = mem_alloc(f->count, sizeof *order);

    rng_permutation(&rng, order, f->count);
    for (size_t i = 0; i < f->L; i++) {
        double sum = 0.0, squares = 0.0, n = (double)f->count;
        for (size_t d = 0; d < f->count; d++) {
            sum += f->draws[d * f->L + i];
            squares += f->draws[d * f->L + i] * f->draws[d * f->L + i];
        }
        double variance = squares / n - sum / n * (sum / n);
        double deviation =
            sqrt(variance > 0.0 ? variance : 0.0) * pow((double)f->K, -1.0 / (double)f->L);
        deviation = deviation > MIXTURE_LEAST_DEVIATION ? deviation : MIXTURE_LEAST_DEVIATION;
        for (size_t k = 0; k < f->K; k++) {
            f->mean[k * f->L + i] = f->draws[order[k % f->count] * f->L + i];
            f->precision[k * f->L + i] = 1.0 / deviation;
        }
    }
    for (size_t k = 0; k < f->K; k++)
        f->log_weight[k] = -log((double)f->K);
    set_levels(f);
    mem_free(order);
}

static void write_prior(const MixtureFit *f, const LambdaPrior *prior)
{
    for (size_t k = 0; k < f->K; k++)
        prior->log_weight->value.data[k] = (float)f->log_weight[k];
    for (size_t i = 0; i < f->K * f->L; i++) {
        prior->mean->value.data[i] = (float)f->mean[i];
        prior->log_deviation->value.data[i] = (float)-log(f->precision[i]);
    }
}

double prior_fit(const LambdaPrior *prior, const double *draws, size_t count, Rng rng)
{
    size_t K = prior->components, L = prior->lambda_dims, blocks = cut_blocks(count, BLOCK);
    double *room = mem_alloc(2 * K + 2 * K * L + blocks * (K + 2 * K * L + 1), sizeof *room);
    MixtureFit f = {.K = K, .L = L, .count = count, .blocks = blocks, .draws = draws};
    double before = -HUGE_VAL, now = 0.0;

    TENSOR_CHECK(count >= 1 && count <= UINT32_MAX, "a prior of %zu draws", count);
    f.log_weight = room;
    f.level = f.log_weight + K;
    f.mean = f.level + K;
    f.precision = f.mean + K * L;
    f.share = f.precision + K * L;
    f.first = f.share + blocks * K;
    f.second = f.first + blocks * K * L;
    f.log_density = f.second + blocks * K * L;
    begin_fit(&f, rng);
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        if (platform_signal() != 0) {
            mem_free(room);
            return (double)NAN;
        }
        threads_for(blocks, sum_block, &f);
        add_draw_blocks(&f, f.share, K);
        add_draw_blocks(&f, f.first, K * L);
        add_draw_blocks(&f, f.second, K * L);
        add_draw_blocks(&f, f.log_density, 1);
        now = f.log_density[0] / (double)count;
        if (now - before < ENOUGH || round + 1 == ROUNDS_MAX)
            break;
        before = now;
        maximise(&f);
    }
    now -= (double)L * HALF_LOG_2PI;
    if (prior->lower == NULL) {
        write_prior(&f, prior);
    } else {
        const PriorStart start = {f.log_weight, f.mean, f.precision};
        now = prior_fit_full(prior, draws, count, &start);
    }
    mem_free(room);
    return now;
}
