/* Inference of the factorisations of matrices. */
#include <string.h>

#include "core/ops/functions.h"
#include "core/ops/linalg.h"

/* Input i is a batch of matrices (square ones) of float32 or float64. */
static bool matrices(cr_frame *f, int i, bool square)
{
    const cr_tensor *a = f->in[i];
    if (a->dim < 2)
        return cr_frame_fail(f, "The input tensor %s must have at least 2 dimensions, got %s",
                             f->op->schema->args[i].name, cr_describe(a));
    if (a->dtype != CR_F32 && a->dtype != CR_F64)
        return cr_frame_fail(f, "needs float32 or float64, not %s",
                             cr_dtype_name((cr_dtype)a->dtype));
    if (square && a->size[a->dim - 1] != a->size[a->dim - 2])
        return cr_frame_fail(
            f, "%s must be batches of square matrices, but they are %lld by %lld matrices",
            f->op->schema->args[i].name, (long long)a->size[a->dim - 2],
            (long long)a->size[a->dim - 1]);
    return true;
}

/* Output i: the first input's batch, and behind it the sizes given. */
static bool behind_batch(cr_frame *f, int i, cr_dtype dtype, int count, int64_t rows,
                         int64_t columns)
{
    const cr_tensor *a = f->in[0];
    int64_t sizes[CR_MAX_RANK];
    memcpy(sizes, a->size, sizeof sizes);
    if (count > 0)
        sizes[a->dim - 2] = rows;
    if (count > 1)
        sizes[a->dim - 1] = columns;
    return cr_frame_out(f, i, dtype, a->dim - 2 + count, sizes);
}

bool cr_infer_linalg_cholesky(cr_frame *f)
{
    if (!matrices(f, 0, true))
        return false;
    const cr_tensor *a = f->in[0];
    cr_frame_attr_drop(f, "check_errors");
    return cr_frame_out_like(f, 0, a, (cr_dtype)a->dtype) && behind_batch(f, 1, CR_I32, 0, 0, 0);
}

bool cr_infer_linalg_lu(cr_frame *f)
{
    if (!matrices(f, 0, false))
        return false;
    const cr_tensor *a = f->in[0];
    int64_t m = a->size[a->dim - 2], n = a->size[a->dim - 1];
    cr_frame_attr_drop(f, "check_errors");
    return cr_frame_out_like(f, 0, a, (cr_dtype)a->dtype) &&
           behind_batch(f, 1, CR_I32, 1, m < n ? m : n, 0) && behind_batch(f, 2, CR_I32, 0, 0, 0);
}

/* Broadcasts the first dims of t, its batch, into sizes. */
static bool broadcast_batch(cr_frame *f, int *rank, int64_t *sizes, const cr_tensor *t, int dims)
{
    cr_tensor batch = {.dim = (uint8_t)dims};
    memcpy(batch.size, t->size, sizeof batch.size);
    return cr_frame_broadcast(f, rank, sizes, &batch);
}

bool cr_infer_linalg_triangular(cr_frame *f)
{
    const cr_tensor *a = f->in[0], *b = f->in[1];
    int64_t sizes[CR_MAX_RANK];
    int rank = 0;
    if (!matrices(f, 0, true) || !matrices(f, 1, false))
        return false;
    if (a->dtype != b->dtype)
        return cr_frame_fail(f,
                             "Expected A and B to have the same dtype, but found A of type %s and "
                             "B of type %s instead",
                             cr_dtype_name((cr_dtype)a->dtype), cr_dtype_name((cr_dtype)b->dtype));
    bool left = f->args[3].as.i;
    if (a->size[a->dim - 1] != b->size[b->dim - (left ? 2 : 1)])
        return cr_frame_fail(f, "Incompatible shapes of A and B for the equation %s (%s and %s)",
                             left ? "AX = B" : "XA = B", cr_sizes_text(a->dim, a->size),
                             cr_sizes_text(b->dim, b->size));
    if (!broadcast_batch(f, &rank, sizes, a, a->dim - 2) ||
        !broadcast_batch(f, &rank, sizes, b, b->dim - 2))
        return false;
    sizes[rank] = b->size[b->dim - 2];
    sizes[rank + 1] = b->size[b->dim - 1];
    return cr_frame_out(f, 0, (cr_dtype)b->dtype, rank + 2, sizes);
}

bool cr_infer_geqrf(cr_frame *f)
{
    if (!matrices(f, 0, false))
        return false;
    const cr_tensor *a = f->in[0];
    int64_t m = a->size[a->dim - 2], n = a->size[a->dim - 1];
    return cr_frame_out_like(f, 0, a, (cr_dtype)a->dtype) &&
           behind_batch(f, 1, (cr_dtype)a->dtype, 1, m < n ? m : n, 0);
}

bool cr_infer_linalg_qr(cr_frame *f)
{
    if (!matrices(f, 0, false))
        return false;
    const cr_tensor *a = f->in[0];
    const char *mode = f->args[1].as.s;
    int64_t m = a->size[a->dim - 2], n = a->size[a->dim - 1], k = m < n ? m : n, none = 0;
    if (strcmp(mode, "reduced") && strcmp(mode, "complete") && strcmp(mode, "r"))
        return cr_frame_fail(f,
                             "qr received unrecognized mode '%s' but expected one of 'reduced' "
                             "(default), 'r', or 'complete'",
                             mode);
    if (mode[0] == 'c')
        k = m;
    bool only_r = !strcmp(mode, "r");
    return (only_r ? cr_frame_out(f, 0, (cr_dtype)a->dtype, 1, &none)
                   : behind_batch(f, 0, (cr_dtype)a->dtype, 2, m, k)) &&
           behind_batch(f, 1, (cr_dtype)a->dtype, 2, k, n);
}

