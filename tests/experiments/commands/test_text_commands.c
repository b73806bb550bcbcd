/* Texts from end to end: trained on, drawn, measured, distilled, looked into. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "experiments/model/model_file.h"
#include "tensor/base/memory.h"
#include "tests/tools/cli.h"
#include "tests/tools/toys.h"

#define DIR    "test-text-commands.tmp.d"
#define DATA   "--data text:" DIR "/a.txt "
#define TOKENS "--data tokens:" DIR "/k.bin "
#define TINY                                                                                       \
    "--quiet --preset glyphs --set mlp_width=16 --set mlp_blocks=1 --set embed=8 --set batch=4 "
#define TRAIN "train " TINY "--set length=8 --steps 3 "

static void set_up(void)
{
    static const char *const files[] = {
        "a.txt",         "b.txt",  "t.safetensors", "t.csv", "s.safetensors", "s.csv",
        "u.safetensors", "u.csv",  "o.txt",         "p.txt", "o.npy",         "o.png",
        "p.txt.json",    "o.json", "o.html",        "k.bin", "k.bin.vocab",   "t.pt"};
    cli_set_up(DIR);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        toy(files[i]);
    char text[2001] = "";
    for (size_t i = 0; i < 40; i++) /* at most 50 bytes each */
        strcat(text, i % 3 ? "the quick brown fox jumps over the lazy dog again\n"
                           : "now is the time for all good men to come to halt\n");
    toy_text(toy("a.txt"), text);
}

