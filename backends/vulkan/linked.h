/* Pipelines of shaders that are put together at run time: spirv.h says how, shaders/chain.comp has the pieces. */
#ifndef CRESSET_BACKENDS_VULKAN_LINKED_H
#define CRESSET_BACKENDS_VULKAN_LINKED_H

#include "spirv.h"
#include "vulkan.h"

/* The device's pieces, read at first; null after saying why. */
const vk_pieces *vk_pieces_of(cr_device *d);
/* The pipeline of the pieces with this body, built when it is first asked for. After CR_OK the body is empty: its code was
 * taken over, or freed. name is copied. */
cr_status vk_pipeline_linked(cr_device *d, vk_body *body, const char *name,
                             const vk_pipeline **pipeline);
/* What such a pipeline (its shader is VK_SHADERS) owns beside itself. */
void vk_linked_free(vk_pipeline *pipeline);

#endif
