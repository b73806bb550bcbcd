/* The reference vectors in tests/golden: all agree, and they are of every kind. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/verify/verify.h"
#include "tensor/base/memory.h"

static const char dir[] = "tests/golden", json[] = "test-golden.tmp.json";

static void remove_json(void)
{
    remove(json);
}

static Json *read_json(const char *path)
{
    Error err = {""};
    char *text = mem_alloc(1 << 20, 1);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    const size_t n = fread(text, 1, 1 << 20, f);
    fclose(f);
    Json *j = json_parse(text, n, path, &err);
    ck_assert_msg(j != NULL, "%s", err.text);
    mem_free(text);
    return j;
}

/* Whether a run of that kind on that path compared the role. */
static bool compared(const Json *report, const char *kind, const char *path, const char *role)
{
    const Json *cases = json_get(report, "cases");
    for (size_t i = 0; i < cases->count; i++) {
        const Json *c = &cases->items[i], *arrays = json_get(c, "arrays");
        if (strcmp(json_get(c, "kind")->string, kind) != 0 ||
            strcmp(json_get(c, "path")->string, path) != 0)
            continue;
        for (size_t k = 0; k < arrays->count; k++)
            if (strcmp(json_get(&arrays->items[k], "role")->string, role) == 0)
                return true;
    }
    return false;
}

START_TEST(all_agree)
{
    static const char *const needed[][3] = {{"process", "direct", "P_rows"},
                                            {"posterior", "direct", "mix_eps"},
                                            {"logistic_head", "direct", "logp_fix"},
                                            {"unet", "direct", "grad_every_8"},
                                            {"unet", "fast", "dce_dout"},
                                            {"ct_elbo", "direct", "sig_two"},
                                            {"ct_elbo", "fast", "head_grad"},
                                            {"di4c", "direct", "consis_cor_nocv"},
                                            {"di4c", "fast", "head_grad_lms"},
                                            {"train", "direct", "ema_2"},
                                            {"train", "fast", "params_2"}};
    Error err = {""};
    size_t failed = 99;
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stdout));
    ck_assert_msg(verify_run(dir, json, &failed, &err), "%s", err.text);
    ck_assert_msg(failed == 0, "%zu runs failed: see di4c verify %s", failed, dir);
    Json *report = read_json(json);
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        ck_assert_msg(compared(report, needed[i][0], needed[i][1], needed[i][2]),
                      "%s of %s was not compared on the %s path", needed[i][2], needed[i][0],
                      needed[i][1]);
    ck_assert(!compared(report, "process", "fast", "P_rows"));
    json_free(report);
}
END_TEST

Suite *golden_suite(void);
Suite *golden_suite(void)
{
    Suite *suite = suite_create("golden");
    TCase *tc = tcase_create("golden");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, NULL, remove_json);
    tcase_add_test(tc, all_agree);
    suite_add_tcase(suite, tc);
    return suite;
}
