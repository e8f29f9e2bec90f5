/* Sampling along grids (Jaderberg et al., 2015), of images and volumes: neighbours chosen by index, with weights. */
#include "core/ops/compose.h"

/* Normalised places -1 … 1 as places in pixels. */
static cr_tensor *unnormalise(cr_tensor *at, int64_t size, bool align_corners)
{
    at = cr_add_scalar(at, 1);
    return align_corners ? cr_mul_scalar(at, (double)(size - 1) / 2)
                         : cr_sub_scalar(cr_mul_scalar(at, (double)size / 2), 0.5);
}

/* Reflected about low and high, given doubled, then kept inside. */
static cr_tensor *reflect(cr_tensor *at, int64_t twice_low, int64_t twice_high)
{
    if (twice_low == twice_high)
        return cr_mul_scalar(at, 0);
    double low = (double)twice_low / 2, span = (double)(twice_high - twice_low) / 2;
    cr_tensor *away = cr_abs(cr_sub_scalar(at, low));
    cr_tensor *rest = cr_fmod_scalar(away, span), *turns = cr_floor(cr_div_scalar(away, span));
    cr_tensor *even = cr_eq_scalar(cr_remainder_scalar(turns, 2), 0);
    return cr_where(even, cr_add_scalar(rest, low), cr_add_scalar(cr_rsub_scalar(rest, span), low));
}

enum { ZEROS, BORDER, REFLECTION };

static cr_tensor *bring_inside(cr_tensor *at, int64_t size, int64_t padding, bool align_corners)
{
    if (padding == REFLECTION)
        at = align_corners ? reflect(at, 0, 2 * (size - 1)) : reflect(at, -1, 2 * size - 1);
    return padding == ZEROS ? at : cr_clamp(at, .min = CR_S(0), .max = CR_S((double)(size - 1)));
}

/* x [n, c, sizes…] at whole places, a tensor [n, outs…] for each dimension of space: [n, c, outs…], 0 outside. */
static cr_tensor *pixels(cr_tensor *x, cr_tensor *const *at)
{
    int space = x->dim - 2;
    int64_t n = x->size[0], c = x->size[1], outs = count_of(at[0], 1, at[0]->dim);
    cr_tensor *inside = NULL, *place = NULL;
    for (int d = 0; d < space; d++) {
        int64_t size = x->size[d + 2];
        cr_tensor *in = cr_logical_and(cr_ge_scalar(at[d], 0), cr_lt_scalar(at[d], (double)size));
        cr_tensor *i =
            cr_to_dtype(cr_clamp(at[d], .min = CR_S(0), .max = CR_S((double)(size - 1))), CR_I64);
        inside = inside ? cr_logical_and(inside, in) : in;
        place = place ? cr_add(cr_mul_scalar(place, size), i) : i;
    }
    int64_t sizes[CR_MAX_RANK] = {n, c};
    for (int d = 0; d < space; d++)
        sizes[d + 2] = at[0]->size[d + 1];
    cr_tensor *index = cr_expand(cr_reshape(place, CR_INTS(n, 1, outs)), CR_INTS(n, c, outs));
    cr_tensor *seen = cr_gather(cr_reshape(x, CR_INTS(n, c, count_of(x, 2, x->dim))), 2, index);
    seen = cr_reshape(seen, cr_make_ints(sizes, (size_t)x->dim));
    return cr_where_scalar_other(cr_unsqueeze(inside, 1), seen, 0);
}

/* The corners around each place, weighted by their nearness. low: the places rounded down; f: what was rounded off, with a
 * dimension for the channels. */
static cr_tensor *linear(cr_tensor *x, cr_tensor *const *low, cr_tensor *const *f)
{
    int space = x->dim - 2;
    cr_tensor *sum = NULL;
    for (int corner = 0; corner < 1 << space; corner++) {
        cr_tensor *weight = NULL, *at[3];
        for (int d = 0; d < space; d++) {
            bool next = corner >> (space - 1 - d) & 1;
            cr_tensor *part = next ? f[d] : cr_rsub_scalar(f[d], 1);
            weight = weight ? cr_mul(weight, part) : part;
            at[d] = next ? cr_add_scalar(low[d], 1) : low[d];
        }
        cr_tensor *term = cr_mul(pixels(x, at), weight);
        sum = sum ? cr_add(sum, term) : term;
    }
    return sum;
}
/* Of 16 neighbours in an image. */
static cr_tensor *cubic(cr_tensor *x, cr_tensor *const *low, cr_tensor *const *f, int64_t padding,
                        bool corners)
{
    cr_tensor *across[4], *down[4], *sum = NULL;
    cr_cubic_weights(f[1], across);
    cr_cubic_weights(f[0], down);
    for (int k = 0; k < 16; k++) {
        cr_tensor *at[2] = {
            bring_inside(cr_add_scalar(low[0], k / 4 - 1), x->size[2], padding, corners),
            bring_inside(cr_add_scalar(low[1], k % 4 - 1), x->size[3], padding, corners)};
        cr_tensor *term = cr_mul(pixels(x, at), cr_mul(down[k / 4], across[k % 4]));
        sum = sum ? cr_add(sum, term) : term;
    }
    return sum;
}

