/* Views said with other views, the parts of a tensor as lists, and how gradients go back through a part. */
#include <stdlib.h>

#include "core/ops/compose.h"

COMPOSITE(reshape)
{
    (void)op;
    /* A view where the strides allow it, else a copy. */
    cr_tensor *t = T(0), *viewed;
    if (cr_is_contiguous(t))
        return cr_give(r, cr_view(t, L(1)));
    cr_this_thread.quiet_errors++;
    viewed = cr_view(t, L(1));
    cr_this_thread.quiet_errors--;
    return cr_give(r, viewed ? viewed : cr_view(cr_contiguous(t), L(1)));
}
COMPOSITE(narrow)
{
    (void)op;
    cr_tensor *t = T(0);
    int d = t->dim ? cr_wrap_dim("narrow", INT(1), t->dim) : -1;
    if (!t->dim)
        return CR_FAIL_INT("narrow() cannot be applied to a 0-dim tensor.");
    if (d < 0)
        return -1;
    int64_t start = INT(2), length = INT(3), size = t->size[d];
    if (start < -size || start > size)
        return CR_FAIL_INT(
            "narrow: start out of range (expected to be in range of [%lld, %lld], but got %lld)",
            (long long)-size, (long long)size, (long long)start);
    start += start < 0 ? size : 0;
    if (length < 0 || start > size - length)
        return CR_FAIL_INT("narrow: start (%lld) + length (%lld) exceeds dimension size (%lld).",
                           (long long)start, (long long)length, (long long)size);
    return cr_give(r,
                   cr_slice(t, .dim = d, .start = CR_SOME(start), .end = CR_SOME(start + length)));
}
COMPOSITE(flatten)
{
    (void)op;
    cr_tensor *t = T(0);
    if (!t->dim)
        return cr_give(r, cr_reshape(t, 1));
    int a = cr_wrap_dim("flatten", INT(1), t->dim),
        b = a < 0 ? -1 : cr_wrap_dim("flatten", INT(2), t->dim), n = 0;
    if (b < 0)
        return -1;
    if (a > b)
        return CR_FAIL_INT("flatten() has invalid args: start_dim cannot come after end_dim");
    if (a == b)
        return cr_give(r, t);
    int64_t sizes[CR_MAX_RANK], run = 1;
    for (int d = 0; d < t->dim; d++) {
        if (d < a || d > b)
            sizes[n++] = t->size[d];
        else
            run *= t->size[d];
        if (d == b)
            sizes[n++] = run;
    }
    return cr_give(r, cr_reshape(t, cr_make_ints(sizes, (size_t)n)));
}
COMPOSITE(unflatten)
{
    (void)op;
    cr_tensor *t = T(0);
    int d = cr_wrap_dim("unflatten", INT(1), t->dim), n = 0;
    if (d < 0)
        return -1;
    int64_t sizes[2 * CR_MAX_RANK], parts[CR_MAX_RANK], known = 1;
    cr_ints into = L(2);
    if (!into.count || into.count + t->dim - 1 > CR_MAX_RANK)
        return CR_FAIL_INT(
            "unflatten: sizes must be non-empty and at most %d dimensions may come of it",
            CR_MAX_RANK);
    int unknown = -1;
    for (int64_t i = 0; i < into.count; i++) {
        parts[i] = into.data[i];
        if (parts[i] == -1)
            unknown = (int)i;
        else if (parts[i] < 0 || __builtin_mul_overflow(known, parts[i], &known))
            return CR_FAIL_INT("unflatten: Provided sizes %s don't multiply up to the size of dim "
                               "%d (%lld) in the input tensor",
                               cr_sizes_text((int)into.count, into.data), d, (long long)t->size[d]);
    }
    if (unknown >= 0 && known)
        parts[unknown] = t->size[d] / known;
    if (unknown >= 0)
        known *= parts[unknown];
    if (known != t->size[d])
        return CR_FAIL_INT("unflatten: Provided sizes %s don't multiply up to the size of dim %d "
                           "(%lld) in the input tensor",
                           cr_sizes_text((int)into.count, into.data), d, (long long)t->size[d]);
    for (int e = 0; e < t->dim; e++) {
        if (e != d)
            sizes[n++] = t->size[e];
        for (int64_t i = 0; e == d && i < into.count; i++)
            sizes[n++] = parts[i];
    }
    return cr_give(r, cr_reshape(t, cr_make_ints(sizes, (size_t)n)));
}
COMPOSITE(movedim)
{
    (void)op;
    cr_tensor *t = T(0);
    cr_ints from = L(1), to = L(2);
    int64_t order[CR_MAX_RANK];
    bool used[CR_MAX_RANK] = {false}, filled[CR_MAX_RANK] = {false};
    if (from.count != to.count)
        return CR_FAIL_INT("movedim: Invalid source or destination dims: %lld and %lld of them",
                           (long long)from.count, (long long)to.count);
    for (int64_t i = 0; i < from.count; i++) {
        int s = cr_wrap_dim("movedim", from.data[i], t->dim),
            e = s < 0 ? -1 : cr_wrap_dim("movedim", to.data[i], t->dim);
        if (e < 0)
            return -1;
        if (used[s] || filled[e])
            return CR_FAIL_INT("movedim: repeated dim in source or destination");
        used[s] = filled[e] = true;
        order[e] = s;
    }
    for (int e = 0, s = 0; e < t->dim; e++) {
        if (filled[e])
            continue;
        while (used[s])
            s++;
        order[e] = s++;
    }
    return cr_give(r, cr_permute(t, cr_make_ints(order, t->dim)));
}
COMPOSITE(expand_as)
GIVE(cr_expand(T(0), sizes_of_tensor(T(1))))
COMPOSITE(view_as)
GIVE(cr_view(T(0), sizes_of_tensor(T(1))))

