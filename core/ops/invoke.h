/* Running an operation: the call as collected, and the steps that invoke.c, plan.c and variants.c
 * share. */
#ifndef CRESSET_CORE_OPS_INVOKE_H
#define CRESSET_CORE_OPS_INVOKE_H

#include "core/dispatch/device.h"
#include "core/ops/frame.h"
#include "core/ops/table.h"

enum { CR_CALL_INPUTS = 16, CR_CALL_KEY = 192, CR_CALL_NUMBERS = 8 };

/* One call, collected from its arguments: tensors, numbers, and the key by which it may be known.
 * The arrays are the ones below unless the call has more. */
typedef struct cr_op_run {
    const cr_op *op;
    const cr_value *args;
    cr_dev *dev;
    cr_tensor **in;
    uint64_t *key;
    cr_number *numbers;
    uint32_t nin, nkey, nnumbers;
    uint32_t in_capacity;
    uint64_t *key_end;
    uint16_t first_input[CR_MAX_ARGS + 1];
    cr_tensor *out; /* of an out form */
    unsigned flags; /* all that some input has */
    bool mixed_devices, private_layouts;
    uint64_t hash;
    cr_tensor *in_[CR_CALL_INPUTS];
    uint64_t key_[CR_CALL_KEY];
    cr_number numbers_[CR_CALL_NUMBERS];
} cr_op_run;

/* Learns what to do with a call not seen before: infers, asks the backend, and remembers. Returns
 * the entry with the device's lock held; null, without the lock and with the error set, on failure.
 */
cr_plan_entry *cr_plan_call(cr_op_run *run);

/* The graph of one node that the backend saw of a call that has run, in one piece for free(); null where that is not to be
 * had (out forms, operations over lists, no memory). elementwise: each element of the result depends on its own place alone. */
cr_graph *cr_plan_graph(const cr_op_run *run, bool *elementwise);

/* The call has a plan of its device in the entry; where `by` has one too, that is faster, it takes its place, and what it
 * needs and answers that in `info`. Devices' lock held. Failures leave things as they are. */
void cr_plan_faster(const cr_op_run *run, const cr_frame *f, cr_plan_entry *e, cr_dev *by,
                    const cr_graph *graph, cr_plan_info *info);
/* Whether plans are chosen by measuring. */
bool cr_measures(void);

/* The device that may lend plans for what this one has none: the fallback, where both work on the same host memory, so that a
 * buffer of one is a buffer of the other. Else null. */
cr_dev *cr_lender(const cr_dev *dev);

/* The ways that are not a plan of the backend: each gives results that belong to the scope. */
int cr_run_recast(cr_op_run *run, const uint8_t *casts, cr_results *results);
int cr_run_decomposed(cr_op_run *run, cr_results *results);
int cr_run_fallback(cr_op_run *run, cr_results *results);
/* Writes the values of `from`, of the same sizes and dtype, to a tensor of a device that plans no copy. Returns 0, or -1
 * with the error set. */
int cr_copy_through_host(cr_tensor *to, cr_tensor *from);
int cr_run_indirect(cr_op_run *run, cr_results *results);
int cr_run_on_one_device(cr_op_run *run, cr_results *results);
/* Tensors of several devices that all live in host memory need not move: says where the operation runs on them as they
 * are (null: not all do), once their values are there to be read, in layout 0. Returns 0, or -1 with the error set. */
int cr_run_meets_in_host_memory(cr_op_run *run, cr_dev **where);
int cr_run_plain(cr_op_run *run, cr_results *results);
int cr_invoke_composite(const cr_op *op, const cr_value *args, cr_results *results);
int cr_invoke_view(const cr_op *op, const cr_value *args, cr_results *results);

/* Closes a scope, moving the results one out. */
void cr_end_keeping(cr_results *results, int failed);

/* ---- layout.c ---- */

/* Brings a tensor's storage from a private layout to layout 0. Returns 0, or -1 with the error set.
 */
int cr_make_plain(cr_tensor *t);
/* Takes an element-wise call through the private layout that its tensors share: rewrites the graph's values to layout 0.
 * Returns the tag that the result gets, or 0 where that can't be done. */
uint64_t cr_hide_layout(const cr_op_run *run, const cr_frame *f, cr_meta *values, uint32_t nvalues);
/* Plans what brings the entry's inputs to the layouts that its plan asked for. Device's lock held, as in the next. */
cr_status cr_plan_prepares(cr_dev *dev, cr_plan_entry *e, const cr_graph *graph,
                           const cr_plan_info *info);
/* The same for one input: fills the plan into what says layout and bytes. */
cr_status cr_plan_prepare(cr_dev *dev, const cr_meta *from, cr_prepare *prepare);
/* The storage with the input in the layout asked for, retained: as kept with the tensor, or made now. Null with the error set.
 * A copy is kept with `keep`, or once it is asked for again before the values change, as in inference. A step of training asks once for a
 * weight's copy and once for its gradient's, and changes the values: kept, these would be a second and a third of all weights. */
cr_storage *cr_prepared_input(cr_dev *dev, const cr_prepare *prepare, const cr_tensor *t,
                              bool keep);
/* The same made now and remembered nowhere; null without memory, or when it failed. */
cr_storage *cr_prepare_apart(cr_dev *dev, const cr_prepare *prepare, const cr_tensor *t);
/* Lets go of the copies that are kept with a storage. Takes the device's lock. */
void cr_prepared_drop(cr_storage *storage);

/* Takes n Philox blocks from the process's generator; or, of a thread that borrows, from its own state (null: no longer). */
void cr_generator_take(uint64_t blocks, uint64_t *seed, uint64_t *offset);
void cr_generator_borrow(uint64_t state[2]);

/* The autograd room, seen from here. begin looks at a call that is about to run and makes its node
 * (saving what the derivative needs; flags are all that some input has), finish hangs it on the results, cancel forgets it.
 * check_inplace says whether a tensor may be changed. */
typedef struct cr_recorder {
    struct cr_grad_node *(*begin)(const cr_op *op, const cr_value *args, cr_tensor *const *in,
                                  uint32_t nin, unsigned flags, bool *failed);
    int (*finish)(struct cr_grad_node *node, const cr_op *op, cr_tensor *const *in,
                  cr_results *results);
    void (*cancel)(struct cr_grad_node *node);
    int (*check_inplace)(const cr_op *op, cr_tensor *self, bool records);
    /* A view was made: remembers what it is a view of. */
    int (*view)(const cr_op *op, cr_tensor *base, cr_tensor *view);
} cr_recorder;
extern cr_recorder cr_the_recorder;

/* Whether a view among the inputs requires grad though it is not marked (CR_FLAG_VIEW). */
bool cr_a_view_requires_grad(const cr_op_run *run);

static inline bool cr_records(const cr_op_run *run)
{
    return run->flags & (CR_FLAG_REQUIRES_GRAD | CR_FLAG_VIEW) && !cr_this_thread.grad_disabled &&
           !cr_this_thread.inference_mode &&
           (CR_LIKELY(run->flags & CR_FLAG_REQUIRES_GRAD) || cr_a_view_requires_grad(run));
}

#endif
