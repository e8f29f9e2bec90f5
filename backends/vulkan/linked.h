/* Pipelines of shaders that are put together at run time: spirv.h says how, shaders/pieces.glsl has the pieces. */
#ifndef CRESSET_BACKENDS_VULKAN_LINKED_H
#define CRESSET_BACKENDS_VULKAN_LINKED_H

#include "spirv.h"
#include "vulkan.h"

/* Which kernel it is whose body is written: of shaders/chain.comp, or of shaders/reduce.comp. */
typedef enum vk_kit { VK_KIT_CHAIN, VK_KIT_REDUCE, VK_KITS } vk_kit;

/* The device's pieces, read at first; null after saying why. */
const vk_pieces *vk_pieces_of(cr_device *d, vk_kit kit);
/* The pipeline of the pieces with this body and these specialisation constants, built when it is first asked for. After CR_OK
 * the body is empty: its code was taken over, or freed. name is copied; group 0 is the device's usual size. */
cr_status vk_pipeline_linked(cr_device *d, vk_body *body, const char *name, uint32_t group,
                             const uint32_t *special, int nspecial, vk_pipeline **pipeline);
/* The shader whose pieces it is made of; builds what gets at memory so. */
vk_shader vk_linked_shader(const cr_device *d, const vk_pipeline *pipeline);
VkResult vk_linked_build(cr_device *d, const vk_pipeline *pipeline, vk_reach by,
                         VkPipeline *handle);
/* What such a pipeline (its shader is VK_SHADERS) owns beside itself. */
void vk_linked_free(vk_pipeline *pipeline);

#endif
