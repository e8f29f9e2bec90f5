/* The family of elementwise operations on tensors: names and their tables. The forms with a number are in scalar_ops.c. */
#include "loops.h"

#include <string.h>

static cr_status plan_from(const cpu_elementwise *table, const cpu_call *call, cr_plan **plan)
{
    const cpu_elementwise *op = CPU_NAME(cpu_elementwise_find)(table, call->node->op);
    return op ? CPU_NAME(cpu_plan_elementwise)(call, op, NULL, plan) : CR_UNSUPPORTED;
}

static cr_status unary(const cpu_call *call, cr_plan **plan)
{
    return plan_from(CPU_NAME(cpu_unary_ops), call, plan);
}

static cr_status binary(const cpu_call *call, cr_plan **plan)
{
    return plan_from(CPU_NAME(cpu_binary_ops), call, plan);
}

static cr_status compare(const cpu_call *call, cr_plan **plan)
{
    return plan_from(CPU_NAME(cpu_compare_ops), call, plan);
}

static cr_status ternary(const cpu_call *call, cr_plan **plan)
{
    return plan_from(CPU_NAME(cpu_ternary_ops), call, plan);
}

static cr_status divide(const cpu_call *call, cr_plan **plan)
{
    const char *mode = cpu_attr_text(call->node, "rounding_mode", "");
    const char *name = !strcmp(mode, "trunc")   ? "div.trunc"
                       : !strcmp(mode, "floor") ? "div.floor"
                                                : "div.Tensor";
    const cpu_elementwise *op = CPU_NAME(cpu_elementwise_find)(CPU_NAME(cpu_binary_ops), name);
    return CPU_NAME(cpu_plan_elementwise)(call, op, NULL, plan);
}

/* Both limits of clamp.Tensor are optional. */
static cr_status clamp(const cpu_call *call, cr_plan **plan)
{
    if (call->nin == 3 && call->in[1] && call->in[2])
        return ternary(call, plan);
    if (call->nin < 2 || (!call->in[1] && (call->nin < 3 || !call->in[2])))
        return CR_UNSUPPORTED;
    int limit = call->in[1] ? 1 : 2;
    const cr_meta *in[2] = {call->in[0], call->in[limit]};
    int in_at[2] = {call->in_at[0], call->in_at[limit]};
    cpu_call two = *call;
    two.in = in;
    two.in_at = in_at;
    two.nin = 2;
    const cpu_elementwise *op = CPU_NAME(cpu_elementwise_find)(CPU_NAME(cpu_binary_ops),
                                                               limit == 1 ? "maximum" : "minimum");
    return CPU_NAME(cpu_plan_elementwise)(&two, op, NULL, plan);
}

const cpu_op CPU_NAME(cpu_family_elementwise)[] = {
    {"abs", unary},
    {"neg", unary},
    {"sign", unary},
    {"floor", unary},
    {"ceil", unary},
    {"trunc", unary},
    {"round", unary},
    {"sqrt", unary},
    {"rsqrt", unary},
    {"reciprocal", unary},
    {"exp", unary},
    {"exp2", unary},
    {"expm1", unary},
    {"log", unary},
    {"log2", unary},
    {"log10", unary},
    {"log1p", unary},
    {"sin", unary},
    {"cos", unary},
    {"tan", unary},
    {"asin", unary},
    {"acos", unary},
    {"atan", unary},
    {"sinh", unary},
    {"cosh", unary},
    {"tanh", unary},
    {"asinh", unary},
    {"acosh", unary},
    {"atanh", unary},
    {"erf", unary},
    {"erfc", unary},
    {"erfinv", unary},
    {"lgamma", unary},
    {"digamma", unary},
    {"sigmoid", unary},
    {"square", unary},
    {"bitwise_not", unary},
    {"logical_not", unary},
    {"add.Tensor", binary},
    {"sub.Tensor", binary},
    {"mul.Tensor", binary},
    {"div.Tensor", binary},
    {"div.Tensor_mode", divide},
    {"maximum", binary},
    {"minimum", binary},
    {"fmod.Tensor", binary},
    {"remainder.Tensor", binary},
    {"pow.Tensor_Tensor", binary},
    {"atan2", binary},
    {"copysign.Tensor", binary},
    {"nextafter", binary},
    {"bitwise_and.Tensor", binary},
    {"bitwise_or.Tensor", binary},
    {"bitwise_xor.Tensor", binary},
    {"bitwise_left_shift.Tensor", binary},
    {"bitwise_right_shift.Tensor", binary},
    {"eq.Tensor", compare},
    {"ne.Tensor", compare},
    {"lt.Tensor", compare},
    {"le.Tensor", compare},
    {"gt.Tensor", compare},
    {"ge.Tensor", compare},
    {"logical_and", compare},
    {"logical_or", compare},
    {"logical_xor", compare},
    {"where.self", ternary},
    {"clamp.Tensor", clamp},
    {"addcmul", ternary},
    {"addcdiv", ternary},
    {"lerp.Tensor", ternary},
    {NULL, NULL},
};
