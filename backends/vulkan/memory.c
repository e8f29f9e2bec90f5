/* Device memory: a few large blocks, each cut into spans, the best fit first. The core keeps what
 * it gets, so this is off every hot path; a block whose last span comes back is returned to
 * Vulkan. */
#include "vulkan.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 256 };
static const size_t smallest_block = (size_t)16 << 20, largest_block = (size_t)256 << 20;

/* ---- blocks ---- */

uint32_t vk_memory_type(const cr_device *d, VkMemoryPropertyFlags must, VkMemoryPropertyFlags wish)
{
    const VkPhysicalDeviceMemoryProperties *m = &d->profile->memories;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < m->memoryTypeCount; i++) {
            VkMemoryPropertyFlags flags = m->memoryTypes[i].propertyFlags;
            VkMemoryPropertyFlags needed = pass ? must : must | wish;
            bool odd = flags &
                       (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
                        VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD);
            if ((flags & needed) == needed && !odd)
                return i;
        }
    return UINT32_MAX;
}

static VkResult bind_block(cr_device *d, vk_block *b, uint32_t type, VkBufferUsageFlags usage)
{
    VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = b->size, .usage = usage};
    VkResult result = vkCreateBuffer(d->handle, &buffer, NULL, &b->buffer);
    if (result != VK_SUCCESS) {
        b->buffer = VK_NULL_HANDLE;
        return result;
    }
    VkMemoryRequirements needs;
    vkGetBufferMemoryRequirements(d->handle, b->buffer, &needs);
    if (!(needs.memoryTypeBits & 1u << type))
        return VK_ERROR_FEATURE_NOT_PRESENT;
    VkMemoryAllocateFlagsInfo flags = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO,
                                       .flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    VkMemoryAllocateInfo memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                   .pNext = d->checked ? NULL : &flags,
                                   .allocationSize = needs.size,
                                   .memoryTypeIndex = type};
    result = vkAllocateMemory(d->handle, &memory, NULL, &b->memory);
    if (result != VK_SUCCESS) {
        b->memory = VK_NULL_HANDLE;
        return result;
    }
    result = vkBindBufferMemory(d->handle, b->buffer, b->memory, 0);
    if (result == VK_SUCCESS &&
        d->profile->memories.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
        result = vkMapMemory(d->handle, b->memory, 0, VK_WHOLE_SIZE, 0, (void **)&b->mapped);
    if (result != VK_SUCCESS || d->checked)
        return result;
    VkBufferDeviceAddressInfo where = {.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO,
                                       .buffer = b->buffer};
    b->address = vkGetBufferDeviceAddress(d->handle, &where);
    return VK_SUCCESS;
}

/* The words are the caller's, who knows what the memory was for. */
static VkResult block_new(cr_device *d, size_t size, uint32_t type, VkBufferUsageFlags usage,
                          vk_block *b)
{
    memset(b, 0, sizeof *b);
    b->size = size;
    VkResult result = bind_block(
        d, b, type, usage | (d->checked ? 0u : VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT));
    if (result != VK_SUCCESS)
        vk_block_free(d, b);
    return result;
}

cr_status vk_block_new(cr_device *d, size_t size, uint32_t type, VkBufferUsageFlags usage,
                       vk_block *block)
{
    VkResult result =
        type == UINT32_MAX ? VK_ERROR_FEATURE_NOT_PRESENT : block_new(d, size, type, usage, block);
    if (result == VK_SUCCESS)
        return CR_OK;
    memset(block, 0, sizeof *block);
    if (result == VK_ERROR_DEVICE_LOST)
        return vk_failed(d, result, "vkAllocateMemory");
    return vk_host->fail(vk_host,
                         result == VK_ERROR_OUT_OF_DEVICE_MEMORY ? CR_OUT_OF_MEMORY : CR_FAILED,
                         "%zu bytes for the backend's own use: %s", size, vk_result_name(result));
}

