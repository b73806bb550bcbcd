/* di4c sample: samples of a model as a PNG grid, an .npy array, or a text. */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/progress.h"
#include "experiments/cli/provenance.h"
#include "experiments/cli/results.h"
#include "experiments/commands/commands.h"
#include "experiments/data/text/rendering.h"
#include "experiments/data/text/template.h"
#include "experiments/sampling/models.h"
#include "experiments/sampling/sample_stream.h"
#include "experiments/sampling/sampler_options.h"
#include "nn/formats/npy.h"
#include "nn/formats/packed/png.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

typedef struct SampleOptions {
    const char *model, *teacher, *out, *shard, *prompt, *blanks;
    SamplerChoice sampler;
    size_t calls; /* network calls of all samples */
    int64_t steps, teacher_steps, count, seed, batch;
    CommonOptions common;
    OptionTable table; /* all rows, those of the sampler too */
} SampleOptions;

static OptionsResult parse_sample(const Command *self, SampleOptions *o, int argc, char **argv)
{
    const Option options[] = {
        {"--model", OPTION_TEXT, &o->model, "MODEL", 0, 0, true, "teacher or student"},
        {"--out", OPTION_TEXT, &o->out, "FILE", 0, 0, true,
         ".png (a grid), .npy (uint16, count x H x W x C), or .txt (of texts: a block a sample)"},
        {"--steps", OPTION_COUNT, &o->steps, "N", 1, 1e6, false,
         "steps from noise to data (default 10)"},
        {"--count", OPTION_COUNT, &o->count, "M", 1, 1e9, false, "samples (default 64)"},
        {"--teacher", OPTION_TEXT, &o->teacher, "MODEL", 0, 0, false,
         "hybrid sampling: the last steps use this model"},
        {"--teacher-steps", OPTION_COUNT, &o->teacher_steps, "K", 0, 1e6, false,
         "how many of the N steps are the teacher's"},
        {"--seed", OPTION_COUNT, &o->seed, "N", 0, 9e15, false,
         "of all random numbers (default 1)"},
        {"--shard", OPTION_TEXT, &o->shard, "I/N", 0, 0, false,
         "draw only part I of N (from 0) of the samples; `di4c merge` joins the parts"},
        {"--prompt", OPTION_TEXT, &o->prompt, "TEXT", 0, 0, false,
         "of texts: what every sample begins with (\\n, \\t, \\\\, \\xHH are escapes)"},
        {"--template", OPTION_TEXT, &o->blanks, "TEXT", 0, 0, false,
         "of texts: the same with blanks, each _ one byte (\\x5f: the byte _ itself)"},
        {"--batch", OPTION_COUNT, &o->batch, "N", 1, 1e6, false,
         "samples in one network call (default 64 to 256, by the size of the network)"},
    };
    options_add(&o->table, options, sizeof options / sizeof options[0]);
    sampler_choice_options(&o->sampler, &o->table);
    return options_parse(self, o->table.rows, o->table.count, &o->common, argc, argv);
}

/* The states that --prompt or --template give, or NULL without one (mem_free). */
static bool given_states(const SampleOptions *o, const Model *m, uint16_t **given, Error *err)
{
    const char *text = o->prompt ? o->prompt : o->blanks;
    const char *where = o->prompt ? "--prompt" : "--template";
    *given = NULL;
    if (!text)
        return true;
    if (m->vocabulary == NULL)
        return error_set(err, "%s: %.200s is made for pictures, expected a model of texts", where,
                         o->model);
    if (m->process->mask < 0)
        return error_set(err,
                         "%s: %.200s has process=%s: expected absorbing noise, which leaves "
                         "given states as they are",
                         where, o->model, m->process->class->name);
    const size_t length = m->denoiser.head.dims;
    *given = mem_alloc(length, sizeof **given);
    return template_states(*given, length, (uint16_t)m->process->mask, m->vocabulary, text,
                           o->blanks != NULL, where, err);
}

/* A line with the sample's number, its bytes as they are, and an empty line; shards one behind the
 * other are what one run would have written. */
static bool write_text(const SampleOptions *o, const Model *m, const States *x, size_t first,
                       Error *err)
{
    OutputFile out;
    Buffer text = {0};
    if (!output_open(&out, o->out, err))
        return false;
    for (size_t b = 0; b < x->batch; b++) {
        buffer_format(&text, "=== %zu ===\n", first + b);
        rendering_add(&text, m->vocabulary, states_row(x, b), x->dims);
        buffer_text(&text, "\n\n");
        fwrite(text.bytes, 1, text.length, out.file);
        text.length = 0;
    }
    buffer_free(&text);
    return output_commit(&out, err);
}

