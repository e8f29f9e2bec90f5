/* Learning rate schedules, each a rule that gives a group's next rate (torch.optim.lr_scheduler, version 1.13). */
#include "core/optim/optimizer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef double (*rule)(const cr_scheduler *s, size_t group, double now);

struct cr_scheduler {
    atomic_int refs;
    cr_optimizer *optimizer;
    rule next;
    int64_t t; /* steps taken: PyTorch's last_epoch */
    int64_t every, total;
    double gamma, factor, from, to, power, eta_min;
    int64_t *milestones;
    size_t nmilestones;
    cr_lr_function function;
    void *context;
    bool one_cycle, linear, cycle_momentum, three_phase;
    double pct_start, momentum_low, momentum_high, highest, div_factor, final_div_factor;
    cr_scheduler **parts; /* SequentialLR */
    size_t nparts;
};

static double base_lr(const cr_scheduler *s, size_t g)
{
    return s->optimizer->groups[g].numbers.initial_lr;
}

/* ---- rules ---- */

static double step_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t && s->t % s->every == 0 ? now * s->gamma : now;
}

static double multi_step_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    for (size_t i = 0; i < s->nmilestones; i++)
        if (s->milestones[i] == s->t)
            now *= s->gamma;
    return now;
}

static double exponential_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t ? now * s->gamma : now;
}

static double constant_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t == 0 ? now * s->factor : s->t == s->total ? now / s->factor : now;
}

static double linear_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    if (s->t == 0)
        return now * s->from;
    if (s->t > s->total)
        return now;
    double n = (double)s->total;
    return now * (1 + (s->to - s->from) / (n * s->from + (double)(s->t - 1) * (s->to - s->from)));
}

static double polynomial_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    if (s->t == 0 || s->t > s->total)
        return now;
    double n = (double)s->total, t = (double)s->t;
    return now * pow((1 - t / n) / (1 - (t - 1) / n), s->power);
}

static const double pi = 3.14159265358979323846;

static double cosine_rule(const cr_scheduler *s, size_t g, double now)
{
    double n = (double)s->total, t = (double)s->t;
    if (s->t == 0)
        return now;
    if ((s->t - 1 - s->total) % (2 * s->total) == 0)
        return now + (base_lr(s, g) - s->eta_min) * (1 - cos(pi / n)) / 2;
    return (1 + cos(pi * t / n)) / (1 + cos(pi * (t - 1) / n)) * (now - s->eta_min) + s->eta_min;
}

static double lambda_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)now;
    return base_lr(s, g) * s->function(s->context, s->t);
}

static double multiplicative_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)g;
    return s->t ? now * s->function(s->context, s->t) : now;
}

static double between(const cr_scheduler *s, double from, double to, double part)
{
    return s->linear ? from + (to - from) * part : to + (from - to) / 2 * (1 + cos(pi * part));
}

/* Where step t stands between the phases' ends, and between which values: for the rate and for the momentum. */
static double one_cycle(const cr_scheduler *s, double first, double high, double last,
                        double *momentum)
{
    double n = (double)s->total, t = (double)s->t, start = 0;
    double ends[3] = {s->pct_start * n - 1, s->three_phase ? 2 * s->pct_start * n - 2 : n - 1,
                      n - 1};
    double rates[4] = {first, high, s->three_phase ? first : last, last};
    double moments[4] = {s->momentum_high, s->momentum_low, s->momentum_high, s->momentum_high};
    int phases = s->three_phase ? 3 : 2;
    for (int i = 0; i < phases; i++) {
        if (t <= ends[i] || i == phases - 1) {
            double part = ends[i] > start ? (t - start) / (ends[i] - start) : 1;
            *momentum = between(s, moments[i], moments[i + 1], part);
            return between(s, rates[i], rates[i + 1], part);
        }
        start = ends[i];
    }
    return last;
}

static double one_cycle_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)now;
    cr_group_numbers *n = &s->optimizer->groups[g].numbers;
    double first = s->highest / s->div_factor, momentum = 0;
    double lr = one_cycle(s, first, s->highest, first / s->final_div_factor, &momentum);
    if (s->cycle_momentum)
        *(cr_optimizer_has(s->optimizer, CR_TAKES(BETAS)) ? &n->beta1 : &n->momentum) = momentum;
    return lr;
}

/* ---- lifetimes ---- */

cr_scheduler *cr_scheduler_retain(cr_scheduler *scheduler)
{
    if (scheduler)
        atomic_fetch_add(&scheduler->refs, 1);
    return scheduler;
}

