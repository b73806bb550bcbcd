/* What is said on the command line: settings, presets, options, samplers, shards. */
#include <stdio.h>
#include <string.h>

#include "experiments/cli/options.h"
#include "experiments/cli/shard.h"
#include "experiments/model/config.h"
#include "experiments/model/presets.h"
#include "experiments/sampling/sampler_options.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tensor/base/text.h"
#include "tests/fuzz/fuzz.h"

enum { WORDS = 40 };

/* The lines of the text, in place; at most WORDS of them. */
static int split(char *text, char **words)
{
    int count = 0;

    for (char *line = text; line != NULL && count < WORDS;) {
        char *end = strchr(line, '\n');
        words[count++] = line;
        if (end != NULL)
            *end++ = '\0';
        line = end;
    }
    return count;
}

/* A setting that was taken reads back as the same one. */
static void set(Config *c, const char *pair)
{
    Error err = {""};
    char key[64], text[CONFIG_TEXT];
    const char *value = text_key_value(pair, key, sizeof key);

    if (value == NULL || !config_set(c, key, value, "--set", &err)) {
        if (value != NULL)
            fuzz_refused(&err);
        return;
    }
    for (size_t i = 0; i < config_count(); i++)
        if (strcmp(config_key(i), key) == 0) {
            Config again = *c;
            config_value(c, i, text);
            TENSOR_CHECK(config_set(&again, key, text, "again", &err), "%s", err.text);
            TENSOR_CHECK(config_difference(c, &again) == config_count(), "%s=%s", key, text);
        }
}

void fuzz_settings(const uint8_t *bytes, size_t count)
{
    Config c;
    Error err = {""};
    char *words[WORDS], *text = fuzz_text(bytes, count);
    const int lines = split(text, words);

    for (int role = ROLE_TEACHER; role <= ROLE_STUDENT; role++) {
        if (!config_preset(&c, words[0], (ConfigRole)role, &err)) {
            fuzz_refused(&err);
            config_defaults(&c);
        }
        for (int i = 1; i < lines; i++)
            set(&c, words[i]);
        if (!config_check(&c, (ConfigRole)role, &err))
            fuzz_refused(&err);
    }
    mem_free(text);
}

static void choose_sampler(SamplerChoice *s)
{
    Error err = {""};
    size_t steps;

    if (!sampler_choice_resolve(s, &err) || !sampler_choice_steps(s, 4, 1, &steps, &err))
        fuzz_refused(&err);
    sampler_choice_free(s);
}

void fuzz_options(const uint8_t *bytes, size_t count)
{
    static const Command command = {.name = "fuzz", .summary = "Options.", .example = "fuzz"};
    static OptionTable table;
    SamplerChoice s = {.name = NULL};
    CommonOptions common = {.quiet = false};
    CountList list = {0};
    WordList rest = {0};
    Shard shard;
    Error err = {""};
    const char *first = NULL, *part = NULL;
    int64_t number = 0;
    double real = 0.0;
    char *words[WORDS], *text = fuzz_text(bytes, count);
    const Option rows[] = {
        {"FIRST", OPTION_TEXT, &first, "NAME", 0, 0, true, "a word"},
        {"--number", OPTION_COUNT, &number, "N", 1, 1e12, false, "a whole number"},
        {"--real", OPTION_REAL, &real, "X", 0, 1, false, "a number"},
        {"--list", OPTION_LIST, &list, "1,2", 1, 1e5, false, "whole numbers"},
        {"--shard", OPTION_TEXT, &part, "I/N", 0, 0, false, "a part"},
        {"REST", OPTION_REST, &rest, "WORD...", 0, 0, false, "words"},
    };

    table.count = 0;
    options_add(&table, rows, sizeof rows / sizeof rows[0]);
    sampler_choice_options(&s, &table);
    if (options_parse(&command, table.rows, table.count, &common, split(text, words), words) ==
        OPTIONS_OK) {
        TENSOR_CHECK(number >= 0 && number <= 1000000000000 && real >= 0.0 && real <= 1.0 &&
                         list.count <= OPTION_LIST_MAX,
                     "%lld, %g, %zu numbers", (long long)number, real, list.count);
        choose_sampler(&s);
        if (!shard_parse(part, 1000, &shard, &err))
            fuzz_refused(&err);
        else
            TENSOR_CHECK(shard.count > 0 && shard.first + shard.count <= 1000, "%zu from %zu",
                         shard.count, shard.first);
    }
    mem_free(rest.values);
    mem_free(text);
}
