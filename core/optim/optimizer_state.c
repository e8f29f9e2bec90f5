/* An optimiser's state dict, in PyTorch's two parts: "state.<number>.<name>", where the number counts parameters through
 * all groups, and "param_groups.<number>.<option>". Which options a kind has, and their names, stand in one table. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/optim/lbfgs.h"

/* How an option is written. PAIR: two numbers side by side; COUNT: a whole number; CHOICE: a flag that PyTorch says with a
 * word or None. */
typedef enum form { NUMBER, COUNT, PAIR, FLAG, CHOICE } form;

typedef struct option {
    const char *name;
    form form;
    size_t at; /* in cr_group_numbers */
} option;

#define AT(member) offsetof(cr_group_numbers, member)
static const option options[CR_OPTION_COUNT] = {
    [CR_OPTION_LR] = {"lr", NUMBER, AT(lr)},
    [CR_OPTION_INITIAL_LR] = {"initial_lr", NUMBER, AT(initial_lr)}, /* once there is a scheduler */
    [CR_OPTION_MOMENTUM] = {"momentum", NUMBER, AT(momentum)},
    [CR_OPTION_DAMPENING] = {"dampening", NUMBER, AT(dampening)},
    [CR_OPTION_BETAS] = {"betas", PAIR, AT(beta1)},
    [CR_OPTION_ALPHA] = {"alpha", NUMBER, AT(alpha)},
    [CR_OPTION_RHO] = {"rho", NUMBER, AT(rho)},
    [CR_OPTION_EPS] = {"eps", NUMBER, AT(eps)},
    [CR_OPTION_WEIGHT_DECAY] = {"weight_decay", NUMBER, AT(weight_decay)},
    [CR_OPTION_LR_DECAY] = {"lr_decay", NUMBER, AT(lr_decay)},
    [CR_OPTION_INITIAL_ACCUMULATOR_VALUE] = {"initial_accumulator_value", NUMBER,
                                             AT(initial_accumulator_value)},
    [CR_OPTION_MOMENTUM_DECAY] = {"momentum_decay", NUMBER, AT(momentum_decay)},
    [CR_OPTION_ETAS] = {"etas", PAIR, AT(etaminus)},
    [CR_OPTION_STEP_SIZES] = {"step_sizes", PAIR, AT(step_size_min)},
    [CR_OPTION_LAMBD] = {"lambd", NUMBER, AT(lambd)},
    [CR_OPTION_T0] = {"t0", NUMBER, AT(t0)},
    [CR_OPTION_MAX_ITER] = {"max_iter", COUNT, AT(max_iter)},
    [CR_OPTION_MAX_EVAL] = {"max_eval", COUNT, AT(max_eval)},
    [CR_OPTION_TOLERANCE_GRAD] = {"tolerance_grad", NUMBER, AT(tolerance_grad)},
    [CR_OPTION_TOLERANCE_CHANGE] = {"tolerance_change", NUMBER, AT(tolerance_change)},
    [CR_OPTION_HISTORY_SIZE] = {"history_size", COUNT, AT(history_size)},
    [CR_OPTION_LINE_SEARCH_FN] = {"line_search_fn", CHOICE, AT(strong_wolfe)},
    [CR_OPTION_NESTEROV] = {"nesterov", FLAG, AT(nesterov)},
    [CR_OPTION_AMSGRAD] = {"amsgrad", FLAG, AT(amsgrad)},
    [CR_OPTION_CENTERED] = {"centered", FLAG, AT(centered)},
    [CR_OPTION_MAXIMIZE] = {"maximize", FLAG, AT(maximize)},
};
_Static_assert(AT(beta2) == AT(beta1) + sizeof(double) &&
                   AT(etaplus) == AT(etaminus) + sizeof(double) &&
                   AT(step_size_max) == AT(step_size_min) + sizeof(double),
               "pairs lie side by side");

enum { NAME = 96 };

static bool has(const cr_optimizer *o, int i)
{
    return o->kind->options >> i & 1;
}

static const char *named(char *name, const char *format, ...) CR_PRINTF_(2, 3);
static const char *named(char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(name, NAME, format, args);
    va_end(args);
    return name;
}

/* ---- taking ---- */

