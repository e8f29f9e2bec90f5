/* What shape inference works on: one call, its tensors, and what there is to say about its outputs.
 * Inference runs once per distinct call; dispatch remembers what it said. */
#ifndef CRESSET_CORE_OPS_FRAME_H
#define CRESSET_CORE_OPS_FRAME_H

#include "core/dispatch/device.h"
#include "core/ops/table.h"

enum { CR_FRAME_ATTRS = 16 };

struct cr_frame {
    const cr_op *op; /* the functional form */
    cr_variant variant;
    const cr_value *args;
    cr_dev *dev;

    /* All tensors of the arguments in order, lists flattened; null for an absent optional one.
     * first_input[a] is where argument a's tensors begin. */
    cr_tensor *const *in;
    uint32_t nin;
    uint16_t first_input[CR_MAX_ARGS + 1];

    /* Inference fills these. Of an input: the dtype it must have (0: as it is), whether it comes
     * expanded to the first output's sizes, whether only its metadata mattered (the backend doesn't
     * see it). */
    uint8_t *cast;
    bool *expand, *unseen;
    /* Of the outputs: sizes and dtype; strides are row-major unless set with cr_frame_strides.
     * alias: the input whose memory the output takes (-1: new); -2: not wanted. */
    uint32_t nout;
    cr_meta out[CR_MAX_OUTPUTS];
    int16_t alias[CR_MAX_OUTPUTS];
    /* Optimiser steps: every written input is an output, more than fit above. */
    bool all_in_place;
    bool inplace_ok;  /* the first output may lie exactly on the first input */
    bool no_plan;     /* this case is only decomposed */
    bool like_inputs; /* elementwise: take over the strides of inputs that are dense and agree */
    uint64_t draws;   /* Philox blocks that a run consumes */

    /* What the backend is told beside the metadata; filled from the arguments, changed by
     * inference. */
    cr_attr attrs[CR_FRAME_ATTRS];
    uint32_t nattrs;
    int64_t scratch[8 * CR_MAX_RANK]; /* lists of attributes live here */
    uint32_t nscratch;
};

/* The op's name for messages, without overload: "add". In one of the thread's text buffers. */
const char *cr_frame_name(const cr_frame *f);

/* Output i: rank, sizes (row-major strides) and dtype. False and an error if the size overflows. */
bool cr_frame_out(cr_frame *f, int i, cr_dtype dtype, int rank, const int64_t *sizes);
bool cr_frame_out_like(cr_frame *f, int i, const cr_tensor *t, cr_dtype dtype);

/* Sets, replaces or removes what the backend is told. Lists are copied. */
void cr_frame_attr_int(cr_frame *f, const char *name, int64_t value);
/* A list argument of one number for all n dimensions or one for each, at least `least`, written to `into` and as the attribute
 * that backends see. False, and the error, for others. */
bool cr_frame_spread(cr_frame *f, int arg, int n, int64_t least, int64_t *into);
void cr_frame_attr_ints(cr_frame *f, const char *name, const int64_t *values, int count);
void cr_frame_attr_drop(cr_frame *f, const char *name);

/* Whether tensor i of the arguments has these sizes; false, and an error that says what was expected. */
bool cr_frame_has_sizes(cr_frame *f, int i, int rank, const int64_t *sizes);

/* Every input must have this dtype (and is cast to it otherwise). */
void cr_frame_cast_all(cr_frame *f, cr_dtype dtype);

/* The dtype that PyTorch's rules give for all tensors and numbers among the arguments
 * (torch.result_type). */
cr_dtype cr_frame_result_type(const cr_frame *f);

/* Broadcasts sizes into into (of *rank): false and an error naming both shapes if they don't fit.
 */
bool cr_frame_broadcast(const cr_frame *f, int *rank, int64_t *into, const cr_tensor *t);

/* The elementwise pattern: all inputs cast to compute and expanded to their common sizes; one
 * output of dtype out. */
bool cr_frame_elementwise(cr_frame *f, cr_dtype compute, cr_dtype out);

/* Fails with "<op>: …". Returns false. */
bool cr_frame_fail(const cr_frame *f, const char *format, ...) CR_PRINTF_(2, 3);

#endif
