/* Copies, factories, random numbers, views, joining and reordering said with other operations. */
#include <math.h>
#include <stdlib.h>

#include "core/ops/compose.h"
#include "op_index.h"

/* ---- copies ---- */

/* Reached only where a backend plans no copy between these dtypes and layouts; there is nothing
 * below it. */
DECOMPOSE(to_copy)
{
    (void)r, (void)args;
    return CR_FAIL_INT("%s: the backend does not copy these tensors", op->name);
}
DECOMPOSE(clone)
GIVE(cr_to_copy(T(0)))
DECOMPOSE(copy)
{
    (void)op;
    cr_tensor *cast = cr_to_copy(T(1), .dtype = dtype_of(T(0)));
    return cr_give(r, cr_contiguous(cr_expand(cast, sizes_of_tensor(T(0)))));
}
COMPOSITE(to_dtype)
{
    (void)op;
    cr_dtype dtype = cr_value_dtype(&args[1]);
    return cr_give(r, dtype_of(T(0)) == dtype && !INT(3) ? T(0) : cr_to_copy(T(0), .dtype = dtype));
}
COMPOSITE(to_other)
GIVE(cr_tensor_to(cr_to_dtype(T(0), dtype_of(T(1)), .copy = INT(3)), cr_tensor_device(T(1))))
COMPOSITE(contiguous)
{
    (void)op;
    cr_tensor *t = T(0);
    if (cr_is_contiguous(t))
        return cr_give(r, t);
    const cr_value plain[2] = {args[0], cr_v_int(0)};
    cr_results made;
    if (cr_invoke(cr_op_at(CR_OP_clone), plain, &made))
        return -1;
    return cr_give(r, made.t[0]);
}
COMPOSITE(fill)
GIVE(cr_copy_(cr_empty_like(T(0)), T(1)))
COMPOSITE(zero)
GIVE(cr_fill_scalar(T(0), 0))

/* ---- factories ---- */

DECOMPOSE(full)
{
    (void)op;
    cr_dtype dtype = FACTORY_DTYPE(2);
    if (!dtype)
        dtype = args[1].tag == CR_INT    ? CR_I64
                : args[1].tag == CR_BOOL ? CR_B8
                                         : cr_default_dtype();
    return cr_give(
        r, cr_fill_scalar_(cr_empty(L(0), .dtype = dtype, .device = FACTORY_DEVICE(2)), S(1)));
}
static cr_dtype or_default(cr_dtype dtype)
{
    return dtype ? dtype : cr_default_dtype();
}
COMPOSITE(zeros)
GIVE(cr_full(L(0), 0.0, .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)))
COMPOSITE(ones)
GIVE(cr_full(L(0), 1.0, .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)))
COMPOSITE(scalar_tensor)
GIVE(cr_full(CR_EMPTY, S(0), .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)))

static cr_tensor *filled_like(const cr_value *args, int at, cr_scalar value)
{
    const char *device = FACTORY_DEVICE(at);
    return cr_fill_scalar_(cr_empty_like(T(0), .dtype = FACTORY_DTYPE(at), .device = device),
                           value);
}
COMPOSITE(full_like)
GIVE(filled_like(args, 2, S(1)))
COMPOSITE(zeros_like)
GIVE(filled_like(args, 1, cr_int_scalar(0)))
COMPOSITE(ones_like)
GIVE(filled_like(args, 1, cr_int_scalar(1)))

static const char *device_or(const cr_value *args, int at)
{
    const char *given = FACTORY_DEVICE(at);
    return given ? given : cr_tensor_device(T(0));
}
static cr_dtype dtype_or(const cr_value *args, int at)
{
    cr_dtype given = FACTORY_DTYPE(at);
    return given ? given : dtype_of(T(0));
}
COMPOSITE(new_zeros)
GIVE(cr_full(L(1), 0, .dtype = dtype_or(args, 2), .device = device_or(args, 2)))
COMPOSITE(new_full)
GIVE(cr_full(L(1), S(2), .dtype = dtype_or(args, 3), .device = device_or(args, 3)))

