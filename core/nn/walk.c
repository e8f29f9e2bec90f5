/* The lazy iterators over a module's parameters, buffers, modules and children: a walk keeps a stack of modules, the name so
 * far, and the set of what it has met. It belongs to the scope, and goes early when it comes to its end. */
#include "core/nn/nn.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/scope.h"

typedef enum walk_kind { PARAMETERS, BUFFERS, MODULES, CHILDREN } walk_kind;

typedef struct walk_frame {
    cr_module *module;
    size_t own, child;  /* the next of its tensors, of its children */
    size_t name_length; /* of its name, with the dot behind it */
} walk_frame;

struct cr_walk {
    walk_kind kind;
    bool started;
    walk_frame *frames;
    size_t depth, capacity;
    char *name;
    size_t name_capacity;
    const void **met; /* a hash set: open addressing */
    size_t nmet, met_capacity;
};

static void free_walk(void *object)
{
    struct cr_walk *walk = object;
    if (walk->capacity)
        cr_module_release(walk->frames[0].module);
    free(walk->frames);
    free(walk->name);
    free((void *)walk->met);
    free(walk);
}

static void end(struct cr_walk *walk)
{
    if (cr_scope_forget(walk))
        free_walk(walk);
}

/* ---- what was met ---- */

static size_t place_of(const struct cr_walk *walk, const void *object)
{
    size_t i = (size_t)(((uintptr_t)object >> 4) * 11400714819323198485u);
    while (walk->met[i & (walk->met_capacity - 1)] &&
           walk->met[i & (walk->met_capacity - 1)] != object)
        i++;
    return i & (walk->met_capacity - 1);
}

static bool grow_met(struct cr_walk *walk)
{
    size_t old_capacity = walk->met_capacity;
    const void **old = walk->met;
    size_t capacity = old_capacity ? 2 * old_capacity : 32;
    const void **met = calloc(capacity, sizeof *met);
    if (!met) {
        cr_fail_memory("a walk over modules", capacity * sizeof *met);
        return false;
    }
    walk->met = met;
    walk->met_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            met[place_of(walk, old[i])] = old[i];
    free((void *)old);
    return true;
}

/* 1 if it is new, 0 if it was met before, -1 without memory. */
static int meet(struct cr_walk *walk, const void *object)
{
    if (2 * walk->nmet >= walk->met_capacity && !grow_met(walk))
        return -1;
    size_t i = place_of(walk, object);
    if (walk->met[i])
        return 0;
    walk->met[i] = object;
    walk->nmet++;
    return 1;
}

/* ---- stepping ---- */

/* Writes the name of something in the top frame. */
static bool set_name(struct cr_walk *walk, const char *name)
{
    size_t before = walk->frames[walk->depth - 1].name_length, length = strlen(name);
    if (before + length + 2 > walk->name_capacity) {
        size_t capacity = 2 * (before + length + 2);
        char *grown = realloc(walk->name, capacity);
        if (!grown) {
            cr_fail_memory("a name", capacity);
            return false;
        }
        walk->name = grown;
        walk->name_capacity = capacity;
    }
    memcpy(walk->name + before, name, length + 1);
    return true;
}

/* Descends into a child whose name has just been set. */
static bool push(struct cr_walk *walk, cr_module *module)
{
    if (walk->depth == walk->capacity) {
        size_t capacity = 2 * walk->capacity;
        walk_frame *frames = realloc(walk->frames, capacity * sizeof *frames);
        if (!frames) {
            cr_fail_memory("a walk over modules", capacity * sizeof *frames);
            return false;
        }
        walk->frames = frames;
        walk->capacity = capacity;
    }
    size_t length = walk->frames[walk->depth - 1].name_length;
    length += strlen(walk->name + length) + 1; /* the dot is written when the next name is */
    walk->frames[walk->depth++] = (walk_frame){.module = module, .name_length = length};
    return true;
}

/* The name ends at the last frame's own name again when a dot follows; this puts the dot there. */
static void put_dot(struct cr_walk *walk)
{
    size_t length = walk->frames[walk->depth - 1].name_length;
    if (length)
        walk->name[length - 1] = '.';
}

