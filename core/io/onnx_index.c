/* ONNX's operators that gather, scatter, sort and choose. */
#include <string.h>

#include "core/io/onnx.h"

#define X          onnx_in(run, 0)
#define Y          onnx_in(run, 1)
#define Z          onnx_in(run, 2)
#define OUT(value) return onnx_out(run, 0, value)

/* Indices as int64 on x's device, negative ones counted from the end. */
static cr_tensor *indices_of(cr_tensor *x, cr_tensor *index, int64_t size)
{
    index = cr_to_dtype(cr_tensor_to(index, cr_tensor_device(x)), CR_I64);
    return cr_where(cr_lt_scalar(index, 0), cr_add_scalar(index, size), index);
}

static bool op_gather(onnx_run *run)
{
    cr_tensor *x = X, *index = Y;
    int axis = x && index ? onnx_axis(run, onnx_int(run, "axis", 0), cr_tensor_dim(x)) : -1;
    if (axis < 0)
        return false;
    int64_t sizes[3 * CR_MAX_RANK];
    int n = 0;
    for (int i = 0; i < axis; i++)
        sizes[n++] = cr_tensor_size(x, i);
    for (int i = 0; i < cr_tensor_dim(index); i++)
        sizes[n++] = cr_tensor_size(index, i);
    for (int i = axis + 1; i < cr_tensor_dim(x); i++)
        sizes[n++] = cr_tensor_size(x, i);
    index = indices_of(x, index, cr_tensor_size(x, axis));
    cr_tensor *y = cr_index_select(x, axis, cr_reshape(index, CR_INTS(cr_tensor_numel(index))));
    OUT(cr_reshape(y, cr_make_ints(sizes, (size_t)n)));
}

static bool op_gather_elements(onnx_run *run)
{
    cr_tensor *x = X, *index = Y;
    int axis = x && index ? onnx_axis(run, onnx_int(run, "axis", 0), cr_tensor_dim(x)) : -1;
    if (axis < 0)
        return false;
    OUT(cr_gather(x, axis, indices_of(x, index, cr_tensor_size(x, axis))));
}

/* The last dimension of an index as a list of indices, behind those that run over `batch` dimensions. */
static int list_of(const onnx_run *run, cr_tensor *x, cr_tensor *index, int batch, cr_tensor **list)
{
    int rank = cr_tensor_dim(index), n = 0;
    int64_t count = cr_tensor_size(index, -1);
    if (!rank || batch >= rank || count < 0 || batch + count > cr_tensor_dim(x) ||
        batch + count > CR_MAX_RANK) {
        onnx_fail(run, "its indices don't fit the input");
        return -1;
    }
    for (; n < batch; n++) {
        int64_t sizes[CR_MAX_RANK];
        for (int i = 0; i < rank - 1; i++)
            sizes[i] = i == n ? cr_tensor_size(x, n) : 1;
        list[n] = cr_reshape(
            cr_arange(cr_tensor_size(x, n), .dtype = CR_I64, .device = cr_tensor_device(x)),
            cr_make_ints(sizes, (size_t)(rank - 1)));
    }
    for (int64_t i = 0; i < count; i++, n++)
        list[n] = indices_of(x, cr_select(index, -1, i), cr_tensor_size(x, n));
    for (int i = 0; i < n; i++)
        if (!list[i])
            return -1;
    return n;
}

static bool op_gather_nd(onnx_run *run)
{
    cr_tensor *x = X, *index = Y, *list[CR_MAX_RANK];
    int64_t batch = onnx_int(run, "batch_dims", 0);
    if (!x || !index || batch < 0 || batch >= CR_MAX_RANK)
        return x && index ? onnx_fail(run, "batch_dims is out of place") : false;
    int n = list_of(run, x, index, (int)batch, list);
    OUT(n < 0 ? NULL : cr_index(x, cr_make_tensors(list, (size_t)n)));
}

static const char *reduction_of(const char *how)
{
    return !strcmp(how, "mul")   ? "prod"
           : !strcmp(how, "max") ? "amax"
           : !strcmp(how, "min") ? "amin"
                                 : how;
}

