/* SHA-256 against the examples of FIPS 180-4 and its independence of how the bytes are cut. */
#include <check.h>
#include <string.h>

#include "nn/formats/sha256.h"

static void hash(const char *text, size_t count, char out[65])
{
    Sha256 s;
    sha256_init(&s);
    sha256_add(&s, text, count);
    sha256_hex(&s, out);
}

START_TEST(published_vectors)
{
    static const struct {
        const char *text, *hash;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char out[65];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hash(cases[i].text, strlen(cases[i].text), out);
        ck_assert_str_eq(out, cases[i].hash);
    }
}
END_TEST

START_TEST(a_million_letters)
{
    static char block[1000];
    char out[65];
    Sha256 s;
    memset(block, 'a', sizeof block);
    sha256_init(&s);
    for (int i = 0; i < 1000; i++)
        sha256_add(&s, block, sizeof block);
    sha256_hex(&s, out);
    ck_assert_str_eq(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(pieces_do_not_matter)
{
    char text[300], whole[65], cut[65];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 37);
    for (size_t n = 0; n <= sizeof text; n += 1) {
        Sha256 s;
        hash(text, n, whole);
        sha256_init(&s);
        for (size_t at = 0, piece = 0; at < n; at += piece, piece = (piece * 5 + 3) % 131) {
            piece = piece < n - at ? piece : n - at;
            sha256_add(&s, text + at, piece);
        }
        sha256_hex(&s, cut);
        ck_assert_str_eq(whole, cut);
    }
}
END_TEST

Suite *sha256_suite(void);
Suite *sha256_suite(void)
{
    Suite *suite = suite_create("sha256");
    TCase *tc = tcase_create("sha256");
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, published_vectors);
    tcase_add_test(tc, a_million_letters);
    tcase_add_test(tc, pieces_do_not_matter);
    suite_add_tcase(suite, tc);
    return suite;
}
