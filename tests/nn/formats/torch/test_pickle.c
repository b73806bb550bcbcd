/* The pickle reader and writer: every kind of value, numpy's scalars, what is refused and how it is
 * called, trees without end, and mutations. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/formats/read_file.h"
#include "nn/formats/torch/pickle_read.h"
#include "nn/formats/torch/pickle_write.h"
#include "tensor/base/memory.h"
#include "tensor/base/rng.h"

/* What pickle_foreign says of the files of tests/corpus/pickle, in the order of the dict. */
static const char *const foreign_values[] = {
    "args (argparse.Namespace)",
    "dtype (torch.float32)",
    "device (torch.device)",
    "tags (",
    "frozen (",
    "empty (",
    "path (pathlib.",
};

static Pickle *read_bytes(const PickleWriter *w)
{
    Error err = {""};
    Pickle *p = pickle_read((const unsigned char *)w->out.bytes, w->out.length, "x.pt", &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    return p;
}

/* One of each. */
static PickleWriter sample(void)
{
    PickleWriter w = {0};
    pickle_start(&w);
    pickle_open_dict(&w, false);
    pickle_put_text(&w, "none");
    pickle_put_none(&w);
    pickle_put_text(&w, "yes");
    pickle_put_bool(&w, true);
    pickle_put_text(&w, "number");
    pickle_put_number(&w, -0.1);
    pickle_put_text(&w, "list");
    pickle_open_list(&w);
    for (int64_t i = -70000; i < 70001; i += 3500)
        pickle_put_integer(&w, i * i * i);
    pickle_close_list(&w);
    pickle_put_text(&w, "tuple");
    pickle_open_tuple(&w);
    pickle_put_text(&w, "");
    pickle_close_tuple(&w);
    pickle_put_text(&w, "weights");
    pickle_open_dict(&w, true);
    pickle_put_text(&w, "a");
    pickle_put_floats(&w, "7", 3, (size_t[]){2, 300, 4});
    pickle_put_text(&w, "b");
    pickle_put_floats(&w, "8", 0, NULL);
    pickle_close_dict(&w);
    pickle_close_dict(&w);
    pickle_stop(&w);
    return w;
}

START_TEST(round_trip)
{
    PickleWriter w = sample();
    const size_t before = mem_in_use();
    Pickle *p = read_bytes(&w);
    const PickleValue *root = pickle_root(p), *v = pickle_get(root, "list");
    double x = 0;
    ck_assert(root->type == PICKLE_DICT && root->count == 6);
    ck_assert_int_eq(pickle_get(root, "none")->type, PICKLE_NONE);
    ck_assert(!pickle_number(pickle_get(root, "none"), &x));
    ck_assert(pickle_number(pickle_get(root, "yes"), &x) && x == 1);
    ck_assert(pickle_number(pickle_get(root, "number"), &x) && x == -0.1);
    ck_assert_uint_eq(v->count, 41);
    for (int64_t i = 0; i < 41; i++) {
        const int64_t k = -70000 + 3500 * i;
        ck_assert(v->items[i]->type == PICKLE_INTEGER && v->items[i]->integer == k * k * k);
    }
    v = pickle_get(root, "tuple");
    ck_assert(v->type == PICKLE_TUPLE && v->count == 1 && v->items[0]->count == 0);
    v = pickle_get(pickle_get(root, "weights"), "a");
    ck_assert_int_eq(v->type, PICKLE_TENSOR);
    const PickleTensor *t = v->tensor;
    ck_assert(strcmp(t->key, "7") == 0 && strcmp(t->dtype, "F32") == 0 && t->item == 4);
    ck_assert(t->rank == 3 && t->shape[1] == 300 && t->stride[0] == 1200 && t->stride[2] == 1);
    ck_assert(t->count == 2400 && t->storage == 2400 && t->offset == 0);
    t = pickle_get(pickle_get(root, "weights"), "b")->tensor;
    ck_assert(t->rank == 0 && t->count == 1);
    ck_assert_ptr_null(pickle_get(root, "other"));
    ck_assert_ptr_null(pickle_get(NULL, "other"));
    ck_assert_ptr_null(pickle_get(v, "other"));
    pickle_free(p);
    ck_assert_uint_eq(mem_in_use(), before);
    pickle_writer_free(&w);
}
END_TEST

START_TEST(integers)
{
    const int64_t values[] = {0,
                              255,
                              256,
                              65535,
                              65536,
                              -1,
                              INT32_MAX,
                              -INT32_MAX,
                              (int64_t)INT32_MAX + 1,
                              -(int64_t)INT32_MAX - 1,
                              INT64_MAX,
                              INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        PickleWriter w = {0};
        pickle_start(&w);
        pickle_put_integer(&w, values[i]);
        pickle_stop(&w);
        Pickle *p = read_bytes(&w);
        ck_assert_int_eq(pickle_root(p)->integer, values[i]);
        pickle_free(p);
        pickle_writer_free(&w);
    }
}
END_TEST

/* Bytes of protocol 2, and their number. */
#define P(text) "\x80\x02" text, sizeof "\x80\x02" text - 1
#define STORAGE(key, count)                                                                        \
    "(U\x07storagectorch\nFloatStorage\nU\x01" key "U\x06"                                         \
    "cuda:0K" count "tQ"
#define TENSOR(offset, shape, stride)                                                              \
    "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE("0", "\x0c") "K" offset "(" shape "t(" stride   \
                                                                "t\x89"                            \
                                                                "ccollections\nOrderedDict\n)RtR"

static const struct {
    const char *bytes;
    size_t size;
    double number;
} scalars[] = {
    {P("cnumpy.core.multiarray\nscalar\nq\x00"
       "cnumpy\ndtype\nq\x01U\x02"
       "f8K\x00K\x01\x87R"
       "(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
       "c_codecs\nencode\nX\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc3\xb8\x3fX\x06\x00\x00\x00"
       "latin1\x86R\x86R."),
     1.5},
    {P("cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\nU\x02"
       "f4\x89\x88\x87R"
       "U\x04\x00\x00\x80\xbe\x86R."),
     -0.25},
    {P("cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02i8\x89\x88\x87R"
       "U\x08\xfe\xff\xff\xff\xff\xff\xff\xff\x86R."),
     -2},
    {P("cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02"
       "b1\x89\x88\x87R"
       "U\x01\x01\x86R."),
     1},
    {P("\x8a\x00."), 0},
    {P("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."), 9223372036854775808.0},
    {P("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xfe."), -18446744073709551617.0},
    {P("\x8b\x02\x00\x00\x00\x00\xff."), -256},
    {P("\x88\x88(NN\x31\x30."), 1},
    {P("\x8a\x01\xff."), -1},
    {P("J\xfe\xff\xff\xff."), -2},
    {P("K\x05K\x06\x30."), 5},
    {P("\x88."), 1},
};

START_TEST(single_numbers)
{
    Error err = {""};
    double x = NAN;
    Pickle *p = pickle_read((const unsigned char *)scalars[_i].bytes, scalars[_i].size, "x", &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    ck_assert(pickle_number(pickle_root(p), &x) && x == scalars[_i].number);
    pickle_free(p);
}
END_TEST

/* Strides, offsets, any device, shared storages, texts of Python 2, the memo, attributes. */
/* Python's bytes of any length, and what follows them. */
START_TEST(encoded_texts)
{
    static const unsigned char lengths[] = {0, 1, 63, 64, 65, 127, 128, 255};
    PickleWriter w = {0};
    pickle_start(&w);
    pickle_open_list(&w);
    for (size_t i = 0; i < sizeof lengths; i++) {
        buffer_text(&w.out, "c_codecs\nencode\nX");
        buffer_add(&w.out, (const unsigned char[]){lengths[i], 0, 0, 0}, 4);
        for (size_t j = 0; j < lengths[i]; j++)
            buffer_text(&w.out, "x");
        buffer_text(&w.out, "U\x06latin1\x86R");
    }
    pickle_close_list(&w);
    pickle_stop(&w);
    Pickle *p = read_bytes(&w);
    ck_assert_uint_eq(pickle_root(p)->count, sizeof lengths);
    for (size_t i = 0; i < sizeof lengths; i++) {
        const PickleValue *v = pickle_root(p)->items[i];
        ck_assert(v->type == PICKLE_TEXT && v->count == lengths[i]);
        ck_assert_uint_eq(strlen(v->text), lengths[i]);
    }
    pickle_free(p);
    pickle_writer_free(&w);
}
END_TEST

START_TEST(as_torch_has_it)
{
    static const char bytes[] =
        "\x80\x02"
        "ccollections\nOrderedDict\nq\x00)Rq\x01(U\x01"
        "a" TENSOR("\x02", "K\x03K\x02",
                   "K\x01K\x04") "U\x01"
                                 "b" TENSOR(
                                     "\x0c", "K\x00K\x05",
                                     "K\x05K\x01") "U\x01"
                                                   "c"
                                                   "ctorch._utils\n_rebuild_parameter\n" TENSOR(
                                                       "\x0b", "",
                                                       "") "\x88h\x00)R\x87R"
                                                           "U\x01"
                                                           "d"
                                                           "(K\x01K\x02lK\x07(K\x01K\x02"
                                                           "du"
                                                           "}U\x09_metadata}sb.";
    Error err = {""};
    Pickle *p = pickle_read((const unsigned char *)bytes, sizeof bytes - 1, "x", &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    const PickleValue *root = pickle_root(p);
    ck_assert_uint_eq(root->count, 5);
    const PickleTensor *t = pickle_get(root, "a")->tensor;
    ck_assert(t->offset == 2 && t->stride[1] == 4 && t->count == 6 && t->storage == 12);
    ck_assert_uint_eq(pickle_get(root, "b")->tensor->count, 0);
    ck_assert(pickle_get(root, "c")->tensor->offset == 11);
    ck_assert_int_eq(pickle_get(root, "d")->type, PICKLE_LIST);
    ck_assert_int_eq(root->items[8]->integer, 7);
    ck_assert_int_eq(root->items[9]->type, PICKLE_DICT);
    pickle_free(p);
}
END_TEST

/* A checkpoint with good weights beside whatever a program may have put there, by Python's own
 * pickler (tests/corpus/README.md).  Loop: the protocols 2 to 5. */
START_TEST(good_weights_in_any_company)
{
    char name[60];
    Error err = {""};
    size_t size;
    double x = 0;
    snprintf(name, sizeof name, "tests/corpus/pickle/protocol-%d.pkl", _i);
    unsigned char *bytes = read_file(name, "expected a file", READ_ANY_SIZE, &size, &err);
    ck_assert_msg(bytes != NULL, "%s", err.text);
    Pickle *p = pickle_read(bytes, size, "x.pt", &err);
    mem_free(bytes);
    ck_assert_msg(p != NULL, "%s", err.text);
    const PickleValue *root = pickle_root(p), *model = pickle_get(root, "model");
    ck_assert(model != NULL && model->count == 2);
    for (size_t i = 0; i < 2; i++) {
        const PickleValue *v = pickle_get(model, i == 0 ? "w" : "p");
        ck_assert(v->type == PICKLE_TENSOR && v->tensor->count == 3);
        ck_assert_str_eq(v->tensor->key, "0");
    }
    ck_assert(pickle_number(pickle_get(root, "seed"), &x) && x == 9223372036854775808.0);
    ck_assert(pickle_number(pickle_get(root, "pcg"), &x) && x == -ldexp(1, 127));
    ck_assert(pickle_number(pickle_get(root, "huge"), &x) && fabs(x) == INFINITY);
    ck_assert(pickle_number(pickle_get(root, "best"), &x) && x == 1.5);
    ck_assert_str_eq(pickle_get(root, "raw")->text, "");
    ck_assert_uint_eq(pickle_get(root, "by")->count, 4);
    ck_assert_uint_eq(pickle_get(root, "od")->count, 1);
    for (const char *const *key =
             (const char *const[]){"args", "dtype", "frozen", "spectrum", "names", "half", "big",
                                   "defaults", "counter", "complex", "when", "storage", "cls",
                                   NULL};
         *key != NULL; key++)
        ck_assert_msg(pickle_get(root, *key)->type == PICKLE_OPAQUE, "%s", *key);
    const char *at = pickle_foreign(p);
    for (size_t i = 0; i < sizeof foreign_values / sizeof foreign_values[0]; i++) {
        at = strstr(at, foreign_values[i]);
        ck_assert_msg(at != NULL, "%s: expected %s", pickle_foreign(p), foreign_values[i]);
    }
    ck_assert_msg(strstr(at, "rng.numpy[1] (numpy.ndarray), and 1") != NULL, "%s", at);
    pickle_free(p);
}
END_TEST

/* A name for a sentence stays on one line; objects in lists and as keys are found too. */
START_TEST(where_foreign_values_are)
{
    static const char bytes[] = "\x80\x02}U\x04"
                                "a\n\x1b[]cx\ny\n)\x81"
                                "acx\nz\n\x85"
                                "asK\x07]cp\nq\nascp\nr\nNs.";
    Error err = {""};
    Pickle *p = pickle_read((const unsigned char *)bytes, sizeof bytes - 1, "x", &err);
    ck_assert_msg(p != NULL, "%s", err.text);
    ck_assert_str_eq(pickle_foreign(p), "a??[[0] (x.y), a??[[1][0] (x.z), [1][0] (p.q), [2] (p.r)");
    pickle_free(p);
    p = pickle_read((const unsigned char *)"\x80\x04N.", 4, "x", &err);
    ck_assert_str_eq(pickle_foreign(p), "");
    pickle_free(p);
}
END_TEST

static const struct {
    const char *bytes;
    size_t size;
    const char *sentence;
} hostile[] = {
    {"", 0, "protocol 2"},
    {"(dp0\n.", 6, "protocol 2"},
    {"\x80\x01N.", 4, "protocol 2, 3, 4 or 5"},
    {"\x80\x06N.", 4, "protocol 2, 3, 4 or 5"},
    {P(""), "cut short"},
    {P("N"), "cut short"},
    {P("."), "one value"},
    {P("NN."), "one value"},
    {P("N.N"), "end here"},
    {P("(."), "found a mark"},
    {P("cposix\nsystem\nU\x02ls\x85R."), "found posix.system"},
    {P("c__builtin__\neval\n."), "found __builtin__.eval"},
    {P("cbad\x1b[2J\nx\ty\n."), "found bad?[2J.x?y"},
    {P("cposix"), "name of a class"},
    {P("ctorch\nFloatStorage\n."), "found a class"},
    {P("ctorch\nFloatStorage\n)R."), "that can be called"},
    {P("(iposix\nsystem\n."), "INST (0x69)"},
    {P("\x93."), "value on the stack"},
    {P("U\x01xN\x93."), "name of a class"},
    {P("U\x05posixU\x06system\x93U\x02ls\x85R."), "found posix.system: save its state_dict()"},
    {P(")\x81."), "value on the stack"},
    {P("N)\x81."), "class and the tuple"},
    {P("cposix\nsystem\nN\x81."), "class and the tuple"},
    {P("cposix\nsystem\n)N\x92."), "no keywords"},
    {P("ccollections\nOrderedDict\n)}NNs\x92."), "no keywords"},
    {P("N}\x92."), "value on the stack"},
    {P("cx\ny\n)(\x92."), "value on the stack"},
    {P("\x95."), "cut short"},
    {P("\x95\x02\x00\x00\x00\x00\x00\x00\x00."), "a frame that ends within"},
    {P("\x94."), "value on the stack"},
    {P("N\x90."), "mark on the stack"},
    {P("N(N\x90."), "a set to add to"},
    {P("\x91."), "mark on the stack"},
    {P("\x31."), "mark on the stack"},
    {P("\x8f."), "found builtins.set"},
    {P("\x97."), "NEXT_BUFFER (0x97)"},
    {P("\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "ends within"},
    {P("\x8b\xff\xff\xff\xff."), "cut short"},
    {P("\x82\x01."), "EXT1 (0x82)"},
    {P("Px\n."), "PERSID (0x50)"},
    {P("\xff."), "unknown (0xff)"},
    {P("U\x05"
       "abc."),
     "ends within"},
    {P("X\xff\xff\xff\xff"
       "abc."),
     "ends within"},
    {P("K"), "cut short"},
    {P("h\x00."), "memo number that was used"},
    {P("Nq\x00h\x01."), "memo number that was used"},
    {P("Nr\xff\xff\xff\x7f."), "smaller memo number"},
    {P("q\x00."), "value on the stack"},
    {P("\x30."), "value on the stack"},
    {P("t."), "mark on the stack"},
    {P("(\x85."), "value on the stack"},
    {P("]a."), "value on the stack"},
    {P("NNa."), "list to append"},
    {P("(NNu."), "dict to set items"},
    {P("}(Nu."), "value for every key"},
    {P("(Nd."), "value for every key"},
    {P("}]Ns."), "neither lists nor dicts"},
    {P("}}Ns."), "neither lists nor dicts"},
    {P("NNR."), "class and the tuple"},
    {P("NNb."), "attributes"},
    {P("NQ."), "persistent id"},
    {P("(U\x07storagectorch\nSize\nU\x01"
       "0U\x03"
       "cpuK\x04tQ."),
     "persistent id"},
    {P("(U\x07storagectorch\nFloatStorage\nU\x00U\x03"
       "cpuK\x04tQ."),
     "short text"},
    {P("(U\x07storagectorch\nFloatStorage\nU\x02"
       "a\x00U\x03"
       "cpuK\x04tQ."),
     "short text"},
    {P("(U\x07storagectorch\nFloatStorage\nU\x01"
       "0U\x03"
       "cpuJ\xff\xff\xff\xfftQ."),
     "persistent id"},
    {P(STORAGE("0", "\x04") "."), "found a storage"},
    {P("ctorch._utils\n_rebuild_tensor_v2\n)R."), "a tensor's storage"},
    {P(TENSOR("\x00", "K\x0d", "K\x01") "."), "within its storage \"0\" of 12 entries"},
    {P(TENSOR("\x01", "K\x0c", "K\x01") "."), "within its storage"},
    {P(TENSOR("\x0c", "", "") "."), "within its storage"},
    {P(TENSOR("\x00", "K\x03K\x02", "K\x01K\x0a") "."), "within its storage"},
    {P(TENSOR("\x00", "K\x03", "J\xff\xff\xff\xff") "."), "whole numbers from 0"},
    {P(TENSOR("\x00", "J\xff\xff\xff\xff", "K\x01") "."), "whole numbers from 0"},
    {P(TENSOR("\x00", "K\x03", "") "."), "a tensor's storage"},
    {P(TENSOR("\x00",
              "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3f"
              "K\x10",
              "K\x00K\x00") "."),
     "within its storage"},
    {P(TENSOR("\x00", "K\x03K\x03",
              "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3f"
              "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3f") "."),
     "within its storage"},
    {P("ccollections\nOrderedDict\n]\x85R."), "starts empty"},
    {P("ctorch._utils\n_rebuild_parameter\n)R."), "parameter's tensor"},
    {P("cnumpy\ndtype\n)R."), "numpy's dtype"},
    {P("cnumpy\ndtype\nU\x02O8\x85R."), "found numpy.dtype"},
    {P("cnumpy\ndtype\nU\x02"
       "f8\x85R."),
     "found a dtype"},
    {P("cnumpy\ndtype\nU\x02"
       "f8\x85RK\x03U\x01>\x86"
       "b."),
     "found numpy.dtype"},
    {P("cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02"
       "f8\x85RU\x01x\x86R."),
     "as many bytes"},
    {P("c_codecs\nencode\nU\x01xU\x04zlib\x86R."), "latin1"},
    {P("c_codecs\nencode\nU\x02\xe2\x82U\x06latin1\x86R."), "latin1"},
    {P("c_codecs\nencode\nq\x00"
       "0U@yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyq\x01"
       "0U\x06latin1q\x02"
       "0h\x00h\x01h\x02\x86R0h\x00h\x01h\x02\x86R0h\x00h\x01h\x02\x86R0N."),
     "once each"},
    {P("]q\x00h\x00"
       "a."),
     "levels"},
    {P("}q\x00U\x01"
       "ah\x00s."),
     "levels"},
    {P("((((((((((((((((((((((((((((((((((tttttttttttttttttttttttttttttttttt."), "levels"},
};

START_TEST(hostile_pickles)
{
    Error err = {""};
    const size_t before = mem_in_use();
    Pickle *p =
        pickle_read((const unsigned char *)hostile[_i].bytes, hostile[_i].size, "x.pt", &err);
    ck_assert_ptr_null(p);
    ck_assert_msg(strncmp(err.text, "x.pt: ", 6) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, hostile[_i].sentence) != NULL, "%s: expected \"%s\"", err.text,
                  hostile[_i].sentence);
    ck_assert_uint_eq(mem_in_use(), before);
}
END_TEST

/* A byte of a pickle may not claim memory without end: a million opcodes, and memo numbers below.
 */
START_TEST(more_than_any_checkpoint_has)
{
    enum { COUNT = 1100000 };
    unsigned char *bytes = mem_alloc(COUNT, 1);
    Error err = {""};
    memset(bytes, 'N', COUNT);
    bytes[0] = 0x80;
    bytes[1] = 2;
    ck_assert_ptr_null(pickle_read(bytes, COUNT, "x", &err));
    ck_assert_msg(strstr(err.text, "expected fewer opcodes") != NULL, "%s", err.text);
    memcpy(bytes + 2, "Nr\x40\x42\x0f\x00.", 7); /* memo 10^6 */
    ck_assert_ptr_null(pickle_read(bytes, COUNT, "x", &err));
    ck_assert_msg(strstr(err.text, "smaller memo number") != NULL, "%s", err.text);
    mem_free(bytes);
}
END_TEST

/* Each list holds the one before twice: 2^25 values in a few bytes. */
START_TEST(enormous_by_sharing)
{
    unsigned char bytes[400] = {0x80, 2, ']'};
    size_t n = 3;
    Error err = {""};
    for (int i = 0; i < 25; i++) {
        const unsigned char step[] = {'q', (unsigned char)i, 'h', (unsigned char)i, 0x86};
        memcpy(bytes + n, step, sizeof step);
        n += sizeof step;
    }
    bytes[n++] = '.';
    ck_assert_ptr_null(pickle_read(bytes, n, "x", &err));
    ck_assert_ptr_nonnull(strstr(err.text, "levels"));
}
END_TEST

/* Lists in a list, so many levels below the first. */
START_TEST(the_deepest_tree)
{
    for (int below = PICKLE_MAX_DEPTH; below <= PICKLE_MAX_DEPTH + 1; below++) {
        PickleWriter w = {0};
        Error err = {""};
        pickle_start(&w);
        for (int i = 0; i <= below; i++)
            pickle_open_list(&w);
        for (int i = 0; i <= below; i++)
            pickle_close_list(&w);
        pickle_stop(&w);
        Pickle *p = pickle_read((const unsigned char *)w.out.bytes, w.out.length, "x", &err);
        ck_assert_msg((p != NULL) == (below == PICKLE_MAX_DEPTH), "%d levels: %s", below, err.text);
        pickle_free(p);
        pickle_writer_free(&w);
    }
}
END_TEST

START_TEST(mutations_end_in_a_tree_or_a_sentence)
{
    static const char codes[] = "(.N0JKMGXTU]ael)t}sudcRbqrhjQ\x80\x85\x86\x87\x88\x89\x8a"
                                "\x81\x8c\x8f\x90\x91\x92\x93\x94";
    PickleWriter w = sample();
    unsigned char bytes[2048];
    Rng rng = rng_root(13);
    const size_t before = mem_in_use();
    size_t accepted = 0;
    ck_assert_uint_lt(w.out.length, sizeof bytes);
    for (int round = 0; round < 4000; round++) {
        Error err = {""};
        memcpy(bytes, w.out.bytes, w.out.length);
        for (size_t i = rng_below(&rng, 4); i > 0; i--)
            bytes[rng_below(&rng, w.out.length)] =
                (unsigned char)(rng_below(&rng, 2) == 0
                                    ? (unsigned char)codes[rng_below(&rng, sizeof codes - 1)]
                                    : rng_below(&rng, 256));
        Pickle *p = pickle_read(
            bytes, rng_below(&rng, 16) == 0 ? rng_below(&rng, w.out.length) : w.out.length, "x",
            &err);
        ck_assert_msg(p != NULL || strlen(err.text) > 20, "round %d", round);
        if (p != NULL)
            pickle_get(pickle_get(pickle_root(p), "weights"), "a");
        accepted += p != NULL;
        pickle_free(p);
    }
    ck_assert_uint_gt(accepted, 100);
    ck_assert_uint_lt(accepted, 3900);
    ck_assert_uint_eq(mem_in_use(), before);
    pickle_writer_free(&w);
}
END_TEST

Suite *pickle_suite(void);
Suite *pickle_suite(void)
{
    Suite *suite = suite_create("pickle");
    TCase *tc = tcase_create("pickle");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, integers);
    tcase_add_loop_test(tc, single_numbers, 0, (int)(sizeof scalars / sizeof scalars[0]));
    tcase_add_test(tc, encoded_texts);
    tcase_add_test(tc, as_torch_has_it);
    tcase_add_loop_test(tc, good_weights_in_any_company, 2, 6);
    tcase_add_test(tc, where_foreign_values_are);
    tcase_add_loop_test(tc, hostile_pickles, 0, (int)(sizeof hostile / sizeof hostile[0]));
    tcase_add_test(tc, more_than_any_checkpoint_has);
    tcase_add_test(tc, enormous_by_sharing);
    tcase_add_test(tc, the_deepest_tree);
    tcase_add_test(tc, mutations_end_in_a_tree_or_a_sentence);
    suite_add_tcase(suite, tc);
    return suite;
}
