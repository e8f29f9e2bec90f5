/* What inference, decompositions and derivatives of linear algebra share. */
#ifndef CRESSET_CORE_OPS_LINALG_H
#define CRESSET_CORE_OPS_LINALG_H

#include "core/tensor/tensor.h"
#include "cresset/ops.h"

/* Whether b holds vectors and not matrices as the right side of A·X = b: one vector, or as many as a has matrices. */
bool cr_linalg_is_vector(const cr_tensor *a, const cr_tensor *b);

/* Whether a holds matrices; an error in the function's name where it does not. */
bool cr_linalg_is_matrix(const char *name, cr_tensor *a);

static inline int64_t rows_of(const cr_tensor *a)
{
    return a->size[a->dim - 2];
}
static inline int64_t columns_of(const cr_tensor *a)
{
    return a->size[a->dim - 1];
}
/* Transposed. */
static inline cr_tensor *mt(cr_tensor *a)
{
    return cr_transpose(a, -2, -1);
}

#endif
