/* A scheduler from inside: a rule that gives the groups' next rates, what the rule needs, and where it stands. */
#ifndef CRESSET_CORE_OPTIM_SCHEDULER_H
#define CRESSET_CORE_OPTIM_SCHEDULER_H

#include <math.h>
#include <string.h>

#include "core/optim/optimizer.h"

#define CR_PI 3.14159265358979323846

/* The next rate of a group whose rate is `now`. */
typedef double cr_lr_rule(const cr_scheduler *s, size_t group, double now);

/* One phase's or cycle's numbers; each rule's own. */
typedef struct cr_schedule_numbers {
    int64_t every, total, t_mult;
    double gamma, factor, from, to, power, eta_min;
    bool linear, cycle_momentum, three_phase, by_iteration;
    double pct_start, div_factor, final_div_factor, step_ratio, size_total;
    double (*scale)(const cr_scheduler *s, double x);
    cr_lr_function scale_function;
    void *scale_context;
} cr_schedule_numbers;

/* ReduceLROnPlateau's. */
typedef struct cr_plateau {
    bool max, absolute;
    int64_t patience, cooldown;
    double factor, threshold, eps, best;
    int64_t num_bad_epochs, cooldown_counter;
} cr_plateau;

struct cr_scheduler {
    atomic_int refs;
    const char *name; /* of PyTorch's class */
    cr_optimizer *optimizer;
    cr_lr_rule *next;      /* null: made of parts, or waits for a metric */
    bool restarts_at_base; /* a SequentialLR begins it from the base rates, not from those of now */
    int64_t t;             /* PyTorch's last_epoch */
    int64_t step_count;
    double t_cur; /* CosineAnnealingWarmRestarts: since the restart, */
    int64_t t_i;  /* and until the next */
    size_t groups;
    double *base, *last; /* of each group: the base rate, the last one set */
    double *low, *high;  /* of each group, where the rule has bounds: rates */
    double momentum_low, momentum_high;
    int64_t *milestones;
    size_t nmilestones;
    cr_lr_function function;
    void *context;
    cr_schedule_numbers n;
    cr_plateau *plateau;
    cr_scheduler **parts;
    size_t nparts;
    bool sequential;
};

/* A scheduler of the optimiser's groups, with their rates noted as base rates; null and an error. The caller fills it in and
 * ends with cr_scheduler_begin, or cr_scheduler_refuse. */
cr_scheduler *cr_scheduler_make(cr_optimizer *optimizer, const char *name);
/* Sets the rule, takes the first step, and gives the scheduler to the scope. */
cr_scheduler *cr_scheduler_begin(cr_scheduler *s, cr_lr_rule *next);
/* Drops it: an error has been reported. */
cr_scheduler *cr_scheduler_refuse(cr_scheduler *s);
/* Sets all rates by the rule. */
void cr_scheduler_apply(cr_scheduler *s);
/* Notes the groups' rates as the last ones. */
void cr_scheduler_note(cr_scheduler *s);
bool cr_scheduler_take_milestones(cr_scheduler *s, cr_ints list);
/* Fills one number for each group: from the list, or the one for all. */
bool cr_scheduler_fill(cr_scheduler *s, double **to, double one, const double *list);
/* Takes the parts over, which must be of this optimiser. */
bool cr_scheduler_take_parts(cr_scheduler *s, cr_scheduler *const *parts, size_t count);
int cr_plateau_step(cr_scheduler *s, double metric);

/* The scheduler's place for momentum in a group: Adam's β1, or momentum; null if the optimiser has neither. */
static inline double *cr_scheduler_momentum(const cr_scheduler *s, size_t group)
{
    cr_group_numbers *n = &s->optimizer->groups[group].numbers;
    return cr_optimizer_has(s->optimizer, CR_TAKES(BETAS))      ? &n->beta1
           : cr_optimizer_has(s->optimizer, CR_TAKES(MOMENTUM)) ? &n->momentum
                                                                : NULL;
}

#endif
