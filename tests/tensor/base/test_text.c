/* Numbers and texts under a comma locale: a real one if the machine has it, else one that this test
 * writes for glibc; and the translation itself, with any decimal point. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include <check.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diffusion/sampler/sampler.h"
#include "experiments/data/rate_matrix.h"
#include "experiments/model/config.h"
#include "experiments/report/report.h"
#include "experiments/sampling/sampler_options.h"
#include "experiments/theory/exact/world.h"
#include "nn/formats/buffer.h"
#include "nn/formats/csv.h"
#include "nn/formats/json.h"
#include "nn/formats/json_writer.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"
#include "tensor/base/text.h"
#include "tensor/system/platform.h"
#include "tests/tools/toys.h"

#define DIR "test-text.tmp.d"
/* Two bytes, as the decimal point of Arabic locales (U+066B). */
#define WIDE "\xD9\xAB"

#ifdef _WIN32 /* whose locales are not read from files */
#define setenv(name, value, replace) ((void)0)
#endif

static void set_up(void)
{
    toys_set_up(DIR);
}

static void tear_down(void)
{
    ck_assert_ptr_nonnull(setlocale(LC_ALL, "C")); /* the next test may run in this process */
    toys_tear_down();
}

/* A folder NAME.d of the form that glibc looks for under LOCPATH: six fields of LC_NUMERIC. */
static void write_locale(const char *point)
{
    unsigned char bytes[48] = {0};
    const uint32_t head[] = {0x20031114, 6, 32, 40, 41, 36, 44, 42};
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        for (size_t k = 0; k < 4; k++)
            bytes[4 * i + k] = (unsigned char)(head[i] >> 8 * k);
    memcpy(bytes + 32, point, strlen(point));
    bytes[36] = ','; /* as a wide character: nobody here asks for it */
    toys_make_folder(DIR "/comma");
    toy_write(DIR "/comma/LC_NUMERIC", bytes, sizeof bytes);
}

/* Sets a locale with that decimal point; false if this machine has no way to. */
static bool use_point(const char *point)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    bool found = false;
    for (size_t i = 0; i < 4 && strcmp(point, ",") == 0 && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!found) {
        write_locale(point);
        setenv("LOCPATH", DIR, 1);
        found = setlocale(LC_NUMERIC, "comma") != NULL;
        remove(DIR "/comma/LC_NUMERIC");
        remove(DIR "/comma");
    }
    found = found && strcmp(localeconv()->decimal_point, point) == 0;
    if (!found)
        printf("test_text: no locale with the decimal point \"%s\" here\n", point);
    return found;
}

static const char *const points[] = {",", WIDE};
enum { POINTS = sizeof points / sizeof points[0] };

static const char *const texts[] = {
    "0.5",
    "-0.5",
    "+.5",
    "5.",
    "1.25e-3",
    "1.25E+3x",
    "1e",
    "1e+",
    ".",
    "-",
    "",
    " \t7.5,8",
    "12,5",
    "0,5",
    "1.2.3",
    "inf",
    "-Infinity",
    "nan",
    "nan(12)",
    "0x1.8p3",
    "0x",
    "1_0",
    "abc",
    "..5",
    "e5",
    "1.7976931348623157e308",
    "4.9e-324",
    "2.2250738585072011e-308",
    "1e999",
    "-1e999",
    "1e-999",
    "9007199254740993",
    "9007199254740992.999999999999999999999999999999999",
    "0.1\n0.2",
    "1;2",
    ("17976931348623157000000000000000000000000000000000000000000000000000000000000000000000000"
     "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.5"),
};
enum { TEXTS = sizeof texts / sizeof texts[0] };

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* What strtod says in the C locale, in which tests start, in every locale. */
START_TEST(numbers_are_read_as_in_the_c_locale)
{
    double want[TEXTS];
    size_t used[TEXTS];
    char *end;
    for (size_t i = 0; i < TEXTS; i++) {
        want[i] = strtod(texts[i], &end);
        used[i] = (size_t)(end - texts[i]);
    }
    used[18] = 3; /* nan(12): the rest says nothing */
    if (_i > 0 && !use_point(points[_i - 1]))
        return;
    for (size_t i = 0; i < TEXTS; i++) {
        const double x = text_number(texts[i], &end);
        ck_assert_msg(same_bits(x, want[i]), "%s", texts[i]);
        ck_assert_msg((size_t)(end - texts[i]) == used[i], "%s", texts[i]);
    }
}
END_TEST