COMPOSITE(arange)
GIVE(cr_arange_step(cr_int_scalar(0), S(0), .dtype = FACTORY_DTYPE(1), .device = FACTORY_DEVICE(1)))
COMPOSITE(arange_start)
GIVE(cr_arange_step(S(0), S(1), .dtype = FACTORY_DTYPE(2), .device = FACTORY_DEVICE(2)))

/* Both halves count from their own end, as PyTorch does, so that the ends are exact. */
COMPOSITE(linspace)
{
    (void)op;
    double start = F(0), end = F(1);
    int64_t steps = INT(2);
    cr_dtype dtype = or_default(FACTORY_DTYPE(3));
    const char *device = FACTORY_DEVICE(3);
    if (steps < 0)
        return CR_FAIL_INT("linspace: number of steps must be non-negative");
    if (steps < 2)
        return cr_give(r, cr_full(steps, start, .dtype = dtype, .device = device));
    double step = (end - start) / (double)(steps - 1);
    cr_dtype fine = dtype == CR_F64 || !cr_dtype_is_floating(dtype) ? CR_F64 : CR_F32;
    cr_tensor *i = cr_arange(steps, .dtype = fine, .device = device);
    cr_tensor *up = cr_add_scalar(cr_mul_scalar(i, step), start);
    cr_tensor *down =
        cr_rsub_scalar(cr_mul_scalar(cr_rsub_scalar(i, (double)(steps - 1)), step), end);
    return cr_give(r, cr_to_dtype(cr_where(cr_lt_scalar(i, (double)(steps / 2)), up, down), dtype));
}
static cr_tensor *eye(int64_t n, int64_t m, cr_dtype dtype, const char *device)
{
    if (n < 0 || m < 0)
        return cr_fail("eye: n and m must be greater or equal to 0, got %lld and %lld",
                       (long long)n, (long long)m);
    cr_tensor *rows = cr_unsqueeze(cr_arange(n, .dtype = CR_I64, .device = device), 1);
    return cr_to_dtype(cr_eq(rows, cr_arange(m, .dtype = CR_I64, .device = device)),
                       or_default(dtype));
}
COMPOSITE(eye)
GIVE(eye(INT(0), INT(0), FACTORY_DTYPE(1), FACTORY_DEVICE(1)))
COMPOSITE(eye_m)
GIVE(eye(INT(0), INT(1), FACTORY_DTYPE(2), FACTORY_DEVICE(2)))

/* ---- random numbers ---- */

/* (word >> 8)·2^-24 of 32-bit words; f64: 53 bits of 64-bit words. */
DECOMPOSE(uniform)
{
    (void)op;
    cr_tensor *t = T(0);
    double from = F(1), to = F(2);
    bool wide = dtype_of(t) == CR_F64;
    cr_tensor *bits = cr_random_bits(sizes_of_tensor(t), .dtype = wide ? CR_I64 : CR_I32,
                                     .device = cr_tensor_device(t));
    bits = cr_bitwise_right_shift(bits,
                                  number_like(bits, cr_int_scalar(wide ? 11 : 8), dtype_of(bits)));
    bits = cr_bitwise_and_scalar(bits, wide ? ((int64_t)1 << 53) - 1 : (1 << 24) - 1);
    cr_tensor *u =
        cr_mul_scalar(cr_to_dtype(bits, wide ? CR_F64 : CR_F32), wide ? 0x1p-53 : 0x1p-24);
    if (from != 0 || to != 1)
        u = cr_add_scalar(cr_mul_scalar(u, to - from), from);
    return cr_give(r, cr_to_dtype(u, dtype_of(t)));
}

