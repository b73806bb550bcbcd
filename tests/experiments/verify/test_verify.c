/* The comparison with reference vectors, on a folder made here: it agrees with the truth, and it
 * fails on everything that is wrong or missing. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "experiments/verify/verify.h"
#include "tensor/system/platform.h"
#include "tests/tools/toys.h"

static const char dir[] = "test-verify.tmp";

typedef struct Reference {
    const char *role;
    size_t count;
    double values[8];
    const char *shape;
} Reference;

enum { ROLES = 12 };

/* The uniform process on two states with rate 1/2: P[0->1] keeps (1 + e^-1)/2. */
static void fill(Reference r[ROLES])
{
    const double a = (1 + exp(-1.0)) / 2, b = 1 - a;
    const Reference truth[ROLES] = {
        {"times", 2, {0, 0.5}, "[2]"},
        {"beta", 2, {0, 0.5}, "[2]"},
        {"dbeta", 2, {1, 1}, "[2]"},
        {"rows", 2, {1, 0}, "[2]"},
        {"base_rows", 4, {0.5, -0.5, -0.5, 0.5}, "[2, 2]"},
        {"prior", 2, {0.5, 0.5}, "[2]"},
        {"vec", 2, {1, 3}, "[2]"},
        {"base_vec", 2, {1, -1}, "[2]"},
        {"pairs", 2, {0, 1}, "[1, 2]"},
        {"P_rows", 4, {b, a, a, b}, "[1, 2, 2]"},
        {"P_vec", 2, {a + 3 * b, b + 3 * a}, "[1, 2]"},
        {"vec_P", 2, {a + 3 * b, b + 3 * a}, "[1, 2]"},
    };
    memcpy(r, truth, sizeof truth);
}

static FILE *open_in(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    return f;
}

/* High: the entries' high byte first, axis 0 fastest; the matrices here are symmetric. */
static bool write_high;

static void write_array(const Reference *r)
{
    char name[40], header[119], tuple[20];
    snprintf(name, sizeof name, "%s.npy", r->role);
    snprintf(tuple, sizeof tuple, "(%.*s,)", (int)strlen(r->shape) - 2, r->shape + 1);
    snprintf(header, sizeof header, "{'descr': '%sf8', 'fortran_order': %s, 'shape': %s}",
             write_high ? ">" : "<", write_high ? "True" : "False", tuple);
    FILE *f = open_in(name);
    fprintf(f, "\x93NUMPY%c%c%c%c%-118s", 1, 0, 118, 0, header);
    for (size_t i = 0; i < r->count; i++) {
        uint64_t bits;
        memcpy(&bits, &r->values[i], sizeof bits);
        for (int k = 0; k < 64; k += 8)
            putc((int)(bits >> (write_high ? 56 - k : k) & 0xFF), f);
    }
    fclose(f);
}

/* Writes the folder; left_out: a role without a file, or NULL; more: text for the case. */
static void write_folder_of(const Reference r[ROLES], const char *left_out, const char *kind,
                            const char *more, const char *process)
{
    char name[60];
    toys_make_folder(dir);
    FILE *f = open_in("manifest.json");
    fprintf(f, "{\"arrays\": {");
    for (int i = 0; i < ROLES; i++)
        fprintf(f, "%s\"u_%s\": {\"file\": \"%s.npy\", \"dtype\": \"float64\", \"shape\": %s}",
                i > 0 ? ", " : "", r[i].role, r[i].role, r[i].shape);
    fprintf(f,
            "}, \"models\": {}, \"cases\": [{\"name\": \"u\", \"kind\": \"%s\", \"process\": "
            "%s, \"arrays\": {",
            kind, process);
    for (int i = 0; i < ROLES; i++)
        fprintf(f, "%s\"%s\": \"u_%s\"", i > 0 ? ", " : "", r[i].role, r[i].role);
    fprintf(f, "%s}}]}", more);
    fclose(f);
    for (int i = 0; i < ROLES; i++) {
        snprintf(name, sizeof name, "%s/%s.npy", dir, r[i].role);
        remove(name);
        if (left_out == NULL || strcmp(r[i].role, left_out) != 0)
            write_array(&r[i]);
    }
}

static void write_folder(const Reference r[ROLES], const char *left_out, const char *kind,
                         const char *more)
{
    write_folder_of(r, left_out, kind, more,
                    "\"uniform\", \"S\": 2, \"params\": {\"rate_const\": 0.5}");
}

static void remove_folder(void)
{
    Reference r[ROLES];
    char name[60];
    fill(r);
    for (int i = 0; i < ROLES; i++) {
        snprintf(name, sizeof name, "%s/%s.npy", dir, r[i].role);
        remove(name);
    }
    snprintf(name, sizeof name, "%s/manifest.json", dir);
    remove(name);
    snprintf(name, sizeof name, "%s/index.tsv", dir);
    remove(name);
    snprintf(name, sizeof name, "%s/out.json", dir);
    remove(name);
    remove(dir);
}

