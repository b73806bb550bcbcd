/* Every option of every command does something: each has a row below with two command lines and
 * what must differ between them, or stay the same.  The options are those that the commands hand to
 * the parser: one without a row fails. */
#define _POSIX_C_SOURCE 200809L /* fork, kill, nanosleep */
#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "experiments/cli/provenance.h"
#include "experiments/commands/commands.h"
#include "experiments/data/datasets.h"
#include "experiments/metrics/features/classifier.h"
#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tensor/system/threads.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

#define DIR "test-option-effects.tmp.d"

#define NET     "--set batch=4 --set mlp_width=16 --set mlp_blocks=1 --set warmup=0 "
#define DATA    "--data glyphs "
#define OUT     "--out @o.safetensors "
#define TRAIN   "train --quiet --overwrite " NET
#define PAPER   "--preset glyphs-published "
#define DISTILL "distill --quiet --overwrite " PAPER "--set batch=4 --set lambdas=2 --set warmup=0 "
#define TEACHER "--teacher @t.safetensors "
#define UNET                                                                                       \
    "--data mnist:" DIR " --set batch=4 --set ch=16 --set ch_mult=1 --set res_blocks=1 "           \
    "--set attn_scale=-1 --steps 2 "
#define NOISE   "--set time_weight=one --steps 2 "
#define SAMPLE  "sample --quiet --count 6 "
#define WATCH   "watch --quiet --delay 0 --count 3 --out @o.png "
#define MODEL   "--model @s.safetensors "
#define NPY     "--out @o.npy "
#define EVAL    "eval --quiet --count 9 --json @o.json "
#define STEPS   "--steps 2 "
#define PAGE    "--report @p.html "
#define MNIST   EVAL STEPS "--model @m.safetensors --data mnist:" DIR " --metrics "
#define SEE     "eval --quiet --model @m.safetensors --data mnist:" DIR " --count 12 "
#define LOOK    "eval --quiet --metrics is --inception @none.pth "
#define CONVERT "convert @t.safetensors "
#define PART    "eval --quiet --count 9 " STEPS DATA MODEL "--statistics @o.stats "
#define PARTS   "merge @a.stats @b.stats "
#define PAGE_OF "report @a.json --out "
#define THEORY  "theory --quiet --out @ --json @o.json "

/* Without OpenMP there is one thread, whatever is asked for. */
#ifdef _OPENMP
#define ONE_THREAD false
#else
#define ONE_THREAD true
#endif

/* Where to look: a file of the folder, or "status", "stdout", "stderr", "threads" or "kill": is the
 * file there before the run ends?  Samples of an untrained model all look invalid to the metrics of
 * eval, so its page is compared, which shows them. */
typedef struct Row {
    const char *command, *option, *look, *a, *b;
    bool same;
} Row;