/* Random bits, so all sizes of doubles; what is written reads back as it was. */
START_TEST(numbers_are_written_as_in_the_c_locale)
{
    static const char *const specs[] = {"%g",    "%.9g",  "%.17g",  "%8.2f|", "%-12.3g|",
                                        "%.0f",  "%e",    "%.3e",   "%G",     "%a",
                                        "%.40g", "%1.1f", "%30.17g"};
    Rng rng = rng_root(7);
    const bool there = _i == 0 || use_point(points[_i - 1]);
    for (size_t i = 0; there && i < 400; i++) {
        double x = ldexp(rng_uniform(&rng) - 0.5, (int)rng_below(&rng, 2000) - 1000);
        x = i == 0 ? 0 : i == 1 ? HUGE_VAL : i == 2 ? DBL_MAX : i == 3 ? 0.5 : x;
        char text[60], *end;
        if (_i == 0)
            for (size_t k = 0; k < sizeof specs / sizeof specs[0]; k++) {
                char want[500], got[500];
                const int n = snprintf(want, sizeof want, specs[k], x);
                ck_assert_int_eq(text_format(got, sizeof got, specs[k], x), n);
                ck_assert_str_eq(got, want);
            }
        text_format(text, sizeof text, "%.17g", x);
        ck_assert_ptr_null(strpbrk(text, "," WIDE));
        ck_assert(same_bits(text_number(text, &end), x) && *end == '\0');
        text_shortest(text, sizeof text, 1, x);
        ck_assert(same_bits(text_number(text, &end), x) && *end == '\0');
    }
    char text[60];
    text_format(text, sizeof text, "%8.2f|%-6.1f|%d,%s", 1.25, -2.5, 3, "4,5");
    ck_assert_str_eq(text, "    1.25|-2.5  |3,4,5");
}
END_TEST

START_TEST(the_translation_alone)
{
    char out[40];
    ck_assert_uint_eq(text_to_locale(out, "-1.5e3", 6, ","), 2);
    ck_assert_str_eq(out, "-1,5e3");
    ck_assert_uint_eq(text_to_locale(out, "12.5", 4, WIDE), 2);
    ck_assert_str_eq(out, "12" WIDE "5");
    ck_assert_uint_eq(text_to_locale(out, "125", 3, WIDE), 3);
    ck_assert_str_eq(out, "125");
    ck_assert_uint_eq(text_to_locale(out, "1.2.3", 5, ","), 1);
    ck_assert_str_eq(out, "1,2.3");
    strcpy(out, "-1,5e3");
    text_from_locale(out, ",");
    ck_assert_str_eq(out, "-1.5e3");
    strcpy(out, "0" WIDE "25");
    text_from_locale(out, WIDE);
    ck_assert_str_eq(out, "0.25");
    strcpy(out, "inf");
    text_from_locale(out, ",");
    ck_assert_str_eq(out, "inf");
}
END_TEST

/* Everything that is not a double must be what printf makes of it, also where there is no room. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char want[200], got[200], cut[9] = "........";                                             \
        const int n = snprintf(want, sizeof want, __VA_ARGS__);                                    \
        ck_assert_int_eq(text_format(got, sizeof got, __VA_ARGS__), n);                            \
        ck_assert_str_eq(got, want);                                                               \
        ck_assert_int_eq(text_format(NULL, 0, __VA_ARGS__), n);                                    \
        ck_assert_int_eq(text_format(cut, 6, __VA_ARGS__), n);                                     \
        want[5] = '\0';                                                                            \
        ck_assert_str_eq(cut, want);                                                               \
        ck_assert_int_eq(cut[7], '.');                                                             \
    } while (0)

START_TEST(other_conversions_are_those_of_printf)
{
    SAME("plain %% text");
    SAME("%d %i %5d|%-5d|%05d|%+d|% d|%.3d|%x %X %#x %o %u %c", -7, 8, 9, 10, 11, 12, 13, 14, 255u,
         255u, 255u, 8u, 4000000000u, 'q');
    SAME("%ld %lld %zu %lu %llu %llx %zx %08lx", -5L, -6000000000LL, (size_t)7, 8UL,
         18446744073709551615ULL, 255ULL, (size_t)254, 3UL);
    SAME("%s|%6s|%-6s|%.2s|%6.2s|%*s|%-*s|%.*s|", "abc", "abc", "abc", "abc", "abc", 5, "x", 5, "y",
         2, "zzz");
    SAME("%*s|%.*s|", -5, "x", -1, "abc");
    SAME("%hhu %hu %hhd %jd %td", (unsigned char)255, (unsigned short)65535, (signed char)7,
         (intmax_t)-9, (ptrdiff_t)-3);
}
END_TEST

START_TEST(an_unknown_conversion_is_a_mistake)
{
    char text[20];
    const char *spec = _i == 0 ? "%n" : _i == 1 ? "%" : _i == 2 ? "%+g" : "%.80f";
    text_format(text, sizeof text, spec, 1.0);
}
END_TEST

START_TEST(long_lines_are_printed_whole)
{
    char long_text[2000], *got;
    size_t n;
    memset(long_text, 'x', sizeof long_text);
    long_text[1999] = '\0';
    FILE *f = fopen(toy("line"), "wb");
    ck_assert_int_eq(text_print(f, "%s %.1f\n", long_text, 0.5), 2004);
    fclose(f);
    got = toy_read(toy("line"), &n);
    ck_assert_uint_eq(n, 2004);
    ck_assert_str_eq(got + 1999, " 0.5\n");
    mem_free(got);
}
END_TEST

/* ---- readers and writers ---- */