/* The next child that was not met: its slot, with the name set; null at the end of the frame. *failed without memory. */
static cr_slot *next_child(struct cr_walk *walk, bool *failed)
{
    walk_frame *frame = &walk->frames[walk->depth - 1];
    cr_slots *children = &frame->module->state_->children;
    while (frame->child < children->count) {
        cr_slot *slot = &children->data[frame->child++];
        int is_new = meet(walk, slot->as.module);
        if (!is_new)
            continue;
        put_dot(walk);
        *failed = is_new < 0 || !set_name(walk, slot->name);
        return *failed ? NULL : slot;
    }
    return NULL;
}

static cr_tensor *next_own(struct cr_walk *walk, bool *failed)
{
    walk_frame *frame = &walk->frames[walk->depth - 1];
    struct cr_module_state *state = frame->module->state_;
    cr_slots *slots = walk->kind == PARAMETERS ? &state->parameters : &state->buffers;
    while (frame->own < slots->count) {
        cr_slot *slot = &slots->data[frame->own++];
        int is_new = meet(walk, slot->as.tensor);
        if (!is_new)
            continue;
        put_dot(walk);
        *failed = is_new < 0 || !set_name(walk, slot->name);
        return *failed ? NULL : slot->as.tensor;
    }
    return NULL;
}

static struct cr_walk *start(cr_module *module, walk_kind kind)
{
    if (!cr_is_module(module, "an iterator over a module"))
        return NULL;
    struct cr_walk *walk = calloc(1, sizeof *walk);
    walk_frame *frames = malloc(4 * sizeof *frames);
    char *name = malloc(64);
    if (!walk || !frames || !name) {
        free(walk);
        free(frames);
        free(name);
        return cr_fail_memory("a walk over modules", sizeof *walk);
    }
    *name = 0;
    *walk = (struct cr_walk){.kind = kind,
                             .frames = frames,
                             .depth = 1,
                             .capacity = 4,
                             .name = name,
                             .name_capacity = 64};
    frames[0] = (walk_frame){.module = cr_module_retain(module)};
    if (meet(walk, module) < 0) {
        free_walk(walk);
        return NULL;
    }
    return cr_scope_add(walk, free_walk);
}

cr_named_tensor cr_parameters(cr_module *module)
{
    return (cr_named_tensor){NULL, NULL, start(module, PARAMETERS)};
}

cr_named_tensor cr_buffers(cr_module *module)
{
    return (cr_named_tensor){NULL, NULL, start(module, BUFFERS)};
}

bool cr_next_tensor(cr_named_tensor *it)
{
    struct cr_walk *walk = it->walk_;
    bool failed = false;
    while (walk && walk->depth && !failed) {
        it->tensor = next_own(walk, &failed);
        it->name = walk->name;
        if (it->tensor)
            return true;
        cr_slot *child = failed ? NULL : next_child(walk, &failed);
        if (child)
            failed = !push(walk, child->as.module);
        else
            walk->depth--;
    }
    if (walk)
        end(walk);
    *it = (cr_named_tensor){NULL, NULL, NULL};
    return false;
}

cr_named_module cr_modules(cr_module *module)
{
    return (cr_named_module){NULL, NULL, start(module, MODULES)};
}

cr_named_module cr_children(cr_module *module)
{
    return (cr_named_module){NULL, NULL, start(module, CHILDREN)};
}

bool cr_next_module(cr_named_module *it)
{
    struct cr_walk *walk = it->walk_;
    bool failed = false;
    if (walk && walk->kind == MODULES && !walk->started) {
        walk->started = true;
        it->module = walk->frames[0].module;
        it->name = walk->name;
        return true;
    }
    while (walk && walk->depth && !failed) {
        cr_slot *child = next_child(walk, &failed);
        if (child && (walk->kind == CHILDREN || push(walk, child->as.module))) {
            it->module = child->as.module;
            it->name = walk->name;
            return true;
        }
        walk->depth--;
    }
    if (walk)
        end(walk);
    *it = (cr_named_module){NULL, NULL, NULL};
    return false;
}
