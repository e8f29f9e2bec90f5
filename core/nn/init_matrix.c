/* Initial values that are matrices: eye, dirac, orthogonal, sparse. */
#include <math.h>
#include <stdlib.h>

#include <cresset/autograd.h>
#include <cresset/init.h>
#include <cresset/ops.h>

#include "core/base/error.h"

cr_tensor *cr_init_eye_(cr_tensor *tensor)
{
    if (cr_tensor_dim(tensor) != 2)
        return tensor ? cr_fail("Only tensors with 2 dimensions are supported") : NULL;
    const int64_t *size = cr_tensor_sizes(tensor);
    cr_tensor *done = NULL;
    CR_SCOPE
        CR_NO_GRAD
            done = cr_copy_(tensor, cr_eye_m(size[0], size[1], .dtype = cr_tensor_dtype(tensor),
                                             .device = cr_tensor_device(tensor)));
    return done ? tensor : NULL;
}

/* Each column's first places in a random order become zeros. */
static bool fill_sparse(cr_tensor *tensor, int64_t zeros, double std)
{
    const int64_t *size = cr_tensor_sizes(tensor);
    cr_tensor *draws = cr_rand(CR_INTS(size[0], size[1]), .device = cr_tensor_device(tensor));
    cr_tensor *rows = cr_narrow(cr_argsort(draws, .dim = CR_SOME(0)), 0, 0, zeros);
    return cr_init_normal_(tensor, 0, std) && cr_scatter_value_(tensor, 0, rows, 0);
}

cr_tensor *cr_init_sparse_(cr_tensor *tensor, double sparsity, double std)
{
    if (cr_tensor_dim(tensor) != 2)
        return tensor ? cr_fail("Only tensors with 2 dimensions are supported") : NULL;
    if (!(sparsity >= 0 && sparsity <= 1))
        return cr_fail("cr_init_sparse_: sparsity must be between 0 and 1, got %g", sparsity);
    bool good = false;
    CR_SCOPE
        CR_NO_GRAD
            good = fill_sparse(tensor, (int64_t)ceil(sparsity * (double)cr_tensor_sizes(tensor)[0]),
                               std);
    return good ? tensor : NULL;
}

/* Ones at the kernel's centre, on the diagonal of each group's out and in channels. */
static bool fill_dirac(cr_tensor *tensor, int64_t groups)
{
    int rank = cr_tensor_dim(tensor);
    const int64_t *size = cr_tensor_sizes(tensor);
    int64_t out = size[0] / groups, diagonal = out < size[1] ? out : size[1];
    if (!cr_zero_(tensor))
        return false;
    cr_tensor *centre = tensor;
    for (int i = rank - 1; i >= 2; i--)
        centre = cr_select(centre, i, size[i] / 2);
    for (int64_t g = 0; g < groups; g++)
        for (int64_t d = 0; d < diagonal; d++)
            if (!cr_fill_scalar_(cr_select(cr_select(centre, 0, g * out + d), 0, d), 1))
                return false;
    return true;
}

cr_tensor *cr_init_dirac_(cr_tensor *tensor, int64_t groups)
{
    int rank = cr_tensor_dim(tensor);
    if (rank < 3 || rank > 5)
        return tensor ? cr_fail("Only tensors with 3, 4, or 5 dimensions are supported") : NULL;
    if (groups < 1 || cr_tensor_sizes(tensor)[0] % groups)
        return cr_fail("dim 0 must be divisible by groups");
    bool good = false;
    CR_SCOPE
        CR_NO_GRAD
            good = fill_dirac(tensor, groups);
    return good ? tensor : NULL;
}

/* Makes the columns of a (rows ≥ columns, row-major) orthonormal by modified Gram-Schmidt, twice for accuracy. The columns are
 * normal draws, so this is the Q of a QR whose R has a positive diagonal: uniform over orthogonal matrices. */
static void orthonormalise(double *a, int64_t rows, int64_t columns)
{
    for (int64_t c = 0; c < columns; c++) {
        for (int round = 0; round < 2; round++)
            for (int64_t b = 0; b < c; b++) {
                double dot = 0;
                for (int64_t r = 0; r < rows; r++)
                    dot += a[r * columns + b] * a[r * columns + c];
                for (int64_t r = 0; r < rows; r++)
                    a[r * columns + c] -= dot * a[r * columns + b];
            }
        double norm = 0;
        for (int64_t r = 0; r < rows; r++)
            norm += a[r * columns + c] * a[r * columns + c];
        norm = sqrt(norm);
        for (int64_t r = 0; r < rows && norm > 0; r++)
            a[r * columns + c] /= norm;
    }
}

static bool fill_orthogonal(cr_tensor *tensor, double gain, int64_t rows, int64_t columns,
                            double *memory)
{
    int64_t tall = rows < columns ? columns : rows, thin = rows < columns ? rows : columns;
    size_t bytes = (size_t)(rows * columns) * sizeof *memory;
    cr_tensor *draws = cr_randn(CR_INTS(tall, thin), .dtype = CR_F64, .device = "cpu");
    if (!draws || cr_tensor_read(draws, memory, bytes))
        return false;
    orthonormalise(memory, tall, thin);
    cr_tensor *q = cr_tensor_copy_from(memory, CR_F64, 2, (const int64_t[]){tall, thin}, "cpu");
    q = cr_mul_scalar(rows < columns ? cr_t(q) : q, gain);
    q = cr_reshape(q, cr_make_ints(cr_tensor_sizes(tensor), (size_t)cr_tensor_dim(tensor)));
    return cr_copy_(tensor, cr_tensor_to(q, cr_tensor_device(tensor))) != NULL;
}

cr_tensor *cr_init_orthogonal_(cr_tensor *tensor, double gain)
{
    if (cr_tensor_dim(tensor) < 2)
        return tensor ? cr_fail("Only tensors with 2 or more dimensions are supported") : NULL;
    int64_t rows = cr_tensor_sizes(tensor)[0], numel = cr_tensor_numel(tensor);
    if (!numel)
        return tensor;
    double *memory = malloc((size_t)numel * sizeof *memory);
    if (!memory)
        return cr_fail_memory("an orthogonal matrix", (size_t)numel * sizeof *memory);
    bool good = false;
    CR_SCOPE
        CR_NO_GRAD
            good = fill_orthogonal(tensor, gain, rows, numel / rows, memory);
    free(memory);
    return good ? tensor : NULL;
}
