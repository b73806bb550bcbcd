/* Cases `process`: rates and transition matrices, all double. */
#include "diffusion/process/transition.h"
#include "experiments/verify/verify.h"

static void compare_rates(VerifyCase *c, const Process *p)
{
    const size_t S = p->states, n = verify_axis(c, "times", 0), m = verify_axis(c, "rows", 0);
    const double *times = verify_range(c, "times", n, 0, 1), *vec = verify_doubles(c, "vec", S);
    const size_t *rows = verify_indices(c, "rows", m, S);
    double *integral = verify_results(c, "beta", n), *rate = verify_results(c, "dbeta", n);
    double *base = verify_results(c, "base_rows", m * S);
    double *product = verify_results(c, "base_vec", S);
    if (c->broken)
        return;
    for (size_t i = 0; i < n; i++) {
        integral[i] = diffusion_process_integral(p, 0, times[i]);
        rate[i] = diffusion_process_rate(p, times[i]);
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < S; j++)
            base[i * S + j] = diffusion_process_jump(p, rows[i], j);
    for (size_t i = 0; i < S; i++)
        for (size_t j = 0; j < S; j++)
            product[i] += diffusion_process_jump(p, i, j) * vec[j];
    verify_compare(c, "beta", "", integral, n, NULL);
    verify_compare(c, "dbeta", "", rate, n, NULL);
    verify_compare(c, "base_rows", "", base, m * S, NULL);
    verify_compare(c, "base_vec", "", product, S, NULL);
    verify_compare(c, "prior", "", p->prior, S, NULL);
}

/* Chosen rows of P, P v and v P of one matrix. */
static void transition_products(const Transition *tr, const size_t *rows, size_t row_count,
                                const double *vec, double *P_rows, double *P_vec, double *vec_P,
                                double *row)
{
    const size_t S = diffusion_transition_states(tr);
    for (size_t j = 0; j < S; j++)
        P_vec[j] = vec_P[j] = 0;
    for (size_t i = 0; i < S; i++) {
        diffusion_transition_row(tr, i, row);
        for (size_t j = 0; j < S; j++) {
            P_vec[i] += row[j] * vec[j];
            vec_P[j] += vec[i] * row[j];
        }
        for (size_t k = 0; k < row_count; k++)
            for (size_t j = 0; rows[k] == i && j < S; j++)
                P_rows[k * S + j] = row[j];
    }
}

static void compare_transitions(VerifyCase *c, const Process *p, TransitionAccuracy accuracy,
                                const char *note)
{
    const size_t S = p->states, n = verify_axis(c, "pairs", 0), m = verify_axis(c, "rows", 0);
    const double *pairs = verify_pairs(c, n), *vec = verify_doubles(c, "vec", S);
    const size_t *rows = verify_indices(c, "rows", m, S);
    double *P_rows = verify_results(c, "P_rows", n * m * S);
    double *P_vec = verify_results(c, "P_vec", n * S), *vec_P = verify_results(c, "vec_P", n * S);
    double *row = arena_alloc(c->arena, S, sizeof *row);
    if (c->broken)
        return;
    for (size_t i = 0; i < n; i++) {
        Transition *tr = diffusion_transition_create(p, pairs[2 * i], pairs[2 * i + 1], accuracy);
        transition_products(tr, rows, m, vec, P_rows + i * m * S, P_vec + i * S, vec_P + i * S,
                            row);
        diffusion_transition_destroy(tr);
    }
    verify_compare(c, "P_rows", note, P_rows, n * m * S, NULL);
    verify_compare(c, "P_vec", note, P_vec, n * S, NULL);
    verify_compare(c, "vec_P", note, vec_P, n * S, NULL);
}

static void compare_process_case(VerifyCase *c)
{
    Process *p = verify_process_open(c, NULL);
    if (!p)
        return;
    compare_rates(c, p);
    compare_transitions(c, p, TRANSITION_SPECTRAL, "spectral");
    compare_transitions(c, p, TRANSITION_ACCURATE, "accurate");
    diffusion_process_destroy(p);
}

const VerifyKind verify_process_kind = {"process", compare_process_case, false};
