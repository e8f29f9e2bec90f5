/* The functions that the rows of ops.def name: declared here from the table itself. */
#ifndef CRESSET_CORE_OPS_FUNCTIONS_H
#define CRESSET_CORE_OPS_FUNCTIONS_H

#include "core/ops/frame.h"

/* Inference by pattern (core/ops/infer_….c): several rows share one, so they are listed. */
/* clang-format off */
#define CR_INFERENCES(X) \
    X(unary) X(unary_signed) X(unary_number) X(unary_round) X(unary_float) X(unary_needs_float) X(unary_int) \
    X(unary_bool) X(binary) X(binary_signed) X(binary_float) X(binary_div_mode) \
    X(binary_bool) X(binary_int) X(binary_shift) X(where) X(clamp) X(ternary) X(lerp) \
    X(masked_fill) X(same_sizes) X(to_copy) X(clone) X(copy) X(fill) X(factory) \
    X(empty_strided) X(like) X(arange) X(random_bits) X(uniform) X(native_dropout) X(cat) \
    X(reduce_all) X(reduce) X(reduce_all_float) X(reduce_float) X(reduce_order) \
    X(reduce_order_all) X(reduce_order_index) X(reduce_arg) X(reduce_bool) X(scan) \
    X(scan_float) X(scan_index) X(sort) X(gather) X(scatter) X(scatter_reduce) \
    X(index_select) X(embedding) X(embedding_dense_backward) X(bmm) X(mm) X(addmm) \
    X(baddbmm) X(mv) X(dot) X(convolution) X(convolution_backward) X(max_pool) X(avg_pool) X(adaptive_avg_pool) \
    X(nll_loss_backward) X(max_pool_backward) X(avg_pool_backward) X(adaptive_pool_backward) X(adaptive_max_pool) X(softmax) X(softmax_backward) \
    X(native_batch_norm) X(norm_backward) X(native_layer_norm) X(nll_loss) X(loss) \
    X(loss_backward) X(fused) X(rnn_scan) X(rnn_scan_backward) X(rnn_layer) X(rnn_layer_backward) X(blocked_attention) X(blocked_attention_backward) X(median) \
    X(resample) X(resample_backward) X(linalg_cholesky) X(linalg_lu) X(linalg_triangular) X(geqrf) X(linalg_qr) X(linalg_svd) X(linalg_eigh) \
    X(linalg_det) X(linalg_solve) X(linalg_pinv) X(linalg_same) X(vector_norm)
/* clang-format on */
#define X(name) bool cr_infer_##name(cr_frame *frame);
CR_INFERENCES(X)
#undef X

/* Decompositions, composites and views: one declaration a row (a function that serves several is
 * declared as often). */
#define FUNCTION_(name) int name(const cr_op *op, const cr_value *args, cr_results *results);
#define primitive
#define memory
#define primitive_or(fn)                               FUNCTION_(cr_decompose_##fn)
#define kernel(fn)                                     FUNCTION_(cr_decompose_##fn)
#define composite(fn)                                  FUNCTION_(cr_composite_##fn)
#define view(fn)                                       FUNCTION_(cr_view_##fn)
#define OP(id, schema, inplace, out, infer, how, grad) how
#include "core/ops/ops.def"
#undef OP
#undef primitive
#undef memory
#undef kernel
#undef primitive_or
#undef composite
#undef view
#undef FUNCTION_

#endif
