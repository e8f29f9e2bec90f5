/* Schedulers: lifetimes, stepping. Rules stand in schedule_rules.c, schedule_cycles.c and schedule_plateau.c. */
#include "core/optim/scheduler.h"

#include <stdlib.h>

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
    free(s->base);
    free(s->last);
    free(s->low);
    free(s->high);
    free(s->plateau);
    free(s);
}

static void release(void *scheduler)
{
    cr_scheduler_release(scheduler);
}

/* ---- making ---- */

cr_scheduler *cr_scheduler_refuse(cr_scheduler *s)
{
    cr_scheduler_release(s);
    return NULL;
}

cr_scheduler *cr_scheduler_make(cr_optimizer *optimizer, const char *name)
{
    if (!optimizer)
        return cr_error() ? NULL : cr_fail("%s: optimizer is null", name);
    cr_scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return cr_fail_memory("a scheduler", sizeof *s);
    atomic_init(&s->refs, 1);
    s->name = name;
    s->optimizer = cr_optimizer_retain(optimizer);
    s->groups = optimizer->count;
    if (!cr_scheduler_fill(s, &s->base, 0, NULL) || !cr_scheduler_fill(s, &s->last, 0, NULL))
        return cr_scheduler_refuse(s);
    for (size_t g = 0; g < s->groups; g++) {
        cr_group_numbers *n = &optimizer->groups[g].numbers;
        if (isnan(n->initial_lr))
            n->initial_lr = n->lr;
        s->base[g] = n->initial_lr;
    }
    return s;
}

bool cr_scheduler_fill(cr_scheduler *s, double **to, double one, const double *list)
{
    *to = malloc(s->groups * sizeof **to);
    if (!*to)
        return cr_fail_memory("a scheduler", s->groups * sizeof **to), false;
    for (size_t g = 0; g < s->groups; g++)
        (*to)[g] = list ? list[g] : one;
    return true;
}

bool cr_scheduler_take_milestones(cr_scheduler *s, cr_ints list)
{
    s->milestones = malloc((size_t)(list.count ? list.count : 1) * sizeof *s->milestones);
    if (!s->milestones)
        return cr_fail_memory("a scheduler", (size_t)list.count * 8), false;
    for (int64_t i = 0; i < list.count; i++)
        s->milestones[i] = list.data ? list.data[i] : list.one;
    s->nmilestones = (size_t)list.count;
    return true;
}

bool cr_scheduler_take_parts(cr_scheduler *s, cr_scheduler *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!parts[i])
            return cr_error() ? false : (cr_fail("%s: scheduler %zu is null", s->name, i), false);
        if (parts[i]->optimizer != s->optimizer)
            return cr_fail("%s expects all schedulers to belong to the same optimizer, but got "
                           "schedulers at index 0 and %zu to be different",
                           s->name, i),
                   false;
        if (parts[i]->plateau)
            return cr_fail("%s: scheduler %zu is a ReduceLROnPlateau, which steps by a metric",
                           s->name, i),
                   false;
    }
    s->parts = calloc(count, sizeof(cr_scheduler *));
    if (!s->parts)
        return cr_fail_memory("a scheduler", count * sizeof(cr_scheduler *)), false;
    for (size_t i = 0; i < count; i++)
        s->parts[i] = cr_scheduler_retain(parts[i]);
    s->nparts = count;
    return true;
}

void cr_scheduler_note(cr_scheduler *s)
{
    for (size_t g = 0; g < s->groups; g++)
        s->last[g] = s->optimizer->groups[g].numbers.lr;
}

void cr_scheduler_apply(cr_scheduler *s)
{
    for (size_t g = 0; s->next && g < s->groups; g++) {
        cr_group_numbers *n = &s->optimizer->groups[g].numbers;
        n->lr = s->next(s, g, n->lr);
    }
    cr_scheduler_note(s);
}

cr_scheduler *cr_scheduler_begin(cr_scheduler *s, cr_lr_rule *next)
{
    s->next = next;
    s->step_count = 1;
    cr_scheduler_apply(s);
    return cr_scope_add(s, release);
}

/* ---- SequentialLR, ChainedScheduler ---- */

static void rates_to_base(cr_scheduler *s)
{
    for (size_t g = 0; g < s->groups; g++)
        s->optimizer->groups[g].numbers.lr = s->optimizer->groups[g].numbers.initial_lr;
}

cr_scheduler *cr_sequential_lr_with(cr_optimizer *optimizer, cr_scheduler *const *schedulers,
                                    size_t count, cr_ints milestones)
{
    cr_scheduler *s = cr_scheduler_make(optimizer, "SequentialLR");
    if (!s)
        return NULL;
    if (!count || (int64_t)count != milestones.count + 1) {
        cr_fail("Sequential Schedulers expects number of schedulers provided to be one more than "
                "the number of milestone points, but got number of schedulers %zu and the number "
                "of milestones to be equal to %lld",
                count, (long long)milestones.count);
        return cr_scheduler_refuse(s);
    }
    if (!cr_scheduler_take_parts(s, schedulers, count) ||
        !cr_scheduler_take_milestones(s, milestones))
        return cr_scheduler_refuse(s);
    s->sequential = true;
    /* Every part took its first step when it was made: undone, but for the first part's. */
    rates_to_base(s);
    for (size_t i = 1; i < count; i++)
        schedulers[i]->t--;
    schedulers[0]->t = 0;
    schedulers[0]->step_count = 1;
    cr_scheduler_apply(schedulers[0]);
    return cr_scheduler_begin(s, NULL);
}

