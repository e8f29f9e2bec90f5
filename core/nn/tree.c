/* Looking things up in a module, and changing everything inside: modes, requires_grad, apply, moving and casting. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/nn/nn.h"
#include "core/tensor/tensor.h"

/* ---- looking things up ---- */

size_t cr_module_count(const cr_module *module)
{
    return module ? module->state_->children.count : 0;
}

static cr_slot *slot_at(const cr_module *module, const cr_slots *slots, const char *what, int64_t i)
{
    int64_t count = (int64_t)slots->count, at = i < 0 ? i + count : i;
    if (at >= 0 && at < count)
        return &slots->data[at];
    return cr_fail("%s: index %lld is out of range: there are %lld %s", module->type->name,
                   (long long)i, (long long)count, what);
}

cr_module *cr_module_at(const cr_module *module, int64_t i)
{
    if (!cr_is_module(module, "cr_module_at"))
        return NULL;
    cr_slot *slot = slot_at(module, &module->state_->children, "children", i);
    return slot ? slot->as.module : NULL;
}

cr_module *cr_module_child(const cr_module *module, const char *name)
{
    cr_slot *slot = module && name ? cr_slot_find(&module->state_->children, name) : NULL;
    return slot ? slot->as.module : NULL;
}

cr_tensor *cr_parameter_at(const cr_module *module, int64_t i)
{
    if (!cr_is_module(module, "cr_parameter_at"))
        return NULL;
    cr_slot *slot = slot_at(module, &module->state_->parameters, "parameters", i);
    return slot ? slot->as.tensor : NULL;
}

cr_tensor *cr_module_tensor(const cr_module *module, const char *name)
{
    if (!module || !name)
        return NULL;
    cr_slot *slot = cr_slot_find(&module->state_->parameters, name);
    if (!slot)
        slot = cr_slot_find(&module->state_->buffers, name);
    return slot ? slot->as.tensor : NULL;
}

/* The module at path[0..length), names separated by dots; null and no error if there is none. */
static cr_module *descend(cr_module *module, const char *path, size_t length)
{
    while (module && length) {
        size_t name = 0;
        while (name < length && path[name] != '.')
            name++;
        const cr_slots *children = &module->state_->children;
        cr_module *next = NULL;
        for (size_t i = 0; i < children->count && !next; i++)
            if (!strncmp(children->data[i].name, path, name) && !children->data[i].name[name])
                next = children->data[i].as.module;
        module = next;
        size_t step = name < length ? name + 1 : name;
        path += step;
        length -= step;
    }
    return module;
}

cr_module *cr_get_submodule(cr_module *module, const char *path)
{
    if (!cr_is_module(module, "cr_get_submodule"))
        return NULL;
    cr_module *found = descend(module, path, strlen(path));
    return found ? found : cr_fail("%s has no module `%s`", module->type->name, path);
}

static cr_tensor *get_tensor(cr_module *module, const char *path, bool buffer)
{
    const char *what = buffer ? "buffer" : "parameter";
    if (!cr_is_module(module, buffer ? "cr_get_buffer" : "cr_get_parameter"))
        return NULL;
    const char *dot = strrchr(path, '.');
    cr_module *owner = descend(module, path, dot ? (size_t)(dot - path) : 0);
    const char *name = dot ? dot + 1 : path;
    cr_slot *slot =
        !owner ? NULL
               : cr_slot_find(buffer ? &owner->state_->buffers : &owner->state_->parameters, name);
    return slot ? slot->as.tensor : cr_fail("%s has no %s `%s`", module->type->name, what, path);
}

cr_tensor *cr_get_parameter(cr_module *module, const char *path)
{
    return get_tensor(module, path, false);
}

cr_tensor *cr_get_buffer(cr_module *module, const char *path)
{
    return get_tensor(module, path, true);
}

static int64_t count_elements(cr_module *module, bool trainable_only)
{
    int64_t count = 0;
    CR_FOREACH_PARAMETER (p, module)
        if (!trainable_only || cr_requires_grad(p.tensor))
            count += cr_tensor_numel(p.tensor);
    return count;
}

