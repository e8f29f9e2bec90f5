/* Graphs of several nodes: what the entry point hands to the family "fused", and the plan that fused_plan.c makes of it and
 * fused.c runs. A chain of elementwise nodes (batch norm by running statistics is one) may follow a head, a product or a
 * convolution, or end in a reduction. */
#ifndef CRESSET_BACKENDS_CPU_FUSED_H
#define CRESSET_BACKENDS_CPU_FUSED_H

#include "cpu.h"
#include "variant.h"

/* The call of the operation named CPU_FUSED is the first member of this. */
typedef struct cpu_graph_call {
    cpu_call call;
    const cr_graph *graph;
    const cpu_op *(*find)(const char *name); /* or null */
} cpu_graph_call;

#define CPU_FUSED "(fused)"

enum {
    FUSED_TILE = 2048, /* elements that a node works on at once */
    FUSED_PIECE = 512, /* and between which it fetches lines for others */
    FUSED_NODES = 16,
    FUSED_VALUES = 48,
    FUSED_TILES = 24, /* values that have a buffer of a tile's size */
    FUSED_OPERANDS = 4,
    FUSED_LENGTHS = 12, /* 2048, 1024 … 1 */
    FUSED_HEAD_VALUES = 8
};

typedef enum fused_place {
    FUSED_UNSEEN, /* by the chain */
    FUSED_MEMORY, /* a value of the run, dense and in the chain's sizes */
    FUSED_REPEAT, /* a value of the run, of which element i is value[i / each % period] */
    FUSED_OUTPUT,
    FUSED_TILED /* comes and goes within a tile */
} fused_place;

typedef struct fused_value {
    fused_place place;
    int at;   /* in cr_run.values */
    int tile; /* its buffer; of an output, where it is streamed */
    int64_t each, period;
} fused_value;

/* (x - mean) · scale + shift of each channel: three rows of numbers in the workspace, made at each run, so that statistics and
 * weights may change. */
typedef struct fused_norm {
    int64_t channels, each; /* element i is of channel i / each % channels */
    int mean_at, var_at, weight_at, bias_at, eps_at; /* -1: none */
    size_t workspace;
} fused_norm;

typedef struct fused_node {
    cr_plan *plan[FUSED_LENGTHS];  /* for each length; none of a norm */
    int value[FUSED_OPERANDS + 1]; /* inputs, then the output */
    int nvalues, number_at;
    fused_norm *norm; /* or null */
    cr_plan *piece;   /* for FUSED_PIECE elements, or null: it fetches nothing (run_fetching) */
    uint64_t fetched; /* values, a bit each */
} fused_node;

/* The first node's plan, which writes the value that the chain begins with. */
typedef struct fused_head {
    cr_plan *plan; /* or null: there is none */
    int at[FUSED_HEAD_VALUES];
    int nvalues;
} fused_head;

/* The last node's: rows of `terms` elements become one each, a row at once or by pieces of a tile. */
typedef struct fused_tail {
    bool there;
    cr_plan *plan[FUSED_LENGTHS]; /* for each length, rows of it; of pieces, one row */
    cr_plan *pieces_plan;         /* the pieces of all rows; null where a row fits a tile */
    int value, at;                /* what is reduced, and where to */
    int64_t rows, terms, pieces;
    size_t workspace;
} fused_tail;

typedef struct fused_plan {
    struct cr_plan base;
    int64_t numel;
    double cost;
    bool stream;
    int nnodes, nvalues, ntiles, nlengths;
    uint32_t spare;                /* tiles, a bit each, that the node being planned may take */
    int64_t length[FUSED_LENGTHS]; /* descending; all work is cut into these */
    fused_node node[FUSED_NODES];
    fused_value value[FUSED_VALUES];
    fused_head head;
    fused_tail tail;
} fused_plan;

/* fused.c */
cr_status CPU_NAME(fused_run)(cr_plan *plan, const cr_run *run);

#endif
