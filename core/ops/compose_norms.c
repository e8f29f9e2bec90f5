/* Norms of vectors and matrices, and functions of square matrices. */
#include <math.h>

#include "core/ops/compose.h"

/* ---- vectors ---- */

static cr_tensor *all_of(cr_tensor *t)
{
    return cr_reshape(t, CR_INTS(-1));
}

/* (Σ |x|ᵖ)^(1/p), and its limits at 0 and both infinities. */
DECOMPOSE(linalg_vector_norm)
{
    (void)op;
    double p = F(1);
    bool keepdim = INT(3);
    cr_dtype dtype = cr_value_dtype(&args[4]), given = dtype_of(T(0));
    cr_tensor *x = fine(dtype ? cr_to_dtype(T(0), dtype) : T(0)), *y;
    cr_ints dims = L(2);
    int64_t every[CR_MAX_RANK];
    if (!x)
        return -1;
    if (!dims.count) {
        for (int d = 0; d < x->dim; d++)
            every[d] = d;
        dims = cr_make_ints(every, x->dim);
    }
    if (p == 0)
        y = cr_sum_dim(cr_to_dtype(cr_ne_scalar(x, 0), dtype_of(x)), dims, .keepdim = keepdim);
    else if (p == 1)
        y = cr_sum_dim(cr_abs(x), dims, .keepdim = keepdim);
    else if (p == 2)
        y = cr_sqrt(cr_sum_dim(cr_mul(x, x), dims, .keepdim = keepdim));
    else if (p == INFINITY)
        y = cr_amax(cr_abs(x), .dim = dims, .keepdim = keepdim);
    else if (p == -INFINITY)
        y = cr_amin(cr_abs(x), .dim = dims, .keepdim = keepdim);
    else
        y = cr_pow_scalar(cr_sum_dim(cr_pow_scalar(cr_abs(x), p), dims, .keepdim = keepdim), 1 / p);
    return cr_give(r, cr_to_dtype(y, dtype ? dtype : given));
}

static cr_scalar or_two(cr_scalar p)
{
    return p.tag == CR_NONE ? cr_int_scalar(2) : p;
}
static cr_tensor *norm(cr_tensor *x, cr_scalar p, cr_ints dims, bool keepdim, cr_dtype dtype)
{
    if (!is_float(x) && !dtype)
        return cr_fail("norm(): input dtype should be either floating point or complex, but got %s",
                       cr_dtype_name(dtype_of(x)));
    if (dtype && !is_float(x))
        x = cr_to_dtype(x, dtype);
    return cr_linalg_vector_norm(x, .ord = or_two(p), .dim = dims, .keepdim = keepdim,
                                 .dtype = dtype);
}
COMPOSITE(norm)
GIVE(norm(T(0), S(1), (cr_ints){0}, false, CR_DTYPE_NONE))
COMPOSITE(norm_dim)
GIVE(norm(T(0), S(1), L(2), INT(3), CR_DTYPE_NONE))
COMPOSITE(norm_dtype)
GIVE(norm(T(0), S(1), (cr_ints){0}, false, cr_value_dtype(&args[2])))
COMPOSITE(norm_dim_dtype)
GIVE(norm(T(0), S(1), L(2), INT(3), cr_value_dtype(&args[4])))
COMPOSITE(frobenius_norm)
GIVE(norm(T(0), cr_int_scalar(2), (cr_ints){0}, false, CR_DTYPE_NONE))
COMPOSITE(frobenius_norm_dim)
GIVE(norm(T(0), cr_int_scalar(2), L(1), INT(2), CR_DTYPE_NONE))
COMPOSITE(dist)
GIVE(norm(cr_sub(T(0), T(1)), S(2), (cr_ints){0}, false, CR_DTYPE_NONE))