/* Those that all commands have are tried with one. */
static const Row rows[] = {
    {"*", "--threads", "threads", "inspect --threads 1 @t.safetensors",
     "inspect --threads 3 @t.safetensors", ONE_THREAD},
    {"*", "--threads", "o.npy", SAMPLE STEPS MODEL NPY "--threads 1",
     SAMPLE STEPS MODEL NPY "--threads 3", true},
    {"*", "--quiet", "stderr", "sample --quiet " MODEL NPY, "sample " MODEL NPY, false},
    {"*", "--help", "stdout", "inspect @t.safetensors", "inspect --help", false},

    {"train", "--data", "o.safetensors", TRAIN OUT STEPS "--data glyphs",
     TRAIN OUT STEPS "--data mnist:" DIR " --preset glyphs", false},
    {"train", "--out", "o.safetensors", TRAIN OUT STEPS DATA,
     TRAIN "--out @p.safetensors " STEPS DATA, false},
    {"train", "--preset", "o.safetensors", TRAIN OUT UNET "--preset mnist-binary",
     TRAIN OUT UNET "--preset mnist-binary --preset mnist", false},
    {"train", "--set", "o.safetensors", TRAIN OUT STEPS DATA, TRAIN OUT STEPS DATA "--set lr=0.01",
     false},
    {"train", "--steps", "o.safetensors", TRAIN OUT STEPS DATA, TRAIN OUT "--steps 3 " DATA, false},
    {"train", "--seed", "o.safetensors", TRAIN OUT STEPS DATA, TRAIN OUT STEPS DATA "--seed 2",
     false},
    {"train", "--log", "p.csv", TRAIN OUT STEPS DATA, TRAIN OUT STEPS DATA "--log @p.csv", false},
    {"train", "--resume", "status", "train --quiet --out @t.safetensors " NET STEPS DATA,
     "train --quiet --out @t.safetensors --set lr=0.1 --resume " NET STEPS DATA, false},
    {"train", "--overwrite", "status", "train --quiet --out @u.safetensors " NET STEPS DATA,
     "train --quiet --out @u.safetensors --overwrite " NET STEPS DATA, false},
    {"train", "--save-every", "kill", TRAIN OUT DATA "--steps 1000000",
     TRAIN OUT DATA "--steps 1000000 --save-every 0", false},
    {"train", "--measure", "o.measures.csv", TRAIN OUT STEPS DATA "--measure 1 --measure-count 5",
     TRAIN OUT STEPS DATA "--measure 2 --measure-count 5", false},
    {"train", "--measure", "o.safetensors", TRAIN OUT STEPS DATA,
     TRAIN OUT STEPS DATA "--measure 1 --measure-count 5", true},
    {"train", "--measure-steps", "o.measures.csv",
     TRAIN OUT STEPS DATA "--measure 1 --measure-count 5",
     TRAIN OUT STEPS DATA "--measure 1 --measure-count 5 --measure-steps 1,2", false},
    {"train", "--measure-count", "status", TRAIN OUT STEPS DATA "--measure-count 1",
     TRAIN OUT STEPS DATA "--measure-count 2", false},
    {"train", "--check-finite", "o.safetensors", TRAIN OUT STEPS DATA,
     TRAIN OUT STEPS DATA "--check-finite", true},
    {"train", "--conv", "o.safetensors", TRAIN OUT UNET "--conv direct",
     TRAIN OUT UNET "--conv winograd", false},
    {"train", "--as-code", "o.safetensors", TRAIN OUT STEPS DATA, TRAIN OUT STEPS DATA "--as-code",
     true},
    {"train", "--as-code", "status", TRAIN OUT STEPS DATA "--as-paper",
     TRAIN OUT STEPS DATA "--as-paper --as-code", false},
    {"train", "--as-paper", "o.safetensors", TRAIN OUT STEPS DATA,
     TRAIN OUT STEPS DATA "--as-paper", false},
    {"train", "--rates", "o.safetensors", TRAIN OUT DATA NOISE "--rates @a.csv",
     TRAIN OUT DATA NOISE "--rates @b.csv", false},

    {"distill", "--data", "status", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER "--data mnist:" DIR, false},
    {"distill", "--data", "status", DISTILL OUT STEPS TEACHER DATA, DISTILL OUT STEPS TEACHER,
     false},
    {"distill", "--data", "status", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER "--set targets=teacher --set target_count=5 --set target_steps=2",
     true},
    {"distill", "--data", "status", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER "--set targets=mixed --set target_count=5 --set target_steps=2",
     false},
    {"distill", "--out", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL "--out @p.safetensors " STEPS TEACHER DATA, false},
    {"distill", "--preset", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--preset mnist", false},
    {"distill", "--set", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--set lr=0.01", false},
    {"distill", "--steps", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT "--steps 3 " TEACHER DATA, false},
    {"distill", "--seed", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--seed 2", false},
    {"distill", "--log", "p.csv", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--log @p.csv", false},
    {"distill", "--resume", "status",
     "distill --quiet " PAPER
     "--out @s.safetensors --set batch=4 --set lambdas=2 " STEPS TEACHER DATA,
     "distill --quiet " PAPER "--out @s.safetensors --set batch=4 --set lambdas=2 --set warmup=0 "
     "--set lr=0.1 --resume " STEPS TEACHER DATA,
     false},
    {"distill", "--overwrite", "status", "distill --quiet --out @u.safetensors " STEPS TEACHER DATA,
     "distill --quiet --overwrite --out @u.safetensors " STEPS TEACHER DATA, false},
    {"distill", "--save-every", "kill", DISTILL OUT TEACHER DATA "--steps 1000000",
     DISTILL OUT TEACHER DATA "--steps 1000000 --save-every 0", false},
    {"distill", "--measure", "o.measures.csv", DISTILL OUT STEPS TEACHER DATA "--measure-count 5",
     DISTILL OUT STEPS TEACHER DATA "--measure-count 5 --measure 1", false},
    {"distill", "--measure", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--measure 1 --measure-count 5", true},
    {"distill", "--measure-steps", "o.measures.csv",
     DISTILL OUT STEPS TEACHER DATA "--measure 1 --measure-count 5",
     DISTILL OUT STEPS TEACHER DATA "--measure 1 --measure-count 5 --measure-steps 1,2", false},
    {"distill", "--measure-count", "status", DISTILL OUT STEPS TEACHER DATA "--measure-count 1",
     DISTILL OUT STEPS TEACHER DATA "--measure-count 2", false},
    {"distill", "--check-finite", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--check-finite", true},
    {"distill", "--conv", "status", DISTILL OUT STEPS TEACHER DATA "--conv direct",
     DISTILL OUT STEPS TEACHER DATA "--conv none", false},
    {"distill", "--as-code", "status", DISTILL OUT STEPS TEACHER DATA "--as-paper",
     DISTILL OUT STEPS TEACHER DATA "--as-paper --as-code", false},
    {"distill", "--as-paper", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--as-paper", false},
    {"distill", "--rates", "status", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS TEACHER DATA "--rates @a.csv", false},
    {"distill", "--teacher", "o.safetensors", DISTILL OUT STEPS TEACHER DATA,
     DISTILL OUT STEPS "--teacher @u.safetensors " DATA, false},

    {"sample", "--model", "o.npy", SAMPLE NPY MODEL, SAMPLE NPY "--model @t.safetensors", false},
    {"sample", "--out", "o.npy", SAMPLE NPY MODEL, SAMPLE MODEL "--out @p.npy", false},
    {"sample", "--steps", "o.npy", SAMPLE NPY MODEL STEPS, SAMPLE NPY MODEL "--steps 3", false},
    {"sample", "--sampler", "o.npy", SAMPLE NPY MODEL STEPS,
     SAMPLE NPY MODEL STEPS "--sampler confidence", false},
    {"sample", "--sampler-set", "o.npy", SAMPLE NPY MODEL STEPS,
     SAMPLE NPY MODEL STEPS "--sampler-set last=argmax", false},
    {"sample", "--grid", "o.npy", SAMPLE NPY MODEL STEPS, SAMPLE NPY MODEL STEPS "--grid authors",
     false},
    {"sample", "--count", "o.npy", SAMPLE NPY MODEL, SAMPLE NPY MODEL "--count 7", false},
    {"sample", "--teacher", "o.npy", SAMPLE NPY MODEL STEPS "--teacher-steps 1 " TEACHER,
     SAMPLE NPY MODEL STEPS "--teacher-steps 1 --teacher @u.safetensors", false},
    {"sample", "--teacher-steps", "o.npy", SAMPLE NPY MODEL "--steps 4 --teacher-steps 1 " TEACHER,
     SAMPLE NPY MODEL "--steps 4 --teacher-steps 3 " TEACHER, false},
    {"sample", "--seed", "o.npy", SAMPLE NPY MODEL, SAMPLE NPY MODEL "--seed 2", false},
    {"sample", "--shard", "o.npy", SAMPLE NPY MODEL "--shard 0/2", SAMPLE NPY MODEL "--shard 1/2",
     false},
    {"sample", "--batch", "o.npy", SAMPLE NPY MODEL, SAMPLE NPY MODEL "--batch 2", true},
    {"sample", "--batch", "stderr", "sample --sampler exact " MODEL NPY,
     "sample " MODEL NPY "--batch 0", false},
    {"sample", "--as-code", "status", SAMPLE NPY MODEL "--as-paper",
     SAMPLE NPY MODEL "--as-paper --as-code", false},
    {"sample", "--as-paper", "o.npy", SAMPLE NPY MODEL STEPS "--grid authors",
     SAMPLE NPY MODEL STEPS "--grid authors --as-paper", false},
    {"sample", "--raw", "o.npy", SAMPLE NPY MODEL, SAMPLE NPY MODEL "--raw", false},
    {"sample", "--stratified-lambda", "o.npy", SAMPLE NPY MODEL STEPS "--count 300",
     SAMPLE NPY MODEL STEPS "--count 300 --stratified-lambda", false},
    {"sample", "--temperature", "o.npy", SAMPLE NPY MODEL STEPS "--count 300",
     SAMPLE NPY MODEL STEPS "--count 300 --temperature 0.1", false},
    {"sample", "--top-p", "o.npy", SAMPLE NPY MODEL STEPS "--count 300",
     SAMPLE NPY MODEL STEPS "--count 300 --top-p 0.1", false},
    {"sample", "--prompt", "status", SAMPLE NPY MODEL, SAMPLE NPY MODEL "--prompt a", false},
    {"sample", "--template", "status", SAMPLE NPY MODEL, SAMPLE NPY MODEL "--template a", false},
    {"sample", "--lambda", "o.npy", SAMPLE NPY MODEL "--steps 4 --count 300",
     SAMPLE NPY MODEL "--steps 4 --count 300 --lambda sample", false},

    {"watch", "--model", "o.png", WATCH MODEL, WATCH "--model @t.safetensors", false},
    {"watch", "--teacher", "o.png", WATCH MODEL, WATCH MODEL TEACHER, false},
    {"watch", "--out", "o.png", WATCH MODEL, WATCH MODEL "--out @p.png", false},
    {"watch", "--steps", "o.png", WATCH MODEL, WATCH MODEL "--steps 3", false},
    {"watch", "--count", "o.png", WATCH MODEL, WATCH MODEL "--count 2", false},
    {"watch", "--seed", "o.png", WATCH MODEL, WATCH MODEL "--seed 2", false},
    {"watch", "--delay", "o.png", WATCH MODEL, WATCH MODEL "--delay 99", false},
    {"watch", "--sampler", "o.png", WATCH MODEL, WATCH MODEL "--sampler confidence", false},
    {"watch", "--sampler-set", "o.png", WATCH MODEL, WATCH MODEL "--sampler-set last=argmax",
     false},
    {"watch", "--grid", "o.png", WATCH MODEL, WATCH MODEL "--grid authors", false},
    {"watch", "--lambda", "o.png", WATCH MODEL "--count 200",
     WATCH MODEL "--count 200 --lambda sample", false},
    {"watch", "--as-code", "status", WATCH MODEL "--as-paper", WATCH MODEL "--as-paper --as-code",
     false},
    {"watch", "--as-paper", "o.png", WATCH MODEL STEPS "--grid authors --count 300",
     WATCH MODEL STEPS "--grid authors --count 300 --as-paper", false},
    {"watch", "--raw", "o.png", WATCH MODEL, WATCH MODEL "--raw", false},
    {"watch", "--stratified-lambda", "o.png", WATCH MODEL "--count 300",
     WATCH MODEL "--count 300 --stratified-lambda", false},
    {"watch", "--temperature", "o.png", WATCH MODEL "--count 300",
     WATCH MODEL "--count 300 --temperature 0.1", false},
    {"watch", "--top-p", "o.png", WATCH MODEL "--count 300", WATCH MODEL "--count 300 --top-p 0.1",
     false},

    {"eval", "--model", "o.json", EVAL STEPS DATA MODEL, EVAL STEPS DATA "--model @t.safetensors",
     false},
    {"eval", "--data", "status", EVAL STEPS DATA MODEL, EVAL STEPS "--data mnist:" DIR " " MODEL,
     false},
    {"eval", "--teacher", "o.json", EVAL STEPS DATA MODEL, EVAL STEPS DATA MODEL TEACHER, false},
    {"eval", "--steps", "o.json", EVAL STEPS DATA MODEL, EVAL "--steps 1 " DATA MODEL, false},
    {"eval", "--sampler", "p.html", EVAL STEPS DATA MODEL PAGE,
     EVAL STEPS DATA MODEL PAGE "--sampler confidence", false},
    {"eval", "--sampler-set", "p.html", EVAL STEPS DATA MODEL PAGE "--sampler confidence",
     EVAL STEPS DATA MODEL PAGE "--sampler confidence --sampler-set temperature=5", false},
    {"eval", "--count", "o.json", EVAL STEPS DATA MODEL, EVAL STEPS DATA MODEL "--count 99", false},
    {"eval", "--metrics", "o.json", EVAL STEPS DATA "--model @t.safetensors",
     EVAL STEPS DATA "--model @t.safetensors --metrics elbo", false},
    {"eval", "--classifier", "o.json", MNIST "fcd --classifier @c.safetensors",
     MNIST "fcd --classifier @c2.safetensors", false},
    {"eval", "--teacher-steps", "o.json", EVAL STEPS DATA MODEL TEACHER,
     EVAL STEPS DATA MODEL TEACHER "--teacher-steps 1", false},
    {"eval", "--grid", "p.html", EVAL STEPS DATA MODEL PAGE "--grid uniform",
     EVAL STEPS DATA MODEL PAGE "--grid 1,0.3", false},
    {"eval", "--json", "o.json", EVAL STEPS DATA MODEL, EVAL STEPS DATA MODEL "--json @p.json",
     false},
    {"eval", "--report", "p.html", EVAL STEPS DATA MODEL, EVAL STEPS DATA MODEL "--report @p.html",
     false},
    {"eval", "--resume", "o.json", EVAL STEPS DATA MODEL, EVAL STEPS DATA MODEL "--resume", true},
    {"eval", "--resume", "status", "eval --quiet --count 9 " STEPS DATA MODEL,
     "eval --quiet --count 9 " STEPS DATA MODEL "--resume", false},
    {"eval", "--shard", "o.stats", PART "--shard 0/2", PART "--shard 1/2", false},
    {"eval", "--statistics", "o.stats", PART "--shard 0/2",
     PART "--shard 0/2 --statistics @p.stats", false},
    {"eval", "--seed", "p.html", EVAL STEPS DATA MODEL PAGE, EVAL STEPS DATA MODEL PAGE "--seed 2",
     false},
    {"eval", "--batch", "p.html", EVAL STEPS DATA MODEL PAGE,
     EVAL STEPS DATA MODEL PAGE "--batch 2", true},
    {"eval", "--as-code", "status", EVAL STEPS DATA MODEL "--as-paper",
     EVAL STEPS DATA MODEL "--as-paper --as-code", false},
    {"eval", "--as-paper", "p.html", EVAL STEPS DATA MODEL PAGE "--grid authors",
     EVAL STEPS DATA MODEL PAGE "--grid authors --as-paper", false},
    {"eval", "--as-paper", "o.json", EVAL STEPS DATA "--model @t.safetensors --metrics elbo",
     EVAL STEPS DATA "--model @t.safetensors --metrics elbo --as-paper", false},
    {"eval", "--raw", "o.json", EVAL STEPS DATA MODEL, EVAL STEPS DATA MODEL "--raw", false},
    {"eval", "--temperature", "p.html", EVAL STEPS DATA MODEL PAGE,
     EVAL STEPS DATA MODEL PAGE "--temperature 0.1", false},
    {"eval", "--top-p", "p.html", EVAL STEPS DATA MODEL PAGE,
     EVAL STEPS DATA MODEL PAGE "--top-p 0.1", false},
    {"eval", "--stratified-lambda", "p.html", EVAL STEPS DATA MODEL PAGE "--count 64",
     EVAL STEPS DATA MODEL PAGE "--count 64 --stratified-lambda", false},
    {"eval", "--lambda", "p.html", EVAL STEPS DATA MODEL PAGE "--count 64",
     EVAL STEPS DATA MODEL PAGE "--count 64 --lambda sample", false},
    {"eval", "--bound-lambdas", "o.json", EVAL STEPS DATA MODEL "--metrics bound",
     EVAL STEPS DATA MODEL "--metrics bound --bound-lambdas 2", false},

    {"eval", "--samples", "stderr", LOOK "--samples @none.npy", LOOK "--samples @t.csv", false},
    {"eval", "--inception", "stderr", SEE "--metrics is --inception @none.pth",
     SEE "--metrics is --inception @t.csv", false}, /* more in test_fid.c */
    {"eval", "--reference", "stderr", SEE "--metrics fid --inception @none.pth",
     SEE "--metrics fid --inception @none.pth --reference @none.npz", false},
    {"eval", "--save-statistics", "status", SEE "--metrics fid --inception @none.pth",
     SEE "--metrics fid --inception @none.pth --save-statistics @s.txt", false},

    {"merge", "FILES", "o.json", PARTS "--json @o.json", "merge @c.stats --json @o.json", false},
    {"merge", "--out", "o.npy", "merge @a.npy @b.npy --out @o.npy",
     "merge @a.npy @b.npy --out @p.npy", false},
    {"merge", "--json", "o.json", PARTS, PARTS "--json @o.json", false},

    {"report", "FILES", "o.md", PAGE_OF "@o.md", "report @a.json @b.json --out @o.md", false},
    {"report", "--out", "p.html", PAGE_OF "@o.md", PAGE_OF "@p.html", false},
    {"report", "--title", "o.md", PAGE_OF "@o.md", PAGE_OF "@o.md --title T", false},

    {"inspect", "FILE", "stdout", "inspect @t.safetensors", "inspect @s.safetensors", false},
    {"convert", "IN", "o.pt", "convert @t.safetensors @o.pt", "convert @u.safetensors @o.pt",
     false},
    {"convert", "OUT", "o.pt", "convert @t.safetensors @o.pt", "convert @t.safetensors @p.pt",
     false},
    {"convert", "--set", "status", "convert @t.safetensors @o.pt",
     "convert @t.safetensors @o.pt --set t_min=0.1", false}, /* more in test_convert.c */
    {"convert", "--overwrite", "status", "convert @t.safetensors @p.pt", /* which is there now */
     "convert @t.safetensors @p.pt --overwrite", false},
    {"theory", "NAME", "o.json", THEORY "--world xor rate", THEORY "--world xor capacity", false},
    {"theory", "--out", "index.html", THEORY "--world xor capacity",
     THEORY "--world xor capacity --out @theory", false},
    {"theory", "--json", "o.json", THEORY "--world xor capacity",
     THEORY "--world xor capacity --json @p.json", false},
    {"theory", "--world", "o.json", THEORY "--world xor capacity",
     THEORY "--world coupled-bits capacity", false},
    {"theory", "--seed", "o.json", THEORY "--world xor capacity",
     THEORY "--world xor capacity --seed 2", false},
    {"verify", "DIR", "stdout", "verify @", "verify /nowhere", false},
    {"verify", "--json", "o.json", "verify @", "verify @ --json @o.json", false},
    {"demo", "--out", "teacher.safetensors", "demo --quiet --out @", "demo --quiet --out @theory",
     false},
    {"demo", "--seed", "teacher.safetensors", "demo --quiet --out @",
     "demo --quiet --out @ --seed 2", false},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void set_up(void)
{
    static const char *const files[] = {
        "t.safetensors",  "t.csv",         "u.safetensors", "u.csv",         "s.safetensors",
        "s.csv",          "o.safetensors", "o.csv",         "p.safetensors", "p.csv",
        "o.npy",          "p.npy",         "o.json",        "p.json",        "p.html",
        "o.pt",           "p.pt",          "m.safetensors", "m.csv",         "c.safetensors",
        "c2.safetensors", "o.npy.json",    "a.npy",         "a.npy.json",    "b.npy",
        "a.json",         "b.json",        "o.md",          "b.npy.json",    "a.stats",
        "b.stats",        "c.stats",       "o.stats",       "p.stats",       "o.measures.csv"};
    cli_set_up(DIR);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
    toy_text(toy("a.csv"), "-4,4\n4,-4\n");
    toy_text(toy("b.csv"), "-6,6\n6,-6\n");
#ifdef DI4C_PLAIN_C /* which makes no folder for theory and demo */
    toys_make_folder(DIR "/theory");
#endif
    toy_mnist(12, 12, 1);
    expect(TRAIN "--set lr=0.1 " STEPS DATA "--out @t.safetensors", 0);
    expect(TRAIN "--set lr=0.1 " STEPS DATA "--seed 3 --out @u.safetensors", 0);
    expect(DISTILL "--set lr=0.1 " STEPS DATA TEACHER "--out @s.safetensors", 0);
}

/* What theory and demo write besides. */
static void tear_down(void)
{
    static const char *const extras[] = {"theory/index.html",
                                         "theory/capacity.svg",
                                         "theory/capacity.png",
                                         "theory/results.json",
                                         "theory/teacher.safetensors",
                                         "theory/teacher.csv",
                                         "theory",
                                         "index.html",
                                         "capacity.svg",
                                         "capacity.png",
                                         "rate.svg",
                                         "rate.png",
                                         "rate-other.svg",
                                         "rate-other.png",
                                         "teacher.safetensors",
                                         "teacher.csv"};
    char path[200];
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", DIR, extras[i]);
        remove(path);
    }
    toys_tear_down();
}

/* Is the file there while the run goes on?  The run is ended after that, or after a while. */
static bool saved_on_the_way(const char *line)
{
    const struct timespec wait = {0, 20000000};
    const pid_t child = fork();
    bool there = false;

    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(run(line));
    for (int i = 0; i < (strstr(line, "--save-every") ? 3000 : 15) && !there; i++) {
        nanosleep(&wait, NULL);
        there = platform_exists(toy("o.safetensors"));
    }
    kill(child, SIGTERM); /* it saves, which is not counted any more */
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    return there;
}

/* A file as text: JSON as it is, others as their digest; "" if it is not there. */
static char *file_text(const char *name)
{
    size_t bytes;
    char *text = toy_read(toy(name), &bytes), digest[65];
    if (!text)
        return mem_string("");
    if (!strstr(name, ".json")) {
        Sha256 s;
        sha256_init(&s);
        sha256_add(&s, text, bytes);
        sha256_hex(&s, digest);
        mem_free(text);
        return mem_string(digest);
    }
    return text;
}

/* Runs the line and takes what there is to look at, as text (mem_free). */
static char *look_after(const Row *r, const char *line)
{
    static const char *const outputs[] = {
        "o.md", "o.png", "p.png",  "o.stats",    "o.safetensors",       "o.npy",         "o.json",
        "o.pt", "p.csv", "p.html", "index.html", "teacher.safetensors", "o.measures.csv"};
    char number[24];
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        remove(toy(outputs[i]));
    if (strcmp(r->look, "kill") == 0)
        return mem_string(saved_on_the_way(line) ? "saved" : "not saved");
    const size_t out = strlen(said(stdout)), err = strlen(said(stderr));
    const int status = run(line);
    if (strcmp(r->look, "stdout") == 0)
        return mem_string(said(stdout) + out);
    if (strcmp(r->look, "stderr") == 0)
        return mem_string(said(stderr) + err);
    snprintf(number, sizeof number, "%d", strcmp(r->look, "status") == 0 ? status : threads_get());
    if (strcmp(r->look, "status") == 0 || strcmp(r->look, "threads") == 0)
        return mem_string(number);
    ck_assert_msg(status == 0 || strcmp(r->command, "demo") == 0 ||
                      strcmp(r->command, "verify") == 0,
                  "%s: %s", line, said(stderr));
    return file_text(r->look);
}

static void compare(const Row *r)
{
    char *a = look_after(r, r->a), *b = look_after(r, r->b);
    ck_assert_msg((strcmp(a, b) == 0) == r->same, "%s %s: %s is %s after\n%s\n%s\n%.300s\n%.300s",
                  r->command, r->option, r->look, r->same ? "another" : "the same", r->a, r->b, a,
                  b);
    mem_free(a);
    mem_free(b);
}

enum { OPTIONS_MAX = 40 };
typedef struct Names {
    size_t count;
    const char *name[OPTIONS_MAX];
} Names;

static void note(const Option *o, void *context)
{
    Names *n = context;
    ck_assert_uint_lt(n->count, OPTIONS_MAX);
    n->name[n->count++] = o->name;
}

/* Command number _i; after the last, the options that all have. */
START_TEST(every_option_does_something)
{
    const bool shared = (size_t)_i == command_count;
    const Command *command = commands[shared ? 0 : _i];
    const char *name = shared ? "*" : command->name;
    Names names = {0};

    if (strcmp(name, "eval") == 0) { /* two classifiers with nothing learnt yet, and a model */
        expect("train --quiet --overwrite " UNET "--out @m.safetensors", 0);
        const DatasetOptions binary = {.transform = DATA_BINARY, .threshold = 0.4};
        Error err = {""};
        Dataset *d = dataset_open("mnist:" DIR, false, &binary, &err);
        for (uint64_t seed = 1; seed <= 2; seed++) {
            Classifier *c = classifier_create(d, seed, &err);
            const char *path = toy(seed == 1 ? "c.safetensors" : "c2.safetensors");
            ck_assert_msg(c && classifier_save(c, path, &err), "%s", err.text);
            classifier_destroy(c);
        }
        dataset_close(d);
    }
    if (strcmp(name, "merge") == 0) { /* two halves, and a whole of another seed */
        expect(SAMPLE MODEL "--shard 0/2 --out @a.npy", 0);
        expect(SAMPLE MODEL "--shard 1/2 --out @b.npy", 0);
        expect(PART "--shard 0/2 --statistics @a.stats", 0);
        expect(PART "--shard 1/2 --statistics @b.stats", 0);
        expect(PART "--shard 0/1 --seed 2 --statistics @c.stats", 0);
    }
    if (strcmp(name, "report") == 0) {
        static char *words[] = {"di4c", "eval", "--data", "glyphs"};
        provenance_set(4, words); /* a report tells eval's results by their command */
        expect("eval --quiet --count 9 " STEPS DATA MODEL "--json @a.json", 0);
        expect("eval --quiet --count 9 --seed 2 " STEPS DATA MODEL "--json @b.json", 0);
    }
    if (strcmp(name, "verify") == 0) /* a case that fails is reported, too */
        toy_text(toy("manifest.json"), "{\"arrays\": {}, \"models\": {}, \"cases\": "
                                       "[{\"name\": \"u\", \"kind\": \"none\", \"arrays\": {}}]}");
    for (size_t k = 0; shared && k < ROWS; k++)
        if (strcmp(rows[k].command, name) == 0)
            compare(&rows[k]);
    options_each(command, note, &names);
    if (strcmp(name, "demo") == 0) { /* the first step is the last, and is saved */
        platform_catch_signals();
        ck_assert_int_eq(raise(SIGTERM), 0);
    }
    for (size_t i = 0; !shared && i < names.count; i++) {
        size_t found = 0;
        for (size_t k = 0; k < ROWS; k++)
            if (strcmp(rows[k].option, names.name[i]) == 0) {
                found += strcmp(rows[k].command, name) == 0 || strcmp(rows[k].command, "*") == 0;
                if (strcmp(rows[k].command, name) == 0)
                    compare(&rows[k]);
            }
        ck_assert_msg(found > 0, "%s %s: expected a row that says what it does", name,
                      names.name[i]);
    }
    ck_assert_uint_gt(names.count, 3);
}
END_TEST

/* The bound ends at the time from which its model was trained on. */
START_TEST(the_models_least_time_ends_the_bound)
{
    expect(TRAIN OUT STEPS DATA "--set t_min=0.125", 0);
    expect("eval --quiet --model @o.safetensors --data glyphs --count 4 --metrics elbo --json "
           "@o.json",
           0);
    char *text = file_text("o.json");
    ck_assert_msg(strstr(text, "\"t_min\": 0.125") != NULL, "%s", text);
    mem_free(text);
}
END_TEST

Suite *option_effects_suite(void)
{
    Suite *s = suite_create("option_effects");
    TCase *tc = tcase_create("option_effects");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, every_option_does_something, 0, (int)command_count + 1);
    tcase_add_test(tc, the_models_least_time_ends_the_bound);
    tcase_set_timeout(tc, 240);
    suite_add_tcase(s, tc);
    return s;
}
