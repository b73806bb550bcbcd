/* Sums for the Inception Score. */
#include "experiments/metrics/features/inception_score.h"

#include <math.h>
#include <string.h>

#include "tensor/base/check.h"
#include "tensor/base/larger.h"
#include "tensor/base/memory.h"

ScoreSums score_create(size_t classes, size_t total)
{
    TENSOR_CHECK(total >= SCORE_SPLITS, "%zu pictures in %d parts", total, SCORE_SPLITS);
    ScoreSums s = {.classes = classes, .total = total};
    s.p = mem_zeroed(SCORE_SPLITS, classes * sizeof *s.p);
    return s;
}

void score_free(ScoreSums *s)
{
    mem_free(s->p);
    memset(s, 0, sizeof *s);
}

/* First picture of a part. */
static size_t start_of(const ScoreSums *s, size_t part)
{
    return part * s->total / SCORE_SPLITS;
}

static void add_picture(ScoreSums *s, size_t part, const float *logits)
{
    double largest = -INFINITY, sum = 0.0;
    for (size_t c = 0; c < s->classes; c++)
        largest = larger_of(largest, (double)logits[c]);
    for (size_t c = 0; c < s->classes; c++)
        sum += exp((double)logits[c] - largest);
    const double log_sum = largest + log(sum);
    for (size_t c = 0; c < s->classes; c++) {
        const double log_p = (double)logits[c] - log_sum, p = exp(log_p);
        s->p[part * s->classes + c] += p;
        s->entropy[part] += p > 0.0 ? p * log_p : 0.0;
    }
}

void score_add(ScoreSums *s, const float *logits, size_t count)
{
    TENSOR_CHECK(count <= s->total - s->seen, "%zu more pictures after %zu of %zu", count, s->seen,
                 s->total);
    size_t part = 0;
    for (size_t i = 0; i < count; i++, s->seen++) {
        while (start_of(s, part + 1) <= s->seen)
            part++;
        add_picture(s, part, logits + i * s->classes);
    }
}

void score_result(const ScoreSums *s, double *mean, double *deviation)
{
    double score[SCORE_SPLITS], squares = 0.0;
    TENSOR_CHECK(s->seen == s->total, "%zu of %zu pictures", s->seen, s->total);
    *mean = 0.0;
    for (size_t i = 0; i < SCORE_SPLITS; i++) {
        const double n = (double)(start_of(s, i + 1) - start_of(s, i));
        double kl = s->entropy[i] / n;
        for (size_t c = 0; c < s->classes; c++) {
            const double m = s->p[i * s->classes + c] / n;
            kl -= m > 0.0 ? m * log(m) : 0.0;
        }
        score[i] = exp(kl);
        *mean += score[i] / SCORE_SPLITS;
    }
    for (size_t i = 0; i < SCORE_SPLITS; i++)
        squares += (score[i] - *mean) * (score[i] - *mean);
    *deviation = sqrt(squares / SCORE_SPLITS);
}
