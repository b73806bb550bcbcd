/* JSON by recursive descent over a buffer that is not NUL-terminated.
 *
 * The parser holds a position and the number of values made so far.  parse_X leaves the position
 * after X and returns true, or sets the error and returns false; what a failed call has built hangs
 * on the tree and is freed with it.  Limits on depth and on the number of values bound the memory
 * and the stack that a hostile text can claim. */
#include "nn/formats/json.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/base/memory.h"
#include "tensor/base/text.h"

enum {
    MAX_DEPTH = 64,       /* of recursion; headers and manifests have a few levels */
    MAX_VALUES = 1 << 20, /* of 48 bytes, 2.5 times that while an array grows, and a name */
    MAX_NUMBER = 64       /* characters; a double needs 24 */
};

typedef struct Parser {
    const char *text, *name;
    size_t length, at, values;
    int depth;
    Error *err;
} Parser;

static bool parse_value(Parser *p, Json *out);

static bool fail(const Parser *p, const char *what)
{
    return error_set(p->err, "%s: JSON at byte %zu: %s", p->name, p->at, what);
}

static int peek(const Parser *p)
{
    return p->at < p->length ? (unsigned char)p->text[p->at] : -1;
}

static void skip_space(Parser *p)
{
    for (int c = peek(p); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(p))
        p->at++;
}

static bool parse_word(Parser *p, const char *word)
{
    size_t n = strlen(word);
    if (p->length - p->at < n || memcmp(p->text + p->at, word, n) != 0)
        return fail(p, "expected a value");
    p->at += n;
    return true;
}

static size_t skip_digits(Parser *p)
{
    size_t start = p->at;
    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at - start;
}

static bool parse_number(Parser *p, Json *out)
{
    char digits[MAX_NUMBER];
    size_t start = p->at;
    if (peek(p) == '-')
        p->at++;
    if (peek(p) == '0')
        p->at++;
    else if (skip_digits(p) == 0)
        return fail(p, "expected a digit");
    if (peek(p) == '.') {
        p->at++;
        if (skip_digits(p) == 0)
            return fail(p, "expected a digit after the decimal point");
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        if (skip_digits(p) == 0)
            return fail(p, "expected a digit in the exponent");
    }
    if (p->at - start >= sizeof digits)
        return fail(p, "expected a number of fewer than 64 characters");
    memcpy(digits, p->text + start, p->at - start);
    digits[p->at - start] = '\0';
    out->type = JSON_NUMBER;
    out->number = text_number(digits, NULL);
    return isfinite(out->number) || fail(p, "expected a number that fits a double");
}

/* Four hexadecimal digits. */
static bool parse_hex(Parser *p, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        int c = peek(p), digit = -1;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        if (digit < 0)
            return fail(p, "expected four hexadecimal digits after \\u");
        *code = *code * 16 + (uint32_t)digit;
    }
    return true;
}

static size_t utf8_encode(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[4] = {0, 0xC0, 0xE0, 0xF0};
    for (size_t i = more; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[more] | code);
    return more + 1;
}

/* The escape after a backslash, as UTF-8 into out (at most 4 bytes). */
static bool parse_escape(Parser *p, char *out, size_t *length)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(p);
    const char *simple = c > 0 ? strchr(from, c) : NULL;
    uint32_t code, low;
    if (simple != NULL) {
        p->at++;
        out[0] = to[simple - from];
        *length = 1;
        return true;
    }
    if (c != 'u')
        return fail(p, "expected one of \"\\/bfnrtu after a backslash");
    p->at++;
    if (!parse_hex(p, &code))
        return false;
    if (code == 0)
        return fail(p, "expected a string without \\u0000");
    if (code >= 0xDC00 && code <= 0xDFFF)
        return fail(p, "expected a high surrogate before a low one");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (p->length - p->at < 2 || p->text[p->at] != '\\' || p->text[p->at + 1] != 'u')
            return fail(p, "expected a low surrogate after a high one");
        p->at += 2;
        if (!parse_hex(p, &low))
            return false;
        if (low < 0xDC00 || low > 0xDFFF)
            return fail(p, "expected a low surrogate after a high one");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *length = utf8_encode(out, code);
    return true;
}

