/* Recording: dispatches go into the open command buffer and are sent when there are enough of them,
 * when the device has nothing to do, or when someone waits.
 *
 * Barriers: time is cut into epochs, and a barrier ends one. A buffer remembers the epochs in which
 * it was last read and last written; a command that would meet one of them in the present epoch gets
 * a barrier first. Each command buffer begins with one. */
#include "vulkan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_EACH = 16,  /* how often the recorder looks whether the device is idle */
    WAIT_SECONDS = 1 /* of one wait; see `patience` */
};

/* ---- making and ending ---- */

static VkResult make_slot(cr_device *d, vk_slot *slot)
{
    VkCommandPoolCreateInfo pool = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                    .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
                                    .queueFamilyIndex = d->family};
    VkResult result = vkCreateCommandPool(d->handle, &pool, NULL, &slot->pool);
    if (result != VK_SUCCESS) {
        slot->pool = VK_NULL_HANDLE;
        return result;
    }
    VkCommandBufferAllocateInfo commands = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .commandPool = slot->pool,
                                            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                            .commandBufferCount = 1};
    return vkAllocateCommandBuffers(d->handle, &commands, &slot->commands);
}

cr_status vk_recorder_init(cr_device *d)
{
    vk_recorder *r = &d->recorder;
    r->value = 1;
    r->epoch = 1;
    VkSemaphoreTypeCreateInfo type = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                      .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE};
    VkSemaphoreCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type};
    VkResult result = vkCreateSemaphore(d->handle, &info, NULL, &r->timeline);
    if (result != VK_SUCCESS) {
        r->timeline = VK_NULL_HANDLE;
        return vk_failed(d, result, "vkCreateSemaphore");
    }
    for (int i = 0; i < VK_SLOTS; i++) {
        result = make_slot(d, &r->slots[i]);
        if (result != VK_SUCCESS)
            return vk_failed(d, result, "making a command buffer");
    }
    uint32_t host = vk_memory_type(
        d, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
        VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    const size_t bytes = VK_REPORTS * sizeof(vk_report);
    cr_status status =
        vk_block_new(d, bytes, host, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, &r->reports);
    if (status != CR_OK)
        return status;
    memset(r->reports.mapped, 0, bytes);
    return vk_timer_init(d);
}

void vk_recorder_close(cr_device *d)
{
    vk_recorder *r = &d->recorder;
    for (int i = 0; i < VK_SLOTS; i++) {
        vkDestroyCommandPool(d->handle, r->slots[i].pool, NULL);
        vk_block_free(d, &r->slots[i].staging);
    }
    vk_block_free(d, &r->reports);
    vkDestroySemaphore(d->handle, r->timeline, NULL);
}

/* ---- waiting ---- */

/* Seconds without any progress after which the device is taken for lost. */
static uint64_t patience(void)
{
    const char *text = vk_env("CRESSET_VULKAN_TIMEOUT");
    long seconds = text ? strtol(text, NULL, 10) : 0;
    return seconds > 0 ? (uint64_t)seconds : 300;
}

bool vk_is_done(cr_device *d, uint64_t value)
{
    vk_recorder *r = &d->recorder;
    if (value <= r->done)
        return true;
    uint64_t now;
    if (!d->lost && vkGetSemaphoreCounterValue(d->handle, r->timeline, &now) == VK_SUCCESS)
        r->done = now > r->done ? now : r->done;
    return value <= r->done;
}

cr_status vk_wait(cr_device *d, uint64_t value)
{
    vk_recorder *r = &d->recorder;
    if (d->lost)
        return vk_still_lost(d);
    if (r->open && value >= r->value) {
        cr_status status = vk_submit(d);
        if (status != CR_OK)
            return status;
    }
    return vk_wait_sent(d, value);
}

cr_status vk_wait_sent(cr_device *d, uint64_t value)
{
    vk_recorder *r = &d->recorder;
    uint64_t most = 0, waited = 0;
    while (!vk_is_done(d, value)) {
        VkSemaphoreWaitInfo wait = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                    .semaphoreCount = 1,
                                    .pSemaphores = &r->timeline,
                                    .pValues = &value};
        uint64_t before = r->done;
        VkResult result = vkWaitSemaphores(d->handle, &wait, (uint64_t)WAIT_SECONDS * 1000000000u);
        if (result == VK_SUCCESS)
            continue;
        if (result != VK_TIMEOUT)
            return vk_failed(d, result, "vkWaitSemaphores");
        most = most ? most : patience();
        vk_is_done(d, value);
        waited = r->done > before ? 0 : waited + WAIT_SECONDS;
        if (waited >= most)
            return vk_failed(d, VK_TIMEOUT,
                             "it made no progress for as long as "
                             "CRESSET_VULKAN_TIMEOUT allows");
    }
    return CR_OK;
}

