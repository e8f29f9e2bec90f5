/* Graphs of several nodes: what the entry point hands to the family "fused" (fused.c). */
#ifndef CRESSET_BACKENDS_CPU_FUSED_H
#define CRESSET_BACKENDS_CPU_FUSED_H

#include "cpu.h"

/* The call of the operation named CPU_FUSED is the first member of this. */
typedef struct cpu_graph_call {
    cpu_call call;
    const cr_graph *graph;
    const cpu_op *(*find)(const char *name); /* or null */
} cpu_graph_call;

#define CPU_FUSED "(fused)"

#endif
