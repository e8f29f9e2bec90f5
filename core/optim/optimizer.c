/* Optimisers: making them, their groups, and the step, which is one operation for a whole group. */
#include "core/optim/optimizer.h"

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

/* A negative zero is a zero that was meant; a zero is the default. */
static double given(double value, double fallback)
{
    return value == 0 && !signbit(value) ? fallback : value == 0 ? 0 : value;
}

static bool check(cr_optimizer_kind kind, const cr_group_numbers *n)
{
    if (!(n->lr >= 0))
        return cr_fail("Invalid learning rate: %g", n->lr), false;
    if (!(n->weight_decay >= 0))
        return cr_fail("Invalid weight_decay value: %g", n->weight_decay), false;
    if (kind == CR_SGD) {
        if (!(n->momentum >= 0))
            return cr_fail("Invalid momentum value: %g", n->momentum), false;
        if (n->nesterov && (n->momentum <= 0 || n->dampening != 0))
            return cr_fail("Nesterov momentum requires a momentum and zero dampening"), false;
        return true;
    }
    if (!(n->eps >= 0))
        return cr_fail("Invalid epsilon value: %g", n->eps), false;
    if (!(n->beta1 >= 0 && n->beta1 < 1))
        return cr_fail("Invalid beta parameter at index 0: %g", n->beta1), false;
    if (!(n->beta2 >= 0 && n->beta2 < 1))
        return cr_fail("Invalid beta parameter at index 1: %g", n->beta2), false;
    return true;
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
    bool well = check(o->kind, numbers);
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
    o->groups[o->count++] = g;
    return 0;
}

static cr_optimizer *make(cr_optimizer_kind kind, cr_params params, const cr_group_numbers *numbers)
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

cr_optimizer *cr_sgd_with(cr_params params, const cr_sgd_options *options)
{
    static const cr_sgd_options none = {.end_ = 0};
    const cr_sgd_options *o = options ? options : &none;
    if (o->lr == 0 && !signbit(o->lr))
        return cr_fail("cr_sgd: .lr is required (CR_ZERO for a rate of zero)");
    const cr_group_numbers numbers = {.lr = given(o->lr, 0),
                                      .momentum = given(o->momentum, 0),
                                      .dampening = given(o->dampening, 0),
                                      .weight_decay = given(o->weight_decay, 0),
                                      .nesterov = o->nesterov,
                                      .maximize = o->maximize};
    return make(CR_SGD, params, &numbers);
}

static cr_optimizer *adam(cr_optimizer_kind kind, cr_params params, const cr_adam_options *options)
{
    static const cr_adam_options none = {.end_ = 0};
    const cr_adam_options *o = options ? options : &none;
    bool betas =
        o->betas[0] != 0 || o->betas[1] != 0 || signbit(o->betas[0]) || signbit(o->betas[1]);
    const cr_group_numbers numbers = {.lr = given(o->lr, 1e-3),
                                      .beta1 = betas ? o->betas[0] : 0.9,
                                      .beta2 = betas ? o->betas[1] : 0.999,
                                      .eps = given(o->eps, 1e-8),
                                      .weight_decay =
                                          given(o->weight_decay, kind == CR_ADAMW ? 0.01 : 0),
                                      .amsgrad = o->amsgrad,
                                      .maximize = o->maximize};
    return make(kind, params, &numbers);
}

cr_optimizer *cr_adam_with(cr_params params, const cr_adam_options *options)
{
    return adam(CR_ADAM, params, options);
}

cr_optimizer *cr_adamw_with(cr_params params, const cr_adam_options *options)
{
    return adam(CR_ADAMW, params, options);
}

