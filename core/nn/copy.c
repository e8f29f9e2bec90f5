/* Deep copies of modules: structs byte by byte, tensors cloned, children copied, and members that mirror them set to the copies.
 * What is shared within the original is shared within the copy. */
#include <stdlib.h>
#include <string.h>

#include <cresset/ops.h>

#include "core/nn/reparametrise.h"

/* What was copied to what; owns one reference of each copy. */
typedef struct copied {
    const void *from;
    void *to;
    bool is_module;
} copied;

typedef struct memo {
    copied *data;
    size_t count, capacity;
} memo;

static void *find(const memo *m, const void *from)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->data[i].from == from)
            return m->data[i].to;
    return NULL;
}

static bool remember(memo *m, const void *from, void *to, bool is_module)
{
    if (m->count == m->capacity) {
        size_t capacity = m->capacity ? 2 * m->capacity : 32;
        copied *data = realloc(m->data, capacity * sizeof *data);
        if (!data) {
            cr_fail_memory("a copy of a module", capacity * sizeof *data);
            return false;
        }
        m->data = data;
        m->capacity = capacity;
    }
    m->data[m->count++] = (copied){from, to, is_module};
    return true;
}

static void forget(memo *m)
{
    for (size_t i = m->count; i-- > 0;)
        if (m->data[i].is_module)
            cr_module_release(m->data[i].to);
        else
            cr_release(m->data[i].to);
    free(m->data);
}

/* The place in the copy that corresponds to one in the original; null if it is in neither's memory. */
static void *relocated(const void *place, const cr_module *from, cr_module *to)
{
    const char *at = place, *begin = (const char *)from;
    if (at && at >= begin && at < begin + from->type->size)
        return (char *)to + (at - begin);
    begin = (const char *)from->state_->places;
    if (at && begin && at >= begin && at < begin + from->state_->places_bytes)
        return (char *)to->state_->places + (at - begin);
    return NULL;
}

static cr_tensor *copy_tensor(memo *m, cr_tensor *from)
{
    cr_tensor *to = find(m, from);
    if (to)
        return to;
    CR_SCOPE
        CR_NO_GRAD {
            to = cr_retain(cr_clone(cr_detach(from)));
            if (to && cr_requires_grad(from) && !cr_requires_grad_(to, 1)) {
                cr_release(to);
                to = NULL;
            }
        }
    if (!to || remember(m, from, to, false))
        return to;
    cr_release(to);
    return NULL;
}

static bool copy_tensors(memo *m, const cr_slots *from, cr_slots *to, const cr_module *old,
                         cr_module *new)
{
    for (size_t i = 0; i < from->count; i++) {
        const cr_slot *slot = &from->data[i];
        cr_tensor *tensor = copy_tensor(m, slot->as.tensor);
        cr_slot *added = tensor ? cr_slot_add(to, slot->name) : NULL;
        if (!added)
            return false;
        added->as.tensor = cr_retain(tensor);
        added->persistent = slot->persistent;
        added->place.tensor = relocated(slot->place.tensor, old, new);
        if (added->place.tensor)
            *added->place.tensor = tensor;
    }
    return true;
}

/* Until its own memory is its own, a copy must not free it. */
static const cr_module_type unfinished = {.name = "an unfinished copy", .size = sizeof(cr_module)};

static cr_module *new_struct(const cr_module *from)
{
    cr_module *to = malloc(from->type->size);
    struct cr_module_state *state = calloc(1, sizeof *state);
    if (!to || !state) {
        free(to);
        free(state);
        return cr_fail_memory(from->type->name, from->type->size);
    }
    memcpy(to, from, from->type->size);
    to->state_ = state;
    to->type = &unfinished;
    atomic_init(&state->refs, 1);
    return to;
}

static bool copy_hooks_and_places(const cr_module *from, cr_module *to)
{
    const struct cr_module_state *old = from->state_;
    struct cr_module_state *new = to->state_;
    if (old->nhooks) {
        new->hooks = malloc(old->nhooks * sizeof *new->hooks);
        if (!new->hooks)
            return cr_fail_memory("hooks", old->nhooks * sizeof *new->hooks) != NULL;
        memcpy(new->hooks, old->hooks, old->nhooks * sizeof *new->hooks);
        new->nhooks = old->nhooks;
        memcpy(new->nhooks_of, old->nhooks_of, sizeof new->nhooks_of);
    }
    new->last_handle = old->last_handle;
    return !old->places_bytes || cr_module_add_places(to, old->places_bytes);
}

static cr_module *copy_module(memo *m, cr_module *from);

static bool copy_contents(memo *m, const cr_module *from, cr_module *to)
{
    const struct cr_module_state *old = from->state_;
    struct cr_module_state *new = to->state_;
    if (!copy_hooks_and_places(from, to) ||
        !copy_tensors(m, &old->parameters, &new->parameters, from, to) ||
        !copy_tensors(m, &old->buffers, &new->buffers, from, to))
        return false;
    for (size_t i = 0; i < old->children.count; i++) {
        const cr_slot *slot = &old->children.data[i];
        cr_module *child = copy_module(m, slot->as.module);
        cr_slot *added = child ? cr_slot_add(&new->children, slot->name) : NULL;
        if (!added)
            return false;
        added->as.module = cr_module_retain(child);
        added->place.module = relocated(slot->place.module, from, to);
        if (added->place.module)
            *added->place.module = child;
    }
    for (size_t i = 0; i < old->nreparams; i++) {
        cr_reparam copy = old->reparams[i];
        copy.place = relocated(copy.place, from, to);
        if (!cr_reparam_add(to, &copy))
            return false;
    }
    if (from->type->copied && !from->type->copied(to))
        return false;
    to->type = from->type;
    return true;
}

/* The copy, which the memo owns. */
static cr_module *copy_module(memo *m, cr_module *from)
{
    cr_module *to = find(m, from);
    if (to)
        return to;
    if (from->type->destroy && !from->type->copied)
        return cr_fail("cr_module_copy: a %s can't be copied: its type owns memory and has no "
                       "`copied` function",
                       from->type->name);
    to = new_struct(from);
    if (to && !remember(m, from, to, true)) {
        cr_module_release(to);
        to = NULL;
    }
    return to && copy_contents(m, from, to) ? to : NULL;
}

static void release(void *module)
{
    cr_module_release(module);
}

cr_module *cr_module_copy(cr_module *module)
{
    if (!cr_is_module(module, "cr_module_copy"))
        return NULL;
    memo m = {0};
    cr_module *copy = cr_module_retain(copy_module(&m, module));
    forget(&m);
    return copy ? cr_scope_add(copy, release) : NULL;
}