/* Decodes the characters up to the closing quote into out, which has room for as many bytes as the
 * string takes in the text: no escape is shorter than what it stands for. */
static bool parse_characters(Parser *p, char *out)
{
    size_t n = 0, used = 0;
    for (;;) {
        int c = peek(p);
        if (c < 0)
            return fail(p, "expected the closing quote of a string");
        if (c < 0x20)
            return fail(p, "expected no control character in a string");
        if (c == '"')
            break;
        if (c == '\\') {
            p->at++;
            if (!parse_escape(p, out + used, &n))
                return false;
        } else {
            const char *s = p->text + p->at;
            n = text_utf8(s, p->length - p->at);
            if (n == 0)
                return fail(p, "expected valid UTF-8");
            memcpy(out + used, s, n);
            p->at += n;
        }
        used += n;
    }
    p->at++;
    out[used] = '\0';
    return true;
}

static bool parse_string(Parser *p, char **out)
{
    if (peek(p) != '"')
        return fail(p, "expected a string");
    p->at++;
    size_t end = p->at;
    while (end < p->length && p->text[end] != '"')
        end += p->text[end] == '\\' ? 2 : 1;
    if (end >= p->length)
        return fail(p, "expected the closing quote of this string");
    char *text = mem_alloc(end - p->at + 1, 1);
    if (!parse_characters(p, text)) {
        mem_free(text);
        return false;
    }
    *out = text;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool check_duplicates(const Parser *p, const Json *object)
{
    bool ok = true;
    if (object->count < 2)
        return true;
    char **sorted = mem_alloc(object->count, sizeof *sorted);
    memcpy(sorted, object->keys, object->count * sizeof *sorted);
    qsort(sorted, object->count, sizeof *sorted, compare_keys);
    for (size_t i = 1; ok && i < object->count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            ok = error_set(p->err, "%s: JSON before byte %zu: expected the key \"%.100s\" once",
                           p->name, p->at, sorted[i]);
    mem_free(sorted);
    return ok;
}

/* Room for one more item (and key); the new ones are null values. */
static void grow(Json *out, size_t *capacity)
{
    if (out->count == *capacity) {
        const size_t more = *capacity < 2 ? 2 : *capacity + *capacity / 2;
        out->items = mem_resize(out->items, *capacity, more, sizeof *out->items);
        if (out->type == JSON_OBJECT)
            out->keys = mem_resize(out->keys, *capacity, more, sizeof *out->keys);
        *capacity = more;
    }
    memset(&out->items[out->count], 0, sizeof *out->items);
    if (out->type == JSON_OBJECT)
        out->keys[out->count] = NULL;
    out->count++;
}

static bool parse_member(Parser *p, Json *out)
{
    if (out->type == JSON_OBJECT) {
        if (!parse_string(p, &out->keys[out->count - 1]))
            return false;
        skip_space(p);
        if (peek(p) != ':')
            return fail(p, "expected ':'");
        p->at++;
        skip_space(p);
    }
    return parse_value(p, &out->items[out->count - 1]);
}

static bool parse_container(Parser *p, Json *out, JsonType type)
{
    size_t capacity = 0;
    int close = type == JSON_OBJECT ? '}' : ']';
    out->type = type;
    if (p->depth == MAX_DEPTH)
        return fail(p, "expected at most 64 levels of nesting");
    p->depth++;
    p->at++;
    skip_space(p);
    if (peek(p) != close)
        for (;;) {
            grow(out, &capacity);
            if (!parse_member(p, out))
                return false;
            skip_space(p);
            if (peek(p) == close)
                break;
            if (peek(p) != ',')
                return fail(p, type == JSON_OBJECT ? "expected ',' or '}'" : "expected ',' or ']'");
            p->at++;
            skip_space(p);
        }
    p->at++;
    p->depth--;
    return type == JSON_ARRAY || check_duplicates(p, out);
}

static bool parse_value(Parser *p, Json *out)
{
    if (++p->values > MAX_VALUES)
        return fail(p, "expected at most 1048576 values");
    switch (peek(p)) {
    case '{': return parse_container(p, out, JSON_OBJECT);
    case '[': return parse_container(p, out, JSON_ARRAY);
    case '"': out->type = JSON_STRING; return parse_string(p, &out->string);
    case 't':
    case 'f':
        out->type = JSON_BOOL;
        out->boolean = peek(p) == 't';
        return parse_word(p, out->boolean ? "true" : "false");
    case 'n': return parse_word(p, "null");
    default:
        if (peek(p) == '-' || (peek(p) >= '0' && peek(p) <= '9'))
            return parse_number(p, out);
        return fail(p, "expected a value");
    }
}

static void free_inside(Json *j)
{
    for (size_t i = 0; i < j->count; i++) {
        free_inside(&j->items[i]);
        if (j->keys != NULL)
            mem_free(j->keys[i]);
    }
    mem_free(j->items);
    mem_free(j->keys);
    mem_free(j->string);
}

Json *json_parse(const char *text, size_t length, const char *name, Error *err)
{
    Parser p = {.text = text, .name = name, .length = length, .err = err};
    Json *root = mem_zeroed(1, sizeof *root);
    skip_space(&p);
    bool ok = parse_value(&p, root);
    skip_space(&p);
    if (ok && p.at != length)
        ok = fail(&p, "expected the end of the text");
    if (!ok) {
        json_free(root);
        return NULL;
    }
    return root;
}

void json_free(Json *j)
{
    if (j == NULL)
        return;
    free_inside(j);
    mem_free(j);
}

const Json *json_get(const Json *object, const char *key)
{
    if (object == NULL || object->type != JSON_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (strcmp(object->keys[i], key) == 0)
            return &object->items[i];
    return NULL;
}

const char *json_string(const Json *object, const char *key, const char *where, Error *err)
{
    const Json *j = json_get(object, key);
    if (j == NULL || j->type != JSON_STRING) {
        error_set(err, "%s: expected a string \"%s\"", where, key);
        return NULL;
    }
    return j->string;
}

bool json_number(const Json *object, const char *key, double *value, const char *where, Error *err)
{
    const Json *j = json_get(object, key);
    if (j == NULL || j->type != JSON_NUMBER)
        return error_set(err, "%s: expected a number \"%s\"", where, key);
    *value = j->number;
    return true;
}

bool json_whole(const Json *j, size_t *value)
{
    const double limit = 9007199254740992.0; /* 2^53: beyond it doubles skip integers */
    if (j == NULL || j->type != JSON_NUMBER || !(j->number >= 0) || j->number > limit ||
        j->number > (double)(SIZE_MAX / 2) || floor(j->number) != j->number)
        return false;
    *value = (size_t)j->number;
    return true;
}

bool json_size(const Json *object, const char *key, size_t *value, const char *where, Error *err)
{
    return json_whole(json_get(object, key), value) ||
           error_set(err, "%s: expected a whole number \"%s\" from 0 to %s", where, key,
                     sizeof *value > 4 ? "2^53" : "2^31 - 1");
}

void json_write_string(FILE *f, const char *text)
{
    size_t left = strlen(text), n;
    putc('"', f);
    for (; left > 0; text += n, left -= n) {
        const unsigned char c = (unsigned char)*text;
        n = text_utf8(text, left);
        if (n == 0) {
            fputs("\xEF\xBF\xBD", f);
            n = 1;
        } else if (c == '"' || c == '\\') {
            fprintf(f, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(f, "\\u%04x", (unsigned)c);
        } else {
            fwrite(text, 1, n, f);
        }
    }
    putc('"', f);
}
