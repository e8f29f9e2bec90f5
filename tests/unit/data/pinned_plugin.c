/* The template as a device with memory of its own and pinned memory: copies from there are done as
 * late as the contract allows, so that memory which is written too early shows. With
 * PINNED_PLUGIN_PLAIN set it has no pinned memory. */
#define cresset_backend_entry template_entry
#include "../../../plugins/template/template.c"
#undef cresset_backend_entry

#include "pinned_plugin.h"

CR_BACKEND_EXPORT pinned_counts pinned_plugin_counts;

enum { MOST = 4096 };
static struct {
    cr_buffer *to;
    size_t offset, bytes;
    const void *from;
} late[MOST];
static int nlate;

static void catch_up(void)
{
    for (int i = 0; i < nlate; i++)
        memcpy((char *)late[i].to + late[i].offset, late[i].from, late[i].bytes);
    nlate = 0;
}
static cr_status pinned_info(const cr_backend *self, int index, cr_device_info *i)
{
    return strcpy(i->name, "late copies"), CR_OK;
}
static void pinned_release(cr_device *d, cr_buffer *buffer)
{
    catch_up(), release(d, buffer);
}
static cr_status pinned_in(cr_device *d, cr_buffer *to, size_t at, const void *from, size_t bytes)
{
    catch_up();
    pinned_plugin_counts.plain += bytes >= 64;
    return copy_in(d, to, at, from, bytes);
}
static cr_status pinned_out(cr_device *d, void *to, cr_buffer *from, size_t at, size_t bytes)
{
    return catch_up(), copy_out(d, to, from, at, bytes);
}
static cr_status pinned_run(cr_plan *p, const cr_run *r)
{
    return catch_up(), run(p, r);
}
static cr_status pinned_sync(cr_device *d)
{
    return catch_up(), CR_OK;
}

static cr_status host_alloc(cr_device *d, size_t bytes, void **memory)
{
    pinned_plugin_counts.made++;
    return (*memory = aligned_alloc(64, (bytes + 63) / 64 * 64)) ? CR_OK : CR_OUT_OF_MEMORY;
}
static void host_free(cr_device *d, void *memory)
{
    pinned_plugin_counts.freed++;
    free(memory);
}
static cr_status host_copy(cr_device *d, cr_buffer *to, size_t at, const void *from, size_t bytes)
{
    if (nlate == MOST)
        catch_up();
    late[nlate].to = to, late[nlate].offset = at, late[nlate].from = from,
    late[nlate++].bytes = bytes;
    pinned_plugin_counts.direct++;
    return CR_OK;
}
static cr_status host_wait(cr_device *d, void *memory)
{
    return catch_up(), CR_OK;
}

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *h)
{
    static cr_backend table;
    table = *template_entry(h);
    table.name = "pinned";
    table.device_info = pinned_info;
    table.free = pinned_release;
    table.host_pointer = NULL;
    table.copy_in = pinned_in, table.copy_out = pinned_out;
    table.run = pinned_run, table.sync = pinned_sync;
    if (!getenv("PINNED_PLUGIN_PLAIN"))
        table.host_alloc = host_alloc, table.host_free = host_free, table.host_copy = host_copy,
        table.host_wait = host_wait;
    return &table;
}
