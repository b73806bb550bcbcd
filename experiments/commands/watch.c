/* di4c watch: the way from noise to data, in the terminal as it goes and as an animated PNG. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli/paths.h"
#include "experiments/cli/provenance.h"
#include "experiments/cli/results.h"
#include "experiments/commands/commands.h"
#include "experiments/data/text/escape.h"
#include "experiments/report/terminal.h"
#include "experiments/sampling/models.h"
#include "experiments/sampling/sampler_options.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"

typedef struct WatchOptions {
    const char *model, *teacher, *out;
    SamplerChoice sampler;
    int64_t steps, count, seed, delay;
    CommonOptions common;
    OptionTable table; /* all rows, those of the sampler too */
} WatchOptions;

static OptionsResult parse_watch(const Command *self, WatchOptions *o, int argc, char **argv)
{
    const Option options[] = {
        {"--model", OPTION_TEXT, &o->model, "MODEL", 0, 0, true, "teacher or student"},
        {"--teacher", OPTION_TEXT, &o->teacher, "MODEL", 0, 0, false,
         "shown beside it, on the left, at the same times"},
        {"--out", OPTION_TEXT, &o->out, "FILE.png", 0, 0, false,
         "an animated picture of the same (of pictures, not of texts)"},
        {"--steps", OPTION_COUNT, &o->steps, "N", 1, 1000, false,
         "steps from noise to data (default 8)"},
        {"--count", OPTION_COUNT, &o->count, "M", 1, 10000, false,
         "samples of each (default: what fits the terminal in one row; 4 in a file); what a "
         "terminal has no room for is cut off"},
        {"--seed", OPTION_COUNT, &o->seed, "N", 0, 9e15, false,
         "of all random numbers (default 1)"},
        {"--delay", OPTION_COUNT, &o->delay, "MS", 0, 60000, false,
         "milliseconds between two frames (default 250)"},
    };
    options_add(&o->table, options, sizeof options / sizeof options[0]);
    sampler_choice_options(&o->sampler, &o->table);
    return options_parse(self, o->table.rows, o->table.count, &o->common, argc, argv);
}

/* ---- the film ---- */

typedef struct Film {
    States *frames; /* (length): x at t_N, ..., at 0 */
    double *t;
    size_t length, room;
} Film;

static void film_free(Film *f)
{
    for (size_t i = 0; i < f->length; i++)
        states_free(&f->frames[i]);
    mem_free(f->frames);
    mem_free(f->t);
}

static Film film_create(size_t steps)
{
    Film f = {.room = steps + 1};
    f.frames = mem_zeroed(f.room, sizeof *f.frames);
    f.t = mem_zeroed(f.room, sizeof *f.t);
    return f;
}

static void film_add(Film *f, const States *x, double t)
{
    States *frame = &f->frames[f->length];
    *frame = states_alloc(x->batch, x->dims);
    memcpy(frame->x, x->x, x->batch * x->dims * sizeof *x->x);
    f->t[f->length++] = t;
}

/* ---- the show ---- */

typedef struct Show {
    const WatchOptions *o;
    const Model *model;
    const Film *beside; /* the teacher's, or NULL */
    Film film;
    GridStyle style;
    bool terminal;
    size_t lines; /* of the frame that stands there */
    double shown; /* when */
} Show;

/* Left and right of a gap of two pixels, the left one freed; of the right one alone if there is no
 * left one. */
static Picture side_by_side(Picture left, Picture right)
{
    enum { GAP = 2 };
    if (left.pixels == NULL)
        return right;
    Picture p = {left.height, left.width + GAP + right.width, left.channels, NULL};
    const size_t row = p.width * p.channels, of_left = left.width * p.channels;
    p.pixels = mem_zeroed(p.height, row);
    for (size_t y = 0; y < p.height; y++) {
        memcpy(p.pixels + y * row, left.pixels + y * of_left, of_left);
        memcpy(p.pixels + y * row + of_left + GAP * p.channels,
               right.pixels + y * right.width * p.channels, right.width * p.channels);
    }
    picture_free(&left);
    picture_free(&right);
    return p;
}

