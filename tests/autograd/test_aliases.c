/* One inner value in several places of an operation: the gradient is the sum over the places, for
 * every operation with two or more differentiable inputs, every set of its places, the value itself
 * and views of it.  What is in a place smaller than the value is a view of a part.
 *
 * A gradient check whose inputs are leaves cannot see what goes wrong here: a leaf's gradient is
 * only added to, an inner one's is written by whoever is first, or handed over. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "autograd/gradient_check.h"
#include "autograd/operations.h"

enum { MAX_PLACES = 4, MAX_ENTRIES = 64 };

typedef struct Shape {
    int rank;
    size_t n[TENSOR_MAX_RANK];
} Shape;

typedef struct Row {
    const char *name;
    Var *(*operation)(Var *const *in);
    int places;
    Shape shape[MAX_PLACES];
} Row;

/* clang-format off */
static Var *linear(Var *const *in) { return ag_linear(in[0], in[1], in[2]); }
static Var *conv(Var *const *in) { return ag_conv3x3(in[0], in[1], in[2], 1); }
static Var *residual(Var *const *in)
{
    return ag_conv3x3_residual(in[0], in[1], in[2], in[3], 0.7f);
}
static Var *attention(Var *const *in) { return ag_attention(in[0], in[1], in[2], 0.7f); }
static Var *multihead(Var *const *in)
{
    return ag_multihead_attention(in[0], in[1], in[2], 2, NULL);
}
static Var *multihead_some(Var *const *in)
{
    static const size_t first[] = {0, 1, 3}, at[] = {1, 2, 3};
    const Places places = {2, 2, first, at};
    return ag_multihead_attention_places(in[0], in[1], in[2], 2, NULL, &places);
}
static Var *multihead_one(Var *const *in)
{
    static const size_t first[] = {0, 1}, at[] = {0};
    const Places places = {1, 1, first, at};
    return ag_multihead_attention_places(in[0], in[1], in[2], 2, NULL, &places);
}
static Var *norm(Var *const *in) { return ag_group_norm(in[0], in[1], in[2], 2, 0.3, true); }
static Var *shifted(Var *const *in)
{
    return ag_group_norm_shifted(in[0], in[1], in[2], in[3], 2, 0.3, true);
}
static Var *layer_norm(Var *const *in) { return ag_layer_norm(in[0], in[1], in[2], 0.3); }
static Var *adaptive(Var *const *in)
{
    return ag_layer_norm_adaptive(in[0], in[1], in[2], 0.3);
}
static Var *add(Var *const *in) { return ag_add(in[0], in[1]); }
static Var *add_scaled(Var *const *in) { return ag_add_scaled(in[0], in[1], 0.7f); }
static Var *multiply(Var *const *in) { return ag_multiply(in[0], in[1]); }
static Var *add_row(Var *const *in) { return ag_add_row(in[0], in[1]); }
static Var *add_channel(Var *const *in) { return ag_add_channel(in[0], in[1]); }
static Var *add_gated(Var *const *in) { return ag_add_gated(in[0], in[1], in[2]); }
static Var *concat(Var *const *in) { return ag_concat(in[0], in[1]); }