int cr_add_param_group_with(cr_optimizer *optimizer, cr_params params,
                            const cr_param_group_options *options)
{
    if (!optimizer)
        return cr_error() ? -1 : CR_FAIL_INT("cr_add_param_group: optimizer is null");
    cr_group_numbers n = optimizer->defaults;
    if (options) {
        n.lr = given(options->lr, n.lr);
        n.momentum = given(options->momentum, n.momentum);
        n.dampening = given(options->dampening, n.dampening);
        n.weight_decay = given(options->weight_decay, n.weight_decay);
        n.eps = given(options->eps, n.eps);
        n.beta1 = given(options->betas[0], n.beta1);
        n.beta2 = given(options->betas[1], n.beta2);
        n.nesterov |= options->nesterov;
        n.amsgrad |= options->amsgrad;
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

const char *cr_state_name(const cr_optimizer *optimizer, int state)
{
    static const char *const sgd[CR_STATES] = {"momentum_buffer", NULL, NULL};
    static const char *const adams[CR_STATES] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
    return state < CR_STATES ? (optimizer->kind == CR_SGD ? sgd : adams)[state] : NULL;
}

bool cr_state_make(cr_param_state *state, int which, cr_tensor *param)
{
    if (!state->tensor[which])
        CR_SCOPE
            state->tensor[which] = cr_retain(cr_zeros_like(param));
    return state->tensor[which] != NULL;
}

/* How many state tensors a group's step uses. */
static int states_used(const cr_optimizer *o, const cr_param_group *g)
{
    return o->kind == CR_SGD ? g->numbers.momentum != 0 : 2 + g->numbers.amsgrad;
}

/* Steps the parameters that were stepped `age` times before, together, since they share all numbers. */
static int step_those_of_age(cr_optimizer *o, cr_param_group *g, int64_t age)
{
    size_t n = 0, total = g->count;
    int used = states_used(o, g);
    for (size_t i = 0; i < g->count; i++) {
        cr_tensor *grad = cr_grad(g->params[i]);
        cr_param_state *state = &g->states[i];
        if (!grad || state->step != age)
            continue;
        for (int s = 0; s < used; s++) {
            if (!cr_state_make(state, s, g->params[i]))
                return -1;
            g->lists[(size_t)(2 + s) * total + n] = state->tensor[s];
        }
        g->lists[n] = g->params[i];
        g->lists[total + n] = grad;
        state->step =
            o->kind == CR_SGD ? 1 : state->step + 1; /* SGD's steps differ only at first */
        n++;
    }
    if (!n)
        return 0;
#define LIST(k) cr_make_tensors(g->lists + (size_t)(k)*total, (k) < 2 + used ? n : 0)
    const cr_group_numbers *v = &g->numbers;
    int failed;
    if (o->kind == CR_SGD)
        failed = cr_fused_sgd_(LIST(0), LIST(1), LIST(2), v->weight_decay, v->momentum, v->lr,
                               v->dampening, v->nesterov, v->maximize, age == 0);
    else
        failed = (o->kind == CR_ADAM ? cr_fused_adam_ : cr_fused_adamw_)(
            LIST(0), LIST(1), LIST(2), LIST(3), LIST(4), v->lr, v->beta1, v->beta2, v->weight_decay,
            v->eps, (double)(age + 1), v->amsgrad, v->maximize);
    return failed ? -1 : 0;
}

int cr_optimizer_step(cr_optimizer *optimizer)
{
    if (!optimizer)
        return cr_error() ? -1 : CR_FAIL_INT("cr_step: optimizer is null");
    bool was = cr_set_grad_enabled(false);
    int failed = 0;
    for (size_t i = 0; i < optimizer->count && !failed; i++) {
        cr_param_group *g = &optimizer->groups[i];
        /* Ages differ only where some parameters had no gradient before. Oldest first: nobody steps twice. */
        int64_t age = 0;
        for (size_t p = 0; p < g->count; p++)
            if (g->states[p].step > age)
                age = g->states[p].step;
        for (int64_t next; !failed && age >= 0; age = next) {
            failed = step_those_of_age(optimizer, g, age);
            next = -1;
            for (size_t p = 0; p < g->count; p++)
                if (g->states[p].step < age && g->states[p].step > next)
                    next = g->states[p].step;
        }
    }
    cr_set_grad_enabled(was);
    return failed ? -1 : 0;
}
