/* A scheduler's state dict: where it stands and its options, by PyTorch's names; a scheduler of others has theirs below
 * "_schedulers.N". */
#include <stdio.h>
#include <stdlib.h>

#include "core/optim/scheduler.h"

enum { NAME = 160 };

/* Options that are numbers: of which kind, by which name, and where they stand in a cr_scheduler, or in its cr_plateau. */
typedef enum form { WHOLE, REAL, SWITCH } form;
typedef struct option {
    const char *kind, *name;
    form form;
    size_t at;
    bool plateau;
} option;

#define AT(member) offsetof(cr_scheduler, member)
#define OF_PLATEAU(x, f)                                          \
    {                                                             \
        "ReduceLROnPlateau", #x, f, offsetof(cr_plateau, x), true \
    }
static const option options[] = {
    {"StepLR", "step_size", WHOLE, AT(n.every), false},
    {"StepLR", "gamma", REAL, AT(n.gamma), false},
    {"MultiStepLR", "gamma", REAL, AT(n.gamma), false},
    {"ExponentialLR", "gamma", REAL, AT(n.gamma), false},
    {"ConstantLR", "factor", REAL, AT(n.factor), false},
    {"ConstantLR", "total_iters", WHOLE, AT(n.total), false},
    {"LinearLR", "start_factor", REAL, AT(n.from), false},
    {"LinearLR", "end_factor", REAL, AT(n.to), false},
    {"LinearLR", "total_iters", WHOLE, AT(n.total), false},
    {"PolynomialLR", "total_iters", WHOLE, AT(n.total), false},
    {"PolynomialLR", "power", REAL, AT(n.power), false},
    {"CosineAnnealingLR", "T_max", WHOLE, AT(n.total), false},
    {"CosineAnnealingLR", "eta_min", REAL, AT(n.eta_min), false},
    {"CosineAnnealingWarmRestarts", "T_0", WHOLE, AT(n.every), false},
    {"CosineAnnealingWarmRestarts", "T_mult", WHOLE, AT(n.t_mult), false},
    {"CosineAnnealingWarmRestarts", "eta_min", REAL, AT(n.eta_min), false},
    {"OneCycleLR", "total_steps", WHOLE, AT(n.total), false},
    {"OneCycleLR", "cycle_momentum", SWITCH, AT(n.cycle_momentum), false},
    {"CyclicLR", "total_size", REAL, AT(n.size_total), false},
    {"CyclicLR", "step_ratio", REAL, AT(n.step_ratio), false},
    {"CyclicLR", "gamma", REAL, AT(n.gamma), false},
    {"CyclicLR", "cycle_momentum", SWITCH, AT(n.cycle_momentum), false},
    {"SWALR", "anneal_epochs", WHOLE, AT(n.total), false},
    OF_PLATEAU(factor, REAL),
    OF_PLATEAU(patience, WHOLE),
    OF_PLATEAU(cooldown, WHOLE),
    OF_PLATEAU(threshold, REAL),
    OF_PLATEAU(eps, REAL),
};
enum { OPTIONS = sizeof options / sizeof *options };

static void *place_of(const cr_scheduler *s, const option *o)
{
    return (char *)(o->plateau ? (void *)s->plateau : (void *)(uintptr_t)s) + o->at;
}

/* The name of the list of milestones; null for those who have none. */
static const char *milestones_of(const cr_scheduler *s)
{
    return !s->nmilestones ? NULL : s->sequential ? "_milestones" : "milestones";
}

static int put_int(cr_state_dict *dict, const char *prefix, const char *key, int64_t i)
{
    char name[NAME];
    cr_value v = {.tag = CR_INT};
    v.as.i = i;
    snprintf(name, sizeof name, "%s%s", prefix, key);
    return cr_state_dict_set_value(dict, name, v);
}

static int put_floats(cr_state_dict *dict, const char *prefix, const char *key, const double *f,
                      int64_t count)
{
    char name[NAME];
    cr_value v = {.tag = count < 0 ? CR_FLOAT : CR_FLOAT_LIST, .count = count < 0 ? 0 : count};
    if (count < 0)
        v.as.f = *f;
    else
        v.as.floats = f;
    snprintf(name, sizeof name, "%s%s", prefix, key);
    return cr_state_dict_set_value(dict, name, v);
}

static int put_text(cr_state_dict *dict, const char *prefix, const char *key, const char *text)
{
    char name[NAME];
    cr_value v = {.tag = CR_STRING, .count = (int64_t)strlen(text)};
    v.as.s = text;
    snprintf(name, sizeof name, "%s%s", prefix, key);
    return cr_state_dict_set_value(dict, name, v);
}

