/* Texts: JSON, vocabularies, escapes and templates. */
#include <string.h>

#include "experiments/data/text/escape.h"
#include "experiments/data/text/template.h"
#include "experiments/data/text/vocabulary.h"
#include "nn/formats/json.h"
#include "tensor/base/check.h"
#include "tensor/base/memory.h"
#include "tests/fuzz/fuzz.h"

static void look_at(const Json *j)
{
    size_t value;

    json_whole(j, &value);
    for (size_t i = 0; i < j->count; i++) {
        TENSOR_CHECK(j->type != JSON_OBJECT || json_get(j, j->keys[i]) == &j->items[i],
                     "member %zu is another one", i);
        look_at(&j->items[i]);
    }
}

void fuzz_json(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    Json *j = json_parse((const char *)bytes, count, "a text", &err);

    if (j != NULL)
        look_at(j);
    else
        fuzz_refused(&err);
    json_free(j);
}

static void escape_and_back(const uint8_t *bytes, size_t count)
{
    Buffer escaped = {0}, back = {0};

    escape_add(&escaped, (const char *)bytes, count);
    TENSOR_CHECK(escape_read(&back, escaped.bytes, escaped.length), "an escape is none");
    TENSOR_CHECK(back.length == count && (count == 0 || memcmp(back.bytes, bytes, count) == 0),
                 "%zu bytes became %zu", count, back.length);
    for (size_t i = 0; i < escaped.length; i++)
        TENSOR_CHECK((unsigned char)escaped.bytes[i] >= 0x20 && escaped.bytes[i] != 0x7F,
                     "a control character at %zu", i);
    buffer_free(&escaped);
    buffer_free(&back);
}

void fuzz_vocabulary(const uint8_t *bytes, size_t count)
{
    Error err = {""};
    Vocabulary *v = vocabulary_parse((const char *)bytes, count, "a vocabulary", &err);

    escape_and_back(bytes, count);
    if (v == NULL) {
        fuzz_refused(&err);
        return;
    }
    char *text = vocabulary_text(v);
    Vocabulary *again = vocabulary_parse(text, strlen(text), "again", &err);
    TENSOR_CHECK(again != NULL && vocabulary_equal(v, again), "another vocabulary");
    vocabulary_free(again);
    mem_free(text);
    vocabulary_free(v);
}

void fuzz_template(const uint8_t *bytes, size_t count)
{
    enum { LENGTH = 16, MASK = 999 };
    bool present[256] = {false};
    uint16_t states[LENGTH];
    Error err = {""};
    char *text = fuzz_text(bytes, count);

    for (int b = 'a'; b <= 'z'; b++)
        present[b] = true;
    present['\n'] = present['_'] = true;
    Vocabulary *v = vocabulary_of_bytes(present, "letters", &err);
    for (int blanks = 0; blanks < 2; blanks++) {
        if (!template_states(states, LENGTH, MASK, v, text, blanks != 0, "--template", &err)) {
            fuzz_refused(&err);
            continue;
        }
        for (int i = 0; i < LENGTH; i++)
            TENSOR_CHECK(states[i] < v->size || states[i] == MASK, "state %d", states[i]);
    }
    vocabulary_free(v);
    mem_free(text);
}