static size_t failures(void)
{
    Error err = {""};
    size_t failed = 99;
    ck_assert_msg(verify_run(dir, NULL, &failed, &err), "%s", err.text);
    return failed;
}

START_TEST(arrays_of_another_order_pass)
{
    Reference r[ROLES];
    fill(r);
    write_high = true;
    write_folder(r, NULL, "process", "");
    ck_assert_uint_eq(failures(), 0);
    write_high = false;
}
END_TEST

START_TEST(truth_passes)
{
    Reference r[ROLES];
    Error err = {""};
    char text[8000] = "";
    size_t failed = 99;
    fill(r);
    write_folder(r, NULL, "process", "");
    ck_assert_msg(verify_run(dir, "test-verify.tmp/out.json", &failed, &err), "%s", err.text);
    ck_assert_uint_eq(failed, 0);
    FILE *f = fopen("test-verify.tmp/out.json", "rb");
    ck_assert_ptr_nonnull(f);
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    Json *j = json_parse(text, n, "out.json", &err);
    ck_assert_msg(j != NULL, "%s", err.text);
    const Json *first = &json_get(j, "cases")->items[0];
    ck_assert_uint_eq(json_get(first, "arrays")->count, 11);
    ck_assert(json_get(first, "ok")->boolean);
    ck_assert_str_eq(json_get(&json_get(first, "arrays")->items[0], "array")->string, "u_beta");
    json_free(j);
}
END_TEST

/* The schedule's integral may be infinite at t = 1: then it must be infinite here too. */
START_TEST(infinities_are_compared)
{
    Reference r[ROLES];
    fill(r);
    r[1].values[1] = INFINITY;
    write_folder(r, NULL, "process", "");
    ck_assert_uint_eq(failures(), 1);
    fill(r);
    r[0].values[1] = 1;
    r[1].values[1] = r[2].values[1] = INFINITY; /* alpha = 1 - t has both */
    r[2].values[0] = 1;
    const Reference mask[] = {{"base_rows", 4, {0, 0, -1, 1}, "[2, 2]"},
                              {"base_vec", 2, {2, 0}, "[2]"},
                              {"prior", 2, {0, 1}, "[2]"},
                              {"P_rows", 4, {0, 1, 0, 1}, "[1, 2, 2]"},
                              {"P_vec", 2, {3, 3}, "[1, 2]"},
                              {"vec_P", 2, {0, 4}, "[1, 2]"}};
    for (size_t i = 0; i < ROLES; i++)
        for (size_t k = 0; k < sizeof mask / sizeof mask[0]; k++)
            if (strcmp(r[i].role, mask[k].role) == 0)
                r[i] = mask[k];
    write_folder_of(r, NULL, "process", "", "\"absorbing\", \"S\": 2, \"params\": {\"eps\": 0}");
    ck_assert_uint_eq(failures(), 0);
    r[1].values[1] = 1e300;
    write_folder_of(r, NULL, "process", "", "\"absorbing\", \"S\": 2, \"params\": {\"eps\": 0}");
    ck_assert_uint_eq(failures(), 1);
}
END_TEST

/* A case taken out of the manifest, arrays and all, is still in index.tsv. */
START_TEST(the_index_is_believed)
{
    Reference r[ROLES];
    fill(r);
    write_folder(r, NULL, "process", "");
    FILE *f = open_in("index.tsv");
    fputs("u_times\tfloat64\t2\t-1\t-1\r\nu_beta\tfloat64\t2\t-1\t-1", f);
    fclose(f);
    ck_assert_uint_eq(failures(), 0);
    f = open_in("index.tsv");
    fputs("u_times\tfloat64\t2\t-1\t-1\n\nv_times\tfloat64\t2\t-1\t-1\nv_beta", f);
    fclose(f);
    ck_assert_uint_eq(failures(), 2);
}
END_TEST

START_TEST(any_wrong_number_fails)
{
    static const char *const compared[] = {"beta",     "dbeta",  "base_rows", "prior",
                                           "base_vec", "P_rows", "P_vec",     "vec_P"};
    Reference r[ROLES];
    for (size_t k = 0; k < sizeof compared / sizeof compared[0]; k++)
        for (int kind = 0; kind < 2; kind++) {
            fill(r);
            for (int i = 0; i < ROLES; i++)
                if (strcmp(r[i].role, compared[k]) == 0)
                    r[i].values[r[i].count - 1] = kind == 0 ? r[i].values[0] + 1e-9 : NAN;
            write_folder(r, NULL, "process", "");
            ck_assert_msg(failures() == 1, "%s", compared[k]);
        }
}
END_TEST

