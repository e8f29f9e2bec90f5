/* Elementwise operations: one table says for each name which kernel it is, what takes the inputs'
 * places, and which numbers the kernel reads. */
#include "plan.h"

#include <string.h>

#define OP(name, value) UNARY_##name = value,
enum {
#include "shaders/unary_ops.def"
};
#undef OP
#define OP(name, value) BINARY_##name = value,
enum {
#include "shaders/binary_ops.def"
};
#undef OP
#define OP(name, value) TERNARY_##name = value,
enum {
#include "shaders/ternary_ops.def"
};
#undef OP

/* Each is also a function of shaders/chain.comp. */
#define OP(name, value) [value] = "op_" #name,
static const char *const unary_functions[] = {
#include "shaders/unary_ops.def"
};
static const char *const binary_functions[] = {
#include "shaders/binary_ops.def"
};
static const char *const ternary_functions[] = {
#include "shaders/ternary_ops.def"
};
#undef OP

/* Those that have a shader of their own for each class, in f64 inside. */
#define OP(name) SPECIAL_##name,
enum {
#include "shaders/special_ops.def"
};
#undef OP
#define OP(name) {VK_SHADER_##name##_f32, VK_SHADER_##name##_f64},
static const vk_shader specials[][2] = {
#include "shaders/special_ops.def"
};
#undef OP
#define OP(name) "op_" #name,
static const char *const special_functions[] = {
#include "shaders/special_ops.def"
};
#undef OP

enum { FLOATS = 1, INTS = 2, BOOL = 4, NUMBERS = FLOATS | INTS, ANY = NUMBERS | BOOL };
enum { TO_BOOL = 1, WIDE = 2 /* numbers aren't rounded to a half */, RAW = 4, SPECIAL = 8 };
enum { IN = 3, P = 3, NUMBER = 16 /* shaders/pointwise.glsl */ };

/* in: "0", "1", "2" are the node's inputs; other names are numbers in an input's place. p: the
 * kernel's own numbers, 1 where the node lacks them. */
typedef struct row {
    const char *name;
    uint8_t nin, kernel, dtypes, flags;
    const char *in[IN], *p[P];
    const char *attr, *text; /* the row is for this attribute's value only */
} row;

#define UNARY(name, op, dtypes, ...)                               \
    {                                                              \
        name, 1, UNARY_##op, dtypes, 0, {"0"}, {__VA_ARGS__}, 0, 0 \
    }
#define UNARY_OF(op, dtypes) UNARY(#op, op, dtypes, 0)
#define SPECIAL_OF(op)                                            \
    {                                                             \
#op, 1, SPECIAL_##op, FLOATS, SPECIAL, {"0" }, {0 }, 0, 0 \
    }
#define BINARY(name, op, dtypes, flags, a, b, ...)                       \
    {                                                                    \
        name, 2, BINARY_##op, dtypes, flags, {a, b}, {__VA_ARGS__}, 0, 0 \
    }
#define BOTH(stem, op, dtypes, flags, ...)                            \
    BINARY(stem ".Tensor", op, dtypes, flags, "0", "1", __VA_ARGS__), \
        BINARY(stem ".Scalar", op, dtypes, flags, "0", "other", __VA_ARGS__)
#define BITS(stem, op, dtypes)               \
    BOTH("bitwise_" stem, op, dtypes, 0, 0), \
        BINARY("bitwise_" stem ".Tensor_Scalar", op, dtypes, 0, "0", "other", 0)
#define MODE(name, op, dtypes, b, mode)                                       \
    {                                                                         \
        name, 2, BINARY_##op, dtypes, 0, {"0", b}, {0}, "rounding_mode", mode \
    }
#define GELU(name, nin, op, mode)                                      \
    {                                                                  \
        name, nin, op, FLOATS, 0, {"0", "1"}, {0}, "approximate", mode \
    }

