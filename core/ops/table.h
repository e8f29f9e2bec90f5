/* The table of operations as the library holds it: a row of ops.def, and the in-place and out forms
 * made from it. */
#ifndef CRESSET_CORE_OPS_TABLE_H
#define CRESSET_CORE_OPS_TABLE_H

#include "core/ops/schema.h"
#include "core/tensor/tensor.h"

typedef struct cr_frame cr_frame;

/* What an operation gives back. The tensors belong to the scope. list is an array that the scope
 * frees. */
typedef struct cr_results {
    int count;
    cr_tensor *t[CR_MAX_RETURNS];
    cr_tensor **list; /* instead of t, for operations that return Tensor[] */
    int64_t nlist;
} cr_results;

/* A decomposition, a composite, or a view: args are complete, in the schema's order. Returns 0, or
 * -1 with the error set. */
typedef int (*cr_op_function)(const cr_op *op, const cr_value *args, cr_results *results);

typedef enum cr_how {
    CR_HOW_PRIMITIVE,
    CR_HOW_MEMORY,
    CR_HOW_KERNEL,
    CR_HOW_COMPOSITE,
    CR_HOW_VIEW
} cr_how;

typedef enum cr_variant { CR_FUNCTIONAL, CR_INPLACE, CR_OUT } cr_variant;

struct cr_op {
    const char *name;
    const char *text; /* the schema as written */
    cr_schema *schema;
    uint16_t index; /* in the table, with variants */
    uint16_t row;   /* in ops.def */
    uint8_t how;    /* cr_how */
    uint8_t variant;
    uint8_t nargs;    /* without `out` */
    uint8_t autocast; /* what cr_autocast_list says; 0: on no list */
    bool own_inplace; /* the row itself writes its first argument: "normal_(Tensor(a!) self, …)" */
    bool numbers_in_key;
    bool has_lists; /* of its arguments: values that lie elsewhere (lists, strings, devices) */
    uint8_t kinds
        [CR_MAX_ARGS]; /* the arguments' cr_arg_type, close together: what every call looks at */
    bool (*infer)(cr_frame *frame);
    cr_op_function function;
    const cr_op *functional; /* of a variant: the row's own form; else itself */
};

/* All operations, rows and variants, in the order of ops.def. Parsed at the first call. */
const cr_op *cr_ops(void);
extern cr_op *cr_ops_made; /* null before the first cr_ops() */
static inline const cr_op *cr_op_at(size_t index)
{
    return CR_LIKELY(cr_ops_made != NULL) ? &cr_ops_made[index] : &cr_ops()[index];
}
/* Fails, naming the operations whose names are the closest. Always -1. */
int cr_op_unknown(const char *name);

/* The table's places, by C name: CR_OP_add, CR_OP_add_ … are in the generated op_index.h. */

/* Runs an operation; args complete, in the schema's order (for an out form, with out last). */
int cr_invoke(const cr_op *op, const cr_value *args, cr_results *results);
/* Whether the device of the arguments plans the call as a whole, so that a composite has a choice. The error is set where the
 * arguments don't fit. */
bool cr_has_plan(const cr_op *op, const cr_value *args);

/* Makes a value of a thing. Field by field: an initialiser would be put together aside and copied as a whole, and that copy's load
 * waits for the smaller stores before it (5 ns a call, GCC 12). */
static inline void cr_v_start(cr_value *v, int32_t tag, int64_t count)
{
    v->tag = tag;
    v->reserved = 0;
    v->count = count;
}
static inline cr_value cr_v_tensor(cr_tensor *t)
{
    cr_value v;
    cr_v_start(&v, CR_TENSOR, 0);
    v.as.tensor = t;
    return v;
}
static inline cr_value cr_v_opt_tensor(cr_tensor *t)
{
    cr_value v;
    cr_v_start(&v, t ? CR_TENSOR : CR_NONE, 0);
    v.as.tensor = t;
    return v;
}
static inline cr_value cr_v_int(int64_t i)
{
    cr_value v;
    cr_v_start(&v, CR_INT, 0);
    v.as.i = i;
    return v;
}
static inline cr_value cr_v_bool(bool b)
{
    cr_value v;
    cr_v_start(&v, CR_BOOL, 0);
    v.as.i = b;
    return v;
}
static inline cr_value cr_v_float(double f)
{
    cr_value v;
    cr_v_start(&v, CR_FLOAT, 0);
    v.as.f = f;
    return v;
}
static inline cr_value cr_v_scalar(cr_scalar s)
{
    cr_value v;
    cr_v_start(&v, s.tag, 0);
    v.as.i = s.as.i;
    return v;
}
static inline cr_value cr_v_ints(const int64_t *ints, int64_t count)
{
    cr_value v;
    cr_v_start(&v, CR_INT_LIST, count);
    v.as.ints = ints;
    return v;
}

extern const int64_t cr_empty_list; /* where a list without elements points */

/* Reads arguments in functions of the table. */
static inline cr_scalar cr_value_scalar(const cr_value *v)
{
    cr_scalar s = {v->tag, 0, {v->as.i}};
    return s;
}
static inline cr_ints cr_value_ints(const cr_value *v)
{
    cr_ints list = {v->tag == CR_NONE ? NULL : v->as.ints, v->tag == CR_NONE ? 0 : v->count, 0};
    if (v->tag != CR_NONE && !v->as.ints)
        list.data = &cr_empty_list;
    return list;
}
static inline cr_dtype cr_value_dtype(const cr_value *v)
{
    return v->tag == CR_DTYPE ? (cr_dtype)v->as.i : CR_DTYPE_NONE;
}
static inline const char *cr_value_device(const cr_value *v)
{
    return v->tag == CR_DEVICE ? v->as.s : NULL;
}
static inline cr_tensor *cr_value_tensor(const cr_value *v)
{
    return v->tag == CR_TENSOR ? v->as.tensor : NULL;
}
static inline double cr_value_float(const cr_value *v)
{
    return v->tag == CR_FLOAT ? v->as.f : (double)v->as.i;
}

/* Ends a function of the table: one result (null is a failure). */
static inline int cr_give(cr_results *results, cr_tensor *t)
{
    results->count = 1;
    results->t[0] = t;
    return t ? 0 : -1;
}

#endif
