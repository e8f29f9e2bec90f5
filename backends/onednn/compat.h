/* What differs between oneDNN's C API of 2.x and of 3.x, brought to one form: memory descriptors (a struct there, a pointer
 * here) and the making of primitive descriptors (from an operation's descriptor there, in one call here). Nothing else of
 * this folder asks for the version.
 *
 * Every dn_pd_… makes a primitive descriptor, which the caller destroys. attr and optional descriptors may be null. */
#ifndef CRESSET_BACKENDS_ONEDNN_COMPAT_H
#define CRESSET_BACKENDS_ONEDNN_COMPAT_H

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <string.h>

#define DN_3 (DNNL_VERSION_MAJOR >= 3)

/* The status of a descriptor that no implementation takes. */
#if DN_3
#define DN_NO_IMPLEMENTATION dnnl_last_impl_reached
#else
#define DN_NO_IMPLEMENTATION dnnl_iterator_ends
#endif

/* Whether layer norm's gradient wants the shift among its inputs, which it does not read. */
#define DN_BACK_TAKES_SHIFT 1

/* oneDNN's arrays of sizes have DNNL_MAX_NDIMS elements, ours as many as there are dimensions. */
static inline void dn_dims(dnnl_dims_t to, int rank, const int64_t *from)
{
    memset(to, 0, sizeof(dnnl_dims_t));
    memcpy(to, from, (size_t)rank * sizeof *from);
}

/* ---- memory descriptors ---- */

#if DN_3
typedef struct dn_md {
    dnnl_memory_desc_t d; /* owned; null is none */
} dn_md;
typedef const_dnnl_memory_desc_t dn_raw_md;
static inline dn_raw_md dn_raw(const dn_md *md)
{
    return md ? md->d : NULL;
}
static inline void dn_md_free(dn_md *md)
{
    if (md->d)
        dnnl_memory_desc_destroy(md->d);
    md->d = NULL;
}
static inline dnnl_status_t dn_md_copy(dn_md *to, dn_raw_md from)
{
    to->d = NULL;
    return from ? dnnl_memory_desc_clone(&to->d, from) : dnnl_invalid_arguments;
}
static inline dnnl_status_t dn_md_strided(dn_md *md, int rank, const int64_t *size,
                                          dnnl_data_type_t type, const int64_t *stride)
{
    dnnl_dims_t dims, strides;
    dn_dims(dims, rank, size);
    dn_dims(strides, rank, stride);
    md->d = NULL;
    return dnnl_memory_desc_create_with_strides(&md->d, rank, dims, type, strides);
}
static inline dnnl_status_t dn_md_tag(dn_md *md, int rank, const int64_t *size,
                                      dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_dims_t dims;
    dn_dims(dims, rank, size);
    md->d = NULL;
    return dnnl_memory_desc_create_with_tag(&md->d, rank, dims, type, tag);
}
#else
typedef struct dn_md {
    dnnl_memory_desc_t d;
} dn_md;
typedef const dnnl_memory_desc_t *dn_raw_md;
static inline dn_raw_md dn_raw(const dn_md *md)
{
    return md ? &md->d : NULL;
}
static inline void dn_md_free(dn_md *md)
{
    (void)md;
}
static inline dnnl_status_t dn_md_copy(dn_md *to, dn_raw_md from)
{
    memset(to, 0, sizeof *to);
    if (!from)
        return dnnl_invalid_arguments;
    to->d = *from;
    return dnnl_success;
}
static inline dnnl_status_t dn_md_strided(dn_md *md, int rank, const int64_t *size,
                                          dnnl_data_type_t type, const int64_t *stride)
{
    dnnl_dims_t dims, strides;
    dn_dims(dims, rank, size);
    dn_dims(strides, rank, stride);
    memset(md, 0, sizeof *md);
    return dnnl_memory_desc_init_by_strides(&md->d, rank, dims, type, strides);
}
static inline dnnl_status_t dn_md_tag(dn_md *md, int rank, const int64_t *size,
                                      dnnl_data_type_t type, dnnl_format_tag_t tag)
{
    dnnl_dims_t dims;
    dn_dims(dims, rank, size);
    memset(md, 0, sizeof *md);
    return dnnl_memory_desc_init_by_tag(&md->d, rank, dims, type, tag);
}
#endif

/* Part of a descriptor's values: so many of each dimension, from `first` on in the first one, where its blocks begin. *offset:
 * of the part's first element. */