static const row rows[] = {
    UNARY_OF(abs, NUMBERS),
    UNARY_OF(neg, NUMBERS),
    UNARY_OF(sign, NUMBERS),
    UNARY_OF(floor, FLOATS),
    UNARY_OF(ceil, FLOATS),
    UNARY_OF(trunc, FLOATS),
    UNARY_OF(round, FLOATS),
    UNARY_OF(sqrt, FLOATS),
    UNARY_OF(rsqrt, FLOATS),
    UNARY_OF(reciprocal, FLOATS),
    UNARY_OF(square, NUMBERS),
    UNARY_OF(exp, FLOATS),
    UNARY_OF(log, FLOATS),
    UNARY_OF(tanh, FLOATS),
    UNARY_OF(sigmoid, FLOATS),
    UNARY_OF(erf, FLOATS),
    SPECIAL_OF(exp2),
    SPECIAL_OF(expm1),
    SPECIAL_OF(log2),
    SPECIAL_OF(log10),
    SPECIAL_OF(log1p),
    SPECIAL_OF(sin),
    SPECIAL_OF(cos),
    SPECIAL_OF(tan),
    SPECIAL_OF(asin),
    SPECIAL_OF(acos),
    SPECIAL_OF(atan),
    SPECIAL_OF(sinh),
    SPECIAL_OF(cosh),
    SPECIAL_OF(asinh),
    SPECIAL_OF(acosh),
    SPECIAL_OF(atanh),
    SPECIAL_OF(erfc),
    SPECIAL_OF(erfinv),
    SPECIAL_OF(lgamma),
    SPECIAL_OF(digamma),
    UNARY_OF(bitwise_not, INTS),
    UNARY("bitwise_not", logical_not, BOOL, 0),
    {"logical_not", 1, UNARY_logical_not, ANY, TO_BOOL, {"0"}, {0}, 0, 0},
    UNARY_OF(relu, NUMBERS),
    GELU("gelu", 1, UNARY_gelu_tanh, "tanh"),
    UNARY_OF(gelu, FLOATS),
    UNARY_OF(silu, FLOATS),
    UNARY("leaky_relu", leaky_relu, FLOATS, "negative_slope"),
    UNARY("elu", elu, FLOATS, "alpha", "scale", "input_scale"),
    UNARY("hardtanh", hardtanh, FLOATS, "min_val", "max_val"),
    UNARY("softplus", softplus, FLOATS, "beta", "threshold"),
    BOTH("add", add, NUMBERS, WIDE, "alpha"),
    BOTH("add", or_alpha, BOOL, 0, "alpha"),
    BOTH("sub", sub, NUMBERS, WIDE, "alpha"),
    BINARY("rsub.Scalar", sub, NUMBERS, WIDE, "other", "0", "alpha"),
    BOTH("mul", mul, ANY, WIDE, 0),
    MODE("div.Tensor_mode", div_trunc, NUMBERS, "1", "trunc"),
    MODE("div.Tensor_mode", div_floor, NUMBERS, "1", "floor"),
    MODE("div.Scalar_mode", div_trunc, NUMBERS, "other", "trunc"),
    MODE("div.Scalar_mode", div_floor, NUMBERS, "other", "floor"),
    BINARY("div.Tensor_mode", div, FLOATS, WIDE, "0", "1", 0),
    BINARY("div.Scalar_mode", div, FLOATS, WIDE, "0", "other", 0),
    BOTH("div", div, FLOATS, WIDE, 0),
    BINARY("maximum", maximum, ANY, 0, "0", "1", 0),
    BINARY("minimum", minimum, ANY, 0, "0", "1", 0),
    BINARY("clamp_min", maximum, NUMBERS, 0, "0", "min", 0),
    BINARY("clamp_max", minimum, NUMBERS, 0, "0", "max", 0),
    BOTH("fmod", fmod, NUMBERS, 0, 0),
    BOTH("remainder", remainder, NUMBERS, 0, 0),
    BINARY("pow.Tensor_Tensor", pow, NUMBERS, 0, "0", "1", 0),
    BINARY("pow.Tensor_Scalar", pow, NUMBERS, 0, "0", "exponent", 0),
    BINARY("pow.Scalar", pow, NUMBERS, 0, "self", "0", 0),
    BINARY("atan2", atan2, FLOATS, 0, "0", "1", 0),
    BINARY("copysign.Tensor", copysign, FLOATS, 0, "0", "1", 0),
    BINARY("nextafter", nextafter, FLOATS, 0, "0", "1", 0),
    BOTH("eq", eq, ANY, TO_BOOL, 0),
    BOTH("ne", ne, ANY, TO_BOOL, 0),
    BOTH("lt", lt, ANY, TO_BOOL, 0),
    BOTH("le", le, ANY, TO_BOOL, 0),
    BOTH("gt", gt, ANY, TO_BOOL, 0),
    BOTH("ge", ge, ANY, TO_BOOL, 0),
    BINARY("logical_and", logical_and, ANY, TO_BOOL, "0", "1", 0),
    BINARY("logical_or", logical_or, ANY, TO_BOOL, "0", "1", 0),
    BINARY("logical_xor", logical_xor, ANY, TO_BOOL, "0", "1", 0),
    BITS("and", bitwise_and, INTS | BOOL),
    BITS("or", bitwise_or, INTS | BOOL),
    BITS("xor", bitwise_xor, INTS | BOOL),
    BITS("left_shift", left_shift, INTS),
    BITS("right_shift", right_shift, INTS),
    BINARY("threshold_backward", threshold_backward, NUMBERS, 0, "0", "1", "threshold"),
    BINARY("sigmoid_backward", sigmoid_backward, FLOATS, 0, "0", "1", 0),
    BINARY("tanh_backward", tanh_backward, FLOATS, 0, "0", "1", 0),
    GELU("gelu_backward", 2, BINARY_gelu_tanh_backward, "tanh"),
    BINARY("gelu_backward", gelu_backward, FLOATS, 0, "0", "1", 0),
    BINARY("silu_backward", silu_backward, FLOATS, 0, "0", "1", 0),
    {"where.self", 3, TERNARY_where, ANY, RAW, {"0", "1", "2"}, {0}, 0, 0},
    {"masked_fill.Scalar", 3, TERNARY_where, ANY, RAW, {"1", "value", "0"}, {0}, 0, 0},
    {"clamp", 3, TERNARY_clamp, NUMBERS, 0, {"0", "min", "max"}, {0}, 0, 0},
    BINARY("clamp", maximum, NUMBERS, 0, "0", "min", 0),
    BINARY("clamp", minimum, NUMBERS, 0, "0", "max", 0),
    {"addcmul", 3, TERNARY_addcmul, NUMBERS, 0, {"0", "1", "2"}, {"value"}, 0, 0},
    {"addcdiv", 3, TERNARY_addcdiv, FLOATS, 0, {"0", "1", "2"}, {"value"}, 0, 0},
    {"lerp.Tensor", 3, TERNARY_lerp, FLOATS, WIDE, {"0", "1", "2"}, {0}, 0, 0},
    {"lerp.Scalar", 3, TERNARY_lerp, FLOATS, WIDE, {"0", "1", "weight"}, {0}, 0, 0},
};

