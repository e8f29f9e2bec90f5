/* The end of a process that still has devices open: a program may return from main with work under
 * way, and the driver's threads would then meet their own tables after the C library has destroyed
 * them. What was sent is waited for, what was only recorded is dropped, and the devices answer no
 * more.
 *
 * The C library runs what was registered last first, so this has to be registered after whatever
 * the driver registers for itself. A software driver does so as late as at its first compilations,
 * on a thread of its own, when a kernel runs for the first time: such a submission is waited for,
 * and this is registered again. */
#include "vulkan.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cr_device *open_devices;

/* Also run when the backend is unloaded; the devices are closed then. */
static void end_all(void)
{
    pthread_mutex_lock(&lock);
    for (cr_device *d = open_devices; d; d = d->next_open) {
        cr_status status = CR_OK;
        if (d->recorder.value > 1 && !d->ended) {
            if (d->lost)
                vk_is_idle_after_all(d);
            else
                status = vk_wait_sent(d, d->recorder.value - 1);
        }
        if (d->lost || status != CR_OK)
            continue;
        d->lost = d->ended = true;
        snprintf(d->lost_words, sizeof d->lost_words, "the program is at its end, and %s with it",
                 d->profile->name);
    }
    pthread_mutex_unlock(&lock);
}

void vk_exit_add(cr_device *d)
{
    pthread_mutex_lock(&lock);
    d->next_open = open_devices;
    open_devices = d;
    pthread_mutex_unlock(&lock);
    atexit(end_all);
}

void vk_exit_remove(cr_device *d)
{
    pthread_mutex_lock(&lock);
    cr_device **at = &open_devices;
    while (*at && *at != d)
        at = &(*at)->next_open;
    if (*at)
        *at = d->next_open;
    pthread_mutex_unlock(&lock);
}

cr_status vk_exit_send(cr_device *d, const VkSubmitInfo *submit, VkResult *result)
{
    pthread_mutex_lock(&lock);
    bool ended = d->ended;
    if (!ended)
        *result = vkQueueSubmit(d->queue, 1, submit, VK_NULL_HANDLE);
    if (!ended && *result == VK_SUCCESS)
        d->recorder.value++;
    pthread_mutex_unlock(&lock);
    return ended ? vk_still_lost(d) : CR_OK;
}

cr_status vk_exit_after_first_runs(cr_device *d)
{
    if (d->profile->type != VK_PHYSICAL_DEVICE_TYPE_CPU)
        return CR_OK;
    cr_status status = vk_wait(d, d->recorder.value - 1);
    atexit(end_all);
    return status;
}
