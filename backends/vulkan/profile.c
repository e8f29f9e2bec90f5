/* Where a device's time goes, kernel by kernel: with CRESSET_VULKAN_PROFILE=1, timestamps stand around every dispatch,
 * which then waits for the one before it, and the sums and the least of each are said (at level info) when the device is closed. */
#include "vulkan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 40 };

cr_status vk_timer_init(cr_device *d)
{
    vk_recorder *r = &d->recorder;
    const char *wanted = vk_env("CRESSET_VULKAN_PROFILE");
    if (!wanted || *wanted != '1')
        return CR_OK;
    if (!d->profile->timestamps) {
        vk_host->log(vk_host, 2, "vulkan: %s has no timestamps, so there is no profile",
                     d->profile->name);
        return CR_OK;
    }
    VkQueryPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
                                  .queryType = VK_QUERY_TYPE_TIMESTAMP,
                                  .queryCount = 2 * VK_BATCH};
    for (int i = 0; i < VK_SLOTS; i++) {
        VkResult result = vkCreateQueryPool(d->handle, &info, NULL, &r->slots[i].times);
        if (result != VK_SUCCESS) {
            r->slots[i].times = VK_NULL_HANDLE;
            return vk_failed(d, result, "vkCreateQueryPool");
        }
    }
    r->timed = true;
    return CR_OK;
}

void vk_timer_begin(cr_device *d, vk_slot *slot)
{
    if (d->recorder.timed)
        vkCmdResetQueryPool(slot->commands, slot->times, 0, 2 * VK_BATCH);
    slot->ntimed = 0;
}

void vk_timer_stamp(cr_device *d, vk_slot *slot, const vk_pipeline *pipeline, bool end)
{
    if (!d->recorder.timed)
        return;
    vkCmdWriteTimestamp(slot->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, slot->times,
                        2 * slot->ntimed + end);
    if (end)
        slot->timed[slot->ntimed++] = (vk_pipeline *)pipeline;
}

/* The slot's submission is done. */
void vk_timer_read(cr_device *d, vk_slot *slot)
{
    uint64_t ticks[2 * VK_BATCH];
    if (!d->recorder.timed || !slot->ntimed || d->lost)
        return;
    if (vkGetQueryPoolResults(d->handle, slot->times, 0, 2 * slot->ntimed, sizeof ticks, ticks,
                              sizeof *ticks, VK_QUERY_RESULT_64_BIT) == VK_SUCCESS)
        for (uint32_t i = 0; i < slot->ntimed; i++) {
            vk_pipeline *p = slot->timed[i];
            uint64_t took = ticks[2 * i + 1] - ticks[2 * i];
            p->ticks += took;
            p->least = !p->runs || took < p->least ? took : p->least;
            p->runs++;
        }
    slot->ntimed = 0;
}

static int by_ticks(const void *a, const void *b)
{
    const vk_pipeline *x = *(vk_pipeline *const *)a, *y = *(vk_pipeline *const *)b;
    return (x->ticks < y->ticks) - (x->ticks > y->ticks);
}

static void say(const cr_device *d, const vk_pipeline *p)
{
    char special[160] = "";
    size_t length = 0;
    int last = VK_SPECIALS;
    while (last > 0 && !p->special[last - 1])
        last--;
    for (int i = 0; i < last && length + 12 < sizeof special; i++)
        length += (size_t)snprintf(special + length, sizeof special - length, " %u", p->special[i]);
    double ms = (double)d->profile->limits.timestampPeriod / 1e6;
    vk_host->log(vk_host, 1, "vulkan: %10.3f ms in %7llu runs of %9.3f us, at least %9.3f us: %s%s",
                 (double)p->ticks * ms, (unsigned long long)p->runs,
                 (double)p->ticks * ms * 1e3 / (double)p->runs, (double)p->least * ms * 1e3,
                 p->name, special);
}

void vk_timer_close(cr_device *d)
{
    vk_recorder *r = &d->recorder;
    for (int i = 0; i < VK_SLOTS; i++) {
        vk_timer_read(d, &r->slots[i]);
        vkDestroyQueryPool(d->handle, r->slots[i].times, NULL);
    }
    vk_pipeline **all = r->timed ? malloc((d->pipelines.built + 1) * sizeof *all) : NULL;
    if (!all)
        return;
    size_t n = 0;
    for (size_t i = 0; i < sizeof d->pipelines.all / sizeof *d->pipelines.all; i++)
        for (vk_pipeline *p = d->pipelines.all[i]; p; p = p->next)
            if (p->runs)
                all[n++] = p;
    qsort(all, n, sizeof *all, by_ticks);
    for (size_t i = 0; i < n && i < SHOWN; i++)
        say(d, all[i]);
    free(all);
}