/* Box and Muller (1958): √(-2 ln u)·cos 2πv. */
static cr_tensor *normal(cr_tensor *t, double mean, double std)
{
    if (!(std >= 0))
        return cr_fail("normal expects std >= 0.0, but found std %g", std);
    cr_dtype dtype = dtype_of(t) == CR_F64 ? CR_F64 : CR_F32;
    if (!is_float(t))
        return cr_fail("normal: needs a floating-point tensor, not %s", cr_dtype_name(dtype_of(t)));
    cr_tensor *like = cr_empty(sizes_of_tensor(t), .dtype = dtype, .device = cr_tensor_device(t));
    cr_tensor *u = cr_rsub_scalar(cr_uniform(like), 1); /* in (0, 1] */
    cr_tensor *v = cr_uniform(like);
    cr_tensor *z = cr_mul(cr_sqrt(cr_mul_scalar(cr_log(u), -2)),
                          cr_cos(cr_mul_scalar(v, 6.28318530717958647692)));
    if (std != 1)
        z = cr_mul_scalar(z, std);
    if (mean != 0)
        z = cr_add_scalar(z, mean);
    return cr_to_dtype(z, dtype_of(t));
}
COMPOSITE(normal_functional)
GIVE(normal(T(0), F(1), F(2)))
COMPOSITE(normal_)
GIVE(cr_copy_(T(0), normal(T(0), F(1), F(2))))
COMPOSITE(bernoulli)
{
    (void)op;
    cr_tensor *p = T(0);
    if (!is_float(p))
        return CR_FAIL_INT("bernoulli: needs a floating-point tensor of probabilities, not %s",
                           cr_dtype_name(dtype_of(p)));
    cr_tensor *u = cr_uniform(cr_empty_like(p, .dtype = dtype_of(p) == CR_F64 ? CR_F64 : CR_F32));
    return cr_give(r, cr_detach(cr_to_dtype(cr_lt(u, p), dtype_of(p))));
}
COMPOSITE(bernoulli_float_)
{
    (void)op;
    double p = F(1);
    if (!(p >= 0 && p <= 1))
        return CR_FAIL_INT("bernoulli_ expects p to be in [0, 1], but got p=%g", p);
    cr_tensor *u = cr_uniform(
        cr_empty(sizes_of_tensor(T(0)), .dtype = CR_F32, .device = cr_tensor_device(T(0))));
    return cr_give(r, cr_copy_(T(0), cr_lt_scalar(u, p)));
}
COMPOSITE(rand)
GIVE(cr_uniform_(cr_empty(L(0), .dtype = or_default(FACTORY_DTYPE(1)),
                          .device = FACTORY_DEVICE(1))))
COMPOSITE(randn)
GIVE(normal(cr_empty(L(0), .dtype = or_default(FACTORY_DTYPE(1)), .device = FACTORY_DEVICE(1)), 0,
            1))
COMPOSITE(rand_like)
GIVE(cr_uniform_(cr_empty_like(T(0), .dtype = FACTORY_DTYPE(1), .device = FACTORY_DEVICE(1))))
COMPOSITE(randn_like)
GIVE(normal(cr_empty_like(T(0), .dtype = FACTORY_DTYPE(1), .device = FACTORY_DEVICE(1)), 0, 1))

/* 63 random bits modulo the range. */
static cr_tensor *randint(int64_t low, int64_t high, cr_ints size, cr_dtype dtype,
                          const char *device)
{
    if (low >= high)
        return cr_fail("random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld",
                       (long long)low, (long long)high);
    uint64_t range = (uint64_t)high - (uint64_t)low;
    if (range > INT64_MAX)
        return cr_fail("randint: the range from %lld to %lld is too large", (long long)low,
                       (long long)high);
    cr_tensor *bits = cr_random_bits(size, .dtype = CR_I64, .device = device);
    bits = cr_bitwise_and_scalar(bits, INT64_MAX);
    return cr_to_dtype(cr_add_scalar(cr_remainder_scalar(bits, (int64_t)range), low),
                       dtype ? dtype : CR_I64);
}
COMPOSITE(randint)
GIVE(randint(0, INT(0), L(1), FACTORY_DTYPE(2), FACTORY_DEVICE(2)))
COMPOSITE(randint_low)
GIVE(randint(INT(0), INT(1), L(2), FACTORY_DTYPE(3), FACTORY_DEVICE(3)))
COMPOSITE(randperm)
{
    (void)op;
    int64_t n = INT(0);
    if (n < 0)
        return CR_FAIL_INT("randperm: n must be non-negative, got %lld", (long long)n);
    cr_tensor *keys = cr_random_bits(n, .dtype = CR_I64, .device = FACTORY_DEVICE(1));
    cr_dtype dtype = FACTORY_DTYPE(1);
    return cr_give(r, cr_to_dtype(cr_sort(keys).indices, dtype ? dtype : CR_I64));
}

