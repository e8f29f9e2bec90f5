/* Views: geometry only. Each makes a tensor over the same storage, owned by nobody's scope yet. */
#include <string.h>

#include "core/ops/functions.h"

static int give_view(cr_results *r, const cr_tensor *t, int dim, const int64_t *sizes,
                     const int64_t *strides, int64_t offset)
{
    return cr_give(r, cr_tensor_make_view(t, dim, sizes, strides, offset));
}

static const cr_tensor *self_of(const cr_value *args)
{
    return args[0].as.tensor;
}

int cr_view_alias(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    return give_view(r, t, t->dim, t->size, t->stride, t->offset);
}

/* The sizes asked, with one -1 worked out. */
static int wanted_sizes(const char *name, const cr_tensor *t, const cr_value *list, int64_t *sizes)
{
    int n = (int)list->count, unknown = -1;
    int64_t known = 1;
    if (list->count > CR_MAX_RANK)
        return CR_FAIL_INT("%s: %lld dimensions are more than the %d supported", name,
                           (long long)list->count, CR_MAX_RANK);
    for (int d = 0; d < n; d++) {
        sizes[d] = list->as.ints[d];
        if (sizes[d] == -1 && unknown < 0)
            unknown = d;
        else if (sizes[d] < 0)
            return CR_FAIL_INT(sizes[d] == -1 ? "%s: only one dimension can be inferred"
                                              : "%s: invalid shape dimension",
                               name);
        else if (__builtin_mul_overflow(known, sizes[d], &known))
            known = -1;
    }
    if (unknown >= 0 && known > 0 && t->numel % known == 0) {
        sizes[unknown] = t->numel / known;
        return n;
    }
    if (unknown >= 0 && !known && !t->numel)
        return CR_FAIL_INT("%s: cannot reshape tensor of 0 elements into shape %s because the "
                           "unspecified dimension size -1 "
                           "can be any value and is ambiguous",
                           name, cr_sizes_text(n, sizes));
    if (unknown >= 0 || known != t->numel)
        return CR_FAIL_INT("%s: shape '%s' is invalid for input of size %lld", name,
                           cr_sizes_text(n, sizes), (long long)t->numel);
    return n;
}

/* Strides under which the same memory has other sizes, if there are any: each new dimension must
 * lie within a run of old dimensions that are contiguous among themselves. */
static bool strides_for(const cr_tensor *t, int n, const int64_t *sizes, int64_t *strides)
{
    if (!t->numel) {
        cr_contiguous_strides(n, sizes, strides);
        return true;
    }
    int d = n - 1;
    int64_t base = t->dim ? t->stride[t->dim - 1] : 1, old = 1, made = 1;
    for (int e = t->dim - 1; e >= 0; e--) {
        old *= t->size[e];
        if (e && (t->size[e - 1] == 1 || t->stride[e - 1] == old * base))
            continue;
        while (d >= 0 && (made < old || sizes[d] == 1)) {
            strides[d] = made * base;
            made *= sizes[d];
            d--;
        }
        if (made != old)
            return false;
        if (e) {
            base = t->stride[e - 1];
            old = made = 1;
        }
    }
    for (; d >= 0; d--)
        strides[d] = made * base;
    return true;
}

int cr_view_view(const cr_op *op, const cr_value *args, cr_results *r)
{
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK];
    int n = wanted_sizes(op->name, t, &args[1], sizes);
    if (n < 0)
        return -1;
    bool fits = strides_for(t, n, sizes, strides);
    if (!fits && cr_this_thread.quiet_errors)
        return -1; /* reshape only tries: words would take longer than its copy */
    if (!fits)
        return CR_FAIL_INT("%s: view size is not compatible with input tensor's size and stride "
                           "(at least one dimension spans "
                           "across two contiguous subspaces). Use cr_reshape(...) instead. (sizes "
                           "%s, strides %s, asked %s)",
                           op->name, cr_sizes_text(t->dim, t->size),
                           cr_sizes_text(t->dim, t->stride), cr_sizes_text(n, sizes));
    return give_view(r, t, n, sizes, strides, t->offset);
}

