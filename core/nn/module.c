/* The module object: making and freeing, and registering children, parameters and buffers under
 * names. */
#include "core/nn/reparametrise.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/scope.h"

enum { MARK = 0xFF };

bool cr_is_module(const cr_module *module, const char *who)
{
    if (module && module->mark_ == MARK)
        return true;
    cr_fail("%s: %s", who, module ? "that is no module" : "the module is null");
    return false;
}

/* ---- slots ---- */

cr_slot *cr_slot_find(const cr_slots *slots, const char *name)
{
    for (size_t i = 0; i < slots->count; i++)
        if (!strcmp(slots->data[i].name, name))
            return &slots->data[i];
    return NULL;
}

cr_slot *cr_slot_add(cr_slots *slots, const char *name)
{
    size_t bytes = strlen(name) + 1;
    if (slots->count == slots->capacity) {
        size_t capacity = slots->capacity ? 2 * slots->capacity : 4;
        cr_slot *data = realloc(slots->data, capacity * sizeof *data);
        if (!data)
            return cr_fail_memory("a module", capacity * sizeof *data);
        slots->data = data;
        slots->capacity = capacity;
    }
    char *copy = malloc(bytes);
    if (!copy)
        return cr_fail_memory("a name", bytes);
    memcpy(copy, name, bytes);
    cr_slot *slot = &slots->data[slots->count++];
    memset(slot, 0, sizeof *slot);
    slot->name = copy;
    return slot;
}

static void slot_remove(cr_slots *slots, cr_slot *slot)
{
    free(slot->name);
    size_t at = (size_t)(slot - slots->data);
    memmove(slot, slot + 1, (slots->count - at - 1) * sizeof *slot);
    slots->count--;
}

/* ---- lifetimes ---- */

static void destroy(cr_module *module)
{
    struct cr_module_state *state = module->state_;
    if (module->type->destroy)
        module->type->destroy(module);
    for (size_t i = 0; i < state->children.count; i++) {
        cr_module_release(state->children.data[i].as.module);
        free(state->children.data[i].name);
    }
    cr_slots *tensors[] = {&state->parameters, &state->buffers};
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < tensors[k]->count; i++) {
            cr_release(tensors[k]->data[i].as.tensor);
            free(tensors[k]->data[i].name);
        }
        free(tensors[k]->data);
    }
    free(state->children.data);
    free(state->hooks);
    free(state->places);
    cr_reparams_free(state);
    free(state);
    module->mark_ = 0;
    free(module);
}

cr_module *cr_module_retain(cr_module *module)
{
    if (module)
        atomic_fetch_add_explicit(&module->state_->refs, 1, memory_order_relaxed);
    return module;
}

void cr_module_release(cr_module *module)
{
    if (module && atomic_fetch_sub_explicit(&module->state_->refs, 1, memory_order_acq_rel) == 1)
        destroy(module);
}

static void release(void *module)
{
    cr_module_release(module);
}

bool cr_module_add_places(cr_module *module, size_t bytes)
{
    module->state_->places = calloc(1, bytes);
    if (!module->state_->places)
        return cr_fail_memory(module->type->name, bytes) != NULL;
    module->state_->places_bytes = bytes;
    return true;
}

/* Registers the children that a type names and whose members were set. */
static bool register_members(cr_module *module)
{
    const char *name = module->type->children;
    cr_module **place = (cr_module **)(void *)((char *)module + module->type->children_at);
    while (name && *name) {
        size_t length = strcspn(name, ", ");
        char text[128];
        if (length >= sizeof text) {
            cr_fail("%s: a child's name is longer than %zu bytes: %s", module->type->name,
                    sizeof text - 1, name);
            return false;
        }
        memcpy(text, name, length);
        text[length] = 0;
        if (!*place) {
            cr_fail("%s: the child \"%s\" is null", module->type->name, text);
            return false;
        }
        if (!cr_module_set_child(module, text, place, *place))
            return false;
        place++;
        name += length + strspn(name + length, ", ");
    }
    return true;
}

void *cr_module_new(const cr_module_type *type, const void *members)
{
    if (!type || !type->name || type->size < sizeof(cr_module))
        return cr_fail(
            "cr_module_new: a type with a name and a size of at least %zu bytes is needed",
            sizeof(cr_module));
    cr_module *module = malloc(type->size);
    struct cr_module_state *state = calloc(1, sizeof *state);
    if (!module || !state) {
        free(module);
        free(state);
        return cr_fail_memory(type->name, type->size);
    }
    if (members)
        memcpy(module, members, type->size);
    else
        memset(module, 0, type->size);
    module->mark_ = MARK;
    module->training = true;
    module->type = type;
    module->state_ = state;
    atomic_init(&state->refs, 1);
    if (members && !register_members(module)) {
        cr_module_release(module);
        return NULL;
    }
    return cr_scope_add(module, release);
}

/* ---- registering ---- */

static bool contains(const cr_module *module, const cr_module *other)
{
    if (module == other)
        return true;
    const cr_slots *children = &module->state_->children;
    for (size_t i = 0; i < children->count; i++)
        if (contains(children->data[i].as.module, other))
            return true;
    return false;
}

