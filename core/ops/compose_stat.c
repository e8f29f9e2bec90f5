/* Order statistics and counts. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- both at once ---- */

COMPOSITE(std_mean)
{
    (void)op;
    cr_tensor *x = T(0);
    return cr_give_two(r, cr_std(x, .no_unbiased = !INT(1)), cr_mean(x));
}
COMPOSITE(var_mean)
{
    (void)op;
    cr_tensor *x = T(0);
    return cr_give_two(r, cr_var(x, .no_unbiased = !INT(1)), cr_mean(x));
}
COMPOSITE(nansum)
GIVE(cr_sum(is_float(T(0)) ? cr_masked_fill_scalar(T(0), cr_isnan(T(0)), 0) : T(0)))
COMPOSITE(nanmean)
{
    (void)op;
    cr_tensor *x = T(0), *there = cr_logical_not(cr_isnan(x));
    return cr_give(r, cr_div(cr_sum(cr_masked_fill_scalar(x, cr_isnan(x), 0)),
                             cr_to_dtype(cr_sum(there), dtype_of(x))));
}
