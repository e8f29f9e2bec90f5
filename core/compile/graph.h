/* A recorded call, and the graph that it becomes. record.c fills a cr_trace while a function runs; compare.c holds two of them
 * against each other; build.c drops, fuses and places; replay.c runs; compile.c decides which graph a call gets. */
#ifndef CRESSET_CORE_COMPILE_GRAPH_H
#define CRESSET_CORE_COMPILE_GRAPH_H

#include "core/dispatch/trace.h"
#include "core/ops/invoke.h"

/* A value is a piece of memory, whole: views of it are offsets. */
typedef enum cr_value_kind {
    CR_VALUE_INPUT,    /* the memory of an input of the call */
    CR_VALUE_OUTSIDE,  /* was there before: parameters, buffers, gradients that are added to */
    CR_VALUE_CONSTANT, /* made by the host in the call, and only read since */
    CR_VALUE_INNER,    /* came and went: placed in the graph's memory */
    CR_VALUE_KEPT,     /* came, and is held by somebody after the call: gradients */
    CR_VALUE_RESULT,   /* came, and is held by the outputs alone: new memory at each run */
    CR_VALUE_PREPARED /* a tensor from outside in a layout that a plan asked for, kept with it: made anew
                          before a run where the tensor has changed */
} cr_value_kind;

typedef struct cr_trace_value {
    cr_value_kind kind;
    bool alive;          /* while recording: not given back yet */
    bool written;        /* by a step */
    bool read_first;     /* while building: needed by what follows */
    uint32_t input;      /* which, of CR_VALUE_INPUT and CR_VALUE_PREPARED */
    cr_storage *storage; /* one reference, but for inputs and what came and went */
    cr_buffer *buffer;
    size_t bytes;
    size_t base;          /* where an input begins in its memory */
    uint32_t first, last; /* the steps between which an inner value must keep its place */
    cr_binding at;        /* its place */
} cr_trace_value;

typedef enum cr_step_kind { CR_STEP_RUN, CR_STEP_GRAD, CR_STEP_CALL } cr_step_kind;

typedef struct cr_trace_step {
    cr_step_kind kind;
    bool dead; /* nobody reads what it makes */
    uint64_t
        draws; /* Philox blocks; they are taken even by the dead, so that the next one draws the same */
    /* CR_STEP_RUN */
    const cr_op *op;
    cr_plan_entry *entry; /* pinned */
    cr_plan *plan;        /* the entry's, or the graph's own */
    cr_dev *by;
    bool owns_plan;
    uint32_t nvalues, nread; /* nread inputs, then outputs */
    uint32_t nnumbers;
    uint32_t *value;  /* [nvalues] */
    size_t *offset;   /* [nvalues] bytes from the value's beginning */
    cr_binding *bind; /* [nvalues], as last set */
    cr_number *numbers;
    size_t workspace;
    cr_binding work;
    cr_graph *graph; /* of one node, of what might run as part of another plan; else null */
    bool elementwise;
    /* CR_STEP_GRAD: leaf's gradient becomes grad */
    cr_tensor *leaf, *grad;
    /* CR_STEP_CALL */
    cr_trace_call call;
    void *object;
} cr_trace_step;

/* What a CR_VALUE_PREPARED is made of. */
typedef struct cr_trace_prepare {
    const cr_prepare *how; /* a pinned entry's, or own: with a plan of the graph's */
    bool own;
    cr_tensor *source; /* of its own, over the same memory */
    uint32_t from;     /* the value in which it lies */
    size_t offset;
    uint32_t value; /* what is made */
} cr_trace_prepare;

/* What a leaf's gradient was at the beginning, where the call depends on it. */
typedef struct cr_trace_leaf {
    cr_tensor *leaf, *grad;
    bool depends;
} cr_trace_leaf;

typedef struct cr_trace_output {
    uint32_t value; /* CR_NO_VALUE: null */
    cr_dtype dtype;
    int dim;
    int64_t size[CR_MAX_RANK], stride[CR_MAX_RANK], offset;
} cr_trace_output;

/* Where the buffer of a run binding changes from call to call. */
typedef struct cr_trace_patch {
    cr_binding *bind;
    uint32_t value;
    size_t offset;
} cr_trace_patch;

typedef struct cr_trace {
    cr_dev *dev;
    const char *broken; /* why it can't be captured; static */
    bool paused;        /* a call on the host is running */
    cr_trace_value *values;
    cr_trace_step *steps;
    cr_trace_leaf *leaves;
    cr_trace_prepare *prepares;
    cr_trace_output *outputs;
    size_t nvalues, values_room, nsteps, steps_room, nleaves, leaves_room, noutputs;
    size_t nprepares, prepares_room;
    uint32_t ninputs;     /* the first values */
    cr_buffer **map_keys; /* buffer → value + 1 (0: unknown), open addressing */
    uint32_t *map_values;
    size_t map_size, map_used;
    /* A graph's: */
    cr_storage **memory; /* [npieces] what inner values and workspaces lie in */
    size_t npieces;
    cr_trace_patch *patches;
    cr_storage **results; /* [nvalues] while running */
    size_t npatches;
    size_t recorded, dropped, fused, plans, separate;
} cr_trace;

/* An empty trace for these inputs, or null without memory. */
cr_trace *cr_trace_new(cr_tensor *const *inputs, size_t n);
void cr_trace_free(cr_trace *trace);

/* From now until cr_trace_stop the thread is recorded. */
void cr_trace_start(cr_trace *trace);
/* Ends it (the function's scope has ended, too) and says what each value became; outputs may have null entries. */
void cr_trace_stop(cr_trace *trace, cr_tensor *const *outputs, size_t n);

/* A new value: what lies `offset` bytes into value `from` and looks like the source, prepared as `how` says. own: the trace
 * owns that, with its plan. CR_NO_VALUE, with the trace broken, without memory. */
uint32_t cr_trace_prepared(cr_trace *trace, const cr_prepare *how, bool own,
                           const cr_tensor *source, uint32_t from, size_t offset);

/* What was prepared of tensors whose gradients the graph computes would be out of date at each run, and be held between them: it
 * becomes an inner value, and a step that copies, before the one that reads it. False, and the error set, without memory. */
bool cr_trace_bring_in(cr_trace *trace);

/* Lets go of what the call left, which only the one that becomes a graph needs: its gradients would take their memory twice. */
void cr_trace_forget_kept(cr_trace *trace);

/* Null if both did the same, else what differs, in a text of the thread's. */
const char *cr_trace_difference(const cr_trace *a, const cr_trace *b);

/* Turns a finished trace into a graph that runs. False, and the error set, without memory. */
bool cr_trace_build(cr_trace *trace);
/* Whether the gradients that it depends on are as they were. */
bool cr_trace_fits(const cr_trace *trace);
/* Runs a graph: writes as many outputs as were recorded, the scope's. Returns 0, or -1 and an error. */
int cr_trace_run(cr_trace *trace, cr_tensor *const *inputs, cr_tensor **outputs);

#endif
