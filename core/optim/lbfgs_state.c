/* L-BFGS's part of the optimiser's state dict: that of the first parameter, as in PyTorch; lists of tensors have an entry
 * for each, "state.0.old_dirs.3". */
#include <math.h>
#include <stdio.h>

#include "core/optim/lbfgs.h"

enum { NAME = 64 };

static int put_int(cr_state_dict *dict, const char *name, int64_t i)
{
    cr_value v = {.tag = CR_INT};
    v.as.i = i;
    return cr_state_dict_set_value(dict, name, v);
}

static int put_float(cr_state_dict *dict, const char *name, double f)
{
    cr_value v = {.tag = CR_FLOAT};
    v.as.f = f;
    return cr_state_dict_set_value(dict, name, v);
}

static int put_list(cr_state_dict *dict, const char *what, cr_tensor *const *list, size_t count)
{
    char name[NAME];
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        snprintf(name, sizeof name, "state.0.%s.%zu", what, i);
        failed = cr_state_dict_set(dict, name, list[i]);
    }
    return failed;
}

int cr_lbfgs_save(const cr_lbfgs *l, cr_state_dict *dict)
{
    if (!l->func_evals)
        return 0;
    int failed = put_int(dict, "state.0.func_evals", l->func_evals) ||
                 put_int(dict, "state.0.n_iter", l->n_iter);
    if (failed || !l->d)
        return failed ? -1 : 0;
    cr_value ro = {.tag = CR_FLOAT_LIST, .count = (int64_t)l->count};
    ro.as.floats = l->ro;
    failed = cr_state_dict_set(dict, "state.0.d", l->d) || put_float(dict, "state.0.t", l->t) ||
             put_list(dict, "old_dirs", l->old_dirs, l->count) ||
             put_list(dict, "old_stps", l->old_stps, l->count) ||
             cr_state_dict_set_value(dict, "state.0.ro", ro) ||
             put_float(dict, "state.0.H_diag", l->h_diag) ||
             cr_state_dict_set(dict, "state.0.prev_flat_grad", l->prev_flat_grad) ||
             put_float(dict, "state.0.prev_loss", l->prev_loss);
    return failed ? -1 : 0;
}

/* ---- loading ---- */

static double number(const cr_state_dict *dict, const char *name, double fallback)
{
    const cr_value *v = cr_state_dict_value(dict, name);
    return !v                    ? fallback
           : v->tag == CR_TENSOR ? cr_item(v->as.tensor)
           : v->tag == CR_FLOAT  ? v->as.f
                                 : (double)v->as.i;
}

/* A saved vector over all parameters, copied; null, with the error set unless it is not there. */
static cr_tensor *vector(const cr_state_dict *dict, const char *name, const cr_param_group *group)
{
    cr_tensor *saved = cr_state_dict_get(dict, name);
    int64_t n = 0;
    for (size_t i = 0; i < group->count; i++)
        n += cr_tensor_numel(group->params[i]);
    if (!saved)
        return NULL;
    if (cr_tensor_dim(saved) != 1 || cr_tensor_numel(saved) != n)
        return cr_fail("loaded state dict has %s in another size than all parameters together",
                       name);
    cr_tensor *copy = NULL;
    CR_SCOPE
        copy =
            cr_retain(cr_to_dtype(cr_clone(cr_tensor_to(saved, cr_tensor_device(group->params[0]))),
                                  cr_tensor_dtype(group->params[0])));
    return copy;
}

static void forget(cr_lbfgs *l)
{
    for (size_t i = 0; i < l->count; i++) {
        cr_release(l->old_dirs[i]);
        cr_release(l->old_stps[i]);
    }
    cr_release(l->d);
    cr_release(l->prev_flat_grad);
    l->d = l->prev_flat_grad = NULL;
    l->count = 0;
    l->func_evals = l->n_iter = 0;
}

int cr_lbfgs_load(cr_lbfgs *l, const cr_state_dict *dict, const cr_param_group *group)
{
    forget(l);
    const cr_value *ro = cr_state_dict_value(dict, "state.0.ro");
    int64_t count = ro && ro->tag == CR_FLOAT_LIST ? ro->count : 0;
    if (count > (int64_t)group->numbers.history_size)
        return CR_FAIL_INT("loaded state dict has a longer history than history_size");
    if (!cr_lbfgs_make_room(l, (size_t)group->numbers.history_size))
        return -1;
    l->func_evals = (int64_t)number(dict, "state.0.func_evals", 0);
    l->n_iter = (int64_t)number(dict, "state.0.n_iter", 0);
    l->t = number(dict, "state.0.t", 0);
    l->h_diag = number(dict, "state.0.H_diag", 1);
    l->prev_loss = number(dict, "state.0.prev_loss", 0);
    l->d = vector(dict, "state.0.d", group);
    l->prev_flat_grad = vector(dict, "state.0.prev_flat_grad", group);
    if (cr_error())
        return -1;
    if (!l->d || !l->prev_flat_grad)
        l->n_iter = 0; /* nothing to go on from */
    for (int64_t i = 0; i < count; i++) {
        char name[NAME];
        snprintf(name, sizeof name, "state.0.old_dirs.%lld", (long long)i);
        cr_tensor *dir = vector(dict, name, group);
        snprintf(name, sizeof name, "state.0.old_stps.%lld", (long long)i);
        cr_tensor *step = vector(dict, name, group);
        if (!dir || !step) {
            cr_release(dir);
            cr_release(step);
            return cr_error() ? -1 : CR_FAIL_INT("loaded state dict has no %s", name);
        }
        l->old_dirs[l->count] = dir;
        l->old_stps[l->count] = step;
        l->ro[l->count++] = ro->as.floats[i];
    }
    return 0;
}
