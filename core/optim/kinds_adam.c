/* Adam and its kin: options, states and numbers. */
#include "core/optim/kinds.h"

/* ---- Adam, AdamW ---- */

static unsigned adam_uses(const cr_group_numbers *n)
{
    return n->amsgrad ? 7 : 3;
}

static int adam_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                     bool is_first)
{
    (void)is_first;
    return cr_fused_adam_(l[0], l[1], l[2], l[3], l[4], n->lr, n->beta1, n->beta2, n->weight_decay,
                          n->eps, (double)as->step, n->amsgrad, n->maximize);
}

static int adamw_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                      bool is_first)
{
    (void)is_first;
    return cr_fused_adamw_(l[0], l[1], l[2], l[3], l[4], n->lr, n->beta1, n->beta2, n->weight_decay,
                           n->eps, (double)as->step, n->amsgrad, n->maximize);
}

#define ADAM_OPTIONS (CR_COMMON_OPTIONS | CR_TAKES(BETAS) | CR_TAKES(EPS) | CR_TAKES(WEIGHT_DECAY))

static const cr_optimizer_kind adam = {
    .name = "Adam",
    .options = ADAM_OPTIONS | CR_TAKES(AMSGRAD) | CR_TAKES(MAXIMIZE),
    .states = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
    .counts_steps = true,
    .check = cr_check_adam,
    .uses = adam_uses,
    .step = adam_step,
};

static const cr_optimizer_kind adamw = {
    .name = "AdamW",
    .options = ADAM_OPTIONS | CR_TAKES(AMSGRAD) | CR_TAKES(MAXIMIZE),
    .states = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"},
    .counts_steps = true,
    .check = cr_check_adam,
    .uses = adam_uses,
    .step = adamw_step,
};

static cr_optimizer *make_adam(const cr_optimizer_kind *kind, cr_params params,
                               const cr_adam_options *options, double weight_decay)
{
    CR_TAKE_OPTIONS(cr_adam_options);
    cr_group_numbers numbers = {.lr = cr_given(o->lr, 1e-3),
                                .eps = cr_given(o->eps, 1e-8),
                                .weight_decay = cr_given(o->weight_decay, weight_decay),
                                .amsgrad = o->amsgrad,
                                .maximize = o->maximize};
    cr_take_pair(o->betas, 0.9, 0.999, &numbers.beta1, &numbers.beta2);
    return cr_optimizer_make(kind, params, &numbers);
}

cr_optimizer *cr_adam_with(cr_params params, const cr_adam_options *options)
{
    return make_adam(&adam, params, options, 0);
}

cr_optimizer *cr_adamw_with(cr_params params, const cr_adam_options *options)
{
    return make_adam(&adamw, params, options, 0.01);
}

/* ---- SparseAdam, which on dense gradients is Adam with eps beside the uncorrected root ---- */

static bool check_sparse_adam(const cr_group_numbers *n)
{
    if (!(n->lr > 0))
        return cr_fail("Invalid learning rate: %g", n->lr), false;
    if (!(n->eps > 0))
        return cr_fail("Invalid epsilon value: %g", n->eps), false;
    return cr_check_betas(n);
}

static int sparse_adam_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                            bool is_first)
{
    (void)is_first;
    double eps = n->eps / sqrt(1 - pow(n->beta2, (double)as->step));
    return cr_fused_adam_(l[0], l[1], l[2], l[3], cr_make_tensors(NULL, 0), n->lr, n->beta1,
                          n->beta2, 0, eps, (double)as->step, false, n->maximize);
}

static const cr_optimizer_kind sparse_adam = {
    .name = "SparseAdam",
    .mixes_dtypes = true,
    .options = CR_COMMON_OPTIONS | CR_TAKES(BETAS) | CR_TAKES(EPS) | CR_TAKES(MAXIMIZE),
    .states = {"exp_avg", "exp_avg_sq"},
    .counts_steps = true,
    .check = check_sparse_adam,
    .step = sparse_adam_step,
};

cr_optimizer *cr_sparse_adam_with(cr_params params, const cr_sparse_adam_options *options)
{
    CR_TAKE_OPTIONS(cr_sparse_adam_options);
    cr_group_numbers numbers = {
        .lr = cr_given(o->lr, 1e-3), .eps = cr_given(o->eps, 1e-8), .maximize = o->maximize};
    cr_take_pair(o->betas, 0.9, 0.999, &numbers.beta1, &numbers.beta2);
    return cr_optimizer_make(&sparse_adam, params, &numbers);
}