/* The names are those of operations.h: see no_operation_is_forgotten. */
static const Row rows[] = {
    {"ag_linear", linear, 3, {{2, {3, 3}}, {2, {3, 3}}, {1, {3}}}},
    {"ag_linear", linear, 3, {{3, {2, 1, 4}}, {2, {4, 2}}, {1, {2}}}},
    {"ag_linear", linear, 3, {{2, {1, 1}}, {2, {1, 1}}, {1, {1}}}},
    {"ag_conv3x3", conv, 3, {{4, {3, 3, 2, 2}}, {4, {3, 3, 2, 2}}, {1, {2}}}},
    {"ag_conv3x3_residual", residual, 4,
     {{4, {3, 3, 2, 2}}, {4, {3, 3, 2, 2}}, {1, {2}}, {4, {3, 3, 2, 2}}}},
    {"ag_attention", attention, 3, {{4, {2, 2, 2, 3}}, {4, {2, 2, 2, 3}}, {4, {2, 2, 2, 3}}}},
    {"ag_attention", attention, 3, {{3, {1, 3, 2}}, {3, {1, 3, 2}}, {3, {1, 3, 2}}}},
    {"ag_multihead_attention", multihead, 3, {{3, {2, 3, 4}}, {3, {2, 3, 4}}, {3, {2, 3, 4}}}},
    {"ag_multihead_attention", multihead, 3, {{3, {1, 1, 2}}, {3, {1, 1, 2}}, {3, {1, 1, 2}}}},
    {"ag_multihead_attention_places", multihead_some, 3,
     {{3, {1, 3, 4}}, {3, {2, 2, 4}}, {3, {2, 2, 4}}}},
    {"ag_multihead_attention_places", multihead_one, 3,
     {{3, {1, 1, 4}}, {3, {1, 1, 4}}, {3, {1, 1, 4}}}},
    {"ag_group_norm", norm, 3, {{4, {2, 2, 2, 4}}, {1, {4}}, {1, {4}}}},
    {"ag_group_norm", norm, 3, {{2, {1, 4}}, {1, {4}}, {1, {4}}}},
    {"ag_group_norm_shifted", shifted, 4, {{2, {3, 4}}, {2, {3, 4}}, {1, {4}}, {1, {4}}}},
    {"ag_group_norm_shifted", shifted, 4, {{4, {2, 2, 2, 4}}, {2, {2, 4}}, {1, {4}}, {1, {4}}}},
    {"ag_group_norm_shifted", shifted, 4, {{3, {1, 1, 4}}, {2, {1, 4}}, {1, {4}}, {1, {4}}}},
    {"ag_layer_norm", layer_norm, 3, {{3, {2, 2, 4}}, {1, {4}}, {1, {4}}}},
    {"ag_layer_norm", layer_norm, 3, {{1, {4}}, {1, {4}}, {1, {4}}}},
    {"ag_layer_norm", layer_norm, 3, {{2, {1, 1}}, {1, {1}}, {1, {1}}}},
    {"ag_layer_norm_adaptive", adaptive, 3, {{3, {2, 2, 4}}, {2, {2, 4}}, {2, {2, 4}}}},
    {"ag_layer_norm_adaptive", adaptive, 3, {{2, {3, 4}}, {2, {3, 4}}, {2, {3, 4}}}},
    {"ag_layer_norm_adaptive", adaptive, 3, {{3, {1, 1, 1}}, {2, {1, 1}}, {2, {1, 1}}}},
    {"ag_add", add, 2, {{2, {3, 5}}, {2, {3, 5}}}},
    {"ag_add_scaled", add_scaled, 2, {{2, {3, 5}}, {2, {3, 5}}}},
    {"ag_multiply", multiply, 2, {{2, {3, 5}}, {2, {3, 5}}}},
    {"ag_add_row", add_row, 2, {{2, {4, 3}}, {1, {3}}}},
    {"ag_add_row", add_row, 2, {{1, {3}}, {1, {3}}}},
    {"ag_add_channel", add_channel, 2, {{3, {2, 3, 4}}, {2, {2, 4}}}},
    {"ag_add_channel", add_channel, 2, {{2, {2, 4}}, {2, {2, 4}}}},
    {"ag_add_gated", add_gated, 3, {{3, {2, 3, 4}}, {2, {2, 4}}, {3, {2, 3, 4}}}},
    {"ag_add_gated", add_gated, 3, {{2, {2, 4}}, {2, {2, 4}}, {2, {2, 4}}}},
    {"ag_add_gated", add_gated, 3, {{3, {1, 1, 1}}, {2, {1, 1}}, {3, {1, 1, 1}}}},
    {"ag_concat", concat, 2, {{2, {3, 4}}, {2, {3, 4}}}},
    {"ag_concat", concat, 2, {{2, {3, 4}}, {2, {3, 1}}}},
};
/* clang-format on */
enum { ROWS = sizeof rows / sizeof rows[0] };

/* How the value comes into the places, and who else uses it. */
enum {
    BY_VIEW = 1,      /* by a view also where the shapes agree */
    BY_TWO_VIEWS = 2, /* by a view of a view */
    DROPPED = 4,      /* the value goes after the forward pass and is computed again */
    USED_BEFORE = 8,  /* by another operation, whose backward function runs later */
    USED_AFTER = 16,  /* and whose backward function runs earlier */
    LEAF = 32,        /* the value is a leaf */
    MODES = 64
};

typedef struct Alias {
    const Row *row;
    unsigned places; /* bit i: the value is in place i */
    unsigned mode;
    size_t entries; /* of the value: those of its largest place */
} Alias;

static size_t entries(const Shape *s)
{
    size_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->n[i];
    return n;
}

/* The value, or the middle of it, in the shape of a place. */
static Var *in_place(const Alias *a, Var *value, const Shape *s)
{
    const size_t n = entries(s);
    if (a->mode & BY_TWO_VIEWS)
        value = ag_reshape(value, 2, (size_t[]){a->entries, 1});
    if (n < a->entries) {
        float *middle = value->value.data + (a->entries - n) / 2;
        return ag_new_view("part", tensor_view(middle, s->rank, s->n), NULL, value);
    }
    const Tensor want = tensor_view(value->value.data, s->rank, s->n);
    if (a->mode & BY_VIEW || !tensor_same_shape(&value->value, &want))
        return ag_reshape(value, s->rank, s->n);
    return value;
}

