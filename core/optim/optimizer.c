/* Optimisers: making them, their groups, and the step, which is one operation for a whole group. What the kinds differ in
 * stands in kinds.c. */
#include "core/optim/optimizer.h"

#include "core/dispatch/trace.h"
#include "core/optim/lbfgs.h"
#include "core/tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- lifetimes ---- */

static void group_free(cr_param_group *g)
{
    for (size_t i = 0; i < g->count; i++) {
        cr_release(g->params[i]);
        for (int s = 0; g->states && s < CR_STATES; s++)
            cr_release(g->states[i].tensor[s]);
    }
    free(g->params);
    free(g->states);
    free(g->lists);
}

cr_optimizer *cr_optimizer_retain(cr_optimizer *optimizer)
{
    if (optimizer)
        atomic_fetch_add(&optimizer->refs, 1);
    return optimizer;
}

void cr_optimizer_release(cr_optimizer *optimizer)
{
    if (!optimizer || atomic_fetch_sub(&optimizer->refs, 1) != 1)
        return;
    for (size_t i = 0; i < optimizer->count; i++)
        group_free(&optimizer->groups[i]);
    free(optimizer->groups);
    cr_lbfgs_free(optimizer->lbfgs);
    free(optimizer);
}

static void release(void *optimizer)
{
    cr_optimizer_release(optimizer);
}

/* ---- numbers ---- */