static Picture picture_of(const Film *beside, const Film *film, size_t frame,
                          const GridStyle *style)
{
    Picture left = {0};
    if (beside)
        left = picture_grid(&beside->frames[frame], style);
    return side_by_side(left, picture_grid(&film->frames[frame], style));
}

/* What there is room for: of a terminal, whose last column and line stay free, so that nothing
 * wraps or scrolls; no limit elsewhere. */
typedef struct Room {
    size_t columns, lines;
} Room;

static Room room_of(bool terminal)
{
    Room r = {SIZE_MAX, SIZE_MAX};
    if (!terminal)
        return r;
    platform_terminal_size(stdout, &r.columns, &r.lines);
    r.columns -= r.columns > 1;
    r.lines -= r.lines > 1;
    return r;
}

/* Cuts what begins at `start` to so many bytes, between two characters, and ends the line. */
static void end_line(Buffer *out, size_t start, size_t most)
{
    size_t end = out->length;
    if (end - start > most)
        for (end = start + most; end > start && (out->bytes[end] & 0xC0) == 0x80;)
            end--;
    out->length = end;
    buffer_text(out, "\n");
}

/* A text as a line of at most so many bytes, masks as _. */
static void add_text_line(Buffer *out, const Model *m, const States *x, size_t b, const char *name,
                          size_t most)
{
    const size_t start = out->length;
    buffer_text(out, name);
    for (size_t d = 0; d < x->dims && out->length - start < most; d++) {
        const uint16_t state = states_row(x, b)[d];
        size_t length = 1;
        const bool masked = state >= m->vocabulary->size;
        const char *token = masked ? "_" : vocabulary_token(m->vocabulary, state, &length);
        escape_add(out, token, length);
    }
    end_line(out, start, most);
}

static void add_texts(Buffer *out, const Show *s, size_t frame, Room room)
{
    const size_t each = s->beside ? 2 : 1, fit = room.lines / each;
    const size_t all = s->film.frames[frame].batch, count = fit < all ? fit : all;
    for (size_t b = 0; b < count; b++) {
        if (s->beside)
            add_text_line(out, s->model, &s->beside->frames[frame], b, "teacher  ", room.columns);
        add_text_line(out, s->model, &s->film.frames[frame], b, s->beside ? "model    " : "",
                      room.columns);
    }
}

static size_t count_lines(const Buffer *text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text->length; i++)
        lines += text->bytes[i] == '\n';
    return lines;
}

/* Waits until the frame before has been seen long enough. */
static void wait_for(const Show *s)
{
    const double until = s->shown + 1e-3 * (double)s->o->delay;
    while (s->terminal && s->lines > 0 && platform_seconds() < until && platform_signal() == 0)
        platform_sleep(0.01);
}

static void show_frame(Show *s, size_t frame)
{
    Buffer out = {0};
    Room room = room_of(s->terminal);
    wait_for(s);
    if (s->terminal && s->lines > 0)
        buffer_format(&out, "\x1b[%zuA", s->lines);
    const size_t start = out.length;
    char t[24];
    text_format(t, sizeof t, "%.3f", s->film.t[frame]);
    buffer_format(&out, "t = %s after %zu of %lld steps%s", t, frame, (long long)s->o->steps,
                  s->beside ? ": teacher, model" : "");
    end_line(&out, start, room.columns);
    room.lines -= room.lines > 1;
    if (s->model->vocabulary)
        add_texts(&out, s, frame, room);
    else {
        Picture p = picture_of(s->beside, &s->film, frame, &s->style);
        terminal_crop(&p, room.columns, room.lines);
        terminal_picture(&out, &p, s->terminal);
        picture_free(&p);
    }
    const Buffer drawn = {.bytes = out.bytes + start, .length = out.length - start};
    s->lines = count_lines(&drawn);
    fwrite(out.bytes, 1, out.length, stdout);
    fflush(stdout);
    s->shown = platform_seconds();
    buffer_free(&out);
}

