/* One call as the graph of one node that backends see. */
#ifndef CRESSET_CORE_OPS_CALL_GRAPH_H
#define CRESSET_CORE_OPS_CALL_GRAPH_H

#include "core/ops/invoke.h"

/* The graph of a call and what it points to; attributes are the frame's. */
typedef struct cr_call_graph {
    cr_graph graph;
    cr_graph_node node;
    cr_meta *values;
    uint32_t *at;          /* node inputs, node outputs, graph inputs, graph outputs */
    uint16_t *bind_inputs; /* [graph.ninputs]: which of the call's inputs */
    uint16_t *
        written; /* [nwritten]: the inputs that are written, where all outputs are inputs; or null */
    uint32_t nwritten;
    const char *names[CR_MAX_ARGS];
} cr_call_graph;

/* False without memory; the error is not set. Ends with cr_call_graph_free. */
bool cr_call_graph_make(cr_call_graph *call, const cr_op_run *run, const cr_frame *f);
void cr_call_graph_free(cr_call_graph *call);
/* The graph with all that it points to in one piece of memory, for free(); null without memory. Metas are zero past their
 * rank, so that they may be compared whole. */
cr_graph *cr_call_graph_copy(const cr_call_graph *call);

/* What the backend calls the operation: copies of all kinds are one primitive. */
const char *cr_backend_name(const cr_op *op);

#endif
