/* Reports and charts: well-formed, escaped, self-contained. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/report/report.h"
#include "tensor/base/memory.h"

static const char path[] = "test-report.tmp.html", log_path[] = "test-report.tmp.csv";

static void remove_files(void)
{
    remove(path);
    remove(log_path);
}

/* The written page; the caller frees it with mem_free. */
static char *page_of(Report *r)
{
    Error err = {""};

    ck_assert_msg(report_write(r, path, &err), "%s", err.text);
    report_destroy(r);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    char *text = mem_zeroed(1 << 20, 1);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, f), (1 << 20) - 1);
    fclose(f);
    return text;
}

static bool is_void(const char *name)
{
    return strcmp(name, "meta") == 0 || strcmp(name, "img") == 0;
}

/* Every element that is opened is closed in order, attributes are quoted, no stray < or &. */
static void expect_well_formed(const char *s)
{
    char open[32][16];
    int depth = 0;

    if (strncmp(s, "<!DOCTYPE html>", 15) == 0)
        s += 15;
    for (; *s != '\0'; s++) {
        char name[16] = "";
        if (*s == '&')
            ck_assert_msg(strcspn(s, ";") <= 6, "%.20s", s);
        if (*s != '<')
            continue;
        bool closing = s[1] == '/';
        ck_assert_int_eq(sscanf(s + 1 + closing, "%15[a-z0-9]", name), 1);
        bool quoted = false;
        for (; *s != '>' || quoted; s++) {
            ck_assert_msg(*s != '\0', "element %s without an end", name);
            quoted = quoted != (*s == '"');
        }
        if (closing) {
            ck_assert_int_gt(depth, 0);
            ck_assert_str_eq(open[--depth], name);
        } else if (s[-1] != '/' && !is_void(name)) {
            ck_assert_int_lt(depth, 32);
            strcpy(open[depth++], name);
        }
    }
    ck_assert_int_eq(depth, 0);
}

static size_t count_of(const char *text, const char *piece)
{
    size_t n = 0;

    for (const char *s = text; (s = strstr(s, piece)) != NULL; s++)
        n++;
    return n;
}

/* No network, no script: nothing that a browser would fetch or run. */
static void expect_self_contained(const char *page)
{
    static const char *const refused[] = {"http",  "//",     "<script", "@import", "url(",
                                          "<link", "onload", "srcset",  "<iframe"};

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        for (const char *s = page; (s = strstr(s, refused[i])) != NULL; s++) {
            const char *data = s; /* base64 may hold two slashes */
            while (data > page && *data != '"' && *data != '>')
                data--;
            ck_assert_msg(strncmp(data, "\"data:image/png;base64,", 23) == 0, "%.40s", s);
        }
}

static Chart small_chart(Series *series, size_t count)
{
    Chart chart = {"A chart <1>", "steps", "loss & more", false, false, true, series, count};

    return chart;
}

static Report *full_report(void)
{
    static const double x[4] = {1, 2, 4, 8}, y[4] = {0.9, 0.5, (double)NAN, 0.01};
    static const char *const head[2] = {"name<i>", "tv"};
    static const char *const cells[4] = {"a & b", "0.25", NULL, "12 %"};
    uint8_t pixels[12] = {0, 1, 2, 250, 251, 252, 7, 8, 9, 10, 11, 12};
    Picture picture = {2, 2, 3, pixels};
    Series series[2] = {{"teacher's", x, y, 4, false, false}, {"bound", x, x, 4, false, true}};
    Chart chart = small_chart(series, 2);
    Report *r = report_create("Run <b>1</b> & co", "Half of \"it\" is valid.");

    report_heading(r, "Numbers");
    report_paragraph(r, "1 < 2 & 3 > 2");
    report_table(r, "Caption <i>", 2, head, 2, cells);
    report_chart(r, &chart);
    chart.log_x = chart.log_y = true;
    report_chart(r, &chart);
    report_picture(r, "Samples \"x\"", &picture);
    report_fact(r, "command", "di4c demo --out '<dir>'");
    return r;
}

START_TEST(lines_are_kept)
{
    Report *r = report_create("t", "s");
    report_lines(r, "Samples <1>", "To be,\n\n  or \x1B[2J not & <b>\n");
    char *page = page_of(r);
    ck_assert_ptr_nonnull(strstr(page, "<figcaption>Samples &lt;1&gt;</figcaption>\n<pre "));
    ck_assert_ptr_nonnull(
        strstr(page, ">To be,\n\n  or  [2J not &amp; &lt;b&gt;\n</pre></figure>"));
    mem_free(page);
}
END_TEST

