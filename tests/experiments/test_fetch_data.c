/* experiments/fetch-data.sh from a folder: what it makes can be opened, and what it refuses.
 * Nothing is fetched from the net. */
#ifndef DI4C_PLAIN_C
#define _POSIX_C_SOURCE 200809L /* setenv */
#endif
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/formats/buffer.h"
#include "nn/formats/sha256.h"
#include "tensor/base/memory.h"
#include "tensor/system/platform.h"
#include "tests/tools/data_files.h"
#include "tests/tools/toys.h"

#define DIR  "test-fetch-data.tmp.d"
#define FROM DIR "/from"
#define TO   DIR "/to"

static const char *const idx[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                  "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};

static void set_up(void)
{
    toys_set_up(DIR);
}

static void tear_down(void)
{
    if (system("rm -rf " DIR) != 0)
        ck_abort_msg("%s stays", DIR);
}

static int shell(const char *line)
{
    return system(line);
}

/* Runs the script; what it says on stderr. */
static const char *fetch(const char *words, bool works)
{
    static char text[4000];
    char line[500];
    size_t n;
    snprintf(line, sizeof line, "sh experiments/fetch-data.sh %s > " DIR "/out 2> " DIR "/err",
             words);
    const bool worked = shell(line) == 0;
    char *said = toy_read(DIR "/err", &n);
    snprintf(text, sizeof text, "%s", said);
    mem_free(said);
    ck_assert_msg(worked == works, "%s: %s", words, text);
    return text;
}

static void says(const char *words, const char *piece)
{
    const char *text = fetch(words, false);
    ck_assert_msg(strstr(text, piece) != NULL, "%s: expected '%s' in %s", words, piece, text);
}

static void add_sum(Buffer *sums, const char *name)
{
    char path[200], hex[65];
    size_t n;
    Sha256 s;
    snprintf(path, sizeof path, FROM "/%s", name);
    char *bytes = toy_read(path, &n);
    ck_assert_msg(bytes != NULL, "%s", path);
    sha256_init(&s);
    sha256_add(&s, bytes, n);
    sha256_hex(&s, hex);
    buffer_format(sums, "%s %s\n", hex, name);
    mem_free(bytes);
}

/* The four files of MNIST, packed, and their sums. */
static void make_archives(void)
{
    Buffer sums = {0};
    toy_mnist(6, 4, 1);
    ck_assert_int_eq(shell("mkdir " FROM " && mv " DIR "/*-ubyte " FROM " && gzip " FROM "/*"), 0);
    for (int i = 0; i < 4; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s.gz", idx[i]);
        add_sum(&sums, name);
    }
    toy_text(DIR "/sums", sums.bytes);
    buffer_free(&sums);
}

#define MADE "mnist --to " TO " --from " FROM " --sums " DIR "/sums"

static void opens(const char *spec, size_t count)
{
    Dataset *d = data_open(spec, false, DATA_AS_IS), *t = data_open(spec, true, DATA_AS_IS);
    ck_assert(d->count == count && t->count == count);
    dataset_close(d);
    dataset_close(t);
}

START_TEST(archives_are_checked_and_unpacked)
{
    make_archives();
    fetch(MADE, true);
    opens("mnist:" TO, 6);
    ck_assert_int_eq(shell("test \"$(ls -A " TO " | wc -l)\" -eq 4"), 0); /* and nothing else */
    /* what is there stays, and is not asked for again */
    ck_assert_int_eq(shell("rm -r " FROM), 0);
    fetch(MADE, true);
    ck_assert_int_eq(remove(TO "/t10k-labels-idx1-ubyte"), 0);
    says(MADE, "from/t10k-labels-idx1-ubyte.gz: is not there");
}
END_TEST

START_TEST(other_files_are_refused)
{
    make_archives();
    says("kmnist --to " TO " --from " FROM,
         "expected 51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4");
    says("mnist --to " TO " --from " FROM,
         "expected 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609");
    says("fashion-mnist --to " TO " --from " FROM,
         "expected 3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84");
    ck_assert_int_eq(shell("test -z \"$(ls -A " TO ")\""), 0);
    ck_assert_int_eq(shell("sed 2d " DIR "/sums > " DIR "/fewer && mv " DIR "/fewer " DIR "/sums"),
                     0);
    says(MADE, "train-labels-idx1-ubyte.gz: " DIR "/sums has no sum of it");
    ck_assert(platform_exists(TO "/train-images-idx3-ubyte")); /* the first one was well */
    says("mnist --from " FROM " --to " TO " --sums " DIR "/none", "none: cannot be read");
    says("cifar10 --to " TO " --from " FROM, "from/cifar-10-binary.tar.gz: is not there");
    says("cifar100", "'cifar100': expected mnist, fashion-mnist, kmnist or cifar10");
    says("mnist --too " TO, "fetch-data.sh NAME [--to DIR]");
    says("mnist --to", "fetch-data.sh NAME [--to DIR]");
    says("", "fetch-data.sh NAME [--to DIR]");
}
END_TEST

START_TEST(cifar_is_unpacked_to_its_folder)
{
    Buffer sums = {0};
    data_file_cifar(DIR "/data_batch_1.bin", 3, 2);
    data_file_cifar(DIR "/test_batch.bin", 3, 6);
    ck_assert_int_eq(shell("cd " DIR " && mkdir from cifar-10-batches-bin && mv *.bin "
                           "cifar-10-batches-bin && tar -cf - cifar-10-batches-bin | gzip > "
                           "from/cifar-10-binary.tar.gz"),
                     0);
    add_sum(&sums, "cifar-10-binary.tar.gz");
    toy_text(DIR "/sums", sums.bytes);
    buffer_free(&sums);
    fetch("cifar10 --sums " DIR "/sums --to " TO " --from " FROM, true);
    opens("cifar10:" TO, 3);
    says("cifar10 --to " DIR "/other --from " FROM,
         "expected c4a38c50a1bc5f3a1c5537f2155ab9d68f9f");
}
END_TEST

#ifndef DI4C_PLAIN_C
/* What is fetched stays as it is, with the command that unpacks it, and is not asked for again. */
START_TEST(machines_without_gzip)
{
    const char *said;
    make_archives();
    ck_assert_int_eq(shell("mkdir " DIR "/bin && for t in sh sed awk cat cp mv rm mkdir sha256sum; "
                           "do ln -s \"$(command -v $t)\" " DIR "/bin/ || exit 1; done"),
                     0);
    char *path = mem_string(getenv("PATH"));
    ck_assert_int_eq(setenv("PATH", DIR "/bin", 1), 0);
    said = fetch(MADE, true);
    ck_assert_msg(strstr(said, "gzip -d '" TO "/train-images-idx3-ubyte.gz'") != NULL, "%s", said);
    ck_assert_msg(strstr(said, "gzip -d '" TO "/t10k-labels-idx1-ubyte.gz'") != NULL, "%s", said);
    ck_assert_int_eq(shell("mv " FROM " " DIR "/away"), 0);
    said = fetch(MADE, true);
    ck_assert_msg(strstr(said, "gzip -d '" TO "/train-images-idx3-ubyte.gz'") != NULL, "%s", said);
    ck_assert_int_eq(shell("cp " DIR "/sums " TO "/train-labels-idx1-ubyte.gz"), 0);
    says(MADE, TO "/train-labels-idx1-ubyte.gz: SHA-256 "); /* another one is not taken for it */
    ck_assert_int_eq(shell("cp " DIR "/away/train-labels* " TO), 0);
    ck_assert_int_eq(setenv("PATH", path, 1), 0);
    mem_free(path);
    fetch(MADE, true); /* with gzip, from those that are there */
    opens("mnist:" TO, 6);
}
END_TEST
#endif

Suite *fetch_data_suite(void);
Suite *fetch_data_suite(void)
{
    Suite *s = suite_create("fetch_data");
    TCase *tc = tcase_create("fetch_data");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    if (system(NULL) != 0 && system("command -v gzip tar sha256sum > /dev/null") == 0) {
        tcase_add_test(tc, archives_are_checked_and_unpacked);
        tcase_add_test(tc, other_files_are_refused);
        tcase_add_test(tc, cifar_is_unpacked_to_its_folder);
#ifndef DI4C_PLAIN_C
        tcase_add_test(tc, machines_without_gzip);
#endif
    }
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return s;
}
