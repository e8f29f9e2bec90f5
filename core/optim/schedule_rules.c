/* Schedules that multiply what the rate is, or the base rate, by a rule (torch.optim.lr_scheduler, version 1.13). */
#include "core/optim/scheduler.h"

/* ---- rules ---- */

static double step_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t && s->t % s->n.every == 0 ? now * s->n.gamma : now;
}

static double multi_step_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    for (size_t i = 0; i < s->nmilestones; i++)
        if (s->milestones[i] == s->t)
            now *= s->n.gamma;
    return now;
}

static double exponential_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t ? now * s->n.gamma : now;
}

static double constant_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t == 0 ? now * s->n.factor : s->t == s->n.total ? now / s->n.factor : now;
}

static double linear_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    if (s->t == 0)
        return now * s->n.from;
    if (s->t > s->n.total)
        return now;
    double n = (double)s->n.total;
    return now * (1 + (s->n.to - s->n.from) /
                          (n * s->n.from + (double)(s->t - 1) * (s->n.to - s->n.from)));
}

static double polynomial_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    if (s->t == 0 || s->t > s->n.total)
        return now;
    double n = (double)s->n.total, t = (double)s->t;
    return now * pow((1 - t / n) / (1 - (t - 1) / n), s->n.power);
}

static double cosine_rule(const cr_scheduler *s, size_t g, double now)
{
    double n = (double)s->n.total, t = (double)s->t;
    if (s->t == 0)
        return now;
    if ((s->t - 1 - s->n.total) % (2 * s->n.total) == 0)
        return now + (s->base[g] - s->n.eta_min) * (1 - cos(CR_PI / n)) / 2;
    return (1 + cos(CR_PI * t / n)) / (1 + cos(CR_PI * (t - 1) / n)) * (now - s->n.eta_min) +
           s->n.eta_min;
}

static double lambda_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)now;
    return s->base[g] * s->function(s->context, s->t);
}

static double multiplicative_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t ? now * s->function(s->context, s->t) : now;
}

/* ---- making ---- */

/* Begins a scheduler with a closed form, which a SequentialLR starts from the base rates. */
static cr_scheduler *begin_closed(cr_scheduler *s, cr_lr_rule *next)
{
    s->restarts_at_base = true;
    return cr_scheduler_begin(s, next);
}

cr_scheduler *cr_step_lr_with(cr_optimizer *optimizer, int64_t step_size,
                              const cr_lr_options *options)
{
    cr_scheduler *s = cr_scheduler_make(optimizer, "StepLR");
    if (s && step_size < 1) {
        cr_fail("cr_step_lr: step_size must be at least 1, not %lld", (long long)step_size);
        return cr_scheduler_refuse(s);
    }
    if (!s)
        return NULL;
    s->n.every = step_size;
    s->n.gamma = cr_given(options ? options->gamma : 0, 0.1);
    return begin_closed(s, step_rule);
}

cr_scheduler *cr_multi_step_lr_with(cr_optimizer *optimizer, cr_ints milestones,
                                    const cr_lr_options *options)
{
    cr_scheduler *s = cr_scheduler_make(optimizer, "MultiStepLR");
    if (!s || !cr_scheduler_take_milestones(s, milestones))
        return cr_scheduler_refuse(s);
    s->n.gamma = cr_given(options ? options->gamma : 0, 0.1);
    return begin_closed(s, multi_step_rule);
}

cr_scheduler *cr_exponential_lr(cr_optimizer *optimizer, double gamma)
{
    cr_scheduler *s = cr_scheduler_make(optimizer, "ExponentialLR");
    if (!s)
        return NULL;
    s->n.gamma = gamma;
    return begin_closed(s, exponential_rule);
}

static cr_scheduler *ramp(cr_optimizer *optimizer, const cr_ramp_lr_options *o, const char *name,
                          cr_lr_rule *next)
{
    static const cr_ramp_lr_options none = {.end_ = 0};
    cr_scheduler *s = cr_scheduler_make(optimizer, name);
    if (!s)
        return NULL;
    o = o ? o : &none;
    s->n.factor = cr_given(o->factor, 1.0 / 3);
    s->n.from = cr_given(o->start_factor, 1.0 / 3);
    s->n.to = cr_given(o->end_factor, 1);
    s->n.power = cr_given(o->power, 1);
    s->n.total = o->total_iters ? o->total_iters : 5;
    if (s->n.factor > 1 || s->n.factor < 0 || s->n.from > 1 || s->n.from <= 0 || s->n.to > 1 ||
        s->n.to < 0 || s->n.total < 1) {
        cr_fail(
            "%s: factors must be from 0 to 1 (a starting one above 0) and total_iters at least 1",
            name);
        return cr_scheduler_refuse(s);
    }
    return begin_closed(s, next);
}

cr_scheduler *cr_constant_lr_with(cr_optimizer *optimizer, const cr_ramp_lr_options *options)
{
    return ramp(optimizer, options, "ConstantLR", constant_rule);
}

cr_scheduler *cr_linear_lr_with(cr_optimizer *optimizer, const cr_ramp_lr_options *options)
{
    return ramp(optimizer, options, "LinearLR", linear_rule);
}

cr_scheduler *cr_polynomial_lr_with(cr_optimizer *optimizer, const cr_ramp_lr_options *options)
{
    return ramp(optimizer, options, "PolynomialLR", polynomial_rule);
}

cr_scheduler *cr_cosine_annealing_lr(cr_optimizer *optimizer, int64_t T_max, double eta_min)
{
    cr_scheduler *s = cr_scheduler_make(optimizer, "CosineAnnealingLR");
    if (s && T_max < 1) {
        cr_fail("cr_cosine_annealing_lr: T_max must be at least 1, not %lld", (long long)T_max);
        return cr_scheduler_refuse(s);
    }
    if (!s)
        return NULL;
    s->n.total = T_max;
    s->n.eta_min = eta_min;
    return begin_closed(s, cosine_rule);
}

static cr_scheduler *by_function(cr_optimizer *optimizer, cr_lr_function function, void *context,
                                 const char *name, cr_lr_rule *next)
{
    cr_scheduler *s = cr_scheduler_make(optimizer, name);
    if (s && !function) {
        cr_fail("%s: function is null", name);
        return cr_scheduler_refuse(s);
    }
    if (!s)
        return NULL;
    s->function = function;
    s->context = context;
    return cr_scheduler_begin(s, next);
}

cr_scheduler *cr_lambda_lr(cr_optimizer *optimizer, cr_lr_function function, void *context)
{
    return by_function(optimizer, function, context, "LambdaLR", lambda_rule);
}

cr_scheduler *cr_multiplicative_lr(cr_optimizer *optimizer, cr_lr_function function, void *context)
{
    return by_function(optimizer, function, context, "MultiplicativeLR", multiplicative_rule);
}