cr_scheduler *cr_chained_scheduler_with(cr_scheduler *const *schedulers, size_t count)
{
    if (!count || !schedulers[0])
        return cr_error() ? NULL : cr_fail("ChainedScheduler expects at least one scheduler");
    cr_scheduler *s = cr_scheduler_make(schedulers[0]->optimizer, "ChainedScheduler");
    if (!s || !cr_scheduler_take_parts(s, schedulers, count))
        return cr_scheduler_refuse(s);
    return cr_scheduler_begin(s, NULL);
}

/* Begins a part anew, as PyTorch's step(0). */
static void begin_part(cr_scheduler *part)
{
    part->t = 0;
    part->step_count++;
    part->t_cur = 0;
    if (part->t_i) /* it restarts; others have n.every for something else */
        part->t_i = part->n.every;
    for (size_t g = 0; part->restarts_at_base && g < part->groups; g++)
        part->optimizer->groups[g].numbers.lr = part->base[g];
    cr_scheduler_apply(part);
}

static int step_sequence(cr_scheduler *s)
{
    size_t turn = 0;
    while (turn < s->nmilestones && s->t >= s->milestones[turn])
        turn++;
    if (turn && s->t == s->milestones[turn - 1])
        begin_part(s->parts[turn]);
    else if (cr_scheduler_step(s->parts[turn]))
        return -1;
    cr_scheduler_note(s);
    return 0;
}

static int step_chain(cr_scheduler *s)
{
    for (size_t i = 0; i < s->nparts; i++)
        if (cr_scheduler_step(s->parts[i]))
            return -1;
    cr_scheduler_note(s);
    return 0;
}

/* ---- stepping ---- */

int cr_scheduler_step(cr_scheduler *s)
{
    if (!s)
        return cr_error() ? -1 : CR_FAIL_INT("cr_step: scheduler is null");
    if (s->plateau)
        return CR_FAIL_INT("ReduceLROnPlateau steps by a metric: cr_scheduler_step_metric");
    if (!strcmp(s->name, "OneCycleLR") && s->t + 1 > s->n.total)
        return CR_FAIL_INT("Tried to step %lld times. The specified number of total steps is %lld",
                           (long long)(s->t + 2), (long long)s->n.total);
    s->t++;
    s->step_count++;
    if (s->nparts)
        return s->sequential ? step_sequence(s) : step_chain(s);
    s->t_cur += 1;
    if (s->t_i && s->t_cur >= (double)s->t_i) {
        s->t_cur -= (double)s->t_i;
        s->t_i = s->t_i > INT64_MAX / s->n.t_mult ? s->t_i : s->t_i * s->n.t_mult;
    }
    cr_scheduler_apply(s);
    return 0;
}

int cr_scheduler_step_to(cr_scheduler *s, double epoch)
{
    if (!s)
        return cr_error() ? -1 : CR_FAIL_INT("cr_scheduler_step_to: scheduler is null");
    if (!s->t_i)
        return CR_FAIL_INT("cr_scheduler_step_to: only CosineAnnealingWarmRestarts takes an epoch");
    if (!(epoch >= 0))
        return CR_FAIL_INT("Expected non-negative epoch, but got %g", epoch);
    double first = (double)s->n.every, mult = (double)s->n.t_mult;
    s->t_cur = epoch;
    s->t_i = s->n.every;
    if (epoch >= first && mult == 1) {
        s->t_cur = fmod(epoch, first);
    } else if (epoch >= first) {
        double restarts = floor(log(epoch / first * (mult - 1) + 1) / log(mult));
        s->t_cur = epoch - first * (pow(mult, restarts) - 1) / (mult - 1);
        s->t_i = (int64_t)(first * pow(mult, restarts));
    }
    s->t = (int64_t)floor(epoch);
    cr_scheduler_apply(s);
    return 0;
}

int cr_scheduler_step_metric(cr_scheduler *s, double metric)
{
    if (!s)
        return cr_error() ? -1 : CR_FAIL_INT("cr_scheduler_step_metric: scheduler is null");
    return s->plateau ? cr_plateau_step(s, metric) : cr_scheduler_step(s);
}

double cr_get_last_lr(const cr_scheduler *scheduler, size_t group)
{
    if (scheduler && group < scheduler->groups)
        return scheduler->last[group];
    if (!cr_error())
        cr_fail("cr_get_last_lr: %s", scheduler ? "there is no such group" : "scheduler is null");
    return NAN;
}
