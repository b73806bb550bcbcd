/* t_1 = 1/N and t_n+1 - t_n = 1/N are what the bound looks at, so the training draws its times
 * there: the distillation term from 0.1 to 0.15, steps t - u up to 1/N, and a fifth of the pictures
 * at t = 1, where the student starts. */
#include "experiments/theory/bound_run.h"

#include <math.h>

#include "experiments/exact_denoiser.h"
#include "experiments/theory/bound.h"
#include "experiments/theory/tiny.h"
#include "tensor/memory.h"

enum { BATCH = 8, EVEN_ROWS = 15, MOST_ROWS = 64 };
static const double ROUNDING = 1e-6;

typedef struct World {
    const char *name;
    size_t dims, steps;
} World;

static const World worlds[] = {{"equal-bits", 2, 1500}, {"xor", 3, 2000}};
enum { WORLDS = sizeof worlds / sizeof worlds[0] };

static DistillConfig training_config(void)
{
    DistillConfig c = distill_defaults();

    c.loss.data_weight = DATA_WEIGHT_ONE;
    c.lambdas = 32;
    c.distil_lambdas = 2;
    c.t_min = 0.1;
    c.tm_width = 0.05;
    c.delta_min = 0.02;
    c.delta_max = 1.0 / BOUND_CALLS;
    c.share_at_one = 0.2;
    c.eps = 0.0;
    c.stratified_lambda = true;
    return c;
}

static Process *create_process(const FiniteLaw *law)
{
    ProcessConfig c = diff_process_defaults(PROCESS_ABSORBING, law->states + 1);

    c.eps = 0.0;
    return diff_process_create(&c, NULL);
}

/* The data as a law over clean points, numbered as bound.h says. */
static void fill_data(const FiniteLaw *law, double *data, size_t points)
{
    for (size_t y = 0; y < points; y++)
        data[y] = 0.0;
    for (size_t k = 0; k < law->count; k++) {
        size_t y = 0;
        for (size_t d = law->dims; d-- > 0;)
            y = y * law->states + law->patterns[k * law->dims + d];
        data[y] += law->probability[k];
    }
}

static void add_row(BoundRun *run, const World *world, const BoundChain *chain, const TinyModel *m,
                    const double *data)
{
    BoundRow *row = &run->rows[run->count++];
    size_t points = bound_clean_points(chain);
    double *law = mem_alloc(points, sizeof *law);

    row->world = world->name;
    row->step = (size_t)m->optimizer->steps;
    row->lhs = bound_measure(chain, &m->denoiser, BOUND_LAMBDAS, row->terms);
    row->rhs = 0.0;
    for (size_t n = 0; n < BOUND_CALLS; n++)
        row->rhs += row->terms[n];
    bound_student_law(chain, &m->denoiser, BOUND_LAMBDAS, law);
    row->student_tv = bound_distance(law, data, points);
    row->teacher_tv = bound_distance(bound_teacher_law(chain), data, points);
    if (!(row->lhs <= row->rhs + ROUNDING))
        run->violations++;
    mem_free(law);
}

/* After 0, 1, 2, 4, ... steps, and EVEN_ROWS times evenly up to the last. */
static bool is_due(size_t step, size_t steps)
{
    size_t every = steps > EVEN_ROWS ? steps / EVEN_ROWS : 1;

    return step == steps || step % every == 0 || (step < every && (step & (step - 1)) == 0);
}

static void run_world(BoundRun *run, const World *world, uint64_t seed, size_t steps)
{
    FiniteLaw *law = tiny_xor(world->dims);
    Process *p = create_process(law);
    Denoiser *teacher = exact_denoiser_create(law, p);
    BoundChain *chain = bound_chain_create(p, teacher, BOUND_CALLS);
    TinyModel *student = tiny_create(law, p, 1, 2e-3, steps, seed);
    const DistillConfig config = training_config();
    States x0 = states_alloc(BATCH, law->dims);
    double *data = mem_alloc(bound_clean_points(chain), sizeof *data);

    fill_data(law, data, bound_clean_points(chain));
    for (size_t step = 0;; step++) {
        if (is_due(step, steps))
            add_row(run, world, chain, student, data);
        if (step == steps)
            break;
        tiny_distil(student, &config, teacher, law, p, &x0);
    }
    mem_free(data);
    states_free(&x0);
    tiny_destroy(student);
    bound_chain_destroy(chain);
    exact_denoiser_destroy(teacher);
    diff_process_destroy(p);
    law_destroy(law);
}

BoundRun *bound_run(uint64_t seed, size_t steps)
{
    BoundRun *run = mem_zeroed(1, sizeof *run);

    run->rows = mem_zeroed(WORLDS * MOST_ROWS, sizeof *run->rows);
    for (size_t w = 0; w < WORLDS; w++)
        run_world(run, &worlds[w], seed, steps > 0 ? steps : worlds[w].steps);
    return run;
}

void bound_run_free(BoundRun *run)
{
    if (run == NULL)
        return;
    mem_free(run->rows);
    mem_free(run);
}
