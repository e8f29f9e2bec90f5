/* Tensors as lists of doubles, for metrics. */
#ifndef CRESSET_CORE_TRAIN_NUMBERS_H
#define CRESSET_CORE_TRAIN_NUMBERS_H

#include <cresset/autograd.h>

/* All elements, row-major; the caller's to free. Null, with the error set. */
double *cr_numbers_read(cr_tensor *tensor);
/* Records that a prediction's shape doesn't fit a target's. */
void cr_numbers_mismatch(const char *who, const cr_tensor *prediction, const cr_tensor *target);

#endif
