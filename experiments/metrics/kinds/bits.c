/* Pictures and standard errors of the metrics in bits. */
#include "experiments/metrics/kinds/bits.h"

#include <math.h>
#include <string.h>

#include "experiments/data/batches.h"
#include "tensor/base/text.h"

enum { BOUND_DATA = 0xE1B1 }; /* a random stream */

static void draw_bits(const FiniteLaw *law, uint64_t seed, States *x0)
{
    Rng rng = rng_child(rng_root(seed), BOUND_DATA);
    for (size_t b = 0; b < x0->batch; b++)
        memcpy(states_row(x0, b), law->patterns + law_draw(law, &rng) * law->dims,
               law->dims * sizeof *x0->x);
}

BitsPictures bits_pictures(const MetricSetting *setting)
{
    const Dataset *data = setting->test ? setting->test : setting->train;
    const FiniteLaw *law = setting->train->law;
    const size_t most = law ? setting->count : data->count;
    BitsPictures p = {states_alloc(setting->count < most ? setting->count : most, data->dims),
                      law             ? "drawn"
                      : setting->test ? "test"
                                      : "training",
                      data->text ? "sequences" : "pictures"};
    if (law)
        draw_bits(law, setting->sampling.seed, &p.x0);
    else
        dataset_rows(data, 0, &p.x0, NULL);
    return p;
}

void bits_pictures_free(BitsPictures *p)
{
    states_free(&p->x0);
}

const char *bits_error_text(double error, char out[BITS_TEXT])
{
    if (isfinite(error))
        text_format(out, BITS_TEXT, "%.5f", error);
    else
        strcpy(out, "unknown");
    return out;
}