void vk_block_free(cr_device *d, vk_block *b)
{
    vk_texels_remove(d, b);
    vkDestroyBuffer(d->handle, b->buffer, NULL);
    vkFreeMemory(d->handle, b->memory, NULL); /* unmaps */
    memset(b, 0, sizeof *b);
}

/* ---- spans ---- */

/* Every span is allocated as large as a cr_buffer, so that a free one can become one. */
static vk_span *span_new(vk_block *block, size_t offset, size_t size)
{
    cr_buffer *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->span.block = block;
    b->span.offset = offset;
    b->span.size = size;
    return &b->span;
}

static void unlink_span(vk_span *s)
{
    if (s->before)
        s->before->after = s->after;
    else
        s->block->first = s->after;
    if (s->after)
        s->after->before = s->before;
}

/* Cuts the span down to size and leaves the rest free. */
static bool split(vk_span *s, size_t size)
{
    if (s->size - size < ALIGNMENT)
        return true;
    vk_span *rest = span_new(s->block, s->offset + size, s->size - size);
    if (!rest)
        return false;
    rest->before = s;
    rest->after = s->after;
    if (s->after)
        s->after->before = rest;
    s->after = rest;
    s->size = size;
    return true;
}

static vk_span *best_fit(const vk_memory *m, size_t size)
{
    vk_span *best = NULL;
    for (vk_block *b = m->blocks; b; b = b->next) {
        if (b->size - b->used < size)
            continue;
        for (vk_span *s = b->first; s; s = s->after)
            if (!s->taken && s->size >= size && (!best || s->size < best->size))
                best = s;
    }
    return best;
}

/* ---- alloc and free ---- */

static cr_status out_of_memory(cr_device *d, size_t bytes, VkResult result)
{
    uint64_t left, all, held = 0;
    for (vk_block *b = d->memory.blocks; b; b = b->next)
        held += b->size;
    if (vk_budget(d, &left, &all))
        return vk_host->fail(
            vk_host, CR_OUT_OF_MEMORY,
            "%s has no %zu bytes left (%s): %llu of its %llu bytes are free, %llu are held by "
            "this program",
            d->profile->name, bytes, vk_result_name(result), (unsigned long long)left,
            (unsigned long long)all, (unsigned long long)held);
    return vk_host->fail(vk_host, CR_OUT_OF_MEMORY,
                         "%s has no %zu bytes left (%s): its heap has %llu bytes, of which %llu "
                         "are held by this program",
                         d->profile->name, bytes, vk_result_name(result), (unsigned long long)all,
                         (unsigned long long)held);
}

/* What goes beyond the budget would be taken from others, if it came at all. */
static VkResult block_within_budget(cr_device *d, size_t size, VkBufferUsageFlags usage,
                                    vk_block *b)
{
    uint64_t left, all;
    if (vk_budget(d, &left, &all) && size > left)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    return block_new(d, size, d->memory.type, usage, b);
}

/* A block for at least size bytes; of the usual size if that fits and the device has it. */
static cr_status grow(cr_device *d, size_t size)
{
    vk_memory *m = &d->memory;
    const VkBufferUsageFlags usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                     VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                     VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                     (d->texels.on ? VK_BUFFER_USAGE_STORAGE_TEXEL_BUFFER_BIT : 0u);
    vk_block *b = calloc(1, sizeof *b);
    if (!b)
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "the host has no %zu bytes left",
                             sizeof *b);
    size_t usual = size > m->next_size / 2 ? size : m->next_size;
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    if (size <= d->profile->most_allocation) {
        result = block_within_budget(d, usual, usage, b);
        if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY && usual > size)
            result = block_within_budget(d, size, usage, b);
    }
    if (result == VK_SUCCESS && !(b->first = span_new(b, 0, b->size))) {
        vk_block_free(d, b);
        result = VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (result != VK_SUCCESS) {
        free(b);
        if (result == VK_ERROR_DEVICE_LOST)
            return vk_failed(d, result, "vkAllocateMemory");
        return out_of_memory(d, size, result);
    }
    if (b->size == m->next_size && m->next_size < largest_block)
        m->next_size *= 2;
    vk_texels_add(d, b);
    b->next = m->blocks;
    m->blocks = b;
    return CR_OK;
}