uint32_t vk_reporter(cr_device *d, const char *operation, const char *meaning)
{
    vk_recorder *r = &d->recorder;
    if (!r->nreporters)
        r->nreporters = 1; /* the first is of those that look at no index */
    for (int i = 1; i < r->nreporters; i++)
        if (r->reporters[i].meaning == meaning && !strcmp(r->reporters[i].name, operation))
            return (uint32_t)i;
    if (r->nreporters == VK_REPORTS)
        return VK_REPORTS - 1;
    snprintf(r->reporters[r->nreporters].name, sizeof r->reporters[0].name, "%s", operation);
    r->reporters[r->nreporters].meaning = meaning;
    return (uint32_t)r->nreporters++;
}

cr_status vk_check_reports(cr_device *d)
{
    const vk_recorder *r = &d->recorder;
    volatile vk_report *reports = (volatile vk_report *)(void *)r->reports.mapped;
    cr_status status = CR_OK;
    for (int i = 0; i < r->nreporters; i++) {
        if (!reports[i].set)
            continue;
        reports[i].set = 0;
        const char *meaning = r->reporters[i].meaning;
        if (status == CR_OK) /* one of them; the others may be what came of it */
            status = vk_host->fail(
                vk_host, CR_INVALID,
                "%s%s%s: index %lld is out of bounds for dimension %u with size %lld%s",
                meaning ? meaning : "", meaning ? " (" : "", r->reporters[i].name,
                (long long)reports[i].index, reports[i].dim, (long long)reports[i].size,
                meaning ? ")" : "");
    }
    return status;
}

/* ---- command buffers ---- */

static void barrier(VkCommandBuffer commands, bool to_host)
{
    const VkPipelineStageFlags stages =
        VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkAccessFlags writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkAccessFlags reads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
    VkMemoryBarrier all = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                           .srcAccessMask = writes,
                           .dstAccessMask = to_host ? VK_ACCESS_HOST_READ_BIT : reads | writes};
    vkCmdPipelineBarrier(commands, stages, to_host ? VK_PIPELINE_STAGE_HOST_BIT : stages, 0, 1,
                         &all, 0, NULL, 0, NULL);
}

cr_status vk_open_slot(cr_device *d, vk_slot **open)
{
    vk_recorder *r = &d->recorder;
    if (d->lost)
        return vk_still_lost(d);
    if (r->open) {
        *open = r->open;
        return CR_OK;
    }
    vk_slot *slot = &r->slots[r->next];
    cr_status status = vk_wait(d, slot->value);
    if (status != CR_OK)
        return status;
    vk_timer_read(d, slot);
    VkResult result = vkResetCommandPool(d->handle, slot->pool, 0);
    if (result != VK_SUCCESS)
        return vk_failed(d, result, "vkResetCommandPool");
    VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                      .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    result = vkBeginCommandBuffer(slot->commands, &begin);
    if (result != VK_SUCCESS)
        return vk_failed(d, result, "vkBeginCommandBuffer");
    vk_timer_begin(d, slot);
    barrier(slot->commands, false);
    r->epoch++;
    r->next = (r->next + 1) % VK_SLOTS;
    r->open = *open = slot;
    r->count = 0;
    r->first_runs = false;
    slot->staged = 0;
    return CR_OK;
}

cr_status vk_submit(cr_device *d)
{
    vk_recorder *r = &d->recorder;
    if (d->lost)
        return vk_still_lost(d);
    if (!r->open)
        return CR_OK;
    vk_slot *slot = r->open;
    barrier(slot->commands, true);
    r->open = NULL;
    slot->value = r->value;
    VkResult result = vkEndCommandBuffer(slot->commands);
    if (result != VK_SUCCESS)
        return vk_failed(d, result, "vkEndCommandBuffer");
    VkTimelineSemaphoreSubmitInfo timeline = {.sType =
                                                  VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                              .signalSemaphoreValueCount = 1,
                                              .pSignalSemaphoreValues = &r->value};
    VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                           .pNext = &timeline,
                           .commandBufferCount = 1,
                           .pCommandBuffers = &slot->commands,
                           .signalSemaphoreCount = 1,
                           .pSignalSemaphores = &r->timeline};
    cr_status status = vk_exit_send(d, &submit, &result);
    if (status != CR_OK)
        return status;
    if (result != VK_SUCCESS) {
        /* What was recorded is gone, and tensors hold nobody knows what. */
        return vk_failed(d, result == VK_ERROR_OUT_OF_HOST_MEMORY ? result : VK_ERROR_DEVICE_LOST,
                         "vkQueueSubmit");
    }
    r->submissions++;
    return r->first_runs ? vk_exit_after_first_runs(d) : CR_OK;
}

