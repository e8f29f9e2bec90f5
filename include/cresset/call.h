/* The boxed call: any operation of the table by name, with tagged values. Language bindings and the
 * conformance suite stand on it; C programs use the typed functions of ops.h. */
#ifndef CRESSET_CALL_H
#define CRESSET_CALL_H

#include <cresset/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 24 bytes, no padding; all zero is none; lists and strings are borrowed for the call. */
typedef struct cr_value {
    int32_t tag, reserved;
    int64_t count; /* elements of a list, bytes of a string */
    union {
        cr_tensor *tensor;
        int64_t i; /* also bool and dtype */
        double f;
        const char *s; /* also device */
        const int64_t *ints;
        const double *floats;
        const uint8_t *bools;
        cr_tensor *const *tensors;
    } as;
} cr_value;

typedef struct cr_keyword {
    const char *name;
    cr_value value;
} cr_keyword;

typedef struct cr_op cr_op; /* a row of the table; static */

/* The table: how many rows, their names ("add.Tensor") in order, a row's schema in PyTorch's
 * notation (null if there is no such row). An exact name with overload, or a bare name whose first
 * schema is meant. All static. */
CR_API size_t cr_op_count(void);
CR_API const char *cr_op_name(size_t i);
CR_API const char *cr_op_schema(const char *name);
/* A row by its exact name or, for a bare name, the first of that name; null (no error) if there is
 * none. */
CR_API const cr_op *cr_op_find(const char *name);

/* What becomes of a call. */
typedef enum cr_op_kind {
    CR_OP_PRIMITIVE, /* the backend computes it; every backend has to */
    CR_OP_MEMORY,    /* the core allocates: empty and its kin */
    CR_OP_KERNEL,    /* the backend computes it if it can, else it is decomposed */
    CR_OP_COMPOSITE, /* said with other operations always, which also give its derivative */
    CR_OP_VIEW       /* another look at the same memory */
} cr_op_kind;

typedef struct cr_op_info {
    const char *name, *schema;
    cr_op_kind kind;
    bool decomposes;        /* there is a way to compute it with simpler operations */
    const char *derivative; /* the name of its formula; null: none of its own */
    const char *summary;    /* one sentence; empty where none was written */
} cr_op_info;

/* Tells of the i-th row of the table, i < cr_op_count(). All texts are static. Returns 0, or an error for another i. */
CR_API int cr_op_describe(size_t i, cr_op_info *info);

/* Calls an operation. args come in the schema's order, the rest by keyword or default. A bare name
 * takes the first schema that fits. The number of results goes to nouts (may be null); the first
 * cap of them to outs, owned by the scope. Returns 0; otherwise see cr_error, which quotes the
 * schema. */
CR_API int cr_call(const char *name, const cr_value *args, size_t nargs, const cr_keyword *kw,
                   size_t nkw, cr_value *outs, size_t cap, size_t *nouts);
/* The same for a row found before. */
CR_API int cr_op_call(const cr_op *op, const cr_value *args, size_t nargs, const cr_keyword *kw,
                      size_t nkw, cr_value *outs, size_t cap, size_t *nouts);

/* Drops what an output owns, at once; without it the scope does. The value becomes none. */
CR_API void cr_value_clear(cr_value *value);

#ifdef __cplusplus
}
#endif
#endif
