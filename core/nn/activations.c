/* Activations, dropout and changes of shape: layers without parameters, all made from activations.def. */
#include <string.h>

#include "core/nn/layer.h"

/* A dim that no layer has: the mark of a wrong factor. */
#define NO_FACTOR INT64_MIN

typedef struct sizes {
    int64_t size[CR_MAX_RANK];
    int count; /* -1: none, after an error */
} sizes;

typedef struct activation {
    cr_module module;
    double a, b; /* numbers, by the layer's kind */
    int64_t dim, end;
    bool inplace;
    const char *mode;
    sizes sizes;
} activation;

/* ---- options ---- */

static const char *gelu_mode(const char *mode)
{
    if (!mode || !strcmp(mode, "none"))
        return "none";
    if (!strcmp(mode, "tanh"))
        return "tanh";
    return cr_fail("GELU: approximate argument must be either none or tanh, got %s", mode);
}

static sizes sizes_of(cr_ints list)
{
    sizes s = {.count = -1};
    if (list.count < 1 || list.count > CR_MAX_RANK) {
        cr_fail("Unflatten: 1 to %d sizes are needed, got %lld", CR_MAX_RANK,
                (long long)list.count);
        return s;
    }
    s.count = (int)list.count;
    for (int i = 0; i < s.count; i++) {
        s.size[i] = list.data ? list.data[i] : list.one;
        if (s.size[i] < -1) {
            cr_fail("Unflatten: invalid shape dimension %lld", (long long)s.size[i]);
            s.count = -1;
            return s;
        }
    }
    return s;
}

static double probability(const char *layer, double p)
{
    if (p >= 0 && p <= 1)
        return p;
    cr_fail("%s: dropout probability has to be between 0 and 1, but got %g", layer, p);
    return NAN;
}

/* Hardtanh's lower bound; no number, with the error set, if it isn't below the other. */
static double bound(double low, double high)
{
    low = cr_or_default(low, -1);
    high = cr_or_default(high, 1);
    if (low < high)
        return low;
    cr_fail("Hardtanh: max_val must be above min_val, got %g and %g", high, low);
    return NAN;
}

/* RReLU's, which may be equal. */
static double slope(double low, double high)
{
    low = cr_or_default(low, 1.0 / 8);
    high = cr_or_default(high, 1.0 / 3);
    if (low <= high)
        return low;
    cr_fail("RReLU: Lower bound should be less than or equal to the upper bound, got %g and %g",
            low, high);
    return NAN;
}

static double celu_alpha(double given)
{
    double alpha = cr_or_default(given, 1);
    if (alpha != 0)
        return alpha;
    cr_fail("CELU: alpha cannot be 0");
    return NAN;
}

/* A factor, or NO_FACTOR with the error set. */
static int64_t factor(const char *layer, int64_t given)
{
    if (given >= 1)
        return given;
    cr_fail("%s: the factor must be at least 1, got %lld", layer, (long long)given);
    return NO_FACTOR;
}

static cr_tensor *softmax2d(cr_tensor *x)
{
    int rank = cr_tensor_dim(x);
    if (rank != 3 && rank != 4)
        return cr_fail("Softmax2d requires a 3D or 4D tensor as input, got %s", cr_shape_text(x));
    return cr_softmax(x, -3);
}

static cr_module *new_activation(const cr_module_type *type, const activation *members)
{
    if (isnan(members->a) || members->sizes.count < 0 || members->dim == NO_FACTOR ||
        (!members->mode && !strcmp(type->name, "GELU")))
        return NULL;
    return cr_module_new(type, members);
}

/* ---- printed forms ---- */

static void repr_nothing(cr_text *text, const activation *s)
{
    (void)text, (void)s;
}

static void repr_inplace(cr_text *text, const activation *s)
{
    if (s->inplace)
        cr_text_add(text, "inplace=True");
}

static void repr_number(cr_text *text, const activation *s, const char *name)
{
    cr_text_add(text, "%s=", name);
    cr_repr_float(text, s->a);
    if (s->inplace)
        cr_text_add(text, ", inplace=True");
}

static void repr_range(cr_text *text, const activation *s, const char *low, const char *high)
{
    cr_text_add(text, "%s=", low);
    cr_repr_float(text, s->a);
    cr_text_add(text, ", %s=", high);
    cr_repr_float(text, s->b);
    if (s->inplace)
        cr_text_add(text, ", inplace=True");
}

static void repr_threshold(cr_text *text, const activation *s)
{
    cr_text_add(text, "threshold=%g, value=%g", s->a, s->b);
    if (s->inplace)
        cr_text_add(text, ", inplace=True");
}

static void repr_dropout(cr_text *text, const activation *s)
{
    cr_text_add(text, "p=");
    cr_repr_float(text, s->a);
    cr_text_add(text, ", inplace=%s", cr_repr_bool(s->inplace));
}

static void repr_sizes(cr_text *text, const activation *s)
{
    cr_text_add(text, "dim=%lld, unflattened_size=", (long long)s->dim);
    cr_repr_tuple(text, s->sizes.size, s->sizes.count);
}

/* ---- the table ---- */

#define ACTIVATION(constructor, words, arguments, call, repr, ...)                             \
    static size_t forward_##constructor(cr_module *module, cr_tensor *const *inputs, size_t n, \
                                        cr_tensor **outputs)                                   \
    {                                                                                          \
        const activation *s = (const activation *)(const void *)module;                        \
        cr_tensor *x = inputs[0];                                                              \
        (void)s;                                                                               \
        if (!cr_module_check_inputs(module, 1, n))                                             \
            return 0;                                                                          \
        outputs[0] = (call);                                                                   \
        return outputs[0] != NULL;                                                             \
    }                                                                                          \
    static int repr_##constructor(const cr_module *module, char *to, size_t bytes)             \
    {                                                                                          \
        const activation *s = (const activation *)(const void *)module;                        \
        cr_text words_ = {0}, *text = &words_;                                                 \
        repr;                                                                                  \
        (void)s;                                                                               \
        return cr_repr_finish(text, to, bytes);                                                \
    }                                                                                          \
    cr_module *(constructor)arguments                                                          \
    {                                                                                          \
        static const cr_module_type type = {.name = words,                                     \
                                            .size = sizeof(activation),                        \
                                            .forward = forward_##constructor,                  \
                                            .extra_repr = repr_##constructor};                 \
        const activation members = {__VA_ARGS__};                                              \
        return new_activation(&type, &members);                                                \
    }
#include "core/nn/activations.def"
#undef ACTIVATION