/* Kept where a uniform number reaches p, and scaled up. */
DECOMPOSE(native_dropout)
{
    (void)op;
    cr_tensor *x = T(0);
    double p = F(1);
    if (args[2].tag != CR_NONE && !INT(2))
        return cr_give_two(r, cr_clone(x), cr_ones_like(x, .dtype = CR_B8));
    cr_tensor *u =
        cr_uniform(cr_empty(sizes_of_tensor(x), .dtype = CR_F32, .device = cr_tensor_device(x)));
    cr_tensor *mask = cr_ge_scalar(u, p);
    if (p == 1)
        return cr_give_two(r, cr_zeros_like(x), cr_zeros_like(x, .dtype = CR_B8));
    return cr_give_two(r, cr_mul_scalar(cr_mul(x, mask), 1 / (1 - p)), mask);
}
static bool probability(const char *name, double p)
{
    if (!(p >= 0 && p <= 1))
        cr_fail("%s probability has to be between 0 and 1, but got %g", name, p);
    return p >= 0 && p <= 1;
}
COMPOSITE(dropout)
{
    (void)op;
    if (!probability("dropout", F(1)))
        return -1;
    if (!INT(2) || F(1) == 0 || !T(0)->numel)
        return cr_give(r, T(0));
    return cr_give(r, cr_native_dropout(T(0), F(1), true).output0);
}
/* Whole channels: the mask has the first two dimensions. */
COMPOSITE(feature_dropout)
{
    (void)op;
    cr_tensor *x = T(0);
    if (!probability("dropout", F(1)))
        return -1;
    if (x->dim < 2)
        return CR_FAIL_INT("Feature dropout requires at least 2 dimensions in the input, got %s",
                           cr_describe(x));
    if (!INT(2) || F(1) == 0 || !x->numel)
        return cr_give(r, x);
    if (F(1) == 1)
        return cr_give(r, cr_mul_scalar(x, 0));
    int64_t sizes[CR_MAX_RANK];
    for (int d = 0; d < x->dim; d++)
        sizes[d] = d < 2 ? x->size[d] : 1;
    cr_tensor *noise =
        cr_empty(cr_make_ints(sizes, x->dim), .dtype = dtype_of(x), .device = cr_tensor_device(x));
    noise = cr_div_scalar(cr_bernoulli_float_(noise, .p = {1 - F(1), true}), 1 - F(1));
    return cr_give(r, cr_mul(x, noise));
}

/* ---- views ---- */

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

/* ---- joining and reordering ---- */

