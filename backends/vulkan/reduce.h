/* A reduction as steps of a plan, for the family of reductions and for others that sum. */
#ifndef CRESSET_BACKENDS_VULKAN_REDUCE_H
#define CRESSET_BACKENDS_VULKAN_REDUCE_H

#include "plan.h"

enum { VK_SUM, VK_PROD, VK_AMAX, VK_AMIN, VK_ANY, VK_ALL, VK_MEAN }; /* shaders/reduce.comp */
enum { VK_REDUCE_SPECIALS = 7 };
enum { VK_ARGMAX, VK_ARGMIN }; /* shaders/arg_reduce.comp */

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
    /* Of what a chain makes (chain_reduce.c): what follows the block of shaders/reduce.glsl, or null; and what the first step's
     * pipeline is to be built with, which is not there yet. */
    const void *chain;
    size_t chain_bytes;
    uint32_t group, special[VK_REDUCE_SPECIALS];
} vk_reduction;

/* Adds the steps: the caller has filled the first lines. values may be null without values_at. */
cr_status vk_reduce_add(cr_plan *plan, vk_reduction *r, const cr_meta *in, const cr_meta *out,
                        const cr_meta *values, cr_plan_info *info);
cr_status vk_reduce_run(const cr_plan *plan, const vk_reduction *r, const cr_run *run);
/* The same with the first step's launch, which has its inputs. */
cr_status vk_reduce_launch(const cr_plan *plan, const vk_reduction *r, const cr_run *run,
                           vk_launch *first);
/* Notes the dimensions that the node names, and keepdim; false where there are no such. */
bool vk_reduce_dims(const vk_call *call, vk_reduction *r);

#endif