/* Slices along dim whose norm is above the limit are scaled down to it. */
COMPOSITE(renorm)
{
    (void)op;
    cr_tensor *x = T(0);
    double p = F(1), limit = F(3);
    int d = x->dim ? cr_wrap_dim("renorm", INT(2), x->dim) : -1, n = 0;
    int64_t others[CR_MAX_RANK];
    if (x->dim < 2)
        return CR_FAIL_INT("renorm: input needs at least 2 dimensions, got %d dimensions", x->dim);
    if (d < 0 || !needs_float("renorm", x))
        return -1;
    if (!(p > 0) || !(limit >= 0))
        return CR_FAIL_INT("renorm: expected p > 0 and maxnorm to be >= 0 but got %g and %g", p,
                           limit);
    for (int e = 0; e < x->dim; e++)
        if (e != d)
            others[n++] = e;
    cr_tensor *size = norm(fine(x), S(1), cr_make_ints(others, (size_t)n), true, CR_DTYPE_NONE);
    cr_tensor *scale = cr_mul_scalar(cr_reciprocal(cr_add_scalar(size, 1e-7)), limit);
    scale = cr_where(cr_gt_scalar(size, limit), scale, cr_ones_like(cr_detach(size)));
    return cr_give(r, cr_mul(x, coarse(scale, x)));
}

/* ---- matrices ---- */

/* Two different dims of x, from 0. */
static bool two_dims(cr_tensor *x, cr_ints dims, int *a, int *b)
{
    if (dims.count != 2)
        return cr_fail("linalg.matrix_norm: dim must be a 2-tuple. Got %lld numbers",
                       (long long)dims.count),
               false;
    if (x->dim < 2)
        return cr_fail(
                   "linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got %s",
                   cr_describe(x)),
               false;
    *a = cr_wrap_dim("linalg.matrix_norm", dims.data[0], x->dim);
    *b = *a < 0 ? -1 : cr_wrap_dim("linalg.matrix_norm", dims.data[1], x->dim);
    if (*a >= 0 && *a == *b)
        cr_fail("linalg.matrix_norm: dims must be different. Got %d and %d", *a, *b);
    return *a >= 0 && *b >= 0 && *a != *b;
}
/* The norm of the singular values of the matrices in dims a and b. */
static cr_tensor *spectral_norm(cr_tensor *x, int a, int b, double p, bool keepdim)
{
    int64_t from[2] = {a, b}, to[2] = {-2, -1};
    cr_tensor *s = cr_linalg_svdvals(cr_movedim(x, cr_make_ints(from, 2), cr_make_ints(to, 2)));
    cr_ints last = CR_INTS(-1);
    cr_tensor *y = p == 1  ? cr_sum_dim(s, last)
                   : p > 0 ? cr_amax(s, .dim = last)
                           : cr_amin(s, .dim = last);
    if (keepdim) {
        y = cr_unsqueeze(y, a < b ? a : b);
        y = cr_unsqueeze(y, a < b ? b : a);
    }
    return y;
}
static cr_tensor *sums_norm(cr_tensor *x, int over, int of, bool least, bool keepdim)
{
    cr_tensor *sums = cr_sum_dim(cr_abs(x), CR_INTS(over), .keepdim = true);
    cr_ints dim = CR_INTS(of);
    cr_tensor *y = least ? cr_amin(sums, .dim = dim, .keepdim = true)
                         : cr_amax(sums, .dim = dim, .keepdim = true);
    return keepdim ? y : cr_squeeze_dims(y, CR_INTS(over, of));
}
static cr_tensor *of_dtype(cr_tensor *x, cr_dtype dtype)
{
    if (!needs_float("linalg.matrix_norm", x))
        return NULL;
    return dtype ? cr_to_dtype(x, dtype) : x;
}
static cr_tensor *matrix_norm(cr_tensor *x, double p, cr_ints dims, bool keepdim, cr_dtype dtype)
{
    int a, b;
    x = of_dtype(x, dtype);
    if (!x || !two_dims(x, dims, &a, &b))
        return NULL;
    if (fabs(p) == 1)
        return sums_norm(x, a, b, p < 0, keepdim);
    if (fabs(p) == INFINITY)
        return sums_norm(x, b, a, p < 0, keepdim);
    if (fabs(p) == 2)
        return spectral_norm(x, a, b, p, keepdim);
    return cr_fail("linalg.matrix_norm: Order %g not supported.", p);
}
static cr_tensor *named_norm(cr_tensor *x, const char *name, cr_ints dims, bool keepdim,
                             cr_dtype dtype)
{
    int a, b;
    x = of_dtype(x, dtype);
    if (!x || !two_dims(x, dims, &a, &b))
        return NULL;
    if (!strcmp(name, "fro"))
        return cr_linalg_vector_norm(x, .dim = CR_INTS(a, b), .keepdim = keepdim);
    if (!strcmp(name, "nuc"))
        return spectral_norm(x, a, b, 1, keepdim);
    return cr_fail("linalg.matrix_norm: Order %s not supported.", name);
}
COMPOSITE(linalg_matrix_norm)
GIVE(matrix_norm(T(0), F(1), L(2), INT(3), cr_value_dtype(&args[4])))
COMPOSITE(linalg_matrix_norm_str)
GIVE(named_norm(T(0), args[1].as.s, L(2), INT(3), cr_value_dtype(&args[4])))
COMPOSITE(nuclear_norm)
GIVE(named_norm(T(0), "nuc", CR_INTS(-2, -1), INT(1), CR_DTYPE_NONE))
COMPOSITE(nuclear_norm_dim)
GIVE(named_norm(T(0), "nuc", L(1), INT(2), CR_DTYPE_NONE))

