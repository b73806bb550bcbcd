/* The options of samplers, and what they say. */
#include "experiments/sampling/sampler_options.h"

#include <stdlib.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"

void sampler_choice_options(SamplerChoice *c, OptionTable *table)
{
    const Option rows[] = {
        {"--sampler", OPTION_TEXT, &c->name, "NAME", 0, 0, false,
         "the model's own (default; posterior but for few models), or another; list prints them "
         "all"},
        {"--sampler-set", OPTION_REPEAT, &c->set, "KEY=VALUE", 0, 0, false,
         "a setting of the sampler, see --sampler list"},
        {"--grid", OPTION_TEXT, &c->grid, "NAME", 0, 0, false,
         "times: uniform (default), authors, process, or a list such as 1,0.5,0.2"},
        {"--lambda", OPTION_TEXT, &c->lambda, "WHEN", 0, 0, false,
         "lambda drawn for each step, or once for the whole sample: step or sample (default: as "
         "the model was trained)"},
        {"--as-code", OPTION_FLAG, &c->as_code, NULL, 0, 0, false,
         "where paper and published code differ, the code (default): eps = 1e-9, argmax at the end "
         "of --grid authors"},
        {"--as-paper", OPTION_FLAG, &c->as_paper, NULL, 0, 0, false,
         "... the paper: eps = 0, a draw at the end"},
        {"--raw", OPTION_FLAG, &c->raw, NULL, 0, 0, false, "weights without averaging"},
        {"--stratified-lambda", OPTION_FLAG, &c->stratified, NULL, 0, 0, false,
         "lambdas of one call cut [0,1) evenly"},
        {"--temperature", OPTION_REAL, &c->sharpening.temperature, "T", 0, 100, false,
         "divide the logits of x_0 by T (default 1; below 1: surer, less varied)"},
        {"--top-p", OPTION_REAL, &c->sharpening.top_p, "P", 0, 1, false,
         "draw x_0 from its most probable states alone, as many as have P together (default 1)"},
    };
    options_add(table, rows, sizeof rows / sizeof rows[0]);
}

/* "1,0.5,0.2" -> times; false if a word is no number. */
static bool parse_times(SamplerChoice *c, Error *err)
{
    size_t commas = 0;
    const char *word = c->grid;
    for (const char *p = c->grid; *p; p++)
        commas += *p == ',';
    c->times = mem_alloc(commas + 1, sizeof *c->times);
    for (c->time_count = 0;; word++) {
        char *end;
        c->times[c->time_count++] = text_number(word, &end);
        if (end == word || (*end != ',' && *end != '\0'))
            return error_set(err,
                             "--grid %.60s: expected uniform, authors, process or times that fall, "
                             "such as 1,0.5,0.2",
                             c->grid);
        if (*end == '\0')
            return true;
        word = end;
    }
}

static bool resolve_grid(SamplerChoice *c, Error *err)
{
    static const char *const names[] = {"uniform", "authors", "process"};
    static const TimeGrid kinds[] = {GRID_UNIFORM, GRID_AUTHORS, GRID_PROCESS};
    for (size_t i = 0; i < 3; i++)
        if (!c->grid || strcmp(c->grid, names[i]) == 0) {
            c->kind = kinds[i];
            return true;
        }
    if (!parse_times(c, err))
        return false;
    const SampleRequest r = {.grid = GRID_LIST, .steps = c->time_count, .times = c->times};
    double *copy = mem_alloc(c->time_count, sizeof *copy);
    const bool ok = diffusion_sampler_times(&r, copy, err);
    mem_free(copy);
    c->kind = GRID_LIST;
    return ok;
}

double sampler_choice_eps(const SamplerChoice *c)
{
    return c->as_paper ? 0.0 : 1e-9;
}

bool sampler_choice_resolve(SamplerChoice *c, Error *err)
{
    if (c->as_code && c->as_paper)
        return error_set(err, "--as-code and --as-paper: expected one of them");
    c->settings = diffusion_sampler_defaults();
    c->settings.eps = sampler_choice_eps(c);
    if (c->as_paper)
        c->settings.last = LAST_DRAW;
    const SamplerClass *named = diffusion_sampler_find(c->name ? c->name : "posterior", err);
    if (!named)
        return false;
    c->sampler = c->name ? named : NULL;
    for (size_t i = 0; i < c->set.count; i++)
        if (!diffusion_sampler_set(&c->settings, c->set.values[i], named, err))
            return false;
    if (named->run && c->grid)
        return error_set(err, "--grid %.40s: sampler %s chooses its own times", c->grid,
                         named->name);
    if (c->lambda && strcmp(c->lambda, "step") != 0 && strcmp(c->lambda, "sample") != 0)
        return error_set(err, "--lambda %.40s: expected step or sample", c->lambda);
    if (c->lambda)
        c->lambda_scope = strcmp(c->lambda, "sample") == 0 ? LAMBDA_SAMPLE : LAMBDA_STEP;
    return resolve_grid(c, err);
}

