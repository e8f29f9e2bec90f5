/* ReduceLROnPlateau: rates that fall when a metric has stopped improving. */
#include "core/optim/scheduler.h"

#include <stdlib.h>

static bool is_better(const cr_plateau *p, double a)
{
    double best = p->best;
    if (p->max)
        return a > (p->absolute ? best + p->threshold : best * (1 + p->threshold));
    return a < (p->absolute ? best - p->threshold : best * (1 - p->threshold));
}

int cr_plateau_step(cr_scheduler *s, double metric)
{
    cr_plateau *p = s->plateau;
    s->t++;
    if (is_better(p, metric)) {
        p->best = metric;
        p->num_bad_epochs = 0;
    } else {
        p->num_bad_epochs++;
    }
    if (p->cooldown_counter > 0) {
        p->cooldown_counter--;
        p->num_bad_epochs = 0; /* a cooling epoch is not bad */
    }
    if (p->num_bad_epochs > p->patience) {
        for (size_t g = 0; g < s->groups; g++) {
            double *lr = &s->optimizer->groups[g].numbers.lr,
                   next = fmax(*lr * p->factor, s->low[g]);
            if (*lr - next > p->eps)
                *lr = next;
        }
        p->cooldown_counter = p->cooldown;
        p->num_bad_epochs = 0;
    }
    cr_scheduler_note(s);
    return 0;
}

/* Whether a word is the second of two; false and an error if it is neither. */
static bool choose(const char *word, const char *first, const char *second, const char *what,
                   bool *is_second)
{
    *is_second = word && !strcmp(word, second);
    if (!word || *is_second || !strcmp(word, first))
        return true;
    cr_fail("%s %s is unknown!", what, word);
    return false;
}

cr_scheduler *cr_reduce_lr_on_plateau_with(cr_optimizer *optimizer,
                                           const cr_reduce_lr_on_plateau_options *options)
{
    static const cr_reduce_lr_on_plateau_options none = {.end_ = 0};
    const cr_reduce_lr_on_plateau_options *o = options ? options : &none;
    double factor = cr_given(o->factor, 0.1);
    if (!(factor < 1))
        return cr_fail("Factor should be < 1.0.");
    cr_scheduler *s = cr_scheduler_make(optimizer, "ReduceLROnPlateau");
    cr_plateau *p = s ? s->plateau = calloc(1, sizeof *p) : NULL;
    if (s && !p)
        cr_fail_memory("a scheduler", sizeof *p);
    if (!p || !choose(o->mode, "min", "max", "mode", &p->max) ||
        !choose(o->threshold_mode, "rel", "abs", "threshold mode", &p->absolute) ||
        !cr_scheduler_fill(s, &s->low, o->min_lr, o->min_lrs))
        return cr_scheduler_refuse(s);
    p->factor = factor;
    p->patience = o->patience < 0 ? 0 : o->patience ? o->patience : 10;
    p->threshold = cr_given(o->threshold, 1e-4);
    p->cooldown = o->cooldown;
    p->eps = cr_given(o->eps, 1e-8);
    p->best = p->max ? -INFINITY : INFINITY;
    return cr_scheduler_begin(s, NULL);
}