static int put_options(const cr_scheduler *s, cr_state_dict *dict, const char *prefix)
{
    int failed = 0;
    char name[NAME];
    for (int i = 0; i < OPTIONS && !failed; i++) {
        const option *o = &options[i];
        if (strcmp(o->kind, s->name))
            continue;
        const void *at = place_of(s, o);
        cr_value v = {.tag = o->form == WHOLE ? CR_INT : o->form == REAL ? CR_FLOAT : CR_BOOL};
        if (o->form == REAL)
            v.as.f = *(const double *)at;
        else
            v.as.i = o->form == WHOLE ? *(const int64_t *)at : *(const bool *)at;
        snprintf(name, sizeof name, "%s%s", prefix, o->name);
        failed = cr_state_dict_set_value(dict, name, v);
    }
    if (!failed && milestones_of(s)) {
        cr_value v = {.tag = CR_INT_LIST, .count = (int64_t)s->nmilestones};
        v.as.ints = s->milestones;
        snprintf(name, sizeof name, "%s%s", prefix, milestones_of(s));
        failed = cr_state_dict_set_value(dict, name, v);
    }
    if (!failed && s->plateau)
        failed = put_text(dict, prefix, "mode", s->plateau->max ? "max" : "min") ||
                 put_text(dict, prefix, "threshold_mode", s->plateau->absolute ? "abs" : "rel") ||
                 put_floats(dict, prefix, "min_lrs", s->low, (int64_t)s->groups);
    else if (!failed && !strcmp(s->name, "CyclicLR"))
        failed = put_floats(dict, prefix, "max_lrs", s->high, (int64_t)s->groups);
    return failed ? -1 : 0;
}

static int save(const cr_scheduler *s, cr_state_dict *dict, const char *prefix)
{
    int64_t n = (int64_t)s->groups;
    int failed = put_int(dict, prefix, "last_epoch", s->t) ||
                 put_int(dict, prefix, "_step_count", s->step_count) ||
                 put_floats(dict, prefix, "base_lrs", s->base, n) ||
                 put_floats(dict, prefix, "_last_lr", s->last, n);
    if (!failed && s->t_i)
        failed = put_floats(dict, prefix, "T_cur", &s->t_cur, -1) ||
                 put_int(dict, prefix, "T_i", s->t_i);
    const cr_plateau *p = s->plateau;
    if (!failed && p)
        failed = put_floats(dict, prefix, "best", &p->best, -1) ||
                 put_int(dict, prefix, "num_bad_epochs", p->num_bad_epochs) ||
                 put_int(dict, prefix, "cooldown_counter", p->cooldown_counter);
    failed = failed || put_options(s, dict, prefix);
    for (size_t i = 0; i < s->nparts && !failed; i++) {
        char below[NAME];
        int length = snprintf(below, sizeof below, "%s_schedulers.%zu.", prefix, i);
        if (length >= NAME - 32)
            return CR_FAIL_INT("a scheduler's state dict: schedulers are nested too deeply");
        failed = save(s->parts[i], dict, below);
    }
    return failed ? -1 : 0;
}

cr_state_dict *cr_scheduler_state_dict(const cr_scheduler *s)
{
    if (!s)
        return cr_error() ? NULL : cr_fail("cr_scheduler_state_dict: scheduler is null");
    cr_state_dict *dict = cr_state_dict_new();
    return dict && !save(s, dict, "") ? dict : NULL;
}

/* ---- loading ---- */

static bool get_number(const cr_state_dict *dict, const char *prefix, const char *key, double *to)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    const cr_value *v = cr_state_dict_value(dict, name);
    if (!v || (v->tag != CR_FLOAT && v->tag != CR_INT && v->tag != CR_BOOL))
        return false;
    *to = v->tag == CR_FLOAT ? v->as.f : (double)v->as.i;
    return true;
}

/* What no count of a training reaches, and doubles still hold. */
#define MOST 9e15

static void get_int(const cr_state_dict *dict, const char *prefix, const char *key, int64_t *to)
{
    double f;
    if (get_number(dict, prefix, key, &f) && fabs(f) <= MOST)
        *to = (int64_t)f;
}

static int get_floats(const cr_state_dict *dict, const char *prefix, const char *key, double *to,
                      size_t count)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    const cr_value *v = cr_state_dict_value(dict, name);
    if (!v)
        return 0;
    if (v->tag != CR_FLOAT_LIST || v->count != (int64_t)count)
        return CR_FAIL_INT("%s is not a list of %zu numbers, one for each parameter group", name,
                           count);
    memcpy(to, v->as.floats, count * sizeof *to);
    return 0;
}