/* With a reduction: the dimensions that are indexed become one, and the rest another. */
static bool scatter_nd_by(onnx_run *run, const char *how)
{
    cr_tensor *x = X, *index = Y, *updates = Z, *list[CR_MAX_RANK], *place = NULL;
    int n = list_of(run, x, index, 0, list);
    int64_t step = 1, rest = 1;
    for (int i = n < 0 ? 0 : n; i < cr_tensor_dim(x); i++)
        rest *= cr_tensor_size(x, i);
    for (int i = n - 1; i >= 0; i--) {
        cr_tensor *part = cr_mul_scalar(list[i], step);
        place = place ? cr_add(place, part) : part;
        step *= cr_tensor_size(x, i);
    }
    int64_t count = place ? cr_tensor_numel(place) : 0;
    if (!place || cr_tensor_numel(updates) != count * rest)
        return place ? onnx_fail(run, "its updates don't fit the indices") : false;
    place = cr_expand(cr_reshape(place, CR_INTS(count, 1)), CR_INTS(count, rest));
    cr_tensor *y = cr_scatter_reduce(cr_reshape(x, CR_INTS(step, rest)), 0, place,
                                     cr_reshape(updates, CR_INTS(count, rest)), reduction_of(how));
    OUT(y ? cr_reshape(y, cr_make_ints(cr_tensor_sizes(x), (size_t)cr_tensor_dim(x))) : NULL);
}

static bool op_scatter_nd(onnx_run *run)
{
    cr_tensor *x = X, *index = Y, *list[CR_MAX_RANK];
    const char *how = onnx_text(run, "reduction", "none");
    if (!x || !index || !Z)
        return false;
    if (strcmp(how, "none") && strcmp(how, "add"))
        return scatter_nd_by(run, how);
    int n = list_of(run, x, index, 0, list);
    OUT(n < 0 ? NULL
              : cr_index_put(x, cr_make_tensors(list, (size_t)n), Z,
                             .accumulate = !strcmp(how, "add")));
}

static bool op_scatter_elements(onnx_run *run)
{
    cr_tensor *x = X, *index = Y, *source = Z;
    const char *how = onnx_text(run, "reduction", "none");
    int axis =
        x && index && source ? onnx_axis(run, onnx_int(run, "axis", 0), cr_tensor_dim(x)) : -1;
    if (axis < 0)
        return false;
    index = indices_of(x, index, cr_tensor_size(x, axis));
    if (!strcmp(how, "none"))
        OUT(cr_scatter(x, axis, index, source));
    if (!strcmp(how, "add"))
        OUT(cr_scatter_add(x, axis, index, source));
    OUT(cr_scatter_reduce(x, axis, index, source, reduction_of(how)));
}

static bool op_one_hot(onnx_run *run)
{
    cr_tensor *index = X, *values = Z;
    if (!index || !Y || !values || cr_tensor_numel(values) != 2)
        return index && Y && values ? onnx_fail(run, "needs two values") : false;
    int64_t depth = cr_item_int(Y), sizes[CR_MAX_RANK];
    int rank = cr_tensor_dim(index) + 1, axis = onnx_axis(run, onnx_int(run, "axis", -1), rank);
    if (axis < 0 || rank > CR_MAX_RANK)
        return false;
    for (int i = 0; i < rank; i++)
        sizes[i] = i == axis ? depth : 1;
    index = indices_of(index, index, depth);
    cr_tensor *line =
        cr_reshape(cr_arange(depth, .dtype = CR_I64, .device = cr_tensor_device(index)),
                   cr_make_ints(sizes, (size_t)rank));
    cr_tensor *hot = cr_eq(cr_unsqueeze(index, axis), line);
    OUT(cr_where(hot, cr_select(values, 0, 1), cr_select(values, 0, 0)));
}

static bool op_top_k(onnx_run *run)
{
    cr_tensor *x = X;
    int axis = x ? onnx_axis(run, onnx_int(run, "axis", -1), cr_tensor_dim(x)) : -1;
    int64_t k = Y ? cr_item_int(Y) : onnx_int(run, "k", -1);
    if (axis < 0)
        return false;
    bool largest = onnx_int(run, "largest", 1);
    if (k < 0 || k > cr_tensor_size(x, axis))
        return onnx_fail(run, "k is %lld, outside of the axis", (long long)k);
    /* among equals the lower index comes first, as a stable sort has it */
    cr_sort_stable_result r = cr_sort_stable(x, true, .dim = CR_SOME(axis), .descending = largest);
    bool values = onnx_out(run, 0, cr_narrow(r.values, axis, 0, k));
    return onnx_out(run, 1, cr_narrow(r.indices, axis, 0, k)) && values;
}

static bool op_non_zero(onnx_run *run)
{
    OUT(cr_contiguous(cr_t(cr_nonzero(X))));
}