/* first: number of the first sample. */
static bool write_samples(const SampleOptions *o, const Model *m, const States *x, size_t first,
                          Error *err)
{
    const Config *c = &m->config;
    if (path_has_suffix(o->out, ".txt"))
        return write_text(o, m, x, first, err);
    if (path_has_suffix(o->out, ".npy")) {
        const size_t shape[] = {x->batch, (size_t)c->height, (size_t)c->width, (size_t)c->channels};
        return npy_write(o->out, NPY_U2, 4, shape, x->x, err);
    }
    const GridStyle style = models_style(m);
    char hash[65], steps[24], seed[24];
    nn_weights_hash(m->net, hash);
    snprintf(steps, sizeof steps, "%lld", (long long)o->steps);
    snprintf(seed, sizeof seed, "%lld", (long long)o->seed);
    const PngText text[] = {{"Software", "di4c " DI4C_VERSION},
                            {"command", provenance_command()},
                            {"model", hash},
                            {"sampler", sampler_choice_name(&o->sampler, &m->denoiser)},
                            {"lambda", sampler_choice_lambda(&o->sampler, &m->denoiser)},
                            {"steps", steps},
                            {"seed", seed}};
    Picture p = picture_grid(x, &style);
    const bool ok = png_write(o->out, &p, text, sizeof text / sizeof text[0], err);
    picture_free(&p);
    return ok;
}

/* What the samples are of: options that do not change them are left out. */
static ShardNote note_of(const SampleOptions *o, const Model *m, const Model *teacher, Shard shard)
{
    static const char *const except[] = {"--model", "--teacher", "--out",
                                         "--shard", "--batch",   NULL};
    ShardNote note = {.total = (size_t)o->count, .shard = shard};
    char hash[65];
    run_facts_add(&note.facts, "version", DI4C_VERSION);
    nn_weights_hash(m->net, hash);
    run_facts_add(&note.facts, "model", hash);
    if (teacher != NULL) {
        nn_weights_hash(teacher->net, hash);
        run_facts_add(&note.facts, "teacher", hash);
    }
    run_facts_options(&note.facts, &o->table, except);
    return note;
}

/* The note of a shard's file, for `merge`. */
static bool write_note(const SampleOptions *o, ShardNote *note, Error *err)
{
    return o->shard == NULL || path_has_suffix(o->out, ".png") ||
           shard_note_write(o->out, note, err);
}

static bool check_model(const SampleOptions *o, const Model *m, size_t count, Error *err)
{
    const int64_t channels = m->config.channels;
    const GridStyle style = models_style(m);
    const bool picture = path_has_suffix(o->out, ".png");
    if (path_has_suffix(o->out, ".txt") && m->vocabulary == NULL)
        return error_set(err,
                         "%.200s: made for pictures: expected a model of texts for a .txt, or "
                         "--out with .png or .npy",
                         o->model);
    if (picture && channels != 1 && channels != 3)
        return error_set(err,
                         "%s: pictures of %lld channels: expected 1 or 3 for a .png, or --out "
                         "with .npy",
                         o->model, (long long)channels);
    return !picture || picture_grid_check(&style, count, err);
}

static void print_result(const SampleOptions *o, size_t count)
{
    const double calls = (double)o->calls / (double)count;
    printf("%s: %zu sample%s", o->out, count, count == 1 ? "" : "s");
    if (o->steps > 0)
        printf(" of %lld step%s", (long long)o->steps, o->steps == 1 ? "" : "s");
    text_print(stdout, ", %g network call%s each%s\n", calls, calls == 1 ? "" : "s",
               o->steps > 0 ? "" : " on average");
}

/* The beginning of the first text. */
static void print_first(const Model *m, const States *x)
{
    enum { SHOWN = 200 };
    Buffer line = {0};
    rendering_line(&line, m->vocabulary, x->x, x->dims, SHOWN);
    printf("%s\n", line.bytes);
    buffer_free(&line);
}

/* Small networks take more samples a call, so that threads meet less often. */
static size_t batch_of(const SampleOptions *o, const Model *m)
{
    const size_t fits = m->net->gradient_block;
    return o->batch > 0 ? (size_t)o->batch : fits < 64 ? 64 : fits > 256 ? 256 : fits;
}

/* All in memory, to be shown or written at once. */
static bool draw_all(const SampleOptions *o, const Model *m, const SampleRequest *request,
                     Shard shard, Error *err)
{
    States x = states_alloc(shard.count, m->denoiser.head.dims);
    const ProgressNews *news = request->progress_context;
    bool ok = diffusion_sample(request, &x, err);
    progress_destroy(news->progress);
    ok = ok && write_samples(o, m, &x, shard.first, err);
    if (ok)
        print_result(o, shard.count);
    if (ok && m->vocabulary != NULL)
        print_first(m, &x);
    states_free(&x);
    return ok;
}

