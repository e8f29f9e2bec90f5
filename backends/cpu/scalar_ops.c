/* The elementwise operations in which a run-time number takes an input's place. They have no kernels of their own. */
#include "loops.h"

#include <stdlib.h>
#include <string.h>

static cr_status plan_with(const cpu_call *call, const cpu_elementwise *table, const char *name,
                           const char *const *numbers, cr_plan **plan)
{
    const cpu_elementwise *op = CPU_NAME(cpu_elementwise_find)(table, name);
    return op ? CPU_NAME(cpu_plan_elementwise)(call, op, numbers, plan) : CR_UNSUPPORTED;
}

/* name.Scalar is name.Tensor with the number "other". */
static cr_status second(const cpu_call *call, const cpu_elementwise *table, cr_plan **plan)
{
    static const char *const numbers[CPU_EW_INPUTS] = {NULL, "other"};
    char name[48];
    size_t stem = strcspn(call->node->op, ".");
    if (stem + sizeof ".Tensor" > sizeof name)
        return CR_UNSUPPORTED;
    memcpy(name, call->node->op, stem);
    memcpy(name + stem, ".Tensor", sizeof ".Tensor");
    return plan_with(call, table, name, numbers, plan);
}

static cr_status binary(const cpu_call *call, cr_plan **plan)
{
    return second(call, CPU_NAME(cpu_binary_ops), plan);
}

static cr_status compare(const cpu_call *call, cr_plan **plan)
{
    return second(call, CPU_NAME(cpu_compare_ops), plan);
}

static cr_status divide(const cpu_call *call, cr_plan **plan)
{
    static const char *const numbers[CPU_EW_INPUTS] = {NULL, "other"};
    const char *mode = cpu_attr_text(call->node, "rounding_mode", "");
    const char *name = !strcmp(mode, "trunc")   ? "div.trunc"
                       : !strcmp(mode, "floor") ? "div.floor"
                                                : "div.Tensor";
    return plan_with(call, CPU_NAME(cpu_binary_ops), name, numbers, plan);
}

/* other - alpha · self */
static cr_status rsub(const cpu_call *call, cr_plan **plan)
{
    static const char *const numbers[CPU_EW_INPUTS] = {"other", NULL};
    return plan_with(call, CPU_NAME(cpu_binary_ops), "sub.Tensor", numbers, plan);
}

static cr_status power_of_number(const cpu_call *call, cr_plan **plan)
{
    static const char *const numbers[CPU_EW_INPUTS] = {"self", NULL};
    return plan_with(call, CPU_NAME(cpu_binary_ops), "pow.Tensor_Tensor", numbers, plan);
}

static cr_status limit(const cpu_call *call, const char *min, const char *max, cr_plan **plan)
{
    const char *const both[CPU_EW_INPUTS] = {NULL, min, max}, *const one[CPU_EW_INPUTS] = {
                                                                  NULL, min ? min : max};
    if (min && max)
        return plan_with(call, CPU_NAME(cpu_ternary_ops), "clamp.Tensor", both, plan);
    return plan_with(call, CPU_NAME(cpu_binary_ops), min ? "maximum" : "minimum", one, plan);
}

static cr_status clamp(const cpu_call *call, cr_plan **plan)
{
    const char *min = cpu_number_at(call->node, "min") >= 0 ? "min" : NULL;
    const char *max = cpu_number_at(call->node, "max") >= 0 ? "max" : NULL;
    return min || max ? limit(call, min, max, plan) : CR_UNSUPPORTED;
}

static cr_status clamp_min(const cpu_call *call, cr_plan **plan)
{
    return limit(call, "min", NULL, plan);
}

static cr_status clamp_max(const cpu_call *call, cr_plan **plan)
{
    return limit(call, NULL, "max", plan);
}

static cr_status lerp(const cpu_call *call, cr_plan **plan)
{
    static const char *const numbers[CPU_EW_INPUTS] = {NULL, NULL, "weight"};
    return plan_with(call, CPU_NAME(cpu_ternary_ops), "lerp.Tensor", numbers, plan);
}