void cr_scheduler_release(cr_scheduler *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->nparts; i++)
        cr_scheduler_release(s->parts[i]);
    cr_optimizer_release(s->optimizer);
    free(s->parts);
    free(s->milestones);
    free(s);
}

static void release(void *scheduler)
{
    cr_scheduler_release(scheduler);
}

static void apply(cr_scheduler *s)
{
    for (size_t g = 0; g < s->optimizer->count; g++) {
        cr_group_numbers *n = &s->optimizer->groups[g].numbers;
        n->lr = s->next(s, g, n->lr);
    }
}

/* A scheduler with the optimiser's rates noted as base rates; the caller sets its rule and calls begin. */
static cr_scheduler *make(cr_optimizer *optimizer, const char *name)
{
    if (!optimizer)
        return cr_error() ? NULL : cr_fail("%s: optimizer is null", name);
    cr_scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return cr_fail_memory("a scheduler", sizeof *s);
    atomic_init(&s->refs, 1);
    s->optimizer = cr_optimizer_retain(optimizer);
    for (size_t g = 0; g < optimizer->count; g++) {
        cr_group_numbers *n = &optimizer->groups[g].numbers;
        if (isnan(n->initial_lr))
            n->initial_lr = n->lr;
    }
    return s;
}

static cr_scheduler *begin(cr_scheduler *s, rule next)
{
    s->next = next;
    apply(s);
    return cr_scope_add(s, release);
}

static cr_scheduler *refuse(cr_scheduler *s)
{
    cr_scheduler_release(s);
    return NULL;
}

static double given(double value, double fallback)
{
    return value == 0 && !signbit(value) ? fallback : value;
}

/* ---- making ---- */

cr_scheduler *cr_step_lr_with(cr_optimizer *optimizer, int64_t step_size,
                              const cr_lr_options *options)
{
    cr_scheduler *s = make(optimizer, "cr_step_lr");
    if (s && step_size < 1) {
        cr_fail("cr_step_lr: step_size must be at least 1, not %lld", (long long)step_size);
        return refuse(s);
    }
    if (!s)
        return NULL;
    s->every = step_size;
    s->gamma = given(options ? options->gamma : 0, 0.1);
    return begin(s, step_rule);
}

static bool take_milestones(cr_scheduler *s, cr_ints list)
{
    s->milestones = malloc((size_t)(list.count ? list.count : 1) * sizeof *s->milestones);
    if (!s->milestones)
        return cr_fail_memory("a scheduler", (size_t)list.count * 8), false;
    for (int64_t i = 0; i < list.count; i++)
        s->milestones[i] = list.data ? list.data[i] : list.one;
    s->nmilestones = (size_t)list.count;
    return true;
}

cr_scheduler *cr_multi_step_lr_with(cr_optimizer *optimizer, cr_ints milestones,
                                    const cr_lr_options *options)
{
    cr_scheduler *s = make(optimizer, "cr_multi_step_lr");
    if (!s || !take_milestones(s, milestones))
        return refuse(s);
    s->gamma = given(options ? options->gamma : 0, 0.1);
    return begin(s, multi_step_rule);
}

cr_scheduler *cr_exponential_lr(cr_optimizer *optimizer, double gamma)
{
    cr_scheduler *s = make(optimizer, "cr_exponential_lr");
    if (!s)
        return NULL;
    s->gamma = gamma;
    return begin(s, exponential_rule);
}

static cr_scheduler *ramp(cr_optimizer *optimizer, const cr_ramp_lr_options *o, const char *name,
                          rule next)
{
    static const cr_ramp_lr_options none = {.end_ = 0};
    cr_scheduler *s = make(optimizer, name);
    if (!s)
        return NULL;
    o = o ? o : &none;
    s->factor = given(o->factor, 1.0 / 3);
    s->from = given(o->start_factor, 1.0 / 3);
    s->to = given(o->end_factor, 1);
    s->power = given(o->power, 1);
    s->total = o->total_iters ? o->total_iters : 5;
    if (s->factor > 1 || s->factor < 0 || s->from > 1 || s->from <= 0 || s->to > 1 || s->to < 0 ||
        s->total < 1) {
        cr_fail(
            "%s: factors must be from 0 to 1 (a starting one above 0) and total_iters at least 1",
            name);
        return refuse(s);
    }
    return begin(s, next);
}

cr_scheduler *cr_constant_lr_with(cr_optimizer *optimizer, const cr_ramp_lr_options *options)
{
    return ramp(optimizer, options, "cr_constant_lr", constant_rule);
}