/* To the .npy as they come: what a network call draws is there before the next one begins. */
static bool draw_blocks(const SampleOptions *o, const Model *m, const SampleRequest *request,
                        const ShardNote *note, Error *err)
{
    const Config *c = &m->config;
    SampleStream stream = {.path = o->out,
                           .shape = {(size_t)c->height, (size_t)c->width, (size_t)c->channels},
                           .run = note,
                           .block = request->batch};
    const ProgressNews *news = request->progress_context;
    const bool ok = sample_stream(&stream, request, err);
    progress_destroy(news->progress);
    if (ok && stream.found > 0)
        printf("%s: %zu samples were there already\n", o->out, stream.found);
    if (ok && stream.found < note->shard.count)
        print_result(o, note->shard.count - stream.found);
    return ok;
}

static bool sample(SampleOptions *o, const Model *m, const Model *teacher, Error *err)
{
    Shard shard;
    uint16_t *given = NULL;
    platform_catch_signals();
    if (!shard_parse(o->shard, o->count, &shard, err) || !check_model(o, m, shard.count, err) ||
        !path_check_output(o->out, err))
        return false;
    if (!given_states(o, m, &given, err)) {
        mem_free(given);
        return false;
    }
    SampleRequest request = {.model = &m->denoiser,
                             .teacher = teacher ? &teacher->denoiser : NULL,
                             .teacher_steps = (size_t)o->teacher_steps,
                             .process = m->process,
                             .steps = (size_t)o->steps,
                             .given = given,
                             .first = shard.first,
                             .batch = batch_of(o, m),
                             .seed = (uint64_t)o->seed};
    ProgressNews news = {.file = stderr, .label = "sample", .quiet = o->common.quiet};
    if (!o->common.quiet) {
        model_note_start(m);
        sampler_choice_note(&o->sampler, &m->denoiser, o->model);
    }
    sampler_choice_apply(&o->sampler, &request);
    request.progress_context = &news;
    request.progress = progress_news;
    request.calls = &o->calls;
    const bool many = shard.count > request.batch && path_has_suffix(o->out, ".npy");
    ShardNote note = {0};
    if (many || o->shard != NULL)
        note = note_of(o, m, teacher, shard);
    const bool ok = (many && m->vocabulary == NULL ? draw_blocks(o, m, &request, &note, err)
                                                   : draw_all(o, m, &request, shard, err)) &&
                    write_note(o, &note, err);
    shard_note_free(&note);
    mem_free(given);
    return ok;
}

/* A picture of more is of no use to anybody. */
enum { PNG_SAMPLES_MAX = 10000 };

static bool check_sample(SampleOptions *o, Error *err)
{
    Shard shard;
    size_t steps = 0;
    if (!path_has_suffix(o->out, ".png") && !path_has_suffix(o->out, ".npy") &&
        !path_has_suffix(o->out, ".txt"))
        return error_set(err,
                         "--out %.200s: expected a name that ends in .png or .npy, or in .txt for "
                         "texts",
                         o->out);
    if (!result_check(&o->table, "--out", err))
        return false;
    if (!sampler_choice_resolve(&o->sampler, err) ||
        !sampler_choice_steps(&o->sampler, o->steps, 10, &steps, err))
        return false;
    o->steps = sampler_choice_own(&o->sampler) ? 0 : (int64_t)steps;
    if (o->prompt && o->blanks)
        return error_set(err, "--prompt and --template: expected one of them");
    if ((o->teacher_steps > 0) != (o->teacher != NULL))
        return error_set(err, "--teacher and --teacher-steps: expected both or neither");
    if (!sampler_choice_teacher_steps(&o->sampler, o->teacher_steps, err))
        return false;
    if (o->teacher_steps > o->steps)
        return error_set(err, "--teacher-steps %lld: expected at most --steps %lld",
                         (long long)o->teacher_steps, (long long)o->steps);
    if (!shard_parse(o->shard, o->count, &shard, err))
        return false;
    if (path_has_suffix(o->out, ".png") && shard.count > PNG_SAMPLES_MAX)
        return error_set(err, "--count: %zu samples in one .png: expected at most %d, or an .npy",
                         shard.count, PNG_SAMPLES_MAX);
    return true;
}

static int run_sample(const Command *self, int argc, char **argv)
{
    SampleOptions o = {.count = 64, .seed = 1};
    Models x = {0};
    Error err;
    if (sampler_choice_list(stdout, argc, argv))
        return 0;
    const OptionsResult r = parse_sample(self, &o, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    if (!check_sample(&o, &err)) {
        sampler_choice_free(&o.sampler);
        return command_fail(self, &err, 2);
    }
    const bool ok = models_open(&x, o.model, o.teacher, sampler_choice_weights(&o.sampler), &err) &&
                    sample(&o, x.model, x.teacher, &err);
    models_close(&x);
    sampler_choice_free(&o.sampler);
    return ok ? 0 : command_fail(self, &err, 1);
}

const Command command_sample = {
    .name = "sample",
    .summary = "Draws samples into a PNG grid, an .npy file, or a text.",
    .example =
        "di4c sample --model out/student.safetensors --steps 4 --count 64 --out out/samples.png",
    .run = run_sample};
