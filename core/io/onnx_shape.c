/* ONNX's operators that change shapes, join and make tensors. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/onnx.h"

#define X          onnx_in(run, 0)
#define Y          onnx_in(run, 1)
#define OUT(value) return onnx_out(run, 0, value)

static bool op_reshape(onnx_run *run)
{
    cr_tensor *x = X;
    int64_t sizes[ONNX_INTS];
    int count = onnx_ints(run, 1, "shape", sizes);
    if (!x || count < 0)
        return false;
    for (int i = 0; i < count && !onnx_int(run, "allowzero", 0); i++)
        if (!sizes[i])
            sizes[i] = i < cr_tensor_dim(x) ? cr_tensor_size(x, i) : 0;
    OUT(cr_reshape(x, cr_make_ints(sizes, (size_t)count)));
}

static bool op_transpose(onnx_run *run)
{
    cr_tensor *x = X;
    int rank = cr_tensor_dim(x);
    int64_t order[CR_MAX_RANK];
    if (!x || !onnx_list(run, "perm", (size_t)rank, 0, order))
        return false;
    for (int i = 0; i < rank && !onnx_find(run, "perm"); i++)
        order[i] = rank - 1 - i;
    OUT(cr_permute(x, cr_make_ints(order, (size_t)rank)));
}

static bool op_flatten(onnx_run *run)
{
    cr_tensor *x = X;
    int rank = cr_tensor_dim(x);
    int64_t axis = onnx_int(run, "axis", 1), outer = 1, inner = 1;
    if (!x || axis < -rank || axis > rank)
        return x ? onnx_fail(run, "the axis %lld is outside of %d dimensions", (long long)axis,
                             rank)
                 : false;
    axis += axis < 0 ? rank : 0;
    for (int i = 0; i < rank; i++)
        *(i < axis ? &outer : &inner) *= cr_tensor_size(x, i);
    OUT(cr_reshape(x, CR_INTS(outer, inner)));
}

static bool op_squeeze(onnx_run *run)
{
    int64_t axes[ONNX_INTS];
    int count = onnx_ints(run, 1, "axes", axes);
    if (count < -1)
        return false;
    OUT(count < 0 ? cr_squeeze(X) : cr_squeeze_dims(X, cr_make_ints(axes, (size_t)count)));
}

static bool op_unsqueeze(onnx_run *run)
{
    cr_tensor *x = X;
    int64_t axes[ONNX_INTS], sizes[CR_MAX_RANK];
    bool fresh[CR_MAX_RANK] = {0};
    int count = onnx_ints(run, 1, "axes", axes), rank = cr_tensor_dim(x) + count;
    if (!x || count < 0)
        return false;
    if (rank > CR_MAX_RANK)
        return onnx_fail(run, "the result has more than %d dimensions", CR_MAX_RANK);
    for (int i = 0; i < count; i++) {
        int axis = onnx_axis(run, axes[i], rank);
        if (axis < 0)
            return false;
        if (fresh[axis])
            return onnx_fail(run, "the axis %d is there twice", axis);
        fresh[axis] = true;
    }
    for (int i = 0, from = 0; i < rank; i++)
        sizes[i] = fresh[i] ? 1 : cr_tensor_size(x, from++);
    OUT(cr_reshape(x, cr_make_ints(sizes, (size_t)rank)));
}

static bool op_expand(onnx_run *run)
{
    cr_tensor *x = X;
    int64_t sizes[ONNX_INTS];
    int count = onnx_ints(run, 1, NULL, sizes), rank = cr_tensor_dim(x);
    if (!x || count < 0)
        return false;
    if (count > CR_MAX_RANK)
        return onnx_fail(run, "the shape has more than %d dimensions", CR_MAX_RANK);
    for (; count < rank; count++) {
        memmove(sizes + 1, sizes, (size_t)count * sizeof *sizes);
        sizes[0] = 1;
    }
    for (int i = 0; i < rank; i++)
        if (sizes[count - 1 - i] == 1)
            sizes[count - 1 - i] = cr_tensor_size(x, rank - 1 - i);
    OUT(cr_expand(x, cr_make_ints(sizes, (size_t)count)));
}

static bool op_shape(onnx_run *run)
{
    cr_tensor *x = X;
    int64_t rank = cr_tensor_dim(x), start = onnx_int(run, "start", 0),
            end = onnx_int(run, "end", rank);
    if (!x)
        return false;
    start = start < 0 ? start + rank : start;
    end = end < 0 ? end + rank : end;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end > rank ? rank : end;
    int64_t count = end > start ? end - start : 0;
    OUT(cr_tensor_copy_from(cr_tensor_sizes(x) + start, CR_I64, 1, &count, "cpu"));
}

static bool op_size(onnx_run *run)
{
    int64_t numel = X ? cr_tensor_numel(X) : 0;
    OUT(X ? cr_tensor_copy_from(&numel, CR_I64, 0, NULL, "cpu") : NULL);
}

static bool op_concat(onnx_run *run)
{
    size_t count = run->node->ninputs;
    cr_tensor **list = calloc(count + 1, sizeof *list), *result = NULL;
    if (!list)
        return cr_fail_memory("a list of tensors", count * sizeof *list);
    for (size_t i = 0; i < count; i++)
        list[i] = onnx_in(run, i);
    result = cr_cat(cr_make_tensors(list, count), .dim = onnx_int(run, "axis", 1));
    free(list);
    OUT(result);
}

static bool op_split(onnx_run *run)
{
    cr_tensor *x = X;
    int axis = x ? onnx_axis(run, onnx_int(run, "axis", 0), cr_tensor_dim(x)) : -1;
    int64_t sizes[ONNX_INTS], start = 0, parts = (int64_t)run->node->noutputs;
    int count = onnx_ints(run, 1, "split", sizes);
    if (axis < 0 || count < -1 || !parts)
        return false;
    if (count >= 0 && count != parts)
        return onnx_fail(run, "%d sizes for %lld outputs", count, (long long)parts);
    int64_t total = cr_tensor_size(x, axis), even = (total + parts - 1) / parts;
    for (int64_t i = 0; i < parts; i++) {
        int64_t rest = total - start, size = count >= 0 ? sizes[i] : even < rest ? even : rest;
        if (!onnx_out(run, (size_t)i, cr_narrow(x, axis, start, size)))
            return false;
        start += size;
    }
    return start == total || onnx_fail(run, "its sizes don't add up to %lld", (long long)total);
}

/* One axis of a slice, any step. */
static cr_tensor *slice_axis(cr_tensor *x, int axis, int64_t start, int64_t end, int64_t step)
{
    int64_t size = cr_tensor_size(x, axis);
    if (step > 0)
        return cr_slice(x, .dim = axis, .start = CR_SOME(start), .end = CR_SOME(end),
                        .step = CR_SOME(step));
    /* backwards: the same elements of the flipped axis */
    start = start < 0 ? start + size : start;
    end = end < 0 ? (end < -size ? -1 : end + size) : end;
    start = start < 0 ? -1 : start > size - 1 ? size - 1 : start;
    end = end > size - 1 ? size - 1 : end;
    int64_t from = size - 1 - start, to = size - 1 - end;
    to = to < from ? from : to;
    return cr_slice(cr_flip(x, CR_INTS(axis)), .dim = axis, .start = CR_SOME(from),
                    .end = CR_SOME(to), .step = CR_SOME(step == INT64_MIN ? INT64_MAX : -step));
}