/* The slot for a name among `wanted` (one of the module's three), new or not; null, with the error
 * set, if the name is no good or belongs to something of another kind. */
static cr_slot *claim(cr_module *module, const char *what, const char *name, cr_slots *wanted)
{
    const char *type = module->type->name;
    if (!name || !*name)
        return cr_fail("%s: %s name can't be empty string \"\"", type, what);
    if (strchr(name, '.'))
        return cr_fail("%s: %s name can't contain \".\", got: %s", type, what, name);
    struct cr_module_state *state = module->state_;
    cr_slots *all[] = {&state->children, &state->parameters, &state->buffers};
    for (int k = 0; k < 3; k++) {
        cr_slot *slot = cr_slot_find(all[k], name);
        if (slot && all[k] == wanted)
            return slot;
        if (slot)
            return cr_fail("%s: attribute '%s' already exists", type, name);
    }
    return cr_slot_add(wanted, name);
}

cr_module *cr_module_set_child(cr_module *module, const char *name, cr_module **place,
                               cr_module *child)
{
    if (!cr_is_module(module, "cr_register_module"))
        return NULL;
    if (!child)
        return cr_fail("%s: the module to be registered as \"%s\" is null", module->type->name,
                       name ? name : "");
    if (!cr_is_module(child, "cr_register_module"))
        return NULL;
    if (contains(child, module))
        return cr_fail("%s: the module \"%s\" contains the one that it is to be registered in",
                       module->type->name, name ? name : "");
    cr_slot *slot = claim(module, "module", name, &module->state_->children);
    if (!slot)
        return NULL;
    cr_module_retain(child);
    cr_module_release(slot->as.module);
    slot->as.module = child;
    if (place)
        slot->place.module = place;
    if (slot->place.module)
        *slot->place.module = child;
    return child;
}

static cr_tensor *set_tensor(cr_slot *slot, cr_tensor **place, cr_tensor *tensor)
{
    cr_retain(tensor);
    cr_release(slot->as.tensor);
    slot->as.tensor = tensor;
    if (place)
        slot->place.tensor = place;
    if (slot->place.tensor)
        *slot->place.tensor = tensor;
    return tensor;
}

cr_tensor *cr_module_set_parameter(cr_module *module, const char *name, cr_tensor **place,
                                   cr_tensor *tensor)
{
    if (!cr_is_module(module, "cr_register_parameter"))
        return NULL;
    if (!tensor)
        return cr_fail("%s: the parameter \"%s\" is null", module->type->name, name ? name : "");
    if (!cr_is_leaf(tensor))
        tensor = cr_detach(tensor);
    if (tensor && !cr_requires_grad(tensor))
        tensor = cr_requires_grad_(tensor, 1);
    if (!tensor)
        return NULL;
    cr_slot *slot = claim(module, "parameter", name, &module->state_->parameters);
    return slot ? set_tensor(slot, place, tensor) : NULL;
}

static cr_tensor *set_buffer(cr_module *module, const char *name, cr_tensor **place,
                             cr_tensor *tensor, bool persistent)
{
    if (!cr_is_module(module, "cr_register_buffer"))
        return NULL;
    if (!tensor)
        return cr_fail("%s: the buffer \"%s\" is null", module->type->name, name ? name : "");
    cr_slot *slot = claim(module, "buffer", name, &module->state_->buffers);
    if (!slot)
        return NULL;
    slot->persistent = persistent;
    return set_tensor(slot, place, tensor);
}

cr_tensor *cr_module_set_buffer(cr_module *module, const char *name, cr_tensor **place,
                                cr_tensor *tensor)
{
    return set_buffer(module, name, place, tensor, true);
}

cr_module *cr_register_module(cr_module *module, const char *name, cr_module *child)
{
    return cr_module_set_child(module, name, NULL, child);
}

cr_module *cr_add_module(cr_module *module, const char *name, cr_module *child)
{
    return cr_module_set_child(module, name, NULL, child);
}

cr_tensor *cr_register_parameter(cr_module *module, const char *name, cr_tensor *tensor)
{
    return cr_module_set_parameter(module, name, NULL, tensor);
}

cr_tensor *cr_register_buffer(cr_module *module, const char *name, cr_tensor *tensor,
                              bool persistent)
{
    return set_buffer(module, name, NULL, tensor, persistent);
}

int cr_unregister(cr_module *module, const char *name)
{
    if (!cr_is_module(module, "cr_unregister"))
        return -1;
    struct cr_module_state *state = module->state_;
    cr_slot *slot = name ? cr_slot_find(&state->children, name) : NULL;
    if (slot) {
        if (slot->place.module)
            *slot->place.module = NULL;
        cr_module_release(slot->as.module);
        slot_remove(&state->children, slot);
        return 0;
    }
    cr_slots *tensors[] = {&state->parameters, &state->buffers};
    for (int k = 0; k < 2; k++) {
        slot = name ? cr_slot_find(tensors[k], name) : NULL;
        if (!slot)
            continue;
        if (slot->place.tensor)
            *slot->place.tensor = NULL;
        cr_release(slot->as.tensor);
        slot_remove(tensors[k], slot);
        return 0;
    }
    return CR_FAIL_INT("%s: nothing is registered as \"%s\"", module->type->name, name ? name : "");
}
