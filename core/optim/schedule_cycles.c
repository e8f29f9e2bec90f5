/* Schedules that go up and down, or swing to another rate: OneCycleLR, CyclicLR, CosineAnnealingWarmRestarts, SWALR. */
#include "core/optim/scheduler.h"

/* ---- OneCycleLR ---- */

static double between(const cr_scheduler *s, double from, double to, double part)
{
    return s->n.linear ? (to - from) * part + from : to + (from - to) / 2 * (cos(CR_PI * part) + 1);
}

/* Where step t stands between the phases' ends, and between which values: for the rate and for the momentum. */
static double one_cycle_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)now;
    double n = (double)s->n.total, t = (double)s->t, start = 0;
    double first = s->high[g] / s->n.div_factor, last = first / s->n.final_div_factor;
    double end = s->n.pct_start * n - 1;
    double ends[3] = {end, s->n.three_phase ? 2 * s->n.pct_start * n - 2 : n - 1, n - 1};
    double rates[4] = {first, s->high[g], s->n.three_phase ? first : last, last};
    double moments[4] = {s->momentum_high, s->momentum_low, s->momentum_high, s->momentum_high};
    int phase = 0, final = s->n.three_phase ? 2 : 1;
    for (; phase < final && t > ends[phase]; phase++)
        start = ends[phase];
    double part = ends[phase] != start ? (t - start) / (ends[phase] - start) : 1;
    if (s->n.cycle_momentum)
        *cr_scheduler_momentum(s, g) = between(s, moments[phase], moments[phase + 1], part);
    return between(s, rates[phase], rates[phase + 1], part);
}

cr_scheduler *cr_one_cycle_lr_with(cr_optimizer *optimizer, double max_lr,
                                   const cr_one_cycle_lr_options *options)
{
    static const cr_one_cycle_lr_options none = {.end_ = 0};
    const cr_one_cycle_lr_options *o = options ? options : &none;
    cr_scheduler *s = cr_scheduler_make(optimizer, "OneCycleLR");
    if (!s || !cr_scheduler_fill(s, &s->high, max_lr, o->max_lrs))
        return cr_scheduler_refuse(s);
    cr_schedule_numbers *n = &s->n;
    n->total = o->total_steps ? o->total_steps : o->epochs * o->steps_per_epoch;
    n->pct_start = cr_given(o->pct_start, 0.3);
    n->linear = o->anneal_strategy && !strcmp(o->anneal_strategy, "linear");
    n->cycle_momentum = !o->no_cycle_momentum;
    s->momentum_low = cr_given(o->base_momentum, 0.85);
    s->momentum_high = cr_given(o->max_momentum, 0.95);
    n->div_factor = cr_given(o->div_factor, 25);
    n->final_div_factor = cr_given(o->final_div_factor, 1e4);
    n->three_phase = o->three_phase;
    if (n->total < 1)
        cr_fail("cr_one_cycle_lr: total_steps, or epochs and steps_per_epoch, must be given and be "
                "at least 1");
    else if (!(n->pct_start >= 0 && n->pct_start <= 1))
        cr_fail("Expected float between 0 and 1 pct_start, but got %g", n->pct_start);
    else if (o->anneal_strategy && strcmp(o->anneal_strategy, "cos") && !n->linear)
        cr_fail("anneal_strategy must by one of 'cos' or 'linear', instead got %s",
                o->anneal_strategy);
    else if (n->cycle_momentum && !cr_scheduler_momentum(s, 0))
        cr_fail("optimizer must support momentum with `cycle_momentum` option enabled");
    else {
        for (size_t g = 0; g < s->groups; g++)
            s->base[g] = optimizer->groups[g].numbers.initial_lr = s->high[g] / n->div_factor;
        return cr_scheduler_begin(s, one_cycle_rule);
    }
    return cr_scheduler_refuse(s);
}

/* ---- CyclicLR ---- */

static double triangular(const cr_scheduler *s, double x)
{
    (void)s, (void)x;
    return 1;
}

static double triangular2(const cr_scheduler *s, double cycle)
{
    (void)s;
    return 1 / pow(2, cycle - 1);
}

static double exp_range(const cr_scheduler *s, double t)
{
    return pow(s->n.gamma, t);
}

static double by_function(const cr_scheduler *s, double x)
{
    return s->n.scale_function(s->n.scale_context, (int64_t)x);
}

static double cyclic_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)now;
    double t = (double)s->t, ratio = s->n.step_ratio;
    double cycle = floor(1 + t / s->n.size_total), x = 1 + t / s->n.size_total - cycle;
    double height = x <= ratio ? x / ratio : (x - 1) / (ratio - 1);
    double scale = s->n.scale(s, s->n.by_iteration ? t : cycle);
    if (s->n.cycle_momentum)
        s->optimizer->groups[g].numbers.momentum =
            s->momentum_high - (s->momentum_high - s->momentum_low) * height * scale;
    return s->low[g] + (s->high[g] - s->low[g]) * height * scale;
}

/* Chooses how a cycle's height changes; false and an error for a mode that there is not. */
static bool choose_mode(cr_scheduler *s, const cr_cyclic_lr_options *o)
{
    const char *mode = o->mode ? o->mode : "triangular";
    if (o->scale_fn) {
        s->n.scale = by_function;
        s->n.scale_function = o->scale_fn;
        s->n.scale_context = o->scale_context;
        s->n.by_iteration = o->scale_mode && !strcmp(o->scale_mode, "iterations");
    } else if (!strcmp(mode, "exp_range")) {
        s->n.scale = exp_range;
        s->n.by_iteration = true;
    } else if (!strcmp(mode, "triangular")) {
        s->n.scale = triangular;
    } else if (!strcmp(mode, "triangular2")) {
        s->n.scale = triangular2;
    } else {
        return cr_fail("mode is invalid and scale_fn is None"), false;
    }
    return true;
}