static bool op_slice(onnx_run *run)
{
    cr_tensor *x = X;
    int64_t starts[ONNX_INTS], ends[ONNX_INTS], axes[ONNX_INTS], steps[ONNX_INTS];
    int count = onnx_ints(run, 1, "starts", starts);
    int nends = onnx_ints(run, 2, "ends", ends), naxes = onnx_ints(run, 3, "axes", axes);
    int nsteps = onnx_ints(run, 4, NULL, steps);
    if (!x || count < 0 || nends != count || (naxes != -1 && naxes != count) ||
        (nsteps != -1 && nsteps != count))
        return cr_error() ? false
                          : onnx_fail(run, "starts, ends, axes and steps aren't of one length");
    for (int i = 0; i < count && x; i++) {
        int axis = onnx_axis(run, naxes < 0 ? i : axes[i], cr_tensor_dim(x));
        int64_t step = nsteps < 0 ? 1 : steps[i];
        if (axis < 0)
            return false;
        if (!step)
            return onnx_fail(run, "a step is 0");
        x = slice_axis(x, axis, starts[i], ends[i], step);
    }
    OUT(x == X ? cr_alias(x) : x);
}

static bool op_tile(onnx_run *run)
{
    int64_t times[ONNX_INTS];
    int count = onnx_ints(run, 1, NULL, times);
    if (count < 0)
        return false;
    OUT(cr_tile(X, cr_make_ints(times, (size_t)count)));
}