static void observe(const States *x, double t, void *context)
{
    Show *s = context;
    film_add(&s->film, x, t);
    if (!s->o->common.quiet)
        show_frame(s, s->film.length - 1);
}

static void observe_silently(const States *x, double t, void *context)
{
    film_add(context, x, t);
}

/* ---- the file ---- */

/* About a square, whatever the terminal. */
static GridStyle file_style(const Model *m)
{
    GridStyle style = models_style(m);
    style.zoom = style.width <= 8 ? 8 : style.width <= 16 ? 4 : 2;
    return style;
}

static bool write_film(const Show *s, Error *err)
{
    enum { LAST_FRAME = 2000 }; /* ms */
    const size_t length = s->film.length;
    char hash[65], steps[24], seed[24];
    nn_weights_hash(s->model->net, hash);
    snprintf(steps, sizeof steps, "%lld", (long long)s->o->steps);
    snprintf(seed, sizeof seed, "%lld", (long long)s->o->seed);
    const PngText text[] = {{"Software", "di4c " DI4C_VERSION},
                            {"command", provenance_command()},
                            {"model", hash},
                            {"sampler", sampler_choice_name(&s->o->sampler, &s->model->denoiser)},
                            {"steps", steps},
                            {"seed", seed}};
    const GridStyle style = file_style(s->model);
    Picture *frames = mem_zeroed(length, sizeof *frames);
    unsigned *milliseconds = mem_zeroed(length, sizeof *milliseconds);
    for (size_t i = 0; i < length; i++) {
        frames[i] = picture_of(s->beside, &s->film, i, &style);
        milliseconds[i] = i + 1 < length ? (unsigned)s->o->delay : LAST_FRAME;
    }
    const bool ok = png_write_frames(s->o->out, frames, milliseconds, length, text,
                                     sizeof text / sizeof text[0], err);
    for (size_t i = 0; i < length; i++)
        picture_free(&frames[i]);
    mem_free(frames);
    mem_free(milliseconds);
    return ok;
}

/* ---- the command ---- */

static bool run(const WatchOptions *o, const Denoiser *d, const Process *p, size_t count,
                void (*see)(const States *, double, void *), void *context, Error *err)
{
    SampleRequest request = {.model = d,
                             .process = p,
                             .steps = (size_t)o->steps,
                             .batch = count,
                             .seed = (uint64_t)o->seed,
                             .observe = see,
                             .observe_context = context};
    sampler_choice_apply(&o->sampler, &request);
    States x = states_alloc(count, d->head.dims);
    const bool ok = diffusion_sample(&request, &x, err);
    states_free(&x);
    return ok;
}

/* Samples side by side on the terminal, at least one. */
static size_t fitting(const Model *m, bool beside)
{
    size_t columns, lines;
    platform_terminal_size(stdout, &columns, &lines);
    const size_t one = (size_t)m->config.width + 1, room = beside ? columns / 2 : columns;
    return room > one + 3 ? (room - 3) / one : 1;
}

static bool check_model(const WatchOptions *o, const Model *m, Error *err)
{
    const int64_t channels = m->config.channels;
    if (m->vocabulary && o->out)
        return error_set(err, "--out: %.200s is made for texts, expected a model of pictures",
                         o->model);
    return m->vocabulary || channels == 1 || channels == 3 ||
           error_set(err, "%.200s: pictures of %lld channels: expected 1 or 3", o->model,
                     (long long)channels);
}

