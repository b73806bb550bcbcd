/* CSV logs: what is written, what a resume keeps, what a reader refuses. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/csv.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

static const char path[] = "test-csv.tmp.csv";
static const char *const columns[3] = {"step", "loss", "norm"};

static void remove_file(void)
{
    remove(path);
}

static void write_text(const char *text)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    ck_assert_int_eq(fclose(f), 0);
}

static void expect_text(const char *text)
{
    char got[1000] = "";
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(got, text);
}

static void add_row(CsvLog *log, double step, double loss, double norm)
{
    double values[3] = {step, loss, norm};
    csv_row(log, values);
}

static void close_log(CsvLog *log)
{
    Error err = {""};
    ck_assert_msg(csv_close(log, &err), "%s", err.text);
}

static CsvLog *resume(uint64_t last_step)
{
    Error err = {""};
    CsvLog *log = csv_resume(path, columns, 3, last_step, &err);
    ck_assert_msg(log != NULL, "%s", err.text);
    return log;
}

START_TEST(rows_are_written)
{
    Error err = {""};

    write_text("something else\n");
    CsvLog *log = csv_create(path, columns, 3, &err);
    ck_assert_msg(log != NULL, "%s", err.text);
    add_row(log, 1, 0.1, (double)NAN);
    add_row(log, 4000000000.0, -(double)INFINITY, 123456789.25);
    ck_assert(csv_flush(log, &err));
    expect_text("step,loss,norm\n1,0.1,\n4000000000,,123456789\n");
    add_row(log, 4000000001.0, 1e-20, 0);
    close_log(log);
    expect_text("step,loss,norm\n1,0.1,\n4000000000,,123456789\n4000000001,1e-20,0\n");
    ck_assert(csv_close(NULL, &err));
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(resume_cuts_back)
{
    write_text("step,loss,norm\n1,5,1\n2,4,1\n3,3,\n4,2");
    CsvLog *log = resume(2);
    expect_text("step,loss,norm\n1,5,1\n2,4,1\n");
    add_row(log, 3, 2.5, 1);
    close_log(log);
    expect_text("step,loss,norm\n1,5,1\n2,4,1\n3,2.5,1\n");
    close_log(resume(3)); /* nothing to cut */
    expect_text("step,loss,norm\n1,5,1\n2,4,1\n3,2.5,1\n");
    write_text("step,loss,norm\n1,5,1\n2,4"); /* an unfinished line, though within the steps */
    close_log(resume(9));
    expect_text("step,loss,norm\n1,5,1\n");
    close_log(resume(0));
    expect_text("step,loss,norm\n");
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(resume_creates)
{
    close_log(resume(5));
    expect_text("step,loss,norm\n");
    write_text("");
    close_log(resume(5));
    expect_text("step,loss,norm\n");
}
END_TEST

