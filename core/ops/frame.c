/* What inference functions share: outputs, attributes, promotion, broadcasting. */
#include "core/ops/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *cr_frame_name(const cr_frame *f)
{
    char *name = cr_thread_text();
    snprintf(name, CR_TEXT_SIZE, "%.*s", f->op->schema->bare, f->op->name);
    return name;
}

bool cr_frame_fail(const cr_frame *f, const char *format, ...)
{
    char words[512];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    cr_fail("%s: %s", cr_frame_name(f), words);
    return false;
}

bool cr_frame_out(cr_frame *f, int i, cr_dtype dtype, int rank, const int64_t *sizes)
{
    cr_meta *out = &f->out[i];
    if (rank > CR_MAX_RANK)
        return cr_frame_fail(f, "the result would have %d dimensions; at most %d are supported",
                             rank, CR_MAX_RANK);
    int64_t numel = cr_numel_of(rank, sizes);
    for (int d = 0; d < rank; d++)
        if (sizes[d] < 0)
            return cr_frame_fail(f, "the result would have the negative size %lld at dimension %d",
                                 (long long)sizes[d], d);
    if (numel < 0)
        return cr_frame_fail(f, "a result of sizes %s is too large", cr_sizes_text(rank, sizes));
    memset(out, 0, sizeof *out);
    out->dtype = dtype;
    out->rank = rank;
    if (rank)
        memcpy(out->size, sizes, (size_t)rank * sizeof *sizes);
    cr_contiguous_strides(rank, sizes, out->stride);
    if ((uint32_t)i >= f->nout)
        f->nout = (uint32_t)i + 1;
    return true;
}

bool cr_frame_out_like(cr_frame *f, int i, const cr_tensor *t, cr_dtype dtype)
{
    return cr_frame_out(f, i, dtype, t->dim, t->size);
}

/* ---- attributes ---- */

static cr_attr *attr(cr_frame *f, const char *name)
{
    for (uint32_t i = 0; i < f->nattrs; i++)
        if (!strcmp(f->attrs[i].name, name))
            return &f->attrs[i];
    cr_attr *a = &f->attrs[f->nattrs < CR_FRAME_ATTRS ? f->nattrs++ : CR_FRAME_ATTRS - 1];
    *a = (cr_attr){.name = name};
    return a;
}

void cr_frame_attr_int(cr_frame *f, const char *name, int64_t value)
{
    cr_attr *a = attr(f, name);
    a->kind = CR_ATTR_INT;
    a->count = 1;
    a->as.i = value;
}

void cr_frame_attr_ints(cr_frame *f, const char *name, const int64_t *values, int count)
{
    cr_attr *a = attr(f, name);
    int64_t *kept = f->scratch + f->nscratch;
    if (f->nscratch + (uint32_t)count > sizeof f->scratch / sizeof *f->scratch)
        count = 0; /* cannot happen: ranks and kernel sizes are bounded */
    memcpy(kept, values, (size_t)count * sizeof *values);
    f->nscratch += (uint32_t)count;
    a->kind = CR_ATTR_INTS;
    a->count = count;
    a->as.ints = kept;
}

void cr_frame_attr_drop(cr_frame *f, const char *name)
{
    for (uint32_t i = 0; i < f->nattrs; i++) {
        if (!strcmp(f->attrs[i].name, name)) {
            memmove(&f->attrs[i], &f->attrs[i + 1], (f->nattrs - i - 1) * sizeof *f->attrs);
            f->nattrs--;
            return;
        }
    }
}

/* ---- dtypes ---- */

void cr_frame_cast_all(cr_frame *f, cr_dtype dtype)
{
    for (uint32_t i = 0; i < f->nin; i++)
        f->cast[i] = f->in[i] && f->in[i]->dtype != dtype ? (uint8_t)dtype : 0;
}

/* torch.result_type: among tensors with dimensions, 0-d tensors, and numbers, a lower class only
 * counts if it is of a higher kind (bool < int < float). */