/* Which of two words an entry is; as it was where there is none. */
static int get_choice(const cr_state_dict *dict, const char *prefix, const char *key,
                      const char *second, bool *is_second)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    const cr_value *v = cr_state_dict_value(dict, name);
    if (v && v->tag != CR_STRING)
        return CR_FAIL_INT("%s is no word", name);
    if (v)
        *is_second = !strncmp(v->as.s, second, strlen(second));
    return 0;
}

static int get_milestones(cr_scheduler *s, const cr_state_dict *dict, const char *prefix)
{
    char name[NAME];
    if (!milestones_of(s))
        return 0;
    snprintf(name, sizeof name, "%s%s", prefix, milestones_of(s));
    const cr_value *v = cr_state_dict_value(dict, name);
    if (!v || v->tag != CR_INT_LIST) /* PyTorch's MultiStepLR counts them in a dictionary */
        return 0;
    if (s->sequential && v->count != (int64_t)s->nmilestones)
        return CR_FAIL_INT("%s has %lld numbers for %zu schedulers", name, (long long)v->count,
                           s->nparts);
    int64_t *were = s->milestones;
    if (!cr_scheduler_take_milestones(s, cr_make_ints(v->as.ints, (size_t)v->count))) {
        s->milestones = were;
        return -1;
    }
    free(were);
    return 0;
}

static int load_options(cr_scheduler *s, const cr_state_dict *dict, const char *prefix)
{
    for (int i = 0; i < OPTIONS; i++) {
        const option *o = &options[i];
        double number;
        if (strcmp(o->kind, s->name) || !get_number(dict, prefix, o->name, &number))
            continue;
        void *at = place_of(s, o);
        if (o->form == REAL)
            *(double *)at = number;
        else if (o->form == SWITCH)
            *(bool *)at = number != 0;
        else if (number >= (o->plateau || !strcmp(s->name, "SWALR") ? 0 : 1) && number <= MOST)
            *(int64_t *)at = (int64_t)number;
        else
            return CR_FAIL_INT("cr_scheduler_load_state_dict: %s can't be %g", o->name, number);
    }
    if (get_milestones(s, dict, prefix))
        return -1;
    if (s->plateau)
        return get_choice(dict, prefix, "mode", "max", &s->plateau->max) ||
                       get_choice(dict, prefix, "threshold_mode", "abs", &s->plateau->absolute) ||
                       get_floats(dict, prefix, "min_lrs", s->low, s->groups)
                   ? -1
                   : 0;
    return strcmp(s->name, "CyclicLR") ? 0
                                       : get_floats(dict, prefix, "max_lrs", s->high, s->groups);
}

static int load(cr_scheduler *s, const cr_state_dict *dict, const char *prefix)
{
    double t;
    if (!get_number(dict, prefix, "last_epoch", &t) || !(fabs(t) <= MOST))
        return CR_FAIL_INT("cr_scheduler_load_state_dict: there is no number %slast_epoch", prefix);
    if (get_floats(dict, prefix, "base_lrs", s->base, s->groups) ||
        get_floats(dict, prefix, "_last_lr", s->last, s->groups))
        return -1;
    if (load_options(s, dict, prefix))
        return -1;
    s->t = (int64_t)t;
    s->step_count = s->t + 1;
    get_int(dict, prefix, "_step_count", &s->step_count);
    if (s->t_i) {
        get_number(dict, prefix, "T_cur", &s->t_cur);
        get_int(dict, prefix, "T_i", &s->t_i);
        if (s->t_i < 1)
            return CR_FAIL_INT("cr_scheduler_load_state_dict: %sT_i can't be %lld", prefix,
                               (long long)s->t_i);
    }
    if (s->plateau) {
        get_number(dict, prefix, "best", &s->plateau->best);
        get_int(dict, prefix, "num_bad_epochs", &s->plateau->num_bad_epochs);
        get_int(dict, prefix, "cooldown_counter", &s->plateau->cooldown_counter);
    }
    int failed = 0;
    for (size_t i = 0; i < s->nparts && !failed; i++) {
        char below[NAME];
        int length = snprintf(below, sizeof below, "%s_schedulers.%zu.", prefix, i);
        if (length >= NAME - 32)
            return CR_FAIL_INT("a scheduler's state dict: schedulers are nested too deeply");
        failed = load(s->parts[i], dict, below);
    }
    return failed;
}

int cr_scheduler_load_state_dict(cr_scheduler *s, const cr_state_dict *dict)
{
    if (!s || !dict)
        return cr_error() ? -1
                          : CR_FAIL_INT("cr_scheduler_load_state_dict: %s is null",
                                        s ? "dict" : "scheduler");
    return load(s, dict, "");
}
