/* What the generated typed functions use to fill values in. */
#ifndef CRESSET_CORE_OPS_TYPED_H
#define CRESSET_CORE_OPS_TYPED_H

#include <string.h>

#include "core/ops/table.h"

/* A list argument; `fixed` copies of a single number go to spread, which lives as long as the call.
 */
static inline cr_value from_ints(const cr_ints *list, int fixed, int64_t *spread,
                                 const cr_value *fallback)
{
    if (!list->data && !list->count) {
        if (fallback)
            return *fallback;
        cr_value none;
        cr_v_start(&none, CR_NONE, 0);
        none.as.i = 0;
        return none;
    }
    cr_value v = cr_v_ints(list->data ? list->data : &list->one, list->count);
    if (fixed > 1 && list->count == 1 && fixed <= 4) {
        for (int i = 0; i < fixed; i++)
            spread[i] = v.as.ints[0];
        v.as.ints = spread;
        v.count = fixed;
    }
    return v;
}

static inline cr_value from_tensors(cr_tensors list)
{
    cr_value v;
    cr_v_start(&v, CR_TENSOR_LIST, list.count);
    v.as.tensors = list.data;
    return v;
}

static inline cr_value from_string(const char *s)
{
    cr_value v;
    cr_v_start(&v, s ? CR_STRING : CR_NONE, s ? (int64_t)strlen(s) : 0);
    v.as.s = s;
    return v;
}

static inline cr_value from_device(const char *s)
{
    cr_value v;
    cr_v_start(&v, s ? CR_DEVICE : CR_NONE, s ? (int64_t)strlen(s) : 0);
    v.as.s = s;
    return v;
}

static inline cr_value from_dtype(cr_dtype dtype)
{
    cr_value v;
    cr_v_start(&v, dtype ? CR_DTYPE : CR_NONE, 0);
    v.as.i = dtype;
    return v;
}

static inline cr_value from_bools(const uint8_t *bools, int count)
{
    cr_value v;
    cr_v_start(&v, bools ? CR_BOOL_LIST : CR_NONE, count);
    v.as.bools = bools;
    return v;
}

#endif
