/* Modules from inside: what hangs on one, and what the files of this room share. The public face is
 * <cresset/module.h>. */
#ifndef CRESSET_CORE_NN_NN_H
#define CRESSET_CORE_NN_NN_H

#include <stdatomic.h>

#include <cresset/module.h>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/tensor/tensor.h"

/* A named child, parameter or buffer. `place` is the member of the module's struct that mirrors it,
 * or null. */
typedef struct cr_slot {
    char *name;
    union {
        cr_module *module;
        cr_tensor *tensor;
    } as;
    union {
        cr_module **module;
        cr_tensor **tensor;
    } place;
    bool persistent;
} cr_slot;

typedef struct cr_slots {
    cr_slot *data;
    size_t count, capacity;
} cr_slots;

typedef enum cr_module_hook_kind {
    CR_HOOK_PRE,
    CR_HOOK_FORWARD,
    CR_HOOK_BACKWARD
} cr_module_hook_kind;

typedef struct cr_module_hook {
    int64_t handle;
    cr_module_hook_kind kind;
    union {
        cr_forward_pre_hook pre;
        cr_forward_hook forward;
        cr_full_backward_hook backward;
    } as;
    void *context;
} cr_module_hook;

typedef struct cr_reparam cr_reparam; /* reparametrise.h */

struct cr_module_state {
    atomic_int refs;
    cr_slots children, parameters, buffers;
    cr_module_hook *hooks; /* in the order of registration */
    size_t nhooks;
    size_t nhooks_of[3]; /* by kind */
    int64_t last_handle;
    cr_tensor **places; /* for types with any number of members that mirror tensors */
    size_t places_bytes;
    cr_reparam *reparams;
    size_t nreparams;
};

/* True for a module; otherwise false, with the error set in `who`'s name if there was none. */
bool cr_is_module(const cr_module *module, const char *who);

cr_slot *cr_slot_find(const cr_slots *slots, const char *name);
/* A new slot under a copy of the name; null, with the error set, without memory. */
cr_slot *cr_slot_add(cr_slots *slots, const char *name);
/* Gives a module memory for places, zeroed, which deep copies have one of their own of. */
bool cr_module_add_places(cr_module *module, size_t bytes);

/* ---- hooks (hooks.c) ---- */

/* Runs all hooks of a kind; each returns 0, or -1 and an error. */
int cr_run_pre_hooks(cr_module *module, cr_tensor **inputs, size_t ninputs);
int cr_run_forward_hooks(cr_module *module, cr_tensor *const *inputs, size_t ninputs,
                         cr_tensor **outputs, size_t noutputs);
int cr_run_backward_hooks(cr_module *module, cr_tensor **grad_inputs, size_t ninputs,
                          cr_tensor *const *grad_outputs, size_t noutputs);

/* A call under backward hooks (backward_hooks.c): inputs and outputs pass through nodes that see
 * their gradients. */
typedef struct cr_backward_watch cr_backward_watch;
cr_backward_watch *cr_watch_inputs(cr_module *module, cr_tensor **inputs, size_t ninputs);
int cr_watch_outputs(cr_backward_watch *watch, cr_tensor **outputs, size_t noutputs);
void cr_watch_release(cr_backward_watch *watch);

/* ---- types that other files of the room ask for ---- */

extern const cr_module_type cr_sequential_type, cr_module_list_type, cr_module_dict_type,
    cr_parameter_list_type, cr_parameter_dict_type;

/* How many outputs the caller of the module that is being called wants: 1 for cr_forward. For modules that would compute more
 * than they are asked for. */
size_t cr_outputs_wanted(void);

/* "[2, 3]", for messages. */
static inline const char *cr_shape_text(const cr_tensor *t)
{
    return t ? cr_sizes_text(cr_tensor_dim(t), cr_tensor_sizes(t)) : "null";
}

/* Gives t the other tensor's data: storage, dtype, device, sizes. t remains the same object. */
void cr_tensor_take_data(cr_tensor *t, cr_tensor *from);

#endif