/* ---- which shader ---- */

enum { FIRST_SPECIAL = 40 }; /* of the operations in binary_special.comp */

static bool find_shader(const cr_device *d, const row *r, vk_class class, vk_shader *shader)
{
    static const vk_shader shaders[4][4] = {
        {VK_SHADER_unary_f32, VK_SHADER_unary_f64, VK_SHADER_unary_i32, VK_SHADER_unary_i64},
        {VK_SHADER_binary_f32, VK_SHADER_binary_f64, VK_SHADER_binary_i32, VK_SHADER_binary_i64},
        {VK_SHADER_ternary_f32, VK_SHADER_ternary_f64, VK_SHADER_ternary_i32,
         VK_SHADER_ternary_i64},
        {VK_SHADER_binary_special_f32, VK_SHADER_binary_special_f64, VK_SHADER_binary_special_i32,
         VK_SHADER_binary_special_i64}};
    if (r->flags & SPECIAL) {
        *shader = specials[r->kernel][class == VK_DOUBLE];
        return d->profile->f64;
    }
    bool loops = r->nin == 2 && r->kernel >= FIRST_SPECIAL;
    *shader = shaders[loops ? 3 : r->nin - 1][class];
    if (!loops || class != VK_FLOAT || d->profile->f64)
        return true;
    *shader = VK_SHADER_binary_special_narrow;
    return r->kernel != BINARY_pow && r->kernel != BINARY_atan2;
}

