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
    bool keeps;      /* what the images' stage writes may stay in the primitive's layout */
    bool no_last;    /* images in a primitive's blocks, not channels last */
    int output;      /* which of the graph's outputs that is */
    dn_posts *posts; /* of a forward, or null */
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
/* A step between images of the meta's sizes, n of them, and the layout that a primitive chose: in, or back. */
cr_status dn_reorder_images(dn_plan *plan, dn_stage *stage, const cr_meta *meta, int64_t n,
                            const dn_md *plain, dn_where plain_at, const dn_md *chosen,
                            dn_where chosen_at, bool in);
/* The same in for a piece, into a slot, where the layouts differ; *at is where the images are then. */
cr_status dn_reorder_in(dn_plan *plan, dn_stage *stage, const cr_meta *meta, const dn_md *from,
                        const dn_md *to, dn_where *at);
/* Brings the weights to the chosen layout, where they are not in it: by the core or, where it doesn't, in a stage; *w is where
 * they then are. */
cr_status dn_reorder_weights(dn_plan *plan, const dn_conv *c, const dn_conv_parts *p, dn_where *w);
/* The tag that the result, images like m, keeps, as dn_tag_of says; -1: it does not stay as the primitive writes it. */
int64_t dn_kept_tag(const dn_conv *c, const cr_meta *m, int64_t piece, const dn_md *chosen);
/* Leaves the result, images like m, as the primitive writes it, if there is a tag for that; *as is then its descriptor. */
void dn_keep_output(const dn_conv *c, const cr_meta *m, int64_t piece, const dn_md *chosen,
                    const dn_md **as);
/* The descriptors of what follows a convolution, on pieces of n images. */
dnnl_status_t dn_describe_posts(const dn_posts *posts, int64_t n, dn_post_set *set);
/* Whether the values that are added lie as the primitive writes; back: the result is reordered behind it. */
bool dn_lie_alike(const dn_posts *posts, const dn_post_set *set, const dn_md *chosen, bool back);
/* Where the images of a value lie. */
dn_where dn_images(const cr_meta *meta, int at);

/* A plan for few positions and many weights (conv_small.c), which reads the weights as they lie; CR_UNSUPPORTED where
 * another is better. x and y: the input and the output, or its gradient. */
cr_status dn_conv_small(const cpu_call *call, const dn_conv *c, bool backward, cr_plan **out);

/* Whether that is so. */
bool dn_conv_is_small(const cpu_call *call, const dn_conv *c);

/* Stages of the forward of one image, by output channels (conv_image.c). False, with nothing done, where images are cut. */
bool dn_conv_one_image(dn_plan *plan, const dn_conv *c, cr_status *status);

/* What the weights' gradient is described by: the hint of a forward, and what the primitive chose, into the parts. */
dnnl_status_t dn_conv_weights_describe(const dn_conv *c, dn_conv_parts *parts, const dn_md *bias,
                                       dnnl_primitive_desc_t *pd);
/* The stages below by output channels (conv_outputs.c), where weights are many. False, with nothing done, where images are cut. */
bool dn_conv_weights_by_outputs(dn_conv_plan *plan, const dn_conv *c, cr_status *status);
/* Stages of the weights' gradient, and of the bias's where c->bias is not null. */
cr_status dn_conv_weights(dn_conv_plan *plan, const dn_conv *c);
/* A stage that sums images over all but the channels. */
cr_status dn_conv_sum_channels(dn_conv_plan *plan, const cr_meta *images, int images_at,
                               const cr_meta *sums, int sums_at);
/* A stage that adds a bias to images. */
cr_status dn_conv_add_bias(dn_conv_plan *plan, const cr_meta *images, int images_at,
                           const cr_meta *bias, int bias_at);

#endif
