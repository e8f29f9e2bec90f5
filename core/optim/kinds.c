/* The kinds of optimisers that step by one operation, Adam and its kin aside: options, states and numbers. */
#include "core/optim/kinds.h"

/* ---- SGD ---- */

static bool check_sgd(const cr_group_numbers *n)
{
    if (!cr_check_common(n) || !cr_not_below_zero(n->momentum, "momentum value"))
        return false;
    if (n->nesterov && (n->momentum <= 0 || n->dampening != 0))
        return cr_fail("Nesterov momentum requires a momentum and zero dampening"), false;
    return true;
}

static unsigned sgd_uses(const cr_group_numbers *n)
{
    return n->momentum != 0;
}

static int sgd_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                    bool is_first)
{
    (void)as;
    return cr_fused_sgd_(l[0], l[1], l[2], n->weight_decay, n->momentum, n->lr, n->dampening,
                         n->nesterov, n->maximize, is_first);
}

static const cr_optimizer_kind sgd = {
    .name = "SGD",
    .mixes_dtypes = true,
    .options = CR_COMMON_OPTIONS | CR_TAKES(MOMENTUM) | CR_TAKES(DAMPENING) |
               CR_TAKES(WEIGHT_DECAY) | CR_TAKES(NESTEROV) | CR_TAKES(MAXIMIZE),
    .states = {"momentum_buffer"},
    .check = check_sgd,
    .uses = sgd_uses,
    .step = sgd_step,
};

cr_optimizer *cr_sgd_with(cr_params params, const cr_sgd_options *options)
{
    CR_TAKE_OPTIONS(cr_sgd_options);
    if (o->lr == 0 && !signbit(o->lr))
        return cr_fail("cr_sgd: .lr is required (CR_ZERO for a rate of zero)");
    const cr_group_numbers numbers = {.lr = cr_given(o->lr, 0),
                                      .momentum = cr_given(o->momentum, 0),
                                      .dampening = cr_given(o->dampening, 0),
                                      .weight_decay = cr_given(o->weight_decay, 0),
                                      .nesterov = o->nesterov,
                                      .maximize = o->maximize};
    return cr_optimizer_make(&sgd, params, &numbers);
}

/* ---- RMSprop ---- */

static bool check_rmsprop(const cr_group_numbers *n)
{
    return cr_check_eps(n) && cr_not_below_zero(n->momentum, "momentum value") &&
           cr_not_below_zero(n->alpha, "alpha value");
}

static unsigned rmsprop_uses(const cr_group_numbers *n)
{
    return 1u | (n->centered ? 2u : 0) | (n->momentum > 0 ? 4u : 0);
}

static int rmsprop_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                        bool is_first)
{
    (void)as, (void)is_first;
    return cr_fused_rmsprop_(l[0], l[1], l[2], l[3], l[4], n->lr, n->alpha, n->weight_decay, n->eps,
                             n->momentum, n->centered, n->maximize);
}

static const cr_optimizer_kind rmsprop = {
    .name = "RMSprop",
    .mixes_dtypes = true,
    .options = CR_COMMON_OPTIONS | CR_TAKES(MOMENTUM) | CR_TAKES(ALPHA) | CR_TAKES(EPS) |
               CR_TAKES(CENTERED) | CR_TAKES(WEIGHT_DECAY) | CR_TAKES(MAXIMIZE),
    .states = {"square_avg", "grad_avg", "momentum_buffer"},
    .counts_steps = true,
    .check = check_rmsprop,
    .uses = rmsprop_uses,
    .step = rmsprop_step,
};

cr_optimizer *cr_rmsprop_with(cr_params params, const cr_rmsprop_options *options)
{
    CR_TAKE_OPTIONS(cr_rmsprop_options);
    const cr_group_numbers numbers = {.lr = cr_given(o->lr, 1e-2),
                                      .alpha = cr_given(o->alpha, 0.99),
                                      .eps = cr_given(o->eps, 1e-8),
                                      .weight_decay = cr_given(o->weight_decay, 0),
                                      .momentum = cr_given(o->momentum, 0),
                                      .centered = o->centered,
                                      .maximize = o->maximize};
    return cr_optimizer_make(&rmsprop, params, &numbers);
}

/* ---- Rprop ---- */

static bool check_rprop(const cr_group_numbers *n)
{
    if (!cr_not_below_zero(n->lr, "learning rate"))
        return false;
    if (!(0 < n->etaminus && n->etaminus < 1 && 1 < n->etaplus))
        return cr_fail("Invalid eta values: %g, %g", n->etaminus, n->etaplus), false;
    return true;
}

static double rprop_first(const cr_group_numbers *n, int state)
{
    return state == 1 ? n->lr : 0;
}

static int rprop_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                      bool is_first)
{
    (void)as, (void)is_first;
    return cr_fused_rprop_(l[0], l[1], l[2], l[3], n->etaminus, n->etaplus, n->step_size_min,
                           n->step_size_max, n->maximize);
}

static const cr_optimizer_kind rprop = {
    .name = "Rprop",
    .mixes_dtypes = true,
    .options = CR_COMMON_OPTIONS | CR_TAKES(ETAS) | CR_TAKES(STEP_SIZES) | CR_TAKES(MAXIMIZE),
    .states = {"prev", "step_size"},
    .counts_steps = true,
    .check = check_rprop,
    .first = rprop_first,
    .step = rprop_step,
};