/* The view's element is `wider` times as large as the tensor's: sizes and places count the larger ones. */
static int widen(const cr_tensor *t, cr_dtype dtype, int64_t wider, cr_tensor *v)
{
    const char *from = cr_dtype_name((cr_dtype)t->dtype), *to = cr_dtype_name(dtype);
    int last = t->dim - 1;
    if (t->size[last] % wider)
        return CR_FAIL_INT("view: self.size(-1) must be divisible by %lld to view %s as %s "
                           "(different element sizes), but got %lld",
                           (long long)wider, from, to, (long long)t->size[last]);
    if (t->offset % wider)
        return CR_FAIL_INT("view: self.storage_offset() must be divisible by %lld to view %s as %s "
                           "(different element sizes), but got %lld",
                           (long long)wider, from, to, (long long)t->offset);
    for (int d = 0; d < last; d++) {
        if (t->stride[d] % wider)
            return CR_FAIL_INT("view: self.stride(%d) must be divisible by %lld to view %s as %s "
                               "(different element sizes), but got %lld",
                               d, (long long)wider, from, to, (long long)t->stride[d]);
        v->stride[d] /= wider;
    }
    v->size[last] /= wider;
    v->offset /= wider;
    return 0;
}

int cr_view_view_dtype(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    cr_dtype dtype = (cr_dtype)args[1].as.i;
    int64_t from = (int64_t)cr_dtype_size((cr_dtype)t->dtype), to = (int64_t)cr_dtype_size(dtype);
    cr_tensor v = *t; /* its geometry */
    if (!to)
        return CR_FAIL_INT("view: dtype %d does not exist", (int)dtype);
    if (from != to) {
        int last = t->dim - 1;
        if (last < 0 || t->stride[last] != 1)
            return CR_FAIL_INT("view: self.%s to view %s as %s (different element sizes)",
                               last < 0 ? "dim() cannot be 0" : "stride(-1) must be 1",
                               cr_dtype_name((cr_dtype)t->dtype), cr_dtype_name(dtype));
        if (to > from && widen(t, dtype, to / from, &v))
            return -1;
        if (to < from) {
            int64_t finer = from / to;
            bool fits = !__builtin_mul_overflow(t->size[last], finer, &v.size[last]) &&
                        !__builtin_mul_overflow(t->offset, finer, &v.offset);
            for (int d = 0; d < last && fits; d++)
                fits = !__builtin_mul_overflow(t->stride[d], finer, &v.stride[d]);
            if (!fits || cr_numel_of(t->dim, v.size) < 0)
                return CR_FAIL_INT("view: sizes %s are too many of %s",
                                   cr_sizes_text(t->dim, t->size), cr_dtype_name(dtype));
        }
    }
    return cr_give(r, cr_tensor_make(cr_storage_retain(t->storage), dtype, t->dim, v.size, v.stride,
                                     v.offset));
}

int cr_view_permute(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK];
    bool seen[CR_MAX_RANK] = {false};
    if (args[1].count != t->dim)
        return CR_FAIL_INT("permute: %lld dims were given for a tensor of %d dimensions",
                           (long long)args[1].count, t->dim);
    for (int d = 0; d < t->dim; d++) {
        int from = cr_wrap_dim("permute", args[1].as.ints[d], t->dim);
        if (from < 0)
            return -1;
        if (seen[from])
            return CR_FAIL_INT("permute: repeated dim %d in permute", from);
        seen[from] = true;
        sizes[d] = t->size[from];
        strides[d] = t->stride[from];
    }
    return give_view(r, t, t->dim, sizes, strides, t->offset);
}

static int swapped(const cr_tensor *t, int a, int b, cr_results *r)
{
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK];
    memcpy(sizes, t->size, sizeof sizes);
    memcpy(strides, t->stride, sizeof strides);
    if (t->dim) {
        sizes[a] = t->size[b];
        sizes[b] = t->size[a];
        strides[a] = t->stride[b];
        strides[b] = t->stride[a];
    }
    return give_view(r, t, t->dim, sizes, strides, t->offset);
}

int cr_view_transpose(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int a = cr_wrap_dim("transpose", args[1].as.i, t->dim);
    int b = a < 0 ? -1 : cr_wrap_dim("transpose", args[2].as.i, t->dim);
    return b < 0 ? -1 : swapped(t, a, b, r);
}

int cr_view_t(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    if (t->dim > 2)
        return CR_FAIL_INT("t: expects a tensor with <= 2 dimensions, but self is %dD", t->dim);
    return t->dim < 2 ? give_view(r, t, t->dim, t->size, t->stride, t->offset)
                      : swapped(t, 0, 1, r);
}

