/* How a derivative is written: what it saves, and its formula over the public, differentiable
 * operations, so that the derivative of the derivative comes by itself. The engine sums gradients
 * over broadcast dimensions and casts them to the input's dtype; formulas need not. */
#ifndef CRESSET_CORE_AUTOGRAD_DERIVATIVE_H
#define CRESSET_CORE_AUTOGRAD_DERIVATIVE_H

#include <math.h>

#include <cresset/ops.h>

#include "core/autograd/autograd.h"

/* Bits of "needed for the gradient of input …". */
enum { FOR_0 = 1, FOR_1 = 2, FOR_2 = 4, FOR_3 = 8, FOR_ALL = 0xffff };

/* DERIVATIVE(id, "NameBackward0", .in_for = {…}, .out_for = {…}) { formula; return 0; } */
#define DERIVATIVE(id, label, ...)                                                       \
    static int grad_##id(cr_grad_context *c);                                            \
    extern const cr_derivative cr_grad_##id;                                             \
    const cr_derivative cr_grad_##id = {.name = label, .apply = grad_##id, __VA_ARGS__}; \
    static int grad_##id(cr_grad_context *c)

/* A formula of one line for the one input's gradient. */
#define UNARY(id, label, saves, formula) \
    DERIVATIVE(id, label, saves)         \
    {                                    \
        cr_tensor *g = cr_g(c, 0);       \
        cr_set(c, 0, formula);           \
        return 0;                        \
    }
#define SAVES_SELF   .in_for = {FOR_ALL}
#define SAVES_RESULT .out_for = {FOR_ALL}
#define SAVES_BOTH   SAVES_SELF, SAVES_RESULT
#define SAVES_NONE   .destroy = NULL
#define self         cr_in(c, 0)
#define result       cr_out(c, 0)

/* Numbers and flags among the forward's arguments. */
static inline cr_scalar scalar_arg(const cr_grad_context *c, int a)
{
    return cr_value_scalar(cr_argument(c, a));
}
static inline double float_arg(const cr_grad_context *c, int a)
{
    return cr_value_float(cr_argument(c, a));
}
static inline int64_t int_arg(const cr_grad_context *c, int a)
{
    return cr_argument(c, a)->as.i;
}
static inline cr_ints ints_arg(const cr_grad_context *c, int a)
{
    return cr_value_ints(cr_argument(c, a));
}
/* x times a number, x itself for 1. */
static inline cr_tensor *times(cr_tensor *x, cr_scalar by)
{
    double value = by.tag == CR_FLOAT ? by.as.f : (double)by.as.i;
    return value == 1 ? x : cr_mul_scalar(x, by);
}

#endif
