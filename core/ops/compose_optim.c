/* Optimiser steps said with other operations, one parameter after the other. */
#include <math.h>

#include "core/ops/compose.h"

/* The i-th tensor of a list argument; null where the list is empty. */
static cr_tensor *at(const cr_value *list, int64_t i)
{
    return list->count ? list->as.tensors[i] : NULL;
}

/* One gradient, with its sign and weight decay. */
static cr_tensor *descent(cr_tensor *p, cr_tensor *g, double weight_decay, bool maximize)
{
    if (maximize)
        g = cr_neg(g);
    return weight_decay != 0 ? cr_add(g, p, .alpha = CR_S(weight_decay)) : g;
}

/* average ← keep average + (1 - keep) x */
static cr_tensor *average(cr_tensor *of, cr_tensor *x, double keep)
{
    return cr_add_(cr_mul_scalar_(of, keep), x, .alpha = CR_S(1 - keep));
}

static cr_tensor *average_square(cr_tensor *of, cr_tensor *x, double keep)
{
    return cr_addcmul_(cr_mul_scalar_(of, keep), x, x, .value = CR_S(1 - keep));
}

/* Runs a block for each i, with p and g0 (the gradient as given), that sets `done` to its last result. */
#define STEP_EACH(...)                                                               \
    do {                                                                             \
        (void)op;                                                                    \
        r->count = 0;                                                                \
        for (int64_t i = 0; i < args[0].count; i++) {                                \
            bool well = false;                                                       \
            CR_SCOPE {                                                               \
                cr_tensor *p = at(&args[0], i), *g0 = at(&args[1], i), *done = NULL; \
                __VA_ARGS__                                                          \
                well = done != NULL;                                                 \
            }                                                                        \
            if (!well)                                                               \
                return -1;                                                           \
        }                                                                            \
        return 0;                                                                    \
    } while (0)

DECOMPOSE(fused_sgd_)
{
    double weight_decay = F(3), momentum = F(4), lr = F(5), dampening = F(6);
    bool nesterov = INT(7), maximize = INT(8), first = INT(9);
    STEP_EACH({
        cr_tensor *g = descent(p, g0, weight_decay, maximize), *buffer = at(&args[2], i);
        if (buffer) {
            buffer =
                first ? cr_copy_(buffer, g)
                      : cr_add_(cr_mul_scalar_(buffer, momentum), g, .alpha = CR_S(1 - dampening));
            g = nesterov ? cr_add(g, buffer, .alpha = CR_S(momentum)) : buffer;
        }
        done = cr_add_(p, g, .alpha = CR_S(-lr));
    });
}

/* Adam and, where the name says so, AdamW, whose decay acts on the parameter alone. */
DECOMPOSE(fused_adam_)
{
    bool decoupled = strstr(op->name, "adamw") != NULL, amsgrad = INT(11), maximize = INT(12);
    double lr = F(5), beta1 = F(6), beta2 = F(7), decay = F(8), eps = F(9), step = F(10);
    double fix1 = 1 - pow(beta1, step), fix2 = sqrt(1 - pow(beta2, step));
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decoupled ? 0 : decay, maximize);
        if (decoupled && decay != 0)
            cr_mul_scalar_(p, 1 - lr * decay);
        cr_tensor *m = average(at(&args[2], i), g, beta1);
        cr_tensor *spread = average_square(at(&args[3], i), g, beta2);
        if (amsgrad)
            spread = cr_copy_(at(&args[4], i), cr_maximum(at(&args[4], i), spread));
        cr_tensor *under = cr_add_scalar(cr_div_scalar(cr_sqrt(spread), fix2), eps);
        done = cr_addcdiv_(p, m, under, .value = CR_S(-lr / fix1));
    });
}

DECOMPOSE(fused_adamax_)
{
    double lr = F(4), beta1 = F(5), beta2 = F(6), decay = F(7), eps = F(8), step = F(9);
    bool maximize = INT(10);
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decay, maximize), *most = at(&args[3], i);
        cr_tensor *m = average(at(&args[2], i), g, beta1);
        most =
            cr_copy_(most, cr_maximum(cr_mul_scalar(most, beta2), cr_add_scalar(cr_abs(g), eps)));
        done = cr_addcdiv_(p, m, most, .value = CR_S(-lr / (1 - pow(beta1, step))));
    });
}

DECOMPOSE(fused_nadam_)
{
    double lr = F(4), beta1 = F(5), beta2 = F(6), decay = F(7), eps = F(8), step = F(9),
           momentum_decay = F(10), product = F(11);
    double mu = beta1 * (1 - 0.5 * pow(0.96, step * momentum_decay)),
           next = beta1 * (1 - 0.5 * pow(0.96, (step + 1) * momentum_decay));
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decay, false), *m = average(at(&args[2], i), g, beta1);
        cr_tensor *v = average_square(at(&args[3], i), g, beta2);
        cr_tensor *under = cr_add_scalar(cr_sqrt(cr_div_scalar(v, 1 - pow(beta2, step))), eps);
        cr_addcdiv_(p, g, under, .value = CR_S(-lr * (1 - mu) / (1 - product)));
        done = cr_addcdiv_(p, m, under, .value = CR_S(-lr * next / (1 - product * mu * next)));
    });
}