static void write_json(const char *path)
{
    FILE *f = fopen(path, "wb");
    JsonOut j = jsonout_start(f);
    jsonout_array(&j, NULL);
    jsonout_number(&j, NULL, 1.25);
    jsonout_exact(&j, NULL, 0.1);
    jsonout_end(&j);
    fclose(f);
}

static void write_report(const char *path)
{
    static const double x[] = {0.25, 0.5, 1.75}, y[] = {0.125, 12345.5, 3.5e6};
    static const char *const head[] = {"n"}, *const cells[] = {"1.5 %"};
    Error err;
    const Series series = {"loss", x, y, 3, false, false};
    const Chart chart = {"t", "x", "y", false, false, false, &series, 1};
    Report *r = report_create("t", "s");
    report_chart(r, &chart);
    report_table(r, "c", 1, head, 1, cells);
    ck_assert(report_write(r, path, &err));
    report_destroy(r);
}

static void write_csv(const char *path)
{
    static const char *const columns[] = {"step", "loss"};
    static const double row[] = {1, 0.125};
    Error err;
    CsvLog *log = csv_create(path, columns, 2, &err);
    csv_row(log, row);
    ck_assert(csv_close(log, &err));
}

static void write_all(const char *json, const char *page, const char *csv)
{
    write_json(json);
    write_report(page);
    write_csv(csv);
}

START_TEST(files_are_written_alike)
{
    write_all(toy("a.json"), toy("a.html"), toy("a.csv"));
    if (!use_point(","))
        return;
    write_all(toy("b.json"), toy("b.html"), toy("b.csv"));
    ck_assert(toy_same(toy("a.json"), toy("b.json")));
    ck_assert(toy_same(toy("a.html"), toy("b.html")));
    ck_assert(toy_same(toy("a.csv"), toy("b.csv")));
}
END_TEST

START_TEST(texts_are_read_alike)
{
    Error err;
    CsvTable table;
    Config c;
    char value[CONFIG_TEXT];
    write_csv(toy("a.csv"));
    toy_text(toy("w.csv"), "0,0,0.25\n1,1,0.75\n");
    if (!use_point(","))
        return;
    Json *j = json_parse("[0.5, 1.25e-3]", 14, "t", &err);
    ck_assert(j != NULL && j->items[0].number == 0.5 && j->items[1].number == 1.25e-3);
    json_free(j);
    ck_assert(csv_read(toy("a.csv"), &table, &err));
    ck_assert(table.values[1] == 0.125);
    csv_free(&table);
    config_defaults(&c);
    ck_assert(c.threshold == 0.4);
    ck_assert(config_set(&c, "lr", "1.5e-4", "t", &err) && c.lr == 1.5e-4);
    ck_assert(!config_set(&c, "lr", "0,5", "t", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "0,5"));
    for (size_t i = 0; i < config_count(); i++) {
        config_value(&c, i, value);
        ck_assert(strcmp(config_key(i), "lr") != 0 || strcmp(value, "0.00015") == 0);
    }
    RateMatrix *m = rate_matrix_parse("-0.5,0.5\n1.5,-1.5", "t", &err);
    ck_assert(m != NULL && m->rates[2] == 1.5);
    char *text = rate_matrix_text(m);
    ck_assert_str_eq(text, "-0.5,0.5\n1.5,-1.5");
    mem_free(text);
    rate_matrix_free(m);
    World *w = world_open(toy("w.csv"), &err);
    ck_assert(w != NULL && w->p[0] == 0.25);
    world_free(w);
    SamplerChoice s = {.grid = "1,0.5,0.25"};
    ck_assert(sampler_choice_resolve(&s, &err) && s.times[1] == 0.5);
    sampler_choice_free(&s);
    error_set(&err, "%g of %s", 0.5, "1,5");
    ck_assert_str_eq(err.text, "0.5 of 1,5");
}
END_TEST