/* Whether there is room for all frames, which are kept until the file is written. */
static bool check_size(const WatchOptions *o, const Model *m, size_t count, Error *err)
{
    enum { MOST = 2 }; /* GB */
    const GridStyle s = file_style(m);
    const double frames = (double)(o->steps + 1) * (o->teacher ? 2 : 1);
    const double cell = (double)(s.height * s.zoom + s.padding) *
                        (double)(s.width * s.zoom + s.padding) * (double)s.channels;
    const double sample = 2.0 * (double)m->denoiser.head.dims + (o->out ? cell : 0.0);
    const double bytes = frames * (double)count * sample;
    char text[32];
    text_format(text, sizeof text, "%.1f", bytes / 1e9);
    return bytes <= MOST * 1e9 ||
           error_set(err,
                     "--count: %zu samples at %lld times take %s GB: expected at most %d GB, of "
                     "fewer --count or --steps",
                     count, (long long)o->steps + 1, text, (int)MOST);
}

static bool watch(const WatchOptions *o, const Model *m, const Model *teacher, Error *err)
{
    platform_catch_signals();
    if (!check_model(o, m, err) || (o->out && !path_check_output(o->out, err)))
        return false;
    const size_t fits = m->vocabulary ? 1 : fitting(m, teacher != NULL);
    const size_t count = o->count > 0 ? (size_t)o->count : o->out ? 4 : fits;
    if (!check_size(o, m, count, err))
        return false;
    Film beside = film_create((size_t)o->steps);
    Show show = {.o = o,
                 .model = m,
                 .beside = teacher ? &beside : NULL,
                 .film = film_create((size_t)o->steps),
                 .style = models_style(m),
                 .terminal = platform_is_terminal(stdout)};
    show.style.columns = count < fits ? count : fits;
    show.style.zoom = show.style.padding = 1;
    bool ok =
        !teacher || run(o, &teacher->denoiser, m->process, count, observe_silently, &beside, err);
    ok = ok && run(o, &m->denoiser, m->process, count, observe, &show, err) &&
         (!o->out || write_film(&show, err));
    film_free(&beside);
    film_free(&show.film);
    return ok;
}

static bool check_watch(WatchOptions *o, Error *err)
{
    size_t steps = 0;
    if (o->out && !path_has_suffix(o->out, ".png"))
        return error_set(err, "--out %.200s: expected a name that ends in .png", o->out);
    if (!result_check(&o->table, "--out", err))
        return false;
    if (!sampler_choice_resolve(&o->sampler, err))
        return false;
    if (sampler_choice_own(&o->sampler))
        return error_set(err, "--sampler %s: chooses its own times, expected one with steps",
                         o->sampler.sampler->name);
    if (!sampler_choice_steps(&o->sampler, o->steps, 8, &steps, err))
        return false;
    o->steps = (int64_t)steps;
    return true;
}

static int run_watch(const Command *self, int argc, char **argv)
{
    WatchOptions o = {.seed = 1, .delay = 250};
    Models x = {0};
    Error err;
    if (sampler_choice_list(stdout, argc, argv))
        return 0;
    const OptionsResult r = parse_watch(self, &o, argc, argv);
    if (r != OPTIONS_OK)
        return r == OPTIONS_HELP ? 0 : 2;
    if (!check_watch(&o, &err)) {
        sampler_choice_free(&o.sampler);
        return command_fail(self, &err, 2);
    }
    const bool ok = models_open(&x, o.model, o.teacher, sampler_choice_weights(&o.sampler), &err) &&
                    watch(&o, x.model, x.teacher, &err);
    models_close(&x);
    sampler_choice_free(&o.sampler);
    return ok ? 0 : command_fail(self, &err, 1);
}

const Command command_watch = {
    .name = "watch",
    .summary = "Shows the way from noise to samples, in the terminal or as an animated picture.",
    .example = "di4c watch --model experiments/models/mnist-binary-student.safetensors --teacher "
               "experiments/models/mnist-binary-teacher.safetensors --steps 8",
    .run = run_watch};