/* ---- Adamax ---- */

static int adamax_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                       bool is_first)
{
    (void)is_first;
    return cr_fused_adamax_(l[0], l[1], l[2], l[3], n->lr, n->beta1, n->beta2, n->weight_decay,
                            n->eps, (double)as->step, n->maximize);
}

static const cr_optimizer_kind adamax = {
    .name = "Adamax",
    .options = ADAM_OPTIONS | CR_TAKES(MAXIMIZE),
    .states = {"exp_avg", "exp_inf"},
    .counts_steps = true,
    .check = cr_check_adam,
    .step = adamax_step,
};

cr_optimizer *cr_adamax_with(cr_params params, const cr_adamax_options *options)
{
    CR_TAKE_OPTIONS(cr_adamax_options);
    cr_group_numbers numbers = {.lr = cr_given(o->lr, 2e-3),
                                .eps = cr_given(o->eps, 1e-8),
                                .weight_decay = cr_given(o->weight_decay, 0),
                                .maximize = o->maximize};
    cr_take_pair(o->betas, 0.9, 0.999, &numbers.beta1, &numbers.beta2);
    return cr_optimizer_make(&adamax, params, &numbers);
}

/* ---- NAdam ---- */

static bool check_nadam(const cr_group_numbers *n)
{
    return cr_check_adam(n) && cr_not_below_zero(n->momentum_decay, "momentum_decay value");
}

static void nadam_begin(const cr_group_numbers *n, double *tally)
{
    (void)n;
    tally[0] = 1;
}

static int nadam_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                      bool is_first)
{
    (void)is_first;
    double step = (double)as->step;
    as->tally[0] *= n->beta1 * (1 - 0.5 * pow(0.96, step * n->momentum_decay));
    return cr_fused_nadam_(l[0], l[1], l[2], l[3], n->lr, n->beta1, n->beta2, n->weight_decay,
                           n->eps, step, n->momentum_decay, as->tally[0]);
}

static const cr_optimizer_kind nadam = {
    .name = "NAdam",
    .options = ADAM_OPTIONS | CR_TAKES(MOMENTUM_DECAY),
    .states = {"exp_avg", "exp_avg_sq"},
    .tallies = {"mu_product"},
    .counts_steps = true,
    .check = check_nadam,
    .begin = nadam_begin,
    .step = nadam_step,
};

cr_optimizer *cr_nadam_with(cr_params params, const cr_nadam_options *options)
{
    CR_TAKE_OPTIONS(cr_nadam_options);
    cr_group_numbers numbers = {.lr = cr_given(o->lr, 2e-3),
                                .eps = cr_given(o->eps, 1e-8),
                                .weight_decay = cr_given(o->weight_decay, 0),
                                .momentum_decay = cr_given(o->momentum_decay, 4e-3)};
    cr_take_pair(o->betas, 0.9, 0.999, &numbers.beta1, &numbers.beta2);
    return cr_optimizer_make(&nadam, params, &numbers);
}

/* ---- RAdam ---- */

static int radam_step(const cr_group_numbers *n, const cr_tensors *l, cr_param_state *as,
                      bool is_first)
{
    (void)is_first;
    return cr_fused_radam_(l[0], l[1], l[2], l[3], n->lr, n->beta1, n->beta2, n->weight_decay,
                           n->eps, (double)as->step);
}

static const cr_optimizer_kind radam = {
    .name = "RAdam",
    .mixes_dtypes = true,
    .options = ADAM_OPTIONS,
    .states = {"exp_avg", "exp_avg_sq"},
    .counts_steps = true,
    .check = cr_check_adam,
    .step = radam_step,
};

cr_optimizer *cr_radam_with(cr_params params, const cr_radam_options *options)
{
    CR_TAKE_OPTIONS(cr_radam_options);
    cr_group_numbers numbers = {.lr = cr_given(o->lr, 1e-3),
                                .eps = cr_given(o->eps, 1e-8),
                                .weight_decay = cr_given(o->weight_decay, 0)};
    cr_take_pair(o->betas, 0.9, 0.999, &numbers.beta1, &numbers.beta2);
    return cr_optimizer_make(&radam, params, &numbers);
}
