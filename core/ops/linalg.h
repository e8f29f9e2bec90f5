/* What inference, decompositions and derivatives of linear algebra share. */
#ifndef CRESSET_CORE_OPS_LINALG_H
#define CRESSET_CORE_OPS_LINALG_H

#include "core/tensor/tensor.h"

/* Whether b holds vectors and not matrices as the right side of A·X = b: one vector, or as many as a has matrices. */
bool cr_linalg_is_vector(const cr_tensor *a, const cr_tensor *b);

#endif