void sampler_choice_free(SamplerChoice *c)
{
    mem_free(c->times);
    c->times = NULL;
}

bool sampler_choice_steps(const SamplerChoice *c, int64_t steps, int64_t standard, size_t *out,
                          Error *err)
{
    if (sampler_choice_own(c) && steps > 0)
        return error_set(err, "--steps %lld: sampler %s chooses its own times", (long long)steps,
                         c->sampler->name);
    if (c->times && steps > 0 && (size_t)steps != c->time_count)
        return error_set(err, "--steps %lld: the grid has %zu times", (long long)steps,
                         c->time_count);
    *out = steps > 0 ? (size_t)steps : c->times ? c->time_count : (size_t)standard;
    if (c->kind == GRID_AUTHORS && *out < 2)
        return error_set(err, "--grid authors: expected --steps of at least 2");
    return true;
}

bool sampler_choice_own(const SamplerChoice *c)
{
    return c->sampler && c->sampler->run;
}

bool sampler_choice_teacher_steps(const SamplerChoice *c, int64_t teacher_steps, Error *err)
{
    return teacher_steps == 0 || !sampler_choice_own(c) ||
           error_set(err, "--teacher-steps: sampler %s has no grid of steps to share",
                     c->sampler->name);
}

const char *sampler_choice_name(const SamplerChoice *c, const Denoiser *d)
{
    const SampleRequest r = {.sampler = c->sampler, .model = d};
    return diffusion_sampler_of(&r)->name;
}

WeightChoice sampler_choice_weights(const SamplerChoice *c)
{
    return c->raw ? WEIGHTS_RAW : WEIGHTS_AVERAGED;
}

void sampler_choice_apply(const SamplerChoice *c, SampleRequest *request)
{
    request->sampler = c->sampler;
    request->settings = &c->settings;
    request->lambda_scope = c->lambda_scope;
    request->grid = c->kind;
    request->times = c->times;
    request->stratified_lambda = c->stratified;
    request->sharpening = c->sharpening;
}

const char *sampler_choice_lambda(const SamplerChoice *c, const Denoiser *d)
{
    const LambdaScope scope =
        c->lambda_scope != LAMBDA_SCOPE_DEFAULT ? c->lambda_scope : d->lambda_scope;
    return d->lambda_dims == 0 ? "none" : scope == LAMBDA_SAMPLE ? "sample" : "step";
}

void sampler_choice_note(const SamplerChoice *c, const Denoiser *d, const char *path)
{
    const SamplerChoice own = {.lambda_scope = LAMBDA_SCOPE_DEFAULT};
    const char *now = sampler_choice_lambda(c, d), *trained = sampler_choice_lambda(&own, d);
    if (strcmp(now, trained) != 0)
        fprintf(stderr, "note: --lambda %s: %s was trained for lambda_scope=%s\n", now, path,
                trained);
    if (c->sampler == NULL && strcmp(sampler_choice_name(c, d), "posterior") != 0)
        fprintf(stderr, "note: %s is drawn from by its own sampler, %s; --sampler has others\n",
                path, sampler_choice_name(c, d));
}

static void print_keys(FILE *out, const char *keys)
{
    SamplerKey key;
    for (size_t i = 0; diffusion_sampler_key(i, &key); i++) {
        const char *at = strstr(keys, key.key);
        const size_t n = strlen(key.key);
        if (!at || (at != keys && at[-1] != ' ') || (at[n] != ' ' && at[n] != '\0'))
            continue;
        fprintf(out, "    %s=%s  (%s) %s\n", key.key, key.standard, key.range, key.help);
    }
}

bool sampler_choice_list(FILE *out, int argc, char **argv)
{
    const bool wanted = options_ask_list("--sampler", argc, argv);
    for (size_t i = 0; wanted && i < diffusion_sampler_count(); i++) {
        const SamplerClass *s = diffusion_sampler_at(i);
        fprintf(out, "%s: %s\n    needs: %s\n    source: %s\n", s->name, s->help, s->needs,
                s->source);
        print_keys(out, s->settings);
    }
    return wanted;
}
