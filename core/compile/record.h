/* What the two files of recording share: record.c has steps and values, record_layouts.c those in private layouts. */
#ifndef CRESSET_CORE_COMPILE_RECORD_H
#define CRESSET_CORE_COMPILE_RECORD_H

#include "core/compile/graph.h"

/* Why a trace is broken that had no memory. */
extern const char cr_record_no_memory[];

/* The thread's trace, or null where it is broken. */
cr_trace *cr_record_current(void);
/* The value that has the buffer now, or null. */
cr_trace_value *cr_record_find(cr_trace *trace, const cr_buffer *buffer);
/* Of the inputs that share a buffer, the one in which the place lies. */
cr_trace_value *cr_record_input_at(cr_trace *trace, cr_trace_value *first, size_t offset);
/* These return null, and the trace is broken, without memory. more: one more place at the end of a list, cleared. value: of the
 * buffer from now on; null: of none. outside: for memory that was there before. */
void *cr_record_more(cr_trace *trace, void **list, size_t *count, size_t *room, size_t size);
cr_trace_value *cr_record_value(cr_trace *trace, cr_value_kind kind, cr_buffer *buffer,
                                size_t bytes);
cr_trace_value *cr_record_outside(cr_trace *trace, const cr_op_run *run, cr_buffer *buffer);
cr_trace_step *cr_record_step(cr_trace *trace, cr_step_kind kind);
bool cr_record_room(cr_trace_step *step, uint32_t nvalues, uint32_t nnumbers);

/* ---- record_layouts.c ---- */

/* The value that stands for what the entry's plan had brought to a layout, with the step that makes it where there is one;
 * CR_NO_VALUE, and the trace broken, on failure. */
uint32_t cr_record_bring_in(cr_trace *trace, const cr_op_run *run, cr_plan_entry *entry,
                            const cr_prepare *how);
/* Which of the entry's prepared inputs the binding is, or -1. */
int cr_record_prepare_of(const cr_plan_entry *entry, uint32_t binding);
/* The tracer's. */
void cr_record_left_layout(cr_storage *storage, cr_storage *other, cr_plan_entry *entry);

#endif
