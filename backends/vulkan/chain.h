/* Chains of elementwise operations: what chain.c (each element is written) and chain_reduce.c (the elements are reduced) share.
 * A chain's nodes become calls of the functions of shaders/pieces.glsl, from the values' elements that are read to those that
 * are made; values between stay in registers, rounded to their dtypes as if they had been in memory. */
#ifndef CRESSET_BACKENDS_VULKAN_CHAIN_H
#define CRESSET_BACKENDS_VULKAN_CHAIN_H

#include "linked.h"
#include "plan.h"

enum {
    VK_CHAIN_NODES = 32,
    VK_CHAIN_VALUES = 64,
    VK_CHAIN_WORDS =
        11 /* of the run's numbers: vk_args.number and what follows, but VK_WORD_BLOCK */
};

/* A number as the kernel reads it. */
typedef struct vk_chain_number {
    int at; /* in cr_run.numbers; -1: one */
    int32_t dtype;
    vk_class class;
    uint32_t word;
} vk_chain_number;

/* What a plan keeps. */
typedef struct vk_chain {
    vk_body body; /* until the pipeline is there */
    char name[80];
    uint32_t nnumbers;
    vk_chain_number number[VK_CHAIN_WORDS];
} vk_chain;

/* A dimension as kernels see it; shaders/step.glsl has the same. */
typedef struct vk_chain_dim {
    uint32_t size, magic, shift, unused, stride[VK_SPACE_VALUES];
} vk_chain_dim;

/* While it is planned. */
typedef struct vk_chain_plan {
    cr_device *d;
    const cr_graph *g;
    vk_chain *chain;
    uint32_t nnodes;  /* of the graph's, from the first on */
    uint32_t written; /* how many values the kernel writes: their places are the first */
    vk_space space;
    const cr_meta *pattern[VK_SPACE_VALUES]; /* the different strides that values have */
    int npatterns;
    vk_term place[VK_SPACE_VALUES]; /* of the element, in values of the pattern */
    vk_term term[VK_CHAIN_VALUES];  /* of the graph's values; id 0: there is none yet */
    bool rounded[VK_CHAIN_VALUES];  /* as it would be in memory */
    uint32_t words;
} vk_chain_plan;

/* Whether the graph's nodes, values and bindings are not too many, and its inputs within reach of kernels and, like all values of
 * the nodes, in the sizes of `like`. Counts the inputs' patterns; outputs that are written go before (vk_chain_pattern). */
bool vk_chain_see(vk_chain_plan *c, const cr_meta *like);
/* Which pattern the value's strides are; -1 where there are too many. */
int vk_chain_pattern(vk_chain_plan *c, const cr_meta *m);
/* Begins the body: the element's places, and the inputs' elements. The dimensions are in the given order, or (null) in the one
 * that suits the first pattern. Then all nodes; false where one isn't elementwise. */
bool vk_chain_write(vk_chain_plan *c, const int *order);
/* The value as a node reads it. */
vk_term vk_chain_value(vk_chain_plan *c, uint32_t value);
/* Calls NAME_SUFFIX. */
vk_term vk_chain_call(vk_chain_plan *c, const char *name, const char *suffix, uint32_t nargs,
                      const vk_term *args);
const char *vk_chain_dtype(int32_t dtype);
/* Writes the space's dimensions, CR_MAX_RANK of them. */
void vk_chain_dims(const vk_chain_plan *c, vk_chain_dim *dims);
/* Binds the run's inputs behind what is written, and its numbers. */
void vk_chain_bind(const vk_chain *chain, const cr_run *run, uint32_t nin, uint32_t written,
                   vk_launch *launch);

#endif
