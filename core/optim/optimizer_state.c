/* An optimiser's state_dict, in PyTorch's two parts: "state.<number>.<name>" and "param_groups.<number>.<option>". Numbers
 * count the parameters through all groups. */
#include <stdio.h>
#include <string.h>

#include "core/optim/optimizer.h"

static cr_value number(double f)
{
    cr_value v = {.tag = CR_FLOAT};
    v.as.f = f;
    return v;
}

static cr_value flag(bool b)
{
    cr_value v = {.tag = CR_BOOL};
    v.as.i = b;
    return v;
}

cr_state_dict *cr_optimizer_state_dict(const cr_optimizer *optimizer)
{
    if (!optimizer)
        return cr_error() ? NULL : cr_fail("cr_optimizer_state_dict: optimizer is null");
    cr_state_dict *dict = cr_state_dict_new();
    int failed = dict ? 0 : -1;
    char name[96];
    size_t index = 0;
    for (size_t g = 0; g < optimizer->count && !failed; g++) {
        const cr_param_group *group = &optimizer->groups[g];
        for (size_t i = 0; i < group->count && !failed; i++, index++) {
            const cr_param_state *state = &group->states[i];
            if (!state->step)
                continue;
            if (optimizer->kind != CR_SGD) {
                snprintf(name, sizeof name, "state.%zu.step", index);
                failed = cr_state_dict_set_value(dict, name, number((double)state->step));
            }
            for (int s = 0; s < CR_STATES && !failed; s++) {
                if (!state->tensor[s])
                    continue;
                snprintf(name, sizeof name, "state.%zu.%s", index, cr_state_name(optimizer, s));
                failed = cr_state_dict_set(dict, name, state->tensor[s]);
            }
        }
    }
    size_t first = 0;
    for (size_t g = 0; g < optimizer->count && !failed; g++) {
        const cr_group_numbers *n = &optimizer->groups[g].numbers;
#define X(member)                                                                                  \
    snprintf(name, sizeof name, "param_groups.%zu." #member, g);                                   \
    failed = failed || (n->member == n->member && cr_state_dict_set_value(dict, name, number(n->member)));
        CR_GROUP_NUMBERS(X)
#undef X
#define X(member)                                                                                  \
    snprintf(name, sizeof name, "param_groups.%zu." #member, g);                                   \
    failed = failed || cr_state_dict_set_value(dict, name, flag(n->member));
        CR_GROUP_FLAGS(X)
#undef X
        int64_t span[2] = {(int64_t)first, (int64_t)(first + optimizer->groups[g].count)};
        first += optimizer->groups[g].count;
        for (int64_t p = span[0]; p < span[1] && !failed; p++) {
            cr_value v = {.tag = CR_INT};
            v.as.i = p;
            snprintf(name, sizeof name, "param_groups.%zu.params.%lld", g, (long long)(p - span[0]));
            failed = cr_state_dict_set_value(dict, name, v);
        }
    }
    return failed ? NULL : dict;
}

/* Whether the saved groups are as many, and as large, as ours. */
static bool fits(const cr_optimizer *o, const cr_state_dict *dict)
{
    char name[96];
    for (size_t g = 0; g <= o->count; g++) {
        snprintf(name, sizeof name, "param_groups.%zu.lr", g);
        if ((cr_state_dict_value(dict, name) != NULL) != (g < o->count))
            return cr_fail("loaded state dict has a different number of parameter groups"), false;
        for (int past = 0; past < 2 && g < o->count; past++) {
            size_t i = o->groups[g].count - 1 + (size_t)past;
            snprintf(name, sizeof name, "param_groups.%zu.params.%zu", g, i);
            if ((cr_state_dict_value(dict, name) != NULL) == (past == 1))
                return cr_fail("loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                               "group"),
                       false;
        }
    }
    return true;
}

int cr_optimizer_load_state_dict(cr_optimizer *optimizer, const cr_state_dict *dict)
{
    if (!optimizer || !dict)
        return cr_error() ? -1 : CR_FAIL_INT("cr_optimizer_load_state_dict: %s is null", optimizer ? "dict" : "optimizer");
    if (!fits(optimizer, dict))
        return -1;
    char name[96];
    size_t index = 0;
    const cr_value *v;
    bool was = cr_set_grad_enabled(false);
    int failed = 0;
    for (size_t g = 0; g < optimizer->count && !failed; g++) {
        cr_param_group *group = &optimizer->groups[g];
#define X(member)                                                                                  \
    snprintf(name, sizeof name, "param_groups.%zu." #member, g);                                   \
    if ((v = cr_state_dict_value(dict, name)))                                                     \
        group->numbers.member = v->tag == CR_FLOAT ? v->as.f : (double)v->as.i;
        CR_GROUP_NUMBERS(X)
#undef X
#define X(member)                                                                                  \
    snprintf(name, sizeof name, "param_groups.%zu." #member, g);                                   \
    if ((v = cr_state_dict_value(dict, name)))                                                     \
        group->numbers.member = v->as.i != 0;
        CR_GROUP_FLAGS(X)
#undef X
        for (size_t i = 0; i < group->count && !failed; i++, index++) {
            cr_param_state *state = &group->states[i];
            state->step = 0;
            snprintf(name, sizeof name, "state.%zu.step", index);
            if ((v = cr_state_dict_value(dict, name)) && v->tag != CR_TENSOR)
                state->step = v->tag == CR_FLOAT ? (int64_t)v->as.f : v->as.i;
            else if (v && v->as.tensor)
                state->step = (int64_t)cr_item(v->as.tensor);
            for (int s = 0; s < CR_STATES && !failed; s++) {
                const char *part = cr_state_name(optimizer, s);
                snprintf(name, sizeof name, "state.%zu.%s", index, part ? part : "");
                cr_tensor *saved = part && cr_state_dict_value(dict, name) ? cr_state_dict_get(dict, name) : NULL;
                if (!saved)
                    continue;
                if (!state->step)
                    state->step = 1; /* SGD saves no count; a buffer says that there was a step */
                failed = cr_state_make(state, s, group->params[i]) && cr_copy_(state->tensor[s], saved) ? 0 : -1;
            }
        }
    }
    cr_set_grad_enabled(was);
    return failed;
}
