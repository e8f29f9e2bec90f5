/* An optimiser's state dict, in PyTorch's two parts: "state.<number>.<name>", where the number counts parameters through
 * all groups, and "param_groups.<number>.<option>". Which options a kind has, and their names, stand in one table. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/optim/optimizer.h"

typedef struct option {
    const char *name;
    int32_t tag;     /* CR_FLOAT, CR_BOOL; CR_FLOAT_LIST: two numbers, one behind the other */
    size_t at;       /* in cr_group_numbers */
    bool sgd, adams; /* who has it */
} option;

#define AT(member) offsetof(cr_group_numbers, member)
static const option options[] = {
    {"lr", CR_FLOAT, AT(lr), true, true},
    {"initial_lr", CR_FLOAT, AT(initial_lr), true, true}, /* once there is a scheduler */
    {"momentum", CR_FLOAT, AT(momentum), true, false},
    {"dampening", CR_FLOAT, AT(dampening), true, false},
    {"betas", CR_FLOAT_LIST, AT(beta1), false, true},
    {"eps", CR_FLOAT, AT(eps), false, true},
    {"weight_decay", CR_FLOAT, AT(weight_decay), true, true},
    {"nesterov", CR_BOOL, AT(nesterov), true, false},
    {"amsgrad", CR_BOOL, AT(amsgrad), false, true},
    {"maximize", CR_BOOL, AT(maximize), true, true},
};
_Static_assert(AT(beta2) == AT(beta1) + sizeof(double), "betas lie side by side");

enum { OPTIONS = sizeof options / sizeof *options, NAME = 96 };

static bool has(const cr_optimizer *o, const option *x)
{
    return o->kind == CR_SGD ? x->sgd : x->adams;
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
    const char *at = (const char *)&group->numbers + x->at;
    cr_value v = {.tag = x->tag};
    if (x->tag == CR_BOOL) {
        v.as.i = *(const bool *)at;
    } else if (x->tag == CR_FLOAT) {
        v.as.f = *(const double *)(const void *)at;
        v.tag = v.as.f == v.as.f ? CR_FLOAT : CR_NONE; /* NaN: never set */
    } else {
        v.count = 2;
        v.as.floats = (const double *)(const void *)at;
    }
    return v;
}

static int take_group(const cr_optimizer *o, size_t g, size_t first, cr_state_dict *dict)
{
    const cr_param_group *group = &o->groups[g];
    char name[NAME];
    int failed = 0;
    for (int i = 0; i < OPTIONS && !failed; i++) {
        cr_value v = option_value(group, &options[i]);
        if (has(o, &options[i]) && v.tag != CR_NONE)
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
    if (!state->step)
        return 0;
    if (o->kind != CR_SGD) {
        cr_value v = {.tag = CR_FLOAT};
        v.as.f = (double)state->step;
        failed = cr_state_dict_set_value(dict, named(name, "state.%zu.step", number), v);
    }
    for (int s = 0; s < CR_STATES && !failed; s++)
        if (state->tensor[s])
            failed = cr_state_dict_set(
                dict, named(name, "state.%zu.%s", number, cr_state_name(o, s)), state->tensor[s]);
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

static int load_option(cr_param_group *group, const option *x, const cr_value *v, const char *name)
{
    char *at = (char *)&group->numbers + x->at;
    if (x->tag == CR_FLOAT_LIST && v->tag == CR_FLOAT_LIST && v->count == 2)
        memcpy(at, v->as.floats, 2 * sizeof(double));
    else if (x->tag == CR_FLOAT && is_number(v))
        *(double *)(void *)at = v->tag == CR_FLOAT ? v->as.f : (double)v->as.i;
    else if (x->tag == CR_BOOL && is_number(v))
        *(bool *)at = v->tag == CR_FLOAT ? v->as.f != 0 : v->as.i != 0;
    else
        return CR_FAIL_INT("loaded state dict has another kind of value in %s", name);
    return 0;
}

static int load_tensor(cr_param_state *state, int s, cr_tensor *param, cr_tensor *saved,
                       const char *name)
{
    int dim = cr_tensor_dim(param);
    if (cr_tensor_dim(saved) != dim ||
        memcmp(cr_tensor_sizes(saved), cr_tensor_sizes(param), (size_t)dim * sizeof(int64_t)))
        return CR_FAIL_INT("loaded state dict has %s in other sizes than the parameter has", name);
    int failed = -1;
    CR_SCOPE
        failed = cr_state_make(state, s, param) &&
                         cr_copy_(state->tensor[s], cr_tensor_to(saved, cr_tensor_device(param)))
                     ? 0
                     : -1;
    return failed;
}

static int load_state(const cr_optimizer *o, cr_param_group *group, size_t i, size_t number,
                      const cr_state_dict *dict)
{
    char name[NAME];
    cr_param_state *state = &group->states[i];
    const cr_value *step = cr_state_dict_value(dict, named(name, "state.%zu.step", number));
    state->step = !step                    ? 0
                  : step->tag == CR_TENSOR ? cr_item_int(step->as.tensor)
                  : step->tag == CR_FLOAT  ? (int64_t)step->as.f
                                           : step->as.i;
    int failed = 0;
    for (int s = 0; s < CR_STATES && !failed; s++) {
        if (!cr_state_name(o, s))
            break;
        cr_tensor *saved =
            cr_state_dict_get(dict, named(name, "state.%zu.%s", number, cr_state_name(o, s)));
        if (saved) {
            failed = load_tensor(state, s, group->params[i], saved, name);
            state->step = state->step > 0 ? state->step
                                          : 1; /* SGD saves no count: a buffer tells of a step */
        }
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
        for (int i = 0; i < OPTIONS && !failed; i++) {
            const cr_value *v =
                cr_state_dict_value(dict, named(name, "param_groups.%zu.%s", g, options[i].name));
            if (v)
                failed = load_option(group, &options[i], v, name);
        }
        for (size_t i = 0; i < group->count && !failed; i++)
            failed = load_state(optimizer, group, i, number++, dict);
    }
    cr_set_grad_enabled(was);
    return failed;
}