enum { BILINEAR, NEAREST, BICUBIC };

/* grid_sampler takes both ranks. */
static bool refused(const char *name, cr_tensor *x, cr_tensor *grid, int64_t mode, int64_t padding)
{
    int ends = name[strlen(name) - 2], rank = ends == '2' ? 4 : ends == '3' ? 5 : x->dim;
    bool right = (rank == 4 || rank == 5) && x->dim == rank && grid->dim == rank &&
                 grid->size[rank - 1] == rank - 2 && grid->size[0] == x->size[0];
    if (!right)
        cr_fail(
            "grid_sampler(): expected input (N, C, H, W) and grid (N, H_out, W_out, 2), or input "
            "(N, C, D, H, W) and grid (N, D_out, H_out, W_out, 3), but got %s and %s",
            cr_describe(x), cr_describe(grid));
    else if (!count_of(x, 2, rank))
        cr_fail(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
            "sizes %s",
            cr_sizes_text(x->dim, x->size));
    else if (rank == 5 && mode == BICUBIC)
        cr_fail("grid_sampler(): bicubic interpolation only supports 4D input");
    else if (mode < BILINEAR || mode > BICUBIC || padding < ZEROS || padding > REFLECTION)
        cr_fail(
            "grid_sampler(): interpolation mode %lld and padding mode %lld are not among 0, 1, 2",
            (long long)mode, (long long)padding);
    else
        return false;
    return true;
}

COMPOSITE(grid_sampler)
{
    cr_tensor *x = T(0), *grid = T(1), *at[3], *low[3], *f[3];
    int64_t mode = INT(2), padding = INT(3);
    bool corners = INT(4);
    if (refused(op->name, x, grid, mode, padding))
        return -1;
    int space = x->dim - 2;
    for (int d = 0; d < space; d++) { /* the grid names the last dimension first */
        int64_t size = x->size[d + 2];
        at[d] = unnormalise(cr_select(grid, -1, space - 1 - d), size, corners);
        if (mode != BICUBIC)
            at[d] = bring_inside(at[d], size, padding, corners);
        if (mode == NEAREST) {
            at[d] = cr_round(at[d]);
            continue;
        }
        low[d] = cr_floor(at[d]);
        f[d] = cr_unsqueeze(cr_sub(at[d], low[d]), 1);
    }
    return cr_give(r, mode == NEAREST    ? pixels(x, at)
                      : mode == BILINEAR ? linear(x, low, f)
                                         : cubic(x, low, f, padding, corners));
}

/* theta (N, 2, 3) to a grid (N, H, W, 2), or (N, 3, 4) to (N, D, H, W, 3). */
COMPOSITE(affine_grid_generator)
{
    (void)op;
    cr_tensor *theta = T(0), *axis[4];
    cr_ints size = L(1);
    int space = (int)size.count - 2;
    if ((space != 2 && space != 3) || theta->dim != 3 || theta->size[1] != space ||
        theta->size[2] != space + 1 || theta->size[0] != size.data[0])
        return CR_FAIL_INT(
            "affine_grid: expected theta (N, 2, 3) and a size (N, C, H, W), or theta "
            "(N, 3, 4) and a size (N, C, D, H, W), got %s and %zu dimensions",
            cr_describe(theta), size.count);
    cr_ints outs = cr_make_ints(size.data + 2, (size_t)space);
    int64_t points = 1, shape[CR_MAX_RANK];
    for (int k = 0; k < space; k++) { /* the last dimension first */
        int d = space - 1 - k;
        int64_t n = outs.data[d];
        points *= n;
        axis[k] =
            cr_linspace(-1, 1, n, .dtype = dtype_of(theta), .device = cr_tensor_device(theta));
        if (!INT(2))
            axis[k] = cr_mul_scalar(axis[k], (double)(n - 1) / (double)n);
        if (n == 1)
            axis[k] = cr_mul_scalar(axis[k], 0);
        for (int e = 0; e < space; e++)
            shape[e] = e == d ? n : 1;
        axis[k] = cr_expand(cr_reshape(axis[k], cr_make_ints(shape, (size_t)space)), outs);
    }
    axis[space] = cr_ones_like(axis[0]);
    cr_tensor *base = cr_stack(cr_make_tensors(axis, (size_t)space + 1), .dim = -1);
    base = cr_reshape(base, CR_INTS(1, points, space + 1));
    cr_tensor *grid = cr_matmul(base, cr_transpose(theta, 1, 2));
    shape[0] = theta->size[0];
    memcpy(shape + 1, outs.data, (size_t)space * sizeof *shape);
    shape[space + 1] = space;
    return cr_give(r, cr_reshape(grid, cr_make_ints(shape, (size_t)space + 2)));
}