/* ---- uses ---- */

static bool meets(const vk_recorder *r, const cr_buffer *b, bool writes)
{
    return b->write_epoch == r->epoch || (writes && b->read_epoch == r->epoch);
}

static void note_use(vk_recorder *r, cr_buffer *b, bool writes)
{
    if (writes) {
        b->write_epoch = r->epoch;
        b->written_by = r->value;
    } else {
        b->read_epoch = r->epoch;
    }
    b->used_by = r->value;
}

static void next_epoch(vk_recorder *r)
{
    barrier(r->open->commands, false);
    r->epoch++;
    r->barriers++;
}

cr_status vk_record_uses(cr_device *d, cr_buffer *reads, cr_buffer *writes, VkCommandBuffer *to)
{
    vk_slot *slot;
    cr_status status = vk_open_slot(d, &slot);
    if (status != CR_OK)
        return status;
    vk_recorder *r = &d->recorder;
    if ((reads && meets(r, reads, false)) || (writes && meets(r, writes, true)) ||
        r->texels_epoch == r->epoch)
        next_epoch(r);
    if (reads)
        note_use(r, reads, false);
    if (writes)
        note_use(r, writes, true);
    r->copied_epoch = r->epoch;
    *to = slot->commands;
    return CR_OK;
}

void vk_bind(vk_launch *launch, int at, const cr_binding *binding, size_t bytes, bool writes)
{
    launch->args.at[at] = binding->buffer->address + binding->offset + bytes;
    launch->bound[at].buffer = binding->buffer;
    launch->bound[at].offset = binding->offset + bytes;
    for (int i = 0; i < launch->nuses; i++)
        if (launch->use[i].buffer == binding->buffer) {
            launch->use[i].writes |= writes;
            return;
        }
    launch->use[launch->nuses].buffer = binding->buffer;
    launch->use[launch->nuses++].writes = writes;
}

cr_status vk_record(cr_device *d, vk_launch *launch)
{
    vk_slot *slot;
    vk_recorder *r = &d->recorder;
    const vk_block *block = vk_texels_of(d, launch);
    vk_reach by = block ? VK_BY_TEXELS : VK_BY_VALUES;
    cr_status status = vk_pipeline_ready(d, launch->pipeline, by);
    if (status == CR_OK)
        status = vk_open_slot(d, &slot);
    if (status != CR_OK)
        return status;
    bool conflict = r->timed || d->checked; /* a descriptor may always be written to */
    conflict = conflict || (block && (r->copied_epoch == r->epoch || r->texels_epoch == r->epoch));
    for (int i = 0; i < launch->nuses; i++)
        conflict = conflict || meets(r, launch->use[i].buffer, launch->use[i].writes);
    if (conflict)
        next_epoch(r);
    for (int i = 0; i < launch->nuses; i++)
        note_use(r, launch->use[i].buffer, launch->use[i].writes);
    if (block)
        r->texels_epoch = r->epoch;
    launch->args.status = r->reports.address + launch->reporter * sizeof(vk_report);
    if (d->checked)
        vk_values_push(d, slot->commands, launch);
    VkPipelineLayout layout = d->pipelines.layout;
    vkCmdBindPipeline(slot->commands, VK_PIPELINE_BIND_POINT_COMPUTE, launch->pipeline->handle[by]);
    if (launch->constant)
        vkCmdBindDescriptorSets(slot->commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1,
                                &launch->constant->set, 1, &launch->constant->offset);
    if (block)
        vk_texels_bind(d, block, launch);
    else
        vkCmdPushConstants(slot->commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           sizeof launch->args, &launch->args);
    vk_timer_stamp(d, slot, launch->pipeline, false);
    vkCmdDispatch(slot->commands, launch->groups[0], launch->groups[1], launch->groups[2]);
    vk_timer_stamp(d, slot, launch->pipeline, true);
    r->names[r->named++ % VK_NAMES] = launch->pipeline->name;
    if (!launch->pipeline->sent[by]) {
        launch->pipeline->sent[by] = true;
        r->first_runs = true;
    }
    r->dispatches++;
    r->count++;
    if (r->count >= VK_BATCH || (r->count % LOOK_EACH == 0 && vk_is_done(d, r->value - 1)))
        return vk_submit(d);
    return CR_OK;
}
