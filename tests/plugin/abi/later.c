/* A plugin of the future: built with the 1.0 header, it claims minor 99 and a longer table, and looks at the sizes of the
 * structs that it receives as such a plugin would: what this core doesn't know of, it must not be asked to read. */
#define cresset_backend_entry template_entry
#include "template.c"
#undef cresset_backend_entry

static bool bad_sizes;

static cr_status later_info(const cr_backend *self, int index, cr_device_info *out) {
    bad_sizes = bad_sizes || !CR_HAS(out, cr_device_info, host_memory);
    if (out->struct_size >= 4096) ((char *)out)[4095] = 1; /* a member of 1.99 */
    return info(self, index, out);
}
static cr_status later_plan(cr_device *d, const cr_graph *graph, cr_plan_info *more,
                            cr_plan **out) {
    for (uint32_t i = 0; i < graph->nnodes; i++)
        bad_sizes = bad_sizes || !CR_HAS(&graph->nodes[i], cr_graph_node, number_names);
    bad_sizes = bad_sizes || !CR_HAS(graph, cr_graph, noutputs) ||
                !CR_HAS(more, cr_plan_info, output_bytes);
    return plan(d, graph, more, out);
}
static cr_status later_run(cr_plan *p, const cr_run *r) {
    if (bad_sizes || !CR_HAS(r, cr_run, offset))
        return host->fail(host, CR_FAILED, "a struct is shorter than ABI 1.0's");
    return run(p, r);
}

CR_BACKEND_EXPORT const cr_backend *cresset_backend_entry(const cr_host *h) {
    static struct {
        cr_backend known;
        void (*unknown[64])(void); /* what the table of 1.99 may have grown by */
    } table;
    table.known = *template_entry(h);
    table.known.struct_size = sizeof table;
    table.known.abi_minor = 99;
    table.known.name = "later";
    table.known.device_info = later_info, table.known.plan = later_plan,
    table.known.run = later_run;
    if (!CR_HAS(h, cr_host, num_threads) || h->abi_major != CR_ABI_MAJOR) return NULL;
    return &table.known;
}