static bool op_compress(onnx_run *run)
{
    cr_tensor *x = X, *chosen = Y ? cr_reshape(cr_nonzero(Y), CR_INTS(-1)) : NULL;
    const onnx_attribute *a = onnx_find(run, "axis");
    if (!x || !chosen)
        return false;
    if (!a)
        OUT(cr_index_select(cr_reshape(x, CR_INTS(cr_tensor_numel(x))), 0, chosen));
    int axis = onnx_axis(run, a->i, cr_tensor_dim(x));
    OUT(axis < 0 ? NULL : cr_index_select(x, axis, chosen));
}

/* Values (or slices along an axis) that occur, where each is first, which one each element is, how often each is there; in order, or
 * in that of their first places. */
static bool op_unique(onnx_run *run)
{
    cr_tensor *x = X, *values, *inverse, *counts;
    const onnx_attribute *a = onnx_find(run, "axis");
    int axis = x && a ? onnx_axis(run, a->i, cr_tensor_dim(x)) : 0;
    if (!x || axis < 0)
        return false;
    if (a) {
        cr_unique_dim_result r =
            cr_unique_dim(x, axis, .return_inverse = true, .return_counts = true);
        values = r.output0, inverse = r.output1, counts = r.output2;
    } else {
        cr_unique_result r =
            cr_unique(cr_reshape(x, CR_INTS(-1)), .return_inverse = true, .return_counts = true);
        values = r.output0, inverse = r.output1, counts = r.output2;
    }
    if (!values || !inverse || !counts)
        return false;
    int64_t count = cr_tensor_numel(inverse), kinds = cr_tensor_numel(counts);
    const char *device = cr_tensor_device(inverse);
    cr_tensor *first =
        cr_scatter_reduce(cr_full(CR_INTS(kinds), count, .dtype = CR_I64, .device = device), 0,
                          inverse, cr_arange(count, .dtype = CR_I64, .device = device), "amin");
    if (!onnx_int(run, "sorted", 1)) {
        cr_tensor *order = cr_argsort(first);
        values = cr_index_select(values, axis, order);
        counts = cr_index_select(counts, 0, order);
        first = cr_index_select(first, 0, order);
        inverse = cr_index_select(cr_argsort(order), 0, inverse);
    }
    return onnx_out(run, 1, first) && onnx_out(run, 2, inverse) && onnx_out(run, 3, counts) &&
           onnx_out(run, 0, values);
}

/* The first lens[b] steps of each sequence, backwards. */
static bool op_reverse_sequence(onnx_run *run)
{
    cr_tensor *x = X, *lengths = Y;
    if (!x || !lengths)
        return false;
    int64_t time = onnx_int(run, "time_axis", 0), batch = onnx_int(run, "batch_axis", 1);
    int rank = cr_tensor_dim(x);
    if (rank < 2 || time + batch != 1 || time * batch != 0 ||
        cr_tensor_numel(lengths) != cr_tensor_size(x, (int)batch))
        return onnx_fail(run, "its axes must be 0 and 1, with a length for each sequence");
    int64_t steps = cr_tensor_size(x, (int)time), sizes[CR_MAX_RANK];
    const char *device = cr_tensor_device(x);
    cr_tensor *step = cr_arange(steps, .dtype = CR_I64, .device = device);
    lengths = cr_to_dtype(cr_tensor_to(cr_reshape(lengths, CR_INTS(-1)), device), CR_I64);
    step = cr_unsqueeze(step, batch);
    lengths = cr_unsqueeze(lengths, time);
    cr_tensor *from = cr_where(cr_lt(step, lengths), cr_sub_scalar(cr_sub(lengths, step), 1), step);
    for (int i = 0; i < rank; i++)
        sizes[i] = i < 2 ? cr_tensor_size(x, i) : 1;
    from = cr_expand(cr_reshape(from, cr_make_ints(sizes, (size_t)rank)),
                     cr_make_ints(cr_tensor_sizes(x), (size_t)rank));
    OUT(cr_gather(x, time, from));
}

const onnx_entry onnx_index_operators[] = {{"Compress", op_compress},
                                           {"Gather", op_gather},
                                           {"GatherElements", op_gather_elements},
                                           {"GatherND", op_gather_nd},
                                           {"NonZero", op_non_zero},
                                           {"OneHot", op_one_hot},
                                           {"ReverseSequence", op_reverse_sequence},
                                           {"Scatter", op_scatter_elements},
                                           {"ScatterElements", op_scatter_elements},
                                           {"ScatterND", op_scatter_nd},
                                           {"TopK", op_top_k},
                                           {"Unique", op_unique},
                                           {NULL, NULL}};
