/* Pieces of printed forms, as Python would write them. An extra_repr builds a cr_text and ends with cr_repr_finish. */
#ifndef CRESSET_CORE_NN_REPR_H
#define CRESSET_CORE_NN_REPR_H

#include "core/base/text.h"

/* "(1,)", "(2, 3)" */
void cr_repr_tuple(cr_text *text, const int64_t *values, int count);
/* "0.1", "1e-05", "1.0" */
void cr_repr_float(cr_text *text, double value);
/* Copies the text as snprintf would and frees it; returns its length, or -1 without memory. */
int cr_repr_finish(cr_text *text, char *to, size_t bytes);

static inline const char *cr_repr_bool(bool value)
{
    return value ? "True" : "False";
}

#endif
