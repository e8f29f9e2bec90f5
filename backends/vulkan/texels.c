/* Values as texels. Mesa's llvmpipe carries out a subgroup's invocations as the lanes of vector
 * instructions, but goes through them one by one to load from memory or to store; loads from images
 * are one instruction that gathers. On such a device every block of memory is also a buffer of
 * texels, and kernels whose values lie in one block (most blocks are larger than all that a program
 * has) come in a flavour that uses those, and has its arguments in a uniform block, too: see
 * shaders/memory.glsl. */
#include "vulkan.h"

#include <string.h>

enum {
    BLOCKS = 64, /* that have texels at a time; values in others are reached as elsewhere */
    ARGS = 256   /* bytes from one launch's arguments to the next's */
};

/* What a block is read and written by. */
static const VkDescriptorType block_types[] = {VK_DESCRIPTOR_TYPE_STORAGE_TEXEL_BUFFER,
                                               VK_DESCRIPTOR_TYPE_STORAGE_BUFFER};
static const VkDescriptorType args_type = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER_DYNAMIC;

static VkResult make_layout(cr_device *d, const VkDescriptorType *types, uint32_t count,
                            VkDescriptorSetLayout *layout)
{
    VkDescriptorSetLayoutBinding bindings[2];
    for (uint32_t i = 0; i < count; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                     .descriptorType = types[i],
                                                     .descriptorCount = 1,
                                                     .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo info = {.sType =
                                                VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                            .bindingCount = count,
                                            .pBindings = bindings};
    VkResult result = vkCreateDescriptorSetLayout(d->handle, &info, NULL, layout);
    if (result != VK_SUCCESS)
        *layout = VK_NULL_HANDLE;
    return result;
}

static VkResult make_set(cr_device *d, const VkDescriptorSetLayout *layout, VkDescriptorSet *set)
{
    VkDescriptorSetAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                        .descriptorPool = d->texels.pool,
                                        .descriptorSetCount = 1,
                                        .pSetLayouts = layout};
    VkResult result = vkAllocateDescriptorSets(d->handle, &info, set);
    if (result != VK_SUCCESS)
        *set = VK_NULL_HANDLE;
    return result;
}

static VkResult make_pool(cr_device *d)
{
    const VkDescriptorPoolSize sizes[] = {
        {block_types[0], BLOCKS}, {block_types[1], BLOCKS}, {args_type, 1}};
    VkDescriptorPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                       .flags = VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT,
                                       .maxSets = BLOCKS + 1,
                                       .poolSizeCount = 3,
                                       .pPoolSizes = sizes};
    VkResult result = vkCreateDescriptorPool(d->handle, &pool, NULL, &d->texels.pool);
    if (result != VK_SUCCESS)
        d->texels.pool = VK_NULL_HANDLE;
    return result;
}

cr_status vk_texels_init(cr_device *d)
{
    vk_texels *t = &d->texels;
    VkResult result = make_layout(d, block_types, 2, &t->layout[VK_TEXELS_BLOCK]);
    if (result == VK_SUCCESS)
        result = make_layout(d, &args_type, 1, &t->layout[VK_TEXELS_ARGS]);
    if (result == VK_SUCCESS)
        result = make_pool(d);
    if (result == VK_SUCCESS)
        result = make_set(d, &t->layout[VK_TEXELS_ARGS], &t->args_set);
    if (result != VK_SUCCESS)
        return vk_failed(d, result, "making the descriptors of texels");
    uint32_t type = vk_memory_type(
        d, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, 0);
    cr_status status = vk_block_new(d, (size_t)VK_SLOTS * VK_BATCH * ARGS, type,
                                    VK_BUFFER_USAGE_UNIFORM_BUFFER_BIT, &t->args);
    if (status != CR_OK)
        return status;
    VkDescriptorBufferInfo buffer = {t->args.buffer, 0, sizeof(vk_args)};
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstSet = t->args_set,
                                  .descriptorCount = 1,
                                  .descriptorType = args_type,
                                  .pBufferInfo = &buffer};
    vkUpdateDescriptorSets(d->handle, 1, &write, 0, NULL);
    return CR_OK;
}

void vk_texels_close(cr_device *d)
{
    vk_block_free(d, &d->texels.args);
    vkDestroyDescriptorPool(d->handle, d->texels.pool, NULL);
    for (int i = 0; i < VK_TEXELS_SETS; i++)
        vkDestroyDescriptorSetLayout(d->handle, d->texels.layout[i], NULL);
}

void vk_texels_add(cr_device *d, vk_block *b)
{
    const VkPhysicalDeviceLimits *limits = &d->profile->limits;
    if (!d->texels.on || b->size / 4 > limits->maxTexelBufferElements ||
        b->size > limits->maxStorageBufferRange)
        return;
    VkBufferViewCreateInfo view = {.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
                                   .buffer = b->buffer,
                                   .format = VK_FORMAT_R32_UINT,
                                   .range = b->size};
    if (vkCreateBufferView(d->handle, &view, NULL, &b->view) != VK_SUCCESS) {
        b->view = VK_NULL_HANDLE;
        return;
    }
    if (make_set(d, &d->texels.layout[VK_TEXELS_BLOCK], &b->texels) != VK_SUCCESS) {
        vkDestroyBufferView(d->handle, b->view, NULL);
        b->view = VK_NULL_HANDLE;
        return;
    }
    VkDescriptorBufferInfo words = {b->buffer, 0, b->size};
    VkWriteDescriptorSet writes[2];
    for (uint32_t i = 0; i < 2; i++)
        writes[i] = (VkWriteDescriptorSet){.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                           .dstSet = b->texels,
                                           .dstBinding = i,
                                           .descriptorCount = 1,
                                           .descriptorType = block_types[i],
                                           .pBufferInfo = &words,
                                           .pTexelBufferView = &b->view};
    vkUpdateDescriptorSets(d->handle, 2, writes, 0, NULL);
}

void vk_texels_remove(cr_device *d, vk_block *b)
{
    if (b->texels)
        vkFreeDescriptorSets(d->handle, d->texels.pool, 1, &b->texels);
    vkDestroyBufferView(d->handle, b->view, NULL);
}

const vk_block *vk_texels_of(const cr_device *d, const vk_launch *launch)
{
    if (!launch->nuses || !vk_can_use_texels(d, launch->pipeline))
        return NULL;
    const vk_block *block = launch->use[0].buffer->span.block;
    for (int i = 1; i < launch->nuses; i++)
        if (launch->use[i].buffer->span.block != block)
            return NULL;
    return block->texels ? block : NULL;
}

void vk_texels_bind(cr_device *d, const vk_block *block, vk_launch *launch)
{
    const vk_recorder *r = &d->recorder;
    const vk_slot *slot = r->open;
    uint32_t at = (uint32_t)((slot - r->slots) * VK_BATCH + r->count) * ARGS;
    const VkDescriptorSet sets[VK_TEXELS_SETS] = {block->texels, d->texels.args_set};
    launch->args.word[VK_WORD_BLOCK] = (uint32_t)block->address;
    memcpy(d->texels.args.mapped + at, &launch->args, sizeof launch->args);
    vkCmdBindDescriptorSets(slot->commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipelines.layout, 1,
                            VK_TEXELS_SETS, sets, 1, &at);
}