static Var *flat(Var *v)
{
    return ag_reshape(v, 1, (size_t[]){tensor_size(&v->value)});
}

/* in[0] becomes the value; the places without it take in[1], in[2], ... in turn. */
static Var *aliased(Graph *g, Var *const *in, void *context)
{
    const Alias *a = context;
    Var *places[MAX_PLACES], *value = a->mode & LEAF ? in[0] : ag_silu(in[0]);
    int next = 1;
    (void)g;
    Var *before = a->mode & USED_BEFORE ? ag_tanh(value) : NULL;
    for (int i = 0; i < a->row->places; i++)
        places[i] = a->places >> i & 1 ? in_place(a, value, &a->row->shape[i]) : in[next++];
    Var *y = flat(a->row->operation(places));
    if (a->mode & USED_AFTER)
        y = ag_concat(y, flat(ag_sigmoid(value)));
    if (before)
        y = ag_concat(y, flat(before));
    if (a->mode & DROPPED)
        ag_drop(value);
    return y;
}

/* The value has the shape of its largest place. */
static void prepare(const Alias *a, GradientCheck *check, float data[][MAX_ENTRIES])
{
    const Row *r = a->row;
    check->input_count = 1;
    for (int i = 0; i < r->places; i++) {
        const bool here = a->places >> i & 1;
        if (!here || entries(&r->shape[i]) == a->entries) {
            const int k = here ? 0 : check->input_count++;
            check->inputs[k] = tensor_view(data[k], r->shape[i].rank, r->shape[i].n);
            check->needs_grad[k] = true;
        }
    }
}

static void check_alias(Alias *a, float data[][MAX_ENTRIES])
{
    GradientCheck check = {
        .function = aliased, .context = a, .seed = a->places + 16 * a->mode, .max_entries = 12};
    double worst;
    a->entries = 0;
    for (int i = 0; i < a->row->places; i++)
        if (a->places >> i & 1 && entries(&a->row->shape[i]) > a->entries)
            a->entries = entries(&a->row->shape[i]);
    prepare(a, &check, data);
    const bool right = ag_gradient_check(&check, &worst);
    ck_assert_msg(right, "%s, places %x, mode %x: relative error %g", a->row->name, a->places,
                  a->mode, worst);
}

START_TEST(gradient_is_the_sum_over_places)
{
    Alias a = {.row = &rows[_i]};
    Rng rng = rng_root(23);
    float data[MAX_PLACES + 1][MAX_ENTRIES];
    for (int i = 0; i <= MAX_PLACES; i++)
        for (int j = 0; j < MAX_ENTRIES; j++)
            data[i][j] = 2.0f * rng_uniform24(&rng) - 1.0f;
    for (a.mode = 0; a.mode < MODES; a.mode++)
        for (a.places = 0; a.places < 1u << a.row->places; a.places++)
            if (a.places & (a.places - 1)) /* two or more */
                check_alias(&a, data);
}
END_TEST

/* ---- the table against the header ---- */

/* Every declaration of operations.h with two or more Vars has a row. */
START_TEST(no_operation_is_forgotten)
{
    char line[512], name[64];
    int found = 0;
    FILE *f = fopen("autograd/operations.h", "r");
    ck_assert_msg(f != NULL, "the tests run in the root of the source tree");
    while (fgets(line, sizeof line, f)) {
        const char *first = strstr(line, "(Var *");
        if (sscanf(line, "Var *%63[a-z0-9_](", name) != 1 || !first || !strstr(first, ", Var *"))
            continue;
        bool has_row = false;
        for (int i = 0; i < ROWS; i++)
            has_row = has_row || strcmp(rows[i].name, name) == 0;
        ck_assert_msg(has_row, "%s has no row in tests/autograd/test_aliases.c", name);
        found++;
    }
    fclose(f);
    ck_assert_int_ge(found, 12);
}
END_TEST

/* ---- the rule itself ---- */

/* Writes all its gradients first and adds to all afterwards, in the order that *saved says. */
static void hostile_backward(Var *v)
{
    const int *from = v->saved;
    float *d[3];
    bool add[3];
    for (int k = 0; k < 3; k++)
        d[k] = ag_grad_or_write(v->inputs[k], &add[k]);
    for (int k = 0; k < 3; k++) {
        const int i = (*from + k) % 3;
        d[i][0] = (add[i] ? d[i][0] : 0.0f) + (float)(i + 1) * v->grad[0];
        for (int j = 0; j < 3; j++)
            ck_assert(j == i || d[j] != d[i]);
        ck_assert_ptr_ne(d[i], v->grad);
    }
}

