/* Private layouts: tags, and the copies out of those of images and into those of weights. */
#include "layout.h"

#include <stdlib.h>

#include "blocked.h"
#include "rnn.h"

enum { LAST = 0x6c0000, BLOCKED = 0x620000, WEIGHTS = 0x770000, MOST_WEIGHTS = 0xffff };

/* ---- images ---- */

int64_t dn_block_of(const cr_meta *meta)
{
    if (meta->rank < 3 || meta->rank > 5)
        return 0;
    return meta->layout == LAST                               ? meta->size[1]
           : meta->layout > BLOCKED && meta->layout < WEIGHTS ? (int64_t)meta->layout - BLOCKED
                                                              : 0;
}

/* The places of an image. */
static void measure(const cr_meta *meta, dn_grid *grid)
{
    grid->positions = 1;
    for (int d = 0; d < 3; d++) {
        int from = d + meta->rank - 3;
        grid->size[d] = from < 2 ? 1 : meta->size[from];
        grid->positions *= grid->size[d];
    }
}

bool dn_grid_of(const cr_meta *meta, int64_t block, dn_grid *grid)
{
    if (meta->rank < 3 || meta->rank > 5 || block < 1 || meta->size[1] % block)
        return false;
    *grid = (dn_grid){.block = block};
    measure(meta, grid);
    grid->n = meta->size[0];
    grid->blocks = meta->size[1] / block;
    return meta->layout ? dn_block_of(meta) == block
                        : grid->positions == 1 && cpu_is_contiguous(meta);
}

static dnnl_status_t md_of_block(dn_md *md, const cr_meta *meta, int64_t n, int64_t block)
{
    static const dnnl_format_tag_t tags[2][3] = {{dnnl_nCw8c, dnnl_nChw8c, dnnl_nCdhw8c},
                                                 {dnnl_nCw16c, dnnl_nChw16c, dnnl_nCdhw16c}};
    int64_t size[CR_MAX_RANK];
    memcpy(size, meta->size, sizeof size);
    size[0] = n;
    return dn_md_tag(md, meta->rank, size, dn_type(meta->dtype), tags[block == 16][meta->rank - 3]);
}

static dnnl_status_t md_of_last(dn_md *md, const cr_meta *meta, int64_t n)
{
    static const dnnl_format_tag_t last[3] = {dnnl_nwc, dnnl_nhwc, dnnl_ndhwc};
    int64_t size[CR_MAX_RANK];
    memcpy(size, meta->size, sizeof size);
    size[0] = n;
    return dn_md_tag(md, meta->rank, size, dn_type(meta->dtype), last[meta->rank - 3]);
}

dnnl_status_t dn_md_of_tag(dn_md *md, const cr_meta *meta, int64_t n)
{
    int64_t block = dn_block_of(meta);
    if (!block)
        return dnnl_unimplemented;
    return meta->layout == LAST ? md_of_last(md, meta, n) : md_of_block(md, meta, n, block);
}

int64_t dn_tag_of(const dn_md *chosen, const cr_meta *meta, int64_t n)
{
    int64_t positions = 1;
    if (meta->rank < 3 || meta->rank > 5 || meta->size[1] % 8)
        return -1;
    for (int d = 2; d < meta->rank; d++)
        positions *= meta->size[d];
    for (int64_t block = 16; block >= 0; block -= 8) {
        dn_md md;
        if (block && meta->size[1] % block)
            continue;
        dnnl_status_t made = block ? md_of_block(&md, meta, n, block) : md_of_last(&md, meta, n);
        bool same = !made && dn_md_equal(&md, chosen);
        if (!made)
            dn_md_free(&md);
        if (same) /* one position: the same memory as row-major */
            return positions == 1 ? 0 : block ? BLOCKED + block : LAST;
    }
    return -1;
}

bool dn_grid_chosen(const dn_md *chosen, const cr_meta *meta, int64_t n, dn_grid *grid)
{
    if (meta->rank < 3 || meta->rank > 5)
        return false;
    const int64_t blocks[4] = {16, 8, meta->size[1], 1};
    *grid = (dn_grid){.n = n};
    measure(meta, grid);
    for (int i = 0; i < 4 && !grid->block; i++) {
        dn_md md;
        int64_t size[CR_MAX_RANK];
        memcpy(size, meta->size, sizeof size);
        size[0] = n;
        dnnl_status_t made = i < 2    ? md_of_block(&md, meta, n, blocks[i])
                             : i == 2 ? md_of_last(&md, meta, n)
                                      : dn_md_of_meta(&md, meta, size);
        if (!made && dn_md_equal(&md, chosen))
            grid->block = blocks[i];
        if (!made)
            dn_md_free(&md);
    }
    if (!grid->block)
        return false;
    grid->blocks = (meta->size[1] + grid->block - 1) / grid->block;
    return true;
}

cr_meta dn_brought_in(const cpu_call *call, uint32_t input, const cr_meta *as)
{
    cr_meta m = *call->in[input];
    uint32_t at = (uint32_t)call->in_at[input];
    int64_t block = dn_block_of(as);
    dn_grid grid;
    if (m.layout || !call->info->input_layouts || m.rank != as->rank || m.size[1] != as->size[1] ||
        !block || block % 8 || dn_grid_of(&m, block, &grid))
        return m;
    call->info->input_layouts[at] = m.layout = as->layout;
    call->info->input_bytes[at] = (size_t)cpu_numel(&m) * cpu_dtype_size(m.dtype);
    return m;
}

