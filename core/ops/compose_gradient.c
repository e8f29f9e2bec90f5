/* torch.gradient: derivatives along dimensions from differences of second order, within and, if asked, at the edges. */
#include "core/ops/compose.h"

static cr_tensor *piece(cr_tensor *x, int d, int64_t from, int64_t length)
{
    return cr_narrow(x, d, from < 0 ? x->size[d] + from : from, length);
}
/* a u + b v + c w, for weights that broadcast along d. */
static cr_tensor *three(cr_tensor *const *weight, cr_tensor *u, cr_tensor *v, cr_tensor *w)
{
    return cr_add(cr_add(cr_mul(weight[0], u), cr_mul(weight[1], v)), cr_mul(weight[2], w));
}

/* The derivative at samples `by` apart. */
static cr_tensor *even(cr_tensor *x, int d, double by, int64_t order)
{
    int64_t n = x->size[d];
    cr_tensor *middle = cr_div_scalar(cr_sub(piece(x, d, 2, n - 2), piece(x, d, 0, n - 2)), by);
    cr_tensor *first, *last;
    if (order == 1) {
        first = cr_div_scalar(cr_sub(piece(x, d, 1, 1), piece(x, d, 0, 1)), by);
        last = cr_div_scalar(cr_sub(piece(x, d, -1, 1), piece(x, d, -2, 1)), by);
    } else {
        cr_tensor *ends[2];
        for (int k = 0; k < 2; k++) {
            double side = k ? -by : by;
            cr_tensor *near = piece(x, d, k ? -1 : 0, 1), *next = piece(x, d, k ? -2 : 1, 1),
                      *far = piece(x, d, k ? -3 : 2, 1);
            cr_tensor *sum =
                cr_add(cr_mul_scalar(near, -1.5 / side), cr_mul_scalar(next, 2 / side));
            ends[k] = cr_add(sum, cr_mul_scalar(far, -0.5 / side));
        }
        first = ends[0];
        last = ends[1];
    }
    return cr_cat(CR_TENSORS(first, cr_div_scalar(middle, 2), last), .dim = d);
}

/* At the places of a vector; the weights are those of the parabola through three samples (Fornberg, 1988). */
static cr_tensor *uneven(cr_tensor *x, int d, cr_tensor *places, int64_t order)
{
    int64_t n = x->size[d], shape[CR_MAX_RANK];
    for (int e = 0; e < x->dim; e++)
        shape[e] = e == d ? n - 1 : 1;
    cr_tensor *gap = cr_reshape(cr_diff(places), cr_make_ints(shape, (size_t)x->dim));
    cr_tensor *a = piece(gap, d, 0, n - 2), *b = piece(gap, d, 1, n - 2), *both = cr_add(a, b);
    cr_tensor *middle[3] = {cr_neg(cr_div(b, cr_mul(a, both))), cr_div(cr_sub(b, a), cr_mul(a, b)),
                            cr_div(a, cr_mul(b, both))};
    cr_tensor *within =
        three(middle, piece(x, d, 0, n - 2), piece(x, d, 1, n - 2), piece(x, d, 2, n - 2));
    cr_tensor *ends[2];
    for (int k = 0; k < 2; k++) {
        cr_tensor *near = piece(x, d, k ? -1 : 0, 1), *next = piece(x, d, k ? -2 : 1, 1);
        cr_tensor *h = piece(gap, d, k ? -1 : 0, 1);
        if (order == 1) {
            ends[k] = cr_div(k ? cr_sub(near, next) : cr_sub(next, near), h);
            continue;
        }
        cr_tensor *more = piece(gap, d, k ? -2 : 1, 1), *sum = cr_add(h, more);
        cr_tensor *weight[3] = {cr_neg(cr_div(cr_add(h, sum), cr_mul(h, sum))),
                                cr_div(sum, cr_mul(h, more)), cr_neg(cr_div(h, cr_mul(more, sum)))};
        ends[k] = three(weight, near, next, piece(x, d, k ? -3 : 2, 1));
        ends[k] = k ? cr_neg(ends[k]) : ends[k];
    }
    return cr_cat(CR_TENSORS(ends[0], within, ends[1]), .dim = d);
}

/* dims: none for all. places: a vector for each dimension, or none and then `by`. */
static int gradient(cr_tensor *x, const cr_value *dims, double by, const cr_value *places,
                    int64_t order, cr_results *r)
{
    int64_t all[CR_MAX_RANK], count = x->dim, one = dims->as.i;
    for (int d = 0; d < x->dim; d++)
        all[d] = d;
    const int64_t *chosen = all;
    if (dims->tag == CR_INT) {
        chosen = &one;
        count = 1;
    } else if (dims->tag == CR_INT_LIST) {
        chosen = dims->as.ints;
        count = dims->count;
    }
    if (order != 1 && order != 2)
        return CR_FAIL_INT("torch.gradient only supports edge_order=1 and edge_order=2.");
    if (places && places->count != count)
        return CR_FAIL_INT(
            "torch.gradient expected spacing to be unspecified, a scalar or a list of "
            "length equal to %lld, but got a list of length %lld.",
            (long long)count, (long long)places->count);
    if (cr_list_of(r, count))
        return -1;
    for (int64_t i = 0; i < count; i++) {
        int d = cr_wrap_dim("gradient", chosen[i], x->dim);
        if (d < 0)
            return -1;
        if (x->size[d] < order + 1)
            return CR_FAIL_INT(
                "torch.gradient expected each dimension size to be at least edge_order+1");
        cr_tensor *at = places ? places->as.tensors[i] : NULL;
        if (at && (at->dim != 1 || at->numel != x->size[d]))
            return CR_FAIL_INT("torch.gradient expected each element of spacing to have one "
                               "coordinate for each of the %lld samples, but got %s",
                               (long long)x->size[d], cr_describe(at));
        r->list[i] = at ? uneven(x, d, at, order) : even(x, d, by, order);
        if (!r->list[i])
            return -1;
    }
    return 0;
}
COMPOSITE(gradient)
{
    (void)op;
    bool places = args[1].tag == CR_TENSOR_LIST;
    double by = places || args[1].tag == CR_NONE ? 1 : F(1);
    return gradient(T(0), &args[2], by, places ? &args[1] : NULL, INT(3), r);
}
COMPOSITE(gradient_array)
{
    (void)op;
    return gradient(T(0), &args[1], 1, NULL, INT(2), r);
}
