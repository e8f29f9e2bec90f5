/* AveragedModel: a module whose parameters are averages of another's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>
#include <cresset/swa.h>

#include "core/optim/optimizer.h"

struct cr_averaged_model {
    atomic_int refs;
    cr_module *module; /* retained */
    cr_averaged_model_options options;
    int64_t n_averaged;
};

static const char PREFIX[] = "module.";

/* ---- pairs ---- */

/* Calls function(ours, theirs) for each parameter, then each buffer if they are wanted; what one has and the other hasn't, or in
 * another size, is an error. Returns 0 or -1. */
static int each_pair(cr_averaged_model *a, cr_module *model, bool buffers,
                     int (*function)(const cr_averaged_model *, cr_tensor *, cr_tensor *))
{
    for (int kind = 0; kind < 1 + buffers; kind++) {
        cr_named_tensor ours = kind ? cr_buffers(a->module) : cr_parameters(a->module);
        cr_named_tensor theirs = kind ? cr_buffers(model) : cr_parameters(model);
        for (;;) {
            bool one = cr_next_tensor(&ours), other = cr_next_tensor(&theirs);
            if (!one && !other)
                break;
            if (one != other || strcmp(ours.name, theirs.name))
                return CR_FAIL_INT("an averaged model needs a model with the same parameters and "
                                   "buffers: \"%s\" has no partner",
                                   one ? ours.name : theirs.name);
            int dim = cr_tensor_dim(ours.tensor);
            if (dim != cr_tensor_dim(theirs.tensor) ||
                memcmp(cr_tensor_sizes(ours.tensor), cr_tensor_sizes(theirs.tensor),
                       (size_t)dim * sizeof(int64_t)))
                return CR_FAIL_INT("an averaged model needs a model of the same sizes: \"%s\"",
                                   ours.name);
            int failed = -1;
            CR_SCOPE
                failed = function(a, ours.tensor, theirs.tensor);
            if (failed)
                return -1;
        }
    }
    return cr_error() ? -1 : 0;
}

static int copy(const cr_averaged_model *a, cr_tensor *ours, cr_tensor *theirs)
{
    (void)a;
    return cr_copy_(ours, theirs) ? 0 : -1;
}

static int average(const cr_averaged_model *a, cr_tensor *ours, cr_tensor *theirs)
{
    theirs = cr_tensor_to(cr_detach(theirs), cr_tensor_device(ours));
    if (!cr_dtype_is_floating(cr_tensor_dtype(ours)))
        return copy(a, ours, theirs);
    cr_tensor *next;
    if (a->options.avg_fn) {
        next = a->options.avg_fn(a->options.avg_context, cr_detach(ours), theirs, a->n_averaged);
        if (!next && !cr_error())
            cr_fail("an averaged model's avg_fn gave nothing");
    } else if (a->options.ema_decay != 0) {
        return cr_lerp_scalar_(ours, theirs, 1 - a->options.ema_decay) ? 0 : -1;
    } else {
        return cr_add_(ours, cr_div_scalar(cr_sub(theirs, ours), (double)(a->n_averaged + 1))) ? 0
                                                                                               : -1;
    }
    return next && cr_copy_(ours, next) ? 0 : -1;
}

/* ---- lifetimes ---- */

cr_averaged_model *cr_averaged_model_retain(cr_averaged_model *averaged)
{
    if (averaged)
        atomic_fetch_add(&averaged->refs, 1);
    return averaged;
}

void cr_averaged_model_release(cr_averaged_model *averaged)
{
    if (!averaged || atomic_fetch_sub(&averaged->refs, 1) != 1)
        return;
    cr_module_release(averaged->module);
    free(averaged);
}

static void release(void *averaged)
{
    cr_averaged_model_release(averaged);
}

cr_averaged_model *cr_averaged_model_with(cr_module *copy_module, cr_module *model,
                                          const cr_averaged_model_options *options)
{
    if (!model)
        return cr_error() ? NULL : cr_fail("cr_averaged_model_new: the module is null");
    if (!copy_module && !(copy_module = cr_module_copy(model)))
        return NULL;
    if (options && !(options->ema_decay >= 0 && options->ema_decay < 1))
        return cr_fail("cr_averaged_model_new: ema_decay must be from 0 to 1, not %g",
                       options->ema_decay);
    cr_averaged_model *a = calloc(1, sizeof *a);
    if (!a)
        return cr_fail_memory("an averaged model", sizeof *a);
    atomic_init(&a->refs, 1);
    a->module = cr_module_retain(copy_module);
    if (options)
        a->options = *options;
    bool was = cr_set_grad_enabled(false);
    int failed = each_pair(a, model, true, copy);
    cr_set_grad_enabled(was);
    if (failed) {
        cr_averaged_model_release(a);
        return NULL;
    }
    return cr_scope_add(a, release);
}

int cr_averaged_update(cr_averaged_model *averaged, cr_module *model)
{
    if (!averaged || !model)
        return cr_error()
                   ? -1
                   : CR_FAIL_INT("cr_averaged_update: %s is null", averaged ? "model" : "averaged");
    bool was = cr_set_grad_enabled(false);
    int failed = each_pair(averaged, model, averaged->options.use_buffers,
                           averaged->n_averaged ? average : copy);
    cr_set_grad_enabled(was);
    averaged->n_averaged += !failed;
    return failed;
}

cr_module *cr_averaged_module(const cr_averaged_model *averaged)
{
    return averaged ? averaged->module : NULL;
}

int64_t cr_averaged_count(const cr_averaged_model *averaged)
{
    return averaged ? averaged->n_averaged : 0;
}

/* ---- state ---- */

cr_state_dict *cr_averaged_state_dict(const cr_averaged_model *averaged)
{
    if (!averaged)
        return cr_error() ? NULL : cr_fail("cr_averaged_state_dict: averaged is null");
    cr_state_dict *dict = cr_state_dict_new(), *of = cr_module_state_dict(averaged->module);
    if (!dict || !of ||
        cr_state_dict_set(dict, "n_averaged",
                          cr_full(CR_EMPTY, averaged->n_averaged, .dtype = CR_I64)))
        return NULL;
    CR_FOREACH_STATE(s, of)
    {
        size_t bytes = sizeof PREFIX + strlen(s.name);
        char *name = malloc(bytes);
        if (!name)
            return cr_fail_memory("a state dict", bytes);
        snprintf(name, bytes, "%s%s", PREFIX, s.name);
        int failed = cr_state_dict_set_value(dict, name, *s.value);
        free(name);
        if (failed)
            return NULL;
    }
    return dict;
}

int cr_averaged_load_state_dict(cr_averaged_model *averaged, const cr_state_dict *dict)
{
    if (!averaged || !dict)
        return cr_error() ? -1
                          : CR_FAIL_INT("cr_averaged_load_state_dict: %s is null",
                                        averaged ? "dict" : "averaged");
    cr_tensor *count = cr_state_dict_get(dict, "n_averaged");
    cr_state_dict *of = cr_state_dict_new();
    if (!of || !count)
        return cr_error() ? -1 : CR_FAIL_INT("the state dict has no n_averaged");
    CR_FOREACH_STATE(s, dict)
    if (!strncmp(s.name, PREFIX, sizeof PREFIX - 1) &&
        cr_state_dict_set_value(of, s.name + sizeof PREFIX - 1, *s.value))
        return -1;
    int64_t n = cr_item_int(count);
    if (cr_error() || cr_module_load_state_dict(averaged->module, of))
        return -1;
    averaged->n_averaged = n;
    return 0;
}