static inline dnnl_status_t dn_md_part(dn_md *md, const dn_md *whole, int rank, const int64_t *size,
                                       int64_t first, int64_t *offset)
{
    dnnl_dims_t dims, offsets = {first};
    dn_dims(dims, rank, size);
    memset(md, 0, sizeof *md);
#if DN_3
    dnnl_status_t status = dnnl_memory_desc_create_submemory(&md->d, whole->d, dims, offsets);
    return status ? status : dnnl_memory_desc_query(md->d, dnnl_query_submemory_offset_s64, offset);
#else
    dnnl_status_t status = dnnl_memory_desc_init_submemory(&md->d, &whole->d, dims, offsets);
    *offset = md->d.offset0;
    return status;
#endif
}

static inline bool dn_md_equal(const dn_md *a, const dn_md *b)
{
    return dnnl_memory_desc_equal(dn_raw(a), dn_raw(b)) != 0;
}

static inline size_t dn_md_bytes(const dn_md *md)
{
    return dnnl_memory_desc_get_size(dn_raw(md));
}

/* How a descriptor's values lie: strides, of whole blocks where a dimension is blocked, and the blocks from the outermost to the
 * innermost, with the dimension of each. */
typedef struct dn_blocks {
    dnnl_dims_t size, stride, block, dimension;
    int count;
} dn_blocks;

/* False for what has padding, or is not laid out by blocks at all. */
static inline bool dn_md_blocks(const dn_md *md, int rank, dn_blocks *b)
{
    const size_t bytes = (size_t)rank * sizeof(dnnl_dim_t);
#if DN_3
    dnnl_format_kind_t kind;
    dnnl_dims_t *size, *padded, *stride, *block, *dimension;
    dnnl_dim_t offset;
    if (dnnl_memory_desc_query(md->d, dnnl_query_format_kind, &kind) || kind != dnnl_blocked ||
        dnnl_memory_desc_query(md->d, dnnl_query_inner_nblks_s32, &b->count) ||
        dnnl_memory_desc_query(md->d, dnnl_query_inner_blks, &block) ||
        dnnl_memory_desc_query(md->d, dnnl_query_inner_idxs, &dimension) ||
        dnnl_memory_desc_query(md->d, dnnl_query_dims, &size) ||
        dnnl_memory_desc_query(md->d, dnnl_query_padded_dims, &padded) ||
        dnnl_memory_desc_query(md->d, dnnl_query_strides, &stride) ||
        dnnl_memory_desc_query(md->d, dnnl_query_submemory_offset_s64, &offset) || offset ||
        memcmp(*size, *padded, bytes))
        return false;
    memcpy(b->size, *size, sizeof b->size);
    memcpy(b->stride, *stride, sizeof b->stride);
    memcpy(b->block, *block, sizeof b->block);
    memcpy(b->dimension, *dimension, sizeof b->dimension);
#else
    const dnnl_memory_desc_t *d = &md->d;
    const dnnl_blocking_desc_t *of = &d->format_desc.blocking;
    if (d->format_kind != dnnl_blocked || d->ndims != rank || d->offset0 || d->extra.flags ||
        memcmp(d->dims, d->padded_dims, bytes))
        return false;
    memcpy(b->size, d->dims, sizeof b->size);
    memcpy(b->stride, of->strides, sizeof b->stride);
    memcpy(b->block, of->inner_blks, sizeof b->block);
    memcpy(b->dimension, of->inner_idxs, sizeof b->dimension);
    b->count = of->inner_nblks;
#endif
    return true;
}

/* The descriptor of one operand as the primitive wants it. */
static inline dnnl_status_t dn_md_of(dn_md *md, const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return dn_md_copy(md, dnnl_primitive_desc_query_md(pd, what, 0));
}

/* ---- attributes ---- */

/* Attributes that ask for the caller's scratchpad and, with `sum`, add the result to what the output holds. */
static inline dnnl_status_t dn_attr_make(dnnl_primitive_attr_t *attr, bool sum)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(attr);
    if (status != dnnl_success)
        return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && sum)
        status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && sum) {
#if DN_3
        status = dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
#else
        status = dnnl_post_ops_append_sum(ops, 1);
#endif
        if (status == dnnl_success)
            status = dnnl_primitive_attr_set_post_ops(*attr, ops);
        dnnl_post_ops_destroy(ops);
    }
    if (status != dnnl_success)
        dnnl_primitive_attr_destroy(*attr);
    return status;
}

static inline dnnl_status_t dn_ops_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t what, float alpha,
                                           float beta)
{
#if DN_3
    return dnnl_post_ops_append_eltwise(ops, what, alpha, beta);
#else
    return dnnl_post_ops_append_eltwise(ops, 1, what, alpha, beta);
#endif
}

