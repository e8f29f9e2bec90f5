/* Convolution's parts: what the two files that plan them share. x, w and y are the plain convolution's input, weights and
 * output, whichever of them is read and whichever written. */
#ifndef CRESSET_BACKENDS_ONEDNN_CONV_H
#define CRESSET_BACKENDS_ONEDNN_CONV_H

#include "layout.h"
#include "posts.h"

typedef struct dn_conv_shape {
    int dims;
    int64_t n, groups;
    dn_window window;
    double flops; /* of one image */
} dn_conv_shape;

typedef struct dn_conv {
    dn_conv_shape shape;
    const cr_meta *x, *w, *y, *bias; /* bias may be null */
    int x_at, w_at, y_at, bias_at;   /* their places in cr_run.values */
    cr_plan_info *info;
    bool keeps;        /* what the images' stage writes may stay in the primitive's layout */
    bool has_gradient; /* the weights' is computed by the same plan, after the images' stage */
    int output;        /* which of the graph's outputs that is */
    dn_posts *posts;   /* of a forward, or null */
} dn_conv;

/* Partial sums over pieces of the images, each `count` floats, that a plain stage adds up into the first. */
typedef struct dn_partials {
    dn_where where;
    int64_t count, pieces;
} dn_partials;

typedef struct dn_conv_plan {
    dn_plan plan;
    dn_partials weights, bias;
    cr_meta sum, vector; /* of sums over channels and additions to them */
    int sum_at, vector_at;
} dn_conv_plan;

/* Descriptors of one piece: as the values are, as the primitive may choose (of images perhaps
 * only one layout), as it chose. */
typedef struct dn_conv_parts {
    dn_md x, w, y, bias;
    dn_md any_x, any_w, any_y, any_sum; /* any_sum: of partial weights' gradients, in f32 */
    dn_md chosen_x, chosen_w, chosen_y;
} dn_conv_parts;

typedef enum dn_part { DN_FORWARD, DN_DATA, DN_WEIGHTS } dn_part;

/* For a piece of n images. */
dnnl_status_t dn_conv_parts_make(const dn_conv *c, dn_part part, int64_t n, dn_conv_parts *parts);
void dn_conv_parts_free(dn_conv_parts *parts);
/* What the descriptor chose for the three. */
dnnl_status_t dn_conv_parts_read(dn_conv_parts *parts, const_dnnl_primitive_desc_t pd,
                                 dnnl_query_t x, dnnl_query_t w, dnnl_query_t y);

/* Whether our own kernel turns images of the meta's sizes, n of them, row-major or with any strides, into what a primitive chose
 * for them (in) or back, and the job. */
bool dn_turns(const cr_meta *meta, const dn_md *chosen, int64_t n, bool in,
              struct dn_turn_job *job);
/* A step that brings images of the meta's sizes, a piece of them, to the chosen layout before the primitive; *at is where they
 * are then. */
cr_status dn_reorder_in(dn_plan *plan, dn_stage *stage, const cr_meta *meta, const dn_md *from,
                        const dn_md *to, dn_where *at);
/* Where the images of a value lie. */
dn_where dn_images(const cr_meta *meta, int at);

/* A plan for few positions and many weights (conv_small.c), which reads the weights as they lie; CR_UNSUPPORTED where
 * another is better. x and y: the input and the output, or its gradient. */
cr_status dn_conv_small(const cpu_call *call, const dn_conv *c, bool backward, cr_plan **out);

/* Whether that is so. */
bool dn_conv_is_small(const cpu_call *call, const dn_conv *c);

/* What the weights' gradient is described by: the hint of a forward, and what the primitive chose, into the parts. */
dnnl_status_t dn_conv_weights_describe(const dn_conv *c, dn_conv_parts *parts, const dn_md *bias,
                                       dnnl_primitive_desc_t *pd);
/* The same stages by output channels (conv_outputs.c), where the weights are many; CR_UNSUPPORTED, with nothing done, where images
 * should be cut. */
cr_status dn_conv_weights_by_outputs(dn_conv_plan *plan, const dn_conv *c);
/* Stages of the weights' gradient, and of the bias's where c->bias is not null. */
cr_status dn_conv_weights(dn_conv_plan *plan, const dn_conv *c);
/* A stage that sums images over all but the channels. */
cr_status dn_conv_sum_channels(dn_conv_plan *plan, const cr_meta *images, int images_at,
                               const cr_meta *sums, int sums_at);
/* A stage that adds a bias to images. */
cr_status dn_conv_add_bias(dn_conv_plan *plan, const cr_meta *images, int images_at,
                           const cr_meta *bias, int bias_at);

#endif