int64_t cr_parameter_count(cr_module *module)
{
    return count_elements(module, false);
}

int64_t cr_trainable_parameter_count(cr_module *module)
{
    return count_elements(module, true);
}

/* ---- changing everything ---- */

static void set_training(cr_module *module, bool on)
{
    module->training = on;
    const cr_slots *children = &module->state_->children;
    for (size_t i = 0; i < children->count; i++)
        set_training(children->data[i].as.module, on);
}

cr_module *cr_train(cr_module *module)
{
    if (!cr_is_module(module, "cr_train"))
        return NULL;
    set_training(module, true);
    return module;
}

cr_module *cr_eval(cr_module *module)
{
    if (!cr_is_module(module, "cr_eval"))
        return NULL;
    set_training(module, false);
    return module;
}

cr_module *cr_module_requires_grad_(cr_module *module, bool on)
{
    if (!cr_is_module(module, "cr_module_requires_grad_"))
        return NULL;
    bool good = true;
    CR_FOREACH_PARAMETER (p, module)
        good = cr_requires_grad_(p.tensor, on) && good;
    return good ? module : NULL;
}

cr_module *cr_module_zero_grad(cr_module *module)
{
    if (!cr_is_module(module, "cr_module_zero_grad"))
        return NULL;
    CR_FOREACH_PARAMETER (p, module)
        if (cr_grad(p.tensor))
            cr_set_grad(p.tensor, NULL);
    return module;
}

cr_module *cr_module_apply(cr_module *module, void (*function)(void *context, cr_module *module),
                           void *context)
{
    if (!cr_is_module(module, "cr_module_apply") || !function)
        return NULL;
    const cr_slots *children = &module->state_->children;
    for (size_t i = 0; i < children->count; i++)
        cr_module_apply(children->data[i].as.module, function, context);
    function(context, module);
    return module;
}

/* ---- moving and casting ---- */

void cr_tensor_take_data(cr_tensor *t, cr_tensor *from)
{
    cr_storage *old = t->storage;
    t->storage = cr_storage_retain(from->storage);
    t->dtype = from->dtype;
    t->dim = from->dim;
    t->numel = from->numel;
    t->offset = from->offset;
    t->flags = (uint8_t)((t->flags & ~CR_FLAG_CONTIGUOUS) | (from->flags & CR_FLAG_CONTIGUOUS));
    memcpy(t->size, from->size, sizeof t->size);
    memcpy(t->stride, from->stride, sizeof t->stride);
    cr_storage_release(old);
}

/* t as the options want it: t itself, or a new tensor of the scope; null, with the error set. */
static cr_tensor *converted(cr_tensor *t, const cr_module_to_options *options)
{
    t = cr_detach(t);
    if (options->dtype && cr_is_floating_point(t))
        t = cr_to_dtype(t, options->dtype);
    return options->device ? cr_tensor_to(t, options->device) : t;
}

static bool convert(cr_tensor *t, const cr_module_to_options *options)
{
    bool done = false;
    CR_SCOPE {
        cr_tensor *data = converted(t, options);
        cr_tensor *grad = cr_grad(t) ? converted(cr_grad(t), options) : NULL;
        if (!data || (cr_grad(t) && !grad))
            continue;
        done = true;
        if (cr_is_same_storage(data, t))
            continue;
        if (cr_grad(t))
            cr_set_grad(t, NULL);
        cr_tensor_take_data(t, data);
        done = !grad || !cr_set_grad(t, grad);
    }
    return done;
}

cr_module *cr_module_to_with(cr_module *module, const cr_module_to_options *options)
{
    if (!cr_is_module(module, "cr_module_to"))
        return NULL;
    if (options->dtype && !cr_dtype_is_floating(options->dtype))
        return cr_fail("cr_module_to: a module's dtype must be floating, not %s",
                       cr_dtype_name(options->dtype));
    bool good = true;
    CR_FOREACH_PARAMETER (p, module)
        good = good && convert(p.tensor, options);
    CR_FOREACH_BUFFER(b, module)
    good = good && convert(b.tensor, options);
    return good ? module : NULL;
}
