/* Elementwise operations and copies: an item an element. One kernel serves all operations of a class, chosen by an argument:
 * compiling takes a driver far longer than a small tensor. Large dense launches get a kernel with everything fixed. */
#include "plan.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 8192 };

typedef struct pointwise_plan {
    cr_plan base;
    cl_kernel kernel;
    size_t group;
    cl_long items;
    cl_int op, dtype;
    int32_t number_dtype; /* of alpha, CR_DTYPE_NONE where the kernel takes none */
    int alpha, nin;
    ocl_space space; /* output, inputs */
} pointwise_plan;

static cr_status pointwise_run(cr_plan *plan, const cr_run *run)
{
    const pointwise_plan *p = (const pointwise_plan *)plan;
    if (!p->space.count)
        return CR_OK;
    ocl_launch launch = ocl_launch_of(plan->device, p->kernel);
    ocl_arg(&launch, sizeof p->space, &p->space);
    ocl_value(&launch, &run->values[p->nin], 0);
    for (int i = 0; i < p->nin; i++)
        ocl_value(&launch, &run->values[i], 0);
    ocl_arg(&launch, sizeof p->op, &p->op);
    ocl_arg(&launch, sizeof p->dtype, &p->dtype);
    const cr_number one = {1, 1};
    if (p->number_dtype)
        ocl_number(&launch, p->alpha >= 0 ? &run->numbers[p->alpha] : &one, p->number_dtype, false);
    return ocl_go_items(&launch, plan->op, p->items, p->group);
}

/* dtype: what the kernel loads, and so its class; more: options of this source's own. */
static cr_status plan_new(const ocl_call *call, ocl_source source, int op, int32_t dtype,
                          int32_t number_dtype, const char *more, cr_plan **plan)
{
    const cr_meta *values[OCL_MOST_VALUES] = {call->value[call->nin]};
    for (int i = 0; i < call->nin; i++) {
        values[i + 1] = call->value[i];
        if (values[i + 1]->rank != values[0]->rank)
            return CR_UNSUPPORTED;
    }
    pointwise_plan *p = ocl_plan_new(call, sizeof *p, pointwise_run);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->space = ocl_space_of(call->nin + 1, values, ~0u);
    p->op = op;
    p->dtype = dtype;
    p->number_dtype = number_dtype;
    p->alpha = ocl_number_at(call->node, "alpha");
    p->nin = call->nin;
    int flat = ocl_flat(&p->space, call->nin + 1);
    bool many = p->space.count >= MANY && flat >= 0;
    p->group = ocl_group(call->device, many);
    const cl_long each = many ? 1 : ocl_each(call->device, &p->space);
    p->items = (p->space.count + each - 1) / each;
    char fixed[96] = "";
    int length = 0;
    if (p->space.count >= MANY)
        length = snprintf(fixed, sizeof fixed, " -DOP=%d -DDTYPE=%d", op, (int)dtype);
    if (many)
        snprintf(fixed + length, sizeof fixed - (size_t)length, " -DFLAT=%d", flat);
    else if (each > 1)
        snprintf(fixed + length, sizeof fixed - (size_t)length, " -DEACH=%d", (int)each);
    return ocl_plan_done(p,
                         ocl_kernel_get(call->device, source, &p->kernel, "-DCLASS=%d%s%s%s",
                                        ocl_class_of(dtype), more,
                                        ocl_is_wide(call) ? " -DWIDE_INDEX" : "", fixed),
                         plan);
}

static cr_status plan_unary(const ocl_call *call, int op, cr_plan **plan)
{
    const int32_t dtype = call->value[0]->dtype, to = call->value[1]->dtype;
    const bool whole = op <= U_SIGN || op >= U_BITWISE_NOT;
    if (ocl_is_float(dtype) ? op == U_BITWISE_NOT : !whole)
        return CR_UNSUPPORTED;
    if (to != (op == U_LOGICAL_NOT ? CR_B8 : dtype))
        return CR_UNSUPPORTED;
    return plan_new(call, OCL_unary, op, dtype, CR_DTYPE_NONE, "", plan);
}

static cr_status plan_binary(const ocl_call *call, int op, cr_plan **plan)
{
    const int32_t dtype = call->value[0]->dtype, to = call->value[2]->dtype;
    const bool is_float = ocl_is_float(dtype);
    if (op == B_DIV_TRUNC) {
        const cr_attr *mode = ocl_attr(call->node, "rounding_mode", CR_ATTR_TEXT);
        op = !mode ? B_DIV : !strcmp(mode->as.text, "floor") ? B_DIV_FLOOR : B_DIV_TRUNC;
    }
    const bool floats_only = op == B_DIV || op == B_ATAN2 || op == B_COPYSIGN || op == B_NEXTAFTER;
    const bool ints_only = op >= B_AND && op <= B_RIGHT;
    if ((is_float ? ints_only : floats_only) || call->value[1]->dtype != dtype ||
        to != (op >= B_EQ ? CR_B8 : dtype))
        return CR_UNSUPPORTED;
    return plan_new(call, OCL_binary, op, dtype, dtype, "", plan);
}

