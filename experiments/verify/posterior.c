/* Cases `posterior`: laws of x_s given x_t and x_0, or given p(x_0), all double. */
#include "diffusion/posterior.h"

#include <math.h>

#include "experiments/verify/verify.h"

/* All posteriors of the case with one eps; mix is skipped where the case has none. */
static void compare_posteriors(VerifyCase *c, const Process *p, double eps, const char *role,
                               const char *mix_role)
{
    const size_t S = p->states, n = verify_axis(c, "pairs", 0), m = verify_axis(c, "xt", 1);
    const double *pairs = verify_pairs(c, n);
    const double *p0 = verify_range(c, "p0", n * m * S, 0, 1);
    const size_t *xt = verify_indices(c, "xt", n * m, S), *x0 = verify_indices(c, "x0", n * m, S);
    double *post = verify_results(c, role, n * m * S);
    const size_t p0_states = p->mask >= 0 ? S - 1 : S;
    if (c->broken)
        return;
    double *mix = arena_alloc(c->arena, n * m * S, sizeof *mix); /* as many as p0 has */
    for (size_t i = 0; i < n; i++) {
        PosteriorStep *step = diffusion_posterior_create(p, pairs[2 * i], pairs[2 * i + 1], eps);
        for (size_t k = i * m; k < (i + 1) * m; k++) {
            diffusion_posterior(step, xt[k], x0[k], post + k * S);
            diffusion_posterior_mix(step, xt[k], p0 + k * S, p0_states, mix + k * S);
        }
        diffusion_posterior_destroy(step);
    }
    verify_compare(c, role, "", post, n * m * S, NULL);
    if (verify_has(c, mix_role))
        verify_compare(c, mix_role, "", mix, n * m * S, NULL);
}

static void compare_posterior_case(VerifyCase *c)
{
    const double eps = verify_number(c, "eps", 0, NAN);
    Process *p = verify_process_open(c, NULL);
    if (!p)
        return;
    if (!c->broken)
        compare_posteriors(c, p, 0, "post", "mix");
    if (!c->broken)
        compare_posteriors(c, p, eps, "post_eps", "mix_eps");
    diffusion_process_destroy(p);
}

const VerifyKind verify_posterior_kind = {"posterior", compare_posterior_case, false};
