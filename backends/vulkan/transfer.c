/* To and from the host: directly where tensors lie in mapped memory that nothing under way uses,
 * else through staging memory and copies recorded in order with everything else. */
#include "vulkan.h"

#include <string.h>

static const size_t staging_size = (size_t)1 << 20; /* of each slot */

/* Room for up to `wanted` bytes in the open slot's staging memory; a full one is sent first. */
static cr_status stage(cr_device *d, size_t wanted, vk_slot **slot, size_t *at, size_t *room)
{
    cr_status status = vk_open_slot(d, slot);
    if (status == CR_OK && (*slot)->staging.mapped && staging_size - (*slot)->staged < 256 &&
        (status = vk_submit(d)) == CR_OK)
        status = vk_open_slot(d, slot);
    if (status != CR_OK)
        return status;
    if (!(*slot)->staging.mapped) {
        uint32_t type = vk_memory_type(
            d, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
            VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
        status = vk_block_new(d, staging_size, type,
                              VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                              &(*slot)->staging);
        if (status != CR_OK)
            return status;
    }
    *at = (*slot)->staged;
    *room = staging_size - *at < wanted ? staging_size - *at : wanted;
    (*slot)->staged = (*at + *room + 255) / 256 * 256;
    if ((*slot)->staged > staging_size)
        (*slot)->staged = staging_size;
    return CR_OK;
}

cr_status vk_copy_in(cr_device *d, cr_buffer *to, size_t offset, const void *from, size_t bytes)
{
    if (d->lost)
        return vk_still_lost(d);
    vk_span *span = &to->span;
    if (d->memory.mapped && vk_is_done(d, to->used_by)) {
        memcpy(span->block->mapped + span->offset + offset, from, bytes);
        return CR_OK;
    }
    while (bytes) {
        vk_slot *slot;
        VkCommandBuffer commands;
        size_t at, room;
        cr_status status = stage(d, bytes, &slot, &at, &room);
        if (status == CR_OK)
            status = vk_record_uses(d, NULL, to, &commands);
        if (status != CR_OK)
            return status;
        memcpy(slot->staging.mapped + at, from, room);
        VkBufferCopy region = {at, span->offset + offset, room};
        vkCmdCopyBuffer(commands, slot->staging.buffer, span->block->buffer, 1, &region);
        from = (const char *)from + room;
        offset += room;
        bytes -= room;
    }
    return CR_OK;
}

/* A piece at a time: the copy is sent and waited for. */
static cr_status copy_out_staged(cr_device *d, char *to, cr_buffer *from, size_t offset,
                                 size_t bytes)
{
    while (bytes) {
        vk_slot *slot;
        VkCommandBuffer commands;
        size_t at, room;
        cr_status status = stage(d, bytes, &slot, &at, &room);
        if (status == CR_OK)
            status = vk_record_uses(d, from, NULL, &commands);
        if (status != CR_OK)
            return status;
        VkBufferCopy region = {from->span.offset + offset, at, room};
        vkCmdCopyBuffer(commands, from->span.block->buffer, slot->staging.buffer, 1, &region);
        status = vk_wait(d, d->recorder.value);
        if (status != CR_OK)
            return status;
        memcpy(to, slot->staging.mapped + at, room);
        to += room;
        offset += room;
        bytes -= room;
    }
    return CR_OK;
}

cr_status vk_copy_out(cr_device *d, void *to, cr_buffer *from, size_t offset, size_t bytes)
{
    if (d->lost)
        return vk_still_lost(d);
    cr_status status;
    if (d->memory.mapped && d->memory.cached) {
        status = vk_wait(d, from->written_by);
        if (status == CR_OK)
            memcpy(to, from->span.block->mapped + from->span.offset + offset, bytes);
    } else {
        status = copy_out_staged(d, to, from, offset, bytes);
    }
    return status == CR_OK ? vk_check_reports(d) : status;
}

void *vk_host_pointer(cr_device *d, cr_buffer *buffer)
{
    return d->memory.mapped && d->memory.cached ? buffer->span.block->mapped + buffer->span.offset
                                                : NULL;
}

cr_status vk_sync(cr_device *d)
{
    cr_status status = vk_wait(d, d->recorder.open ? d->recorder.value : d->recorder.value - 1);
    return status == CR_OK ? vk_check_reports(d) : status;
}
