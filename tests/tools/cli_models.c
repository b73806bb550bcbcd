#include "tests/tools/cli_models.h"

#include <check.h>

#include "tensor/system/platform.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

/* Every file that a test may leave: named before it is made, it is also cleared of older runs. */
static const char *const files[] = {
    "t.before-1.csv", "t.before-2.csv",  "new.csv",
    "h.safetensors",  "t.safetensors",   "t.csv",
    "s.safetensors",  "s.csv",           "u.safetensors",
    "u.csv",          "t2.safetensors",  "log",
    "d.safetensors",  "d.csv",           "r.safetensors",
    "r.csv",          "m.safetensors",   "m.csv",
    "k.safetensors",  "e.json",          "e.html",
    "r.html",         "x.npy",           "y.npy",
    "p.png",          "x.png",           "x.safetensors",
    "x.csv",          "new.safetensors", "folder.safetensors",
    "rates.csv",      "none.csv",        "a.npy",
    "b.npy",          "c.npy",           "d.npy",
    "y.npy.json",
};

void cli_models_set_up(const char *folder)
{
    cli_set_up(folder);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
}

bool there(const char *name)
{
    return platform_exists(toy(name));
}

void make_teacher(void)
{
    expect("train " TINY "--out @t.safetensors", 0);
    ck_assert(there("t.safetensors") && there("t.csv"));
}

void make_both(void)
{
    make_teacher();
    expect("distill " STUDENT "--teacher @t.safetensors --out @s.safetensors", 0);
    ck_assert(there("s.safetensors") && there("s.csv"));
}