static cr_dtype combine(cr_dtype higher, cr_dtype lower)
{
    if (!higher)
        return lower;
    if (!lower || cr_dtype_is_floating(higher))
        return higher;
    if (higher == CR_B8 || cr_dtype_is_floating(lower))
        return cr_promote_types(higher, lower);
    return higher;
}

cr_dtype cr_frame_result_type(const cr_frame *f)
{
    cr_dtype dims = CR_DTYPE_NONE, zeros = CR_DTYPE_NONE, numbers = CR_DTYPE_NONE;
    for (uint32_t i = 0; i < f->nin; i++) {
        const cr_tensor *t = f->in[i];
        if (!t)
            continue;
        if (t->flags & CR_FLAG_WRAPPED)
            numbers = cr_promote_types(numbers, cr_kind_of((cr_dtype)t->dtype) == CR_KIND_FLOAT
                                                    ? cr_default_dtype()
                                                    : (cr_dtype)t->dtype);
        else if (t->dim)
            dims = cr_promote_types(dims, (cr_dtype)t->dtype);
        else
            zeros = cr_promote_types(zeros, (cr_dtype)t->dtype);
    }
    const cr_schema *s = f->op->schema;
    for (int a = 0; a < s->nargs; a++) {
        /* alpha, beta and value scale; they don't decide the dtype */
        if (s->args[a].type != CR_ARG_SCALAR || s->args[a].keyword_only ||
            !strcmp(s->args[a].name, "alpha"))
            continue;
        int32_t tag = f->args[a].tag;
        cr_dtype dtype = tag == CR_FLOAT  ? cr_default_dtype()
                         : tag == CR_INT  ? CR_I64
                         : tag == CR_BOOL ? CR_B8
                                          : CR_DTYPE_NONE;
        numbers = cr_promote_types(numbers, dtype);
    }
    return combine(dims, combine(zeros, numbers));
}

/* ---- broadcasting ---- */

bool cr_frame_broadcast(const cr_frame *f, int *rank, int64_t *into, const cr_tensor *t)
{
    int have = *rank, more = t->dim > have ? t->dim - have : 0;
    if (more) {
        memmove(into + more, into, (size_t)have * sizeof *into);
        for (int d = 0; d < more; d++)
            into[d] = 1;
        *rank = have += more;
    }
    for (int d = 0; d < t->dim; d++) {
        int64_t *to = &into[have - t->dim + d], size = t->size[d];
        if (size == *to || size == 1)
            continue;
        if (*to != 1)
            return cr_frame_fail(
                f,
                "The size of tensor a (%lld) must match the size of tensor b (%lld) at "
                "non-singleton "
                "dimension %d (shapes %s and %s)",
                (long long)*to, (long long)size, have - t->dim + d,
                cr_sizes_text(f->in[0] ? f->in[0]->dim : have, f->in[0] ? f->in[0]->size : into),
                cr_sizes_text(t->dim, t->size));
        *to = size;
    }
    return true;
}

bool cr_frame_elementwise(cr_frame *f, cr_dtype compute, cr_dtype out)
{
    int64_t sizes[CR_MAX_RANK];
    int rank = 0;
    for (uint32_t i = 0; i < f->nin; i++) {
        if (f->in[i] && !cr_frame_broadcast(f, &rank, sizes, f->in[i]))
            return false;
        f->expand[i] = true;
    }
    cr_frame_cast_all(f, compute);
    f->inplace_ok = f->like_inputs = true;
    return cr_frame_out(f, 0, out, rank, sizes);
}

bool cr_frame_has_sizes(cr_frame *f, int i, int rank, const int64_t *sizes)
{
    const cr_tensor *t = f->in[i];
    if (t && t->dim == rank && (!rank || !memcmp(t->size, sizes, (size_t)rank * sizeof *sizes)))
        return true;
    return cr_frame_fail(f, "expected tensor %d of the arguments to have the sizes %s, got %s", i,
                         cr_sizes_text(rank, sizes), t ? cr_describe(t) : "none");
}