/* ---- plans ---- */

typedef struct ew_plan {
    struct cr_plan base;
    int out_at, in_at[IN];
    int number_at[P + IN]; /* -1: one */
    int32_t number_dtype[P + IN];
    int nin, nnumbers, exponent;
    vk_class class;
    uint32_t special[VK_SPECIALS];
    bool empty;
} ew_plan;

/* x^2, x^(1/2) and their like are products and roots. */
static cr_status choose_power(const ew_plan *p, double exponent, vk_launch *launch, bool *chosen)
{
    static const struct {
        double exponent;
        uint32_t op;
    } known[] = {{2, UNARY_square},          {3, UNARY_cube},
                 {0.5, UNARY_sqrt},          {-1, UNARY_reciprocal},
                 {-2, UNARY_inverse_square}, {-0.5, UNARY_rsqrt}};
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (exponent == known[k].exponent) {
            uint32_t special[VK_SPECIALS];
            memcpy(special, p->special, sizeof special);
            special[1] = known[k].op;
            *chosen = true;
            return vk_pipeline_get(
                p->base.device, p->class == VK_DOUBLE ? VK_SHADER_unary_f64 : VK_SHADER_unary_f32,
                0, special, VK_SPECIALS, &launch->pipeline);
        }
    return CR_OK;
}

static cr_status ew_run(cr_plan *plan, const cr_run *run)
{
    static const cr_number one = {1, 1};
    const ew_plan *p = (const ew_plan *)plan;
    if (p->empty)
        return CR_OK;
    vk_launch launch = vk_step_launch(plan, 0);
    bool chosen = false;
    if (p->exponent >= 0) {
        cr_status status = choose_power(p, run->numbers[p->exponent].f, &launch, &chosen);
        if (status != CR_OK)
            return status;
    }
    for (int k = 0; k < p->nin; k++)
        if (p->in_at[k] >= 0)
            vk_bind(&launch, 1 + k, &run->values[p->in_at[k]], 0, false);
    vk_bind(&launch, 0, &run->values[p->out_at], 0, true);
    for (int k = 0; k < p->nnumbers; k++) {
        const cr_number *n = p->number_at[k] < 0 ? &one : &run->numbers[p->number_at[k]];
        bool raw = p->number_dtype[k] < 0;
        launch.args.number[k] = raw ? vk_element_bits(n, -p->number_dtype[k])
                                    : vk_number_bits(n, p->class, p->number_dtype[k]);
    }
    return vk_record(plan->device, &launch);
}

/* Where only bits move, an element is an integer of its size. */
static int32_t raw_dtype(int32_t dtype)
{
    switch (vk_dtype_size(dtype)) {
    case 1: return CR_U8;
    case 2: return CR_I16;
    case 4: return CR_I32;
    default: return CR_I64;
    }
}