START_TEST(utf8_sequences)
{
    ck_assert_uint_eq(text_utf8("a", 1), 1);
    ck_assert_uint_eq(text_utf8("\xc3\xa9", 2), 2);
    ck_assert_uint_eq(text_utf8("\xc3\xa9", 1), 0);
    ck_assert_uint_eq(text_utf8("\xf0\x9f\x98\x80", 4), 4);
    ck_assert_uint_eq(text_utf8("\x80", 1), 0);
    ck_assert_uint_eq(text_utf8("\xc0\xaf", 2), 0);
    ck_assert_uint_eq(text_utf8("\xed\xa0\x80", 3), 0);
    ck_assert_uint_eq(text_utf8("\xf4\x90\x80\x80", 4), 0);
    ck_assert(text_is_utf8("") && text_is_utf8("a\xe2\x82\xac") && !text_is_utf8("a\xff"));
}
END_TEST

/* Bytes of the character at s by what its bits say: 0 if they say no code, one that takes fewer
 * bytes, a surrogate or one beyond the last. */
static size_t plain_utf8(const unsigned char *s)
{
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned long code = s[0];
    size_t n = 1;
    if (code >= 0x80) {
        while (n < 8 && (s[0] >> (7 - n) & 1) == 1)
            n++;
        if (n < 2 || n > 4)
            return 0;
        code &= 0x7Fu >> n;
        for (size_t i = 1; i < n; i++) {
            if (s[i] >> 6 != 2)
                return 0;
            code = code << 6 | (s[i] & 0x3F);
        }
    }
    return code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ? 0 : n;
}

START_TEST(utf8_is_what_the_bits_say)
{
    static const unsigned char rest[] = {0x00, 0x7F, 0x80, 0x95, 0xBF, 0xC0, 0xFF};
    enum { REST = sizeof rest };
    for (unsigned i = 0; i < 65536u * REST * REST; i++) {
        const unsigned char s[4] = {(unsigned char)(i & 255), (unsigned char)(i >> 8 & 255),
                                    rest[(i >> 16) % REST], rest[(i >> 16) / REST]};
        const size_t n = plain_utf8(s);
        for (size_t left = 1; left <= 4; left++)
            if (text_utf8((const char *)s, left) != (n <= left ? n : 0))
                ck_abort_msg("%02x %02x %02x %02x: %zu of %zu", s[0], s[1], s[2], s[3],
                             text_utf8((const char *)s, left), left);
    }
}
END_TEST

START_TEST(keys_and_values)
{
    static const struct {
        const char *text, *key, *value; /* NULL: refused with a room of 4 */
    } cases[] = {{"a=b", "a", "b"}, {"abc=", "abc", ""},    {"abcd=1", NULL, NULL},
                 {"=x", "", "x"},   {"a=b=c", "a", "b=c"},  {"abc", NULL, NULL},
                 {"", NULL, NULL},  {"a b= c", "a b", " c"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char key[5] = "....";
        const char *value = text_key_value(cases[i].text, key, 4);
        ck_assert_int_eq(value == NULL, cases[i].key == NULL);
        ck_assert_str_eq(key, value != NULL ? cases[i].key : "....");
        if (value != NULL)
            ck_assert_str_eq(value, cases[i].value);
    }
}
END_TEST

Suite *text_suite(void)
{
    Suite *s = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, numbers_are_read_as_in_the_c_locale, 0, POINTS + 1);
    tcase_add_loop_test(tc, numbers_are_written_as_in_the_c_locale, 0, POINTS + 1);
    tcase_add_test(tc, the_translation_alone);
    tcase_add_test(tc, other_conversions_are_those_of_printf);
    tcase_add_test(tc, long_lines_are_printed_whole);
    tcase_add_test(tc, files_are_written_alike);
    tcase_add_test(tc, texts_are_read_alike);
    tcase_add_test(tc, utf8_sequences);
    tcase_add_test(tc, utf8_is_what_the_bits_say);
    tcase_add_test(tc, keys_and_values);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    tc = tcase_create("mistakes");
    tcase_add_loop_test_raise_signal(tc, an_unknown_conversion_is_a_mistake, SIGABRT, 0, 4);
    suite_add_tcase(s, tc);
    return s;
}
