/* Sizes of 1 to 3 spatial dimensions, given as one number or as several, and printed as they were given. */
#ifndef CRESSET_CORE_NN_SPATIAL_H
#define CRESSET_CORE_NN_SPATIAL_H

#include "core/nn/layer.h"

typedef struct cr_spatial {
    int64_t at[3];
    int count;
    bool listed; /* printed as a tuple */
} cr_spatial;

/* The list for `dims` dimensions if a number in it is set, else one number (or, for 0, the fallback) for all. */
cr_spatial cr_spatial_of(int dims, int64_t one, const int64_t *hw, const int64_t *dhw,
                         int64_t fallback);
bool cr_spatial_given(int dims, int64_t one, const int64_t *hw, const int64_t *dhw);

/* "name=3" or "name=(3, 3)"; -1 is None. */
void cr_spatial_repr(cr_text *text, const char *name, const cr_spatial *s);

static inline cr_ints cr_spatial_ints(const cr_spatial *s)
{
    return cr_make_ints(s->at, (size_t)s->count);
}

/* False, with the error set, if a size is below `least`. */
bool cr_spatial_check(const char *layer, const char *name, const cr_spatial *s, int64_t least);

/* False, with the error set, unless x has dims + 1 or dims + 2 dimensions. */
bool cr_spatial_check_rank(const cr_module *module, const cr_tensor *x, int dims);

#define CR_SPATIAL(dims, o, member, fallback) \
    cr_spatial_of(dims, (o)->member, (o)->member##_hw, (o)->member##_dhw, fallback)
#define CR_SPATIAL_GIVEN(dims, o, member) \
    cr_spatial_given(dims, (o)->member, (o)->member##_hw, (o)->member##_dhw)

#endif