/* where(mask, value, self), whose inputs come as self, mask. */
static cr_status masked_fill(const cpu_call *call, cr_plan **plan)
{
    static const char *const numbers[CPU_EW_INPUTS] = {NULL, "value", NULL};
    if (call->nin < 2)
        return CR_UNSUPPORTED;
    const cr_meta *in[2] = {call->in[1], call->in[0]};
    int in_at[2] = {call->in_at[1], call->in_at[0]};
    cpu_call turned = *call;
    turned.in = in;
    turned.in_at = in_at;
    turned.nin = 2;
    return plan_with(&turned, CPU_NAME(cpu_ternary_ops), "where.self", numbers, plan);
}

/* ---- powers with a known exponent: the common ones are a product or a root, chosen at each run ---- */

enum { SQUARE, CUBE, ROOT, INVERSE, INVERSE_SQUARE, INVERSE_ROOT, ANY_POWER, POWERS };

typedef struct power_plan {
    struct cr_plan base;
    int exponent_at;
    struct cr_plan *ways[POWERS];
} power_plan;

static cr_status power_run(cr_plan *plan, const cr_run *run)
{
    const power_plan *p = (const power_plan *)plan;
    static const double exponents[ANY_POWER] = {2, 3, 0.5, -1, -2, -0.5};
    double exponent = run->numbers[p->exponent_at].f;
    for (int k = 0; k < ANY_POWER; k++)
        if (p->ways[k] && exponent == exponents[k])
            return p->ways[k]->run(p->ways[k], run);
    return p->ways[ANY_POWER]->run(p->ways[ANY_POWER], run);
}

static void power_destroy(cr_plan *plan)
{
    power_plan *p = (power_plan *)plan;
    for (int k = 0; k < POWERS; k++) {
        if (p->ways[k] && p->ways[k]->destroy)
            p->ways[k]->destroy(p->ways[k]);
        free(p->ways[k]);
    }
}

static cr_status power(const cpu_call *call, cr_plan **plan)
{
    static const char *const numbers[CPU_EW_INPUTS] = {NULL, "exponent"};
    static const char *const names[ANY_POWER] = {"square",     "cube",           "sqrt",
                                                 "reciprocal", "inverse_square", "rsqrt"};
    power_plan *p = cpu_plan_new(sizeof *p, power_run, power_destroy);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->exponent_at = cpu_number_at(call->node, "exponent");
    cr_status status = plan_with(call, CPU_NAME(cpu_binary_ops), "pow.Tensor_Tensor", numbers,
                                 &p->ways[ANY_POWER]);
    for (int k = 0; k < ANY_POWER && status == CR_OK; k++) {
        status = plan_with(call, CPU_NAME(cpu_unary_ops), names[k], NULL, &p->ways[k]);
        status = status == CR_UNSUPPORTED ? CR_OK : status;
    }
    if (status != CR_OK) {
        power_destroy(&p->base);
        free(p);
        return status;
    }
    *plan = &p->base;
    return CR_OK;
}

const cpu_op CPU_NAME(cpu_family_scalar)[] = {
    {"add.Scalar", binary},
    {"sub.Scalar", binary},
    {"rsub.Scalar", rsub},
    {"mul.Scalar", binary},
    {"div.Scalar", binary},
    {"div.Scalar_mode", divide},
    {"fmod.Scalar", binary},
    {"remainder.Scalar", binary},
    {"pow.Tensor_Scalar", power},
    {"pow.Scalar", power_of_number},
    {"bitwise_and.Scalar", binary},
    {"bitwise_or.Scalar", binary},
    {"bitwise_xor.Scalar", binary},
    {"bitwise_and.Tensor_Scalar", binary},
    {"bitwise_or.Tensor_Scalar", binary},
    {"bitwise_xor.Tensor_Scalar", binary},
    {"bitwise_left_shift.Tensor_Scalar", binary},
    {"bitwise_right_shift.Tensor_Scalar", binary},
    {"eq.Scalar", compare},
    {"ne.Scalar", compare},
    {"lt.Scalar", compare},
    {"le.Scalar", compare},
    {"gt.Scalar", compare},
    {"ge.Scalar", compare},
    {"clamp", clamp},
    {"clamp_min", clamp_min},
    {"clamp_max", clamp_max},
    {"lerp.Scalar", lerp},
    {"masked_fill.Scalar", masked_fill},
    {NULL, NULL},
};
