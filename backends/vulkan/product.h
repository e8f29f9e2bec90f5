/* Products of matrices and convolutions as one kind of plan: see shaders/product.glsl. */
#ifndef CRESSET_BACKENDS_VULKAN_PRODUCT_H
#define CRESSET_BACKENDS_VULKAN_PRODUCT_H

#include "plan.h"

enum { VK_A, VK_B, VK_C, VK_C0, VK_OPERANDS };
enum { VK_PLAIN, VK_WINDOWS, VK_SCATTERED };

/* A dimension of an index: where it leads in each operand, and in the windows' space. */
typedef struct vk_axis {
    uint32_t size, magic, shift, unused;
    uint32_t stride[VK_OPERANDS];
    int32_t coordinate[4];
} vk_axis;

/* Uniform block of shaders/product.glsl. */
typedef struct vk_product_block {
    uint32_t m, n, k, batch, splits, chunk, unused[2];
    int32_t base[4], extent[4], divide_by[4];
    uint32_t spatial[4];
    vk_axis b_axis[1], m_axis[4], k_axis[4], n_axis[4];
} vk_product_block;

/* What is to be multiplied; vk_product_plan finishes the block. Sizes of an index are the product
 * of its axes'. */
typedef struct vk_product {
    vk_product_block block;
    int mode, spatial;
    int m_rank, k_rank, n_rank;
    int32_t from, to;
    int at[VK_OPERANDS];   /* places in cr_run.values; C0's is -1 where there is none */
    int alpha_at, beta_at; /* of numbers; -1: 1 */
    vk_follow follow;
} vk_product;

/* Adds an axis to an index, the outermost first. */
void vk_axis_add(vk_axis *axes, int *rank, int64_t size, int64_t a, int64_t b, int64_t c,
                 int64_t c0);
/* Adds the product's steps to the plan: one, or two with a workspace where k is split. */
typedef struct vk_product_steps {
    vk_product product;
    int first;    /* step */
    bool split;   /* into parts in the workspace */
    size_t parts; /* their place */
    bool empty;
} vk_product_steps;

cr_status vk_product_add(cr_plan *plan, const vk_product *product, cr_plan_info *info,
                         vk_product_steps *steps);
cr_status vk_product_run(const cr_plan *plan, const vk_product_steps *steps, const cr_run *run);

#endif