/* A list of results, in memory that the scope frees. */
int cr_list_of(cr_results *r, int64_t n)
{
    r->list = calloc(n ? (size_t)n : 1, sizeof *r->list);
    if (!r->list)
        return cr_fail_memory("a list of tensors", (size_t)n * sizeof *r->list), -1;
    r->nlist = n;
    return cr_scope_add(r->list, free) ? 0 : -1;
}
static int split_at(cr_tensor *t, int64_t dim, const int64_t *sizes, int64_t n, cr_results *r)
{
    int64_t at = 0;
    if (cr_list_of(r, n))
        return -1;
    for (int64_t i = 0; i < n; at += sizes[i++])
        if (!(r->list[i] = cr_narrow(t, dim, at, sizes[i])))
            return -1;
    return 0;
}
static int split_by(cr_tensor *t, int64_t dim, int64_t size, cr_results *r)
{
    int d = t->dim ? cr_wrap_dim("split", dim, t->dim) : -1;
    if (!t->dim)
        return CR_FAIL_INT("split expects at least a 1-dimensional tensor");
    if (d < 0)
        return -1;
    if (size < 0 || (!size && t->size[d]))
        return CR_FAIL_INT("split expects split_size be non-negative, but got split_size=%lld",
                           (long long)size);
    int64_t n = size ? t->size[d] / size + (t->size[d] % size != 0) : 1;
    if (!n)
        n = 1;
    if (cr_list_of(r, n))
        return -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t left = t->size[d] - i * size;
        if (!(r->list[i] = cr_narrow(t, d, i * size, left < size ? left : size)))
            return -1;
    }
    return 0;
}
COMPOSITE(split)
{
    (void)op;
    return split_by(T(0), INT(2), INT(1), r);
}
COMPOSITE(split_with_sizes)
{
    (void)op;
    cr_tensor *t = T(0);
    cr_ints sizes = L(1);
    int d = cr_wrap_dim("split_with_sizes", INT(2), t->dim);
    int64_t sum = 0;
    for (int64_t i = 0; i < sizes.count; i++) {
        if (sizes.data[i] < 0)
            return CR_FAIL_INT(
                "split_with_sizes expects split_sizes have only non-negative entries, but got %s",
                cr_sizes_text((int)sizes.count, sizes.data));
        if (__builtin_add_overflow(sum, sizes.data[i], &sum))
            sum = INT64_MAX;
    }
    if (d < 0)
        return -1;
    if (!t->dim || sum != t->size[d])
        return CR_FAIL_INT("split_with_sizes expects split_sizes to sum exactly to %lld (input "
                           "tensor's size at dimension %d), "
                           "but got split_sizes=%s",
                           (long long)(t->dim ? t->size[d] : 0), d,
                           cr_sizes_text((int)sizes.count, sizes.data));
    return split_at(t, d, sizes.data, sizes.count, r);
}
COMPOSITE(chunk)
{
    (void)op;
    cr_tensor *t = T(0);
    int64_t chunks = INT(1);
    int d = t->dim ? cr_wrap_dim("chunk", INT(2), t->dim) : -1;
    if (!t->dim || chunks < 1)
        return CR_FAIL_INT("chunk expects at least a 1-dimensional tensor and `chunks` to be "
                           "greater than 0, got: %lld",
                           (long long)chunks);
    if (d < 0)
        return -1;
    int64_t size = t->size[d] / chunks + (t->size[d] % chunks != 0);
    if (!t->size[d]) { /* as many empty pieces */
        if (cr_list_of(r, chunks))
            return -1;
        for (int64_t i = 0; i < chunks; i++)
            if (!(r->list[i] = cr_narrow(t, d, 0, 0)))
                return -1;
        return 0;
    }
    return split_by(t, d, size, r);
}
COMPOSITE(unbind)
{
    (void)op;
    cr_tensor *t = T(0);
    int d = t->dim ? cr_wrap_dim("unbind", INT(1), t->dim) : -1;
    if (!t->dim)
        return CR_FAIL_INT("unbind: Dimension specified as %lld but tensor has no dimensions",
                           (long long)INT(1));
    if (d < 0 || cr_list_of(r, t->size[d]))
        return -1;
    for (int64_t i = 0; i < r->nlist; i++)
        if (!(r->list[i] = cr_select(t, d, i)))
            return -1;
    return 0;
}
static cr_tensor *zeros_for(cr_tensor *grad, cr_ints sizes)
{
    return cr_zeros(sizes, .dtype = dtype_of(grad), .device = cr_tensor_device(grad));
}
COMPOSITE(slice_backward)
{
    (void)op;
    cr_tensor *zero = zeros_for(T(0), L(1));
    cr_tensor *part = cr_slice(zero, .dim = INT(2), .start = CR_SOME(INT(3)),
                               .end = CR_SOME(INT(4)), .step = CR_SOME(INT(5)));
    return cr_give(r, cr_copy_(part, T(0)) ? zero : NULL);
}
COMPOSITE(select_backward)
{
    (void)op;
    cr_tensor *zero = zeros_for(T(0), L(1));
    return cr_give(r, cr_copy_(cr_select(zero, INT(2), INT(3)), T(0)) ? zero : NULL);
}