cr_scheduler *cr_cyclic_lr_with(cr_optimizer *optimizer, double base_lr, double max_lr,
                                const cr_cyclic_lr_options *options)
{
    static const cr_cyclic_lr_options none = {.end_ = 0};
    const cr_cyclic_lr_options *o = options ? options : &none;
    int64_t up = o->step_size_up ? o->step_size_up : 2000;
    int64_t down = o->step_size_down ? o->step_size_down : up;
    if (up < 1 || down < 1)
        return cr_fail("cr_cyclic_lr: step_size_up and step_size_down must be at least 1");
    for (size_t g = 0; optimizer && g < optimizer->count; g++)
        optimizer->groups[g].numbers.lr = o->base_lrs ? o->base_lrs[g] : base_lr;
    cr_scheduler *s = cr_scheduler_make(optimizer, "CyclicLR");
    if (!s || !cr_scheduler_fill(s, &s->low, base_lr, o->base_lrs) ||
        !cr_scheduler_fill(s, &s->high, max_lr, o->max_lrs) || !choose_mode(s, o))
        return cr_scheduler_refuse(s);
    s->n.gamma = cr_given(o->gamma, 1);
    s->n.size_total = (double)up + (double)down;
    s->n.step_ratio = (double)up / s->n.size_total;
    s->n.cycle_momentum = !o->no_cycle_momentum;
    s->momentum_low = cr_given(o->base_momentum, 0.8);
    s->momentum_high = cr_given(o->max_momentum, 0.9);
    if (s->n.cycle_momentum && !cr_optimizer_has(optimizer, CR_TAKES(MOMENTUM))) {
        cr_fail("optimizer must support momentum with `cycle_momentum` option enabled");
        return cr_scheduler_refuse(s);
    }
    for (size_t g = 0; g < s->groups; g++)
        s->base[g] = s->low[g];
    return cr_scheduler_begin(s, cyclic_rule);
}

/* ---- CosineAnnealingWarmRestarts ---- */

static double restarts_rule(const cr_scheduler *s, size_t g, double now)
{
    (void)now;
    return s->n.eta_min +
           (s->base[g] - s->n.eta_min) * (1 + cos(CR_PI * s->t_cur / (double)s->t_i)) / 2;
}

cr_scheduler *cr_cosine_annealing_warm_restarts_with(cr_optimizer *optimizer, int64_t T_0,
                                                     const cr_warm_restarts_options *options)
{
    int64_t mult = options && options->T_mult ? options->T_mult : 1;
    if (T_0 < 1)
        return cr_fail("Expected positive integer T_0, but got %lld", (long long)T_0);
    if (mult < 1)
        return cr_fail("Expected integer T_mult >= 1, but got %lld", (long long)mult);
    cr_scheduler *s = cr_scheduler_make(optimizer, "CosineAnnealingWarmRestarts");
    if (!s)
        return NULL;
    s->n.every = s->t_i = T_0;
    s->n.t_mult = mult;
    s->n.eta_min = options ? options->eta_min : 0;
    return cr_scheduler_begin(s, restarts_rule);
}

/* ---- SWALR ---- */

static double swing(const cr_scheduler *s, double t)
{
    return s->n.linear ? t : (1 - cos(CR_PI * t)) / 2;
}

static double swa_rule(const cr_scheduler *s, size_t g, double now)
{
    double step = (double)(s->step_count - 1), n = fmax(1, (double)s->n.total);
    if (s->n.total == 0)
        step = fmax(1, step);
    double was = swing(s, fmax(0, fmin(1, (step - 1) / n)));
    double alpha = swing(s, fmax(0, fmin(1, step / n)));
    double start = was == 1 ? s->high[g] : (now - was * s->high[g]) / (1 - was);
    return s->high[g] * alpha + start * (1 - alpha);
}

cr_scheduler *cr_swa_lr_with(cr_optimizer *optimizer, double swa_lr,
                             const cr_swa_lr_options *options)
{
    static const cr_swa_lr_options none = {.end_ = 0};
    const cr_swa_lr_options *o = options ? options : &none;
    cr_scheduler *s = cr_scheduler_make(optimizer, "SWALR");
    if (!s || !cr_scheduler_fill(s, &s->high, swa_lr, o->swa_lrs))
        return cr_scheduler_refuse(s);
    s->n.linear = o->anneal_strategy && !strcmp(o->anneal_strategy, "linear");
    if (o->anneal_strategy && strcmp(o->anneal_strategy, "cos") && !s->n.linear) {
        cr_fail("anneal_strategy must by one of 'cos' or 'linear', instead got %s",
                o->anneal_strategy);
        return cr_scheduler_refuse(s);
    }
    s->n.total = o->at_once ? 0 : o->anneal_epochs ? o->anneal_epochs : 10;
    if (s->n.total < 0) {
        cr_fail("anneal_epochs must be equal or greater than 0, got %lld", (long long)s->n.total);
        return cr_scheduler_refuse(s);
    }
    return cr_scheduler_begin(s, swa_rule);
}
