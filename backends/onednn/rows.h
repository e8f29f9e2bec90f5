/* Values as rows for primitives that work along the innermost dimensions: softmax, layer norm, reductions. Rows are shared
 * out in pieces; a value whose rows are not together is brought to dense rows, and back, next to the primitive. */
#ifndef CRESSET_BACKENDS_ONEDNN_ROWS_H
#define CRESSET_BACKENDS_ONEDNN_ROWS_H

#include "onednn.h"

typedef struct dn_rows {
    int rank, inner;        /* dimensions, and how many of them, at the end of `order`, are a row */
    int order[CR_MAX_RANK]; /* the dimensions as the primitive sees them */
    int64_t rows, m;        /* rows of m elements */
} dn_rows;

/* What a step reads or writes. */
typedef enum dn_row_form {
    DN_ROWS, /* the rows, in the value's dtype and strides */
    DN_EACH, /* one f32 for each row, dense */
    DN_ONE,  /* one element for each row, dense, of the value's dtype: [rows, 1] */
    DN_ALONG /* f32 of m elements that all rows share; in shared memory with an advance, one for each piece */
} dn_row_form;

typedef struct dn_row_operand {
    dn_row_form form;
    int arg;             /* DNNL_ARG_… */
    bool written;        /* DN_ROWS */
    const cr_meta *meta; /* DN_ROWS and DN_ONE: the value, at place `at` of a run */
    int at;
    dn_where where; /* of the others; the advance of DN_EACH is set here */
} dn_row_operand;

/* Rows along `dim`, or along the last `inner` dimensions. False without dimensions, or elements. */
bool dn_rows_along(dn_rows *r, const cr_meta *meta, int64_t dim);
bool dn_rows_last(dn_rows *r, const cr_meta *meta, int inner);

/* Whether the value's rows are together already. */
bool dn_rows_dense(const dn_rows *r, const cr_meta *meta);

/* The rows of a piece, and into how many pieces they come, when a row costs so many nanoseconds. `values`: the DN_ROWS. */
int64_t dn_rows_piece(const dn_rows *r, const dn_row_operand *operands, int count, double cost,
                      int64_t *pieces);

/* Makes the primitive's descriptor for `rows` rows, dense and of the first operand's dtype. */
typedef dnnl_status_t (*dn_rows_describe)(const void *context, int64_t rows, int64_t m,
                                          dnnl_data_type_t type, dnnl_primitive_desc_t *pd);

/* Adds a stage that runs it over all rows, in pieces as dn_rows_piece says. `after` may be null; it gets the operands' rows,
 * dense. */
cr_status dn_rows_stage(dn_plan *plan, const dn_rows *r, const dn_row_operand *operands, int count,
                        double cost, dn_rows_describe describe, const void *context,
                        void (*after)(const dn_plan *plan, void *const *at, int64_t rows));

#endif
