/* The recurrent primitives, brought to one form like the rest in compat.h: one layer in one direction. */
#ifndef CRESSET_BACKENDS_ONEDNN_COMPAT_RNN_H
#define CRESSET_BACKENDS_ONEDNN_COMPAT_RNN_H

#include "compat.h"

typedef enum dn_cell { DN_CELL_TANH, DN_CELL_RELU, DN_CELL_GRU, DN_CELL_LSTM } dn_cell;

/* The operands, and their gradients in the same order. c and new_c are an LSTM's. */
typedef enum dn_rnn_part {
    DN_RNN_X,
    DN_RNN_H,
    DN_RNN_C,
    DN_RNN_WX,
    DN_RNN_WH,
    DN_RNN_B,
    DN_RNN_Y,
    DN_RNN_NEW_H,
    DN_RNN_NEW_C,
    DN_RNN_PARTS
} dn_rnn_part;

/* What the primitive's descriptor is made of; parts that are not there have null. */
typedef struct dn_rnn_case {
    dn_cell cell;
    bool reverse, training;
    const dn_md *md[DN_RNN_PARTS], *diff[DN_RNN_PARTS];
} dn_rnn_case;

static const int dn_rnn_args[DN_RNN_PARTS] = {
    DNNL_ARG_SRC_LAYER,     DNNL_ARG_SRC_ITER,     DNNL_ARG_SRC_ITER_C,
    DNNL_ARG_WEIGHTS_LAYER, DNNL_ARG_WEIGHTS_ITER, DNNL_ARG_BIAS,
    DNNL_ARG_DST_LAYER,     DNNL_ARG_DST_ITER,     DNNL_ARG_DST_ITER_C,
};
static const int dn_rnn_diff_args[DN_RNN_PARTS] = {
    DNNL_ARG_DIFF_SRC_LAYER,     DNNL_ARG_DIFF_SRC_ITER,     DNNL_ARG_DIFF_SRC_ITER_C,
    DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS,
    DNNL_ARG_DIFF_DST_LAYER,     DNNL_ARG_DIFF_DST_ITER,     DNNL_ARG_DIFF_DST_ITER_C,
};

/* The parts in the order of the makers' parameters: of RNN and GRU, and of LSTM, without peepholes and projection. */
#define DN_RNN_LIST_(m)                                                                           \
    dn_raw((m)[DN_RNN_X]), dn_raw((m)[DN_RNN_H]), dn_raw((m)[DN_RNN_WX]), dn_raw((m)[DN_RNN_WH]), \
        dn_raw((m)[DN_RNN_B]), dn_raw((m)[DN_RNN_Y]), dn_raw((m)[DN_RNN_NEW_H])
#define DN_LSTM_LIST_(m, ...)                                                                    \
    dn_raw((m)[DN_RNN_X]), dn_raw((m)[DN_RNN_H]), dn_raw((m)[DN_RNN_C]), dn_raw((m)[DN_RNN_WX]), \
        dn_raw((m)[DN_RNN_WH]), __VA_ARGS__ dn_raw((m)[DN_RNN_B]), dn_raw((m)[DN_RNN_Y]),        \
        dn_raw((m)[DN_RNN_NEW_H]), dn_raw((m)[DN_RNN_NEW_C])

static inline dnnl_rnn_direction_t dn_rnn_way(const dn_rnn_case *r)
{
    return r->reverse ? dnnl_unidirectional_right2left : dnnl_unidirectional_left2right;
}

static inline dnnl_alg_kind_t dn_rnn_activation(const dn_rnn_case *r)
{
    return r->cell == DN_CELL_RELU ? dnnl_eltwise_relu : dnnl_eltwise_tanh;
}

static inline dnnl_status_t dn_pd_rnn_forward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                              const_dnnl_primitive_attr_t attr,
                                              const dn_rnn_case *r)
{
    dnnl_prop_kind_t kind = r->training ? dnnl_forward_training : dnnl_forward_inference;
    dnnl_rnn_direction_t way = dn_rnn_way(r);
    dnnl_alg_kind_t act = dn_rnn_activation(r);
#if DN_3
    switch (r->cell) {
    case DN_CELL_LSTM:
        return dnnl_lstm_forward_primitive_desc_create(pd, engine, kind, way,
                                                       DN_LSTM_LIST_(r->md, NULL, NULL, ), 0, attr);
    case DN_CELL_GRU:
        return dnnl_lbr_gru_forward_primitive_desc_create(pd, engine, kind, way,
                                                          DN_RNN_LIST_(r->md), 0, attr);
    default:
        return dnnl_vanilla_rnn_forward_primitive_desc_create(pd, engine, kind, act, way,
                                                              DN_RNN_LIST_(r->md), 0, 0, 0, attr);
    }
#else
    dnnl_rnn_desc_t d;
    dnnl_status_t made =
        r->cell == DN_CELL_LSTM
            ? dnnl_lstm_forward_desc_init(&d, kind, way, DN_LSTM_LIST_(r->md, ), 0)
        : r->cell == DN_CELL_GRU
            ? dnnl_lbr_gru_forward_desc_init(&d, kind, way, DN_RNN_LIST_(r->md), 0)
            : dnnl_vanilla_rnn_forward_desc_init(&d, kind, act, way, DN_RNN_LIST_(r->md), 0, 0, 0);
    return dn_pd_from(pd, made, &d, attr, engine, NULL);
#endif
}

static inline dnnl_status_t dn_pd_rnn_backward(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                               const_dnnl_primitive_attr_t attr,
                                               const dn_rnn_case *r,
                                               const_dnnl_primitive_desc_t forward)
{
    dnnl_rnn_direction_t way = dn_rnn_way(r);
    dnnl_alg_kind_t act = dn_rnn_activation(r);
#if DN_3
    switch (r->cell) {
    case DN_CELL_LSTM:
        return dnnl_lstm_backward_primitive_desc_create(
            pd, engine, dnnl_backward, way, DN_LSTM_LIST_(r->md, NULL, NULL, ),
            DN_LSTM_LIST_(r->diff, NULL, NULL, ), 0, forward, attr);
    case DN_CELL_GRU:
        return dnnl_lbr_gru_backward_primitive_desc_create(pd, engine, dnnl_backward, way,
                                                           DN_RNN_LIST_(r->md),
                                                           DN_RNN_LIST_(r->diff), 0, forward, attr);
    default:
        return dnnl_vanilla_rnn_backward_primitive_desc_create(
            pd, engine, dnnl_backward, act, way, DN_RNN_LIST_(r->md), DN_RNN_LIST_(r->diff), 0, 0,
            0, forward, attr);
    }
#else
    dnnl_rnn_desc_t d;
    dnnl_status_t made =
        r->cell == DN_CELL_LSTM
            ? dnnl_lstm_backward_desc_init(&d, dnnl_backward, way, DN_LSTM_LIST_(r->md, ),
                                           DN_LSTM_LIST_(r->diff, ), 0)
        : r->cell == DN_CELL_GRU
            ? dnnl_lbr_gru_backward_desc_init(&d, dnnl_backward, way, DN_RNN_LIST_(r->md),
                                              DN_RNN_LIST_(r->diff), 0)
            : dnnl_vanilla_rnn_backward_desc_init(&d, dnnl_backward, act, way, DN_RNN_LIST_(r->md),
                                                  DN_RNN_LIST_(r->diff), 0, 0, 0);
    return dn_pd_from(pd, made, &d, attr, engine, forward);
#endif
}

#endif