START_TEST(page_is_sound)
{
    char *page = page_of(full_report());

    expect_well_formed(page);
    expect_self_contained(page);
    ck_assert_ptr_nonnull(strstr(page, "<title>Run &lt;b&gt;1&lt;/b&gt; &amp; co</title>"));
    ck_assert_ptr_nonnull(strstr(page, "Half of &quot;it&quot; is valid."));
    ck_assert_ptr_nonnull(strstr(page, "1 &lt; 2 &amp; 3 &gt; 2"));
    ck_assert_ptr_nonnull(strstr(page, "di4c demo --out &#39;&lt;dir&gt;&#39;"));
    ck_assert_ptr_nonnull(strstr(page, "<td>a &amp; b</td><td class=\"n\">0.25</td>"));
    ck_assert_ptr_nonnull(strstr(page, "<td class=\"n\">12 %</td>"));
    ck_assert_ptr_null(strstr(page, "<b>"));
    ck_assert_ptr_null(strstr(page, "nan "));
    ck_assert_uint_eq(count_of(page, "<svg"), 2);
    ck_assert_uint_eq(count_of(page, "base64,iVBORw0KGgo"), 1);
    mem_free(page);
    ck_assert_uint_eq(mem_in_use(), 0);
}
END_TEST

START_TEST(equal_reports_are_equal_files)
{
    char *a = page_of(full_report()), *b = page_of(full_report());

    ck_assert_str_eq(a, b);
    mem_free(a);
    mem_free(b);
}
END_TEST

START_TEST(write_fails_with_a_sentence)
{
    Report *r = report_create("t", "s");
    Error err = {""};

    ck_assert(!report_write(r, "no-such-folder.tmp.d/r.html", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "no-such-folder.tmp.d/r.html"));
    report_destroy(r);
    report_destroy(NULL);
}
END_TEST

static void write_log(size_t rows)
{
    FILE *f = fopen(log_path, "wb");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "step,loss\n");
    for (size_t i = 0; i < rows; i++)
        fprintf(f, "%zu,%g\n", i, 1.0 / (double)(i + 1));
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(curves_of_logs)
{
    static const size_t rows[4] = {0, 1, 7, 5000};
    Report *r = report_create("t", "s");
    Error err = {""};

    for (size_t i = 0; i < 4; i++) {
        write_log(rows[i]);
        ck_assert_msg(report_csv_curve(r, "Loss", log_path, "loss", 20, &err), "%s", err.text);
    }
    ck_assert(!report_csv_curve(r, "Loss", log_path, "los", 20, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "has no column los"));
    ck_assert(!report_csv_curve(r, "Loss", "missing.tmp.csv", "loss", 20, &err));
    char *page = page_of(r);
    expect_well_formed(page);
    ck_assert_uint_eq(count_of(page, "<svg"), 4);
    ck_assert_uint_eq(count_of(page, "line c0 faint"), 3); /* the empty log has no line */
    ck_assert_uint_lt(strlen(page), 100000);               /* 5000 rows were thinned out */
    mem_free(page);
}
END_TEST

/* The chart's text must hold no nan or inf and all coordinates must lie inside its frame. */
static void expect_inside(const Chart *chart)
{
    Buffer b = {0};

    svg_chart(&b, chart);
    expect_well_formed(b.bytes);
    ck_assert_msg(strstr(b.bytes, "nan") == NULL && strstr(b.bytes, "inf") == NULL, "%s", b.bytes);
    for (const char *s = b.bytes; (s = strstr(s, "class=\"line c")) != NULL; s++) {
        const char *d = strstr(s, " d=\"") + 4;
        while (*d == 'M' || *d == 'L') {
            double px, py;
            int used;
            ck_assert_int_eq(sscanf(d + 1, "%lf %lf%n", &px, &py, &used), 2);
            ck_assert_msg(px >= 70 && px <= 720 && py >= 10 && py <= 500, "%g %g", px, py);
            d += 1 + used;
        }
    }
    buffer_free(&b);
}

/* A mark for each point and in the legend, none for a reference, which is dashed. */
START_TEST(references_have_no_marks)
{
    const double x[] = {1, 2}, y[] = {1, 2};
    const Series series[] = {{"solid", x, y, 2, false, false}, {"dashed", x, y, 2, false, true}};
    const Chart chart = {"Marks", "x", "y", false, false, true, series, 2};
    Buffer b = {0};

    svg_chart(&b, &chart);
    ck_assert_uint_eq(count_of(b.bytes, "class=\"mark c0\""), 3);
    ck_assert_uint_eq(count_of(b.bytes, "class=\"mark "), 3);
    buffer_free(&b);
}
END_TEST