/* The same padding at each edge as PyTorch's pad: from the last dimension on. Axes that aren't padded are left out of the list, for
 * the modes that know a few shapes only. */
static bool op_pad(onnx_run *run)
{
    cr_tensor *x = X;
    int64_t pads[ONNX_INTS], list[2 * CR_MAX_RANK];
    int count = onnx_ints(run, 1, "pads", pads), rank = cr_tensor_dim(x), n = 0;
    const char *mode = onnx_text(run, "mode", "constant");
    if (!x || count < 0)
        return false;
    if (count != 2 * rank)
        return onnx_fail(run, "%d paddings for %d dimensions", count, rank);
    int first = 0;
    while (first < rank && !pads[first] && !pads[rank + first])
        first++;
    for (int i = rank - 1; i >= first; i--) {
        list[n++] = pads[i];
        list[n++] = pads[rank + i];
    }
    if (!n)
        OUT(cr_alias(x));
    cr_ints all = cr_make_ints(list, (size_t)n);
    if (!strcmp(mode, "constant"))
        OUT(cr_constant_pad_nd(x, all, .value = CR_S(onnx_number(run, 2, "value", 0))));
    OUT(cr_pad(x, all, .mode = !strcmp(mode, "edge") ? "replicate" : mode));
}

static bool depth_space(onnx_run *run, bool to_space)
{
    cr_tensor *x = X;
    int64_t b = onnx_int(run, "blocksize", 0);
    if (!x || cr_tensor_dim(x) != 4 || b < 1 || b > 65536)
        return x ? onnx_fail(run, "needs four dimensions and a blocksize") : false;
    const int64_t *s = cr_tensor_sizes(x);
    if (to_space ? s[1] % (b * b) : s[2] % b || s[3] % b)
        return onnx_fail(run, "the blocksize %lld doesn't divide the sizes", (long long)b);
    bool crd = !strcmp(onnx_text(run, "mode", "DCR"), "CRD");
    if (!to_space) {
        x = cr_permute(cr_reshape(x, CR_INTS(s[0], s[1], s[2] / b, b, s[3] / b, b)),
                       CR_INTS(0, 3, 5, 1, 2, 4));
        OUT(cr_reshape(x, CR_INTS(s[0], s[1] * b * b, s[2] / b, s[3] / b)));
    }
    int64_t c = s[1] / (b * b), out[] = {s[0], c, s[2] * b, s[3] * b};
    x = crd ? cr_permute(cr_reshape(x, CR_INTS(s[0], c, b, b, s[2], s[3])),
                         CR_INTS(0, 1, 4, 2, 5, 3))
            : cr_permute(cr_reshape(x, CR_INTS(s[0], b, b, c, s[2], s[3])),
                         CR_INTS(0, 3, 4, 1, 5, 2));
    OUT(cr_reshape(x, cr_make_ints(out, 4)));
}

static bool op_depth_to_space(onnx_run *run)
{
    return depth_space(run, true);
}

static bool op_space_to_depth(onnx_run *run)
{
    return depth_space(run, false);
}

static bool op_trilu(onnx_run *run)
{
    int64_t k = Y ? cr_item_int(Y) : 0, far = (int64_t)1 << 40;
    k = k > far ? far : k < -far ? -far : k;
    OUT(onnx_int(run, "upper", 1) ? cr_triu(X, .diagonal = k) : cr_tril(X, .diagonal = k));
}