dn_turn_job dn_turn_of(const dn_grid *grid, const cr_meta *meta, bool in)
{
    dn_turn_job job = {.grid = *grid, .size = cpu_dtype_size(meta->dtype), .in = in};
    memcpy(job.stride, meta->stride, 2 * sizeof *job.stride);
    for (int d = 2; d < meta->rank; d++)
        job.stride[d + 5 - meta->rank] = meta->stride[d];
    return job;
}

typedef struct way_out {
    dn_plan plan;
    dn_turn_job job;
    int from_at, to_at;
} way_out;

static void run_way_out(const dn_plan *plan, const cr_run *run, int64_t begin, int64_t end)
{
    const way_out *p = (const way_out *)plan;
    dn_turn_job job = p->job;
    job.plain = cpu_at(run, job.in ? p->from_at : p->to_at);
    job.blocked = cpu_at(run, job.in ? p->to_at : p->from_at);
    dn_kernels()->turn_images(&job, begin, end);
}

/* Out of blocks, or into them. */
static cr_status plan_way(const cpu_call *call, bool in, cr_plan **out)
{
    const cr_meta *plain = in ? call->in[0] : call->out[0],
                  *there = in ? call->out[0] : call->in[0];
    dn_grid grid;
    int64_t block = dn_block_of(there);
    if (!block || block % 8 || plain->dtype != there->dtype || (!in && !cpu_is_contiguous(plain)) ||
        !dn_grid_of(there, block, &grid))
        return CR_UNSUPPORTED;
    way_out *p = dn_plan_new(call, sizeof *p);
    if (!p)
        return CR_OUT_OF_MEMORY;
    p->job = dn_turn_of(&grid, plain, in);
    p->from_at = call->in_at[0];
    p->to_at = call->out_at[0];
    const int64_t items = dn_turn_items(&p->job);
    dn_stage *stage =
        dn_stage_add(&p->plan, items, 0, (double)cpu_numel(plain) / (double)(items ? items : 1));
    stage->plain = run_way_out;
    return dn_plan_done(&p->plan, call, CR_OK, out);
}

/* ---- weights ---- */

static struct known {
    dn_md md;
    int64_t groups;
} * known;
static int nknown, room;

uint64_t dn_tag_of_weights(const dn_md *chosen, int64_t groups)
{
    for (int i = 0; i < nknown; i++)
        if (known[i].groups == groups && dn_md_equal(&known[i].md, chosen))
            return WEIGHTS + (uint64_t)i;
    if (nknown == MOST_WEIGHTS)
        return 0;
    if (nknown == room) {
        int more = room ? 2 * room : 64;
        struct known *grown = realloc(known, (size_t)more * sizeof *grown);
        if (!grown)
            return 0;
        known = grown;
        room = more;
    }
    known[nknown].groups = groups;
    return dn_md_copy(&known[nknown].md, dn_raw(chosen)) ? 0 : WEIGHTS + (uint64_t)nknown++;
}

void dn_forget_weights(void)
{
    while (nknown)
        dn_md_free(&known[--nknown].md);
    free(known);
    known = NULL;
    room = 0;
}

dnnl_status_t dn_md_of_weights(dn_md *md, const cr_meta *w, int64_t groups)
{
    cr_meta split = *w;
    if (groups > 1) {
        split.rank++;
        split.size[0] = groups;
        split.size[1] = w->size[0] / groups;
        split.stride[0] = w->stride[0] * split.size[1];
        split.stride[1] = w->stride[0];
        for (int d = 1; d < w->rank; d++) {
            split.size[d + 1] = w->size[d];
            split.stride[d + 1] = w->stride[d];
        }
    }
    return dn_md_of_meta(md, &split, NULL);
}

static cr_status plan_weights(const cpu_call *call, cr_plan **out)
{
    uint64_t number = call->out[0]->layout - WEIGHTS;
    if (number >= (uint64_t)nknown)
        return CR_UNSUPPORTED;
    const struct known *k = &known[number];
    if (k->groups < 0)
        return dn_plan_rnn_weights(call, &k->md, k->groups, out);
    dn_plan *plan = dn_plan_new(call, sizeof *plan);
    if (!plan)
        return CR_OUT_OF_MEMORY;
    dn_md from = {0};
    cr_status status = dn_status(plan, dn_md_of_weights(&from, call->in[0], k->groups), "describe");
    const size_t each = cpu_dtype_size(call->in[0]->dtype);
    const dn_side is = {&from, dn_value(call->in_at[0], 0), each},
                  becomes = {&k->md, dn_value(call->out_at[0], 0), each};
    if (status == CR_OK)
        status = dn_stage_reorder(plan, k->groups == 1 ? call->in[0] : NULL,
                                  (double)dn_md_bytes(&k->md) * 0.1, &is, &becomes);
    dn_md_free(&from);
    return dn_plan_done(plan, call, status, out);
}

/* ---- the operation ---- */

static cr_status plan_copy(const cpu_call *call, cr_plan **out)
{
    const cr_meta *from = call->in[0], *to = call->out[0];
    if (!from || !to)
        return CR_UNSUPPORTED;
    if (!from->layout == !to->layout)
        return CR_UNSUPPORTED;
    if (dn_rnn_reserve_pieces(from->layout))
        return dn_plan_forget(call, out);
    return to->layout >= WEIGHTS ? plan_weights(call, out) : plan_way(call, to->layout != 0, out);
}

const cpu_op dn_family_layout[] = {
    {"copy", plan_copy},
    {NULL, NULL},
};
