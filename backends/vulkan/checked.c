/* The checked flavour of kernels: values are bound as storage buffers, pushed before every dispatch, instead of being
 * reached by address. For drivers without device addresses; and with CRESSET_VULKAN_CHECKED=1 for looking for errors, since
 * the driver then keeps accesses inside of the bound buffers and the validation layer sees what is bound. A value larger
 * than what one descriptor reaches is left to the cpu backend. See shaders/memory.glsl. */
#include "vulkan.h"

#include <string.h>

cr_status vk_values_init(cr_device *d)
{
    VkDescriptorSetLayoutBinding all = {.binding = 0,
                                        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                        .descriptorCount = VK_CHECKED_SLOTS,
                                        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .flags = VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR,
        .bindingCount = 1,
        .pBindings = &all};
    PFN_vkVoidFunction push = vkGetDeviceProcAddr(d->handle, "vkCmdPushDescriptorSetKHR");
    if (!push)
        return vk_host->fail(vk_host, CR_FAILED,
                             "%s offers push descriptors, but has no vkCmdPushDescriptorSetKHR",
                             d->profile->name);
    d->values.push = (PFN_vkCmdPushDescriptorSetKHR)push;
    VkResult result = vkCreateDescriptorSetLayout(d->handle, &info, NULL, &d->values.layout);
    if (result != VK_SUCCESS) {
        d->values.layout = VK_NULL_HANDLE;
        return vk_failed(d, result, "vkCreateDescriptorSetLayout");
    }
    /* What lies before the value, down to an address that can be bound, counts. */
    d->values.most = d->profile->limits.maxStorageBufferRange -
                     (size_t)d->profile->limits.minStorageBufferOffsetAlignment;
    return CR_OK;
}

void vk_values_close(cr_device *d)
{
    vkDestroyDescriptorSetLayout(d->handle, d->values.layout, NULL);
}

void vk_values_push(cr_device *d, VkCommandBuffer commands, vk_launch *launch)
{
    const VkPhysicalDeviceLimits *limits = &d->profile->limits;
    size_t align = (size_t)limits->minStorageBufferOffsetAlignment;
    align = align < 4 ? 4 : align; /* lean kernels see words */
    const VkDescriptorBufferInfo report = {d->recorder.reports.buffer, 0,
                                           VK_REPORTS * sizeof(vk_report)};
    VkDescriptorBufferInfo info[VK_CHECKED_SLOTS];
    for (int i = 0; i < VK_CHECKED_SLOTS; i++) {
        const cr_buffer *b = i < VK_ARGS_AT ? launch->bound[i].buffer : NULL;
        info[i] = report; /* also where nothing is: a descriptor must be something */
        if (!b)
            continue;
        size_t at = b->span.offset + launch->bound[i].offset, first = at / align * align;
        size_t range = b->span.offset + b->span.size - first;
        info[i] = (VkDescriptorBufferInfo){
            b->span.block->buffer, first,
            range < limits->maxStorageBufferRange ? range : limits->maxStorageBufferRange};
        launch->args.at[i] = (uint64_t)i << 32 | (at - first);
    }
    launch->args.status =
        (uint64_t)(VK_CHECKED_SLOTS - 1) << 32 | launch->reporter * sizeof(vk_report);
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstBinding = 0,
                                  .descriptorCount = VK_CHECKED_SLOTS,
                                  .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  .pBufferInfo = info};
    d->values.push(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipelines.layout, 1, 1, &write);
}