cr_scheduler *cr_linear_lr_with(cr_optimizer *optimizer, const cr_ramp_lr_options *options)
{
    return ramp(optimizer, options, "cr_linear_lr", linear_rule);
}

cr_scheduler *cr_polynomial_lr_with(cr_optimizer *optimizer, const cr_ramp_lr_options *options)
{
    return ramp(optimizer, options, "cr_polynomial_lr", polynomial_rule);
}

cr_scheduler *cr_cosine_annealing_lr(cr_optimizer *optimizer, int64_t T_max, double eta_min)
{
    cr_scheduler *s = make(optimizer, "cr_cosine_annealing_lr");
    if (s && T_max < 1) {
        cr_fail("cr_cosine_annealing_lr: T_max must be at least 1, not %lld", (long long)T_max);
        return refuse(s);
    }
    if (!s)
        return NULL;
    s->total = T_max;
    s->eta_min = eta_min;
    return begin(s, cosine_rule);
}

static cr_scheduler *by_function(cr_optimizer *optimizer, cr_lr_function function, void *context,
                                 const char *name, rule next)
{
    cr_scheduler *s = make(optimizer, name);
    if (s && !function) {
        cr_fail("%s: function is null", name);
        return refuse(s);
    }
    if (!s)
        return NULL;
    s->function = function;
    s->context = context;
    return begin(s, next);
}

cr_scheduler *cr_lambda_lr(cr_optimizer *optimizer, cr_lr_function function, void *context)
{
    return by_function(optimizer, function, context, "cr_lambda_lr", lambda_rule);
}

cr_scheduler *cr_multiplicative_lr(cr_optimizer *optimizer, cr_lr_function function, void *context)
{
    return by_function(optimizer, function, context, "cr_multiplicative_lr", multiplicative_rule);
}

cr_scheduler *cr_one_cycle_lr_with(cr_optimizer *optimizer, double max_lr,
                                   const cr_one_cycle_lr_options *o)
{
    static const cr_one_cycle_lr_options none = {.end_ = 0};
    cr_scheduler *s = make(optimizer, "cr_one_cycle_lr");
    if (!s)
        return NULL;
    o = o ? o : &none;
    s->total = o->total_steps ? o->total_steps : o->epochs * o->steps_per_epoch;
    s->pct_start = given(o->pct_start, 0.3);
    s->linear = o->anneal_strategy && !strcmp(o->anneal_strategy, "linear");
    s->cycle_momentum = !o->no_cycle_momentum;
    s->momentum_low = given(o->base_momentum, 0.85);
    s->momentum_high = given(o->max_momentum, 0.95);
    s->div_factor = given(o->div_factor, 25);
    s->final_div_factor = given(o->final_div_factor, 1e4);
    s->three_phase = o->three_phase;
    s->highest = max_lr;
    s->one_cycle = true;
    bool betas = cr_optimizer_has(optimizer, CR_TAKES(BETAS));
    if (s->total < 1)
        cr_fail("cr_one_cycle_lr: total_steps, or epochs and steps_per_epoch, must be given and be "
                "at least 1");
    else if (!(s->pct_start >= 0 && s->pct_start <= 1))
        cr_fail("Expected float between 0 and 1 pct_start, but got %g", s->pct_start);
    else if (o->anneal_strategy && strcmp(o->anneal_strategy, "cos") && !s->linear)
        cr_fail("anneal_strategy must by one of 'cos' or 'linear', instead got %s",
                o->anneal_strategy);
    else if (s->cycle_momentum && !betas && !cr_optimizer_has(optimizer, CR_TAKES(MOMENTUM)))
        cr_fail("optimizer must support momentum with `cycle_momentum` option enabled");
    else {
        for (size_t g = 0; g < optimizer->count; g++)
            optimizer->groups[g].numbers.initial_lr = max_lr / s->div_factor;
        return begin(s, one_cycle_rule);
    }
    return refuse(s);
}

/* ---- SequentialLR ---- */

/* Only marks the scheduler as made of parts; stepping goes to the part whose turn it is. */
static double sequential_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)s, (void)g;
    return now;
}

