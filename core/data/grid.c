/* Images side by side. */
#include <inttypes.h>

#include <cresset/autograd.h>
#include <cresset/ops.h>
#include <cresset/transforms.h>

#include "core/base/error.h"

static cr_tensor *normalized(cr_tensor *images)
{
    cr_tensor *low = cr_min(images), *range = cr_sub(cr_max(images), low);
    return cr_div(cr_sub(images, low), cr_add_scalar(range, cr_float_scalar(1e-5)));
}

cr_tensor *cr_make_grid_with(cr_tensor *images, const cr_make_grid_options *o)
{
    int64_t nrow = o->nrow ? o->nrow : 8, pad = o->no_padding ? 0 : o->padding ? o->padding : 2;
    if (cr_tensor_dim(images) != 4 || nrow < 1 || pad < 0 || !cr_tensor_numel(images))
        return cr_fail(
            "cr_make_grid: expected images (N, C, H, W), nrow above 0 and padding of 0 or "
            "more; got %d dimensions, %" PRId64 " and %" PRId64,
            cr_tensor_dim(images), nrow, pad);
    const int64_t *sizes = cr_tensor_sizes(images);
    int64_t n = sizes[0], c = sizes[1] == 1 ? 3 : sizes[1], h = sizes[2] + pad, w = sizes[3] + pad,
            across = n < nrow ? n : nrow, down = (n + across - 1) / across;
    cr_tensor *grid = NULL;
    CR_SCOPE
        CR_NO_GRAD {
            cr_tensor *from = o->normalize ? normalized(images) : images;
            grid =
                cr_full(CR_INTS(c, h * down + pad, w * across + pad), cr_float_scalar(o->pad_value),
                        .dtype = cr_tensor_dtype(from), .device = cr_tensor_device(from));
            for (int64_t i = 0; i < n && grid; i++) {
                cr_tensor *place = cr_narrow(cr_narrow(grid, 1, i / across * h + pad, sizes[2]), 2,
                                             i % across * w + pad, sizes[3]);
                if (!cr_copy_(place, cr_select(from, 0, i)))
                    grid = NULL;
            }
            cr_keep(grid);
        }
    return grid;
}