START_TEST(resume_refuses)
{
    static const char *const cases[][2] = {
        {"step,loss\n1,2\n", "its first line is not step,loss,norm"},
        {"step,loss,norm2\n", "its first line is not"},
        {"step", "its first line is not"},
        {"step,loss,norm\n1,2,3\nx,2,3\n", "line 3: expected a step"},
        {"step,loss,norm\n-1,2,3\n", "line 2: expected a step"},
        {"step,loss,norm\n1x,2,3\n", "line 2: expected a step"},
        {"step,loss,norm\n1,2,3\n\n2,2,3\n", "line 3: expected a step"},
        {"step,loss,norm\n1,2,3\n \n2,2,3\n", "line 3: expected a step"},
        {"step,loss,norm\n1,2,\n3\n2,2,3\n", "line 3: expected a step"},
        {"step,loss,norm\n1,2,3\n2,2\n", "line 3: expected a step and 2 numbers"},
        {"step,loss,norm\n1,2,3\n2,2,3,4\n", "line 3: expected a step and 2 numbers"},
        {"step,loss,norm\n1,2,x\n", "line 2: expected a step and 2 numbers"},
        {"step,loss,norm\n1, 2,3\n", "line 2: expected a step and 2 numbers"},
    };
    Error err = {""};

    write_text(cases[_i][0]);
    ck_assert_ptr_null(csv_resume(path, columns, 3, 7, &err));
    ck_assert_msg(strstr(err.text, path) != NULL && strstr(err.text, cases[_i][1]) != NULL, "%s",
                  err.text);
    expect_text(cases[_i][0]); /* left as it was */
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(table_is_read)
{
    CsvTable t;
    Error err = {""};

    write_text("step,loss,norm\n1,0.5,\n2,,-3e-5\n");
    ck_assert_msg(csv_read(path, &t, &err), "%s", err.text);
    ck_assert_uint_eq(t.columns, 3);
    ck_assert_uint_eq(t.rows, 2);
    ck_assert_str_eq(t.names[2], "norm");
    const double *loss = csv_column(&t, "loss"), *norm = csv_column(&t, "norm");
    ck_assert(loss[0] == 0.5 && isnan(loss[1]));
    ck_assert(isnan(norm[0]) && norm[1] == -3e-5);
    ck_assert(csv_column(&t, "step")[1] == 2.0);
    ck_assert_ptr_null(csv_column(&t, "los"));
    csv_free(&t);
    write_text("step\n");
    ck_assert_msg(csv_read(path, &t, &err), "%s", err.text);
    ck_assert_uint_eq(t.rows, 0);
    csv_free(&t);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(reader_refuses)
{
    static const char *const cases[][2] = {
        {"", "line 1"},
        {"step,loss", "line 1: expected names"},
        {"step,,norm\n", "line 1: a column has no name"},
        {"step,loss\n1\n", "line 2: expected 2 numbers"},
        {"step,loss\n1,2,3\n", "line 2: expected 2 numbers"},
        {"step,loss\n1,2\n1,abc\n", "line 3: expected 2 numbers"},
        {"step,loss\n1, \n2,3\n", "line 2: expected 2 numbers"},
        {"step,loss\n1, 2\n", "line 2: expected 2 numbers"},
        {"step,loss\n\n", "line 2: expected 2 numbers"},
        {"step,loss\n1,\"2\"\n", "line 2: expected 2 numbers"},
        {"step,loss\n1,\n2\n", "line 3: expected 2 numbers"},
        {"step,loss\n1,2\n\n3,4\n", "line 3: expected 2 numbers"},
        {"a,b,c,d,e\n\n\n\n\n", "line 1 names 5 columns"},
    };
    CsvTable t;
    Error err = {""};

    write_text(cases[_i][0]);
    ck_assert(!csv_read(path, &t, &err));
    ck_assert_msg(strstr(err.text, path) != NULL && strstr(err.text, cases[_i][1]) != NULL, "%s",
                  err.text);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

/* Whatever bytes a log has: what a resume keeps, the reader reads. */
START_TEST(what_a_resume_keeps_can_be_read)
{
    static const char head[] = "step,loss,norm\n", valid[] = "1,2.5,-3e-5\n2,,1\n3,4,5\n";
    static const char pieces[] = "0123,,\n\n \t\r.-+exnif";
    Rng rng = rng_root(11);
    Error err;
    int kept = 0;

    for (int round = 0; round < 250; round++) {
        char text[sizeof head + sizeof valid];
        CsvTable t;
        snprintf(text, sizeof text, "%s%s", head, valid);
        for (size_t i = 0; i < 1 + rng_below(&rng, 3); i++)
            text[sizeof head - 1 + rng_below(&rng, sizeof valid - 1)] =
                pieces[rng_below(&rng, sizeof pieces - 1)];
        write_text(text);
        CsvLog *log = csv_resume(path, columns, 3, 2, &err);
        if (log == NULL)
            continue;
        close_log(log);
        ck_assert_msg(csv_read(path, &t, &err), "%s of %s", err.text, text);
        csv_free(&t);
        kept++;
    }
    ck_assert_int_gt(kept, 10);
}
END_TEST

START_TEST(missing_files)
{
    CsvTable t;
    Error err = {""};

    ck_assert(!csv_read(path, &t, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "cannot be read"));
    ck_assert_ptr_null(csv_create("no-such-folder.tmp.d/log.csv", columns, 3, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-folder.tmp.d"));
}
END_TEST

START_TEST(names_must_be_plain)
{
    const char *const bad[1] = {"a,b"};
    csv_create(path, bad, 1, NULL);
}
END_TEST

Suite *csv_suite(void);
Suite *csv_suite(void)
{
    Suite *suite = suite_create("csv");
    TCase *tc = tcase_create("csv");

    tcase_set_timeout(tc, 10);
    tcase_add_checked_fixture(tc, NULL, remove_file);
    tcase_add_test(tc, rows_are_written);
    tcase_add_test(tc, resume_cuts_back);
    tcase_add_test(tc, resume_creates);
    tcase_add_loop_test(tc, resume_refuses, 0, 12);
    tcase_add_test(tc, table_is_read);
    tcase_add_loop_test(tc, reader_refuses, 0, 13);
    tcase_add_test(tc, what_a_resume_keeps_can_be_read);
    tcase_add_test(tc, missing_files);
    tcase_add_test_raise_signal(tc, names_must_be_plain, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