DECOMPOSE(cat)
{
    (void)op;
    cr_tensor *const *in = args[0].as.tensors;
    int64_t n = args[0].count, at = 0, sizes[CR_MAX_RANK];
    cr_tensor *like = NULL;
    for (int64_t i = 0; i < n; i++)
        if (!like || (like->dim == 1 && !like->numel))
            like = in[i];
    int d = cr_wrap_dim("cat", INT(1), like->dim);
    if (d < 0)
        return -1;
    memcpy(sizes, like->size, sizeof sizes);
    sizes[d] = 0;
    for (int64_t i = 0; i < n; i++)
        sizes[d] += in[i]->dim == 1 && !in[i]->numel ? 0 : in[i]->size[d];
    cr_tensor *out = cr_empty(cr_make_ints(sizes, like->dim), .dtype = dtype_of(like),
                              .device = cr_tensor_device(like));
    for (int64_t i = 0; i < n && out; i++) {
        if (in[i]->dim == 1 && !in[i]->numel)
            continue;
        if (!cr_copy_(cr_narrow(out, d, at, in[i]->size[d]), in[i]))
            return -1;
        at += in[i]->size[d];
    }
    return cr_give(r, out);
}
COMPOSITE(stack)
{
    (void)op;
    cr_tensor *const *in = args[0].as.tensors;
    int64_t n = args[0].count;
    if (!n)
        return CR_FAIL_INT("stack expects a non-empty TensorList");
    cr_tensor **wide = malloc((size_t)n * sizeof *wide);
    if (!wide)
        return cr_fail_memory("stack", (size_t)n * sizeof *wide), -1;
    bool well = true;
    for (int64_t i = 0; i < n && well; i++) {
        if (!in[i] || (in[0] && (in[i]->dim != in[0]->dim ||
                                 memcmp(in[i]->size, in[0]->size, (size_t)in[0]->dim * 8)))) {
            if (in[i])
                cr_fail("stack expects each tensor to be equal size, but got %s at entry 0 and %s "
                        "at entry %lld",
                        cr_sizes_text(in[0]->dim, in[0]->size),
                        cr_sizes_text(in[i]->dim, in[i]->size), (long long)i);
            well = false;
        }
        wide[i] = well ? cr_unsqueeze(in[i], INT(1)) : NULL;
        well = well && wide[i];
    }
    cr_tensor *joined = well ? cr_cat(cr_make_tensors(wide, (size_t)n), .dim = INT(1)) : NULL;
    free(wide);
    return cr_give(r, joined);
}
/* Each dimension gets a repeated one before it: [r, s] copies of [1, s], seen as r·s. */
COMPOSITE(repeat)
{
    (void)op;
    cr_tensor *t = T(0);
    cr_ints times = L(1);
    int n = (int)times.count, more = n - t->dim;
    int64_t final[CR_MAX_RANK];
    if (more < 0 || n > CR_MAX_RANK)
        return CR_FAIL_INT("repeat: Number of dimensions of repeat dims (%d) can not be smaller "
                           "than number of dimensions of "
                           "tensor (%d), nor larger than %d",
                           n, t->dim, CR_MAX_RANK);
    cr_tensor *x = t;
    for (int d = 0; d < n; d++) {
        if (times.data[d] < 0)
            return CR_FAIL_INT("repeat: Trying to create tensor with negative dimension %lld",
                               (long long)times.data[d]);
        final[d] = (d < more ? 1 : t->size[d - more]);
    }
    x = cr_reshape(x, cr_make_ints(final, (size_t)n));
    for (int d = 0; d < n && x; d++) { /* one dimension at a time keeps the rank in bounds */
        if (times.data[d] == 1)
            continue;
        int64_t sizes[CR_MAX_RANK];
        memcpy(sizes, x->size, sizeof sizes);
        if (__builtin_mul_overflow(sizes[d], times.data[d], &sizes[d]))
            return CR_FAIL_INT("repeat: %s times %s is more than a tensor can hold",
                               cr_sizes_text(t->dim, t->size), cr_sizes_text(n, times.data));
        if (x->size[d] == 1) {
            x = cr_expand(x, cr_make_ints(sizes, (size_t)n));
        } else if (n < CR_MAX_RANK) {
            int64_t wide[CR_MAX_RANK + 1];
            for (int e = 0, k = 0; e < n; e++) {
                if (e == d)
                    wide[k++] = times.data[d];
                wide[k++] = x->size[e];
            }
            x = cr_reshape(cr_expand(cr_unsqueeze(x, d), cr_make_ints(wide, (size_t)n + 1)),
                           cr_make_ints(sizes, (size_t)n));
        } else {
            return CR_FAIL_INT("repeat: at most %d dimensions are supported here", CR_MAX_RANK - 1);
        }
    }
    return cr_give(r, cr_contiguous(x == t ? cr_clone(x) : x));
}
/* Gathered backwards: index n-1 … 0. */
COMPOSITE(flip)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints dims = L(1);
    if (!dims.count || !x->dim)
        return cr_give(r, cr_clone(x));
    for (int64_t i = 0; i < dims.count; i++) {
        int d = cr_wrap_dim("flip", dims.data[i], T(0)->dim);
        if (d < 0)
            return -1;
        for (int64_t j = 0; j < i; j++)
            if (cr_wrap_dim("flip", dims.data[j], T(0)->dim) == d)
                return CR_FAIL_INT("flip: dim %d appears multiple times in the list of dims", d);
        int64_t n = T(0)->size[d];
        cr_tensor *index =
            cr_rsub_scalar(cr_arange(n, .dtype = CR_I64, .device = cr_tensor_device(x)), n - 1);
        x = cr_index_select(x, d, index);
    }
    return cr_give(r, x);
}
COMPOSITE(roll)
{
    (void)op;
    cr_tensor *x = T(0);
    cr_ints shifts = L(1), dims = L(2);
    if (!x->numel)
        return cr_give(r, cr_clone(x));
    if (!dims.count && shifts.count == 1)
        return cr_give(r, cr_view_as(cr_roll(cr_contiguous(cr_reshape(x, CR_INTS(-1))), shifts,
                                             .dims = CR_INTS(0)),
                                     x));
    if (shifts.count != dims.count || !shifts.count)
        return CR_FAIL_INT("shifts and dimensions must align. shifts: %lld, dims:%lld",
                           (long long)shifts.count, (long long)dims.count);
    for (int64_t i = 0; i < shifts.count && x; i++) {
        int d = cr_wrap_dim("roll", dims.data[i], x->dim);
        if (d < 0)
            return -1;
        int64_t n = x->size[d], by = (shifts.data[i] % n + n) % n;
        x = cr_cat(CR_TENSORS(cr_narrow(x, d, n - by, by), cr_narrow(x, d, 0, n - by)), .dim = d);
    }
    return cr_give(r, x);
}
/* Keeps where column - row ≤ diagonal (or ≥). */
static cr_tensor *triangle(cr_tensor *x, int64_t diagonal, bool lower, const char *name)
{
    if (x->dim < 2)
        return cr_fail("%s: input tensor must have at least 2 dimensions", name);
    const char *device = cr_tensor_device(x);
    cr_tensor *rows =
        cr_unsqueeze(cr_arange(x->size[x->dim - 2], .dtype = CR_I64, .device = device), 1);
    cr_tensor *gap =
        cr_sub(cr_arange(x->size[x->dim - 1], .dtype = CR_I64, .device = device), rows);
    cr_tensor *mask = lower ? cr_le_scalar(gap, diagonal) : cr_ge_scalar(gap, diagonal);
    return cr_where(mask, x, number_like(x, cr_int_scalar(0), dtype_of(x)));
}
COMPOSITE(tril)
GIVE(triangle(T(0), INT(1), true, "tril"))
COMPOSITE(triu)
GIVE(triangle(T(0), INT(1), false, "triu"))
/* Negative padding cuts. */
COMPOSITE(constant_pad_nd)
{
    (void)op;
    cr_tensor *x = T(0), *inner = x;
    cr_ints pad = L(1);
    int64_t sizes[CR_MAX_RANK];
    if (pad.count % 2 || pad.count / 2 > x->dim)
        return CR_FAIL_INT("Length of pad must be even and at most twice the number of dimensions "
                           "of the input. Got %lld for "
                           "%d dimensions",
                           (long long)pad.count, x->dim);
    memcpy(sizes, x->size, sizeof sizes);
    for (int64_t i = 0; i < pad.count / 2; i++) {
        int64_t d = x->dim - 1 - i, before = pad.data[2 * i], after = pad.data[2 * i + 1];
        int64_t more, least = -INT64_MAX / 4; /* sums of three don't overflow */
        if (before < least || after < least || __builtin_add_overflow(before, after, &more) ||
            __builtin_add_overflow(sizes[d], more, &sizes[d]))
            return CR_FAIL_INT("padding %lld and %lld is more than a tensor can hold",
                               (long long)before, (long long)after);
        if (sizes[d] < 0)
            return CR_FAIL_INT("The input size %lld, plus negative padding %lld and %lld, resulted "
                               "in a negative output size",
                               (long long)x->size[d], (long long)before, (long long)after);
        if (!inner)
            return -1;
        int64_t cut = before < 0 ? -before : 0,
                length = inner->size[d] - cut - (after < 0 ? -after : 0);
        inner = cr_narrow(inner, d, cut, length < 0 ? 0 : length);
    }
    cr_tensor *out = cr_full(cr_make_ints(sizes, x->dim), S(2), .dtype = dtype_of(x),
                             .device = cr_tensor_device(x)),
              *hole = out;
    for (int64_t i = 0; i < pad.count / 2 && hole; i++) {
        int64_t d = x->dim - 1 - i, before = pad.data[2 * i];
        hole = cr_narrow(hole, d, before > 0 ? before : 0, inner ? inner->size[d] : 0);
    }
    return cr_give(r, cr_copy_(hole, inner) ? out : NULL);
}