/* ---- making tensors ---- */

static bool op_constant(onnx_run *run)
{
    const onnx_attribute *a;
    if ((a = onnx_find(run, "value")) && a->tensor)
        OUT(onnx_place(run, cr_alias(a->tensor)));
    if ((a = onnx_find(run, "value_int")))
        OUT(cr_tensor_copy_from(&a->i, CR_I64, 0, NULL, "cpu"));
    if ((a = onnx_find(run, "value_float")))
        OUT(onnx_place(run, cr_tensor_copy_from(&a->f, CR_F32, 0, NULL, "cpu")));
    if ((a = onnx_find(run, "value_ints")))
        OUT(cr_tensor_copy_from(a->ints, CR_I64, 1, &(int64_t){(int64_t)a->nints}, "cpu"));
    if ((a = onnx_find(run, "value_floats")))
        OUT(onnx_place(run, cr_tensor_copy_from(a->floats, CR_F32, 1,
                                                &(int64_t){(int64_t)a->nfloats}, "cpu")));
    return onnx_fail(run, "it has no value that is supported");
}

static bool op_constant_of_shape(onnx_run *run)
{
    int64_t sizes[ONNX_INTS];
    int count = onnx_ints(run, 0, NULL, sizes);
    const onnx_attribute *a = onnx_find(run, "value");
    if (count < 0)
        return false;
    cr_ints shape = cr_make_ints(sizes, (size_t)count);
    if (!a || !a->tensor)
        OUT(onnx_place(run, cr_zeros(shape, .dtype = CR_F32, .device = "cpu")));
    OUT(onnx_place(run, cr_clone(cr_expand(cr_reshape(a->tensor, CR_EMPTY), shape))));
}

static bool op_range(onnx_run *run)
{
    cr_tensor *a = X, *b = Y, *step = onnx_in(run, 2);
    if (!a || !b || !step)
        return false;
    if (cr_is_floating_point(a))
        OUT(cr_arange_step(CR_S(cr_item(a)), CR_S(cr_item(b)), .step = CR_S(cr_item(step)),
                           .dtype = cr_tensor_dtype(a), .device = "cpu"));
    OUT(cr_arange_step(CR_S(cr_item_int(a)), CR_S(cr_item_int(b)), .step = CR_S(cr_item_int(step)),
                       .dtype = cr_tensor_dtype(a), .device = "cpu"));
}

static bool op_eye_like(onnx_run *run)
{
    cr_tensor *x = X;
    if (!x || cr_tensor_dim(x) != 2)
        return x ? onnx_fail(run, "needs two dimensions") : false;
    const onnx_attribute *a = onnx_find(run, "dtype");
    cr_dtype dtype = a ? onnx_dtype(a->i) : cr_tensor_dtype(x);
    cr_tensor *ones = cr_ones_like(cr_to_dtype(x, CR_F32));
    int64_t k = onnx_int(run, "k", 0);
    if (!dtype || k > INT_MAX || k < -INT_MAX)
        return onnx_fail(run, "its dtype or k is not supported");
    OUT(cr_to_dtype(cr_triu(cr_tril(ones, .diagonal = k), .diagonal = k), dtype));
}

const onnx_entry onnx_shape_operators[] = {{"Concat", op_concat},
                                           {"Constant", op_constant},
                                           {"ConstantOfShape", op_constant_of_shape},
                                           {"DepthToSpace", op_depth_to_space},
                                           {"Expand", op_expand},
                                           {"EyeLike", op_eye_like},
                                           {"Flatten", op_flatten},
                                           {"Pad", op_pad},
                                           {"Range", op_range},
                                           {"Reshape", op_reshape},
                                           {"Shape", op_shape},
                                           {"Size", op_size},
                                           {"Slice", op_slice},
                                           {"SpaceToDepth", op_space_to_depth},
                                           {"Split", op_split},
                                           {"Squeeze", op_squeeze},
                                           {"Tile", op_tile},
                                           {"Transpose", op_transpose},
                                           {"Trilu", op_trilu},
                                           {"Unsqueeze", op_unsqueeze},
                                           {NULL, NULL}};