int cr_view_expand(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK];
    int n = (int)args[1].count;
    if (args[1].count > CR_MAX_RANK || n < t->dim)
        return CR_FAIL_INT("expand: the number of sizes provided (%lld) must be greater or equal "
                           "to the number of dimensions "
                           "in the tensor (%d) and at most %d",
                           (long long)args[1].count, t->dim, CR_MAX_RANK);
    for (int d = 0; d < n; d++) {
        int from = d - (n - t->dim);
        int64_t want = args[1].as.ints[d], have = from < 0 ? 1 : t->size[from];
        if (want == -1 && from >= 0)
            want = have;
        if (want < 0)
            return CR_FAIL_INT("expand: size %lld isn't allowed at the non-existing dimension %d",
                               (long long)want, d);
        if (want != have && have != 1)
            return CR_FAIL_INT("expand: The expanded size of the tensor (%lld) must match the "
                               "existing size (%lld) at "
                               "non-singleton dimension %d. Target sizes: %s. Tensor sizes: %s",
                               (long long)want, (long long)have, d,
                               cr_sizes_text(n, args[1].as.ints), cr_sizes_text(t->dim, t->size));
        sizes[d] = want;
        strides[d] = from < 0 || (have == 1 && want != 1) ? 0 : t->stride[from];
    }
    if (cr_numel_of(n, sizes) < 0)
        return CR_FAIL_INT("expand: sizes %s are too large", cr_sizes_text(n, sizes));
    return give_view(r, t, n, sizes, strides, t->offset);
}

int cr_view_slice(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], step = args[4].as.i;
    if (!t->dim)
        return CR_FAIL_INT("slice() cannot be applied to a 0-dim tensor.");
    int d = cr_wrap_dim("slice", args[1].as.i, t->dim);
    if (d < 0)
        return -1;
    if (step <= 0)
        return CR_FAIL_INT("slice step must be positive");
    int64_t size = t->size[d];
    int64_t start = args[2].tag == CR_NONE ? 0 : args[2].as.i,
            end = args[3].tag == CR_NONE ? size : args[3].as.i;
    start += start < 0 ? size : 0;
    end += end < 0 ? size : 0;
    start = start < 0 ? 0 : start > size ? size : start;
    end = end < start ? start : end > size ? size : end;
    memcpy(sizes, t->size, sizeof sizes);
    memcpy(strides, t->stride, sizeof strides);
    sizes[d] = (end - start) / step + ((end - start) % step != 0);
    if (sizes[d] > 1 && __builtin_mul_overflow(strides[d], step, &strides[d]))
        return CR_FAIL_INT("slice: step %lld is too large", (long long)step);
    return give_view(r, t, t->dim, sizes, strides, t->offset + start * t->stride[d]);
}

int cr_view_select(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], index = args[2].as.i;
    if (!t->dim)
        return CR_FAIL_INT("select() cannot be applied to a 0-dim tensor.");
    int d = cr_wrap_dim("select", args[1].as.i, t->dim);
    if (d < 0)
        return -1;
    if (index < -t->size[d] || index >= t->size[d])
        return CR_FAIL_INT(
            "select(): index %lld out of range for tensor of size %s at dimension %d",
            (long long)index, cr_sizes_text(t->dim, t->size), d);
    index += index < 0 ? t->size[d] : 0;
    for (int e = 0, to = 0; e < t->dim; e++) {
        if (e == d)
            continue;
        sizes[to] = t->size[e];
        strides[to++] = t->stride[e];
    }
    return give_view(r, t, t->dim - 1, sizes, strides, t->offset + index * t->stride[d]);
}

int cr_view_unsqueeze(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK + 1], strides[CR_MAX_RANK + 1];
    if (t->dim == CR_MAX_RANK)
        return CR_FAIL_INT("unsqueeze: the tensor has %d dimensions already", t->dim);
    int d = cr_wrap_dim("unsqueeze", args[1].as.i, t->dim + 1);
    if (d < 0)
        return -1;
    for (int e = 0; e <= t->dim; e++) {
        sizes[e] = e == d ? 1 : t->size[e - (e > d)];
        strides[e] = e == d ? (d < t->dim ? t->size[d] * t->stride[d] : 1) : t->stride[e - (e > d)];
    }
    return give_view(r, t, t->dim + 1, sizes, strides, t->offset);
}

static int without(const cr_tensor *t, const bool *drop, cr_results *r)
{
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK];
    int n = 0;
    for (int d = 0; d < t->dim; d++) {
        if (drop[d] && t->size[d] == 1)
            continue;
        sizes[n] = t->size[d];
        strides[n++] = t->stride[d];
    }
    return give_view(r, t, n, sizes, strides, t->offset);
}

int cr_view_squeeze(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    bool drop[CR_MAX_RANK];
    memset(drop, true, sizeof drop);
    return without(self_of(args), drop, r);
}