START_TEST(charts_of_awkward_data)
{
    static const double zero[3] = {0, 0, 0}, same[3] = {5, 5, 5}, mixed[3] = {-1, 0, 1e-300},
                        huge[3] = {1e-30, 1, 1e30}, bad[3] = {(double)NAN, (double)INFINITY, 1},
                        two[3] = {1, 2, 1024};
    const double *all[6] = {zero, same, mixed, huge, bad, two};

    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < 6; j++)
            for (int k = 0; k < 4; k++)
                for (size_t count = 0; count <= 3; count++) {
                    Series s = {"s", all[i], all[j], count, false, false};
                    Chart chart = small_chart(&s, 1);
                    chart.log_x = k & 1;
                    chart.log_y = k >> 1;
                    expect_inside(&chart);
                }
    Chart none = small_chart(NULL, 0);
    expect_inside(&none);
}
END_TEST

START_TEST(many_series_differ)
{
    static const double x[2] = {1, 2}, y[2] = {3, 4};
    Series series[8];
    Buffer b = {0};

    for (size_t i = 0; i < 8; i++) {
        Series s = {"s", x, y, 2, false, false};
        series[i] = s;
    }
    Chart chart = small_chart(series, 8);
    expect_inside(&chart);
    svg_chart(&b, &chart);
    ck_assert_uint_eq(count_of(b.bytes, "class=\"mark c5\""), 3); /* two points and the legend */
    ck_assert_uint_eq(count_of(b.bytes, ">s</text>"), 8);
    buffer_free(&b);
}
END_TEST

START_TEST(smoothing)
{
    static const double y[6] = {1, 3, (double)NAN, 5, 7, (double)INFINITY};
    double out[6];

    svg_smooth(out, y, 6, 2);
    ck_assert(out[0] == 1 && out[1] == 2 && out[2] == 3 && out[3] == 5 && out[4] == 6);
    ck_assert(out[5] == 7);
    svg_smooth(out, y + 2, 1, 1);
    ck_assert(isnan(out[0]));
    svg_smooth(out, y, 0, 1);
}
END_TEST

START_TEST(the_same_as_markdown)
{
    static const char *const head[] = {"a|b", "n"}, *const cells[] = {"<x>", "1", NULL, "-"};
    static const char expected[] = "# T\\*\n\nS &amp; s\n\n## Part \\#1\n\n### Less\n\n"
                                   "One line: \\[x\\] \xC3\xA9 \xEF\xBF\xBD\n\n"
                                   "C\n\n| a\\|b | n |\n|---|---:|\n| &lt;x> | 1 |\n|  | - |\n\n"
                                   "Code\n\n    a|b <x>\n      c\n\n## Provenance\n\n"
                                   "- version: 1\\*\n";
    Error err = {""};
    char text[1000];
    Report *r = report_create("T*", "S & s");
    report_heading(r, "Part #1");
    report_subheading(r, "Less");
    report_paragraph(r, "One\nline: [x] \xC3\xA9 \xFF");
    report_table(r, "C", 2, head, 2, cells);
    report_lines(r, "Code", "a|b <x>\n  c\n");
    report_fact(r, "version", "1*");
    ck_assert(!report_write_markdown(r, "no-such-folder.tmp/x.md", &err));
    ck_assert_msg(report_write_markdown(r, path, &err), "%s", err.text);
    FILE *f = fopen(path, "rb");
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(text, expected);
    char *page = page_of(r);
    expect_well_formed(page);
    ck_assert_ptr_nonnull(strstr(page, "<h3>Less</h3>"));
    mem_free(page);
}
END_TEST

Suite *report_suite(void);
Suite *report_suite(void)
{
    Suite *suite = suite_create("report");
    TCase *tc = tcase_create("report");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, NULL, remove_files);
    tcase_add_test(tc, page_is_sound);
    tcase_add_test(tc, lines_are_kept);
    tcase_add_test(tc, equal_reports_are_equal_files);
    tcase_add_test(tc, write_fails_with_a_sentence);
    tcase_add_test(tc, curves_of_logs);
    tcase_add_test(tc, references_have_no_marks);
    tcase_add_test(tc, charts_of_awkward_data);
    tcase_add_test(tc, many_series_differ);
    tcase_add_test(tc, smoothing);
    tcase_add_test(tc, the_same_as_markdown);
    suite_add_tcase(suite, tc);
    return suite;
}