/* The values of the space: the output, then the inputs; for a number, the output again. */
static bool gather_operands(const vk_call *call, const row *r, ew_plan *p, const cr_meta **values)
{
    values[0] = call->out[0];
    for (int k = 0; k < P && r->p[k]; k++) {
        p->number_at[p->nnumbers] = vk_number_at(call->node, r->p[k]);
        p->number_dtype[p->nnumbers++] = r->dtypes == BOOL ? CR_B8 : CR_DTYPE_NONE;
    }
    for (int k = 0; k < r->nin; k++) {
        const char *in = r->in[k];
        p->in_at[k] = -1;
        if (in[0] >= '0' && in[0] <= '9') {
            uint32_t i = (uint32_t)(in[0] - '0');
            if (i >= call->nin || !call->in[i])
                return false;
            values[1 + k] = call->in[i];
            p->in_at[k] = call->in_at[i];
            p->special[3 + k] = (uint32_t)call->in[i]->dtype;
        } else {
            values[1 + k] = call->out[0];
            p->number_at[p->nnumbers] = vk_number_at(call->node, in);
            if (p->number_at[p->nnumbers] < 0 || p->nnumbers == VK_ARGS_NUMBERS)
                return false;
            p->special[3 + k] = NUMBER + (uint32_t)p->nnumbers;
            p->number_dtype[p->nnumbers++] = CR_I8; /* set later */
        }
    }
    return true;
}

/* The dtype that the kernel computes: that of the last input that is memory. */
static int32_t computed_dtype(const vk_call *call, const row *r, const cr_meta *const *values,
                              const ew_plan *p)
{
    for (int k = r->nin - 1; k >= 0; k--)
        if (p->in_at[k] >= 0)
            return values[1 + k]->dtype;
    return call->out[0]->dtype;
}

static bool same_sizes(const cr_meta *a, const cr_meta *b)
{
    return a->rank == b->rank && !memcmp(a->size, b->size, (size_t)a->rank * sizeof *a->size);
}

static bool dtypes_fit(const row *r, const cr_meta *const *values, const ew_plan *p, int32_t dtype)
{
    int kind = vk_is_float(dtype) ? FLOATS : dtype == CR_B8 ? BOOL : INTS;
    if (!(r->dtypes & kind) || values[0]->dtype != (r->flags & TO_BOOL ? CR_B8 : dtype))
        return false;
    for (int k = 0; k < r->nin; k++) {
        bool condition = r->flags & RAW && k == 0;
        if (p->in_at[k] >= 0 && (values[1 + k]->dtype != (condition ? CR_B8 : dtype) ||
                                 !same_sizes(values[1 + k], values[0])))
            return false;
    }
    return true;
}

static bool is_flat(const vk_space *s, const ew_plan *p)
{
    if (s->rank != 1)
        return s->rank == 0;
    if (s->stride[0][0] != 1)
        return false;
    for (int k = 0; k < p->nin; k++)
        if (p->in_at[k] >= 0 && s->stride[1 + k][0] != 1)
            return false;
    return true;
}

/* The operands and numbers that the row sees in the node; false where it does not take the node. */
static bool read_node(const vk_call *call, const row *r, ew_plan *p, const cr_meta **values,
                      int32_t *computed)
{
    if (!gather_operands(call, r, p, values))
        return false;
    int32_t dtype = *computed = computed_dtype(call, r, values, p);
    if (!dtypes_fit(r, values, p, dtype))
        return false;
    p->nin = r->nin;
    for (int k = 0; k < p->nnumbers; k++)
        if (p->number_dtype[k] != CR_DTYPE_NONE)
            p->number_dtype[k] = r->flags & RAW                          ? -dtype
                                 : r->flags & WIDE && vk_is_float(dtype) ? CR_DTYPE_NONE
                                                                         : dtype;
    return true;
}

static bool is_power(const row *r, int32_t dtype)
{
    return !strcmp(r->name, "pow.Tensor_Scalar") && vk_is_float(dtype);
}

