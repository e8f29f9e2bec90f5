/* Distances and similarities. */
#include <math.h>

#include "core/ops/compose.h"

/* (Σ |d|ᵖ)^(1/p) over the last dimension; where all are equal the gradient is 0, not NaN. */
static cr_tensor *length(cr_tensor *d, double p, bool keepdim)
{
    if (p == 2) {
        cr_tensor *s = cr_sum_dim(cr_square(d), -1, .keepdim = keepdim), *none = cr_eq_scalar(s, 0);
        if (!cr_grad_enabled() || !s || !cr_requires_grad(s))
            return cr_sqrt(s);
        return cr_masked_fill_scalar(cr_sqrt(cr_masked_fill_scalar(s, none, 1)), none, 0);
    }
    return cr_norm_dim(d, CR_S(p), CR_INTS(-1), .keepdim = keepdim);
}

COMPOSITE(pairwise_distance)
GIVE(cr_norm_dim(cr_add_scalar(cr_sub(T(0), T(1)), F(3)), CR_S(F(2)), CR_INTS(-1),
                 .keepdim = INT(4)))

/* Every row of x1 against every row of x2: (…, n, d) and (…, m, d) to (…, n, m). */
static cr_tensor *all_pairs(cr_tensor *a, cr_tensor *b, double p)
{
    if (a->dim < 2 || b->dim < 2 || a->size[a->dim - 1] != b->size[b->dim - 1])
        return cr_fail("cdist: X1 and X2 must have at least two dimensions and the same number of "
                       "columns. X1: %s X2: %s",
                       cr_sizes_text(a->dim, a->size), cr_sizes_text(b->dim, b->size));
    if (p < 0)
        return cr_fail("cdist only supports non-negative p values");
    return length(cr_sub(cr_unsqueeze(a, -2), cr_unsqueeze(b, -3)), p, false);
}
COMPOSITE(cdist)
GIVE(all_pairs(T(0), T(1), F(2)))

/* The distances of rows i < j, in the order of pdist. */
COMPOSITE(pdist)
{
    (void)op;
    cr_tensor *x = T(0);
    if (x->dim != 2 || F(1) < 0)
        return CR_FAIL_INT("pdist only supports 2D tensors and non-negative p, got: %s",
                           cr_describe(x));
    int64_t n = x->size[0];
    cr_tensor *ones = cr_triu(cr_ones(CR_INTS(n, n), .dtype = CR_B8, .device = cr_tensor_device(x)),
                              .diagonal = 1);
    cr_tensor *at = cr_nonzero(ones);
    cr_tensor *a = cr_index_select(x, 0, cr_select(at, 1, 0)),
              *b = cr_index_select(x, 0, cr_select(at, 1, 1));
    return cr_give(r, length(cr_sub(a, b), F(1), false));
}

COMPOSITE(cosine_similarity)
{
    (void)op;
    double eps = F(3);
    cr_tensor *a = T(0), *b = T(1);
    cr_ints dim = CR_INTS(INT(2));
    cr_tensor *na = cr_clamp_min(cr_norm_dim(a, CR_S(2), dim, .keepdim = true), eps);
    cr_tensor *nb = cr_clamp_min(cr_norm_dim(b, CR_S(2), dim, .keepdim = true), eps);
    return cr_give(r, cr_sum_dim(cr_mul(cr_div(a, na), cr_div(b, nb)), dim));
}

/* F.normalize. */
COMPOSITE(normalize)
GIVE(cr_div(T(0),
            cr_clamp_min(cr_norm_dim(T(0), CR_S(F(1)), CR_INTS(INT(2)), .keepdim = true), F(3))))