static cr_tensor *any_norm(const cr_value *args, const char *name)
{
    cr_tensor *x = T(0);
    cr_ints dims = L(2), last = CR_INTS(-2, -1);
    bool none = args[2].tag == CR_NONE, keepdim = INT(3),
         number = args[1].tag == CR_INT || args[1].tag == CR_FLOAT;
    cr_dtype dtype = cr_value_dtype(&args[4]);
    if (args[1].tag == CR_NONE) /* the 2-norm of whatever dims, or of all elements */
        return needs_float("linalg.norm", x)
                   ? cr_linalg_vector_norm(none ? all_of(x) : x, .dim = none ? (cr_ints){0} : dims,
                                           .keepdim = keepdim && !none, .dtype = dtype)
                   : NULL;
    if (none && x->dim != 1 && x->dim != 2)
        return cr_fail(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got %dD.",
            x->dim);
    bool matrix = none ? x->dim == 2 : dims.count == 2;
    if (!none && dims.count != 1 && dims.count != 2)
        return cr_fail(
            "linalg.norm: If dim is specified, it must be of length 1 or 2. Got %lld numbers",
            (long long)dims.count);
    if (!matrix && !number)
        return cr_fail("linalg.norm: Order %s not supported for vectors", name);
    if (!needs_float("linalg.norm", x))
        return NULL;
    if (!matrix)
        return cr_linalg_vector_norm(x, .ord = S(1), .dim = none ? (cr_ints){0} : dims,
                                     .keepdim = keepdim, .dtype = dtype);
    return number ? matrix_norm(x, F(1), none ? last : dims, keepdim, dtype)
                  : named_norm(x, name, none ? last : dims, keepdim, dtype);
}
static cr_tensor *kept_norm(const cr_value *args, const char *name)
{
    cr_tensor *y = any_norm(args, name), *x = T(0);
    int64_t ones[CR_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    bool lost = y && args[1].tag == CR_NONE && args[2].tag == CR_NONE && INT(3);
    return lost ? cr_reshape(y, cr_make_ints(ones, x->dim)) : y;
}
COMPOSITE(linalg_norm)
GIVE(kept_norm(args, NULL))
COMPOSITE(linalg_norm_str)
GIVE(kept_norm(args, args[1].as.s))

/* ‖A‖·‖A⁻¹‖; by singular values for the 2-norm. */
static cr_tensor *condition(cr_tensor *a, cr_scalar p, const char *name)
{
    double order = p.tag == CR_FLOAT ? p.as.f : p.tag == CR_NONE ? 2 : (double)p.as.i;
    if (a->dim < 2)
        return cr_fail("linalg.cond: The input tensor A must have at least 2 dimensions, got %s",
                       cr_describe(a));
    if (!name && fabs(order) == 2) {
        cr_tensor *s = cr_linalg_svdvals(a);
        if (!s || !s->size[s->dim - 1])
            return s ? cr_sum_dim(s, -1) : NULL;
        cr_tensor *most = cr_select(s, -1, 0), *least = cr_select(s, -1, s->size[s->dim - 1] - 1);
        return order > 0 ? cr_div(most, least) : cr_div(least, most);
    }
    if (a->size[a->dim - 1] != a->size[a->dim - 2])
        return cr_fail("linalg.cond(%s): A must be batches of square matrices",
                       name ? name : "1, -1, inf or -inf");
    if (!a->numel)
        return cr_sum_dim(a, CR_INTS(-2, -1));
    cr_linalg_inv_ex_result inverse = cr_linalg_inv_ex(a);
    cr_ints last = CR_INTS(-2, -1);
    cr_tensor *one = name ? named_norm(a, name, last, false, CR_DTYPE_NONE)
                          : matrix_norm(a, order, last, false, CR_DTYPE_NONE);
    cr_tensor *back = !inverse.inverse ? NULL
                      : name ? named_norm(inverse.inverse, name, last, false, CR_DTYPE_NONE)
                             : matrix_norm(inverse.inverse, order, last, false, CR_DTYPE_NONE);
    return one && back
               ? cr_masked_fill_scalar(cr_mul(one, back), cr_ne_scalar(inverse.info, 0), INFINITY)
               : NULL;
}
COMPOSITE(linalg_cond)
GIVE(condition(T(0), S(1), NULL))
COMPOSITE(linalg_cond_str)
GIVE(condition(T(0), (cr_scalar){0}, args[1].as.s))

/* ---- functions of square matrices ---- */

/* Scaling and squaring with the Padé approximant of degree 13 (Higham, 2005). One scale for all of the batch. */
DECOMPOSE(linalg_matrix_exp)
{
    (void)op;
    static const double b[] = {64764752532480000.0,
                               32382376266240000.0,
                               7771770303897600.0,
                               1187353796428800.0,
                               129060195264000.0,
                               10559470521600.0,
                               670442572800.0,
                               33522128640.0,
                               1323241920.0,
                               40840800.0,
                               960960.0,
                               16380.0,
                               182.0,
                               1.0};
    cr_tensor *a = T(0);
    if (!a->numel)
        return cr_give(r, cr_clone(a));
    double size = cr_item(cr_amax(cr_sum_dim(cr_abs(a), CR_INTS(-2)))),
           limit = dtype_of(a) == CR_F64 ? 5.37 : 3.92;
    int doublings = 0;
    if (cr_error())
        return -1;
    if (!isfinite(size))
        return cr_give(r, cr_full_like(a, NAN));
    for (double s = size; s > limit; s /= 2)
        doublings++;
    cr_tensor *x = cr_mul_scalar(a, ldexp(1, -doublings));
    cr_tensor *one =
        cr_eye(a->size[a->dim - 1], .dtype = dtype_of(a), .device = cr_tensor_device(a));
    cr_tensor *x2 = cr_matmul(x, x), *x4 = cr_matmul(x2, x2), *x6 = cr_matmul(x4, x2);
    /* numbers scaled by b[0], so that float32 holds them */
#define TERM(t, i) cr_mul_scalar(t, b[i] / b[0])
    cr_tensor *u = cr_add(TERM(x6, 13), cr_add(TERM(x4, 11), TERM(x2, 9)));
    u = cr_add(cr_matmul(x6, u),
               cr_add(TERM(x6, 7), cr_add(TERM(x4, 5), cr_add(TERM(x2, 3), TERM(one, 1)))));
    u = cr_matmul(x, u);
    cr_tensor *v = cr_add(TERM(x6, 12), cr_add(TERM(x4, 10), TERM(x2, 8)));
    v = cr_add(cr_matmul(x6, v),
               cr_add(TERM(x6, 6), cr_add(TERM(x4, 4), cr_add(TERM(x2, 2), TERM(one, 0)))));
#undef TERM
    cr_tensor *y = cr_linalg_solve_kernel(cr_sub(v, u), cr_add(v, u)).result;
    for (int i = 0; i < doublings; i++)
        y = cr_matmul(y, y);
    return cr_give(r, y);
}

/* By squaring; negative powers of the inverse. */
COMPOSITE(matrix_power)
{
    (void)op;
    cr_tensor *x = T(0), *y = NULL;
    int64_t n = INT(1);
    if (x->dim < 2 || x->size[x->dim - 1] != x->size[x->dim - 2])
        return CR_FAIL_INT("linalg.matrix_power: A must be batches of square matrices, but got %s",
                           cr_describe(x));
    if (n < 0 && !(x = cr_linalg_inv(x)))
        return -1;
    if (!n) {
        cr_tensor *one =
            cr_eye(x->size[x->dim - 1], .dtype = dtype_of(x), .device = cr_tensor_device(x));
        return cr_give(r, cr_clone(cr_expand_as(one, x)));
    }
    for (uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n; left; left >>= 1) {
        if (left & 1)
            y = y ? cr_matmul(y, x) : x;
        x = left > 1 ? cr_matmul(x, x) : x;
    }
    return cr_give(r, y == T(0) ? cr_clone(y) : y);
}

/* Matrices of a list, first and last maybe vectors; multiplied in the order that costs least. */
COMPOSITE(linalg_multi_dot)
{
    (void)op;
    enum { MOST = 16 };
    int64_t n = args[0].count, width[MOST + 1];
    cr_tensor *item[MOST];
    double cost[MOST][MOST];
    int cut[MOST][MOST];
    if (n < 2 || n > MOST)
        return CR_FAIL_INT("multi_dot(): expected 2 to %d tensors but got %lld", MOST,
                           (long long)n);
    bool first = false, last = false;
    for (int64_t i = 0; i < n; i++) {
        item[i] = args[0].as.tensors[i];
        bool end = i == 0 || i == n - 1;
        if (item[i]->dim != 2 && !(end && item[i]->dim == 1))
            return CR_FAIL_INT("multi_dot(): tensor %lld must be 2D but got %s", (long long)i,
                               cr_describe(item[i]));
        if (item[i]->dim == 1) {
            first = first || i == 0;
            last = last || i != 0;
            item[i] = cr_unsqueeze(item[i], i ? 1 : 0);
        }
        if (!item[i])
            return -1;
        if (i && item[i]->size[0] != width[i])
            return CR_FAIL_INT(
                "multi_dot(): tensors %lld and %lld with shapes %s and %s cannot be multiplied",
                (long long)i - 1, (long long)i, cr_sizes_text(item[i - 1]->dim, item[i - 1]->size),
                cr_sizes_text(item[i]->dim, item[i]->size));
        width[i] = item[i]->size[0];
        width[i + 1] = item[i]->size[1];
    }
    for (int length = 1; length <= n; length++)
        for (int i = 0; i + length <= n; i++) {
            int j = i + length - 1;
            cost[i][j] = length == 1 ? 0 : INFINITY;
            cut[i][j] = i;
            for (int k = i; k < j; k++) {
                double c = cost[i][k] + cost[k + 1][j] +
                           (double)width[i] * (double)width[k + 1] * (double)width[j + 1];
                if (c < cost[i][j]) {
                    cost[i][j] = c;
                    cut[i][j] = k;
                }
            }
        }
    /* The products in the order of a walk down the cuts: children before their parents. */
    struct span {
        int i, j;
        bool open;
    } todo[2 * MOST] = {{0, (int)n - 1, true}};
    cr_tensor *done[2 * MOST];
    int left = 1, have = 0;
    while (left) {
        struct span *s = &todo[left - 1];
        int k = cut[s->i][s->j];
        if (s->i == s->j) {
            done[have++] = item[s->i];
            left--;
        } else if (s->open) {
            s->open = false;
            todo[left] = (struct span){k + 1, s->j, true};
            todo[left + 1] = (struct span){s->i, k, true};
            left += 2;
        } else {
            done[have - 2] = cr_mm(done[have - 2], done[have - 1]);
            have--;
            left--;
        }
    }
    cr_tensor *y = done[0];
    if (last)
        y = cr_squeeze_dim(y, 1);
    if (first)
        y = cr_squeeze_dim(y, 0);
    return cr_give(r, y);
}

/* The inverse and the solution of equations in tensors, by matrices. */
COMPOSITE(linalg_tensorinv)
{
    (void)op;
    cr_tensor *a = T(0);
    int64_t split = INT(1), before = 1, sizes[CR_MAX_RANK];
    int n = 0;
    if (split <= 0)
        return CR_FAIL_INT("Expected a strictly positive integer for 'ind'");
    for (int d = 0; d < a->dim && d < split; d++)
        before *= a->size[d];
    if (before * before != a->numel)
        return CR_FAIL_INT("Expected self to satisfy the requirement prod(self.shape[ind:]) == "
                           "prod(self.shape[:ind]), got %s",
                           cr_sizes_text(a->dim, a->size));
    split = split < a->dim ? split : a->dim;
    for (int d = (int)split; d < a->dim; d++)
        sizes[n++] = a->size[d];
    for (int d = 0; d < split; d++)
        sizes[n++] = a->size[d];
    cr_tensor *inverse = cr_linalg_inv(cr_reshape(a, CR_INTS(before, before)));
    return cr_give(r, cr_reshape(inverse, cr_make_ints(sizes, (size_t)n)));
}
COMPOSITE(linalg_tensorsolve)
{
    (void)op;
    cr_tensor *a = T(0), *b = T(1);
    int64_t to[CR_MAX_RANK], n = b->numel;
    int rank = 0;
    if (args[2].tag != CR_NONE) {
        cr_ints dims = L(2);
        for (int64_t i = 0; i < dims.count; i++)
            to[i] = i - dims.count;
        a = cr_movedim(a, dims, cr_make_ints(to, (size_t)dims.count));
    }
    if (!a)
        return -1;
    if (a->dim < b->dim || n * n != a->numel)
        return CR_FAIL_INT("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) "
                           "== prod(self.shape[:other.ndim])"
                           ", got %s and %s",
                           cr_sizes_text(a->dim, a->size), cr_sizes_text(b->dim, b->size));
    for (int d = b->dim; d < a->dim; d++)
        to[rank++] = a->size[d];
    cr_tensor *x = cr_linalg_solve(cr_reshape(a, CR_INTS(n, n)), cr_reshape(b, CR_INTS(n)));
    return cr_give(r, cr_reshape(x, cr_make_ints(to, (size_t)rank)));
}

/* Powers 0 to n - 1 of each number, ascending or descending. */
static cr_tensor *powers(cr_tensor *x, const cr_value *count, bool ascending)
{
    if (!x->dim)
        return cr_fail("vander: Expected dim of x to be at least 1, got a 0-d tensor");
    int64_t n = count->tag == CR_NONE ? x->size[x->dim - 1] : count->as.i, sizes[CR_MAX_RANK + 1];
    if (n < 0)
        return cr_fail("vander: N must be non-negative, got %lld", (long long)n);
    if (x->dim == CR_MAX_RANK)
        return cr_fail("vander: at most %d dimensions are supported", CR_MAX_RANK - 1);
    memcpy(sizes, x->size, sizeof x->size);
    sizes[x->dim] = n > 1 ? n - 1 : 0;
    cr_dtype dtype = cr_kind_of(dtype_of(x)) == CR_KIND_FLOAT ? dtype_of(x) : CR_I64;
    x = cr_to_dtype(x, dtype);
    cr_tensor *each = cr_expand(cr_unsqueeze(x, -1), cr_make_ints(sizes, (size_t)x->dim + 1));
    sizes[x->dim] = n ? 1 : 0;
    cr_tensor *one = cr_ones(cr_make_ints(sizes, (size_t)x->dim + 1), .dtype = dtype,
                             .device = cr_tensor_device(x));
    cr_tensor *y = cr_cat(CR_TENSORS(one, cr_cumprod(each, -1)), .dim = -1);
    return ascending ? y : cr_flip(y, CR_INTS(-1));
}
COMPOSITE(linalg_vander)
{
    (void)op;
    cr_tensor *x = T(0)->dim ? T(0) : cr_reshape(T(0), CR_INTS(1));
    int64_t n = args[1].tag == CR_NONE ? cr_tensor_size(T(0)->dim ? T(0) : x, -1) : INT(1);
    if (n < 1 || (n == 1 && args[1].tag == CR_NONE && !T(0)->dim))
        return CR_FAIL_INT("linalg.vander: N must be greater than 1, got %lld", (long long)n);
    return cr_give(r, powers(x, &args[1], true));
}
COMPOSITE(vander)
{
    (void)op;
    if (T(0)->dim != 1)
        return CR_FAIL_INT("x must be a one-dimensional tensor.");
    return cr_give(r, powers(T(0), &args[1], INT(2)));
}
COMPOSITE(linalg_vecdot)
GIVE(cr_sum_dim(cr_mul(T(0), T(1)), CR_INTS(INT(2))))
COMPOSITE(matrix_exp)
GIVE(cr_linalg_matrix_exp(T(0)))
COMPOSITE(linalg_diagonal)
GIVE(cr_diagonal(T(0), .offset = INT(1), .dim1 = INT(2), .dim2 = CR_SOME(INT(3))))