static cr_status plan_where(const ocl_call *call, int op, cr_plan **plan)
{
    const int32_t dtype = call->value[1]->dtype;
    if (call->value[0]->dtype != CR_B8 || call->value[2]->dtype != dtype ||
        call->value[3]->dtype != dtype)
        return CR_UNSUPPORTED;
    return plan_new(call, OCL_where, op, ocl_moved_as(dtype), CR_DTYPE_NONE, "", plan);
}

static cr_status plan_copy(const ocl_call *call, int op, cr_plan **plan)
{
    int32_t from = call->value[0]->dtype, to = call->value[1]->dtype;
    (void)op;
    if (from == to)
        from = to = ocl_moved_as(from);
    char more[16];
    snprintf(more, sizeof more, " -DTO=%d", ocl_class_of(to));
    return plan_new(call, OCL_copy, to, from, CR_DTYPE_NONE, more, plan);
}

#define UNARY(name, op)            \
    {                              \
        name, 1, 1, plan_unary, op \
    }
#define BINARY(name, op)            \
    {                               \
        name, 2, 1, plan_binary, op \
    }
const ocl_op ocl_elementwise[] = {
    UNARY("abs", U_ABS),
    UNARY("neg", U_NEG),
    UNARY("sign", U_SIGN),
    UNARY("floor", U_FLOOR),
    UNARY("ceil", U_CEIL),
    UNARY("trunc", U_TRUNC),
    UNARY("round", U_ROUND),
    UNARY("sqrt", U_SQRT),
    UNARY("rsqrt", U_RSQRT),
    UNARY("reciprocal", U_RECIPROCAL),
    UNARY("exp", U_EXP),
    UNARY("exp2", U_EXP2),
    UNARY("expm1", U_EXPM1),
    UNARY("log", U_LOG),
    UNARY("log2", U_LOG2),
    UNARY("log10", U_LOG10),
    UNARY("log1p", U_LOG1P),
    UNARY("sin", U_SIN),
    UNARY("cos", U_COS),
    UNARY("tan", U_TAN),
    UNARY("asin", U_ASIN),
    UNARY("acos", U_ACOS),
    UNARY("atan", U_ATAN),
    UNARY("sinh", U_SINH),
    UNARY("cosh", U_COSH),
    UNARY("tanh", U_TANH),
    UNARY("asinh", U_ASINH),
    UNARY("acosh", U_ACOSH),
    UNARY("atanh", U_ATANH),
    UNARY("erf", U_ERF),
    UNARY("erfc", U_ERFC),
    UNARY("erfinv", U_ERFINV),
    UNARY("lgamma", U_LGAMMA),
    UNARY("digamma", U_DIGAMMA),
    UNARY("sigmoid", U_SIGMOID),
    UNARY("bitwise_not", U_BITWISE_NOT),
    UNARY("logical_not", U_LOGICAL_NOT),
    BINARY("add.Tensor", B_ADD),
    BINARY("sub.Tensor", B_SUB),
    BINARY("mul.Tensor", B_MUL),
    BINARY("div.Tensor", B_DIV),
    BINARY("div.Tensor_mode", B_DIV_TRUNC),
    BINARY("maximum", B_MAXIMUM),
    BINARY("minimum", B_MINIMUM),
    BINARY("atan2", B_ATAN2),
    BINARY("pow.Tensor_Tensor", B_POW),
    BINARY("fmod.Tensor", B_FMOD),
    BINARY("remainder.Tensor", B_REMAINDER),
    BINARY("eq.Tensor", B_EQ),
    BINARY("ne.Tensor", B_NE),
    BINARY("lt.Tensor", B_LT),
    BINARY("le.Tensor", B_LE),
    BINARY("gt.Tensor", B_GT),
    BINARY("ge.Tensor", B_GE),
    BINARY("logical_and", B_LOGICAL_AND),
    BINARY("logical_or", B_LOGICAL_OR),
    BINARY("logical_xor", B_LOGICAL_XOR),
    BINARY("bitwise_and.Tensor", B_AND),
    BINARY("bitwise_or.Tensor", B_OR),
    BINARY("bitwise_xor.Tensor", B_XOR),
    BINARY("bitwise_left_shift.Tensor", B_LEFT),
    BINARY("bitwise_right_shift.Tensor", B_RIGHT),
    BINARY("copysign.Tensor", B_COPYSIGN),
    BINARY("nextafter", B_NEXTAFTER),
    {"where.self", 3, 1, plan_where, 0},
    {"copy", 1, 1, plan_copy, 0},
    {NULL, 0, 0, NULL, 0},
};