int cr_view_squeeze_dim(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    bool drop[CR_MAX_RANK] = {false};
    int d = cr_wrap_dim("squeeze", args[1].as.i, self_of(args)->dim);
    if (d < 0)
        return -1;
    drop[d] = true;
    return without(self_of(args), drop, r);
}

int cr_view_squeeze_dims(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    bool drop[CR_MAX_RANK] = {false};
    for (int64_t i = 0; i < args[1].count; i++) {
        int d = cr_wrap_dim("squeeze", args[1].as.ints[i], self_of(args)->dim);
        if (d < 0)
            return -1;
        drop[d] = true;
    }
    return without(self_of(args), drop, r);
}

int cr_view_as_strided(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int n = (int)args[1].count;
    int64_t offset = args[3].tag == CR_NONE ? t->offset : args[3].as.i, first, last;
    if (args[1].count != args[2].count || args[1].count > CR_MAX_RANK)
        return CR_FAIL_INT(
            "as_strided: mismatch in length of strides and shape (%lld and %lld), or more than %d",
            (long long)args[2].count, (long long)args[1].count, CR_MAX_RANK);
    for (int d = 0; d < n; d++)
        if (args[1].as.ints[d] < 0 || args[2].as.ints[d] < 0)
            return CR_FAIL_INT(
                "as_strided: negative sizes and strides are not supported: sizes %s, strides %s",
                cr_sizes_text(n, args[1].as.ints), cr_sizes_text(n, args[2].as.ints));
    int64_t capacity = (int64_t)(t->storage->bytes / cr_dtype_size((cr_dtype)t->dtype));
    bool any = cr_extent(n, args[1].as.ints, args[2].as.ints, offset, &first, &last);
    if (offset < 0 || (any && last >= capacity) || cr_numel_of(n, args[1].as.ints) < 0)
        return CR_FAIL_INT(
            "as_strided: sizes %s, strides %s, offset %lld leave the storage of %lld elements",
            cr_sizes_text(n, args[1].as.ints), cr_sizes_text(n, args[2].as.ints), (long long)offset,
            (long long)capacity);
    return give_view(r, t, n, args[1].as.ints, args[2].as.ints, offset);
}

int cr_view_diagonal(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], offset = args[1].as.i;
    int a = cr_wrap_dim("diagonal", args[2].as.i, t->dim),
        b = a < 0 ? -1 : cr_wrap_dim("diagonal", args[3].as.i, t->dim);
    if (b < 0)
        return -1;
    if (a == b || t->dim < 2)
        return CR_FAIL_INT("diagonal dimensions cannot be identical %d, %d", a, b);
    int64_t rows = t->size[a] + (offset < 0 ? offset : 0),
            columns = t->size[b] - (offset > 0 ? offset : 0);
    int64_t length = rows < columns ? rows : columns;
    int n = 0;
    for (int d = 0; d < t->dim; d++) {
        if (d == a || d == b)
            continue;
        sizes[n] = t->size[d];
        strides[n++] = t->stride[d];
    }
    sizes[n] = length < 0 ? 0 : length;
    strides[n++] = t->stride[a] + t->stride[b];
    int64_t start = length <= 0 ? 0 : offset >= 0 ? offset * t->stride[b] : -offset * t->stride[a];
    return give_view(r, t, n, sizes, strides, t->offset + start);
}

int cr_view_unfold(const cr_op *op, const cr_value *args, cr_results *r)
{
    (void)op;
    const cr_tensor *t = self_of(args);
    int64_t sizes[CR_MAX_RANK], strides[CR_MAX_RANK], size = args[2].as.i, step = args[3].as.i;
    int d = cr_wrap_dim("unfold", args[1].as.i, t->dim);
    if (d < 0)
        return -1;
    int64_t have = t->dim ? t->size[d] : 1;
    if (size < 0 || size > have || step <= 0 || t->dim == CR_MAX_RANK)
        return CR_FAIL_INT(
            "unfold: maximum size for tensor at dimension %d is %lld but size is %lld (step %lld)",
            d, (long long)have, (long long)size, (long long)step);
    memcpy(sizes, t->size, sizeof sizes);
    memcpy(strides, t->stride, sizeof strides);
    int64_t stride = t->dim ? t->stride[d] : 1;
    if (!t->dim) { /* a number is a vector of one */
        sizes[0] = size;
        strides[0] = 1;
        return give_view(r, t, 1, sizes, strides, t->offset);
    }
    sizes[d] = (have - size) / step + 1;
    strides[d] = sizes[d] > 1 ? stride * step : stride;
    sizes[t->dim] = size;
    strides[t->dim] = stride;
    return give_view(r, t, t->dim + 1, sizes, strides, t->offset);
}