bool cr_infer_linalg_svd(cr_frame *f)
{
    if (!matrices(f, 0, false))
        return false;
    const cr_tensor *a = f->in[0];
    cr_dtype dtype = (cr_dtype)a->dtype;
    int64_t m = a->size[a->dim - 2], n = a->size[a->dim - 1], k = m < n ? m : n, none = 0;
    bool full = f->args[1].as.i, vectors = f->args[2].as.i;
    if (f->args[3].tag != CR_NONE)
        return cr_frame_fail(f, "keyword argument `driver=` is only supported on CUDA inputs");
    if (!behind_batch(f, 1, dtype, 1, k, 0))
        return false;
    if (!vectors)
        return cr_frame_out(f, 0, dtype, 1, &none) && cr_frame_out(f, 2, dtype, 1, &none);
    return behind_batch(f, 0, dtype, 2, m, full ? m : k) &&
           behind_batch(f, 2, dtype, 2, full ? n : k, n);
}

bool cr_infer_linalg_eigh(cr_frame *f)
{
    if (!matrices(f, 0, true))
        return false;
    const cr_tensor *a = f->in[0];
    const char triangle = f->args[1].as.s[0];
    int64_t none = 0;
    if (triangle != 'L' && triangle != 'U' && triangle != 'l' && triangle != 'u')
        return cr_frame_fail(f, "Expected UPLO argument to be 'L' or 'U', but got %s",
                             f->args[1].as.s);
    if (!behind_batch(f, 0, (cr_dtype)a->dtype, 1, a->size[a->dim - 1], 0))
        return false;
    return f->args[2].as.i ? cr_frame_out_like(f, 1, a, (cr_dtype)a->dtype)
                           : cr_frame_out(f, 1, (cr_dtype)a->dtype, 1, &none);
}

/* det and slogdet: their numbers, and the factorisation that their derivative uses. */
bool cr_infer_linalg_det(cr_frame *f)
{
    if (!matrices(f, 0, true))
        return false;
    const cr_tensor *a = f->in[0];
    cr_dtype dtype = (cr_dtype)a->dtype;
    int numbers = f->op->schema->nreturns - 2;
    for (int i = 0; i < numbers; i++)
        if (!behind_batch(f, i, dtype, 0, 0, 0))
            return false;
    return cr_frame_out_like(f, numbers, a, dtype) &&
           behind_batch(f, numbers + 1, CR_I32, 1, a->size[a->dim - 1], 0);
}

bool cr_linalg_is_vector(const cr_tensor *a, const cr_tensor *b)
{
    return b->dim == 1 ||
           (a->dim - 1 == b->dim && !memcmp(a->size, b->size, (size_t)b->dim * sizeof *b->size));
}

bool cr_infer_linalg_solve(cr_frame *f)
{
    const cr_tensor *a = f->in[0], *b = f->in[1];
    int64_t sizes[CR_MAX_RANK];
    int rank = 0;
    if (!matrices(f, 0, true))
        return false;
    if (a->dtype != b->dtype)
        return cr_frame_fail(f,
                             "Expected A and B to have the same dtype, but found A of type %s and "
                             "B of type %s instead",
                             cr_dtype_name((cr_dtype)a->dtype), cr_dtype_name((cr_dtype)b->dtype));
    if (!b->dim)
        return cr_frame_fail(f, "The input tensor B must have at least 1 dimension");
    bool vector = cr_linalg_is_vector(a, b), left = f->args[2].as.i;
    if (!left && vector)
        return cr_frame_fail(f, "Vector broadcasting of the left hand side is not supported for "
                                "left=False. In this case "
                                "linalg.solve is equivalent to B / A.squeeze(-1)");
    int inner = vector ? 1 : 2;
    if (b->size[b->dim - (vector || !left ? 1 : 2)] != a->size[a->dim - 1])
        return cr_frame_fail(f, "Incompatible shapes of A and B for the equation %s (%s and %s)",
                             left ? "AX = B" : "XA = B", cr_sizes_text(a->dim, a->size),
                             cr_sizes_text(b->dim, b->size));
    if (!broadcast_batch(f, &rank, sizes, a, a->dim - 2) ||
        !broadcast_batch(f, &rank, sizes, b, b->dim - inner))
        return false;
    for (int d = b->dim - inner; d < b->dim; d++)
        sizes[rank++] = b->size[d];
    cr_frame_attr_drop(f, "check_errors");
    return cr_frame_out(f, 0, (cr_dtype)a->dtype, rank, sizes) &&
           cr_frame_out_like(f, 1, a, (cr_dtype)a->dtype) &&
           behind_batch(f, 2, CR_I32, 1, a->size[a->dim - 1], 0) &&
           behind_batch(f, 3, CR_I32, 0, 0, 0);
}

bool cr_infer_linalg_pinv(cr_frame *f)
{
    if (!matrices(f, 0, false))
        return false;
    const cr_tensor *a = f->in[0];
    return behind_batch(f, 0, (cr_dtype)a->dtype, 2, a->size[a->dim - 1], a->size[a->dim - 2]);
}

bool cr_infer_linalg_same(cr_frame *f)
{
    return matrices(f, 0, true) && cr_frame_out_like(f, 0, f->in[0], (cr_dtype)f->in[0]->dtype);
}
