/* Constants: the sizes, strides and switches that a plan writes once and its kernels read as a
 * uniform block. They lie in slabs of equal slots, one descriptor set a slab, the slot chosen by
 * the dynamic offset. A freed slot waits until the device has passed what may still read it. */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 256 }; /* of a slab */

typedef struct vk_slab {
    vk_block block;
    VkDescriptorPool pool;
    vk_constant slots[SLOTS];
    struct vk_slab *next;
} vk_slab;

cr_status vk_constants_init(cr_device *d)
{
    vk_constants *c = &d->constants;
    uint32_t align = (uint32_t)d->profile->limits.minUniformBufferOffsetAlignment;
    c->slot = align ? (VK_CONSTANT_BYTES + align - 1) / align * align : VK_CONSTANT_BYTES;
    VkDescriptorSetLayoutBinding binding = {.binding = 0,
                                            .descriptorType =
                                                VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
                                            .descriptorCount = 1,
                                            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo info = {.sType =
                                                VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                            .bindingCount = 1,
                                            .pBindings = &binding};
    VkResult result = vkCreateDescriptorSetLayout(d->handle, &info, NULL, &c->layout);
    if (result == VK_SUCCESS)
        return CR_OK;
    c->layout = VK_NULL_HANDLE;
    return vk_failed(d, result, "vkCreateDescriptorSetLayout");
}

static void slab_free(cr_device *d, vk_slab *slab)
{
    vkDestroyDescriptorPool(d->handle, slab->pool, NULL); /* and the set */
    vk_block_free(d, &slab->block);
    free(slab);
}

void vk_constants_close(cr_device *d)
{
    while (d->constants.slabs) {
        vk_slab *slab = d->constants.slabs;
        d->constants.slabs = slab->next;
        slab_free(d, slab);
    }
    vkDestroyDescriptorSetLayout(d->handle, d->constants.layout, NULL);
}

static VkResult make_set(cr_device *d, vk_slab *slab, VkDescriptorSet *set)
{
    VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC, 1};
    VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .maxSets = 1,
                                       .poolSizeCount = 1,
                                       .pPoolSizes = &size};
    VkResult result = vkCreateDescriptorPool(d->handle, &pool, NULL, &slab->pool);
    if (result != VK_SUCCESS) {
        slab->pool = VK_NULL_HANDLE;
        return result;
    }
    VkDescriptorSetAllocateInfo sets = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = slab->pool,
                                        .descriptorSetCount = 1,
                                        .pSetLayouts = &d->constants.layout};
    result = vkAllocateDescriptorSets(d->handle, &sets, set);
    if (result != VK_SUCCESS)
        return result;
    VkDescriptorBufferInfo buffer = {slab->block.buffer, 0, VK_CONSTANT_BYTES};
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstSet = *set,
                                  .descriptorCount = 1,
                                  .descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC,
                                  .pBufferInfo = &buffer};
    vkUpdateDescriptorSets(d->handle, 1, &write, 0, NULL);
    return VK_SUCCESS;
}

static cr_status slab_new(cr_device *d)
{
    vk_constants *c = &d->constants;
    vk_slab *slab = calloc(1, sizeof *slab);
    if (!slab)
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "the host has no %zu bytes left",
                             sizeof *slab);
    uint32_t type = vk_memory_type(
        d, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    cr_status status = vk_block_new(d, (size_t)SLOTS * c->slot, type,
                                    VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, &slab->block);
    VkDescriptorSet set = VK_NULL_HANDLE;
    VkResult result = status == CR_OK ? make_set(d, slab, &set) : VK_SUCCESS;
    if (result != VK_SUCCESS)
        status = vk_failed(d, result, "making a descriptor set");
    if (status != CR_OK) {
        slab_free(d, slab);
        return status;
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        slab->slots[i] =
            (vk_constant){.set = set, .offset = i * c->slot, .slab = slab, .next = c->spare};
        c->spare = &slab->slots[i];
    }
    slab->next = c->slabs;
    c->slabs = slab;
    return CR_OK;
}

/* Moves what the device has passed to the spare ones. */
static void reclaim(cr_device *d)
{
    vk_constants *c = &d->constants;
    vk_constant **at = &c->retired;
    while (*at) {
        vk_constant *one = *at;
        if (!vk_is_done(d, one->retired_by)) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        one->next = c->spare;
        c->spare = one;
    }
}

cr_status vk_constant_new(cr_device *d, const void *data, size_t bytes, vk_constant **constant)
{
    vk_constants *c = &d->constants;
    *constant = NULL;
    if (bytes > VK_CONSTANT_BYTES)
        return vk_host->fail(vk_host, CR_FAILED, "a plan's constants have %zu bytes, more than %d",
                             bytes, VK_CONSTANT_BYTES);
    if (!c->spare)
        reclaim(d);
    if (!c->spare) {
        cr_status status = slab_new(d);
        if (status != CR_OK)
            return status;
    }
    vk_constant *one = c->spare;
    c->spare = one->next;
    memcpy(one->slab->block.mapped + one->offset, data, bytes);
    *constant = one;
    return CR_OK;
}

void vk_constant_free(cr_device *d, vk_constant *constant)
{
    if (!constant)
        return;
    constant->retired_by = d->recorder.open ? d->recorder.value : d->recorder.value - 1;
    constant->next = d->constants.retired;
    d->constants.retired = constant;
}
