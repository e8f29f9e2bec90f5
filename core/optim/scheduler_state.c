/* A scheduler's state dict: where it stands, by PyTorch's names; a scheduler of others has theirs below "_schedulers.N". */
#include <stdio.h>

#include "core/optim/scheduler.h"

enum { NAME = 160 };

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
    if (!v || (v->tag != CR_FLOAT && v->tag != CR_INT))
        return false;
    *to = v->tag == CR_FLOAT ? v->as.f : (double)v->as.i;
    return true;
}

static void get_int(const cr_state_dict *dict, const char *prefix, const char *key, int64_t *to)
{
    double f;
    if (get_number(dict, prefix, key, &f))
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

static int load(cr_scheduler *s, const cr_state_dict *dict, const char *prefix)
{
    double t;
    if (!get_number(dict, prefix, "last_epoch", &t))
        return CR_FAIL_INT("cr_scheduler_load_state_dict: there is no number %slast_epoch", prefix);
    if (get_floats(dict, prefix, "base_lrs", s->base, s->groups) ||
        get_floats(dict, prefix, "_last_lr", s->last, s->groups))
        return -1;
    s->t = (int64_t)t;
    s->step_count = s->t + 1;
    get_int(dict, prefix, "_step_count", &s->step_count);
    if (s->t_i) {
        get_number(dict, prefix, "T_cur", &s->t_cur);
        get_int(dict, prefix, "T_i", &s->t_i);
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