DECOMPOSE(fused_radam_)
{
    double lr = F(4), beta1 = F(5), beta2 = F(6), decay = F(7), eps = F(8), step = F(9);
    double fix1 = 1 - pow(beta1, step), fix2 = 1 - pow(beta2, step), most = 2 / (1 - beta2) - 1,
           rho = most - 2 * step * pow(beta2, step) / fix2;
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decay, false), *m = average(at(&args[2], i), g, beta1);
        cr_tensor *v = average_square(at(&args[3], i), g, beta2);
        if (rho > 5) {
            double rectify =
                sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho) * fix2);
            done = cr_addcdiv_(p, m, cr_add_scalar(cr_sqrt(v), eps),
                               .value = CR_S(-lr / fix1 * rectify));
        } else {
            done = cr_add_(p, m, .alpha = CR_S(-lr / fix1));
        }
    });
}

DECOMPOSE(fused_rmsprop_)
{
    double lr = F(5), alpha = F(6), decay = F(7), eps = F(8), momentum = F(9);
    bool centered = INT(10), maximize = INT(11);
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decay, maximize), *buffer = at(&args[4], i);
        cr_tensor *spread = average_square(at(&args[2], i), g, alpha);
        if (centered) {
            cr_tensor *mean = average(at(&args[3], i), g, alpha);
            spread = cr_addcmul(spread, mean, mean, .value = CR_S(-1));
        }
        cr_tensor *under = cr_add_scalar(cr_sqrt(spread), eps);
        if (buffer) {
            buffer = cr_addcdiv_(cr_mul_scalar_(buffer, momentum), g, under);
            done = cr_add_(p, buffer, .alpha = CR_S(-lr));
        } else {
            done = cr_addcdiv_(p, g, under, .value = CR_S(-lr));
        }
    });
}

DECOMPOSE(fused_rprop_)
{
    double minus = F(4), plus = F(5), least = F(6), most = F(7);
    bool maximize = INT(8);
    STEP_EACH({
        cr_tensor *g = descent(p, g0, 0, maximize), *was = at(&args[2], i), *size = at(&args[3], i);
        cr_tensor *agree = cr_mul(g, was), *turned = cr_lt_scalar(agree, 0);
        cr_tensor *factor = cr_masked_fill_scalar(cr_ones_like(agree), turned, minus);
        factor = cr_masked_fill_scalar(factor, cr_gt_scalar(agree, 0), plus);
        cr_clamp_(cr_mul_(size, factor), .min = CR_S(least), .max = CR_S(most));
        g = cr_copy_(was, cr_masked_fill_scalar(g, turned, 0));
        done = cr_addcmul_(p, cr_sign(g), size, .value = CR_S(-1));
    });
}

DECOMPOSE(fused_adagrad_)
{
    double lr = F(3), lr_decay = F(4), decay = F(5), eps = F(6), step = F(7);
    bool maximize = INT(8);
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decay, maximize);
        cr_tensor *sum = cr_addcmul_(at(&args[2], i), g, g);
        done = cr_addcdiv_(p, g, cr_add_scalar(cr_sqrt(sum), eps),
                           .value = CR_S(-lr / (1 + (step - 1) * lr_decay)));
    });
}

DECOMPOSE(fused_adadelta_)
{
    double lr = F(4), rho = F(5), decay = F(6), eps = F(7);
    bool maximize = INT(8);
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decay, maximize), *moved = at(&args[3], i);
        cr_tensor *spread = cr_sqrt(cr_add_scalar(average_square(at(&args[2], i), g, rho), eps));
        cr_tensor *delta = cr_mul(cr_div(cr_sqrt(cr_add_scalar(moved, eps)), spread), g);
        average_square(moved, delta, rho);
        done = cr_add_(p, delta, .alpha = CR_S(-lr));
    });
}

DECOMPOSE(fused_asgd_)
{
    double lambd = F(3), decay = F(4), eta = F(5), mu = F(6);
    bool maximize = INT(7);
    STEP_EACH({
        cr_tensor *g = descent(p, g0, decay, maximize), *mean = at(&args[2], i);
        cr_add_(cr_mul_scalar_(p, 1 - lambd * eta), g, .alpha = CR_S(-eta));
        done = mu == 1 ? cr_copy_(mean, p) : cr_add_(mean, cr_sub(p, mean), .alpha = CR_S(mu));
    });
}
