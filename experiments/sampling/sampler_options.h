/* The options by which `sample`, `watch` and `eval` choose a sampler, its settings, its times, its
 * lambdas and which of a model's weights it runs with. */
#ifndef DI4C_EXPERIMENTS_SAMPLING_SAMPLER_OPTIONS_H
#define DI4C_EXPERIMENTS_SAMPLING_SAMPLER_OPTIONS_H

#include <stdio.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/cli/options.h"
#include "nn/checkpoint.h"

typedef struct SamplerChoice {
    /* from the command line; NULL or empty: not given */
    const char *name;       /* --sampler */
    const char *grid;       /* --grid: uniform, authors, process or times */
    TextList set;           /* --sampler-set KEY=VALUE */
    const char *lambda;     /* --lambda: step or sample */
    bool as_code, as_paper; /* --as-code (default), --as-paper: distill/README.md has the table */
    bool raw;               /* --raw: weights without averaging */
    bool stratified;        /* --stratified-lambda */
    Sharpening sharpening;  /* --temperature, --top-p */
    /* from sampler_choice_resolve */
    const SamplerClass *sampler; /* NULL: the model's */
    SamplerSettings settings;
    LambdaScope lambda_scope; /* LAMBDA_SCOPE_DEFAULT: the model's */
    TimeGrid kind;
    double *times; /* a grid given as times (mem_free); else NULL */
    size_t time_count;
} SamplerChoice;

/* Appends the rows of these options to a command's; c, with what is parsed into it, comes as zeros.
 */
void sampler_choice_options(SamplerChoice *c, OptionTable *table);
/* eps of the published code, or the paper's 0. */
double sampler_choice_eps(const SamplerChoice *c);
/* Makes sense of the names; --sampler-set goes before --as-code and --as-paper.  False and a
 * sentence (usage) if there is no such sampler, setting or grid, a value is out of range, times do
 * not fall or leave (0, 1], or the sampler has times of its own and a grid is given. */
bool sampler_choice_resolve(SamplerChoice *c, Error *err);
void sampler_choice_free(SamplerChoice *c);
/* The number of steps: `steps` if at least 1, else (not given) the number of times, or `standard`.
 * False and a sentence if the sampler or the times decide otherwise, or the grid needs more. */
bool sampler_choice_steps(const SamplerChoice *c, int64_t steps, int64_t standard, size_t *out,
                          Error *err);
bool sampler_choice_own(const SamplerChoice *c); /* the sampler has times of its own */
/* False and a sentence if some steps are to be a teacher's and the sampler has no grid to share. */
bool sampler_choice_teacher_steps(const SamplerChoice *c, int64_t teacher_steps, Error *err);
WeightChoice sampler_choice_weights(const SamplerChoice *c);
/* Of the sampler that draws from d. */
const char *sampler_choice_name(const SamplerChoice *c, const Denoiser *d);
/* The fields of the request that the choice decides, steps apart. */
void sampler_choice_apply(const SamplerChoice *c, SampleRequest *request);
/* "step" or "sample": how long the samples of d keep a lambda; "none" for a product model. */
const char *sampler_choice_lambda(const SamplerChoice *c, const Denoiser *d);
/* Lines on stderr: if that is not what the model of `path` was trained for; and if it has a sampler
 * of its own, which draws. */
void sampler_choice_note(const SamplerChoice *c, const Denoiser *d, const char *path);
/* True if the arguments hold "--sampler list": then all samplers and settings are printed. */
bool sampler_choice_list(FILE *out, int argc, char **argv);

#endif
