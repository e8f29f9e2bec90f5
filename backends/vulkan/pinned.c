/* Host memory that the device's copies read by themselves: mapped blocks, recorded copies from which
 * need no staging. */
#include "vulkan.h"

#include <stdlib.h>

struct vk_pinned {
    vk_block block;
    uint64_t used_by; /* the last submission that reads it */
    vk_pinned *next;
};

static vk_pinned **find(cr_device *d, const void *memory)
{
    vk_pinned **at = &d->pinned;
    const char *wanted = memory;
    while (*at && !(wanted >= (char *)(*at)->block.mapped &&
                    wanted < (char *)(*at)->block.mapped + (*at)->block.size))
        at = &(*at)->next;
    return at;
}

cr_status vk_host_alloc(cr_device *d, size_t bytes, void **memory)
{
    if (d->lost)
        return vk_still_lost(d);
    vk_pinned *p = calloc(1, sizeof *p);
    if (!p)
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "the host has no %zu bytes left",
                             sizeof *p);
    uint32_t type = vk_memory_type(
        d, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
        VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    cr_status status = vk_block_new(d, bytes, type, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, &p->block);
    if (status != CR_OK) {
        free(p);
        return status;
    }
    p->next = d->pinned;
    d->pinned = p;
    *memory = p->block.mapped;
    return CR_OK;
}

void vk_host_free(cr_device *d, void *memory)
{
    vk_pinned **at = find(d, memory), *p = *at;
    *at = p->next;
    if (!d->hung) /* what hangs may still read it */
        vk_block_free(d, &p->block);
    free(p);
}

cr_status vk_host_copy(cr_device *d, cr_buffer *to, size_t offset, const void *from, size_t bytes)
{
    if (d->lost || (d->memory.mapped && vk_is_done(d, to->used_by)))
        return vk_copy_in(d, to, offset, from, bytes);
    vk_pinned *p = *find(d, from);
    VkCommandBuffer commands;
    cr_status status = vk_record_uses(d, NULL, to, &commands);
    if (status != CR_OK)
        return status;
    VkBufferCopy region = {(VkDeviceSize)((const char *)from - (const char *)p->block.mapped),
                           to->span.offset + offset, bytes};
    vkCmdCopyBuffer(commands, p->block.buffer, to->span.block->buffer, 1, &region);
    p->used_by = d->recorder.value;
    return CR_OK;
}

cr_status vk_host_wait(cr_device *d, void *memory)
{
    return vk_wait(d, (*find(d, memory))->used_by);
}