static inline dnnl_status_t dn_ops_binary(dnnl_post_ops_t ops, dnnl_alg_kind_t what,
                                          const dn_md *other)
{
    return dnnl_post_ops_append_binary(ops, what, dn_raw(other));
}

/* ---- primitive descriptors ---- */

typedef struct dn_window { /* of a convolution: per spatial dimension */
    dnnl_dims_t stride, dilation, before, after;
} dn_window;

static inline dnnl_status_t dn_pd_reorder(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const_dnnl_primitive_attr_t attr, const dn_md *from,
                                          const dn_md *to)
{
    return dnnl_reorder_primitive_desc_create(pd, dn_raw(from), engine, dn_raw(to), engine, attr);
}

#if DN_3
static inline dnnl_status_t dn_pd_conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr, const dn_md *x,
                                               const dn_md *w, const dn_md *bias, const dn_md *y,
                                               const dn_window *s)
{
    return dnnl_convolution_forward_primitive_desc_create(
        pd, engine, dnnl_forward_training, dnnl_convolution_direct, dn_raw(x), dn_raw(w),
        dn_raw(bias), dn_raw(y), s->stride, s->dilation, s->before, s->after, attr);
}
static inline dnnl_status_t dn_pd_conv_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            const_dnnl_primitive_attr_t attr, const dn_md *x,
                                            const dn_md *w, const dn_md *y, const dn_window *s,
                                            const_dnnl_primitive_desc_t forward)
{
    return dnnl_convolution_backward_data_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, dn_raw(x), dn_raw(w), dn_raw(y), s->stride,
        s->dilation, s->before, s->after, forward, attr);
}
static inline dnnl_status_t dn_pd_conv_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr, const dn_md *x,
                                               const dn_md *w, const dn_md *bias, const dn_md *y,
                                               const dn_window *s,
                                               const_dnnl_primitive_desc_t forward)
{
    return dnnl_convolution_backward_weights_primitive_desc_create(
        pd, engine, dnnl_convolution_direct, dn_raw(x), dn_raw(w), dn_raw(bias), dn_raw(y),
        s->stride, s->dilation, s->before, s->after, forward, attr);
}
static inline dnnl_status_t dn_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                         const_dnnl_primitive_attr_t attr, const dn_md *a,
                                         const dn_md *b, const dn_md *bias, const dn_md *c)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, dn_raw(a), dn_raw(b), dn_raw(bias),
                                             dn_raw(c), attr);
}
static inline dnnl_status_t dn_pd_eltwise(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                          const dn_md *x, float alpha, float beta)
{
    return dnnl_eltwise_forward_primitive_desc_create(pd, engine, dnnl_forward_training, what,
                                                      dn_raw(x), dn_raw(x), alpha, beta, attr);
}
static inline dnnl_status_t dn_pd_eltwise_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr,
                                               dnnl_alg_kind_t what, const dn_md *x, float alpha,
                                               float beta, const_dnnl_primitive_desc_t forward)
{
    return dnnl_eltwise_backward_primitive_desc_create(pd, engine, what, dn_raw(x), dn_raw(x),
                                                       dn_raw(x), alpha, beta, forward, attr);
}
static inline dnnl_status_t dn_pd_binary(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                         const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                         const dn_md *a, const dn_md *b, const dn_md *c)
{
    return dnnl_binary_primitive_desc_create(pd, engine, what, dn_raw(a), dn_raw(b), dn_raw(c),
                                             attr);
}
static inline dnnl_status_t dn_pd_softmax(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const_dnnl_primitive_attr_t attr, bool logs,
                                          const dn_md *x, int axis)
{
    return dnnl_softmax_forward_primitive_desc_create(
        pd, engine, dnnl_forward_training, logs ? dnnl_softmax_log : dnnl_softmax_accurate,
        dn_raw(x), dn_raw(x), axis, attr);
}
static inline dnnl_status_t dn_pd_softmax_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr, bool logs,
                                               const dn_md *x, int axis,
                                               const_dnnl_primitive_desc_t forward)
{
    return dnnl_softmax_backward_primitive_desc_create(
        pd, engine, logs ? dnnl_softmax_log : dnnl_softmax_accurate, dn_raw(x), dn_raw(x),
        dn_raw(x), axis, forward, attr);
}
static inline dnnl_status_t dn_pd_layer_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             const_dnnl_primitive_attr_t attr, const dn_md *x,
                                             const dn_md *stat, float eps, unsigned flags)
{
    return dnnl_layer_normalization_forward_primitive_desc_create(
        pd, engine, dnnl_forward_training, dn_raw(x), dn_raw(x), dn_raw(stat), eps, flags, attr);
}
static inline dnnl_status_t dn_pd_layer_norm_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  const_dnnl_primitive_attr_t attr,
                                                  dnnl_prop_kind_t kind, const dn_md *x,
                                                  const dn_md *stat, float eps, unsigned flags,
                                                  const_dnnl_primitive_desc_t forward)
{
    return dnnl_layer_normalization_backward_primitive_desc_create(
        pd, engine, kind, dn_raw(x), dn_raw(x), dn_raw(x), dn_raw(stat), eps, flags, forward, attr);
}
static inline dnnl_status_t dn_pd_reduction(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                            const dn_md *x, const dn_md *y)
{
    return dnnl_reduction_primitive_desc_create(pd, engine, what, dn_raw(x), dn_raw(y), 0, 0, attr);
}
static inline dnnl_status_t dn_pd_resampling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                             const float *factors, const dn_md *x, const dn_md *y)
{
    return dnnl_resampling_forward_primitive_desc_create(pd, engine, dnnl_forward_training, what,
                                                         factors, dn_raw(x), dn_raw(y), attr);
}
static inline dnnl_status_t dn_pd_resampling_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  const_dnnl_primitive_attr_t attr,
                                                  dnnl_alg_kind_t what, const float *factors,
                                                  const dn_md *x, const dn_md *y,
                                                  const_dnnl_primitive_desc_t forward)
{
    return dnnl_resampling_backward_primitive_desc_create(pd, engine, what, factors, dn_raw(x),
                                                          dn_raw(y), forward, attr);
}
#else
/* Makes the primitive descriptor after `made`, the status of the operation's descriptor. */
static inline dnnl_status_t dn_pd_from(dnnl_primitive_desc_t *pd, dnnl_status_t made,
                                       const void *desc, const_dnnl_primitive_attr_t attr,
                                       dnnl_engine_t engine, const_dnnl_primitive_desc_t forward)
{
    return made == dnnl_success ? dnnl_primitive_desc_create(pd, desc, attr, engine, forward)
                                : made;
}
static inline dnnl_status_t dn_pd_conv_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr, const dn_md *x,
                                               const dn_md *w, const dn_md *bias, const dn_md *y,
                                               const dn_window *s)
{
    dnnl_convolution_desc_t d;
    return dn_pd_from(pd,
                      dnnl_dilated_convolution_forward_desc_init(
                          &d, dnnl_forward_training, dnnl_convolution_direct, dn_raw(x), dn_raw(w),
                          dn_raw(bias), dn_raw(y), s->stride, s->dilation, s->before, s->after),
                      &d, attr, engine, NULL);
}
static inline dnnl_status_t dn_pd_conv_data(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            const_dnnl_primitive_attr_t attr, const dn_md *x,
                                            const dn_md *w, const dn_md *y, const dn_window *s,
                                            const_dnnl_primitive_desc_t forward)
{
    dnnl_convolution_desc_t d;
    return dn_pd_from(pd,
                      dnnl_dilated_convolution_backward_data_desc_init(
                          &d, dnnl_convolution_direct, dn_raw(x), dn_raw(w), dn_raw(y), s->stride,
                          s->dilation, s->before, s->after),
                      &d, attr, engine, forward);
}
static inline dnnl_status_t dn_pd_conv_weights(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr, const dn_md *x,
                                               const dn_md *w, const dn_md *bias, const dn_md *y,
                                               const dn_window *s,
                                               const_dnnl_primitive_desc_t forward)
{
    dnnl_convolution_desc_t d;
    return dn_pd_from(pd,
                      dnnl_dilated_convolution_backward_weights_desc_init(
                          &d, dnnl_convolution_direct, dn_raw(x), dn_raw(w), dn_raw(bias),
                          dn_raw(y), s->stride, s->dilation, s->before, s->after),
                      &d, attr, engine, forward);
}
static inline dnnl_status_t dn_pd_matmul(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                         const_dnnl_primitive_attr_t attr, const dn_md *a,
                                         const dn_md *b, const dn_md *bias, const dn_md *c)
{
    dnnl_matmul_desc_t d;
    return dn_pd_from(pd, dnnl_matmul_desc_init(&d, dn_raw(a), dn_raw(b), dn_raw(bias), dn_raw(c)),
                      &d, attr, engine, NULL);
}
static inline dnnl_status_t dn_pd_eltwise(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                          const dn_md *x, float alpha, float beta)
{
    dnnl_eltwise_desc_t d;
    return dn_pd_from(
        pd, dnnl_eltwise_forward_desc_init(&d, dnnl_forward_training, what, dn_raw(x), alpha, beta),
        &d, attr, engine, NULL);
}
static inline dnnl_status_t dn_pd_eltwise_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr,
                                               dnnl_alg_kind_t what, const dn_md *x, float alpha,
                                               float beta, const_dnnl_primitive_desc_t forward)
{
    dnnl_eltwise_desc_t d;
    return dn_pd_from(pd,
                      dnnl_eltwise_backward_desc_init(&d, what, dn_raw(x), dn_raw(x), alpha, beta),
                      &d, attr, engine, forward);
}
static inline dnnl_status_t dn_pd_binary(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                         const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                         const dn_md *a, const dn_md *b, const dn_md *c)
{
    dnnl_binary_desc_t d;
    return dn_pd_from(pd, dnnl_binary_desc_init(&d, what, dn_raw(a), dn_raw(b), dn_raw(c)), &d,
                      attr, engine, NULL);
}
static inline dnnl_status_t dn_pd_softmax(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                          const_dnnl_primitive_attr_t attr, bool logs,
                                          const dn_md *x, int axis)
{
    dnnl_softmax_v2_desc_t d;
    return dn_pd_from(
        pd,
        dnnl_softmax_v2_forward_desc_init(&d, dnnl_forward_training,
                                          logs ? dnnl_softmax_log : dnnl_softmax_accurate,
                                          dn_raw(x), dn_raw(x), axis),
        &d, attr, engine, NULL);
}
static inline dnnl_status_t dn_pd_softmax_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr, bool logs,
                                               const dn_md *x, int axis,
                                               const_dnnl_primitive_desc_t forward)
{
    dnnl_softmax_v2_desc_t d;
    return dn_pd_from(
        pd,
        dnnl_softmax_v2_backward_desc_init(&d, logs ? dnnl_softmax_log : dnnl_softmax_accurate,
                                           dn_raw(x), dn_raw(x), dn_raw(x), axis),
        &d, attr, engine, forward);
}
static inline dnnl_status_t dn_pd_layer_norm(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             const_dnnl_primitive_attr_t attr, const dn_md *x,
                                             const dn_md *stat, float eps, unsigned flags)
{
    dnnl_layer_normalization_desc_t d;
    return dn_pd_from(pd,
                      dnnl_layer_normalization_forward_desc_init(
                          &d, dnnl_forward_training, dn_raw(x), dn_raw(stat), eps, flags),
                      &d, attr, engine, NULL);
}
static inline dnnl_status_t dn_pd_layer_norm_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  const_dnnl_primitive_attr_t attr,
                                                  dnnl_prop_kind_t kind, const dn_md *x,
                                                  const dn_md *stat, float eps, unsigned flags,
                                                  const_dnnl_primitive_desc_t forward)
{
    dnnl_layer_normalization_desc_t d;
    return dn_pd_from(pd,
                      dnnl_layer_normalization_backward_desc_init(&d, kind, dn_raw(x), dn_raw(x),
                                                                  dn_raw(stat), eps, flags),
                      &d, attr, engine, forward);
}
static inline dnnl_status_t dn_pd_reduction(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                            const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                            const dn_md *x, const dn_md *y)
{
    dnnl_reduction_desc_t d;
    return dn_pd_from(pd, dnnl_reduction_desc_init(&d, what, dn_raw(x), dn_raw(y), 0, 0), &d, attr,
                      engine, NULL);
}
static inline dnnl_status_t dn_pd_resampling(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                             const_dnnl_primitive_attr_t attr, dnnl_alg_kind_t what,
                                             const float *factors, const dn_md *x, const dn_md *y)
{
    dnnl_resampling_desc_t d;
    return dn_pd_from(pd,
                      dnnl_resampling_forward_desc_init(&d, dnnl_forward_training, what, factors,
                                                        dn_raw(x), dn_raw(y)),
                      &d, attr, engine, NULL);
}
static inline dnnl_status_t dn_pd_resampling_back(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                                  const_dnnl_primitive_attr_t attr,
                                                  dnnl_alg_kind_t what, const float *factors,
                                                  const dn_md *x, const dn_md *y,
                                                  const_dnnl_primitive_desc_t forward)
{
    dnnl_resampling_desc_t d;
    return dn_pd_from(pd,
                      dnnl_resampling_backward_desc_init(&d, what, factors, dn_raw(x), dn_raw(y)),
                      &d, attr, engine, forward);
}
#endif

#endif