cr_scheduler *cr_sequential_lr_with(cr_optimizer *optimizer, cr_scheduler *const *schedulers,
                                    size_t count, cr_ints milestones)
{
    cr_scheduler *s = make(optimizer, "cr_sequential_lr");
    if (!s)
        return NULL;
    bool well = count && (int64_t)count == milestones.count + 1;
    for (size_t i = 0; i < count && well; i++)
        well = schedulers[i] && schedulers[i]->optimizer == optimizer;
    if (!well) {
        cr_fail("cr_sequential_lr: expects schedulers of this optimizer, one more than milestones; "
                "got %zu and %lld",
                count, (long long)milestones.count);
        return refuse(s);
    }
    s->parts = calloc(count, sizeof *s->parts);
    if (!s->parts || !take_milestones(s, milestones))
        return refuse(s);
    for (size_t i = 0; i < count; i++)
        s->parts[i] = cr_scheduler_retain(schedulers[i]);
    s->nparts = count;
    /* Every part set its first rates when it was made; the first part's count. */
    for (size_t g = 0; g < optimizer->count; g++)
        optimizer->groups[g].numbers.lr = optimizer->groups[g].numbers.initial_lr;
    schedulers[0]->t = 0;
    apply(schedulers[0]);
    return begin(s, sequential_rule);
}

/* ---- stepping ---- */

int cr_scheduler_step(cr_scheduler *s)
{
    if (!s)
        return cr_error() ? -1 : CR_FAIL_INT("cr_step: scheduler is null");
    if (s->one_cycle && s->t + 1 > s->total)
        return CR_FAIL_INT("Tried to step %lld times. The specified number of total steps is %lld",
                           (long long)(s->t + 1), (long long)s->total);
    s->t++;
    if (s->nparts) {
        size_t turn = 0;
        while (turn < s->nmilestones && s->t >= s->milestones[turn])
            turn++;
        cr_scheduler *part = s->parts[turn];
        if (turn && s->t == s->milestones[turn - 1]) { /* its first step: from the base rates */
            part->t = 0;
            for (size_t g = 0; g < s->optimizer->count; g++)
                s->optimizer->groups[g].numbers.lr = s->optimizer->groups[g].numbers.initial_lr;
            apply(part);
            return 0;
        }
        return cr_scheduler_step(part);
    }
    if (s->one_cycle && s->t >= s->total)
        return 0; /* the step after the last batch sets nothing more */
    apply(s);
    return 0;
}

double cr_get_last_lr(const cr_scheduler *scheduler, size_t group)
{
    return scheduler ? cr_param_group_get(scheduler->optimizer, group, "lr") : NAN;
}

cr_state_dict *cr_scheduler_state_dict(const cr_scheduler *s)
{
    if (!s)
        return cr_error() ? NULL : cr_fail("cr_scheduler_state_dict: scheduler is null");
    cr_state_dict *dict = cr_state_dict_new();
    cr_value v = {.tag = CR_INT};
    v.as.i = s->t;
    int failed = !dict || cr_state_dict_set_value(dict, "last_epoch", v);
    v.as.i = s->t + 1;
    failed = failed || cr_state_dict_set_value(dict, "_step_count", v);
    char name[48];
    for (size_t g = 0; g < s->optimizer->count && !failed; g++) {
        cr_value rate = {.tag = CR_FLOAT};
        rate.as.f = base_lr(s, g);
        snprintf(name, sizeof name, "base_lrs.%zu", g);
        failed = cr_state_dict_set_value(dict, name, rate);
        rate.as.f = s->optimizer->groups[g].numbers.lr;
        snprintf(name, sizeof name, "_last_lr.%zu", g);
        failed = failed || cr_state_dict_set_value(dict, name, rate);
    }
    return failed ? NULL : dict;
}

int cr_scheduler_load_state_dict(cr_scheduler *s, const cr_state_dict *dict)
{
    const cr_value *t = s && dict ? cr_state_dict_value(dict, "last_epoch") : NULL;
    if (!t)
        return cr_error()
                   ? -1
                   : CR_FAIL_INT(
                         "cr_scheduler_load_state_dict: a scheduler and its state are needed");
    s->t = t->tag == CR_FLOAT ? (int64_t)t->as.f : t->as.i;
    char name[48];
    for (size_t g = 0; g < s->optimizer->count; g++) {
        cr_group_numbers *n = &s->optimizer->groups[g].numbers;
        snprintf(name, sizeof name, "base_lrs.%zu", g);
        const cr_value *v = cr_state_dict_value(dict, name);
        n->initial_lr = v ? v->as.f : n->initial_lr;
        snprintf(name, sizeof name, "_last_lr.%zu", g);
        v = cr_state_dict_value(dict, name);
        n->lr = v ? v->as.f : n->lr;
    }
    return 0;
}
