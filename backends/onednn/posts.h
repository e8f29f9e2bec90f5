/* What follows a convolution or a product in a captured graph, said as oneDNN's post-ops: element-wise functions, and sums and
 * products with values like the result, which the primitive applies to what it has in registers. Batch norm by running
 * statistics is a product and a sum with vectors of the channels.
 *
 * relu comes last and is our own loop behind each piece, for oneDNN's loses NaN. Behind a convolution that loop does batch norm
 * and a sum, too: oneDNN's products with vectors take longer than the loop (half again as long as the whole of ResNet's first
 * convolution). */
#ifndef CRESSET_BACKENDS_ONEDNN_POSTS_H
#define CRESSET_BACKENDS_ONEDNN_POSTS_H

#include "layout.h"

enum { DN_POSTS = 6, DN_SCALED = 8, DN_POSTS_VALUES = 32 };

typedef struct dn_post {
    dnnl_alg_kind_t what;
    float alpha;
    bool binary;
    int other_at; /* binary: a value of the run like the result, or below 0: a vector of the channels */
    cr_meta other;
    dn_where vector;
} dn_post;

/* A value that is read times numbers of the run. They are 1 nearly always; else a copy is read. */
typedef struct dn_scaled {
    int at, numbers[2]; /* below 0: none */
    int32_t dtype;
    size_t elements;
} dn_scaled;

typedef struct dn_posts {
    int count;
    dn_post op[DN_POSTS];
    bool relu, own;       /* own: all of it is our own loop's, in the order norm, sum, relu */
    int64_t rows, stride; /* of relu's part of the result */
    dn_grid grid;         /* of an own loop's, an image */
    bool one_image;       /* it has some channels of one image at a time */
    int first;            /* operand of the step, of those that were added */
    int nvalues;          /* of a run */
    cr_meta result;
    /* Batch norm: (x - mean) · scale + shift; its mean is taken from the head's bias. */
    bool norm;
    int norm_at[4], head_bias_at, eps_at; /* weight, bias, mean, var; below 0: none */
    int norm_number;                      /* which multiplies the norm's result; below 0: none */
    int32_t head_bias_dtype;
    int64_t channels;
    dn_where bias, scale, shift; /* vectors of f32, made at each run */
    int nscaled;
    dn_scaled scaled[DN_SCALED];
} dn_posts;

/* Descriptors of a piece's operands, and the attributes with them. */
typedef struct dn_post_set {
    dnnl_primitive_attr_t attr;
    dn_md md[DN_POSTS];
} dn_post_set;

/* What follows the graph's first node; null where post-ops can't say it. To be freed, or handed on. */
dn_posts *dn_posts_of(const cr_graph *graph);
/* The plan runs them: takes them over, also on failure. Vectors get their places, and the stage that makes them. */
cr_status dn_posts_own(dn_plan *plan, dn_posts *posts);
/* The attributes, once md[i] of the values like the result are set; those of vectors are made here. Frees with
 * dn_post_set_free also after a failure. */
dnnl_status_t dn_post_set_make(dn_post_set *set, const dn_posts *posts);
void dn_post_set_free(dn_post_set *set);
/* Adds the operands of binary post-ops; where_of gives the place of values like the result. Returns the new count. */
int dn_posts_operands(dn_posts *posts, const dn_post_set *set, dn_operand *operands,
                      const dn_md **mds, int count, dn_where (*where_of)(const void *, int i),
                      const void *context);
/* relu behind the step's primitive, whose operand 2 is the result: `rows` rows of `unit` elements an item, `stride` apart. */
void dn_posts_after(dn_posts *posts, dn_step *step, int64_t unit, int64_t rows, int64_t stride);

/* The own loop behind a convolution's step: images of the posts' grid. */
void dn_posts_after_images(dn_posts *posts, dn_step *step);

/* Plans of heads with what follows them, which they take over, also on failure. call: of the head, with the last node's
 * output. */
cr_status dn_conv_chain(const cpu_call *call, dn_posts *posts, cr_plan **out);
cr_status dn_product_chain(const cpu_call *call, dn_posts *posts, cr_plan **out);

#endif