static cr_value option_value(const cr_param_group *group, const option *x)
{
    const void *at = (const char *)&group->numbers + x->at;
    cr_value v = {.tag = CR_NONE};
    switch (x->form) {
    case NUMBER:
        v.as.f = *(const double *)at;
        v.tag = v.as.f == v.as.f ? CR_FLOAT : CR_NONE; /* NaN: never set */
        break;
    case COUNT:
        v.as.i = (int64_t) * (const double *)at;
        v.tag = CR_INT;
        break;
    case PAIR:
        v.as.floats = at;
        v.count = 2;
        v.tag = CR_FLOAT_LIST;
        break;
    case FLAG:
        v.as.i = *(const bool *)at;
        v.tag = CR_BOOL;
        break;
    case CHOICE:
        if (*(const bool *)at) {
            v.as.s = "strong_wolfe";
            v.count = (int64_t)strlen(v.as.s);
            v.tag = CR_STRING;
        }
        break;
    }
    return v;
}

static int take_group(const cr_optimizer *o, size_t g, size_t first, cr_state_dict *dict)
{
    const cr_param_group *group = &o->groups[g];
    char name[NAME];
    int failed = 0;
    for (int i = 0; i < CR_OPTION_COUNT && !failed; i++) {
        cr_value v = option_value(group, &options[i]);
        if (has(o, i) && (v.tag != CR_NONE || options[i].form == CHOICE))
            failed = cr_state_dict_set_value(
                dict, named(name, "param_groups.%zu.%s", g, options[i].name), v);
    }
    int64_t *numbers = malloc(group->count * sizeof *numbers);
    if (!numbers || failed) {
        free(numbers);
        return failed ? failed
                      : (cr_fail_memory("a state dict", group->count * sizeof *numbers), -1);
    }
    for (size_t i = 0; i < group->count; i++)
        numbers[i] = (int64_t)(first + i);
    cr_value v = {.tag = CR_INT_LIST, .count = (int64_t)group->count};
    v.as.ints = numbers;
    failed = cr_state_dict_set_value(dict, named(name, "param_groups.%zu.params", g), v);
    free(numbers);
    return failed;
}

static int take_state(const cr_optimizer *o, const cr_param_state *state, size_t number,
                      cr_state_dict *dict)
{
    char name[NAME];
    int failed = 0;
    const cr_optimizer_kind *kind = o->kind;
    if (!state->step && !kind->begins_at_once)
        return 0;
    cr_value v = {.tag = CR_FLOAT};
    v.as.f = (double)state->step;
    if (kind->counts_steps)
        failed = cr_state_dict_set_value(dict, named(name, "state.%zu.step", number), v);
    for (int t = 0; t < CR_TALLIES && kind->tallies[t] && !failed; t++) {
        v.as.f = state->tally[t];
        failed =
            cr_state_dict_set_value(dict, named(name, "state.%zu.%s", number, kind->tallies[t]), v);
    }
    for (int s = 0; s < CR_STATES && !failed; s++)
        if (state->tensor[s])
            failed = cr_state_dict_set(dict, named(name, "state.%zu.%s", number, kind->states[s]),
                                       state->tensor[s]);
    return failed;
}

cr_state_dict *cr_optimizer_state_dict(const cr_optimizer *optimizer)
{
    if (!optimizer)
        return cr_error() ? NULL : cr_fail("cr_optimizer_state_dict: optimizer is null");
    cr_state_dict *dict = cr_state_dict_new();
    int failed = dict ? 0 : -1;
    size_t number = 0;
    for (size_t g = 0; g < optimizer->count; g++)
        for (size_t i = 0; i < optimizer->groups[g].count && !failed; i++)
            failed = take_state(optimizer, &optimizer->groups[g].states[i], number++, dict);
    if (optimizer->lbfgs && !failed)
        failed = cr_lbfgs_save(optimizer->lbfgs, dict);
    number = 0;
    for (size_t g = 0; g < optimizer->count && !failed; number += optimizer->groups[g++].count)
        failed = take_group(optimizer, g, number, dict);
    return failed ? NULL : dict;
}

/* ---- loading ---- */

/* Whether the saved groups are as many, and as large, as ours. */
static bool groups_fit(const cr_optimizer *o, const cr_state_dict *dict)
{
    char name[NAME];
    size_t saved = 0;
    while (cr_state_dict_value(dict, named(name, "param_groups.%zu.params", saved)))
        saved++;
    if (saved != o->count)
        return cr_fail("loaded state dict has a different number of parameter groups"), false;
    for (size_t g = 0; g < saved; g++) {
        const cr_value *v = cr_state_dict_value(dict, named(name, "param_groups.%zu.params", g));
        if (v->tag != CR_INT_LIST || v->count != (int64_t)o->groups[g].count)
            return cr_fail("loaded state dict contains a parameter group that doesn't match the "
                           "size of optimizer's group"),
                   false;
    }
    return true;
}

