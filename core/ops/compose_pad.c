/* Padding by what is there: elements chosen by index, one dimension after the other. */
#include "core/ops/compose.h"

/* ---- padding ---- */

typedef enum pad_mode { REFLECT, REPLICATE, CIRCULAR } pad_mode;

/* Along one dimension: where each element of the padded one comes from. */
static cr_tensor *pad_dim(cr_tensor *x, int dim, int64_t before, int64_t after, pad_mode how)
{
    static const char *const names[] = {"reflection", "replication", "circular"};
    if (!x || (!before && !after))
        return x;
    const int64_t most = INT64_MAX / 4; /* sums of three don't overflow */
    int64_t size = x->size[dim];
    bool far = before > most || before < -most || after > most || after < -most || size > most;
    if (far)
        return cr_fail("%s padding %lld and %lld of size %lld is more than a tensor can hold",
                       names[how], (long long)before, (long long)after, (long long)size);
    if (size + before + after < 1 || size < 1)
        return cr_fail("%s padding %lld and %lld leaves nothing of size %lld", names[how],
                       (long long)before, (long long)after, (long long)size);
    if (how == REFLECT && (before >= size || after >= size))
        return cr_fail("Padding size should be less than the corresponding input dimension, but "
                       "got: padding (%lld, %lld) at dimension "
                       "%d of input %s",
                       (long long)before, (long long)after, dim, cr_sizes_text(x->dim, x->size));
    if (how == CIRCULAR && (before > size || after > size))
        return cr_fail("Padding value causes wrapping around more than once: padding (%lld, %lld) "
                       "of size %lld",
                       (long long)before, (long long)after, (long long)size);
    cr_tensor *at =
        cr_arange_start(-before, size + after, .dtype = CR_I64, .device = cr_tensor_device(x));
    if (how == REPLICATE)
        at = cr_clamp(at, .min = CR_S(0), .max = CR_S(size - 1));
    else if (how == CIRCULAR)
        at = cr_remainder_scalar(at, size);
    else /* about the first element, then about the last */
        at = cr_rsub_scalar(cr_abs(cr_rsub_scalar(cr_abs(at), size - 1)), size - 1);
    return cr_index_select(x, dim, at);
}

/* pad has two numbers a dimension, the last dimension first. */
static cr_tensor *pad_all(cr_tensor *x, cr_ints pad, int dims, pad_mode how)
{
    int most = dims ? dims : (int)pad.count / 2;
    if (pad.count % 2 || (int)pad.count > 2 * x->dim || (dims && (int)pad.count != 2 * dims))
        return cr_fail("padding must have two numbers for each of %d dimensions, got %zu", most,
                       pad.count);
    if (dims && x->dim != dims + 1 && x->dim != dims + 2)
        return cr_fail("Expected %dD or %dD input, but got %s", dims + 1, dims + 2, cr_describe(x));
    for (int i = 0; i < (int)pad.count / 2; i++)
        x = pad_dim(x, x ? x->dim - 1 - i : 0, pad.data[2 * i], pad.data[2 * i + 1], how);
    return x;
}

/* Nothing to pad still gives a tensor of its own. */
static cr_tensor *padded(cr_tensor *x, cr_ints pad, int dims, pad_mode how)
{
    cr_tensor *y = pad_all(x, pad, dims, how);
    return y == x && y ? cr_clone(y) : y;
}

#define PADS(n)                          \
    COMPOSITE(reflection_pad##n##d)      \
    GIVE(padded(T(0), L(1), n, REFLECT)) \
    COMPOSITE(replication_pad##n##d)     \
    GIVE(padded(T(0), L(1), n, REPLICATE))
PADS(1)
PADS(2)
PADS(3)

COMPOSITE(pad)
{
    (void)op;
    const char *mode = args[2].tag == CR_NONE ? "constant" : args[2].as.s;
    if (!strcmp(mode, "constant"))
        return cr_give(
            r, cr_constant_pad_nd(T(0), L(1), .value = args[3].tag == CR_NONE ? CR_S(0) : S(3)));
    if (args[3].tag != CR_NONE && F(3) != 0)
        return CR_FAIL_INT("Padding mode \"%s\" doesn't take in value argument", mode);
    if (!strcmp(mode, "reflect"))
        return cr_give(r, padded(T(0), L(1), 0, REFLECT));
    if (!strcmp(mode, "replicate"))
        return cr_give(r, padded(T(0), L(1), 0, REPLICATE));
    if (!strcmp(mode, "circular"))
        return cr_give(r, padded(T(0), L(1), 0, CIRCULAR));
    return CR_FAIL_INT("Unrecognised padding mode %s", mode);
}