double *cr_group_number(cr_group_numbers *numbers, const char *name)
{
#define X(member)               \
    if (!strcmp(name, #member)) \
        return &numbers->member;
    CR_GROUP_NUMBERS(X)
#undef X
    return NULL;
}

double cr_given(double value, double fallback)
{
    return value == 0 && !signbit(value) ? fallback : value == 0 ? 0 : value;
}

/* ---- groups ---- */

static bool is_known(const cr_optimizer *o, const cr_tensor *t)
{
    for (size_t g = 0; g < o->count; g++)
        for (size_t i = 0; i < o->groups[g].count; i++)
            if (o->groups[g].params[i] == t)
                return true;
    return false;
}

static bool take(cr_optimizer *o, cr_param_group *g, cr_tensor *t, size_t *capacity)
{
    if (!t)
        return cr_error() ? false : (cr_fail("an optimizer was given a null parameter"), false);
    if (!cr_is_leaf(t))
        return cr_fail("can't optimize a non-leaf Tensor"), false;
    for (size_t i = 0; i < g->count; i++)
        if (g->params[i] == t)
            return cr_fail("optimizer contains a parameter group with duplicate parameters"), false;
    if (is_known(o, t))
        return cr_fail("some parameters appear in more than one parameter group"), false;
    if (g->count == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 16;
        cr_tensor **params = realloc(g->params, more * sizeof *params);
        if (!params)
            return cr_fail_memory("an optimizer", more * sizeof *params), false;
        g->params = params;
        *capacity = more;
    }
    g->params[g->count++] = cr_retain(t);
    return true;
}

static int add_group(cr_optimizer *o, cr_params params, const cr_group_numbers *numbers)
{
    cr_param_group g = {.numbers = *numbers};
    size_t capacity = 0;
    bool well = o->kind->check(numbers);
    g.numbers.initial_lr = NAN;
    if (well && params.module) {
        CR_FOREACH_PARAMETER (p, params.module)
            well = well && take(o, &g, p.tensor, &capacity);
    }
    for (int64_t i = 0; well && i < params.list.count; i++)
        well = take(o, &g, params.list.data[i], &capacity);
    if (well && !g.count) {
        if (!cr_error())
            cr_fail("optimizer got an empty parameter list");
        well = false;
    }
    cr_param_group *groups = well ? realloc(o->groups, (o->count + 1) * sizeof *groups) : NULL;
    if (groups) {
        o->groups = groups;
        g.states = calloc(g.count, sizeof *g.states);
        g.lists = malloc(g.count * (2 + CR_STATES) * sizeof(cr_tensor *));
    }
    if (well && (!groups || !g.states || !g.lists)) {
        cr_fail_memory("an optimizer", g.count * sizeof *g.states);
        well = false;
    }
    if (!well) {
        group_free(&g);
        return -1;
    }
    for (size_t i = 0; i < g.count; i++)
        if (o->kind->begin)
            o->kind->begin(&g.numbers, g.states[i].tally);
    for (size_t i = 0; i < g.count && o->kind->begins_at_once; i++)
        for (int s = 0; s < CR_STATES && o->kind->states[s]; s++)
            if (!cr_state_make(o, &g, i, s)) {
                group_free(&g);
                return -1;
            }
    o->groups[o->count++] = g;
    return 0;
}

cr_optimizer *cr_optimizer_make(const cr_optimizer_kind *kind, cr_params params,
                                const cr_group_numbers *numbers)
{
    if (!params.module && !params.list.count)
        return cr_error() ? NULL : cr_fail("optimizer got an empty parameter list");
    cr_optimizer *o = calloc(1, sizeof *o);
    if (!o)
        return cr_fail_memory("an optimizer", sizeof *o);
    atomic_init(&o->refs, 1);
    o->kind = kind;
    o->defaults = *numbers;
    if (add_group(o, params, numbers)) {
        cr_optimizer_release(o);
        return NULL;
    }
    return cr_scope_add(o, release);
}

int cr_add_param_group_with(cr_optimizer *optimizer, cr_params params,
                            const cr_param_group_options *options)
{
    if (!optimizer)
        return cr_error() ? -1 : CR_FAIL_INT("cr_add_param_group: optimizer is null");
    if (optimizer->lbfgs)
        return CR_FAIL_INT("LBFGS doesn't support per-parameter options (parameter groups)");
    cr_group_numbers n = optimizer->defaults;
    if (options) {
#define TAKE(name) n.name = cr_given(options->name, n.name)
        TAKE(lr);
        TAKE(momentum);
        TAKE(dampening);
        TAKE(weight_decay);
        TAKE(eps);
        TAKE(alpha);
        TAKE(rho);
        TAKE(lr_decay);
        TAKE(initial_accumulator_value);
        TAKE(momentum_decay);
        TAKE(lambd);
        TAKE(t0);
#undef TAKE
        n.beta1 = cr_given(options->betas[0], n.beta1);
        n.beta2 = cr_given(options->betas[1], n.beta2);
        n.etaminus = cr_given(options->etas[0], n.etaminus);
        n.etaplus = cr_given(options->etas[1], n.etaplus);
        n.step_size_min = cr_given(options->step_sizes[0], n.step_size_min);
        n.step_size_max = cr_given(options->step_sizes[1], n.step_size_max);
        n.nesterov |= options->nesterov;
        n.amsgrad |= options->amsgrad;
        n.centered |= options->centered;
        n.maximize |= options->maximize;
    }
    return add_group(optimizer, params, &n);
}

/* ---- looking at groups ---- */

size_t cr_param_group_count(const cr_optimizer *optimizer)
{
    return optimizer ? optimizer->count : 0;
}

cr_tensor *cr_param_group_tensor(const cr_optimizer *optimizer, size_t group, size_t i)
{
    return group < cr_param_group_count(optimizer) && i < optimizer->groups[group].count
               ? optimizer->groups[group].params[i]
               : NULL;
}

static double *number_at(const cr_optimizer *optimizer, size_t group, const char *name)
{
    if (group >= cr_param_group_count(optimizer))
        return cr_error() ? NULL : cr_fail("there is no parameter group %zu", group);
    double *n = name ? cr_group_number(&optimizer->groups[group].numbers, name) : NULL;
    return n ? n : cr_fail("a parameter group has no number \"%s\"", name ? name : "(null)");
}

double cr_param_group_get(const cr_optimizer *optimizer, size_t group, const char *name)
{
    const double *n = number_at(optimizer, group, name);
    return n ? *n : NAN;
}

int cr_param_group_set(cr_optimizer *optimizer, size_t group, const char *name, double value)
{
    double *n = number_at(optimizer, group, name);
    if (!n)
        return -1;
    *n = value;
    return 0;
}

double cr_get_lr(const cr_optimizer *optimizer)
{
    return cr_param_group_get(optimizer, 0, "lr");
}

int cr_set_lr(cr_optimizer *optimizer, double lr)
{
    if (!(lr >= 0))
        return CR_FAIL_INT("Invalid learning rate: %g", lr);
    for (size_t g = 0; g < cr_param_group_count(optimizer); g++)
        optimizer->groups[g].numbers.lr = lr;
    return optimizer || cr_error() ? 0 : CR_FAIL_INT("cr_set_lr: optimizer is null");
}

/* ---- the step ---- */

bool cr_state_make(const cr_optimizer *optimizer, cr_param_group *group, size_t i, int which)
{
    cr_tensor **state = &group->states[i].tensor[which], *param = group->params[i];
    const cr_optimizer_kind *kind = optimizer->kind;
    if (!*state)
        CR_SCOPE
            *state =
                cr_retain(kind->first ? cr_full_like(param, kind->first(&group->numbers, which))
                                      : cr_zeros_like(param));
    return *state != NULL;
}

static bool alike(const cr_optimizer_kind *kind, const cr_param_state *a, const cr_param_state *b)
{
    return (a->step == b->step || !kind->counts_steps) && a->tally[0] == b->tally[0] &&
           a->tally[1] == b->tally[1] && !a->tensor[0] == !b->tensor[0];
}

/* The state that isn't of the parameter's dtype, since a module was moved to another one; -1: none. */
static int moved(const cr_param_group *g, size_t i)
{
    for (int s = 0; s < CR_STATES; s++)
        if (g->states[i].tensor[s] &&
            cr_tensor_dtype(g->states[i].tensor[s]) != cr_tensor_dtype(g->params[i]))
            return s;
    return -1;
}

/* The step of one such parameter: in the dtype that holds both, and each back in its own. */
static int step_mixed(const cr_optimizer_kind *kind, const cr_param_group *g,
                      const cr_tensors *lists, int state, cr_param_state *as, bool is_first)
{
    cr_tensor *param = lists[0].data[0], *odd = as->tensor[state];
    cr_dtype wide = cr_promote_types(cr_tensor_dtype(param), cr_tensor_dtype(odd));
    if (!kind->mixes_dtypes)
        return CR_FAIL_INT(
            "%s: a parameter of %s has %s of %s since its module was moved: make the "
            "optimizer after that, or load its state dict again, which brings the "
            "state to the parameter's dtype",
            kind->name, cr_describe(param), kind->states[state],
            cr_dtype_name(cr_tensor_dtype(odd)));
    cr_tensor *each[2 + CR_STATES] = {NULL};
    cr_tensors with[2 + CR_STATES];
    int failed = -1;
    CR_SCOPE {
        for (int k = 0; k < 2 + CR_STATES; k++) {
            each[k] = lists[k].count ? cr_to_dtype(lists[k].data[0], wide) : NULL;
            with[k] = cr_make_tensors(&each[k], lists[k].count);
        }
        failed = kind->step(&g->numbers, with, as, is_first);
        for (int k = 0; k < 2 + CR_STATES && !failed; k++)
            if (k != 1 && each[k] && each[k] != lists[k].data[0])
                failed = cr_copy_(lists[k].data[0], each[k]) ? 0 : -1;
    }
    return failed;
}

/* Steps the leader, and together with it all those that share its history, and so all numbers of the step. */
static int step_with(cr_optimizer *o, cr_param_group *g, size_t leader)
{
    const cr_optimizer_kind *kind = o->kind;
    size_t n = 0, total = g->count;
    unsigned used = kind->uses ? kind->uses(&g->numbers) : ~0u;
    cr_param_state as = g->states[leader];
    int odd = moved(g, leader);
    for (size_t i = leader; i < total; i++) {
        cr_param_state *state = &g->states[i];
        cr_tensor *grad = cr_grad(g->params[i]);
        if (!grad || state->batch || !alike(kind, state, &as) ||
            (i != leader && (odd >= 0 || moved(g, i) >= 0)))
            continue;
        state->batch = leader + 1;
        g->lists[n] = g->params[i];
        g->lists[total + n] = grad;
        for (int s = 0; s < CR_STATES && kind->states[s]; s++)
            if (used >> s & 1) {
                if (!cr_state_make(o, g, i, s))
                    return -1;
                g->lists[(size_t)(2 + s) * total + n] = state->tensor[s];
            }
        n++;
    }
    cr_tensors lists[2 + CR_STATES];
    for (int k = 0; k < 2 + CR_STATES; k++) {
        bool there = k < 2 || (kind->states[k - 2] && used >> (k - 2) & 1);
        lists[k] = cr_make_tensors(g->lists + (size_t)k * total, there ? n : 0);
    }
    bool is_first = as.tensor[0] == NULL;
    as.step++;
    if (odd >= 0 ? step_mixed(kind, g, lists, odd, &as, is_first)
                 : kind->step(&g->numbers, lists, &as, is_first))
        return -1;
    for (size_t i = leader; i < total; i++)
        if (g->states[i].batch == leader + 1) {
            memcpy(g->states[i].tally, as.tally, sizeof as.tally);
            g->states[i].step = as.step;
        }
    return 0;
}

static int step_now(void *of)
{
    cr_optimizer *optimizer = of;
    bool was = cr_set_grad_enabled(false);
    int failed = 0;
    for (size_t i = 0; i < optimizer->count && !failed; i++) {
        cr_param_group *g = &optimizer->groups[i];
        for (size_t p = 0; p < g->count; p++)
            g->states[p].batch = 0;
        for (size_t p = 0; p < g->count && !failed; p++)
            if (!g->states[p].batch && cr_grad(g->params[p]))
                failed = step_with(optimizer, g, p);
    }
    cr_set_grad_enabled(was);
    return failed ? -1 : 0;
}

static void retain_again(void *optimizer)
{
    cr_optimizer_retain(optimizer);
}

int cr_optimizer_step(cr_optimizer *optimizer)
{
    if (!optimizer)
        return cr_error() ? -1 : CR_FAIL_INT("cr_step: optimizer is null");
    if (!optimizer->kind->step)
        return CR_FAIL_INT("%s needs a closure that computes the loss anew: cr_step_closure",
                           optimizer->kind->name);
    if (CR_UNLIKELY(cr_this_thread.trace != NULL)) {
        /* Its numbers change from step to step: a captured graph calls it anew. */
        static const cr_trace_call step = {step_now, retain_again, release};
        return cr_the_tracer.call(&step, optimizer);
    }
    return step_now(optimizer);
}

cr_tensor *cr_step_closure(cr_optimizer *optimizer, cr_closure *closure, void *context)
{
    if (!optimizer || !closure)
        return cr_error()
                   ? NULL
                   : cr_fail("cr_step_closure: %s is null", optimizer ? "closure" : "optimizer");
    if (optimizer->lbfgs)
        return cr_lbfgs_step(optimizer, closure, context);
    bool was = cr_set_grad_enabled(true);
    cr_tensor *loss = closure(context);
    cr_set_grad_enabled(was);
    if (!loss)
        return cr_error() ? NULL : cr_fail("cr_step_closure: the closure gave no loss");
    return cr_optimizer_step(optimizer) ? NULL : loss;
}
