#include "tests/tools/exact_glyphs.h"

#include <check.h>

#include "experiments/data/law/exact_denoiser.h"
#include "tests/tools/toys.h"

ExactGlyphs exact_glyphs_open(void)
{
    Error err = {""};
    ProcessConfig pc = diffusion_process_defaults("absorbing", 3);
    pc.eps = 0;
    ExactGlyphs g = {.data = toy_open("glyphs", false),
                     .process = diffusion_process_create(&pc, &err)};
    ck_assert_msg(g.process != NULL, "%s", err.text);
    g.exact = exact_denoiser_create(g.data->law, g.process);
    return g;
}

void exact_glyphs_close(ExactGlyphs *g)
{
    exact_denoiser_destroy(g->exact);
    diffusion_process_destroy(g->process);
    dataset_close(g->data);
}