static Model *load(const char *name)
{
    Error err = {""};
    Model *m = model_load(toy(name), WEIGHTS_AVERAGED, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

START_TEST(samples_are_texts)
{
    size_t n, k;
    expect(TRAIN DATA "--out @t.safetensors", 0);
    Model *m = load("t.safetensors");
    ck_assert(m->config.height == 1 && m->config.width == 8 && m->config.channels == 1);
    ck_assert(m->vocabulary->size == 28 && m->config.states == 28);
    model_destroy(m);
    says("sample --quiet --model @t.safetensors --count 3 --steps 2 --out @o.txt", 0,
         "o.txt: 3 samples of 2 steps");
    char *text = toy_read(toy("o.txt"), &n), *at = text;
    for (int i = 0; i < 3; i++) {
        char head[32];
        snprintf(head, sizeof head, "=== %d ===\n", i);
        ck_assert_msg(strncmp(at, head, strlen(head)) == 0, "%s", at);
        at += strlen(head) + 8; /* letters, blanks and line ends, a byte each */
        ck_assert_msg(strncmp(at, "\n\n", 2) == 0, "%s", at);
        at += 2;
    }
    ck_assert_uint_eq((size_t)(at - text), n);
    /* two shards make the same */
    expect("sample --quiet --model @t.safetensors --count 3 --steps 2 --shard 0/2 --out @p.txt", 0);
    char *first = toy_read(toy("p.txt"), &k);
    ck_assert(k < n && memcmp(first, text, k) == 0);
    mem_free(first);
    expect("sample --quiet --model @t.safetensors --count 3 --steps 2 --shard 1/2 --out @p.txt", 0);
    char *second = toy_read(toy("p.txt"), &n);
    ck_assert_str_eq(second, text + k);
    mem_free(second);
    mem_free(text);
}
END_TEST

/* What is given stands in every sample; the rest is drawn. */
START_TEST(prompts_and_templates_stand)
{
    static const char *const wrong[][2] = {
        {"--prompt Z", "--prompt: byte 1 is 'Z', which is none of the alphabet's 28"},
        {"--template the_quick", "--template: 9 bytes and blanks, the model's texts have 8"},
        {"--prompt the\\q", "--prompt: expected \\n, \\t"},
    };
    size_t n;
    expect(TRAIN DATA "--set process=absorbing --set head=softmax --out @t.safetensors", 0);
    expect("sample --quiet --model @t.safetensors --count 2 --steps 2 --prompt fox\\n "
           "--out @o.txt",
           0);
    char *text = toy_read(toy("o.txt"), &n);
    ck_assert_msg(strncmp(text, "=== 0 ===\nfox\n", 14) == 0, "%s", text);
    ck_assert_msg(strncmp(text + 20, "=== 1 ===\nfox\n", 14) == 0, "%s", text);
    mem_free(text);
    expect("sample --quiet --model @t.safetensors --count 1 --steps 2 --template t__q__s "
           "--out @o.txt",
           0);
    text = toy_read(toy("o.txt"), &n);
    ck_assert_msg(text[10] == 't' && text[13] == 'q' && text[16] == 's', "%s", text);
    mem_free(text);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char line[200];
        snprintf(line, sizeof line, "sample --quiet --model @t.safetensors --out @o.txt %s",
                 wrong[i][0]);
        says(line, 1, wrong[i][1]);
    }
    says("sample --quiet --model @t.safetensors --prompt a --template b --out @o.txt", 2,
         "--prompt and --template: expected one of them");
    expect(TRAIN DATA "--set process=uniform --set rate_const=1 --set time_weight=one --out "
                      "@t.safetensors --overwrite",
           0);
    says("sample --quiet --model @t.safetensors --prompt a --out @o.txt", 1,
         "has process=uniform: expected absorbing noise");
}
END_TEST

START_TEST(texts_can_be_watched)
{
    expect(TRAIN DATA "--out @t.safetensors", 0);
    says("watch --model @t.safetensors --steps 2 --count 1", 0,
         "t = 1.000 after 0 of 2 steps\n________\nt = 0.500 after 1 of 2 steps\n");
    says("watch --model @t.safetensors --teacher @t.safetensors --steps 1", 0,
         "t = 1.000 after 0 of 1 steps: teacher, model\nteacher  ________\nmodel    ________\n");
    says("watch --model @t.safetensors --out @o.png", 1, "made for texts, expected a model of");
    says("watch --model @t.safetensors --out @o.npy", 2, "expected a name that ends in .png");
    says("watch --model @t.safetensors --sampler exact", 2, "chooses its own times");
}
END_TEST

START_TEST(pictures_can_be_watched)
{
    expect("train " TINY "--data glyphs --steps 1 --out @t.safetensors", 0);
    says("watch --model @t.safetensors --steps 1 --count 2 --delay 0", 0,
         "t = 1.000 after 0 of 1 steps\n:------:------:\n:======:======:\n");
}
END_TEST

START_TEST(pictures_are_no_texts)
{
    expect("train " TINY "--data glyphs --steps 1 --out @t.safetensors", 0);
    says("sample --quiet --model @t.safetensors --prompt a --out @o.npy", 1,
         "t.safetensors is made for pictures, expected a model of texts");
    says("sample --quiet --model @t.safetensors --out @o.txt", 1,
         "t.safetensors: made for pictures: expected a model of texts for a .txt");
    says("eval --quiet --model @t.safetensors " DATA "--metrics elbo", 1,
         "t.safetensors: made for pictures: expected texts, as text:");
    says("distill " TINY "--set length=8 --teacher @t.safetensors " DATA
         "--steps 1 --out @s.safetensors",
         1, "t.safetensors: made for pictures: expected texts, as text:");
    expect(TRAIN DATA "--out @u.safetensors", 0);
    says("eval --quiet --model @u.safetensors --data glyphs --metrics elbo", 1,
         "u.safetensors: made for texts: expected pictures, as glyphs has");
}
END_TEST

/* A model sees another text by its own alphabet. */
START_TEST(other_texts_have_the_models_alphabet)
{
    expect(TRAIN DATA "--out @t.safetensors", 0);
    toy_text(toy("b.txt"),
             "a good dog jumps over all the lazy men and the brown fox comes again to "
             "a halt and jumps");
    says("eval --quiet --model @t.safetensors --data text:" DIR "/b.txt --metrics elbo", 0,
         "; 1 test sequences, ");
    toy_text(toy("b.txt"), "a good dog jumps over all the lazy men; and the brown fox comes again "
                           "to a halt and jumps");
    says("eval --quiet --model @t.safetensors --data text:" DIR "/b.txt --metrics elbo", 1,
         "b.txt: byte 0x3b (';') at 38: expected one of the model's alphabet");
}
END_TEST

START_TEST(students_learn_texts)
{
    expect(TRAIN DATA "--out @t.safetensors", 0);
    expect("distill " TINY "--teacher @t.safetensors " DATA "--steps 2 --out @s.safetensors", 0);
    Model *t = load("t.safetensors"), *s = load("s.safetensors");
    ck_assert(s->config.length == 8 && vocabulary_equal(t->vocabulary, s->vocabulary));
    ck_assert_str_eq(s->data, "text");
    model_destroy(s);
    /* without data: the teacher draws them all, or half of them */
    expect("distill " TINY "--teacher @t.safetensors --set targets=teacher --set target_count=9 "
           "--set target_steps=2 --steps 2 --overwrite --out @s.safetensors",
           0);
    s = load("s.safetensors");
    ck_assert(s->config.states == 28 && vocabulary_equal(t->vocabulary, s->vocabulary));
    model_destroy(s);
    model_destroy(t);
    expect("distill " TINY "--teacher @t.safetensors --set targets=mixed --set target_count=9 "
           "--set target_steps=2 --steps 2 --overwrite --out @s.safetensors " DATA,
           0);
    says("distill " TINY "--teacher @t.safetensors --set length=6 " DATA
         "--steps 2 --overwrite --out @s.safetensors",
         1, "t.safetensors: length is 8: expected 6");
}
END_TEST

START_TEST(texts_are_measured)
{
    size_t n;
    expect(TRAIN DATA "--out @t.safetensors", 0);
    says("eval --quiet --model @t.safetensors " DATA "--steps 2,4 --count 20 --json @o.json "
         "--report @o.html",
         0, "model     steps     ngram    words  entropy  distinct4   seconds\n");
    ck_assert_ptr_nonnull(strstr(said(stdout), "\nngram: nats a symbol under 5-grams of 1787 "));
    ck_assert_ptr_nonnull(strstr(said(stdout), "; 20 held-out sequences -"));
    ck_assert_ptr_nonnull(strstr(said(stdout), "\nwords: of 19 in the training text; 20 held-out"));
    char *json = toy_read(toy("o.json"), &n);
    ck_assert_ptr_nonnull(strstr(json, "\"ngram_own\""));
    ck_assert_ptr_nonnull(strstr(json, "\"distinct4\""));
    mem_free(json);
    char *page = toy_read(toy("o.html"), &n);
    ck_assert_ptr_nonnull(strstr(page, "<figcaption>teacher, 4 steps</figcaption>\n<pre "));
    ck_assert_ptr_null(strstr(page, "<img"));
    mem_free(page);
    says("eval --quiet --model @t.safetensors " DATA "--metrics valid", 2, "--metrics valid");
    says("eval --quiet --model @t.safetensors --data glyphs --metrics words", 2,
         "--metrics words: expected --data text:FILE, text8:FILE or tokens:FILE");
}
END_TEST

/* The same file, bit for bit, as without the stop. */
START_TEST(runs_go_on)
{
    expect(TRAIN DATA "--set lr_decay=constant --out @t.safetensors", 0);
    expect(TRAIN DATA "--set lr_decay=constant --steps 5 --resume --out @t.safetensors", 0);
    expect(TRAIN DATA "--set lr_decay=constant --steps 5 --out @u.safetensors", 0);
    ck_assert(toy_same(toy("t.safetensors"), toy("u.safetensors")));
    toy_text(toy("a.txt"), "the quick brown fox jumps over the lazy dog; now is the time for all "
                           "good men to come to the aid of the party\n");
    says(TRAIN DATA "--set lr_decay=constant --steps 5 --resume --out @t.safetensors", 1,
         "t.safetensors: states is 28 in the file and 29 in this run");
    toy_text(toy("a.txt"), "the quick brown fox jumps over the lazy dog, now is the time for all "
                           "good men to come to the aid of the party");
    says(TRAIN DATA "--set lr_decay=constant --steps 5 --resume --out @t.safetensors", 1,
         "t.safetensors: trained on a text of hash ");
}
END_TEST

/* More tokens than a byte counts, of several bytes. */
START_TEST(tokens_go_all_the_way)
{
    enum { S = 300, N = 2000 };
    static const char *const lines[] = {"the %d\n", "\\n%d\n", "\xE2\x82\xAC%d\n"};
    char vocabulary[S * 12] = "", *text;
    unsigned char bytes[2 * N];
    size_t n;
    for (int s = 0; s < S; s++)
        sprintf(vocabulary + strlen(vocabulary), lines[s % 3], s);
    for (int i = 0; i < N; i++) {
        bytes[(size_t)2 * i] = (unsigned char)(i * 7 % S);
        bytes[2 * i + 1] = (unsigned char)(i * 7 % S >> 8);
    }
    toy_text(toy("k.bin.vocab"), vocabulary);
    toy_write(toy("k.bin"), bytes, sizeof bytes);
    expect(TRAIN TOKENS "--out @t.safetensors", 0);
    expect("sample --quiet --model @t.safetensors --count 9 --steps 2 --out @o.txt", 0);
    text = toy_read(toy("o.txt"), &n);
    ck_assert_ptr_nonnull(strstr(text, "the "));
    ck_assert_ptr_nonnull(strstr(text, "\xE2\x82\xAC"));
    ck_assert_ptr_nonnull(strstr(said(stdout), "\\n")); /* escaped on the screen */
    mem_free(text);
    says("eval --quiet --model @t.safetensors --steps 2 --count 9 " TOKENS, 0,
         "under 5-grams of 1800 training symbols; 9 held-out");
    expect("distill " TINY "--teacher @t.safetensors --set targets=teacher --set target_count=9 "
           "--set target_steps=2 --steps 2 --out @s.safetensors",
           0);
    toy_text(toy("k.bin.vocab"), strchr(vocabulary, '\n') + 1);
    says("eval --quiet --model @t.safetensors --steps 2 --count 9 " TOKENS, 1,
         "k.bin.vocab: 299 tokens that are not the model's 300, expected the same");
    says("eval --quiet --model @t.safetensors --steps 2 --count 9 " DATA, 1,
         "a.txt: is a text of bytes, and the model's vocabulary is no alphabet");
}
END_TEST

/* To PyTorch and back: the alphabet goes with the model. */
START_TEST(alphabets_are_converted)
{
    expect(TRAIN DATA "--out @t.safetensors", 0);
    expect("convert @t.safetensors @t.pt", 0);
    expect("sample --quiet --model @t.safetensors --count 3 --steps 2 --out @o.txt", 0);
    expect("sample --quiet --model @t.pt --count 3 --steps 2 --out @p.txt", 0);
    ck_assert(toy_same(toy("o.txt"), toy("p.txt")));
    expect("convert @t.pt @u.safetensors", 0);
    ck_assert(toy_same(toy("t.safetensors"), toy("u.safetensors")));
}
END_TEST

START_TEST(alphabets_can_be_looked_at)
{
    expect(TRAIN DATA "--out @t.safetensors", 0);
    says("inspect @t.safetensors", 0, "alphabet = 28 tokens: \\n   a b c d e f g h i j k l m n o");
    says("inspect @t.safetensors", 0, "config.length = 8");
}
END_TEST

/* What a file says commands no terminal. */
START_TEST(control_characters_are_not_shown)
{
    Error err = {""};
    SafetensorsWriter *w = safetensors_writer();
    safetensors_add_meta(w, "note", "a\x1B[2J\xC2\x9B\xC2\x9F\xC2\xA0\xC3\xA9");
    safetensors_add_meta(w, "alphabet", "a\n\xC2\x9B\n\xC3\xA9\n\n");
    ck_assert_msg(safetensors_write(w, toy("u.safetensors"), &err), "%s", err.text);
    safetensors_writer_free(w);
    says("inspect @u.safetensors", 0, "  note = a?[2J??\xC2\xA0\xC3\xA9\n");
    says("inspect @u.safetensors", 0, "  alphabet = 4 tokens: a ? \xC3\xA9  \n");
}
END_TEST

Suite *text_commands_suite(void);
Suite *text_commands_suite(void)
{
    Suite *suite = suite_create("text_commands");
    TCase *tc = tcase_create("text_commands");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, toys_tear_down);
    tcase_add_test(tc, samples_are_texts);
    tcase_add_test(tc, prompts_and_templates_stand);
    tcase_add_test(tc, texts_can_be_watched);
    tcase_add_test(tc, pictures_can_be_watched);
    tcase_add_test(tc, pictures_are_no_texts);
    tcase_add_test(tc, other_texts_have_the_models_alphabet);
    tcase_add_test(tc, students_learn_texts);
    tcase_add_test(tc, texts_are_measured);
    tcase_add_test(tc, runs_go_on);
    tcase_add_test(tc, tokens_go_all_the_way);
    tcase_add_test(tc, alphabets_are_converted);
    tcase_add_test(tc, control_characters_are_not_shown);
    tcase_add_test(tc, alphabets_can_be_looked_at);
    suite_add_tcase(suite, tc);
    return suite;
}
