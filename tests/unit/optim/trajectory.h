/* What the tests of optimisers share: two parameters and the steps that PyTorch takes with them (tests/golden/optim). */
#ifndef CRESSET_TESTS_UNIT_OPTIM_TRAJECTORY_H
#define CRESSET_TESTS_UNIT_OPTIM_TRAJECTORY_H

#include "nn/golden.h"

static cr_state_dict *values;
static cr_tensor *start[2], *target[2], *scale[2], *params[2];

static inline cr_tensor *value(const char *prefix, int i)
{
    char name[80];
    snprintf(name, sizeof name, "%s.%d", prefix, i);
    cr_tensor *t = cr_state_dict_get(values, name);
    ck_assert_msg(t != NULL, "no golden value %s", name);
    return t;
}

static inline void load(void)
{
    values = cr_load("tests/golden/optim/trajectories.safetensors");
    ck_assert_msg(values != NULL, "%s", cr_error());
    for (int i = 0; i < 2; i++) {
        start[i] = cr_tensor_to(value("start", i), cr_default_device());
        target[i] = cr_tensor_to(value("target", i), cr_default_device());
        scale[i] = cr_tensor_to(value("scale", i), cr_default_device());
    }
}

static inline cr_tensors fresh(void)
{
    for (int i = 0; i < 2; i++)
        params[i] = cr_requires_grad_(cr_clone(start[i]), 1);
    return cr_make_tensors(params, 2);
}

/* Gradients of the sum of (p - target)² scale over the first `used` parameters. */
static inline void differentiate(int used)
{
    for (int i = 0; i < used; i++)
        CR_SCOPE {
            cr_tensor *away = cr_square(cr_sub(params[i], target[i]));
            ck_assert_int_eq(cr_backward(cr_sum(cr_mul(away, scale[i]))), 0);
        }
}

static inline void step(cr_optimizer *optimizer, int used)
{
    ck_assert_int_eq(cr_zero_grad(optimizer), 0);
    differentiate(used);
    ck_assert_msg(!cr_step(optimizer), "%s", cr_error());
}

static inline void check_at(const char *name, int steps)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s.%d", name, steps);
    for (int i = 0; i < 2; i++)
        assert_close(prefix, params[i], value(prefix, i), 2e-5);
}

static inline void check_trajectory(const char *name, cr_optimizer *optimizer, bool late)
{
    ck_assert_msg(optimizer != NULL, "%s: %s", name, cr_error());
    for (int n = 1; n <= 50; n++) {
        step(optimizer, late && n <= 3 ? 1 : 2);
        if (n == 1 || n == 2 || n == 5 || n == 50)
            check_at(name, n);
        if (n == 10)
            save_optimizer(name, optimizer, params, 2);
    }
    assert_no_error();
}

/* Each kind, with options that use all its states. */
static inline cr_optimizer *make_kind(int kind, cr_tensors ps)
{
    switch (kind) {
    case 0: return cr_sgd(ps, .lr = 0.02, .momentum = 0.9, .nesterov = true);
    case 1: return cr_adam(ps, .amsgrad = true);
    case 2: return cr_adamw(ps, .lr = 0.05);
    case 3: return cr_sparse_adam(ps, .lr = 0.05);
    case 4: return cr_adamax(ps);
    case 5: return cr_nadam(ps);
    case 6: return cr_radam(ps, .lr = 0.05);
    case 7: return cr_rmsprop(ps, .momentum = 0.5, .centered = true, .eps = 1e-3);
    case 8: return cr_rprop(ps);
    case 9: return cr_adagrad(ps, .initial_accumulator_value = 0.1, .lr_decay = 0.1);
    case 10: return cr_adadelta(ps);
    default: return cr_asgd(ps, .t0 = 5, .lambd = 0.1);
    }
}

#endif