START_TEST(anything_missing_or_unknown_fails)
{
    Reference r[ROLES];
    fill(r);
    for (int i = 0; i < ROLES; i++) {
        write_folder(r, r[i].role, "process", "");
        ck_assert_msg(failures() == 1, "without %s", r[i].role);
    }
    write_folder(r, NULL, "prozess", "");
    ck_assert_uint_eq(failures(), 1);
    write_folder(r, NULL, "process", ", \"extra\": \"u_vec\"");
    ck_assert_uint_eq(failures(), 1);
    r[1].shape = "[3]";
    write_folder(r, NULL, "process", "");
    ck_assert_uint_eq(failures(), 1);
    fill(r);
    r[3].values[0] = 2; /* a row that the matrix does not have */
    write_folder(r, NULL, "process", "");
    ck_assert_uint_eq(failures(), 1);
    fill(r);
    r[0].values[0] = -0.5; /* a time before the start */
    write_folder(r, NULL, "process", "");
    ck_assert_uint_eq(failures(), 1);
    fill(r);
    r[8].values[0] = 2; /* no time */
    write_folder(r, NULL, "process", "");
    ck_assert_uint_eq(failures(), 1);
    fill(r);
    r[8].values[0] = 0.9; /* s above t */
    r[8].values[1] = 0.5;
    write_folder(r, NULL, "process", "");
    ck_assert_uint_eq(failures(), 1);
    fill(r);
    write_folder(r, NULL, "process", ""); /* and the case once more */
    write_folder(r, NULL, "process", "}}, {\"name\": \"u\", \"kind\": \"process\", \"arrays\": {");
    ck_assert_uint_eq(failures(), 1);
}
END_TEST

/* Nothing would look at it. */
START_TEST(an_array_of_no_case_fails)
{
    toys_make_folder(dir);
    FILE *f = open_in("manifest.json");
    fputs("{\"arrays\": {\"a\": {}, \"b\": {}, \"c\": {}}, \"cases\": [{\"name\": \"u\", \"kind\": "
          "\"none\", \"arrays\": {\"x\": \"a\", \"y\": 3}}]}",
          f);
    fclose(f);
    ck_assert_uint_eq(failures(), 3); /* the case, b and c */
}
END_TEST

/* What the JSON file says of the first case, whose process is given by this text. */
static void expect_error(const char *process, const char *part)
{
    Reference r[ROLES];
    Error err = {""};
    char text[8000] = "";
    size_t failed = 0;
    fill(r);
    write_folder_of(r, NULL, "process", "", process);
    ck_assert_msg(verify_run(dir, "test-verify.tmp/out.json", &failed, &err), "%s", err.text);
    ck_assert_uint_eq(failed, 1);
    FILE *f = fopen("test-verify.tmp/out.json", "rb");
    ck_assert_ptr_nonnull(f);
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    ck_assert_msg(n > 0 && strstr(text, part) != NULL, "%s", text);
}

START_TEST(processes_that_are_none_are_named)
{
    expect_error("\"uniform\", \"S\": 1025, \"params\": {}", "S is 1025: expected at most 1024");
    expect_error("\"uniforn\", \"S\": 2, \"params\": {}", "expected a known one with params");
    expect_error("\"uniform\", \"S\": 2, \"params\": 3", "expected a known one with params");
    expect_error("\"uniform\", \"S\": 2, \"params\": {\"sigma_min\": 1}",
                 "expected a known constant");
    expect_error("\"absorbing\", \"S\": 2, \"params\": {\"schedule\": \"steep\"}",
                 "expected a known constant");
    expect_error("\"uniform\", \"S\": 2, \"params\": {\"rate_const\": -1}", "rate_const = -1");
}
END_TEST

START_TEST(folders_without_a_manifest)
{
    Error err = {""};
    size_t failed;
    ck_assert(!verify_run("no-such-folder", NULL, &failed, &err));
    ck_assert_msg(strstr(err.text, "no-such-folder/manifest.json") != NULL, "%s", err.text);
    toys_make_folder(dir);
    FILE *f = open_in("manifest.json");
    fputs("{\"cases\": []}", f);
    fclose(f);
    ck_assert(!verify_run(dir, NULL, &failed, &err));
    ck_assert_msg(strstr(err.text, "at least one case") != NULL, "%s", err.text);
    f = open_in("manifest.json");
    fputs("{\"cases\": [7, {\"kind\": \"process\", \"arrays\": [1]}, {\"kind\": \"unet\"}]}", f);
    fclose(f);
    ck_assert(verify_run(dir, NULL, &failed, &err));
    ck_assert_uint_eq(failed, 4);
}
END_TEST

/* Lines for each case go to stdout; the tests do not need them. */
static void silence(void)
{
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stdout));
}

Suite *verify_suite(void);
Suite *verify_suite(void)
{
    Suite *suite = suite_create("verify");
    TCase *tc = tcase_create("verify");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, silence, remove_folder);
    tcase_add_test(tc, truth_passes);
    tcase_add_test(tc, arrays_of_another_order_pass);
    tcase_add_test(tc, infinities_are_compared);
    tcase_add_test(tc, the_index_is_believed);
    tcase_add_test(tc, any_wrong_number_fails);
    tcase_add_test(tc, anything_missing_or_unknown_fails);
    tcase_add_test(tc, an_array_of_no_case_fails);
    tcase_add_test(tc, processes_that_are_none_are_named);
    tcase_add_test(tc, folders_without_a_manifest);
    suite_add_tcase(suite, tc);
    return suite;
}