cr_optimizer *cr_rprop_with(cr_params params, const cr_rprop_options *options)
{
    CR_TAKE_OPTIONS(cr_rprop_options);
    cr_group_numbers numbers = {.lr = cr_given(o->lr, 1e-2), .maximize = o->maximize};
    cr_take_pair(o->etas, 0.5, 1.2, &numbers.etaminus, &numbers.etaplus);
    cr_take_pair(o->step_sizes, 1e-6, 50, &numbers.step_size_min, &numbers.step_size_max);
    return cr_optimizer_make(&rprop, params, &numbers);
}

/* ---- Adagrad ---- */

static bool check_adagrad(const cr_group_numbers *n)
{
    return cr_check_eps(n) && cr_not_below_zero(n->lr_decay, "lr_decay value") &&
           cr_not_below_zero(n->initial_accumulator_value, "initial_accumulator_value value");
}

static double adagrad_first(const cr_group_numbers *n, int state)
{
    (void)state;
    return n->initial_accumulator_value;
}

static int adagrad_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                        bool is_first)
{
    (void)is_first;
    return cr_fused_adagrad_(l[0], l[1], l[2], n->lr, n->lr_decay, n->weight_decay, n->eps,
                             (double)as->step, n->maximize);
}

static const cr_optimizer_kind adagrad = {
    .name = "Adagrad",
    .options = CR_COMMON_OPTIONS | CR_TAKES(LR_DECAY) | CR_TAKES(EPS) | CR_TAKES(WEIGHT_DECAY) |
               CR_TAKES(INITIAL_ACCUMULATOR_VALUE) | CR_TAKES(MAXIMIZE),
    .states = {"sum"},
    .counts_steps = true,
    .begins_at_once = true,
    .check = check_adagrad,
    .first = adagrad_first,
    .step = adagrad_step,
};

cr_optimizer *cr_adagrad_with(cr_params params, const cr_adagrad_options *options)
{
    CR_TAKE_OPTIONS(cr_adagrad_options);
    const cr_group_numbers numbers = {.lr = cr_given(o->lr, 1e-2),
                                      .lr_decay = cr_given(o->lr_decay, 0),
                                      .weight_decay = cr_given(o->weight_decay, 0),
                                      .initial_accumulator_value =
                                          cr_given(o->initial_accumulator_value, 0),
                                      .eps = cr_given(o->eps, 1e-10),
                                      .maximize = o->maximize};
    return cr_optimizer_make(&adagrad, params, &numbers);
}

/* ---- Adadelta ---- */

static bool check_adadelta(const cr_group_numbers *n)
{
    if (!(n->rho >= 0 && n->rho <= 1))
        return cr_fail("Invalid rho value: %g", n->rho), false;
    return cr_check_eps(n);
}

static int adadelta_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                         bool is_first)
{
    (void)as, (void)is_first;
    return cr_fused_adadelta_(l[0], l[1], l[2], l[3], n->lr, n->rho, n->weight_decay, n->eps,
                              n->maximize);
}

static const cr_optimizer_kind adadelta = {
    .name = "Adadelta",
    .mixes_dtypes = true,
    .options = CR_COMMON_OPTIONS | CR_TAKES(RHO) | CR_TAKES(EPS) | CR_TAKES(WEIGHT_DECAY) |
               CR_TAKES(MAXIMIZE),
    .states = {"square_avg", "acc_delta"},
    .counts_steps = true,
    .check = check_adadelta,
    .step = adadelta_step,
};

cr_optimizer *cr_adadelta_with(cr_params params, const cr_adadelta_options *options)
{
    CR_TAKE_OPTIONS(cr_adadelta_options);
    const cr_group_numbers numbers = {.lr = cr_given(o->lr, 1.0),
                                      .rho = cr_given(o->rho, 0.9),
                                      .eps = cr_given(o->eps, 1e-6),
                                      .weight_decay = cr_given(o->weight_decay, 0),
                                      .maximize = o->maximize};
    return cr_optimizer_make(&adadelta, params, &numbers);
}

/* ---- ASGD ---- */

static void asgd_begin(const cr_group_numbers *n, double *tally)
{
    tally[0] = n->lr;
    tally[1] = 1;
}

/* eta and mu are for the next step, made from this one's count and rate. */
static int asgd_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                     bool is_first)
{
    (void)is_first;
    double eta = as->tally[0], mu = as->tally[1], step = (double)as->step;
    as->tally[0] = n->lr / pow(1 + n->lambd * n->lr * step, n->alpha);
    as->tally[1] = 1 / fmax(1, step - n->t0);
    return cr_fused_asgd_(l[0], l[1], l[2], n->lambd, n->weight_decay, eta, mu, n->maximize);
}

static const cr_optimizer_kind asgd = {
    .name = "ASGD",
    .mixes_dtypes = true,
    .options = CR_COMMON_OPTIONS | CR_TAKES(LAMBD) | CR_TAKES(ALPHA) | CR_TAKES(T0) |
               CR_TAKES(WEIGHT_DECAY) | CR_TAKES(MAXIMIZE),
    .states = {"ax"},
    .tallies = {"eta", "mu"},
    .counts_steps = true,
    .check = cr_check_common,
    .begin = asgd_begin,
    .step = asgd_step,
};

cr_optimizer *cr_asgd_with(cr_params params, const cr_asgd_options *options)
{
    CR_TAKE_OPTIONS(cr_asgd_options);
    const cr_group_numbers numbers = {.lr = cr_given(o->lr, 1e-2),
                                      .lambd = cr_given(o->lambd, 1e-4),
                                      .alpha = cr_given(o->alpha, 0.75),
                                      .t0 = cr_given(o->t0, 1e6),
                                      .weight_decay = cr_given(o->weight_decay, 0),
                                      .maximize = o->maximize};
    return cr_optimizer_make(&asgd, params, &numbers);
}
