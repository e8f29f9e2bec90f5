/* A reduction as steps of a plan, for the family of reductions and for others that sum. */
#ifndef CRESSET_BACKENDS_VULKAN_REDUCE_H
#define CRESSET_BACKENDS_VULKAN_REDUCE_H

#include "plan.h"

enum { VK_SUM, VK_PROD, VK_AMAX, VK_AMIN, VK_ANY, VK_ALL, VK_MEAN }; /* shaders/reduce.comp */
enum { VK_ARGMAX, VK_ARGMIN };                                       /* shaders/arg_reduce.comp */

/* Places in cr_run.values. With `arg`, out is the places (i64) and values_at, unless -1, the values.
 */
typedef struct vk_reduction {
    uint32_t op;
    bool arg;
    int in_at, out_at, values_at;
    bool is_reduced[CR_MAX_RANK];
    bool keepdim;
    int first;            /* step */
    bool two, empty;      /* passes; no output */
    size_t parts, places; /* in the workspace */
} vk_reduction;

/* Adds the steps: the caller has filled the first lines. values may be null without values_at. */
cr_status vk_reduce_add(cr_plan *plan, vk_reduction *r, const cr_meta *in, const cr_meta *out,
                        const cr_meta *values, cr_plan_info *info);
cr_status vk_reduce_run(const cr_plan *plan, const vk_reduction *r, const cr_run *run);

#endif
