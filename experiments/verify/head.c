/* Cases `logistic_head`: log-probabilities of the truncated logistic. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/head/batch.h"
#include "experiments/verify/verify.h"

/* The array shows states 0, n, 2n ...: n as the shape has it, or, where several n give that shape,
 * as the array's note says ("states 0,5,10,..."). */
static size_t stride_of(VerifyCase *c, const char *role, size_t S, size_t shown)
{
    const Json *name = json_get(json_get(c->json, "arrays"), role);
    const Json *note = json_get(json_get(json_get(c->manifest, "arrays"), name->string), "note");
    const char *said = note && note->type == JSON_STRING ? strstr(note->string, "states 0,") : NULL;
    size_t n = said ? (size_t)strtoul(said + strlen("states 0,"), NULL, 10) : 0;
    if (n == 0 || n > S || (S - 1) / n + 1 != shown)
        for (n = 1; n < S && (S - 1) / n + 1 > shown;)
            n++;
    if ((S - 1) / n + 1 != shown)
        verify_break(c, "array \"%s\": expected every n-th of %zu states", role, S);
    return n;
}

/* Log-probabilities, (pictures * C*H*W, states shown) in the file's order. */
static void compare_head(VerifyCase *c, const char *role, Head head, const float *out, size_t batch)
{
    const size_t shown = verify_axis(c, role, 1), S = head.states, C = head.channels;
    const size_t pixels = head.dims / C, n = batch * head.dims;
    float *logp = arena_alloc(c->arena, S, sizeof *logp);
    double *got = verify_results(c, role, n * shown);
    if (c->broken)
        return;
    const size_t stride = stride_of(c, role, S, shown);
    for (size_t i = 0; !c->broken && i < n; i++) {
        const size_t b = i / head.dims, k = i / pixels % C, pixel = i % pixels;
        diffusion_head_row(&head, out + b * diffusion_head_outputs(&head), NULL, pixel * C + k,
                           logp);
        for (size_t j = 0; j < shown; j++)
            got[i * shown + j] = (double)logp[j * stride];
    }
    verify_compare(c, role, "", got, n * shown, NULL);
}

static void compare_head_case(VerifyCase *c)
{
    const size_t batch = verify_axis(c, "out", 0), outputs = verify_axis(c, "out", 1);
    const size_t h = verify_axis(c, "out", 2), w = verify_axis(c, "out", 3), channels = outputs / 2;
    Head head = {
        .class = &diffusion_logistic, .dims = channels * h * w, .channels = channels, .mask = -1};
    head.states = verify_whole(c, "S", 2, UINT16_MAX);
    if (channels == 0 || outputs % 2 != 0)
        verify_break(c, "array \"out\": expected two numbers for each channel");
    const float *out = verify_floats(c, "out", batch, (Layout){outputs, h, w});
    if (c->broken)
        return;
    compare_head(c, "logp", head, out, batch);
    head.fix = true;
    compare_head(c, "logp_fix", head, out, batch);
}

const VerifyKind verify_head_kind = {"logistic_head", compare_head_case, false};