cr_status vk_alloc(cr_device *d, size_t bytes, cr_buffer **buffer)
{
    if (d->lost)
        return vk_still_lost(d);
    if (bytes > PTRDIFF_MAX - ALIGNMENT)
        return out_of_memory(d, bytes, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    size_t size = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    vk_span *s = best_fit(&d->memory, size);
    if (!s) {
        cr_status status = grow(d, size);
        if (status != CR_OK)
            return status;
        s = best_fit(&d->memory, size);
    }
    if (!s || !split(s, size))
        return vk_host->fail(vk_host, CR_OUT_OF_MEMORY, "the host has no memory left");
    s->taken = true;
    s->block->used += s->size;
    cr_buffer *b = (cr_buffer *)s;
    b->address = s->block->address + s->offset;
    b->read_epoch = b->write_epoch = b->used_by = b->written_by = 0;
    *buffer = b;
    return CR_OK;
}

static void free_block(cr_device *d, vk_block *block)
{
    vk_block **at = &d->memory.blocks;
    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
    while (block->first) {
        vk_span *s = block->first;
        block->first = s->after;
        free(s);
    }
    vk_block_free(d, block);
    free(block);
}

void vk_free(cr_device *d, cr_buffer *buffer)
{
    vk_span *s = &buffer->span;
    if (!d->lost && !vk_is_done(d, buffer->used_by))
        vk_wait(d, buffer->used_by);
    s->taken = false;
    s->block->used -= s->size;
    for (int side = 0; side < 2; side++) {
        vk_span *low = side ? s : s->before, *high = side ? s->after : s;
        if (!low || !high || low->taken || high->taken)
            continue;
        low->size += high->size;
        unlink_span(high);
        if (s == high)
            s = low;
        free(high);
    }
    if (!s->block->used && !d->hung)
        free_block(d, s->block);
}

/* ---- the whole ---- */

/* A type of the device's own memory that can be written through a mapping, if all of it can be: a
 * small window is for others. UINT32_MAX if none. */
static uint32_t writable_type(const cr_device *d)
{
    const VkPhysicalDeviceMemoryProperties *m = &d->profile->memories;
    VkDeviceSize largest = 0;
    for (uint32_t i = 0; i < m->memoryHeapCount; i++)
        if (m->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT &&
            m->memoryHeaps[i].size > largest)
            largest = m->memoryHeaps[i].size;
    uint32_t type =
        vk_memory_type(d,
                       VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                           VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                       0);
    return type != UINT32_MAX && m->memoryHeaps[m->memoryTypes[type].heapIndex].size >= largest
               ? type
               : UINT32_MAX;
}

/* Where the device's own memory can be mapped and is cached by the processor (integrated devices,
 * software ones), tensors lie there and are copied directly. A discrete device's is read through
 * staging, and written so too unless all of it can be mapped. */
cr_status vk_memory_init(cr_device *d)
{
    vk_memory *m = &d->memory;
    const VkMemoryPropertyFlags direct =
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
        VK_MEMORY_PROPERTY_HOST_COHERENT_BIT | VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
    m->type = UINT32_MAX;
    if (d->profile->type != VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU)
        m->type = vk_memory_type(d, direct, 0);
    m->mapped = m->cached = m->type != UINT32_MAX;
    if (m->type == UINT32_MAX) {
        m->type = writable_type(d);
        m->mapped = m->type != UINT32_MAX;
    }
    if (m->type == UINT32_MAX)
        m->type = vk_memory_type(d, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0);
    if (m->type == UINT32_MAX)
        return vk_host->fail(vk_host, CR_FAILED, "%s has no memory for tensors", d->profile->name);
    /* What isn't used of a software device's block costs nothing; see texels.c. */
    m->next_size = d->texels.on ? (size_t)128 << 20 : smallest_block;
    return CR_OK;
}

void vk_memory_close(cr_device *d)
{
    while (d->memory.blocks)
        free_block(d, d->memory.blocks);
}