static cr_status fill_plan(const vk_call *call, const row *r, ew_plan *p)
{
    cr_device *d = call->device;
    const cr_meta *values[1 + IN];
    int32_t dtype;
    vk_shader shader;
    if (!read_node(call, r, p, values, &dtype))
        return CR_UNSUPPORTED;
    p->out_at = call->out_at[0];
    p->special[1] = r->kernel;
    p->special[2] = (uint32_t)values[0]->dtype;
    p->special[6] = (uint32_t)vk_dtype_size(dtype) * 8;
    if (r->flags & RAW) {
        p->special[2] = (uint32_t)raw_dtype(dtype);
        for (int k = 1; k < IN; k++)
            if (p->in_at[k] >= 0)
                p->special[3 + k] = p->special[2];
    }
    p->class = vk_class_of(d, r->flags & RAW ? raw_dtype(dtype) : dtype);
    if (!find_shader(d, r, p->class, &shader))
        return CR_UNSUPPORTED;
    p->exponent = is_power(r, dtype) ? p->number_at[0] : -1;
    vk_space space = vk_space_of(1 + r->nin, values, false);
    p->empty = !space.numel;
    if (p->empty)
        return CR_OK;
    p->special[0] = is_flat(&space, p) ? 0 : (uint32_t)space.rank;
    vk_grid grid = vk_grid_of(&space);
    return vk_plan_step(&p->base, shader, 0, p->special, VK_SPECIALS, &grid, sizeof grid,
                        vk_groups(d, space.numel), 1, 1);
}

static bool attr_fits(const row *r, const cr_graph_node *node)
{
    return !r->attr || !strcmp(vk_attr_text(node, r->attr, ""), r->text);
}

/* The first row of the name that takes the node. */
static cr_status plan_elementwise(const vk_call *call, cr_plan **plan)
{
    cr_status status = CR_UNSUPPORTED;
    if (call->nout != 1 || !call->out[0])
        return status;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == CR_UNSUPPORTED; i++) {
        if (strcmp(rows[i].name, call->node->op) || !attr_fits(&rows[i], call->node))
            continue;
        ew_plan *p = vk_plan_new(call->device, sizeof *p, ew_run);
        if (!p)
            return CR_OUT_OF_MEMORY;
        status = vk_plan_done(&p->base, fill_plan(call, &rows[i], p), plan);
    }
    return status;
}

static const char *function_of(const row *r, int32_t dtype)
{
    return r->flags & SPECIAL   ? special_functions[r->kernel]
           : is_power(r, dtype) ? "op_power"
           : r->nin == 1        ? unary_functions[r->kernel]
           : r->nin == 2        ? binary_functions[r->kernel]
                                : ternary_functions[r->kernel];
}

bool vk_pointwise_of(const vk_call *call, vk_pointwise *to)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const row *r = &rows[i];
        const cr_meta *values[1 + IN];
        ew_plan p = {.nin = 0};
        *to = (vk_pointwise){.nin = r->nin, .condition = (r->flags & RAW) != 0};
        if (strcmp(r->name, call->node->op) || !attr_fits(r, call->node) ||
            !read_node(call, r, &p, values, &to->dtype))
            continue;
        to->function = function_of(r, to->dtype);
        to->nparameters = to->nnumbers = p.nnumbers;
        for (int k = 0; k < r->nin; k++) {
            bool memory = p.in_at[k] >= 0;
            to->in[k] = memory ? r->in[k][0] - '0' : -1 - (int)(p.special[3 + k] - NUMBER);
            to->nparameters -= !memory;
        }
        for (int k = 0; k < p.nnumbers; k++) {
            to->number_at[k] = p.number_at[k];
            to->number_dtype[k] = p.number_dtype[k] < 0 ? -p.number_dtype[k] : p.number_dtype[k];
        }
        return true;
    }
    return false;
}

bool vk_is_elementwise(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name))
            return true;
    return false;
}

const vk_op vk_elementwise = {"", plan_elementwise};
