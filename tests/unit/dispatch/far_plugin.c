/* An accelerator on its first day: memory of its own, which the host can't see, and matrix products;
 * not even a copy. FAR_PLUGIN_PLANS names one more operation that it plans. Bytes that go either way
 * are counted. */
#define cresset_backend_entry template_entry
#include "../../../plugins/template/template.c"
#undef cresset_backend_entry

CR_BACKEND_EXPORT int64_t far_plugin_bytes[2]; /* to the device, from it */

static cr_status far_info(const cr_backend *self, int index, cr_device_info *i)
{
    return strcpy(i->name, "far away"), CR_OK;
}
static cr_status far_in(cr_device *d, cr_buffer *to, size_t at, const void *from, size_t bytes)
{
    far_plugin_bytes[0] += (int64_t)bytes;
    return copy_in(d, to, at, from, bytes);
}
static cr_status far_out(cr_device *d, void *to, cr_buffer *from, size_t at, size_t bytes)
{
    far_plugin_bytes[1] += (int64_t)bytes;
    return copy_out(d, to, from, at, bytes);
}
static cr_status far_plan(cr_device *d, const cr_graph *graph, cr_plan_info *info, cr_plan **result)
{
    const char *op = graph->nodes[0].op, *also = getenv("FAR_PLUGIN_PLANS");
    return strcmp(op, "bmm") != 0 && (!also || strcmp(op, also) != 0)
               ? CR_UNSUPPORTED
               : plan(d, graph, info, result);
}

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *h)
{
    static cr_backend table;
    table = *template_entry(h);
    table.name = "far";
    table.device_info = far_info;
    table.host_pointer = NULL;
    table.copy_in = far_in, table.copy_out = far_out;
    table.plan = far_plan;
    return &table;
}