static bool is_number(const cr_value *v)
{
    return v->tag == CR_FLOAT || v->tag == CR_INT || v->tag == CR_BOOL;
}

static double number_of(const cr_value *v)
{
    return v->tag == CR_TENSOR  ? cr_item(v->as.tensor)
           : v->tag == CR_FLOAT ? v->as.f
                                : (double)v->as.i;
}

static int load_option(cr_param_group *group, const option *x, const cr_value *v, const char *name)
{
    void *at = (char *)&group->numbers + x->at;
    if (x->form == PAIR && v->tag == CR_FLOAT_LIST && v->count == 2)
        memcpy(at, v->as.floats, 2 * sizeof(double));
    else if ((x->form == NUMBER || x->form == COUNT) && is_number(v))
        *(double *)at = number_of(v);
    else if (x->form == FLAG && is_number(v))
        *(bool *)at = number_of(v) != 0;
    else if (x->form == CHOICE && (v->tag == CR_STRING || v->tag == CR_NONE))
        *(bool *)at = v->tag == CR_STRING;
    else
        return CR_FAIL_INT("loaded state dict has another kind of value in %s", name);
    return 0;
}

static int load_tensor(const cr_optimizer *o, cr_param_group *group, size_t i, int s,
                       cr_tensor *saved, const char *name)
{
    cr_tensor *param = group->params[i];
    int dim = cr_tensor_dim(param);
    if (cr_tensor_dim(saved) != dim ||
        memcmp(cr_tensor_sizes(saved), cr_tensor_sizes(param), (size_t)dim * sizeof(int64_t)))
        return CR_FAIL_INT("loaded state dict has %s in other sizes than the parameter has", name);
    int failed = -1;
    CR_SCOPE
        failed =
            cr_state_make(o, group, i, s) && cr_copy_(group->states[i].tensor[s],
                                                      cr_tensor_to(saved, cr_tensor_device(param)))
                ? 0
                : -1;
    return failed;
}

static int load_state(const cr_optimizer *o, cr_param_group *group, size_t i, size_t number,
                      const cr_state_dict *dict)
{
    char name[NAME];
    if (o->lbfgs)
        return 0; /* has none of each parameter */
    cr_param_state *state = &group->states[i];
    const cr_optimizer_kind *kind = o->kind;
    const cr_value *v = cr_state_dict_value(dict, named(name, "state.%zu.step", number));
    state->step = v ? (int64_t)number_of(v) : 0;
    for (int t = 0; t < CR_TALLIES && kind->tallies[t]; t++) {
        v = cr_state_dict_value(dict, named(name, "state.%zu.%s", number, kind->tallies[t]));
        state->tally[t] = v ? number_of(v) : state->tally[t];
    }
    int failed = 0;
    for (int s = 0; s < CR_STATES && kind->states[s] && !failed; s++) {
        cr_tensor *saved =
            cr_state_dict_get(dict, named(name, "state.%zu.%s", number, kind->states[s]));
        if (saved)
            failed = load_tensor(o, group, i, s, saved, name);
        if (saved && !kind->counts_steps)
            state->step = 1; /* SGD saves no count: a buffer tells of a step */
    }
    return failed;
}

int cr_optimizer_load_state_dict(cr_optimizer *optimizer, const cr_state_dict *dict)
{
    if (!optimizer || !dict)
        return cr_error() ? -1
                          : CR_FAIL_INT("cr_optimizer_load_state_dict: %s is null",
                                        optimizer ? "dict" : "optimizer");
    if (!groups_fit(optimizer, dict))
        return -1;
    char name[NAME];
    size_t number = 0;
    int failed = 0;
    bool was = cr_set_grad_enabled(false);
    for (size_t g = 0; g < optimizer->count; g++) {
        cr_param_group *group = &optimizer->groups[g];
        for (int i = 0; i < CR_OPTION_COUNT && !failed; i++) {
            const cr_value *v =
                cr_state_dict_value(dict, named(name, "param_groups.%zu.%s", g, options[i].name));
            if (v && has(optimizer, i))
                failed = load_option(group, &options[i], v, name);
        }
        for (size_t i = 0; i < group->count && !failed; i++)
            failed = load_state(optimizer, group, i, number++, dict);
    }
    if (optimizer->lbfgs && !failed)
        failed = cr_lbfgs_load(optimizer->lbfgs, dict, &optimizer->groups[0]);
    cr_set_grad_enabled(was);
    return failed;
}