/* y = a + 2 b + 3 c of numbers. */
static Var *hostile(Var *a, Var *b, Var *c, int *from)
{
    const size_t one = 1;
    Var *inputs[] = {a, b, c}, *v = ag_new_var("hostile", 1, &one, hostile_backward, 3, inputs);
    v->value.data[0] = a->value.data[0] + 2.0f * b->value.data[0] + 3.0f * c->value.data[0];
    v->saved = from;
    return ag_done(v);
}

START_TEST(any_order_is_right)
{
    const size_t one = 1;
    for (int from = 0; from < 3; from++)
        for (int keep = 0; keep < 2; keep++) {
            float x = 1.0f, dx = 0.0f, dy = 0.0f;
            Graph *g = ag_graph_create();
            g->keep_grads = keep;
            Var *leaf = ag_leaf(g, tensor_view(&x, 1, &one), &dx);
            Var *same = ag_leaf(g, tensor_view(&x, 1, &one), &dx); /* one gradient, two leaves */
            Var *other = ag_leaf(g, tensor_view(&x, 1, &one), &dy);
            Var *inner = ag_scale(leaf, 10.0f), *view = ag_reshape(inner, 1, &one);
            Var *y = ag_add(hostile(inner, view, inner, &from), hostile(leaf, same, leaf, &from));
            ag_backward(ag_add(y, hostile(other, other, same, &from)));
            ck_assert_float_eq(dx, 60.0f + 6.0f + 3.0f);
            ck_assert_float_eq(dy, 3.0f);
            ag_graph_destroy(g);
        }
}
END_TEST

/* Operations may overwrite the gradient that they are given; one that is to be kept stays. */
START_TEST(kept_gradients_are_not_overwritten)
{
    float x[18], w[9], dx[18] = {0};
    const size_t shape[] = {2, 3, 3, 1}, kernel[] = {3, 3, 1, 1};
    const Rng streams[2] = {rng_root(1), rng_root(2)};
    Graph *g = ag_graph_create();
    g->keep_grads = true;
    for (int i = 0; i < 18; i++)
        x[i] = w[i / 2] = (float)i;
    Var *v = ag_leaf(g, tensor_view(x, 4, shape), dx);
    Var *inner[] = {ag_dropout(v, 0.5, streams, 0),
                    ag_conv3x3_residual(v, ag_constant(g, tensor_view(w, 4, kernel)), NULL, v, 7)};
    for (int i = 0; i < 2; i++) {
        ag_backward(ag_sum(inner[i]));
        for (int j = 0; j < 18; j++)
            ck_assert_float_eq(inner[i]->grad[j], 1.0f);
    }
    ag_graph_destroy(g);
}
END_TEST

static void dropped_input(Var *v)
{
    ag_drop(v);
    ag_scale(v, 1.0f);
}

static void view_of_a_dropped_input(Var *v)
{
    Var *view = ag_reshape(v, 1, (size_t[]){1});
    ag_drop(v);
    ag_scale(view, 1.0f);
}

static void view_made_of_a_dropped_value(Var *v)
{
    ag_drop(v);
    ag_reshape(v, 1, (size_t[]){1});
}

static void (*const misuses[])(Var *v) = {dropped_input, view_of_a_dropped_input,
                                          view_made_of_a_dropped_value};

START_TEST(use_after_drop_aborts)
{
    float x = 1.0f, dx = 0.0f;
    misuses[_i](ag_silu(ag_leaf(ag_graph_create(), tensor_view(&x, 0, NULL), &dx)));
}
END_TEST

Suite *aliases_suite(void)
{
    Suite *s = suite_create("aliases");
    TCase *places = tcase_create("places"), *rule = tcase_create("rule");
    tcase_set_timeout(places, 60);
    tcase_add_loop_test(places, gradient_is_the_sum_over_places, 0, ROWS);
    tcase_add_test(places, no_operation_is_forgotten);
    suite_add_tcase(s, places);
    tcase_set_timeout(rule, 10);
    tcase_add_test(rule, any_order_is_right);
    tcase_add_test(rule, kept_gradients_are_not_overwritten);
    tcase_add_loop_test_raise_signal(rule, use_after_drop_aborts, SIGABRT, 0, 3);
    suite_add_tcase(s, rule);
    return s;
}
